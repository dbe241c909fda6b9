//! Tokens: what attackers send, and what the token service gives.

use serde_json::{Value, json};
use test_case::test_case;

use super::auth_world::{
    Issuer, PASSWORD, SERVICE, access, accounts, ask_bearing, basic, challenge, fetch_token,
    server_with, token_service,
};
use super::harness::{Answer, TestServer};

const MANIFEST: &str = "/v2/team/app/manifests/latest";

/// Asks for a manifest with a forged token, which must be refused as one that is not believed.
fn refused(server: &TestServer, token: &str) {
    for path in [MANIFEST, "/v2/", "/v2/team/app/_trust/tuf/root.json", "/v2/_catalog"] {
        let answer = ask_bearing(server, token, "GET", path);
        assert_eq!(
            (answer.status, answer.code().as_deref()),
            (401, Some("UNAUTHORIZED")),
            "{path}"
        );
        assert_eq!(challenge(&answer).error.as_deref(), Some("invalid_token"), "{path}");
    }
}

#[test_case("alg", json!("none") ; "no algorithm")]
#[test_case("alg", json!("HS256") ; "a shared secret")]
#[test_case("alg", json!("ES256") ; "another key's algorithm")]
#[test_case("kid", json!("../../../../dev/null") ; "a path for a key")]
#[test_case("kid", json!("other") ; "an unknown key")]
#[test_case("kid", json!(null) ; "no key")]
#[test_case("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}) ; "a key of its own")]
#[test_case("x5c", json!(["AAAA"]) ; "a certificate of its own")]
#[test_case("crit", json!(["exp"]) ; "a demand")]
fn forged_headers(name: &str, value: Value) {
    let issuer = Issuer::new();
    let server = server_with(issuer.kind());
    let mut header = Issuer::header();
    header[name] = value;
    let everything = [access("repository:team/app:*"), access("registry:catalog:*")];
    refused(&server, &issuer.sign(&header, &Issuer::claims(&everything)));
}

#[test_case("iss", json!("evil.test") ; "another issuer")]
#[test_case("aud", json!("another registry") ; "another audience")]
#[test_case("aud", json!(["a", "b"]) ; "other audiences")]
#[test_case("exp", json!(1_000_000_000) ; "expired")]
#[test_case("nbf", json!(32_000_000_000_i64) ; "not yet")]
#[test_case("exp", json!(null) ; "without an end")]
#[test_case("access", json!({"type": "repository"}) ; "malformed access")]
fn forged_claims(name: &str, value: Value) {
    let issuer = Issuer::new();
    let server = server_with(issuer.kind());
    let everything = [access("repository:team/app:*"), access("registry:catalog:*")];
    let mut claims = Issuer::claims(&everything);
    claims[name] = value;
    refused(&server, &issuer.sign(&Issuer::header(), &claims));
}

#[test]
fn a_stranger_signs_nothing() {
    let server = server_with(Issuer::new().kind());
    refused(&server, &Issuer::new().token(&["repository:team/app:*"]));
    refused(&server, "a.b.c");
    refused(&server, "not-a-token");
}

#[test]
fn a_token_of_a_megabyte_is_refused() {
    let issuer = Issuer::new();
    let server = server_with(issuer.kind());
    let mut claims = Issuer::claims(&[access("repository:team/app:pull")]);
    claims["padding"] = json!("x".repeat(1 << 20));
    refused(&server, &issuer.sign(&Issuer::header(), &claims));
}

#[test]
fn good_tokens_of_another_server() {
    let issuer = Issuer::new();
    let server = server_with(issuer.kind());
    let mut claims = Issuer::claims(&[access("repository:team/app:pull")]);
    claims["aud"] = json!(["somebody", SERVICE]);
    let token = issuer.sign(&Issuer::header(), &claims);
    assert_eq!(ask_bearing(&server, &token, "GET", "/v2/").status, 200);
    assert_ne!(ask_bearing(&server, &token, "GET", MANIFEST).status, 401);
    // Its scheme may be written in any case, and two headers are none.
    let lower = [("authorization", &*format!("bearer {token}"))];
    assert_eq!(server.ask("GET", "/v2/", &lower, "").status, 200);
    let twice = [lower[0], lower[0]];
    assert_eq!(server.ask("GET", "/v2/", &twice, "").status, 401);
    // A name and a password are nothing here.
    let login = basic("ann", PASSWORD);
    let answer = server.ask("GET", "/v2/", &[("authorization", &login)], "");
    assert_eq!((answer.status, challenge(&answer).error), (401, None));
    // And there is no token service.
    assert_eq!(server.get("/_trust/token").status, 404);
}

