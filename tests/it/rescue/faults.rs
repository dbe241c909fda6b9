//! Servers that stop, lie, are busy or half down; and what is kept all the same.

use test_case::test_case;
use trust::actions::rescue::RescueError;
use trust::limits::{MAX_MISSING_VERSIONS, MAX_UNVERIFIED_FILES};
use trust::tuf::history::Fault;
use trust::tuf::verify::VerifyError;

use crate::harness::disk::files_under;
use crate::harness::server::{Reply, not_found};
use crate::rescue::scene::{Scene, versions};

#[test]
fn all_that_there_ever_was_is_kept_and_not_asked_for_again() {
    let scene = Scene::with_history();
    let rescued = scene.rescue();
    assert!(rescued.error.is_none() && rescued.complete, "{rescued:#?}");
    assert_eq!(rescued.verified, rescued.files);
    assert_eq!(rescued.changes, 4);
    let all = versions(&rescued);
    assert_eq!(all["root"], [1, 2]);
    for role in ["timestamp", "snapshot", "targets", "targets/releases", "targets/alice"] {
        assert_eq!(all[role], [1, 2, 3, 4], "{role}");
    }
    let current: Vec<(String, u64)> =
        rescued.current.iter().map(|state| (state.role.to_string(), state.version)).collect();
    assert_eq!(current.len(), 6);
    assert!(current.contains(&("timestamp".to_owned(), 4)));
    assert!(current.contains(&("root".to_owned(), 2)));

    // Again: the root, the timestamp, and what is new of the changefeed.
    let before = scene.server.log().len();
    let again = scene.rescue();
    assert_eq!((again.new_files, again.files), (0, rescued.files));
    let asked = scene.server.log().split_off(before);
    assert_eq!(asked.len(), 3, "{asked:#?}");

    // Something new is there, and no more is fetched than that.
    let mut scene = scene;
    scene.publish_next();
    let more = scene.rescue();
    assert_eq!(more.new_files, 5);
    assert!(more.complete);
    assert_eq!(scene.record().feed.len(), 5);
}

/// Cut off at the first request, the second, the third …, and run again.
#[test_case(1)]
#[test_case(4)]
fn cut_off_at_every_request_it_comes_to_the_same_folder(parallel: usize) {
    let scene = Scene::with_history();
    let context = scene.context();
    let whole = scene.user.home().join("whole");
    scene.rescue_to(&whole, &context, parallel);
    let whole = files_under(&whole);
    let mut requests = 0;
    loop {
        let to = scene.user.home().join(format!("cut-{requests}"));
        let was_cut_off = scene.rescue_until(&to, &context, requests, parallel);
        let rescued = scene.rescue_to(&to, &context, parallel);
        assert!(rescued.complete, "after {requests} requests: {rescued:#?}");
        assert_eq!(files_under(&to), whole, "after {requests} requests");
        if !was_cut_off {
            break;
        }
        requests += 1;
    }
    assert!(requests > 8, "only {requests} requests");
}

#[test]
fn a_server_that_is_down_here_and_there_is_asked_again_another_time() {
    let scene = Scene::with_history();
    let targets = scene.repository.file_name("targets");
    scene.replies.set(&targets, Reply::status(500, "oh"));
    let old = "1.targets/alice.json";
    scene.replies.set(old, Reply::Announced(1 << 40));
    let rescued = scene.rescue();
    assert!(rescued.error.is_none() && !rescued.complete);
    let missing: Vec<&str> = rescued.missing.iter().map(|one| one.name.as_str()).collect();
    // What has a hash that is named is not asked for by its number.
    assert!(!scene.server.log().iter().any(|line| line.ends_with(old)));
    assert_eq!(missing, [targets.as_str()]);
    assert!(rescued.missing[0].answer.contains("answered 500"), "{:?}", rescued.missing);
    // The newest set is not whole, so the one before it is.
    assert!(rescued.current.iter().any(|state| state.version == 3));
    scene.user.trust(&["rescue", &scene.image(), "--to", "kept"]).expect_code(10);
    scene.replies.set(&targets, Reply::file(scene.repository.raw("targets")));
    let said = scene.user.trust(&["rescue", &scene.image(), "--to", "kept"]).success();
    assert!(said.stdout.contains("complete  yes"), "{}", said.stdout);
}

