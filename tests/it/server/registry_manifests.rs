//! Manifests: pushed under tags and digests, with what they refer to; read; deleted; kept.

use serde_json::{Value, json};
use test_case::test_case;
use trust::oci::Digest;
use trust::oci::digest::Hasher;
use trust::server::registry::Sparse;

use super::content::{detail, statement};
use super::harness::TestServer;
use crate::harness::image::{Blob, DOCKER_FOREIGN_LAYER, Image, OCI_INDEX, OCI_MANIFEST, index_of};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

fn codes(server: &TestServer, repository: &str, tag: &str, manifest: &Blob) -> (u16, String) {
    let answer = server.put_manifest(repository, tag, manifest);
    (answer.status, answer.code().unwrap_or_default())
}

#[test]
fn what_is_pushed_is_served_byte_by_byte() {
    let server = TestServer::new();
    let image = Image::of_size(100, 1).with_manifest(|manifest| {
        manifest["unknown"] = json!({"a": [1, 2, 3]});
    });
    server.push_image("team/app", "v1", &image);
    let digest = image.digest();
    for wanted in ["v1", &digest] {
        for method in ["GET", "HEAD"] {
            let answer = server.ask(method, &format!("/v2/team/app/manifests/{wanted}"), &[], "");
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-type"), Some(OCI_MANIFEST));
            assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
            let length = image.manifest.bytes.len().to_string();
            assert_eq!(answer.header("content-length"), Some(length.as_str()));
            let body: &[u8] = if method == "GET" { &image.manifest.bytes } else { &[] };
            assert_eq!(answer.body, body);
        }
    }
    let etag = format!("\"{digest}\"");
    let answer = server.ask("GET", "/v2/team/app/manifests/v1", &[("if-none-match", &etag)], "");
    assert_eq!((answer.status, answer.body.len()), (304, 0));
}

#[test]
fn a_push_tells_where_the_manifest_is() {
    let server = TestServer::new();
    let image = Image::of_size(100, 1);
    server.push_image("a", "v1", &image);
    let answer = server.put_manifest("a", "v2", &image.manifest);
    let place = format!("/v2/a/manifests/{}", image.digest());
    assert_eq!((answer.status, answer.header("location")), (201, Some(place.as_str())));
    assert_eq!(answer.header("docker-content-digest"), Some(image.digest().as_str()));
    assert_eq!(answer.header("oci-subject"), None);
    assert_eq!(answer.header("oci-tag"), None);
}

#[test]
fn unknown_manifests() {
    let server = TestServer::new();
    server.push_image("a", "v1", &Image::of_size(10, 1));
    let digest = Digest::sha256_of(b"x");
    for path in [
        "/v2/a/manifests/v2".to_owned(),
        format!("/v2/a/manifests/{digest}"),
        "/v2/b/manifests/v1".to_owned(),
    ] {
        let answer = server.get(&path);
        assert_eq!((answer.status, answer.code().as_deref()), (404, Some("MANIFEST_UNKNOWN")));
    }
}

#[test]
fn pushed_by_digest_with_tags() {
    let server = TestServer::new();
    let image = Image::of_size(100, 1);
    server.push_image("a", "v1", &image);
    let mut hasher = Hasher::named("sha512").unwrap();
    hasher.update(&image.manifest.bytes);
    let sha512 = hasher.finish().to_string();
    for digest in [image.digest(), sha512] {
        let target = format!("{digest}?tag=x&tag=y&tag=x");
        let answer = server.put_manifest("a", &target, &image.manifest);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let tags: Vec<_> = answer.headers.get_all("oci-tag").iter().collect();
        assert_eq!(tags, ["x", "y"]);
        for tag in ["x", "y"] {
            let answer = server.get(&format!("/v2/a/manifests/{tag}"));
            assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
            assert_eq!(answer.body, image.manifest.bytes);
        }
    }
    let digest = image.digest();
    let bad = server.put_manifest("a", &format!("{digest}?tag=.x"), &image.manifest);
    assert_eq!((bad.status, bad.code().as_deref()), (400, Some("TAG_INVALID")));
    let many: Vec<String> = (0..101).map(|number| format!("tag=t{number}")).collect();
    let bad = server.put_manifest("a", &format!("{digest}?{}", many.join("&")), &image.manifest);
    assert_eq!(bad.status, 414);
    let other = Image::of_size(100, 2);
    let wrong = server.put_manifest("a", &other.digest(), &image.manifest);
    assert_eq!((wrong.status, wrong.code().as_deref()), (400, Some("DIGEST_INVALID")));
}

