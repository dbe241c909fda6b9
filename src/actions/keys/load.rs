//! `trust key load`: private keys from a file that somebody gives us, as `docker trust key load`.

use std::path::Path;

use zeroize::Zeroizing;

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::import::{ImportOptions, import_block};
use crate::actions::keys::names::check_key_name;
use crate::codec::pem::Pem;
use crate::crypto::KeyBlock;
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::KeyInfo;
use crate::store::files::{is_open_to_others, mode, read_user_file};

/// Loads every private key of a file that nobody else can read; `name` is the role of those that
/// name none.
pub fn load(context: &Context, file: &Path, name: &str) -> Result<Vec<KeyInfo>, KeyActionError> {
    check_key_name(name)?;
    if is_open_to_others(mode(file)?) {
        return Err(KeyActionError::TooOpen { path: file.to_owned() });
    }
    let text = Zeroizing::new(read_user_file(file, MAX_KEY_FILE_BYTES)?);
    let blocks = private_blocks(file, &text)?;
    let store = context.trust_dir.keys()?;
    let options = ImportOptions { role: Some(name.to_owned()), gun: None };
    blocks.into_iter().map(|block| import_block(context, &store, block, &options)).collect()
}

/// The private keys of a text; a file of public keys only is told apart from one of none.
pub fn private_blocks(file: &Path, text: &[u8]) -> Result<Vec<KeyBlock>, KeyActionError> {
    match KeyBlock::parse_all(text) {
        Ok(blocks) if !blocks.is_empty() => Ok(blocks),
        other => {
            let labels = Pem::parse_all(text).unwrap_or_default();
            if labels.iter().any(|pem| matches!(pem.label.as_str(), "PUBLIC KEY" | "CERTIFICATE")) {
                return Err(KeyActionError::PublicKey { path: file.to_owned() });
            }
            other?;
            Err(KeyActionError::NoKey { path: file.to_owned() })
        }
    }
}
