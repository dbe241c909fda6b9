//! Servers that would have a rescue never end, grow, or miss something; logins and rests.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::{Value, json};
use test_case::test_case;
use trust::actions::Context;
use trust::actions::rescue::RescueError;
use trust::client::{NotaryError, TransportError};
use trust::clock::{Clock, SystemClock, Timestamp};
use trust::codec::text::to_base64;
use trust::crypto::Sha256Hash;
use trust::limits::{MAX_BUSY_ANSWERS, MAX_UNANSWERED_IN_A_ROW};

use crate::harness::server::{Reply, Request, Server, not_found};
use crate::rescue::scene::{Scene, versions};

const ALL_CHANGES: &str = "_trust/changefeed?change_id=0&records=1000";

/// A page of the changefeed: ids and hashes.
fn page(scene: &Scene, changes: &[(&str, &str)]) -> Reply {
    let records: Vec<Value> = changes
        .iter()
        .map(|(id, sha256)| {
            json!({
                "ID": id,
                "CreatedAt": "2026-01-01T00:00:00Z",
                "GUN": scene.repository.gun(),
                "Version": 1,
                "SHA256": sha256,
                "Category": "update",
            })
        })
        .collect();
    let page = json!({ "count": records.len(), "records": records });
    Reply::file(serde_json::to_vec(&page).unwrap())
}

fn after(id: &str) -> String {
    format!("_trust/changefeed?change_id={id}&records=1000")
}

/// A number is only what a server says.
#[test]
fn a_root_of_a_monstrous_version_is_one_file_more() {
    let mut scene = Scene::new();
    scene.repository.set_version("root", 9_007_199_254_740_991);
    scene.publish();
    let rescued = scene.rescue();
    assert!(rescued.error.is_none() && !rescued.complete, "{rescued:#?}");
    assert_eq!(rescued.current.len(), 4);
    assert!(rescued.remarks.iter().any(|remark| remark.contains("only the last 1024 roots")));
    assert!(scene.server.log().len() < 40, "{} requests", scene.server.log().len());
}

#[test]
fn a_changefeed_that_goes_round_or_swells_is_left_and_the_rest_is_had() {
    let scene = Scene::with_history();
    scene.replies.set(ALL_CHANGES, page(&scene, &[("1", ""), ("2", "")]));
    scene.replies.set(&after("2"), page(&scene, &[("3", "")]));
    scene.replies.set(&after("3"), page(&scene, &[("1", ""), ("2", "")]));
    let rescued = scene.rescue();
    assert!(!rescued.complete);
    let remark = |words: &str| rescued.remarks.iter().any(|remark| remark.contains(words));
    assert!(remark("does not come to an end"), "{rescued:#?}");
    assert_eq!(versions(&rescued)["timestamp"], [1, 2, 3, 4]);

    let scene = Scene::with_history();
    let long = "9".repeat(1 << 20);
    scene.replies.set(ALL_CHANGES, page(&scene, &[("1", ""), (&long, "")]));
    let rescued = scene.rescue();
    let remark = |words: &str| rescued.remarks.iter().any(|remark| remark.contains(words));
    assert!(!rescued.complete && remark("too long"), "{rescued:#?}");
    assert_eq!((rescued.changes, versions(&rescued)["targets"].len()), (0, 4));
}

/// A server that was set up anew numbers its changes from 1 on again.
#[test]
fn a_changefeed_that_begins_anew_is_read_anew() {
    let mut scene = Scene::with_history();
    scene.rescue();
    assert_eq!(scene.record().feed.len(), 4);
    scene.publish_next();
    let newest = Sha256Hash::of(&scene.repository.raw("timestamp")).to_hex();
    let again = page(&scene, &[("1", ""), ("2", &newest)]);
    scene.replies.set(ALL_CHANGES, again);
    scene.replies.set(&after("3"), page(&scene, &[]));
    assert!(scene.rescue().complete);
    let ids = |scene: &Scene| {
        let feed = scene.record().feed;
        feed.into_iter().map(|change| change.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&scene), ["1", "2", "3", "4", "1", "2"]);

    // Another server's numbers say nothing of how far it was read.
    let replies = scene.replies.clone();
    let other = Server::start(move |request| replies.reply(request));
    scene.replies.set(ALL_CHANGES, page(&scene, &[("7", &newest)]));
    let words = ["rescue", &scene.image(), "--to", "kept", "--from", &other.url()];
    scene.user.trust(&words).success();
    assert_eq!(ids(&scene), ["1", "2", "3", "4", "1", "2", "7"]);
    assert_eq!(scene.record().sources.len(), 2);
}

