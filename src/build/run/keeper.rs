//! The process that keeps a sandbox: it lays out the files, starts the first process inside, says
//! what was left, and cleans up.
//!
//! It runs as root, of the machine or of a user namespace, for the files of an image have many
//! owners. It ends when whoever started it does, and everything in the sandbox with it.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{
    DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::UnshareFlags;
use uuid::Uuid;

use crate::build::run::channel::{Channel, retry};
use crate::build::run::init::Setup;
use crate::build::run::messages::{
    Answer, Failure, FailureKind, Form, Hold, Isolated, Layer, Listed, Order, Raw, Spec,
};
use crate::build::run::{INIT, STAGE, kernel, regardless};
use crate::limits::MAX_CACHE_COPIES;
use crate::oci::archive::{ArchiveReader, EntryPath};
use crate::store::ImageLayout;
use crate::store::roots::{Layers, Marks, Style, Unpacker, beneath, layers, remove, survey};

/// Keeps one sandbox, to its end.
pub(super) fn main() -> Result<(), Failure> {
    let channel = Channel::of_stdin().map_err(|error| Failure::system("to begin", error))?;
    let started = begin(&channel);
    let mut keeper = match started {
        Ok(Some(keeper)) => keeper,
        Ok(None) => return Ok(()),
        Err(failure) => {
            drop(channel.send(&Answer::Failed(failure.clone()), &[]));
            return Err(failure);
        }
    };
    while let Ok(Some((order, with))) = channel.receive::<Order>() {
        if let Err(failure) = keeper.obey(&channel, order, with)
            && channel.send(&Answer::Failed(failure), &[]).is_err()
        {
            break;
        }
    }
    keeper.clean_up();
    Ok(())
}

struct Keeper {
    work: PathBuf,
    run: PathBuf,
    runs_folder: OwnedFd,
    marks: Marks,
    layers: Option<Layers>,
    lowers: Vec<PathBuf>,
    form: Form,
    /// Caches that are held.
    caches: Vec<OwnedFd>,
    /// When each file was last touched before the command ran, in one folder of all layers.
    before: HashMap<EntryPath, (i64, u64)>,
}

fn begin(channel: &Channel) -> Result<Option<Keeper>, Failure> {
    let of = |error: rustix::io::Errno| Failure::system("to begin", error);
    kernel::close_descriptors_on_exec().map_err(|error| Failure::system("to begin", error))?;
    let received = channel.receive::<Order>();
    let Some((order, _)) = received.map_err(|error| Failure::system("to begin", error))? else {
        return Ok(None);
    };
    let Order::Begin { work, user_namespace, marks_for_user } = order else {
        return Err(Failure::new(FailureKind::Unsupported, "that order was not to be expected"));
    };
    if user_namespace {
        kernel::unshare(UnshareFlags::NEWUSER).map_err(no_user_namespace)?;
        let send = channel.send(&Answer::Unshared, &[]);
        send.map_err(|error| Failure::system("to begin", error))?;
        match channel.receive::<Order>() {
            Ok(Some((Order::Mapped, _))) => {}
            _ => return Ok(None),
        }
        become_root()?;
    }
    // Nobody inside may look into this process, or into those that come from it.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(of)?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(of)?;
    rustix::process::umask(rustix::fs::Mode::empty());
    let marks = if marks_for_user { Marks::User } else { Marks::Trusted };
    let work = work.into_path();
    let work_folder = beneath::folder(&work).map_err(|error| {
        Failure::system(format!("to open the folder {}", work.display()), error)
    })?;
    layers::make(&work_folder, RUNS).map_err(of)?;
    let runs_folder = beneath::open_folder(work_folder.as_fd(), RUNS).map_err(of)?;
    // Only who is alone here takes away what others left.
    if flock(&runs_folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
        for name in remove::names(runs_folder.as_fd()).map_err(of)? {
            drop(remove::remove(runs_folder.as_fd(), &name));
        }
    }
    flock(&runs_folder, FlockOperation::LockShared).map_err(of)?;
    let name = Uuid::new_v4().to_string();
    layers::make(&runs_folder, name.as_bytes()).map_err(of)?;
    let run = work.join("runs").join(&name);
    let folder = beneath::open_folder(runs_folder.as_fd(), name.as_bytes()).map_err(of)?;
    for name in [ROOT, UPPER, OVERLAY_WORK, EMPTY, STAGE_FOLDER] {
        layers::make(&folder, name.as_bytes()).map_err(of)?;
    }
    let begun = Answer::Begun { run: Raw::of(&run) };
    channel.send(&begun, &[]).map_err(|error| Failure::system("to begin", error))?;
    Ok(Some(Keeper {
        work,
        run,
        runs_folder,
        marks,
        layers: None,
        lowers: Vec::new(),
        form: Form::Overlay,
        caches: Vec::new(),
        before: HashMap::new(),
    }))
}