#[test]
fn what_a_server_says_that_it_does_not_have_is_asked_for_again_another_time() {
    let scene = Scene::with_history();
    let first = scene.repository.files()["1.root.json"].clone();
    scene.replies.set("1.root.json", not_found());
    let rescue = || {
        let image = scene.image();
        let words = ["rescue", &image, "--to", "kept", "--no-history", "--json"];
        let said = scene.user.trust(&words).success();
        let rows: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        rows[0]["missing"].as_array().unwrap().len()
    };
    assert_eq!(rescue(), 1);
    scene.replies.set("1.root.json", Reply::file(first));
    assert_eq!(rescue(), 0);
}

/// Where a server cannot make a new timestamp, the last one is found.
#[test]
fn a_server_that_cannot_sign_any_more_still_has_what_it_signed() {
    let scene = Scene::with_history();
    scene.replies.set("timestamp.json", Reply::status(500, "no key"));
    let rescued = scene.rescue();
    assert_eq!(versions(&rescued)["timestamp"], [1, 2, 3, 4]);
    assert!(rescued.current.iter().any(|state| state.version == 4));
    assert!(!rescued.complete);
}

#[test]
fn a_busy_server_is_left_alone_for_a_while() {
    let scene = Scene::with_history();
    let busy = || Reply::status(429, "").with("Retry-After", "0");
    for _ in 0..5 {
        scene.replies.set_nth("timestamp.json", 1, busy());
    }
    let rescued = scene.rescue();
    assert!(rescued.complete, "{rescued:#?}");
    let asked = scene.server.log().iter().filter(|line| line.ends_with("/timestamp.json")).count();
    assert_eq!(asked, 6);
}

#[test]
fn a_server_that_stops_answering_is_given_up() {
    let mut scene = Scene::with_history();
    (0..4).for_each(|_| scene.publish_next());
    scene.replies.set_all(&Reply::Close);
    scene.replies.set("root.json", Reply::file(scene.repository.raw("root")));
    scene.replies.set("timestamp.json", Reply::file(scene.repository.raw("timestamp")));
    let rescued = scene.rescue();
    assert!(matches!(rescued.error, Some(RescueError::GaveUp { .. })), "{rescued:#?}");
    assert_eq!(rescued.new_files, 2);
    assert!(scene.record().sources[0].finished.is_none());
    let scene = Scene::new();
    assert!(matches!(scene.rescue().error, Some(RescueError::NoTrustData { .. })));
    assert!(!scene.inner().exists());
    let page = || Reply::status(404, "<html></html>").with("Content-Type", "text/html");
    for name in ["root.json", "timestamp.json", "1.root.json", "1.timestamp.json"] {
        scene.replies.set(name, page());
    }
    let error = scene.rescue().error;
    assert!(
        matches!(&error, Some(RescueError::NoAnswer { answer, .. }) if answer.contains("HTML"))
    );
    assert!(!scene.inner().exists());
}

#[test]
fn what_does_not_verify_is_kept_marked_and_little_of_it() {
    let mut scene = Scene::with_history();
    scene.repository.sign_with("timestamp", &[crate::harness::Key::plain()]);
    scene.repository.set_version("timestamp", 9);
    scene.repository.publish();
    let forged = scene.repository.raw("timestamp");
    scene.replies.set("timestamp.json", Reply::file(forged));
    let rescued = scene.rescue();
    assert_eq!(rescued.refused.len(), 1, "{rescued:#?}");
    let role = trust::tuf::RoleName::Timestamp;
    let cause = VerifyError::ThresholdNotMet { role, have: 0, need: 1 };
    assert_eq!(rescued.refused[0].fault, Fault::Signatures(cause));
    // The changefeed knows the honest one.
    assert_eq!(versions(&rescued)["timestamp"], [1, 2, 3, 4]);
    let record = scene.record();
    let marked: Vec<_> = record.files.iter().filter(|file| !file.verified).collect();
    assert_eq!(marked.len(), 1);
    assert!(marked[0].refused.as_ref().unwrap().contains("valid signatures"));
}