fn people() -> TestServer {
    let people: &[(&str, &[&str])] = &[
        ("ann", &["team/*:pull,push,sign"]),
        ("robot", &["team/app:pull,delete"]),
        ("admin", &["**:admin"]),
        ("gone", &["**:admin"]),
    ];
    server_with(token_service(&accounts(&["public/*:pull"], people)))
}

#[test_case("ann", "repository:team/app:pull", "repository:team/app:pull" ; "what may be done")]
#[test_case("ann", "repository:team/app:push,pull", "repository:team/app:pull,push" ; "notary's order")]
#[test_case("ann", "repository:other/app:pull,push", "repository:other/app:" ; "what may not be done")]
#[test_case("ann", "repository:registry.test/team/app:push,pull", "repository:registry.test/team/app:pull,push" ; "a collection")]
#[test_case("ann", "repository:elsewhere.test/team/app:pull", "repository:elsewhere.test/team/app:" ; "another server's collection")]
#[test_case("ann", "repository:team/app:*", "repository:team/app:pull,push" ; "all that may be done")]
#[test_case("admin", "repository:team/app:*", "repository:team/app:*" ; "all")]
#[test_case("robot", "repository:team/app:*", "repository:team/app:pull,delete" ; "what skopeo asks for to delete")]
#[test_case("", "repository:public/app:pull", "repository:public/app:pull" ; "anybody")]
#[test_case("", "repository:team/app:pull", "repository:team/app:" ; "not anybody")]
#[test_case("ann", "registry:catalog:*", "registry:catalog:*" ; "the list")]
#[test_case("ann", "repository:team/app:pull repository:team/b:push registry:x:*", "repository:team/app:pull repository:team/b:push registry:x:" ; "several")]
#[test_case("ann", "repository(plugin):team/app:pull", "repository:team/app:pull" ; "a class")]
#[test_case("ann", "repository:**:pull,push", "repository:**:" ; "a pattern is no name")]
fn scopes(who: &str, asked: &str, given: &str) {
    let answer = fetch_token(&people(), who, Some(asked));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["scope"], given);
}

