//! `trust logout [SERVER]`

use crate::actions::login::{logout, registry_of};
use crate::cli::error::CliError;
use crate::cli::run::Session;

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
        let server = match registry_of(&self.server) {
            "docker.io" => "https://index.docker.io/v1/",
            host => host,
        };
        session.ui.line(format!("Removing login credentials for {server}"))?;
        if !logout(&context, &self.server)? {
            session.ui.status(format!("Not logged in to {server}"));
        }
        Ok(())
    }
}
