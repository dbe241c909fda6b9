//! Contexts and sources that are elsewhere: repositories, downloads, other contexts, lock files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::world::World;
use crate::harness::server::certificate_pem;
use crate::harness::{Reply, Server};
use crate::peers::image::{self, digest};
use crate::peers::process::Process;
use crate::peers::{Registry, RegistryOptions};

/// A git server with one repository, and its working copy.
struct Repository {
    folder: tempfile::TempDir,
    _daemon: Process,
    port: u16,
}

impl Repository {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let served = folder.path().join("served");
        fs::create_dir(&served).unwrap();
        let (port, base) = (free_port(), format!("--base-path={}", served.display()));
        let port_word = format!("--port={port}");
        let words =
            ["daemon", "--reuseaddr", "--listen=127.0.0.1", "--export-all", &port_word, &base];
        let mut daemon = Process::start("git", &words, folder.path(), &[]);
        daemon.await_ready("answer", |_| std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        let repository = Self { folder, _daemon: daemon, port };
        repository.git(&["init", "--quiet", "--initial-branch=main", "."]);
        repository
    }

    fn work(&self) -> PathBuf {
        let work = self.folder.path().join("work");
        fs::create_dir_all(&work).unwrap();
        work
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(words)
            .current_dir(self.work())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits files, and serves what is there; returns the commit.
    fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, content) in files {
            let path = self.work().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", "x"]);
        self.publish();
        self.git(&["rev-parse", "HEAD"])
    }

    fn publish(&self) {
        let served = self.folder.path().join("served/app.git");
        fs::remove_dir_all(&served).ok();
        self.git(&["clone", "--quiet", "--bare", ".", served.to_str().unwrap()]);
    }

