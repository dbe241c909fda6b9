//! Several people's signatures add up, on a real notary-server, read by docker and notary.

use super::world::{World, assert_refused, assert_same_inspection, assert_trusted, hand_over};
use crate::peers::process::Finished;
use crate::peers::{Dockerd, User};

/// An owner and signers; a tag is released when two of the signers have signed it.
struct Team {
    world: World,
    owner: User,
    signers: Vec<User>,
    reader: User,
}

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

impl Team {
    fn new(count: usize, threshold: u32) -> Self {
        let world = World::open();
        let daemon = Dockerd::start();
        let owner = world.docker_user(&daemon);
        let reader = world.docker_user(&daemon);
        let signers: Vec<User> = (0..count).map(|_| world.docker_user(&daemon)).collect();
        let repository = world.repository();
        for (name, signer) in NAMES.iter().zip(&signers) {
            signer.trust(&["key", "generate", name]).success();
            let file = hand_over(signer, &format!("{name}.pub"), &owner);
            owner.trust(&["signer", "add", "--key", &file, name, &repository]).success();
        }
        let threshold = threshold.to_string();
        let raise = ["signer", "add", "--releases-threshold", &threshold, "alice", &repository];
        owner.trust(&raise).success();
        // The daemon ends with the thread that started it; it is kept by the reader's test.
        std::mem::forget(daemon);
        Self { world, owner, signers, reader }
    }

    fn sign(&self, who: usize, tag: &str) -> Finished {
        self.signers[who].trust(&["sign", &self.world.name(tag)]).success()
    }
}

#[test]
fn two_of_three_signers_release_a_tag() {
    let team = Team::new(3, 2);
    let (world, reader) = (&team.world, &team.reader);
    let name = world.name("1");
    let pushed = world.push("1", "one");
    let proposed = team.sign(0, "1");
    let expected = format!("Proposed {name}: 1 of 2 signatures, waiting for one of bob, carol\n");
    assert_eq!(proposed.stdout, expected, "{proposed:?}");
    assert_eq!(world.tags_in("targets/releases"), [""; 0]);
    assert_eq!(world.tags_in("targets/alice"), ["1"]);
    let refused = assert_refused(reader, &name, 3);
    let hint = "it is proposed for targets/releases: 1 of 2 signatures";
    assert!(refused.stderr.contains(hint), "{refused:?}");

    // Saying it twice changes nothing, and counts once.
    let before = world.notary.metadata(&world.repository(), "timestamp").text();
    assert_eq!(team.sign(0, "1").stdout, expected);
    assert_eq!(world.notary.metadata(&world.repository(), "timestamp").text(), before);
    let incomplete = team.signers[0].trust(&["sign", "--require-complete", &name]).expect_code(4);
    assert!(incomplete.stderr.contains("needs more signatures"), "{incomplete:?}");

    // Both ways of showing it say how far it is.
    let shown = reader.trust(&["inspect", &world.repository()]).success().stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let proposal = &shown[0]["Proposals"][0];
    assert_eq!(proposal["Role"], "targets/releases");
    assert_eq!((&proposal["Signatures"], &proposal["Threshold"]), (&1.into(), &2.into()));
    assert_eq!(proposal["SignedBy"], serde_json::json!(["alice"]));
    assert_eq!(proposal["Adds"][0]["Digest"], pushed.hex());
    let pretty = reader.trust(&["inspect", "--pretty", &name]).success().stdout;
    assert!(pretty.contains("+1") && pretty.contains("1 of 2"), "{pretty}");
    let listed = reader.trust(&["signer", "ls", &world.repository()]).success().stdout;
    assert!(listed.contains("1 of 2") && !listed.contains("proposals "), "{listed}");

    let signed = team.sign(1, "1");
    assert_eq!(signed.stdout, format!("Successfully signed {name}\n"), "{signed:?}");
    assert!(!signed.stderr.contains("overtaken"), "{signed:?}");
    assert_trusted(reader, &name, &pushed.digest);
    assert_eq!(world.tags_in("targets/proposals"), [""; 0]);
    assert_same_inspection(reader, &world.repository());
    let found = reader.notary(&["lookup", &world.repository(), "1"]).success().stdout;
    assert!(found.contains(pushed.hex()), "{found}");
    // A third signature is not needed, but signs carol's own role.
    assert_eq!(team.sign(2, "1").stdout, format!("Successfully signed {name}\n"));
    assert_same_inspection(reader, &world.repository());
}

