//! PostgreSQL: a cluster of its own in a temporary folder, which can be killed and come back.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{self, Process};

/// A running PostgreSQL, to which everybody on this machine is its superuser.
///
/// It syncs nothing: what it survives is a kill of its own, not one of the machine.
#[derive(Debug)]
pub(crate) struct Postgres {
    process: Option<Process>,
    port: u16,
    programs: PathBuf,
    folder: TempDir,
}

impl Postgres {
    /// Makes a cluster, starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL does not run as root: Debian's user of that name has to reach its folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        if let Some((user, group)) = postgres_user() {
            chown(&data, Some(user), Some(group)).unwrap();
        }
        let mut words = as_postgres(&programs);
        words.extend(
            ["initdb", "-N", "-A", "trust", "-U", "postgres", "-E", "UTF8"].map(String::from),
        );
        words.extend(["--locale=C", "-D"].map(String::from));
        let mut initdb = Command::new(&words[0]);
        initdb.args(&words[1..]).arg(&data).current_dir("/");
        process::run(&initdb, b"", Duration::from_mins(2)).success();
        let port = free_port();
        let mut server = Self { process: None, port, programs, folder };
        server.restart();
        server
    }

    /// Returns the address of the cluster, without a database.
    pub(crate) fn address(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// Makes a database and returns its address.
    pub(crate) fn create_database(&self, name: &str) -> String {
        psql(&self.address(), &format!("CREATE DATABASE {name}"));
        format!("{}/{name}", self.address())
    }

    /// Runs a statement in a database, or in `postgres`, and returns what it prints.
    pub(crate) fn run(&self, database: &str, statement: &str) -> String {
        let address = format!("{}/{database}", self.address());
        let mut command = Command::new("psql");
        command.args([&address, "-v", "ON_ERROR_STOP=1", "-Atqc", statement]);
        process::run(&command, b"", Duration::from_mins(1)).success().stdout
    }

    /// Ends it as `pg_ctl stop -m immediate` does: nothing is finished, nobody is told.
    pub(crate) fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop_by(Signal::QUIT);
        }
    }

    /// Starts it again, at the same port, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.crash();
        let wrapper = as_postgres(&self.programs);
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let data = self.folder.path().join("data").display().to_string();
        let port = self.port.to_string();
        let args = [
            "-D",
            &data,
            "-F",
            "-p",
            &port,
            "-k",
            &data,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "max_connections=200",
            "-c",
            "shared_buffers=32MB",
        ];
        let mut process =
            Process::start_under(&wrapper, "postgres", &args, self.folder.path(), &[]);
        process.await_ready("answer", |_| {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
            let address = format!("{}/postgres", self.address());
            let ready = Command::new("psql").args([&address, "-qc", "SELECT 1"]).output();
            ready.ok()?.status.success().then_some(())
        });
        self.process = Some(process);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Politely, PostgreSQL would wait until its last client has left.
        self.crash();
    }
}

/// One PostgreSQL for all tests of this process that overlap, gone with the last of them.
#[derive(Debug)]
pub(crate) struct SharedPostgres {
    address: String,
    stop: Option<Sender<()>>,
    owner: Option<JoinHandle<()>>,
}

impl SharedPostgres {
    /// Returns the one that runs, or starts one.
    pub(crate) fn get() -> Arc<Self> {
        static CURRENT: Mutex<Weak<SharedPostgres>> = Mutex::new(Weak::new());
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = current.upgrade() {
            return running;
        }
        let (started, address) = channel();
        let (stop, stopped): (_, Receiver<()>) = channel();
        // A thread of its own keeps it: the test that happens to start it may end first.
        let owner = std::thread::spawn(move || {
            let server = Postgres::start();
            started.send(server.address()).unwrap();
            stopped.recv().ok();
        });
        let address = address.recv().expect("PostgreSQL starts");
        let shared = Arc::new(Self { address, stop: Some(stop), owner: Some(owner) });
        *current = Arc::downgrade(&shared);
        shared
    }

    /// Returns the address of the cluster, without a database.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for SharedPostgres {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(owner) = self.owner.take() {
            owner.join().ok();
        }
    }
}

/// Runs a statement on a cluster, whosever it is.
#[track_caller]
pub(crate) fn psql(address: &str, statement: &str) {
    let address = format!("{address}/postgres");
    let output = Command::new("psql").args([&address, "-qc", statement]).output();
    let output = output.expect("psql is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The words before a program of PostgreSQL's that make it run as somebody who is not root.
fn as_postgres(programs: &Path) -> Vec<String> {
    let path = format!("PATH={}:{}", programs.display(), process::search_path());
    let mut words = vec!["env".to_owned(), path];
    if postgres_user().is_some() {
        let become_postgres =
            ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"];
        words.extend(become_postgres.map(String::from));
    }
    words
}

/// The ids of Debian's user `postgres`; `None` where we are not root and run it as ourselves.
fn postgres_user() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<&str> = line.expect("Debian's postgresql is installed").split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

/// The folder of the newest PostgreSQL that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("Debian's postgresql is installed");
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().map(|entry| entry.path()).max_by_key(version);
    newest.expect("Debian's postgresql is installed").join("bin")
}

/// A port nobody listens on. PostgreSQL does not let the kernel choose.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