#[test]
fn docker_s_manifests_and_lists() {
    let server = TestServer::new();
    let image = Image::of_size(100, 1);
    server.push_image("a", "oci", &image);
    let mut manifest: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
    manifest["mediaType"] = json!(DOCKER_MANIFEST);
    let docker = Blob::json(DOCKER_MANIFEST, &manifest);
    assert_eq!(server.put_manifest("a", "docker", &docker).status, 201);
    let list = json!({
        "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [docker.descriptor()],
    });
    assert_eq!(server.put_manifest("a", "list", &Blob::json(DOCKER_LIST, &list)).status, 201);
    let served = server.get("/v2/a/manifests/list");
    assert_eq!(served.header("content-type"), Some(DOCKER_LIST));
}

#[test]
fn what_a_manifest_refers_to_must_be_there() {
    let server = TestServer::new();
    let image = Image::of_size(100, 1);
    server.push_blob("a", &image.config.bytes);
    // That another repository has it is not enough.
    server.push_blob("b", &image.layers[0].bytes);
    let answer = server.put_manifest("a", "v1", &image.manifest);
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MANIFEST_BLOB_UNKNOWN")));
    assert_eq!(detail(&answer)["missing"], json!([image.layers[0].digest()]));
    assert_eq!(server.get("/v2/a/manifests/v1").status, 404);
    let index = index_of(&[image.index_entry("amd64")]);
    let answer = server.put_manifest("a", "v1", &index);
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MANIFEST_BLOB_UNKNOWN")));
    server.push_image("a", "v1", &image);
    assert_eq!(server.put_manifest("a", "all", &index).status, 201);
}

#[test_case(Sparse::Nothing, 400, 400)]
#[test_case(Sparse::Indexes, 400, 201)]
#[test_case(Sparse::Everything, 201, 201)]
fn sparse(sparse: Sparse, image_status: u16, index_status: u16) {
    let server = TestServer::with(|server| server.registry.sparse = sparse);
    let image = Image::of_size(100, 1);
    server.push_blob("a", &image.config.bytes);
    assert_eq!(server.put_manifest("a", "image", &image.manifest).status, image_status);
    let index = index_of(&[Image::of_size(100, 2).index_entry("arm64")]);
    assert_eq!(server.put_manifest("a", "index", &index).status, index_status);
}

#[test]
fn layers_that_are_elsewhere_need_not_be_here() {
    let server = TestServer::new();
    let layer = Blob::layer_of(100, 1).called(DOCKER_FOREIGN_LAYER);
    let image = Image::of(vec![layer]);
    server.push_blob("a", &image.config.bytes);
    assert_eq!(server.put_manifest("a", "v1", &image.manifest).status, 201);
}

#[test]
fn builders_keep_their_cache_as_an_index_of_blobs() {
    let server = TestServer::new();
    let blob = Blob::layer_of(100, 1);
    let index = index_of(&[blob.descriptor()]);
    assert_eq!(codes(&server, "a", "cache", &index).0, 400);
    server.push_blob("a", &blob.bytes);
    assert_eq!(server.put_manifest("a", "cache", &index).status, 201);
    let held = format!(
        "UPDATE manifest_ref SET kind = kind WHERE parent = '{}' AND child = '{}'",
        index.digest(),
        blob.digest()
    );
    assert_eq!(server.sql(&held, &[]), 1);
}

#[test]
fn kinds_that_are_not_known_here_are_kept_if_they_say_what_they_are() {
    let server = TestServer::new();
    let kind = "application/vnd.oci.artifact.manifest.v1+json";
    let blob = Blob::layer_of(100, 1);
    let manifest = json!({"mediaType": kind, "artifactType": "x/y", "blobs": [blob.descriptor()]});
    let manifest = Blob::json(kind, &manifest);
    assert_eq!(codes(&server, "a", "v1", &manifest), (400, "MANIFEST_BLOB_UNKNOWN".to_owned()));
    server.push_blob("a", &blob.bytes);
    assert_eq!(server.put_manifest("a", "v1", &manifest).status, 201);
    assert_eq!(server.get("/v2/a/manifests/v1").header("content-type"), Some(kind));
    let silent = Blob::json(kind, &json!({"blobs": []}));
    assert_eq!(codes(&server, "a", "v2", &silent), (400, "MANIFEST_INVALID".to_owned()));
}