/// In a user namespace whose numbers mean something.
fn become_root() -> Result<(), Failure> {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let of =
        |error: rustix::io::Errno| Failure::system("to become root of a user namespace", error);
    // Where only one number is mapped, groups cannot be given up.
    regardless(set_thread_groups(&[]));
    let (root, wheel) = (rustix::fs::Uid::ROOT, rustix::fs::Gid::ROOT);
    set_thread_res_gid(wheel, wheel, wheel).map_err(of)?;
    set_thread_res_uid(root, root, root).map_err(of)
}

fn no_user_namespace(error: std::io::Error) -> Failure {
    let why = match error.raw_os_error() {
        Some(libc::ENOSPC) => {
            "no more user namespaces may be made: see the sysctl user.max_user_namespaces"
        }
        Some(libc::EPERM) => {
            "who is not root may not make user namespaces here: see the sysctls \
             kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns, and \
             in a container its seccomp profile"
        }
        _ => "there are no user namespaces here",
    };
    Failure::new(FailureKind::NoNamespaces, why).because(error)
}

impl Keeper {
    fn obey(&mut self, channel: &Channel, order: Order, with: Vec<OwnedFd>) -> Result<(), Failure> {
        let answer = match order {
            Order::Begin { .. } | Order::Mapped => {
                return Err(Failure::new(FailureKind::Unsupported, "that was done before"));
            }
            Order::Forget => {
                self.forget()?;
                Answer::Done
            }
            Order::LayOut { layout, layers, form, owners } => {
                self.lay_out(layout.path(), &layers, form, &owners)?;
                Answer::Done
            }
            Order::Folder { name } => {
                let folder = beneath::folder(&self.run);
                let made = folder.and_then(|folder| layers::make(&folder, name.as_bytes()));
                made.map_err(|error| Failure::system("to make a folder", error))?;
                Answer::Done
            }
            Order::Fill { folder } => {
                fill(folder.path(), with)?;
                Answer::Done
            }
            Order::Cache { id, hold, mode, owner } => self.cache(&id, hold, mode, owner)?,
            Order::CacheFilled { folder, hold } => {
                self.cache_filled(folder.path(), hold)?;
                Answer::Done
            }
            Order::Run(spec) => self.run(channel, &spec, with)?,
            Order::List => return self.list(channel),
            Order::Adopt { name, gone, dated, epoch } => {
                let paths = |paths: &'_ [Raw]| paths.iter().map(|path| path.0.clone()).collect();
                let (gone, dated): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (paths(&gone), paths(&dated));
                let run = beneath::folder(&self.run);
                let run = run.map_err(|error| Failure::system("to keep a layer", error))?;
                if let Some(layers) = &self.layers {
                    let gone: Vec<&[u8]> = gone.iter().map(Vec::as_slice).collect();
                    let dated: Vec<&[u8]> = dated.iter().map(Vec::as_slice).collect();
                    layers.adopt(&run, UPPER.as_bytes(), &name, (&gone, &dated), epoch)?;
                }
                Answer::Done
            }
            Order::Open { path } => return self.open(channel, &path.0),
        };
        channel.send(&answer, &[]).map_err(|error| Failure::system("to answer", error))
    }

