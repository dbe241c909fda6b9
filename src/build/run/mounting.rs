//! What is mounted into a sandbox, made ready: files laid out, secrets in memory, sockets answered.

use std::collections::HashMap;
use std::io::{self, BufWriter};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::build::content::Files;
use crate::build::run::channel::MAX_DESCRIPTORS;
use crate::build::run::messages::{
    Answer, Failure, FailureKind, Hold, Isolated, Mount, MountKind, Order, Raw, surprise,
};
use crate::build::run::sandbox::{Attempt, Keeper};
use crate::build::runner::{Mountable, Mounted, RunError};
use crate::crypto::secret::SecretBytes;
use crate::dockerfile::Sharing;
use crate::oci::Digest;
use crate::oci::archive::tree::InodeId;
use crate::oci::archive::{ArchiveWriter, Entry, EntryPath, Kind};
use crate::store::roots::beneath;

/// Everything that is to be mounted, ready.
#[derive(Debug)]
pub(super) struct Prepared {
    mounts: Vec<Mount>,
    held: Vec<OwnedFd>,
    sockets: Vec<Socket>,
}

impl Prepared {
    pub(super) fn new(
        keeper: &Keeper,
        wanted: &[Mounted<'_>],
        isolation: &Isolated,
    ) -> Result<Self, Attempt> {
        let mut prepared = Self { mounts: Vec::new(), held: Vec::new(), sockets: Vec::new() };
        if *isolation == Isolated::Chroot && !wanted.is_empty() {
            let what = "nothing may be mounted here, so RUN cannot have mounts".to_owned();
            return Err(RunError::Unsupported { what }.into());
        }
        if wanted.len() >= MAX_DESCRIPTORS {
            let what = format!("a command can have {MAX_DESCRIPTORS} mounts at most");
            return Err(RunError::Unsupported { what }.into());
        }
        for (number, one) in wanted.iter().enumerate() {
            let what = prepared.one(keeper, &one.what, number)?;
            prepared.mounts.push(Mount { target: one.target.clone(), what });
        }
        Ok(prepared)
    }

    pub(super) fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// What is only in memory.
    pub(super) fn held(&self) -> &[OwnedFd] {
        &self.held
    }

    fn one(
        &mut self,
        keeper: &Keeper,
        what: &Mountable<'_>,
        number: usize,
    ) -> Result<MountKind, Attempt> {
        Ok(match what {
            Mountable::Files { files, source, writable } => {
                let name = format!("files-{number}");
                keeper.ask(&Order::Folder { name: name.clone() }, &[])?;
                let folder = keeper.run().join(name);
                let source = fill(keeper, &folder, files, source, Top::AsItWas)?;
                // What is written is thrown away, for this copy is.
                MountKind::Bind { source: Raw::of(&source), read_only: !writable }
            }
            Mountable::Cache { id, sharing, read_only, seed, mode, owner } => {
                let folder = cache(keeper, id, *sharing, seed.as_ref(), *mode, *owner)?;
                MountKind::Bind { source: Raw::of(&folder), read_only: *read_only }
            }
            Mountable::Tmpfs { size } => MountKind::Tmpfs { size: *size },
            Mountable::Held { bytes, mode, owner } => {
                self.held.push(hold(bytes).map_err(of_mount)?);
                let descriptor = self.held.len() - 1;
                MountKind::Held { descriptor, mode: *mode, owner: *owner }
            }
            Mountable::Host { path, read_only } => {
                MountKind::Bind { source: Raw::of(path), read_only: *read_only }
            }
            Mountable::Socket { socket, mode, owner } => {
                let name = format!("socket-{number}");
                self.sockets.push(Socket::open(keeper.run(), &name, socket).map_err(of_mount)?);
                let source = Raw::of(&keeper.run().join(name));
                MountKind::Socket { source, mode: *mode, owner: *owner }
            }
        })
    }
}

fn cache(
    keeper: &Keeper,
    id: &str,
    sharing: Sharing,
    seed: Option<&(&Files, String)>,
    mode: u32,
    owner: (u32, u32),
) -> Result<PathBuf, Attempt> {
    let hold = match sharing {
        Sharing::Shared => Hold::Shared,
        Sharing::Private => Hold::Private,
        Sharing::Locked => Hold::Locked,
    };
    let id = Digest::sha256_of(id.as_bytes()).hex().to_owned();
    let (answer, _) = keeper.ask(&Order::Cache { id, hold, mode, owner }, &[])?;
    let Answer::Cache { folder, is_new } = answer else { return Err(surprise().into()) };
    if !is_new {
        return Ok(folder.into_path());
    }
    if let Some((files, source)) = seed {
        fill(keeper, folder.path(), files, source, Top::Kept)?;
    }
    keeper.ask(&Order::CacheFilled { folder: folder.clone(), hold }, &[])?;
    Ok(folder.path().with_file_name("cache"))
}

/// Lays out files in a folder that is there; returns what is to be mounted of it.
fn fill(
    keeper: &Keeper,
    folder: &Path,
    files: &Files,
    source: &str,
    top: Top,
) -> Result<PathBuf, Attempt> {
    let found = files.find(source.as_bytes()).map_err(RunError::from)?;
    let Some((path, id)) = found else {
        let what = format!("`{source}`, which is to be mounted, is not there");
        return Err(RunError::NotInImage { what }.into());
    };
    let is_folder = files.get(id).is_some_and(|inode| inode.kind == Kind::Folder);
    let (reads, writes) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| of_mount(error.into()))?;
    let (asked, written) = thread::scope(|scope| {
        let writer = scope.spawn(move || archive(writes, files, &path, id, top));
        let order = Order::Fill { folder: Raw::of(folder) };
        let asked = keeper.ask(&order, &[reads.as_fd()]);
        drop(reads);
        (asked, writer.join())
    });
    match (asked, written) {
        (_, Err(_)) => Err(surprise().into()),
        // Whoever does not read any more says why.
        (Err(failure), Ok(Ok(()))) => Err(failure.into()),
        (Err(failure), Ok(Err(error))) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(failure.into())
        }
        (_, Ok(Err(error))) => Err(of_mount(error)),
        (Ok(_), Ok(Ok(()))) => Ok(if is_folder { folder.to_owned() } else { folder.join(FILE) }),
    }
}

