//! The files that a command sees: the image, what is mounted into it, and nothing else.
//!
//! Nothing of the image is trusted: where something is mounted is looked up name by name, links
//! staying inside, and held open, so that the mount lands where it was looked up.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, fchown, fstat, mkdirat, openat, readlinkat,
    symlinkat,
};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, mount_remount, unmount,
};

use crate::build::run::init::{Setup, bound_processes, c_string};
use crate::build::run::keeper::{EMPTY, OVERLAY_WORK, ROOT, STAGE_FOLDER, UPPER};
use crate::build::run::messages::{Failure, FailureKind, Form, Mount, MountKind};
use crate::limits::{MAX_LINKS_FOLLOWED, MAX_ROOT_LAYERS};
use crate::store::roots::beneath;

/// Mounts everything, makes it the root, and forgets the machine's files. Returns what had to be
/// made for things to be mounted on.
pub(super) fn enter(setup: &Setup, held: &[OwnedFd]) -> Result<BTreeSet<Vec<u8>>, Failure> {
    let spec = &setup.spec;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(
        |error| {
            let words = "nothing may be mounted here, not even where nobody else sees it: that \
                         takes CAP_SYS_ADMIN, and in a container a profile that allows it";
            Failure::new(FailureKind::NoNamespaces, words).because(error)
        },
    )?;
    let no_devices = if spec.insecure { MountFlags::empty() } else { MountFlags::NODEV };
    let (mut inside, stage) = begin(setup, no_devices)?;
    inside.kernel_files(setup)?;
    for (name, content, target) in [
        ("hosts", &spec.hosts, "/etc/hosts"),
        ("resolv.conf", &spec.resolv_conf, "/etc/resolv.conf"),
    ] {
        write(&stage, name, &content.0, spec.epoch)?;
        inside.bind(Source::At(&stage, name), target, Access::ReadOnly)?;
    }
    for (number, one) in spec.mounts.iter().enumerate() {
        inside.mount(one, number, &stage, held)?;
    }
    if !spec.insecure {
        inside.mask()?;
    }
    inside.pivot()?;
    Ok(inside.stubs)
}

/// Mounts the image, and a folder of files in memory.
fn begin(setup: &Setup, no_devices: MountFlags) -> Result<(Inside, OwnedFd), Failure> {
    let run =
        beneath::folder(setup.run.path()).map_err(|error| failed("to open a folder", error))?;
    mount_root(setup, &run)?;
    let root = in_run(&run, ROOT)?;
    let stage = stage(&run)?;
    let inside = Inside {
        root,
        stubs: BTreeSet::new(),
        no_devices,
        in_user_namespace: setup.marks_for_user,
        epoch: setup.spec.epoch,
    };
    Ok((inside, stage))
}

/// Mounts the image alone, for another program that does the rest; makes what things will be
/// mounted on. Returns the folder of files in memory, with those of the sandbox, as well.
pub(super) fn prepare(
    setup: &Setup,
    held: &[OwnedFd],
) -> Result<(BTreeSet<Vec<u8>>, OwnedFd), Failure> {
    let spec = &setup.spec;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| failed("to mount something", error))?;
    let (mut inside, stage) = begin(setup, MountFlags::empty())?;
    for name in ["proc", "dev", "sys"] {
        inside.plain_folder(name)?;
    }
    for (name, content, target) in [
        ("hosts", &spec.hosts, "/etc/hosts"),
        ("resolv.conf", &spec.resolv_conf, "/etc/resolv.conf"),
    ] {
        write(&stage, name, &content.0, spec.epoch)?;
        inside.find(target, Want::File)?;
    }
    for (number, one) in spec.mounts.iter().enumerate() {
        // The runtime has a `/dev` of its own, where it makes what is missing.
        let want = match &one.what {
            MountKind::Bind { source, .. } => {
                let stat = rustix::fs::stat(source.path());
                let stat = stat.map_err(|error| failed("to look at a mount", error))?;
                let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                if is_folder { Want::Folder } else { Want::File }
            }
            MountKind::Tmpfs { .. } => Want::Folder,
            MountKind::Held { descriptor, mode, owner } => {
                let missing = || Failure::new(FailureKind::Unsupported, "a held file is missing");
                let from = held.get(*descriptor).ok_or_else(missing)?;
                let name = format!("held-{number}");
                copy(from, &stage, &name, *mode, *owner, spec.epoch)?;
                Want::File
            }
            MountKind::Socket { source, mode, owner } => {
                give_socket(source.path(), *mode, *owner)?;
                Want::File
            }
        };
        if !one.target.starts_with("/dev/") {
            inside.find(&one.target, want)?;
        }
    }
    Ok((inside.stubs, stage))
}

