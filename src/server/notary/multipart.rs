//! Uploads: `multipart/form-data`, one part for each file, which is named for its role
//! (notary.md §3.2; RFC 7578).

use std::collections::btree_map::Entry;

use bytes::Bytes;

use crate::limits::MAX_UPLOAD_PARTS;
use crate::server::notary::validate::Files;
use crate::tuf::RoleName;
use crate::wire::form::{FormError, FormReader, Part};

/// Why an upload is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// No form, or one of more parts than any publication has.
    #[error(transparent)]
    Form(#[from] FormError),
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
    let mut form = FormReader::new(content_type, body, MAX_UPLOAD_PARTS)?;
    let mut files = Files::new();
    while let Some(part) = form.next().await? {
        take(&mut files, part)?;
    }
    files.remove(&RoleName::Timestamp);
    Ok(files)
}

/// Adds the file that a part is, unless there is one of its role.
pub fn take(files: &mut Files, part: Part) -> Result<(), MultipartError> {
    let name = part.file_name.strip_suffix(".json").unwrap_or(&part.file_name);
    match files.entry(role(name)?) {
        Entry::Vacant(place) => drop(place.insert(part.bytes)),
        Entry::Occupied(taken) => {
            return Err(MultipartError::Twice { role: taken.key().clone() });
        }
    }
    Ok(())
}

/// Reads the name of the role that a part is named for.
pub fn role(name: &str) -> Result<RoleName, MultipartError> {
    if name.is_empty() {
        return Err(MultipartError::NoFilename);
    }
    RoleName::parse(name).map_err(|_| {
        let name = name.chars().take(64).flat_map(char::escape_debug).collect();
        MultipartError::Role { name }
    })
}
