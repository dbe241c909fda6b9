//! Contexts of all sorts, also such as nobody means well.

#![expect(clippy::disallowed_methods, reason = "tests make folders of their own")]

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::build::content::Files;
use crate::crypto::hash::Sha256Hash;
use crate::dockerfile::Ignore;
use crate::oci::archive::{ArchiveError, ArchiveWriter, Entry, EntryPath, Kind, Packer, Time};
use crate::oci::media_type::Compression;
use crate::store::StoreError;

/// So late that what is on the disk was not written just before.
const NOW: i64 = 4_000_000_000;

fn reading() -> Reading {
    Reading { keeps_modes: false, epoch: 7, known: Arc::default() }
}

fn make(folder: &Path, path: &str, content: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn ignore(text: &str) -> Ignore {
    Ignore::parse(text.as_bytes()).unwrap()
}

fn text(files: &Files, path: &str) -> String {
    String::from_utf8(read_file(files, path, 1000).unwrap().unwrap()).unwrap()
}

/// Paths, with mode, size and what they lead to; and that all else is as it should be.
fn lines(files: &Files) -> Vec<String> {
    files
        .walk()
        .map(|(path, id)| {
            let inode = files.get(id).unwrap();
            assert_eq!((inode.uid, inode.gid), (0, 0));
            assert_eq!(inode.mtime, Time { seconds: 7, nanoseconds: 0 });
            assert!(inode.xattrs.is_empty());
            match &inode.kind {
                Kind::Folder => format!("{path}/ {:o}", inode.mode),
                Kind::Symlink(target) => format!("{path}>{}", String::from_utf8_lossy(target)),
                Kind::File => format!("{path} {:o} {}", inode.mode, inode.size),
                other => format!("{path} {}", other.name()),
            }
        })
        .collect()
}

fn files_of(folder: &Path, exclusion: &dyn Exclusion) -> Result<Files, ContextError> {
    from_folder(folder, exclusion, &reading())
}

#[test]
fn whose_machine_it_was_does_not_matter() {
    let expected = ["a/ 755", "a/x 755 3", "a/y 644 3", "l>a/x", "z 644 0"];
    let umasks = [(0o700, 0o600, 0o711), (0o775, 0o664, 0o775), (0o2755, 0o644, 0o4755)];
    for (number, (folder_mode, file_mode, program_mode)) in umasks.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        // In another order each time.
        let mut order = ["a/x", "a/y", "z"];
        order.rotate_left(number);
        for name in order {
            make(dir.path(), name, if name == "z" { b"" } else { b"abc" });
        }
        if number == 1 {
            // The same content by another name of the same file.
            fs::remove_file(dir.path().join("a/y")).unwrap();
            fs::hard_link(dir.path().join("a/x"), dir.path().join("a/y")).unwrap();
        }
        symlink("a/x", dir.path().join("l")).unwrap();
        let mode = |name: &str, mode| {
            fs::set_permissions(dir.path().join(name), Permissions::from_mode(mode)).unwrap();
        };
        mode("a", folder_mode);
        mode("z", file_mode);
        mode("a/y", file_mode);
        if number != 1 {
            mode("a/x", program_mode);
        }
        let then = SystemTime::UNIX_EPOCH - Duration::from_secs(1000 * number as u64);
        File::open(dir.path().join("z")).unwrap().set_modified(then).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(dir.path().join("z"), Some(1234), Some(4321)).unwrap();
        }
        let files = files_of(dir.path(), &()).unwrap();
        let mut expected = expected.map(str::to_owned);
        if number == 1 {
            // A hard link cannot have another mode.
            expected[1] = "a/x 644 3".to_owned();
        }
        assert_eq!(lines(&files), expected, "{number}");
        assert_eq!(text(&files, "a/x"), "abc");
    }
}

#[test]
fn modes_may_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), "d/x", b"1");
    fs::set_permissions(dir.path().join("d/x"), Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(dir.path().join("d"), Permissions::from_mode(0o1777)).unwrap();
    let how = Reading { keeps_modes: true, ..reading() };
    let files = from_folder(dir.path(), &(), &how).unwrap();
    assert_eq!(lines(&files), ["d/ 1777", "d/x 4751 1"]);
}

