//! An old server, the folder that its collections are rescued into, and the server that comes after
//! it under the same name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use trust::store::rescue::RescueFolder;
use trust::tuf::{Gun, RoleName};

use crate::peers::certificates::Authority;
use crate::peers::http::{self, Request, Response};
use crate::peers::process::Process;
use crate::peers::registry::TRUST;
use crate::peers::{NotaryOptions, NotaryServer, User};

/// A trust server that will go dark.
pub(super) struct Old {
    pub(super) notary: NotaryServer,
    authority: Arc<Authority>,
    folder: TempDir,
}

/// The server in its place.
pub(super) struct New {
    process: Process,
    address: String,
    authority: Arc<Authority>,
    folder: TempDir,
}

impl Old {
    /// A `notary-server` that is open to all.
    pub(super) fn start() -> Self {
        let authority = Arc::new(Authority::new());
        let options =
            NotaryOptions { authority: Some(Arc::clone(&authority)), ..NotaryOptions::default() };
        let notary = NotaryServer::start(&options);
        Self { notary, authority, folder: tempfile::tempdir().unwrap() }
    }

    /// Somebody who knows it.
    pub(super) fn user(&self) -> User {
        let mut user = User::new();
        user.use_notary(&self.notary);
        user
    }

    /// Where rescued collections are.
    pub(super) fn rescued(&self) -> PathBuf {
        self.folder.path().join("rescued")
    }

    /// Keeps all that it has of a collection.
    pub(super) fn rescue(&self, gun: &str) {
        let gun = Gun::parse(gun).unwrap();
        let folder = RescueFolder::create(&self.rescued()).unwrap();
        let collection = folder.collection(&gun).unwrap();
        let file = |name: &str| {
            let path = format!("/v2/{gun}/_trust/tuf/{name}.json");
            let answer = self.notary.request("GET", &path, &[], b"");
            (answer.status == 200).then_some(answer.body)
        };
        let snapshot: serde_json::Value =
            serde_json::from_slice(&file("snapshot").unwrap()).unwrap();
        let listed = snapshot["signed"]["meta"].as_object().unwrap().keys().cloned();
        for role in listed.chain(["timestamp".to_owned(), "snapshot".to_owned()]) {
            let mut files: Vec<_> = (1..).map_while(|n| file(&format!("{n}.{role}"))).collect();
            files.extend(file(&role));
            let role = RoleName::parse(&role).unwrap();
            for bytes in files {
                let unsynced = collection.put(&role, &bytes).unwrap();
                collection.sync(unsynced).unwrap();
            }
        }
    }

    /// The old server ends, and another one takes its name and port.
    pub(super) fn replaced(mut self) -> New {
        let address = self.notary.host_port();
        self.notary.stop();
        let rescued = self.rescued().display().to_string();
        let mut process =
            serve(self.folder.path(), &self.authority, &address, &["--import", &rescued]);
        process.await_port();
        New { process, address, authority: self.authority, folder: self.folder }
    }
}

/// Starts a server of ours whose data is in a folder.
fn serve(folder: &Path, authority: &Authority, address: &str, more: &[&str]) -> Process {
    let files = authority.issue(folder, "served");
    let words = |path: &Path| path.display().to_string();
    let (data, home) = (words(&folder.join("data")), words(folder));
    let (certificate, key) = (words(&files.certificate), words(&files.key));
    let args = ["serve", "--listen", address, "--data", &data];
    let tls = ["--tls-cert", &certificate, "--tls-key", &key];
    Process::start(TRUST, &[&args[..], &tls, more].concat(), folder, &[("HOME", &home)])
}

impl New {
    /// A question of the test's own.
    pub(super) fn get(&self, path: &str) -> Response {
        let url = format!("https://{}{path}", self.address);
        let request = Request { method: "GET", url: &url, headers: &[], body: b"" };
        http::send(&request, Some(&self.authority.certificate_file()))
    }

    /// The version of a current file.
    #[track_caller]
    pub(super) fn version(&self, gun: &str, role: &str) -> u64 {
        let answer = self.get(&format!("/v2/{gun}/_trust/tuf/{role}.json"));
        assert_eq!(answer.status, 200, "{role}: {}", answer.text());
        let file: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        file["signed"]["version"].as_u64().unwrap()
    }

    /// What it said since it was started.
    pub(super) fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it and checks its storage; returns what was said.
    pub(super) fn ends_sound(mut self, user: &User) -> String {
        self.process.stop();
        let data = self.folder.path().join("data").display().to_string();
        let checked = user.trust(&["fsck", "--data", &data]).success();
        assert!(checked.stderr.contains(" 0 errors, 0 other findings"), "{checked:?}");
        checked.stderr
    }
}

/// Another server of ours, beside the old one.
pub(super) struct Beside(New);

impl Beside {
    /// An empty one.
    pub(super) fn start(old: &Old) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = serve(folder.path(), &old.authority, "localhost:0", &[]);
        let address = format!("localhost:{}", process.await_port());
        let authority = Arc::clone(&old.authority);
        Self(New { process, address, authority, folder })
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.0.address)
    }

    /// Somebody who knows both servers.
    pub(super) fn known_to(&self, user: User) -> User {
        let folder = user.tls_folder(&self.url());
        fs::create_dir_all(&folder).unwrap();
        fs::copy(self.0.authority.certificate_file(), folder.join("ca.crt")).unwrap();
        user
    }

    /// The names that a collection signs; none if it is not there.
    pub(super) fn targets(&self, gun: &str) -> Vec<String> {
        let answer = self.0.get(&format!("/v2/{gun}/_trust/tuf/targets.json"));
        if answer.status == 404 {
            return Vec::new();
        }
        let file: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        file["signed"]["targets"].as_object().unwrap().keys().cloned().collect()
    }

    /// The version of a current file.
    #[track_caller]
    pub(super) fn version(&self, gun: &str, role: &str) -> u64 {
        self.0.version(gun, role)
    }

    /// The folder of its data.
    pub(super) fn data(&self) -> PathBuf {
        self.0.folder.path().join("data")
    }

    /// Does something to its data while it is stopped, and starts it again on its port.
    pub(super) fn meanwhile<T>(&mut self, work: impl FnOnce(&Path) -> T) -> T {
        self.0.process.stop();
        let done = work(&self.data());
        let New { address, authority, folder, .. } = &self.0;
        self.0.process = serve(folder.path(), authority, address, &[]);
        self.0.process.await_port();
        done
    }

    /// Ends it and checks its storage; returns what was said.
    pub(super) fn ends_sound(self, user: &User) -> String {
        self.0.ends_sound(user)
    }
}

/// The root key of somebody, taken off this machine; returns where it is now.
pub(super) fn take_away(user: &User, role: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = user.trust_folder().join("private");
    let mut taken = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = fs::read(&path) else { continue };
        if String::from_utf8_lossy(&bytes).contains(&format!("role: {role}\n")) {
            fs::remove_file(&path).unwrap();
            taken.push((path, bytes));
        }
    }
    assert!(!taken.is_empty(), "no {role} key");
    taken
}