#[test_case(OCI_MANIFEST, ""; "empty")]
#[test_case(OCI_MANIFEST, "no json"; "not json")]
#[test_case(OCI_MANIFEST, "null"; "null")]
#[test_case(OCI_MANIFEST, "[]"; "a list")]
#[test_case(OCI_MANIFEST, "{}"; "nothing in it")]
#[test_case("", "{}"; "no media type")]
#[test_case("text/plain", "{}"; "another media type")]
#[test_case(OCI_MANIFEST, r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#; "said to be something else")]
#[test_case(OCI_INDEX, r#"{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:zz","size":1}]}"#; "a digest that is none")]
#[test_case(OCI_INDEX, r#"{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","size":-1}]}"#; "a size below zero")]
#[test_case(OCI_INDEX, r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#; "both kinds")]
#[test_case(OCI_INDEX, r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#; "a member twice")]
#[test_case("application/vnd.docker.distribution.manifest.v1+prettyjws", r#"{"schemaVersion":1}"#; "schema 1")]
#[test_case("application/vnd.docker.distribution.manifest.v1+json", "{}"; "schema 1 unsigned")]
fn refused(media_type: &str, body: &str) {
    let server = TestServer::new();
    let headers = [("content-type", media_type)];
    let headers = if media_type.is_empty() { &headers[..0] } else { &headers[..] };
    let answer = server.ask("PUT", "/v2/a/manifests/v1", headers, body.to_owned());
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MANIFEST_INVALID")));
}

#[test]
fn depth_size_and_count_are_bound() {
    let server = TestServer::new();
    let headers = [("content-type", OCI_MANIFEST)];
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [deep.clone(), format!(r#"{{"schemaVersion":2,"annotations":{deep}}}"#)] {
        let answer = server.ask("PUT", "/v2/a/manifests/v1", &headers, body);
        assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MANIFEST_INVALID")));
    }
    let large = vec![b' '; (4 << 20) + 1];
    for more in [None, Some(("content-length", "4194305"))] {
        let headers: Vec<_> = headers.into_iter().chain(more).collect();
        let answer = server.ask("PUT", "/v2/a/manifests/v1", &headers, large.clone());
        assert_eq!((answer.status, answer.code().as_deref()), (413, Some("SIZE_INVALID")));
    }
    let child = Image::of_size(10, 1).index_entry("amd64");
    let many = index_of(&vec![child; 10_000]);
    assert_eq!(codes(&server, "a", "v1", &many), (400, "MANIFEST_INVALID".to_owned()));
    // As large as may be.
    let image = Image::of_size(10, 1).with_manifest(|manifest| {
        manifest["annotations"] = json!({"large": "x".repeat(4_193_000)});
    });
    server.push_image("a", "large", &image);
    assert_eq!(server.get("/v2/a/manifests/large").body, image.manifest.bytes);
}

#[test]
fn conditions_of_a_push() {
    let server = TestServer::new();
    let (first, second) = (Image::of_size(10, 1), Image::of_size(10, 2));
    server.push_image("a", "first", &first);
    server.push_image("a", "second", &second);
    let put = |image: &Image, header: (&str, &str)| {
        let headers = [("content-type", OCI_MANIFEST), header];
        server.ask("PUT", "/v2/a/manifests/v1", &headers, image.manifest.bytes.clone()).status
    };
    let etag = |image: &Image| format!("\"{}\"", image.digest());
    assert_eq!(put(&first, ("if-match", "*")), 412);
    assert_eq!(put(&first, ("if-match", &etag(&first))), 412);
    assert_eq!(put(&first, ("if-none-match", "*")), 201);
    assert_eq!(put(&second, ("if-none-match", "*")), 412);
    assert_eq!(put(&second, ("if-match", &etag(&second))), 412);
    assert_eq!(put(&second, ("if-match", &etag(&first))), 201);
    let served = server.get("/v2/a/manifests/v1");
    assert_eq!(served.header("etag"), Some(etag(&second).as_str()));
}

#[test]
fn deleting_is_for_those_who_allow_it() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    server.push_image("a", "v1", &image);
    let layer = image.layers[0].digest();
    for path in [
        "/v2/a/manifests/v1".to_owned(),
        format!("/v2/a/manifests/{}", image.digest()),
        format!("/v2/a/blobs/{layer}"),
    ] {
        let answer = server.ask("DELETE", &path, &[], "");
        assert_eq!((answer.status, answer.code().as_deref()), (405, Some("UNSUPPORTED")));
    }
    assert_eq!(server.get("/v2/a/manifests/v1").status, 200);
}

