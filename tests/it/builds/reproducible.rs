//! The same files and the same Dockerfile give the same digest, whoever builds, where and how.
//!
//! The digests are written down: who changes one makes a new profile (spec/canonical-image.md §10).

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::world::World;
use crate::harness::layout::Layout;
use crate::peers::dockerd::Dockerd;
use crate::peers::process::{Finished, Process};

/// How one checkout differs from the next.
#[derive(Clone, Copy, Default)]
struct Checkout {
    /// Taken from the modes, as `umask` does.
    umask: u32,
    /// Owner and group.
    owner: Option<u32>,
    /// Added to 1970, in seconds; may lead before it.
    time: Option<i64>,
    /// Whether two files with one content are one file.
    hard_links: bool,
    /// Whether files are made in another order.
    backwards: bool,
    /// Whether files have attributes that are nobody's business.
    attributes: bool,
}

const DOCKERFILE: &str = "\
FROM scratch AS parts
COPY --chmod=600 lib/a /part
FROM scratch
ARG WHO=nobody
LABEL who=\"$WHO\" html=\"<&>\"
ENV PATH=/bin A=1
COPY . /app/
COPY --from=parts --chown=7:8 /part /app/
COPY lib/a-b /app/lib/c
WORKDIR /srv/deep
USER 7
ENTRYPOINT [\"/app/bin/run\"]
CMD [\"--all\"]
";

/// Bytes that compress a little, the same every time; two MiB and some.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from(state >> 28).unwrap()
    };
    (0..(2 << 20) + 17).map(|_| next()).collect()
}

/// Files, `None` for a folder, with whether they are programs.
fn files() -> Vec<(Vec<u8>, Option<Vec<u8>>, bool)> {
    let long = format!("lib/{}/{}", "l".repeat(90), "m".repeat(150));
    let text = |text: &str| Some(text.as_bytes().to_vec());
    vec![
        (b"Dockerfile".to_vec(), text(DOCKERFILE), false),
        (b"bin".to_vec(), None, false),
        (b"bin/run".to_vec(), text("#!/bin/sh\n"), true),
        (b"empty".to_vec(), None, false),
        (b"lib".to_vec(), None, false),
        (b"lib/a".to_vec(), text("the same"), false),
        (b"lib/a-b".to_vec(), text("before a folder"), false),
        (b"lib/a0".to_vec(), text("after it"), false),
        (b"lib/b".to_vec(), text("the same"), false),
        (b"lib/large".to_vec(), Some(noise()), false),
        (format!("lib/{}", "l".repeat(90)).into_bytes(), None, false),
        (long.into_bytes(), text("far down"), false),
        (b"names".to_vec(), None, false),
        (b"names/line\nfeed".to_vec(), text("1"), false),
        (b"names/not\xfftext".to_vec(), text("2"), false),
        ("names/ünï".as_bytes().to_vec(), text("3"), false),
    ]
}

/// Makes the files there.
fn check_out(folder: &Path, checkout: Checkout) {
    fs::create_dir_all(folder).unwrap();
    let at = |name: &[u8]| folder.join(OsStr::from_bytes(name));
    let mut files = files();
    for (name, _, _) in files.iter().filter(|(_, content, _)| content.is_none()) {
        fs::create_dir_all(at(name)).unwrap();
    }
    if checkout.backwards {
        files.reverse();
    }
    for (name, content, _) in &files {
        let Some(content) = content else { continue };
        if checkout.hard_links && name == b"lib/b" {
            continue;
        }
        fs::write(at(name), content).unwrap();
    }
    if checkout.hard_links {
        fs::hard_link(at(b"lib/a"), at(b"lib/b")).unwrap();
    }
    symlink("a", at(b"lib/link")).unwrap();
    // The deepest first, for what is changed in a folder changes its time.
    files.sort_by(|(one, ..), (other, ..)| other.cmp(one));
    for (name, content, is_program) in &files {
        let mode = if content.is_none() || *is_program { 0o777 } else { 0o666 };
        fs::set_permissions(at(name), Permissions::from_mode(mode & !checkout.umask)).unwrap();
        if let Some(owner) = checkout.owner {
            chown(at(name), Some(owner), Some(owner)).unwrap();
        }
        if checkout.attributes && content.is_some() {
            // Not every disk takes them.
            rustix::fs::setxattr(at(name), "user.note", b"x", rustix::fs::XattrFlags::empty()).ok();
        }
        if let Some(seconds) = checkout.time {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            let epoch = SystemTime::UNIX_EPOCH;
            let time = if seconds < 0 { epoch - distance } else { epoch + distance };
            let times = FileTimes::new().set_modified(time).set_accessed(time);
            File::open(at(name)).unwrap().set_times(times).unwrap();
        }
    }
}

