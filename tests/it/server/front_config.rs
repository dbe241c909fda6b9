//! The configuration: the registry's as it is, and mistakes named.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use test_case::test_case;
use trust::server::config::show::show;
use trust::server::config::{AuthConfig, Config, ConfigError, Listen, Scheme, Source, load};

fn loaded(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    fs::write(&file, text).unwrap();
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: BTreeMap<String, String> = variables.iter().map(pair).collect();
    let default_data = Some("/var/lib/default".into());
    load(&Source { file: Some(file), variables, default_data, ..Source::default() })
}

/// What Debian installs for its `docker-registry`, on an address of this machine.
const DEBIAN: &str = "\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/docker-registry
  delete:
    enabled: true
http:
  addr: 127.0.0.1:5000
  headers:
    X-Content-Type-Options: [nosniff]
auth:
  htpasswd:
    realm: basic-realm
    path: /etc/docker/registry
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
";

#[test]
fn the_registrys_configuration_is_taken_as_it_is() {
    let config = loaded(DEBIAN, &[]).unwrap();
    assert_eq!(config.http.listen, Listen::Tcp("127.0.0.1:5000".to_owned()));
    assert_eq!(config.http.scheme, Scheme::Plain { anywhere: false });
    assert!(config.registry.delete && !config.registry.read_only);
    assert_eq!(config.data, Path::new("/var/lib/docker-registry"));
    assert_eq!(config.log.fields["service"], "registry");
    assert_eq!(config.http.drain, Duration::from_secs(30));
    let expected = AuthConfig::Htpasswd {
        realm: "basic-realm".to_owned(),
        path: "/etc/docker/registry".into(),
    };
    assert_eq!(config.auth, expected);
    let notes: Vec<&str> = config.notes.iter().map(String::as_str).collect();
    assert!(
        notes[0].starts_with("line 6, column 3: `storage.cache` has no meaning here"),
        "{notes:?}"
    );
}

#[test]
fn variables_override_every_key() {
    let variables = [
        ("REGISTRY_HTTP_ADDR", "localhost:7000"),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/elsewhere"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "false"),
        ("REGISTRY_LOG_LEVEL", "debug"),
        ("REGISTRY_TRUST_HOSTS", "[registry.example.com]"),
        ("REGISTRY_TRUST_PLAINHTTP", "true"),
    ];
    let config = loaded(DEBIAN, &variables).unwrap();
    assert_eq!(config.http.listen, Listen::Tcp("localhost:7000".to_owned()));
    assert_eq!(config.data, Path::new("/elsewhere"));
    assert!(!config.registry.delete);
    assert_eq!(config.hosts, ["registry.example.com"]);
    let wrong = loaded(DEBIAN, &[("REGISTRY_HTTP_ADRR", ":1")]).unwrap_err();
    let expected = "the variable REGISTRY_HTTP_ADRR: `http.adrr` is not a key of the configuration";
    assert_eq!(wrong.to_string(), expected);
}

#[test_case(
    "http: {tls: {certificte: x}}",
    "line 3, column 14: `http.tls.certificte` is not a key of the configuration"
)]
#[test_case(
    "storage: {s3: {bucket: x}}",
    "line 3, column 11: `storage.s3` is not supported: content is kept in a folder"
)]
#[test_case(
    "proxy: {remoteurl: x}",
    "line 3, column 1: `proxy` is not supported: this server mirrors no other registry"
)]
#[test_case(
    "http: {addr: ':5000'}",
    "plain HTTP is served to this machine alone, and `:5000` is open to others"
)]
#[test_case("http: {addr: '5000'}", "line 3, column 8: `http.addr` is no address such as :5000")]
#[test_case(
    "http: {draintimeout: 10}",
    "line 3, column 22: `http.draintimeout` is no duration such as 30s, 1h30m or 7d: `10`"
)]
#[test_case(
    "http: {tls: {certificate: x}}",
    "`http.tls.key` is missing: `http.tls.certificate` is there"
)]
#[test_case(
    "http: {headers: {'a b': [c]}}",
    "line 3, column 18: `http.headers.a b` is no header field that can be sent"
)]
#[test_case("auth: {htpasswd: {realm: x}}", "`auth.htpasswd.path` is missing: passwords are there")]
#[test_case(
    "auth: {silly: {realm: x}}",
    "line 3, column 8: `auth.silly` is not supported: it lets everybody in who says anything"
)]
#[test_case(
    "log: {level: inof}",
    "line 3, column 14: `log.level` is `inof`, which is none of `error`, `warn`, `warning`, `info`, `debug`, `trace`; did you mean `info`?"
)]
#[test_case(
    "trust: {limits: {idle: 0s}}",
    "line 3, column 18: `trust.limits.idle` is no time at all"
)]
fn mistakes_are_named(line: &str, expected: &str) {
    let text = format!("version: 0.1\nstorage: {{filesystem: {{}}}}\n{line}\n");
    let text = if line.starts_with("storage") {
        format!("version: 0.1\nhttp: {{addr: 'localhost:5000'}}\n{line}\n")
    } else {
        text
    };
    assert_eq!(loaded(&text, &[]).unwrap_err().to_string(), expected);
}

#[test]
fn a_section_of_ours_makes_the_server_ours() {
    let config = loaded("version: 0.1\nhttp: {addr: ':5000'}\ntrust: {hosts: [a.example]}\n", &[]);
    let config = config.unwrap();
    assert!(matches!(config.http.scheme, Scheme::Tls { files: None, .. }));
    assert_eq!(config.data, Path::new("/var/lib/default"));
}

#[test]
fn what_is_printed_means_the_same_and_tells_no_secret() {
    let text = format!(
        "{DEBIAN}trust:\n  database: postgres://u:hidden@h/d\n  policy: {{rules: [{{x: hidden}}]}}\n"
    );
    let text = text.replace("  headers:", "  secret: hidden\n  headers:");
    let config = loaded(&text, &[]).unwrap();
    let shown = show(&config);
    assert!(!shown.contains("hidden") && !format!("{config:?}").contains("hidden"), "{shown}");
    let again = loaded(&shown, &[]).unwrap();
    assert_eq!(show(&again), shown);
}

#[test]
fn nothing_typed_is_a_server_for_this_machine() {
    let config = load(&Source { default_data: Some("/d".into()), ..Source::default() }).unwrap();
    assert_eq!(config.http.listen, Listen::Tcp("localhost:5000".to_owned()));
    assert!(matches!(config.http.scheme, Scheme::Tls { files: None, .. }));
    assert!(config.registry.delete);
}
