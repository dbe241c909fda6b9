//! Manifests: read, stored with what they refer to, deleted.

use std::sync::Arc;

use ::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use ::http::{HeaderName, Method, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::clock::Timestamp;
use crate::limits::{MAX_INDEX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_BYTES, MAX_TAG_PARAMETERS};
use crate::oci::manifest::{Manifest, ManifestError, bare_media_type, is_manifest, is_schema1};
use crate::oci::media_type::is_foreign_layer;
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::auth::{Action, Caller};
use crate::server::hot::kept_until;
use crate::server::http::{self, Exchange, Response};
use crate::server::meta::Writing;
use crate::server::meta::content::{ManifestRow, NewManifest};
use crate::server::registry::transaction::{TransactionError, retried};
use crate::server::registry::{Sparse, header, wrong_method};
use crate::server::router::ManifestName;
use crate::server::trust::Subject;
use crate::server::{Refusal, Server};
use crate::tuf::Gun;
use crate::wire::registry::manifest_path;

/// Answers `/v2/{name}/manifests/{tag or digest}`.
pub(super) async fn respond(
    server: &Arc<Server>,
    name: RepositoryName,
    wanted: ManifestName,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    match exchange.method {
        Method::GET | Method::HEAD => read(server, &name, &wanted, exchange).await,
        Method::PUT => put(server, &name, &wanted, exchange).await,
        Method::DELETE => delete(server, &name, &wanted).await,
        _ => Err(wrong_method("GET, HEAD, PUT, DELETE")),
    }
}

async fn read(
    server: &Arc<Server>,
    name: &RepositoryName,
    wanted: &ManifestName,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    let row = find(server, name, wanted, &exchange.caller, &exchange.method).await?;
    let etag = format!("\"{}\"", row.digest);
    let mut response = if names_tag(exchange.header("if-none-match"), &etag) {
        let mut response = Response::new(http::empty_body());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        http::bytes(StatusCode::OK, &row.media_type, row.bytes.clone())
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, header(&etag));
    headers.insert(DIGEST, header(row.digest.as_str()));
    Ok(response)
}

/// Finds a manifest that the caller may have, in the database or among recent answers.
async fn find(
    server: &Arc<Server>,
    name: &RepositoryName,
    wanted: &ManifestName,
    caller: &Caller,
    method: &Method,
) -> Result<Arc<ManifestRow>, Refusal> {
    let now = server.clock.now();
    let class = server.gate.class(caller, name);
    let hot = server.meta.hot().map(|hot| {
        let asked = match wanted {
            ManifestName::Tag(tag) => tag.as_str(),
            ManifestName::Digest(digest) => digest.as_str(),
        };
        (&hot.manifests, format!("{name}\n{asked}\n{class}"))
    });
    if let Some((manifests, key)) = &hot
        && let Some(row) = manifests.get(key, now)
    {
        return Ok(row);
    }
    let before = hot.as_ref().map(|(manifests, _)| {
        let guns = server.gate.guns(name);
        let guns = guns.iter().flatten().map(Gun::as_str);
        manifests.before(guns.chain([name.as_str()]))
    });
    let (row, until) = read_and_decide(server, name, wanted, caller, method).await?;
    note_use(server, name, &row, caller).await?;
    let row = Arc::new(row);
    // A policy that came into force meanwhile decided this: it is not kept for the one before.
    let same_policy = server.gate.class(caller, name) == class;
    if let (Some((manifests, key)), Some(before), true) = (hot, before, same_policy) {
        let until = until.min(kept_until(now));
        manifests.put_shared(key, before, until, row.bytes.len(), Arc::clone(&row));
    }
    Ok(row)
}

/// Reads a manifest, decides in the same snapshot whether the caller may have it, and tells until
/// when that holds if nothing changes.
async fn read_and_decide(
    server: &Arc<Server>,
    name: &RepositoryName,
    wanted: &ManifestName,
    caller: &Caller,
    method: &Method,
) -> Result<(ManifestRow, Timestamp), Refusal> {
    let mut reading = server.meta.read().await?;
    let row = match wanted {
        ManifestName::Tag(tag) => reading.tagged_manifest(name, tag).await?,
        ManifestName::Digest(digest) => reading.manifest(name, digest).await?,
    };
    let Some(row) = row else { return Err(unknown(wanted)) };
    let gate = &server.gate;
    let (row, until) = match wanted {
        ManifestName::Tag(tag) => {
            let served = gate.tag(&mut reading, name, tag, &row.digest, caller).await?;
            let served = served.map_err(|denial| denial.into_refusal(method))?;
            if served.digest == row.digest {
                (row, served.until)
            } else {
                let instead = reading.manifest(name, &served.digest).await?;
                (instead.ok_or_else(|| unknown(wanted))?, served.until)
            }
        }
        ManifestName::Digest(digest) => {
            let subject = Subject::Manifest(digest);
            let until = gate.pull_until(&mut reading, name, subject, caller).await?;
            (row, until.map_err(|denial| denial.into_refusal(method))?)
        }
    };
    drop(reading);
    if !row.digest.matches(&row.bytes) {
        tracing::error!(repository = %name, digest = %row.digest, "a stored manifest is damaged");
        let message = "the stored manifest is damaged";
        return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message));
    }
    Ok((row, until))
}

