//! The keys that the server signs with, for those who make roots (notary.md §3.6).

use ::http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;

use crate::codec::text::to_base64;
use crate::crypto::PublicKey;
use crate::limits::{MAX_KEYS_IN_WAITING, MIN_KEY_WAITING_SECONDS};
use crate::server::http::{Response, bytes};
use crate::server::meta::keys::{KeyState, ServerKeys};
use crate::server::meta::{MetaError, Reading};
use crate::server::notary::publish::Attempts;
use crate::server::signer::ServerKey;
use crate::server::{Refusal, Server};
use crate::tuf::{Gun, RoleName, Root, Signed};

/// Answers with the key that signs a role: the one that the present root lists, or one that is
/// waiting to be listed, which is made if there is none.
pub async fn current(server: &Server, gun: &Gun, role: &RoleName) -> Result<Response, Refusal> {
    let mut reading = server.meta.read().await?;
    let keys = reading.server_keys(gun).await?;
    let listed = listed(&mut reading, gun, role, &keys).await?;
    drop(reading);
    let key = match listed.or_else(|| pending(role, &keys)) {
        Some(key) => key,
        None => create(server, gun, role).await?,
    };
    Ok(answer(&key))
}

/// Answers with a key that is to sign a role from the next root on that lists it. Asked again, it
/// is the same one until then.
pub async fn rotate(server: &Server, gun: &Gun, role: &RoleName) -> Result<Response, Refusal> {
    let mut reading = server.meta.read().await?;
    let keys = reading.server_keys(gun).await?;
    drop(reading);
    let key = match pending(role, &keys) {
        Some(key) => key,
        None => create(server, gun, role).await?,
    };
    Ok(answer(&key))
}

/// The key that the present root lists, if it is one of the server's.
async fn listed(
    reading: &mut Reading,
    gun: &Gun,
    role: &RoleName,
    keys: &ServerKeys,
) -> Result<Option<PublicKey>, Refusal> {
    let Some(root) = reading.current_file(gun, &RoleName::Root).await? else { return Ok(None) };
    let root = Signed::<Root>::parse(&RoleName::Root, &root.bytes)
        .map_err(|_| MetaError::Corrupt { what: "root" })?;
    let listed = root.unverified().role_keys(role).map(|role| role.keys).unwrap_or_default();
    let own = keys.get(role).into_iter().flatten();
    let mut own = own.filter(|(id, _)| listed.contains_key(*id));
    Ok(own.next().map(|(_, row)| row.key.public.clone()))
}

fn pending(role: &RoleName, keys: &ServerKeys) -> Option<PublicKey> {
    let mut rows = keys.get(role)?.values();
    let pending = rows.find(|row| row.state == KeyState::Pending)?;
    Some(pending.key.public.clone())
}

async fn create(server: &Server, gun: &Gun, role: &RoleName) -> Result<PublicKey, Refusal> {
    if server.registry.read_only {
        return Err(Refusal::read_only());
    }
    let key = server.signer.create(gun, role).await?;
    let mut attempts = Attempts::default();
    loop {
        match take(server, gun, role, &key).await {
            Ok(Some(key)) => return Ok(key.public),
            Ok(None) => return Err(Refusal::too_many_keys()),
            Err(error) => attempts.failed(error).await?,
        }
    }
}

/// Stores a key as the one that waits; `None` if too many do already.
async fn take(
    server: &Server,
    gun: &Gun,
    role: &RoleName,
    key: &ServerKey,
) -> Result<Option<ServerKey>, MetaError> {
    let now = server.clock.now();
    let mut writing = server.meta.write().await?;
    writing.changes(gun.as_str());
    if writing.keys_in_waiting().await? >= MAX_KEYS_IN_WAITING {
        let age = SignedDuration::from_secs(MIN_KEY_WAITING_SECONDS);
        let before = now.saturating_sub(age).unwrap_or(now);
        let forgotten = writing.forget_keys_in_waiting(before).await?;
        tracing::warn!(forgotten, "too many keys wait for collections that are not published");
        if forgotten == 0 && !writing.holds_collection(gun).await? {
            return Ok(None);
        }
    }
    let key = writing.take_pending_key(gun, role, key, now).await?;
    writing.commit().await?;
    Ok(Some(key))
}

/// The key, its members in the order in which the reference writes them.
fn answer(key: &PublicKey) -> Response {
    let public = to_base64(key.public());
    let body = json!({
        "keytype": key.key_type().as_str(),
        "keyval": {"public": public, "private": null},
    });
    bytes(StatusCode::OK, "application/json; charset=utf-8", body.to_string())
}
