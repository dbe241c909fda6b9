//! A server comes back from yesterday's copy: clients refuse it, and believe it again when it and the
//! owners have signed beyond what was seen.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::world::{Beside, Old};
use crate::peers::User;
use crate::peers::process::{Finished, run};

/// The server signs its snapshots.
const SERVED: &str = "example.com/served";
/// Its owner signs them.
const OWNED: &str = "example.com/owned";

fn copied(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.args(["-a", "--"]).arg(from).arg(to);
    run(&copy, b"", Duration::from_secs(100)).success();
}

fn bump(user: &User, data: &Path, flags: &[&str]) -> Finished {
    let data = data.display().to_string();
    user.trust(&[&["server", "bump", "--data", &data], flags].concat())
}

#[test]
fn a_server_from_an_old_copy_is_believed_again() {
    let old = Old::start();
    let mut new = Beside::start(&old);
    let somebody = || {
        let mut user = new.known_to(old.user());
        user.set("DOCKER_CONTENT_TRUST_SERVER", &new.url());
        user
    };
    let url = new.url();
    let (owner, notary, reader) = (somebody(), somebody(), somebody());
    let lists = |user: &User, gun: &str| user.notary(&["-s", &url, "list", gun]);
    let reads = |user: &User, gun: &str| user.trust(&["repo", "ls", gun]);
    let publishes = |gun: &str, name: &str| {
        let hash = "54811cbc6c86311729b0a33e26c89087881b36b9ca3217d15cb5196e35f9a7e3";
        owner.notary(&["-s", &url, "addhash", gun, name, "11", "--sha256", hash, "-p"])
    };
    for gun in [SERVED, OWNED] {
        owner.notary(&["-s", &url, "init", gun, "-p"]).success();
        publishes(gun, "first").success();
    }
    owner.notary(&["-s", &url, "key", "rotate", SERVED, "snapshot", "-r"]).success();
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("data");
    new.meanwhile(|data| copied(data, &copy));

    // What happened after the copy: it renewed what it signs, and everybody saw it.
    let data = new.data();
    new.meanwhile(|data| bump(&owner, data, &["--all", "--by", "7"]).success());
    let seen = new.version(SERVED, "timestamp");
    for user in [&notary, &reader] {
        for gun in [SERVED, OWNED] {
            lists(&notary, gun).success();
            reads(user, gun).success();
        }
    }

    // The copy is back: that is a rollback.
    let restored = || {
        std::fs::remove_dir_all(&data).unwrap();
        copied(&copy, &data);
    };
    new.meanwhile(|_| restored());
    assert!(new.version(SERVED, "timestamp") < seen);
    let refused = reads(&reader, SERVED).expect_code(7);
    assert!(refused.stderr.contains("metadata was rolled back"), "{refused:?}");
    assert_ne!(lists(&notary, SERVED).code, 0);

    // By too little it stays one; beyond what was seen it is none.
    let rows = |done: &Finished| serde_json::from_str::<Value>(&done.stdout).unwrap();
    let little =
        new.meanwhile(|data| bump(&owner, data, &["--gun", SERVED, "--by", "1", "--json"]));
    assert_eq!(rows(&little.success())[0]["gun"], SERVED);
    reads(&reader, SERVED).expect_code(7);
    let above = seen.to_string();
    let done = new.meanwhile(|data| bump(&owner, data, &["--all", "--above", &above, "--json"]));
    let done = rows(&done.success());
    for (row, owned) in done.as_array().unwrap().iter().zip([false, true]) {
        assert_eq!(row["timestamp"], seen + 1, "{row}");
        assert_eq!(row["owner_signs_snapshots"], owned, "{row}");
        assert_eq!(row["snapshot"] == row["snapshot_before"], owned, "{row}");
    }
    for gun in [SERVED, OWNED] {
        lists(&notary, gun).success();
        assert!(reads(&reader, gun).success().stdout.contains("first"));
        publishes(gun, "second").success();
        assert!(lists(&notary, gun).success().stdout.contains("second"));
        assert!(reads(&reader, gun).success().stdout.contains("second"));
    }

    // What the server cannot sign it does not pretend to.
    let gone = new.meanwhile(|data| bump(&owner, data, &["--gun", "example.com/none"]));
    assert!(gone.expect_code(8).stderr.contains("no collection example.com/none"));
    let rescued = copies.path().join("rescued").display().to_string();
    let from = ["--from", &url, "--to", &rescued];
    owner.trust(&[&["rescue", SERVED], &from[..]].concat()).success();
    let archive = copies.path().join("archive");
    let archive_text = archive.display().to_string();
    owner.trust(&["server", "import", &rescued, "--data", &archive_text]).success();
    let refused = bump(&owner, &archive, &["--gun", SERVED]).expect_code(11);
    assert!(refused.stderr.contains("trust repo adopt"), "{refused:?}");
    let none = bump(&owner, &archive, &["--all"]).success();
    assert!(none.stderr.contains("is an archive, and stays as it is"), "{none:?}");
    bump(&owner, &archive, &[]).expect_code(2);
    new.ends_sound(&owner);
}
