//! Sending blobs and manifests (OCI distribution 1.1, "Push").
//!
//! What the repository has is not sent; what another repository of the registry has is mounted. A
//! blob goes in one request, which is the fastest; after a broken connection it goes on where the
//! registry says it stands, or, where a registry forgets what it had, in chunks.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Method, StatusCode};
use tokio::time::sleep;
use url::Url;

use crate::client::error::Cause;
use crate::client::http::{Answer, Request, RequestBody};
use crate::client::piece::{BlobSource, Piece, Pieces, Told};
use crate::client::registry::blobs::Place;
use crate::client::registry::connection::{Ask, PULL, PUSH, RegistryClient};
use crate::client::{RegistryError, TransportError, retry};
use crate::limits::MAX_ERROR_BODY_BYTES;
use crate::oci::digest::Hasher;
use crate::oci::{Descriptor, Digest, Reference};
use crate::wire::auth::repository_scope;
use crate::wire::registry::{DIGEST_HEADER, manifest_path, upload_range, uploads_path};

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// It was there.
    Existed,
    /// It was in another repository of the registry.
    Mounted,
    /// It was sent.
    Sent,
}

/// One repository that is pushed to, and those of the same registry that blobs may be mounted from.
#[derive(Debug, Clone)]
pub struct Destination {
    repository: String,
    /// What a token must allow: one for everything.
    scope: String,
}

/// A blob to be sent.
#[derive(Debug, Clone)]
pub struct Upload<'a> {
    /// What it is.
    pub blob: &'a Descriptor,
    /// Its content.
    pub source: Arc<dyn BlobSource>,
    /// Repositories of the same registry that may have it, the likeliest first.
    pub mount_from: &'a [String],
}

/// Told up to which byte of a blob was handed to the network.
pub type UploadProgress = Arc<dyn Fn(u64) + Send + Sync>;

/// What a registry said to a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// It lists the manifest among the referrers of its subject by itself (`OCI-Subject`).
    pub lists_referrer: bool,
}

impl Destination {
    /// A repository that is pushed to. Blobs may be mounted from the others, so a token must allow
    /// to read those.
    pub fn new(repository: &str, mount_from: &[String]) -> Self {
        let mut scopes = vec![repository_scope(repository, PUSH)];
        scopes.extend(
            mount_from
                .iter()
                .filter(|source| *source != repository)
                .map(|source| repository_scope(source, PULL)),
        );
        Self { repository: repository.to_owned(), scope: scopes.join(" ") }
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }
}

/// An upload that the registry knows.
#[derive(Debug, Clone)]
struct Session {
    /// Where it goes on, as the registry last said.
    url: Url,
    /// How many bytes the registry has.
    offset: u64,
    /// Fewest bytes of a chunk that is not the last.
    chunk_minimum: u64,
}

/// How an upload that failed is gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Everything that is left in one request.
    Whole,
    /// Chunk by chunk, for the registry forgets what was not finished.
    Chunks,
}

impl RegistryClient {
    /// Makes sure that a repository has a blob.
    pub async fn push_blob(
        &self,
        to: &Destination,
        upload: &Upload<'_>,
        progress: Option<UploadProgress>,
    ) -> Result<Uploaded, RegistryError> {
        let told = progress.map(Told);
        let mut mode = Mode::Whole;
        let (mut best, mut attempt) = (0, 1);
        let mut session: Option<Session> = None;
        let mut mounts = upload.mount_from;
        loop {
            let error =
                match self.push_once(to, upload, &mut session, mode, mounts, told.as_ref()).await {
                    Ok(uploaded) => return Ok(uploaded),
                    Err(error) => error,
                };
            let reached = session.as_ref().map_or(0, |session| session.offset);
            attempt = if reached > best { 1 } else { attempt };
            best = best.max(reached);
            let RegistryError::Transport(failure) = &error else { return Err(error) };
            let lost = is_lost_session(failure) && session.is_some();
            let first_wait = self.http.options().retry_wait;
            let pause = if lost && attempt < retry::MAX_TRANSFER_ATTEMPTS {
                Some(first_wait)
            } else {
                retry::wait_to_go_on(attempt, failure, first_wait)
            };
            let Some(pause) = pause else { return Err(error) };
            tracing::debug!("{}: {failure}; going on in {pause:?}", upload.blob.digest);
            sleep(pause).await;
            attempt += 1;
            // Mounting was tried, or was what failed.
            mounts = &[];
            session = match session {
                Some(session) if !lost => self.standing(to, session, upload.blob.size).await,
                _ => None,
            };
            if session.is_none() {
                mode = Mode::Chunks;
            }
        }
    }

