//! `trust docker` beside `docker` with content trust, and what it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::interop::world::{World, import};
use crate::peers::image::push_image;
use crate::peers::process::{Finished, search_path};
use crate::peers::user::docker_program;
use crate::peers::{Dockerd, User};

/// Docker's words with content trust on, and ours, byte by byte: on one repository, in turns.
/// Returns whoever has its keys.
pub(super) fn words(world: &World, daemon: &Dockerd) -> User {
    let user = world.docker_user(daemon);
    let app = format!("{}/place", world.registry.host_port());
    import(&user, &format!("{app}:1"), "in its place");
    for tag in ["2", "latest"] {
        user.docker(&["tag", &format!("{app}:1"), &format!("{app}:{tag}")]).success();
    }
    // Ours sets it up; docker sees its own work.
    let first = user.trust_docker(&["push", &format!("{app}:1")]).success();
    assert!(first.stdout.ends_with(&format!(
        "Signing and pushing trust metadata\nFinished initializing \"{app}\"\n\
         Successfully signed {app}:1\n"
    )));
    assert_eq!(first.stderr, "");
    let mut dockers = user.twin();
    dockers.set("DOCKER_CONTENT_TRUST", "1");
    let digest = format!("{app}@sha256:{}", "0".repeat(64));
    for line in [
        "push %:1",
        "push -q %:2",
        "push %",
        "push %:none",
        "push -a %:1",
        "push UPPER",
        "push",
        "pull %:1",
        "pull -q %:1",
        "pull %",
        "pull -q %",
        "pull %:none",
        "pull -a %:1",
        "pull %-unknown:1",
        "pull UPPER",
        "pull",
        "run --rm %:none",
        "run --rm %-unknown:1",
        "run UPPER",
        "run",
        "run --pull=sometimes %:1",
        "run --rm %:1 /nothing",
        "create %:none",
        "create %-unknown:1",
        "create UPPER",
    ] {
        same(&dockers, &user, &line.replace('%', &app));
    }
    same(&dockers, &user, &format!("push {digest}"));

    // With nothing here: what is fetched for a container is said on the standard error.
    for flags in ["", "-q ", "--pull=always ", "--pull=never "] {
        let line = format!("create {flags}{app}:1 /x");
        let words: Vec<&str> = line.split(' ').collect();
        clear(&user);
        let theirs = dockers.docker(&words);
        clear(&user);
        let ours = user.trust_docker(&words);
        assert_eq!(
            (ours.code, settled(&ours.stderr)),
            (theirs.code, settled(&theirs.stderr)),
            "{line}"
        );
        assert_eq!(ours.stdout.len(), theirs.stdout.len());
    }
    clear(&user);
    let theirs = dockers.docker(&["pull", &format!("{app}:1")]).success();
    clear(&user);
    let ours = user.trust_docker(&["pull", &format!("{app}:1")]).success();
    assert_eq!((settled(&ours.stdout), ours.stderr), (settled(&theirs.stdout), theirs.stderr));
    let all = user.trust_docker(&["pull", "-a", &app]).success();
    for (number, tag) in ["1", "2", "latest"].iter().enumerate() {
        let line = format!("Pull ({} of 3): {app}:{tag}@sha256:", number + 1);
        assert!(all.stdout.contains(&line), "{all:?}");
        user.docker(&["image", "inspect", &format!("{app}:{tag}")]).success();
    }
    assert!(all.stdout.ends_with(&format!("\n{app}\n")), "{all:?}");

    // All tags that are pushed are signed, where docker signed none of them.
    let other = format!("{app}-all");
    for tag in ["1", "2"] {
        user.docker(&["tag", &format!("{app}:1"), &format!("{other}:{tag}")]).success();
    }
    let pushed = user.trust_docker(&["push", "--all-tags", &other]).success();
    for tag in ["1", "2"] {
        assert!(pushed.stdout.contains(&format!("Successfully signed {other}:{tag}\n")));
        user.trust(&["verify", &format!("{other}:{tag}")]).success();
    }
    user
}