/// Makes a folder the root where nothing may be mounted.
pub(super) fn change(setup: &Setup) -> Result<BTreeSet<Vec<u8>>, Failure> {
    let run =
        beneath::folder(setup.run.path()).map_err(|error| failed("to open a folder", error))?;
    let root = in_run(&run, ROOT)?;
    let mut inside = Inside {
        root,
        stubs: BTreeSet::new(),
        no_devices: MountFlags::empty(),
        in_user_namespace: false,
        epoch: setup.spec.epoch,
    };
    inside.copied_files()?;
    rustix::process::fchdir(&inside.root).map_err(|error| failed("to enter the image", error))?;
    rustix::process::chroot(".").map_err(|error| {
        let words = "another root folder takes CAP_SYS_CHROOT";
        Failure::new(FailureKind::Unable, words).because(error)
    })?;
    Ok(inside.stubs)
}

fn mount_root(setup: &Setup, run: &OwnedFd) -> Result<(), Failure> {
    let flags = if setup.spec.insecure { MountFlags::empty() } else { MountFlags::NODEV };
    let target = in_run(run, ROOT)?;
    if setup.form == Form::Copy {
        mount_bind(path_of(&target), path_of(&target))
            .map_err(|error| failed("to mount the image", error))?;
        let target = in_run(run, ROOT)?;
        return remount(&target, flags).map_err(|error| failed("to mount the image", error));
    }
    if setup.lowers.len() > MAX_ROOT_LAYERS {
        let words = format!("an image of more than {MAX_ROOT_LAYERS} layers cannot be mounted");
        return Err(Failure::new(FailureKind::Unsupported, words));
    }
    let mut lowers = Vec::new();
    for lower in setup.lowers.iter().rev() {
        let lower = beneath::folder(lower.path());
        lowers.push(lower.map_err(|error| failed("to open a layer", error))?);
    }
    if lowers.is_empty() {
        lowers.push(in_run(run, EMPTY)?);
    }
    let (upper, work) = (in_run(run, UPPER)?, in_run(run, OVERLAY_WORK)?);
    // By descriptor: no name of a folder can be taken for an option, and all fit into one page.
    let names: Vec<String> = lowers.iter().map(path_of).collect();
    let base = format!(
        "lowerdir={},upperdir={},workdir={}",
        names.join(":"),
        path_of(&upper),
        path_of(&work)
    );
    let always = if setup.marks_for_user { ",userxattr" } else { "" };
    let plain = if setup.marks_for_user { "" } else { ",index=off,metacopy=off,redirect_dir=off" };
    let mut outcome = Err(Errno::INVAL);
    // `volatile`: what a command syncs need not survive a power cut; it is thrown away then.
    let volatile = format!("{plain},volatile");
    for further in [volatile.as_str(), plain, ""] {
        let options = c_string(format!("{base}{always}{further}"))?;
        outcome = mount("overlay", path_of(&target), "overlay", flags, options.as_c_str());
        if outcome != Err(Errno::INVAL) {
            break;
        }
    }
    outcome.map_err(|error| {
        let words = "the layers of the image cannot be put on top of each other: that takes \
                     overlayfs, for users other than root Linux 5.11, and a folder for builds \
                     that is not on an overlayfs itself";
        Failure::new(FailureKind::NoOverlay, words).because(error)
    })
}

