//! A collection with a history, and the server that hands it out until it does otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use trust::actions::Context;
use trust::actions::rescue::Rescued;
use trust::actions::rescue::run::{Request, rescue};
use trust::clock::{Clock, FixedClock, SystemClock};
use trust::crypto::Sha256Hash;
use trust::store::rescue::{Record, RescueFolder};
use trust::tuf::Gun;

use crate::harness::server::Replies;
use crate::harness::victim::{block_on, context_of};
use crate::harness::{Key, Reply, Repository, Server};
use crate::peers::User;

/// The collection, its server, and somebody who rescues it.
pub(crate) struct Scene {
    pub(crate) repository: Repository,
    pub(crate) replies: Replies,
    pub(crate) server: Server,
    pub(crate) user: User,
    traps: Arc<Traps>,
    feed: Vec<Value>,
}

/// Where the server stops answering.
#[derive(Default)]
struct Traps {
    seen: AtomicUsize,
    at: Mutex<Option<(usize, Sender<()>)>>,
}

impl Scene {
    /// A collection of one version.
    pub(crate) fn new() -> Self {
        let replies = Replies::default();
        let traps = Arc::new(Traps::default());
        let (script, shared) = (replies.clone(), Arc::clone(&traps));
        let server = Server::start(move |request| {
            let number = shared.seen.fetch_add(1, Ordering::SeqCst);
            if let Some((at, reached)) = shared.at.lock().unwrap().as_ref()
                && number >= *at
            {
                reached.send(()).ok();
                return Reply::Silence;
            }
            script.reply(request)
        });
        let mut user = User::new();
        user.set("DOCKER_CONTENT_TRUST_SERVER", &server.url());
        let repository = Repository::new(&format!("{}/app", server.host_port()));
        Self { repository, replies, server, user, traps, feed: Vec::new() }
    }

    /// A collection with delegations, whose root was rotated, after four publications.
    pub(crate) fn with_history() -> Self {
        let mut scene = Self::new();
        let keys = [Key::plain()];
        scene.repository.delegate("targets/releases", &keys, 1, &[""]);
        scene.repository.delegate("targets/alice", &keys, 1, &[""]);
        scene.repository.add_target("targets/releases", "1", b"content");
        scene.publish();
        scene.publish_next();
        scene.rotate_root();
        scene.publish_next();
        scene.publish_next();
        scene
    }

    /// Gives the root and the timestamp other keys.
    pub(crate) fn rotate_root(&mut self) {
        let old = self.repository.signers("root").pop().unwrap();
        let new = [Key::certified(self.repository.gun())];
        self.repository.unset("root", &["keys", old.id().as_str()]);
        self.repository.grant("root", &new, 1);
        self.repository.sign_with("root", &[old, std::rc::Rc::clone(&new[0])]);
        self.repository.grant("timestamp", &[Key::plain()], 1);
        self.repository.bump(&["root"]);
    }

    /// Publishes the next version of everything but the root.
    pub(crate) fn publish_next(&mut self) {
        let roles = ["timestamp", "snapshot", "targets", "targets/releases", "targets/alice"];
        let there = self.repository.roles();
        let roles: Vec<&str> =
            roles.into_iter().filter(|role| there.iter().any(|known| known == role)).collect();
        self.repository.bump(&roles);
        self.publish();
    }

    /// Publishes, and serves every version that there has been.
    pub(crate) fn publish(&mut self) {
        self.repository.publish();
        for role in self.repository.roles() {
            let version = self.repository.version(&role);
            self.replies
                .set(&format!("{version}.{role}.json"), Reply::file(self.repository.raw(&role)));
        }
        for (name, bytes) in self.repository.files() {
            self.replies.set(name, Reply::file(bytes.clone()));
        }
        let timestamp = self.repository.raw("timestamp");
        self.feed.push(json!({
            "ID": (self.feed.len() + 1).to_string(),
            "CreatedAt": "2026-01-01T00:00:00Z",
            "GUN": self.repository.gun(),
            "Version": self.repository.version("timestamp"),
            "SHA256": Sha256Hash::of(&timestamp).to_hex(),
            "Category": "update",
        }));
        let page = json!({ "count": self.feed.len(), "records": self.feed });
        let page = serde_json::to_vec(&page).unwrap();
        self.replies.set("_trust/changefeed?change_id=0&records=1000", Reply::file(page));
        for after in 1..=self.feed.len() {
            let rest = &self.feed[after..];
            let page = json!({ "count": rest.len(), "records": rest });
            let name = format!("_trust/changefeed?change_id={after}&records=1000");
            self.replies.set(&name, Reply::file(serde_json::to_vec(&page).unwrap()));
        }
    }

    pub(crate) fn gun(&self) -> Gun {
        Gun::parse(self.repository.gun()).unwrap()
    }

    pub(crate) fn image(&self) -> String {
        format!("{}:1", self.repository.gun())
    }

    /// Where the person rescues to.
    pub(crate) fn folder(&self) -> PathBuf {
        self.user.home().join("kept")
    }

    pub(crate) fn context(&self) -> Context {
        let clock = Arc::new(FixedClock(SystemClock.now()));
        Context { clock, ..context_of(&self.user, &self.server) }
    }

    /// Rescues in the library.
    pub(crate) fn rescue(&self) -> Rescued {
        self.rescue_to(&self.folder(), &self.context(), 4)
    }

    pub(crate) fn rescue_to(&self, to: &Path, context: &Context, parallel: usize) -> Rescued {
        let request = self.request(to, parallel);
        let reports = block_on(rescue(context, &request, &|_| ())).unwrap();
        reports.into_iter().next().unwrap()
    }

    fn request(&self, to: &Path, parallel: usize) -> Request {
        Request { guns: vec![self.gun()], to: to.to_owned(), history: true, rate: 10_000, parallel }
    }

    /// Rescues, and is cut off when the server has seen so many requests; returns whether that
    /// came to pass.
    pub(crate) fn rescue_until(
        &self,
        to: &Path,
        context: &Context,
        requests: usize,
        parallel: usize,
    ) -> bool {
        let reached = self.trap(requests);
        let request = self.request(to, parallel);
        let cut_off = block_on(async {
            let work = rescue(context, &request, &|_| ());
            let mut work = Box::pin(work);
            loop {
                tokio::select! {
                    _ = &mut work => return false,
                    () = tokio::time::sleep(Duration::from_millis(2)) => {
                        if reached.try_recv().is_ok() {
                            return true;
                        }
                    }
                }
            }
        });
        *self.traps.at.lock().unwrap() = None;
        cut_off
    }

    fn trap(&self, requests: usize) -> Receiver<()> {
        let (sender, receiver) = channel();
        let seen = self.traps.seen.load(Ordering::SeqCst);
        *self.traps.at.lock().unwrap() = Some((seen + requests, sender));
        receiver
    }

    /// What was written down of the collection.
    pub(crate) fn record(&self) -> Record {
        let folder = RescueFolder::open(&self.folder()).unwrap();
        folder.collection(&self.gun()).unwrap().record().unwrap().unwrap()
    }

    /// The collection's own folder.
    pub(crate) fn inner(&self) -> PathBuf {
        self.folder().join("v2").join(self.repository.gun()).join("_trust")
    }
}

/// Versions that verify, by role.
pub(crate) fn versions(rescued: &Rescued) -> BTreeMap<String, Vec<u64>> {
    rescued.versions.iter().map(|(role, versions)| (role.to_string(), versions.clone())).collect()
}
