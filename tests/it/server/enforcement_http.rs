//! The twenty-four cells over HTTP, and every other way to reach content (server.md §4).

use serde_json::{Value, json};
use test_case::test_case;
use trust::oci::Digest;
use trust::oci::manifest::{OCI_INDEX, OCI_MANIFEST};
use trust::server::auth::Auth;

use super::enforcement_site::{Image, PUSHER, Site};
use crate::harness::Key;

/// What is with the image's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unsigned,
    Signed,
    OtherDigest,
    ExpiredTimestamp,
    RevokedSigner,
    RolledBack,
}

impl State {
    /// Why the tag is denied, and why manifest and blob are.
    fn reasons(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Signed => None,
            Self::Unsigned => Some(("unsigned", "unsigned")),
            Self::OtherDigest => Some(("wrong-digest", "unsigned")),
            Self::ExpiredTimestamp => Some(("expired", "expired")),
            Self::RevokedSigner => Some(("signer-missing", "signer-missing")),
            Self::RolledBack => Some(("rolled-back", "rolled-back")),
        }
    }

    /// A registry that has an image under `v1` in this state.
    fn site(self) -> (Site, Image) {
        let mut site = Site::new(&json!({"pull": "enforce"}));
        let image = site.push("v1", "image");
        match self {
            Self::Unsigned => {}
            Self::Signed => site.sign("v1", &image.bytes),
            Self::OtherDigest => {
                let other = site.prepared("another");
                site.sign("v1", &other.bytes);
            }
            Self::ExpiredTimestamp => {
                site.sign("v1", &image.bytes);
                site.clock.go(15 * 24);
            }
            Self::RevokedSigner => {
                let (alice, bob) = (Key::plain(), Key::plain());
                site.owner.delegate("targets/releases", &[alice], 1, &[""]);
                site.owner.add_target("targets/releases", "v1", &image.bytes);
                site.owner.bump(&["targets"]);
                site.publish(&["targets", "targets/releases"]);
                assert_eq!(site.read("GET", "/v2/app/manifests/v1").status, 200);
                let alice = site.owner.signers("targets/releases");
                site.owner.delegate("targets/releases", &[bob], 1, &[""]);
                site.owner.sign_with("targets/releases", &alice);
                site.publish_next(&["targets"]);
            }
            Self::RolledBack => {
                site.sign("v1", &image.bytes);
                site.owner.unset("targets", &["targets", "v1"]);
                site.publish_next(&["targets"]);
                for (role, version) in [("targets", 2), ("snapshot", 2), ("timestamp", 2)] {
                    site.sql(&format!(
                        "UPDATE current_file SET version = {version} WHERE role = '{role}'"
                    ));
                }
                site.sql("UPDATE collection SET seq = seq + 1");
            }
        }
        (site, image)
    }
}

/// How the image is asked for: the method and the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Tag,
    Digest,
    Head,
    Blob,
}

#[test_case(State::Unsigned)]
#[test_case(State::Signed)]
#[test_case(State::OtherDigest)]
#[test_case(State::ExpiredTimestamp)]
#[test_case(State::RevokedSigner)]
#[test_case(State::RolledBack)]
fn each_state_on_each_way(state: State) {
    let (site, image) = state.site();
    let by_digest = format!("/v2/app/manifests/{}", image.digest);
    let blob = format!("/v2/app/blobs/{}", image.layer);
    for way in [Way::Tag, Way::Digest, Way::Head, Way::Blob] {
        let (method, path) = match way {
            Way::Tag => ("GET", "/v2/app/manifests/v1"),
            Way::Digest => ("GET", by_digest.as_str()),
            Way::Head => ("HEAD", "/v2/app/manifests/v1"),
            Way::Blob => ("GET", blob.as_str()),
        };
        let answer = site.read(method, path);
        match state.reasons() {
            None => {
                assert_eq!(answer.status, 200, "{way:?}: {}", answer.text());
                let expected = match way {
                    Way::Head => &Vec::new(),
                    Way::Blob => &image.layer_bytes,
                    Way::Tag | Way::Digest => &image.bytes,
                };
                assert_eq!(answer.body, *expected, "{way:?}");
            }
            Some((tag, other)) => {
                assert_eq!(answer.status, 403, "{way:?}: {}", answer.text());
                if way != Way::Head {
                    assert_eq!(answer.code().as_deref(), Some("DENIED"));
                    let reason = if way == Way::Tag { tag } else { other };
                    let error = &answer.json()["errors"][0];
                    assert_eq!(error["detail"]["reason"], reason, "{way:?}: {error}");
                    assert!(error["message"].as_str().unwrap().contains(" is not served: "));
                }
            }
        }
        // Those who push reach it all.
        assert_eq!(site.ask(PUSHER, method, path, &[], "").status, 200, "{way:?}");
    }
}

