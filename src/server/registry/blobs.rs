//! Blobs: read whole or in part, deleted.

use std::sync::Arc;

use ::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use ::http::{HeaderValue, Method, StatusCode};
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;

use crate::limits::BLOB_PIECE_BYTES;
use crate::oci::{Digest, RepositoryName};
use crate::server::auth::{Action, Caller};
use crate::server::blobs::{BlobError, Content};
use crate::server::http::{self, Body, BodyError, Exchange, Response};
use crate::server::meta::blobs::{BlobRow, BlobState};
use crate::server::registry::manifests::{DIGEST, in_use, names_tag};
use crate::server::registry::range::{Wanted, wanted};
use crate::server::registry::transaction::{TransactionError, retried};
use crate::server::registry::{header, wrong_method};
use crate::server::trust::Subject;
use crate::server::{Refusal, Server};

/// Answers `/v2/{name}/blobs/{digest}`.
pub(super) async fn respond(
    server: &Arc<Server>,
    name: RepositoryName,
    digest: Digest,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    match exchange.method {
        Method::GET | Method::HEAD => read(server, &name, &digest, exchange).await,
        Method::DELETE => {
            server.registry.deletable()?;
            retried(|| Box::pin(delete_once(server, &name, &digest))).await?;
            Ok(http::empty(StatusCode::ACCEPTED))
        }
        _ => Err(wrong_method("GET, HEAD, DELETE")),
    }
}

async fn read(
    server: &Arc<Server>,
    name: &RepositoryName,
    digest: &Digest,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    let mut reading = server.meta.read().await?;
    let Some(row) = reading.blob(name, digest).await? else { return Err(unknown(digest)) };
    server.gate.pull(&mut reading, name, Subject::Blob(digest), &exchange.caller).await??;
    drop(reading);
    let is_head = exchange.method == Method::HEAD;
    match row.state {
        BlobState::Live | BlobState::Condemned => {}
        // Whoever looks whether it is there before they push shall push it, which repairs it.
        BlobState::Corrupt if !is_head => return Err(damaged()),
        BlobState::Corrupt | BlobState::Deleting => return Err(unknown(digest)),
    }
    note_use(server, name, &row, &exchange.caller).await?;
    if is_head {
        head(server, &row, &exchange.headers).await
    } else {
        get(server, row, &exchange.headers).await
    }
}

/// Whoever may push and sees a blob may go on to refer to it.
async fn note_use(
    server: &Arc<Server>,
    name: &RepositoryName,
    row: &BlobRow,
    caller: &Caller,
) -> Result<(), Refusal> {
    let now = server.clock.now();
    let is_recent = now.duration_since(row.touched_at).unsigned_abs() < server.registry.touch_after;
    let may_push = caller.may(Action::Push, name.as_str());
    let is_noted = is_recent && row.state == BlobState::Live;
    if is_noted || !may_push || server.registry.read_only {
        return Ok(());
    }
    let mut writing = server.meta.write().await?;
    let is_there = writing.touch_blob(&row.digest, now).await?;
    writing.commit().await?;
    if is_there { Ok(()) } else { Err(unknown(&row.digest)) }
}

async fn head(server: &Arc<Server>, row: &BlobRow, asked: &HeaderMap) -> Result<Response, Refusal> {
    match server.blobs.size(&row.object).await {
        Ok(size) if size == row.size => {}
        Ok(_) | Err(BlobError::Missing) => {
            mark_corrupt(server, row).await;
            return Err(unknown(&row.digest));
        }
        Err(error) => return Err(error.into()),
    }
    let mut response = Response::new(http::empty_body());
    let etag = describe(response.headers_mut(), row);
    if names_tag(text_of(asked, IF_NONE_MATCH), &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCTET_STREAM));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(row.size));
    Ok(response)
}

