//! Roots that several people sign offline, on a real notary-server, read by docker and notary.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use trust::actions::Context;
use trust::actions::context::{Connections, ServerChoice, Strictness};
use trust::actions::publish::{PublishError, publish};
use trust::clock::{Clock as _, FixedClock, SystemClock, Timestamp};
use trust::crypto::Passphrase;
use trust::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use trust::store::TrustDir;
use trust::store::keyring::KeyringEnv;
use trust::tuf::{Gun, Pinning, RoleName};

use super::world::{World, assert_same_inspection, assert_trusted, hand_over};
use crate::peers::process::Finished;
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{Dockerd, User};

/// A repository that alice began, and people who are to share its root.
struct Ceremony {
    world: World,
    alice: User,
    bob: User,
    carol: User,
    /// Knows the repository from the beginning.
    reader: User,
    daemon: Dockerd,
}

impl Ceremony {
    fn new() -> Self {
        let world = World::open();
        let daemon = Dockerd::start();
        let [alice, bob, carol, reader] = [(); 4].map(|()| world.docker_user(&daemon));
        let pushed = world.push("1", "one");
        alice.trust(&["sign", "--signer", "alice", &world.name("1")]).success();
        assert_trusted(&reader, &world.name("1"), &pushed.digest);
        Self { world, alice, bob, carol, reader, daemon }
    }

    fn gun(&self) -> String {
        self.world.repository()
    }

    /// Has somebody make a certificate, and hands it to alice.
    fn certificate(&self, of: &User, file: &str) {
        let gun = self.gun();
        of.trust(&["repo", "root", "cert", &gun, "-o", file]).success();
        hand_over(of, file, &self.alice);
    }

    fn export(&self, flags: &[&str], file: &str) -> Finished {
        let gun = self.gun();
        let words = [&["repo", "root", "export", &gun, "-o", file], flags].concat();
        self.alice.trust(&words)
    }

    /// Hands alice's file to somebody without network, who signs it; and back under another name.
    fn sign(&self, who: &User, file: &str, back: &str) -> Finished {
        let mut offline = User::new();
        offline.set("DOCKER_CONTENT_TRUST_SERVER", "https://127.0.0.1:1");
        let trust = who.trust_folder().display().to_string();
        if !Path::new(&who.home().join(file)).exists() {
            hand_over(&self.alice, file, who);
        }
        fs::copy(who.home().join(file), offline.home().join(file)).unwrap();
        let words = ["repo", "root", "sign", "--yes", "-d", &trust, file, "-o", back];
        let signed = offline.trust(&words).success();
        fs::copy(offline.home().join(back), self.alice.home().join(back)).unwrap();
        signed
    }

    fn merge(&self, files: &[&str]) -> Finished {
        self.alice.trust(&[&["repo", "root", "merge"], files].concat())
    }

    /// Everybody, with and without a cache, sees this version of the root and the signatures.
    fn assert_read_by_all(&self, version: u64, threshold: u64) {
        let raw = self.world.notary.metadata(&self.gun(), "root").body;
        let root: Value = serde_json::from_slice(&raw).unwrap();
        assert_eq!(root["signed"]["version"], version);
        assert_eq!(root["signed"]["roles"]["root"]["threshold"], threshold);
        let digest = self.world.served("1");
        let stranger = self.world.docker_user(&self.daemon);
        for reader in [&self.reader, &stranger] {
            assert_trusted(reader, &self.world.name("1"), &digest);
            assert_same_inspection(reader, &self.gun());
            let listed = reader.notary(&["list", &self.gun()]).success().stdout;
            assert!(listed.contains("targets/releases") || listed.contains('1'), "{listed}");
        }
    }
}

