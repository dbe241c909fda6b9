//! `trust key inspect`: what a key, or a file with keys, is; no secret of it.

use std::path::Path;

use zeroize::Zeroizing;

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::generate::public_pem;
use crate::actions::keys::lookup::find_key;
use crate::codec::pem::Pem;
use crate::crypto::{KeyBlock, KeyId, KeyType, PublicKey};
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::files::{exists, read_user_file};

/// What is known about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// The id of the bare key, which names its file; unknown while an export is encrypted.
    pub id: Option<KeyId>,
    /// The id in metadata, where it is another one (certificates).
    pub metadata_id: Option<KeyId>,
    /// Unknown while the key is encrypted.
    pub key_type: Option<KeyType>,
    /// The role its file names.
    pub role: Option<String>,
    /// The repository its file names.
    pub gun: Option<String>,
    /// A private key is here.
    pub private: bool,
    /// The private key is encrypted.
    pub encrypted: bool,
    /// The public key as PEM; unknown while the key is encrypted.
    pub public_pem: Option<String>,
}

/// Describes a stored key by its id, or every key of a file. With `unlock`, encrypted stored keys
/// are opened to show the public key.
pub fn inspect(
    context: &Context,
    id_or_file: &str,
    unlock: bool,
) -> Result<Vec<KeyFacts>, KeyActionError> {
    let store = context.trust_dir.keys()?;
    match find_key(&store, id_or_file) {
        Ok(info) => {
            let block = store.read(&info.id)?;
            let mut facts = facts_of_block(&block);
            facts.id = Some(info.id.clone());
            if block.is_encrypted() && unlock {
                let key = store.unlock(&info.id, context.passphrases.as_ref())?;
                facts.add_public(key.public_key());
            }
            return Ok(vec![facts]);
        }
        Err(KeyActionError::NoSuchKey { .. } | KeyActionError::ShortId { .. }) => {}
        Err(other) => return Err(other),
    }
    let path = Path::new(id_or_file);
    if exists(path) {
        inspect_file(context, path)
    } else {
        Err(KeyActionError::NeitherKeyNorFile { text: id_or_file.to_owned() })
    }
}

fn inspect_file(context: &Context, path: &Path) -> Result<Vec<KeyFacts>, KeyActionError> {
    let text = Zeroizing::new(read_user_file(path, MAX_KEY_FILE_BYTES)?);
    let blocks = Pem::parse_all(&text).unwrap_or_default();
    if blocks.iter().any(|pem| matches!(pem.label.as_str(), "PUBLIC KEY" | "CERTIFICATE")) {
        let role = blocks.iter().find_map(|pem| pem.headers.get("role").cloned());
        let key = PublicKey::from_pem(&text, context.clock.now())?;
        let mut facts = KeyFacts {
            id: None,
            metadata_id: None,
            key_type: None,
            role,
            gun: None,
            private: false,
            encrypted: false,
            public_pem: None,
        };
        facts.add_public(&key);
        return Ok(vec![facts]);
    }
    let blocks = KeyBlock::parse_all(&text)?;
    if blocks.is_empty() {
        return Err(KeyActionError::NoKey { path: path.to_owned() });
    }
    Ok(blocks.iter().map(facts_of_block).collect())
}

fn facts_of_block(block: &KeyBlock) -> KeyFacts {
    let headers = block.headers();
    let mut facts = KeyFacts {
        id: block.path_key_id(),
        metadata_id: None,
        key_type: None,
        role: headers.role,
        gun: headers.gun,
        private: true,
        encrypted: block.is_encrypted(),
        public_pem: None,
    };
    if !facts.encrypted
        && let Ok(key) = block.decrypt(None)
    {
        facts.add_public(key.public_key());
    }
    facts
}

impl KeyFacts {
    fn add_public(&mut self, key: &PublicKey) {
        let metadata_id = key.id();
        let id = key.canonical_id().unwrap_or_else(|_| metadata_id.clone());
        self.metadata_id = (metadata_id != id).then_some(metadata_id);
        self.id = Some(id);
        self.key_type = Some(key.key_type().clone());
        let pem = public_pem(key, self.role.as_deref());
        self.public_pem = String::from_utf8(pem).ok();
    }
}
