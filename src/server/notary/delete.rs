//! Deleting a collection: all its files go, and how far its versions came is remembered.

use crate::clock::Timestamp;
use crate::server::meta::MetaError;
use crate::server::meta::audit::AuditEvent;
use crate::server::meta::feed::Change;
use crate::server::notary::publish::Attempts;
use crate::server::{Refusal, Server};
use crate::tuf::{Gun, RoleName};

/// Deletes a collection; that of no other GUN, whatever it begins with. One that is not there is
/// deleted already.
pub async fn delete(server: &Server, gun: &Gun, actor: &str) -> Result<(), Refusal> {
    let mut reading = server.meta.glance().await?;
    let found = reading.collection(gun).await?;
    drop(reading);
    if found.is_none() {
        return Ok(());
    }
    let at = server.clock.now();
    let mut attempts = Attempts::default();
    loop {
        match delete_once(server, gun, actor, at).await {
            Ok(()) => return Ok(()),
            Err(error) => attempts.failed(error).await?,
        }
    }
}

async fn delete_once(
    server: &Server,
    gun: &Gun,
    actor: &str,
    at: Timestamp,
) -> Result<(), MetaError> {
    let mut writing = server.meta.write().await?;
    let row = writing.lock_collection(gun).await?;
    if row.deleted || row.seq == 0 {
        return Ok(());
    }
    let seq = row.seq.saturating_add(1);
    writing.remove_files(row.id).await?;
    writing.end_targets(row.id, None, seq, at).await?;
    for role in [RoleName::Timestamp, RoleName::Snapshot] {
        writing.settle_keys(gun, &role, &[]).await?;
    }
    writing.set_seq(row.id, seq, Some(at)).await?;
    writing.add_change(gun, Change::Deletion, at).await?;
    let event = AuditEvent {
        at,
        actor: actor.to_owned(),
        action: "trust.delete".to_owned(),
        subject: gun.to_string(),
        detail: String::new(),
    };
    writing.add_audit(&event).await?;
    writing.commit().await
}
