//! `trust key generate`: a key pair for a signer.

use std::path::{Path, PathBuf};

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::names::check_key_name;
use crate::codec::pem::Pem;
use crate::crypto::secret::PassphraseRequest;
use crate::crypto::{KeyHeaders, KeyType, PrivateKey, PublicKey};
use crate::store::files::{create_file, exists, sweep_user_folder};
use crate::store::{KeyInfo, StoreError};

/// The kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// ECDSA on P-256: what docker makes, and every reader knows.
    #[default]
    Ecdsa,
    /// Ed25519; docker's `signer add` refuses its public key.
    Ed25519,
    /// RSA of 3072 bits.
    Rsa,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The private key in the key store.
    pub key: KeyInfo,
    /// The file of the public key.
    pub public_file: PathBuf,
}

/// Makes a key for the signer `name`, stores it encrypted, and writes `NAME.pub` into `dir`.
pub fn generate(
    context: &Context,
    name: &str,
    dir: &Path,
    algorithm: Algorithm,
) -> Result<Generated, KeyActionError> {
    check_key_name(name)?;
    let public_file = dir.join(format!("{name}.pub"));
    if exists(&public_file) {
        sweep_user_folder(dir);
        return Err(KeyActionError::PublicFileExists { path: public_file });
    }
    let key = match algorithm {
        Algorithm::Ecdsa => PrivateKey::generate_ecdsa()?,
        Algorithm::Ed25519 => PrivateKey::generate_ed25519()?,
        Algorithm::Rsa => PrivateKey::generate_rsa(RSA_BITS)?,
    };
    let headers = KeyHeaders { role: Some(name.to_owned()), ..KeyHeaders::default() };
    let passphrase = context.passphrases.passphrase(&PassphraseRequest {
        role: name.to_owned(),
        key_id: key.id(),
        gun: None,
        new: true,
        attempt: 1,
    })?;
    let public_pem = public_pem(key.public_key(), Some(name));
    let store = context.trust_dir.keys()?;
    let key = store.add(&key, &headers, &passphrase)?;
    let Err(error) = create_file(&public_file, &public_pem, PUBLIC_FILE_MODE) else {
        return Ok(Generated { key, public_file });
    };
    // Nobody ever saw this key: it is taken back.
    store.remove(&key.id)?;
    Err(match error {
        StoreError::Exists { path } => KeyActionError::PublicFileExists { path },
        other => other.into(),
    })
}

/// The PEM text of a public key, as docker writes it: with the `role` header (notary.md §2.3).
pub fn public_pem(key: &PublicKey, role: Option<&str>) -> Vec<u8> {
    let contents = match key.key_type() {
        // Metadata has the bare 32 bytes; a file has the SubjectPublicKeyInfo of RFC 8410.
        KeyType::Ed25519 => [ED25519_SPKI_PREFIX, key.public()].concat(),
        KeyType::EcdsaX509 | KeyType::RsaX509 => return key.public().to_vec(),
        _ => key.public().to_vec(),
    };
    let headers = role.map(|role| ("role".to_owned(), role.to_owned())).into_iter().collect();
    let label = "PUBLIC KEY".to_owned();
    Pem { label, headers, contents: contents.into() }.encode().to_vec()
}

/// As docker has it, though there is nothing secret in it.
const PUBLIC_FILE_MODE: u32 = 0o600;
const RSA_BITS: usize = 3072;
const ED25519_SPKI_PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
