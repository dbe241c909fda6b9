//! `trust server account add NAME`

use super::file::FileArgs;
use super::password::{chosen, made, show_once};
use super::terms::{expiry, generation_after, grants, now};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::server::auth::accounts::{Account, AccountKind, Accounts, check_name};
use crate::server::auth::password_hash::PasswordHash;

/// Add an account
///
/// A person's password is asked for on the terminal. A robot's is made, and printed once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name
    pub name: String,

    /// For a program: the password is made
    #[arg(long)]
    pub robot: bool,

    /// What it may do where, as PATTERN:ACTION,… of pull, push, sign, delete, admin (can be
    /// repeated)
    #[arg(long = "grant", value_name = "GRANT")]
    pub grants: Vec<String>,

    /// When it ends: 90d, 12h, or a time
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,

    /// Read the password from stdin
    #[arg(long, conflicts_with = "robot")]
    pub password_stdin: bool,

    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
}

impl Args {
    /// Adds the account, to a new file if there is none.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        check_name(&self.name)?;
        let (grants, now) = (grants(&self.grants)?, now());
        let expires = self.expires.as_ref().map(|text| expiry(text, now)).transpose()?;
        // Before anybody types a password in vain; looked at again when it is written.
        self.file.look(|accounts| is_free(accounts, &self.name))?;
        let (kind, password) = if self.robot {
            (AccountKind::Robot, made()?)
        } else {
            (AccountKind::User, chosen(session, &self.name, self.password_stdin)?)
        };
        let generation = generation_after(0, now);
        let hash = PasswordHash::of(&password)?;
        let account = Account { kind, password: hash, generation, expires, grants };
        self.file.change_or_make(|accounts| {
            is_free(accounts, &self.name)?;
            accounts.accounts.insert(self.name.clone(), account);
            Ok(())
        })?;
        session.ui.status(format!("Added the account {}", self.name));
        if self.robot { show_once(session, &self.name, &password) } else { Ok(()) }
    }
}

fn is_free(accounts: &Accounts, name: &str) -> Result<(), CliError> {
    if accounts.accounts.contains_key(name) {
        return Err(CliError::usage(format!("there is an account `{name}` already")).hint(
            "`trust server account set` changes it; `passwd` and `token` give a new password",
        ));
    }
    Ok(())
}