#[test]
fn a_chain_of_proposals_is_completed_one_by_one() {
    let team = Team::new(2, 2);
    let world = &team.world;
    for tag in ["1", "2", "3"] {
        world.push(tag, tag);
        assert!(team.sign(0, tag).stdout.starts_with("Proposed"));
    }
    for tag in ["1", "2", "3"] {
        assert!(team.sign(1, tag).stdout.starts_with("Successfully signed"), "{tag}");
        assert_trusted(&team.reader, &world.name(tag), &world.served(tag));
    }
    assert_eq!(world.tags_in("targets/proposals"), [""; 0]);
}

/// Nobody's signature is taken for what they did not sign: other content is another proposal.
#[test]
fn who_signs_other_content_makes_another_proposal() {
    let team = Team::new(3, 2);
    let world = &team.world;
    let name = world.name("1");
    world.push("1", "good");
    assert!(team.sign(0, "1").stdout.starts_with("Proposed"));
    let moved = world.push("1", "moved");
    let proposed = team.sign(1, "1");
    assert!(proposed.stdout.contains("1 of 2"), "{proposed:?}");
    assert_eq!(world.tags_in("targets/proposals").len(), 2);
    assert_refused(&team.reader, &name, 3);
    // Whoever agrees with one of them completes that one; the other is stale then and goes.
    let completed = team.sign(2, "1");
    assert!(completed.stdout.starts_with("Successfully signed"), "{completed:?}");
    let overtaken = "what alice proposed for targets/releases is overtaken";
    assert_eq!(completed.stderr.matches("is overtaken").count(), 1, "{completed:?}");
    assert!(completed.stderr.contains(overtaken), "{completed:?}");
    assert_trusted(&team.reader, &name, &moved.digest);
    assert_eq!(world.tags_in("targets/proposals"), [""; 0]);
    // What is released under the tag stays until two agree on something else.
    world.push("1", "third");
    assert!(team.sign(0, "1").stdout.starts_with("Proposed"));
    team.reader.trust(&["verify", "--no-registry", &name]).success();
    team.reader.trust(&["verify", &name]).expect_code(5);
}

#[test]
fn revoking_takes_as_many_as_signing() {
    let team = Team::new(2, 2);
    let world = &team.world;
    let name = world.name("1");
    let pushed = world.push("1", "one");
    team.sign(0, "1");
    team.sign(1, "1");
    let proposed = team.signers[0].trust(&["revoke", &name]).success();
    assert!(proposed.stdout.starts_with("Proposed to revoke"), "{proposed:?}");
    assert!(proposed.stderr.contains("still trusted"), "{proposed:?}");
    assert!(!proposed.stderr.contains("taken out of targets/releases"), "{proposed:?}");
    assert_trusted(&team.reader, &name, &pushed.digest);
    let shown = team.reader.trust(&["inspect", "--pretty", &world.repository()]).success();
    assert!(shown.stdout.contains("-1"), "{shown:?}");
    let revoked = team.signers[1].trust(&["revoke", &name]).success();
    assert!(revoked.stdout.starts_with("Successfully deleted"), "{revoked:?}");
    assert_refused(&team.reader, &name, 3);
}

#[test]
fn a_removed_signer_counts_no_longer() {
    let team = Team::new(3, 2);
    let world = &team.world;
    world.push("1", "one");
    team.sign(0, "1");
    // Nothing is released, so nothing is lost.
    team.owner.trust(&["signer", "rm", "alice", &world.repository()]).success();
    // Of a proposal by nobody who counts nothing is left to complete.
    let proposed = team.sign(1, "1");
    assert!(proposed.stdout.contains("1 of 2 signatures, waiting for carol"), "{proposed:?}");
    assert_refused(&team.reader, &world.name("1"), 3);
    team.signers[0].trust(&["sign", &world.name("1")]).expect_code(11);
    assert!(team.sign(2, "1").stdout.starts_with("Successfully signed"));
    assert_trusted(&team.reader, &world.name("1"), &world.served("1"));
    // The last two cannot be one.
    let refused = team.owner.trust(&["signer", "rm", "-f", "bob", &world.repository()]);
    let refused = refused.expect_code(2);
    assert!(refused.stderr.contains("cannot need 2 signatures"), "{refused:?}");
    assert_trusted(&team.reader, &world.name("1"), &world.served("1"));
}

