//! What garbage collection removes, what it keeps, and what it says of it beforehand.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use trust::server::meta::upkeep::Hosts;
use trust::server::upkeep::gc::{Item, Mode, Options};

use super::stock::{HOUR, Stock, at_once, digest, options};

#[test]
fn a_blob_that_nobody_uses_goes_in_two_steps() {
    let stock = Stock::new();
    let blob = stock.push_blob("app", b"never used");
    assert_eq!(stock.collect(&options(), Mode::Real).0, [], "within the grace");
    stock.clock.pass(2 * HOUR);
    let (items, _) = stock.collect(&options(), Mode::Real);
    assert!(matches!(items[..], [Item::Condemned { .. }]), "{items:?}");
    // To ask for it would keep it.
    assert_eq!(stock.number("SELECT COUNT(*) FROM blob WHERE state = 'condemned'"), 1);
    assert_eq!(stock.files().len(), 1, "condemned is still there");
    assert_eq!(stock.collect(&options(), Mode::Real).0, [], "not before the delay");
    stock.clock.pass(2 * HOUR);
    let (items, summary) = stock.collect(&options(), Mode::Real);
    assert!(matches!(items[..], [Item::Blob { size: 10, .. }]), "{items:?}");
    assert_eq!((summary.blobs, summary.bytes), (1, 10));
    assert!(!stock.has_blob("app", &blob));
    assert_eq!(stock.files(), BTreeSet::new());
    for table in ["blob", "repository_blob"] {
        assert_eq!(stock.number(&format!("SELECT COUNT(*) FROM {table}")), 0, "{table}");
    }
    // And it can come back.
    stock.push_image("app", Some("v1"), &["never used"]);
    assert!(stock.has_blob("app", &blob));
    stock.is_sound();
}

#[test]
fn whoever_asks_for_a_condemned_blob_keeps_it() {
    type Ask = fn(&Stock, &str);
    let asks: [(&str, Ask); 3] = [
        ("HEAD", |stock, blob| {
            assert_eq!(stock.head(&format!("/v2/app/blobs/{blob}")).status, 200);
        }),
        ("mount", |stock, blob| {
            let path = format!("/v2/other/blobs/uploads/?mount={blob}&from=app");
            assert_eq!(stock.server.ask("POST", &path, &[], "").status, 201);
        }),
        ("push", |stock, _| {
            stock.push_blob("elsewhere", b"asked for");
        }),
    ];
    for (what, ask) in asks {
        let stock = Stock::new();
        let blob = stock.push_blob("app", b"asked for");
        stock.clock.pass(2 * HOUR);
        assert_eq!(stock.collect(&options(), Mode::Real).1.condemned, 1);
        stock.clock.pass(2 * HOUR);
        ask(&stock, &blob);
        assert_eq!(stock.collect(&options(), Mode::Real).0, [], "{what}");
        assert!(stock.has_blob("app", &blob), "{what}");
        // The grace begins again.
        stock.clock.pass(HOUR / 2);
        assert_eq!(stock.collect(&options(), Mode::Real).0, [], "{what}");
        stock.clock.pass(HOUR);
        assert_eq!(stock.collect(&options(), Mode::Real).1.condemned, 1, "{what}");
    }
}

#[test]
fn a_manifest_keeps_its_blobs_and_its_end_frees_them() {
    let stock = Stock::new();
    let image = stock.push_image("app", Some("v1"), &["shared", "own"]);
    stock.push_image("other", Some("v1"), &["shared"]);
    stock.clock.pass(10 * HOUR);
    assert_eq!(stock.collect(&at_once(), Mode::Real).0, []);
    stock.server.ask("DELETE", &format!("/v2/app/manifests/{image}"), &[], "");
    stock.clock.pass(10 * HOUR);
    let (_, summary) = stock.collect(&at_once(), Mode::Real);
    assert_eq!(summary.blobs, 2, "its configuration and its own layer");
    assert!(stock.has_blob("other", &digest(b"shared")));
    assert!(!stock.has_blob("app", &digest(b"own")));
    stock.is_sound();
}

