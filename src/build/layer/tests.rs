//! Layers that are written and read again.

#![expect(clippy::disallowed_methods, reason = "tests damage files on purpose")]

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::build::changes::{Change, Changes};
use crate::build::content::{Bytes, Content, Files};
use crate::build::held::Held;
use crate::crypto::hash::Sha256Hash;
use crate::limits::MAX_LAYER_BYTES;
use crate::oci::Digest;
use crate::oci::archive::{Entry, EntryPath, Kind, Time};
use crate::oci::media_type::Compression;
use crate::store::ImageLayout;
use crate::store::images::layer_archive::StoredLayer;

/// Of a layout, a folder that builds keep things in, and both gone at the end.
struct World {
    dir: tempfile::TempDir,
    layout: ImageLayout,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = ImageLayout::new(dir.path().join("images"));
        std::fs::create_dir(dir.path().join("work")).unwrap();
        Self { dir, layout }
    }

    fn work(&self) -> std::path::PathBuf {
        self.dir.path().join("work")
    }

    fn write(&self, before: &Files, changes: &Changes, compression: Compression) -> StoredLayer {
        let lease = self.layout.lease().unwrap();
        let format = Format { compression, epoch: 7 };
        let layer = write(&lease, before, changes, format, &self.work()).unwrap();
        let keep = |index: &mut crate::oci::LayoutIndex| {
            let _ = index;
            Ok::<(), crate::store::ImageLayoutError>(())
        };
        lease.commit(keep).unwrap();
        layer
    }

    fn read(&self, layers: &[&StoredLayer], work: &Path) -> Files {
        let mut files = Files::default();
        for layer in layers {
            read(&self.layout, &layer.descriptor, &layer.diff_id, &mut files, work).unwrap();
        }
        files
    }
}

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).unwrap()
}

/// `-x` removes `x`, `!x` removes it and puts it; `d/` is a folder, `l>t` a symbolic link, `h=t` a
/// hard link, all else a file whose content is its path.
fn changes(lines: &[&str]) -> Changes {
    let mut changes = Changes::default();
    for line in lines {
        let (removes, puts) = match line.split_at(1).0 {
            "-" => (true, false),
            "!" => (true, true),
            _ => (false, true),
        };
        let text = line.trim_start_matches(['-', '!']);
        let mut content = None;
        let entry = if let Some(folder) = text.strip_suffix('/') {
            Entry::new(path(folder), Kind::Folder)
        } else if let Some((link, target)) = text.split_once('>') {
            Entry::new(path(link), Kind::Symlink(target.as_bytes().into()))
        } else if let Some((link, target)) = text.split_once('=') {
            Entry::new(path(link), Kind::Hardlink(path(target)))
        } else {
            content = Some(Arc::new(Held::new(text.as_bytes().to_vec())) as Content);
            Entry::file(path(text), text.len() as u64)
        };
        let path = entry.path.clone();
        let puts = puts.then_some((entry, content));
        changes.paths.insert(path, Change { removes, puts });
    }
    changes
}

/// All there is, contents included.
fn listing(files: &Files) -> Vec<String> {
    files
        .entries()
        .map(|(entry, id)| {
            let content = files.get(id).unwrap().content.clone();
            let mut text = String::new();
            if let (Kind::File, Some(content)) = (&entry.kind, content) {
                content.open().unwrap().read_to_string(&mut text).unwrap();
                assert_eq!(content.sha256().unwrap(), Sha256Hash::of(text.as_bytes()));
                assert_eq!(text.len() as u64, entry.size);
            }
            match &entry.kind {
                Kind::Folder => format!("{}/", entry.path),
                Kind::Symlink(target) => {
                    format!("{}>{}", entry.path, String::from_utf8_lossy(target))
                }
                Kind::Hardlink(target) => format!("{}={target}", entry.path),
                _ => format!("{}:{text}", entry.path),
            }
        })
        .collect()
}

