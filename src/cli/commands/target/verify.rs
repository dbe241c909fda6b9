//! `trust target verify GUN NAME`

use std::path::PathBuf;

use crate::actions::target::verify::{Input, VerifiedData, verify};
use crate::actions::update::Source;
use crate::cli::collection::{RoleArgs, say_remarks};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::store::files::replace_file;
use crate::tuf::{Gun, TargetName};

/// Verify that data is a target, and pass it on
///
/// Reads stdin and writes the data to stdout, but not a byte of it before all of it is verified.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Name of the target
    pub name: String,

    /// Read this file instead of stdin
    #[arg(long, short = 'i', value_name = "FILE")]
    pub input: Option<PathBuf>,

    /// Write to this file instead of stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Roles to ask
    #[command(flatten)]
    pub roles: RoleArgs,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,
}

impl Args {
    /// Verifies; with `--quiet` and no file to write to nothing is written.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let name = TargetName::parse(&self.name)?;
        let roles = self.roles.parse()?;
        let context = session.context()?;
        let source = if self.offline { Source::Cache } else { Source::Server };
        let input = self.input.map_or(Input::Stdin, Input::File);
        let verified = verify(&context, &gun, &name, &roles, &input, source);
        let VerifiedData { data, looked } = session.block_on(verified)?;
        say_remarks(session, &gun, &looked.remarks);
        match &self.output {
            Some(file) => Ok(replace_file(file, &data, OUTPUT_MODE)?),
            None if session.settings.verbosity == crate::cli::ui::Verbosity::Quiet => Ok(()),
            None => Ok(session.ui.data(&data)?),
        }
    }
}

/// The data is no secret.
const OUTPUT_MODE: u32 = 0o644;
