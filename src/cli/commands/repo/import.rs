//! `trust repo import DIR [GUN…]`

use std::path::PathBuf;

use crate::actions::repo::import::{Brought, import};
use crate::cli::error::CliError;
use crate::cli::outcome::InTurn;
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::cli::server_import::{ImportRow, print, wanted};
use crate::store::rescue::RescueFolder;

/// Bring rescued collections to a trust server that runs
///
/// To one of `trust serve`, which verifies every file, and to which you must be allowed to delete
/// collections. What is there already is not taken in twice; what goes on from it is added; what
/// contradicts it is refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that collections were rescued into
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// Collections, by their full names [default: all of the folder]
    #[arg(value_name = "GUN")]
    pub guns: Vec<String>,

    /// How to print what was done
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Brings them, one after the other; goes on after one that is refused.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<ImportRow>()?;
        let folder = RescueFolder::open(&self.folder)?;
        let guns = wanted(&folder, &self.guns)?;
        let context = session.context()?;
        let mut turns = InTurn::new(session, guns.len());
        let mut rows = Vec::new();
        for gun in &guns {
            turns.take(gun.as_str(), || {
                match session.block_on_transfer(import(&context, &folder, gun)) {
                    Ok(Brought { imported, findings }) => {
                        for finding in findings {
                            session.ui.warn(format!("{gun}: {finding}"));
                        }
                        rows.push(ImportRow::told(gun, imported));
                        Ok(())
                    }
                    Err(error) => {
                        rows.push(ImportRow::refused(gun, &error));
                        Err(error)
                    }
                }
            });
        }
        verdict_first(session, turns.finish(), print(session, &output, &rows))
    }
}
