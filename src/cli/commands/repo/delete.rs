//! `trust repo delete GUN`

use crate::actions::repo::delete::delete;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::tuf::Gun;

/// Remove the trust data of a collection; keys stay
///
/// Removes what this machine has: cached metadata and staged changes. The next contact believes the
/// root that the trust server shows.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Remove what the trust server has, too
    #[arg(long)]
    pub remote: bool,
}

impl Args {
    /// Removes, and says what.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let context = session.context()?;
        let ui = session.ui;
        ui.status(format!("Deleting trust data for repository {gun}"));
        let deleted = session.block_on(delete(&context, &gun, self.remote))?;
        let (files, changes) = (deleted.files, deleted.changes);
        ui.status(format!("Removed {files} cached files and {changes} staged changes; keys stay"));
        if deleted.unpublished {
            ui.warn("the collection was set up on this machine and never published");
        }
        let places = if deleted.remote { "local and remote" } else { "local" };
        ui.status(format!("Successfully deleted {places} trust data for repository {gun}"));
        Ok(())
    }
}
