//! Passphrases, and where they come from.

use std::fmt;
use std::io;

use zeroize::Zeroizing;

use crate::crypto::KeyId;

/// A passphrase: no Display, redacted Debug, zeroized; may be empty (= store unencrypted).
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes over a text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Tells whether it protects nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Bytes that nobody is shown: no `Display`, a redacted `Debug`, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

/// What a passphrase is wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassphraseRequest {
    /// The key's role as its file names it: `root`, `targets`, `snapshot`, `targets/releases`, a
    /// signer's name.
    pub role: String,
    /// The key's canonical id.
    pub key_id: KeyId,
    /// The repository of a targets or snapshot key.
    pub gun: Option<String>,
    /// A new key is being protected, not an old one opened.
    pub new: bool,
    /// 1 for the first time of asking, 2 after one wrong answer …
    pub attempt: u32,
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Nothing configured and no terminal.
    #[error("no passphrase given for the {role} key {key_id} and there is no terminal to ask on")]
    NoSource {
        /// The key's role.
        role: String,
        /// The key's canonical id.
        key_id: String,
    },
    /// The source has no other answer to offer after a wrong one.
    #[error("wrong passphrase for the {role} key {key_id}, from {source_name}")]
    Wrong {
        /// The key's role.
        role: String,
        /// The key's canonical id.
        key_id: String,
        /// Where the answer came from.
        source_name: String,
    },
    /// Asked too often.
    #[error("no right passphrase for the {role} key {key_id} after {attempts} attempts")]
    TooManyAttempts {
        /// The key's role.
        role: String,
        /// The key's canonical id.
        key_id: String,
        /// Times asked.
        attempts: u32,
    },
    /// The person pressed Ctrl-C or Ctrl-D.
    #[error("passphrase entry was cancelled")]
    Cancelled,
    /// A file, descriptor or keyring could not be read.
    #[error("cannot read the passphrase from {source_name}")]
    Unreadable {
        /// Where it should have come from.
        source_name: String,
        /// What went wrong there.
        #[source]
        cause: io::Error,
    },
}

/// Where passphrases come from. The production one is in `cli/passphrases.rs`.
pub trait PassphraseSource {
    /// Returns the passphrase to try (or to protect a new key with).
    fn passphrase(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError>;

    /// Told that the passphrase last given was right, so that it can be reused for this role in
    /// this process.
    fn accepted(&self, _request: &PassphraseRequest, _passphrase: &Passphrase) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_it() {
        let passphrase = Passphrase::new("hunter22".into());
        assert_eq!(format!("{passphrase:?}"), "Passphrase(..)");
        assert_eq!(passphrase.expose(), "hunter22");
    }
}