/// Whoever may push and sees a manifest may go on to refer to it.
async fn note_use(
    server: &Arc<Server>,
    name: &RepositoryName,
    row: &ManifestRow,
    caller: &Caller,
) -> Result<(), Refusal> {
    let now = server.clock.now();
    let is_recent = now.duration_since(row.touched_at).unsigned_abs() < server.registry.touch_after;
    let may_push = caller.may(Action::Push, name.as_str());
    if is_recent || !may_push || server.registry.read_only {
        return Ok(());
    }
    let mut writing = server.meta.write().await?;
    let is_there = writing.touch_manifest_of(name, &row.digest, now).await?;
    writing.commit().await?;
    if is_there { Ok(()) } else { Err(unknown(&ManifestName::Digest(row.digest.clone()))) }
}

async fn put(
    server: &Arc<Server>,
    name: &RepositoryName,
    wanted: &ManifestName,
    mut exchange: Exchange,
) -> Result<Response, Refusal> {
    server.registry.writable()?;
    let (tags, expected) = match wanted {
        ManifestName::Tag(tag) => (vec![tag.clone()], None),
        ManifestName::Digest(digest) => (tag_parameters(&exchange)?, Some(digest.clone())),
    };
    let condition = Condition::of(&exchange);
    let media_type = match exchange.headers.get(CONTENT_TYPE) {
        None => String::new(),
        Some(value) => {
            let text = value.to_str().map_err(|_| invalid("the content type is no text"))?;
            text.to_owned()
        }
    };
    let bytes = exchange.bytes(MAX_MANIFEST_BYTES).await?;
    let prepared = prepare(media_type, bytes, expected).await?;
    let by_digest = matches!(wanted, ManifestName::Digest(_));
    retried(|| Box::pin(put_once(server, name, &prepared, &tags, &condition))).await?;
    let mut response = http::empty(StatusCode::CREATED);
    let path = manifest_path(name.as_str(), prepared.digest.as_str());
    let headers = response.headers_mut();
    headers.insert(LOCATION, header(&format!("{}{path}", exchange.base)));
    headers.insert(DIGEST, header(prepared.digest.as_str()));
    headers.insert(ETAG, header(&format!("\"{}\"", prepared.digest)));
    if let Some(subject) = &prepared.subject {
        headers.insert(SUBJECT, header(subject.as_str()));
    }
    for tag in tags.iter().filter(|_| by_digest) {
        headers.append(TAG, header(tag.as_str()));
    }
    Ok(response)
}

/// Stores a manifest as if it was pushed, and makes these tags stand for it.
pub async fn store(
    server: &Arc<Server>,
    name: &RepositoryName,
    prepared: &Prepared,
    tags: &[TagName],
) -> Result<(), Refusal> {
    let condition = Condition::default();
    retried(|| Box::pin(put_once(server, name, prepared, tags, &condition))).await
}