/// What docker and notary say when they would have to sign such a role alone.
#[test]
fn docker_and_notary_cannot_sign_alone() {
    let team = Team::new(2, 2);
    let world = &team.world;
    let repository = world.repository();
    let bob = &team.signers[1];
    super::world::import(bob, &world.name("1"), "one");
    let refused = bob.docker(&["trust", "sign", &world.name("1")]).expect_code(1);
    let words = "not enough signing keys: found 1 of 2 needed keys";
    assert!(refused.stderr.contains(words), "{refused:?}");
    assert_eq!(world.tags_in("targets/bob"), [""; 0]);
    let pushed = world.push("2", "two");
    let size = pushed.size.to_string();
    let args = ["addhash", "-p", &repository, "2", &size, "--sha256", pushed.hex()];
    let refused = bob.notary(&[&args[..], &["-r", "targets/releases"]].concat()).expect_code(1);
    assert!(refused.stdout.contains(words), "{refused:?}");
    assert_refused(&team.reader, &world.name("2"), 3);
    assert_eq!(world.tags_in("targets/releases"), [""; 0]);
}

/// The companion does not know of a key that docker added, until the owner's next change with us.
#[test]
fn a_signer_whom_docker_added_completes_and_later_proposes() {
    let team = Team::new(2, 2);
    let world = &team.world;
    let repository = world.repository();
    let carol = world.user();
    carol.trust(&["key", "generate", "carol"]).success();
    hand_over(&carol, "carol.pub", &team.owner);
    let add = ["trust", "signer", "add", "--key", "carol.pub", "carol", &repository];
    team.owner.docker(&add).success();
    world.push("1", "one");
    let refused = carol.trust(&["sign", &world.name("1")]).expect_code(11);
    assert!(refused.stderr.contains("1 of 2 keys needed"), "{refused:?}");
    assert!(team.sign(0, "1").stdout.contains("waiting for one of bob, carol"));
    let signed = carol.trust(&["sign", &world.name("1")]).success();
    assert!(signed.stdout.starts_with("Successfully signed"), "{signed:?}");
    assert_trusted(&team.reader, &world.name("1"), &world.served("1"));
    // What carol could not take away is overtaken, and is no proposal any more.
    assert_same_inspection(&team.reader, &repository);

    let again = ["signer", "add", "--key", "carol.pub", "--threshold", "1", "carol", &repository];
    team.owner.trust(&again).success();
    let more = ["signer", "add", "--releases-threshold", "3", "--force", "alice", &repository];
    team.owner.trust(&more).success();
    world.push("2", "two");
    let proposed = carol.trust(&["sign", &world.name("2")]).success();
    assert!(proposed.stdout.contains("1 of 3"), "{proposed:?}");
    assert!(team.sign(0, "2").stdout.contains("2 of 3 signatures, waiting for bob"));
    assert!(team.sign(1, "2").stdout.starts_with("Successfully signed"));
    assert_trusted(&team.reader, &world.name("2"), &world.served("2"));
    assert_eq!(world.tags_in("targets/proposals"), [""; 0]);
}

/// A threshold is raised under content that fewer have signed only if that is really wanted.
#[test]
fn raising_a_threshold_does_not_silently_unpublish() {
    let world = World::open();
    let (owner, bob, reader) = (world.user(), world.user(), world.user());
    let (repository, name) = (world.repository(), world.name("1"));
    let pushed = world.push("1", "one");
    owner.trust(&["sign", "--signer", "alice", &name]).success();
    bob.trust(&["key", "generate", "bob"]).success();
    let file = hand_over(&bob, "bob.pub", &owner);
    let add = ["signer", "add", "--key", &file, "--releases-threshold", "2", "bob", &repository];
    let refused = owner.trust(&add).expect_code(12);
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    let verified = || reader.trust(&["verify", "--digest", &name]);
    assert_eq!(verified().success().stdout, format!("{repository}@{}\n", pushed.digest));
    let too_high = ["signer", "add", "--key", &file, "--threshold", "2", "bob", &repository];
    owner.trust(&too_high).expect_code(2);

    owner.trust(&[&add[..], &["--force"]].concat()).success();
    verified().expect_code(4);
    let proposed = owner.trust(&["sign", &name]).success();
    assert!(proposed.stdout.contains("1 of 2 signatures, waiting for bob"), "{proposed:?}");
    bob.trust(&["sign", &name]).success();
    assert_eq!(verified().success().stdout, format!("{repository}@{}\n", pushed.digest));
}

