//! The record of a rescued collection, `rescue.json` (`spec/rescue.md` §2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::store::rescue::text;
use crate::tuf::{Gun, RoleName};

/// What is known of how a collection was rescued and what there is of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub(super) format: String,
    pub(super) version: u64,
    /// The collection.
    #[serde(with = "text")]
    pub gun: Gun,
    /// Where the files come from, the latest last: one entry a place.
    pub sources: Vec<SourceRecord>,
    /// Every file, by role, version and hash.
    pub files: Vec<FileRecord>,
    /// The newest set of files that belong together: the hash of each role's file. Empty if there
    /// is none.
    #[serde(with = "text::by_role")]
    pub current: BTreeMap<RoleName, Sha256Hash>,
    /// What the server's changefeed says of the collection, the oldest first.
    pub feed: Vec<FeedRecord>,
    /// What was asked for and not had.
    pub missing: Vec<MissingRecord>,
}

/// A place that a collection was rescued from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// What kind of place.
    pub kind: SourceKind,
    /// Its URL, or its path.
    pub place: String,
    /// When it was begun with.
    #[serde(with = "text")]
    pub begun: Timestamp,
    /// When it was done with; nothing if that was interrupted.
    #[serde(with = "text::maybe", default)]
    pub finished: Option<Timestamp>,
    /// Whether all was asked for that there could be, and each question answered.
    pub complete: bool,
    /// Why not all was asked for or kept, in words.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// What kind of place files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A trust server.
    Server,
    /// A trust folder of docker or notary.
    Cache,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Whose it is.
    #[serde(with = "text")]
    pub role: RoleName,
    /// Its version, if it can be read.
    #[serde(default)]
    pub version: Option<u64>,
    /// Hash of its bytes.
    #[serde(with = "text")]
    pub sha256: Sha256Hash,
    /// Number of its bytes.
    pub length: u64,
    /// When it expires, if it can be read.
    #[serde(with = "text::maybe", default)]
    pub expires: Option<Timestamp>,
    /// Whether it is what the owners published, as far as could be told then.
    pub verified: bool,
    /// Why it is not, in words.
    #[serde(default)]
    pub refused: Option<String>,
}

/// A line of the changefeed (notary.md §3.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedRecord {
    /// The server's number for it.
    pub id: String,
    /// When it happened, as the server writes it.
    pub at: String,
    /// The timestamp's version; 0 for a deletion.
    pub version: u64,
    /// The timestamp's SHA-256 in hex; empty for a deletion.
    pub sha256: String,
    /// `update` or `deletion`.
    pub category: String,
}

/// Something that was asked for and not had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingRecord {
    /// The name of the file as the server knows it, such as `3.root.json`, or `changefeed`.
    pub name: String,
    /// What the server answered.
    pub answer: String,
    /// Whether it said that there is no such thing, so that it is of no use to ask it again.
    pub absent: bool,
}

impl Record {
    /// A record of a collection of which nothing is there.
    pub fn new(gun: Gun) -> Self {
        Self {
            format: RECORD_FORMAT.to_owned(),
            version: RECORD_VERSION,
            gun,
            sources: Vec::new(),
            files: Vec::new(),
            current: BTreeMap::new(),
            feed: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Reads a record, of whatever version.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Writes it, as it is kept.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Whether a source was gone through to its end, with every question answered.
    pub fn is_complete(&self) -> bool {
        let servers = || self.sources.iter().filter(|one| one.kind == SourceKind::Server);
        // All of a cache is little of what a server has.
        if servers().next().is_some() {
            servers().any(|server| server.complete)
        } else {
            self.sources.iter().any(|source| source.complete)
        }
    }
}

/// What a record calls itself.
pub(super) const RECORD_FORMAT: &str = "trust rescue record";
/// Version of records.
pub(super) const RECORD_VERSION: u64 = 1;
