//! `trust delegation purge GUN --key ID…`

use crate::actions::delegation::purge::purge;
use crate::cli::commands::delegation::outlook::{finish, key_ids};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::StageArgs;
use crate::tuf::Gun;

/// Take keys from every role
///
/// Nested roles whose keys are not here keep what they delegate, and a warning says so.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Ids of the keys; several with commas, or the flag again
    #[arg(long = "key", value_name = "ID", value_delimiter = ',', required = true)]
    pub keys: Vec<String>,

    /// Publish at once, or not
    #[command(flatten)]
    pub stage: StageArgs,
}

impl Args {
    /// Stages, and publishes on demand.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let keys = key_ids(&gun, &self.keys)?;
        let context = session.context()?;
        let ids: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let changes = purge(&context, &gun, keys)?;
        let staged = format!(
            "Removal of the following keys from all delegations in {gun} staged for next publish:\n  - {}",
            ids.join("\n  - ")
        );
        finish(self.stage, session, &context, &gun, &staged, &changes)
    }
}