const BASE: [&str; 9] = [
    "etc/",
    "etc/group",
    "etc/passwd",
    "usr/",
    "usr/a",
    "usr/b/",
    "usr/b/c",
    "usr/z=usr/a",
    "bin>usr",
];
const NEXT: [&str; 6] = ["-usr/a", "!usr/b/", "usr/b/n", "usr/l=usr/m", "usr/m", "!bin/"];

#[test]
fn what_is_written_is_what_is_read() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let world = World::new();
        let mut files = Files::default();
        let first = world.write(&files, &changes(&BASE), compression);
        apply(&mut files, &changes(&BASE)).unwrap();
        let second = world.write(&files, &changes(&NEXT), compression);
        apply(&mut files, &changes(&NEXT)).unwrap();
        let expected = [
            "bin/",
            "etc/",
            "etc/group:etc/group",
            "etc/passwd:etc/passwd",
            "usr/",
            "usr/b/",
            "usr/b/n:usr/b/n",
            "usr/l:usr/m",
            "usr/m=usr/l",
            "usr/z:usr/a",
        ];
        assert_eq!(listing(&files), expected);
        assert_eq!(listing(&world.read(&[&first, &second], &world.work())), expected);
        // By somebody who remembers nothing, and again by what that left.
        let elsewhere = world.dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        for _ in 0..2 {
            assert_eq!(listing(&world.read(&[&first, &second], &elsewhere)), expected);
        }
    }
}

#[test]
fn the_layer_does_not_depend_on_where_it_is_written() {
    let layer = |order: bool| {
        let world = World::new();
        let mut lines = BASE.to_vec();
        if order {
            lines.reverse();
        }
        let layer = world.write(&Files::default(), &changes(&lines), Compression::Gzip);
        (layer.diff_id, layer.descriptor.digest)
    };
    assert_eq!(layer(false), layer(true));
}

#[test]
fn a_layer_whose_content_nobody_wants_is_not_unpacked() {
    let world = World::new();
    let layer = world.write(&Files::default(), &changes(&BASE), Compression::Gzip);
    let files = world.read(&[&layer], &world.work());
    let blob = world.layout.folder().join("blobs/sha256").join(layer.descriptor.digest.hex());
    std::fs::remove_file(&blob).unwrap();
    let again = world.read(&[&layer], &world.work());
    assert_eq!(again.walk().count(), files.walk().count());
    let content = |name: &str| {
        let (_, id) = again.find(name.as_bytes()).unwrap().unwrap();
        again.get(id).unwrap().content.clone().unwrap()
    };
    let mut text = String::new();
    content("etc/passwd").open().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "etc/passwd", "what accounts there are is remembered");
    assert_eq!(content("usr/a").known_sha256(), Some(Sha256Hash::of(b"usr/a")));
    assert!(content("usr/a").open().is_err());
}

#[test]
fn a_layer_that_is_not_what_it_should_be_is_refused() {
    let world = World::new();
    let layer = world.write(&Files::default(), &changes(&BASE), Compression::Gzip);
    let elsewhere = world.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let wrong = Digest::sha256_of(b"other");
    let mut files = Files::default();
    let error = read(&world.layout, &layer.descriptor, &wrong, &mut files, &elsewhere).unwrap_err();
    let expected = crate::store::images::layer_archive::LayerError::WrongContent {
        layer: layer.descriptor.digest.as_str().to_owned(),
        expected: wrong.clone(),
        actual: layer.diff_id.clone(),
    };
    assert_eq!(error.to_string(), expected.to_string());
    let again = read(&world.layout, &layer.descriptor, &wrong, &mut files, &elsewhere);
    assert!(again.is_err(), "nothing is remembered of it");
}

#[test]
fn what_is_remembered_may_be_damaged() {
    let world = World::new();
    let layer = world.write(&Files::default(), &changes(&BASE), Compression::Gzip);
    let expected = listing(&world.read(&[&layer], &world.work()));
    for file in std::fs::read_dir(world.work().join("layers")).unwrap() {
        std::fs::write(file.unwrap().path(), b"damaged").unwrap();
    }
    assert_eq!(listing(&world.read(&[&layer], &world.work())), expected);
}

