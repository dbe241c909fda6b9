//! The keys of a notary-signer's database, opened (`spec/takeover.md` §4).

use std::collections::BTreeMap;

use crate::crypto::jwe::{self, JweError};
use crate::crypto::{KeyError, Passphrase, PrivateKey};
use crate::server::import::rows::SealedKeyRow;

/// Why a key is not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PastKeyError {
    /// Its passphrase is not there.
    #[error("key {key_id} is sealed under the passphrase `{alias}`, and {variable} is not set")]
    NoPassphrase {
        /// The key.
        key_id: String,
        /// What notary-signer calls the passphrase.
        alias: String,
        /// The variable that it would be in.
        variable: String,
    },
    /// Its passphrase does not open it.
    #[error("key {key_id} is not opened by the passphrase `{alias}`, which is in {variable}")]
    Sealed {
        /// The key.
        key_id: String,
        /// What notary-signer calls the passphrase.
        alias: String,
        /// The variable that it is in.
        variable: String,
        /// Why.
        #[source]
        cause: JweError,
    },
    /// Of a kind that notary-signer does not make.
    #[error("key {key_id} is of the kind `{algorithm}`, which notary-signer does not make")]
    Kind {
        /// The key.
        key_id: String,
        /// What is said of its kind.
        algorithm: String,
    },
    /// What was sealed is no key.
    #[error("key {key_id} cannot be read")]
    Key {
        /// The key.
        key_id: String,
        /// Why.
        #[source]
        cause: KeyError,
    },
    /// What was sealed is another key than the row says.
    #[error("what is sealed as key {key_id} is another key")]
    Another {
        /// The key.
        key_id: String,
    },
}

/// The passphrases of a signer, by what it calls them.
#[derive(Debug, Clone, Default)]
pub struct Passphrases(BTreeMap<String, Passphrase>);

/// The variable that notary-signer reads a passphrase from.
pub fn variable(alias: &str) -> String {
    format!("NOTARY_SIGNER_{}", alias.to_uppercase().replace('.', "_"))
}

impl Passphrases {
    /// Finds the passphrases that these keys are sealed under.
    pub fn find(
        keys: &[SealedKeyRow],
        variables: &dyn Fn(&str) -> Option<Passphrase>,
    ) -> Result<Self, PastKeyError> {
        let mut found = Self::default();
        for key in keys {
            let passphrase = variables(&variable(&key.alias));
            let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
            let passphrase = passphrase.ok_or_else(|| no_passphrase(key))?;
            found.0.insert(key.alias.clone(), passphrase);
        }
        Ok(found)
    }

    /// Opens a key; takes some milliseconds.
    pub fn open(&self, key: &SealedKeyRow) -> Result<PrivateKey, PastKeyError> {
        let key_id = || key.key_id.clone();
        let passphrase = self.0.get(&key.alias).ok_or_else(|| no_passphrase(key))?;
        let sealed = |cause| PastKeyError::Sealed {
            key_id: key_id(),
            alias: key.alias.clone(),
            variable: variable(&key.alias),
            cause,
        };
        let token = std::str::from_utf8(&key.private)
            .map_err(|_| sealed(JweError::Malformed { problem: "it is no text" }))?;
        let secret = jwe::open(token.trim_end(), passphrase).map_err(sealed)?;
        let opened = match key.algorithm.as_str() {
            "ecdsa" => PrivateKey::from_sec1(&secret),
            "ed25519" => PrivateKey::from_ed25519_octets(&secret),
            _ => {
                let algorithm = key.algorithm.chars().take(64).collect();
                return Err(PastKeyError::Kind { key_id: key_id(), algorithm });
            }
        };
        let opened = opened.map_err(|cause| PastKeyError::Key { key_id: key_id(), cause })?;
        if opened.id().as_str() != key.key_id || opened.public_key().public() != key.public {
            return Err(PastKeyError::Another { key_id: key_id() });
        }
        Ok(opened)
    }
}

fn no_passphrase(key: &SealedKeyRow) -> PastKeyError {
    PastKeyError::NoPassphrase {
        key_id: key.key_id.clone(),
        alias: key.alias.clone(),
        variable: variable(&key.alias),
    }
}
