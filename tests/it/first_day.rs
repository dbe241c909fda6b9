//! What somebody meets on the first day: what went wrong, and what to do next.

use crate::peers::{NotaryOptions, NotaryServer, User};

const GUN: &str = "registry.example.com/things";

fn owner(notary: &NotaryServer) -> User {
    let mut user = User::new();
    user.use_notary(notary);
    user
}

#[test]
fn what_was_not_published_is_still_staged_and_told_so() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let owner = owner(&notary);
    let made = owner.trust(&["repo", "init", GUN]).success();
    assert!(made.stderr.contains("`trust key backup`"), "{}", made.stderr);
    assert!(made.stderr.contains(&format!("`trust repo publish {GUN}` publishes it")));
    let stranger = User::new();
    stranger.trust(&["key", "generate", "qa"]).success();
    let key = stranger.home().join("qa.pub").display().to_string();
    owner.trust(&["delegation", "add", GUN, "targets/qa", &key, "--all-paths"]).success();
    owner.trust(&["delegation", "add", GUN, "targets/qa/deep", &key, "--all-paths"]).success();
    let refused = owner.trust(&["repo", "publish", GUN]).expect_code(11);
    assert!(refused.stderr.contains("hint: it can be signed with the key "), "{}", refused.stderr);
    let told = "hint: nothing was published, and all changes are still staged";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    let staged = owner.trust(&["repo", "status", GUN, "--format", "{{.Scope}}"]).success();
    assert!(staged.stdout.lines().any(|scope| scope == "targets/qa/deep"), "{}", staged.stdout);
}

#[test]
fn a_role_that_is_not_there_is_told_with_the_command_that_makes_one() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let owner = owner(&notary);
    let unknown = owner.trust(&["repo", "ls", GUN]).expect_code(3);
    assert!(unknown.stderr.contains("hint: its owner sets it up"), "{}", unknown.stderr);
    owner.trust(&["repo", "init", GUN, "-p"]).success();
    owner.trust(&["repo", "witness", GUN, "targets/qa"]).success();
    let refused = owner.trust(&["repo", "publish", GUN]).expect_code(8);
    assert!(refused.stderr.contains("`trust delegation add` makes one"), "{}", refused.stderr);
}

#[test]
fn a_threshold_that_no_keys_could_meet_is_a_mistake_of_whoever_typed_it() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let owner = owner(&notary);
    owner.trust(&["repo", "init", GUN, "-p"]).success();
    let words = ["repo", "root", "export", GUN, "--threshold", "3", "-o", "root.json"];
    let refused = owner.trust(&words).expect_code(2);
    assert!(refused.stderr.contains("cannot need 3 signatures"), "{}", refused.stderr);
    assert!(!owner.home().join("root.json").exists());
}

#[test]
fn a_question_that_cannot_be_asked_names_the_flag_that_answers_it() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let owner = owner(&notary);
    owner.trust(&["repo", "init", GUN, "-p"]).success();
    let flag = "hint: `--yes` answers the question beforehand";
    for words in [
        &["key", "rotate", GUN, "root"] as &[&str],
        &["delegation", "rm", GUN, "targets/qa"],
        &["repo", "pin", GUN, "--current"],
    ] {
        let refused = owner.trust(words).expect_code(2);
        assert!(refused.stderr.contains(flag), "{}", refused.stderr);
        owner.trust(&[words, &["--yes"]].concat()).success();
    }
}

#[test]
fn a_new_root_key_is_to_be_kept_like_the_first() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let owner = owner(&notary);
    owner.trust(&["repo", "init", GUN, "-p"]).success();
    let advice = "keep a copy of the new root key off this machine (`trust key backup`)";
    let rotated = owner.trust(&["key", "rotate", GUN, "root", "--yes"]).success();
    assert!(rotated.stderr.contains(advice), "{}", rotated.stderr);
    let rotated = owner.trust(&["key", "rotate", GUN, "targets"]).success();
    assert!(!rotated.stderr.contains(advice), "{}", rotated.stderr);
}

#[test]
fn the_usage_names_every_way_to_choose() {
    let user = User::new();
    for (words, choice) in [
        (["repo", "doctor"].as_slice(), "<GUN|--all>"),
        (&["repo", "renew"], "<GUN|--all>"),
        (&["repo", "reset", GUN], "<--number <N>|--all>"),
    ] {
        let refused = user.trust(words).expect_code(2);
        assert!(refused.stderr.contains(choice), "{}", refused.stderr);
        user.trust(&[words, &["--all", "-n", "1"]].concat()).expect_code(2);
    }
}
