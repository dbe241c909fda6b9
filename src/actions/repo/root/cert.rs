//! The certificate that makes a key a root key of a repository.

use crate::actions::context::Context;
use crate::actions::keys::lookup::find_key;
use crate::actions::repo::root::CeremonyFailure;
use crate::actions::unlock::unlock;
use crate::crypto::certificate::Certificate;
use crate::crypto::secret::PassphraseRequest;
use crate::crypto::{KeyHeaders, KeyId, KeyType, PrivateKey, PublicKey};
use crate::tuf::Gun;

/// A certificate, and the key it is for.
#[derive(Debug)]
pub struct RootCertificate {
    /// PEM.
    pub pem: Vec<u8>,
    /// Canonical id of the key.
    pub key: KeyId,
    /// The id the key has in metadata.
    pub id: KeyId,
    /// The key was made just now, and should be backed up.
    pub is_new: bool,
}

/// Makes a certificate for a repository over the root key named, else over the one with the lowest
/// id, else over a new one.
pub fn certify(
    context: &Context,
    gun: &Gun,
    key: Option<&str>,
) -> Result<RootCertificate, CeremonyFailure> {
    let store = context.trust_dir.keys()?;
    let known = if let Some(id) = key {
        Some(find_key(&store, id)?.id)
    } else {
        let roots = store.list()?.keys.into_iter().filter(|key| key.role == "root");
        roots.map(|key| key.id).min()
    };
    let is_new = known.is_none();
    let key = if let Some(id) = known {
        unlock(context, &store, &id, gun)?
    } else {
        let key = PrivateKey::generate_ecdsa()?;
        let request = PassphraseRequest {
            role: "root".to_owned(),
            key_id: key.id(),
            gun: None,
            new: true,
            attempt: 1,
        };
        let passphrase =
            context.passphrases.passphrase(&request).map_err(crate::store::StoreError::from)?;
        let headers = KeyHeaders { role: Some("root".to_owned()), gun: None, path: None };
        store.add(&key, &headers, &passphrase)?;
        key
    };
    let pem = Certificate::self_signed(gun.as_str(), &key, context.clock.now())?;
    let key_type = match key.public_key().key_type() {
        KeyType::Rsa => KeyType::RsaX509,
        _ => KeyType::EcdsaX509,
    };
    let id = PublicKey::new(key_type, pem.clone()).id();
    Ok(RootCertificate { pem, key: key.id(), id, is_new })
}