    /// Puts a manifest under a tag or its digest, exactly these bytes.
    pub async fn put_manifest(
        &self,
        to: &Destination,
        tag_or_digest: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Accepted, RegistryError> {
        let reference = self.reference(&to.repository, tag_or_digest)?;
        let path = manifest_path(reference.path(), tag_or_digest);
        let content_type = header_value(media_type, &path)?;
        let ask = Ask {
            method: Method::PUT,
            path: &path,
            query: None,
            scope: &to.scope,
            limit: MAX_ERROR_BODY_BYTES,
        };
        let mut attempt = 1;
        let answer = loop {
            let complete = |request: &mut Request| {
                request.headers.insert(CONTENT_TYPE, content_type.clone());
                request.body = bytes.clone().into();
            };
            let failure = match self.ask(&ask, &complete).await {
                Ok(answer) if answer.status.is_success() => break answer,
                Ok(answer) => answer.error(),
                Err(error) => error,
            };
            // The same bytes in the same place: once more does no harm.
            let first_wait = self.http.options().retry_wait;
            let Some(pause) = retry::wait_to_go_on(attempt, &failure, first_wait) else {
                return Err(failure.into());
            };
            sleep(pause).await;
            attempt += 1;
        };
        if let Some(text) = answer.header(DIGEST_HEADER) {
            let claimed = Digest::parse(text).map_err(|error| answer.bad(error.to_string()))?;
            if !claimed.matches(bytes) {
                let registry = self.domain.clone();
                let actual = Digest::sha256_of(bytes);
                return Err(RegistryError::DigestMismatch { registry, claimed, actual });
            }
        }
        Ok(Accepted { lists_referrer: answer.header(SUBJECT_HEADER).is_some() })
    }

    /// A blob of a repository of this registry, to be passed on to another as it comes.
    pub fn blob_source(
        self: &Arc<Self>,
        repository: &str,
        blob: &Descriptor,
    ) -> Result<Arc<dyn BlobSource>, RegistryError> {
        let reference = self.reference(repository, blob.digest.as_str())?;
        Ok(Arc::new(RemoteBlob { registry: Arc::clone(self), reference, blob: blob.clone() }))
    }

    async fn push_once(
        &self,
        to: &Destination,
        upload: &Upload<'_>,
        session: &mut Option<Session>,
        mode: Mode,
        mounts: &[String],
        told: Option<&Told>,
    ) -> Result<Uploaded, RegistryError> {
        let blob = upload.blob;
        if session.is_none() {
            if let Some(length) = self.has_blob(&to.repository, &blob.digest, &to.scope).await? {
                return match length {
                    Some(actual) if actual != blob.size => Err(self.wrong_length(blob, actual)),
                    _ => Ok(Uploaded::Existed),
                };
            }
            let sources = mounts.iter().filter(|source| **source != to.repository);
            for source in sources.take(MAX_MOUNTS_TRIED) {
                match self.begin(to, Some((source, &blob.digest))).await {
                    Ok(None) => return Ok(Uploaded::Mounted),
                    // It did not mount, and began an upload instead.
                    Ok(Some(begun)) => *session = Some(begun),
                    // What cannot be mounted can be sent.
                    Err(error) if is_refusal(&error) => {
                        tracing::debug!("{} is not mounted from {source}: {error}", blob.digest);
                    }
                    Err(error) => return Err(error),
                }
            }
            if session.is_none() {
                *session = self.begin(to, None).await?;
            }
        }
        let Some(session) = session else { return Ok(Uploaded::Mounted) };
        if mode == Mode::Whole && session.offset == 0 {
            self.finish(to, upload, session, told).await?;
            return Ok(Uploaded::Sent);
        }
        let chunk = match mode {
            Mode::Whole => u64::MAX,
            Mode::Chunks => CHUNK_BYTES.max(session.chunk_minimum),
        };
        while session.offset < blob.size {
            let length = chunk.min(blob.size - session.offset);
            self.patch(to, upload, session, length, told).await?;
        }
        self.finish(to, upload, session, told).await?;
        Ok(Uploaded::Sent)
    }

    /// Begins an upload; `None` if the blob could be mounted instead.
    async fn begin(
        &self,
        to: &Destination,
        mount: Option<(&str, &Digest)>,
    ) -> Result<Option<Session>, RegistryError> {
        let reference = self.reference(&to.repository, UPLOAD_TAG)?;
        let path = uploads_path(reference.path());
        let query = mount.map(|(source, digest)| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("mount", digest.as_str()).append_pair("from", source);
            query.finish()
        });
        let query = query.as_deref();
        let (scope, limit) = (to.scope.as_str(), MAX_ERROR_BODY_BYTES);
        let ask = Ask { method: Method::POST, path: &path, query, scope, limit };
        let complete = |request: &mut Request| {
            request.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        };
        let answer = self.ask(&ask, &complete).await?;
        match answer.status {
            StatusCode::CREATED if mount.is_some() => Ok(None),
            StatusCode::ACCEPTED => {
                let url = self.next_place(&answer, &answer.url)?;
                let minimum = answer.header(CHUNK_MINIMUM_HEADER);
                let chunk_minimum = minimum.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
                Ok(Some(Session { url, offset: 0, chunk_minimum }))
            }
            status if status.is_success() => {
                Err(answer.bad("an upload was to begin, and it did not").into())
            }
            StatusCode::NOT_FOUND => {
                Err(RegistryError::NotFound { reference: reference.familiar_name() })
            }
            _ => Err(answer.error().into()),
        }
    }