#[test]
fn a_server_whose_answers_are_all_lies_does_not_fill_the_disk() {
    let mut scene = Scene::new();
    scene.repository.set_version("timestamp", 100_000);
    scene.repository.set_version("snapshot", 100_000);
    scene.publish();
    // The same numbers under every name, with other bytes each time.
    for number in 99_000..100_000 {
        for role in ["timestamp", "snapshot"] {
            let mut lie = scene.repository.raw(role);
            lie.extend(format!(" {number}").bytes().map(|_| b' '));
            lie.extend(vec![b' '; number % 97 + 1]);
            scene.replies.set(&format!("{number}.{role}.json"), Reply::file(lie));
        }
    }
    let rescued = scene.rescue();
    let asked = scene.server.log().len();
    assert!(asked < 200, "{asked} requests");
    assert!(rescued.files < MAX_UNVERIFIED_FILES);
    assert!(rescued.remarks.iter().any(|remark| remark.contains("given up")), "{rescued:#?}");
    assert!(rescued.current.len() == 4 && !rescued.complete);
}

#[test]
fn gaps_are_noted_and_after_many_nothing_older_is_asked_for() {
    let mut scene = Scene::new();
    scene.publish();
    scene.repository.set_version("targets", 40);
    scene.repository.bump(&["snapshot", "timestamp"]);
    scene.publish();
    scene.replies.set("1.snapshot.json", not_found());
    let rescued = scene.rescue();
    assert!(rescued.complete, "{rescued:#?}");
    let targets = rescued.missing.iter().filter(|one| one.name.ends_with(".targets.json"));
    assert_eq!(targets.clone().count() as u64, MAX_MISSING_VERSIONS);
    assert!(targets.into_iter().all(|one| one.absent));
    // By their hashes they are had all the same.
    assert_eq!(versions(&rescued)["targets"], [1, 40]);
    assert_eq!(versions(&rescued)["snapshot"], [1, 2]);
}

#[test]
fn another_file_under_a_name_is_kept_as_what_it_is() {
    let scene = Scene::with_history();
    let name = scene.repository.file_name("targets/alice");
    scene.replies.set(&name, Reply::file(b"{}".to_vec()));
    let rescued = scene.rescue();
    assert!(!rescued.complete);
    let answer = |wanted: &str| {
        let missing = rescued.missing.iter().find(|one| one.name == wanted);
        missing.map(|one| one.answer.clone()).unwrap_or_default()
    };
    assert!(answer(&name).contains("something else under this name"), "{rescued:#?}");
    assert!(matches!(rescued.refused[0].fault, Fault::Unreadable(_)), "{rescued:#?}");
    assert!(rescued.current.iter().any(|state| state.version == 3));
}

#[test]
fn a_root_that_does_not_follow_is_kept_and_not_believed() {
    let mut scene = Scene::with_history();
    // The person has the first root in the cache.
    scene.user.trust(&["inspect", scene.repository.gun()]).success();
    let honest = scene.repository.raw("root");
    let thief = [crate::harness::Key::certified(scene.repository.gun())];
    scene.repository.grant("root", &thief, 1);
    scene.repository.bump(&["root"]);
    scene.publish_next();
    let rescued = scene.rescue();
    let roots: Vec<_> = rescued.refused.iter().filter(|one| one.version == Some(3)).collect();
    assert!(matches!(roots[0].fault, Fault::Root { version: 3, .. }), "{rescued:#?}");
    // The snapshot of the thief names a root that does not count; the honest set is current.
    let root = rescued.current.iter().find(|state| state.role == trust::tuf::RoleName::Root);
    assert_eq!(root.unwrap().sha256, trust::crypto::Sha256Hash::of(&honest));
}