/// From one to two to three of three, and down to two with a key replaced.
#[test]
fn thresholds_rise_and_fall_and_keys_change_hands() {
    let c = Ceremony::new();
    c.certificate(&c.bob, "bob.crt");
    let exported = c.export(&["--threshold", "2", "--add-key", "bob.crt", "--sign"], "2.json");
    let exported = exported.success();
    assert!(exported.stdout.contains("1 of 1 signatures by the present root keys"), "{exported:?}");
    assert!(exported.stdout.contains("1 of 2 signatures by the next root keys"), "{exported:?}");
    // Bob's signature is missing: nothing is published.
    let refused = c.merge(&["2.json"]).expect_code(4);
    assert!(refused.stderr.contains("1 of 2 signatures by the next root keys"), "{refused:?}");
    let signed = c.sign(&c.bob, "2.json", "2-bob.json");
    let said = "root: 2 of 2 keys must sign from then on (before: 1 of 1)";
    assert!(signed.stdout.contains(said), "{signed:?}");
    assert!(signed.stderr.contains("knows nothing of the repository"), "{signed:?}");
    let merged = c.merge(&["2.json", "2-bob.json"]).success();
    assert!(merged.stdout.contains("Published root version 2"), "{merged:?}");
    c.assert_read_by_all(2, 2);

    // What is no matter of the root goes on as before.
    c.world.push("2", "two");
    c.alice.trust(&["sign", &c.world.name("2")]).success();
    assert_trusted(&c.reader, &c.world.name("2"), &c.world.served("2"));
    super::world::import(&c.alice, &c.world.name("3"), "three");
    c.alice.docker(&["trust", "sign", &c.world.name("3")]).success();
    assert_trusted(&c.reader, &c.world.name("3"), &c.world.served("3"));

    // Alice alone cannot go on, nor can she and a stranger.
    c.export(&["--threshold", "1", "--sign"], "alone.json").success();
    let refused = c.merge(&["alone.json"]).expect_code(4);
    assert!(refused.stderr.contains("1 of 2 signatures by the present"), "{refused:?}");
    hand_over(&c.alice, "alone.json", &c.carol);
    c.carol.trust(&["repo", "root", "cert", &c.gun(), "-o", "carol.crt"]).success();
    let refused = c.carol.trust(&["repo", "root", "sign", "--yes", "alone.json"]).expect_code(11);
    assert!(refused.stderr.contains("none of the keys"), "{refused:?}");

    hand_over(&c.carol, "carol.crt", &c.alice);
    c.export(&["--threshold", "3", "--add-key", "carol.crt"], "3.json").success();
    c.sign(&c.alice, "3.json", "3-alice.json");
    c.sign(&c.carol, "3.json", "3-carol.json");
    let refused = c.merge(&["3.json", "3-alice.json", "3-carol.json"]).expect_code(4);
    assert!(refused.stderr.contains("1 of 2 signatures by the present"), "{refused:?}");
    c.sign(&c.bob, "3.json", "3-bob.json");
    c.merge(&["3-carol.json", "3-alice.json", "3-bob.json"]).success();
    c.assert_read_by_all(3, 3);

    // A file of yesterday, well signed then, is of no use today.
    let replayed = c.merge(&["2.json", "2-bob.json"]).expect_code(13);
    assert!(
        replayed.stderr.contains("version 1") && replayed.stderr.contains("is 3"),
        "{replayed:?}"
    );
    let replayed = c.alice.trust(&["repo", "root", "sign", "--yes", "2.json"]).expect_code(13);
    assert!(replayed.stderr.contains("begin a new ceremony"), "{replayed:?}");

    // Alice's key goes; all three have to agree, once more.
    let root = c.world.notary.metadata(&c.gun(), "root").body;
    let root: Value = serde_json::from_slice(&root).unwrap();
    let first = root["signed"]["roles"]["root"]["keyids"][0].as_str().unwrap().to_owned();
    c.export(&["--threshold", "2", "--remove-key", &first], "4.json").success();
    for (who, file) in [(&c.alice, "4-a.json"), (&c.bob, "4-b.json")] {
        c.sign(who, "4.json", file);
    }
    c.merge(&["4-a.json", "4-b.json"]).expect_code(4);
    c.sign(&c.carol, "4.json", "4-c.json");
    c.merge(&["4-a.json", "4-b.json", "4-c.json"]).success();
    c.assert_read_by_all(4, 2);
    // Her root key is worth nothing any more; her signer's key still is.
    c.export(&[], "5.json").success();
    let refused = c.alice.trust(&["repo", "root", "sign", "--yes", "5.json"]);
    let refused = refused.expect_code(11);
    assert!(refused.stderr.contains("none of the keys"), "{refused:?}");
    c.world.push("4", "four");
    c.alice.trust(&["sign", &c.world.name("4")]).success();
    assert_trusted(&c.reader, &c.world.name("4"), &c.world.served("4"));
}

