//! The signed push: manifests, a tag and trust data in one transaction (`spec/signed-push.md`).

use std::sync::Arc;

use ::http::header::{CONTENT_TYPE, LOCATION};
use ::http::{Method, StatusCode};
use bytes::Bytes;

use crate::limits::{MAX_PUSHED_MANIFEST_BYTES, MAX_PUSHED_MANIFESTS, MAX_UPLOAD_PARTS};
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::auth::Action;
use crate::server::http::{Exchange, Response, empty};
use crate::server::notary::multipart;
use crate::server::notary::publish::{self, Attempts, Written};
use crate::server::notary::uploaded;
use crate::server::notary::validate::Files;
use crate::server::registry::header;
use crate::server::registry::manifests::{self, Condition, DIGEST};
use crate::server::registry::transaction::TransactionError;
use crate::server::{Refusal, Server};
use crate::tuf::{Gun, RoleName};
use crate::wire::form::{FILES, FormError, FormReader, Part};
use crate::wire::notary::ErrorCode;
use crate::wire::registry::manifest_path;
use crate::wire::signed_push::{GUN, MANIFEST, TAG};

/// Answers `POST /v2/{name}/_trust/push`.
pub async fn respond(
    server: &Arc<Server>,
    name: RepositoryName,
    mut exchange: Exchange,
) -> Result<Response, Refusal> {
    if exchange.method != Method::POST {
        return Err(Refusal::wrong_method("POST"));
    }
    let manifests = u64::try_from(MAX_PUSHED_MANIFEST_BYTES).unwrap_or(u64::MAX);
    let limit = server.notary.max_publication_bytes.saturating_add(manifests);
    let body = uploaded(server, &mut exchange, limit).await?;
    let content_type = exchange.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let upload = Upload::read(content_type, body).await?;
    let known = server.gate.guns(&name);
    if !known.iter().flatten().any(|known| *known == upload.gun)
        || !server.notary.holds(&upload.gun)
    {
        let message = "this server has another name for the collection of this repository";
        return Err(Refusal::notary(ErrorCode::InvalidGun, message));
    }
    if !exchange.caller.may(Action::Sign, upload.gun.as_str()) {
        let message = "publishing trust data of this collection is not allowed";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "DENIED", message));
    }
    let push = Push::prepare(server, name, upload, exchange.caller.label().to_owned()).await?;
    push.commit().await?;
    let digest = &push.image.digest;
    let mut response = empty(StatusCode::CREATED);
    let path = manifest_path(push.name.as_str(), digest.as_str());
    let headers = response.headers_mut();
    headers.insert(LOCATION, header(&format!("{}{path}", exchange.base)));
    headers.insert(DIGEST, header(digest.as_str()));
    Ok(response)
}

/// A request taken apart.
#[derive(Debug)]
struct Upload {
    gun: Gun,
    tag: TagName,
    manifests: Vec<(String, Digest, Bytes)>,
    files: Files,
}

/// What was taken of a request so far.
#[derive(Debug, Default)]
struct Parts {
    gun: Option<Gun>,
    tag: Option<TagName>,
    manifests: Vec<(String, Digest, Bytes)>,
    manifest_bytes: usize,
    files: Files,
}

impl Upload {
    async fn read(content_type: &str, body: Bytes) -> Result<Self, Refusal> {
        let no_form = |error: FormError| malformed(error.to_string());
        let mut form = FormReader::new(content_type, body, MAX_UPLOAD_PARTS).map_err(no_form)?;
        let mut parts = Parts::default();
        while let Some(part) = form.next().await.map_err(no_form)? {
            parts.take(part)?;
        }
        // Only the server makes them.
        parts.files.remove(&RoleName::Timestamp);
        let Parts { gun, tag, manifests, files, .. } = parts;
        let missing = |name: &str| malformed(format!("there is no part `{name}`"));
        if manifests.is_empty() {
            return Err(missing(MANIFEST));
        }
        if files.is_empty() {
            return Err(missing(FILES));
        }
        let (gun, tag) = (gun.ok_or_else(|| missing(GUN))?, tag.ok_or_else(|| missing(TAG))?);
        Ok(Self { gun, tag, manifests, files })
    }
}