/// A folder in memory for files that are only ever there.
fn stage(run: &OwnedFd) -> Result<OwnedFd, Failure> {
    let target = in_run(run, STAGE_FOLDER)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mut outcome = Err(Errno::INVAL);
    // Linux before 6.4 does not know how to keep it off the disk that it swaps to.
    for options in ["mode=0700,noswap", "mode=0700"] {
        let options = c_string(options)?;
        outcome = mount("tmpfs", path_of(&target), "tmpfs", flags, options.as_c_str());
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map_err(|error| failed("to mount a folder in memory", error))?;
    in_run(run, STAGE_FOLDER)
}

/// The files of a sandbox that is being made.
struct Inside {
    root: OwnedFd,
    stubs: BTreeSet<Vec<u8>>,
    no_devices: MountFlags,
    in_user_namespace: bool,
    /// The time of what is made here: what a command sees is the same every time.
    epoch: i64,
}

/// What is bound.
#[derive(Clone, Copy)]
enum Source<'a> {
    Path(&'a std::path::Path),
    At(&'a OwnedFd, &'a str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
}

/// What a target is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Folder,
    File,
    /// Whatever it is; nothing is made.
    Anything,
}

impl Inside {
    /// `/proc`, `/dev` and `/sys`.
    fn kernel_files(&mut self, setup: &Setup) -> Result<(), Failure> {
        let insecure = setup.spec.insecure;
        let kernel = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let proc = self.plain_folder("proc")?;
        mount("proc", path_of(&proc), "proc", kernel, None).map_err(|error| {
            let words = "/proc cannot be mounted: in a container, parts of the /proc outside must \
                         not be hidden (docker: --security-opt systempaths=unconfined)";
            Failure::new(FailureKind::NoNamespaces, words).because(error)
        })?;
        let proc = self.plain_folder("proc")?;
        bound_processes(&proc);
        let dev = self.plain_folder("dev")?;
        let devices = MountFlags::NOSUID | self.no_devices;
        mount_new(&dev, "tmpfs", devices, "mode=0755,size=65536k")?;
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            let path = format!("/dev/{name}");
            self.file_in_dev(name)?;
            let target = self.find(&path, Want::File)?;
            mount_bind(path.as_str(), path_of(&target))
                .map_err(|error| failed(format!("to mount {path}"), error))?;
        }
        let dev = self.plain_folder("dev")?;
        for (name, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            symlinkat(target, &dev, name).map_err(|error| failed("to make /dev", error))?;
        }
        for name in ["pts", "shm", "mqueue"] {
            mkdirat(&dev, name, Mode::from_raw_mode(0o755))
                .map_err(|error| failed("to make /dev", error))?;
        }
        let pts = self.find("/dev/pts", Want::Folder)?;
        let terminals = MountFlags::NOSUID | MountFlags::NOEXEC;
        let options = "newinstance,ptmxmode=0666,mode=0620";
        let with_group = c_string(format!("{options},gid=5"))?;
        // A user namespace need not have a group of that number.
        let mounted = mount("devpts", path_of(&pts), "devpts", terminals, with_group.as_c_str());
        if mounted.is_err() {
            mount_new(&pts, "devpts", terminals, options)?;
        }
        let shm = self.find("/dev/shm", Want::Folder)?;
        mount_new(&shm, "tmpfs", kernel, "mode=1777,size=65536k")?;
        let mqueue = self.find("/dev/mqueue", Want::Folder)?;
        mount_new(&mqueue, "mqueue", kernel, "")?;
        let sys = self.plain_folder("sys")?;
        let flags = if insecure { kernel } else { kernel | MountFlags::RDONLY };
        if mount("sysfs", path_of(&sys), "sysfs", flags, None).is_err() {
            // It shows the network's devices, so it takes a network of our own.
            mount_new(&sys, "tmpfs", kernel | MountFlags::RDONLY, "mode=0555")?;
        }
        Ok(())
    }

    /// What can be had of `/dev` where nothing may be mounted.
    fn copied_files(&mut self) -> Result<(), Failure> {
        let dev = self.plain_folder("dev")?;
        for (name, major, minor) in [
            ("null", 1, 3),
            ("zero", 1, 5),
            ("full", 1, 7),
            ("random", 1, 8),
            ("urandom", 1, 9),
            ("tty", 5, 0),
        ] {
            let device = rustix::fs::makedev(major, minor);
            let mode = Mode::from_raw_mode(0o666);
            match rustix::fs::mknodat(&dev, name, FileType::CharacterDevice, mode, device) {
                Ok(()) => {
                    self.stubs.insert(format!("dev/{name}").into_bytes());
                }
                Err(Errno::EXIST | Errno::PERM) => {}
                Err(error) => return Err(failed("to make /dev", error)),
            }
        }
        Ok(())
    }

    /// A file in the `/dev` that is ours, for a device to be mounted on.
    fn file_in_dev(&self, name: &str) -> Result<(), Failure> {
        let dev = open_at(&self.root, b"dev").map_err(|error| failed("to make /dev", error))?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&dev, name, flags, Mode::from_raw_mode(0o666))
            .map(drop)
            .map_err(|error| failed("to make /dev", error))
    }

    /// A folder at the top that must not be a link: what is mounted there has to be there.
    fn plain_folder(&mut self, name: &str) -> Result<OwnedFd, Failure> {
        let of = |error| failed(format!("to make /{name}"), error);
        let root = fstat(&self.root).map_err(of)?;
        match mkdirat(&self.root, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                let made = open_at(&self.root, name.as_bytes()).map_err(of)?;
                date(&made, self.epoch, 0).map_err(of)?;
                date(&self.root, root.st_mtime, nanoseconds(&root)).map_err(of)?;
                self.stubs.insert(name.as_bytes().to_vec());
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(of(error)),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.root, name, flags, Mode::empty()).map_err(|_| {
            let words = format!("/{name} of the image is not a folder");
            Failure::new(FailureKind::NotInImage, words)
        })
    }

    fn mount(
        &mut self,
        one: &Mount,
        number: usize,
        stage: &OwnedFd,
        held: &[OwnedFd],
    ) -> Result<(), Failure> {
        match &one.what {
            MountKind::Bind { source, read_only } => {
                let access = if *read_only { Access::ReadOnly } else { Access::ReadWrite };
                self.bind(Source::Path(source.path()), &one.target, access)
            }
            MountKind::Tmpfs { size } => {
                let target = self.find(&one.target, Want::Folder)?;
                let options = size.map(|size| format!("size={size}")).unwrap_or_default();
                let flags = MountFlags::NOSUID | self.no_devices;
                mount_new(&target, "tmpfs", flags, &options)
            }
            MountKind::Held { descriptor, mode, owner } => {
                let name = format!("held-{number}");
                let missing = || Failure::new(FailureKind::Unsupported, "a held file is missing");
                let from = held.get(*descriptor).ok_or_else(missing)?;
                copy(from, stage, &name, *mode, *owner, self.epoch)?;
                self.bind(Source::At(stage, &name), &one.target, Access::ReadOnly)
            }
            MountKind::Socket { source, mode, owner } => {
                give_socket(source.path(), *mode, *owner)?;
                self.bind(Source::Path(source.path()), &one.target, Access::ReadWrite)
            }
        }
    }

    fn bind(&mut self, source: Source<'_>, target: &str, access: Access) -> Result<(), Failure> {
        let of = |error| failed(format!("to mount something at {target}"), error);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let source = match source {
            Source::Path(path) => openat(rustix::fs::CWD, path, flags, Mode::empty()),
            Source::At(folder, name) => {
                openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty())
            }
        };
        let source = source.map_err(of)?;
        let stat = fstat(&source).map_err(of)?;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let place = self.find(target, if is_folder { Want::Folder } else { Want::File })?;
        // What is mounted below comes along only where nobody can make devices in it.
        let bound = if self.in_user_namespace {
            mount_bind_recursive(path_of(&source), path_of(&place))
        } else {
            mount_bind(path_of(&source), path_of(&place))
        };
        bound.map_err(of)?;
        let mounted = self.find(target, Want::Anything)?;
        let read_only = match access {
            Access::ReadOnly => MountFlags::RDONLY,
            Access::ReadWrite => MountFlags::empty(),
        };
        remount(&mounted, self.no_devices | read_only).map_err(of)
    }

    /// Hides what a container is not to see of the kernel, or not to change; as docker does.
    fn mask(&mut self) -> Result<(), Failure> {
        let hidden =
            MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
        for path in MASKED {
            let Some(target) = self.look(path)? else { continue };
            let of = |error| failed(format!("to hide {path}"), error);
            let stat = fstat(&target).map_err(of)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                mount_new(&target, "tmpfs", hidden, "mode=0555")?;
            } else {
                mount_bind("/dev/null", path_of(&target)).map_err(of)?;
            }
        }
        for path in READ_ONLY {
            let Some(target) = self.look(path)? else { continue };
            let of = |error| failed(format!("to protect {path}"), error);
            mount_bind(path_of(&target), path_of(&target)).map_err(of)?;
            if let Some(target) = self.look(path)? {
                remount(&target, hidden).map_err(of)?;
            }
        }
        Ok(())
    }

    /// What is at a path of plain names, if there is something; no link is followed.
    fn look(&self, path: &str) -> Result<Option<OwnedFd>, Failure> {
        let mut here: Option<OwnedFd> = None;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match open_at(here.as_ref().unwrap_or(&self.root), name.as_bytes()) {
                Ok(next) => here = Some(next),
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                Err(error) => return Err(failed(format!("to look for {path}"), error)),
            }
        }
        Ok(here)
    }

    /// What is at a path of the image, all links followed inside; made if it is not there.
    fn find(&mut self, path: &str, want: Want) -> Result<OwnedFd, Failure> {
        let of = |error| failed(format!("to find {path} in the image"), error);
        let mut way: Vec<(Vec<u8>, OwnedFd)> = Vec::new();
        let mut made: Vec<Vec<u8>> = Vec::new();
        let mut pending = names(path.as_bytes());
        let mut followed = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                way.pop();
                continue;
            }
            let here = way.last().map_or(&self.root, |(_, folder)| folder);
            let next = match open_at(here, &name) {
                Ok(next) => next,
                Err(Errno::NOENT) if want != Want::Anything => {
                    let as_file = pending.is_empty() && want == Want::File;
                    let next = self.make(here, &name, as_file).map_err(of)?;
                    let real = way.iter().map(|(name, _)| &name[..]).chain([&name[..]]);
                    made.push(real.collect::<Vec<&[u8]>>().join(&b'/'));
                    next
                }
                Err(error) => return Err(of(error)),
            };
            let stat = fstat(&next).map_err(of)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                followed += 1;
                if followed > MAX_LINKS_FOLLOWED {
                    return Err(of(Errno::LOOP));
                }
                let target = readlinkat(&next, "", Vec::new()).map_err(of)?;
                let target = target.into_bytes();
                if target.starts_with(b"/") {
                    way.clear();
                }
                pending.extend(names(&target));
                continue;
            }
            way.push((name, next));
        }
        self.stubs.extend(made);
        let Some((_, found)) = way.pop() else {
            let words = format!("nothing can be mounted at {path}: that is the top of the image");
            return Err(Failure::new(FailureKind::Unsupported, words));
        };
        let stat = fstat(&found).map_err(of)?;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let fits = match want {
            Want::Folder => is_folder,
            Want::File => !is_folder,
            Want::Anything => true,
        };
        if !fits {
            let there = if is_folder { "a folder" } else { "a file" };
            let words =
                format!("{path} of the image is {there}, unlike what is to be mounted there");
            return Err(Failure::new(FailureKind::NotInImage, words));
        }
        Ok(found)
    }

    /// Makes what something is to be mounted on; the folder around it keeps its time.
    fn make(&self, here: &OwnedFd, name: &[u8], as_file: bool) -> Result<OwnedFd, Errno> {
        let folder = fstat(here)?;
        if as_file {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            openat(here, name, flags, Mode::from_raw_mode(0o644))?;
        } else {
            mkdirat(here, name, Mode::from_raw_mode(0o755))?;
        }
        let made = open_at(here, name)?;
        date(&made, self.epoch, 0)?;
        date(here, folder.st_mtime, nanoseconds(&folder))?;
        Ok(made)
    }

    /// Makes it the root, and lets go of the machine's.
    fn pivot(&self) -> Result<(), Failure> {
        let of = |error| failed("to make the image the root folder", error);
        rustix::process::fchdir(&self.root).map_err(of)?;
        rustix::process::pivot_root(".", ".").map_err(of)?;
        unmount(".", UnmountFlags::DETACH).map_err(of)?;
        rustix::process::chdir("/").map_err(of)
    }
}