    fn forget(&self) -> Result<(), Failure> {
        let of = |error: rustix::io::Errno| Failure::system("to take away what was kept", error);
        let work = beneath::folder(&self.work).map_err(of)?;
        for name in remove::names(work.as_fd()).map_err(of)? {
            if name.starts_with(b"layers-") {
                layers::remove_unused(&work, &name);
            } else if name == CACHES {
                let caches = beneath::open_folder(work.as_fd(), CACHES).map_err(of)?;
                for name in remove::names(caches.as_fd()).map_err(of)? {
                    layers::remove_unused(&caches, &name);
                }
            }
        }
        Ok(())
    }

    fn lay_out(
        &mut self,
        layout: &Path,
        layers: &[Layer],
        form: Form,
        owners: &str,
    ) -> Result<(), Failure> {
        let damaged = || Failure::new(FailureKind::Unsupported, "a layer has no digest");
        let layers: Option<Vec<_>> = layers.iter().map(Layer::parts).collect();
        let layers = layers.ok_or_else(damaged)?;
        let layout = ImageLayout::new(layout.to_owned());
        self.form = form;
        match form {
            Form::Overlay => {
                let kept = Layers::open(&self.work, owners, self.marks)?;
                self.lowers = kept.lay_out(&layout, &layers)?;
                self.layers = Some(kept);
                self.upper_as_below()
            }
            Form::Copy => {
                let root = self.open_in_run(ROOT)?;
                let of = |error: std::io::Error| Failure::system("to lay out the image", error);
                Layers::flatten(&layout, &layers, root.try_clone().map_err(of)?)?;
                let before = &mut self.before;
                survey::survey(root.as_fd(), None, &mut |found| {
                    before.insert(found.path, found.touched);
                    Ok(())
                })?;
                // Times on disk are as coarse as the kernel's ticks: what is touched from now on
                // shall be seen.
                std::thread::sleep(TICK);
                Ok(())
            }
        }
    }

