//! `trust commit NAME [IMAGE[:TAG]]`

use crate::actions::commit::{Options, commit};
use crate::actions::run::kept_name;
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::run::Session;
use crate::oci::{ImageName, Reference};

/// Make an image of what a command changed
///
/// NAME is what `trust run --name` kept. The image is made in the canonical form, its time the
/// epoch unless `SOURCE_DATE_EPOCH` says another. Prints the image's id.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What was kept
    pub name: String,

    /// Name of the image
    #[arg(value_name = "IMAGE[:TAG]")]
    pub image: Option<String>,

    /// Instruction of a Dockerfile for the configuration; may be given again
    #[arg(long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,

    /// Note in the image's history
    #[arg(long, short = 'm', value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub message: String,

    /// Who made the image
    #[arg(long, short = 'a', value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub author: String,

    /// Where images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Makes the image.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let kept = kept_name(&self.name)?;
        let name = self.image.as_deref().map(Reference::parse).transpose()?;
        let name = name.map(ImageName::of_reference);
        let layout = self.layout.open(session)?;
        let options = Options {
            message: self.message,
            author: self.author,
            changes: self.change,
            epoch: session.settings.epoch()?,
        };
        let made = commit(&layout, &kept, name.as_ref(), &options)?;
        Ok(session.ui.line(made.id.as_str())?)
    }
}