/// The digest of the image that a person who has nothing yet builds of it.
fn built(checkout: Checkout, flags: &[&str]) -> String {
    let world = World::new();
    check_out(&world.path("app"), checkout);
    world.digest(&[&["app"], flags].concat())
}

#[test]
fn the_digests_are_those_that_were_written_down() {
    let world = World::new();
    check_out(&world.path("app"), Checkout { umask: 0o022, ..Checkout::default() });
    let build =
        |more: &[&str]| GOLDEN.map(|(flags, _)| world.digest(&[&["app"], flags, more].concat()));
    let expected = GOLDEN.map(|(_, digest)| digest.to_owned());
    assert_eq!(build(&[]), expected);
    assert_eq!(build(&[]), expected, "from what was kept");
    assert_eq!(build(&["--no-cache"]), expected, "anew");
    world.layout().assert_whole();
}

#[test]
fn it_does_not_matter_how_the_files_were_checked_out() {
    let day = 86_400;
    for checkout in [
        Checkout { umask: 0o002, ..Checkout::default() },
        Checkout { umask: 0o077, ..Checkout::default() },
        Checkout { owner: Some(12_345), ..Checkout::default() },
        Checkout { time: Some(-7 * 365 * day), ..Checkout::default() },
        Checkout { time: Some(90 * 365 * day), ..Checkout::default() },
        Checkout { hard_links: true, ..Checkout::default() },
        Checkout { backwards: true, attributes: true, ..Checkout::default() },
    ] {
        assert_eq!(built(checkout, GOLDEN[0].0), GOLDEN[0].1);
    }
}

#[test]
fn it_does_not_matter_where_and_by_whom_it_is_built() {
    let trust = env!("CARGO_BIN_EXE_trust");
    let under = |words: &[&str], variables: &[(&str, &str)], flags: &[&str]| {
        let mut world = World::new();
        check_out(&world.path("elsewhere/app"), Checkout::default());
        for (name, value) in variables {
            world.user.set(name, value);
        }
        let context = world.text("elsewhere/app");
        let words = [words, &[trust, "build", &context], flags].concat();
        let built: Finished = world.user.program(words[0], &words[1..]).success();
        built.stdout.trim().to_owned()
    };
    let everywhere = [("LANG", "tr_TR.UTF-8"), ("LC_ALL", "C"), ("TZ", "Asia/Kathmandu")];
    for (flags, expected) in GOLDEN {
        // One processor, whatever the machine has.
        assert_eq!(under(&["taskset", "-c", "0"], &everywhere, flags), expected, "{flags:?}");
    }
    let hostname =
        ["unshare", "-u", "sh", "-c", "hostname elsewhere; umask 077; exec \"$@\"", "sh"];
    assert_eq!(under(&hostname, &[], GOLDEN[0].0), GOLDEN[0].1);
}

#[test]
fn it_does_not_matter_how_the_context_comes_in() {
    let world = World::new();
    check_out(&world.path("app"), Checkout { umask: 0o002, ..Checkout::default() });
    for format in ["gnu", "pax", "v7"] {
        let file = world.text("context.tar");
        // The oldest format has no room for long names.
        let long = ["--exclude=lib/l*", "--exclude=./lib/l*"];
        let flags = ["--format", format, "-cf", &file, "-C", "app", "."];
        let left_out = if format == "v7" { &long[..] } else { &[] };
        world.user.program("tar", &[left_out, &flags].concat()).success();
        let archive = fs::read(&file).unwrap();
        let built = world
            .user
            .trust_with_input(&["build", "--platform", "linux/amd64", "-"], &archive)
            .success();
        assert_eq!(built.stdout.trim() == GOLDEN[0].1, format != "v7", "{format}");
    }
}

