//! `trust image tag SOURCE TARGET`, and `trust tag`

use crate::actions::image::tag::tag;
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::run::Session;

/// Give an image one more name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image: a name, an id or a digest
    #[arg(value_name = "SOURCE")]
    pub source: String,

    /// New name
    #[arg(value_name = "TARGET[:TAG]")]
    pub target: String,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Gives the name; an image that had it loses it.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        Ok(tag(&self.layout.open(session)?, &self.source, &self.target)?)
    }
}
