//! `trust server account passwd NAME`

use super::file::{FileArgs, account};
use super::password::chosen;
use super::terms::{generation_after, now};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::server::auth::accounts::AccountKind;
use crate::server::auth::password_hash::PasswordHash;

/// Change a person's password
///
/// Logins that are kept elsewhere, such as by `docker login`, are good no more.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name
    pub name: String,

    /// Read the password from stdin
    #[arg(long)]
    pub password_stdin: bool,

    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
}

impl Args {
    /// Asks for the new password and writes its hash.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let mut accounts = self.file.read()?;
        if account(&mut accounts, &self.name)?.kind == AccountKind::Robot {
            return Err(CliError::usage(format!("`{}` is a robot", self.name))
                .hint("`trust server account token` makes it a new password"));
        }
        let password = chosen(session, &self.name, self.password_stdin)?;
        let hash = PasswordHash::of(&password)?;
        self.file.change(|accounts| {
            let account = account(accounts, &self.name)?;
            account.password = hash;
            account.generation = generation_after(account.generation, now());
            Ok(())
        })?;
        session.ui.status(format!("Changed the password of {}", self.name));
        Ok(())
    }
}
