//! `trust rescue check DIR`

use std::path::PathBuf;

use crate::actions::rescue::check::check;
use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::rescued::{Document, gun_of_name};
use crate::cli::run::Session;
use crate::store::rescue::RescueFolder;

/// Verify what was rescued, asking nobody
///
/// Each file must be what its name says, its signatures right, and the records must say the same.
/// Exit codes: 0 all is as it was rescued, 7 something was altered, is missing or does not verify,
/// 14 the folder cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// Only these repositories
    #[arg(value_name = "REPOSITORY")]
    pub names: Vec<String>,

    /// How to print what was found.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Checks each collection.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.inspection(&Document::sample())?;
        let context = session.context()?;
        let folder = RescueFolder::open(&self.folder)?;
        let guns: Result<Vec<_>, _> = self.names.iter().map(|name| gun_of_name(name)).collect();
        let checked = check(&context, &folder, &guns?)?;
        for finding in &checked.findings {
            session.ui.warn(format!("{}: {finding}", self.folder.display()));
        }
        Document::of_check(&context, checked.collections)?.finish(session, &output)
    }
}