async fn put_once(
    server: &Arc<Server>,
    name: &RepositoryName,
    prepared: &Prepared,
    tags: &[TagName],
    condition: &Condition,
) -> Result<(), TransactionError> {
    let mut writing = server.meta.write().await?;
    prepared.write(&mut writing, server, name, tags, condition, server.clock.now()).await?;
    Ok(writing.commit().await?)
}

/// A manifest that is well-formed, and what it refers to.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its digest, by the algorithm by which it was pushed.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes, as they were pushed.
    pub bytes: Bytes,
    /// What it is a statement of.
    pub subject: Option<Digest>,
    /// What kind of artifact it is: its own word, else that of its configuration.
    pub artifact_type: Option<String>,
    /// The manifests it refers to.
    manifests: Vec<Digest>,
    /// The blobs it refers to, and whether they must be there.
    blobs: Vec<(Digest, bool)>,
}

/// What must be so for a manifest to be stored (RFC 9110 §13).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// `If-Match`: the tag, or the digest, stands for one of these now.
    pub matches: Option<String>,
    /// `If-None-Match`: it stands for none of these.
    pub matches_none: Option<String>,
}

impl Condition {
    fn of(exchange: &Exchange) -> Self {
        let header = |name| exchange.header(name).map(ToOwned::to_owned);
        Self { matches: header("if-match"), matches_none: header("if-none-match") }
    }

    fn holds(&self, current: Option<&Digest>) -> bool {
        let etag = current.map(|digest| format!("\"{digest}\""));
        let named = |header: &String| match &etag {
            Some(etag) => names_tag(Some(header), etag),
            None => false,
        };
        self.matches.as_ref().is_none_or(named) && !self.matches_none.as_ref().is_some_and(named)
    }
}

/// Reads a manifest that somebody pushes: `media_type` is the `Content-Type`, empty if there is
/// none, and `expected` the digest under which it is pushed, if any. Large ones are read on another
/// thread. Whether what it refers to is there is found out by [`Prepared::write`].
pub async fn prepare(
    media_type: String,
    bytes: Bytes,
    expected: Option<Digest>,
) -> Result<Prepared, Refusal> {
    if bytes.len() <= SMALL_BYTES {
        return Prepared::read(&media_type, bytes, expected);
    }
    let prepared =
        tokio::task::spawn_blocking(move || Prepared::read(&media_type, bytes, expected)).await;
    prepared.unwrap_or_else(|error| Err(Refusal::unavailable(&error)))
}

