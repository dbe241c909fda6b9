//! `trust image flatten IMAGE NAME[:TAG]`

use crate::actions::image::flatten::flatten;
use crate::cli::archives::{RemakingArgs, new_name};
use crate::cli::error::CliError;
use crate::cli::run::Session;

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

    /// Which image, and how the new one is packed.
    #[command(flatten)]
    pub remaking: RemakingArgs,
}

impl Args {
    /// Makes the image.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let name = new_name(&self.name)?;
        let (layout, image) = self.remaking.find(session, &self.image)?;
        let (compression, expansion) = self.remaking.packing();
        let made = flatten(&layout, &image, &name, compression, expansion)?;
        Ok(session.ui.line(made.id.as_str())?)
    }
}
