//! Images of every kind that registries hold.

use std::path::Path;

use test_case::test_case;

use super::world::{APP, World, assert_same_inspection, assert_trusted};
use crate::peers::image::{Dialect, Pushed, push_image_as, push_index, retag_raw};
use crate::peers::{Dockerd, User};

#[test_case(Dialect::Docker)]
#[test_case(Dialect::Oci)]
fn an_index_is_signed_as_such(dialect: Dialect) {
    let world = World::open();
    let owner = world.user();
    let index = push_index(&world.registry, APP, "many", b"content", dialect);
    let name = world.name("many");
    owner.trust(&["sign", &name]).success();
    assert_eq!(digest(&owner, &[&name]), index.digest);
    assert_same_inspection(&owner, &name);
    let size = index.size.to_string();
    let found = owner.notary(&["lookup", &world.repository(), "many"]).success().stdout;
    assert_eq!(found.trim(), format!("many sha256:{} {size}", index.hex()));

    let whole = owner.trust(&["verify", "--children", &name]).success();
    assert!(whole.stdout.contains("2 of its manifests"), "{whole:?}");
    let arm = child(&index, "arm64");
    assert_eq!(digest(&owner, &["--platform", "linux/arm64", &name]), arm);
    owner.trust(&["verify", "--platform", "windows/amd64", &name]).expect_code(8);

    let path = format!("/v2/{APP}/manifests/{arm}");
    assert_eq!(world.registry.request("DELETE", &path, &[], b"").status, 202);
    owner.trust(&["verify", &name]).success();
    let missing = owner.trust(&["verify", "--children", &name]).expect_code(8);
    assert!(missing.stderr.contains(&arm), "{missing:?}");
}

#[test_case(Dialect::Docker)]
#[test_case(Dialect::Oci)]
fn one_platform_of_an_index_is_signed(dialect: Dialect) {
    let world = World::open();
    let owner = world.user();
    let index = push_index(&world.registry, APP, "many", b"content", dialect);
    let name = world.name("many");
    owner.trust(&["sign", "--platform", "linux/arm64", &name]).success();
    let arm = child(&index, "arm64");
    let found = owner.notary(&["lookup", &world.repository(), "many"]).success().stdout;
    assert!(found.contains(arm.trim_start_matches("sha256:")), "{found}");
    assert_eq!(digest(&owner, &["--platform", "linux/arm64", &name]), arm);
    owner.trust(&["verify", "--platform", "linux/amd64", &name]).expect_code(5);
    let moved = owner.trust(&["verify", &name]).expect_code(5);
    assert!(moved.stderr.contains(&index.digest), "{moved:?}");
}

#[test]
fn docker_pulls_the_index_that_we_signed() {
    let world = World::open();
    let daemon = Dockerd::start();
    let owner = world.docker_user(&daemon);
    for (tag, dialect) in [("docker", Dialect::Docker), ("oci", Dialect::Oci)] {
        let index = push_index(&world.registry, APP, tag, tag.as_bytes(), dialect);
        owner.trust(&["sign", &world.name(tag)]).success();
        assert_trusted(&owner, &world.name(tag), &index.digest);
        let single = format!("{tag}-single");
        let image = push_image_as(&world.registry, APP, &single, tag.as_bytes(), dialect);
        owner.trust(&["sign", &world.name(&single)]).success();
        assert_trusted(&owner, &world.name(&single), &image.digest);
    }
    assert_same_inspection(&owner, &world.repository());
}

#[test]
fn all_tags_are_signed_at_once() {
    let world = World::open();
    let owner = world.user();
    let pushed: Vec<_> =
        (0..12).map(|n| (n, world.push(&format!("v{n}"), &n.to_string()))).collect();
    let signed = owner.trust(&["sign", "--all-tags", &world.repository()]).success();
    assert_eq!(signed.stdout.lines().count(), 12);
    for (n, image) in &pushed {
        assert_eq!(digest(&owner, &[&world.name(&format!("v{n}"))]), image.digest);
    }
    assert_same_inspection(&owner, &world.repository());
    let again = owner.trust(&["sign", "--all-tags", &world.repository()]).success();
    assert!(again.stdout.lines().all(|line| line.starts_with("Already signed ")), "{again:?}");
}

