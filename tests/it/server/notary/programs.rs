//! The real `notary` and our own `trust`, against this server.

use std::fs;

use crate::peers::User;
use crate::server::harness::TestServer;

/// The collection.
const GUN: &str = "registry.example.com/collection";

struct Person {
    user: User,
}

impl Person {
    fn of(url: &str) -> Self {
        let mut user = User::new();
        user.use_plain_trust_server(url);
        Self { user }
    }

    #[track_caller]
    fn notary(&self, words: &[&str]) -> String {
        self.user.notary(words).success().stdout
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.user.home().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

fn version(server: &TestServer, role: &str) -> u64 {
    let answer = server.get(&format!("/v2/{GUN}/_trust/tuf/{role}.json"));
    assert_eq!(answer.status, 200, "{role}: {}", answer.text());
    answer.json()["signed"]["version"].as_u64().unwrap()
}

#[test]
fn notary_does_all_it_can() {
    let server = TestServer::new();
    let url = format!("http://{}", server.listen());
    let owner = Person::of(&url);
    owner.notary(&["init", GUN]);
    owner.notary(&["publish", GUN]);
    let file = owner.file("content", "content\n");
    owner.notary(&["add", GUN, "v1", &file]);
    owner.notary(&["add", GUN, "v2", &file, "-p"]);
    let reader = Person::of(&url);
    let listed = reader.notary(&["list", GUN]);
    assert!(listed.contains("v1") && listed.contains("v2"), "{listed}");
    assert!(reader.notary(&["lookup", GUN, "v1"]).contains("v1 sha256:"));
    let verified = reader.user.notary_with_input(&["verify", GUN, "v1"], b"content\n");
    assert_eq!(verified.success().stdout, "content\n");
    owner.notary(&["remove", GUN, "v2", "-p"]);
    assert!(!reader.notary(&["list", GUN]).contains("v2"));

    // From here on the server signs snapshots.
    let before = version(&server, "snapshot");
    owner.notary(&["key", "rotate", GUN, "snapshot", "-r"]);
    assert_eq!(version(&server, "snapshot"), before + 1);
    owner.notary(&["key", "rotate", GUN, "timestamp", "-r"]);
    owner.notary(&["key", "rotate", GUN, "targets"]);
    owner.notary(&["key", "rotate", GUN, "root"]);
    assert_eq!(version(&server, "root"), 5);
    assert!(reader.notary(&["list", GUN]).contains("v1"));

    // Delegations.
    let key = delegation_key(&owner);
    owner.notary(&["delegation", "add", GUN, "targets/releases", &key, "--all-paths", "-p"]);
    owner.notary(&["add", GUN, "v3", &file, "-r", "targets/releases", "-p"]);
    assert!(reader.notary(&["list", GUN, "-r", "targets/releases"]).contains("v3"));
    assert!(reader.notary(&["delegation", "list", GUN]).contains("targets/releases"));
    owner.notary(&["witness", GUN, "targets/releases", "-p"]);
    assert_eq!(version(&server, "targets/releases"), 2);
    let id = reader.notary(&["delegation", "list", GUN]);
    let id = id.lines().last().unwrap().split_whitespace().nth(2).unwrap().to_owned();
    owner.notary(&["delegation", "purge", GUN, "--key", &id, "-p"]);
    assert!(!reader.notary(&["list", GUN]).contains("v3"));
    owner.notary(&["delegation", "remove", GUN, "targets/releases", "-y", "-p"]);
    let gone = server.get(&format!("/v2/{GUN}/_trust/tuf/targets/releases.json"));
    assert_eq!(gone.code().as_deref(), Some("METADATA_NOT_FOUND"));

    owner.notary(&["delete", GUN, "--remote"]);
    let gone = server.get(&format!("/v2/{GUN}/_trust/tuf/root.json"));
    assert_eq!(gone.status, 404);
    // And once more, with new keys.
    owner.notary(&["init", GUN, "-p"]);
    owner.notary(&["add", GUN, "v4", &file, "-p"]);
    assert!(Person::of(&url).notary(&["list", GUN]).contains("v4"));
}

/// A key pair, of which the public half is returned; the private one is imported.
fn delegation_key(person: &Person) -> String {
    person.notary(&["key", "generate", "ecdsa", "-r", "releases", "-o", "delegation"]);
    let private = person.user.home().join("delegation-key.pem").display().to_string();
    person.notary(&["key", "import", &private, "-r", "releases"]);
    person.user.home().join("delegation.pem").display().to_string()
}

#[test]
fn our_own_program_does_the_same() {
    let server = TestServer::new();
    let url = format!("http://{}", server.listen());
    let owner = Person::of(&url);
    let trust = |words: &[&str]| owner.user.trust(words).success().stdout;
    let file = owner.file("content", "content\n");
    trust(&["repo", "init", "--server-managed-snapshot", "-p", GUN]);
    trust(&["target", "add", GUN, "v1", &file, "-p"]);
    let reader = Person::of(&url);
    assert!(reader.notary(&["list", GUN]).contains("v1"));
    assert!(reader.user.trust(&["repo", "list", GUN]).success().stdout.contains("v1"));
    trust(&["repo", "delete", GUN, "--remote", "--yes"]);
    assert_eq!(server.get(&format!("/v2/{GUN}/_trust/tuf/root.json")).status, 404);
}
