//! Contexts, archives and Dockerfiles that somebody made to do harm: an error that says why, or an
//! image that has nothing it should not have. Nothing hangs, and nothing is left behind.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use serde_json::json;

use super::world::World;
use crate::harness::layout::Layout;

/// A build that must be refused so; the images stay what they were.
#[track_caller]
fn refused(world: &World, words: &[&str], expected: &[&str]) -> i32 {
    let built = world.build(words);
    assert!(!matches!(built.code, 0 | 101 | 134 | 139), "{built:?}");
    for words in expected {
        assert!(built.stderr.contains(words), "`{words}` is not in {built:?}");
    }
    assert_eq!(built.stdout, "", "{built:?}");
    let incoming = world.path(".local/share/trust/images/.trust-incoming");
    let left = fs::read_dir(incoming).map_or(0, Iterator::count);
    assert_eq!(left, 0, "something is left behind");
    built.code
}

#[test]
fn links_out_of_the_context_lead_nowhere() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nCOPY way /x\n")]);
    fs::write(world.path("secret"), "secret").unwrap();
    for target in ["../secret", "../../../../../../etc/passwd", "/etc/passwd", "way"] {
        symlink(target, world.path("app/way")).unwrap();
        refused(&world, &["app"], &["way"]);
        fs::remove_file(world.path("app/way")).unwrap();
    }
    symlink("..", world.path("app/up")).unwrap();
    for source in ["up/secret", "../secret", "/../secret", "./up/../../secret", "up/../secret"] {
        fs::write(world.path("app/Dockerfile"), format!("FROM scratch\nCOPY {source} /x\n"))
            .unwrap();
        refused(&world, &["app"], &["secret"]);
    }
    // As itself a link is copied, and means something in the image alone.
    fs::write(world.path("app/Dockerfile"), "FROM scratch\nCOPY . /c/\n").unwrap();
    let files = world.files_of(&["app"]);
    assert!(files.contains(&"c/up 0777 -> ..".to_owned()), "{files:?}");
    assert!(!files.iter().any(|file| file.contains("secret")), "{files:?}");
    // Nor does a link in the image lead out of it.
    let recipe =
        "FROM scratch\nCOPY up /way\nCOPY Dockerfile /way/../../../tmp/x\nADD Dockerfile /way/f\n";
    fs::write(world.path("app/Dockerfile"), recipe).unwrap();
    let files = world.files_of(&["app"]);
    assert!(files.iter().any(|file| file.starts_with("tmp/x 0644")), "{files:?}");
}

#[test]
fn what_is_no_file_is_not_read() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nCOPY . /c/\n"), ("a", "1")]);
    let fifo = world.path("app/pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let _socket = UnixListener::bind(world.path("app/socket")).unwrap();
    let files = world.files_of(&["app"]);
    assert!(files.contains(&"c/a 0644 1".to_owned()), "{files:?}");
    assert!(!files.iter().any(|file| file.contains("socket")), "{files:?}");
    // Nobody ever writes into it: whoever opened it would wait for ever.
    fs::write(world.path("app/Dockerfile"), "FROM scratch\nADD pipe /x\n").unwrap();
    let built = world.build(&["app"]);
    assert!(built.code >= 0, "{built:?}");
    fs::remove_file(world.path("app/Dockerfile")).unwrap();
    fs::rename(&fifo, world.path("app/Dockerfile")).unwrap();
    refused(&world, &["app"], &["Dockerfile"]);
}

#[test]
fn a_file_of_a_terabyte() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nCOPY a /a\n"), ("a", "1")]);
    File::create(world.path("app/huge")).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(world.files_of(&["app"]), ["a 0644 1"], "nobody reads what nobody wants");
    fs::write(world.path("app/Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
    refused(&world, &["app"], &["huge"]);
    fs::remove_file(world.path("app/Dockerfile")).unwrap();
    fs::rename(world.path("app/huge"), world.path("app/Dockerfile")).unwrap();
    refused(&world, &["app"], &["Dockerfile"]);
    fs::rename(world.path("app/Dockerfile"), world.path("app/.dockerignore")).unwrap();
    world.files("app", &[("Dockerfile", "FROM scratch\nCOPY a /a\n")]);
    refused(&world, &["app"], &[".dockerignore"]);
}

#[test]
fn a_hundred_thousand_files() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nCOPY . /c/\n")]);
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o600);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content).unwrap();
    };
    add("Dockerfile", b"FROM scratch\nCOPY . /c/\n");
    for number in 0..100_000 {
        add(&format!("{}/{number}", number % 100), b"");
    }
    let archive = archive.into_inner().unwrap();
    let built = world.user.trust_with_input(&["build", "-q", "-t", "many:1", "-"], &archive);
    built.success();
    let first = world.digest(&["-q", "app"]);
    assert_ne!(first, "");
    let layers = world.user.trust(&["image", "layers", "--json", "many:1"]).success();
    assert!(layers.stdout.contains("\"state\": \"here\""), "{layers:?}");
}

