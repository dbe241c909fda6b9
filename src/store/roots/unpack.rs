//! One layer after the other, entry by entry, into a folder.
//!
//! Where an entry goes is decided as [`crate::oci::archive::Tree`] decides it: links on the way are
//! followed inside the image, and what a whiteout hides is what older layers have.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags,
    chmodat, chownat, fsetxattr, linkat, lsetxattr, makedev, mkdirat, mknodat, openat, readlinkat,
    statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::limits::MAX_LINKS_FOLLOWED;
use crate::oci::archive::{ArchiveError, Entry, EntryPath, Kind, Time};
use crate::store::roots::{Marks, RootsError, beneath, failed, remove, shown};

/// What a folder is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One layer, for overlayfs to put on those below it.
    Layer(Marks),
    /// All layers in one, so that nothing has to be mounted.
    Flat,
    /// An archive of plain files: no name hides anything.
    Plain,
}

/// Writes the entries of layers into a folder.
#[derive(Debug)]
pub struct Unpacker {
    folder: OwnedFd,
    /// The layers below, the nearest one first.
    below: Vec<OwnedFd>,
    style: Style,
    /// Folders that are only there because something is in them.
    implied: HashSet<Vec<u8>>,
    /// What this layer has put, in a flat folder.
    placed: HashSet<Vec<u8>>,
    /// Folders, and when they were last changed: what is put into them changes that.
    times: BTreeMap<Vec<u8>, Time>,
    /// The folder of the entry before, as written, and where that is.
    last_folder: Option<(Vec<u8>, Vec<u8>, OwnedFd)>,
    /// Devices that could not be made.
    skipped: HashSet<Vec<u8>>,
}

/// What there is at a path.
enum There {
    /// In this folder.
    Here(Stat),
    /// In the layer of this number below.
    Below(usize, Stat),
    Nothing,
}

impl Unpacker {
    /// Begins with a folder that is empty, on top of these, the nearest one first.
    pub fn new(folder: OwnedFd, below: Vec<OwnedFd>, style: Style) -> Result<Self, RootsError> {
        let mut unpacker = Self {
            folder,
            below,
            style,
            implied: HashSet::new(),
            placed: HashSet::new(),
            times: BTreeMap::new(),
            last_folder: None,
            skipped: HashSet::new(),
        };
        let (top, time) = match unpacker.below.first() {
            Some(below) => {
                let stat = rustix::fs::fstat(below);
                let stat = stat.map_err(|error| failed("inspect", b"", error))?;
                (attributes_of(&stat), time_of(&stat))
            }
            None => (UNSTATED, Time::default()),
        };
        // Files that are not a layer say themselves what their top is, or leave it as it was made.
        if style != Style::Plain {
            unpacker.times.insert(Vec::new(), time);
            unpacker.restate_top(&top)?;
        }
        Ok(unpacker)
    }

    /// Begins the next layer, in a flat folder.
    pub fn begin_layer(&mut self) {
        self.placed.clear();
        self.implied.clear();
        self.last_folder = None;
    }

