//! Removing what is known of a collection. Keys stay.

use crate::actions::context::Context;
use crate::actions::publish::hold;
use crate::actions::repo::error::RepoError;
use crate::tuf::Gun;
use crate::tuf::trusted::Unpublished;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Metadata files of this machine.
    pub files: usize,
    /// They were of a repository that was never published.
    pub unpublished: bool,
    /// Staged changes.
    pub changes: usize,
    /// The trust server was told to remove all it had.
    pub remote: bool,
}

/// Removes what this machine has of a collection: cached metadata and staged changes. With `remote`
/// the trust server's first: if it refuses, nothing is removed.
pub async fn delete(context: &Context, gun: &Gun, remote: bool) -> Result<Deleted, RepoError> {
    let _lock = hold(context, gun).await?;
    if remote {
        context.connections.notary(gun, "*")?.delete().await?;
    }
    let cache = context.trust_dir.metadata(gun);
    let list = context.trust_dir.changelist(gun);
    let cached = cache.read()?;
    let changes = list.names()?.len();
    cache.clear()?;
    list.clear()?;
    let unpublished = Unpublished::is_in(&cached);
    Ok(Deleted { files: cached.len(), unpublished, changes, remote })
}
