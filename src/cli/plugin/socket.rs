//! The socket over which docker tells its plugin to end: docker closes it when somebody ends docker
//! and not the plugin.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::thread;

use rustix::process::{Signal, getpid, kill_process};

use crate::cli::settings::Environment;

/// Waits for the end of the connection, and ends the program as Ctrl-C would.
pub fn listen(environment: &Environment) {
    let Some(name) = environment.text(SOCKET) else { return };
    let stream = match name.strip_prefix('@') {
        Some(name) => {
            let address = SocketAddr::from_abstract_name(name);
            address.and_then(|address| UnixStream::connect_addr(&address))
        }
        None => UnixStream::connect(&name),
    };
    // Without it signals come to us alone, which is how it was before docker had one.
    let Ok(mut stream) = stream else { return };
    thread::spawn(move || {
        let mut bytes = [0; 64];
        while !matches!(stream.read(&mut bytes), Ok(0) | Err(_)) {}
        // If that fails, docker kills us.
        let _ended = kill_process(getpid(), Signal::INT).is_ok();
    });
}

/// Names the socket.
const SOCKET: &str = "DOCKER_CLI_PLUGIN_SOCKET";
