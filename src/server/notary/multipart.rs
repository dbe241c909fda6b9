//! Uploads: `multipart/form-data`, one part for each file, which is named for its role
//! (notary.md §3.2; RFC 7578).

use std::collections::btree_map::Entry;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;

use crate::limits::MAX_UPLOAD_PARTS;
use crate::server::notary::validate::Files;
use crate::tuf::RoleName;

/// Why an upload is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// Not `multipart/form-data` with a boundary, or not well formed.
    #[error("the body is not well-formed multipart/form-data")]
    Malformed(#[source] multer::Error),
    /// More parts than any publication has.
    #[error("there are more than {MAX_UPLOAD_PARTS} parts")]
    TooManyParts,
    /// A part that does not say whose file it is.
    #[error("a part of the upload has no file name")]
    NoFilename,
    /// A part for a role that cannot be.
    #[error("a part of the upload is named for no role")]
    Role {
        /// The beginning of the name.
        name: String,
    },
    /// Two parts for one role.
    #[error("the update has two files for {role}")]
    Twice {
        /// The role.
        role: RoleName,
    },
}

/// Takes an upload apart: the files by role. A timestamp is left out, for only the server makes
/// them. `content_type` is the header of the request.
pub async fn files(content_type: &str, body: Bytes) -> Result<Files, MultipartError> {
    let boundary = multer::parse_boundary(content_type).map_err(MultipartError::Malformed)?;
    if boundary.is_empty() {
        return Err(MultipartError::Malformed(multer::Error::NoBoundary));
    }
    let body = stream::once(async move { Ok::<_, Infallible>(body) });
    let mut parts = Multipart::new(body, boundary);
    let mut files = Files::new();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(MultipartError::Malformed)? {
        count += 1;
        if count > MAX_UPLOAD_PARTS {
            return Err(MultipartError::TooManyParts);
        }
        let name = part.file_name().unwrap_or_default();
        let name = name.strip_suffix(".json").unwrap_or(name).to_owned();
        if name.is_empty() {
            return Err(MultipartError::NoFilename);
        }
        let role = RoleName::parse(&name).map_err(|_| {
            let name = name.chars().take(64).flat_map(char::escape_debug).collect();
            MultipartError::Role { name }
        })?;
        let bytes = part.bytes().await.map_err(MultipartError::Malformed)?;
        match files.entry(role) {
            Entry::Vacant(place) => drop(place.insert(bytes)),
            Entry::Occupied(taken) => {
                return Err(MultipartError::Twice { role: taken.key().clone() });
            }
        }
    }
    files.remove(&RoleName::Timestamp);
    Ok(files)
}