#[test]
fn what_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    for name in [".dockerignore", "Dockerfile", "a/keep", "a/x", "b/deep/y", "b/z", "c"] {
        make(dir.path(), name, b"1");
    }
    let with = |text: &str| {
        let ignore = ignore(text);
        let files = files_of(dir.path(), &ignore).unwrap();
        let all = files_of(dir.path(), &()).unwrap();
        assert_eq!(lines(&without(&all, &ignore).unwrap()), lines(&files), "{text}");
        let names: Vec<String> = files.walk().map(|(path, _)| path.to_string()).collect();
        names.join(" ")
    };
    assert_eq!(with(""), ".dockerignore Dockerfile a a/keep a/x b b/deep b/deep/y b/z c");
    assert_eq!(with("a\nb"), ".dockerignore Dockerfile c");
    assert_eq!(with("*\n!a/keep"), "a a/keep");
    assert_eq!(with("b\n!b/deep/y\n**/x"), ".dockerignore Dockerfile a a/keep b b/deep b/deep/y c");
    assert_eq!(with("b/*"), ".dockerignore Dockerfile a a/keep a/x b c");
    assert_eq!(with("Dockerfile\n.dockerignore\na\nb"), "c");
}

#[test]
fn folders_that_are_left_out_are_not_looked_into() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), "shut/x", b"1");
    make(dir.path(), "y", b"1");
    fs::set_permissions(dir.path().join("shut"), Permissions::from_mode(0o000)).unwrap();
    let shut = dir.path().join("shut");
    assert_eq!(lines(&files_of(dir.path(), &ignore("shut")).unwrap()), ["y 644 1"]);
    // Root may look into any.
    if !rustix::process::geteuid().is_root() {
        let error = files_of(dir.path(), &()).unwrap_err();
        assert!(matches!(error, ContextError::Store(StoreError::Io { .. })), "{error:?}");
    }
    fs::set_permissions(&shut, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn links_are_never_followed() {
    let outside = tempfile::tempdir().unwrap();
    make(outside.path(), "secret", b"secret");
    let dir = tempfile::tempdir().unwrap();
    symlink(outside.path(), dir.path().join("folder")).unwrap();
    symlink(outside.path().join("secret"), dir.path().join("file")).unwrap();
    symlink("/nowhere", dir.path().join("dangling")).unwrap();
    symlink(".", dir.path().join("loop")).unwrap();
    let files = files_of(dir.path(), &()).unwrap();
    assert_eq!(files.walk().count(), 4);
    let links = |(_, id)| matches!(files.get(id).unwrap().kind, Kind::Symlink(_));
    assert!(files.walk().all(links));
    assert!(read_file(&files, "file", 100).unwrap().is_none());
    assert!(read_file(&files, "folder/secret", 100).unwrap().is_none());
    // The folder itself may be reached by one.
    let link = outside.path().join("context");
    symlink(dir.path(), &link).unwrap();
    assert_eq!(files_of(&link, &()).unwrap().walk().count(), 4);
}

/// A context whose file `d/x` was looked at, and then changed by `change`; what reading it gives.
fn raced(change: impl FnOnce(&Path)) -> StoreError {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), "d/x", b"inside");
    make(dir.path(), "outside/x", b"secret");
    let files = files_of(dir.path(), &ignore("outside")).unwrap();
    change(dir.path());
    let id = files.at(&EntryPath::parse(b"d/x").unwrap()).unwrap();
    let content = files.get(id).unwrap().content.clone().unwrap();
    let mut bytes = Vec::new();
    let error = content
        .open()
        .and_then(|mut reader| reader.read_to_end(&mut bytes))
        .expect_err(&format!("read {bytes:?}"));
    let hashing = content.sha256().unwrap_err();
    assert_eq!(error.to_string(), hashing.to_string());
    error.downcast::<StoreError>().unwrap()
}

