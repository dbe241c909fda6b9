//! Servers that are down, wrong, broken or lying.

use test_case::test_case;

use crate::harness::server::not_found;
use crate::harness::{Reply, Repository, Server, Victim};
use crate::peers::User;

const LOGIN_PAGE: &str = "<!DOCTYPE html><html><body>Please log in</body></html>";

#[test_case(&Reply::status(500, "out of order"), 10, "500"; "500")]
#[test_case(&Reply::status(502, LOGIN_PAGE), 10, "502"; "502 with a page")]
#[test_case(&Reply::status(401, "who are you"), 9, ""; "401 without a challenge")]
#[test_case(&Reply::status(403, "not you"), 9, ""; "403")]
#[test_case(&Reply::status(404, LOGIN_PAGE), 10, "is this a notary server?"; "404 of somebody else")]
#[test_case(&Reply::status(200, LOGIN_PAGE), 10, "HTML"; "a page")]
#[test_case(&Reply::status(302, "").with("Location", "file:///etc/passwd"), 10, ""; "redirected to a file")]
#[test_case(&Reply::status(302, "").with("Location", "http://localhost:1/"), 10, "it leaves TLS"; "redirected to plain text")]
#[test_case(&Reply::Half(b"{\"signed\":{}}".to_vec()), 10, ""; "half a body")]
#[test_case(&Reply::Endless(Vec::new()), 10, ""; "an endless body")]
#[test_case(&Reply::Close, 10, ""; "nothing at all")]
fn a_trust_server_out_of_order_is_no_verdict(reply: &Reply, code: i32, words: &str) {
    let mut victim = Victim::new();
    victim.publish();
    victim.replies.set_all(reply);
    let finished = victim.verify_by_program().expect_code(code);
    assert!(finished.stderr.contains(words), "{}", finished.stderr);
    assert!(victim.trust_files().is_empty());
    let asked = victim.server().log().len();
    assert!(asked <= 4, "asked {asked} times: {:?}", victim.server().log());
}

#[test]
fn a_server_that_is_not_there_is_no_verdict() {
    let mut user = User::new();
    user.set("DOCKER_CONTENT_TRUST_SERVER", "https://localhost:1");
    let finished = user.trust(&["verify", "--no-registry", "localhost:1/app:1"]).expect_code(10);
    assert!(finished.stderr.contains("localhost:1"), "{}", finished.stderr);
}

#[test]
fn tls_that_does_not_verify_is_no_verdict() {
    let server = Server::start(|_| not_found());
    let mut user = User::new();
    user.set("DOCKER_CONTENT_TRUST_SERVER", &server.url());
    // Only where the registry is on this machine is TLS not looked at.
    let finished = user.trust(&["verify", "--no-registry", "registry.invalid/app:1"]);
    let finished = finished.expect_code(10);
    assert!(finished.stderr.contains("certificate"), "{}", finished.stderr);
    assert!(server.log().is_empty(), "something was sent all the same");
}

#[test_case("http://trust.example.com"; "without tls")]
#[test_case("trust.example.com"; "without a scheme")]
#[test_case("https://"; "without a host")]
fn a_trust_server_without_https_is_a_usage_error(url: &str) {
    let mut user = User::new();
    user.set("DOCKER_CONTENT_TRUST_SERVER", url);
    user.trust(&["verify", "--no-registry", "registry.invalid/app:1"]).expect_code(2);
}

const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#;

fn manifest(status: u16) -> Reply {
    let media_type = "application/vnd.docker.distribution.manifest.v2+json";
    Reply::status(status, MANIFEST).with("Content-Type", media_type)
}

#[test]
fn a_registry_whose_digest_header_lies_is_found_out() {
    let lie = crate::peers::image::digest(b"something else");
    let reply = manifest(200).with("Docker-Content-Digest", &lie);
    let (verified, signed) = with_registry(reply);
    assert_eq!((verified, signed), (5, 5));
}

#[test_case(&manifest(404), 8, 8; "the image is not there")]
#[test_case(&manifest(500), 10, 10; "it is broken")]
#[test_case(&manifest(401), 9, 9; "it wants a login")]
#[test_case(&Reply::status(200, "[]"), 10, 10; "no manifest")]
#[test_case(&Reply::Half(MANIFEST.into()), 10, 10; "half a manifest")]
#[test_case(&Reply::Close, 10, 10; "nothing at all")]
fn a_registry_out_of_order_is_no_verdict(reply: &Reply, verify: i32, sign: i32) {
    assert_eq!(with_registry(reply.clone()), (verify, sign));
}

#[test]
fn a_registry_that_serves_what_is_signed_is_believed() {
    let (verified, _) = with_registry(manifest(200));
    assert_eq!(verified, 0);
}

/// The exit codes of `verify` and `sign` when this is what the registry answers; nothing may be
/// signed or stored by the latter.
fn with_registry(reply: Reply) -> (i32, i32) {
    let is_honest = matches!(&reply, Reply::Full { status: 200, headers, .. }
        if headers.len() == 1);
    let registry = Server::start(move |request| match request.target.as_str() {
        "/v2/" => Reply::status(200, "{}"),
        _ => reply.clone(),
    });
    let mut victim = Victim::new();
    victim.repository = Repository::new(&format!("{}/app", registry.host_port()));
    victim.repository.add_target("targets", "1", MANIFEST.as_bytes());
    victim.publish();
    let image = victim.image();
    let verified = victim.user().trust(&["verify", &image]).code;
    if is_honest {
        return (verified, 0);
    }
    let before = victim.trust_files();
    let signed = victim.user().trust(&["--no-prompt", "sign", &image]).code;
    assert_eq!(victim.trust_files(), before);
    assert!(!victim.server().log().iter().any(|line| line.starts_with("POST")));
    (verified, signed)
}
