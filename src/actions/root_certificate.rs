//! The form in which a root key stands in the metadata of one repository (notary.md §1.11).

use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::{KeyError, KeyType, PrivateKey, PublicKey};
use crate::tuf::Gun;

/// Returns a root key in a new certificate for a repository, valid for ten years from `now`. The
/// same key in another certificate has another id in metadata.
pub fn root_certificate_for(
    key: &PrivateKey,
    gun: &Gun,
    now: Timestamp,
) -> Result<PublicKey, KeyError> {
    let certificate = Certificate::self_signed(gun.as_str(), key, now)?;
    let key_type = match key.public_key().key_type() {
        KeyType::Rsa => KeyType::RsaX509,
        _ => KeyType::EcdsaX509,
    };
    Ok(PublicKey::new(key_type, certificate))
}
