//! Setting up a collection on this machine: root, targets and, if its owner signs snapshots, the
//! snapshot, each at version 1 (notary.md §2.1, §4.6). Nothing is published.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::actions::context::Context;
use crate::actions::initialize::{Initialized, Keeper, Plan, RootKey, initialize};
use crate::actions::keys::KeyActionError;
use crate::actions::keys::import::{ImportOptions, import_block};
use crate::actions::keys::load::private_blocks;
use crate::actions::publish::{PublishError, hold};
use crate::actions::repo::error::RepoError;
use crate::client::notary::NotFoundBody;
use crate::client::{FileVersion, NotaryClient, NotaryError};
use crate::crypto::certificate::Certificate;
use crate::crypto::{KeyId, PublicKey};
use crate::limits::{MAX_KEY_FILE_BYTES, MAX_ROOT_BYTES};
use crate::store::files::read_user_file;
use crate::tuf::trusted::Unpublished;
use crate::tuf::{Gun, RoleName};

/// How to set a collection up.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Files with private root keys, which are imported; without any the store's root key is used,
    /// or one is made.
    pub root_keys: Vec<PathBuf>,
    /// Files with certificates for root keys; keys without one get one made.
    pub root_certificates: Vec<PathBuf>,
    /// Who signs snapshots.
    pub snapshot: Keeper,
}

/// Sets a collection up on this machine. Neither it nor the trust server may know it.
pub async fn init(
    context: &Context,
    gun: &Gun,
    request: &Request,
) -> Result<Initialized, RepoError> {
    let _lock = hold(context, gun).await?;
    let cache = context.trust_dir.metadata(gun);
    if !cache.read()?.is_empty() {
        return Err(RepoError::OnThisMachine { gun: gun.clone() });
    }
    let notary = context.connections.notary(gun, "push,pull")?;
    refuse_known(&notary, gun).await?;
    let certificates = certificates(context, gun, &request.root_certificates)?;
    let root = root_keys(context, request, certificates)?;
    let plan = Plan { signer: None, snapshot: request.snapshot, root };
    let (draft, initialized, opened) = initialize(context, gun, &notary, &plan).await?;
    let signed = draft.sign(&opened, context.clock.now()).map_err(PublishError::from)?;
    // What nobody could verify is not even begun with.
    Unpublished::load(gun, &signed.files)
        .map_err(|cause| PublishError::BadUnpublished { gun: gun.clone(), cause })?;
    initialized.store_keys(context, &opened)?;
    cache.commit(&signed.files, &[])?;
    Ok(initialized)
}

/// Refuses what the server has: a second root for it could never be published.
async fn refuse_known(notary: &NotaryClient, gun: &Gun) -> Result<(), RepoError> {
    match notary.file(&RoleName::Root, FileVersion::Current, MAX_ROOT_BYTES).await {
        Ok(_) => {
            let server = notary.server().to_owned();
            Err(RepoError::OnServer { server, gun: gun.clone() })
        }
        Err(NotaryError::NotFound { seen: NotFoundBody::Notary, .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A certificate that was named, and the canonical id of the key in it.
struct Named {
    file: PathBuf,
    id: KeyId,
    key: PublicKey,
}

/// Reads the first certificate of each file, which must be made for this repository and be in date.
fn certificates(context: &Context, gun: &Gun, files: &[PathBuf]) -> Result<Vec<Named>, RepoError> {
    let mut named = Vec::new();
    for file in files {
        let wrong = |cause| RepoError::Certificate { file: file.clone(), gun: gun.clone(), cause };
        let pem = read_user_file(file, MAX_KEY_FILE_BYTES)?;
        let mut first = Certificate::parse_bundle(&pem).map_err(|cause| wrong(Some(cause)))?;
        first.truncate(1);
        // That of an authority counts for nobody who verifies.
        let (leaf, _) = Certificate::split_leaf(first).map_err(|cause| wrong(Some(cause)))?;
        if !leaf.covers(gun.as_str()) {
            return Err(wrong(None));
        }
        leaf.check_algorithms().map_err(|cause| wrong(Some(cause)))?;
        leaf.check_dates(context.clock.now()).map_err(|cause| wrong(Some(cause)))?;
        let key = PublicKey::from_certificates(&[leaf]).map_err(|cause| wrong(Some(cause)))?;
        let id = key.canonical_id().map_err(|cause| wrong(Some(cause)))?;
        named.push(Named { file: file.clone(), id, key });
    }
    Ok(named)
}

/// The root keys to use, each with its certificate if one was named for it.
fn root_keys(
    context: &Context,
    request: &Request,
    certificates: Vec<Named>,
) -> Result<Vec<RootKey>, RepoError> {
    let mut keys: Vec<RootKey> = Vec::new();
    for file in &request.root_keys {
        for id in import_root_keys(context, file)? {
            if !keys.iter().any(|known| known.id == id) {
                keys.push(RootKey { id, certificate: None });
            }
        }
    }
    let store = context.trust_dir.keys()?;
    for Named { file, id, key } in certificates {
        match keys.iter_mut().find(|known| known.id == id) {
            Some(known) => known.certificate = Some(key),
            // Without `root_keys` a certificate says which of the store's keys is meant.
            None if request.root_keys.is_empty() && store.find(&id)?.is_some() => {
                keys.push(RootKey { id, certificate: Some(key) });
            }
            None => return Err(RepoError::OtherKey { file, id }),
        }
    }
    Ok(keys)
}

fn import_root_keys(context: &Context, file: &Path) -> Result<Vec<KeyId>, RepoError> {
    let text = Zeroizing::new(read_user_file(file, MAX_KEY_FILE_BYTES)?);
    let blocks = private_blocks(file, &text)?;
    let root = RoleName::Root.to_string();
    for block in &blocks {
        if let Some(role) = block.headers().role.filter(|role| *role != root && !role.is_empty()) {
            return Err(RepoError::NotARootKey { file: file.to_owned(), role });
        }
    }
    let store = context.trust_dir.keys()?;
    let options = ImportOptions { role: Some(root), gun: None };
    let import = |block| Ok(import_block(context, &store, block, &options)?.id);
    blocks.into_iter().map(import).collect::<Result<_, KeyActionError>>().map_err(RepoError::from)
}
