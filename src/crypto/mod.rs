//! Keys, key ids, signatures, hashes, certificates, encrypted private keys, secrets.
//!
//! Bytes of keys, signatures and certificates are an attacker's until a check here says otherwise;
//! the arithmetic is that of `aws-lc-rs`, `ed25519-dalek`, `sha2` and `p384`, never our own.

pub mod certificate;
mod certificate_chain;
mod curve;
pub mod hash;
pub mod jwe;
mod key_encryption;
pub mod key_file;
pub mod private_key;
mod private_key_der;
pub mod public_key;
pub mod sealed;
pub mod secret;
mod self_signed;
pub mod signature;
mod spki;
#[cfg(test)]
mod vectors;

pub use hash::{Hashes, Sha256Hash};
pub use key_file::{KeyBlock, KeyFileError, KeyHeaders};
pub use private_key::PrivateKey;
pub use public_key::{KeyError, KeyId, KeyType, PublicKey};
pub use secret::Passphrase;
pub use signature::{Method, Signature, SignatureError};