/// What a cache on the way says to be the newest root is not always.
#[test]
fn roots_that_are_newer_than_the_newest_are_had_and_those_between() {
    let mut scene = Scene::with_history();
    let old = scene.repository.files()["1.root.json"].clone();
    scene.rotate_root();
    scene.publish_next();
    scene.replies.set("root.json", Reply::file(old));
    let rescued = scene.rescue();
    assert_eq!(versions(&rescued)["root"], [1, 2, 3], "{rescued:#?}");
    assert!(rescued.complete && rescued.refused.is_empty(), "{rescued:#?}");
    assert!(rescued.current.iter().any(|state| state.version == 5));
}

/// Somebody publishes while things are fetched.
#[test]
fn what_is_published_meanwhile_is_had_as_far_as_it_shows() {
    let mut scene = Scene::with_history();
    let old = scene.repository.raw("timestamp");
    scene.publish_next();
    scene.replies.set_nth("timestamp.json", 1, Reply::file(old));
    let rescued = scene.rescue();
    assert!(rescued.complete, "{rescued:#?}");
    assert_eq!(versions(&rescued)["timestamp"], [1, 2, 3, 4, 5]);
    let timestamp = rescued.current.iter().find(|state| state.role.as_str() == "timestamp");
    assert_eq!(timestamp.unwrap().version, 5);
}

/// A clock on which every look takes an hour.
#[derive(Debug)]
struct Hasty(Timestamp, AtomicUsize);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        let looks = i64::try_from(self.1.fetch_add(1, Ordering::SeqCst)).unwrap();
        self.0.checked_add(SignedDuration::from_hours(looks)).unwrap()
    }
}

#[test]
fn what_expires_meanwhile_is_kept_and_told_by_the_time_of_the_end() {
    let mut scene = Scene::with_history();
    let soon = crate::harness::repository::expiry(1);
    scene.repository.set("timestamp", &["expires"], soon);
    scene.publish_next();
    let clock = Arc::new(Hasty(SystemClock.now(), AtomicUsize::new(0)));
    let context = Context { clock: clock.clone(), ..scene.context() };
    let rescued = scene.rescue_to(&scene.folder(), &context, 4);
    assert!(rescued.complete && rescued.refused.is_empty(), "{rescued:#?}");
    let source = scene.record().sources.remove(0);
    assert!(source.finished.unwrap() > source.begun);
    assert!(rescued.expired(source.begun).is_empty());
    let expired = rescued.expired(clock.now());
    assert_eq!(expired.len(), 1, "{expired:?}");
    assert_eq!(expired[0].role.as_str(), "timestamp");
}

/// Large files are fetched, those that are named and those that have only a number, one by one.
#[test]
fn large_files_are_had_like_others() {
    let mut scene = Scene::new();
    for number in 0..9_000 {
        let name = format!("{}{number}", "name".repeat(12));
        scene.repository.add_target("targets", &name, b"content");
    }
    scene.publish();
    let first = scene.repository.raw("targets");
    scene.publish_next();
    // Its snapshot is lost, so that nothing names it.
    scene.replies.set("1.snapshot.json", not_found());
    assert!(first.len() as u64 > trust::limits::MAX_SIDE_BY_SIDE_BYTES, "{}", first.len());
    let hash = Sha256Hash::of(&first).to_hex();
    scene.replies.set(&format!("targets.{hash}.json"), not_found());
    let rescued = scene.rescue();
    assert!(rescued.error.is_none(), "{rescued:#?}");
    assert_eq!(versions(&rescued)["targets"], [1, 2]);
}

