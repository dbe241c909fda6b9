//! `notary` and `trust` take turns on a collection: what one stages the other publishes.

use std::fs;

use super::notary_world::{
    GUN, Tool, cells, changelist, colleague, delegate, file, names, person, seen_by, server,
    signed, staged_by,
};

#[test]
fn five_rounds_of_turns_on_one_store() {
    let server = server();
    let owner = person(&server);
    Tool::Notary.run(&owner, "init", &[GUN]).success();
    delegate(&owner, "targets/releases", "rel", &[]);
    assert_eq!(staged_by(&owner).len(), 3);
    // What notary set up and staged is published by us.
    Tool::Trust.publish(&owner);
    assert_eq!(signed(&server, "root")["version"], 1);
    assert_eq!(signed(&server, "targets")["version"], 2);
    assert_eq!(signed(&server, "snapshot")["version"], 2);

    let custom = file(
        &owner,
        "custom.json",
        "{\n  \"z\": [1, 2],\n  \"a\": {\"ä\": \"x\", \"b\": null}\n}\n",
    );
    for round in 0..5 {
        let [first, second] = Tool::pair(round);
        let content = format!("content of round {round}\n");
        let path = file(&owner, "content", &content);
        let (plain, released) = (format!("dir/plain {round}"), format!("released-{round}"));
        first.run(&owner, "add", &[GUN, &plain, &path, "--custom", &custom]).success();
        second.run(&owner, "add", &[GUN, &released, &path, "-r", "targets/releases"]).success();
        let hash = "54811cbc6c86311729b0a33e26c89087881b36b9ca3217d15cb5196e35f9a7e3";
        let hashed = format!("hashed-{round}");
        second.run(&owner, "addhash", &[GUN, &hashed, "11", "--sha256", hash]).success();
        assert_eq!(staged_by(&owner).len(), 4);
        // Whoever did not begin publishes.
        second.publish(&owner);
        assert_eq!(staged_by(&owner), Vec::<Vec<String>>::new());

        let rows = seen_by(&owner, &[]);
        for name in [&plain, &released, &hashed] {
            assert!(names(&rows).contains(&name.as_str()), "{rows:?}");
        }
        assert_eq!(seen_by(&person(&server), &[]), rows);
        let released_rows = seen_by(&owner, &["targets/releases", "targets"]);
        assert_eq!(released_rows.len(), rows.len());
        let held = &signed(&server, "targets")["targets"][&plain];
        let expected = serde_json::json!({"a": {"b": null, "ä": "x"}, "z": [1, 2]});
        assert_eq!(held["custom"], expected);
        assert_eq!(held["length"], content.len());
        for tool in [first, second] {
            let verified =
                tool.run_with_input(&owner, "verify", &[GUN, &plain], content.as_bytes());
            assert_eq!(verified.success().stdout, content, "{tool:?}");
            let other = tool.run_with_input(&owner, "verify", &[GUN, &plain], b"something else");
            assert!(!other.stdout.contains("something else"), "{tool:?}");
            assert_ne!(other.code, 0);
        }
        let found = Tool::Trust.run(&owner, "lookup", &[GUN, &plain]).success().stdout;
        assert_eq!(Tool::Notary.run(&owner, "lookup", &[GUN, &plain]).success().stdout, found);

        // Removal, of what is there and of what is not, and witness, staged by both.
        second.run(&owner, "remove", &[GUN, &hashed]).success();
        second.run(&owner, "remove", &[GUN, "never there"]).success();
        first.run(&owner, "witness", &[GUN, "targets/releases"]).success();
        let before = signed(&server, "targets/releases")["version"].as_u64().unwrap();
        assert_eq!(staged_by(&owner).len(), 4);
        first.publish(&owner);
        let after = signed(&server, "targets/releases")["version"].as_u64().unwrap();
        assert_eq!(after, before + 1);
        let rows = seen_by(&owner, &[]);
        assert!(!names(&rows).contains(&hashed.as_str()), "{rows:?}");
    }
    assert_eq!(seen_by(&person(&server), &[]).len(), 11);
}

