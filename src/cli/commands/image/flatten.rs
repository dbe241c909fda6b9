//! `trust image flatten IMAGE NAME[:TAG]`

use crate::actions::image::find::{find, find_for};
use crate::actions::image::flatten::flatten;
use crate::cli::archives::{CompressionChoice, ExpansionArgs, platform};
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::run::Session;
use crate::oci::ImageName;
use crate::oci::media_type::Compression;

/// Make one layer of all the layers of an image
///
/// The new image has the same files and the same configuration. Prints its id.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image: a name, an id or a digest
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// Name of the new image
    #[arg(value_name = "NAME[:TAG]")]
    pub name: String,

    /// Platform of an image for several, such as `linux/arm64`
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// Compression of the layer
    #[arg(long, value_enum, default_value = "gzip")]
    pub compression: CompressionChoice,

    /// How large layers may be.
    #[command(flatten)]
    pub expansion: ExpansionArgs,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Makes the image.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let name = ImageName::parse(&self.name)?;
        if name.reference().is_some_and(|name| name.digest().is_some()) {
            return Err(CliError::usage("the name of a new image has no digest"));
        }
        let platform = platform(self.platform.as_deref())?;
        let layout = self.layout.open(session)?;
        let image = match platform {
            Some(platform) => find_for(&layout, &self.image, &platform)?,
            None => find(&layout, &self.image)?,
        };
        let (compression, expansion) =
            (Compression::from(self.compression), self.expansion.expansion());
        let made = flatten(&layout, &image, &name, compression, expansion)?;
        Ok(session.ui.line(made.id.as_str())?)
    }
}
