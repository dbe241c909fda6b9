//! `trust resolve`, `trust pin` and `trust verify --file`, with a real registry and trust server.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use test_case::test_case;

use crate::harness::disk::run_with_mounts;
use crate::harness::signer::TRUST;
use crate::harness::{Reply, Victim};
use crate::peers::image::{Pushed, push_image};
use crate::peers::process::Finished;
use crate::peers::{NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

/// Servers, an owner who signs, and a reader with files.
struct World {
    registry: Registry,
    _notary: NotaryServer,
    owner: User,
    reader: User,
}

impl World {
    fn start() -> Self {
        let registry = Registry::start(&RegistryOptions::default());
        let notary = NotaryServer::start(&NotaryOptions::default());
        let (mut owner, mut reader) = (User::new(), User::new());
        owner.use_notary(&notary);
        reader.use_notary(&notary);
        Self { registry, _notary: notary, owner, reader }
    }

    /// Returns `localhost:PORT/REPOSITORY`.
    fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.registry.host_port())
    }

    fn push(&self, image: &str, content: &str) -> Pushed {
        let (repository, tag) = image.split_once(':').unwrap();
        push_image(&self.registry, repository, tag, content.as_bytes())
    }

    /// Pushes an image and signs it; returns its digest.
    fn sign(&self, image: &str, content: &str) -> String {
        let pushed = self.push(image, content);
        self.owner.trust(&["sign", "--signer", "alice", "-q", &self.name(image)]).success();
        pushed.digest
    }

    /// Writes a file in the reader's home folder, `REG` standing for the registry.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.reader.home().join(name);
        fs::write(&path, self.real(text)).unwrap();
        path
    }

    fn real(&self, text: &str) -> String {
        text.replace("REG", &self.registry.host_port())
    }

    fn pin(&self, args: &[&str]) -> Finished {
        self.reader.trust(&[&["pin"], args].concat())
    }

    fn pin_stdin(&self, args: &[&str], text: &str) -> Finished {
        self.reader.trust_with_input(&[&["pin"], args].concat(), text.as_bytes())
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn document(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn what_is_signed_is_resolved_without_asking_the_registry() {
    let world = World::start();
    let app = world.sign("app:1", "one");
    let other = world.sign("team/other:latest", "two");
    // What the registry serves now is not what is signed.
    world.push("app:1", "moved");
    let by_digest = format!("{}@{other}", world.name("team/other"));
    let words = [&*world.name("app:1"), &world.name("team/other"), &by_digest];
    let resolved = world.reader.trust(&[&["resolve"], &words[..]].concat()).success();
    let expected = format!("REG/app@{app}\nREG/team/other@{other}\nREG/team/other@{other}\n");
    assert_eq!(resolved.stdout, world.real(&expected));
    assert!(resolved.stderr.contains("first contact"), "{resolved:?}");

    let offline = world.reader.trust(&["resolve", "--offline", "--json", words[0]]).success();
    let rows = document(&offline);
    let expected = json!([{
        "image": words[0],
        "resolved": format!("{}@{app}", world.name("app")),
        "name": world.name("app"),
        "tags": ["1"],
        "digest": app,
        "size": rows[0]["size"],
    }]);
    assert_eq!(rows, expected);
    let format = world.reader.trust(&["resolve", "--format", "{{.Digest}}", words[0]]).success();
    assert_eq!(format.stdout, format!("{app}\n"));
}

#[test]
fn what_is_not_signed_is_not_resolved_and_the_others_are() {
    let world = World::start();
    let app = world.sign("app:1", "one");
    world.push("app:2", "never signed");
    world.push("nobody:1", "nothing is signed here");
    let words = [world.name("nobody:1"), world.name("app:2"), world.name("app:1")];
    let args: Vec<&str> = words.iter().map(String::as_str).collect();
    let resolved = world.reader.trust(&[&["resolve"], &args[..]].concat()).expect_code(3);
    assert_eq!(resolved.stdout, format!("{}@{app}\n", world.name("app")));
    assert!(resolved.stderr.contains("no valid trust data for 2"), "{resolved:?}");
    assert!(resolved.stderr.contains("does not have trust data for"), "{resolved:?}");
    let by_bob = world.reader.trust(&["resolve", "--signer", "bob", args[2]]).expect_code(4);
    assert_eq!(by_bob.stdout, "");
    world.reader.trust(&["resolve", "--signer", "alice", args[2]]).success();
    world.reader.trust(&["resolve", "Not-a-name"]).expect_code(2);
}

const DOCKERFILE: &str = "\
# syntax=docker/dockerfile:1
# Größe 画像: REG/base:3 stays here
ARG BASE=\"REG/base:3\" OTHER=1

FROM --platform=$BUILDPLATFORM ${BASE} AS build  \t
RUN --mount=type=bind,from=REG/tools,target=/t <<EOF
FROM REG/not/an/image
EOF
FROM \\
    # why
    REG/base:3 AS second
COPY --from=build /a /b
COPY --from=REG/base:3@BASE --chown=1:1 /a /b
FROM scratch
COPY --from=REG/tools@TOOLS /a /b
";

#[test]
fn a_dockerfile_is_pinned_and_nothing_else_of_it_changes() {
    let world = World::start();
    let (base, tools) = (world.sign("base:3", "base"), world.sign("tools:latest", "tools"));
    let with_digests = |text: &str| {
        let text = text.replace("@BASE", &format!("@{base}"));
        world.real(&text.replace("@TOOLS", &format!("@{tools}")))
    };
    let file = world.file("Dockerfile", &with_digests(DOCKERFILE));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    let checked = world.pin(&["--check", "Dockerfile"]).expect_code(12);
    let expected = format!(
        "Dockerfile:3:11: REG/base:3 is not pinned: {base} is signed\n\
         Dockerfile:6:28: REG/tools is not pinned: {tools} is signed\n\
         Dockerfile:11:5: REG/base:3 is not pinned: {base} is signed\n"
    );
    assert_eq!(checked.stdout, world.real(&expected));
    assert!(checked.stderr.contains("3 of 5 images"), "{checked:?}");
    assert_eq!(read(&file), with_digests(DOCKERFILE));

    let done = world.pin(&["Dockerfile"]).success();
    assert_eq!(done.stdout, "");
    let after = DOCKERFILE
        .replace("\"REG/base:3\"", "\"REG/base:3@BASE\"")
        .replace("from=REG/tools,", "from=REG/tools:latest@TOOLS,")
        .replace("    REG/base:3 AS", "    REG/base:3@BASE AS");
    assert_eq!(read(&file), with_digests(&after));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o664);
    assert!(done.stderr.contains("docker/dockerfile:1 is left alone"), "{done:?}");

    world.pin(&["--check", "Dockerfile"]).success();
    let again = world.pin(&["Dockerfile", "./Dockerfile"]).success();
    assert!(again.stderr.contains("every image has the digest that is signed"), "{again:?}");
    assert_eq!(read(&file), with_digests(&after));
}

#[test]
fn a_compose_file_with_windows_line_ends_behind_a_link_is_pinned() {
    let world = World::start();
    let (app, db) = (world.sign("app:1", "app"), world.sign("db:16", "db"));
    let before = "\u{feff}# Größe
x-app: &app
  image: 'REG/app:1' # why
services:
  web: {<<: *app, ports: [\"80:80\"]}
  worker: *app
  db:
    image: ${DB:-REG/db:16}
  own:
    image: REG/own
    build: .
"
    .replace('\n', "\r\n");
    let real = world.file("real.yml", &before);
    let link = world.reader.home().join("compose.yml");
    symlink("real.yml", &link).unwrap();
    let done = world.pin(&["compose.yml"]).success();
    let after = before
        .replace("REG/app:1", &format!("REG/app:1@{app}"))
        .replace("REG/db:16", &format!("REG/db:16@{db}"));
    assert_eq!(read(&real), world.real(&after));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let said = "compose.yml:10:12: REG/own is left alone: it names what a service builds";
    assert!(done.stderr.contains(&world.real(said)), "{done:?}");
    // The target of the link is known by what it holds.
    world.pin(&["--check", "real.yml"]).success();
}

const KUBERNETES: &str = "\
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{name: init, image: \"REG/app:1\"}]
      containers:
      - name: größe
        image: REG/app:1   # the app
---
# nothing here
---
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: REG/app@OLD}]}}}}}
";

