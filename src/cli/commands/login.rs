//! `trust login [SERVER]`

use std::io::{Read, stdin};

use zeroize::Zeroizing;

use crate::actions::login::{Kept, login};
use crate::cli::error::CliError;
use crate::cli::prompt::Echo;
use crate::cli::run::Session;
use crate::crypto::Passphrase;
use crate::limits::MAX_PASSWORD_BYTES;

/// Log in to a registry
///
/// The login is checked, then kept where docker keeps it: in a credential helper, or in
/// config.json.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Registry
    #[arg(default_value = "docker.io")]
    pub server: String,

    /// Username
    #[arg(long, short = 'u')]
    pub username: Option<String>,

    /// Read the password or token from stdin
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
}

impl Args {
    /// Logs in and says so, in docker's words.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let context = session.context()?;
        let username = match self.username {
            Some(username) => username,
            None => session.console().ask("Username: ", Echo::On)?.trim().to_owned(),
        };
        if username.is_empty() {
            return Err(CliError::usage("a username is needed"));
        }
        let password = if self.password_stdin {
            password_from_stdin()?
        } else {
            Passphrase::new(session.console().ask("Password: ", Echo::Off)?.to_string())
        };
        if password.is_empty() {
            return Err(CliError::usage("a password is needed"));
        }
        let kept = session.block_on(login(&context, &self.server, &username, &password))?;
        if kept == Kept::InPlainFile {
            let file = context.connections.config_dir.join("config.json");
            session.ui.warn(format!(
                "the login is kept in `{}`, not encrypted; a credential helper (`credsStore` in \
                 that file) keeps it safer",
                file.display()
            ));
        }
        Ok(session.ui.line("Login Succeeded")?)
    }
}

fn password_from_stdin() -> Result<Passphrase, CliError> {
    let mut text = Zeroizing::new(String::new());
    stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut text).map_err(|error| {
        CliError::usage(error.to_string()).context("cannot read the password from stdin")
    })?;
    Ok(Passphrase::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
