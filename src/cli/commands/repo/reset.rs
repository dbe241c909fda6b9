//! `trust repo reset GUN`

use crate::actions::repo::reset::{Which, reset};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::tuf::Gun;

/// Take staged changes back
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["numbers", "all"])))]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Numbers of changes, as `trust repo status` lists them; several with commas
    #[arg(long = "number", short = 'n', value_name = "N", value_delimiter = ',')]
    pub numbers: Vec<usize>,

    /// All changes
    #[arg(long)]
    pub all: bool,
}

impl Args {
    /// Takes the changes back.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let context = session.context()?;
        let which = if self.all { Which::All } else { Which::Numbers(self.numbers) };
        let gone = session.block_on(reset(&context, &gun, &which))?;
        let count = gone.len();
        session.ui.status(format!(
            "Successfully reset specified changes for repository {gun}: {count} taken back"
        ));
        Ok(())
    }
}
