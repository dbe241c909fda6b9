//! What every command that stages changes does alike: says so, and publishes at once on demand.

use crate::actions::Context;
use crate::actions::publish::Published;
use crate::actions::stage::publish_staged;
use crate::cli::error::CliError;
use crate::cli::outcome::say_published;
use crate::cli::run::Session;
use crate::tuf::Gun;

/// Whether staged changes are published at once.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct StageArgs {
    /// Publish at once, with all that is staged
    #[arg(long, short = 'p')]
    pub publish: bool,
}

impl StageArgs {
    /// Says what was staged, line by line, and publishes if that is wanted.
    pub fn finish(
        self,
        session: &Session,
        context: &Context,
        gun: &Gun,
        staged: &[String],
    ) -> Result<(), CliError> {
        for line in staged {
            session.ui.status(line);
        }
        if !self.publish {
            return Ok(());
        }
        session.ui.status(format!("Auto-publishing changes to {gun}"));
        publish_and_say(session, context, gun)
    }
}

/// Publishes all that is staged, and says what came of it.
pub fn publish_and_say(session: &Session, context: &Context, gun: &Gun) -> Result<(), CliError> {
    let published = session.block_on(publish_staged(context, gun))?;
    say_staged_published(session, gun, &published);
    Ok(())
}

/// Says what came of publishing what was staged.
pub fn say_staged_published(session: &Session, gun: &Gun, published: &Published) {
    say_published(session, gun.as_str(), published);
    if published.publication.is_none() {
        session.ui.status("There was nothing to change");
    }
    session.ui.status(format!("Successfully published changes for repository {gun}"));
}