/// What must not come to anything.
pub(super) fn refusals(world: &World, owner: &User) {
    let mut user = owner.twin();
    let app = format!("{}/place", world.registry.host_port());
    let name = |tag: &str| format!("{app}:{tag}");
    clear(&user);
    push_image(&world.registry, "place", "unsigned", b"unsigned");
    let evil = push_image(&world.registry, "place", "1", b"somebody moved the tag");
    for words in [
        &["pull", &name("unsigned")][..],
        &["run", "--rm", &name("unsigned")],
        &["create", &name("unsigned")],
        &["run", "--rm", "-itdP", "--name", &name("1"), &name("unsigned"), &name("1")],
        &["create", "--mount", &format!("type=image,src={},dst=/x", name("unsigned")), &name("1")],
        &["run", "--mount", &format!("\"type=image\",src={},dst=/x", name("1")), &name("1")],
        // A tag that reads like an id.
        &["create", "--pull=always", &format!("sha256:{}", "0".repeat(64))],
        // It is signed, but not with this digest.
        &["pull", &format!("{}@{}", name("1"), evil.digest)],
        &["run", &format!("{}@{}", name("1"), evil.digest)],
        // A digest that nobody signed.
        &["pull", &format!("{app}@{}", evil.digest)],
        &["run", &format!("{app}@{}", evil.digest)],
        // It cannot be told which word is the image.
        &["run", "--unheard-of", &name("1"), &name("unsigned")],
        &["create", "-Z", &name("1"), &name("unsigned")],
        &["pull", "--unheard-of", &name("1")],
        // The same under docker's long names, and behind docker's own flags.
        &["cli", "image", "pull", &name("unsigned")],
        &["cli", "-D", "--log-level=warn", "container", "run", &name("unsigned")],
        &["cli", "--unheard-of", "run", &name("unsigned")],
    ] {
        let refused = user.trust_docker(words);
        assert!(refused.code == 1 || refused.code == 125, "{refused:?}");
        assert_ne!(refused.stderr, "", "{refused:?}");
        assert_eq!(here(&user), "", "{refused:?}");
    }
    // The signed digest is pulled, whatever the registry has for the tag now.
    let pulled = user.trust_docker(&["pull", &name("1")]).success();
    assert!(!pulled.stdout.contains(&evil.digest), "{pulled:?}");
    let id = user.docker(&["image", "inspect", "--format", "{{.Id}}", &name("1")]).success().stdout;
    let created = user.trust_docker(&["cli", "container", "create", &name("1"), "/x"]).success();
    let image = ["inspect", "--format", "{{.Image}}", created.stdout.trim()];
    assert_eq!(user.docker(&image).success().stdout, id);
    // The whole id of what is here is what it is.
    user.trust_docker(&["create", id.trim(), "/x"]).success();
    // What has its digest is used without the registry.
    let signed = pulled.stdout.split('@').nth(1).unwrap().split('\n').next().unwrap();
    user.trust_docker(&["create", "--pull", "never", &format!("{app}@{signed}"), "/x"]).success();

    // Whoever wants to do without says so.
    for switch in ["--disable-content-trust", "--disable-content-trust=true"] {
        user.trust_docker(&["pull", switch, &name("unsigned")]).success();
    }
    user.set("DOCKER_CONTENT_TRUST", "0");
    user.trust_docker(&["pull", &name("unsigned")]).success();
    let asked = ["pull", "--disable-content-trust=false", &name("unsigned")];
    user.trust_docker(&asked).expect_code(1);
    user.unset("DOCKER_CONTENT_TRUST");

    // A command's terminal, streams and exit code are docker's.
    let folder = user.home().join("image.tar");
    fs::write(&folder, busybox()).unwrap();
    user.docker(&["import", "image.tar", &name("busybox")]).success();
    user.trust_docker(&["push", &name("busybox")]).success();
    let run = ["run", "-i", "--rm", &name("busybox"), "/busybox", "sh", "-c", "cat; exit 42"];
    let ran = user.trust_docker_with_input(&run, b"through\n").expect_code(42);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("through\n", ""));

    // Nobody to ask.
    user.set("DOCKER_CONTENT_TRUST_SERVER", "https://localhost:1");
    clear(&user);
    let refused = user.trust_docker(&["run", "--rm", &name("1")]).expect_code(125);
    assert!(refused.stderr.starts_with("docker: Error: error contacting notary server: "));
    assert_eq!(here(&user), "");
}

