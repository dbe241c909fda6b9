//! What is answered before anything is stored.

use super::harness::TestServer;

#[test]
fn the_base_tells_whose_api_it_is() {
    let server = TestServer::new();
    let answer = server.get("/v2/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}\n"));
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
}

#[test]
fn what_is_nowhere_is_said_in_json() {
    let server = TestServer::new();
    for (path, status, code) in [
        ("/", 404, "NOT_FOUND"),
        ("/v2/x", 404, "NOT_FOUND"),
        ("/v2/a/_trust/tuf/x.key", 404, "METADATA_NOT_FOUND"),
        ("/v2/A/tags/list", 400, "NAME_INVALID"),
        ("/v2/a//b/tags/list", 400, "NAME_INVALID"),
        ("/v2/a/manifests/.x", 400, "TAG_INVALID"),
        ("/v2/a/manifests/sha256:zz", 400, "DIGEST_INVALID"),
        ("/v2/a/blobs/sha256:..%2f..%2fetc", 400, "DIGEST_INVALID"),
        ("/v2/a/../b/_trust/tuf/root.json", 400, "INVALID_GUN"),
        ("/v2/a%0ab/_trust/tuf/root.json", 400, "INVALID_GUN"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.code()), (status, Some(code.to_owned())), "{path}");
    }
}