#[test]
fn what_matters_is_in_the_digest() {
    let world = World::new();
    check_out(&world.path("app"), Checkout::default());
    let plain = &world.digest(&["app"]);
    for flags in [
        &["--build-arg", "WHO=me"][..],
        &["--label", "a=b"],
        &["--source-date-epoch", "1"],
        &["--target", "parts"],
        &["--platform", "linux/s390x"],
    ] {
        assert_ne!(world.digest(&[&["app"], flags].concat()), *plain, "{flags:?}");
    }
    fs::set_permissions(world.path("app/lib/a"), Permissions::from_mode(0o744)).unwrap();
    assert_ne!(world.digest(&["app"]), *plain, "it is a program now");
    fs::set_permissions(world.path("app/lib/a"), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(world.digest(&["app"]), *plain);
    fs::write(world.path("app/lib/a"), "the sane").unwrap();
    assert_ne!(world.digest(&["app"]), *plain, "it has another content");
}

#[test]
fn the_image_says_what_it_was_made_of() {
    let world = World::new();
    check_out(&world.path("app"), Checkout::default());
    let digest = world.digest(&["app", "--build-arg", "WHO=me"]);
    let notes = &world.document(&digest)["annotations"];
    assert_eq!(notes["vnd.trust.profile"], "canon-v1");
    let record: Value = serde_json::from_str(notes["vnd.trust.build"].as_str().unwrap()).unwrap();
    assert_eq!(record["arguments"]["WHO"], "me");
    assert_eq!(record["epoch"], 0);
    let expected = crate::peers::image::digest(DOCKERFILE.as_bytes());
    assert_eq!(record["dockerfile"], expected.as_str());
    assert!(record.get("holes").is_none(), "{record}");
    // An image that is built so is canonical already.
    world.build(&["app", "-t", "app:1"]).success();
    let again = world.user.trust(&["image", "canonicalize", "app:1"]).success();
    let became = again.stderr.lines().filter(|line| line.starts_with("Layer "));
    assert!(became.clone().all(|line| line.ends_with("canonical already")), "{again:?}");
    assert_eq!(became.count(), 4);
}

#[test]
fn commands_leave_the_same_layer_behind() {
    let recipe = "\
FROM scratch
COPY busybox /bin/busybox
COPY gone /d/gone
SHELL [\"/bin/busybox\", \"sh\", \"-c\"]
RUN cd /d && b=/bin/busybox && $b mkdir -p e && echo hi > f && $b ln f g && $b chmod 2750 e \
    && $b chown 7:8 f && $b rm gone && $b touch -d '2001-01-01 00:00:00' f && $b mkfifo p && $b ln -s f l \
    && $b hostname > name && $b env | $b sort > variables && $b date -r f +%s > time
";
    let layer = |words: &[&str], variables: &[(&str, &str)]| {
        let mut world = World::with(&[("Dockerfile", recipe), ("gone", "")]);
        fs::copy("/bin/busybox", world.path("app/busybox")).unwrap();
        for (name, value) in variables {
            world.user.set(name, value);
        }
        let words = [words, &[env!("CARGO_BIN_EXE_trust"), "build", "app"]].concat();
        let built = world.user.program(words[0], &words[1..]).success();
        let config = world.config(built.stdout.trim());
        config["rootfs"]["diff_ids"][2].as_str().unwrap().to_owned()
    };
    assert_eq!(layer(&["env"], &[]), GOLDEN_COMMAND);
    let other = ["unshare", "-u", "sh", "-c", "hostname elsewhere; umask 077; exec \"$@\"", "sh"];
    let variables = [("LANG", "tr_TR.UTF-8"), ("TZ", "Asia/Kathmandu"), ("LOGNAME", "me")];
    assert_eq!(layer(&other, &variables), GOLDEN_COMMAND);
    // And it says of itself that it comes out the same.
    let world = World::with(&[("Dockerfile", recipe), ("gone", "")]);
    fs::copy("/bin/busybox", world.path("app/busybox")).unwrap();
    world.build(&["--verify", "app"]).success();
}

#[test]
fn the_real_programs_take_it() {
    let daemon = Dockerd::start();
    let mut world = World::new();
    world.user.use_docker(&daemon);
    fs::write(world.user.docker_config().join("config.json"), "{}").unwrap();
    check_out(&world.path("app"), Checkout::default());
    fs::copy("/bin/busybox", world.path("app/bin/busybox")).unwrap();
    let recipe = "FROM scratch\nCOPY bin/busybox /bin/busybox\nCOPY . /app/\nRUN [\"/bin/busybox\", \"rm\", \"-r\", \"/app/names\"]\nCMD [\"/bin/busybox\", \"cat\", \"/app/lib/link\"]\n";
    fs::write(world.path("app/Dockerfile"), recipe).unwrap();
    for compression in ["gzip", "zstd", "none"] {
        let archive = world.text("image.tar");
        let output = format!("type=docker,dest={archive}");
        let digest =
            world.digest(&["app", "-t", "app:1", "--compression", compression, "-o", &output]);
        if compression != "zstd" {
            // This docker's daemon is older than layers of zstd.
            world.user.docker(&["load", "-i", &archive]).success();
            let ran = world.user.docker(&["run", "--rm", "--network", "none", "app:1"]).success();
            assert_eq!(ran.stdout, "the same", "{compression}");
            world.user.docker(&["rmi", "-f", "app:1"]).success();
        }
        let folder = world.text(&format!("layout-{compression}"));
        let output = format!("type=layout,dest={folder}");
        assert_eq!(
            world.digest(&["app", "-t", "app:1", "--compression", compression, "-o", &output]),
            digest
        );
        let index = Layout::at(Path::new(&folder)).read_index();
        assert_eq!(index["manifests"][0]["digest"], digest.as_str());
        let name =
            index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].clone();
        let name = name.as_str().unwrap();
        let copy = world.text(&format!("copy-{compression}"));
        let (from, to) = (format!("oci:{folder}:{name}"), format!("oci:{copy}:1"));
        world.user.program("skopeo", &["copy", &from, &to]).success();
        let copied = Layout::at(Path::new(&copy)).read_index();
        // It compresses what is not.
        let is_same = copied["manifests"][0]["digest"] == digest.as_str();
        assert_eq!(is_same, compression != "none", "{compression}");
        if compression == "gzip" {
            let bundle = world.text("bundle");
            let image = format!("{copy}:1");
            world.user.program("umoci", &["unpack", "--image", &image, &bundle]).success();
            let unpacked = Path::new(&bundle).join("rootfs/app");
            assert_eq!(fs::read(unpacked.join("lib/b")).unwrap(), b"the same");
            assert!(!unpacked.join("names").exists(), "what is hidden is hidden");
        }
        let (root, run) = (world.text("buildah-root"), world.text("buildah-run"));
        let name = format!("docker.io/library/app:{compression}");
        let store = format!("containers-storage:[vfs@{root}+{run}]{name}");
        world.user.program("skopeo", &["copy", &format!("oci:{copy}:1"), &store]).success();
        let flags = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
        let from = ["from", "--pull-never", "--name", compression, &name];
        world.user.program("buildah", &[&flags[..], &from].concat()).success();
        let mounted =
            world.user.program("buildah", &[&flags[..], &["mount", compression]].concat());
        let mounted = mounted.success().stdout.trim().to_owned();
        assert_eq!(fs::read(Path::new(&mounted).join("app/lib/b")).unwrap(), b"the same");
        assert!(!Path::new(&mounted).join("app/names").exists());
        world.user.program("buildah", &[&flags[..], &["rm", compression]].concat()).success();
    }
}

#[test]
fn containerd_unpacks_it() {
    let world = World::new();
    check_out(&world.path("app"), Checkout::default());
    let recipe = "FROM scratch\nCOPY . /app/\nFROM scratch\nCOPY --from=0 / /\nCOPY --chmod=600 lib/b /app/lib/b\n";
    fs::write(world.path("app/Dockerfile"), recipe).unwrap();
    let socket = world.text("containerd.sock");
    let (root, state) = (world.text("containerd"), world.text("containerd-state"));
    let args = ["--address", &socket, "--root", &root, "--state", &state];
    // With mounts of its own, so that none is left behind.
    let alone = ["unshare", "--mount"];
    let mut process = Process::start_under(&alone, "containerd", &args, &world.user.home(), &[]);
    process.await_ready("answer on its socket", |_| UnixStream::connect(&socket).ok());
    for compression in ["gzip", "zstd", "none"] {
        let (archive, name) = (world.text("image.tar"), format!("example.com/app:{compression}"));
        let output = format!("type=oci,dest={archive}");
        let digest =
            world.digest(&["app", "-t", &name, "--compression", compression, "-o", &output]);
        let import = ["--address", &socket, "image", "import", &archive];
        let imported = world.user.program("ctr", &import).success();
        assert!(imported.stdout.contains(&digest), "{imported:?}");
        let mount = world.text("mount");
        fs::create_dir_all(&mount).unwrap();
        let look = format!(
            "ctr --address '{socket}' image mount {name} '{mount}' > /dev/null && \
             cd '{mount}/app/lib' && stat -c '%a %u %Y' b && cat b"
        );
        let seen = world.user.program("unshare", &["--mount", "sh", "-c", &look]).success();
        assert_eq!(seen.stdout, "600 0 0\nthe same", "{compression}");
        fs::remove_file(&archive).unwrap();
    }
}

/// With each compression; what it is for is told, for it would be the machine's.
const GOLDEN: [(&[&str], &str); 3] = [
    (
        &["--platform", "linux/amd64"],
        "sha256:e6e8b466a4e1df09444dc85fa0e2eb8a2a6af7ea4a38edf1082af6cceb9c3272",
    ),
    (
        &["--platform", "linux/amd64", "--compression", "zstd"],
        "sha256:554aea5bcc4082ce5f7298d88a44ac41ae3984046aa01112d2741b1e30ec3d85",
    ),
    (
        &["--platform", "linux/amd64", "--compression", "none"],
        "sha256:f85b134fa4a6c3cda5ad12ad0b38e4c3db39ae1a163b577041ca46cc13a56211",
    ),
];
/// The diff id of what a command made.
const GOLDEN_COMMAND: &str =
    "sha256:c9d6203ce6c3471f63884adcd60cd5db649a2b5ef0defba2f85fdf7a4a29e592";
