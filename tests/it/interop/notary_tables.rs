//! The tables of `trust repo` beside those of `notary`, cell by cell.

use super::notary_world::{GUN, Tool, delegate, file, names, person, seen_by, server, staged_by};

#[test]
fn listings_have_the_cells_of_notary() {
    let server = server();
    let owner = person(&server);
    assert_eq!(staged_by(&owner), Vec::<Vec<String>>::new());
    Tool::Trust.run(&owner, "init", &["-p", GUN]).success();
    assert_eq!(seen_by(&owner, &[]), Vec::<Vec<String>>::new());
    delegate(&owner, "targets/releases", "rel", &[]);
    delegate(&owner, "targets/alpha", "alpha", &["dir/", "x"]);
    Tool::Trust.publish(&owner);
    delegate(&owner, "targets/alpha/deep", "deep", &["dir/deep/", "x/y"]);
    let [one, two, three] = ["one", "two!", "three"].map(|content| file(&owner, content, content));
    let adds: &[(&str, &str, &str)] = &[
        ("same", &one, "targets"),
        ("same", &two, "targets/releases"),
        ("dir/deep/same", &two, "targets/alpha"),
        ("dir/deep/same", &three, "targets/alpha/deep"),
        ("dir/deep/only", &three, "targets/alpha/deep"),
        ("x and spaces  in it", &one, "targets/alpha"),
        ("ä–画像", &one, "targets,targets/releases"),
    ];
    for (round, (name, path, role)) in adds.iter().enumerate() {
        Tool::pair(round)[0].run(&owner, "add", &[GUN, name, path, "-r", role]).success();
    }
    Tool::Trust.run(&owner, "witness", &[GUN, "targets", "targets/releases"]).success();
    Tool::Notary.run(&owner, "witness", &[GUN, "targets/alpha"]).success();
    Tool::Trust.run(&owner, "remove", &[GUN, "gone", "-r", "targets/releases"]).success();
    Tool::Notary.run(&owner, "remove", &[GUN, "gone"]).success();
    let staged = staged_by(&owner);
    assert_eq!(staged.len(), 1 + 2 + 8 + 3 + 2);
    assert_eq!(staged[1], ["0", "create", "targets/alpha/deep", "delegation", ""]);
    assert_eq!(staged[8], ["7", "create", "targets/alpha", "target", "x and spaces  in it"][..]);
    Tool::Notary.publish(&owner);

    let rows = seen_by(&owner, &[]);
    let expected = ["dir/deep/only", "dir/deep/same", "same", "x and spaces  in it", "ä–画像"];
    assert_eq!(names(&rows), expected);
    assert_eq!(rows[0], ["NAME", "DIGEST", "SIZE (BYTES)", "ROLE"]);
    assert_eq!((rows[3][2].as_str(), rows[3][3].as_str()), ("3", "targets"));
    for roles in [
        &["targets/releases"][..],
        &["targets/releases", "targets"],
        &["targets/alpha/deep"],
        &["targets/alpha/deep", "targets/alpha"],
        &["targets/alpha", "targets/alpha/deep"],
        &["targets/alpha/deep", "targets"],
        &["targets", "targets/releases"],
        &["targets/nobody"],
        &["targets/nobody", "targets/alpha"],
    ] {
        seen_by(&owner, roles);
    }
    let rows = seen_by(&owner, &["targets/releases", "targets"]);
    assert_eq!((rows[3][2].as_str(), rows[3][3].as_str()), ("4", "targets/releases"));
    // Commas do as well as the flag again, and what was read is read again offline.
    let flags = ["ls", "--offline", "-r", "targets/releases,targets", GUN];
    let offline = owner.trust(&[&["target"], &flags[..]].concat()).success();
    assert_eq!(super::notary_world::cells(&offline.stdout), rows);
    let missing = Tool::Trust.run(&owner, "list", &["-r", "targets/nobody", GUN]).success();
    assert!(missing.stderr.contains("there is no role targets/nobody"), "{missing:?}");
}

/// What a change takes away is seen by its number, and by nothing else.
#[test]
fn changes_are_taken_back_by_number() {
    let server = server();
    let owner = person(&server);
    let path = file(&owner, "content", "content");
    for name in ["a", "b", "c", "d", "e"] {
        Tool::Notary.run(&owner, "add", &[GUN, name, &path]).success();
    }
    Tool::Trust.run(&owner, "reset", &[GUN, "-n", "0,2", "-n", "2"]).success();
    let left = |rows: Vec<Vec<String>>| -> Vec<String> {
        rows.into_iter().skip(1).map(|row| row[4].clone()).collect()
    };
    assert_eq!(left(staged_by(&owner)), ["b", "d", "e"]);
    let refused = Tool::Trust.run(&owner, "reset", &[GUN, "-n", "1,3"]).expect_code(8);
    assert!(refused.stderr.contains("has 3 staged changes, and none is #3"), "{refused:?}");
    assert_eq!(left(staged_by(&owner)), ["b", "d", "e"]);
    Tool::Notary.run(&owner, "reset", &[GUN, "-n", "1"]).success();
    assert_eq!(left(staged_by(&owner)), ["b", "e"]);
    Tool::Trust.run(&owner, "reset", &[GUN]).expect_code(2);
    Tool::Trust.run(&owner, "reset", &[GUN, "--all", "-n", "0"]).expect_code(2);
    Tool::Trust.run(&owner, "reset", &[GUN, "--all"]).success();
    assert_eq!(staged_by(&owner).len(), 0);
}
