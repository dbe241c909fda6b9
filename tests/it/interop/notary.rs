//! `notary` and `trust` take turns on one repository.

use super::world::{World, assert_same_inspection, certificate_of, key_file, signers, signers_of};
use crate::peers::User;

#[test]
fn notary_reads_what_trust_publishes() {
    let world = World::open();
    let owner = world.user();
    let first = world.push("1", "one");
    let second = world.push("2", "two");
    owner.trust(&["sign", "--signer", "alice", &world.name("1"), &world.name("2")]).success();
    let repository = world.repository();
    let listed = owner.notary(&["list", &repository]).success().stdout;
    for (tag, pushed) in [("1", &first), ("2", &second)] {
        let row = format!("{tag} {} {}", pushed.hex(), pushed.size);
        let rows: Vec<_> = listed.lines().map(words).collect();
        assert!(rows.iter().any(|found| found.starts_with(&row)), "{listed}");
        for role in ["targets/alice", "targets/releases"] {
            let args = ["list", "-r", role, &repository];
            let listed = owner.notary(&args).success().stdout;
            let row = format!("{row} {role}");
            assert!(listed.lines().map(words).any(|found| found == row), "{listed}");
        }
        let found = owner.notary(&["lookup", &repository, tag]).success().stdout;
        assert_eq!(found.trim(), format!("{tag} sha256:{} {}", pushed.hex(), pushed.size));
    }
    let key = key_file(&owner, "alice");
    let key = key.file_stem().unwrap().to_str().unwrap();
    let delegations = owner.notary(&["delegation", "list", &repository]).success().stdout;
    for role in ["targets/alice", "targets/releases"] {
        let row = format!("{role} \"\" <all paths> {key} 1");
        assert!(delegations.lines().map(words).any(|found| found == row), "{delegations}");
    }
    // Somebody without a cache or a key reads the same.
    let stranger = world.user();
    assert_eq!(stranger.notary(&["list", &repository]).success().stdout, listed);

    owner.trust(&["revoke", &world.name("1")]).success();
    let listed = owner.notary(&["list", &repository]).success().stdout;
    assert!(!listed.contains(first.hex()) && listed.contains(second.hex()), "{listed}");
    owner.notary(&["lookup", &repository, "1"]).expect_code(1);
    // Notary verifies bytes by what we signed.
    let held = String::from_utf8(second.manifest).unwrap();
    let verified = owner.notary_with_input(&["verify", &repository, "2"], held.as_bytes());
    assert_eq!(verified.success().stdout, held);
}