#[test]
fn a_busy_server_is_asked_nothing_else_meanwhile() {
    let scene = Scene::with_history();
    let busy = Reply::status(503, "").with("Retry-After", "1");
    scene.replies.set_nth("1.root.json", 1, busy);
    let rescued = scene.rescue_to(&scene.folder(), &scene.context(), 1);
    assert!(rescued.complete, "{rescued:#?}");
    let log = scene.server.log();
    let asked: Vec<&String> = log.iter().filter(|line| line.ends_with("/1.root.json")).collect();
    assert_eq!(asked.len(), 2);
    let at = log.iter().position(|line| line.ends_with("/1.root.json")).unwrap();
    assert_eq!(log[at], log[at + 1]);
}

#[test]
fn a_server_that_wants_too_long_a_rest_or_is_always_busy_is_left() {
    let scene = Scene::with_history();
    let busy = Reply::status(429, "").with("Retry-After", "3600");
    scene.replies.set_nth("1.root.json", 1, busy);
    let rescued = scene.rescue();
    let Some(RescueError::Server(NotaryError::Transport(error))) = &rescued.error else {
        panic!("{rescued:#?}");
    };
    assert!(matches!(error, TransportError::Busy { status: 429, .. }), "{error}");
    assert!(rescued.new_files > 0 && !rescued.complete);
    assert!(scene.rescue().complete);

    let scene = Scene::with_history();
    let busy = Reply::status(503, "").with("Retry-After", "0");
    scene.replies.set_all(&busy);
    scene.replies.set("root.json", Reply::file(scene.repository.raw("root")));
    scene.replies.set("timestamp.json", Reply::file(scene.repository.raw("timestamp")));
    let rescued = scene.rescue_to(&scene.folder(), &scene.context(), 8);
    let asked = scene.server.log().len();
    let most = (MAX_BUSY_ANSWERS + 1) * (MAX_UNANSWERED_IN_A_ROW + 8) + 2;
    assert!(asked <= usize::try_from(most).unwrap(), "{asked} requests");
    assert!(!rescued.complete && rescued.new_files == 2, "{rescued:#?}");
}

#[test]
fn a_server_that_is_gone_keeps_nothing_from_being_had_of_another() {
    let scene = Scene::with_history();
    let mut user = scene.user.twin();
    user.unset("DOCKER_CONTENT_TRUST_SERVER");
    let mut names: Vec<String> = (0..12).map(|n| format!("localhost:1/gone{n}")).collect();
    names.extend([scene.repository.gun().to_owned(), "bad[host/app".to_owned()]);
    fs::write(user.home().join("names"), names.join("\r\n")).unwrap();
    let words = ["rescue", "--gun-file", "names", "--to", "kept", "--json", "--parallel", "1"];
    let said = user.trust(&words);
    assert_ne!(said.code, 0, "{said:?}");
    let rows: Value = serde_json::from_str(&said.stdout).unwrap();
    let row = |name: &str| {
        let rows = rows.as_array().unwrap();
        rows.iter().find(|row| row["repository"] == name).unwrap().clone()
    };
    assert_eq!(row(scene.repository.gun())["complete"], true, "{said:?}");
    assert_eq!(row("localhost:1/gone0")["exit_code"], 10);
    assert_ne!(row("bad[host/app")["exit_code"], 0);
    assert!(!user.home().join("kept/v2/localhost:1").exists());
}

