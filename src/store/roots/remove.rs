//! Taking away folders that anything may be in.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, RenameFlags, renameat_with, statat, unlinkat};
use rustix::io::Errno;
use uuid::Uuid;

use crate::store::roots::{RootsError, beneath, failed};

/// Takes away what has this name in a folder, and all that is in it; nothing there is fine.
///
/// A command can make folders deeper than any path is long. So what is in a folder is brought up to
/// where the folder is, one level at a time, and nothing here recurses.
pub fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), RootsError> {
    let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed("inspect", name, error)),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return unlinkat(parent, name, AtFlags::empty())
            .map_err(|error| failed("remove", name, error));
    }
    let mut folders = vec![name.to_vec()];
    while let Some(folder) = folders.pop() {
        let of = |error| failed("remove", &folder, error);
        if unlinkat(parent, &folder[..], AtFlags::REMOVEDIR).is_ok() {
            continue;
        }
        let open = match beneath::open_folder(parent, &folder) {
            Err(Errno::ACCESS) => {
                let all = Mode::RWXU;
                rustix::fs::chmodat(parent, &folder[..], all, AtFlags::empty()).map_err(of)?;
                beneath::open_folder(parent, &folder)
            }
            opened => opened,
        };
        let open = open.map_err(of)?;
        let names = names(open.as_fd()).map_err(of)?;
        if names
            .iter()
            .any(|name| unlinkat(&open, &name[..], AtFlags::empty()) == Err(Errno::ACCESS))
        {
            rustix::fs::fchmod(&open, Mode::RWXU).map_err(of)?;
        }
        for name in names {
            match unlinkat(&open, &name[..], AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::ISDIR | Errno::PERM) => {
                    let aside = format!(".gone-{}", Uuid::new_v4()).into_bytes();
                    let flags = RenameFlags::NOREPLACE;
                    renameat_with(&open, &name[..], parent, &aside[..], flags).map_err(of)?;
                    folders.push(aside);
                }
                Err(error) => return Err(of(error)),
            }
        }
        unlinkat(parent, &folder[..], AtFlags::REMOVEDIR).map_err(of)?;
    }
    Ok(())
}

/// The names in a folder that is open.
pub fn names(folder: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::fs::{OFlags, mkdirat, openat};

    use super::*;

    #[test]
    fn folders_deeper_than_any_path() {
        let dir = tempfile::tempdir().unwrap();
        let top = beneath::folder(dir.path()).unwrap();
        let mut here: OwnedFd = top.try_clone().unwrap();
        for _ in 0..5000 {
            mkdirat(&here, "folder", Mode::RWXU).unwrap();
            here = openat(&here, "folder", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        drop(here);
        remove(top.as_fd(), b"folder").unwrap();
        remove(top.as_fd(), b"folder").unwrap();
        assert_eq!(names(top.as_fd()).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::create_dir(dir.path().join("kept")).unwrap();
        std::fs::write(dir.path().join("kept/file"), "x").unwrap();
        std::os::unix::fs::symlink("../kept", dir.path().join("a/link")).unwrap();
        std::os::unix::fs::symlink("../../kept", dir.path().join("a/b/link")).unwrap();
        let top = beneath::folder(dir.path()).unwrap();
        remove(top.as_fd(), b"a").unwrap();
        assert_eq!(names(top.as_fd()).unwrap(), [b"kept".to_vec()]);
        assert!(dir.path().join("kept/file").exists());
    }
}
