//! Damage of every kind: found, told, and put right where that is safe.

use std::fs;
use std::path::PathBuf;

use super::stock::{HOUR, IMAGE, Stock, at_once, digest};
use trust::server::upkeep::gc::Mode;

/// Two images, an index and something said of it.
fn world() -> (Stock, String) {
    let stock = Stock::new();
    let image = stock.push_image("app", Some("v1"), &["one layer", "another layer"]);
    stock.push_index("app", Some("all"), &[&image]);
    stock.push_referrer("app", &image, "word");
    stock.push_image("other", Some("v1"), &["one layer"]);
    (stock, image)
}

fn file(stock: &Stock, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let file = stock.files().into_iter().find(|file| file.contains(hex)).unwrap();
    stock.server.folder.path().join("content").join(file)
}

/// What is found without and with repair, and that a repair leaves nothing to find but this.
#[track_caller]
fn found(stock: &Stock, expected: &str, repaired: bool, left: &[&str]) {
    let (lines, summary) = stock.fsck(false);
    assert_eq!(lines, [expected]);
    assert_eq!((summary.errors + summary.others, summary.repaired), (1, 0));
    let fate = if repaired { " (repaired)" } else { "" };
    assert_eq!(stock.fsck(true).0, [format!("{expected}{fate}")]);
    let left: Vec<String> = left.iter().map(|&line| line.to_owned()).collect();
    assert_eq!(stock.fsck(true).0, left);
}

#[test]
fn what_is_whole_is_not_complained_about() {
    let (stock, _) = world();
    let (lines, summary) = stock.fsck(true);
    assert_eq!(lines, [""; 0]);
    assert_eq!((summary.manifests, summary.tags), (4, 3));
    assert!(summary.blobs >= 5);
}

#[test]
fn damaged_content_is_put_in_quarantine_and_repaired_by_a_push() {
    let (stock, _) = world();
    let layer = digest(b"one layer");
    let path = file(&stock, &layer);
    fs::write(&path, b"one lAyer").unwrap();
    let complaint = format!("blob {layer}: its content is damaged");
    let quarantine = format!("blob {layer}: in quarantine");
    found(&stock, &complaint, true, &[&quarantine]);
    // It is not there for anybody, and so the next push brings it.
    assert_eq!(stock.head(&format!("/v2/app/blobs/{layer}")).status, 404);
    stock.push_blob("app", b"one layer");
    assert_eq!(stock.server.get(&format!("/v2/app/blobs/{layer}")).text(), "one layer");
    stock.is_sound();
    assert_eq!(stock.fsck(false).0, [""; 0]);
}

#[test]
fn missing_content_is_put_in_quarantine() {
    let (stock, _) = world();
    let layer = digest(b"another layer");
    fs::remove_file(file(&stock, &layer)).unwrap();
    let complaint = format!("blob {layer}: its content is missing");
    let quarantine = format!("blob {layer}: in quarantine");
    found(&stock, &complaint, true, &[&quarantine]);
    stock.push_blob("app", b"another layer");
    assert_eq!(stock.fsck(false).0, [""; 0]);
}

#[test]
fn a_cut_file_is_damaged() {
    let (stock, _) = world();
    let layer = digest(b"another layer");
    fs::write(file(&stock, &layer), b"").unwrap();
    let complaint = format!("blob {layer}: its content is damaged");
    found(&stock, &complaint, true, &[&format!("blob {layer}: in quarantine")]);
}

#[test]
fn links_and_tags_that_lead_nowhere_are_dropped() {
    let (stock, _) = world();
    let nowhere = digest(b"nowhere");
    stock.sql(&format!(
        "INSERT INTO repository_blob (repository, digest, linked_at) \
         SELECT id, '{nowhere}', 0 FROM repository WHERE name = 'app'"
    ));
    let complaint = format!("app: has a link to blob {nowhere}, which does not exist");
    found(&stock, &complaint, true, &[]);
    stock.sql(&format!(
        "INSERT INTO tag (repository, name, digest, seq, updated_at) \
         SELECT id, 'lost', '{nowhere}', 99, 0 FROM repository WHERE name = 'app'"
    ));
    let complaint = format!("app:lost: stands for {nowhere}, which the repository does not have");
    found(&stock, &complaint, true, &[]);
}