#[test]
fn a_list_of_names_with_a_bad_line_is_refused_before_anybody_is_asked() {
    let scene = Scene::with_history();
    let list = scene.user.home().join("names");
    let refuses = |content: &[u8], words: &str| {
        fs::write(&list, content).unwrap();
        let said = scene.user.trust(&["rescue", "--gun-file", "names", "--to", "kept"]);
        assert!(said.code != 0 && said.stderr.contains(words), "{said:?}");
        said.code
    };
    let good = scene.repository.gun().as_bytes();
    assert_eq!(refuses(&[good, b"\n\n# x\na//b\n"].concat(), "names:4"), 2);
    assert_eq!(refuses(b"example.com/../app\n", "names:1"), 2);
    assert_eq!(refuses(&[b"example.com/".to_vec(), b"a".repeat(400)].concat(), "names:1"), 2);
    assert_eq!(refuses(b"\xff\xfe", "is no text"), 2);
    fs::remove_file(&list).unwrap();
    let said = scene.user.trust(&["rescue", "--gun-file", "names", "--to", "kept"]);
    assert!(said.code != 0 && said.stderr.contains("names"), "{said:?}");
    assert!(scene.server.log().is_empty() && !scene.folder().exists());

    fs::write(&list, [b"\xef\xbb\xbf", good, b" # ours\r\n"].concat()).unwrap();
    scene.user.trust(&["rescue", "--gun-file", "names", "--to", "kept"]).success();
}

#[test]
fn a_rescue_behind_a_login() {
    let mut scene = Scene::with_history();
    scene.replies.demand_login("alice", "right");
    let words = ["rescue", &scene.image(), "--to", "kept"];
    scene.user.trust(&words).expect_code(9);
    scene.user.set("NOTARY_AUTH", &to_base64(b"alice:wrong"));
    scene.user.trust(&words).expect_code(9);
    assert!(!scene.inner().exists());
    scene.user.set("NOTARY_AUTH", &to_base64(b"alice:right"));
    let said = scene.user.trust(&words).success();
    assert!(said.stdout.contains("complete  yes"), "{}", said.stdout);
    // Whose login ends is told, and what is there stays.
    scene.replies.demand_login("alice", "another");
    let said = scene.user.trust(&words).expect_code(9);
    assert!(said.stdout.contains("verify"), "{}", said.stdout);
    scene.user.trust(&["rescue", "check", "kept"]).success();
}

/// A token server: each token is good for so many requests, and the first question for one is one
/// too many for it.
#[derive(Default)]
struct Tokens {
    asked: usize,
    left: BTreeMap<String, usize>,
}

#[test_case(1; "one after the other")]
#[test_case(4; "four at once")]
fn tokens_that_end_midway_are_asked_for_again(parallel: usize) {
    let mut scene = Scene::with_history();
    let replies = scene.replies.clone();
    let tokens = Arc::new(Mutex::new(Tokens::default()));
    let shared = Arc::clone(&tokens);
    let server = Server::start(move |request: &Request| {
        let mut tokens = shared.lock().unwrap();
        let login = request.header("authorization").unwrap_or_default();
        if request.target.starts_with("/token") {
            tokens.asked += 1;
            if login != format!("Basic {}", to_base64(b"alice:right")) {
                return Reply::status(401, "");
            }
            if tokens.asked == 1 {
                return Reply::status(429, "").with("Retry-After", "0");
            }
            let name = format!("t{}", tokens.asked);
            tokens.left.insert(format!("Bearer {name}"), 12);
            return Reply::file(format!(r#"{{"token":"{name}"}}"#).into_bytes());
        }
        match tokens.left.get_mut(login) {
            Some(left) if *left > 0 => {
                *left -= 1;
                replies.reply(request)
            }
            _ => {
                let host = request.header("host").unwrap();
                let challenge = format!("Bearer realm=\"https://{host}/token\",service=\"s\"");
                Reply::status(401, "").with("WWW-Authenticate", &challenge)
            }
        }
    });
    scene.user.set("NOTARY_AUTH", &to_base64(b"alice:right"));
    let parallel = parallel.to_string();
    let words = ["rescue", &scene.image(), "--to", "kept", "--from", &server.url()];
    let words = [&words[..], &["--parallel", &parallel, "--rate", "1000"]].concat();
    let said = scene.user.trust(&words).success();
    assert!(said.stdout.contains("complete  yes"), "{}", said.stdout);
    assert!(tokens.lock().unwrap().left.len() > 1);
    // Nothing of it was told to the registry of that name.
    assert!(scene.server.log().is_empty());
}
