//! How the plugin learns that it is to end: by Ctrl-C, and by the socket that docker closes when
//! somebody ends docker and not the plugin.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use crate::cli::settings::Environment;

/// Whether somebody wants the program to end, for what waits for a person's answer.
#[derive(Debug, Clone, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Whether it is to end.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn come(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Begins to wait for the end. At the end of docker's connection the program ends as by Ctrl-C, and
/// if it waits for something that does not end, it is ended after a while: docker is gone then.
pub fn listen(environment: &Environment) -> Ending {
    let ending = Ending::default();
    let pressed = ending.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            pressed.come();
        }
    });
    // Without a socket signals come to us alone, which is how it was before docker had one.
    if let Some(mut stream) = environment.text(SOCKET).and_then(|name| connect(&name)) {
        let gone = ending.clone();
        thread::spawn(move || {
            let mut bytes = [0; 64];
            while !matches!(stream.read(&mut bytes), Ok(0) | Err(_)) {}
            gone.come();
            // If these fail, docker kills us.
            let _ended = kill_process(getpid(), Signal::INT).is_ok();
            thread::sleep(GRACE);
            let _killed = kill_process(getpid(), Signal::KILL).is_ok();
        });
    }
    ending
}

fn connect(name: &str) -> Option<UnixStream> {
    let stream = match name.strip_prefix('@') {
        Some(name) => {
            let address = SocketAddr::from_abstract_name(name);
            address.and_then(|address| UnixStream::connect_addr(&address))
        }
        None => UnixStream::connect(name),
    };
    stream.ok()
}

/// Names the socket.
const SOCKET: &str = "DOCKER_CLI_PLUGIN_SOCKET";
/// For what ends in peace.
const GRACE: Duration = Duration::from_secs(10);
