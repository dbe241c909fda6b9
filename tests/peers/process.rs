//! One child process: started, watched, waited for, ended.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a server may take to be ready; the slowest, dockerd, takes half a second on an idle
/// machine.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// How long a server may take to leave when asked politely.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at something that is not ready yet.
const POLL: Duration = Duration::from_millis(5);
/// How much of a log a panic shows, in bytes.
const TAIL_BYTES: usize = 4096;

/// A server process and its log.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`, a name or a path, in `folder`, its output going to `<folder>/<name>.log`.
    ///
    /// The environment is empty but for `PATH` and `env`.
    pub(crate) fn start<S: AsRef<OsStr>>(
        program: &str,
        args: &[S],
        folder: &Path,
        env: &[(&str, &str)],
    ) -> Self {
        Self::start_under(&[], program, args, folder, env)
    }

    /// Starts `program` as [`Self::start`] does, through the words of `wrapper`.
    pub(crate) fn start_under<S: AsRef<OsStr>>(
        wrapper: &[&str],
        program: &str,
        args: &[S],
        folder: &Path,
        env: &[(&str, &str)],
    ) -> Self {
        let name = Path::new(program).file_name().unwrap().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}.log"));
        let output = fs::File::create(&log).unwrap();
        let mut words = wrapper.to_vec();
        // SIGTERM lets dockerd end its containerd; the others have nothing to save.
        words.extend(["setpriv", "--pdeathsig", "TERM", program]);
        let child = Command::new(words[0])
            .args(&words[1..])
            .args(args)
            .current_dir(folder)
            .env_clear()
            .env("PATH", search_path())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {words:?}: {error}"));
        Self { name, child, log }
    }

    /// Waits for the TCP port the process listens on.
    ///
    /// The kernel is asked whose socket it is, so that no stranger on the same port is mistaken
    /// for ours.
    pub(crate) fn await_port(&mut self) -> u16 {
        self.await_ready("listen on a TCP port", |process| listening_port(process.child.id()))
    }

    /// Waits until `probe` answers; panics with the tail of the log when the process ends first or
    /// the deadline passes.
    pub(crate) fn await_ready<T>(
        &mut self,
        what: &str,
        mut probe: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(ready) = probe(self) {
                return ready;
            }
            let ended = self.child.try_wait().unwrap();
            let late = Instant::now() > deadline;
            if ended.is_some() || late {
                let state =
                    ended.map_or_else(|| "too slow".to_owned(), |status| status.to_string());
                let name = &self.name;
                panic!("{name} did not {what} ({state}); end of its log:\n{}", self.log_tail());
            }
            thread::sleep(POLL);
        }
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns everything the process has printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns the last few kilobytes of [`Self::log`].
    pub(crate) fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let start = bytes.len().saturating_sub(TAIL_BYTES);
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// Ends the process: politely, then not. Nothing happens when it has ended already.
    pub(crate) fn stop(&mut self) {
        self.stop_by(Signal::TERM);
    }

    /// Ends the process by a signal, and by force if it does not heed it.
    pub(crate) fn stop_by(&mut self, signal: Signal) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        let id = process_id(&self.child);
        kill_process(id, signal).ok();
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            thread::sleep(POLL);
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a program that was run to its end left behind.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// The command as a person would type it.
    pub(crate) command: String,
    /// The exit code; 128 + the signal, as shells have it, when a signal ended the program.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Finished {
    /// Panics, showing everything, unless the exit code is `expected`.
    pub(crate) fn expect_code(self, expected: i32) -> Self {
        let Self { command, code, stdout, stderr } = &self;
        assert!(
            *code == expected,
            "`{command}`: exit code {code}, expected {expected}\n\
             ----- stdout -----\n{stdout}\n----- stderr -----\n{stderr}"
        );
        self
    }

    /// Panics, showing everything, unless the program succeeded.
    pub(crate) fn success(self) -> Self {
        self.expect_code(0)
    }
}

/// Runs a program to its end, in a session of its own so that it finds no terminal; kills it, with
/// whatever it started, once `timeout` has passed, and panics.
#[must_use = "ask for its `success` or an exit code"]
pub(crate) fn run(program: &Command, input: &[u8], timeout: Duration) -> Finished {
    let mut command = Command::new("setsid");
    command.args(["setpriv", "--pdeathsig", "KILL"]).arg(program.get_program());
    command.args(program.get_args()).env_clear().env("PATH", search_path());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let text = describe(program);
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("cannot start `{text}`: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let stdout = child.stdout.take().unwrap();
    let stderr = child.stderr.take().unwrap();
    let (status, stdout, stderr) = thread::scope(|scope| {
        // A program that does not read its input closes the pipe: nothing to report.
        scope.spawn(move || stdin.write_all(input).ok());
        let stdout = scope.spawn(|| read_text(stdout));
        let stderr = scope.spawn(|| read_text(stderr));
        let status = await_end(&mut child, timeout);
        (status, stdout.join().unwrap(), stderr.join().unwrap())
    });
    let Some(status) = status else {
        panic!(
            "`{text}` was killed after {timeout:?}\n\
             ----- stdout -----\n{stdout}\n----- stderr -----\n{stderr}"
        );
    };
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Finished { command: text, code, stdout, stderr }
}

/// Returns the first program of that name on the search path for which `fits` holds.
pub(crate) fn find_program(name: &str, fits: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file() && fits(path))
}

/// The search path of the test, with the folders added that hold servers and that a plain user's
/// path lacks.
pub(crate) fn search_path() -> String {
    let ours = std::env::var("PATH").unwrap_or_default();
    format!("{ours}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

fn await_end(child: &mut Child, timeout: Duration) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(POLL);
    }
    kill_process_group(process_id(child), Signal::KILL).ok();
    child.kill().ok();
    child.wait().ok();
    None
}

fn read_text(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn process_id(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Returns the TCP port on which the process has a listening socket (proc(5), `net/tcp`).
fn listening_port(id: u32) -> Option<u16> {
    let sockets = open_sockets(id);
    let tables = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("/proc/{id}/net/{name}")));
    tables.into_iter().flatten().find_map(|table| {
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (*fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
            let ours = state == "0A" && sockets.iter().any(|socket| socket == inode);
            let port = ours.then(|| local.rsplit(':').next())??;
            u16::from_str_radix(port, 16).ok()
        })
    })
}

/// Returns the inode numbers of the sockets a process holds open.
fn open_sockets(id: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{id}/fd")) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let link = fs::read_link(entry.path()).ok()?;
            Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect()
}