#[test]
fn what_took_the_place_of_a_file_is_not_read() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 8] = [
        ("a link out of the folder", |dir| {
            fs::remove_file(dir.join("d/x")).unwrap();
            symlink(dir.join("outside/x"), dir.join("d/x")).unwrap();
        }),
        ("a folder that is a link", |dir| {
            fs::rename(dir.join("d"), dir.join("e")).unwrap();
            symlink("outside", dir.join("d")).unwrap();
        }),
        ("a link to the same file", |dir| {
            fs::rename(dir.join("d/x"), dir.join("d/y")).unwrap();
            symlink("y", dir.join("d/x")).unwrap();
        }),
        ("another file", |dir| {
            fs::rename(dir.join("outside/x"), dir.join("d/x")).unwrap();
        }),
        ("nothing", |dir| fs::remove_file(dir.join("d/x")).unwrap()),
        ("more", |dir| {
            File::options().append(true).open(dir.join("d/x")).unwrap().write_all(b"+").unwrap();
        }),
        ("less", |dir| {
            File::options().write(true).open(dir.join("d/x")).unwrap().set_len(1).unwrap();
        }),
        ("a pipe", |dir| {
            fs::remove_file(dir.join("d/x")).unwrap();
            fifo(&dir.join("d/x"));
        }),
    ];
    for (what, change) in changes {
        let error = raced(change);
        let named = matches!(&error, StoreError::Changed { path } if path.ends_with("d/x"));
        assert!(named, "{what}: {error:?}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told() {
    for (length, expected) in [(600_000_u64, false), (599_999, true), (600_001, true), (10, true)] {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), "x", &vec![b'x'; 600_000]);
        let files = files_of(dir.path(), &()).unwrap();
        let content = files.get(files.at(&EntryPath::parse(b"x").unwrap()).unwrap()).unwrap();
        let content = content.content.clone().unwrap();
        let mut reader = content.open().unwrap();
        reader.read_exact(&mut [0; 100]).unwrap();
        let file = File::options().write(true).open(dir.path().join("x")).unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        file.set_len(length).unwrap();
        file.set_modified(before).unwrap();
        let read = reader.read_to_end(&mut Vec::new());
        assert_eq!(read.is_err(), expected, "{length}");
        if let Err(error) = read {
            let error = error.downcast::<StoreError>().unwrap();
            assert!(matches!(&error, StoreError::Changed { path } if path.ends_with("x")));
        }
    }
}

#[test]
fn two_readings_in_one_tick_of_the_clock_must_agree() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), "x", b"one");
    let path = dir.path().join("x");
    let files = files_of(dir.path(), &()).unwrap();
    let id = files.at(&EntryPath::parse(b"x").unwrap()).unwrap();
    let content = files.get(id).unwrap().content.clone().unwrap();
    assert_eq!(content.sha256().unwrap(), Sha256Hash::of(b"one"));
    let file = File::options().write(true).open(&path).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"two", 0).unwrap();
    file.set_modified(before).unwrap();
    let error = content.open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    let error = error.downcast::<StoreError>().unwrap();
    assert!(matches!(error, StoreError::Changed { .. }), "{error:?}");
}