#[test]
fn kubernetes_files_are_pinned_and_follow_what_is_signed() {
    let world = World::start();
    let old = world.sign("app:1", "old");
    let pinned = |text: &str, digest: &str| {
        let text = text.replace("@OLD", &format!("@{old}"));
        world.real(&text.replace("REG/app:1", &format!("REG/app:1@{digest}")))
    };
    let file = world.file("app.yaml", &KUBERNETES.replace("@OLD", &format!("@{old}")));
    world.pin(&["app.yaml"]).success();
    assert_eq!(read(&file), pinned(KUBERNETES, &old));

    // Another image is signed now: with the tag it is followed, the digest alone is not signed.
    let new = world.sign("app:1", "new");
    let checked = world.pin(&["--check", "app.yaml"]).expect_code(3);
    let line = format!("app.yaml:9:16: REG/app:1@{old} is outdated: {new} is signed now\n");
    assert!(checked.stdout.ends_with(&world.real(&line)), "{checked:?}");
    assert!(checked.stderr.contains("app.yaml:15:68: "), "{checked:?}");
    world.pin(&["app.yaml"]).expect_code(3);
    assert_eq!(read(&file), pinned(KUBERNETES, &old));
    let with_tag = KUBERNETES.replace("@OLD", ":1");
    fs::write(&file, pinned(&with_tag, &old)).unwrap();
    world.pin(&["--check", "app.yaml"]).expect_code(12);
    world.pin(&["app.yaml"]).success();
    assert_eq!(read(&file), pinned(&with_tag, &new));
}

