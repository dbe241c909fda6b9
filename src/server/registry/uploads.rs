//! Uploads of blobs: begun, sent whole or in chunks, gone on with, ended, given up; and blobs
//! mounted from other repositories.

use std::sync::Arc;

use ::http::header::{CONTENT_LENGTH, LOCATION, RANGE};
use ::http::{HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::limits::{BLOB_PIECE_BYTES, MAX_MOUNT_SOURCES, UPLOAD_CHECKPOINT_BYTES};
use crate::oci::{Digest, RepositoryName};
use crate::server::auth::{Action, Caller};
use crate::server::blobs::{BlobError, Progress, Upload, UploadClaim};
use crate::server::http::{self, Body, Exchange, Response, empty_body};
use crate::server::meta::blobs::Claimed;
use crate::server::meta::{MetaError, Reading};
use crate::server::registry::manifests::DIGEST;
use crate::server::registry::range::chunk;
use crate::server::registry::transaction::{TransactionError, retried};
use crate::server::registry::upload_name::{UploadName, algorithm};
use crate::server::registry::{header, wrong_method};
use crate::server::trust::Subject;
use crate::server::{Refusal, Server};
use crate::wire::registry::{blob_path, uploads_path};

/// Answers `/v2/{name}/blobs/uploads/`: mounts a blob, takes a whole one, or begins an upload.
pub(super) async fn begin(
    server: &Arc<Server>,
    name: RepositoryName,
    mut exchange: Exchange,
) -> Result<Response, Refusal> {
    if exchange.method != Method::POST {
        return Err(wrong_method("POST"));
    }
    server.registry.writable()?;
    if let Some(text) = exchange.parameter("mount").filter(|text| !text.is_empty()) {
        let digest = parse_digest(&text)?;
        let from = exchange.parameter("from").filter(|text| !text.is_empty());
        if mount(server, &name, &digest, from.as_deref(), &exchange.caller).await? {
            return Ok(created(&exchange.base, &name, &digest));
        }
    }
    let whole = exchange.parameter("digest").map(|text| parse_digest(&text)).transpose()?;
    let asked = exchange.parameter("digest-algorithm").filter(|text| !text.is_empty());
    let algorithm = match (&whole, asked) {
        (Some(digest), _) => algorithm(digest.algorithm()),
        (None, Some(asked)) => algorithm(&asked),
        (None, None) => algorithm("sha256"),
    };
    let algorithm = algorithm.ok_or_else(|| {
        let message = "the digest algorithm is neither sha256 nor sha512";
        Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    })?;
    let key = server.meta.secret(KEY_NAME).await?;
    let upload = UploadName::new(&key, &name, algorithm, server.clock.now());
    let mut session = Session::new(server, &name, upload, exchange.base.clone());
    let Some(digest) = whole else {
        let mut response = session.standing(StatusCode::ACCEPTED);
        let least = server.registry.chunk_min_bytes;
        if least > 0 {
            response.headers_mut().insert(CHUNK_MIN, HeaderValue::from(least));
        }
        return Ok(response);
    };
    session.take_whole(&mut exchange, &digest).await
}

/// Answers `/v2/{name}/blobs/uploads/{id}`.
pub(super) async fn respond(
    server: &Arc<Server>,
    name: RepositoryName,
    id: String,
    mut exchange: Exchange,
) -> Result<Response, Refusal> {
    let key = server.meta.secret(KEY_NAME).await?;
    let upload = UploadName::read(&key, &name, &id).ok_or_else(unknown)?;
    let mut session = Session::new(server, &name, upload, exchange.base.clone());
    match exchange.method {
        Method::GET | Method::HEAD => {
            session.load().await?;
            let mut response = session.standing(StatusCode::NO_CONTENT);
            response.headers_mut().remove(CONTENT_LENGTH);
            Ok(response)
        }
        Method::PATCH => {
            server.registry.writable()?;
            session.take_chunk(&mut exchange).await
        }
        Method::PUT => {
            server.registry.writable()?;
            let text = exchange.parameter("digest").ok_or_else(|| {
                let message = "the digest of the blob is missing";
                Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
            })?;
            let digest = parse_digest(&text)?;
            session.take_whole(&mut exchange, &digest).await
        }
        Method::DELETE => {
            let claim = session.claim()?;
            session.load().await?;
            session.give_up(&claim).await?;
            let mut response = http::empty(StatusCode::NO_CONTENT);
            response.headers_mut().remove(CONTENT_LENGTH);
            Ok(response)
        }
        _ => Err(wrong_method("GET, HEAD, PATCH, PUT, DELETE")),
    }
}

/// Makes a repository have a blob that another has from which the caller may pull it. `false` if
/// there is none: the client shall send it then, which shows that it has it.
async fn mount(
    server: &Arc<Server>,
    name: &RepositoryName,
    digest: &Digest,
    from: Option<&str>,
    caller: &Caller,
) -> Result<bool, Refusal> {
    let mut reading = server.meta.read().await?;
    let mut sources = vec![name.clone()];
    match from {
        Some(from) => {
            let from = RepositoryName::parse(from).map_err(|_| {
                let message = "`from` is no name of a repository";
                Refusal::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message)
            })?;
            sources.push(from);
        }
        None => sources.extend(reading.repositories_with_blob(digest, MAX_MOUNT_SOURCES).await?),
    }
    let mut is_found = false;
    for source in sources {
        if has(server, &mut reading, &source, digest, caller).await? {
            is_found = true;
            break;
        }
    }
    drop(reading);
    if !is_found {
        return Ok(false);
    }
    retried(|| Box::pin(mount_once(server, name, digest))).await
}

