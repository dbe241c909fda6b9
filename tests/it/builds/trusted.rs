//! With content trust: no base that nobody signed, and what is pushed is signed.

use std::fs;

use super::world::World;
use crate::peers::image::{self, fetch_manifest};
use crate::peers::{Dockerd, NotaryOptions, NotaryServer, Registry, RegistryOptions};

struct Trusted {
    registry: Registry,
    notary: NotaryServer,
}

impl Trusted {
    fn start() -> Self {
        let registry = Registry::start(&RegistryOptions::default());
        Self { registry, notary: NotaryServer::start(&NotaryOptions::default()) }
    }

    fn world(&self, dockerfile: &str) -> World {
        let mut world = World::with(&[("Dockerfile", dockerfile), ("a.txt", "x")]);
        world.user.use_notary(&self.notary);
        world.user.set("DOCKER_CONTENT_TRUST", "1");
        world
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.host_port())
    }
}

#[test]
fn an_unsigned_base_is_refused_at_its_line() {
    let trusted = Trusted::start();
    image::push_image(&trusted.registry, "base", "1", b"signed");
    let base = trusted.name("base:1");
    let world = trusted.world(&format!("# comment\nFROM {base}\nCOPY a.txt /\n"));
    let refused = world.build(&["-t", "app:1", "app"]).expect_code(3);
    assert!(refused.stderr.contains("--> Dockerfile:2:6"), "{refused:?}");
    assert!(refused.stderr.contains(&format!("2 | FROM {base}")), "{refused:?}");
    assert!(refused.stderr.contains("does not have trust data"), "{refused:?}");
    assert!(refused.stderr.contains("--disable-content-trust"), "{refused:?}");
    assert!(
        !world.path(".local/share/trust/images/index.json").exists() || {
            let listed = world.user.trust(&["images", "-q"]).success();
            listed.stdout.is_empty()
        }
    );
    // Signed, it is taken; and it is the signed one, whatever the tag means now.
    world.user.trust(&["sign", &base]).success();
    let built = world.build(&["app"]).success();
    assert!(!built.stderr.contains("unpinned"), "{built:?}");
    let signed = built.stdout.trim().to_owned();
    image::push_image(&trusted.registry, "base", "1", b"swapped");
    assert_eq!(world.digest(&["--no-cache", "--pull", "app"]), signed);
    // So is the source of a copy.
    image::push_image(&trusted.registry, "tool", "1", b"unsigned");
    let text = format!("FROM {base}\nCOPY --from={} /content /\n", trusted.name("tool:1"));
    fs::write(world.path("app/Dockerfile"), text).unwrap();
    let refused = world.build(&["app"]).expect_code(3);
    assert!(refused.stderr.contains("--> Dockerfile:2:"), "{refused:?}");
    let taken = world.build(&["--disable-content-trust", "app"]).success();
    assert!(taken.stderr.contains("content trust is switched off"), "{taken:?}");
}

#[test]
fn what_is_here_is_no_more_trusted_than_what_is_there() {
    let trusted = Trusted::start();
    let world = trusted.world("FROM scratch\nCOPY a.txt /\n");
    let base = trusted.name("base:1");
    world.build(&["-t", &base, "app"]).success();
    fs::write(world.path("app/Dockerfile"), format!("FROM {base}\n")).unwrap();
    world.build(&["app"]).expect_code(3);
    world.build(&["--disable-content-trust", "app"]).success();
    // Neither is an image of a folder.
    fs::write(world.path("app/Dockerfile"), "FROM scratch\n").unwrap();
    world.build(&["-o", "type=layout,dest=layout", "app"]).success();
    fs::write(world.path("app/Dockerfile"), "FROM base\n").unwrap();
    let words = ["--build-context", "base=oci-layout://layout", "app"];
    let refused = world.build(&words).expect_code(3);
    assert!(refused.stderr.contains("which nobody signed"), "{refused:?}");
}