/// The tag may move: a builder gets what was signed when the file was pinned.
#[test]
fn a_builder_takes_just_what_was_pinned() {
    let world = World::start();
    let base = world.sign("base:1", "signed");
    let text = "FROM scratch AS s\nCOPY --from=REG/base:1 /content /copied\nFROM REG/base:1\n\
                COPY --from=s /copied /copied\n";
    world.file("Dockerfile", text);
    world.pin(&["Dockerfile"]).success();
    let moved = world.push("base:1", "moved");
    assert_ne!(base, moved.digest);
    fs::write(world.reader.docker_config().join("config.json"), "{}").unwrap();
    let folders = ["root", "runroot"].map(|name| world.reader.home().join(name));
    let [root, runroot] = folders.map(|folder| folder.display().to_string());
    let storage = ["--root", &root, "--runroot", &runroot, "--storage-driver", "vfs"];
    let build = ["build", "--isolation", "chroot", "--tls-verify=false", "-t", "built", "."];
    world.reader.program("buildah", &[&storage[..], &build].concat()).success();
    let from = ["from", "--name", "box", "localhost/built"];
    world.reader.program("buildah", &[&storage[..], &from].concat()).success();
    let mounted = world.reader.program("buildah", &[&storage[..], &["mount", "box"]].concat());
    let mounted = mounted.success().stdout;
    for name in ["content", "copied"] {
        assert_eq!(read(&Path::new(mounted.trim()).join(name)), "signed");
    }
    let unmount = world.reader.program("buildah", &[&storage[..], &["umount", "box"]].concat());
    unmount.success();
}

#[test]
fn one_image_that_is_not_signed_keeps_its_file_as_it_is() {
    let world = World::start();
    let app = world.sign("app:1", "one");
    world.push("app:2", "never signed");
    let bad = world.file("bad.Dockerfile", "FROM REG/app:1\nFROM REG/app:2\nFROM REG/app:${V}\n");
    let good = world.file("good.Dockerfile", "FROM REG/app:1\n");
    let before = read(&bad);
    let words = ["bad.Dockerfile", "good.Dockerfile", "./good.Dockerfile"];
    let done = world.pin(&words).expect_code(3);
    assert_eq!(read(&bad), before);
    assert_eq!(read(&good), world.real(&format!("FROM REG/app:1@{app}\n")));
    for said in [
        "bad.Dockerfile:2:6: REG/app:2 is not verified\ncaused by: no valid trust data for 2",
        "bad.Dockerfile:3:6: REG/app:${V}\ncaused by: which image this is cannot be told",
        "bad.Dockerfile was not changed",
    ] {
        assert!(done.stderr.contains(&world.real(said)), "{said}\n{done:?}");
    }

    let report = world.pin(&["--check", "--json", "bad.Dockerfile"]).expect_code(3);
    let report = document(&report);
    assert_eq!((&report[0]["kind"], &report[0]["pinned"]), (&json!("dockerfile"), &json!(false)));
    let images = report[0]["images"].as_array().unwrap().iter();
    let states: Vec<Value> = images.map(|i| json!([i["state"], i["exit_code"]])).collect();
    let expected = [json!(["unpinned", null]), json!(["unverified", 3]), json!(["refused", 12])];
    assert_eq!(states, expected);
    let becomes = world.real(&format!("REG/app:1@{app}"));
    assert_eq!(report[0]["images"][0]["becomes"], becomes);
}