/// Builds stand on what is signed, with either builder.
pub(super) fn builds(world: &World, daemon: &Dockerd) {
    let mut user = world.docker_user(daemon);
    user.set("DOCKER_BUILDKIT", "0");
    let app = format!("{}/place", world.registry.host_port());
    let folder = user.home().join("context");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "file").unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text.replace('%', &app)).unwrap();
    };
    clear(&user);
    write(
        "Dockerfile",
        "ARG TAG\nFROM %:$TAG AS base\nCOPY file /\nFROM scratch\nCOPY --from=base / /\n",
    );
    let built = ["build", "-t", "built:1", "--build-arg", "TAG=2", "context"];
    let built = user.trust_docker(&built).success();
    assert!(built.stdout.contains(&format!("FROM {app}@sha256:")), "{built:?}");
    assert!(built.stderr.contains(&format!(" as {app}:2\n")), "{built:?}");
    user.docker(&["image", "inspect", "built:1", &format!("{app}:2")]).success();

    clear(&user);
    for words in [&["build"][..], &["build", "-q"], &["build", "context", "context"]] {
        let refused = user.trust_docker(words).expect_code(1);
        assert!(refused.stderr.contains("requires 1 argument"), "{refused:?}");
    }
    for (text, words) in [
        ("FROM %:unsigned\n", "Dockerfile:1: "),
        ("FROM scratch\nCOPY --from=%:unsigned / /\n", "No valid trust data for unsigned"),
        ("# syntax=%:unsigned\nFROM %:2\n", "which reads this file: No valid trust data"),
        ("ARG T=2\nFROM %:$T-$TARGETARCH\n", "the builder gives TARGETARCH its value"),
    ] {
        write("Dockerfile", text);
        let refused = user.trust_docker(&["build", "-t", "built:1", "context"]).expect_code(1);
        assert!(refused.stderr.contains(words), "{refused:?}");
        assert_eq!(here(&user), "");
    }
    // What else brings an image into it.
    write("Dockerfile", "FROM %:2\n");
    write("Unsigned", "FROM %:unsigned\n");
    let unsigned = format!("{app}:unsigned");
    let cache = format!("--cache-from=type=registry,ref={unsigned}");
    let scanner = format!("type=sbom,generator={unsigned}");
    for (words, said) in [
        (&["build", "--cache-from", &unsigned, "context"][..], "No valid trust data"),
        (&["build", &cache, "context"], "No valid trust data"),
        (&["build", "--attest", &scanner, "context"], "No valid trust data"),
        (&["build", "--sbom", "true", "context"], "the builder chooses the image"),
        (&["cli", "buildx", "build", "-f", "context/Unsigned", "context"], "No valid trust data"),
        (&["cli", "buildx", "b", "-f", "context/Unsigned", "context"], "No valid trust data"),
        (&["cli", "builder", "b", "-f", "context/Unsigned", "context"], "No valid trust data"),
    ] {
        let refused = user.trust_docker(words).expect_code(1);
        assert!(refused.stderr.contains(said), "{refused:?}");
        assert_eq!(here(&user), "");
    }
    let warned = user.trust_docker(&["cli", "stack", "deploy", "-c", "nowhere", "app"]);
    assert!(warned.stderr.contains("works without content trust"), "{warned:?}");
    for words in [
        &["build", "https://example.com/app.git"][..],
        &["build", "--unheard-of", "context"],
        &["build", "nowhere"],
    ] {
        assert_ne!(user.trust_docker(words).code, 0);
    }
    let text = format!("FROM {app}:unsigned\n");
    user.trust_docker_with_input(&["build", "-"], text.as_bytes()).expect_code(1);
    let archive = crate::peers::image::tar("Dockerfile", text.as_bytes());
    let refused = user.trust_docker_with_input(&["build", "-"], &archive).expect_code(1);
    assert!(refused.stderr.contains("unpack it"), "{refused:?}");
    assert_eq!(here(&user), "");
    let text = format!("FROM {app}:2\nCOPY file /\n");
    let words = ["build", "-q", "-t", "built:2", "-f", "-", "context"];
    user.trust_docker_with_input(&words, text.as_bytes()).success();
    user.trust_docker_with_input(&["build", "-q", "-"], format!("FROM {app}:2\n").as_bytes())
        .success();
    let left = fs::read_dir(user.home()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("trust-")
    });
    assert_eq!(left.count(), 0);
}

