//! What lies in a folder, and folders that are full or cannot be written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::peers::image::digest;
use crate::peers::process::{Finished, run};

/// Length and hash of files, by their path inside a folder.
pub(crate) type Files = BTreeMap<PathBuf, String>;

/// Returns every file of a folder, at any depth; a folder that is not there holds none. The empty
/// files that processes lock are left out.
pub(crate) fn files_under(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let is_lock = bytes.is_empty()
                && path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-lock"));
            if !is_lock {
                let content = format!("{} bytes, {}", bytes.len(), digest(&bytes));
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), content);
            }
        }
    }
    files
}

/// Runs a script of shell where mounting is nobody else's business; its mounts end with it.
pub(crate) fn run_with_mounts(script: &str, variables: &[(String, String)]) -> Finished {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", script]);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    run(&command, b"", Duration::from_mins(1))
}