async fn get(server: &Arc<Server>, row: BlobRow, asked: &HeaderMap) -> Result<Response, Refusal> {
    let mut response = Response::new(http::empty_body());
    let etag = describe(response.headers_mut(), &row);
    if names_tag(text_of(asked, IF_NONE_MATCH), &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let range = text_of(asked, RANGE);
    let is_current = text_of(asked, IF_RANGE).is_none_or(|text| text.trim() == etag);
    let part = match wanted(range.filter(|_| is_current), row.size) {
        Wanted::Whole => 0..row.size,
        Wanted::Part(part) => {
            let value = format!("bytes {}-{}/{}", part.start, part.end.saturating_sub(1), row.size);
            response.headers_mut().insert(CONTENT_RANGE, header(&value));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            part
        }
        Wanted::Nothing => {
            let message = "the blob has no bytes in this range";
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message)
                .with_header(CONTENT_RANGE, header(&format!("bytes */{}", row.size))));
        }
    };
    let content = match server.blobs.open(&row.object, &row.digest, row.size).await {
        Ok(content) => content,
        Err(BlobError::Missing | BlobError::Corrupt) => {
            mark_corrupt(server, &row).await;
            return Err(damaged());
        }
        Err(error) => return Err(error.into()),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCTET_STREAM));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end.saturating_sub(part.start)));
    *response.body_mut() = if part == (0..row.size) && row.size <= BLOB_PIECE_BYTES as u64 {
        match content.bytes().await {
            Ok(bytes) => http::full_body(bytes),
            Err(BlobError::Corrupt) => {
                mark_corrupt(server, &row).await;
                return Err(damaged());
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        streamed(server, row, content, part)
    };
    Ok(response)
}

/// Content that is sent while it is read; the connection ends before its end if it is damaged.
fn streamed(
    server: &Arc<Server>,
    row: BlobRow,
    content: Content,
    part: std::ops::Range<u64>,
) -> Body {
    let server = Arc::clone(server);
    let row = Arc::new(row);
    let pieces = content.stream(part).map_ok(Frame::data).map_err(move |error| {
        if matches!(error, BlobError::Corrupt) {
            let (server, row) = (Arc::clone(&server), Arc::clone(&row));
            tokio::spawn(async move { mark_corrupt(&server, &row).await });
        } else {
            tracing::error!(
                error = &error as &(dyn std::error::Error + 'static),
                "cannot read a blob that is being sent"
            );
        }
        BodyError::from(error)
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Notes that stored content is not what it should be.
async fn mark_corrupt(server: &Arc<Server>, row: &BlobRow) {
    tracing::error!(digest = %row.digest, "stored content is damaged");
    let marked = async {
        let mut writing = server.meta.write().await?;
        writing.mark_corrupt(&row.digest, &row.object).await?;
        writing.commit().await
    };
    if let Err(error) = marked.await {
        tracing::error!(
            error = &error as &(dyn std::error::Error + 'static),
            "cannot note that content is damaged"
        );
    }
}

async fn delete_once(
    server: &Arc<Server>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<(), TransactionError> {
    let mut writing = server.meta.write().await?;
    let Some(repository) = writing.lock_known_repository(name).await? else {
        return Err(unknown(digest).into());
    };
    if let Some(parent) = writing.parent_of(repository.id, digest).await? {
        return Err(in_use(&parent).into());
    }
    if !writing.unlink_blob(repository.id, digest).await? {
        return Err(unknown(digest).into());
    }
    Ok(writing.commit().await?)
}

/// The headers of a blob; gives its entity tag.
fn describe(headers: &mut HeaderMap, row: &BlobRow) -> String {
    let etag = format!("\"{}\"", row.digest);
    headers.insert(ETAG, header(&etag));
    headers.insert(DIGEST, header(row.digest.as_str()));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    etag
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn unknown(digest: &Digest) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "the blob is not known here")
        .with_detail(json!({"digest": digest.as_str()}))
}

fn damaged() -> Refusal {
    let message = "the stored blob is damaged; pushing it again repairs it";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
}

const OCTET_STREAM: &str = "application/octet-stream";
