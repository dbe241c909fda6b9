//! A server kept in step with another one: by the changefeed, again after a break, and under
//! another name.

use std::fs;

use serde_json::Value;

use super::world::{Beside, Old, take_away};
use crate::peers::User;

const ONE: &str = "old.example.com/one";
const TWO: &str = "old.example.com/two";
const THREE: &str = "old.example.com/three";

fn mirrors(
    user: &User,
    old: &Old,
    new: &Beside,
    flags: &[&str],
) -> crate::peers::process::Finished {
    let (from, to) = (old.notary.url(), new.url());
    user.trust(&[&["mirror", &from, &to, "--folder", "m", "--json"], flags].concat())
}

/// The outcome of each collection.
fn outcomes(mirrored: &crate::peers::process::Finished) -> Vec<(String, String)> {
    let rows: Value = serde_json::from_str(&mirrored.stdout).unwrap();
    let text = |row: &Value, member: &str| row[member].as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(|row| (text(row, "gun"), text(row, "outcome"))).collect()
}

fn adds(user: &User, gun: &str, name: &str) {
    let hash = "54811cbc6c86311729b0a33e26c89087881b36b9ca3217d15cb5196e35f9a7e3";
    user.notary(&["addhash", gun, name, "11", "--sha256", hash, "-p"]).success();
}

#[test]
fn what_changes_is_brought_and_what_is_renamed_is_signed_anew() {
    let old = Old::start();
    let new = Beside::start(&old);
    let (owner, mirror) = (old.user(), new.known_to(old.user()));
    for gun in [ONE, TWO] {
        owner.notary(&["init", gun, "-p"]).success();
        adds(&owner, gun, "first");
    }
    let row = |gun: &str, outcome: &str| (gun.to_owned(), outcome.to_owned());

    let done = mirrors(&mirror, &old, &new, &["--all"]).success();
    assert_eq!(outcomes(&done), [row(ONE, "new"), row(TWO, "new")]);
    assert_eq!(new.targets(ONE), ["first"]);
    // By the feed there is nothing to look at.
    let done = mirrors(&mirror, &old, &new, &["--all"]).success();
    assert!(outcomes(&done).is_empty(), "{done:?}");
    let done = mirrors(&mirror, &old, &new, &[ONE]).success();
    assert_eq!(outcomes(&done), [row(ONE, "same")]);
    adds(&owner, ONE, "second");
    let done = mirrors(&mirror, &old, &new, &["--all"]).success();
    assert_eq!(outcomes(&done), [row(ONE, "continued")]);
    assert_eq!(new.targets(ONE), ["first", "second"]);

    // What goes on between two runs: another root.
    let rotate = ["key", "rotate", ONE, "root"];
    owner.notary_with_input(&rotate, b"yes\n").success();
    let done = mirrors(&mirror, &old, &new, &[ONE]).success();
    assert_eq!(outcomes(&done), [row(ONE, "continued")]);
    assert_eq!(new.version(ONE, "root"), 2);
    // Another server at the same address, to judge by its feed.
    let state = mirror.home().join("m/mirror.json");
    let text = fs::read_to_string(&state).unwrap();
    let mut edited: Value = serde_json::from_str(&text).unwrap();
    edited["last"]["sha256"] = "ff".into();
    fs::write(&state, edited.to_string()).unwrap();
    let done = mirrors(&mirror, &old, &new, &["--all"]).success();
    assert!(done.stderr.contains("not the changefeed that was followed before"), "{done:?}");
    assert_eq!(outcomes(&done), [row(ONE, "same"), row(TWO, "same")]);

    // A deletion is told of, and done if that is wanted.
    owner.notary(&["delete", TWO, "--remote"]).success();
    let done = mirrors(&mirror, &old, &new, &[TWO]).success();
    assert_eq!(outcomes(&done), [row(TWO, "deleted there")]);
    assert_eq!(new.targets(TWO), ["first"]);
    let done = mirrors(&mirror, &old, &new, &[TWO, "--delete"]).success();
    assert_eq!(outcomes(&done), [row(TWO, "deleted")]);
    assert_eq!(new.targets(TWO), [""; 0]);

    // What has been adopted is no copy any more.
    owner.notary(&["init", THREE, "-p"]).success();
    adds(&owner, THREE, "first");
    let done = mirrors(&mirror, &old, &new, &[THREE]).success();
    assert_eq!(outcomes(&done), [row(THREE, "new")]);
    let mut there = new.known_to(owner.twin());
    there.set("DOCKER_CONTENT_TRUST_SERVER", &new.url());
    let dry = there.trust(&["repo", "adopt", "--dry-run", THREE]).success();
    assert!(dry.stderr.contains("timestamp: holds until "), "{dry:?}");
    assert!(dry.stderr.contains("Readers believe the archive until "), "{dry:?}");
    there.trust(&["repo", "adopt", THREE]).success();
    adds(&owner, THREE, "second");
    let done = mirrors(&mirror, &old, &new, &[THREE]);
    assert_ne!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("went two ways"), "{done:?}");
    owner.notary(&["delete", THREE, "--remote"]).success();
    // What is not there keeps nobody else from being looked at.
    let none = "old.example.com/none";
    let done = mirrors(&mirror, &old, &new, &[none, THREE, "--delete"]).expect_code(3);
    assert_eq!(outcomes(&done), [row(THREE, "kept"), row(none, "failed")]);
    assert_eq!(new.targets(THREE), ["first"]);

    // Under another name with the keys that are here, later with what changed; without, nothing.
    let rename = ["--rename", "old.example.com=new.example.com", "--folder", "renamed", ONE];
    let (from, to) = (old.notary.url(), new.url());
    let renames =
        |user: &User| user.trust(&[&["mirror", &from, &to, "--json"][..], &rename].concat());
    // Not on the word of whoever answers first.
    let refused = renames(&mirror).expect_code(3);
    assert!(
        refused.stderr.contains("is not known here, so nothing of it is signed"),
        "{refused:?}"
    );
    assert_eq!(new.targets("new.example.com/one"), [""; 0]);
    mirror.trust(&["repo", "ls", ONE]).success();
    let done = renames(&mirror).success();
    assert_eq!(outcomes(&done), [row(ONE, "signed anew")]);
    assert_eq!(new.targets("new.example.com/one"), ["first", "second"]);
    adds(&owner, ONE, "third");
    assert_eq!(outcomes(&renames(&mirror).success()), [row(ONE, "signed again")]);
    assert_eq!(new.targets("new.example.com/one"), ["first", "second", "third"]);
    take_away(&mirror, "targets");
    adds(&owner, ONE, "fourth");
    let done = renames(&mirror).success();
    let rows: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(rows[0]["left"][0]["role"], "targets", "{done:?}");
    assert_eq!(new.targets("new.example.com/one"), ["first", "second", "third"]);
    let checked = new.ends_sound(&mirror);
    assert!(checked.contains("1 collections are archives, 0 of them expired"), "{checked}");
}
