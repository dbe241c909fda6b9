//! `dockerd` with a world of its own. It needs root.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::http::{self, Request};
use super::process::Process;

/// A running `dockerd` with the `containerd` it starts itself.
///
/// It has its own mount namespace, so that even a killed daemon leaves no mount behind, and no
/// network for containers, so that it touches no firewall rule: it pulls, builds without `RUN`,
/// tags and pushes. Loopback registries are insecure ones to it, as to every daemon.
#[derive(Debug)]
pub(crate) struct Dockerd {
    process: Process,
    folder: TempDir,
}

impl Dockerd {
    /// Starts a daemon and waits until it answers.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("daemon.json"), "{}").unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let args = [
            format!("--config-file={}", path("daemon.json")),
            format!("--data-root={}", path("data")),
            format!("--exec-root={}", path("exec")),
            format!("--pidfile={}", path("pid")),
            format!("--host=unix://{}", path("docker.sock")),
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--bridge=none".to_owned(),
        ];
        let process =
            Process::start_under(&["unshare", "--mount"], "dockerd", &args, folder.path(), &[]);
        let mut daemon = Self { process, folder };
        let socket = daemon.socket();
        daemon.process.await_ready("answer on its socket", |_| answers(&socket));
        daemon
    }

    /// Returns the value of `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Returns the process id of the daemon.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }
}

fn answers(socket: &PathBuf) -> Option<()> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let request = Request { method: "GET", url: "", headers: &[], body: b"" };
    (http::exchange(stream, &request, "docker", "/_ping").status == 200).then_some(())
}
