//! Images between the layout and real registries, open and closed.

use std::fs;

use serde_json::Value;

use crate::peers::certificates::Authority;
use crate::peers::image::{self, Dialect, digest, fetch_manifest};
use crate::peers::{
    Account, Registry, RegistryAuth, RegistryOptions, TokenOptions, TokenServer, User,
};

const APP: &str = "team/app";

/// The index of a person's layout.
pub(super) fn index(user: &User) -> Value {
    let path = user.home().join(".local/share/trust/images/index.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Names and digests of a person's images: those that are sent on, not those of twins.
pub(super) fn images(user: &User) -> Vec<(String, String)> {
    let index = index(user);
    let entries = index["manifests"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = |entry: &Value| text(&entry["annotations"]["org.opencontainers.image.ref.name"]);
    let digest = |entry: &Value| {
        let original = entry["annotations"]["vnd.trust.image.original"].as_str();
        let original = original.map(|text| serde_json::from_str::<Value>(text).unwrap());
        text(&original.as_ref().unwrap_or(entry)["digest"])
    };
    entries.map(|entry| (name(entry), digest(entry))).collect()
}

/// Where a person's images are, for other programs.
pub(super) fn layout(user: &User) -> String {
    user.home().join(".local/share/trust/images").display().to_string()
}

fn name(registry: &Registry, repository: &str, tag: &str) -> String {
    format!("{}/{repository}:{tag}", registry.host_port())
}

#[test]
fn what_is_pulled_is_what_is_served_and_goes_back_unchanged() {
    for dialect in [Dialect::Docker, Dialect::Oci] {
        let registry = Registry::start(&RegistryOptions::default());
        let pushed = image::push_image_as(&registry, APP, "1", b"content", dialect);
        let user = User::new();
        let image = name(&registry, APP, "1");
        let pulled = user.trust(&["pull", &image]).success();
        assert_eq!(pulled.stdout, format!("{image}\n"));
        assert!(pulled.stderr.contains(&format!("Digest: {}", pushed.digest)), "{pulled:?}");
        assert!(pulled.stderr.contains("Status: Downloaded newer image"), "{pulled:?}");
        assert_eq!(images(&user), [(image.clone(), pushed.digest.clone())]);
        let again = user.trust(&["pull", &image]).success();
        assert!(again.stderr.contains("Status: Image is up to date"), "{again:?}");
        // Others find it in the layout by the same name, or its twin.
        let theirs = format!("oci:{}:{image}", layout(&user));
        let raw = user.program("skopeo", &["inspect", "--raw", &theirs]).success();
        assert_eq!(digest(raw.stdout.as_bytes()) == pushed.digest, dialect == Dialect::Oci);
        let images = layout(&user);
        let unpacked = user.home().join("unpacked").display().to_string();
        let bundle = ["unpack", "--image", &format!("{images}:{image}"), &unpacked];
        user.program("umoci", &bundle).success();
        assert_eq!(fs::read(format!("{unpacked}/rootfs/content")).unwrap(), b"content");
        // Another registry gets the same bytes.
        let other = Registry::start(&RegistryOptions::default());
        let copy = name(&other, "x/y", "2");
        user.trust(&["tag", &image, &copy]).success();
        let sent = user.trust(&["push", &copy]).success();
        let size = pushed.size;
        assert_eq!(sent.stdout, format!("2: digest: {} size: {size}\n", pushed.digest));
        assert!(sent.stderr.contains(": Pushed"), "{sent:?}");
        let served = fetch_manifest(&other, "x/y", "2");
        assert_eq!(served.body, pushed.manifest);
        assert_eq!(served.header("content-type"), Some(pushed.media_type.as_str()));
        let sent = user.trust(&["push", &copy]).success();
        assert!(sent.stderr.contains("Layer already exists"), "{sent:?}");
        assert!(!sent.stderr.contains(": Pushed"), "{sent:?}");
    }
}

#[test]
fn blobs_are_mounted_from_where_the_image_came() {
    let registry = Registry::start(&RegistryOptions::default());
    image::push_image(&registry, APP, "1", b"content");
    let user = User::new();
    let (from, to) = (name(&registry, APP, "1"), name(&registry, "other/app", "1"));
    user.trust(&["pull", &from]).success();
    user.trust(&["tag", &from, &to]).success();
    let sent = user.trust(&["push", &to]).success();
    assert_eq!(sent.stderr.matches("Mounted from another repository").count(), 2, "{sent:?}");
    assert!(!sent.stderr.contains(": Pushed"), "{sent:?}");
}

#[test]
fn images_for_several_platforms() {
    for dialect in [Dialect::Docker, Dialect::Oci] {
        let registry = Registry::start(&RegistryOptions::default());
        let pushed = image::push_index(&registry, APP, "1", b"content", dialect);
        let members: Value = serde_json::from_slice(&pushed.manifest).unwrap();
        let member = |at: usize| members["manifests"][at]["digest"].as_str().unwrap().to_owned();
        let image = name(&registry, APP, "1");
        let user = User::new();
        let pulled = user.trust(&["pull", &image]).success();
        assert!(pulled.stderr.contains(&format!("Digest: {}", pushed.digest)), "{pulled:?}");
        assert_eq!(images(&user), [(image.clone(), member(0))]);
        let source = &index(&user)["manifests"][0]["annotations"]["vnd.trust.image.source"];
        let repository = format!("{}/{APP}", registry.host_port());
        assert_eq!(*source, format!("{repository}@{}", pushed.digest));
        user.trust(&["pull", "--platform", "linux/arm64", &image]).success();
        assert_eq!(images(&user).last().unwrap(), &(image.clone(), member(1)));
        let none = user.trust(&["pull", "--platform", "linux/s390x", &image]).expect_code(8);
        assert!(none.stderr.contains("has nothing for linux/s390x"), "{none:?}");
        user.trust(&["pull", "--all-platforms", &image]).success();
        assert_eq!(images(&user).last().unwrap(), &(image.clone(), pushed.digest.clone()));
        // All of it arrives elsewhere, too.
        let other = Registry::start(&RegistryOptions::default());
        let copy = name(&other, "x", "1");
        let copied = user.trust(&["copy", "--all", &image, &copy]).success();
        assert_eq!(copied.stdout, format!("{copy}@{}\n", pushed.digest));
        assert_eq!(fetch_manifest(&other, "x", "1").body, pushed.manifest);
        for at in [0, 1] {
            assert_eq!(digest(&fetch_manifest(&other, "x", &member(at)).body), member(at));
        }
        let one = name(&other, "y", "1");
        let copied = user.trust(&["copy", "--platform", "linux/arm64", &image, &one]).success();
        assert_eq!(copied.stdout, format!("{one}@{}\n", member(1)));
    }
}

#[test]
fn an_image_for_one_platform_is_not_taken_for_another() {
    let registry = Registry::start(&RegistryOptions::default());
    image::push_image(&registry, APP, "1", b"content");
    let user = User::new();
    let image = name(&registry, APP, "1");
    let refused = user.trust(&["pull", "--platform", "linux/arm64", &image]).expect_code(8);
    assert!(refused.stderr.contains("is for linux/amd64, not for linux/arm64"), "{refused:?}");
    assert!(images(&user).is_empty());
}

#[test]
fn all_tags_come_and_go() {
    let registry = Registry::start(&RegistryOptions::default());
    for tag in ["1", "2", "latest"] {
        image::push_image(&registry, APP, tag, tag.as_bytes());
    }
    let user = User::new();
    let repository = format!("{}/{APP}", registry.host_port());
    let pulled = user.trust(&["pull", "-a", &repository]).success();
    let expected: Vec<String> =
        ["1", "2", "latest"].iter().map(|tag| format!("{repository}:{tag}")).collect();
    assert_eq!(pulled.stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(images(&user).len(), 3);
    let pushed = user.trust(&["push", "-a", &repository]).success();
    assert_eq!(pushed.stdout.lines().count(), 3, "{pushed:?}");
    let quiet = user.trust(&["push", "-q", &format!("{repository}:1")]).success();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), (&*format!("{repository}:1\n"), ""));
    user.trust(&["pull", "-a", &format!("{repository}:1")]).expect_code(2);
    let missing = user.trust(&["push", &format!("{repository}:nope")]).expect_code(8);
    assert!(missing.stderr.contains("does not exist locally with the tag"), "{missing:?}");
    let none = user.trust(&["push", "-a", &format!("{repository}x")]).expect_code(8);
    assert!(none.stderr.contains("no image of"), "{none:?}");
    let gone = user.trust(&["pull", &format!("{repository}:nope")]).expect_code(8);
    assert!(gone.stderr.contains("is not in the registry"), "{gone:?}");
}

#[test]
fn registries_with_passwords() {
    let auth = RegistryAuth::Htpasswd { user: "alice", password: "wonderland" };
    let registry = Registry::start(&RegistryOptions { auth, ..RegistryOptions::default() });
    let pushed = image::push_image(&registry, APP, "1", b"content");
    let image = name(&registry, APP, "1");
    let mut user = User::new();
    let refused = user.trust(&["pull", &image]).expect_code(9);
    assert!(refused.stderr.contains("refuses access without a valid login"), "{refused:?}");
    user.log_in(&registry.host_port(), "alice", "wrong");
    user.trust(&["pull", &image]).expect_code(9);
    user.log_in(&registry.host_port(), "alice", "wonderland");
    user.trust(&["pull", &image]).success();
    assert_eq!(images(&user), [(image.clone(), pushed.digest)]);
    user.trust(&["copy", &image, &name(&registry, "other", "1")]).success();
    user.trust(&["push", &image]).success();
}

#[test]
fn registries_with_tokens() {
    let grants: [(&str, &[&str]); 2] = [(APP, &["pull"]), ("mine/app", &["pull", "push"])];
    let account = Account::new("bob", "builder", &grants);
    let tokens =
        TokenServer::start(TokenOptions { accounts: vec![account], ..TokenOptions::default() });
    let auth = RegistryAuth::Token(&tokens);
    let registry = Registry::start(&RegistryOptions { auth, ..RegistryOptions::default() });
    image::push_image(&registry, APP, "1", b"content");
    let image = name(&registry, APP, "1");
    let mut user = User::new();
    user.trust(&["pull", &image]).expect_code(9);
    user.log_in(&registry.host_port(), "bob", "builder");
    user.trust(&["pull", &image]).success();
    let refused = user.trust(&["push", &image]);
    assert_eq!(refused.code, 9, "{refused:?}");
    let mine = name(&registry, "mine/app", "1");
    let copied = user.trust(&["copy", &image, &mine]).success();
    // One token for both repositories let the blobs be mounted.
    assert_eq!(copied.stderr.matches("Mounted from another repository").count(), 2, "{copied:?}");
    user.trust(&["pull", &mine]).success();
    let sent = user.trust(&["push", &mine]).success();
    assert!(sent.stderr.contains("Layer already exists"), "{sent:?}");
}

#[test]
fn registries_with_certificates() {
    let authority = Authority::new();
    let options = RegistryOptions { tls: Some(&authority), ..RegistryOptions::default() };
    let registry = Registry::start(&options);
    let pushed = image::push_image(&registry, APP, "1", b"content");
    let image = name(&registry, APP, "1");
    let user = User::new();
    let folder = user.docker_config().join("certs.d").join(registry.host_port());
    fs::create_dir_all(&folder).unwrap();
    fs::copy(authority.certificate_file(), folder.join("ca.crt")).unwrap();
    user.trust(&["pull", &image]).success();
    assert_eq!(images(&user), [(image.clone(), pushed.digest)]);
    user.trust(&["push", &image]).success();
}

#[test]
fn nobody_there() {
    let mut registry = Registry::start(&RegistryOptions::default());
    image::push_image(&registry, APP, "1", b"content");
    let image = name(&registry, APP, "1");
    let user = User::new();
    user.trust(&["pull", &image]).success();
    let before = index(&user);
    registry.stop();
    for command in [&["pull"][..], &["push"], &["copy", &image]] {
        let failed = user.trust(&[command, &[&image]].concat()).expect_code(10);
        assert!(failed.stderr.contains("cannot reach"), "{failed:?}");
    }
    assert_eq!(index(&user), before);
}

#[test]
fn images_by_digest() {
    let registry = Registry::start(&RegistryOptions::default());
    let pushed = image::push_image(&registry, APP, "1", b"content");
    let user = User::new();
    let image = format!("{}/{APP}@{}", registry.host_port(), pushed.digest);
    let pulled = user.trust(&["pull", &image]).success();
    assert_eq!(pulled.stdout, format!("{image}\n"));
    assert_eq!(images(&user), [(image.clone(), pushed.digest)]);
    let refused = user.trust(&["push", &image]).expect_code(2);
    assert!(refused.stderr.contains("cannot push a digest reference"), "{refused:?}");
    let other = format!("{}/{APP}@{}", registry.host_port(), digest(b"other"));
    user.trust(&["pull", &other]).expect_code(8);
}
