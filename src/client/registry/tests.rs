use test_case::test_case;

use super::*;
use crate::client::testing::{
    Authority, BASIC, Logins, Received, Reply, Server, patient, registry, registry_of, reply,
};
use crate::client::{HttpClient, Login, TransportError};
use crate::oci::manifest::{DOCKER_MANIFEST, ManifestError, OCI_MANIFEST};
use crate::oci::{Digest, Reference};

fn manifest_reply(body: &str) -> Reply {
    reply(200, body).with("Content-Type", OCI_MANIFEST)
}

fn digest(body: &str) -> Digest {
    Digest::sha256_of(body.as_bytes())
}

#[tokio::test]
async fn manifests_over_tls() {
    let server = Server::start_tls(Authority::new().issue().server(), |_| {
        manifest_reply("{}").with("Docker-Content-Digest", digest("{}").as_str())
    });
    let registry = registry(&server);
    let served = registry.manifest("a/b", "v1").await.unwrap();
    assert_eq!(served.media_type, OCI_MANIFEST);
    assert_eq!(served.digest, digest("{}"));
    assert_eq!(served.bytes, b"{}");
    registry.manifest("a/b", digest("{}").as_str()).await.unwrap();
    assert_eq!(server.log()[0], "GET /v2/a/b/manifests/v1");
    assert_eq!(server.log()[1], format!("GET /v2/a/b/manifests/{}", digest("{}")));
    assert!(server.requests()[0].header("accept").unwrap().contains(DOCKER_MANIFEST));
}

#[tokio::test]
async fn plain_http_is_found_out_once() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" | "HEAD" => manifest_reply("{}"),
        _ => reply(400, "what?"),
    });
    let registry = registry(&server);
    for _ in 0..2 {
        registry.manifest("a/b", "v1").await.unwrap();
    }
    assert!(registry.manifest_exists("a/b", &digest("{}")).await.unwrap());
    assert_eq!(server.connections(), 2, "one that failed over TLS, one for the rest");
}

#[tokio::test]
async fn plain_http_needs_permission() {
    let server = Server::start(|_| manifest_reply("{}"));
    let reference = Reference::parse(&format!("{}/a/b", server.host())).unwrap();
    let registry = RegistryClient::new(&reference, HttpClient::new(patient()), Logins::none());
    let error = registry.manifest("a/b", "v1").await.unwrap_err();
    let RegistryError::Transport(TransportError::Tls { .. }) = error else { panic!("{error}") };
    assert_eq!(server.log().len(), 0);
}

#[tokio::test]
async fn lying_registries() {
    let server = Server::start(|request| match request.target.as_str() {
        "/v2/a/b/manifests/lie" => {
            manifest_reply("{}").with("Docker-Content-Digest", digest("other").as_str())
        }
        "/v2/a/b/manifests/odd" => {
            manifest_reply("{}").with("Docker-Content-Digest", "sha256:../../x")
        }
        "/v2/a/b/manifests/web" => reply(200, "<html>").with("Content-Type", "text/html"),
        "/v2/a/b/manifests/old" => reply(200, "{}")
            .with("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        _ => manifest_reply("{}"),
    });
    let registry = registry(&server);
    let error = registry.manifest("a/b", "lie").await.unwrap_err();
    let RegistryError::DigestMismatch { claimed, actual, .. } = error else { panic!("{error}") };
    assert_eq!((claimed, actual), (digest("other"), digest("{}")));
    let error = registry.manifest("a/b", digest("asked").as_str()).await.unwrap_err();
    assert!(matches!(error, RegistryError::DigestMismatch { .. }), "{error}");
    for tag in ["odd", "web"] {
        let error = registry.manifest("a/b", tag).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Transport(TransportError::BadAnswer { .. })),
            "{error}"
        );
    }
    let error = registry.manifest("a/b", "old").await.unwrap_err();
    assert!(matches!(error, RegistryError::Manifest { cause: ManifestError::Schema1, .. }));
}

#[tokio::test]
async fn too_large_manifests_are_not_read() {
    let server = Server::start(|_| {
        Reply::Raw(b"HTTP/1.1 200 X\r\nContent-Length: 4194305\r\n\r\n".to_vec())
    });
    let error = registry(&server).manifest("a/b", "v1").await.unwrap_err();
    assert!(matches!(error, RegistryError::Transport(TransportError::TooLarge { .. })));
}

