//! The first process of a sandbox. It makes the sandbox from inside, starts the command, collects
//! what the command leaves behind, and says how it ended. With it ends everything in there.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, WaitOptions, set_dumpable_behavior,
    set_parent_process_death_signal, wait,
};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use serde::{Deserialize, Serialize};

use crate::build::run::channel::Channel;
use crate::build::run::messages::{Answer, Failure, FailureKind, Form, Input, Isolated, Raw, Spec};
use crate::build::run::{bundle, kernel, loopback, regardless, root, system_calls};
use crate::limits::{MAX_RUN_OPEN_FILES, MAX_RUN_PROCESSES};

/// What the first process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) run: Raw,
    pub(super) lowers: Vec<Raw>,
    pub(super) form: Form,
    pub(super) marks_for_user: bool,
    pub(super) spec: Spec,
}

/// Makes the sandbox, and runs the command in it.
pub(super) fn main() -> Result<(), Failure> {
    let begun = |error: io::Error| Failure::system("to begin in a sandbox", error);
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| begun(error.into()))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| begun(error.into()))?;
    let channel = Channel::of_stdin().map_err(begun)?;
    let Some((setup, with)) = channel.receive::<Setup>().map_err(begun)? else { return Ok(()) };
    let answer = match run(&channel, &setup, with) {
        Ok(answer) => answer,
        Err(failure) => Answer::Failed(failure),
    };
    channel.send(&answer, &[]).map_err(begun)
}

fn run(channel: &Channel, setup: &Setup, mut with: Vec<OwnedFd>) -> Result<Answer, Failure> {
    let spec = &setup.spec;
    let input = if spec.input == Input::Descriptor && !with.is_empty() {
        Some(with.remove(0))
    } else {
        None
    };
    let stubs = match &spec.isolation {
        Isolated::Namespaces => {
            namespaces(spec)?;
            root::enter(setup, &with)?
        }
        Isolated::Chroot => root::change(setup)?,
        Isolated::Runtime(program) => {
            return bundle::run(program.path(), setup, &with, input);
        }
    };
    drop(with);
    let (mut command, terminal) = command(spec, input)?;
    if let Some(terminal) = terminal {
        let sent = channel.send(&Answer::Terminal, &[terminal.as_fd()]);
        sent.map_err(|error| Failure::system("to open a terminal", error))?;
    }
    // Where it stops before the command begins, it says so through a pipe: an error of `spawn` is
    // a number and nothing else.
    let (says, said) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| Failure::system("to start the command", error))?;
    let mut rights = Rights::of(spec)?;
    kernel::before_exec(&mut command, move || {
        rights.take().map_err(|(step, error)| {
            // Nobody is there to hear it if this fails.
            regardless(rustix::io::write(&said, step.as_bytes()));
            error
        })
    });
    let spawned = command.spawn();
    drop(command);
    let child = match spawned {
        Ok(child) => child,
        Err(error) => return Err(not_started(spec, &says, error)),
    };
    drop(says);
    let status = reap(child.id())?;
    let stubs = stubs.into_iter().map(Raw).collect();
    Ok(Answer::Ended { status, stubs })
}

fn namespaces(spec: &Spec) -> Result<(), Failure> {
    let mut flags = UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC;
    if !spec.host_network {
        flags |= UnshareFlags::NEWNET;
    }
    kernel::unshare(flags).map_err(|error| {
        let words = "namespaces of mounts, names and networks cannot be made: that takes \
                     CAP_SYS_ADMIN, and in a container a seccomp profile that allows it";
        Failure::new(FailureKind::NoNamespaces, words).because(error)
    })?;
    let named = rustix::system::sethostname(spec.hostname.as_bytes())
        .and_then(|()| rustix::system::setdomainname(b"(none)"));
    named.map_err(|error| Failure::system("to name the sandbox", error))?;
    if !spec.host_network {
        loopback::raise().map_err(|error| Failure::system("to raise the loopback", error))?;
    }
    Ok(())
}

/// The command, not yet started, and the other end of its terminal if it has one.
fn command(spec: &Spec, input: Option<OwnedFd>) -> Result<(Command, Option<OwnedFd>), Failure> {
    let Some((program, arguments)) = spec.arguments.split_first() else {
        return Err(Failure::new(FailureKind::NotInImage, "there is no command to be run"));
    };
    enter_folder(spec)?;
    let path = find(spec, program)?;
    let mut command = Command::new(path);
    command.arg0(program).args(arguments).env_clear();
    command.envs(spec.environment.iter().map(|(name, value)| (name, value)));
    let mut other_end = None;
    match (spec.input, input) {
        (Input::Terminal { rows, columns }, _) => {
            let (ours, theirs) = terminal(rows, columns)
                .map_err(|error| Failure::system("to open a terminal", error))?;
            let copy = || theirs.try_clone().map(Stdio::from);
            let copies = copy().and_then(|one| Ok((one, copy()?)));
            let (one, two) =
                copies.map_err(|error| Failure::system("to open a terminal", error))?;
            command.stdin(theirs).stdout(one).stderr(two);
            other_end = Some(ours);
        }
        (_, Some(input)) => {
            command.stdin(input);
        }
        (_, None) => {
            command.stdin(Stdio::null());
        }
    }
    Ok((command, other_end))
}

