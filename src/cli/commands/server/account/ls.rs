//! `trust server account ls`

use serde::Serialize;

use super::file::FileArgs;
use super::terms::now;
use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::table::columns;
use crate::clock::Timestamp;
use crate::server::auth::Grant;
use crate::server::auth::accounts::{Account, AccountKind};

/// List accounts, and what they may do
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print the accounts.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
}

/// An account as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row {
    name: Option<String>,
    kind: &'static str,
    expires: Option<String>,
    expired: bool,
    grants: Vec<String>,
}

impl Args {
    /// Prints the accounts by name, and first what anybody may do if that is anything.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let accounts = self.file.read()?;
        let anonymous = (!accounts.anonymous.is_empty()).then(|| Row {
            kind: "anonymous",
            grants: texts(&accounts.anonymous),
            ..Row::default()
        });
        let now = now();
        let named = accounts.accounts.iter().map(|(name, account)| Row::of(name, account, now));
        let rows: Vec<Row> = anonymous.into_iter().chain(named).collect();
        if output.print(session, &rows)? {
            return Ok(());
        }
        if rows.is_empty() {
            session.ui.status("There are no accounts.");
            return Ok(());
        }
        Ok(session.ui.data(table(&rows))?)
    }
}

impl Row {
    fn of(name: &str, account: &Account, now: Timestamp) -> Self {
        let kind = match account.kind {
            AccountKind::User => "user",
            AccountKind::Robot => "robot",
        };
        Self {
            name: Some(name.to_owned()),
            kind,
            expires: account.expires.map(|end| end.to_string()),
            expired: account.is_over(now),
            grants: texts(&account.grants),
        }
    }
}

fn texts(grants: &[Grant]) -> Vec<String> {
    grants.iter().map(Grant::to_string).collect()
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![["NAME", "KIND", "EXPIRES", "GRANTS"].map(str::to_owned).to_vec()];
    for row in rows {
        let expires = match (&row.expires, row.expired) {
            (None, _) => "never".to_owned(),
            (Some(end), false) => end.clone(),
            (Some(end), true) => format!("{end} (over)"),
        };
        let expires = if row.name.is_none() { "-".to_owned() } else { expires };
        let name = row.name.clone().unwrap_or_else(|| "(anybody)".to_owned());
        lines.push(vec![name, row.kind.to_owned(), expires, row.grants.join(" ")]);
    }
    columns(&lines, 4, false)
}
