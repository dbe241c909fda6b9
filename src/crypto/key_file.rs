//! Private key files: PEM with `role` and `gun` headers, mostly encrypted (notary.md §2.2).

use std::fmt;

use zeroize::Zeroizing;

use crate::codec::pem::Pem;
use crate::codec::pem::PemError;
use crate::crypto::KeyError;
use crate::crypto::KeyId;
use crate::crypto::Passphrase;
use crate::crypto::PrivateKey;
use crate::crypto::key_encryption;
use crate::crypto::private_key_der::looks_like_pkcs8;

/// The headers of a private key block that say what the key is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyHeaders {
    /// `root`, `targets`, `snapshot`, …, a delegation, or a signer's bare name.
    pub role: Option<String>,
    /// The repository, for keys that belong to one.
    pub gun: Option<String>,
    /// Written by exports: a path whose last part is the key id.
    pub path: Option<String>,
}

/// One private key block of a file, perhaps encrypted.
#[derive(Clone)]
pub struct KeyBlock {
    pem: Pem,
}

/// Why a private key file gives no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The passphrase does not open the key, or the encrypted bytes were altered.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// No passphrase was given.
    #[error("the key is encrypted")]
    PassphraseNeeded,
    /// PEM, but no private key in it.
    #[error("`{label}` is not a private key")]
    NotAPrivateKey {
        /// What the first block says it is.
        label: String,
    },
    /// Not PEM.
    #[error("the key file is not readable")]
    Pem(#[from] PemError),
    /// The key itself is not usable.
    #[error("the private key is not usable")]
    Key(#[from] KeyError),
    /// An encryption not known here.
    #[error("unsupported {what}")]
    Unsupported {
        /// What is not known.
        what: String,
    },
    /// Truncated or altered.
    #[error("malformed {what}")]
    Malformed {
        /// What cannot be read.
        what: &'static str,
    },
    /// Opening the key would take minutes, or all the memory: no honest file does that.
    #[error("{what} of the key file are too expensive")]
    TooExpensive {
        /// What is too large.
        what: &'static str,
    },
    /// The operating system gave no random numbers.
    #[error("no random numbers")]
    Random,
}

impl KeyBlock {
    /// Reads all private key blocks of a PEM text; blocks of other kinds are skipped.
    ///
    /// `ENCRYPTED PRIVATE KEY`, `PRIVATE KEY`, and `EC`, `RSA` or `ED25519 PRIVATE KEY` with or
    /// without DEK-Info.
    pub fn parse_all(text: &[u8]) -> Result<Vec<Self>, KeyFileError> {
        let blocks = Pem::parse_all(text)?;
        let label = blocks.first().map(|pem| pem.label.clone()).unwrap_or_default();
        let keys: Vec<Self> = blocks
            .into_iter()
            .filter(|pem| LABELS.contains(&pem.label.as_str()))
            .map(|pem| Self { pem })
            .collect();
        if keys.is_empty() { Err(KeyFileError::NotAPrivateKey { label }) } else { Ok(keys) }
    }

    /// Encrypts a key exactly as the reference does; an empty passphrase gives `PRIVATE KEY`.
    pub fn encrypt(
        key: &PrivateKey,
        headers: &KeyHeaders,
        passphrase: &Passphrase,
    ) -> Result<Self, KeyFileError> {
        let mut random = [0; 24];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| KeyFileError::Random)?;
        let (salt, iv) = random.split_first_chunk::<8>().ok_or(KeyFileError::Random)?;
        let iv = <[u8; 16]>::try_from(iv).map_err(|_| KeyFileError::Random)?;
        Self::encrypt_with(key, headers, passphrase, *salt, iv)
    }

    /// Encrypts with a given salt and initial vector: in tests, those of a captured file.
    pub(super) fn encrypt_with(
        key: &PrivateKey,
        headers: &KeyHeaders,
        passphrase: &Passphrase,
        salt: [u8; 8],
        iv: [u8; 16],
    ) -> Result<Self, KeyFileError> {
        let pkcs8 = key.to_pkcs8()?;
        let pem = if passphrase.is_empty() {
            Pem::new(PLAIN, pkcs8.to_vec())
        } else {
            let der = key_encryption::encrypt_pbes2(&pkcs8, passphrase, salt, iv)?;
            Pem::new(ENCRYPTED, der)
        };
        let mut block = Self { pem };
        block.set_headers(headers);
        Ok(block)
    }

    /// Opens the key; the passphrase is ignored when the block is not encrypted.
    pub fn decrypt(&self, passphrase: Option<&Passphrase>) -> Result<PrivateKey, KeyFileError> {
        if !self.is_encrypted() {
            return Ok(self.read(&self.pem.contents)?);
        }
        let passphrase = passphrase.ok_or(KeyFileError::PassphraseNeeded)?;
        if self.pem.label == ENCRYPTED {
            let pkcs8 = key_encryption::decrypt_pbes2(&self.pem.contents, passphrase)?;
            if !looks_like_pkcs8(&pkcs8) {
                return Err(KeyFileError::WrongPassphrase);
            }
            return Ok(PrivateKey::from_pkcs8(&pkcs8)?);
        }
        let contents = key_encryption::decrypt_dek_info(&self.pem, passphrase)?;
        self.read(&contents).map_err(|error| match error {
            // One wrong passphrase in 256 leaves padding that passes.
            KeyError::Malformed { .. } => KeyFileError::WrongPassphrase,
            other => other.into(),
        })
    }

    /// Reads the decrypted contents by the label.
    fn read(&self, contents: &[u8]) -> Result<PrivateKey, KeyError> {
        match self.pem.label.as_str() {
            "EC PRIVATE KEY" => PrivateKey::from_sec1(contents),
            "RSA PRIVATE KEY" => PrivateKey::from_pkcs1(contents),
            "ED25519 PRIVATE KEY" => PrivateKey::from_ed25519_octets(contents),
            _ => PrivateKey::from_pkcs8(contents),
        }
    }

    /// Tells whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        let proc_type = self.pem.headers.get("Proc-Type");
        self.pem.label == ENCRYPTED
            || proc_type.is_some_and(|value| value.contains("ENCRYPTED"))
            || self.pem.headers.contains_key("DEK-Info")
    }

    /// Returns what the headers say the key is for.
    pub fn headers(&self) -> KeyHeaders {
        let get = |name: &str| self.pem.headers.get(name).cloned();
        KeyHeaders { role: get("role"), gun: get("gun"), path: get("path") }
    }

    /// Replaces `role`, `gun` and `path`; what is `None` is removed.
    pub fn set_headers(&mut self, headers: &KeyHeaders) {
        let KeyHeaders { role, gun, path } = headers;
        for (name, value) in [("role", role), ("gun", gun), ("path", path)] {
            match value {
                Some(value) => self.pem.headers.insert(name.to_owned(), value.clone()),
                None => self.pem.headers.remove(name),
            };
        }
    }

    /// Returns the key id in the last part of the `path` header, if there is one.
    pub fn path_key_id(&self) -> Option<KeyId> {
        let path = self.pem.headers.get("path")?;
        KeyId::parse(path.rsplit('/').next()?).ok()
    }

    /// Writes the PEM text, byte for byte as Go would.
    pub fn to_pem(&self) -> Zeroizing<Vec<u8>> {
        self.pem.encode()
    }
}

impl fmt::Debug for KeyBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyBlock").field(&self.pem).finish()
    }
}

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PLAIN: &str = "PRIVATE KEY";
const LABELS: [&str; 5] =
    [ENCRYPTED, PLAIN, "EC PRIVATE KEY", "RSA PRIVATE KEY", "ED25519 PRIVATE KEY"];
