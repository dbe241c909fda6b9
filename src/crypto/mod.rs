//! Keys, key ids, signatures, hashes, certificates, encrypted private keys, secrets.

pub mod certificate;
pub mod hash;
pub mod key_file;
pub mod private_key;
pub mod public_key;
pub mod secret;
pub mod signature;

pub use hash::{Hashes, Sha256Hash};
pub use key_file::{KeyBlock, KeyFileError, KeyHeaders};
pub use private_key::PrivateKey;
pub use public_key::{KeyError, KeyId, KeyType, PublicKey};
pub use secret::Passphrase;
pub use signature::{Method, Signature, SignatureError};
