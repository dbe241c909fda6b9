//! Every flag of `trust build`, and what it prints.

use std::fs;

use serde_json::{Value, json};

use super::world::{World, document, entries};

const SIMPLE: [(&str, &str); 2] =
    [("Dockerfile", "FROM scratch\nCOPY a.txt /d/\nCMD [\"/d/a.txt\"]\n"), ("a.txt", "hello\n")];

#[test]
fn a_context_becomes_an_image_under_its_names() {
    let world = World::with(&SIMPLE);
    let built = world.build(&["-t", "app:1", "-t", "app:2", "app"]).success();
    let digest = built.stdout.trim();
    assert!(built.stderr.contains("COPY a.txt /d/"), "{built:?}");
    assert!(built.stderr.contains("Named app:1\nNamed app:2"), "{built:?}");
    let listed = world.user.trust(&["images", "--digests", "--no-trunc"]).success();
    assert_eq!(listed.stdout.matches(digest).count(), 2, "{listed:?}");
    let config = world.config(digest);
    assert_eq!(config["config"]["Cmd"], json!(["/d/a.txt"]));
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    assert_eq!(world.files_of(&["app"]), ["d/ 0755", "d/a.txt 0644 hello"]);
    // Once more, from what was kept.
    let again = world.build(&["app"]).success();
    assert_eq!(again.stdout.trim(), digest);
    assert!(again.stderr.contains("CACHED"), "{again:?}");
    // The plan of a person who says nothing but where.
    assert_eq!(world.user.trust(&["build", "-q", "app"]).success().stderr, "");
}

#[test]
fn the_dockerfile_is_elsewhere_or_comes_in() {
    let world = World::with(&SIMPLE);
    let plain = world.digest(&["app"]);
    let text = fs::read(world.path("app/Dockerfile")).unwrap();
    fs::write(world.path("other.dockerfile"), &text).unwrap();
    let other = world.path("other.dockerfile").display().to_string();
    assert_eq!(world.digest(&["-f", &other, "app"]), plain);
    let piped = world.user.trust_with_input(&["build", "-f", "-", "app"], &text).success();
    assert_eq!(piped.stdout.trim(), plain);
    // Its own rules of what is left out are beside it.
    fs::write(world.path("other.dockerfile.dockerignore"), "*.txt\n").unwrap();
    let missing = world.build(&["-f", &other, "app"]).expect_code(8);
    assert!(missing.stderr.contains("`.dockerignore` leaves it out"), "{missing:?}");
    let lower = World::with(&[("dockerfile", SIMPLE[0].1), SIMPLE[1]]);
    assert_eq!(lower.digest(&["app"]), plain);
    let none = World::with(&[("a.txt", "")]);
    let refused = none.build(&["app"]).expect_code(8);
    assert!(refused.stderr.contains("there is no Dockerfile in app"), "{refused:?}");
    assert!(refused.stderr.contains("--file"), "{refused:?}");
}

#[test]
fn the_context_comes_in() {
    let world = World::with(&SIMPLE);
    let plain = world.digest(&["app"]);
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in SIMPLE {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o664);
        header.set_uid(1000);
        header.set_mtime(1_700_000_000);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    let of_archive = world.user.trust_with_input(&["build", "-"], &archive).success();
    assert_eq!(of_archive.stdout.trim(), plain);
    let text = b"FROM scratch\nLABEL a=b\n";
    let of_text = world.user.trust_with_input(&["build", "-"], text).success();
    let config = world.config(of_text.stdout.trim());
    assert_eq!(config["config"]["Labels"], json!({"a": "b"}));
    let both = world.user.trust_with_input(&["build", "-f", "-", "-"], text).expect_code(2);
    assert!(both.stderr.contains("cannot both come from the standard input"), "{both:?}");
    let named = world.user.trust_with_input(&["build", "-f", "x", "-"], text).expect_code(2);
    assert!(named.stderr.contains("not an archive that could have `x`"), "{named:?}");
}

