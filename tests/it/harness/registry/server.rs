//! The server: connections, what was asked, and what is done about it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::answer::Answer;
use super::contents::{Contents, Route, Transfer};
use super::door::{Door, TOKEN_PATH};
use super::fault::Fault;
use super::script::Script;
use crate::harness::server::Request;

/// A running registry, over plain HTTP on loopback; it stops when dropped.
pub(crate) struct ScriptedRegistry {
    address: SocketAddr,
    world: Arc<World>,
    script: Script,
}

/// Everything that requests see and change.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// What the registry holds.
    pub(crate) contents: Contents,
    /// Who is let in.
    pub(crate) door: Door,
    log: Mutex<Vec<Entry>>,
    moving: Mutex<Moving>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

/// Blobs on their way at the moment, and the most there were at once.
#[derive(Debug, Default)]
struct Moving {
    now: BTreeMap<Transfer, usize>,
    most: BTreeMap<Transfer, usize>,
}

/// A request that came, in the order in which their heads did.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// `GET`, `POST`, …
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names and values as sent.
    pub(crate) headers: Vec<(String, String)>,
    /// How many bytes of the body were read.
    pub(crate) received: usize,
    /// The status answered; 0 for none.
    pub(crate) status: u16,
}

impl Entry {
    /// A header as sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// Method and target.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// Whether it is of this method and its target has this part.
    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }
}

impl ScriptedRegistry {
    /// Starts an honest registry that holds nothing.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (world, script) = (Arc::new(World::default()), Script::default());
        let (shared, rules) = (Arc::clone(&world), script.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (world, script) = (Arc::clone(&shared), rules.clone());
                thread::spawn(move || {
                    stream.set_nodelay(true).ok();
                    Connection { stream: BufReader::new(stream), world, script, address }.serve();
                });
            }
        });
        Self { address, world, script }
    }

    /// Returns `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns the same server under another name of this machine, `localhost:PORT`.
    pub(crate) fn other_host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Returns the name of an image here.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// What the registry holds.
    pub(crate) fn contents(&self) -> &Contents {
        &self.world.contents
    }

    /// Both, for those who look at them from elsewhere.
    pub(crate) fn world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    /// Who is let in.
    pub(crate) fn door(&self) -> &Door {
        &self.world.door
    }

    /// What goes wrong.
    pub(crate) fn script(&self) -> &Script {
        &self.script
    }

    /// Returns every request so far.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.world.log.lock().unwrap().clone()
    }

    /// Returns the requests so far of this method whose target has this part.
    pub(crate) fn asked(&self, method: &str, part: &str) -> Vec<Entry> {
        self.log().into_iter().filter(|entry| entry.is(method, part)).collect()
    }

    /// Forgets what was asked so far.
    pub(crate) fn forget_log(&self) {
        self.world.log.lock().unwrap().clear();
    }

    /// Returns the most blobs that went this way at the same time.
    pub(crate) fn most_at_once(&self, way: Transfer) -> usize {
        self.world.moving.lock().unwrap().most.get(&way).copied().unwrap_or_default()
    }
}

impl Drop for ScriptedRegistry {
    fn drop(&mut self) {
        self.world.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl fmt::Debug for ScriptedRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self
            .log()
            .iter()
            .map(|entry| format!("{} -> {}", entry.line(), entry.status))
            .collect();
        f.debug_struct("ScriptedRegistry").field("log", &lines).finish_non_exhaustive()
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    world: Arc<World>,
    script: Script,
    address: SocketAddr,
}

impl Connection {
    fn serve(mut self) {
        if !self.speaks_http() {
            // What servers of plain HTTP say to TLS.
            self.write(&Answer::new(400, "").to_wire(false));
            return;
        }
        while let Some(request) = self.receive_head() {
            let mut log = self.world.log.lock().unwrap();
            let number = log.len();
            log.push(Entry {
                method: request.method.clone(),
                target: request.target.clone(),
                headers: request.headers.clone(),
                received: 0,
                status: 0,
            });
            drop(log);
            let way = Route::of(&request.target).and_then(|route| route.transfer(&request.method));
            self.moves(way, 1);
            let goes_on = self.deal_with(request, number);
            self.moves(way, -1);
            if goes_on.is_none() {
                return;
            }
        }
    }

