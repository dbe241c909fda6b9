//! What can be mounted into a sandbox, and that nothing of it stays.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use trust::build::content::{Content, Files};
use trust::build::held::Held;
use trust::build::runner::{Job, Mountable, Mounted, RunError};
use trust::crypto::secret::SecretBytes;
use trust::dockerfile::Sharing;
use trust::oci::archive::Entry;

use super::world::{World, job, path};

fn mounted<'a>(target: &str, what: Mountable<'a>) -> Mounted<'a> {
    Mounted { target: target.to_owned(), what }
}

fn with<'a>(line: &str, mounts: Vec<Mounted<'a>>) -> Job<'a> {
    Job { mounts, ..job(line) }
}

fn files(entries: &[(&str, &str)]) -> Files {
    let mut files = Files::default();
    for (name, content) in entries {
        let entry = Entry { mode: 0o640, uid: 3, ..Entry::file(path(name), content.len() as u64) };
        let content: Content = Arc::new(Held::new(content.as_bytes().to_vec()));
        if let Some((above, _)) = entry.path.split().filter(|(above, _)| !above.is_empty()) {
            let above = trust::oci::archive::EntryPath::parse(above).unwrap();
            files.put(&Entry::new(above, trust::oci::archive::Kind::Folder), None).unwrap();
        }
        // As contexts do: their files may have any name.
        files.put(&entry, Some(content)).unwrap();
    }
    files
}

#[test]
fn files_are_seen_and_not_changed() {
    let world = World::new();
    let files = files(&[("a", "1"), ("d/b", "2"), (".wh.c", "3")]);
    let bind = |source: &str, writable| Mountable::Files {
        files: &files,
        source: source.to_owned(),
        writable,
    };
    let line = "ls -A /m; cat /m/a /m/d/b /m/.wh.c /one; stat -c '%a %u' /m/a; ! echo x > /m/a";
    let ran = world.run(&with(
        line,
        vec![mounted("/m", bind("/", false)), mounted("/one", bind("d/b", false))],
    ));
    let ran = ran.unwrap();
    assert_eq!(
        (ran.outcome.status, ran.output.as_str()),
        (0, ".wh.c\na\nd\n1232640 3\n"),
        "{}",
        ran.error
    );
    assert_eq!(ran.changes(), [""; 0]);
    let ran = world.run(&with("echo x > /m/new; rm /m/a", vec![mounted("/m", bind("/", true))]));
    let ran = ran.unwrap();
    assert_eq!((ran.outcome.status, ran.changes()), (0, Vec::new()));
    let error = world.run(&with("true", vec![mounted("/m", bind("none", false))])).err().unwrap();
    assert!(matches!(&error, RunError::NotInImage { what } if what.contains("none")), "{error}");
}

#[test]
fn caches_last_and_are_in_no_layer() {
    let world = World::new();
    let seed = files(&[("seeded", "s")]);
    let cache = |sharing, read_only| Mountable::Cache {
        id: "id/../x".to_owned(),
        sharing,
        read_only,
        seed: Some((&seed, "/".to_owned())),
        mode: 0o750,
        owner: (4, 5),
    };
    let run = |line: &str, sharing, read_only| {
        world.run(&with(line, vec![mounted("/c", cache(sharing, read_only))])).unwrap()
    };
    let first = run("ls /c; stat -c '%a %u %g' /c; echo x > /c/kept", Sharing::Shared, false);
    assert_eq!(first.output, "seeded\n750 4 5\n");
    assert_eq!(first.changes(), [""; 0]);
    assert_eq!(run("ls /c", Sharing::Locked, false).output, "kept\nseeded\n");
    assert_eq!(run("ls /c; ! echo > /c/y", Sharing::Private, true).output, "kept\nseeded\n");
}

#[test]
fn secrets_are_in_memory_alone() {
    let world = World::new();
    let secret = Mountable::Held {
        bytes: SecretBytes::new(b"hunter2-hunter2".to_vec()),
        mode: 0o400,
        owner: (1000, 0),
    };
    let line = "cat /run/secrets/x; stat -c ' %a %u' /run/secrets/x; grep /run/secrets /proc/mounts | cut -d' ' -f3; \
        ! echo > /run/secrets/x; ! rm /run/secrets/x";
    let ran = world.run(&with(line, vec![mounted("/run/secrets/x", secret.clone())])).unwrap();
    assert_eq!((ran.outcome.status, ran.output.as_str()), (0, "hunter2-hunter2 400 1000\ntmpfs\n"));
    assert_eq!(ran.changes(), [""; 0], "the folders made for it are gone, too");
    let line = "cat /run/secrets/x > /stolen; echo y > /run/other";
    let ran = world.run(&with(line, vec![mounted("/run/secrets/x", secret)])).unwrap();
    let changes = ran.changes();
    assert_eq!(changes, ["755 0:0 run/", "644 0:0 run/other y", "644 0:0 stolen hunter2-hunter2"]);
    drop(ran);
    let found = std::process::Command::new("grep")
        .args(["-r", "hunter2-hunter2"])
        .arg(world.dir.path())
        .output();
    assert!(found.unwrap().stdout.is_empty());
}

#[test]
fn folders_in_memory_have_a_size() {
    let world = World::new();
    let tmpfs = Mountable::Tmpfs { size: Some(1 << 20) };
    let line = "head -c 500000 /dev/zero > /t/a && ! head -c 2000000 /dev/zero > /t/b; ls /t";
    let ran = world.run(&with(line, vec![mounted("/t", tmpfs)])).unwrap();
    assert_eq!((ran.outcome.status, ran.output.as_str()), (0, "a\nb\n"), "{}", ran.error);
    assert_eq!(ran.changes(), [""; 0]);
}

#[test]
fn folders_of_the_machine() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "here").unwrap();
    let host = |read_only| Mountable::Host { path: folder.path().to_owned(), read_only };
    let run = |line: &str, read_only| {
        world.run(&with(line, vec![mounted("/h", host(read_only))])).unwrap()
    };
    assert_eq!(run("cat /h/a; ! echo > /h/a", true).output, "here");
    assert_eq!(run("echo there > /h/b; mknod /h/d b 254 0; ! cat /h/d", false).outcome.status, 0);
    assert_eq!(std::fs::read_to_string(folder.path().join("b")).unwrap(), "there\n");
}

#[test]
fn sockets_are_answered_by_the_machine() {
    let world = World::new();
    let agent = tempfile::tempdir().unwrap();
    let socket = agent.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = [0; 5];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(b"answer").unwrap();
        question
    });
    let mount = Mountable::Socket { socket, mode: 0o600, owner: (1000, 1000) };
    let line = "stat -c '%a %u' /s/agent; printf hello | nc -U /s/agent 2>/dev/null || true";
    let ran =
        world.run(&Job { user: "user".to_owned(), ..with(line, vec![mounted("/s/agent", mount)]) });
    let ran = ran.unwrap();
    assert!(ran.output.starts_with("600 1000\n"), "{}", ran.output);
    if ran.output.contains("answer") {
        assert_eq!(&answering.join().unwrap(), b"hello");
    }
    assert_eq!(ran.changes(), [""; 0]);
}