fn enter_folder(spec: &Spec) -> Result<(), Failure> {
    let folder = if spec.folder.is_empty() { "/" } else { &spec.folder };
    let entered = match rustix::process::chdir(folder) {
        Err(Errno::NOENT) => make_folders(folder).and_then(|()| rustix::process::chdir(folder)),
        entered => entered,
    };
    entered.map_err(|error| {
        let words = format!("the folder `{folder}` of the image cannot be entered: {error}");
        Failure::new(FailureKind::NotInImage, words)
    })
}

/// Already inside: no link leads out any more.
fn make_folders(path: &str) -> Result<(), Errno> {
    let mut made = String::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        made.push('/');
        made.push_str(name);
        match rustix::fs::mkdir(made.as_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where the program is, as `PATH` says.
fn find(spec: &Spec, program: &str) -> Result<String, Failure> {
    let not_there = |words: String| Failure::new(FailureKind::NotInImage, words);
    if program.is_empty() {
        return Err(not_there("the command is empty".to_owned()));
    }
    let mut candidates = vec![program.to_owned()];
    if !program.contains('/') {
        let path = spec.environment.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or(DEFAULT_PATH, |(_, path)| path);
        let at = |folder: &str| {
            let folder = if folder.is_empty() { "." } else { folder };
            format!("{folder}/{program}")
        };
        candidates = path.split(':').map(at).collect();
    }
    let mut refused = None;
    for candidate in candidates {
        match rustix::fs::stat(candidate.as_str()) {
            Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() => {
                if stat.st_mode & 0o111 != 0 {
                    return Ok(candidate);
                }
                refused = Some(format!("`{candidate}` of the image is not executable"));
            }
            Ok(_) => refused = Some(format!("`{candidate}` of the image is not a file")),
            Err(_) => {}
        }
    }
    match refused {
        Some(words) => Err(Failure::new(FailureKind::NotExecutable, words)),
        None if program.contains('/') => {
            Err(not_there(format!("the image has no program `{program}`")))
        }
        None => Err(not_there(format!("the image has no program `{program}` in its PATH"))),
    }
}

fn not_started(spec: &Spec, says: &OwnedFd, error: io::Error) -> Failure {
    let mut step = [0; 200];
    let length = rustix::io::read(says, &mut step[..]).unwrap_or_default();
    let program = spec.arguments.first().map_or("", String::as_str);
    let step = String::from_utf8_lossy(step.get(..length).unwrap_or_default()).into_owned();
    if !step.is_empty() {
        return Failure::system(step, error);
    }
    match error.raw_os_error() {
        Some(libc::ENOENT) => Failure::new(
            FailureKind::NotInImage,
            format!("`{program}` needs an interpreter or loader that the image does not have"),
        ),
        _ => Failure::new(
            FailureKind::NotExecutable,
            format!("`{program}` of the image cannot be run: {error}"),
        ),
    }
}

/// Waits for the command, and for all that lost their parents meanwhile.
pub(super) fn reap(child: u32) -> Result<i32, Failure> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().cast_unsigned() == child => {
                if let Some(code) = status.exit_status() {
                    return Ok(code);
                }
                if let Some(signal) = status.terminating_signal() {
                    return Ok(128 + signal);
                }
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::system("to wait for the command", error)),
        }
    }
}

/// Both ends of a terminal of the sandbox.
fn terminal(rows: u16, columns: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pty::OpenptFlags;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let ours = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&ours)?;
    let open = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, open)?;
    let size =
        rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&ours, size)?;
    Ok((ours, theirs))
}

/// What is given up on the way to the command.
struct Rights {
    terminal: bool,
    /// Which capabilities are kept; all that there are without it.
    kept: Option<CapabilitySet>,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    filters: Vec<seccompiler::BpfProgram>,
    last_capability: u32,
}

