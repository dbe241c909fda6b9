//! One configuration file, read by `notary` and by `trust`: both accept, or both refuse, but for
//! the differences that are named here (`spec/configuration.md`).

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};
use trust::crypto::KeyType;

use crate::harness::{Key, Reply, Repository, Victim};
use crate::peers::{NotaryOptions, NotaryServer, User};

/// What the two programs make of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Both,
    Neither,
    OnlyNotary,
    OnlyTrust,
}

use Outcome::{Both, Neither, OnlyNotary, OnlyTrust};

const OTHER: &str = "1111111111111111111111111111111111111111111111111111111111111111";

/// Lets both read a repository for the first time, under these pins.
fn read(name: &str, server: &Value, gun: &str, pins: &Value, files: &[(&str, &str)]) -> Outcome {
    let user = User::new();
    let folder = user.home().join("etc");
    fs::create_dir(&folder).unwrap();
    for (file, text) in files {
        fs::write(user.home().join(file), text).unwrap();
    }
    let config = json!({
        "trust_dir": "~/by-notary",
        "remote_server": server,
        "trust_pinning": pins,
        "logging": {"level": "error"},
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let config = "etc/config.json";
    let notary = user.program("notary", &["-c", config, "list", gun]);
    assert!(user.home().join("by-notary").exists(), "{notary:?}");
    let trust = user.trust(&["-c", config, "-d", "by-trust", "inspect", gun]);
    if trust.code != 0 {
        assert_eq!(trust.code, 12, "{name}: {trust:?}");
    }
    match (notary.code, trust.code) {
        (0, 0) => Both,
        (0, _) => OnlyNotary,
        (_, 0) => OnlyTrust,
        _ => Neither,
    }
}

#[test]
fn both_read_the_same_pins() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let mut owner = User::new();
    owner.use_notary(&server);
    let ca = fs::read_to_string(server.ca_pem()).unwrap();
    let remote = json!({"url": server.url(), "root_ca": "ca.pem"});
    let files = [("etc/ca.pem", ca.as_str())];
    let gun = "registry.example.com/team/app";
    owner.notary(&["init", "-p", gun]).success();
    let root: Value = serde_json::from_slice(&server.metadata(gun, "root").body).unwrap();
    let id = root["signed"]["roles"]["root"]["keyids"][0].as_str().unwrap();
    let certs = |name: &str, ids: Value| json!({"certs": {name: ids}});
    let rows = [
        ("nothing pinned", json!({}), Both),
        ("the exact name", certs(gun, json!([id])), Both),
        ("one of several", certs(gun, json!([OTHER, id])), Both),
        ("another key", certs(gun, json!([OTHER])), Neither),
        ("no key at all", certs(gun, json!([])), Neither),
        ("a prefix", certs("registry.example.com/*", json!([id])), Both),
        ("another key for a prefix", certs("registry.example.com/*", json!([OTHER])), Neither),
        ("a prefix of something else", certs("registry.example.org/*", json!([OTHER])), Both),
        ("a star for all", certs("*", json!([OTHER])), Neither),
        ("a prefix without a star", certs("registry.example.com/", json!([OTHER])), Both),
        (
            "the longest prefix",
            json!({"certs": {"registry.example.com/*": [OTHER], "registry.example.com/t*": [id]}}),
            Both,
        ),
        (
            "the exact name before prefixes",
            json!({"certs": {"registry.example.com/team/*": [id], gun: [OTHER]}}),
            Neither,
        ),
        ("first use forbidden", json!({"disable_tofu": true}), Neither),
        ("forbidden in another form", json!({"disable_tofu": "true"}), Neither),
        (
            "first use forbidden and pinned",
            json!({"disable_tofu": true, "certs": {gun: [id]}}),
            Both,
        ),
        (
            "first use forbidden and another pinned",
            json!({"disable_tofu": true, "certs": {"x/y": [id]}}),
            Neither,
        ),
        ("a name in upper case", certs("Registry.Example.com/Team/App", json!([OTHER])), Neither),
        ("members in any case", json!({"Certs": {gun: [OTHER]}}), Neither),
    ];
    for (name, pins, expected) in rows {
        assert_eq!(read(name, &remote, gun, &pins, &files), expected, "{name}");
    }

    // The named difference: notary cannot pin a name that has an upper-case letter.
    let gun = "registry.example.com/team/App";
    owner.notary(&["init", "-p", gun]).success();
    let pins = certs(gun, json!([OTHER]));
    let user = User::new();
    fs::create_dir(user.home().join("etc")).unwrap();
    fs::write(user.home().join("etc/ca.pem"), &ca).unwrap();
    let config = json!({"remote_server": remote, "trust_pinning": pins}).to_string();
    fs::write(user.home().join("etc/config.json"), config).unwrap();
    user.program("notary", &["-c", "etc/config.json", "list", gun]).success();
    let pinned = user.trust(&["-c", "etc/config.json", "repo", "pin", gun, "--current", "-y"]);
    pinned.expect_code(12);
}

#[test]
fn both_read_pinned_authorities() {
    let mut victim = Victim::new();
    let gun = victim.repository.gun().to_owned();
    victim.replies.set("?", Reply::status(200, "{}"));
    let remote = json!({"url": victim.server().url(), "skipTLSVerify": true});
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    let code = ExtendedKeyUsagePurpose::CodeSigning;
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    let rows = [
        ("no purpose", Bundle::Whole, vec![], Both),
        ("a server's purpose", Bundle::Whole, vec![server], Both),
        // Notary asks for a server's certificate, whatever it is for.
        ("code signing", Bundle::Whole, vec![code], OnlyTrust),
        ("another purpose", Bundle::Whole, vec![client], Neither),
        ("the intermediate is missing", Bundle::LeafOnly, vec![], Neither),
    ];
    for (name, bundle, purposes, expected) in rows {
        let authority = certify(&mut victim, &gun, &bundle, purposes);
        let path = victim.user().home().join("authority.pem");
        fs::write(&path, &authority).unwrap();
        for (prefix, expected) in
            [(gun.as_str(), expected), ("local", expected), ("elsewhere", Both)]
        {
            let pins = json!({"ca": {prefix: path}});
            assert_eq!(read(name, &remote, &gun, &pins, &[]), expected, "{name} for {prefix}");
        }
    }
    // Pinned or not: who lists an authority that has expired is not believed.
    certify(&mut victim, &gun, &Bundle::ExpiredBetween, vec![]);
    assert_eq!(expired_between(&remote, &gun), (1, 6));
    let authority = certify(&mut victim, &gun, &Bundle::Whole, vec![]);
    let other = self_signed("another").pem();
    let relative = |file: &str| json!({"ca": {&gun: file}});
    // The named difference: notary begins at the current folder, trust at the file's.
    let both = [("ca.pem", other.as_str()), ("etc/ca.pem", authority.as_str())];
    assert_eq!(read("in the file's folder", &remote, &gun, &relative("ca.pem"), &both), OnlyTrust);
    let both = [("ca.pem", authority.as_str()), ("etc/ca.pem", other.as_str())];
    assert_eq!(
        read("in the current folder", &remote, &gun, &relative("ca.pem"), &both),
        OnlyNotary
    );
}

/// What notary and trust make of a repository that nothing pins.
fn expired_between(server: &Value, gun: &str) -> (i32, i32) {
    let user = User::new();
    fs::create_dir(user.home().join("etc")).unwrap();
    let config = json!({"remote_server": server}).to_string();
    fs::write(user.home().join("etc/config.json"), config).unwrap();
    let notary = user.program("notary", &["-c", "etc/config.json", "list", gun]);
    let trust = user.trust(&["-c", "etc/config.json", "inspect", gun]);
    (notary.code, trust.code)
}

/// What the repository's root key is listed with.
enum Bundle {
    Whole,
    LeafOnly,
    ExpiredBetween,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// Gives the repository a root key certified through an intermediate; returns the authority's PEM.
fn certify(
    victim: &mut Victim,
    gun: &str,
    bundle: &Bundle,
    purposes: Vec<ExtendedKeyUsagePurpose>,
) -> String {
    let authority = self_signed("authority");
    let mut params = authority_params("intermediate");
    if matches!(bundle, Bundle::ExpiredBetween) {
        params.not_before = rcgen::date_time_ymd(2015, 1, 1);
        params.not_after = rcgen::date_time_ymd(2016, 1, 1);
    }
    let pair = KeyPair::generate().unwrap();
    let between = CertifiedIssuer::signed_by(params, pair, &authority).unwrap();
    let key = Key::plain();
    let pair = KeyPair::try_from(key.pkcs8()).unwrap();
    let mut leaf = CertificateParams::new(Vec::new()).unwrap();
    leaf.distinguished_name = DistinguishedName::new();
    leaf.distinguished_name.push(DnType::CommonName, gun);
    leaf.extended_key_usages = purposes;
    let mut pem = leaf.signed_by(&pair, &between).unwrap().pem();
    if !matches!(bundle, Bundle::LeafOnly) {
        pem.push_str(&between.pem());
    }
    victim.repository = Repository::new(gun);
    let key = key.listed_as(KeyType::EcdsaX509, pem.into_bytes());
    victim.repository.grant("root", &[key], 1);
    victim.publish();
    authority.pem()
}

fn self_signed(name: &str) -> Issuer {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

#[test]
fn paths_and_places_are_those_of_notary() {
    let user = User::new();
    let config = user.home().join(".notary");
    fs::create_dir(&config).unwrap();
    // The very file that notary reads by itself, found where its keys are.
    fs::write(config.join("config.json"), r#"{"trust_dir": "moved"}"#).unwrap();
    let root = user.program("notary", &["key", "generate", "ecdsa"]).success();
    assert!(user.home().join("moved/private").is_dir(), "{root:?}");
    let listed = user.trust(&["-d", ".notary", "key", "ls"]).success();
    assert!(!listed.stdout.contains("root"), "a flag goes before the file: {listed:?}");
    let listed = user.trust(&["-c", ".notary/config.json", "key", "ls"]).success();
    assert!(listed.stdout.contains("root"), "{listed:?}");
    assert!(Path::new(&user.home()).join("moved").is_dir());
}
