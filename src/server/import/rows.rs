//! The rows of notary's databases that matter to who takes them over (notary.md §7.2, §7.3).

use std::fmt;

use zeroize::Zeroizing;

use crate::clock::Timestamp;

/// A table of notary's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `tuf_files`, of the server: the files of all collections.
    Files,
    /// `changefeed`, of the server.
    Changes,
    /// `private_keys`, of the signer.
    Keys,
}

/// A row of `tuf_files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// The collection.
    pub gun: String,
    /// The role.
    pub role: String,
    /// Its version, as the table has it.
    pub version: i64,
    /// The file.
    pub data: Vec<u8>,
    /// Its hash in hex, as the table has it; not there in the oldest tables.
    pub sha256: Option<String>,
    /// When it was stored.
    pub created_at: Option<Timestamp>,
}

/// A row of `changefeed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number.
    pub id: i64,
    /// When it happened.
    pub created_at: Option<Timestamp>,
    /// The collection.
    pub gun: String,
    /// The timestamp's version; 0 for a deletion.
    pub version: i64,
    /// The timestamp's hash in hex; empty for a deletion.
    pub sha256: String,
    /// `update` or `deletion`.
    pub category: String,
}

/// A row of `private_keys`.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKeyRow {
    /// The id of the key in metadata.
    pub key_id: String,
    /// `ecdsa` or `ed25519`.
    pub algorithm: String,
    /// Which passphrase it is sealed under.
    pub alias: String,
    /// The public key, as metadata has it.
    pub public: Vec<u8>,
    /// The private key, sealed: a compact JWE.
    pub private: Zeroizing<Vec<u8>>,
    /// The collection; empty in the oldest tables.
    pub gun: String,
    /// The role; empty in the oldest tables.
    pub role: String,
    /// Whether it signed anything.
    pub was_used: bool,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Files, Self::Changes, Self::Keys];

    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "tuf_files",
            Self::Changes => "changefeed",
            Self::Keys => "private_keys",
        }
    }

    /// The columns of it that are read, and whether they must be there: those that later versions
    /// of notary added need not.
    pub const fn columns(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Files => &[
                ("gun", true),
                ("role", true),
                ("version", true),
                ("data", true),
                ("sha256", false),
                ("created_at", false),
                ("deleted_at", false),
            ],
            Self::Changes => &[
                ("id", true),
                ("created_at", false),
                ("gun", true),
                ("version", true),
                ("sha256", false),
                ("category", false),
            ],
            Self::Keys => &[
                ("key_id", true),
                ("algorithm", true),
                ("passphrase_alias", true),
                ("public", true),
                ("private", true),
                ("gun", false),
                ("role", false),
                ("last_used", false),
                ("deleted_at", false),
            ],
        }
    }

    /// The table of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for SealedKeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, alias, gun, role, was_used, .. } = self;
        f.debug_struct("SealedKeyRow")
            .field("key_id", key_id)
            .field("alias", alias)
            .field("gun", gun)
            .field("role", role)
            .field("was_used", was_used)
            .finish_non_exhaustive()
    }
}
