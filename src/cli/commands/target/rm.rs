//! `trust target rm GUN NAME`

use crate::actions::target::rm::remove;
use crate::cli::collection::RoleArgs;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::StageArgs;
use crate::tuf::{Gun, TargetName};

/// Remove a target from a collection
///
/// Removing what is not there is no error, and changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Name of the target
    pub name: String,

    /// Roles to take it out of
    #[command(flatten)]
    pub roles: RoleArgs,

    /// Publish at once, or not
    #[command(flatten)]
    pub stage: StageArgs,
}

impl Args {
    /// Stages, and publishes on demand.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let name = TargetName::parse(&self.name)?;
        let roles = self.roles.parse()?;
        let context = session.context()?;
        remove(&context, &gun, &name, &roles)?;
        let line = format!("Removal of {name} from {gun} staged for next publish.");
        self.stage.finish(session, &context, &gun, &[line])
    }
}
