//! `trust key import`: keys exported by `notary`, `trust` or `openssl`.

use std::path::Path;

use zeroize::Zeroizing;

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::load::private_blocks;
use crate::crypto::secret::{PassphraseError, PassphraseRequest};
use crate::crypto::{KeyBlock, KeyFileError, KeyHeaders, KeyId, Passphrase, PrivateKey};
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::files::read_user_file;
use crate::store::{KeyInfo, KeyStore};

/// What keys are imported as when their file does not say it.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The role; `delegation` if none is given either.
    pub role: Option<String>,
    /// The repository.
    pub gun: Option<String>,
}

/// Imports every private key of a file.
pub fn import(
    context: &Context,
    file: &Path,
    options: &ImportOptions,
) -> Result<Vec<KeyInfo>, KeyActionError> {
    let text = Zeroizing::new(read_user_file(file, MAX_KEY_FILE_BYTES)?);
    let blocks = private_blocks(file, &text)?;
    let store = context.trust_dir.keys()?;
    blocks.into_iter().map(|block| import_block(context, &store, block, options)).collect()
}

/// Imports one private key (notary.md §2.4).
///
/// An encrypted one that says which key it is stays as it is, so that it moves between machines
/// without its passphrase. Any other is opened, and stored under a passphrase.
pub fn import_block(
    context: &Context,
    store: &KeyStore,
    mut block: KeyBlock,
    options: &ImportOptions,
) -> Result<KeyInfo, KeyActionError> {
    let headers = complete(block.headers(), options)?;
    if block.is_encrypted() {
        if let Some(id) = block.path_key_id() {
            block.set_headers(&KeyHeaders { path: None, ..headers });
            return Ok(store.add_block(&id, &block)?);
        }
        let (key, passphrase) = open(context, &block, &headers)?;
        return Ok(store.add(&key, &headers, &passphrase)?);
    }
    let key = block.decrypt(None)?;
    let passphrase = context.passphrases.passphrase(&request(&headers, key.id(), true, 1))?;
    Ok(store.add(&key, &headers, &passphrase)?)
}

/// The role and repository to store a key with, checked against each other.
fn complete(headers: KeyHeaders, options: &ImportOptions) -> Result<KeyHeaders, KeyActionError> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let role = filled(headers.role)
        .or_else(|| filled(options.role.clone()))
        .unwrap_or_else(|| DEFAULT_ROLE.to_owned());
    let gun = filled(headers.gun).or_else(|| filled(options.gun.clone()));
    let gun = match (role.as_str(), gun) {
        ("root", Some(gun)) => return Err(KeyActionError::NeedlessGun { role, gun }),
        ("targets" | "snapshot" | "timestamp", None) => {
            return Err(KeyActionError::MissingGun { role });
        }
        ("targets" | "snapshot" | "timestamp", gun) => gun,
        // Keys of delegations serve any repository.
        _ => None,
    };
    Ok(KeyHeaders { role: Some(role), gun, path: None })
}

/// Opens a private key of a file, without storing it.
pub fn open_block(context: &Context, block: &KeyBlock) -> Result<PrivateKey, KeyActionError> {
    if block.is_encrypted() {
        return Ok(open(context, block, &block.headers())?.0);
    }
    Ok(block.decrypt(None)?)
}

/// Opens an encrypted key that does not say which one it is.
pub(super) fn open(
    context: &Context,
    block: &KeyBlock,
    headers: &KeyHeaders,
) -> Result<(PrivateKey, Passphrase), KeyActionError> {
    let unknown = KeyId::parse(UNKNOWN_KEY_ID)?;
    for attempt in 1..=MAX_ATTEMPTS {
        let request = request(headers, unknown.clone(), false, attempt);
        let passphrase = context.passphrases.passphrase(&request)?;
        match block.decrypt(Some(&passphrase)) {
            Ok(key) => {
                context.passphrases.accepted(&request, &passphrase);
                return Ok((key, passphrase));
            }
            Err(KeyFileError::WrongPassphrase) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(PassphraseError::TooManyAttempts {
        role: headers.role.clone().unwrap_or_default(),
        key_id: unknown.to_string(),
        attempts: MAX_ATTEMPTS,
    }
    .into())
}

fn request(headers: &KeyHeaders, key_id: KeyId, new: bool, attempt: u32) -> PassphraseRequest {
    let role = headers.role.clone().unwrap_or_default();
    PassphraseRequest { role, key_id, gun: headers.gun.clone(), new, attempt }
}

/// Stands for the id of a key while it is behind the passphrase that is being asked for: no key
/// has it.
pub const UNKNOWN_KEY_ID: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The role of a key whose file and importer name none, as notary has it.
const DEFAULT_ROLE: &str = "delegation";
/// Passphrases tried on one key, whatever the source offers. Notary's hard cap.
const MAX_ATTEMPTS: u32 = 10;