#[test]
fn what_no_tag_leads_to_stays_unless_told_otherwise() {
    let stock = Stock::new();
    let image = stock.push_image("app", None, &["by digest alone"]);
    stock.clock.pass(10_000 * HOUR);
    let keep = Options { untagged: None, ..at_once() };
    assert_eq!(stock.collect(&keep, Mode::Real).0, []);
    let later = Options { untagged: Some(20_000 * HOUR), ..at_once() };
    assert_eq!(stock.collect(&later, Mode::Real).0, []);
    let (_, summary) = stock.collect(&at_once(), Mode::Real);
    assert_eq!((summary.manifests, summary.blobs), (1, 2));
    assert!(!stock.has_manifest("app", &image));
    assert_eq!(stock.files(), BTreeSet::new());
}

#[test]
fn indexes_keep_children_and_subjects_what_is_said_of_them() {
    let stock = Stock::new();
    let children = ["amd64", "arm64"].map(|layer| stock.push_image("app", None, &[layer]));
    let index = stock.push_index("app", Some("v1"), &[&children[0], &children[1]]);
    let outer = stock.push_index("app", Some("all"), &[&index]);
    let said = stock.push_referrer("app", &children[1], "bill of materials");
    let of_it = stock.push_referrer("app", &said, "signature of it");
    stock.clock.pass(10 * HOUR);
    assert_eq!(stock.collect(&at_once(), Mode::Real).0, []);
    stock.server.ask("DELETE", "/v2/app/manifests/v1", &[], "");
    assert_eq!(stock.collect(&at_once(), Mode::Real).0, [], "the outer index is tagged");
    stock.server.ask("DELETE", "/v2/app/manifests/all", &[], "");
    let (items, summary) = stock.collect(&at_once(), Mode::Real);
    assert_eq!(summary.manifests, 6, "{items:#?}");
    for gone in [&outer, &index, &children[0], &children[1], &said, &of_it] {
        assert!(!stock.has_manifest("app", gone), "{gone}");
    }
    assert_eq!(stock.files(), BTreeSet::new());
    // Whoever names came before what it names.
    let manifests: Vec<String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Manifest { digest, .. } => Some(digest.to_string()),
            _ => None,
        })
        .collect();
    let place = |digest: &String| manifests.iter().position(|found| found == digest).unwrap();
    assert!(place(&outer) < place(&index) && place(&index) < place(&children[0]));
    assert!(place(&children[1]) < place(&said) && place(&said) < place(&of_it));
}

#[test]
fn what_is_signed_stays_with_all_it_needs() {
    let stock = Stock::new();
    let child = stock.push_image("team/app", None, &["layer"]);
    let index = stock.push_index("team/app", None, &[&child]);
    let other = stock.push_image("team/other", None, &["layer"]);
    stock.sign("registry.example.com/team/app", &index);
    stock.clock.pass(10 * HOUR);
    let ours = Hosts(vec!["registry.example.com".to_owned()]);
    let theirs = Hosts(vec!["elsewhere.example.com".to_owned()]);
    let (items, _) = stock.collect(&Options { hosts: ours, ..at_once() }, Mode::Real);
    // The other image is the same manifest in another repository, which nobody signs there.
    assert_eq!(other, child);
    assert!(
        matches!(&items[..], [Item::Manifest { repository, .. }]
        if repository.as_str() == "team/other"),
        "{items:?}"
    );
    assert!(stock.has_manifest("team/app", &index) && stock.has_manifest("team/app", &child));
    assert!(stock.has_blob("team/app", &digest(b"layer")));
    // What was signed a moment ago may still be served.
    stock.sql(&format!("UPDATE signed_target SET until_seq = 2, until_at = {}", i64::MAX / 2));
    let hour = Options { grace: HOUR, untagged: Some(HOUR), ..at_once() };
    assert_eq!(stock.collect(&hour, Mode::Real).0, []);
    stock.sql("UPDATE signed_target SET until_at = 1");
    let (_, summary) = stock.collect(&Options { hosts: theirs, ..at_once() }, Mode::Real);
    assert_eq!(summary.manifests, 2);
}

