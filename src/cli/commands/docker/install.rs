//! `trust docker install`

use std::path::{Path, PathBuf};

use crate::actions::docker::install::{InstallError, Seen, Way, install, seen};
use crate::cli::docker_steps::docker_of;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::cli::ui::printable;

/// Install this program as docker's plugin `docker-trust`
///
/// Docker's releases from 29 on have no `docker trust` of their own; with the plugin they have it
/// again. Says so if docker does not use it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of plugins [default: cli-plugins in docker's folder]
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,

    /// Copy the program instead of linking to it
    #[arg(long)]
    pub copy: bool,

    /// Replace another plugin of that name
    #[arg(long, short = 'f')]
    pub force: bool,
}

impl Args {
    /// Installs it, and asks docker about it.
    pub fn run(self, session: &Session, docker: Option<&Path>) -> Result<(), CliError> {
        let ui = session.ui;
        let program = std::env::current_exe().map_err(|cause| {
            CliError::new(ErrorKind::Storage, cause).context("cannot tell where this program is")
        })?;
        let folder = folder(session, self.plugins.as_deref())?;
        let way = if self.copy { Way::Copy } else { Way::Link };
        let path = install(&program, &folder, way, self.force)?;
        ui.line(printable(&path.to_string_lossy()))?;
        let docker = docker_of(session, docker, Vec::new())?;
        match seen(&docker, &path) {
            Ok(Seen::Used) => ui.status("`docker trust` is this program now"),
            Ok(Seen::Builtin) => ui.warn(
                "this docker has a `docker trust` of its own, which goes before the plugin; the \
                 plugin is used from docker 29 on",
            ),
            Ok(Seen::Refused { problem }) => ui.warn(format!("docker refuses it: {problem}")),
            Ok(Seen::Elsewhere { path: Some(other) }) => {
                ui.warn(format!("docker uses {} instead, which goes before it", other.display()));
            }
            Ok(Seen::Elsewhere { path: None }) => ui.warn(
                "docker does not look in this folder; `cliPluginsExtraDirs` in its config.json \
                 names folders where it does",
            ),
            Err(error) => ui.warn(format!("docker cannot be asked about it: {error}")),
        }
        Ok(())
    }
}

/// The folder of plugins, in full: a link to a relative path would lead elsewhere.
pub(super) fn folder(session: &Session, named: Option<&Path>) -> Result<PathBuf, CliError> {
    let folder =
        named.map_or_else(|| session.settings.config_dir.join("cli-plugins"), Path::to_owned);
    std::path::absolute(&folder)
        .map_err(|cause| CliError::new(ErrorKind::Usage, cause).context("`--plugins` is empty"))
}

impl From<InstallError> for CliError {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::Store(error) => error.into(),
            error @ InstallError::Other { .. } => {
                Self::new(ErrorKind::Policy, error).hint("`--force` takes its place all the same")
            }
            error => Self::new(ErrorKind::Internal, error),
        }
    }
}