#[test]
fn an_answer_has_what_clients_look_for() {
    let server = people();
    let answer = fetch_token(&server, "ann", Some("repository:team/app:pull"));
    let body = answer.json();
    assert_eq!(body["token"], body["access_token"]);
    assert_eq!(body["expires_in"], 300);
    assert!(body["issued_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(body.get("refresh_token"), None);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let token = body["token"].as_str().unwrap();
    assert_ne!(ask_bearing(&server, token, "GET", MANIFEST).status, 401);
    // It is for what was asked and not for all that may be done.
    let upload = ask_bearing(&server, token, "POST", "/v2/team/app/blobs/uploads/");
    assert_eq!(challenge(&upload).error.as_deref(), Some("insufficient_scope"));
}

#[test_case("ann", "wrong" ; "a wrong password")]
#[test_case("nobody", PASSWORD ; "nobody there")]
#[test_case("gone", PASSWORD ; "an account that ended")]
fn no_token_without_a_good_login(user: &str, password: &str) {
    let login = basic(user, password);
    let path = "/_trust/token?service=the+registry&scope=repository:public/app:pull";
    let answer = people().ask("GET", path, &[("authorization", &login)], "");
    assert_eq!((answer.status, answer.code().as_deref()), (401, Some("UNAUTHORIZED")));
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
}

#[test_case("GET", "/_trust/token?service=other", "", 400 ; "another service")]
#[test_case("GET", "/_trust/token?scope=nonsense", "", 400 ; "a scope that is none")]
#[test_case("POST", "/_trust/token", "", 400 ; "an empty form")]
#[test_case("POST", "/_trust/token", "grant_type=authorization_code&code=x", 400 ; "another grant")]
#[test_case("POST", "/_trust/token", "grant_type=password&username=ann", 400 ; "no password")]
#[test_case("POST", "/_trust/token", "grant_type=refresh_token&refresh_token=a.b.c", 401 ; "no refresh token")]
#[test_case("PUT", "/_trust/token", "", 405 ; "another method")]
fn questions_that_are_refused(method: &str, path: &str, form: &str, status: u16) {
    assert_eq!(people().ask(method, path, &[], form.to_owned()).status, status);
}

#[test]
fn a_question_without_end_is_refused() {
    let server = people();
    let scopes = "&scope=repository:a:pull".repeat(65);
    assert_eq!(server.get(&format!("/_trust/token?x=y{scopes}")).status, 400);
    let form = format!("grant_type=password&username=ann&password={}", "x".repeat(1 << 17));
    assert_eq!(server.ask("POST", "/_trust/token", &[], form).status, 413);
}

fn post(server: &TestServer, fields: &[(&str, &str)]) -> Answer {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    server.ask("POST", "/_trust/token", &headers, form.finish())
}

#[test]
fn refresh_tokens() {
    let server = people();
    let login = basic("ann", PASSWORD);
    let path = "/_trust/token?account=ann&client_id=docker&offline_token=true&service=the+registry";
    let given = server.ask("GET", path, &[("authorization", &login)], "").json();
    let refresh = given["refresh_token"].as_str().unwrap();
    let scope = "repository:team/app:pull,push";
    let again = post(
        &server,
        &[
            ("grant_type", "refresh_token"),
            ("service", SERVICE),
            ("client_id", "docker"),
            ("scope", scope),
            ("refresh_token", refresh),
        ],
    );
    assert_eq!(again.json()["scope"], scope);
    let token = again.json()["access_token"].as_str().unwrap().to_owned();
    assert_ne!(ask_bearing(&server, &token, "GET", MANIFEST).status, 401);
    // Neither is good in the other's place.
    let answer = ask_bearing(&server, refresh, "GET", "/v2/");
    assert_eq!(challenge(&answer).error.as_deref(), Some("invalid_token"));
    let swapped = post(&server, &[("grant_type", "refresh_token"), ("refresh_token", &token)]);
    assert_eq!(swapped.status, 401);
    let password = post(
        &server,
        &[
            ("grant_type", "password"),
            ("username", "ann"),
            ("password", PASSWORD),
            ("access_type", "offline"),
        ],
    );
    assert!(password.json()["refresh_token"].is_string());
    // Nobody in particular has nothing to refresh.
    let anybody = server.get("/_trust/token?offline_token=true").json();
    assert!(anybody["token"].is_string() && anybody.get("refresh_token").is_none());
}

#[test]
fn a_token_of_another_key_of_the_same_kind_is_refused() {
    let (ours, others) = (people(), people());
    let token = fetch_token(&others, "ann", Some("repository:team/app:pull")).json();
    let answer = ask_bearing(&ours, token["token"].as_str().unwrap(), "GET", MANIFEST);
    assert_eq!(challenge(&answer).error.as_deref(), Some("invalid_token"));
}

#[test]
fn others_read_our_tokens() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

    let key = trust::server::auth::generate_signing_key().unwrap();
    let people: &[(&str, &[&str])] = &[("ann", &["team/*:pull"])];
    let accounts = accounts(&[], people);
    let server = server_with(super::auth_world::token_service_with_key(&accounts, &key));
    let answer = fetch_token(&server, "ann", Some("repository:team/app:pull")).json();
    let token = answer["token"].as_str().unwrap();
    let pem = trust::codec::pem::Pem::parse_all(&key).unwrap();
    let private = trust::crypto::PrivateKey::from_pkcs8(&pem[0].contents).unwrap();
    let public = URL_SAFE_NO_PAD.encode(private.public_key().public());
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[SERVICE]);
    validation.set_issuer(&["trust serve"]);
    let decoded =
        decode::<Value>(token, &DecodingKey::from_ed_components(&public).unwrap(), &validation);
    let claims = decoded.unwrap().claims;
    assert_eq!(claims["sub"], "ann");
    assert_eq!(claims["access"], json!([access("repository:team/app:pull")]));
    assert!(decode_header(token).unwrap().kid.is_some());
}