#[test]
fn a_name_that_is_put_together_can_be_verified_but_not_pinned() {
    let world = World::start();
    world.sign("app:1", "one");
    let text = "ARG V=1\nFROM REG/app:${V}\n";
    let file = world.file("Dockerfile", text);
    let refused = world.pin(&["Dockerfile"]).expect_code(12);
    let said = world.real("Dockerfile:2:6: REG/app:${V}\ncaused by: REG/app:1 is put together");
    assert!(refused.stderr.contains(&said), "{refused:?}");
    assert_eq!(read(&file), world.real(text));
    world.pin(&["--check", "Dockerfile"]).expect_code(12);
    let verified = world.reader.trust(&["verify", "-f", "Dockerfile"]).success();
    let said = world.real("Dockerfile:2: REG/app:1 is trusted\n");
    assert!(verified.stdout.starts_with(&said), "{verified:?}");
}

#[test]
fn stdin_is_pinned_to_stdout() {
    let world = World::start();
    let app = world.sign("app:1", "one");
    let text = world.real("FROM REG/app:1\n");
    let pinned = world.real(&format!("FROM REG/app:1@{app}\n"));
    assert_eq!(world.pin_stdin(&["-"], &text).success().stdout, pinned);
    // What is pinned comes out as it went in.
    assert_eq!(world.pin_stdin(&["-"], &pinned).success().stdout, pinned);
    let refused = world.pin_stdin(&["-"], &world.real("FROM REG/app:1\nFROM REG/app:2\n"));
    let refused = refused.expect_code(3);
    assert_eq!(refused.stdout, "");
    assert!(refused.stderr.contains("stdin:2:6: "), "{refused:?}");
    let report = world.pin_stdin(&["--check", "--json", "-"], &text).expect_code(12);
    assert_eq!(document(&report)[0]["file"], "stdin");
    world.pin_stdin(&["--json", "-"], &text).expect_code(2);
    world.pin_stdin(&["-", "-"], &text).expect_code(2);

    let compose = world.real("services: {a: {image: REG/app:1}}");
    let done = world.pin_stdin(&["-"], &compose).success();
    assert_eq!(done.stdout, world.real(&format!("services: {{a: {{image: REG/app:1@{app}}}}}")));
    // Somebody may know better what it is.
    let done = world.pin_stdin(&["--type", "kubernetes", "-"], &compose).success();
    assert_eq!(done.stdout, compose);
    assert!(done.stderr.contains("stdin names no image"), "{done:?}");
}

#[test]
fn every_image_of_a_file_is_verified() {
    let world = World::start();
    let app = world.sign("app:1", "one");
    world.sign("app:2", "two");
    world.push("app:2", "moved");
    world.push("app:3", "never signed");
    world.file("Dockerfile", "FROM REG/app:1\nFROM REG/app:2\nFROM REG/app:1\nFROM $X\n");
    world.file("pod.yaml", "{apiVersion: v1, kind: Pod, containers: [{image: REG/app:3}]}");
    let typed = world.name("app:1");
    let words = ["verify", "-f", "Dockerfile", "--file", "pod.yaml", &typed];
    let verified = world.reader.trust(&words).expect_code(5);
    let stdout = verified.stdout.replace(&world.registry.host_port(), "REG");
    let trusted: Vec<&str> = stdout.lines().filter(|line| line.ends_with("is trusted")).collect();
    let expected = ["REG/app:1 is trusted", "Dockerfile:1, Dockerfile:3: REG/app:1 is trusted"];
    assert_eq!(trusted, expected);
    for said in [
        "error: Dockerfile:2: REG/app:2\ncaused by: REG/app:2 has moved",
        "error: Dockerfile:4: $X\ncaused by: which image this is cannot be told",
        "error: pod.yaml:1: REG/app:3\ncaused by: no valid trust data for 3",
    ] {
        assert!(verified.stderr.contains(&world.real(said)), "{said}\n{}", verified.stderr);
    }

    let report = world.reader.trust(&["verify", "--json", "-f", "Dockerfile"]).expect_code(5);
    let report = document(&report);
    let places = json!([
        {"file": "Dockerfile", "line": 1, "column": 6},
        {"file": "Dockerfile", "line": 3, "column": 6},
    ]);
    assert_eq!(report[0]["places"], places);
    assert_eq!(report[0]["verdict"]["digest"], app);
    assert_eq!((&report[2]["image"], &report[2]["exit_code"]), (&json!("$X"), &json!(12)));
}