    /// What is written goes into a folder that must look like the one below it.
    fn upper_as_below(&self) -> Result<(), Failure> {
        let of = |error: rustix::io::Errno| Failure::system("to lay out the image", error);
        let upper = self.open_in_run(UPPER)?;
        let Some(below) = self.lowers.last() else {
            return rustix::fs::fchmod(&upper, rustix::fs::Mode::from_raw_mode(0o755)).map_err(of);
        };
        let stat = rustix::fs::stat(below.as_path()).map_err(of)?;
        let (uid, gid) =
            (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
        rustix::fs::fchown(&upper, Some(uid), Some(gid)).map_err(of)?;
        rustix::fs::fchmod(&upper, rustix::fs::Mode::from_raw_mode(stat.st_mode & 0o7777))
            .map_err(of)?;
        let time = rustix::fs::Timespec { tv_sec: stat.st_mtime, tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::futimens(&upper, &times).map_err(of)
    }

    fn open_in_run(&self, name: &str) -> Result<OwnedFd, Failure> {
        beneath::folder(&self.run.join(name))
            .map_err(|error| Failure::system("to open a folder", error))
    }

    fn cache(
        &mut self,
        id: &str,
        hold: Hold,
        mode: u32,
        owner: (u32, u32),
    ) -> Result<Answer, Failure> {
        let of = |error: rustix::io::Errno| Failure::system("to open the folder of a cache", error);
        let work = beneath::folder(&self.work).map_err(of)?;
        layers::make(&work, CACHES).map_err(of)?;
        let caches = beneath::open_folder(work.as_fd(), CACHES).map_err(of)?;
        let copies = if hold == Hold::Private { MAX_CACHE_COPIES } else { 1 };
        for copy in 0..copies {
            let name = format!("{id}-{copy}");
            layers::make(&caches, name.as_bytes()).map_err(of)?;
            let folder = beneath::open_folder(caches.as_fd(), name.as_bytes()).map_err(of)?;
            let path = self.work.join("caches").join(&name);
            let has = || beneath::stat(folder.as_fd(), CACHE).map(|found| found.is_some());
            let lock = match hold {
                Hold::Private => FlockOperation::NonBlockingLockExclusive,
                Hold::Shared if has().map_err(of)? => FlockOperation::LockShared,
                Hold::Shared | Hold::Locked => FlockOperation::LockExclusive,
            };
            match retry(|| flock(&folder, lock)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(Failure::system("to lock a cache", error)),
            }
            if has().map_err(of)? {
                if hold == Hold::Shared {
                    flock(&folder, FlockOperation::LockShared).map_err(of)?;
                }
                self.caches.push(folder);
                return Ok(Answer::Cache { folder: Raw::of(&path.join("cache")), is_new: false });
            }
            remove::remove(folder.as_fd(), NEW_CACHE)?;
            layers::make(&folder, NEW_CACHE).map_err(of)?;
            let new = beneath::open_folder(folder.as_fd(), NEW_CACHE).map_err(of)?;
            let (uid, gid) =
                (rustix::fs::Uid::from_raw(owner.0), rustix::fs::Gid::from_raw(owner.1));
            rustix::fs::fchown(&new, Some(uid), Some(gid)).map_err(of)?;
            rustix::fs::fchmod(&new, rustix::fs::Mode::from_raw_mode(mode)).map_err(of)?;
            self.caches.push(folder);
            return Ok(Answer::Cache { folder: Raw::of(&path.join("new")), is_new: true });
        }
        let words = "too many commands use the same private cache at the same time";
        Err(Failure::new(FailureKind::Unsupported, words))
    }

    fn cache_filled(&mut self, new: &Path, hold: Hold) -> Result<(), Failure> {
        let of = |error: rustix::io::Errno| Failure::system("to keep a cache", error);
        let Some(folder) = self.caches.last() else { return Ok(()) };
        if new.file_name().is_none_or(|name| name != "new") {
            return Err(Failure::new(FailureKind::Unsupported, "that is no new cache"));
        }
        rustix::fs::renameat(folder, NEW_CACHE, folder, CACHE).map_err(of)?;
        if hold == Hold::Shared {
            flock(folder, FlockOperation::LockShared).map_err(of)?;
        }
        Ok(())
    }

    fn run(
        &mut self,
        channel: &Channel,
        spec: &Spec,
        with: Vec<OwnedFd>,
    ) -> Result<Answer, Failure> {
        let of = |error: std::io::Error| Failure::system("to start a sandbox", error);
        if spec.isolation == Isolated::Namespaces {
            kernel::unshare(UnshareFlags::NEWPID).map_err(|error| {
                let words = "a namespace of processes cannot be made: that takes CAP_SYS_ADMIN";
                Failure::new(FailureKind::NoNamespaces, words).because(error)
            })?;
        }
        let (ours, theirs) = Channel::pair().map_err(of)?;
        let mut init = Command::new("/proc/self/exe");
        init.arg(STAGE).arg(INIT).env_clear().stdin(Stdio::from(theirs.into_fd()));
        let whole_tree = spec.isolation != Isolated::Namespaces;
        if whole_tree {
            // Whatever the command leaves running becomes ours then, and is found.
            let us = rustix::process::getpid();
            rustix::process::set_child_subreaper(Some(us)).map_err(|error| of(error.into()))?;
        }
        let init = init.spawn().map_err(of)?;
        // From here on the end of whoever started us is noticed by the channel, so that there is
        // time to clean up.
        set_parent_process_death_signal(None).map_err(|error| of(error.into()))?;
        let mut init = Guard { child: init, whole_tree };
        let setup = Setup {
            run: Raw::of(&self.run),
            lowers: self.lowers.iter().map(|path| Raw::of(path)).collect(),
            form: self.form,
            marks_for_user: self.marks == Marks::User,
            spec: spec.clone(),
        };
        let with_fds: Vec<BorrowedFd<'_>> = with.iter().map(OwnedFd::as_fd).collect();
        ours.send(&setup, &with_fds).map_err(of)?;
        drop(with);
        let outcome = self.follow(channel, &ours, &mut init);
        init.end();
        outcome
    }

    /// Waits for what comes of the command.
    fn follow(
        &self,
        channel: &Channel,
        init: &Channel,
        process: &mut Guard,
    ) -> Result<Answer, Failure> {
        let of = |error: std::io::Error| Failure::system("to watch a sandbox", error);
        loop {
            let mut watched = [
                PollFd::new(init, PollFlags::IN),
                PollFd::new(channel, PollFlags::RDHUP | PollFlags::HUP),
            ];
            retry(|| poll(&mut watched, None)).map_err(of)?;
            let [of_init, of_parent] = &watched;
            if !of_parent.revents().is_empty() {
                process.end();
                self.clean_up();
                return Err(Failure::new(FailureKind::System, "nobody waits for the command"));
            }
            if of_init.revents().is_empty() {
                continue;
            }
            match init.receive::<Answer>().map_err(of)? {
                Some((Answer::Terminal, with)) => {
                    let with: Vec<BorrowedFd<'_>> = with.iter().map(OwnedFd::as_fd).collect();
                    channel.send(&Answer::Terminal, &with).map_err(of)?;
                }
                Some((Answer::Failed(failure), _)) => return Err(failure),
                Some((answer, _)) => return Ok(answer),
                None => {
                    let status = process.child.wait().map_err(of)?;
                    let words = match status.signal() {
                        Some(signal) => format!("the sandbox was ended by signal {signal}"),
                        None => "the sandbox ended".to_owned(),
                    };
                    return Err(Failure::new(FailureKind::Unsupported, words));
                }
            }
        }
    }

    fn list(&self, channel: &Channel) -> Result<(), Failure> {
        let (folder, marks) = match self.form {
            Form::Overlay => (self.open_in_run(UPPER)?, Some(self.marks)),
            Form::Copy => (self.open_in_run(ROOT)?, None),
        };
        let mut batch = Vec::new();
        let mut broken = None;
        survey::survey(folder.as_fd(), marks, &mut |found| {
            let untouched = self.before.get(&found.path) == Some(&found.touched);
            batch.push(Listed::of(found, untouched));
            if batch.len() >= BATCH {
                let full = std::mem::take(&mut batch);
                broken = broken.take().or(channel.send(&Answer::Found(full), &[]).err());
            }
            Ok(())
        })?;
        broken = broken.or(channel.send(&Answer::Found(batch), &[]).err());
        broken = broken.or(channel.send(&Answer::Done, &[]).err());
        match broken {
            None => Ok(()),
            Some(error) => Err(Failure::system("to answer", error)),
        }
    }

    fn open(&self, channel: &Channel, path: &[u8]) -> Result<(), Failure> {
        let folder = self.open_in_run(if self.form == Form::Overlay { UPPER } else { ROOT })?;
        let path = EntryPath::parse(path)
            .map_err(|error| Failure::new(FailureKind::Unsupported, error.to_string()))?;
        let file = survey::open_file(folder.as_fd(), &path)?;
        channel
            .send(&Answer::Opened, &[file.as_fd()])
            .map_err(|error| Failure::system("to answer", error))
    }

    fn clean_up(&self) {
        if let Some(name) = self.run.file_name() {
            use std::os::unix::ffi::OsStrExt;
            // What cannot be removed now is swept by whoever comes next.
            drop(remove::remove(self.runs_folder.as_fd(), name.as_bytes()));
        }
    }
}

/// Unpacks an archive that comes through a pipe.
fn fill(folder: &Path, with: Vec<OwnedFd>) -> Result<(), Failure> {
    let missing = || Failure::new(FailureKind::Unsupported, "there is nothing to unpack");
    let stream = File::from(with.into_iter().next().ok_or_else(missing)?);
    let opened = beneath::folder(folder);
    let opened = opened.map_err(|error| Failure::system("to open a folder", error))?;
    let mut unpacker = Unpacker::new(opened, Vec::new(), Style::Plain)?;
    let mut archive = ArchiveReader::new(stream);
    let of = |error: crate::oci::archive::ArchiveError| {
        Failure::from(crate::store::roots::RootsError::from(error))
    };
    while let Some(entry) = archive.next_entry().map_err(of)? {
        unpacker.entry(&entry, &mut archive)?;
    }
    archive.finish().map_err(of)?;
    unpacker.finish()?;
    Ok(())
}

/// The first process of the sandbox; nothing of it is left when this is dropped.
struct Guard {
    child: Child,
    /// Whether there is no namespace whose processes all end with the first one.
    whole_tree: bool,
}

impl Guard {
    fn end(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if self.whole_tree {
            end_descendants();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends all processes that come from this one, those too that are made meanwhile.
fn end_descendants() {
    use rustix::process::{WaitOptions, kill_process, wait};
    loop {
        let children = descendants();
        if children.is_empty() {
            break;
        }
        // Stopped first, so that none makes another one while the others are ended.
        for signal in [Signal::STOP, Signal::KILL] {
            for child in &children {
                regardless(kill_process(*child, signal));
            }
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}

fn descendants() -> Vec<rustix::process::Pid> {
    let us = rustix::process::getpid();
    let mut parents: HashMap<i32, i32> = HashMap::new();
    let names = beneath::folder(Path::new("/proc")).and_then(|proc| remove::names(proc.as_fd()));
    for name in names.unwrap_or_default() {
        let Ok(name) = String::from_utf8(name) else { continue };
        let Ok(pid) = name.parse::<i32>() else { continue };
        let mut text = [0; 512];
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let path = format!("/proc/{pid}/stat");
        let Ok(file) = rustix::fs::open(path.as_str(), flags, rustix::fs::Mode::empty()) else {
            continue;
        };
        let length = rustix::io::read(&file, &mut text[..]).unwrap_or_default();
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned();
        // After the name, which may have anything in it: the state, and the parent.
        let parent = text.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
            parents.insert(pid, parent);
        }
    }
    let is_ours = |pid: i32| {
        let mut at = pid;
        for _ in 0..parents.len() {
            match parents.get(&at) {
                Some(parent) if *parent == us.as_raw_nonzero().get() => return true,
                Some(parent) => at = *parent,
                None => return false,
            }
        }
        false
    };
    let pids = parents.keys().copied().filter(|pid| is_ours(*pid));
    pids.filter_map(rustix::process::Pid::from_raw).collect()
}

/// The files that the command sees.
pub(super) const ROOT: &str = "root";
/// What it writes.
pub(super) const UPPER: &str = "upper";
/// For overlayfs.
pub(super) const OVERLAY_WORK: &str = "work";
/// A folder that nothing is in.
pub(super) const EMPTY: &str = "empty";
/// Where files in memory are put before they are mounted.
pub(super) const STAGE_FOLDER: &str = "stage";
const RUNS: &[u8] = b"runs";
const CACHES: &[u8] = b"caches";
const CACHE: &[u8] = b"cache";
const NEW_CACHE: &[u8] = b"new";
/// How many files are told at once.
const BATCH: usize = 500;
/// Longer than any kernel's tick.
const TICK: std::time::Duration = std::time::Duration::from_millis(20);
