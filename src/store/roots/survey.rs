//! What is in a folder, with everything that an image may have of it.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, OFlags, Stat, lgetxattr, major, minor, statat};
use rustix::io::Errno;

use crate::limits::MAX_ARCHIVE_ENTRIES;
use crate::oci::archive::{ArchiveError, EntryPath, Kind};
use crate::store::roots::{Marks, RootsError, beneath, failed, remove};

/// Something that was found below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: EntryPath,
    /// What it is.
    pub kind: FoundKind,
    /// Permission bits.
    pub mode: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Length of a file, in bytes.
    pub size: u64,
    /// Which file it is, if it may have several names.
    pub inode: Option<u64>,
    /// When it was last touched in any way: seconds and nanoseconds.
    pub touched: (i64, u64),
    /// `security.capability`, if there is one.
    pub capability: Option<Vec<u8>>,
    /// Whether it has attributes that no layer will have.
    pub further: bool,
}

/// What something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundKind {
    /// What images have; hard links are told by their inode.
    Image(Kind),
    /// A folder that hides what is below it.
    OpaqueFolder,
    /// Nothing, where something is below.
    Whiteout,
    /// A socket.
    Socket,
}

/// Looks at everything below a folder, each folder before what is in it; the folder itself comes
/// first, as the empty path. With `marks`, it is a folder as overlayfs leaves it.
pub fn survey(
    folder: BorrowedFd<'_>,
    marks: Option<Marks>,
    take: &mut dyn FnMut(Found) -> Result<(), RootsError>,
) -> Result<(), RootsError> {
    let top = rustix::fs::fstat(folder).map_err(|error| failed("inspect", b"", error))?;
    take(found(EntryPath::default(), &top, FoundKind::Image(Kind::Folder)))?;
    let mut pending = vec![EntryPath::default()];
    let mut count = 0;
    while let Some(path) = pending.pop() {
        let of = |error| failed("read", path.as_bytes(), error);
        let open = beneath::open_folder(folder, path.as_bytes()).map_err(of)?;
        let names = remove::names(rustix::fd::AsFd::as_fd(&open)).map_err(of)?;
        for name in names {
            count += 1;
            if count > MAX_ARCHIVE_ENTRIES {
                return Err(ArchiveError::TooManyEntries.into());
            }
            let child = [path.as_bytes(), b"/", &name].concat();
            let child = EntryPath::parse(&child)?;
            let found = one(rustix::fd::AsFd::as_fd(&open), &name, &child, marks)?;
            if matches!(found.kind, FoundKind::Image(Kind::Folder) | FoundKind::OpaqueFolder) {
                pending.push(found.path.clone());
            }
            take(found)?;
        }
    }
    Ok(())
}

fn one(
    folder: BorrowedFd<'_>,
    name: &[u8],
    path: &EntryPath,
    marks: Option<Marks>,
) -> Result<Found, RootsError> {
    let of = |error| failed("inspect", path.as_bytes(), error);
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(of)?;
    let device = (major(stat.st_rdev), minor(stat.st_rdev));
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FoundKind::Image(Kind::File),
        FileType::Directory => {
            let mark = marks.map(|marks| attribute(folder, name, marks.opaque())).transpose();
            match mark.map_err(of)?.flatten().as_deref() {
                Some(b"y") => FoundKind::OpaqueFolder,
                _ => FoundKind::Image(Kind::Folder),
            }
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(folder, name, Vec::new()).map_err(of)?;
            FoundKind::Image(Kind::Symlink(target.into_bytes().into_boxed_slice()))
        }
        FileType::CharacterDevice if device == (0, 0) && marks.is_some() => FoundKind::Whiteout,
        FileType::CharacterDevice => {
            FoundKind::Image(Kind::CharDevice { major: device.0, minor: device.1 })
        }
        FileType::BlockDevice => {
            FoundKind::Image(Kind::BlockDevice { major: device.0, minor: device.1 })
        }
        FileType::Fifo => FoundKind::Image(Kind::Fifo),
        _ => FoundKind::Socket,
    };
    let mut found = found(path.clone(), &stat, kind);
    if found.kind == FoundKind::Image(Kind::File) {
        found.capability = attribute(folder, name, CAPABILITY).map_err(of)?;
    }
    if matches!(found.kind, FoundKind::Image(Kind::File | Kind::Folder) | FoundKind::OpaqueFolder) {
        found.further = has_further(folder, name).map_err(of)?;
    }
    Ok(found)
}

fn found(path: EntryPath, stat: &Stat, kind: FoundKind) -> Found {
    let is_folder = matches!(kind, FoundKind::Image(Kind::Folder) | FoundKind::OpaqueFolder);
    let is_file = kind == FoundKind::Image(Kind::File);
    Found {
        path,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: if is_file { u64::try_from(stat.st_size).unwrap_or_default() } else { 0 },
        inode: (!is_folder && stat.st_nlink > 1).then_some(stat.st_ino),
        touched: (stat.st_ctime, stat.st_ctime_nsec),
        capability: None,
        further: false,
        kind,
    }
}

/// An attribute of what has this name in a folder, no link followed.
fn attribute(
    folder: BorrowedFd<'_>,
    name: &[u8],
    attribute: &str,
) -> Result<Option<Vec<u8>>, Errno> {
    use std::os::fd::AsRawFd;
    let path = [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat();
    let mut value = vec![0; MAX_ATTRIBUTE];
    match lgetxattr(&path, attribute, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether something has attributes besides those of layers and of overlayfs.
fn has_further(folder: BorrowedFd<'_>, name: &[u8]) -> Result<bool, Errno> {
    use std::os::fd::AsRawFd;
    let path = [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat();
    let mut names = vec![0; MAX_NAMES];
    let length = match rustix::fs::llistxattr(&path, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(Errno::RANGE) => return Ok(true),
        Err(error) => return Err(error),
    };
    let is_known = |name: &[u8]| {
        name == CAPABILITY.as_bytes()
            || name.starts_with(b"trusted.overlay.")
            || name.starts_with(b"user.overlay.")
            || name.starts_with(b"security.selinux")
    };
    let names = names.get(..length).unwrap_or_default().split(|byte| *byte == 0);
    Ok(names.filter(|name| !name.is_empty()).any(|name| !is_known(name)))
}

/// Opens a file that was found, for reading.
pub fn open_file(
    folder: BorrowedFd<'_>,
    path: &EntryPath,
) -> Result<std::os::fd::OwnedFd, RootsError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    beneath::open(folder, path.as_bytes(), flags)
        .map_err(|error| failed("open", path.as_bytes(), error))
}

/// The attribute that gives a program rights.
pub const CAPABILITY: &str = "security.capability";
/// More than either attribute that is read here has.
const MAX_ATTRIBUTE: usize = 64;
/// More than the names of overlayfs' attributes have together.
const MAX_NAMES: usize = 1024;
