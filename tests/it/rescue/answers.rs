//! What is answered from a folder when the server is gone.

use std::fs;

use crate::harness::server::Reply;
use crate::rescue::scene::Scene;

#[test]
fn the_folder_answers_as_the_server_did_and_changes_nothing() {
    let mut scene = Scene::with_history();
    scene.rescue();
    scene.replies.set_all(&Reply::Close);
    let image = scene.image();
    let cached = crate::harness::disk::files_under(&scene.user.trust_folder());
    let before = scene.server.log().len();
    let verdict = scene.user.trust(&["verify", "--from", "kept", &image]).success();
    assert!(verdict.stdout.contains("is trusted"), "{}", verdict.stdout);
    assert!(verdict.stdout.contains("answered from what was rescued"), "{}", verdict.stdout);
    let signed = trust::crypto::Sha256Hash::of(b"content").to_hex();
    assert!(verdict.stdout.contains(&signed));
    scene.user.trust(&["verify", "--from", "kept", "--signer", "alice", &image]).expect_code(4);
    let no_tag = format!("{}:none", scene.repository.gun());
    scene.user.trust(&["verify", "--from", "kept", &no_tag]).expect_code(3);
    scene.user.trust(&["verify", "--from", "kept", "example.com/other:1"]).expect_code(3);
    let shown = scene.user.trust(&["inspect", "--from", "kept", &image]).success();
    assert!(shown.stdout.contains(&signed), "{}", shown.stdout);
    assert_eq!(scene.server.log().len(), before, "somebody was asked");
    assert_eq!(crate::harness::disk::files_under(&scene.user.trust_folder()), cached);
    assert!(!scene.user.trust_folder().join("tuf").exists());

    // Whoever has seen something newer is not led back.
    scene.publish_next();
    scene.user.trust(&["inspect", &image]).success();
    scene.user.trust(&["verify", "--from", "kept", &image]).expect_code(7);
}

#[test]
fn what_has_expired_is_believed_only_by_whoever_asks_for_that() {
    let mut scene = Scene::with_history();
    scene.repository.expire("timestamp");
    scene.publish_next();
    let report = scene.user.trust(&["rescue", &scene.image(), "--to", "kept"]).success();
    assert!(report.stdout.contains("expired"), "{}", report.stdout);
    scene.user.trust(&["rescue", "check", "kept"]).success();
    let image = scene.image();
    scene.user.trust(&["verify", "--from", "kept", &image]).expect_code(6);
    let verdict = ["verify", "--from", "kept", "--allow-expired", &image];
    let verdict = scene.user.trust(&verdict).success();
    assert!(verdict.stdout.contains("EXPIRED  timestamp"), "{}", verdict.stdout);
    let json = ["verify", "--json", "--from", "kept", "--allow-expired", &image];
    let json = scene.user.trust(&json).success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["verdict"]["expired"][0]["role"], "timestamp");
    let shown = ["inspect", "--from", "kept", "--allow-expired", &image];
    let shown = scene.user.trust(&shown).success();
    assert!(shown.stderr.contains("timestamp expired"), "{}", shown.stderr);
    scene.user.trust(&["verify", "--allow-expired", &image]).expect_code(2);
}

#[test]
fn lists_of_names_come_from_files_and_servers_that_give_them() {
    let scene = Scene::with_history();
    let gun = scene.repository.gun().to_owned();
    fs::write(scene.user.home().join("guns"), format!("# ours\n\n{gun}\n{gun}:1\n")).unwrap();
    let args = ["rescue", "--gun-file", "guns", "--to", "kept", "--json", "--rate", "1000"];
    let said = scene.user.trust(&args).success();
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!(json[0]["complete"], true);
    assert_eq!(json[0]["repository"], gun);

    scene.replies.set("?", Reply::status(403, ""));
    let args = ["rescue", "--all", "--from", &scene.server.url(), "--to", "all"];
    let said = scene.user.trust(&args).expect_code(9);
    assert!(said.stderr.contains("--gun-file"), "{}", said.stderr);
    let record = format!(
        r#"{{"count":2,"records":[
            {{"ID":"1","CreatedAt":"","GUN":"{gun}","Version":1,"SHA256":"","Category":"update"}},
            {{"ID":"2","CreatedAt":"","GUN":"{gun}/x","Version":1,"SHA256":"","Category":"update"}},
            {{"ID":"3","CreatedAt":"","GUN":"{gun}/x","Version":0,"SHA256":"","Category":"deletion"}}
        ]}}"#
    );
    scene.replies.set("?", Reply::file(br#"{"count":0,"records":null}"#.to_vec()));
    scene.replies.set_nth("?", 1, Reply::file(record.into_bytes()));
    let said = scene.user.trust(&args).success();
    assert_eq!(said.stdout.matches("  from ").count(), 1, "{}", said.stdout);

    // Without a server to list there is nothing to list.
    let mut nobody = scene.user.twin();
    nobody.unset("DOCKER_CONTENT_TRUST_SERVER");
    nobody.trust(&["rescue", "--all"]).expect_code(2);
    nobody.trust(&["rescue"]).expect_code(2);
    nobody.trust(&["rescue", &gun, "--rate", "0"]).expect_code(2);
}

#[test]
fn a_clients_cache_can_be_rescued_from() {
    let scene = Scene::with_history();
    let gun = scene.repository.gun().to_owned();
    scene.user.trust(&["inspect", &gun]).success();
    scene.replies.set_all(&Reply::Close);
    scene.user.trust(&["rescue", "--from-cache", "--all", "--to", "kept"]).success();
    let cache = scene.user.trust_folder();
    let other = crate::peers::User::new();
    let from = format!("--from-cache={}", cache.display());
    let to = scene.folder();
    let to = to.to_str().unwrap();
    let said = other.trust(&["rescue", &from, &gun, "example.com/x", "--to", to]).expect_code(3);
    assert!(said.stdout.contains(&format!("{gun}\n")), "{}", said.stdout);
    other.trust(&["verify", "--from", to, &scene.image()]).success();
    assert_eq!(scene.record().sources.len(), 1);
}