/// A signer with several keys needs as many of them as the signer's threshold says.
#[test]
fn a_signers_own_threshold() {
    let world = World::open();
    let (owner, desk, safe) = (world.user(), world.user(), world.user());
    let repository = world.repository();
    for (home, name) in [(&desk, "desk"), (&safe, "safe")] {
        home.trust(&["key", "generate", name]).success();
        hand_over(home, &format!("{name}.pub"), &owner);
    }
    let add = ["--key", "desk.pub", "--key", "safe.pub", "--threshold", "2", "alice", &repository];
    owner.trust(&[&["signer", "add"], &add[..]].concat()).success();
    world.push("1", "one");
    let name = world.name("1");
    // `targets/releases` is content with one of them, `targets/alice` is not.
    let proposed = desk.trust(&["sign", &name]).success();
    assert!(proposed.stdout.contains("1 of 2 signatures, waiting for alice"), "{proposed:?}");
    owner.trust(&["verify", &name]).success();
    owner.trust(&["verify", "--signer", "alice", &name]).expect_code(4);
    safe.trust(&["sign", &name]).success();
    owner.trust(&["verify", "--signer", "alice", &name]).success();
}

/// A co-signer who means ill can write into the companion what notary lets them; the others are
/// warned, and go on.
#[test]
fn a_malicious_co_signer_can_only_propose() {
    let team = Team::new(3, 2);
    let world = &team.world;
    let repository = world.repository();
    let bob = &team.signers[1];
    world.push("1", "one");
    team.sign(0, "1");
    let plant = |name: &str, custom: &str| {
        let file = bob.home().join("custom.json");
        std::fs::write(&file, custom).unwrap();
        let file = file.display().to_string();
        let hash = "0".repeat(64);
        let args = ["addhash", "-p", &repository, name, "5", "--sha256", &hash];
        let more = ["-r", "targets/proposals", "--custom", &file];
        bob.notary(&[&args[..], &more].concat()).success();
    };
    let at = |role: &str| format!(".trust/proposals/{role}/{}", "1".repeat(64));
    plant(&at("targets/releases"), "{}");
    plant(&at("targets/alice"), "[1,2,3]");
    plant(".trust/proposals/garbage", "\"x\"");
    // The proposal of alice with other content under the very same name.
    let proposals = world.tags_in("targets/proposals");
    let real = proposals.iter().find(|name| {
        name.starts_with(".trust/proposals/targets/releases/") && !name.contains("1111111")
    });
    let real = real.unwrap().clone();
    let shown = team.reader.trust(&["inspect", "--pretty", &repository]).success();
    assert!(shown.stdout.contains("1 of 2"), "{shown:?}");
    assert!(shown.stderr.contains("is ignored"), "{shown:?}");
    plant(&real, r#"{"base":"","changed":{},"format":1,"removed":[],"signatures":[]}"#);
    let shown = team.reader.trust(&["inspect", "--pretty", &repository]).success();
    assert!(!shown.stdout.contains("1 of 2"), "{shown:?}");
    assert_refused(&team.reader, &world.name("1"), 3);
    // Alice proposes anew, and carol completes; what was planted is swept away.
    let again = team.sign(0, "1");
    assert!(again.stdout.contains("1 of 2"), "{again:?}");
    let completed = team.sign(2, "1");
    assert!(completed.stdout.starts_with("Successfully signed"), "{again:?} {completed:?}");
    assert_trusted(&team.reader, &world.name("1"), &world.served("1"));
    let left = world.tags_in("targets/proposals");
    assert!(left.iter().all(|name| !name.contains("targets/releases")), "{left:?}");
    // A name that looks like a tag's cannot be smuggled in through the companion.
    assert!(!world.tags_in("targets/releases").iter().any(|name| name.starts_with('.')));
}

/// Two people at once: the server takes one, the other builds on it.
#[test]
fn two_who_sign_at_once_complete_each_other() {
    let team = Team::new(2, 2);
    let world = &team.world;
    world.push("1", "one");
    let name = world.name("1");
    let (first, second) = std::thread::scope(|scope| {
        let sign = |who: usize| {
            let (signer, name) = (&team.signers[who], &name);
            scope.spawn(move || signer.trust(&["sign", name]).success().stdout)
        };
        let (first, second) = (sign(0), sign(1));
        (first.join().unwrap(), second.join().unwrap())
    });
    let complete = |text: &str| text.starts_with("Successfully signed");
    assert!(complete(&first) != complete(&second), "{first}{second}");
    assert_trusted(&team.reader, &name, &world.served("1"));
}

/// The first file of a role, published while somebody else makes one, is no earlier life of it.
#[test]
fn two_who_propose_at_once_lose_neither_proposal() {
    let team = Team::new(2, 2);
    let world = &team.world;
    for tag in ["1", "2"] {
        world.push(tag, tag);
    }
    std::thread::scope(|scope| {
        for (who, tag) in ["1", "2"].into_iter().enumerate() {
            let (signer, name) = (&team.signers[who], world.name(tag));
            scope.spawn(move || signer.trust(&["sign", &name]).success());
        }
    });
    assert_eq!(world.tags_in("targets/proposals").len(), 2);
}

/// Docker's own tools can still give and take signers' keys, which the next change of ours follows.
#[test]
fn a_signer_named_proposals_is_somebodys_and_stays() {
    let world = World::open();
    let daemon = Dockerd::start();
    let owner = world.docker_user(&daemon);
    let repository = world.repository();
    for name in ["alice", "bob"] {
        owner.docker(&["trust", "key", "generate", name]).success();
    }
    owner.trust(&["signer", "add", "--key", "alice.pub", "proposals", &repository]).expect_code(2);
    let add = ["trust", "signer", "add", "--key", "bob.pub", "proposals", &repository];
    owner.docker(&add).success();
    owner.trust(&["signer", "add", "--key", "alice.pub", "alice", &repository]).success();
    let raise = ["signer", "add", "--releases-threshold", "2", "alice", &repository];
    let refused = owner.trust(&raise).expect_code(12);
    assert!(refused.stderr.contains("another name"), "{refused:?}");
    assert_same_inspection(&owner, &repository);
    world.push("1", "one");
    owner.trust(&["sign", &world.name("1")]).success();
    assert_eq!(world.tags_in("targets/proposals"), ["1"]);
    assert_same_inspection(&owner, &repository);
    owner.trust(&["revoke", &world.name("1")]).success();
    assert_eq!(world.tags_in("targets/proposals"), [""; 0]);
}

/// A companion that is too large to be read is left aside, and begins anew.
#[test]
fn a_companion_that_is_blown_up_begins_anew() {
    let team = Team::new(3, 2);
    let world = &team.world;
    let repository = world.repository();
    let bob = &team.signers[1];
    world.push("1", "one");
    team.sign(0, "1");
    let file = bob.home().join("huge.json");
    std::fs::write(&file, format!("\"{}\"", "x".repeat(17 << 20))).unwrap();
    let (file, hash) = (file.display().to_string(), "0".repeat(64));
    let args = ["addhash", "-p", &repository, ".trust/proposals/x", "5", "--sha256", &hash];
    bob.notary(&[&args[..], &["-r", "targets/proposals", "--custom", &file]].concat()).success();
    let refused = team.reader.trust(&["verify", &world.name("1")]).expect_code(3);
    assert!(!refused.stderr.contains("1 of 2"), "{refused:?}");
    let shown = team.reader.trust(&["inspect", &repository]).success();
    assert!(shown.stderr.contains("targets/proposals cannot be used"), "{shown:?}");
    assert!(team.sign(0, "1").stdout.contains("1 of 2"));
    assert_eq!(world.tags_in("targets/proposals").len(), 1);
    assert!(team.sign(2, "1").stdout.starts_with("Successfully signed"));
    team.reader.trust(&["verify", &world.name("1")]).success();
}