    /// Takes the next entry of the layer.
    pub fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), RootsError> {
        let Some((above, last)) = entry.path.split() else {
            if entry.kind != Kind::Folder {
                return Err(ArchiveError::NotAFolder { path: "/".to_owned() }.into());
            }
            self.times.insert(Vec::new(), entry.mtime);
            return self.restate_top(&Attributes::of(entry)?);
        };
        let (above, last) = (above.to_vec(), last.to_vec());
        if self.style == Style::Plain {
            return self.place(&above, &last, entry, content);
        }
        let aufs = entry.path.names().any(|name| name.starts_with(AUFS));
        if aufs && last != OPAQUE && !above.starts_with(AUFS_LINKS) {
            return Ok(());
        }
        let wrong = |problem| {
            RootsError::Archive(ArchiveError::Name { path: entry.path.to_string(), problem })
        };
        if last == OPAQUE {
            return self.hide_all(&above);
        }
        match last.strip_prefix(WHITEOUT) {
            _ if aufs => {}
            Some(b"" | b"." | b"..") => return Err(wrong("it hides nothing that can be there")),
            Some(hidden) => return self.hide(&above, hidden),
            None if entry.path.names().any(|name| name.starts_with(WHITEOUT)) => {
                return Err(wrong("it is below something that is hidden"));
            }
            None => {}
        }
        self.place(&above, &last, entry, content)
    }

    /// Ends the last layer. The folder is whole then.
    pub fn finish(self) -> Result<(), RootsError> {
        if self.style != Style::Plain {
            remove::remove(self.folder.as_fd(), AUFS_LINKS)?;
        }
        for (path, time) in self.times.iter().rev() {
            let Some(folder) = self.own(path)? else { continue };
            set_time(&folder, b".", *time).map_err(|error| failed("date", path, error))?;
        }
        Ok(())
    }

    fn place(
        &mut self,
        above: &[u8],
        name: &[u8],
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), RootsError> {
        let source = match &entry.kind {
            Kind::Hardlink(target) => match self.link_source(entry, target)? {
                Some(source) => Some(source),
                None => return Ok(()),
            },
            _ => None,
        };
        let (folder, real) = self.folder(above, entry)?;
        let path = joined(&real, name);
        let of = |action, error| failed(action, &path, error);
        let there = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let there = match there {
            Ok(stat) => Some(stat),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(of("inspect", error)),
        };
        let is_folder = there.as_ref().is_some_and(is_folder);
        if self.style == Style::Flat {
            self.placed.insert(path.clone());
        }
        if entry.kind == Kind::Folder {
            if !is_folder {
                let hides = there.as_ref().is_some_and(|stat| self.is_whiteout(stat));
                if there.is_some() {
                    remove::remove(folder.as_fd(), name)?;
                    self.last_folder = None;
                }
                mkdirat(&folder, name, Mode::RWXU).map_err(|error| of("create", error))?;
                if hides {
                    self.mark_opaque(&folder, name, &path)?;
                }
            }
            self.implied.remove(&path);
            let attributes = Attributes::of(entry)?;
            attributes.apply(&folder, name, &path)?;
            self.times.insert(path, entry.mtime);
            return Ok(());
        }
        if there.is_some() {
            remove::remove(folder.as_fd(), name)?;
            self.last_folder = self.last_folder.take().filter(|_| !is_folder);
        }
        let attributes = Attributes::of(entry)?;
        let device =
            |kind, major, minor| mknodat(&folder, name, kind, Mode::RUSR, makedev(major, minor));
        let made = match &entry.kind {
            Kind::Folder => Ok(()),
            Kind::File => {
                return write_file(&folder, name, &path, entry, &attributes, content);
            }
            Kind::Symlink(target) => symlinkat(&target[..], &folder, name),
            Kind::Hardlink(_) => {
                let Some((folder_of, name_of)) = source else { return Ok(()) };
                return linkat(&folder_of, &name_of[..], &folder, name, AtFlags::empty())
                    .map_err(|error| of("link", error));
            }
            // This is how overlayfs says that nothing is there.
            Kind::CharDevice { major: 0, minor: 0 } => Err(Errno::PERM),
            Kind::CharDevice { major, minor } => device(FileType::CharacterDevice, *major, *minor),
            Kind::BlockDevice { major, minor } => device(FileType::BlockDevice, *major, *minor),
            Kind::Fifo => device(FileType::Fifo, 0, 0),
        };
        match made {
            Ok(()) => {}
            // A user namespace may not make devices; commands have a `/dev` of their own.
            Err(Errno::PERM)
                if matches!(entry.kind, Kind::CharDevice { .. } | Kind::BlockDevice { .. }) =>
            {
                self.skipped.insert(path);
                return Ok(());
            }
            Err(error) => return Err(of("create", error)),
        }
        attributes.apply(&folder, name, &path)?;
        set_time(&folder, name, entry.mtime).map_err(|error| of("date", error))
    }

    /// The folder that a path as written is in, made if only layers below have it, and where it is.
    fn folder(&mut self, above: &[u8], entry: &Entry) -> Result<(OwnedFd, Vec<u8>), RootsError> {
        if let Some((written, real, folder)) = &self.last_folder
            && written == above
        {
            let folder = folder.try_clone().map_err(|cause| RootsError::Io {
                action: "open",
                path: shown(real),
                cause,
            })?;
            return Ok((folder, real.clone()));
        }
        let real = self.resolve(above, &entry.path, Missing::Made)?.unwrap_or_default();
        let folder = self.own(&real)?;
        let folder = folder.ok_or_else(|| failed("open", &real, Errno::NOENT))?;
        let kept = folder.try_clone().map_err(|cause| RootsError::Io {
            action: "open",
            path: shown(&real),
            cause,
        })?;
        self.last_folder = Some((above.to_vec(), real.clone(), kept));
        Ok((folder, real))
    }

    /// Where a folder really is: links on the way are followed inside the image. With
    /// [`Missing::Made`] it is in this folder afterwards.
    fn resolve(
        &mut self,
        above: &[u8],
        path: &EntryPath,
        missing: Missing,
    ) -> Result<Option<Vec<u8>>, RootsError> {
        let mut real: Vec<u8> = Vec::new();
        let mut pending: Vec<Vec<u8>> = parts(above);
        let mut followed = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                let cut = real.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                real.truncate(cut);
                continue;
            }
            let next = joined(&real, &name);
            let there = self.look(&next)?;
            let (stat, target) = match (&there, missing) {
                (There::Nothing, Missing::Nothing) => return Ok(None),
                (There::Nothing, Missing::Made) => {
                    if name.starts_with(WHITEOUT) && !name.starts_with(AUFS) {
                        let problem = "a link on its way leads to a name that cannot be";
                        let path = path.to_string();
                        return Err(ArchiveError::Name { path, problem }.into());
                    }
                    self.make_folder(&next, None)?;
                    real = next;
                    continue;
                }
                (There::Here(stat), _) => (stat, self.target(None, &next, stat)?),
                (There::Below(layer, stat), _) => (stat, self.target(Some(*layer), &next, stat)?),
            };
            if let Some(target) = target {
                followed += 1;
                if followed > MAX_LINKS_FOLLOWED {
                    return Err(ArchiveError::LinkLoop { path: path.to_string() }.into());
                }
                if target.starts_with(b"/") {
                    real.clear();
                }
                pending.extend(parts(&target));
                continue;
            }
            if !is_folder(stat) {
                return match missing {
                    Missing::Nothing => Ok(None),
                    Missing::Made => {
                        Err(ArchiveError::NotAFolder { path: path.to_string() }.into())
                    }
                };
            }
            if missing == Missing::Made
                && let There::Below(_, stat) = &there
            {
                self.make_folder(&next, Some(stat))?;
            }
            real = next;
        }
        Ok(Some(real))
    }

    fn target(
        &self,
        layer: Option<usize>,
        path: &[u8],
        stat: &Stat,
    ) -> Result<Option<Vec<u8>>, RootsError> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return Ok(None);
        }
        let folder = match layer {
            None => self.folder.as_fd(),
            Some(layer) => match self.below.get(layer) {
                Some(below) => below.as_fd(),
                None => return Ok(None),
            },
        };
        let link = beneath::open(folder, path, OFlags::PATH);
        let target = link.and_then(|link| readlinkat(&link, "", Vec::new()));
        let target = target.map_err(|error| failed("read", path, error))?;
        Ok(Some(target.into_bytes()))
    }

    /// What is at a real path.
    fn look(&self, path: &[u8]) -> Result<There, RootsError> {
        let of = |error| failed("inspect", path, error);
        let layers = std::iter::once((None, self.folder.as_fd()))
            .chain(self.below.iter().enumerate().map(|(at, fd)| (Some(at), fd.as_fd())));
        for (number, layer) in layers {
            if let Some(stat) = beneath::stat(layer, path).map_err(of)? {
                if self.is_whiteout(&stat) {
                    return Ok(There::Nothing);
                }
                return Ok(match number {
                    None => There::Here(stat),
                    Some(number) => There::Below(number, stat),
                });
            }
            if self.hides(layer, path)? {
                break;
            }
        }
        Ok(There::Nothing)
    }

    /// Whether a layer that does not have a path hides it in those below.
    fn hides(&self, layer: std::os::fd::BorrowedFd<'_>, path: &[u8]) -> Result<bool, RootsError> {
        let Style::Layer(marks) = self.style else { return Ok(false) };
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends {
            let above = path.get(..end).unwrap_or_default();
            let of = |error| failed("inspect", above, error);
            let Some(stat) = beneath::stat(layer, above).map_err(of)? else { return Ok(false) };
            if !is_folder(&stat) {
                return Ok(true);
            }
            let folder = beneath::open_folder(layer, above).map_err(of)?;
            let mut value = [0; 4];
            let mark = rustix::fs::fgetxattr(&folder, marks.opaque(), &mut value[..]);
            if mark == Ok(1) && value.first() == Some(&b'y') {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes a folder that an entry is in. The folder above it is there.
    fn make_folder(&mut self, path: &[u8], below: Option<&Stat>) -> Result<(), RootsError> {
        let of = |error| failed("create", path, error);
        let (above, name) = split(path);
        let folder = self.own(above)?.ok_or_else(|| of(Errno::NOENT))?;
        let mut hides = false;
        if let Ok(stat) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            hides = self.is_whiteout(&stat);
            unlinkat(&folder, name, AtFlags::empty()).map_err(of)?;
        }
        mkdirat(&folder, name, Mode::RWXU).map_err(of)?;
        if hides {
            self.mark_opaque(&folder, name, path)?;
        }
        let attributes = below.map_or(UNSTATED, attributes_of);
        attributes.apply(&folder, name, path)?;
        self.times.insert(path.to_vec(), below.map_or_else(Time::default, time_of));
        self.implied.insert(path.to_vec());
        Ok(())
    }

    /// Opens a folder of ours at a real path, if it is one.
    fn own(&self, path: &[u8]) -> Result<Option<OwnedFd>, RootsError> {
        match beneath::open_folder(self.folder.as_fd(), path) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(failed("open", path, error)),
        }
    }

    /// The file that a hard link is another name of; it is copied up if only a layer below has it.
    /// `None` for a device that could not be made.
    fn link_source(
        &mut self,
        entry: &Entry,
        target: &EntryPath,
    ) -> Result<Option<(OwnedFd, Vec<u8>)>, RootsError> {
        let wrong = || {
            let (path, target) = (entry.path.to_string(), target.to_string());
            RootsError::Archive(ArchiveError::LinkTarget { path, target })
        };
        let (above, name) = target.split().ok_or_else(wrong)?;
        let real = self.resolve(above, target, Missing::Nothing)?.ok_or_else(wrong)?;
        let path = joined(&real, name);
        if self.skipped.contains(&path) {
            return Ok(None);
        }
        match self.look(&path)? {
            There::Nothing => Err(wrong()),
            There::Here(stat) | There::Below(_, stat) if is_folder(&stat) => Err(wrong()),
            There::Here(_) => {
                let folder = self.own(&real)?.ok_or_else(wrong)?;
                Ok(Some((folder, name.to_vec())))
            }
            There::Below(layer, stat) => {
                let above = self.resolve(above, target, Missing::Made)?.ok_or_else(wrong)?;
                self.copy_up(layer, &path, &stat)?;
                let folder = self.own(&above)?.ok_or_else(wrong)?;
                Ok(Some((folder, name.to_vec())))
            }
        }
    }

    /// Makes a copy of what a layer below has at a real path, whose folder is there.
    fn copy_up(&mut self, layer: usize, path: &[u8], stat: &Stat) -> Result<(), RootsError> {
        let of = |error| failed("copy", path, error);
        let entry = |kind, size| -> Result<Entry, RootsError> {
            Ok(Entry {
                path: EntryPath::parse(path)?,
                kind,
                mode: stat.st_mode & 0o7777,
                uid: stat.st_uid.into(),
                gid: stat.st_gid.into(),
                mtime: time_of(stat),
                size,
                xattrs: BTreeMap::new(),
            })
        };
        let (above, name) = split(path);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let Some(below) = self.below.get(layer) else { return Ok(()) };
                let flags = OFlags::RDONLY | OFlags::NONBLOCK;
                let file = beneath::open(below.as_fd(), path, flags).map_err(of)?;
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                let mut entry = entry(Kind::File, size)?;
                let mut value = [0; 64];
                if let Ok(length) = rustix::fs::fgetxattr(&file, CAPABILITY, &mut value[..]) {
                    let value = value.get(..length).unwrap_or_default().to_vec();
                    entry.xattrs.insert(CAPABILITY.as_bytes().to_vec(), value);
                }
                let mut file = std::fs::File::from(file);
                self.place(above, name, &entry, &mut file)
            }
            FileType::Symlink => {
                let target = self.target(Some(layer), path, stat)?.unwrap_or_default();
                let entry = entry(Kind::Symlink(target.into_boxed_slice()), 0)?;
                self.place(above, name, &entry, &mut std::io::empty())
            }
            FileType::Fifo => {
                let entry = entry(Kind::Fifo, 0)?;
                self.place(above, name, &entry, &mut std::io::empty())
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                let (major, minor) =
                    (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
                let kind = match FileType::from_raw_mode(stat.st_mode) {
                    FileType::BlockDevice => Kind::BlockDevice { major, minor },
                    _ => Kind::CharDevice { major, minor },
                };
                let entry = entry(kind, 0)?;
                self.place(above, name, &entry, &mut std::io::empty())
            }
            _ => Err(of(Errno::INVAL)),
        }
    }

    fn hide(&mut self, above: &[u8], name: &[u8]) -> Result<(), RootsError> {
        let written = EntryPath::parse(&joined(above, name))?;
        let Some(real) = self.resolve(above, &written, Missing::Nothing)? else { return Ok(()) };
        let path = joined(&real, name);
        let of = |error| failed("hide", &path, error);
        if self.style == Style::Flat {
            self.last_folder = None;
            return self.hide_older(&path);
        }
        match self.look(&path)? {
            There::Nothing => Ok(()),
            There::Here(stat) => {
                if is_folder(&stat) {
                    let (above, name) = split(&path);
                    let folder = self.own(above)?.ok_or_else(|| of(Errno::NOENT))?;
                    self.mark_opaque(&folder, name, &path)?;
                    if self.implied.contains(&path) {
                        UNSTATED.apply(&folder, name, &path)?;
                    }
                }
                Ok(())
            }
            There::Below(..) => {
                let real = self.resolve(above, &written, Missing::Made)?.unwrap_or_default();
                let folder = self.own(&real)?.ok_or_else(|| of(Errno::NOENT))?;
                mknodat(&folder, name, FileType::CharacterDevice, Mode::empty(), 0).map_err(of)
            }
        }
    }

    fn hide_all(&mut self, above: &[u8]) -> Result<(), RootsError> {
        let written =
            if above.is_empty() { EntryPath::default() } else { EntryPath::parse(above)? };
        let of = |error| failed("hide", above, error);
        let parts = joined(above, b"x");
        let written = if written.is_top() { EntryPath::parse(&parts)? } else { written };
        let Some(real) = self.resolve(above, &written, Missing::Nothing)? else { return Ok(()) };
        if self.style == Style::Flat {
            self.last_folder = None;
            let folder = self.own(&real)?.ok_or_else(|| of(Errno::NOENT))?;
            for name in remove::names(folder.as_fd()).map_err(of)? {
                self.hide_older(&joined(&real, &name))?;
            }
            return Ok(());
        }
        let real = self.resolve(above, &written, Missing::Made)?.unwrap_or_default();
        if real.is_empty() {
            return self.mark_opaque(&self.folder, b".", &real);
        }
        let (above, name) = split(&real);
        let folder = self.own(above)?.ok_or_else(|| of(Errno::NOENT))?;
        self.mark_opaque(&folder, name, &real)
    }

    /// Takes away what older layers put at a path of a flat folder, and leaves what this one did.
    fn hide_older(&self, path: &[u8]) -> Result<(), RootsError> {
        let mut pending = vec![path.to_vec()];
        let mut prefix = path.to_vec();
        prefix.push(b'/');
        let is_ours = |path: &[u8]| {
            let below = [path, b"/"].concat();
            self.placed.iter().any(|placed| placed == path || placed.starts_with(&below))
        };
        while let Some(path) = pending.pop() {
            let (above, name) = split(&path);
            let Some(folder) = self.own(above)? else { continue };
            if !is_ours(&path) {
                remove::remove(folder.as_fd(), name)?;
            } else if let Some(folder) = self.own(&path)? {
                let names = remove::names(folder.as_fd());
                let names = names.map_err(|error| failed("read", &path, error))?;
                pending.extend(names.iter().map(|name| joined(&path, name)));
            }
        }
        Ok(())
    }

    fn mark_opaque(&self, folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<(), RootsError> {
        let Style::Layer(marks) = self.style else { return Ok(()) };
        let folder = beneath::open_folder(folder.as_fd(), if name == b"." { b"" } else { name });
        let marked =
            folder.and_then(|folder| fsetxattr(&folder, marks.opaque(), b"y", XattrFlags::empty()));
        marked.map_err(|error| failed("mark", path, error))
    }

    fn is_whiteout(&self, stat: &Stat) -> bool {
        matches!(self.style, Style::Layer(_))
            && FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && stat.st_rdev == 0
    }

    fn restate_top(&self, attributes: &Attributes<'_>) -> Result<(), RootsError> {
        attributes.apply(&self.folder, b".", b"")
    }
}

