//! Collections that docker and notary made, out of a real server, which then goes away.

use std::fs;

use crate::peers::{NotaryOptions, NotaryServer, User};

const GUN: &str = "example.com/team/collection";

#[test]
fn what_notary_published_is_all_there_when_its_server_is_gone() {
    let mut server = NotaryServer::start(&NotaryOptions::default());
    let mut owner = User::new();
    owner.use_notary(&server);
    owner.trust(&["key", "generate", "alice"]).success();
    owner.notary(&["init", "-p", GUN]).success();
    owner
        .notary(&["delegation", "add", "-p", GUN, "targets/releases", "alice.pub", "--all-paths"])
        .success();
    for tag in ["1", "2", "3"] {
        fs::write(owner.home().join("content"), tag).unwrap();
        owner.notary(&["add", "-p", GUN, tag, "content", "-r", "targets/releases"]).success();
    }
    owner.notary(&["key", "rotate", GUN, "snapshot", "-r"]).success();
    owner.notary(&["key", "rotate", GUN, "targets"]).success();
    fs::write(owner.home().join("content"), "4").unwrap();
    owner.notary(&["add", "-p", GUN, "4", "content"]).success();
    let listed = owner.notary(&["list", GUN]).success();

    let mut keeper = User::new();
    keeper.use_notary(&server);
    let url = server.url();
    let said = keeper.trust(&["rescue", GUN, "--from", &url, "--to", "kept", "--json"]).success();
    let rows: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let row = &rows[0];
    assert_eq!(row["complete"], true, "{row:#}");
    assert_eq!(row["refused"].as_array().unwrap().len(), 0, "{row:#}");
    assert_eq!(row["verified"], row["files"]);
    let of = |role: &str| {
        let rows = row["versions"].as_array().unwrap();
        rows.iter().find(|row| row["role"] == role).unwrap().clone()
    };
    assert_eq!((of("root")["oldest"].clone(), of("root")["newest"].clone()), (1.into(), 3.into()));
    for role in ["targets", "snapshot", "timestamp", "targets/releases"] {
        let row = of(role);
        // Notary's first publication has version 2 of what it signs twice.
        assert!(row["count"].as_u64().unwrap() >= 3, "{row:#}");
    }
    assert!(row["changes"].as_u64().unwrap() >= 6);

    // All collections of the server, for it lets everybody list them.
    let all = ["rescue", "--all", "--from", &url, "--to", "all", "--no-history"];
    keeper.trust(&all).success();

    server.stop();
    keeper.trust(&["rescue", "check", "kept"]).success();
    keeper.trust(&["rescue", "check", "all"]).success();
    let shown = keeper.trust(&["inspect", "--from", "kept", GUN]).success();
    for line in listed.stdout.lines().skip(2) {
        let mut words = line.split_whitespace();
        let (Some(_), Some(digest)) = (words.next(), words.next()) else { continue };
        assert!(shown.stdout.contains(digest), "{line}\n{}", shown.stdout);
    }
    keeper.trust(&["verify", "--from", "kept", &format!("{GUN}:3")]).success();
    keeper.trust(&["verify", "--from", "all", &format!("{GUN}:3")]).success();
    // The owner's cache agrees with what was rescued.
    let kept = keeper.home().join("kept");
    owner.trust(&["verify", "--from", kept.to_str().unwrap(), &format!("{GUN}:4")]).success();
}