/// Each has a cache and a changelist of its own; the keys are the same.
#[test]
fn two_clones_publish_different_things() {
    let server = server();
    let ours = person(&server);
    Tool::Trust.run(&ours, "init", &[GUN]).success();
    delegate(&ours, "targets/qa", "qa", &["qa/"]);
    // What we set up, and notary staged, notary publishes.
    Tool::Notary.publish(&ours);
    let theirs = colleague(&server, &ours);
    for round in 0..5 {
        let [first, second] = Tool::pair(round);
        let path = file(&ours, "content", &format!("round {round}"));
        let by_first = format!("qa/{round}");
        let by_second = format!("top/{round}");
        first.run(&ours, "add", &[GUN, &by_first, &path, "-r", "targets/qa"]).success();
        second.run(&theirs, "add", &[GUN, &by_second, &path]).success();
        // Staged before the other published, published after it.
        first.publish(&ours);
        second.publish(&theirs);
        let rows = seen_by(&ours, &[]);
        assert_eq!(rows.len(), 1 + 2 * (round + 1));
        assert_eq!(seen_by(&theirs, &[]), rows);
    }
    assert_eq!(seen_by(&person(&server), &["targets/qa"]).len(), 6);
    // The same target, changed by both: the last one counts.
    let path = file(&ours, "content", "one");
    Tool::Trust.run(&ours, "add", &[GUN, "same", &path]).success();
    let path = file(&theirs, "content", "two!");
    Tool::Notary.run(&theirs, "add", &[GUN, "same", &path, "-p"]).success();
    Tool::Trust.publish(&ours);
    let found = Tool::Notary.run(&theirs, "lookup", &[GUN, "same"]).success().stdout;
    assert!(found.ends_with(" 3\n"), "{found}");
}

/// A delegation and what is in it, in one go; then without the targets key, and without root.
#[test]
fn delegations_are_published_with_what_is_put_into_them() {
    let server = server();
    let owner = person(&server);
    let init = ["--server-managed-snapshot", "-p", GUN];
    Tool::Trust.run(&owner, "init", &init).success();
    assert_eq!(signed(&server, "snapshot")["_type"], "Snapshot");
    let path = file(&owner, "content", "content");
    delegate(&owner, "targets/qa", "qa", &["qa/"]);
    Tool::Notary.run(&owner, "add", &[GUN, "qa/1", &path, "-r", "targets/qa"]).success();
    Tool::Trust.run(&owner, "add", &[GUN, "qa/2", &path, "-r", "targets/qa"]).success();
    Tool::Trust.publish(&owner);
    assert_eq!(names(&seen_by(&owner, &[])), ["qa/1", "qa/2"]);

    // The signer alone.
    let signer = person(&server);
    let folder = signer.trust_folder().join("private");
    fs::create_dir_all(&folder).unwrap();
    for key in super::world::key_files(&owner) {
        if fs::read_to_string(&key).unwrap().contains("role: qa\n") {
            fs::copy(&key, folder.join(key.file_name().unwrap())).unwrap();
        }
    }
    Tool::Trust.run(&signer, "add", &[GUN, "qa/3", &path, "-r", "targets/qa", "-p"]).success();
    Tool::Notary.run(&signer, "add", &[GUN, "qa/4", &path, "-r", "targets/qa", "-p"]).success();
    assert_eq!(names(&seen_by(&signer, &[])), ["qa/1", "qa/2", "qa/3", "qa/4"]);
    // What is not the signer's stays staged, and the rest with it.
    Tool::Trust.run(&signer, "add", &[GUN, "top", &path]).success();
    let refused = Tool::Trust.run(&signer, "publish", &[GUN]).expect_code(11);
    assert!(refused.stderr.contains("0 of 1 keys needed to sign targets"), "{refused:?}");
    assert_eq!(staged_by(&signer).len(), 2);
}