    fn url(&self) -> String {
        format!("git://127.0.0.1:{}/app.git", self.port)
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const COPY_ALL: &str = "FROM scratch\nCOPY . /\n";

#[test]
fn a_repository_is_a_context() {
    let repository = Repository::start();
    let files = [("Dockerfile", COPY_ALL), ("a.txt", "one"), ("sub/Dockerfile", COPY_ALL)];
    let commit = repository.commit(&files);
    repository.git(&["tag", "-a", "v1", "-m", "x"]);
    let temporary = tempfile::tempdir().unwrap();
    let mut world = World::new();
    world.user.set("TMPDIR", temporary.path().to_str().unwrap());
    // What git has is what a checkout has: the digest is the same.
    world.files("app", &files);
    let here = world.digest(&["app"]);
    let later = repository.commit(&[("a.txt", "two")]);
    let url = repository.url();
    for reference in ["v1", "refs/tags/v1", &commit] {
        assert_eq!(world.digest(&[&format!("{url}#{reference}")]), here, "{reference}");
    }
    let built = world.build(&["-t", "app:1", &format!("{url}#main")]).success();
    assert_ne!(built.stdout.trim(), here);
    assert!(built.stderr.contains(&format!("Built from {url}#{later}")), "{built:?}");
    let sub = world.files_of(&[&format!("{url}#main:sub")]);
    assert_eq!(sub, ["Dockerfile 0644 FROM scratch\nCOPY . /"]);
    let refused = world.build(&[&format!("{url}#nope")]).expect_code(8);
    assert!(refused.stderr.contains("has no branch, tag or commit `nope`"), "{refused:?}");
    let refused = world.build(&[&format!("{url}#main:no/such")]).expect_code(8);
    assert!(refused.stderr.contains("has no folder `no/such`"), "{refused:?}");
    let refused = world.build(&[&format!("{url}#--upload-pack=touch /tmp/x")]).expect_code(2);
    assert!(refused.stderr.contains("no branch, tag or commit"), "{refused:?}");
    // Nothing of the person's configuration counts, and nothing is left behind.
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_link_of_a_repository_leads_nowhere() {
    let repository = Repository::start();
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("Dockerfile"), COPY_ALL).unwrap();
    std::os::unix::fs::symlink(secret.path(), repository.work().join("out")).unwrap();
    repository.commit(&[("Dockerfile", COPY_ALL)]);
    let world = World::new();
    let refused = world.build(&[&format!("{}#main:out", repository.url())]).expect_code(8);
    assert!(refused.stderr.contains("has no folder `out`"), "{refused:?}");
    let files = world.files_of(&[&format!("{}#main", repository.url())]);
    assert!(files[1].starts_with(&format!("out 0777 -> {}", secret.path().display())), "{files:?}");
}

#[test]
fn a_repository_is_added_and_locked() {
    let repository = Repository::start();
    let first = repository.commit(&[("a.txt", "one")]);
    let url = repository.url();
    let dockerfile = format!("FROM scratch\nADD {url}#main /src/\n");
    let world = World::with(&[("Dockerfile", &dockerfile)]);
    let unlocked = world.build(&["app"]).success();
    assert!(unlocked.stderr.contains("unpinned: git://"), "{unlocked:?}");
    let locked = world.digest(&["--lock", "app"]);
    let text = fs::read_to_string(world.path("app/trust-build.lock")).unwrap();
    let lock: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(lock["repositories"][format!("{url}#main")], first);
    repository.commit(&[("a.txt", "two")]);
    assert_eq!(world.digest(&["--locked", "app"]), locked);
    assert_ne!(world.digest(&["--update-lock", "app"]), locked);
    let files = world.files_of(&["app"]);
    assert_eq!(files, ["src/ 0755", "src/a.txt 0644 two"]);
    // How git keeps a repository is not fixed by its commit.
    let kept = dockerfile.replace("ADD ", "ADD --keep-git-dir ");
    fs::write(world.path("app/Dockerfile"), kept).unwrap();
    let built = world.build(&["--locked", "app"]).success();
    assert!(built.stderr.contains("Not fixed by the inputs: git: git://"), "{built:?}");
}

#[test]
fn a_download_is_added_and_locked() {
    let server = Server::start(|request| match request.target.as_str() {
        "/file.txt" => Reply::file(b"downloaded".to_vec()),
        "/context.tar" => Reply::file({
            let mut archive = tar::Builder::new(Vec::new());
            for (name, content) in [("Dockerfile", COPY_ALL), ("in.txt", "x")] {
                let mut header = tar::Header::new_gnu();
                header.set_size(content.len() as u64);
                header.set_mode(0o644);
                archive.append_data(&mut header, name, content.as_bytes()).unwrap();
            }
            archive.into_inner().unwrap()
        }),
        _ => Reply::status(404, "no"),
    });
    let world = World::new();
    fs::write(world.path("ca.pem"), certificate_pem()).unwrap();
    let url = format!("{}/file.txt", server.url());
    world.files("app", &[("Dockerfile", &format!("FROM scratch\nADD {url} /\n"))]);
    let ca = ["--tlscacert", "ca.pem"];
    let build = |words: &[&str]| world.build(&[&ca[..], words].concat());
    let built = build(&["app"]).success();
    assert!(built.stderr.contains(&format!("unpinned: {url}")), "{built:?}");
    let files = world.files_of(&[&ca[..], &["app"]].concat());
    assert_eq!(files, ["file.txt 0600 downloaded"]);
    let locked = build(&["--lock", "app"]).success();
    assert!(!locked.stderr.contains("unpinned"), "{locked:?}");
    build(&["--locked", "app"]).success();
    // A checksum says what must come.
    let right = digest(b"downloaded");
    let wrong = digest(b"something else");
    for (checksum, code) in [(&right, 0), (&wrong, 7)] {
        let text = format!("FROM scratch\nADD --checksum={checksum} {url} /\n");
        world.files("app", &[("Dockerfile", &text)]);
        let done = build(&["app"]).expect_code(code);
        assert!(code == 0 || done.stderr.contains("gives sha256:"), "{done:?}");
        assert!(code == 0 || done.stderr.contains("--> Dockerfile:2:"), "{done:?}");
    }
    // Plain HTTP is taken with a checksum alone.
    let plain = "FROM scratch\nADD http://example.invalid/x /\n";
    world.files("app", &[("Dockerfile", plain)]);
    let refused = build(&["app"]).expect_code(12);
    assert!(refused.stderr.contains("is not protected by TLS"), "{refused:?}");
    // The context itself.
    let context = format!("{}/context.tar", server.url());
    let files = world.files_of(&[&ca[..], &[&context]].concat());
    assert_eq!(files, ["Dockerfile 0644 FROM scratch\nCOPY . /", "in.txt 0644 x"]);
    build(&[&format!("{}/missing.tar", server.url())]).expect_code(10);
}

#[test]
fn a_lock_file_keeps_a_base_what_it_is() {
    let registry = Registry::start(&RegistryOptions::default());
    let first = image::push_image(&registry, "base", "1", b"first");
    let base = format!("{}/base:1", registry.host_port());
    let world = World::with(&[("Dockerfile", &format!("FROM {base}\nLABEL a=b\n"))]);
    let unlocked = world.build(&["app"]).success();
    assert!(unlocked.stderr.contains(&format!("unpinned: {base}")), "{unlocked:?}");
    let locked = world.digest(&["--lock", "app"]);
    let text = fs::read_to_string(world.path("app/trust-build.lock")).unwrap();
    let lock: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(lock["images"][&base], first.digest);
    image::push_image(&registry, "base", "1", b"second");
    assert_eq!(world.digest(&["--pull", "--locked", "app"]), locked);
    let moved = world.digest(&["--pull", "app"]);
    assert_ne!(moved, locked);
    // On another machine, too.
    let other = World::new();
    other.files("app", &[("Dockerfile", &format!("FROM {base}\nLABEL a=b\n"))]);
    fs::write(other.path("app/trust-build.lock"), &text).unwrap();
    assert_eq!(other.digest(&["--locked", "app"]), locked);
    // What the file lacks is refused at its line.
    other.files("app", &[("Dockerfile", &format!("FROM scratch\n\nFROM {base}x\n"))]);
    let refused = other.build(&["--locked", "app"]).expect_code(12);
    assert!(refused.stderr.contains("--> Dockerfile:3:6"), "{refused:?}");
    assert!(refused.stderr.contains("is not in the lock file"), "{refused:?}");
}

#[test]
fn other_contexts_have_names() {
    let world = World::with(&[(
        "Dockerfile",
        "FROM base\nCOPY --from=extra b.txt /\nCOPY --from=base2 /a.txt /copied.txt\n",
    )]);
    world.files("extra", &[("b.txt", "b")]);
    world.files("other", &[("Dockerfile", "FROM scratch\nCOPY a.txt /\n"), ("a.txt", "a")]);
    world.build(&["-t", "other:1", "-o", "type=layout,dest=layout", "other"]).success();
    world.build(&["-t", "other:1", "other"]).success();
    let words = [
        "--build-context",
        "base=oci-layout://layout",
        "--build-context",
        "extra=extra",
        "--build-context",
        "base2=docker-image://other:1",
        "app",
    ];
    let files = world.files_of(&words);
    assert_eq!(files, ["a.txt 0644 a", "b.txt 0644 b", "copied.txt 0644 a"]);
    let refused = world.build(&["--build-context", "x=no/such", "app"]).expect_code(8);
    assert!(refused.stderr.contains("no/such"), "{refused:?}");
    world.build(&["--build-context", "x", "app"]).expect_code(2);
    let several = ["--build-context", "base=oci-layout://layout:2", "app"];
    world.build(&several).expect_code(8);
}

#[test]
fn a_cache_goes_through_a_registry() {
    let registry = Registry::start(&RegistryOptions::default());
    let cache = format!("type=registry,ref={}/cache:1", registry.host_port());
    let files = [("Dockerfile", "FROM scratch\nCOPY a.txt /\n"), ("a.txt", "x")];
    let world = World::with(&files);
    let built = world.digest(&["--cache-to", &cache, "app"]);
    let other = World::with(&files);
    let taken = other.build(&["--cache-from", &cache, "app"]).success();
    assert_eq!(taken.stdout.trim(), built);
    assert!(taken.stderr.contains("CACHED"), "{taken:?}");
}
