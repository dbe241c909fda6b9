//! `trust login [SERVER]`

use std::io::{Read, stdin};

use zeroize::Zeroizing;

use crate::actions::context::Context;
use crate::actions::login::{Kept, Place, is_overridden, login, login_again};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::prompt::Echo;
use crate::cli::run::Session;
use crate::crypto::Passphrase;
use crate::limits::MAX_PASSWORD_BYTES;

/// Log in to a registry
///
/// The login is checked, then kept where docker keeps it: in a credential helper, or in
/// config.json; with `--keyring` in the system's keyring. Without user and password, a login that
/// is kept already is checked again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Registry
    #[arg(default_value = "docker.io")]
    pub server: String,

    /// Username
    #[arg(long, short = 'u')]
    pub username: Option<String>,

    /// Password or token; others can see it while the command runs
    #[arg(long, short = 'p', conflicts_with = "password_stdin")]
    pub password: Option<String>,

    /// Read the password or token from stdin
    #[arg(long, requires = "username")]
    pub password_stdin: bool,

    /// Keep the login in the system's keyring, where docker does not find it
    #[arg(long)]
    pub keyring: bool,
}

impl Args {
    /// Logs in and says so, in docker's words.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let context = session.context()?;
        let overridden = is_overridden(&context, &self.server)?;
        let password = self.password.map(Passphrase::new);
        if password.is_some() {
            session.ui.warn(
                "a password on the command line can be seen by others and stays in the shell's \
                 history; `--password-stdin` is safer",
            );
        }
        let is_new =
            self.username.is_some() || password.is_some() || self.password_stdin || self.keyring;
        if !is_new && again(session, &context, &self.server)? {
            return Ok(session.ui.line("Login Succeeded")?);
        }
        let username = match self.username {
            Some(username) => username,
            None => session.console().ask("Username: ", Echo::On)?.trim().to_owned(),
        };
        if username.is_empty() {
            return Err(CliError::usage("a username is needed"));
        }
        let password = match password {
            Some(password) => password,
            None if self.password_stdin => password_from_stdin()?,
            None => Passphrase::new(session.console().ask("Password: ", Echo::Off)?.to_string()),
        };
        if password.is_empty() {
            return Err(CliError::usage("a password is needed"));
        }
        let place = if self.keyring { Place::Keyring } else { Place::Dockers };
        let kept = session.block_on(login(&context, &self.server, &username, &password, place))?;
        if kept == Kept::InPlainFile {
            let file = context.connections.config_dir.join("config.json");
            session.ui.warn(format!(
                "the login is kept in `{}`, not encrypted; a credential helper (`credsStore` in \
                 that file) or `--keyring` keeps it safer",
                file.display()
            ));
        }
        if overridden {
            session
                .ui
                .warn("DOCKER_AUTH_CONFIG has another login for this registry, which is used");
        }
        Ok(session.ui.line("Login Succeeded")?)
    }
}

/// Checks the login that is kept; whether there is one, and it is good.
fn again(session: &Session, context: &Context, server: &str) -> Result<bool, CliError> {
    match session.block_on(login_again(context, server)) {
        Ok(Some(username)) => {
            session.ui.status(format!("Authenticated with the login kept for {username}"));
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(error) if error.kind == ErrorKind::Authentication => {
            session.ui.warn(format!("the login that is kept does not do: {}", error.source));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn password_from_stdin() -> Result<Passphrase, CliError> {
    let mut text = Zeroizing::new(String::new());
    stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut text).map_err(|error| {
        CliError::usage(error.to_string()).context("cannot read the password from stdin")
    })?;
    Ok(Passphrase::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