#[test]
fn contents_that_did_not_change_are_not_read_again() {
    let (dir, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make(dir.path(), "x", b"one");
    make(dir.path(), "y", b"two");
    let open = |now| {
        let known = Arc::new(KnownFiles::load(work.path(), dir.path(), now));
        let how = Reading { known: Arc::clone(&known), ..reading() };
        (from_folder(dir.path(), &(), &how).unwrap(), known)
    };
    let hash = |files: &Files, name: &[u8]| {
        let id = files.at(&EntryPath::parse(name).unwrap()).unwrap();
        files.get(id).unwrap().content.clone().unwrap().known_sha256()
    };
    let (files, known) = open(NOW);
    assert_eq!(hash(&files, b"x"), None);
    for (_, id) in files.walk() {
        files.get(id).unwrap().content.as_ref().unwrap().sha256().unwrap();
    }
    assert_eq!(hash(&files, b"x"), Some(Sha256Hash::of(b"one")));
    known.save();
    let (files, _) = open(NOW);
    assert_eq!(hash(&files, b"x"), Some(Sha256Hash::of(b"one")));
    assert_eq!(hash(&files, b"y"), Some(Sha256Hash::of(b"two")));
    fs::write(dir.path().join("x"), b"six").unwrap();
    let (files, _) = open(NOW);
    assert_eq!(hash(&files, b"x"), None, "it was written again");
    assert_eq!(hash(&files, b"y"), Some(Sha256Hash::of(b"two")));
    // By the time of this machine it was written just now, and may be again.
    let just_now = fs::metadata(dir.path().join("y")).unwrap().modified().unwrap();
    let just_now = just_now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (files, _) = open(i64::try_from(just_now).unwrap() + 1);
    assert_eq!(hash(&files, b"y"), None);
}

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn pipes_devices_and_sockets() {
    let dir = tempfile::tempdir().unwrap();
    fifo(&dir.path().join("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    make(dir.path(), "x", b"1");
    let mode = rustix::fs::Mode::RUSR;
    let device = rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.path().join("null"),
        rustix::fs::FileType::CharacterDevice,
        mode,
        rustix::fs::makedev(1, 3),
    );
    let mut expected = vec!["pipe fifo", "x 644 1"];
    if device.is_ok() {
        expected.insert(0, "null character device");
    }
    let files = files_of(dir.path(), &()).unwrap();
    assert_eq!(lines(&files), expected, "sockets are left out, nothing is waited for");
}

#[test]
fn names_of_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let names: [&[u8]; 4] = [b"new\nline", b"not \xff\xfe text", b" ", b".wh.x"];
    for name in names {
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(name)), b"1").unwrap();
    }
    let files = files_of(dir.path(), &()).unwrap();
    for name in names {
        assert!(files.at(&EntryPath::parse(name).unwrap()).is_some(), "{name:?}");
    }
    assert_eq!(files.walk().count(), 4);
}

#[test]
fn a_file_as_large_as_a_disk_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("huge")).unwrap();
    if file.set_len(1 << 40).is_err() {
        // Not every file system has files of this size.
        file.set_len(1 << 33).unwrap();
    }
    let size = file.metadata().unwrap().len();
    let files = files_of(dir.path(), &()).unwrap();
    assert_eq!(lines(&files), [format!("huge 644 {size}")]);
    let error = read_file(&files, "huge", 1000).unwrap_err();
    assert!(matches!(error, ContextError::TooLarge { limit: 1000, .. }), "{error:?}");
}

#[test]
fn very_deep_folders_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let name = "x".repeat(200);
    let mut here =
        rustix::fs::open(dir.path(), rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty())
            .unwrap();
    for _ in 0..30 {
        rustix::fs::mkdirat(&here, &*name, rustix::fs::Mode::RWXU).unwrap();
        here = rustix::fs::openat(
            &here,
            &*name,
            rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
    }
    let error = files_of(dir.path(), &()).unwrap_err();
    assert!(matches!(error, ContextError::Path(ArchiveError::LongName { .. })), "{error:?}");
    assert_eq!(files_of(dir.path(), &ignore(&name)).unwrap().walk().count(), 0);
}

#[test]
fn many_files() {
    let dir = tempfile::tempdir().unwrap();
    for folder in 0..20 {
        let folder = dir.path().join(folder.to_string());
        fs::create_dir(&folder).unwrap();
        File::create(folder.join("0")).unwrap();
        for name in 1..1000 {
            fs::hard_link(folder.join("0"), folder.join(name.to_string())).unwrap();
        }
    }
    assert_eq!(files_of(dir.path(), &()).unwrap().walk().count(), 20_020);
    assert_eq!(files_of(dir.path(), &ignore("*\n!19/*9")).unwrap().walk().count(), 101);
}

#[test]
fn a_context_that_is_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), "x", b"1");
    for name in ["x", "none"] {
        let error = files_of(&dir.path().join(name), &()).unwrap_err();
        assert!(matches!(error, ContextError::Store(StoreError::Io { .. })), "{error:?}");
    }
}