    /// Sends a chunk.
    async fn patch(
        &self,
        to: &Destination,
        upload: &Upload<'_>,
        session: &mut Session,
        length: u64,
        told: Option<&Told>,
    ) -> Result<(), RegistryError> {
        let (first, end) = (session.offset, session.offset + length);
        let piece = Piece {
            source: Arc::clone(&upload.source),
            offset: first,
            length,
            told: told.cloned(),
        };
        let mut request = Request::new(Method::PATCH, session.url.clone(), MAX_ERROR_BODY_BYTES);
        set(&mut request, CONTENT_TYPE, OCTETS);
        set(&mut request, CONTENT_LENGTH, &length.to_string());
        set(&mut request, CONTENT_RANGE, &format!("{first}-{}", end.saturating_sub(1)));
        request.body = RequestBody::Piece(piece);
        let answer = self.at_session(to, upload, request).await?;
        if answer.status == StatusCode::RANGE_NOT_SATISFIABLE {
            // It stands elsewhere than we think; where, the next question tells.
            return Err(answer.error().into());
        }
        if !answer.status.is_success() {
            return Err(answer.error().into());
        }
        session.url = self.next_place(&answer, &session.url)?;
        let standing = answer.header(RANGE.as_str()).and_then(upload_range);
        session.offset = match standing {
            Some((0, standing)) if standing > first && standing <= end => standing,
            None => end,
            Some(_) => return Err(answer.bad("the upload stands where it cannot").into()),
        };
        Ok(())
    }

