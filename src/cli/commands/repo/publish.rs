//! `trust repo publish GUN`

use crate::actions::repo::publish::publish;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::say_staged_published;
use crate::tuf::Gun;

/// Publish what is staged
///
/// A collection that the trust server does not know is set up.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,
}

impl Args {
    /// Publishes.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let context = session.context()?;
        session.ui.status(format!("Pushing changes to {gun}"));
        let published = session.block_on(publish(&context, &gun))?;
        say_staged_published(session, &gun, &published);
        Ok(())
    }
}
