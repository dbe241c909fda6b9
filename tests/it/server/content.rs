//! Content pushed to a server in this process.

use std::time::Duration;

use ::http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use trust::oci::Digest;
use trust::server::auth::{Action, Caller, Grant};
use trust::server::http::{self, Exchange};
use trust::server::router::route;
use trust::server::{registry, service};

use super::harness::{Answer, TestServer};
use crate::harness::image::{Blob, Image, OCI_MANIFEST};

impl TestServer {
    /// Pushes a blob in one request; gives its digest.
    pub(crate) fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = Digest::sha256_of(bytes).to_string();
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.ask("POST", &path, &[], bytes.to_vec());
        assert_eq!(answer.status, 201, "{}", answer.text());
        digest
    }

    /// Sends a manifest.
    pub(crate) fn put_manifest(&self, repository: &str, name: &str, manifest: &Blob) -> Answer {
        let path = format!("/v2/{repository}/manifests/{name}");
        let media_type = [("content-type", manifest.media_type.as_str())];
        self.ask("PUT", &path, &media_type, manifest.bytes.clone())
    }

    /// Pushes all of an image under a tag.
    pub(crate) fn push_image(&self, repository: &str, tag: &str, image: &Image) {
        for blob in image.blobs() {
            self.push_blob(repository, &blob.bytes);
        }
        let answer = self.put_manifest(repository, tag, &image.manifest);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    /// Begins an upload; gives its place.
    pub(crate) fn begin_upload(&self, repository: &str) -> String {
        let answer = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], "");
        assert_eq!((answer.status, answer.header("range")), (202, Some("0-0")));
        answer.header("location").unwrap().to_owned()
    }

    /// Asks as somebody with these rights, past the router's own questions.
    pub(crate) fn ask_as(&self, caller: Caller, method: &str, target: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let exchange = Exchange {
            method: method.parse().unwrap(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: http::empty_body(),
            caller,
            peer: [127, 0, 0, 1].into(),
            base: String::new(),
        };
        self.runtime.block_on(async {
            let response =
                match registry::respond(&self.server, route(path).unwrap(), exchange).await {
                    Ok(response) => response,
                    Err(refusal) => refusal.into_response(),
                };
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: parts.status.as_u16(), headers: parts.headers, body }
        })
    }

    /// Sends GET; `None` if the body breaks before its end.
    pub(crate) fn try_get(&self, path: &str) -> Option<Answer> {
        let request = ::http::Request::builder().uri(path).body(http::empty_body()).unwrap();
        let peer = [127, 0, 0, 1].into();
        self.runtime.block_on(async {
            let response = service::respond(&self.server, request, peer, String::new()).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Some(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        })
    }

    /// Sends GET until the answer has this status.
    pub(crate) fn await_answer(&self, path: &str, status: u16) -> Answer {
        for _ in 0..500 {
            match self.try_get(path) {
                Some(answer) if answer.status == status => return answer,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        panic!("{path} never answers {status}");
    }

    /// Waits until so many bytes of an upload are certain; gives how many are.
    pub(crate) fn await_certain(&self, place: &str, bytes: u64) -> u64 {
        for _ in 0..500 {
            let answer = self.ask("GET", place, &[], "");
            let range = answer.header("range").unwrap();
            let certain = range["0-".len()..].parse::<u64>().unwrap() + 1;
            if certain >= bytes {
                return certain;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{bytes} bytes of {place} are never certain");
    }

    /// Reads a body without keeping it; gives its length.
    pub(crate) fn count_bytes(&self, path: &str) -> u64 {
        let request = ::http::Request::builder().uri(path).body(http::empty_body()).unwrap();
        let peer = [127, 0, 0, 1].into();
        self.runtime.block_on(async {
            let response = service::respond(&self.server, request, peer, String::new()).await;
            let (mut body, mut count) = (response.into_body(), 0);
            while let Some(frame) = body.frame().await {
                count += frame.unwrap().into_data().unwrap().len() as u64;
            }
            count
        })
    }

    /// The one stored object of a blob.
    pub(crate) fn object_of(&self, digest: &str) -> std::path::PathBuf {
        let digest = Digest::parse(digest).unwrap();
        let row = self.runtime.block_on(async {
            let mut reading = self.server.meta.read().await.unwrap();
            reading.stored_blob(&digest).await.unwrap().unwrap()
        });
        self.folder.path().join("content/blobs").join(row.object)
    }
}

/// Somebody who may do these on repositories of this pattern.
pub(crate) fn caller(pattern: &str, actions: &[Action]) -> Caller {
    let grant = Grant { pattern: pattern.to_owned(), actions: actions.to_vec() };
    Caller::granted(Some("ann".to_owned()), vec![grant])
}

/// A manifest that says something of another.
pub(crate) fn statement(subject: &str, artifact_type: &str, note: &str) -> Blob {
    let empty = Blob::new("application/vnd.oci.empty.v1+json", "{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
        "config": empty.descriptor(), "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 10},
        "annotations": {"note": note},
    });
    Blob::json(OCI_MANIFEST, &manifest)
}

/// The codes and details of an error answer.
pub(crate) fn detail(answer: &Answer) -> Value {
    answer.json()["errors"][0]["detail"].clone()
}