#[test]
fn contents_are_read_in_any_order_and_by_several_at_once() {
    let world = World::new();
    let names: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
    let lines: Vec<&str> = names.iter().map(String::as_str).collect();
    let layer = world.write(&Files::default(), &changes(&lines), Compression::Gzip);
    let read = |files: &Files, name: &str| {
        let id = files.at(&path(name)).unwrap();
        let mut text = String::new();
        let content = files.get(id).unwrap().content.clone().unwrap();
        content.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, name);
    };
    let spools = || {
        let entries = std::fs::read_dir(world.work()).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
    };
    let files = world.read(&[&layer], &world.work());
    for name in &names {
        read(&files, name);
    }
    assert_eq!(spools(), 0, "in their order nothing is kept");
    for name in names.iter().rev() {
        read(&files, name);
    }
    assert_eq!(spools(), 1);
    drop(files);
    assert_eq!(spools(), 0);
    let files = world.read(&[&layer], &world.work());
    let half = files.at(&path("20")).unwrap();
    let half = files.get(half).unwrap().content.clone().unwrap();
    let mut open = half.open().unwrap();
    read(&files, "10");
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "20");
    drop(open);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for name in &names {
                    read(&files, name);
                }
            });
        }
    });
}

/// A content that cannot be read to its end, or is another length.
#[derive(Debug)]
struct Broken(usize);

impl Bytes for Broken {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let end = io::repeat(b'x').take(self.0 as u64);
        if self.0 == 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Box::new(end))
    }

    fn sha256(&self) -> io::Result<Sha256Hash> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        None
    }
}

#[test]
fn contents_that_cannot_be_read_are_named() {
    for length in [0, 5] {
        let world = World::new();
        let lease = world.layout.lease().unwrap();
        let mut changes = changes(&["d/"]);
        changes.put(Entry::file(path("d/x"), 10_000_000), Some(Arc::new(Broken(length))));
        let format = Format { compression: Compression::Gzip, epoch: 7 };
        let error = write(&lease, &Files::default(), &changes, format, &world.work()).unwrap_err();
        assert!(matches!(&error, WriteError::Content { path, .. } if path == "d/x"), "{error:?}");
    }
}

#[test]
fn what_nobody_could_read_again_is_not_begun() {
    let world = World::new();
    let lease = world.layout.lease().unwrap();
    let mut changes = changes(&["a"]);
    changes.put(Entry::file(path("huge"), MAX_LAYER_BYTES), Some(Arc::new(Broken(1))));
    let format = Format { compression: Compression::None, epoch: 7 };
    let error = write(&lease, &Files::default(), &changes, format, &world.work()).unwrap_err();
    assert!(matches!(&error, WriteError::TooLarge { path, .. } if path == "huge"), "{error:?}");
}

#[test]
fn a_large_layer_is_the_same_in_pieces() {
    let world = World::new();
    let mut all = Changes::default();
    let mut before = Vec::new();
    for number in 0..40_u8 {
        let content: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8 ^ number).collect();
        before.extend_from_slice(&content);
        let entry = Entry::file(path(&format!("{number:02}")), content.len() as u64);
        let mtime = Time { seconds: 3, nanoseconds: 4 };
        all.put(Entry { mtime, ..entry }, Some(Arc::new(Held::new(content))));
    }
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let layer = world.write(&Files::default(), &all, compression);
        let files = world.read(&[&layer], &world.work());
        let mut after = Vec::new();
        for (_, id) in files.walk() {
            let inode = files.get(id).unwrap();
            assert_eq!(inode.mtime, Time { seconds: 7, nanoseconds: 0 });
            inode.content.as_ref().unwrap().open().unwrap().read_to_end(&mut after).unwrap();
        }
        assert!(before == after, "{compression:?}");
    }
}

#[test]
fn nothing_at_all_is_a_layer() {
    let world = World::new();
    let layer = world.write(&Files::default(), &Changes::default(), Compression::Gzip);
    assert_eq!(layer.diff_id, Digest::sha256_of(&[0; 1024]));
    assert_eq!(world.read(&[&layer], &world.work()).walk().count(), 0);
}
