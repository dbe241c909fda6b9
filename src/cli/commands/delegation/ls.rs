//! `trust delegation ls GUN`

use serde::Serialize;

use crate::actions::delegation::ls::{Delegation, Delegations, list};
use crate::actions::update::Source;
use crate::cli::collection::{path_words, ruled_table};
use crate::cli::error::CliError;
use crate::cli::outcome::say_first_contact;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::tuf::Gun;

/// List who may sign which targets of a collection
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// How to print the delegations
    #[command(flatten)]
    pub output: OutputArgs,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,
}

/// A delegation as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    role: &'a str,
    paths: &'a [String],
    key_ids: Vec<&'a str>,
    threshold: u32,
    problem: Option<&'a str>,
}

impl Args {
    /// Prints the delegations by name.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row<'_>>()?;
        let gun = Gun::parse(&self.gun)?;
        let context = session.context()?;
        let source = if self.offline { Source::Cache } else { Source::Server };
        let Delegations { delegations, first_contact } =
            session.block_on(list(&context, &gun, source))?;
        if let Some(root_keys) = first_contact {
            say_first_contact(session, gun.as_str(), &root_keys);
        }
        for delegation in &delegations {
            if let Some(problem) = &delegation.problem {
                session.ui.warn(format!("{} cannot be used: {problem}", delegation.role));
            }
        }
        let rows: Vec<Row<'_>> = delegations.iter().map(Row::of).collect();
        if output.print(session, &rows)? {
            return Ok(());
        }
        if rows.is_empty() {
            session.ui.status("No delegations present in this repository.");
            return Ok(());
        }
        Ok(session.ui.data(format!("\n{}\n", table(&rows)))?)
    }
}

impl<'a> Row<'a> {
    fn of(delegation: &'a Delegation) -> Self {
        Self {
            role: delegation.role.as_str(),
            paths: &delegation.paths,
            key_ids: delegation.keys.iter().map(crate::crypto::KeyId::as_str).collect(),
            threshold: delegation.threshold,
            problem: delegation.problem.as_deref(),
        }
    }
}

/// Notary's table: a path and a key a line; the role and the threshold stand in the first.
fn table(rows: &[Row<'_>]) -> String {
    let lines = rows.iter().flat_map(|row| {
        let line = |index: usize| {
            let first = |text: String| if index == 0 { text } else { String::new() };
            vec![
                first(row.role.to_owned()),
                row.paths.get(index).map(|path| path_words(path)).unwrap_or_default(),
                row.key_ids.get(index).map(|id| (*id).to_owned()).unwrap_or_default(),
                first(row.threshold.to_string()),
            ]
        };
        (0..row.paths.len().max(row.key_ids.len()).max(1)).map(line)
    });
    ruled_table(&["ROLE", "PATHS", "KEY IDS", "THRESHOLD"], lines)
}
