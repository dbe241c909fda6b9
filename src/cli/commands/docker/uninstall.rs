//! `trust docker uninstall`

use std::path::{Path, PathBuf};

use crate::actions::docker::uninstall::uninstall;
use crate::cli::commands::docker::install::folder;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Remove this program from docker's plugins
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of plugins [default: cli-plugins in docker's folder]
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,

    /// Remove another plugin of that name, too
    #[arg(long, short = 'f')]
    pub force: bool,
}

impl Args {
    /// Removes it; that it is not there is no error.
    pub fn run(self, session: &Session, _docker: Option<&Path>) -> Result<(), CliError> {
        let folder = folder(session, self.plugins.as_deref())?;
        let words = if uninstall(&folder, self.force)? {
            "The plugin is removed"
        } else {
            "There is no such plugin"
        };
        session.ui.status(format!("{words}: {}", folder.join("docker-trust").display()));
        Ok(())
    }
}