/// Services and plugins, beside the docker that asked trust about them.
pub(super) fn services_and_plugins(world: &World, daemon: &Dockerd) {
    let user = world.docker_user(daemon);
    let app = format!("{}/place", world.registry.host_port());
    let swarm = ["swarm", "init", "--advertise-addr=127.0.0.1", "--listen-addr=127.0.0.1:0"];
    user.docker(&swarm).success();
    let mut dockers = user.twin();
    dockers.set("DOCKER_CONTENT_TRUST", "1");
    let create = |name: &str| -> Vec<String> {
        let line = format!("service create -d --replicas 0 --name {name} {app}:1 command");
        line.split(' ').map(str::to_owned).collect()
    };
    let theirs = create("theirs");
    dockers.docker(&theirs.iter().map(String::as_str).collect::<Vec<_>>()).success();
    let ours = create("ours");
    user.trust_docker(&ours.iter().map(String::as_str).collect::<Vec<_>>()).success();
    let image = |name: &str| {
        let format = "{{.Spec.TaskTemplate.ContainerSpec.Image}}";
        user.docker(&["service", "inspect", "--format", format, name]).success().stdout
    };
    assert!(image("ours").starts_with(&format!("{app}:1@sha256:")));
    assert_eq!(image("ours"), image("theirs"));
    let digest = format!("{app}@sha256:{}", "0".repeat(64));
    for line in [
        "service create -d %:unsigned",
        "service create -d %:none",
        "service create -d %-unknown:1",
        "service create -d UPPER",
        "service create",
        "service update -d --image %:unsigned ours",
        "service update -d --image UPPER ours",
        "service update",
        "service",
        "plugin install %:unsigned",
        "plugin install %-unknown:1",
        "plugin install UPPER",
        "plugin install",
        "plugin upgrade nothing",
        "plugin push %:nothing",
        "plugin push UPPER",
        "plugin push",
    ] {
        same(&dockers, &user, &line.replace('%', &app));
    }
    same(&dockers, &user, &format!("plugin push {digest}"));
    let update = ["service", "update", "-dt", "--image", &format!("{app}:2"), "ours"];
    user.trust_docker(&update).success();
    assert!(image("ours").starts_with(&format!("{app}:2@sha256:")));

    let folder = user.home().join("plugin");
    fs::create_dir_all(folder.join("rootfs")).unwrap();
    let config = r#"{"entrypoint":["/x"],"interface":{"types":["docker.x/1.0"],"socket":"x"}}"#;
    fs::write(folder.join("config.json"), config).unwrap();
    let plugin = format!("{app}-plugin:1");
    user.docker(&["plugin", "create", &plugin, "plugin"]).success();
    let pushed = user.trust_docker(&["plugin", "push", &plugin]).success();
    assert!(pushed.stdout.ends_with(&format!("Successfully signed {plugin}\n")), "{pushed:?}");
    user.trust(&["verify", &plugin]).success();
    let mut dockers = user.twin();
    dockers.set("DOCKER_CONTENT_TRUST", "1");
    same(&dockers, &user, &format!("plugin push {plugin}"));
    // The registry has another than docker pushed.
    let liar = user.home().join("liar");
    fs::write(&liar, "#!/bin/sh\necho '000000000000: Preparing'\n").unwrap();
    fs::set_permissions(&liar, fs::Permissions::from_mode(0o755)).unwrap();
    let liar = liar.display().to_string();
    let refused =
        user.trust(&["docker", "--docker", &liar, "plugin", "push", &plugin]).expect_code(1);
    assert!(refused.stderr.contains("which is not what docker pushed"), "{refused:?}");
}