/// A delegation whose last file was signed by a key that was taken from it is brought back.
#[test]
fn witness_brings_back_what_a_removed_key_signed() {
    for tool in [Tool::Trust, Tool::Notary] {
        let server = server();
        let owner = person(&server);
        Tool::Trust.run(&owner, "init", &["--server-managed-snapshot", "-p", GUN]).success();
        delegate(&owner, "targets/releases", "alice", &[]);
        delegate(&owner, "targets/releases", "bob", &[]);
        Tool::Trust.publish(&owner);
        let alice = person(&server);
        fs::create_dir_all(alice.trust_folder().join("private")).unwrap();
        let key = super::world::key_file(&owner, "alice");
        let place = alice.trust_folder().join("private").join(key.file_name().unwrap());
        fs::rename(&key, &place).unwrap();
        let id = place.file_stem().unwrap().to_str().unwrap().to_owned();
        let path = file(&owner, "content", "released");
        let add = [GUN, "1.0", &path, "-r", "targets/releases", "-p"];
        Tool::Notary.run(&alice, "add", &add).success();
        assert_eq!(names(&seen_by(&owner, &["targets/releases"])), ["1.0"]);

        let remove = ["delegation", "remove", GUN, "targets/releases", &id, "-y", "-p"];
        owner.notary(&remove).success();
        let left_out = Tool::Trust.run(&owner, "list", &[GUN]).success();
        assert!(left_out.stderr.contains("targets/releases is left out"), "{left_out:?}");
        assert_eq!(left_out.stdout, "");
        // Somebody who never saw it valid does not vouch for it unasked.
        let stranger = colleague(&server, &owner);
        Tool::Trust.run(&stranger, "witness", &[GUN, "targets/releases"]).success();
        let refused = Tool::Trust.run(&stranger, "publish", &[GUN]).expect_code(4);
        assert!(refused.stderr.contains("was never seen valid on this machine"), "{refused:?}");
        assert_eq!(cells(&Tool::Trust.run(&stranger, "status", &[GUN]).stdout).len(), 2);

        let version = signed(&server, "targets/releases")["version"].as_u64().unwrap();
        tool.run(&owner, "witness", &[GUN, "targets/releases"]).success();
        Tool::Trust.publish(&owner);
        assert_eq!(signed(&server, "targets/releases")["version"], version + 1);
        assert_eq!(names(&seen_by(&person(&server), &["targets/releases"])), ["1.0"]);
        let verified = Tool::Notary.run_with_input(&owner, "verify", &[GUN, "1.0"], b"released");
        assert_eq!(verified.success().stdout, "released");
    }
}

#[test]
fn witness_believes_the_server_only_when_told_to() {
    let server = server();
    let owner = person(&server);
    Tool::Notary.run(&owner, "init", &["-p", GUN]).success();
    delegate(&owner, "targets/releases", "alice", &[]);
    delegate(&owner, "targets/releases", "bob", &[]);
    Tool::Notary.publish(&owner);
    let path = file(&owner, "content", "released");
    let bob = super::world::key_file(&owner, "bob");
    let aside = owner.home().join("aside");
    fs::rename(&bob, &aside).unwrap();
    Tool::Notary.run(&owner, "add", &[GUN, "1", &path, "-r", "targets/releases", "-p"]).success();
    fs::rename(&aside, &bob).unwrap();
    let alice = super::world::key_file(&owner, "alice");
    let id = alice.file_stem().unwrap().to_str().unwrap().to_owned();
    owner.notary(&["delegation", "remove", GUN, "targets/releases", &id, "-y", "-p"]).success();

    let stranger = colleague(&server, &owner);
    let witness = ["witness", GUN, "targets/releases", "--unseen"];
    stranger.trust(&[&["repo"], &witness[..]].concat()).expect_code(2);
    stranger.trust(&[&["repo"], &witness[..], &["-p"]].concat()).success();
    assert_eq!(names(&seen_by(&person(&server), &["targets/releases"])), ["1"]);
}

/// Nobody's change is lost, whoever is first.
#[test]
fn clones_publish_at_once() {
    let server = server();
    let owner = person(&server);
    Tool::Trust.run(&owner, "init", &["-p", GUN]).success();
    let clones: Vec<_> = (0..4).map(|_| colleague(&server, &owner)).collect();
    std::thread::scope(|scope| {
        for (number, clone) in clones.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..2 {
                    let name = format!("{number}-{round}");
                    let path = file(clone, "content", &name);
                    Tool::Trust.run(clone, "add", &[GUN, &name, &path, "-p"]).success();
                }
            });
        }
    });
    let rows = seen_by(&owner, &[]);
    let expected = ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1", "3-0", "3-1"];
    assert_eq!(names(&rows), expected);
}