/// Makes a file.
fn write_file(
    folder: &OwnedFd,
    name: &[u8],
    path: &[u8],
    entry: &Entry,
    attributes: &Attributes<'_>,
    content: &mut dyn Read,
) -> Result<(), RootsError> {
    let of = |action, error| failed(action, path, error);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::RUSR | Mode::WUSR);
    let mut file = std::fs::File::from(file.map_err(|error| of("create", error))?);
    let mut left = entry.size;
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
    let mut buffer = vec![0; most];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let piece = buffer.get_mut(..most).unwrap_or_default();
        let count = match content.read(piece) {
            Ok(0) => return Err(ArchiveError::Truncated.into()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ArchiveError::from(error).into()),
        };
        let piece = piece.get(..count).unwrap_or_default();
        file.write_all(piece).map_err(|cause| RootsError::Io {
            action: "write",
            path: shown(path),
            cause,
        })?;
        left -= count as u64;
    }
    attributes.apply_to_file(&file, path)?;
    let time = times(entry.mtime);
    rustix::fs::futimens(&file, &time).map_err(|error| of("date", error))
}

/// What a file has besides its content.
struct Attributes<'a> {
    mode: u32,
    uid: u32,
    gid: u32,
    xattrs: Option<&'a BTreeMap<Vec<u8>, Vec<u8>>>,
    is_link: bool,
}