/// Whether a repository has a blob that a caller may pull from it.
async fn has(
    server: &Arc<Server>,
    reading: &mut Reading,
    source: &RepositoryName,
    digest: &Digest,
    caller: &Caller,
) -> Result<bool, MetaError> {
    if !caller.may(Action::Pull, source.as_str()) {
        return Ok(false);
    }
    let row = reading.blob(source, digest).await?;
    if !row.is_some_and(|row| row.state.is_there()) {
        return Ok(false);
    }
    Ok(server.gate.pull(reading, source, Subject::Blob(digest), caller).await?.is_ok())
}

async fn mount_once(
    server: &Arc<Server>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<bool, TransactionError> {
    let now = server.clock.now();
    let mut writing = server.meta.write().await?;
    let repository = writing.ensure_repository(name, now).await?;
    if !writing.touch_blob(digest, now).await? {
        return Ok(false);
    }
    writing.link_blob(repository, digest, now).await?;
    writing.commit().await?;
    Ok(true)
}

/// One request to one upload.
struct Session<'a> {
    server: &'a Arc<Server>,
    repository: &'a RepositoryName,
    upload: UploadName,
    base: String,
    /// How far the database knows it to be.
    progress: Progress,
}

impl<'a> Session<'a> {
    fn new(
        server: &'a Arc<Server>,
        repository: &'a RepositoryName,
        upload: UploadName,
        base: String,
    ) -> Self {
        let progress = Progress::none(upload.algorithm);
        Self { server, repository, upload, base, progress }
    }

    /// Keeps other requests from writing to the upload. What is known of it is to be loaded after
    /// this, not before.
    fn claim(&self) -> Result<UploadClaim, Refusal> {
        self.server.blobs.claim(&self.upload.id).map_err(refusal)
    }

    /// Finds out how far the upload is.
    async fn load(&mut self) -> Result<(), Refusal> {
        let mut reading = self.server.meta.glance().await?;
        match reading.upload(&self.upload.id).await? {
            Some(row) if row.ended => Err(unknown()),
            Some(row) => {
                self.progress = row.progress;
                Ok(())
            }
            None if self.upload.is_fresh(self.server.clock.now()) => Ok(()),
            None => Err(unknown()),
        }
    }