#[test]
fn arguments_labels_targets_and_times() {
    let dockerfile = "ARG GLOBAL=none\nFROM scratch AS first\nARG A=default\nARG B\n\
                      LABEL a=$A b=$B\nFROM first AS second\nLABEL second=yes\n";
    let mut world = World::with(&[("Dockerfile", dockerfile)]);
    world.user.set("B", "of the environment");
    let words = ["--build-arg", "A=given", "--build-arg", "B", "--label", "l=1", "--label", "m"];
    let words = [&words[..], &["--target", "first", "app"]].concat();
    let labels = &world.config(&world.digest(&words))["config"]["Labels"];
    let expected = json!({"a": "given", "b": "of the environment", "l": "1", "m": ""});
    assert_eq!(labels, &expected);
    let refused = world.build(&["--target", "secnd", "app"]).expect_code(2);
    assert!(refused.stderr.contains("there is no stage `secnd`"), "{refused:?}");
    assert!(refused.stderr.contains("did you mean `second`?"), "{refused:?}");
    for words in [
        &["--source-date-epoch", "1700000000", "app"][..],
        &["--build-arg", "SOURCE_DATE_EPOCH=1700000000", "app"],
    ] {
        assert_eq!(world.config(&world.digest(words))["created"], "2023-11-14T22:13:20Z");
    }
    world.user.set("SOURCE_DATE_EPOCH", "1700000001");
    assert_eq!(world.config(&world.digest(&["app"]))["created"], "2023-11-14T22:13:21Z");
    world.build(&["--source-date-epoch=-1", "app"]).expect_code(2);
}

#[test]
fn several_platforms_are_an_index() {
    let dockerfile = "FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY a.txt /\n";
    let world = World::with(&[("Dockerfile", dockerfile), ("a.txt", "x")]);
    let words = ["--platform", "linux/arm64,linux/amd64", "-t", "app:1", "app"];
    let digest = world.digest(&words);
    let index = world.document(&digest);
    let listed = index["manifests"].as_array().unwrap();
    let of = |number: usize| listed[number]["platform"]["architecture"].as_str().unwrap();
    assert_eq!([of(0), of(1)], ["amd64", "arm64"]);
    for manifest in listed {
        let config = world.config(manifest["digest"].as_str().unwrap());
        assert_eq!(config["config"]["Labels"]["arch"], manifest["platform"]["architecture"]);
    }
    let files = world.files_of(&["--platform", "linux/arm64,linux/amd64", "app"]);
    let expected = ["linux_arm64/ 0755", "linux_arm64/a.txt 0644 x", "linux_amd64/ 0755"];
    assert_eq!(files[..3], expected);
    let docker = ["--platform", "linux/arm64,linux/amd64", "-o", "type=docker,dest=x.tar", "app"];
    let refused = world.build(&docker).expect_code(2);
    assert!(refused.stderr.contains("type=oci"), "{refused:?}");
}