impl<'a> Attributes<'a> {
    fn of(entry: &'a Entry) -> Result<Self, RootsError> {
        let id = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        let (Some(uid), Some(gid)) = (id(entry.uid), id(entry.gid)) else {
            let path = entry.path.to_string();
            return Err(RootsError::Owner { path, uid: entry.uid, gid: entry.gid });
        };
        let is_link = matches!(entry.kind, Kind::Symlink(_));
        Ok(Self { mode: entry.mode & 0o7777, uid, gid, xattrs: Some(&entry.xattrs), is_link })
    }

    fn owner_error(&self, path: &[u8], error: Errno) -> RootsError {
        match error {
            Errno::INVAL | Errno::PERM | Errno::OVERFLOW => {
                RootsError::Owner { path: shown(path), uid: self.uid.into(), gid: self.gid.into() }
            }
            error => failed("give away", path, error),
        }
    }

    /// For everything but files: the folder it is in is open.
    fn apply(&self, folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<(), RootsError> {
        let (uid, gid) = (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)));
        chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.owner_error(path, error))?;
        if self.is_link {
            return Ok(());
        }
        self.xattrs_at(folder, name);
        chmodat(folder, name, Mode::from_raw_mode(self.mode), AtFlags::empty())
            .map_err(|error| failed("change", path, error))
    }

    fn apply_to_file(&self, file: &std::fs::File, path: &[u8]) -> Result<(), RootsError> {
        let (uid, gid) = (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)));
        rustix::fs::fchown(file, uid, gid).map_err(|error| self.owner_error(path, error))?;
        for (name, value) in self.wanted_xattrs() {
            let set = fsetxattr(file, name, value, XattrFlags::empty());
            // Not every file system has them; only rights of programs are part of an image.
            if let Err(error) = set
                && name == CAPABILITY.as_bytes()
            {
                return Err(failed("mark", path, error));
            }
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode))
            .map_err(|error| failed("change", path, error))
    }

    fn xattrs_at(&self, folder: &OwnedFd, name: &[u8]) {
        use std::os::fd::AsRawFd;
        for (key, value) in self.wanted_xattrs() {
            let path = format!("/proc/self/fd/{}/", folder.as_raw_fd());
            let path = [path.as_bytes(), name].concat();
            let set = lsetxattr(&path, key, value, XattrFlags::empty());
            // As above: what a file system cannot hold is left out.
            drop(set.map_err(std::io::Error::from));
        }
    }

    /// What a command can see of a file's attributes without being more than root of the image.
    fn wanted_xattrs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let wanted = |name: &[u8]| {
            name == CAPABILITY.as_bytes()
                || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
        };
        let all = self.xattrs.into_iter().flatten();
        all.filter(move |(name, _)| wanted(name)).map(|(name, value)| (&name[..], &value[..]))
    }
}

