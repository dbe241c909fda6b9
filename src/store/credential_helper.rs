//! Programs that keep registry logins: `docker-credential-NAME get|store|erase`.
//!
//! The request goes to the program's standard input, the answer comes from its standard output,
//! as JSON; a failure is told there as text, with a non-zero exit status.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::limits::MAX_HELPER_ANSWER_BYTES;
use crate::store::StoreError;

/// How long a helper may take: it may be asking a person to unlock something.
pub const HELPER_WAIT: Duration = Duration::from_mins(2);

/// A login as helpers exchange it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HelperLogin {
    /// The key it is kept under.
    #[serde(rename = "ServerURL", default)]
    pub(crate) server: String,
    /// The user, or [`TOKEN_USER`].
    pub(crate) username: String,
    /// The password or the identity token.
    pub(crate) secret: String,
}

impl Drop for HelperLogin {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The user name that says that the secret is an identity token.
pub(crate) const TOKEN_USER: &str = "<token>";

/// One helper program.
#[derive(Debug, Clone)]
pub(crate) struct CredentialHelper {
    name: String,
    /// Where to look for the program instead of on the search path.
    folder: Option<PathBuf>,
    wait: Duration,
}

impl CredentialHelper {
    /// Names a helper, such as `pass` for `docker-credential-pass`.
    pub(crate) fn new(name: &str, folder: Option<PathBuf>) -> Result<Self, StoreError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || !name.bytes().all(is_plain) {
            return Err(StoreError::HelperName { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), folder, wait: HELPER_WAIT })
    }

    /// Gives the helper this long to answer.
    #[cfg(test)]
    pub(crate) fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Returns the login kept under a key, if there is one.
    pub(crate) fn get(&self, server: &str) -> Result<Option<HelperLogin>, StoreError> {
        let answer = self.run("get", server.as_bytes())?;
        if !answer.success {
            return if answer.is_not_found() { Ok(None) } else { Err(self.failed(&answer)) };
        }
        match serde_json::from_slice(&answer.output) {
            Ok(login) => Ok(Some(login)),
            // The parser's message may quote the secret.
            Err(_) => Err(self.error("its answer is not a login in JSON")),
        }
    }

    /// Keeps a login.
    pub(crate) fn store(&self, login: &HelperLogin) -> Result<(), StoreError> {
        let text = serde_json::to_vec(login).map_err(|_| self.error("the login is not text"))?;
        let answer = self.run("store", &Zeroizing::new(text))?;
        if answer.success { Ok(()) } else { Err(self.failed(&answer)) }
    }

    /// Forgets a login; one that is not there is no error.
    pub(crate) fn erase(&self, server: &str) -> Result<(), StoreError> {
        let answer = self.run("erase", server.as_bytes())?;
        if answer.success || answer.is_not_found() { Ok(()) } else { Err(self.failed(&answer)) }
    }

    fn run(&self, verb: &str, input: &[u8]) -> Result<Answer, StoreError> {
        let start = |cause| StoreError::HelperStart { name: self.name.clone(), cause };
        let mut child = self.spawn(verb).map_err(start)?;
        let deadline = Instant::now() + self.wait;
        let (sender, receiver) = mpsc::channel();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let input = Zeroizing::new(input.to_vec());
        thread::spawn(move || {
            // A helper that does not read its input has its own way of failing.
            drop(stdin.map(|mut stdin| stdin.write_all(&input)));
        });
        thread::spawn(move || {
            let mut output = Zeroizing::new(Vec::new());
            let read = match stdout {
                Some(out) => out.take(MAX_HELPER_ANSWER_BYTES + 1).read_to_end(&mut output),
                None => Ok(0),
            };
            // Nobody listens any more after the deadline.
            drop(sender.send(read.map(|_| output)));
        });
        let output = receiver.recv_timeout(self.wait);
        let Ok(output) = output else {
            end(&mut child);
            return Err(StoreError::HelperTimeout { name: self.name.clone(), wait: self.wait });
        };
        let output = output.map_err(start)?;
        if output.len() as u64 > MAX_HELPER_ANSWER_BYTES {
            end(&mut child);
            return Err(self.error("its answer is too long"));
        }
        let success = self.wait_for(&mut child, deadline)?;
        Ok(Answer { success, output })
    }

    fn spawn(&self, verb: &str) -> io::Result<Child> {
        let file = format!("docker-credential-{}", self.name);
        let program = self.folder.as_ref().map_or_else(|| file.clone().into(), |f| f.join(&file));
        let mut command = Command::new(program);
        command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped());
        for _ in 0..BUSY_RETRIES {
            match command.spawn() {
                // It is being installed at this moment.
                Err(cause) if cause.kind() == io::ErrorKind::ExecutableFileBusy => {
                    thread::sleep(POLL);
                }
                result => return result,
            }
        }
        command.spawn()
    }

    /// Waits for a helper that closed its output; returns whether it succeeded.
    fn wait_for(&self, child: &mut Child, deadline: Instant) -> Result<bool, StoreError> {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
                Ok(None) => {
                    end(child);
                    let name = self.name.clone();
                    return Err(StoreError::HelperTimeout { name, wait: self.wait });
                }
                Err(cause) => {
                    return Err(StoreError::HelperStart { name: self.name.clone(), cause });
                }
            }
        }
    }

    fn failed(&self, answer: &Answer) -> StoreError {
        let text = answer.text();
        let line: String = text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect();
        self.error(if line.is_empty() { "it failed without a message" } else { &line })
    }

    fn error(&self, message: &str) -> StoreError {
        StoreError::Helper { name: self.name.clone(), message: message.to_owned() }
    }
}

struct Answer {
    success: bool,
    output: Zeroizing<Vec<u8>>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).trim().to_owned()
    }

    fn is_not_found(&self) -> bool {
        self.text() == NOT_FOUND
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself just now.
    drop(child.kill());
    drop(child.wait());
}

const NOT_FOUND: &str = "credentials not found in native keychain";
const MAX_MESSAGE: usize = 500;
const POLL: Duration = Duration::from_millis(5);
const BUSY_RETRIES: u32 = 20;