    /// Sends what is left, and ends the upload.
    async fn finish(
        &self,
        to: &Destination,
        upload: &Upload<'_>,
        session: &Session,
        told: Option<&Told>,
    ) -> Result<(), RegistryError> {
        let blob = upload.blob;
        let length = blob.size.saturating_sub(session.offset);
        let mut url = session.url.clone();
        url.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let mut request = Request::new(Method::PUT, url, MAX_ERROR_BODY_BYTES);
        set(&mut request, CONTENT_LENGTH, &length.to_string());
        if length > 0 {
            set(&mut request, CONTENT_TYPE, OCTETS);
            request.body = RequestBody::Piece(Piece {
                source: Arc::clone(&upload.source),
                offset: session.offset,
                length,
                told: told.cloned(),
            });
        }
        let answer = self.at_session(to, upload, request).await?;
        if answer.status.is_success() { Ok(()) } else { Err(answer.error().into()) }
    }

    /// Asks how far an upload of so many bytes is; `None` if the registry does not know it any more.
    async fn standing(&self, to: &Destination, session: Session, size: u64) -> Option<Session> {
        let request = Request::new(Method::GET, session.url.clone(), MAX_ERROR_BODY_BYTES);
        let answer = self.send_to_session(to, request).await.ok()?;
        if !answer.status.is_success() {
            return None;
        }
        let (first, offset) = answer.header(RANGE.as_str()).and_then(upload_range)?;
        let url = self.next_place(&answer, &session.url).ok()?;
        // One that has more than there is has not got this.
        (first == 0 && offset <= size).then_some(Session { url, offset, ..session })
    }

    async fn at_session(
        &self,
        to: &Destination,
        upload: &Upload<'_>,
        request: Request,
    ) -> Result<Answer, RegistryError> {
        self.send_to_session(to, request).await.map_err(|error| match error {
            TransportError::Source { cause, .. } => source_error(upload.blob, cause),
            error => error.into(),
        })
    }

    /// Sends to where the registry told us to; the login goes to the registry alone.
    async fn send_to_session(
        &self,
        to: &Destination,
        mut request: Request,
    ) -> Result<Answer, TransportError> {
        let own = self.address(self.is_plain(), "/")?;
        if request.url.origin() == own.origin() {
            return self.auth.send(&self.http, request, &to.scope).await;
        }
        request.on_behalf_of = Some(own);
        self.http.send(&request).await
    }

    /// Where an upload goes on: what the answer says, else where it was.
    fn next_place(&self, answer: &Answer, before: &Url) -> Result<Url, TransportError> {
        let Some(location) = answer.header(LOCATION.as_str()) else { return Ok(before.clone()) };
        let next = answer.url.join(location);
        let mut next = next.map_err(|_| answer.bad("the upload has no address"))?;
        let own = self.address(self.is_plain(), "/")?;
        if next.host() == own.host() && next.scheme() != own.scheme() {
            // A registry behind something that ends TLS does not know how it is reached.
            let changed = next.set_scheme(own.scheme()).and_then(|()| next.set_port(own.port()));
            changed.map_err(|()| answer.bad("the upload has no address"))?;
        }
        if let Some(problem) = crate::client::http::redirect_problem(&own, &next) {
            return Err(TransportError::Redirect {
                url: crate::client::error::redact(&own),
                target: crate::client::error::redact(&next),
                problem,
            });
        }
        Ok(next)
    }
}

/// A blob of another registry, passed on as it comes, and verified on the way.
#[derive(Debug)]
struct RemoteBlob {
    registry: Arc<RegistryClient>,
    reference: Reference,
    blob: Descriptor,
}

