//! A repository whose keys are rotated, and who reads it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::peers::image::push_image;
use crate::peers::process::Finished;
use crate::peers::{NotaryServer, Registry, RegistryOptions, User};

/// The servers, and the repository's name.
#[derive(Debug)]
pub(super) struct World {
    registry: Registry,
    /// Where the trust data is.
    pub(super) notary: NotaryServer,
}

/// A program that reads trust data.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    Docker,
    Notary,
    Trust,
}

pub(super) const READERS: [Reader; 3] = [Reader::Docker, Reader::Notary, Reader::Trust];

impl World {
    pub(super) fn with(notary: NotaryServer) -> Self {
        Self { registry: Registry::start(&RegistryOptions::default()), notary }
    }

    pub(super) fn user(&self) -> User {
        let mut user = User::new();
        user.use_notary(&self.notary);
        user
    }

    pub(super) fn gun(&self) -> String {
        format!("{}/app", self.registry.host_port())
    }

    /// Pushes an image and signs it.
    pub(super) fn sign(&self, user: &User, tag: &str) {
        push_image(&self.registry, "app", tag, tag.as_bytes());
        user.trust(&["sign", "--quiet", &format!("{}:{tag}", self.gun())]).success();
    }

    /// The `signed` part of a role's newest file.
    pub(super) fn signed(&self, role: &str) -> Json {
        self.file(role)["signed"].clone()
    }

    pub(super) fn file(&self, role: &str) -> Json {
        serde_json::from_slice(&self.notary.metadata(&self.gun(), role).body).unwrap()
    }

    /// The root in force: its version.
    pub(super) fn version(&self) -> u64 {
        self.signed("root")["version"].as_u64().unwrap()
    }

    /// Ids of a base role's keys, as the newest root lists them.
    pub(super) fn keys(&self, role: &str) -> BTreeSet<String> {
        texts(&self.signed("root")["roles"][role]["keyids"])
    }

    /// Ids of the keys that signed the newest root.
    pub(super) fn root_signers(&self) -> BTreeSet<String> {
        let file = self.file("root");
        let signatures = file["signatures"].as_array().unwrap();
        signatures.iter().map(|one| one["keyid"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether this person, by this program, is told that a tag is signed.
    pub(super) fn reads(&self, user: &User, reader: Reader, tag: &str) -> Finished {
        let gun = self.gun();
        let name = format!("{gun}:{tag}");
        match reader {
            Reader::Docker => user.docker(&["trust", "inspect", &name]),
            Reader::Notary => user.notary(&["lookup", &gun, tag]),
            Reader::Trust => user.trust(&["verify", "--no-registry", &name]),
        }
    }

    #[track_caller]
    pub(super) fn everybody_reads(&self, people: &[(User, Reader)], tag: &str) {
        for (user, reader) in people {
            let read = self.reads(user, *reader, tag);
            assert_eq!(read.code, 0, "{reader:?}: {read:?}");
            assert!(!read.stdout.trim().is_empty() && read.stdout.trim() != "[]", "{read:?}");
        }
    }

    /// Somebody new for each program.
    pub(super) fn new_readers(&self) -> Vec<(User, Reader)> {
        READERS.map(|reader| (self.user(), reader)).into()
    }
}

pub(super) fn texts(list: &Json) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Rotates with our program.
pub(super) fn rotate(user: &User, gun: &str, words: &[&str]) -> Finished {
    user.trust(&[&["--no-prompt", "key", "rotate", gun], words].concat())
}

/// Ids of the private keys with this role.
pub(super) fn private_keys(user: &User, role: &str) -> BTreeSet<String> {
    let listed = user.trust(&["key", "ls", "--json"]).success().stdout;
    let keys: Json = serde_json::from_str(&listed).unwrap();
    let keys = keys.as_array().unwrap().iter().filter(|key| key["role"] == role);
    keys.map(|key| key["id"].as_str().unwrap().to_owned()).collect()
}

/// The record of a rotation under way.
pub(super) fn record(user: &User, gun: &str) -> PathBuf {
    user.trust_folder().join("tuf").join(gun).join(".trust-rotation")
}

/// Asserts that no rotation is under way, and nothing of one is left.
#[track_caller]
pub(super) fn assert_settled(user: &User, gun: &str) {
    let folder = record(user, gun);
    let folder = folder.parent().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with(".trust-rotation"), "{name}");
    }
}