fn tar(entries: &[(Entry, &[u8])], compression: Compression) -> Vec<u8> {
    let packer = Packer::new(Vec::new(), compression).unwrap();
    let mut archive = ArchiveWriter::new(packer);
    for (entry, content) in entries {
        archive.append_bytes(entry, content).unwrap();
    }
    archive.finish().unwrap().finish().unwrap()
}

#[test]
fn archives_as_contexts() {
    let path = |text: &str| EntryPath::parse(text.as_bytes()).unwrap();
    let file = |name: &str, content: &'static [u8], mode| {
        let entry = Entry::file(path(name), content.len() as u64);
        let mtime = Time { seconds: 99, nanoseconds: 5 };
        let xattrs = [(b"user.x".to_vec(), b"1".to_vec())].into();
        (Entry { mode, uid: 5, gid: 6, mtime, xattrs, ..entry }, content)
    };
    let of_kind = |name: &str, kind| (Entry::new(path(name), kind), &b""[..]);
    let entries = [
        of_kind("./", Kind::Folder),
        file("Dockerfile", b"FROM scratch", 0o600),
        file("d/run", b"run", 0o4775),
        of_kind("d/other", Kind::Hardlink(path("d/run"))),
        of_kind("l", Kind::Symlink((*b"d").into())),
        file("l/in", b"in", 0o640),
        file("e", b"", 0o640),
        file(".wh.e", b"w", 0o640),
        file(".dockerignore", b"d/other\n.wh.e", 0o640),
    ];
    let scratch = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let archive = tar(&entries, compression);
        let files = from_archive(&mut &archive[..], scratch.path(), &reading()).unwrap();
        let expected = [
            ".dockerignore 644 13",
            ".wh.e 644 1",
            "Dockerfile 644 12",
            "d/ 755",
            "d/in 644 2",
            "d/other 755 3",
            "d/run 755 3",
            "e 644 0",
            "l>d",
        ];
        assert_eq!(lines(&files), expected);
        assert_eq!(text(&files, "d/other"), "run");
        assert_eq!(text(&files, "l/in"), "in");
        let ignore = Ignore::parse(text(&files, ".dockerignore").as_bytes()).unwrap();
        assert_eq!(without(&files, &ignore).unwrap().walk().count(), 7);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
        drop(files);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}

#[test]
fn archives_that_are_none() {
    let scratch = tempfile::tempdir().unwrap();
    let refused = |archive: &[u8]| match from_archive(&mut &*archive, scratch.path(), &reading())
        .unwrap_err()
    {
        ContextError::Unpack(crate::build::unpack::UnpackError::Archive(error)) => error,
        error => panic!("{error:?}"),
    };
    assert!(matches!(refused(&[b'x'; 600]), ArchiveError::NoHeader { .. }));
    assert!(matches!(
        refused(b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xff\xff garbage that is no block"),
        ArchiveError::Damaged(_)
    ));
    let path = EntryPath::parse(b"a").unwrap();
    let archive = tar(&[(Entry::file(path, 1), b"x")], Compression::Gzip);
    assert!(matches!(refused(&archive[..archive.len() / 2]), ArchiveError::Truncated));
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn an_archive_that_is_far_more_than_it_looks_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    // An archive of one file, and zeros without end behind it.
    let mut zeros = Packer::new(Vec::new(), Compression::Zstd).unwrap();
    let entry = Entry::file(EntryPath::parse(b"a").unwrap(), 1);
    zeros.write_all(&tar(&[(entry, b"x")], Compression::None)).unwrap();
    for _ in 0..1100 {
        zeros.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let archive = zeros.finish().unwrap();
    let error = from_archive(&mut &archive[..], scratch.path(), &reading()).unwrap_err();
    let ContextError::Unpack(crate::build::unpack::UnpackError::Archive(error)) = error else {
        panic!("{error:?}");
    };
    assert!(matches!(error, ArchiveError::Bomb { .. }), "{error:?}");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}