/// Whose mode and owner the folder has that files are laid out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Top {
    /// Those of the folder of the files.
    AsItWas,
    /// Those that it has.
    Kept,
}

/// Writes what is at a path as an archive that begins there.
fn archive(
    to: OwnedFd,
    files: &Files,
    path: &EntryPath,
    id: InodeId,
    attributes: Top,
) -> io::Result<()> {
    let mut writer =
        ArchiveWriter::new(BufWriter::with_capacity(64 << 10, std::fs::File::from(to)));
    let mut first_names: HashMap<InodeId, EntryPath> = HashMap::new();
    let mut append = |entry: Entry, id: InodeId| -> io::Result<()> {
        let content = files.get(id).and_then(|inode| inode.content.clone());
        let mut entry = entry;
        if entry.kind != Kind::Folder {
            if let Some(first) = first_names.get(&id) {
                entry.kind = Kind::Hardlink(first.clone());
                entry.size = 0;
            } else {
                first_names.insert(id, entry.path.clone());
            }
        }
        match content.filter(|_| entry.size > 0) {
            Some(content) => writer.append(&entry, &mut content.open()?),
            None => writer.append_bytes(&entry, &[]),
        }
    };
    let Some(top) = files.get(id) else { return Err(io::ErrorKind::NotFound.into()) };
    if top.kind == Kind::Folder {
        if attributes == Top::AsItWas {
            append(top.entry(EntryPath::default()), id)?;
        }
        let above = path.as_bytes().len();
        for (below, id) in files.walk_below(path, id) {
            let Some(inode) = files.get(id) else { continue };
            let rest = below.as_bytes().get(above..).unwrap_or_default();
            append(inode.entry(EntryPath::parse(rest)?), id)?;
        }
    } else {
        append(top.entry(EntryPath::parse(FILE.as_bytes())?), id)?;
    }
    let inner = writer.finish()?;
    inner.into_inner().map(drop).map_err(io::IntoInnerError::into_error)
}

/// A file in memory.
fn hold(bytes: &SecretBytes) -> io::Result<OwnedFd> {
    let file = memfd_create("secret", MemfdFlags::CLOEXEC)?;
    let mut rest = bytes.expose();
    while !rest.is_empty() {
        let count = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
        rest = rest.get(count..).unwrap_or_default();
    }
    Ok(file)
}

/// A socket of the sandbox; whoever connects to it talks to one of the machine's.
#[derive(Debug)]
struct Socket {
    stopped: Arc<AtomicBool>,
}

impl Socket {
    fn open(run: &Path, name: &str, machine: &Path) -> io::Result<Self> {
        // The name of a socket is short; this one leads there through an open folder.
        let folder = beneath::folder(run)?;
        let path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop, machine) = (Arc::clone(&stopped), machine.to_owned());
        thread::Builder::new().name("socket".to_owned()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((inside, _)) => {
                        // Who cannot be connected sees the end of what there is to read.
                        drop(UnixStream::connect(&machine).and_then(|to| talk(inside, to)));
                    }
                    Err(_) => thread::sleep(LOOK_AGAIN),
                }
            }
        })?;
        Ok(Self { stopped })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Passes on what two have to say, each way in a thread that ends when the one who speaks does.
fn talk(one: UnixStream, other: UnixStream) -> io::Result<()> {
    one.set_nonblocking(false)?;
    let ways = [(one.try_clone()?, other.try_clone()?), (other, one)];
    for (mut from, mut to) in ways {
        thread::Builder::new().name("socket".to_owned()).spawn(move || {
            // Whichever end is gone, the other one is told.
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(std::net::Shutdown::Write));
        })?;
    }
    Ok(())
}

fn of_mount(error: io::Error) -> Attempt {
    if error.raw_os_error().is_some() {
        return Failure::system("to prepare a mount", error).into();
    }
    let words = format!("a mount cannot be prepared: {error}");
    Failure::new(FailureKind::Unsupported, words).into()
}

/// The name of a file that is mounted by itself.
const FILE: &str = "file";
/// How long somebody who connects may wait.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
