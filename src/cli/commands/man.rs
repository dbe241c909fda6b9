//! `trust man [--dir DIR]`

use std::path::PathBuf;

use clap::CommandFactory;

use crate::cli::args::Cli;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;

/// Print the manual page, or write one page per command
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write trust.1, trust-key.1 … into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

impl Args {
    /// Prints or writes the pages.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let Some(dir) = self.dir else {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            return Ok(session.ui.data(page)?);
        };
        clap_mangen::generate_to(Cli::command(), &dir).map_err(|error| {
            CliError::new(ErrorKind::Storage, error)
                .context(format!("cannot write manual pages to `{}`", dir.display()))
        })
    }
}
