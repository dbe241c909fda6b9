//! The signed push: all of it, or nothing (spec/signed-push.md).

use serde_json::json;
use trust::oci::manifest::{OCI_INDEX, OCI_MANIFEST};

use super::enforcement_site::{Image, PUSHER, READER, Site};

fn strict() -> Site {
    Site::new(&json!({"pull": "enforce", "push": "enforce"}))
}

/// Everything that a push could have changed.
fn state(site: &Site) -> Vec<String> {
    let mut paths = vec!["tags/list".to_owned(), "manifests/v1".to_owned()];
    paths.push("_trust/changefeed?records=1000".to_owned());
    let notary = |path: &String| {
        let host = super::enforcement_world::HOST;
        if path.starts_with('_') {
            format!("/v2/{host}/app/{path}")
        } else {
            format!("/v2/app/{path}")
        }
    };
    paths.iter().map(|path| site.ask(PUSHER, "GET", &notary(path), &[], "").text()).collect()
}

fn push_of(site: &mut Site, image: &Image) -> Vec<u8> {
    site.owner.add_target("targets", "v1", &image.bytes);
    site.owner.bump(&["targets"]);
    site.signed_push("v1", &[(OCI_MANIFEST, &image.bytes)], &["targets"])
}

#[test]
fn image_and_signature_are_there_at_once() {
    let mut site = strict();
    let base = site.read("GET", "/v2/");
    assert_eq!(base.header("trust-signed-push"), Some("1"));
    let image = site.prepared("image");
    let body = push_of(&mut site, &image);
    let answer = site.send_push(PUSHER, body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("docker-content-digest"), Some(image.digest.as_str()));
    let location = format!("/v2/app/manifests/{}", image.digest);
    assert_eq!(answer.header("location"), Some(location.as_str()));
    let answer = site.read("GET", "/v2/app/manifests/v1");
    assert_eq!((answer.status, &answer.body[..]), (200, &image.bytes[..]));
    // It never was in quarantine.
    site.clock.go(1);
    let gate = &site.server.server.gate;
    let returned = site.server.runtime.block_on(gate.return_tags(&site.server.server.meta));
    assert_eq!(returned.unwrap(), 0);
}

#[test]
fn children_come_first() {
    let mut site = strict();
    let (amd, arm) = (site.prepared("amd64"), site.prepared("arm64"));
    let index = Site::index(&[&amd, &arm]);
    site.owner.add_target("targets", "v1", &index);
    site.owner.bump(&["targets"]);
    let before = state(&site);
    let parts: [(&str, &[u8]); 3] =
        [(OCI_INDEX, &index), (OCI_MANIFEST, &amd.bytes), (OCI_MANIFEST, &arm.bytes)];
    let wrong = site.signed_push("v1", &parts, &["targets"]);
    let answer = site.send_push(PUSHER, wrong);
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MANIFEST_BLOB_UNKNOWN")));
    assert_eq!(state(&site), before);
    let parts: [(&str, &[u8]); 3] =
        [(OCI_MANIFEST, &amd.bytes), (OCI_MANIFEST, &arm.bytes), (OCI_INDEX, &index)];
    let right = site.signed_push("v1", &parts, &["targets"]);
    let answer = site.send_push(PUSHER, right);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(site.read("GET", "/v2/app/manifests/v1").body, index);
    let child = site.read("GET", &format!("/v2/app/manifests/{}", arm.digest));
    assert_eq!(child.body, arm.bytes);
}