#[test]
fn a_dry_run_says_exactly_what_the_real_one_does() {
    let stock = Stock::new();
    stock.push_blob("app", b"never used");
    let old = stock.push_image("app", Some("old"), &["a", "b"]);
    stock.push_image("app", Some("old"), &["b", "c"]);
    let child = stock.push_image("app", None, &["d"]);
    stock.push_index("app", None, &[&child]);
    stock.push_referrer("app", &old, "word");
    stock.push_image("kept", Some("v1"), &["a", "e"]);
    stock.push_image("gone", None, &["a", "f"]);
    let path = start_upload(&stock, "app", b"half an upload");
    stray(&stock, b"nobody's");
    stock.clock.pass(10 * HOUR);
    let before = stock.files();
    for options in
        [at_once(), Options { delay: HOUR, ..at_once() }, Options { untagged: None, ..at_once() }]
    {
        let (mut said, _) = stock.collect(&options, Mode::Dry);
        let (again, _) = stock.collect(&options, Mode::Dry);
        assert_eq!(said, again);
        assert_eq!(stock.files(), before, "a dry run changes nothing");
        if options == at_once() {
            let (mut done, _) = stock.collect(&options, Mode::Real);
            let text = |item: &Item| format!("{item:?}");
            said.sort_by_key(text);
            done.sort_by_key(text);
            assert_eq!(said, done);
            assert!(said.len() >= 12, "{said:#?}");
            break;
        }
    }
    assert_eq!(stock.server.get(&path).status, 404);
    assert_eq!(stock.collect(&at_once(), Mode::Dry).0, [], "nothing is left");
    assert!(stock.has_manifest("kept", "v1") && stock.has_manifest("app", "old"));
    stock.is_sound();
}

#[test]
fn a_dry_run_between_the_two_steps_says_what_is_next() {
    let stock = Stock::new();
    stock.push_blob("app", b"one");
    stock.clock.pass(2 * HOUR);
    stock.collect(&options(), Mode::Real);
    stock.push_blob("app", b"another");
    stock.clock.pass(2 * HOUR);
    let (mut said, _) = stock.collect(&options(), Mode::Dry);
    let (mut done, _) = stock.collect(&options(), Mode::Real);
    let text = |item: &Item| format!("{item:?}");
    said.sort_by_key(text);
    done.sort_by_key(text);
    assert_eq!(said, done);
    assert!(matches!(said[..], [Item::Blob { .. }, Item::Condemned { .. }]), "{said:?}");
}