#[test]
fn the_flags_of_verify_hold_for_the_images_of_a_file() {
    let world = World::start();
    let app = world.sign("app:1", "one");
    world.sign("app:2", "two");
    world.push("app:2", "moved");
    let verify = |args: &[&str]| world.reader.trust(&[&["verify"], args].concat());
    // Trust alone has no objection to what moved.
    world.file("moved.Dockerfile", "FROM REG/app:2\n");
    verify(&["-f", "moved.Dockerfile"]).expect_code(5);
    verify(&["--no-registry", "-f", "moved.Dockerfile"]).success();
    // What was pinned is verified by tag and digest.
    world.file("pinned.Dockerfile", &format!("FROM REG/app:1@{app}\n"));
    let digest = verify(&["--digest", "-f", "pinned.Dockerfile"]).success();
    assert_eq!(digest.stdout, format!("{}@{app}\n", world.name("app")));
    verify(&["--signer", "bob", "-f", "pinned.Dockerfile"]).expect_code(4);
    world.file("crossed.Dockerfile", &format!("FROM REG/app:2@{app}\n"));
    verify(&["-f", "crossed.Dockerfile"]).expect_code(5);
    let text = world.real("FROM REG/app:1\n");
    world.reader.trust_with_input(&["verify", "-f", "-"], text.as_bytes()).success();
    verify(&[]).expect_code(2);
    verify(&["--type", "compose", &world.name("app:1")]).expect_code(2);
}

#[test_case("tampered", 7)]
#[test_case("expired", 6)]
fn what_an_attacker_serves_changes_no_file(attack: &str, code: i32) {
    let mut victim = Victim::primed();
    let file = victim.user().home().join("Dockerfile");
    let text = format!("FROM {}\n", victim.image());
    fs::write(&file, &text).unwrap();
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    if attack == "expired" {
        victim.repository.expire("timestamp");
    }
    victim.publish();
    if attack == "tampered" {
        victim.tamper("targets", |bytes| bytes.truncate(bytes.len() - 1));
    }
    let before = victim.trust_files();
    let image = victim.image();
    for args in [
        &["pin", "Dockerfile"][..],
        &["pin", "--check", "Dockerfile"],
        &["verify", "-f", "Dockerfile"],
        &["resolve", &image],
    ] {
        let refused = victim.user().trust(args).expect_code(code);
        assert_eq!(refused.stdout, "");
        assert!(refused.stderr.contains("Dockerfile:1:") || args[0] == "resolve", "{refused:?}");
        assert_eq!(read(&file), text);
    }
    victim.assert_untouched(&before);
}

#[test]
fn a_server_that_is_away_changes_no_file_and_the_cache_can_answer() {
    let victim = Victim::primed();
    let file = victim.user().home().join("Dockerfile");
    let text = format!("FROM {}\n", victim.image());
    fs::write(&file, &text).unwrap();
    victim.replies.set_all(&Reply::Close);
    let away = victim.user().trust(&["pin", "Dockerfile"]).expect_code(10);
    assert!(away.stderr.contains("`--offline` answers from it"), "{away:?}");
    assert_eq!(read(&file), text);
    victim.user().trust(&["pin", "--offline", "Dockerfile"]).success();
    assert!(read(&file).contains("@sha256:"));
}

