//! Delegations of collections that several people must sign.

use std::fs;

use super::notary_world::{GUN, file, person, seen_by, server};

#[test]
fn a_delegation_that_two_must_sign_is_signed_by_two() {
    let server = server();
    let (owner, alice, bob) = (person(&server), person(&server), person(&server));
    owner.trust(&["repo", "init", GUN, "--server-managed-snapshot", "-p"]).success();
    for (user, name) in [(&alice, "alice"), (&bob, "bob")] {
        user.trust(&["key", "generate", name]).success();
        let file = format!("{name}.pub");
        fs::copy(user.home().join(&file), owner.home().join(&file)).unwrap();
    }
    let add = ["delegation", "add", GUN, "targets/qa", "alice.pub", "--all-paths"];
    let refused = owner.trust(&[&add[..], &["--threshold", "2", "-p"]].concat());
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("threshold"), "{refused:?}");
    owner.trust(&["repo", "reset", GUN, "--all"]).success();
    owner.trust(&[&add[..], &["bob.pub", "--threshold", "2", "-p"]].concat()).success();
    let listed = owner.trust(&["delegation", "ls", GUN, "--json"]).success().stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let qa = listed.as_array().unwrap().iter().find(|role| role["role"] == "targets/qa").unwrap();
    assert_eq!(qa["threshold"], 2, "{listed}");

    let readme = "hello\n";
    let add_file = |user| {
        let path = file(user, "readme", readme);
        user.trust(&["target", "add", GUN, "readme", &path, "-r", "targets/qa", "-p"]).success()
    };
    let proposed = add_file(&alice);
    assert!(proposed.stderr.contains("1 of 2 signatures"), "{proposed:?}");
    assert_eq!(alice.trust(&["repo", "status", GUN, "--json"]).success().stdout.trim(), "[]");
    assert_eq!(seen_by(&owner, &["targets/qa"]), [[""; 0]; 0]);
    let completed = add_file(&bob);
    assert!(completed.stderr.contains("has all the signatures it needs"), "{completed:?}");
    let seen = seen_by(&owner, &["targets/qa"]);
    // Below the head of the table.
    assert_eq!((seen.len(), seen[1][0].as_str(), seen[1][3].as_str()), (2, "readme", "targets/qa"));

    // Notary writes a threshold of one with every key that it adds: what was agreed on stays.
    owner.trust(&["key", "generate", "carol"]).success();
    owner.notary(&["delegation", "add", GUN, "targets/qa", "carol.pub"]).success();
    owner.trust(&["repo", "publish", GUN]).success();
    let listed = owner.notary(&["delegation", "list", GUN]).success().stdout;
    let qa = listed.lines().find(|line| line.contains("targets/qa")).unwrap();
    assert!(qa.trim_end().ends_with('2'), "{listed}");
    // An owner lowers it in so many words.
    owner.trust(&["delegation", "add", GUN, "targets/qa", "--threshold", "1", "-p"]).success();
    let listed = owner.notary(&["delegation", "list", GUN]).success().stdout;
    let qa = listed.lines().find(|line| line.contains("targets/qa")).unwrap();
    assert!(qa.trim_end().ends_with('1'), "{listed}");
    assert_eq!(seen_by(&bob, &["targets/qa"]).len(), 2);
}
