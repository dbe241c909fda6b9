//! Small images, made byte by byte and pushed without docker.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::http::Response;
use super::registry::Registry;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The family of media types an image is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Docker's schema 2.
    #[default]
    Docker,
    /// OCI.
    Oci,
}

/// A manifest as it lies in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// `sha256:` and 64 hexadecimal digits.
    pub(crate) digest: String,
    /// The length of the manifest in bytes.
    pub(crate) size: u64,
    /// The media type of the manifest.
    pub(crate) media_type: String,
    /// The manifest.
    pub(crate) manifest: Vec<u8>,
}

impl Pushed {
    /// Returns the hexadecimal digits of the digest.
    pub(crate) fn hex(&self) -> &str {
        self.digest.trim_start_matches("sha256:")
    }
}

/// Pushes an image of one layer that holds one file, `content`, under `tag`.
pub(crate) fn push_image(
    registry: &Registry,
    repository: &str,
    tag: &str,
    content: &[u8],
) -> Pushed {
    push_image_as(registry, repository, tag, content, Dialect::Docker)
}

/// Pushes such an image in the dialect asked for.
pub(crate) fn push_image_as(
    registry: &Registry,
    repository: &str,
    tag: &str,
    content: &[u8],
    dialect: Dialect,
) -> Pushed {
    let (media_type, manifest) =
        push_parts(registry, repository, &tar("content", content), "amd64", dialect);
    retag_raw(registry, repository, tag, &media_type, manifest)
}

/// Pushes an image for two platforms under `tag`; the two images have no tag of their own.
pub(crate) fn push_index(
    registry: &Registry,
    repository: &str,
    tag: &str,
    content: &[u8],
    dialect: Dialect,
) -> Pushed {
    let members = ["amd64", "arm64"].map(|architecture| {
        let layer = tar(architecture, content);
        let (media_type, manifest) =
            push_parts(registry, repository, &layer, architecture, dialect);
        let digest = digest(&manifest);
        let member = retag_raw(registry, repository, &digest, &media_type, manifest);
        json!({
            "mediaType": media_type, "digest": digest, "size": member.size,
            "platform": {"architecture": architecture, "os": "linux"},
        })
    });
    let media_type = match dialect {
        Dialect::Docker => DOCKER_LIST,
        Dialect::Oci => OCI_INDEX,
    };
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": members});
    retag_raw(registry, repository, tag, media_type, index.to_string().into_bytes())
}

/// Puts a manifest under a tag or its own digest, whatever the tag pointed at before.
pub(crate) fn retag_raw(
    registry: &Registry,
    repository: &str,
    reference: &str,
    media_type: &str,
    manifest: Vec<u8>,
) -> Pushed {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let answer = registry.request("PUT", &path, &[("Content-Type", media_type)], &manifest);
    assert_eq!(answer.status, 201, "PUT {path}: {}\n{}", answer.text(), registry.log());
    Pushed {
        digest: digest(&manifest),
        size: manifest.len() as u64,
        media_type: media_type.to_owned(),
        manifest,
    }
}

/// Fetches whatever lies under a tag or digest, in any form.
pub(crate) fn fetch_manifest(registry: &Registry, repository: &str, reference: &str) -> Response {
    let accept = [DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX].join(", ");
    let path = format!("/v2/{repository}/manifests/{reference}");
    registry.request("GET", &path, &[("Accept", &accept)], b"")
}

/// Returns `sha256:` and the hash of `bytes` in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Returns a tar archive of one file (POSIX ustar), the same bytes for the same input.
pub(crate) fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    // The checksum is taken with its own field full of spaces.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    // Whole blocks, and two empty ones at the end.
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// Pushes layer and config; returns the media type and bytes of the manifest over them.
fn push_parts(
    registry: &Registry,
    repository: &str,
    layer: &[u8],
    architecture: &str,
    dialect: Dialect,
) -> (String, Vec<u8>) {
    let (manifest_type, config_type, layer_type) = match dialect {
        Dialect::Docker => (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER),
        Dialect::Oci => (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER),
    };
    let config = json!({
        "architecture": architecture, "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "a test"}],
    });
    let config = push_blob(registry, repository, config_type, config.to_string().as_bytes());
    let layer = push_blob(registry, repository, layer_type, &gzip(layer));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [layer],
    });
    (manifest_type.to_owned(), manifest.to_string().into_bytes())
}

/// Uploads a blob and returns its descriptor.
fn push_blob(registry: &Registry, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
    let start = registry.request("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
    assert_eq!(start.status, 202, "{}\n{}", start.text(), registry.log());
    let location = start.header("location").unwrap();
    let path = location.strip_prefix(&registry.url()).unwrap_or(location);
    let digest = digest(bytes);
    let joint = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{joint}digest={digest}");
    let content_type = [("Content-Type", "application/octet-stream")];
    let end = registry.request("PUT", &path, &content_type, bytes);
    assert_eq!(end.status, 201, "{}\n{}", end.text(), registry.log());
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

/// Wraps bytes as gzip without compressing them (RFC 1952, stored blocks of RFC 1951 §3.2.4).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(bytes).to_le_bytes());
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}