#[test]
fn what_is_built_is_pushed_and_signed_in_one_go() {
    let trusted = Trusted::start();
    let daemon = Dockerd::start();
    let mut world = trusted.world("FROM scratch\nCOPY a.txt /\nCMD [\"/a.txt\"]\n");
    world.user.use_docker(&daemon);
    let name = trusted.name("app:1");
    let words = ["-t", &name, "--push", "--sign", "--signer", "alice", "app"];
    let pushed = world.build(&words).success();
    let digest = pushed.stdout.lines().last().unwrap().to_owned();
    assert!(pushed.stdout.contains(&format!("1: digest: {digest}")), "{pushed:?}");
    assert!(pushed.stdout.contains(&format!("Successfully signed {name}")), "{pushed:?}");
    let verified = world.user.trust(&["verify", &name]).success();
    assert!(verified.stdout.contains(&digest), "{verified:?}");
    // Docker takes it, by the same digest.
    let pulled = world.user.docker(&["pull", &name]).success();
    assert!(pulled.stdout.contains(&digest), "{pulled:?}");
    // Somebody else builds it again from what it says that it was made of.
    let mut other = World::with(&[
        ("Dockerfile", "FROM scratch\nCOPY a.txt /\nCMD [\"/a.txt\"]\n"),
        ("a.txt", "x"),
    ]);
    other.user.use_notary(&trusted.notary);
    other.user.set("DOCKER_CONTENT_TRUST", "1");
    let rebuilt = other.build(&["--rebuild", &name, "app"]).success();
    assert_eq!(rebuilt.stdout.trim(), digest);
}

#[test]
fn without_a_signature_no_tag_is_moved() {
    let mut trusted = Trusted::start();
    let world = trusted.world("FROM scratch\nCOPY a.txt /\n");
    let name = trusted.name("app:1");
    trusted.notary.stop();
    let failed = world.build(&["-t", &name, "--push", "app"]).expect_code(10);
    assert!(failed.stderr.contains("was not signed: its tag was not moved"), "{failed:?}");
    assert_eq!(fetch_manifest(&trusted.registry, "app", "1").status, 404);
    // The image is here all the same.
    let listed = world.user.trust(&["images", "--format", "{{.Tag}}"]).success();
    assert_eq!(listed.stdout, "1\n");
    let nameless = world.build(&["--push", "app"]).expect_code(2);
    assert!(nameless.stderr.contains("--tag"), "{nameless:?}");
    let unsigned = ["-t", &name, "--push", "--disable-content-trust", "app"];
    world.build(&unsigned).success();
    assert_eq!(fetch_manifest(&trusted.registry, "app", "1").status, 200);
}

#[test]
fn what_is_run_is_signed() {
    let trusted = Trusted::start();
    let name = trusted.name("tool:1");
    let world = trusted.world(
        "FROM scratch\nCOPY --chmod=755 busybox /bin/busybox\n\
         ENTRYPOINT [\"/bin/busybox\", \"echo\"]\n",
    );
    fs::copy("/bin/busybox", world.path("app/busybox")).unwrap();
    let words = ["-t", &name, "--push", "--disable-content-trust", "app"];
    world.build(&words).success();
    // What is here by that name is no more trusted than what is there.
    let refused = world.user.trust(&["run", &name, "hello"]).expect_code(125);
    assert!(refused.stderr.contains("does not have trust data"), "{refused:?}");
    assert_eq!(refused.stdout, "");
    let unsigned = world.user.trust(&["run", "--disable-content-trust", &name, "hello"]).success();
    assert_eq!(unsigned.stdout, "hello\n");
    world.user.trust(&["sign", &name]).success();
    assert_eq!(world.user.trust(&["run", &name, "hello"]).success().stdout, "hello\n");
    // The tag means something else now, and what was signed is run.
    image::push_image(&trusted.registry, "tool", "1", b"swapped");
    let ran = world.user.trust(&["run", &name, "signed"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "signed\n"), "{ran:?}");
}
