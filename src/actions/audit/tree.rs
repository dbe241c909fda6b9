//! Walking through a folder, within bounds and through no link.

use std::path::{Path, PathBuf};

use crate::actions::audit::kind::FileKind;
use crate::actions::audit::rules::NotRead;
use crate::actions::audit::search::Found;
use crate::limits::{MAX_AUDIT_ENTRIES, MAX_IMAGE_FILE_BYTES};
use crate::oci::archive::EntryPath;
use crate::store::StoreError;
use crate::store::folders::{FoundKind, UserFolder};

/// Looks through a folder and all that is below it, in the order of names. Symbolic links are not
/// followed: what they lead to is found where it is. What cannot be read is a finding.
pub(super) fn walk(top: &Path, excluded: &[String], found: &mut Found) {
    let folder = match UserFolder::open(top) {
        Ok(folder) => folder,
        Err(error) => return found.not_read(top.to_owned(), error.into()),
    };
    let mut content = Vec::new();
    let mut entries = 0_usize;
    let mut pending = vec![EntryPath::default()];
    while let Some(path) = pending.pop() {
        let listing = match folder.list(&path) {
            Ok(listing) => listing,
            // Gone since its folder was listed.
            Err(StoreError::Changed { .. }) => continue,
            Err(error) => {
                found.not_read(shown(&folder, &path), error.into());
                continue;
            }
        };
        let mut folders = Vec::new();
        for (name, is_folder) in &listing.names {
            if is_left_out(name, excluded) {
                continue;
            }
            entries = entries.saturating_add(1);
            if entries > MAX_AUDIT_ENTRIES {
                let limit = MAX_AUDIT_ENTRIES;
                return found.not_read(shown(&folder, &path), NotRead::TooMany { limit });
            }
            let below = path.child(name);
            if *is_folder == Some(true) {
                folders.push(below);
                continue;
            }
            let there = match listing.inspect(name) {
                Ok(there) => there,
                Err(StoreError::Changed { .. }) => continue,
                Err(error) => {
                    found.not_read(shown(&folder, &below), error.into());
                    continue;
                }
            };
            match there.kind {
                FoundKind::Folder => folders.push(below),
                FoundKind::File => {
                    let size = there.identity.size;
                    if size > MAX_IMAGE_FILE_BYTES {
                        too_large(&folder, &below, size, found);
                        continue;
                    }
                    let read = folder
                        .open_file(&below, &there.identity)
                        .and_then(|file| file.read_whole(&mut content));
                    match read {
                        Ok(()) => {
                            let kind = FileKind::of(below.as_bytes());
                            found.take(&shown(&folder, &below), name, kind, &content);
                        }
                        // Somebody is working on it, or it is gone.
                        Err(StoreError::Changed { .. }) => {}
                        Err(error) => found.not_read(shown(&folder, &below), error.into()),
                    }
                }
                _ => {}
            }
        }
        pending.extend(folders.into_iter().rev());
    }
}

/// A file that is too large is told of only if it could be one of those that are looked for.
fn too_large(folder: &UserFolder, path: &EntryPath, size: u64, found: &mut Found) {
    if FileKind::of(path.as_bytes()).acts() {
        let limit = MAX_IMAGE_FILE_BYTES;
        found.not_read(shown(folder, path), NotRead::TooLarge { size, limit });
    }
}

/// The path as a person would type it.
fn shown(folder: &UserFolder, path: &EntryPath) -> PathBuf {
    let place = folder.place(path);
    match place.strip_prefix(".") {
        Ok(inner) if !inner.as_os_str().is_empty() => inner.to_owned(),
        _ => place,
    }
}

fn is_left_out(name: &[u8], excluded: &[String]) -> bool {
    LEFT_OUT.iter().any(|out| name == out.as_bytes())
        || excluded.iter().any(|out| name == out.as_bytes())
}

/// Folders of other programs, with what is not the person's own in them.
const LEFT_OUT: &[&str] =
    &[".git", ".hg", ".svn", ".jj", "node_modules", ".terraform", ".venv", "__pycache__", ".tox"];

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes folders to be looked through")]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::actions::audit::rules::{Finding, Place, What};

    const LINE: &str = "export DOCKER_CONTENT_TRUST=1\n";

    fn walked(top: &Path, excluded: &[String]) -> Vec<(String, bool)> {
        let mut found = Found::default();
        walk(top, excluded, &mut found);
        let show = |finding: &Finding| {
            let Place::File { path, .. } = &finding.place else { panic!("{finding:?}") };
            let path = path.strip_prefix(top).unwrap_or(path).to_string_lossy().into_owned();
            (path, matches!(finding.what, What::NotRead(_)))
        };
        found.findings.iter().map(show).collect()
    }

    #[test]
    fn folders_are_walked_through_in_order_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        for folder in ["b/c", ".git", "node_modules/x", "out"] {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        for file in ["z.sh", "b/a.sh", "b/c/x.sh", ".git/x.sh", "node_modules/x/x.sh", "out/x.sh"] {
            fs::write(top.join(file), LINE).unwrap();
        }
        symlink("..", top.join("b/loop")).unwrap();
        symlink("z.sh", top.join("link.sh")).unwrap();
        symlink("/nowhere", top.join("dead.sh")).unwrap();
        let odd = OsStr::from_bytes(b"\xff\xfe.sh");
        fs::write(top.join(odd), LINE).unwrap();
        let names: Vec<String> =
            walked(top, &["out".to_owned()]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["z.sh", "\u{fffd}\u{fffd}.sh", "b/a.sh", "b/c/x.sh"]);
    }

    #[test]
    fn what_is_too_large_is_told_of_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let large = fs::File::create(dir.path().join("a.sh")).unwrap();
        large.set_len(MAX_IMAGE_FILE_BYTES + 1).unwrap();
        let data = fs::File::create(dir.path().join("a.bin")).unwrap();
        data.set_len(MAX_IMAGE_FILE_BYTES + 1).unwrap();
        fs::write(dir.path().join("b.sh"), LINE).unwrap();
        let expected = [("a.sh".to_owned(), true), ("b.sh".to_owned(), false)];
        assert_eq!(walked(dir.path(), &[]), expected);
    }

    #[test]
    fn nobody_waits_for_a_pipe() {
        let dir = tempfile::tempdir().unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("a.sh"), pipe, mode, 0).unwrap();
        fs::write(dir.path().join("b.sh"), LINE).unwrap();
        assert_eq!(walked(dir.path(), &[]), [("b.sh".to_owned(), false)]);
    }

    #[test]
    fn what_may_not_be_read_is_told_of() {
        if rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.sh"), LINE).unwrap();
        fs::set_permissions(dir.path().join("a.sh"), fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(walked(dir.path(), &[]), [("a.sh".to_owned(), true)]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_of() {
        assert_eq!(walked(Path::new("/nowhere/at/all"), &[]).len(), 1);
    }

    #[test]
    fn deep_folders_end_nobodys_stack() {
        let dir = tempfile::tempdir().unwrap();
        let mut path = dir.path().to_owned();
        for _ in 0..900 {
            path.push("d");
        }
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("x.sh"), LINE).unwrap();
        assert_eq!(walked(dir.path(), &[]).len(), 1);
    }
}
