//! `trust target add GUN NAME FILE`

use std::path::PathBuf;

use crate::actions::target::add::{Placement, add};
use crate::cli::collection::RoleArgs;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::StageArgs;
use crate::tuf::{Gun, TargetName};

/// Add a file to a collection
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Name of the target
    pub name: String,

    /// Its content, as it is now
    pub file: PathBuf,

    /// What else is said of it
    #[command(flatten)]
    pub placement: PlacementArgs,

    /// Publish at once, or not
    #[command(flatten)]
    pub stage: StageArgs,
}

/// Where a target is put, and what goes with it.
#[derive(Debug, clap::Args)]
pub struct PlacementArgs {
    /// Roles to sign it
    #[command(flatten)]
    pub roles: RoleArgs,

    /// JSON to sign with it; it must not have fractions or members twice
    #[arg(long, value_name = "FILE")]
    pub custom: Option<PathBuf>,
}

impl PlacementArgs {
    /// The placement of a target.
    pub fn of(self, name: TargetName) -> Result<Placement, CliError> {
        Ok(Placement { name, roles: self.roles.parse()?, custom: self.custom })
    }
}

impl Args {
    /// Stages, and publishes on demand.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let placement = self.placement.of(TargetName::parse(&self.name)?)?;
        let context = session.context()?;
        add(&context, &gun, &placement, &self.file)?;
        let name = &placement.name;
        let line = format!(
            "Addition of target \"{name}\" to repository \"{gun}\" staged for next publish."
        );
        self.stage.finish(session, &context, &gun, &[line])
    }
}
