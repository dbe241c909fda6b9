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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use test_case::test_case;

    use super::*;
    use crate::crypto::KeyType;

    const OPENSSL: &[u8] = include_bytes!("../../tests/data/openssl-keys.pem");
    const UNSUPPORTED: &[u8] = include_bytes!("../../tests/data/openssl-keys-unsupported.pem");
    const NOTARY: &[u8] = include_bytes!(
        "../../tests/data/notary-vectors/nh-init/private/\
         171c2bd783b56ab9256c7bb8f61eb51be37810c75254d772214cb12dc572fb28.key"
    );

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.into())
    }

    #[test]
    fn opens_what_openssl_writes() {
        let mut counts: BTreeMap<KeyId, usize> = BTreeMap::new();
        let blocks = KeyBlock::parse_all(OPENSSL).unwrap();
        assert_eq!(blocks.iter().filter(|block| block.is_encrypted()).count(), 13);
        for block in blocks {
            let key = block.decrypt(Some(&passphrase("throw-away"))).unwrap();
            *counts.entry(key.id()).or_default() += 1;
            let (method, signature) = key.sign(b"m").unwrap();
            assert_eq!(key.public_key().verify(&method, b"m", &signature), Ok(()));
        }
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 2, 3, 15]);
    }

    #[test]
    fn a_wrong_passphrase_opens_nothing() {
        for block in KeyBlock::parse_all(OPENSSL).unwrap() {
            if block.is_encrypted() {
                let error = block.decrypt(Some(&passphrase("throw-away "))).unwrap_err();
                assert_eq!(error, KeyFileError::WrongPassphrase);
                assert_eq!(block.decrypt(None).unwrap_err(), KeyFileError::PassphraseNeeded);
            }
        }
    }

    #[test]
    fn old_encryptions_are_named() {
        let blocks = KeyBlock::parse_all(UNSUPPORTED).unwrap();
        assert_eq!(blocks.len(), 3);
        for block in blocks {
            let error = block.decrypt(Some(&passphrase("throw-away"))).unwrap_err();
            assert!(matches!(error, KeyFileError::Unsupported { .. }), "{error:?}");
        }
    }

    #[test]
    fn keys_are_encrypted_and_opened_again() {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let role = Some("targets".to_owned());
        let headers = KeyHeaders { role, gun: Some("a/b".into()), path: None };
        for (text, label) in [("secret12", "ENCRYPTED PRIVATE KEY"), ("", "PRIVATE KEY")] {
            let block = KeyBlock::encrypt(&key, &headers, &passphrase(text)).unwrap();
            let pem = block.to_pem();
            let start = format!("-----BEGIN {label}-----\ngun: a/b\nrole: targets\n\n");
            assert!(pem.starts_with(start.as_bytes()));
            let read = KeyBlock::parse_all(&pem).unwrap().remove(0);
            assert_eq!((read.headers(), read.is_encrypted()), (headers.clone(), !text.is_empty()));
            assert_eq!(read.decrypt(Some(&passphrase(text))).unwrap().id(), key.id());
        }
    }

    #[test]
    fn salt_and_initial_vector_differ_every_time() {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let make = || KeyBlock::encrypt(&key, &KeyHeaders::default(), &passphrase("x")).unwrap();
        assert_ne!(make().to_pem(), make().to_pem());
    }

    #[test]
    fn the_old_ed25519_form_is_read() {
        let key = PrivateKey::generate_ed25519().unwrap();
        let pkcs8 = key.to_pkcs8().unwrap();
        let octets = pkcs8[pkcs8.len() - 96..].to_vec();
        let pem = Pem::new("ED25519 PRIVATE KEY", octets).encode();
        let read = KeyBlock::parse_all(&pem).unwrap()[0].decrypt(None).unwrap();
        assert_eq!(read.public_key(), key.public_key());
        assert_eq!(read.public_key().key_type(), &KeyType::Ed25519);
    }

    #[test]
    fn every_truncation_and_bit_flip_is_an_error_or_the_key() {
        let pem = Pem::parse_all(NOTARY).unwrap().remove(0);
        let right = passphrase("snappass1");
        let id = KeyBlock { pem: pem.clone() }.decrypt(Some(&right)).map(|key| key.id());
        let id = id.unwrap();
        for length in 0..pem.contents.len() {
            let mut cut = pem.clone();
            cut.contents.truncate(length);
            let error = KeyBlock { pem: cut }.decrypt(Some(&right)).unwrap_err();
            assert!(matches!(error, KeyFileError::Malformed { .. }), "{error:?}");
        }
        for index in 0..pem.contents.len() {
            for bit in [0x01, 0x80] {
                let mut flipped = pem.clone();
                flipped.contents[index] ^= bit;
                // A flip in the encrypted version number, or the like, may leave the key whole.
                if let Ok(key) = (KeyBlock { pem: flipped }).decrypt(Some(&right)) {
                    assert_eq!(key.id(), id);
                }
            }
        }
    }

    /// A PBES2 structure with the given key derivation, DER in hexadecimal, AES-256-CBC and one block.
    fn pbes2(kdf: &str) -> KeyBlock {
        fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
            [&[tag, u8::try_from(contents.len()).unwrap()], contents].concat()
        }
        let hex = |text: &str| crate::codec::text::from_hex(&text.replace(' ', "")).unwrap();
        let cipher = tlv(0x30, &[hex("0609 60864801650304012a 0410"), vec![0; 16]].concat());
        let parameters = tlv(0x30, &[tlv(0x30, &hex(kdf)), cipher].concat());
        let algorithm = tlv(0x30, &[hex("0609 2a864886f70d01050d"), parameters].concat());
        let der = tlv(0x30, &[algorithm, tlv(4, &[0; 16])].concat());
        KeyBlock { pem: Pem::new(ENCRYPTED, der) }
    }

    const PBKDF2: &str = "0609 2a864886f70d01050c";
    const SCRYPT: &str = "0609 2b06010401da47040b";

    #[test_case(PBKDF2, "3010 0408 0000000000000000 0204 00989681", "expensive"; "one iteration too many")]
    #[test_case(PBKDF2, "3010 0408 0000000000000000 0204 7fffffff", "expensive"; "many iterations")]
    #[test_case(PBKDF2, "300d 0408 0000000000000000 0201 00", "malformed"; "no iterations")]
    #[test_case(SCRYPT, "3015 0408 0000000000000000 0203 100000 0201 08 0201 01", "expensive"; "a gigabyte")]
    #[test_case(SCRYPT, "3014 0408 0000000000000000 0202 4000 0201 08 0201 7f", "expensive"; "parallel")]
    #[test_case(SCRYPT, "3013 0408 0000000000000000 0201 00 0201 08 0201 01", "malformed"; "n is zero")]
    #[test_case(SCRYPT, "3013 0408 0000000000000000 0201 03 0201 08 0201 01", "malformed"; "n is three")]
    #[test_case(SCRYPT, "3013 0408 0000000000000000 0201 02 0201 00 0201 01", "malformed"; "r is zero")]
    #[test_case("0603 2a0304", "3000", "unsupported"; "unknown derivation")]
    fn hostile_derivations_are_refused_at_once(oid: &str, parameters: &str, kind: &str) {
        let error =
            pbes2(&format!("{oid}{parameters}")).decrypt(Some(&passphrase("x"))).unwrap_err();
        let found = match error {
            KeyFileError::TooExpensive { .. } => "expensive",
            KeyFileError::Malformed { .. } => "malformed",
            KeyFileError::Unsupported { .. } => "unsupported",
            _ => "other",
        };
        assert_eq!(found, kind);
    }

    #[test]
    fn other_blocks_are_no_private_keys() {
        let pem = Pem::new("CERTIFICATE", vec![1]).encode();
        let label = "CERTIFICATE".to_owned();
        let error = KeyBlock::parse_all(&pem).unwrap_err();
        assert_eq!(error, KeyFileError::NotAPrivateKey { label });
        let error = KeyBlock::parse_all(b"nothing").unwrap_err();
        assert_eq!(error, KeyFileError::Pem(PemError::Missing));
    }

    #[test]
    fn debug_shows_no_contents() {
        let block = KeyBlock { pem: Pem::new(PLAIN, vec![123]) };
        assert!(!format!("{block:?}").contains("123"));
    }
}
