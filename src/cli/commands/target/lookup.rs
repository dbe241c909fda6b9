//! `trust target lookup GUN NAME`

use crate::actions::target::lookup::{Looked, lookup};
use crate::actions::update::Source;
use crate::cli::collection::{RoleArgs, TargetRow, say_remarks};
use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::tuf::{Gun, TargetName};

/// Look a target up
///
/// Prints its name, `sha256:` and its SHA-256, and its size in bytes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Name of the target
    pub name: String,

    /// Roles to ask
    #[command(flatten)]
    pub roles: RoleArgs,

    /// How to print the target
    #[command(flatten)]
    pub output: OutputArgs,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,
}

impl Args {
    /// Prints what is signed.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.inspection(&TargetRow::default())?;
        let gun = Gun::parse(&self.gun)?;
        let name = TargetName::parse(&self.name)?;
        let roles = self.roles.parse()?;
        let context = session.context()?;
        let source = if self.offline { Source::Cache } else { Source::Server };
        let Looked { entry, remarks } =
            session.block_on(lookup(&context, &gun, &name, &roles, source))?;
        say_remarks(session, &gun, &remarks);
        let row = TargetRow::of(&entry);
        if output.print_one(session, &row)? {
            return Ok(());
        }
        let digest = match row.hashes.get("sha256") {
            Some(sha256) => format!("sha256:{sha256}"),
            None => row.digest(),
        };
        Ok(session.ui.line(format!("{} {digest} {}", printable(row.name), row.size))?)
    }
}
