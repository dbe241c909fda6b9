//! `trust image load`, and `trust load`

use std::path::{Path, PathBuf};

use crate::actions::image::load::{Options, load, load_layout};
use crate::cli::archives::{CompressionChoice, ExpansionArgs, platform};
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::oci::media_type::Compression;
use crate::store::ImageLayout;
use crate::store::images::layer_archive::Packing;
use crate::store::streams::{is_folder, open_user_file};

/// Take the images of an archive in
///
/// Takes what docker, podman, skopeo and this program save: docker's archives and OCI's, compressed
/// with gzip or zstd or not, and OCI image layouts. All of it is verified first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Archive, or folder of an image layout, to read instead of the standard input
    #[arg(short, long, value_name = "FILE|DIR")]
    pub input: Option<PathBuf>,

    /// Platform that is wanted of images for several, such as `linux/arm64`
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// Compression of the layers of docker's archives [default: gzip for those that have none]
    #[arg(long, value_enum)]
    pub compression: Option<CompressionChoice>,

    /// How large layers may be.
    #[command(flatten)]
    pub expansion: ExpansionArgs,

    /// Where the images go.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Takes the images in.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let packing = match self.compression {
            Some(choice) => Packing::Anew(choice.into()),
            None => Packing::AsItComes(Compression::Gzip),
        };
        let options = Options {
            platform: platform(self.platform.as_deref())?,
            packing,
            expansion: self.expansion.expansion(),
        };
        let input = self.input.as_deref().unwrap_or(Path::new("-"));
        if input == Path::new("-") && session.ui.input_is_a_person() {
            return Err(CliError::usage("there is no archive on the standard input")
                .hint("name one with `-i FILE`, or redirect the input"));
        }
        let layout = self.layout.open(session)?;
        let loaded = if is_folder(input) {
            let folder = std::path::absolute(input)?;
            load_layout(&layout, &ImageLayout::new(folder), &options)?
        } else {
            load(&layout, &mut open_user_file(input)?, &options)?
        };
        for image in loaded {
            for (name, before) in &image.replaced {
                session.ui.status(format!("{} was {before} before", name.familiar()));
            }
            for name in &image.names {
                session.ui.line(format!("Loaded image: {}", printable(&name.familiar())))?;
            }
            if image.names.is_empty() {
                session.ui.line(format!("Loaded image ID: {}", image.id))?;
            }
        }
        Ok(())
    }
}
