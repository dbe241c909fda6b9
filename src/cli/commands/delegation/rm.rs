//! `trust delegation rm GUN ROLE [KEYID…]`

use crate::actions::delegation::delegation_name;
use crate::actions::delegation::rm::{Paths, Removal, remove};
use crate::cli::collection::{path_list, paths_words};
use crate::cli::commands::delegation::outlook::{finish, key_ids};
use crate::cli::error::CliError;
use crate::cli::prompt;
use crate::cli::run::Session;
use crate::cli::staging::StageArgs;
use crate::tuf::Gun;

/// Take keys or paths from a role, or remove it
///
/// Without keys and paths the role goes, with all that is below it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Role
    pub role: String,

    /// Ids of keys to take away
    #[arg(value_name = "KEYID")]
    pub keys: Vec<String>,

    /// Paths to take away; several with commas, or the flag again
    #[arg(long, value_name = "PATH")]
    pub paths: Vec<String>,

    /// Take all paths away
    #[arg(long)]
    pub all_paths: bool,

    /// Do not ask before a role is removed
    #[arg(long, short = 'y')]
    pub yes: bool,

    /// Publish at once, or not
    #[command(flatten)]
    pub stage: StageArgs,
}

impl Args {
    /// Stages, and publishes on demand.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let role = delegation_name(&self.role)?;
        let keys = key_ids(&gun, &self.keys)?;
        let paths = path_list(&self.paths)?;
        let context = session.context()?;
        let (removal, staged) = if keys.is_empty() && paths.is_empty() && !self.all_paths {
            let question = format!("Are you sure you want to remove all data of {role}?");
            if !self.yes && !prompt::confirm(session.console().as_ref(), &question)? {
                session.ui.status("Nothing was removed.");
                return Ok(());
            }
            let words = "Forced removal (including all keys and paths) of delegation role";
            (Removal::Role, format!("{words} {role} "))
        } else {
            let mut with = vec![format!("Removal of delegation role {role} ")];
            if !keys.is_empty() {
                let ids: Vec<String> = keys.iter().map(ToString::to_string).collect();
                with.push(format!("with keys [{}], ", ids.join(" ")));
            }
            if self.all_paths {
                with.push("with all paths, ".to_owned());
            } else if !paths.is_empty() {
                with.push(format!("with paths [{}], ", paths_words(&paths)));
            }
            let paths = if self.all_paths { Paths::All } else { Paths::Some(paths) };
            (Removal::Parts { keys, paths }, with.concat())
        };
        let changes = remove(&context, &gun, &role, removal)?;
        let staged = format!("{staged}to repository \"{gun}\" staged for next publish.");
        finish(self.stage, session, &context, &gun, &staged, &changes)
    }
}
