//! `--layout`: which images on this machine are meant.

use std::path::PathBuf;

use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::store::ImageLayout;

/// The flag of every command that works with images on this machine.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LayoutArgs {
    /// OCI image layout of the images [default: trust/images in `$XDG_DATA_HOME`]
    #[arg(long, value_name = "DIR")]
    pub layout: Option<PathBuf>,
}

impl LayoutArgs {
    /// The layout named, or the person's own.
    pub fn open(&self, session: &Session) -> Result<ImageLayout, CliError> {
        let named = self.layout.clone().or_else(|| session.settings.images_dir.clone());
        let folder = named.ok_or_else(|| {
            CliError::usage("HOME is not set, so there is no place for images")
                .hint("name one with `--layout DIR`")
        })?;
        let folder = std::path::absolute(&folder).map_err(|error| {
            CliError::usage(error.to_string())
                .context(format!("`{}` is not the path of a folder", folder.display()))
        })?;
        Ok(ImageLayout::new(folder))
    }
}
