//! `trust server account token NAME`

use super::file::{FileArgs, account};
use super::password::{made, show_once};
use super::terms::{expiry, generation_after, now};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::server::auth::accounts::AccountKind;
use crate::server::auth::password_hash::PasswordHash;

/// Make a robot a new password, and print it
///
/// The one before is good no more.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name
    pub name: String,

    /// When the account ends from now on: 90d, 12h, or a time
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,

    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
}

impl Args {
    /// Makes it, and prints it once it is written.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let now = now();
        let expires = self.expires.as_ref().map(|text| expiry(text, now)).transpose()?;
        let password = made()?;
        let hash = PasswordHash::of(&password)?;
        self.file.change(|accounts| {
            let account = account(accounts, &self.name)?;
            if account.kind == AccountKind::User {
                return Err(CliError::usage(format!("`{}` is a person", self.name))
                    .hint("`trust server account passwd` changes a person's password"));
            }
            account.password = hash;
            account.generation = generation_after(account.generation, now);
            account.expires = expires.or(account.expires);
            Ok(())
        })?;
        show_once(session, &self.name, &password)
    }
}