fn mount_new(
    target: &OwnedFd,
    kind: &str,
    flags: MountFlags,
    options: &str,
) -> Result<(), Failure> {
    let options = c_string(options)?;
    mount(kind, path_of(target), kind, flags, options.as_c_str())
        .map_err(|error| failed(format!("to mount a file system of the kind {kind}"), error))
}

/// Changes how something that is mounted may be used; what was forbidden before stays forbidden.
fn remount(mounted: &OwnedFd, flags: MountFlags) -> Result<(), Errno> {
    use rustix::fs::StatVfsMountFlags as Has;
    let has = rustix::fs::fstatvfs(mounted)?.f_flag;
    let mut all = flags | MountFlags::BIND;
    for (had, flag) in [
        (Has::RDONLY, MountFlags::RDONLY),
        (Has::NOSUID, MountFlags::NOSUID),
        (Has::NODEV, MountFlags::NODEV),
        (Has::NOEXEC, MountFlags::NOEXEC),
        (Has::NOATIME, MountFlags::NOATIME),
        (Has::NODIRATIME, MountFlags::NODIRATIME),
        (Has::RELATIME, MountFlags::RELATIME),
    ] {
        if has.contains(had) {
            all |= flag;
        }
    }
    mount_remount(path_of(mounted), all, "")
}

