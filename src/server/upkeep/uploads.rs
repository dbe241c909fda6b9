//! Uploads that nobody goes on with.

use std::time::Duration;

use crate::limits::{GC_PAGE_ROWS, UPLOAD_NAME_SECONDS};
use crate::server::blobs::BlobError;
use crate::server::upkeep::gc::{Item, Mode, Options};
use crate::server::upkeep::{Storage, UpkeepError, before};

/// Ends uploads that got no further for long, and removes what is left of those that ended.
///
/// A row is ended first and its bytes are removed after: whoever comes back finds no upload, rather
/// than one with a hole.
pub(super) async fn purge(
    storage: &Storage,
    options: &Options,
    mode: Mode,
    tell: &mut (dyn FnMut(Item) + Send),
) -> Result<(), UpkeepError> {
    let stale = storage.ago(options.upload_lifetime);
    let mut reading = storage.meta.read().await?;
    // Those beyond the limit wait for the next time.
    let uploads = reading.stale_uploads(stale, MAX_UPLOADS).await?;
    drop(reading);
    for upload in uploads {
        let item = Item::Upload { id: upload.id.clone(), size: upload.progress.size };
        if mode == Mode::Real {
            let claim = match storage.blobs.claim(&upload.id) {
                Ok(claim) => claim,
                // Somebody does go on with it.
                Err(BlobError::Busy) => continue,
                Err(error) => return Err(error.into()),
            };
            // Only now nobody can get further unseen.
            let now = storage.meta.glance().await?.upload(&upload.id).await?;
            if now.is_none_or(|now| now.ended || now.touched_at >= stale) {
                continue;
            }
            let mut writing = storage.meta.write().await?;
            writing.changes(upload.repository.as_str());
            writing.end_upload(&upload.id, &upload.repository, storage.clock.now()).await?;
            writing.commit().await?;
            claim.remove().await?;
        }
        tell(item);
    }
    if mode == Mode::Real {
        // Twice as long as a name can be used to begin: by then nobody has a fresh one.
        let lifetime = Duration::from_secs(2 * UPLOAD_NAME_SECONDS.unsigned_abs());
        let mut writing = storage.meta.write().await?;
        writing.forget_uploads(before(storage.clock.now(), lifetime)).await?;
        writing.commit().await?;
    }
    sweep(storage, options, mode, tell).await
}

/// Removes bytes of uploads that the database does not know, or knows to have ended.
async fn sweep(
    storage: &Storage,
    options: &Options,
    mode: Mode,
    tell: &mut (dyn FnMut(Item) + Send),
) -> Result<(), UpkeepError> {
    for found in storage.blobs.scan_uploads().await? {
        if found.age < options.grace {
            continue;
        }
        let claim = match storage.blobs.claim(&found.id) {
            Ok(claim) => claim,
            Err(BlobError::Busy) => continue,
            Err(error) => return Err(error.into()),
        };
        let row = storage.meta.glance().await?.upload(&found.id).await?;
        if row.is_some_and(|row| !row.ended) {
            continue;
        }
        if mode == Mode::Real {
            claim.remove().await?;
        }
        tell(Item::Upload { id: found.id, size: found.size });
    }
    Ok(())
}

/// Most uploads ended in one run.
const MAX_UPLOADS: usize = 50 * GC_PAGE_ROWS;
