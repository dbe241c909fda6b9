//! The signed push: manifests, a tag and trust data in one request (`spec/signed-push.md`).

use bytes::Bytes;

use crate::oci::Digest;
use crate::tuf::{Gun, RoleName};
use crate::wire::form::FormWriter;

/// The header in which a server says on `/v2/` which versions of the signed push it takes.
pub const HEADER: &str = "trust-signed-push";
/// The version that is described here.
pub const VERSION: &str = "1";
/// The name of the part that says in which collection the tag is signed.
pub const GUN: &str = "gun";
/// The name of the part that says which tag is set.
pub const TAG: &str = "tag";
/// The name of the parts that are manifests.
pub const MANIFEST: &str = "manifest";

/// An image whose blobs are in the registry already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPush {
    /// The repository on its registry, such as `team/app`.
    pub repository: String,
    /// The tag that is to stand for the last manifest.
    pub tag: String,
    /// Its manifests, those that others name before those that name them.
    pub manifests: Vec<PushedManifest>,
}

/// One manifest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedManifest {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
}

/// The path of the signed push, below the server's base; the repository must be a valid name.
pub fn signed_push_path(repository: &str) -> String {
    format!("v2/{repository}/_trust/push")
}

/// Whether the value of [`HEADER`] says that the version described here is taken.
pub fn is_taken(header: &str) -> bool {
    header.split(',').any(|version| version.trim() == VERSION)
}

/// The body of the request, `multipart/form-data` (RFC 7578). No value needs quoting: names, tags
/// and digests are safe by construction.
pub fn encode(
    boundary: &str,
    gun: &Gun,
    push: &SignedPush,
    files: &[(RoleName, Vec<u8>)],
) -> Bytes {
    let mut form = FormWriter::new(boundary);
    form.text(GUN, gun.as_str());
    form.text(TAG, &push.tag);
    for PushedManifest { media_type, digest, bytes } in &push.manifests {
        form.file(MANIFEST, digest.as_str(), media_type, bytes);
    }
    form.trust_files(files);
    form.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert!(is_taken("1") && is_taken("2, 1") && is_taken(" 1 ,3"));
        assert!(!is_taken("") && !is_taken("2") && !is_taken("11"));
    }

    #[test]
    fn a_body() {
        let push = SignedPush {
            repository: "team/app".to_owned(),
            tag: "v1".to_owned(),
            manifests: vec![PushedManifest {
                media_type: "a/b".to_owned(),
                digest: Digest::sha256_of(b"{}"),
                bytes: Bytes::from_static(b"{}"),
            }],
        };
        let gun = Gun::parse("host/team/app").unwrap();
        let files = [(RoleName::releases(), b"x".to_vec())];
        let body = encode("B", &gun, &push, &files);
        let digest = Digest::sha256_of(b"{}");
        let expected = format!(
            "--B\r\nContent-Disposition: form-data; name=\"gun\"\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\nhost/team/app\r\n\
             --B\r\nContent-Disposition: form-data; name=\"tag\"\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\nv1\r\n\
             --B\r\nContent-Disposition: form-data; name=\"manifest\"; filename=\"{digest}\"\r\n\
             Content-Type: a/b\r\n\r\n{{}}\r\n\
             --B\r\nContent-Disposition: form-data; name=\"files\"; \
             filename=\"targets/releases\"\r\n\
             Content-Type: application/octet-stream\r\n\r\nx\r\n--B--\r\n"
        );
        assert_eq!(String::from_utf8(body.to_vec()).unwrap(), expected);
        assert_eq!(signed_push_path("team/app"), "v2/team/app/_trust/push");
    }
}
