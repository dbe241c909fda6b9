//! Names, versions and hashes that are none (server.md §7.4).

use trust::server::Server;

use super::{GUN, World, post};
use crate::server::harness::TestServer;

#[test]
fn guns_that_are_none_are_refused_and_never_redirected() {
    let server = TestServer::new();
    let long = "x".repeat(300);
    let very_long = "x".repeat(60_000);
    let faces = "%F0%9F%98%80".repeat(70);
    for gun in [
        "..",
        "a/..",
        "%2e%2e",
        "%2e%2e%2fa",
        "a/%2e%2e/b",
        "a//b",
        "a/./b",
        "a/",
        "a%00b",
        "a%0ab",
        "a%0d%0ab",
        "a%FFb",
        "a%20b",
        "a%5cb",
        "a*",
        "a%23",
        "a%3f",
        "a%25",
        "a%C2%A0b",
        &long,
        &very_long,
        &faces,
    ] {
        for file in ["tuf/root.json", "tuf/timestamp.key", "changefeed"] {
            let answer = server.get(&format!("/v2/{gun}/_trust/{file}"));
            let told = (answer.status, answer.code());
            assert_eq!(told, (400, Some("INVALID_GUN".to_owned())), "{gun:.40}: {file}");
            assert_eq!(answer.header("location"), None);
            assert!(answer.body.len() < 1024);
        }
    }
}

#[test]
fn guns_that_are_strange_are_only_strange() {
    let server = TestServer::new();
    for gun in ["%F0%9F%98%80", "a%E2%80%AEb", "A/b", "localhost:5000/a", "a/_trust/tuf/b"] {
        let answer = server.get(&format!("/v2/{gun}/_trust/tuf/root.json"));
        let told = (answer.status, answer.code());
        assert_eq!(told, (404, Some("METADATA_NOT_FOUND".to_owned())), "{gun}");
    }
}

#[test]
fn versions_and_hashes_that_are_none_name_nothing() {
    let mut world = World::new();
    world.publishes(&["root", "targets"]);
    let hash = trust::crypto::Sha256Hash::of(&world.get("root.json").body).to_hex();
    for name in [
        "0.root.json".to_owned(),
        "01.root.json".to_owned(),
        "-1.root.json".to_owned(),
        "+1.root.json".to_owned(),
        "99999999999.root.json".to_owned(),
        format!("{}.root.json", "9".repeat(24)),
        format!("{}.root.json", u64::MAX),
        format!("root.{}.json", hash.to_uppercase()),
        format!("root.{}.json", &hash[1..]),
        format!("root.{}.json", "a".repeat(96)),
        format!("root.{}.json", "a".repeat(128)),
        "1.targets/a.json".to_owned(),
        "targets/A.json".to_owned(),
        "..%2f..%2froot.json".to_owned(),
    ] {
        let answer = world.get(&name);
        let told = (answer.status, answer.code());
        assert_eq!(told, (404, Some("METADATA_NOT_FOUND".to_owned())), "{name}");
    }
    assert_eq!(world.get("1.root.json").status, 200);
    assert_eq!(world.get(&format!("root.{hash}.json")).status, 200);
}

#[test]
fn a_server_may_hold_some_names_only() {
    let holds = |server: &mut Server| {
        server.notary.gun_prefixes =
            vec!["example.com/".to_owned(), "registry.example.com/".to_owned()];
    };
    let mut world = World { server: TestServer::with(holds), ..World::new() };
    for role in ["timestamp", "snapshot"] {
        let key = world.key(role);
        world.owner.leave_to(role, &[key], 1);
    }
    world.publishes(&["root", "targets"]);
    let files = [("root", world.owner.raw("root"))];
    for gun in ["other.example.com/app", "example.com", "example.community/x"] {
        let answer = post(&world.server, gun, &files);
        assert_eq!((answer.status, answer.code().as_deref()), (400, Some("INVALID_GUN")), "{gun}");
        let path = format!("/v2/{gun}/_trust/tuf/");
        assert_eq!(world.server.ask("DELETE", &path, &[], "").status, 400);
        let rotate = world.server.ask("POST", &format!("{path}timestamp.key"), &[], "");
        assert_eq!(rotate.status, 400);
        for name in ["root.json", "timestamp.key"] {
            let answer = world.server.get(&format!("{path}{name}"));
            assert_eq!(answer.code().as_deref(), Some("METADATA_NOT_FOUND"), "{gun}");
        }
    }
    assert_eq!(world.server.get(&format!("/v2/{GUN}/_trust/tuf/root.json")).status, 200);
}