#[test]
fn outcomes_go_where_they_should() {
    let world = World::with(&SIMPLE);
    let digest = world.digest(&["-t", "app:1", "app"]);
    // Archives of images, which are loaded again.
    for kind in ["oci", "docker"] {
        let output = format!("type={kind},dest={kind}.tar");
        world.build(&["-t", "app:1", "-o", &output, "app"]).success();
        let other = World::new();
        let file = world.path(&format!("{kind}.tar")).display().to_string();
        other.user.trust(&["load", "-i", &file]).success();
        let listed = other.user.trust(&["images", "--digests", "--no-trunc"]).success();
        assert!(listed.stdout.contains(&digest), "{kind}: {listed:?}");
    }
    // A layout.
    world.build(&["-t", "app:1", "-o", "type=layout,dest=out/layout", "app"]).success();
    let index: Value =
        serde_json::from_slice(&fs::read(world.path("out/layout/index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["digest"], digest);
    document(&world.path("out/layout"), &digest);
    // Files.
    world.build(&["-o", "out/files", "app"]).success();
    assert_eq!(fs::read_to_string(world.path("out/files/d/a.txt")).unwrap(), "hello\n");
    // The standard output: nothing but the archive is on it.
    let piped = world.user.trust_command(&["build", "-o", "-", "app"].map(str::to_owned)).output();
    let piped = piped.unwrap();
    assert!(piped.status.success());
    assert_eq!(entries(&piped.stdout), ["d/ 0755", "d/a.txt 0644 hello"]);
    assert!(String::from_utf8_lossy(&piped.stderr).contains(&format!("Digest: {digest}")));
    // With an output of another kind the image gets no name here, as with docker.
    world.build(&["-t", "app:2", "-o", "out/files", "app"]).success();
    let listed = world.user.trust(&["images", "--format", "{{.Tag}}"]).success();
    assert!(!listed.stdout.contains('2'), "{listed:?}");
    world.build(&["-o", "type=zip,dest=x", "app"]).expect_code(2);
    world.build(&["-o", "-", "-o", "type=oci,dest=-", "app"]).expect_code(2);
}

#[test]
fn what_is_known_of_the_image_is_written() {
    let world = World::with(&SIMPLE);
    let words = ["-t", "app:1", "--iidfile", "iid", "--metadata-file", "meta.json", "app"];
    let digest = world.digest(&words);
    assert_eq!(fs::read_to_string(world.path("iid")).unwrap(), digest);
    let text = fs::read_to_string(world.path("meta.json")).unwrap();
    let metadata: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(metadata["containerimage.digest"], digest);
    let config = world.document(&digest)["config"]["digest"].clone();
    assert_eq!(metadata["containerimage.config.digest"], config);
    assert_eq!(metadata["image.name"], "docker.io/library/app:1");
    assert_eq!(metadata["containerimage.descriptor"]["digest"], digest);
    let image = &metadata["vnd.trust.images"][0];
    assert_eq!(image["inputs"]["epoch"], 0);
    assert!(image["inputs"]["dockerfile"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn mistakes_are_shown_at_their_word() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nCOPYY a b\n")]);
    let refused = world.build(&["app"]).expect_code(14);
    assert!(refused.stderr.contains(" --> Dockerfile:2:1"), "{refused:?}");
    assert!(refused.stderr.contains("2 | COPYY a b\n  | ^^^^^"), "{refused:?}");
    assert!(refused.stderr.contains("hint: did you mean `COPY`?"), "{refused:?}");
    let world =
        World::with(&[("Dockerfile", "FROM scratch\nCOPY hllo.txt /\n"), ("hello.txt", "")]);
    let refused = world.build(&["app"]).expect_code(8);
    assert!(refused.stderr.contains("2 | COPY hllo.txt /"), "{refused:?}");
    assert!(refused.stderr.contains("did you mean `hello.txt`?"), "{refused:?}");
    assert!(refused.stdout.is_empty());
    world.build(&["no/such/folder"]).expect_code(8);
    world.build(&["s3://bucket/context"]).expect_code(2);
    world.build(&["--runtime", "no-such-runtime", "app"]).expect_code(2);
}

#[test]
fn the_cache_is_not_used_where_it_must_not_be() {
    let dockerfile = "FROM scratch AS one\nCOPY a.txt /one\nFROM one AS two\nCOPY a.txt /two\n";
    let world = World::with(&[("Dockerfile", dockerfile), ("a.txt", "x")]);
    let first = world.digest(&["app"]);
    let cached = |words: &[&str]| {
        let built = world.build(words).success();
        assert_eq!(built.stdout.trim(), first);
        built.stderr.matches("CACHED").count()
    };
    assert_eq!(cached(&["app"]), 2);
    assert_eq!(cached(&["--no-cache", "app"]), 0);
    assert_eq!(cached(&["--no-cache-filter", "two", "app"]), 1);
    // What is kept travels.
    world.build(&["--cache-to", "type=local,dest=cache", "app"]).success();
    let other = World::with(&[("Dockerfile", dockerfile), ("a.txt", "x")]);
    let cache = format!("type=local,src={}", world.path("cache").display());
    let taken = other.build(&["--cache-from", &cache, "app"]).success();
    assert_eq!(taken.stderr.matches("CACHED").count(), 2, "{taken:?}");
    assert_eq!(taken.stdout.trim(), first);
    // A cache that is none is no reason to fail.
    let without = other.build(&["--cache-from", "type=local,src=app", "app"]).success();
    assert!(without.stderr.contains("warning:"), "{without:?}");
    // And goes.
    let pruned = world.user.trust(&["build", "prune", "--force"]).success();
    assert!(pruned.stdout.contains("Total reclaimed space"), "{pruned:?}");
    assert_eq!(cached(&["app"]), 0);
    world.user.trust(&["build", "prune", "--no-prompt"]).expect_code(2);
}

#[test]
fn a_build_is_made_twice_and_compared() {
    let world = World::with(&SIMPLE);
    let verified = world.build(&["--verify", "-t", "app:1", "app"]).success();
    assert!(verified.stderr.contains("a second build gave the same"), "{verified:?}");
    let rebuilt = world.build(&["--rebuild", "app:1", "app"]).success();
    assert!(rebuilt.stderr.contains("building it again gave the same"), "{rebuilt:?}");
    assert_eq!(rebuilt.stdout, verified.stdout);
    fs::write(world.path("app/a.txt"), "other\n").unwrap();
    let refused = world.build(&["--rebuild", "app:1", "app"]).expect_code(12);
    assert!(refused.stderr.contains("the first path that is different is /d/a.txt"), "{refused:?}");
    assert!(refused.stderr.contains("COPY a.txt /d/"), "{refused:?}");
    fs::write(world.path("app/Dockerfile"), "FROM scratch\n").unwrap();
    let refused = world.build(&["--rebuild", "app:1", "app"]).expect_code(12);
    assert!(refused.stderr.contains("the Dockerfile is sha256:"), "{refused:?}");
    world.build(&["--rebuild", "app:1", "--build-arg", "A=b", "app"]).expect_code(2);
}

#[test]
fn modes_and_compressions() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::with(&SIMPLE);
    let plain = world.digest(&["app"]);
    let file = world.path("app/a.txt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(world.digest(&["app"]), plain, "git keeps no such mode");
    let kept = world.digest(&["--keep-modes", "app"]);
    assert_ne!(kept, plain);
    assert_eq!(world.files_of(&["--keep-modes", "app"])[1], "d/a.txt 0640 hello");
    for (compression, suffix) in [("zstd", "tar+zstd"), ("none", "tar"), ("gzip", "tar+gzip")] {
        let digest = world.digest(&["--compression", compression, "app"]);
        let manifest = world.document(&digest);
        let media_type = manifest["layers"][0]["mediaType"].as_str().unwrap();
        assert!(media_type.ends_with(suffix), "{media_type}");
    }
}

#[test]
fn the_lock_file_is_no_part_of_the_context() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let before = world.digest(&["app"]);
    assert_eq!(world.digest(&["--lock", "app"]), before);
    assert!(world.path("app/trust-build.lock").exists());
    assert_eq!(world.digest(&["app"]), before, "whether it is there makes no difference");
    assert_eq!(world.digest(&["--locked", "app"]), before);
    fs::write(world.path("app/trust-build.lock"), "{}").unwrap();
    let refused = world.build(&["--locked", "app"]).expect_code(14);
    assert!(refused.stderr.contains("it has no version"), "{refused:?}");
    world.build(&["--update-lock", "app"]).success();
    world.build(&["--locked=elsewhere.lock", "app"]).expect_code(8);
    world.build(&["--lock", "--locked", "app"]).expect_code(2);
}

/// A context with a shell, and this Dockerfile after what makes it a base.
pub(super) fn with_shell(rest: &str) -> World {
    let base = "FROM scratch\nCOPY --chmod=755 busybox /bin/busybox\n\
                SHELL [\"/bin/busybox\", \"sh\", \"-c\"]\n";
    let world = World::with(&[("Dockerfile", &format!("{base}{rest}"))]);
    fs::copy("/bin/busybox", world.path("app/busybox")).unwrap();
    world
}

#[test]
fn a_command_that_fails_is_shown_with_what_it_wrote() {
    let world = with_shell("RUN echo one; printf 'a\\tb\\033[31m\\n' >&2; exit 3\n");
    for flags in [&["--progress", "plain"][..], &["-q"], &["--progress", "quiet"]] {
        let failed = world.build(&[flags, &["-t", "app:1", "app"]].concat()).expect_code(15);
        assert!(failed.stderr.contains("exit code 3"), "{failed:?}");
        assert!(failed.stderr.contains("--> Dockerfile:4:1"), "{failed:?}");
        assert!(failed.stderr.contains("one\n") && failed.stderr.contains("a\tb\n"), "{failed:?}");
        assert!(failed.stdout.is_empty(), "{failed:?}");
    }
    let listed = world.user.trust(&["images", "--format", "{{.Tag}}"]).success();
    assert_eq!(listed.stdout, "");
}

#[test]
fn secrets_are_seen_by_commands_and_nowhere_else() {
    let run = "RUN --mount=type=secret,id=a --mount=type=secret,id=T,env=T \
               test $(/bin/busybox wc -c < /run/secrets/a)-${#T} = 6-6 && echo ok > /out\n";
    let mut world = with_shell(run);
    fs::write(world.path("secret"), "s3cret").unwrap();
    world.user.set("T", "of-env");
    let words = ["--secret", "id=a,src=secret", "--secret", "id=T,env=T", "app"];
    let built = world.build(&words).success();
    assert!(built.stderr.contains("Not fixed by the inputs: secret: RUN"), "{built:?}");
    assert!(!built.stderr.contains("s3cret"), "{built:?}");
    let config = world.config(built.stdout.trim()).to_string();
    assert!(!config.contains("s3cret") && !config.contains("of-env"), "{config}");
    let files = world.files_of(&words);
    assert!(files.contains(&"out 0644 ok".to_owned()), "{files:?}");
    assert!(!files.iter().any(|file| file.contains("secrets")), "{files:?}");
    let required = with_shell("RUN --mount=type=secret,id=a,required=true true\n");
    let refused = required.build(&["app"]).expect_code(2);
    assert!(refused.stderr.contains("--secret id=a,src=FILE"), "{refused:?}");
    required.build(&["--secret", "id=a,src=/no/such/file", "app"]).expect_code(8);
}

#[test]
fn what_commands_may_is_said() {
    let world = with_shell("RUN /bin/busybox grep named /etc/hosts > /out\n");
    let files = world.files_of(&["--add-host", "named:10.1.2.3", "app"]);
    assert!(files.iter().any(|file| file.contains("10.1.2.3")), "{files:?}");
    let built = world.build(&["--network", "host", "--add-host", "named:::1", "app"]).success();
    assert!(built.stderr.contains("Not fixed by the inputs: network: RUN"), "{built:?}");
    let wants = with_shell("RUN --network=host true\n");
    let refused = wants.build(&["app"]).expect_code(12);
    assert!(refused.stderr.contains("--allow"), "{refused:?}");
    wants.build(&["--allow", "network.host", "app"]).success();
    let wants = with_shell("RUN --security=insecure true\n");
    wants.build(&["app"]).expect_code(12);
    wants.build(&["--allow", "security.insecure", "app"]).success();
}

#[test]
fn a_build_that_is_not_the_same_twice_is_refused() {
    let world = with_shell("RUN /bin/busybox head -c 8 /dev/urandom > /dice\nLABEL a=b\n");
    let refused = world.build(&["--verify", "-t", "app:1", "app"]).expect_code(12);
    let path = "the first path that is different is /dice (content)";
    assert!(refused.stderr.contains(path), "{refused:?}");
    assert!(refused.stderr.contains("/dev/urandom"), "{refused:?}");
    let listed = world.user.trust(&["images", "-q"]).success();
    assert_eq!(listed.stdout, "");
}

#[test]
fn more_layers_than_docker_takes_are_told() {
    let world = World::with(&[("Dockerfile", ""), ("a", "x")]);
    let built = |text: String| {
        fs::write(world.path("app/Dockerfile"), text).unwrap();
        world.build(&["app"]).success().stderr
    };
    let warning = "docker takes 125 at most";
    let different =
        |count: usize| (0..count).map(|at| format!("COPY a /{at}\n")).collect::<Vec<_>>().concat();
    assert!(!built(format!("FROM scratch\n{}", different(125))).contains(warning));
    assert!(built(format!("FROM scratch\n{}", different(126))).contains(warning));
}

#[test]
fn checks_find_what_builders_let_pass() {
    let text = "FROM scratch as base\nCOPY a.txt /\nWORKDIR relative\n";
    let world = World::with(&[("Dockerfile", text), ("a.txt", "x")]);
    let found = world.build(&["--check", "app"]).expect_code(15);
    assert!(found.stderr.contains("warning: FromAsCasing: "), "{found:?}");
    assert!(found.stderr.contains("1 | FROM scratch as base"), "{found:?}");
    assert!(found.stderr.contains("error: checks of Dockerfile found"), "{found:?}");
    assert!(found.stdout.is_empty());
    // A build says it as well, and goes on; unless the Dockerfile says otherwise.
    let built = world.build(&["app"]).success();
    assert!(built.stderr.contains("FromAsCasing"), "{built:?}");
    fs::write(world.path("app/Dockerfile"), format!("# check=error=true\n{text}")).unwrap();
    world.build(&["app"]).expect_code(15);
    fs::write(world.path("app/Dockerfile"), format!("# check=skip=all\n{text}")).unwrap();
    let clean = world.build(&["--check", "app"]).success();
    assert!(clean.stderr.contains("nothing was found"), "{clean:?}");
}