fn write(folder: &OwnedFd, name: &str, content: &[u8], epoch: i64) -> Result<(), Failure> {
    let file = new_file(folder, name)?;
    let mut file = std::fs::File::from(file);
    file.write_all(content).map_err(|error| Failure::system("to write a file in memory", error))?;
    give(&file, 0o644, (0, 0), epoch)
}

fn copy(
    from: &OwnedFd,
    folder: &OwnedFd,
    name: &str,
    mode: u32,
    owner: (u32, u32),
    epoch: i64,
) -> Result<(), Failure> {
    let of = |error| failed("to write a file in memory", error);
    let file = new_file(folder, name)?;
    let mut offset = 0;
    while rustix::fs::sendfile(&file, from, Some(&mut offset), 1 << 20).map_err(of)? > 0 {}
    give(&file, mode, owner, epoch)
}

fn give_socket(socket: &std::path::Path, mode: u32, owner: (u32, u32)) -> Result<(), Failure> {
    let of = |error| failed("to give a socket away", error);
    let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
    let (here, no_follow) = (rustix::fs::CWD, AtFlags::SYMLINK_NOFOLLOW);
    rustix::fs::chownat(here, socket, Some(uid), Some(gid), no_follow).map_err(of)?;
    rustix::fs::chmod(socket, Mode::from_raw_mode(mode & 0o7777)).map_err(of)
}