/// The snapshot key of such a repository is the owner's, so whoever publishes signs the snapshot.
#[test]
fn the_two_take_turns_where_the_owner_signs_snapshots() {
    let world = World::open();
    let owner = world.user();
    let repository = world.repository();
    owner.notary(&["init", &repository]).success();
    add_hash(&world, &owner, "1", &[]);
    let served = world.served("1");
    let verified = owner.trust(&["verify", "--digest", &world.name("1")]).success();
    assert_eq!(verified.stdout, format!("{repository}@{served}\n"));
    let inspection = assert_same_inspection(&owner, &repository);
    assert_eq!(signers_of(&inspection, "1"), ["Repo Admin"]);

    let snapshot_key = key_file(&owner, "snapshot");
    let snapshot_key = snapshot_key.file_stem().unwrap().to_str().unwrap();
    for round in ["a", "b", "c"] {
        let ours = format!("trust-{round}");
        let pushed = world.push(&ours, &ours);
        owner.trust(&["sign", &world.name(&ours)]).success();
        let snapshot = world.notary.metadata(&repository, "snapshot").text();
        assert!(snapshot.contains(&format!(r#""keyid":"{snapshot_key}""#)), "{snapshot}");
        let found = owner.notary(&["lookup", &repository, &ours]).success().stdout;
        assert!(found.contains(pushed.hex()), "{found}");

        let theirs = format!("notary-{round}");
        add_hash(&world, &owner, &theirs, &[]);
        let verified = owner.trust(&["verify", "--digest", &world.name(&theirs)]).success();
        assert_eq!(verified.stdout, format!("{repository}@{}\n", world.served(&theirs)));
    }
    let inspection = assert_same_inspection(&world.user(), &repository);
    assert_eq!(inspection[0]["SignedTags"].as_array().unwrap().len(), 7);
    owner.notary(&["remove", "-p", &repository, "trust-a"]).success();
    owner.trust(&["verify", &world.name("trust-a")]).expect_code(3);
    owner.trust(&["revoke", &world.name("notary-b")]).success();
    owner.notary(&["lookup", &repository, "notary-b"]).expect_code(1);

    // Without the snapshot key there is no publishing, and the error says which it is.
    std::fs::remove_file(key_file(&owner, "snapshot")).unwrap();
    world.push("late", "late");
    let refused = owner.trust(&["sign", &world.name("late")]).expect_code(11);
    assert!(refused.stderr.contains("snapshot key"), "{refused:?}");
    owner.trust(&["verify", &world.name("late")]).expect_code(3);
    owner.trust(&["verify", &world.name("trust-c")]).success();
}

#[test]
fn delegations_made_by_notary_are_kept_to() {
    let world = World::open();
    let owner = world.user();
    let qa = world.user();
    let repository = world.repository();
    owner.notary(&["init", "-p", &repository]).success();
    owner.notary(&["key", "rotate", &repository, "snapshot", "-r"]).success();
    qa.trust(&["key", "generate", "qa"]).success();
    let certificate = certificate_of(&qa, "qa");
    let file = owner.home().join("qa.crt");
    std::fs::write(&file, certificate).unwrap();
    let file = file.display().to_string();
    let add = ["delegation", "add", "-p", &repository, "targets/qa", &file, "--paths", "qa-"];
    owner.notary(&add).success();
    let add = ["delegation", "add", "-p", &repository, "targets/releases", &file, "--all-paths"];
    owner.notary(&add).success();
    let inspection = assert_same_inspection(&owner, &repository);
    assert_eq!(signers(&inspection), ["qa"]);

    // The certificate's key is named by two ids; the private one is found by the bare key's.
    let allowed = world.push("qa-1", "allowed");
    qa.trust(&["sign", &world.name("qa-1")]).success();
    assert_eq!(world.tags_in("targets/qa"), ["qa-1"]);
    assert_eq!(world.tags_in("targets/releases"), ["qa-1"]);
    world.push("other", "not theirs");
    qa.trust(&["sign", &world.name("other")]).success();
    assert_eq!(world.tags_in("targets/qa"), ["qa-1"]);
    assert_eq!(world.tags_in("targets/releases"), ["other", "qa-1"]);
    owner.trust(&["verify", "--signer", "qa", &world.name("qa-1")]).success();
    owner.trust(&["verify", "--signer", "qa", &world.name("other")]).expect_code(4);
    let found = owner.notary(&["lookup", &repository, "qa-1"]).success().stdout;
    assert!(found.contains(allowed.hex()), "{found}");

    // Notary signs into the same role with the same key, and a name in that role alone is no
    // release.
    add_hash(&world, &qa, "qa-2", &["-r", "targets/qa"]);
    let refused = owner.trust(&["verify", &world.name("qa-2")]).expect_code(3);
    assert!(refused.stderr.contains("targets/qa"), "{refused:?}");
    qa.trust(&["sign", &world.name("qa-2")]).success();
    owner.trust(&["verify", "--signer", "qa", &world.name("qa-2")]).success();
    assert_same_inspection(&owner, &repository);
}

/// Pushes an image and has notary sign it.
fn add_hash(world: &World, user: &User, tag: &str, flags: &[&str]) {
    let pushed = world.push(tag, tag);
    let (repository, size) = (world.repository(), pushed.size.to_string());
    let hash = ["addhash", "-p", &repository, tag, &size, "--sha256", pushed.hex()];
    user.notary(&[&hash, flags].concat()).success();
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
