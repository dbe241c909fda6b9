//! Opening what is beneath a folder: no symbolic link is followed, and `..` is nowhere.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, openat, openat2, statat};
use rustix::io::Errno;

/// Opens a folder that a person or ourselves named; links are followed.
pub fn folder(path: &std::path::Path) -> Result<OwnedFd, Errno> {
    openat(CWD, path, FOLDER, Mode::empty())
}

/// Opens what is at a path of plain names; the empty path is the folder itself.
pub fn open(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if path.is_empty() {
        return openat(folder, ".", flags, Mode::empty());
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(folder, path, flags, Mode::empty(), resolve) {
        // Linux before 5.6, or a filter that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(folder, path, flags),
        opened => opened,
    }
}

/// Opens a folder at a path of plain names, for reading.
pub fn open_folder(folder: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    open(folder, path, FOLDER)
}

/// What is at a path of plain names; `None` if there is nothing, or the way there is no folder.
pub fn stat(folder: BorrowedFd<'_>, path: &[u8]) -> Result<Option<Stat>, Errno> {
    let found = match path.iter().rposition(|byte| *byte == b'/') {
        None if path.is_empty() => rustix::fs::fstat(folder),
        None => statat(folder, path, AtFlags::SYMLINK_NOFOLLOW),
        Some(_) => open(folder, path, OFlags::PATH).and_then(rustix::fs::fstat),
    };
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn step_by_step(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = path.split(|byte| *byte == b'/').peekable();
    let mut here: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::XDEV);
        }
        let at = here.as_ref().map_or(folder, OwnedFd::as_fd);
        let flags = if names.peek().is_some() { OFlags::PATH | FOLDER } else { flags };
        here = Some(openat(at, name, flags, Mode::empty())?);
    }
    here.ok_or(Errno::NOENT)
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_leads_out() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        std::fs::create_dir_all(inside.join("a/b")).unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        symlink("..", inside.join("up")).unwrap();
        symlink("/etc", inside.join("a/etc")).unwrap();
        let root = folder(&inside).unwrap();
        for path in ["up/secret", "../secret", "a/../../secret", "a/etc/passwd", "/etc/passwd"] {
            let path = path.as_bytes();
            assert!(open(root.as_fd(), path, OFlags::RDONLY).is_err());
            assert!(step_by_step(root.as_fd(), path, OFlags::RDONLY).is_err());
        }
        assert!(open_folder(root.as_fd(), b"a/b").is_ok());
        assert!(step_by_step(root.as_fd(), b"a/b", FOLDER).is_ok());
        assert!(stat(root.as_fd(), b"a/etc/passwd").unwrap().is_none());
        assert!(stat(root.as_fd(), b"a/etc").unwrap().is_some());
    }
}