fn new_file(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::RUSR)
        .map_err(|error| failed("to make a file in memory", error))
}

fn give(file: impl AsFd, mode: u32, owner: (u32, u32), epoch: i64) -> Result<(), Failure> {
    let of = |error| failed("to give a file away", error);
    fchown(&file, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1))).map_err(of)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777)).map_err(of)?;
    rustix::fs::futimens(&file, &times(epoch, 0)).map_err(of)
}

/// Sets when something was last changed that is open for looking alone.
fn date(place: &OwnedFd, seconds: i64, nanoseconds: i64) -> Result<(), Errno> {
    let times = times(seconds, nanoseconds);
    let here = rustix::fs::CWD;
    rustix::fs::utimensat(here, path_of(place), &times, AtFlags::empty())
}

fn nanoseconds(stat: &rustix::fs::Stat) -> i64 {
    i64::try_from(stat.st_mtime_nsec).unwrap_or_default()
}

fn times(seconds: i64, nanoseconds: i64) -> rustix::fs::Timestamps {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    rustix::fs::Timestamps { last_access: time, last_modification: time }
}

fn in_run(run: &OwnedFd, name: &str) -> Result<OwnedFd, Failure> {
    beneath::open_folder(run.as_fd(), name.as_bytes())
        .map_err(|error| failed("to open a folder", error))
}

/// Opens a name in a folder, whatever it is, for looking alone.
fn open_at(folder: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// The names of a path, last one first.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.rev().map(<[u8]>::to_vec).collect()
}

/// A path that leads to exactly what is open.
fn path_of(descriptor: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

fn failed(doing: impl Into<String>, error: Errno) -> Failure {
    Failure::system(doing, error)
}

/// What docker hides from containers.
pub(super) const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// What docker keeps containers from changing.
pub(super) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