impl Prepared {
    /// The same as [`prepare`], at once.
    pub fn read(media_type: &str, bytes: Bytes, expected: Option<Digest>) -> Result<Self, Refusal> {
        let digest = match expected {
            None => Digest::sha256_of(&bytes),
            Some(digest) if digest.matches(&bytes) => digest,
            Some(digest) => {
                let message = "the manifest has another digest than it is pushed under";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
                    .with_detail(json!({"digest": digest.as_str()})));
            }
        };
        let header = bare_media_type(media_type);
        let document = Document::read(&bytes).map_err(|error| malformed(&error))?;
        let media_type = document.media_type_beside(&header)?;
        if is_manifest(&media_type) {
            let manifest = Manifest::parse(&header, &bytes).map_err(|error| malformed(&error))?;
            return Ok(Self::of_image(digest, media_type, bytes, &manifest));
        }
        document.into_prepared(digest, media_type, bytes)
    }

    fn of_image(digest: Digest, media_type: String, bytes: Bytes, manifest: &Manifest) -> Self {
        let subject = manifest.subject().map(|subject| subject.digest.clone());
        let (artifact_type, manifests, blobs) = match manifest {
            Manifest::Image(image) => {
                let own = image.artifact_type.clone();
                let artifact_type = own.or_else(|| Some(image.config.media_type.clone()));
                let blobs = manifest
                    .references()
                    .map(|blob| (blob.digest.clone(), !is_foreign_layer(&blob.media_type)));
                (artifact_type, Vec::new(), blobs.collect())
            }
            Manifest::Index(index) => {
                let children = index.manifests.iter().map(|child| child.digest.clone());
                (index.artifact_type.clone(), children.collect(), Vec::new())
            }
        };
        Self {
            digest,
            media_type,
            bytes,
            subject,
            artifact_type: artifact_type.filter(|text| !text.is_empty()),
            manifests,
            blobs,
        }
    }

    /// All it refers to that must be there, and of what kind each is, `manifest` or `blob`.
    pub fn children(&self) -> Vec<(Digest, &'static str)> {
        let manifests = self.manifests.iter().map(|digest| (digest.clone(), "manifest"));
        let needed = self.blobs.iter().filter(|(_, needed)| *needed);
        manifests.chain(needed.map(|(digest, _)| (digest.clone(), "blob"))).collect()
    }

    /// Stores it in a transaction, and makes these tags stand for it; what it refers to must be
    /// there, in the same transaction. Refuses where a tag must not move, or a condition does not
    /// hold: of the first tag, or of the manifest itself if there are none.
    pub async fn write(
        &self,
        writing: &mut Writing,
        server: &Server,
        name: &RepositoryName,
        tags: &[TagName],
        condition: &Condition,
        now: Timestamp,
    ) -> Result<(), TransactionError> {
        let repository = writing.lock_repository(name, now).await?.id;
        for (place, tag) in tags.iter().enumerate() {
            let current = writing.tag(repository, tag).await?.map(|row| row.digest);
            if place == 0 && !condition.holds(current.as_ref()) {
                return Err(condition_failed().into());
            }
            if current.as_ref().is_some_and(|current| *current != self.digest) {
                check_movable(server, name, tag)?;
            }
        }
        let (manifests, blobs) = self.hold(writing, server, repository, now).await?;
        let new = NewManifest {
            digest: &self.digest,
            media_type: &self.media_type,
            bytes: &self.bytes,
            artifact_type: self.artifact_type.as_deref(),
            subject: self.subject.as_ref(),
            manifests: &manifests,
            blobs: &blobs,
        };
        let is_new = writing.store_manifest(repository, new, now).await?;
        if tags.is_empty() && !condition.holds((!is_new).then_some(&self.digest)) {
            return Err(condition_failed().into());
        }
        let seq = writing.count_change(repository).await?;
        for tag in tags {
            server.gate.set_tag(writing, name, tag, &self.digest).await?.map_err(Refusal::from)?;
            writing.set_tag(repository, tag, &self.digest, seq, now).await?;
        }
        Ok(())
    }

    /// The manifests and blobs that it refers to, all of which stay from now on; those that may be
    /// missing are among them if the registry would keep them.
    async fn hold(
        &self,
        writing: &mut Writing,
        server: &Server,
        repository: i64,
        now: Timestamp,
    ) -> Result<(Vec<Digest>, Vec<Digest>), TransactionError> {
        let children: Vec<&Digest> = self.manifests.iter().collect();
        let held = writing.hold_manifests(repository, &children, now).await?;
        let is_held = |digest: &Digest| held.contains(digest.as_str());
        let (manifests, others): (Vec<&Digest>, Vec<&Digest>) =
            children.into_iter().partition(|digest| is_held(digest));
        // Some builders keep their cache as an index of blobs.
        let wanted: Vec<&Digest> =
            others.iter().copied().chain(self.blobs.iter().map(|(digest, _)| digest)).collect();
        let held = writing.hold_blobs(repository, &wanted, now).await?;
        let is_held = |digest: &Digest| held.contains(digest.as_str());
        let needed = self.blobs.iter().filter(|(_, needed)| *needed).map(|(digest, _)| digest);
        let no_child = others.iter().copied().filter(|digest| !is_held(digest));
        let no_blob = needed.clone().filter(|digest| !is_held(digest));
        let sparse = server.registry.sparse;
        let missing: Vec<&str> = match sparse {
            Sparse::Nothing => no_child.clone().chain(no_blob.clone()).collect::<Vec<_>>(),
            Sparse::Indexes => no_blob.clone().collect(),
            Sparse::Everything => Vec::new(),
        }
        .into_iter()
        .map(Digest::as_str)
        .collect();
        if let Some(first) = missing.first() {
            let message = "the manifest refers to what the repository does not have";
            let shown: Vec<&&str> = missing.iter().take(MAX_SHOWN_DIGESTS).collect();
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", message)
                .with_detail(json!({"digest": first, "missing": shown}))
                .into());
        }
        let manifests = manifests.into_iter().chain(no_child).cloned().collect();
        let blobs = wanted.iter().copied().filter(|digest| is_held(digest)).chain(no_blob);
        Ok((manifests, blobs.cloned().collect()))
    }
}

