//! A real trust server behind one that can be made to wait at any request.

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::harness::server::{PATIENCE, Reply, Request, Server};
use crate::peers::http;
use crate::peers::{NotaryOptions, NotaryServer};

/// When a request is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the real server sees it.
    Before,
    /// When the real server has acted on it, but its answer is not passed on.
    After,
}

/// A `notary-server`, reached through us.
pub(crate) struct Proxy {
    server: Server,
    trap: Arc<Mutex<Option<Trap>>>,
    notary: NotaryServer,
}

/// Where the next request is held up.
struct Trap {
    requests_before: usize,
    moment: Moment,
    reached: Sender<()>,
    release: Receiver<()>,
}

/// A request that will be held up, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    /// Says when the request is there.
    pub(crate) reached: Receiver<()>,
    _release: Sender<()>,
}

impl Proxy {
    /// Starts both servers.
    pub(crate) fn start() -> Self {
        let notary = NotaryServer::start(&NotaryOptions::default());
        let (url, authority) = (notary.url(), notary.ca_pem());
        let trap: Arc<Mutex<Option<Trap>>> = Arc::default();
        let shared = Arc::clone(&trap);
        let server = Server::start(move |request| {
            let sprung = take_if_due(&shared);
            if let Some(Trap { moment: Moment::Before, reached, release, .. }) = &sprung {
                wait(reached, release);
                return Reply::Close;
            }
            let reply = forward(&url, &authority, request);
            match &sprung {
                Some(Trap { reached, release, .. }) => {
                    wait(reached, release);
                    Reply::Close
                }
                None => reply,
            }
        });
        Self { server, trap, notary }
    }

    /// Returns the address that users are given.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// The server behind.
    pub(crate) fn notary(&self) -> &NotaryServer {
        &self.notary
    }

    /// Holds up the request after the next `requests_before`.
    pub(crate) fn hold(&self, requests_before: usize, moment: Moment) -> Held {
        let (reached, told) = channel();
        let (release, awaited) = channel();
        let trap = Trap { requests_before, moment, reached, release: awaited };
        *self.trap.lock().unwrap() = Some(trap);
        Held { reached: told, _release: release }
    }

    /// Holds up nothing any more.
    pub(crate) fn pass(&self) {
        *self.trap.lock().unwrap() = None;
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("log", &self.server.log()).finish_non_exhaustive()
    }
}

fn take_if_due(shared: &Mutex<Option<Trap>>) -> Option<Trap> {
    let mut slot = shared.lock().unwrap();
    let trap = slot.as_mut()?;
    if trap.requests_before == 0 {
        return slot.take();
    }
    trap.requests_before -= 1;
    None
}

/// Until the test has seen what it wanted to see: it then drops the other end.
fn wait(reached: &Sender<()>, release: &Receiver<()>) {
    reached.send(()).ok();
    release.recv_timeout(PATIENCE).ok();
}

fn forward(url: &str, authority: &Path, request: &Request) -> Reply {
    let is_kept = |name: &str| name.eq_ignore_ascii_case("content-type");
    let headers: Vec<(&str, &str)> = (request.headers.iter())
        .filter(|(name, _)| is_kept(name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let url = format!("{url}{}", request.target);
    let sent = http::Request {
        method: &request.method,
        url: &url,
        headers: &headers,
        body: &request.body,
    };
    let answer = http::send(&sent, Some(authority));
    let content_type = answer.header("content-type").unwrap_or("application/json").to_owned();
    Reply::status(answer.status, answer.body).with("Content-Type", &content_type)
}