#[test]
fn ranges_and_conditions_are_decided_alike() {
    let (mut site, image) = State::Unsigned.site();
    let blob = format!("/v2/app/blobs/{}", image.layer);
    let etag = format!("\"{}\"", image.digest);
    let reader = super::enforcement_site::READER;
    let statuses = |site: &Site| {
        [
            site.ask(reader, "GET", &blob, &[("range", "bytes=0-3")], "").status,
            site.ask(reader, "HEAD", &blob, &[], "").status,
            site.ask(reader, "GET", &blob, &[("range", "bytes=9999-")], "").status,
            site.ask(reader, "GET", "/v2/app/manifests/v1", &[("if-none-match", &etag)], "").status,
            site.ask(reader, "HEAD", "/v2/app/manifests/v1", &[("if-none-match", "*")], "").status,
        ]
    };
    assert_eq!(statuses(&site), [403; 5]);
    site.sign("v1", &image.bytes);
    assert_eq!(statuses(&site), [206, 200, 416, 304, 304]);
}

#[test]
fn mounts_need_what_they_mount_from() {
    let (mut site, image) = State::Unsigned.site();
    // Somebody who may push elsewhere, and pull here.
    let path = format!("/v2/other/blobs/uploads/?mount={}&from=app", image.layer);
    let auth = |site: &mut Site| {
        let server = std::sync::Arc::get_mut(&mut site.server.server).unwrap();
        server.auth = Auth::open();
    };
    auth(&mut site);
    let answer = site.server.ask("POST", &path, &[], "");
    assert_eq!(answer.status, 202, "an upload instead of a mount: {}", answer.text());
    site.sign("v1", &image.bytes);
    let answer = site.server.ask("POST", &path, &[], "");
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[test]
fn children_of_an_index() {
    let mut site = Site::new(&json!({"pull": "enforce"}));
    let (amd, arm) = (site.push("amd", "amd64"), site.push("arm", "arm64"));
    let index = Site::index(&[&amd]);
    assert_eq!(site.put("v1", OCI_INDEX, &index).status, 201);
    site.sign("v1", &index);
    let get = |what: &str| site.read("GET", &format!("/v2/app/{what}")).status;
    assert_eq!(get("manifests/v1"), 200);
    assert_eq!(get(&format!("manifests/{}", amd.digest)), 200);
    assert_eq!(get(&format!("blobs/{}", amd.layer)), 200);
    assert_eq!(get("manifests/amd"), 403);
    assert_eq!(get(&format!("manifests/{}", arm.digest)), 403);
    assert_eq!(get(&format!("blobs/{}", arm.layer)), 403);
}

#[test]
fn an_artifact_that_claims_to_be_a_signature_helps_nothing() {
    let (mut site, image) = State::Unsigned.site();
    let config = site.blob("app", b"{}");
    let claim = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.cncf.notary.signature",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json", "digest": config.as_str(), "size": 2,
        },
        "layers": [],
        "subject": {
            "mediaType": OCI_MANIFEST, "digest": image.digest.as_str(), "size": image.bytes.len(),
        },
    });
    let claim = claim.to_string().into_bytes();
    let digest = Digest::sha256_of(&claim);
    assert_eq!(site.put(digest.as_str(), OCI_MANIFEST, &claim).status, 201);
    let referrers = format!("/v2/app/referrers/{}", image.digest);
    assert_eq!(site.read("GET", "/v2/app/manifests/v1").status, 403);
    assert_eq!(site.read("GET", &referrers).status, 403);
    let listed = |answer: &Value| answer["manifests"].as_array().unwrap().len();
    assert_eq!(listed(&site.ask(PUSHER, "GET", &referrers, &[], "").json()), 1);
    // With the image signed, the claim itself still is not.
    site.sign("v1", &image.bytes);
    assert_eq!(site.read("GET", "/v2/app/manifests/v1").status, 200);
    assert_eq!(listed(&site.read("GET", &referrers).json()), 0);
    site.sign("claim", &claim);
    assert_eq!(listed(&site.read("GET", &referrers).json()), 1);
}