const UNSTATED: Attributes<'static> =
    Attributes { mode: 0o755, uid: 0, gid: 0, xattrs: None, is_link: false };

fn attributes_of(stat: &Stat) -> Attributes<'static> {
    let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
    Attributes { mode, uid, gid, xattrs: None, is_link: false }
}

fn time_of(stat: &Stat) -> Time {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    Time { seconds: stat.st_mtime, nanoseconds }
}

fn times(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: time }
}

pub(super) fn set_time(folder: &OwnedFd, name: &[u8], time: Time) -> Result<(), Errno> {
    utimensat(folder, name, &times(time), AtFlags::SYMLINK_NOFOLLOW)
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(cut) => (path.get(..cut).unwrap_or_default(), path.get(cut + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

/// What becomes of folders on the way that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Made,
    Nothing,
}

/// The names of a path or of a link's target, last one first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.rev().map(<[u8]>::to_vec).collect()
}

/// How much of a file is written at once, in bytes.
const PIECE: usize = 64 << 10;
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What AUFS keeps for itself begins so.
const AUFS: &[u8] = b".wh..wh.";
const AUFS_LINKS: &[u8] = b".wh..wh.plnk";
const CAPABILITY: &str = crate::store::roots::survey::CAPABILITY;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).unwrap()
    }

    /// `d/` is a folder, `l>t` a symbolic link, all else a file of its own name.
    fn put(unpacker: &mut Unpacker, text: &str) -> Result<(), RootsError> {
        if let Some(folder) = text.strip_suffix('/') {
            let entry = Entry::new(path(folder), Kind::Folder);
            return unpacker.entry(&entry, &mut std::io::empty());
        }
        if let Some((link, target)) = text.split_once('>') {
            let entry = Entry::new(path(link), Kind::Symlink(target.as_bytes().into()));
            return unpacker.entry(&entry, &mut std::io::empty());
        }
        let entry = Entry::file(path(text), text.len() as u64);
        unpacker.entry(&entry, &mut text.as_bytes())
    }

    /// One folder of these layers; nobody but root of the machine can make more of them here.
    fn flat(layers: &[&[&str]]) -> Result<tempfile::TempDir, RootsError> {
        let dir = tempfile::tempdir().unwrap();
        let folder = beneath::folder(dir.path()).unwrap();
        let mut unpacker = Unpacker::new(folder, Vec::new(), Style::Flat)?;
        for layer in layers {
            unpacker.begin_layer();
            for text in *layer {
                put(&mut unpacker, text)?;
            }
        }
        unpacker.finish()?;
        Ok(dir)
    }

    /// The files below a folder, no link followed.
    fn files(dir: &std::path::Path) -> Vec<String> {
        let top = beneath::folder(dir).unwrap();
        let mut found = Vec::new();
        crate::store::roots::survey::survey(top.as_fd(), None, &mut |one| {
            if one.kind == crate::store::roots::FoundKind::Image(Kind::File) {
                found.push(one.path.to_string());
            }
            Ok(())
        })
        .unwrap();
        found.sort();
        found
    }

    #[test]
    fn layers_come_to_what_they_come_to_elsewhere() {
        let base: &[&str] = &["a/", "a/x", "a/y", "b", "c/", "c/d/", "c/d/z", "s>c/d"];
        for (layer, expected) in [
            (&["a/.wh.x"][..], &["a/y", "b", "c/d/z"][..]),
            (&[".wh.a", ".wh.c"], &["b"]),
            (&["a/n", "a/.wh..wh..opq"], &["a/n", "b", "c/d/z"]),
            (&["s/n", "s/.wh.z"], &["a/x", "a/y", "b", "c/d/n"]),
            (&["c/d/n", ".wh.c", "b/", "b/n"], &["a/x", "a/y", "b/n", "c/d/n"]),
            (&["a"], &["a", "b", "c/d/z"]),
        ] {
            let dir = flat(&[base, layer]).unwrap();
            assert_eq!(files(dir.path()), expected, "{layer:?}");
        }
    }

    #[test]
    fn nothing_is_written_outside() {
        let outside = tempfile::tempdir().unwrap();
        let link = format!("out>{}", outside.path().display());
        let climbing = format!("up>../../../../../../..{}", outside.path().display());
        let dir =
            flat(&[&[&link, &climbing], &["out/one", "up/two", "out/.wh.x", "up/.wh..wh..opq"]]);
        dir.unwrap();
        assert_eq!(files(outside.path()), Vec::<String>::new());
    }

    #[test]
    fn layers_that_cannot_be() {
        let refused = |layer: &[&str]| flat(&[layer]).unwrap_err();
        let archive = |error: RootsError| match error {
            RootsError::Archive(error) => error,
            other => panic!("{other}"),
        };
        assert!(matches!(archive(refused(&["a>b", "b>a", "a/x"])), ArchiveError::LinkLoop { .. }));
        assert!(matches!(archive(refused(&["a", "a/x"])), ArchiveError::NotAFolder { .. }));
        assert!(matches!(archive(refused(&["s>.wh.x", "s/y"])), ArchiveError::Name { .. }));
        assert!(matches!(archive(refused(&[".wh.."])), ArchiveError::Name { .. }));
    }
}