impl Rights {
    fn of(spec: &Spec) -> Result<Self, Failure> {
        let id = |id: u32| if id == u32::MAX { None } else { Some(id) };
        let (Some(uid), Some(gid)) = (id(spec.uid), id(spec.gid)) else {
            let words = "4294967295 is not the number of a user or group";
            return Err(Failure::new(FailureKind::NotInImage, words));
        };
        let filters = if spec.insecure {
            Vec::new()
        } else {
            system_calls::filters().map_err(|error| {
                let words = format!("system calls cannot be filtered here: {error}");
                Failure::new(FailureKind::Unable, words)
            })?
        };
        Ok(Self {
            terminal: matches!(spec.input, Input::Terminal { .. }),
            kept: match spec.isolation {
                _ if spec.insecure => None,
                // With these two, nothing else would keep the command in its root folder.
                Isolated::Chroot => Some(
                    DEFAULT_CAPABILITIES
                        .difference(CapabilitySet::SYS_CHROOT.union(CapabilitySet::MKNOD)),
                ),
                _ => Some(DEFAULT_CAPABILITIES),
            },
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            groups: spec.groups.iter().map(|group| Gid::from_raw(*group)).collect(),
            filters,
            last_capability: 63,
        })
    }

    /// Gives up what the command is not to have; in the process that becomes the command.
    fn take(&mut self) -> Result<(), (&'static str, io::Error)> {
        let at = |step: &'static str| move |error: Errno| (step, io::Error::from(error));
        rustix::process::setsid().map_err(at("to begin a session"))?;
        if self.terminal {
            let stdin = rustix::stdio::stdin();
            rustix::process::ioctl_tiocsctty(stdin).map_err(at("to take the terminal"))?;
        }
        rustix::process::umask(Mode::from_raw_mode(0o022));
        limits();
        let held = rustix::thread::capabilities(None).map_err(at("to look at capabilities"))?;
        let kept = self.kept.unwrap_or(held.permitted);
        for number in 0..=self.last_capability {
            let one = CapabilitySet::from_bits_retain(1 << number);
            if kept.contains(one) {
                continue;
            }
            match rustix::thread::remove_capability_from_bounding_set(one) {
                // The kernel does not know more.
                Err(Errno::INVAL) => break,
                // Somebody who may not has none to give up either.
                Err(Errno::PERM) if !held.permitted.contains(CapabilitySet::SETPCAP) => break,
                other => other.map_err(at("to give up capabilities"))?,
            }
        }
        if !self.filters.is_empty() {
            if !held.effective.contains(CapabilitySet::SYS_ADMIN) {
                let step = "to give up new rights";
                rustix::thread::set_no_new_privs(true).map_err(at(step))?;
            }
            for filter in &self.filters {
                let installed = kernel::install_filter(filter);
                installed.map_err(|error| ("to filter system calls", error))?;
            }
        }
        self.become_user().map_err(|error| {
            ("to become the user of the command (does the user namespace have its number?)", error)
        })?;
        let kept = kept.intersection(held.permitted);
        let (effective, permitted) = if self.uid.is_root() {
            (kept, kept)
        } else {
            (CapabilitySet::empty(), CapabilitySet::empty())
        };
        let inheritable = CapabilitySet::empty();
        let sets = CapabilitySets { effective, permitted, inheritable };
        rustix::thread::set_capabilities(None, sets).map_err(at("to give up capabilities"))
    }

    fn become_user(&self) -> io::Result<()> {
        use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
        match set_thread_groups(&self.groups) {
            Ok(()) => {}
            // A user namespace of one number: nobody has further groups there.
            Err(Errno::PERM) if self.groups.is_empty() => {}
            Err(error) => return Err(error.into()),
        }
        set_thread_res_gid(self.gid, self.gid, self.gid)?;
        set_thread_res_uid(self.uid, self.uid, self.uid)?;
        Ok(())
    }
}

/// Limits that are the same everywhere, as far as they can be: what cannot be raised stays.
fn limits() {
    let nofile = rustix::process::getrlimit(Resource::Nofile);
    let most = nofile.maximum.unwrap_or(MAX_RUN_OPEN_FILES).min(MAX_RUN_OPEN_FILES);
    let open = Rlimit { current: Some(most.min(1024)), maximum: Some(most) };
    let core = Rlimit { current: Some(0), maximum: Some(0) };
    for (resource, limit) in [(Resource::Nofile, open), (Resource::Core, core)] {
        regardless(rustix::process::setrlimit(resource, limit));
    }
}

/// Keeps a command that forks without end from taking all processes of the machine, where a
/// namespace has a bound of its own: since Linux 6.14. Before that the bound was the machine's.
pub(super) fn bound_processes(proc: &OwnedFd) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (6, 14) {
        return;
    }
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::openat(proc, "sys/kernel/pid_max", flags, Mode::empty()) {
        // Who may not set it goes without.
        regardless(rustix::io::write(&file, MAX_RUN_PROCESSES.to_string().as_bytes()));
    }
}

/// Text for a call of the kernel.
pub(super) fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::new(FailureKind::Unsupported, "a name has a zero byte"))
}

/// What docker leaves to a container: 0xa80425fb.
pub(super) const DEFAULT_CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::SETFCAP);
/// Where programs are if the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_are_dockers() {
        assert_eq!(DEFAULT_CAPABILITIES.bits(), 0xa804_25fb);
    }
}