/// Refuses to move or delete a tag that stays what it is.
fn check_movable(server: &Server, name: &RepositoryName, tag: &TagName) -> Result<(), Refusal> {
    if !server.registry.is_immutable(name, tag) {
        return Ok(());
    }
    let detail = json!({"name": name.as_str(), "tag": tag.as_str()});
    let refusal = Refusal::new(StatusCode::CONFLICT, "DENIED", "the tag is immutable");
    Err(refusal.with_detail(detail))
}

async fn delete(
    server: &Arc<Server>,
    name: &RepositoryName,
    wanted: &ManifestName,
) -> Result<Response, Refusal> {
    server.registry.deletable()?;
    retried(|| Box::pin(delete_once(server, name, wanted))).await?;
    Ok(http::empty(StatusCode::ACCEPTED))
}

async fn delete_once(
    server: &Arc<Server>,
    name: &RepositoryName,
    wanted: &ManifestName,
) -> Result<(), TransactionError> {
    let mut writing = server.meta.write().await?;
    let Some(repository) = writing.lock_known_repository(name).await? else {
        return Err(unknown(wanted).into());
    };
    let removed = match wanted {
        ManifestName::Tag(tag) => {
            if writing.tag(repository.id, tag).await?.is_some() {
                check_movable(server, name, tag)?;
                let decided = server.gate.delete_tag(&mut writing, name, tag).await?;
                decided.map_err(Refusal::from)?;
            }
            writing.remove_tag(repository.id, tag).await?
        }
        ManifestName::Digest(digest) => {
            for tag in writing.tags_of(repository.id, digest).await? {
                check_movable(server, name, &tag)?;
            }
            if let Some(parent) = writing.parent_of(repository.id, digest).await? {
                return Err(in_use(&parent).into());
            }
            let decided = server.gate.delete_manifest(&mut writing, name, digest).await?;
            decided.map_err(Refusal::from)?;
            writing.remove_manifest(repository.id, digest).await?
        }
    };
    if !removed {
        return Err(unknown(wanted).into());
    }
    writing.count_change(repository.id).await?;
    Ok(writing.commit().await?)
}

/// Something is part of a manifest that is there.
pub(super) fn in_use(parent: &Digest) -> Refusal {
    let message = "a manifest of the repository refers to it; delete that one first";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "DENIED", message)
        .with_detail(json!({"manifest": parent.as_str()}))
}

/// The members of manifests of any kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Reference>,
    layers: Option<Vec<Reference>>,
    blobs: Option<Vec<Reference>>,
    manifests: Option<Vec<Reference>>,
    subject: Option<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    media_type: Option<String>,
    digest: String,
}

