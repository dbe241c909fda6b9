//! `trust repo ls GUN`, and `trust target ls GUN`

use crate::actions::repo::ls::{Listing, list};
use crate::actions::update::Source;
use crate::cli::collection::{RoleArgs, TargetRow, ruled_table, say_remarks};
use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::tuf::Gun;

/// List the targets of a collection
///
/// Of each name the first role counts, in the order given; without roles `targets` goes before its
/// delegations.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Roles to ask
    #[command(flatten)]
    pub roles: RoleArgs,

    /// How to print the targets
    #[command(flatten)]
    pub output: OutputArgs,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,
}

impl Args {
    /// Prints the targets by name.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<TargetRow<'_>>()?;
        let gun = Gun::parse(&self.gun)?;
        let roles = self.roles.parse()?;
        let context = session.context()?;
        let source = if self.offline { Source::Cache } else { Source::Server };
        let Listing { entries, remarks } =
            session.block_on(list(&context, &gun, &roles, source))?;
        say_remarks(session, &gun, &remarks);
        let rows: Vec<TargetRow<'_>> = entries.iter().map(TargetRow::of).collect();
        if output.print(session, &rows)? {
            return Ok(());
        }
        if rows.is_empty() {
            session.ui.status("No targets present in this repository.");
            return Ok(());
        }
        Ok(session.ui.data(table(&rows))?)
    }
}

fn table(rows: &[TargetRow<'_>]) -> String {
    let cells = rows.iter().map(|row| {
        vec![row.name.to_owned(), row.digest(), row.size.to_string(), row.role.to_owned()]
    });
    ruled_table(&["NAME", "DIGEST", "SIZE (BYTES)", "ROLE"], cells)
}