/// An archive of these entries: a name, a link's target or nothing, and content.
fn archive(entries: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, link, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        if !link.is_empty() {
            let kind =
                if link.starts_with('=') { tar::EntryType::Link } else { tar::EntryType::Symlink };
            header.set_entry_type(kind);
            header.as_mut_bytes()[157..157 + link.trim_start_matches('=').len()]
                .copy_from_slice(link.trim_start_matches('=').as_bytes());
        }
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn archives_that_climb_out() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nADD evil.tar /d/\n")]);
    for evil in [
        archive(&[("../x", "", b"1")]),
        archive(&[("a/../../x", "", b"1")]),
        archive(&[("x", "=../../etc/passwd", b"")]),
    ] {
        fs::write(world.path("app/evil.tar"), &evil).unwrap();
        let code = refused(&world, &["app"], &["climbs out"]);
        assert_eq!(code, 7);
        // Nor may the context itself.
        let built = world.user.trust_with_input(&["build", "-"], &evil).expect_code(7);
        assert!(built.stderr.contains("climbs out"), "{built:?}");
    }
    // Through a link: inside of the image.
    let outside = world.text("outside");
    let through = archive(&[("way", &outside, b""), ("way/f", "", b"1")]);
    fs::write(world.path("app/evil.tar"), through).unwrap();
    world.build(&["app"]).success();
    assert!(!world.path("outside").exists());
}

#[test]
fn archives_that_blow_up() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nADD bomb.tar.gz /\n")]);
    // Some 1 MB that unpack to more than a thousand million bytes.
    let member = gzip(&vec![0; 64 << 20]);
    fs::write(world.path("app/bomb.tar.gz"), member.repeat(17)).unwrap();
    let mut head = archive(&[("x", "", b"")]);
    head.truncate(512);
    head[124..135].copy_from_slice(b"77777777777");
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let bomb = [gzip(&head), member.repeat(17)].concat();
    fs::write(world.path("app/bomb.tar.gz"), &bomb).unwrap();
    refused(&world, &["app"], &["bomb.tar.gz", "no honest archive"]);
    let built = world.user.trust_with_input(&["build", "-"], &bomb);
    assert!(built.code != 0 && built.stderr.contains("no honest archive"), "{built:?}");
}

#[test]
fn names_that_mean_something_else_in_layers() {
    let world = World::with(&[("Dockerfile", "FROM scratch\nCOPY . /\n"), (".wh.etc", "")]);
    refused(&world, &["app"], &[".wh."]);
    fs::write(world.path("app/.dockerignore"), ".wh.*\n").unwrap();
    world.build(&["app"]).success();
}

#[test]
fn dockerfiles_without_measure() {
    let world = World::with(&[("Dockerfile", "")]);
    let write = |text: String| fs::write(world.path("app/Dockerfile"), text).unwrap();
    write(format!("FROM scratch\nENV A={}\n", "x".repeat(1 << 20)));
    refused(&world, &["app"], &["65535"]);
    // One instruction of many lines.
    write(format!("FROM scratch\nENV A={}\n", "x\\\n".repeat(200_000)));
    let built = world.build(&["app"]);
    assert!(!matches!(built.code, 101 | 134 | 139), "{built:?}");
    write(format!("FROM scratch\nENV A={}{}\n", "${a:-".repeat(10_000), "}".repeat(10_000)));
    let built = world.build(&["app"]);
    assert!(!matches!(built.code, 101 | 134 | 139), "{}", built.code);
    // Each doubles what the one before had.
    let doubles: Vec<String> = (0..64).map(|n| format!("ENV A{}=$A{n}$A{n}\n", n + 1)).collect();
    let doubles = doubles.concat();
    write(format!("FROM scratch\nENV A0=xxxxxxxx\n{doubles}"));
    refused(&world, &["app"], &["Dockerfile"]);
    write("FROM scratch\nONBUILD ONBUILD RUN x\n".to_owned());
    refused(&world, &["app"], &["ONBUILD"]);
    write("FROM a AS b\nFROM b AS a\n".to_owned());
    refused(&world, &["app"], &["FROM a AS b"]);
    let stages: Vec<String> = (0..20_000)
        .map(|n| format!("FROM scratch AS s{n}\nCOPY --from=s{} / /\n", n - 1))
        .collect();
    write(stages.concat());
    let built = world.build(&["app"]);
    assert!(!matches!(built.code, 101 | 134 | 139), "{}", built.code);
}

#[test]
fn triggers_of_a_base_do_not_go_on_for_ever() {
    let world = World::with(&[("Dockerfile", "FROM base:1\n"), ("a", "1")]);
    let layout = world.path(".local/share/trust/images");
    let layout = Layout::new(&layout);
    let base = |triggers: serde_json::Value| {
        let config =
            json!({"architecture": "amd64", "os": "linux", "config": {"OnBuild": triggers}});
        let image = layout.image(&[], &config);
        layout.add("docker.io/library/base:1", &image);
    };
    for (triggers, words) in [
        (json!(["ONBUILD ONBUILD COPY a /a"]), "ONBUILD"),
        (json!(["FROM base:1"]), "FROM"),
        (json!(["COPY --from=0 /a /a"]), "stage"),
    ] {
        base(triggers);
        refused(&world, &["app"], &[words]);
    }
    // One that makes another is one less with each image.
    base(json!(["ONBUILD COPY a /a"]));
    let config = world.config(&world.digest(&["app"]));
    assert_eq!(config["config"]["OnBuild"], json!(["COPY a /a"]));
    base(json!(vec!["LABEL a=b"; 5000]));
    let built = world.build(&["app"]);
    assert!(!matches!(built.code, 101 | 134 | 139), "{built:?}");
}
