//! `trust server account set NAME`

use super::file::{FileArgs, account};
use super::terms::{expiry, grants, now};
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Change what an account may do, or anybody without one
///
/// Grants that are named replace all that there were.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("whom").required(true).args(["name", "anonymous"]))]
pub struct Args {
    /// Name
    pub name: Option<String>,

    /// Whoever does not log in
    #[arg(long, conflicts_with_all = ["expires", "no_expiry"])]
    pub anonymous: bool,

    /// What may be done where, as PATTERN:ACTION,… of pull, push, sign, delete, admin (can be
    /// repeated)
    #[arg(long = "grant", value_name = "GRANT")]
    pub grants: Vec<String>,

    /// Take all grants away
    #[arg(long, conflicts_with = "grants")]
    pub no_grants: bool,

    /// When it ends: 90d, 12h, or a time
    #[arg(long, value_name = "TIME", conflicts_with = "no_expiry")]
    pub expires: Option<String>,

    /// It does not end
    #[arg(long)]
    pub no_expiry: bool,

    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
}

impl Args {
    /// Changes it.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let grants = grants(&self.grants)?;
        let changes_grants = self.no_grants || !grants.is_empty();
        let expires = self.expires.as_ref().map(|text| expiry(text, now())).transpose()?;
        let changes_expiry = self.no_expiry || expires.is_some();
        if !changes_grants && !changes_expiry {
            return Err(CliError::usage("nothing is to be changed")
                .hint("`--grant`, `--no-grants`, `--expires` and `--no-expiry` change something"));
        }
        let Some(name) = self.name else {
            self.file.change_or_make(|accounts| {
                accounts.anonymous = grants;
                Ok(())
            })?;
            session.ui.status("Changed what anybody may do");
            return Ok(());
        };
        self.file.change(|accounts| {
            let account = account(accounts, &name)?;
            if changes_grants {
                account.grants = grants;
            }
            if changes_expiry {
                account.expires = expires;
            }
            Ok(())
        })?;
        session.ui.status(format!("Changed the account {name}"));
        Ok(())
    }
}