/// Two owners share the `targets` role: who may sign is decided by both.
#[test]
fn the_targets_role_takes_two_owners() {
    let c = Ceremony::new();
    c.bob.trust(&["key", "generate", "owner"]).success();
    hand_over(&c.bob, "owner.pub", &c.alice);
    c.export(&["--targets-key", "owner.pub", "--targets-threshold", "2"], "t.json").success();
    c.sign(&c.alice, "t.json", "t-a.json");
    let refused = c.merge(&["t-a.json"]).expect_code(4);
    assert!(refused.stderr.contains("1 of 2 signatures by the next targets keys"), "{refused:?}");
    let signed = c.sign(&c.bob, "t.json", "t-b.json");
    assert!(signed.stdout.contains("targets version 2 follows 1"), "{signed:?}");
    c.merge(&["t-a.json", "t-b.json"]).success();
    c.assert_read_by_all(2, 1);

    c.carol.trust(&["key", "generate", "carol"]).success();
    hand_over(&c.carol, "carol.pub", &c.alice);
    hand_over(&c.carol, "carol.pub", &c.bob);
    let gun = c.gun();
    let add = ["signer", "add", "--key", "carol.pub", "carol", &gun];
    let proposed = c.alice.trust(&add).success();
    assert!(proposed.stdout.contains("Proposed signer: carol"), "{proposed:?}");
    assert!(proposed.stdout.contains("1 of 2 signatures"), "{proposed:?}");
    let listed = c.reader.trust(&["signer", "ls", &gun]).success().stdout;
    assert!(listed.contains("(signers)") && listed.contains("1 of 2"), "{listed}");
    c.world.push("2", "two");
    c.carol.trust(&["sign", &c.world.name("2")]).expect_code(11);
    let added = c.bob.trust(&add).success();
    assert!(added.stdout.contains("Successfully added signer: carol"), "{added:?}");
    c.carol.trust(&["sign", &c.world.name("2")]).success();
    assert_trusted(&c.reader, &c.world.name("2"), &c.world.served("2"));
    c.assert_read_by_all(2, 1);
}

