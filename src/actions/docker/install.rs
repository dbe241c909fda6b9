//! This program as docker's plugin `docker-trust`: put into the folder where docker looks.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::docker::{Docker, DockerError};
use crate::store::StoreError;
use crate::store::files::{create_user_folder, is_taken, link_user_file};
use crate::store::streams::copy_user_file;

/// The name under which docker looks for the plugin, and by which we know that we are it.
pub const PLUGIN: &str = "docker-trust";
/// The command with which docker asks what a plugin is.
pub const ASKS: &str = "docker-cli-plugin-metadata";
/// Who makes it, as docker lists it.
const VENDOR: &str = "trust";

/// What a plugin says of itself: docker's names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Metadata {
    /// The form of this answer: `0.1.0`.
    pub schema_version: String,
    /// Who makes it.
    pub vendor: String,
    /// Its version.
    pub version: String,
    /// A line for docker's help.
    pub short_description: String,
    /// Where to read more.
    #[serde(rename = "URL", skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl Metadata {
    /// What we say.
    pub fn ours() -> Self {
        Self {
            schema_version: "0.1.0".to_owned(),
            vendor: VENDOR.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            short_description: "Manage trust on Docker images".to_owned(),
            url: option_env!("CARGO_PKG_REPOSITORY").unwrap_or_default().to_owned(),
        }
    }
}

/// What is in the plugin's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Present {
    /// Nothing.
    Nothing,
    /// This program, of whatever version.
    Ours,
    /// Another plugin, or something that is none.
    Other {
        /// Who makes it, if it says so.
        vendor: Option<String>,
    },
}

/// How the program gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A link leads to where it is.
    Link,
    /// It is copied.
    Copy,
}

/// Why the plugin is not there, or not gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Something else has its place.
    #[error("{} is not this program{}", path.display(), of(vendor.as_ref()))]
    Other {
        /// The place.
        path: PathBuf,
        /// Who makes it, if it says so.
        vendor: Option<String>,
    },
    /// What was installed does not answer as it should.
    #[error("{} does not answer as a plugin of docker", path.display())]
    Silent {
        /// The place.
        path: PathBuf,
    },
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn of(vendor: Option<&String>) -> String {
    vendor.map(|vendor| format!(", but one of {}", vendor.escape_debug())).unwrap_or_default()
}

/// Puts the program into a folder of plugins, and asks it what it is. What is ours is replaced;
/// what is not, only with `force`.
pub fn install(
    program: &Path,
    folder: &Path,
    way: Way,
    force: bool,
) -> Result<PathBuf, InstallError> {
    let path = folder.join(PLUGIN);
    refuse_others(&path, force)?;
    create_user_folder(folder)?;
    match way {
        Way::Link => link_user_file(program, &path)?,
        Way::Copy => copy_user_file(program, &path, PROGRAM_MODE)?,
    }
    match present(&path) {
        Present::Ours => Ok(path),
        _ => Err(InstallError::Silent { path }),
    }
}

/// Refuses what is not this program.
pub(super) fn refuse_others(path: &Path, force: bool) -> Result<(), InstallError> {
    match present(path) {
        Present::Other { vendor } if !force => {
            Err(InstallError::Other { path: path.to_owned(), vendor })
        }
        _ => Ok(()),
    }
}

/// Asks what is in the plugin's place what it is, as docker does.
pub fn present(path: &Path) -> Present {
    if !is_taken(path) {
        return Present::Nothing;
    }
    let answer = Docker::new(path, Vec::new()).ask(&[ASKS]);
    let said = answer.ok().filter(|answer| answer.code == 0);
    let said = said.and_then(|answer| serde_json::from_slice::<Metadata>(&answer.output).ok());
    match said {
        Some(metadata) if metadata.vendor == VENDOR => Present::Ours,
        Some(Metadata { vendor, .. }) if !vendor.is_empty() => {
            Present::Other { vendor: Some(vendor) }
        }
        _ => Present::Other { vendor: None },
    }
}

/// What docker makes of the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It is used.
    Used,
    /// Docker has a command of that name itself, which is used.
    Builtin,
    /// Docker finds it, and does not use it.
    Refused {
        /// Docker's words.
        problem: String,
    },
    /// Docker finds another one, or none.
    Elsewhere {
        /// The one that docker finds.
        path: Option<PathBuf>,
    },
}

/// Asks docker which plugin it uses.
pub fn seen(docker: &Docker, path: &Path) -> Result<Seen, DockerError> {
    let answer = docker.ask(&["info", "--format", "{{json .ClientInfo.Plugins}}"])?;
    // Without a daemon it fails, and says this all the same.
    let plugins: Vec<Plugin> = serde_json::from_slice(&answer.output).unwrap_or_default();
    let Some(plugin) = plugins.into_iter().find(|plugin| plugin.name == "trust") else {
        return Ok(Seen::Elsewhere { path: None });
    };
    Ok(match plugin.err {
        Some(problem) if problem.contains("duplicates builtin") => Seen::Builtin,
        _ if Path::new(&plugin.path) != path => Seen::Elsewhere { path: Some(plugin.path.into()) },
        Some(problem) => Seen::Refused { problem },
        None => Seen::Used,
    })
}

/// A plugin as docker lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Plugin {
    name: String,
    #[serde(default)]
    path: String,
    err: Option<String>,
}

/// Everybody may run it.
const PROGRAM_MODE: u32 = 0o755;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make the files they are about")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::actions::docker::uninstall::uninstall;

    fn script(folder: &Path, name: &str, vendor: &str) -> PathBuf {
        let path = folder.join(name);
        let text =
            format!("#!/bin/sh\necho '{{\"SchemaVersion\":\"0.1.0\",\"Vendor\":\"{vendor}\"}}'\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn ours_is_replaced_and_removed_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let program = script(dir.path(), "program", VENDOR);
        let folder = dir.path().join("new/cli-plugins");
        let path = install(&program, &folder, Way::Link, false).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), program);
        install(&program, &folder, Way::Copy, false).unwrap();
        assert!(fs::read_link(&path).is_err());
        assert!(uninstall(&folder, false).unwrap());
        assert!(!uninstall(&folder, false).unwrap());

        script(&folder, PLUGIN, "Docker Inc.");
        let refused = install(&program, &folder, Way::Link, false).unwrap_err();
        assert!(refused.to_string().ends_with("but one of Docker Inc."), "{refused}");
        assert!(matches!(uninstall(&folder, false).unwrap_err(), InstallError::Other { .. }));
        install(&program, &folder, Way::Link, true).unwrap();
        assert_eq!(present(&path), Present::Ours);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nowhere/trust", dir.path().join(PLUGIN)).unwrap();
        assert_eq!(present(&dir.path().join(PLUGIN)), Present::Other { vendor: None });
        assert!(uninstall(dir.path(), false).is_err());
        assert!(uninstall(dir.path(), true).unwrap());
    }
}
