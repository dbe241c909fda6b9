//! A person at a real terminal, who waits for a question before answering it.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::server::PATIENCE;

/// A program in a terminal of its own, which `script` keeps (util-linux).
#[derive(Debug)]
pub(crate) struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<String>>,
    seen: usize,
}

impl Terminal {
    /// Runs a line of shell in a terminal; the exit code is the line's.
    pub(crate) fn run(line: &str, mut command: Command) -> Self {
        command.args(["-qec", line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let keyboard = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let screen: Arc<Mutex<String>> = Arc::default();
        let shared = Arc::clone(&screen);
        thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(count @ 1..) = stdout.read(&mut piece) {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..count]));
            }
        });
        Self { child, keyboard, screen, seen: 0 }
    }

    /// Waits until the screen shows this, behind what was waited for before.
    #[track_caller]
    pub(crate) fn await_text(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen.lock().unwrap().clone();
            if let Some(at) = screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(Instant::now() < deadline, "no {text:?} on the screen:\n{screen}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Presses these keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).and_then(|()| self.keyboard.flush()).unwrap();
    }

    /// Waits for the end; returns the exit code and all that was on the screen.
    pub(crate) fn end(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "no end:\n{}", self.screen.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        };
        // The reader holds its end of the screen until all is read.
        while Arc::strong_count(&self.screen) > 1 {
            thread::sleep(Duration::from_millis(5));
        }
        (status.code().unwrap(), self.screen.lock().unwrap().clone())
    }
}
