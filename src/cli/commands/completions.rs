//! `trust completions SHELL`

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::args::Cli;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Print the completions of a shell
///
/// For bash: `trust completions bash > /etc/bash_completion.d/trust`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell to complete commands in
    pub shell: Shell,
}

impl Args {
    /// Prints the script.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "trust", &mut script);
        Ok(session.ui.data(script)?)
    }
}
