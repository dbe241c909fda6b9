//! `trust logout [SERVER]`

use crate::actions::login::{logout, registry_of};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::store::credentials::config_key;

/// Log out from a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Registry
    #[arg(default_value = "docker.io")]
    pub server: String,
}

impl Args {
    /// Forgets the login and says so, in docker's words.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let context = session.context()?;
        let server = printable(&config_key(registry_of(&self.server)));
        session.ui.line(format!("Removing login credentials for {server}"))?;
        if !logout(&context, &self.server)? {
            session.ui.status(format!("Not logged in to {server}"));
        }
        Ok(())
    }
}