#[test]
fn two_tags_of_one_image_and_its_digest() {
    let world = World::open();
    let owner = world.user();
    let image = world.push("1", "content");
    retag_raw(&world.registry, APP, "latest", &image.media_type, image.manifest.clone());
    let other = world.push("2", "other content");
    let by_digest = format!("{}@{}", world.repository(), image.digest);
    owner.trust(&["sign", &world.name("1"), &world.name("2")]).success();
    owner.trust(&["verify", &world.repository()]).expect_code(3);
    owner.trust(&["sign", &world.name("latest")]).success();

    assert_eq!(digest(&owner, &[&by_digest]), image.digest);
    let document = owner.trust(&["verify", "--json", &by_digest]).success().stdout;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document[0]["verdict"]["tags"], serde_json::json!(["1", "latest"]));
    // Without a tag it is `latest`, as everywhere.
    assert_eq!(digest(&owner, &[&world.repository()]), image.digest);
    let both = format!("{}:1@{}", world.repository(), image.digest);
    assert_eq!(digest(&owner, &[&both]), image.digest);
    let crossed = format!("{}:1@{}", world.repository(), other.digest);
    owner.trust(&["verify", &crossed]).expect_code(5);
    let unsigned = world.push("3", "never signed");
    let unsigned = format!("{}@{}", world.repository(), unsigned.digest);
    owner.trust(&["verify", &unsigned]).expect_code(3);

    // One revoked, the digest is still trusted by the other; then by none.
    owner.trust(&["revoke", &world.name("1")]).success();
    assert_eq!(digest(&owner, &[&by_digest]), image.digest);
    owner.trust(&["revoke", &world.name("latest")]).success();
    owner.trust(&["verify", &by_digest]).expect_code(3);
}

#[test]
fn a_tag_that_moved_is_refused_until_it_is_signed_again() {
    let world = World::open();
    let daemon = Dockerd::start();
    let owner = world.docker_user(&daemon);
    let name = world.name("1");
    let before = world.push("1", "before");
    owner.trust(&["sign", "--signer", "alice", &name]).success();
    let after = world.push("1", "after");
    let moved = owner.trust(&["verify", &name]).expect_code(5);
    assert!(moved.stderr.contains(&before.digest), "{moved:?}");
    assert!(moved.stderr.contains(&after.digest), "{moved:?}");
    let expected = ["sign", "--digest", &before.digest, &name];
    let refused = owner.trust(&expected);
    assert_ne!(refused.code, 0, "{refused:?}");
    let signed = owner.trust(&["sign", "--digest", &after.digest, &name]).success();
    for role in ["targets/alice", "targets/releases"] {
        let said = format!("{role} vouched for {} as {name} until now", before.digest);
        assert!(signed.stderr.contains(&said), "{signed:?}");
    }
    assert_trusted(&owner, &name, &after.digest);
    let deleted = format!("/v2/{APP}/manifests/{}", after.digest);
    assert_eq!(world.registry.request("DELETE", &deleted, &[], b"").status, 202);
    owner.trust(&["verify", &name]).expect_code(8);
}

/// Everybody has the example keys, so they sign only for servers on this machine.
#[test]
fn example_keys_sign_for_this_machine_alone() {
    let world = World::open();
    let mut owner = world.user();
    owner.set("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "example root passphrase");
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys-example");
    let root = keys.join("EXAMPLE-root.key").display().to_string();
    let alice = keys.join("EXAMPLE-alice.pub").display().to_string();
    owner.trust(&["key", "import", &root]).success();
    let elsewhere = "registry.example.com/app";
    let add = ["signer", "add", "--key", &alice, "alice", elsewhere];
    let refused = owner.trust(&add).expect_code(12);
    assert!(refused.stderr.contains("example key"), "{refused:?}");
    assert_eq!(world.notary.metadata(elsewhere, "root").status, 404);
    owner.trust(&[&["--allow-example-keys"], &add[..]].concat()).success();
    owner.trust(&["signer", "add", "--key", &alice, "alice", &world.repository()]).success();
    owner.notary(&["list", elsewhere]).success();
}

fn digest(user: &User, args: &[&str]) -> String {
    let verified = user.trust(&[&["verify", "--digest"], args].concat()).success();
    let line = verified.stdout.strip_suffix('\n').unwrap();
    line.rsplit_once('@').unwrap().1.to_owned()
}

/// The digest of the manifest for an architecture in an index.
fn child(index: &Pushed, architecture: &str) -> String {
    let index: serde_json::Value = serde_json::from_slice(&index.manifest).unwrap();
    let members = index["manifests"].as_array().unwrap();
    let fits = |member: &&serde_json::Value| member["platform"]["architecture"] == architecture;
    members.iter().find(fits).unwrap()["digest"].as_str().unwrap().to_owned()
}