#[test]
fn tags_and_manifests_are_deleted() {
    let server = TestServer::with(|server| server.registry.delete = true);
    let image = Image::of_size(10, 1);
    for tag in ["v1", "v2", "v3"] {
        server.push_image("a", tag, &image);
    }
    let index = index_of(&[image.index_entry("amd64")]);
    assert_eq!(server.put_manifest("a", "all", &index).status, 201);
    let delete = |wanted: &str| {
        let answer = server.ask("DELETE", &format!("/v2/a/manifests/{wanted}"), &[], "");
        (answer.status, answer.code().unwrap_or_default())
    };
    let status = |wanted: &str| server.get(&format!("/v2/a/manifests/{wanted}")).status;
    let (digest, none) = (image.digest(), String::new());
    assert_eq!(delete("v1"), (202, none.clone()));
    assert_eq!((status("v1"), status("v2"), status(&digest)), (404, 200, 200));
    assert_eq!(delete("v1"), (404, "MANIFEST_UNKNOWN".to_owned()));
    // An index needs it.
    assert_eq!(delete(&digest), (405, "DENIED".to_owned()));
    assert_eq!(delete(&index.digest()), (202, none.clone()));
    assert_eq!(status("all"), 404);
    assert_eq!(delete(&digest), (202, none));
    assert_eq!((status("v2"), status("v3"), status(&digest)), (404, 404, 404));
    assert_eq!(delete(&digest), (404, "MANIFEST_UNKNOWN".to_owned()));
}

#[test]
fn immutable_tags_stay_what_they_are() {
    let server = TestServer::with(|server| {
        server.registry.delete = true;
        server.registry.immutable_tags = vec!["team/*:v*".to_owned()];
    });
    let (first, second) = (Image::of_size(10, 1), Image::of_size(10, 2));
    server.push_image("team/app", "v1", &first);
    server.push_image("team/app", "latest", &first);
    server.push_image("team/app", "latest", &second);
    assert_eq!(server.put_manifest("team/app", "v1", &first.manifest).status, 201);
    let denied = (409, "DENIED".to_owned());
    assert_eq!(codes(&server, "team/app", "v1", &second.manifest), denied);
    let by_digest = format!("{}?tag=latest&tag=v1", second.digest());
    assert_eq!(codes(&server, "team/app", &by_digest, &second.manifest), denied);
    for wanted in ["v1", &first.digest()] {
        let answer = server.ask("DELETE", &format!("/v2/team/app/manifests/{wanted}"), &[], "");
        assert_eq!((answer.status, answer.code().as_deref()), (409, Some("DENIED")));
    }
    server.push_image("other/app", "v1", &first);
    server.push_image("other/app", "v1", &second);
}

#[test]
fn a_registry_that_is_read_only_takes_nothing() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    server.push_image("a", "v1", &image);
    let place = server.begin_upload("a");
    let server = server.restarted_with(|server| {
        server.registry.read_only = true;
        server.registry.delete = true;
    });
    let digest = image.layers[0].digest();
    for (method, path) in [
        ("PUT", "/v2/a/manifests/v2".to_owned()),
        ("DELETE", "/v2/a/manifests/v1".to_owned()),
        ("POST", "/v2/a/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/b/blobs/uploads/?mount={digest}&from=a")),
        ("PATCH", place.clone()),
        ("PUT", format!("{place}?digest={digest}")),
        ("DELETE", format!("/v2/a/blobs/{digest}")),
    ] {
        let answer = server.ask(method, &path, &[], image.manifest.bytes.clone());
        assert_eq!((answer.status, answer.code().as_deref()), (405, Some("UNSUPPORTED")), "{path}");
    }
    assert_eq!(server.get("/v2/a/manifests/v1").status, 200);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).status, 200);
}

#[test]
fn a_stored_manifest_that_was_changed_is_not_served() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    server.push_image("a", "v1", &image);
    server.tamper("UPDATE manifest SET bytes = $1", Some(b"{}"));
    for path in ["/v2/a/manifests/v1".to_owned(), format!("/v2/a/manifests/{}", image.digest())] {
        let answer = server.get(&path);
        assert_eq!(answer.status, 500);
        assert_eq!(answer.header("docker-content-digest"), None);
        assert!(answer.text().contains("damaged"), "{}", answer.text());
    }
}

#[test]
fn a_statement_says_that_it_is_listed() {
    let server = TestServer::new();
    server.push_blob("a", b"{}");
    let subject = Digest::sha256_of(b"not there").to_string();
    let manifest = statement(&subject, "x/sbom", "1");
    let answer = server.put_manifest("a", &manifest.digest(), &manifest);
    assert_eq!((answer.status, answer.header("oci-subject")), (201, Some(subject.as_str())));
}