#[test]
fn a_server_that_asks_nobody_can_be_pushed_to() {
    let (mut site, image) = State::Unsigned.site();
    std::sync::Arc::get_mut(&mut site.server.server).unwrap().auth = Auth::open();
    let ask = |method: &str, path: &str| site.server.ask(method, path, &[], "").status;
    let blob = format!("/v2/app/blobs/{}", image.layer);
    // Whether it must be sent can be known; nobody gets it.
    assert_eq!((ask("HEAD", &blob), ask("GET", &blob)), (200, 403));
    let manifest = "/v2/app/manifests/v1";
    assert_eq!((ask("HEAD", manifest), ask("GET", manifest)), (404, 403));
    let headers = [("content-type", OCI_MANIFEST)];
    assert_eq!(site.server.ask("PUT", manifest, &headers, image.bytes).status, 201);
}

#[test]
fn new_tags_in_quarantine_are_not_listed() {
    let mut site = Site::new(&json!({"pull": "enforce", "push": "enforce"}));
    let image = site.push("v1", "image");
    let tags = |site: &Site, who: &str| {
        let answer = site.ask(who, "GET", "/v2/app/tags/list", &[], "");
        answer.json()["tags"].as_array().unwrap().len()
    };
    let reader = super::enforcement_site::READER;
    assert_eq!((tags(&site, reader), tags(&site, PUSHER)), (0, 1));
    site.sign("v1", &image.bytes);
    assert_eq!((tags(&site, reader), tags(&site, PUSHER)), (1, 1));
}

#[test]
fn signed_tags_are_neither_moved_nor_deleted() {
    let mut site = Site::new(&json!({"signed_tags_immutable": true}));
    let (image, other) = (site.push("v1", "image"), site.prepared("another"));
    site.sign("v1", &image.bytes);
    let answer = site.put("v1", OCI_MANIFEST, &other.bytes);
    assert_eq!((answer.status, answer.code().as_deref()), (409, Some("DENIED")));
    assert_eq!(answer.json()["errors"][0]["detail"]["reason"], "immutable");
    let delete = |what: &str| {
        site.ask(PUSHER, "DELETE", &format!("/v2/app/manifests/{what}"), &[], "").status
    };
    assert_eq!((delete("v1"), delete(image.digest.as_str())), (409, 409));
    assert_eq!(site.put("v1", OCI_MANIFEST, &image.bytes).status, 201);
}

#[test]
fn what_is_served_instead_is_said_to_be_that() {
    let mut site = Site::new(&json!({"pull": "enforce", "push": "enforce"}));
    let old = site.push("v1", "old");
    site.sign("v1", &old.bytes);
    let new = site.push("v1", "new");
    let answer = site.read("GET", "/v2/app/manifests/v1");
    assert_eq!(answer.header("docker-content-digest"), Some(old.digest.as_str()));
    assert_eq!(answer.body, old.bytes);
    let answer = site.ask(PUSHER, "GET", "/v2/app/manifests/v1", &[], "");
    assert_eq!(answer.header("docker-content-digest"), Some(new.digest.as_str()));
    site.sign("v1", &new.bytes);
    assert_eq!(site.read("GET", "/v2/app/manifests/v1").body, new.bytes);
}
