//! `trust key rm ID`

use crate::actions::keys::lookup::find_key;
use crate::actions::keys::rm::remove;
use crate::cli::error::CliError;
use crate::cli::prompt;
use crate::cli::run::Session;

/// Remove a private key for good
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key id (its first 7 digits will do)
    pub id: String,

    /// Do not ask
    #[arg(long, short = 'f', visible_alias = "yes", short_alias = 'y')]
    pub force: bool,
}

impl Args {
    /// Removes the key once the person is sure.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let context = session.context()?;
        let key = find_key(&context.trust_dir.keys()?, &self.id)?;
        if !self.force {
            let question = format!(
                "Are you sure you want to remove the {} key {}? It cannot be recovered.",
                key.role, key.id
            );
            if !prompt::confirm(session.console().as_ref(), &question)? {
                session.ui.status("Nothing was removed.");
                return Ok(());
            }
        }
        remove(&context, &key)?;
        session.ui.status(format!("Removed the {} key {}", key.role, key.id));
        Ok(())
    }
}