#[tokio::test]
async fn missing_manifests() {
    let server = Server::start(|_| reply(404, ""));
    let registry = registry(&server);
    let error = registry.manifest("a/b", "v1").await.unwrap_err();
    let RegistryError::NotFound { reference } = error else { panic!("{error}") };
    assert_eq!(reference, format!("{}/a/b:v1", server.host()));
    assert!(!registry.manifest_exists("a/b", &digest("x")).await.unwrap());
}

#[test_case("a/../b", "v1")]
#[test_case("a/b", "../v1")]
#[test_case("a/b", "v1?x=y")]
#[test_case("a/b", "sha256:zz")]
#[test_case("A", "v1")]
#[tokio::test]
async fn names_that_are_none_are_not_asked_for(repository: &str, tag: &str) {
    let server = Server::start(|_| manifest_reply("{}"));
    let error = registry(&server).manifest(repository, tag).await.unwrap_err();
    assert!(matches!(error, RegistryError::Reference(_)), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn all_pages_of_tags() {
    let server = Server::start(|request| {
        let next = r#"</v2/a/b/tags/list?n=2&last=y>; rel="next""#;
        match request.target.as_str() {
            "/v2/a/b/tags/list?n=1000" => reply(200, r#"{"tags":["x","y"]}"#).with("Link", next),
            "/v2/a/b/tags/list?n=2&last=y" => reply(200, r#"{"tags":["z"]}"#),
            _ => reply(500, ""),
        }
    });
    assert_eq!(registry(&server).tags("a/b").await.unwrap(), ["x", "y", "z"]);
}

#[test_case("</v2/a/b/tags/list?n=1000>; rel=next" ; "itself")]
#[test_case("<https://elsewhere.invalid/v2/a/b/tags/list>; rel=next" ; "another host")]
#[tokio::test]
async fn pages_that_lead_nowhere(link: &'static str) {
    let server = Server::start(move |_| reply(200, r#"{"tags":["x"]}"#).with("Link", link));
    let error = registry(&server).tags("a/b").await.unwrap_err();
    let RegistryError::Transport(TransportError::BadAnswer { .. }) = error else {
        panic!("{error}")
    };
    assert!(server.log().len() <= 2);
}

#[tokio::test]
async fn endless_tags() {
    let page = format!(r#"{{"tags":[{}]}}"#, vec![r#""t""#; 50_000].join(","));
    let server = Server::start(move |request| {
        let next = format!("<{}1>; rel=next", request.target);
        reply(200, page.clone()).with("Link", next)
    });
    let error = registry(&server).tags("a/b").await.unwrap_err();
    assert!(matches!(error, RegistryError::TooManyTags { .. }), "{error}");
    assert_eq!(server.log().len(), 3);
}

fn basic_registry(request: &Received) -> Reply {
    match request.authorization() {
        Some(BASIC) => reply(200, "{}"),
        _ => reply(401, "").with("WWW-Authenticate", r#"Basic realm="r""#),
    }
}

#[tokio::test]
async fn login_with_a_password() {
    let server = Server::start(basic_registry);
    assert!(registry_of(&server, Logins::basic()).check_login().await.unwrap().is_none());
    assert_eq!(server.log(), ["GET /v2/", "GET /v2/"]);
    let error = registry_of(&server, Logins::none()).check_login().await.unwrap_err();
    assert_eq!(server.log().len(), 3);
    assert!(matches!(error, RegistryError::Transport(TransportError::Unauthorized { .. })));
}

#[tokio::test]
async fn login_for_an_identity_token() {
    let server = Server::start(|request| {
        if request.target.starts_with("/token") {
            return reply(200, r#"{"token":"good","refresh_token":"keep me"}"#.replace(' ', "-"));
        }
        if request.authorization() == Some("Bearer good") {
            return reply(200, "{}");
        }
        let host = request.header("host").unwrap();
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="s""#);
        reply(401, "").with("WWW-Authenticate", challenge)
    });
    let kept = registry_of(&server, Logins::basic()).check_login().await.unwrap();
    let Some(Login::IdentityToken { username, token }) = kept else { panic!("{kept:?}") };
    assert_eq!((username.as_str(), token.expose()), ("me", "keep-me"));
    assert_eq!(
        server.log()[1],
        "GET /token?account=me&client_id=docker&offline_token=true&service=s"
    );
}

#[test]
fn docker_hub_has_its_api_elsewhere() {
    let reference = Reference::parse("alpine").unwrap();
    let registry = RegistryClient::new(&reference, HttpClient::new(patient()), Logins::none());
    assert_eq!(
        registry.address(false, "/v2/").unwrap().as_str(),
        "https://registry-1.docker.io/v2/"
    );
}