#[test]
fn references_are_noted_again() {
    let (stock, image) = world();
    let layer = digest(b"another layer");
    stock.sql(&format!("DELETE FROM manifest_ref WHERE child = '{layer}'"));
    let complaint = format!("app@{image}: what it refers to is not noted: {layer}");
    found(&stock, &complaint, true, &[]);
    // Garbage collection would have taken it.
    stock.clock.pass(10 * HOUR);
    assert_eq!(stock.collect(&at_once(), Mode::Real).0, []);
}

#[test]
fn a_damaged_manifest_is_told_and_left() {
    let (stock, image) = world();
    let other = digest(b"x");
    stock.push_manifest(
        "app",
        Some("empty"),
        IMAGE,
        &serde_json::json!({
            "schemaVersion": 2, "mediaType": IMAGE, "layers": [],
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": stock.push_blob("app", b"x"), "size": 1},
        }),
    );
    let before = stock.number("SELECT COUNT(*) FROM manifest");
    let hex = |text: &str| trust::codec::text::to_hex(text.as_bytes());
    let bytes = if stock.server.database_url().starts_with("sqlite") {
        format!("X'{}'", hex("{}"))
    } else {
        format!("'\\x{}'", hex("{}"))
    };
    stock.sql(&format!("UPDATE manifest SET bytes = {bytes} WHERE digest = '{image}'"));
    let complaint = format!("app@{image}: the manifest is damaged");
    found(&stock, &complaint, false, &[&complaint]);
    assert_eq!(stock.number("SELECT COUNT(*) FROM manifest"), before);
    // It is not served.
    assert_eq!(stock.server.get("/v2/app/manifests/v1").status, 500);
    assert_eq!(stock.server.get(&format!("/v2/app/blobs/{other}")).status, 200);
}

#[test]
fn references_to_what_is_not_there_are_told() {
    let (stock, image) = world();
    let layer = digest(b"another layer");
    stock.sql(&format!("DELETE FROM repository_blob WHERE digest = '{layer}'"));
    let complaint = format!("app@{image}: refers to {layer}, which the repository does not have");
    found(&stock, &complaint, false, &[&complaint]);
}

#[test]
fn an_upload_that_lost_bytes_is_given_up() {
    let stock = Stock::new();
    let begun = stock.server.ask("POST", "/v2/app/blobs/uploads/", &[], "");
    let path = begun.header("location").unwrap().to_owned();
    stock.server.ask("PATCH", &path, &[], "some bytes");
    let [upload] = stock.files().into_iter().collect::<Vec<_>>().try_into().unwrap();
    fs::write(stock.server.folder.path().join("content").join(&upload), "some").unwrap();
    let id = upload.rsplit('/').next().unwrap();
    found(&stock, &format!("upload {id}: has 4 bytes, and 10 are noted"), true, &[]);
    assert_eq!(stock.server.get(&path).status, 404);
}

#[test]
fn orphans_are_left_to_garbage_collection() {
    let (stock, _) = world();
    let hex = digest(b"stray")[7..].to_owned();
    let folder = stock.server.folder.path().join("content/blobs/sha256").join(&hex[..2]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{hex}.stray")), "stray").unwrap();
    let complaint = format!("content sha256/{}/{hex}.stray: nothing refers to it", &hex[..2]);
    found(&stock, &complaint, false, &[&complaint]);
    stock.is_sound();
}

#[test]
fn gaps_of_the_feed_are_told() {
    let stock = Stock::new();
    for (id, version) in [(1, 1), (2, 2), (4, 3), (5, 3)] {
        stock.sql(&format!(
            "INSERT INTO feed (id, gun, version, sha256, category, created_at) \
             VALUES ({id}, 'host/app', {version}, 'x', 'update', 0)"
        ));
    }
    stock.sql("UPDATE counter SET value = 6 WHERE name = 'feed'");
    let out_of_order = |id: i64| format!("the feed is out of order at number {id}");
    assert_eq!(stock.fsck(false).0, [out_of_order(3), out_of_order(5), out_of_order(6)]);
}