/// What a file says is believed by nobody.
#[test]
fn altered_files_are_refused() {
    let c = Ceremony::new();
    c.certificate(&c.bob, "bob.crt");
    c.export(&["--threshold", "2", "--add-key", "bob.crt", "--sign"], "c.json").success();
    let good: Value =
        serde_json::from_slice(&fs::read(c.alice.home().join("c.json")).unwrap()).unwrap();
    let try_it = |name: &str, change: &dyn Fn(&mut Value), code: i32, words: &str| {
        let mut altered = good.clone();
        change(&mut altered);
        fs::write(c.alice.home().join(name), altered.to_string()).unwrap();
        let refused = c.alice.trust(&["repo", "root", "sign", "--yes", name]).expect_code(code);
        assert!(refused.stderr.contains(words), "{name}: {refused:?}");
        assert!(refused.stdout.is_empty(), "{name}: {refused:?}");
        c.merge(&[name]).expect_code(code);
    };
    let rewrite = |value: &mut Value, from: &str, to: &str| {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let text = STANDARD.decode(value.as_str().unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(from), "{text}");
        *value = STANDARD.encode(text.replace(from, to)).into();
    };
    // The body changed under the signature: the threshold, the version, an unknown member.
    try_it(
        "threshold",
        &|file| rewrite(&mut file["root"]["signed"], "\"threshold\":2", "\"threshold\":1"),
        7,
        "is not valid",
    );
    let version = |file: &mut Value| {
        rewrite(&mut file["root"]["signed"], "\"version\":2", "\"version\":3");
    };
    try_it("version", &version, 7, "where 2 comes next");
    let hidden = |file: &mut Value| {
        rewrite(&mut file["root"]["signed"], "\"version\":2", "\"version\":2,\"x\":1");
    };
    try_it("hidden", &hidden, 7, "cannot be shown");
    let high = |file: &mut Value| {
        rewrite(&mut file["root"]["signed"], "\"threshold\":2", "\"threshold\":9");
    };
    try_it("high", &high, 7, "9 signatures of 2 keys");
    let current = |file: &mut Value| {
        rewrite(&mut file["current"], "\"threshold\":1", "\"threshold\":2");
    };
    try_it("current", &current, 7, "does not verify");
    try_it("gun", &|file| file["gun"] = "localhost:1/other".into(), 7, "not of this repository");
    try_it("format", &|file| file["version"] = 2.into(), 2, "format version 2");
    try_it("kind", &|file| file["format"] = "x".into(), 7, "does not say that it is one");
    try_it("no root", &|file| file["root"] = Value::Null, 7, "no such file");
    fs::write(c.alice.home().join("garbage"), b"\xff\x00{").unwrap();
    c.merge(&["garbage"]).expect_code(7);

    // A file of another ceremony has signatures over something else.
    c.export(&["--sign"], "other.json").success();
    let refused = c.merge(&["c.json", "other.json"]).expect_code(2);
    assert!(refused.stderr.contains("different ceremonies"), "{refused:?}");
    // What the summary in the file says is not what is shown.
    let mut lying = good.clone();
    lying["summary"] = serde_json::json!(["nothing changes"]);
    fs::write(c.alice.home().join("lying.json"), lying.to_string()).unwrap();
    let shown = c.sign(&c.bob, "lying.json", "honest.json");
    assert!(shown.stdout.contains("2 of 2 keys must sign"), "{shown:?}");
    assert!(!shown.stdout.contains("nothing changes"), "{shown:?}");
    c.merge(&["c.json", "honest.json"]).success();
    c.assert_read_by_all(2, 2);
}

/// One key in two certificates is one key, though the reference counts it twice.
#[test]
fn a_key_in_two_certificates_counts_once() {
    let c = Ceremony::new();
    let gun = c.gun();
    c.alice.trust(&["repo", "root", "cert", &gun, "-o", "again.crt"]).success();
    let refused = c.export(&["--threshold", "2", "--add-key", "again.crt"], "x.json");
    let refused = refused.expect_code(2);
    assert!(refused.stderr.contains("it cannot need 2 signatures"), "{refused:?}");
    // A signer's public key is no root key, nor is a certificate for another repository.
    c.alice.trust(&["key", "generate", "plain"]).success();
    let refused = c.export(&["--add-key", "plain.pub"], "x.json").expect_code(11);
    assert!(refused.stderr.contains("must be a certificate"), "{refused:?}");
    c.bob.trust(&["repo", "root", "cert", "localhost:1/other", "-o", "o.crt"]).success();
    hand_over(&c.bob, "o.crt", &c.alice);
    c.export(&["--add-key", "o.crt"], "x.json").expect_code(11);
    c.export(&["--remove-key", &"0".repeat(64)], "x.json").expect_code(8);
    assert!(!c.alice.home().join("x.json").exists());
}

