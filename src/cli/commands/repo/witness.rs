//! `trust repo witness GUN ROLE…`

use crate::actions::repo::witness::{publish_unseen, witness};
use crate::cli::collection::target_roles;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::{StageArgs, say_staged_published};
use crate::tuf::Gun;

/// Sign roles again as they are
///
/// A delegation that no longer verifies because its keys were changed is valid again afterwards,
/// with all that it held last.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Roles: `targets` or delegations
    #[arg(required = true, value_name = "ROLE")]
    pub roles: Vec<String>,

    /// Believe the trust server what a role held that was never seen valid on this machine
    #[arg(long, requires = "publish")]
    pub unseen: bool,

    /// Publish at once, or not
    #[command(flatten)]
    pub stage: StageArgs,
}

impl Args {
    /// Stages, and publishes on demand.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let roles = target_roles(&self.roles)?;
        let context = session.context()?;
        witness(&context, &gun, &roles)?;
        let mut lines = vec![
            "The following roles were successfully marked for witnessing on the next publish:"
                .to_owned(),
        ];
        lines.extend(roles.iter().map(|role| format!("  - {role}")));
        if !self.unseen {
            return self.stage.finish(session, &context, &gun, &lines);
        }
        StageArgs { publish: false }.finish(session, &context, &gun, &lines)?;
        let published = session.block_on(publish_unseen(&context, &gun, &roles))?;
        say_staged_published(session, &gun, &published);
        Ok(())
    }
}