    /// Takes the next chunk.
    async fn take_chunk(&mut self, exchange: &mut Exchange) -> Result<Response, Refusal> {
        let claim = self.claim()?;
        self.load().await?;
        let expected = self.expected_bytes(exchange)?;
        let mut upload = claim.open(&self.progress).await.map_err(refusal)?;
        let received = self.receive(&mut upload, exchange, expected).await;
        let result = match received {
            Err(refusal) if refusal.status == StatusCode::INSUFFICIENT_STORAGE => {
                drop(upload);
                self.give_up(&claim).await?;
                return Err(refusal);
            }
            Err(refusal) if refusal.code == SIZE_INVALID => return Err(refusal),
            received => received,
        };
        // What came before a connection broke is kept: the client may go on after it.
        self.save(&mut upload).await?;
        result?;
        Ok(self.standing(StatusCode::ACCEPTED))
    }

    /// Takes the rest, or all, and makes a blob of it.
    async fn take_whole(
        &mut self,
        exchange: &mut Exchange,
        digest: &Digest,
    ) -> Result<Response, Refusal> {
        let claim = self.claim()?;
        if exchange.method != Method::POST {
            self.load().await?;
        }
        let expected = self.expected_bytes(exchange)?;
        if self.progress.size == 0 {
            self.progress = Progress::none(digest.algorithm());
        }
        let mut upload = claim.open(&self.progress).await.map_err(refusal)?;
        if let Err(refusal) = self.receive(&mut upload, exchange, expected).await {
            // Nobody was told its name: nobody can go on with it.
            let is_nameless = exchange.method == Method::POST;
            if is_nameless || refusal.status == StatusCode::INSUFFICIENT_STORAGE {
                drop(upload);
                self.give_up(&claim).await?;
            } else if refusal.code != SIZE_INVALID {
                self.save(&mut upload).await?;
            }
            return Err(refusal);
        }
        if upload.digest(digest.algorithm()).await.map_err(refusal)? != *digest {
            drop(upload);
            self.give_up(&claim).await?;
            let message = "the blob has another digest than it is pushed under";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
                .with_detail(json!({"digest": digest.as_str()})));
        }
        match self.finish(&claim, upload, digest).await {
            Err(refusal) if refusal.status == StatusCode::INSUFFICIENT_STORAGE => {
                self.give_up(&claim).await?;
                Err(refusal)
            }
            Err(refusal) => Err(refusal),
            Ok(()) => Ok(created(&self.base, self.repository, digest)),
        }
    }

    /// How many bytes the body has, if the client says so; a chunk that does not begin where the
    /// upload ends is refused.
    fn expected_bytes(&self, exchange: &Exchange) -> Result<Option<u64>, Refusal> {
        let length = exchange.header("content-length").and_then(|text| text.parse().ok());
        let Some(range) = exchange.header("content-range") else { return Ok(length) };
        let Some((first, last)) = chunk(range) else {
            return Err(self.out_of_order("the content range is not understood"));
        };
        let expected = last.saturating_sub(first).saturating_add(1);
        if first != self.progress.size {
            return Err(self.out_of_order("the chunk does not begin where the upload ends"));
        }
        if length.is_some_and(|length: u64| length != expected) {
            return Err(wrong_size());
        }
        Ok(Some(expected))
    }

    fn out_of_order(&self, message: &'static str) -> Refusal {
        let mut refusal =
            Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message);
        let mut headers = std::mem::take(self.standing(StatusCode::ACCEPTED).headers_mut());
        headers.remove(CONTENT_LENGTH);
        refusal.headers = headers;
        refusal
    }

    /// Receives a body and appends it; from time to time what is there is saved, beside that.
    async fn receive(
        &mut self,
        upload: &mut Upload,
        exchange: &mut Exchange,
        expected: Option<u64>,
    ) -> Result<(), Refusal> {
        let mut body = std::mem::replace(&mut exchange.body, empty_body());
        let begin = upload.size();
        let mut checkpoint: Option<JoinHandle<Result<Progress, Refusal>>> = None;
        let mut noted = begin;
        let received = loop {
            let batch = gather(&mut body).await;
            let so_far = upload.size().saturating_sub(begin).saturating_add(batch.size);
            if expected.is_some_and(|expected| so_far > expected) {
                break Err(wrong_size());
            }
            if !batch.pieces.is_empty()
                && let Err(error) = upload.append(batch.pieces).await
            {
                break Err(refusal(error));
            }
            match batch.end {
                None => {}
                Some(Ok(())) if expected.is_some_and(|expected| so_far < expected) => {
                    break Err(Refusal::broken_body());
                }
                Some(Ok(())) => break Ok(()),
                Some(Err(())) => break Err(Refusal::broken_body()),
            }
            if upload.size().saturating_sub(noted) >= UPLOAD_CHECKPOINT_BYTES {
                if let Err(error) = upload.settle().await {
                    break Err(refusal(error));
                }
                if let Some(running) = checkpoint.take()
                    && let Err(error) = self.note(running).await
                {
                    break Err(error);
                }
                noted = upload.size();
                checkpoint = self.checkpoint(upload);
            }
        };
        if let Some(running) = checkpoint.take() {
            self.note(running).await?;
        }
        received
    }

    /// Begins to save what there is now.
    fn checkpoint(&self, upload: &Upload) -> Option<JoinHandle<Result<Progress, Refusal>>> {
        let progress = upload.progress()?;
        let (server, synced) = (Arc::clone(self.server), upload.sync());
        let (id, repository) = (self.upload.id.clone(), self.repository.clone());
        let before = self.progress.size;
        Some(tokio::spawn(async move {
            synced.await?;
            retried(|| Box::pin(save_once(&server, &id, &repository, before, &progress))).await?;
            Ok(progress)
        }))
    }

    async fn note(
        &mut self,
        running: JoinHandle<Result<Progress, Refusal>>,
    ) -> Result<(), Refusal> {
        self.progress = running.await.unwrap_or_else(|error| Err(Refusal::unavailable(&error)))?;
        Ok(())
    }

    /// Saves what there is.
    async fn save(&mut self, upload: &mut Upload) -> Result<(), Refusal> {
        upload.settle().await.map_err(refusal)?;
        if upload.size() == self.progress.size {
            return Ok(());
        }
        match self.checkpoint(upload) {
            Some(running) => self.note(running).await,
            None => Ok(()),
        }
    }

    /// Makes a blob of the upload, in one transaction; content is referred to when it is durable.
    async fn finish(
        &self,
        claim: &UploadClaim,
        upload: Upload,
        digest: &Digest,
    ) -> Result<(), Refusal> {
        let (server, size) = (self.server, upload.size());
        if self.is_stored(digest, size).await? {
            let known = retried(|| Box::pin(self.finish_once(digest, size, None))).await?;
            if known.is_some() {
                drop(upload);
                return claim.remove().await.map_err(refusal);
            }
        }
        let object = upload.seal(digest).await.map_err(refusal)?;
        let useless =
            match retried(|| Box::pin(self.finish_once(digest, size, Some(&object)))).await? {
                Some(Claimed::New { replaced }) => replaced,
                Some(Claimed::Known) | None => Some(object),
            };
        if let Some(useless) = useless {
            server.blobs.delete(&useless).await?;
        }
        Ok(())
    }

    /// Whether a blob is there whole already, by its length.
    async fn is_stored(&self, digest: &Digest, size: u64) -> Result<bool, Refusal> {
        let mut reading = self.server.meta.glance().await?;
        let row = reading.stored_blob(digest).await?;
        drop(reading);
        let Some(row) = row.filter(|row| row.state.is_there() && row.size == size) else {
            return Ok(false);
        };
        match self.server.blobs.size(&row.object).await {
            Ok(stored) if stored == size => Ok(true),
            Ok(_) | Err(BlobError::Missing) => {
                let mut writing = self.server.meta.write().await?;
                writing.mark_corrupt(digest, &row.object).await?;
                writing.commit().await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Refers to sealed content, or to what is there already if none was sealed; `None` if there is
    /// nothing any more.
    async fn finish_once(
        &self,
        digest: &Digest,
        size: u64,
        object: Option<&str>,
    ) -> Result<Option<Claimed>, TransactionError> {
        let now = self.server.clock.now();
        let mut writing = self.server.meta.write().await?;
        let claimed = match object {
            Some(object) => writing.claim_blob(digest, size, object, now).await?,
            None if writing.touch_blob(digest, now).await? => Claimed::Known,
            None => return Ok(None),
        };
        let repository = writing.ensure_repository(self.repository, now).await?;
        writing.link_blob(repository, digest, now).await?;
        if !writing.end_upload(&self.upload.id, self.repository, now).await? {
            return Err(unknown().into());
        }
        writing.commit().await?;
        Ok(Some(claimed))
    }

    /// Ends the upload and frees what it took.
    async fn give_up(&self, claim: &UploadClaim) -> Result<(), Refusal> {
        // The bytes first: this is done when the disk is full as well.
        claim.remove().await.map_err(refusal)?;
        retried(|| Box::pin(self.give_up_once())).await
    }

    async fn give_up_once(&self) -> Result<(), TransactionError> {
        let mut writing = self.server.meta.write().await?;
        let now = self.server.clock.now();
        writing.end_upload(&self.upload.id, self.repository, now).await?;
        Ok(writing.commit().await?)
    }

    /// Where the upload is, and how far.
    fn standing(&self, status: StatusCode) -> Response {
        let mut response = http::empty(status);
        let headers = response.headers_mut();
        let path = uploads_path(self.repository.as_str());
        let place = format!("{}{path}{}", self.base, self.upload.as_str());
        headers.insert(LOCATION, header(&place));
        headers.insert(UPLOAD_ID, header(&self.upload.id));
        // For no byte as for one: there is no other way to write it.
        let last = self.progress.size.saturating_sub(1);
        headers.insert(RANGE, header(&format!("0-{last}")));
        response
    }
}

async fn save_once(
    server: &Arc<Server>,
    id: &str,
    repository: &RepositoryName,
    before: u64,
    progress: &Progress,
) -> Result<(), TransactionError> {
    let mut writing = server.meta.write().await?;
    let now = server.clock.now();
    if !writing.save_upload(id, repository, before, progress, now).await? {
        return Err(unknown().into());
    }
    Ok(writing.commit().await?)
}

/// Some of a body.
struct Batch {
    pieces: Vec<Bytes>,
    size: u64,
    /// Whether that was the end of the body, and a good one.
    end: Option<Result<(), ()>>,
}

/// Waits for so much of a body as is worth writing at once, or its end.
async fn gather(body: &mut Body) -> Batch {
    let mut batch = Batch { pieces: Vec::new(), size: 0, end: None };
    while batch.size < BLOB_PIECE_BYTES as u64 {
        match body.frame().await {
            None => batch.end = Some(Ok(())),
            Some(Err(_)) => batch.end = Some(Err(())),
            Some(Ok(frame)) => {
                let Ok(piece) = frame.into_data() else { continue };
                if !piece.is_empty() {
                    batch.size = batch.size.saturating_add(piece.len() as u64);
                    batch.pieces.push(piece);
                }
                continue;
            }
        }
        break;
    }
    batch
}

fn created(base: &str, name: &RepositoryName, digest: &Digest) -> Response {
    let mut response = http::empty(StatusCode::CREATED);
    let path = blob_path(name.as_str(), digest);
    response.headers_mut().insert(LOCATION, header(&format!("{base}{path}")));
    response.headers_mut().insert(DIGEST, header(digest.as_str()));
    response
}

fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    Digest::parse(text).map_err(|error| {
        let message = "the digest is none, or of an algorithm that is not supported";
        Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
            .with_detail(json!({"reason": error.problem}))
    })
}

/// What goes wrong with an upload may be the doing of another request, or of a lost disk.
fn refusal(error: BlobError) -> Refusal {
    match error {
        BlobError::Busy => {
            let message = "another request is writing to the upload";
            Refusal::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", message)
        }
        BlobError::Missing => unknown(),
        error => error.into(),
    }
}

fn wrong_size() -> Refusal {
    let message = "the body is not as long as was said";
    Refusal::new(StatusCode::BAD_REQUEST, SIZE_INVALID, message)
}

fn unknown() -> Refusal {
    let message = "the upload is not known here, or has ended";
    Refusal::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
}

/// What the random key of uploads' names is called.
const KEY_NAME: &str = "upload names";
const SIZE_INVALID: &str = "SIZE_INVALID";
/// Names an upload, as docker's registry does.
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The shortest chunk that clients are asked to send.
const CHUNK_MIN: HeaderName = HeaderName::from_static("oci-chunk-min-length");