impl BlobSource for RemoteBlob {
    fn open(&self, offset: u64) -> BoxFuture<'_, Result<Pieces, Cause>> {
        Box::pin(async move {
            let place = Place::Own(&self.reference);
            let (body, begins) = self.registry.open_blob(&place, &self.blob, offset).await?;
            let hasher = (offset == 0).then(|| Hasher::like(&self.blob.digest));
            let state = Passing {
                body,
                // A registry without ranges sends from the beginning.
                skip: offset - begins,
                left: self.blob.size - begins,
                hasher,
                blob: self.blob.clone(),
                registry: Arc::clone(&self.registry),
            };
            let pieces = futures_util::stream::try_unfold(state, |mut state| async move {
                Ok(state.next().await?.map(|piece| (piece, state)))
            });
            Ok(Box::pin(pieces) as Pieces)
        })
    }
}

struct Passing {
    body: crate::client::body::OpenBody,
    skip: u64,
    left: u64,
    hasher: Option<Hasher>,
    blob: Descriptor,
    registry: Arc<RegistryClient>,
}

impl Passing {
    async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
        loop {
            let Some(mut piece) = self.body.next().await? else {
                return match self.left {
                    0 => Ok(None),
                    left => {
                        Err(self.registry.wrong_length(&self.blob, self.blob.size - left).into())
                    }
                };
            };
            let length = piece.len() as u64;
            let Some(left) = self.left.checked_sub(length) else {
                let actual = self.blob.size - self.left + length;
                return Err(self.registry.wrong_length(&self.blob, actual).into());
            };
            self.left = left;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&piece);
            }
            if left == 0
                && let Some(actual) = self.hasher.take().map(Hasher::finish)
                && actual != self.blob.digest
            {
                let (registry, claimed) = (self.registry.domain.clone(), self.blob.digest.clone());
                return Err(RegistryError::DigestMismatch { registry, claimed, actual }.into());
            }
            let skipped = self.skip.min(length);
            self.skip -= skipped;
            let piece = piece.split_off(usize::try_from(skipped).unwrap_or(usize::MAX));
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }
}

/// Why content could not be read: where it comes from another registry, that registry's failure,
/// which may pass.
fn source_error(blob: &Descriptor, cause: Cause) -> RegistryError {
    let cause = match cause.downcast::<TransportError>() {
        Ok(failure) => return (*failure).into(),
        Err(cause) => cause,
    };
    match cause.downcast::<RegistryError>() {
        Ok(failure) if matches!(*failure, RegistryError::Transport(_)) => *failure,
        Ok(failure) => RegistryError::Source { digest: blob.digest.clone(), cause: failure },
        Err(cause) => RegistryError::Source { digest: blob.digest.clone(), cause },
    }
}

/// Whether a registry that could be reached does not do this.
fn is_refusal(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::NotFound { .. }
            | RegistryError::Transport(
                TransportError::Status { .. }
                    | TransportError::Forbidden { .. }
                    | TransportError::Unauthorized { .. }
                    | TransportError::BadAnswer { .. }
            )
    )
}

/// Whether the registry does not know the upload any more.
fn is_lost_session(failure: &TransportError) -> bool {
    matches!(failure, TransportError::Status { status: 404 | 410 | 416, .. })
}

fn set(request: &mut Request, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        request.headers.insert(name, value);
    }
}

fn header_value(text: &str, path: &str) -> Result<HeaderValue, TransportError> {
    HeaderValue::from_str(text)
        .map_err(|cause| TransportError::Request { url: path.to_owned(), cause: Box::new(cause) })
}

const OCTETS: &str = "application/octet-stream";
/// The header by which a registry says that it lists a manifest among its subject's referrers.
const SUBJECT_HEADER: &str = "oci-subject";
/// The header in which a registry says how small a chunk may be.
const CHUNK_MINIMUM_HEADER: &str = "oci-chunk-min-length";
/// What is lost at most when a connection breaks and the registry forgets what was not finished.
const CHUNK_BYTES: u64 = 32 << 20;
/// Most repositories that a blob is looked for in.
const MAX_MOUNTS_TRIED: usize = 2;
/// Any tag: the name of a repository is checked as a part of a reference.
const UPLOAD_TAG: &str = "latest";
