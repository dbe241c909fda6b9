//! Reading trust files: current ones, and any that was ever published, by hash or by version
//! (notary.md §3.1, §3.5).

use ::http::StatusCode;
use ::http::header::{CACHE_CONTROL, HeaderValue, LAST_MODIFIED, PRAGMA};

use crate::clock::Timestamp;
use crate::server::hot::kept_until;
use crate::server::http::{Response, bytes};
use crate::server::meta::trust::StoredFile;
use crate::server::notary::renewal::{Lead, RenewalError, renew};
use crate::server::notary::signing::SigningError;
use crate::server::{Refusal, Server};
use crate::tuf::{Gun, RoleName};
use crate::wire::notary::{ARCHIVE_HEADER, FileVersion};

/// Answers with a role's file.
pub async fn file(
    server: &Server,
    gun: &Gun,
    role: &RoleName,
    version: FileVersion,
) -> Result<Response, Refusal> {
    let mut is_archive = false;
    let (found, max_age) = match version {
        FileVersion::Current => {
            let found = current(server, gun, role).await?;
            is_archive = matches!(found, Some((_, Owner::Elsewhere)));
            (found.map(|(file, _)| file), server.notary.current_max_age)
        }
        FileVersion::Hash(hash) => {
            let mut reading = server.meta.glance().await?;
            let found = reading.file_by_hash(gun, role, hash).await?;
            (found, server.notary.consistent_max_age)
        }
        FileVersion::Number(number) => {
            let mut reading = server.meta.glance().await?;
            let found = reading.file_by_version(gun, role, number).await?;
            (found, server.notary.consistent_max_age)
        }
    };
    let file = found.ok_or_else(Refusal::no_metadata)?;
    let modified = file.created_at.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string();
    let mut response = bytes(StatusCode::OK, "text/plain; charset=utf-8", file.bytes);
    let headers = response.headers_mut();
    if let Ok(modified) = HeaderValue::from_str(&modified) {
        headers.insert(LAST_MODIFIED, modified);
    }
    if is_archive {
        headers.insert(ARCHIVE_HEADER, HeaderValue::from_static("1"));
    }
    let cache = if max_age == 0 {
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        "max-age=0, no-cache, no-store".to_owned()
    } else {
        let current = matches!(version, FileVersion::Current);
        let revalidate = if current { ", must-revalidate" } else { "" };
        format!("public, max-age={max_age}, s-maxage={max_age}{revalidate}")
    };
    if let Ok(cache) = HeaderValue::from_str(&cache) {
        headers.insert(CACHE_CONTROL, cache);
    }
    Ok(response)
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// This server's, or that of the collection's owner.
    Known,
    /// A timestamp that another server made, and that nobody renews here.
    Elsewhere,
}

/// The current file of a role: renewed, if the server made it and it has expired.
async fn current(
    server: &Server,
    gun: &Gun,
    role: &RoleName,
) -> Result<Option<(StoredFile, Owner)>, Refusal> {
    let hot = server.meta.hot().map(|hot| (&hot.files, format!("{gun}\n{role}")));
    let now = server.clock.now();
    if let Some((files, key)) = &hot
        && let Some(file) = files.get(key, now)
    {
        return Ok(Some(((*file).clone(), Owner::Known)));
    }
    let before = hot.as_ref().map(|(files, _)| files.before([gun.as_str()]));
    let mut reading = server.meta.glance().await?;
    let found = reading.current_file_and_expiry(gun, role).await?;
    drop(reading);
    let server_signs = matches!(role, RoleName::Timestamp | RoleName::Snapshot);
    let found = match found {
        // It is asked for seldom, and what is kept in memory does not say that it is one.
        Some((file, _, false)) if *role == RoleName::Timestamp => {
            return Ok(Some((file, Owner::Elsewhere)));
        }
        // What others sign is served as it is, however old: the owner needs it to sign the next,
        // and an archive has nothing else.
        Some((file, expires, made_here)) if !made_here || !server_signs || expires >= now => {
            if let (Some((files, key)), Some(before)) = (hot, before) {
                let until = if made_here { expires } else { Timestamp::MAX };
                let until = until.min(kept_until(now));
                files.put(key, before, until, file.bytes.len(), file.clone());
            }
            Some(file)
        }
        Some((file, ..)) => match renew(server, gun, Lead::NONE).await {
            Ok(_) => {
                let mut reading = server.meta.glance().await?;
                reading.current_file(gun, role).await?
            }
            // Whose clock is wrong, readers can tell better than this server.
            Err(RenewalError::Signing(error @ SigningError::ClockBehind { .. })) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, gun = gun.as_str(), "an expired file is not renewed");
                Some(file)
            }
            Err(error) => return Err(error.into()),
        },
        // Of a delegation that was taken away the last file is given: whoever delegates to it again
        // has to know how far its versions came. No snapshot lists it, so nobody else asks.
        None if role.is_delegation() => {
            let mut reading = server.meta.glance().await?;
            reading.last_file(gun, role).await?
        }
        None => None,
    };
    Ok(found.map(|file| (file, Owner::Known)))
}