/// The server has accepted, and the process ends before the changes are removed.
#[test]
fn changes_that_were_published_already_are_published_again_without_harm() {
    let server = server();
    let owner = person(&server);
    Tool::Trust.run(&owner, "init", &["-p", GUN]).success();
    delegate(&owner, "targets/qa", "qa", &["qa/"]);
    let path = file(&owner, "content", "content");
    Tool::Notary.run(&owner, "add", &[GUN, "a", &path]).success();
    Tool::Trust.run(&owner, "add", &[GUN, "b", &path]).success();
    Tool::Trust.run(&owner, "add", &[GUN, "qa/c", &path, "-r", "targets/qa"]).success();
    Tool::Notary.run(&owner, "remove", &[GUN, "a"]).success();
    let aside = owner.home().join("aside");
    super::world::copy_folder(&changelist(&owner), &aside);
    Tool::Trust.publish(&owner);
    let roles = ["root", "targets", "snapshot", "targets/qa"];
    let before = roles.map(|role| signed(&server, role));
    assert_eq!(staged_by(&owner).len(), 0);
    super::world::copy_folder(&aside, &changelist(&owner));
    assert_eq!(staged_by(&owner).len(), 7);
    let again = Tool::Trust.run(&owner, "publish", &[GUN]).success();
    assert!(again.stderr.contains("There was nothing to change"), "{again:?}");
    assert_eq!(roles.map(|role| signed(&server, role)), before);
    assert_eq!(staged_by(&owner).len(), 0);
    assert_eq!(names(&seen_by(&owner, &[])), ["b", "qa/c"]);
}

/// What notary set up and did not publish is gone on with by the commands for images, too.
#[test]
fn signing_an_image_publishes_what_was_set_up() {
    let world = super::world::World::open();
    let owner = world.user();
    let repository = world.repository();
    owner.notary(&["init", &repository]).success();
    let root = std::path::Path::new("tuf").join(&repository).join("metadata/root.json");
    let root = fs::read(owner.trust_folder().join(root)).unwrap();
    world.push("1", "one");
    owner.trust(&["sign", "--signer", "alice", &world.name("1")]).success();
    assert_eq!(world.notary.metadata(&repository, "root").body, root);
    let served = world.served("1");
    let stranger = world.user();
    let verified = stranger.trust(&["verify", "--digest", &world.name("1")]).success();
    assert_eq!(verified.stdout, format!("{repository}@{served}\n"));
    let inspection = super::world::assert_same_inspection(&stranger, &repository);
    assert_eq!(super::world::signers_of(&inspection, "1"), ["alice"]);
    let listed = owner.notary(&["list", "-r", "targets/releases", &repository]).success();
    assert!(listed.stdout.contains("targets/releases"), "{listed:?}");
}

/// Custom data that notary can read, but not publish.
#[test]
fn custom_data_is_signed_in_the_form_that_all_verify() {
    let server = server();
    let owner = person(&server);
    Tool::Trust.run(&owner, "init", &["-p", GUN]).success();
    let path = file(&owner, "content", "content");
    let custom = file(&owner, "c.json", "{\"z\":\"<&>\u{2028}\",\n \"a\": [1.0e1, {}]}\n");
    Tool::Trust.run(&owner, "add", &[GUN, "x", &path, "--custom", &custom]).success();
    Tool::Notary.run(&owner, "publish", &[GUN]).expect_code(1);
    assert_eq!(staged_by(&owner).len(), 2);
    Tool::Trust.publish(&owner);
    assert_eq!(names(&seen_by(&person(&server), &[])), ["x"]);
    let printed = owner.trust(&["target", "lookup", "--json", GUN, "x"]).success().stdout;
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["custom"], serde_json::json!({"a": [10, {}], "z": "<&>\u{2028}"}));
}

/// `delete` takes the cache and the changes, here and there, and no key.
#[test]
fn a_deleted_collection_is_set_up_again() {
    let server = server();
    let owner = person(&server);
    Tool::Trust.run(&owner, "init", &["-p", GUN]).success();
    let path = file(&owner, "content", "content");
    Tool::Trust.run(&owner, "add", &[GUN, "a", &path, "-p"]).success();
    Tool::Trust.run(&owner, "add", &[GUN, "b", &path]).success();
    seen_by(&owner, &[]);
    let keys = super::world::key_files(&owner);
    let told = Tool::Trust.run(&owner, "delete", &[GUN]).success().stderr;
    assert!(told.contains("Removed 4 cached files and 1 staged changes; keys stay"), "{told}");
    assert_eq!(names(&seen_by(&owner, &[])), ["a"]);
    Tool::Trust.run(&owner, "delete", &["--remote", GUN]).success();
    assert_eq!(server.metadata(GUN, "root").status, 404);
    Tool::Trust.run(&owner, "list", &[GUN]).expect_code(3);
    assert_eq!(super::world::key_files(&owner), keys);
    // Publishing a collection that nobody knows sets it up, with the keys that are there.
    Tool::Trust.run(&owner, "add", &[GUN, "c", &path, "-p"]).success();
    assert_eq!(names(&seen_by(&owner, &[])), ["c"]);
    assert_eq!(super::world::key_files(&owner), keys);
}