#[test]
fn what_is_not_taken_changes_nothing() {
    let mut site = strict();
    let (old, image, other) =
        (site.prepared("old"), site.prepared("image"), site.prepared("another"));
    let body = push_of(&mut site, &old);
    assert_eq!(site.send_push(PUSHER, body.clone()).status, 201);
    let before = state(&site);
    // Others published since, or this very push did.
    let answer = site.send_push(PUSHER, body);
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("VERSION")));
    // The signature is of something else.
    let good = push_of(&mut site, &image);
    let wrong = site.signed_push("v1", &[(OCI_MANIFEST, &other.bytes)], &["targets"]);
    let answer = site.send_push(PUSHER, wrong);
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MANIFEST_UNVERIFIED")));
    let wrong = site.signed_push("v2", &[(OCI_MANIFEST, &image.bytes)], &["targets"]);
    let answer = site.send_push(PUSHER, wrong);
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MANIFEST_UNVERIFIED")));
    // A blob is missing.
    let lacking = String::from_utf8(image.bytes.clone()).unwrap();
    let lacking = lacking.replace(image.layer.hex(), &"a".repeat(64)).into_bytes();
    site.owner.add_target("targets", "v1", &lacking);
    let wrong = site.signed_push("v1", &[(OCI_MANIFEST, &lacking)], &["targets"]);
    let answer = site.send_push(PUSHER, wrong);
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MANIFEST_BLOB_UNKNOWN")));
    // Whoever only reads may not.
    let answer = site.send_push(READER, good.clone());
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(state(&site), before);
    assert_eq!(site.send_push(PUSHER, good).status, 201);
    assert_eq!(site.read("GET", "/v2/app/manifests/v1").body, image.bytes);
}

#[test]
fn bodies_that_are_none() {
    let mut site = strict();
    let image = site.prepared("image");
    let good = String::from_utf8(push_of(&mut site, &image)).unwrap();
    let before = state(&site);
    let digest = image.digest.as_str();
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let twice = |part: &str| {
        let start =
            good.find(&format!("--border\r\nContent-Disposition: form-data; name=\"{part}\""));
        let rest = &good[start.unwrap()..];
        let end = rest[8..].find("--border").unwrap() + 8;
        format!("{}{good}", &rest[..end])
    };
    for (body, code) in [
        (String::new(), "MALFORMED_UPLOAD"),
        ("hello".to_owned(), "MALFORMED_UPLOAD"),
        (good[..good.len() - 20].to_owned(), "MALFORMED_UPLOAD"),
        (replaced("name=\"gun\"", "name=\"gnu\""), "MALFORMED_UPLOAD"),
        (replaced("registry.test/app", "registry.test/../app"), "MALFORMED_UPLOAD"),
        (replaced("registry.test/app", "registry.test/other"), "INVALID_GUN"),
        (replaced("registry.test/app", "elsewhere.test/app"), "INVALID_GUN"),
        (replaced("\r\n\r\nv1\r\n", "\r\n\r\n.v1\r\n"), "MALFORMED_UPLOAD"),
        (replaced("filename=\"targets\"", "filename=\"trgets\""), "INVALID_ROLE"),
        (replaced("filename=\"targets\"", "filename=\"\""), "NO_FILENAME"),
        (replaced("name=\"files\"", "name=\"file\""), "MALFORMED_UPLOAD"),
        (replaced("name=\"manifest\"", "name=\"files\""), "INVALID_ROLE"),
        (replaced(digest, "sha256:zz"), "DIGEST_INVALID"),
        (replaced(digest, &format!("sha256:{}", "a".repeat(64))), "DIGEST_INVALID"),
        (
            replaced(&format!("Content-Type: {OCI_MANIFEST}"), "Content-Type: text/html"),
            "MANIFEST_INVALID",
        ),
        (twice("gun"), "MALFORMED_UPLOAD"),
        (twice("tag"), "MALFORMED_UPLOAD"),
        (twice("files"), "MALFORMED_UPLOAD"),
    ] {
        let answer = site.send_push(PUSHER, body.clone().into_bytes());
        let found = (answer.status, answer.code());
        assert_eq!(found, (400, Some(code.to_owned())), "{} {body:.200}", answer.text());
    }
    assert_eq!(site.ask(PUSHER, "GET", "/v2/app/_trust/push", &[], "").status, 405);
    assert_eq!(state(&site), before);
    assert_eq!(site.send_push(PUSHER, good.into_bytes()).status, 201);
}

#[test]
fn a_rule_that_wants_more_signers_keeps_the_tag_in_quarantine() {
    let mut site = Site::new(&json!({"pull": "enforce", "push": "enforce", "signers": ["ann"]}));
    let image = site.prepared("image");
    let body = push_of(&mut site, &image);
    assert_eq!(site.send_push(PUSHER, body).status, 201);
    assert_eq!(site.ask(PUSHER, "GET", "/v2/app/manifests/v1", &[], "").status, 200);
    let answer = site.read("GET", "/v2/app/manifests/v1");
    assert_eq!(answer.json()["errors"][0]["detail"]["reason"], "signer-missing");
}