#[test_case(b"\x7fELF\0\0\0", 14, "is not text"; "a program")]
#[test_case(b"FROM \xff\xfe", 14, "is not text"; "not unicode")]
#[test_case(b"", 14, "there is no FROM"; "empty")]
#[test_case(b"RUN x\nFROM y\n", 14, "Dockerfile:1:1: an instruction stands before"; "out of order")]
#[test_case(b"FROM a\nRUN <<EOF\n", 14, "Dockerfile:2:1: the here-document EOF"; "no end")]
#[test_case(b"FROM Upper\n", 2, "must be lowercase"; "not an image")]
fn a_bad_dockerfile_is_told(bytes: &[u8], code: i32, words: &str) {
    let user = User::new();
    let file = user.home().join("Dockerfile");
    fs::write(&file, bytes).unwrap();
    for args in [&["pin", "Dockerfile"][..], &["verify", "-f", "Dockerfile"]] {
        let refused = user.trust(args).expect_code(code);
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test_case("a: b\n", 2, "cannot be told whether x.yaml"; "some other yaml")]
#[test_case("services: {a: {image: b}", 14, "x.yaml:1:"; "not closed")]
#[test_case("services:\n  a: {image: b, image: c}\n", 14, "x.yaml:2:17: the key `image` is given twice"; "twice")]
#[test_case("services: {a: {image: [b]}}\n", 12, "x.yaml:1:23: image"; "a list")]
fn a_bad_yaml_file_is_told(text: &str, code: i32, words: &str) {
    let user = User::new();
    fs::write(user.home().join("x.yaml"), text).unwrap();
    let kind: &[&str] = if code == 2 { &[] } else { &["--type", "compose"] };
    let refused = user.trust(&[&["pin", "x.yaml"], kind].concat()).expect_code(code);
    assert!(refused.stderr.contains(words), "{refused:?}");
}

#[test]
fn files_that_are_none_and_files_without_end_are_told() {
    let user = User::new();
    let refused = user.trust(&["pin", "missing"]).expect_code(8);
    assert!(refused.stderr.contains("cannot open missing"), "{refused:?}");
    user.trust(&["pin", "."]).expect_code(14);
    user.trust(&["verify", "-f", "missing"]).expect_code(8);
    let endless = user.trust(&["pin", "/dev/zero"]).expect_code(14);
    assert!(endless.stderr.contains("larger than"), "{endless:?}");
    fs::write(user.home().join("deep.yaml"), "[".repeat(1 << 20)).unwrap();
    user.trust(&["pin", "--type", "kubernetes", "deep.yaml"]).expect_code(14);
    // One bad file does not keep the others from their turn, and no image is no mistake.
    fs::write(user.home().join("Dockerfile"), "FROM scratch\n").unwrap();
    let done = user.trust(&["pin", "missing", "Dockerfile"]).expect_code(8);
    assert!(done.stderr.contains("Dockerfile names no image"), "{done:?}");
    user.trust(&["pin", "--check", "Dockerfile"]).success();
    let report = user.trust(&["pin", "--json", "missing", "Dockerfile"]).expect_code(8);
    let report = document(&report);
    assert_eq!(report[0]["exit_code"], 8);
    assert_eq!((&report[1]["pinned"], &report[1]["changed"]), (&json!(true), &json!(false)));
}

#[test]
fn a_folder_that_cannot_be_written_to_keeps_its_file() {
    let victim = Victim::primed();
    let folder = victim.user().home().join("folder");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("Dockerfile");
    let text = format!("FROM {}\n", victim.image());
    fs::write(&file, &text).unwrap();
    let script = format!(
        "mount --bind '{0}' '{0}'; mount -o remount,bind,ro '{0}'; \
         exec '{TRUST}' pin --json '{0}/Dockerfile'",
        folder.display()
    );
    let variables = [
        ("HOME", victim.user().home().display().to_string()),
        ("DOCKER_CONFIG", victim.user().docker_config().display().to_string()),
        ("DOCKER_CONTENT_TRUST_SERVER", victim.server().url()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let refused = run_with_mounts(&script, &variables).expect_code(14);
    assert!(refused.stderr.contains("Read-only file system"), "{refused:?}");
    let report = document(&refused);
    assert_eq!((&report[0]["changed"], &report[0]["exit_code"]), (&json!(false), &json!(14)));
    assert_eq!(read(&file), text);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}
