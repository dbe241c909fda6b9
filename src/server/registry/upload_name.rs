//! Names of uploads: nobody can guess or make one, and each belongs to one repository.
//!
//! A name says by itself what is to be known of an upload that has no bytes yet, so that beginning
//! one stores nothing, and any process of the server can go on with it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::codec::text::to_hex;
use crate::limits::UPLOAD_NAME_SECONDS;
use crate::oci::RepositoryName;

/// The name of an upload, and what it says: `UUID.ALGORITHM.SECONDS.SEAL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadName {
    /// Names it in the database and among the content.
    pub id: String,
    /// By what it is hashed, `sha256` or `sha512`.
    pub algorithm: &'static str,
    /// When it was begun, in seconds since 1970.
    begun: i64,
    text: String,
}

impl UploadName {
    /// A new name, sealed with the server's key.
    pub fn new(
        key: &[u8],
        repository: &RepositoryName,
        algorithm: &'static str,
        now: Timestamp,
    ) -> Self {
        let (id, begun) = (Uuid::new_v4().to_string(), now.as_second());
        let seal = seal(key, repository, &id, algorithm, begun);
        let text = format!("{id}.{algorithm}.{begun:x}.{seal}");
        Self { id, algorithm, begun, text }
    }

    /// Reads a name; `None` if it was not made here for this repository.
    pub fn read(key: &[u8], repository: &RepositoryName, text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (id, algorithm, begun, given) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let algorithm = ALGORITHMS.into_iter().find(|known| *known == algorithm)?;
        let begun = i64::from_str_radix(begun, 16).ok()?;
        let expected = seal(key, repository, id, algorithm, begun);
        verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).ok()?;
        Some(Self { id: id.to_owned(), algorithm, begun, text: text.to_owned() })
    }

    /// Whether the upload may still begin.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        (0..=UPLOAD_NAME_SECONDS).contains(&now.as_second().saturating_sub(self.begun))
    }

    /// The name as it stands in paths.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The algorithm of this name, if blobs can be hashed by it.
pub fn algorithm(name: &str) -> Option<&'static str> {
    ALGORITHMS.into_iter().find(|known| *known == name)
}

fn seal(key: &[u8], repository: &RepositoryName, id: &str, algorithm: &str, begun: i64) -> String {
    let said = format!("upload v1\n{repository}\n{id}\n{algorithm}\n{begun}");
    let tag = sign(&Key::new(HMAC_SHA256, key), said.as_bytes());
    to_hex(tag.as_ref().get(..SEAL_BYTES).unwrap_or_default())
}

const ALGORITHMS: [&str; 2] = ["sha256", "sha512"];
/// Bytes of the seal: as many as nobody can guess.
const SEAL_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_good_for_its_repository_only() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let app = RepositoryName::parse("team/app").unwrap();
        let other = RepositoryName::parse("team/other").unwrap();
        let name = UploadName::new(&[1; 32], &app, "sha512", now);
        assert_eq!(UploadName::read(&[1; 32], &app, name.as_str()), Some(name.clone()));
        assert_eq!(UploadName::read(&[1; 32], &other, name.as_str()), None);
        assert_eq!(UploadName::read(&[2; 32], &app, name.as_str()), None);
        let changed = name.as_str().replace("sha512", "sha256");
        for text in [&changed, "", "..%2f", "a.b.c.d", &format!("{}.x", name.as_str())] {
            assert_eq!(UploadName::read(&[1; 32], &app, text), None, "{text}");
        }
        let later = |seconds| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        assert!(name.is_fresh(later(0)) && name.is_fresh(later(UPLOAD_NAME_SECONDS)));
        assert!(!name.is_fresh(later(UPLOAD_NAME_SECONDS + 1)) && !name.is_fresh(later(-1)));
    }
}
