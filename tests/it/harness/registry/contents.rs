//! What a registry holds, and how an honest one answers (OCI distribution 1.1).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};
use url::form_urlencoded;

use super::answer::Answer;
use crate::harness::server::Request;
use crate::peers::image::digest;

/// The repositories of a registry. Blobs belong to the repository they were sent to.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    repositories: BTreeMap<String, Repository>,
    uploads: BTreeMap<String, Upload>,
    begun_uploads: usize,
    refuses_mounts: bool,
    minimum_chunk: Option<usize>,
}

#[derive(Debug, Default)]
struct Repository {
    /// Media type and bytes by digest.
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    tags: BTreeMap<String, String>,
    blobs: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug)]
struct Upload {
    repository: String,
    bytes: Vec<u8>,
}

impl Contents {
    /// Keeps a blob, and returns its digest.
    pub(crate) fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        self.put_blob_as(repository, &digest, bytes);
        digest
    }

    /// Keeps a blob under any digest.
    pub(crate) fn put_blob_as(&self, repository: &str, digest: &str, bytes: &[u8]) {
        let mut state = self.state();
        state.repository(repository).blobs.insert(digest.to_owned(), bytes.to_vec());
    }

    /// Keeps a manifest, under a tag too if this is one, and returns its digest.
    pub(crate) fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> String {
        let digest = digest(bytes);
        self.put_manifest_as(repository, &digest, media_type, bytes);
        if !tag.contains(':') {
            self.tag(repository, tag, &digest);
        }
        digest
    }

    /// Keeps a manifest under any digest.
    pub(crate) fn put_manifest_as(
        &self,
        repository: &str,
        digest: &str,
        media_type: &str,
        bytes: &[u8],
    ) {
        let stored = (media_type.to_owned(), bytes.to_vec());
        self.state().repository(repository).manifests.insert(digest.to_owned(), stored);
    }

    /// Lets a tag name this digest.
    pub(crate) fn tag(&self, repository: &str, tag: &str, digest: &str) {
        self.state().repository(repository).tags.insert(tag.to_owned(), digest.to_owned());
    }

    /// Returns the digest that a tag names.
    pub(crate) fn tagged(&self, repository: &str, tag: &str) -> Option<String> {
        self.state().repository(repository).tags.get(tag).cloned()
    }

    /// Returns a manifest by its digest.
    pub(crate) fn manifest(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        let mut state = self.state();
        let stored = state.repository(repository).manifests.get(digest)?;
        Some(stored.1.clone())
    }

    /// Returns a blob by its digest.
    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.state().repository(repository).blobs.get(digest).cloned()
    }

    /// Removes a blob.
    pub(crate) fn remove_blob(&self, repository: &str, digest: &str) {
        self.state().repository(repository).blobs.remove(digest);
    }

    /// Answers every mount as if the blob were not known.
    pub(crate) fn refuse_mounts(&self) {
        self.state().refuses_mounts = true;
    }

    /// Wants chunks of at least so many bytes, but for the last.
    pub(crate) fn demand_chunks_of(&self, bytes: usize) {
        self.state().minimum_chunk = Some(bytes);
    }

    /// Forgets every upload that is not finished.
    pub(crate) fn lose_uploads(&self) {
        self.state().uploads.clear();
    }

    /// Returns how many uploads were begun and neither finished nor given up.
    pub(crate) fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }

    /// Adds to the upload that a request continues, as a cut connection does.
    pub(super) fn append(&self, request: &Request, bytes: &[u8]) {
        let mut state = self.state();
        if let Some(Route::Upload { id, .. }) = Route::of(&request.target)
            && let Some(upload) = state.uploads.get_mut(id)
        {
            upload.bytes.extend_from_slice(bytes);
        }
    }

    /// Does what a request asks for. `may_read` says whether it may read another repository.
    pub(crate) fn answer(&self, request: &Request, may_read: impl Fn(&str) -> bool) -> Answer {
        let Some(route) = Route::of(&request.target) else {
            return Answer::error(404, "UNSUPPORTED");
        };
        let mut state = self.state();
        match (route, request.method.as_str()) {
            (Route::Base, _) => Answer::new(200, "{}").with("Content-Type", "application/json"),
            (Route::Manifest { repository, reference }, "GET" | "HEAD") => {
                state.get_manifest(repository, reference)
            }
            (Route::Manifest { repository, reference }, "PUT") => {
                state.put_manifest(repository, reference, request)
            }
            (Route::Manifest { repository, reference }, "DELETE") => {
                state.delete_manifest(repository, reference)
            }
            (Route::Blob { repository, digest }, "GET" | "HEAD") => {
                state.get_blob(repository, digest, request.header("range"))
            }
            (Route::Blob { repository, digest }, "DELETE") => {
                match state.repository(repository).blobs.remove(digest) {
                    Some(_) => Answer::new(202, ""),
                    None => Answer::error(404, "BLOB_UNKNOWN"),
                }
            }
            (Route::Uploads { repository }, "POST") => {
                state.begin_upload(repository, request, may_read)
            }
            (Route::Upload { repository, id }, method) => {
                state.go_on(method, repository, id, request)
            }
            (Route::Tags { repository }, "GET") => state.list_tags(repository, &request.target),
            _ => Answer::error(405, "UNSUPPORTED"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    fn get_manifest(&mut self, repository: &str, reference: &str) -> Answer {
        let repository = self.repository(repository);
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        let Some((media_type, bytes)) = repository.manifests.get(digest) else {
            return Answer::error(404, "MANIFEST_UNKNOWN");
        };
        Answer::new(200, bytes.clone())
            .with("Content-Type", media_type)
            .with("Docker-Content-Digest", digest)
    }

    fn put_manifest(&mut self, name: &str, reference: &str, request: &Request) -> Answer {
        let digest = digest(&request.body);
        if reference.contains(':') && reference != digest {
            return Answer::error(400, "DIGEST_INVALID");
        }
        let Ok(manifest) = serde_json::from_slice::<Value>(&request.body) else {
            return Answer::error(400, "MANIFEST_INVALID");
        };
        let Some(media_type) = request.header("content-type") else {
            return Answer::error(400, "MANIFEST_INVALID");
        };
        let stored = (media_type.to_owned(), request.body.clone());
        let repository = self.repository(name);
        for (member, unknown) in [("config", "BLOB"), ("layers", "BLOB"), ("manifests", "MANIFEST")]
        {
            for descriptor in descriptors(&manifest[member]) {
                let digest = descriptor["digest"].as_str().unwrap_or_default();
                let known = repository.blobs.contains_key(digest)
                    || repository.manifests.contains_key(digest);
                if !known && descriptor["urls"].is_null() {
                    return Answer::error(404, &format!("MANIFEST_{unknown}_UNKNOWN"));
                }
            }
        }
        repository.manifests.insert(digest.clone(), stored);
        if !reference.contains(':') {
            repository.tags.insert(reference.to_owned(), digest.clone());
        }
        Answer::new(201, "")
            .with("Location", &format!("/v2/{name}/manifests/{digest}"))
            .with("Docker-Content-Digest", &digest)
    }

    fn delete_manifest(&mut self, repository: &str, reference: &str) -> Answer {
        let repository = self.repository(repository);
        if repository.tags.remove(reference).is_some() {
            return Answer::new(202, "");
        }
        if repository.manifests.remove(reference).is_none() {
            return Answer::error(404, "MANIFEST_UNKNOWN");
        }
        repository.tags.retain(|_, digest| digest != reference);
        Answer::new(202, "")
    }

    fn get_blob(&mut self, repository: &str, digest: &str, range: Option<&str>) -> Answer {
        let Some(bytes) = self.repository(repository).blobs.get(digest) else {
            return Answer::error(404, "BLOB_UNKNOWN");
        };
        let whole = Answer::new(200, bytes.clone())
            .with("Content-Type", "application/octet-stream")
            .with("Docker-Content-Digest", digest)
            .with("Accept-Ranges", "bytes");
        let Some(range) = range else { return whole };
        let size = bytes.len();
        let Some((first, last)) = parse_range(range, size) else {
            let range = format!("bytes */{size}");
            return Answer::error(416, "RANGE_INVALID").with("Content-Range", &range);
        };
        let content_range = format!("bytes {first}-{last}/{size}");
        Answer { status: 206, body: bytes[first..=last].to_vec(), ..whole }
            .with("Content-Range", &content_range)
    }

    fn begin_upload(
        &mut self,
        name: &str,
        request: &Request,
        may_read: impl Fn(&str) -> bool,
    ) -> Answer {
        let query = split_target(&request.target).1;
        if let (Some(digest), Some(source)) = (parameter(query, "mount"), parameter(query, "from"))
            && !self.refuses_mounts
            && may_read(&source)
            && let Some(bytes) = self.repository(&source).blobs.get(&digest).cloned()
        {
            self.repository(name).blobs.insert(digest.clone(), bytes);
            return created(name, &digest);
        }
        if let Some(digest) = parameter(query, "digest") {
            return self.keep(name, &digest, request.body.clone());
        }
        self.begun_uploads += 1;
        let id = format!("upload-{}", self.begun_uploads);
        let upload = Upload { repository: name.to_owned(), bytes: Vec::new() };
        self.uploads.insert(id.clone(), upload);
        self.progress(202, name, &id)
    }

    /// Everything that is done with an upload that was begun.
    fn go_on(&mut self, method: &str, name: &str, id: &str, request: &Request) -> Answer {
        let query = split_target(&request.target).1;
        let known = self.uploads.get(id).is_some_and(|upload| upload.repository == name);
        // Whoever drops the query of the address that we gave does not find the upload again.
        if !known || parameter(query, "_state").is_none() {
            return Answer::error(404, "BLOB_UPLOAD_UNKNOWN");
        }
        match method {
            "GET" => self.progress(204, name, id),
            "DELETE" => {
                self.uploads.remove(id);
                Answer::new(204, "")
            }
            "PATCH" => match self.add_chunk(id, request) {
                Some(()) => self.progress(202, name, id),
                None => self.disorder(name, id),
            },
            "PUT" => {
                let Some(digest) = parameter(query, "digest") else {
                    return Answer::error(400, "DIGEST_INVALID");
                };
                if self.add_chunk(id, request).is_none() {
                    return self.disorder(name, id);
                }
                let bytes = self.uploads.remove(id).map(|upload| upload.bytes).unwrap_or_default();
                self.keep(name, &digest, bytes)
            }
            _ => Answer::error(405, "UNSUPPORTED"),
        }
    }

    /// Adds what a request carries, if it is the next piece.
    fn add_chunk(&mut self, id: &str, request: &Request) -> Option<()> {
        let upload = self.uploads.get_mut(id)?;
        if let Some(range) = request.header("content-range") {
            let (first, last) = range.split_once('-')?;
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            if first != upload.bytes.len() || last + 1 - first != request.body.len() {
                return None;
            }
        }
        upload.bytes.extend_from_slice(&request.body);
        Some(())
    }

    fn disorder(&self, name: &str, id: &str) -> Answer {
        let state = self.progress(416, name, id);
        Answer { body: Answer::error(416, "BLOB_UPLOAD_INVALID").body, ..state }
    }

    /// How far an upload is; a registry of docker's says `0-0` for nothing at all, too.
    fn progress(&self, status: u16, name: &str, id: &str) -> Answer {
        let size = self.uploads.get(id).map_or(0, |upload| upload.bytes.len());
        let answer = Answer::new(status, "")
            .with("Location", &format!("/v2/{name}/blobs/uploads/{id}?_state={size}"))
            .with("Docker-Upload-UUID", id)
            .with("Range", &format!("0-{}", size.saturating_sub(1)));
        match self.minimum_chunk {
            Some(minimum) => answer.with("OCI-Chunk-Min-Length", &minimum.to_string()),
            None => answer,
        }
    }

    fn keep(&mut self, name: &str, announced: &str, bytes: Vec<u8>) -> Answer {
        if digest(&bytes) != announced {
            return Answer::error(400, "DIGEST_INVALID");
        }
        self.repository(name).blobs.insert(announced.to_owned(), bytes);
        created(name, announced)
    }

    fn list_tags(&mut self, name: &str, target: &str) -> Answer {
        let query = split_target(target).1;
        let after = parameter(query, "last").unwrap_or_default();
        let most = parameter(query, "n").map_or(usize::MAX, |text| text.parse().unwrap());
        let names = self.repository(name).tags.keys().filter(|tag| **tag > after).cloned();
        let mut tags: Vec<String> = names.collect();
        let more = tags.len() > most;
        tags.truncate(most);
        let body = json!({"name": name, "tags": tags});
        let answer = Answer::new(200, body.to_string()).with("Content-Type", "application/json");
        match tags.last() {
            Some(last) if more => {
                let next = format!("</v2/{name}/tags/list?n={most}&last={last}>; rel=\"next\"");
                answer.with("Link", &next)
            }
            _ => answer,
        }
    }
}

/// What a path names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Route<'a> {
    /// `/v2/`
    Base,
    /// A manifest, by tag or digest.
    Manifest { repository: &'a str, reference: &'a str },
    /// A blob.
    Blob { repository: &'a str, digest: &'a str },
    /// Where uploads begin.
    Uploads { repository: &'a str },
    /// An upload.
    Upload { repository: &'a str, id: &'a str },
    /// The tags of a repository.
    Tags { repository: &'a str },
}

impl<'a> Route<'a> {
    /// Reads the target of a request.
    pub(super) fn of(target: &'a str) -> Option<Self> {
        let path = split_target(target).0.strip_prefix("/v2/")?;
        if path.is_empty() {
            return Some(Self::Base);
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            return Some(Self::Tags { repository });
        }
        if let Some((repository, reference)) = path.split_once("/manifests/") {
            return Some(Self::Manifest { repository, reference });
        }
        match path.split_once("/blobs/uploads/") {
            Some((repository, "")) => return Some(Self::Uploads { repository }),
            Some((repository, id)) => return Some(Self::Upload { repository, id }),
            None => {}
        }
        let (repository, digest) = path.split_once("/blobs/")?;
        Some(Self::Blob { repository, digest })
    }

    /// The repository, if it is about one.
    pub(super) fn repository(self) -> Option<&'a str> {
        match self {
            Self::Base => None,
            Self::Manifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::Uploads { repository }
            | Self::Upload { repository, .. }
            | Self::Tags { repository } => Some(repository),
        }
    }

    /// Whether this moves a blob, and which way.
    pub(super) fn transfer(self, method: &str) -> Option<Transfer> {
        match (self, method) {
            (Self::Blob { .. }, "GET") => Some(Transfer::Down),
            (Self::Uploads { .. }, "POST") | (Self::Upload { .. }, "PATCH" | "PUT") => {
                Some(Transfer::Up)
            }
            _ => None,
        }
    }
}

/// The way a blob goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transfer {
    /// To the registry.
    Up,
    /// From the registry.
    Down,
}

/// Path and query of a target.
pub(super) fn split_target(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn created(name: &str, digest: &str) -> Answer {
    Answer::new(201, "")
        .with("Location", &format!("/v2/{name}/blobs/{digest}"))
        .with("Docker-Content-Digest", digest)
}

/// The descriptors of a member: one, several, or none.
fn descriptors(member: &Value) -> Vec<&Value> {
    match member {
        Value::Null => Vec::new(),
        Value::Array(several) => several.iter().collect(),
        one => vec![one],
    }
}

/// The first and the last byte of a range that begins within the blob.
fn parse_range(header: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let last = match last {
        "" => usize::MAX,
        text => text.parse().ok()?,
    };
    let last = last.min(size.checked_sub(1)?);
    (first <= last).then_some((first, last))
}