/// Where the owner signs snapshots, whoever publishes the root needs that key, too.
#[test]
fn the_owner_signs_the_snapshot_of_the_new_root() {
    let world = World::open();
    let (owner, bob, reader) = (world.user(), world.user(), world.user());
    let gun = world.repository();
    owner.notary(&["init", "-p", &gun]).success();
    reader.notary(&["list", &gun]).success();
    bob.trust(&["repo", "root", "cert", &gun, "-o", "bob.crt"]).success();
    hand_over(&bob, "bob.crt", &owner);
    let export = ["--threshold", "2", "--add-key", "bob.crt", "--sign", "-o", "c.json"];
    owner.trust(&[&["repo", "root", "export", &gun], &export[..]].concat()).success();
    hand_over(&owner, "c.json", &bob);
    bob.trust(&["repo", "root", "sign", "--yes", "c.json"]).success();
    // Bob has no snapshot key, so the server does not take it from him.
    let refused = bob.trust(&["repo", "root", "merge", "c.json"]).expect_code(11);
    assert!(refused.stderr.contains("snapshot"), "{refused:?}");
    fs::copy(bob.home().join("c.json"), owner.home().join("c-bob.json")).unwrap();
    owner.trust(&["repo", "root", "merge", "c.json", "c-bob.json"]).success();
    for who in [&reader, &world.user()] {
        who.notary(&["list", &gun]).success();
    }
    let pushed = world.push("1", "one");
    let size = pushed.size.to_string();
    let add = ["addhash", "-p", &gun, "1", &size, "--sha256", pushed.hex()];
    owner.notary(&add).success();
    for who in [&reader, &world.user()] {
        who.trust(&["verify", &world.name("1")]).success();
    }
    // Two keys of the root are needed to rotate one of them, by notary, too.
    owner.notary(&["key", "rotate", &gun, "targets"]).expect_code(1);
    reader.trust(&["verify", &world.name("1")]).success();
}

/// A passphrase for each key, as the people's programs have them.
struct Known;

impl PassphraseSource for Known {
    fn passphrase(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        let known = if request.role == "root" { ROOT_PASSPHRASE } else { REPOSITORY_PASSPHRASE };
        Ok(Passphrase::new(known.to_owned()))
    }
}

/// Somebody's home, at another time.
fn at(c: &Ceremony, user: &User, clock: FixedClock) -> Context {
    Context {
        trust_dir: TrustDir::new(user.trust_folder()),
        clock: Arc::new(clock),
        passphrases: Arc::new(Known),
        connections: Connections {
            config_dir: user.docker_config(),
            server: ServerChoice::Fixed(c.world.notary.url()),
            ..Connections::default()
        },
        pinning: Pinning::default(),
        strictness: Strictness::default(),
        example_keys_allowed: false,
        keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
    }
}

/// What two owners share and let expire they make valid again together.
#[test]
fn two_owners_renew_what_expired() {
    let c = Ceremony::new();
    c.bob.trust(&["key", "generate", "owner"]).success();
    hand_over(&c.bob, "owner.pub", &c.alice);
    c.export(&["--targets-key", "owner.pub", "--targets-threshold", "2"], "t.json").success();
    c.sign(&c.alice, "t.json", "t-a.json");
    c.sign(&c.bob, "t.json", "t-b.json");
    c.merge(&["t-a.json", "t-b.json"]).success();

    let late = SystemClock.now().as_second() + 4 * 365 * 86_400;
    let late = FixedClock(Timestamp::from_second(late).unwrap());
    let gun = Gun::parse(&c.gun()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let renew = |who: &User| {
        let context = at(&c, who, late);
        let nothing = |_: &mut _, _: Option<&_>| Ok::<_, PublishError>(());
        runtime.block_on(publish(&context, &gun, None, nothing)).unwrap()
    };
    let proposed = renew(&c.alice);
    let waits = proposed.waits(&RoleName::Targets).unwrap();
    assert_eq!((waits.have, waits.need), (1, 2));
    assert!(!proposed.renewed.contains(&RoleName::Targets), "{:?}", proposed.renewed);
    let renewed = renew(&c.bob);
    assert_eq!(renewed.completed, [RoleName::Targets]);
    assert!(renewed.renewed.contains(&RoleName::Targets), "{:?}", renewed.renewed);
    let signed = &renewed.publication.unwrap().roles[&RoleName::Targets];
    assert_eq!(signed.signed_by.len(), 2);
    assert!(signed.expires.instant() > late.now());
    assert!(renew(&c.bob).publication.is_none());
}