    /// Answers one request; `None` when the connection is at its end.
    fn deal_with(&mut self, mut request: Request, number: usize) -> Option<()> {
        let fault = self.script.decide(&request, &self.world);
        match fault {
            Some(Fault::Early(answer)) => {
                self.note(number, |entry| entry.status = answer.status);
                self.write(&answer.to_wire(request.method == "HEAD"));
                return self.linger();
            }
            Some(Fault::Silence) => return self.wait_for_the_end(),
            Some(Fault::CutRequest(after) | Fault::CutAndLose(after)) => {
                let bytes = self.receive_body(&request, after)?;
                self.note(number, |entry| entry.received = bytes.len());
                if matches!(fault, Some(Fault::CutRequest(_))) {
                    self.world.contents.append(&request, &bytes);
                }
                return None;
            }
            _ => {}
        }
        request.body = self.receive_body(&request, usize::MAX)?;
        self.note(number, |entry| entry.received = request.body.len());
        let answer = match fault {
            Some(Fault::Answer(answer)) => answer,
            Some(Fault::Alter(change)) => change(self.honest(&request)),
            Some(Fault::AsIf(change)) => {
                change(&mut request);
                self.honest(&request)
            }
            Some(Fault::Swallow) => {
                self.honest(&request);
                return None;
            }
            _ => self.honest(&request),
        };
        self.note(number, |entry| entry.status = answer.status);
        self.write(&answer.to_wire(request.method == "HEAD"))?;
        let leaves = request.header("connection").is_some_and(|text| text == "close");
        (!leaves && !answer.ends_connection()).then_some(())
    }

    fn honest(&self, request: &Request) -> Answer {
        let door = &self.world.door;
        if request.target.starts_with(TOKEN_PATH) {
            return door.token(request);
        }
        if let Some(refusal) = door.refuse(request, &self.address.to_string()) {
            return refusal;
        }
        let may_read = |repository: &str| door.allows(request, repository, "pull");
        self.world.contents.answer(request, may_read)
    }

    fn speaks_http(&mut self) -> bool {
        self.stream.fill_buf().is_ok_and(|bytes| bytes.first().is_none_or(u8::is_ascii_uppercase))
    }

    fn receive_head(&mut self) -> Option<Request> {
        let first = self.line()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        while let Some((name, value)) = self.line()?.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Some(Request { method, target, headers, body: Vec::new() })
    }

    /// Reads the body, but no more than so many bytes of it.
    fn receive_body(&mut self, request: &Request, most: usize) -> Option<Vec<u8>> {
        if request.header("transfer-encoding").is_some() {
            return self.receive_chunks(most);
        }
        let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; most.min(length)];
        self.stream.read_exact(&mut body).ok()?;
        Some(body)
    }

    fn receive_chunks(&mut self, most: usize) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).ok()?;
            let mut chunk = vec![0; length.min(most - body.len())];
            self.stream.read_exact(&mut chunk).ok()?;
            body.extend(chunk);
            if body.len() == most {
                return Some(body);
            }
            self.line()?;
            if length == 0 {
                return Some(body);
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut text = String::new();
        self.stream.read_line(&mut text).ok().filter(|length| *length > 0)?;
        Some(text.trim_end().to_owned())
    }

    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush()).ok()
    }

    /// Lets the client read what was said, and waits until it has gone.
    fn linger(&mut self) -> Option<()> {
        self.stream.get_ref().shutdown(Shutdown::Write).ok();
        self.wait_for_the_end()
    }

    /// Reads on, to no purpose, until the client has gone.
    fn wait_for_the_end(&mut self) -> Option<()> {
        let mut rest = [0; 4096];
        while matches!(self.stream.read(&mut rest), Ok(1..)) {}
        None
    }

    fn note(&self, number: usize, change: impl FnOnce(&mut Entry)) {
        // The log may have been forgotten in the meantime.
        if let Some(entry) = self.world.log.lock().unwrap().get_mut(number) {
            change(entry);
        }
    }

    fn moves(&self, way: Option<Transfer>, by: isize) {
        let Some(way) = way else { return };
        let mut moving = self.world.moving.lock().unwrap();
        let now = moving.now.entry(way).or_default();
        *now = now.saturating_add_signed(by);
        let now = *now;
        let most = moving.most.entry(way).or_default();
        *most = now.max(*most);
    }
}