#[test]
fn a_run_that_was_interrupted_is_gone_on_with() {
    let stock = Stock::new();
    let [first, second] = [b"first", b"secnd"].map(|bytes| stock.push_blob("app", bytes));
    // Marked, and one of them removed already.
    stock.sql("UPDATE blob SET state = 'deleting'");
    let file = stock.files().into_iter().find(|file| file.contains(&first[7..])).unwrap();
    fs::remove_file(stock.server.folder.path().join("content").join(file)).unwrap();
    assert!(!stock.has_blob("app", &first) && !stock.has_blob("app", &second));
    // Pushed again meanwhile: it has new content, and stays.
    stock.push_image("app", Some("v1"), &["secnd"]);
    let (items, _) = stock.collect(&options(), Mode::Real);
    let removed: Vec<String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Blob { digest, .. } => Some(digest.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(removed, [first]);
    assert!(stock.has_blob("app", &second));
    stock.is_sound();
}

#[test]
fn content_that_no_row_knows_goes_when_it_is_old() {
    let stock = Stock::new();
    let file = stray(&stock, b"sealed, and then the power went");
    let young = Options { grace: HOUR, ..at_once() };
    assert_eq!(stock.collect(&young, Mode::Real).0, []);
    let (items, _) = stock.collect(&at_once(), Mode::Real);
    assert!(matches!(&items[..], [Item::Orphan { size: 31, .. }]), "{items:?}");
    assert!(!file.exists());
    // Pushing it works, before and after.
    stock.push_blob("app", b"sealed, and then the power went");
    stock.is_sound();
}

#[test]
fn uploads_that_nobody_goes_on_with_end() {
    let stock = Stock::new();
    let path = start_upload(&stock, "app", b"some bytes");
    let week = Options { upload_lifetime: 168 * HOUR, ..options() };
    stock.clock.pass(100 * HOUR);
    assert_eq!(stock.collect(&week, Mode::Real).0, []);
    assert_eq!(stock.server.get(&path).status, 204);
    // It gets further, and its time begins again.
    let answer = stock.server.ask("PATCH", &path, &[("content-range", "10-13")], "more");
    assert_eq!(answer.status, 202, "{}", answer.text());
    let path = answer.header("location").unwrap().to_owned();
    stock.clock.pass(100 * HOUR);
    assert_eq!(stock.collect(&week, Mode::Real).0, []);
    stock.clock.pass(100 * HOUR);
    let (items, _) = stock.collect(&week, Mode::Real);
    assert!(matches!(items[..], [Item::Upload { size: 14, .. }]), "{items:?}");
    assert_eq!(stock.server.get(&path).status, 404);
    assert_eq!(stock.files(), BTreeSet::new());
}

#[test]
fn damaged_content_that_nobody_needs_goes() {
    let stock = Stock::new();
    stock.push_blob("app", b"damaged");
    stock.sql("UPDATE blob SET state = 'corrupt'");
    stock.clock.pass(2 * HOUR);
    let (items, _) = stock.collect(&options(), Mode::Real);
    assert!(matches!(items[..], [Item::Blob { .. }]), "{items:?}");
}

#[test]
fn thousands_are_collected_page_by_page() {
    let stock = Stock::new();
    // Rows alone: their content is gone already.
    let repository = "INSERT INTO repository (name, seq, created_at) VALUES ('app', 0, 0)";
    stock.sql(repository);
    let mut values = Vec::new();
    for number in 0..1234 {
        let digest = digest(format!("{number}").as_bytes());
        let object = format!("sha256/{}/{}.x{number}", &digest[7..9], &digest[7..]);
        values.push(format!("('{digest}', 1, '{object}', 'live', 0)"));
    }
    for part in values.chunks(400) {
        stock.sql(&format!(
            "INSERT INTO blob (digest, size, object, state, touched_at) VALUES {}",
            part.join(", ")
        ));
    }
    assert_eq!(stock.collect(&at_once(), Mode::Dry).1.blobs, 1234);
    assert_eq!(stock.collect(&at_once(), Mode::Real).1.blobs, 1234);
    assert_eq!(stock.number("SELECT COUNT(*) FROM blob"), 0);
}

#[test]
fn the_schedule_collects() {
    let stock = Stock::new();
    stock.push_blob("app", b"never used");
    stock.clock.pass(HOUR);
    let options = Options { interval: Duration::from_millis(20), ..at_once() };
    let server = std::sync::Arc::clone(&stock.server.server);
    let schedule =
        stock.server.runtime.spawn(trust::server::upkeep::gc::run_forever(server, options));
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !stock.files().is_empty() {
        assert!(std::time::Instant::now() < deadline, "nothing was collected");
        std::thread::sleep(Duration::from_millis(10));
    }
    schedule.abort();
}

/// Begins an upload, and returns where it goes on.
fn start_upload(stock: &Stock, repository: &str, bytes: &'static [u8]) -> String {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let begun = stock.server.ask("POST", &path, &[], "");
    let path = begun.header("location").unwrap().to_owned();
    let answer = stock.server.ask("PATCH", &path, &[], bytes);
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// Puts content there that no row knows.
fn stray(stock: &Stock, bytes: &[u8]) -> std::path::PathBuf {
    let digest = digest(bytes);
    let folder = stock.server.folder.path().join("content/blobs/sha256").join(&digest[7..9]);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{}.stray", &digest[7..]));
    fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn what_a_tag_in_quarantine_returns_to_stays() {
    let stock = Stock::new();
    let settled = stock.push_image("app", Some("v1"), &["what others still get"]);
    stock.push_image("app", Some("v1"), &["not signed yet"]);
    stock.sql(&format!(
        "INSERT INTO quarantine (repository, tag, settled, since) \
         SELECT id, 'v1', '{settled}', 0 FROM repository WHERE name = 'app'"
    ));
    stock.clock.pass(10 * HOUR);
    assert_eq!(stock.collect(&at_once(), Mode::Real).0, []);
    stock.sql("DELETE FROM quarantine");
    assert_eq!(stock.collect(&at_once(), Mode::Real).1.manifests, 1);
}
