//! Answers out of a rescue folder: the flags of commands that can give them.

use std::path::PathBuf;

use crate::actions::Context;
use crate::actions::context::Archive;
use crate::actions::update::Source;
use crate::cli::error::CliError;
use crate::store::rescue::RescueFolder;
use crate::tuf::trusted::Expiry;

/// Where the answer is to come from, if not from a server.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ArchiveArgs {
    /// Answer from what was rescued into this folder, and ask nobody
    #[arg(long, value_name = "DIR", conflicts_with = "offline")]
    pub from: Option<PathBuf>,

    /// Believe what was rescued though it has expired
    #[arg(long, requires = "from")]
    pub allow_expired: bool,
}

impl ArchiveArgs {
    /// Opens the folder, if one is named, for the actions to ask.
    pub fn source(&self, context: &mut Context, offline: bool) -> Result<Source, CliError> {
        let Some(path) = &self.from else {
            return Ok(if offline { Source::Cache } else { Source::Server });
        };
        let folder = RescueFolder::open(path)?;
        let expiry = if self.allow_expired { Expiry::Remembered } else { Expiry::Enforced };
        context.connections.archive = Some(Archive { folder, expiry });
        Ok(Source::Folder)
    }
}
