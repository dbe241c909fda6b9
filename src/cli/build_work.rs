//! The folder that builds keep things in.

use std::path::PathBuf;

use crate::cli::run::Session;
use crate::store::ImageLayout;

/// The person's folder of what can be made again; without a home folder one beside the images.
pub fn work_folder(session: &Session, layout: &ImageLayout) -> PathBuf {
    let own = session.settings.build_dir.clone();
    own.unwrap_or_else(|| layout.folder().join(".trust-build"))
}