impl Document {
    fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        serde_json::from_slice(bytes).map_err(ManifestError::Malformed)
    }

    /// The media type: that of the header and that of the body, which do not contradict each other.
    fn media_type_beside(&self, header: &str) -> Result<String, Refusal> {
        if is_schema1(header) || self.media_type.as_deref().is_some_and(is_schema1) {
            return Err(malformed(&ManifestError::Schema1));
        }
        let body = self.media_type.as_deref().unwrap_or_default();
        match (header, body) {
            ("", "") => Err(malformed(&ManifestError::Missing { field: "mediaType" })),
            ("", body) => Ok(body.to_owned()),
            (header, "") if is_manifest(header) => Ok(header.to_owned()),
            (header, body) if header == body => Ok(body.to_owned()),
            (header, "") => {
                Err(malformed(&ManifestError::UnknownMediaType { media_type: header.to_owned() }))
            }
            (header, body) => Err(malformed(&ManifestError::MediaTypeMismatch {
                header: header.to_owned(),
                body: body.to_owned(),
            })),
        }
    }

    /// A manifest of a kind that is not known here: what it refers to is looked for where all known
    /// kinds have it.
    fn into_prepared(
        self,
        digest: Digest,
        media_type: String,
        bytes: Bytes,
    ) -> Result<Prepared, Refusal> {
        let of_config = self.config.as_ref().and_then(|config| config.media_type.clone());
        let parts = [self.layers, self.blobs].into_iter().flatten().flatten();
        let blobs: Vec<Reference> = self.config.into_iter().chain(parts).collect();
        let manifests = self.manifests.unwrap_or_default();
        if blobs.len() > MAX_LAYERS || manifests.len() > MAX_INDEX_ENTRIES {
            return Err(invalid("the manifest refers to too much"));
        }
        let digest_of = |reference: &Reference| {
            let parsed = Digest::parse(&reference.digest);
            parsed.map_err(|error| malformed(&ManifestError::Digest(error)))
        };
        let needed =
            |reference: &Reference| !reference.media_type.as_deref().is_some_and(is_foreign_layer);
        let own = self.artifact_type.filter(|text| !text.is_empty());
        Ok(Prepared {
            digest,
            media_type,
            bytes,
            subject: self.subject.as_ref().map(digest_of).transpose()?,
            artifact_type: own.or(of_config).filter(|text| !text.is_empty()),
            manifests: manifests.iter().map(digest_of).collect::<Result<_, _>>()?,
            blobs: blobs
                .iter()
                .map(|blob| Ok((digest_of(blob)?, needed(blob))))
                .collect::<Result<_, Refusal>>()?,
        })
    }
}

fn tag_parameters(exchange: &Exchange) -> Result<Vec<TagName>, Refusal> {
    let mut tags: Vec<TagName> = Vec::new();
    for text in exchange.parameters("tag") {
        let tag = TagName::parse(&text).map_err(|_| {
            Refusal::new(StatusCode::BAD_REQUEST, "TAG_INVALID", "a `tag` parameter is no tag")
        })?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        if tags.len() > MAX_TAG_PARAMETERS {
            let message = format!("more than {MAX_TAG_PARAMETERS} tags in one request");
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, "TAG_INVALID", message));
        }
    }
    Ok(tags)
}

/// Whether a list of entity tags, or `*`, names one.
pub(super) fn names_tag(header: Option<&str>, etag: &str) -> bool {
    let Some(header) = header else { return false };
    header.split(',').map(str::trim).any(|one| {
        let one = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || one == etag || etag.trim_matches('"') == one
    })
}

fn malformed(error: &ManifestError) -> Refusal {
    let detail = match error {
        ManifestError::Malformed(cause) => json!({"reason": cause.to_string()}),
        ManifestError::Digest(cause) => json!({"reason": cause.to_string()}),
        _ => return invalid(error.to_string()),
    };
    invalid(error.to_string()).with_detail(detail)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
}

fn condition_failed() -> Refusal {
    let message = "the manifest was changed meanwhile";
    Refusal::new(StatusCode::PRECONDITION_FAILED, "DENIED", message)
}

fn unknown(wanted: &ManifestName) -> Refusal {
    let detail = match wanted {
        ManifestName::Tag(tag) => json!({"tag": tag.as_str()}),
        ManifestName::Digest(digest) => json!({"digest": digest.as_str()}),
    };
    Refusal::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "the manifest is not known here")
        .with_detail(detail)
}

/// The digest of what is answered.
pub const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// What a pushed manifest is a statement of: it is listed there.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// A tag that was set.
const TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Largest manifest that is hashed and parsed where the request is answered, in bytes.
const SMALL_BYTES: usize = 64 << 10;
/// Most digests of missing content that are listed.
const MAX_SHOWN_DIGESTS: usize = 100;