/// The function that a shell makes of `docker`.
pub(super) fn shell(world: &World, daemon: &Dockerd) {
    let user = world.docker_user(daemon);
    let app = format!("{}/place", world.registry.host_port());
    clear(&user);
    let folder = user.home().join("bin");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_trust"), folder.join("trust")).unwrap();
    std::os::unix::fs::symlink(docker_program(), folder.join("docker")).unwrap();
    let mut user = user;
    user.set("PATH", &format!("{}:{}", folder.display(), search_path()));
    let function = "eval \"$(trust docker shim)\"";
    let shell =
        |line: &str| -> Finished { user.program("bash", &["-c", &format!("{function}; {line}")]) };
    shell(&format!("docker pull {app}:unsigned")).expect_code(1);
    shell(&format!("docker --log-level warn image pull {app}:unsigned")).expect_code(1);
    assert_eq!(here(&user), "");
    // An alias goes before a function, unless it is taken away; fish has none.
    for (program, kind, first) in [
        ("bash", "bash", "shopt -s expand_aliases"),
        ("dash", "bash", "set -eu"),
        ("busybox", "bash", "set -eu"),
        ("zsh", "zsh", "set -eu"),
        ("zsh", "bash", "set -eu"),
        ("fish", "fish", ""),
    ] {
        let define = match kind {
            "fish" => "trust docker shim --shell fish | source".to_owned(),
            kind => format!("alias docker=false\neval \"$(trust docker shim --shell {kind})\""),
        };
        let text = format!("{first}\n{define}\ndocker -D pull {app}:unsigned");
        let words: &[&str] = if program == "busybox" { &["sh", "-c"] } else { &["-c"] };
        let refused = user.program(program, &[words, &[&text]].concat()).expect_code(1);
        assert_eq!(refused.stderr, "No valid trust data for unsigned\n", "{program}");
    }
    shell(&format!("docker pull {app}:2")).success();
    assert_eq!(shell("docker images -q").success().stdout.lines().count(), 1);
    assert_eq!(shell("docker version --format '{{.Client.Version}}'").success().stderr, "");
    // A program of that name that leads back does so once.
    fs::remove_file(folder.join("docker")).unwrap();
    fs::write(folder.join("docker"), "#!/bin/sh\nexec trust docker cli \"$@\"\n").unwrap();
    fs::set_permissions(folder.join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = user.program("docker", &["pull", &format!("{app}:2")]);
    assert!(refused.stderr.contains("leads back to this program"), "{refused:?}");
}

/// Asserts that docker with content trust and we say the same.
fn same(dockers: &User, user: &User, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let theirs = dockers.docker(&words);
    let ours = user.trust_docker(&words);
    let told = |told: Finished| (told.code, settled(&told.stdout), settled(&told.stderr));
    assert_eq!(told(ours), told(theirs), "{line}");
}

/// What docker said, but for how far a layer has come: what it catches of that depends on when it
/// looks.
fn settled(said: &str) -> String {
    let of_layer = |line: &&str| {
        let id = line.split_once(": ").map_or("", |(id, _)| id);
        id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    said.split_inclusive('\n').filter(|line| !of_layer(line)).collect()
}

/// Removes all containers and images.
fn clear(user: &User) {
    let containers = user.docker(&["ps", "-aq"]).success().stdout;
    for id in containers.lines() {
        user.docker(&["rm", "-f", id]).success();
    }
    let images = user.docker(&["images", "-q"]).success().stdout;
    for id in images.lines() {
        drop(user.docker(&["rmi", "-f", id]));
    }
    assert_eq!(here(user), "");
}

/// The containers and images that there are.
fn here(user: &User) -> String {
    let containers = user.docker(&["ps", "-aq"]).success().stdout;
    containers + &user.docker(&["images", "-q"]).success().stdout
}

/// An image of one program.
fn busybox() -> Vec<u8> {
    let program = fs::read("/bin/busybox").or_else(|_| fs::read("/usr/bin/busybox"));
    let program = program.expect("busybox-static is installed");
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    archive.append_data(&mut header, "busybox", program.as_slice()).unwrap();
    archive.into_inner().unwrap()
}
