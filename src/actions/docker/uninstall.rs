//! Taking the plugin out of docker's folder.

use std::path::Path;

use crate::actions::docker::install::{InstallError, PLUGIN, refuse_others};
use crate::store::files::remove_user_file;

/// Removes the plugin from a folder; what is not this program, only with `force`. Returns whether
/// there was one.
pub fn uninstall(folder: &Path, force: bool) -> Result<bool, InstallError> {
    let path = folder.join(PLUGIN);
    refuse_others(&path, force)?;
    Ok(remove_user_file(&path)?)
}