impl Parts {
    fn take(&mut self, part: Part) -> Result<(), Refusal> {
        let bytes = &part.bytes;
        match part.name.as_str() {
            GUN => {
                let gun = text(bytes).and_then(|text| Gun::parse(text).ok());
                let gun = gun.ok_or_else(|| malformed("the part `gun` is no GUN"))?;
                once(&mut self.gun, gun, GUN)
            }
            TAG => {
                let tag = text(bytes).and_then(|text| TagName::parse(text).ok());
                let tag = tag.ok_or_else(|| malformed("the part `tag` is no tag"))?;
                once(&mut self.tag, tag, TAG)
            }
            MANIFEST => {
                let digest = Digest::parse(&part.file_name).map_err(|_| {
                    let message = "the file name of a manifest is not its digest";
                    Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
                })?;
                self.manifest_bytes = self.manifest_bytes.saturating_add(bytes.len());
                if self.manifest_bytes > MAX_PUSHED_MANIFEST_BYTES {
                    return Err(Refusal::too_large(MAX_PUSHED_MANIFEST_BYTES));
                }
                if self.manifests.len() >= MAX_PUSHED_MANIFESTS {
                    let most = MAX_PUSHED_MANIFESTS;
                    return Err(malformed(format!("there are more than {most} manifests")));
                }
                self.manifests.push((part.media_type, digest, part.bytes));
                Ok(())
            }
            FILES => Ok(multipart::take(&mut self.files, part)?),
            _ => Err(malformed("there is a part of an unknown name")),
        }
    }
}

/// A push that is well-formed.
struct Push<'a> {
    server: &'a Arc<Server>,
    name: RepositoryName,
    gun: Gun,
    tag: TagName,
    children: Vec<manifests::Prepared>,
    image: manifests::Prepared,
    files: Files,
    actor: String,
}

impl<'a> Push<'a> {
    async fn prepare(
        server: &'a Arc<Server>,
        name: RepositoryName,
        upload: Upload,
        actor: String,
    ) -> Result<Self, Refusal> {
        let Upload { gun, tag, manifests, files } = upload;
        let mut children = Vec::with_capacity(manifests.len());
        for (media_type, digest, bytes) in manifests {
            children.push(manifests::prepare(media_type, bytes, Some(digest)).await?);
        }
        let image = children.pop().ok_or_else(|| malformed("there is no manifest"))?;
        Ok(Self { server, name, gun, tag, children, image, files, actor })
    }

    async fn commit(&self) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let signed = publish::prepare(self.server, &self.gun, &self.files, &self.actor).await?;
            match Box::pin(self.write(&signed)).await {
                Ok(Written::Done { .. }) => return Ok(()),
                Ok(Written::Stale) => attempts.stale().await?,
                Err(TransactionError::Meta(error)) => attempts.failed(error).await?,
                Err(TransactionError::Refused(refusal)) => return Err(*refusal),
            }
        }
    }

    /// Repositories are locked before collections, and these before the feed.
    async fn write(&self, signed: &publish::Prepared) -> Result<Written, TransactionError> {
        let now = self.server.clock.now();
        let condition = Condition::default();
        let mut writing = self.server.meta.write().await?;
        for manifest in self.children.iter().chain([&self.image]) {
            let writing = &mut writing;
            manifest.write(writing, self.server, &self.name, &[], &condition, now).await?;
        }
        let written = signed.write(&mut writing).await?;
        if written == Written::Stale {
            return Ok(written);
        }
        let (tag, digest) = (&self.tag, &self.image.digest);
        if !writing.evidence().names(&self.gun, tag, digest).await? {
            let message = format!("the trust data does not sign {digest} for {tag}");
            let status = StatusCode::BAD_REQUEST;
            return Err(Refusal::new(status, "MANIFEST_UNVERIFIED", message).into());
        }
        let tags = std::slice::from_ref(tag);
        let image = &self.image;
        image.write(&mut writing, self.server, &self.name, tags, &condition, now).await?;
        writing.commit().await?;
        Ok(written)
    }
}

fn once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed(format!("there are two parts `{name}`"))),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::notary(ErrorCode::MalformedUpload, message)
}
