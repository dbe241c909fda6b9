use std::collections::BTreeMap;
use std::io::Read;

use proptest::prelude::*;

use super::*;
use crate::oci::archive::ArchiveWriter;

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).unwrap()
}

fn written(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new());
    for (entry, content) in entries {
        writer.append_bytes(entry, content).unwrap();
    }
    writer.finish().unwrap()
}

fn read(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, ArchiveError> {
    let mut reader = ArchiveReader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        entries.push((entry, content));
    }
    reader.finish()?;
    Ok(entries)
}

/// An archive of one file `f` with `1` in it, its header changed. The checksum is made right.
fn tampered(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut archive = written(&[(Entry::file(path("f"), 1), b"1".to_vec())]);
    change(&mut archive);
    let header = &mut archive[..BLOCK];
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive
}

fn put(archive: &mut [u8], at: usize, bytes: &[u8]) {
    archive[at..at + bytes.len()].copy_from_slice(bytes);
}

fn kind() -> impl Strategy<Value = Kind> {
    let name = "[a-zü]{1,30}(/[a-z]{1,60}){0,3}";
    prop_oneof![
        Just(Kind::File),
        Just(Kind::Folder),
        Just(Kind::Fifo),
        name.prop_map(|target| Kind::Symlink(target.into_bytes().into_boxed_slice())),
        name.prop_map(|target| Kind::Hardlink(path(&target))),
        (0..1_u32 << 21, 0..1_u32 << 21)
            .prop_map(|(major, minor)| Kind::CharDevice { major, minor }),
    ]
}

fn entry() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let name = prop_oneof![
        "[a-zü.]{1,3}x(/[a-z]{1,60}){0,6}",
        "[a-z]{90,110}(/[a-z]{1,9}){0,2}",
        Just("ÿ".to_owned()),
    ];
    let time = (-1_i64 << 40..1 << 40, 0..1_000_000_000_u32);
    let xattrs = prop::collection::btree_map("user\\.[a-z]{1,9}", "[a-z=]{0,30}", 0..3);
    let owner = prop_oneof![0..4000_u64, 0..1_u64 << 33];
    let size = prop_oneof![Just(0), Just(511_usize), Just(512), 1..2000_usize];
    (name, kind(), 0..0o7777_u32, (owner.clone(), owner), time, xattrs, size).prop_map(
        |(name, kind, mode, (uid, gid), (seconds, nanoseconds), xattrs, size)| {
            let bytes = |(key, value): (String, String)| (key.into_bytes(), value.into_bytes());
            let content = if kind == Kind::File { vec![b'c'; size] } else { Vec::new() };
            let entry = Entry {
                path: path(&name),
                kind,
                mode,
                uid,
                gid,
                mtime: Time { seconds, nanoseconds },
                size: content.len() as u64,
                xattrs: xattrs.into_iter().map(bytes).collect::<BTreeMap<_, _>>(),
            };
            (entry, content)
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in prop::collection::vec(entry(), 0..12)) {
        let archive = written(&entries);
        prop_assert_eq!(archive.len() % BLOCK, 0);
        prop_assert_eq!(&read(&archive).unwrap(), &entries);
        // A second opinion, as far as that one goes.
        let mut second = tar::Archive::new(&archive[..]);
        for ((entry, content), other) in entries.iter().zip(second.entries().unwrap()) {
            let mut other = other.unwrap();
            let name = other.path_bytes().into_owned();
            let name = name.strip_suffix(b"/").unwrap_or(&name).to_vec();
            prop_assert_eq!(&name, entry.path.as_bytes());
            prop_assert_eq!(other.size(), entry.size);
            let mut bytes = Vec::new();
            other.read_to_end(&mut bytes).unwrap();
            prop_assert_eq!(&bytes, content);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        drop(read(&bytes));
    }

    #[test]
    fn no_change_makes_it_panic(at in 0..512_usize, byte: u8) {
        drop(read(&tampered(|archive| archive[at] = byte)));
    }
}

#[test]
fn others_forms_are_read() {
    // GNU's long names, and its large numbers, as the `tar` crate writes them.
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o4755);
    header.set_uid(1 << 40);
    header.set_mtime(7);
    header.set_cksum();
    let long = "d/".repeat(100) + "f";
    builder.append_data(&mut header, &long, &b"hi"[..]).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "l", &long).unwrap();
    let entries = read(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(entries[0].0.path, path(&long));
    assert_eq!((entries[0].0.mode, entries[0].0.uid), (0o4755, 1 << 40));
    assert_eq!(entries[0].1, b"hi");
    assert_eq!(entries[1].0.kind, Kind::Symlink(long.into_bytes().into_boxed_slice()));
    // Before POSIX: no magic number, no type, folders by their names.
    let old = tampered(|archive| {
        put(archive, 257, &[0; 8]);
        put(archive, 156, &[0]);
    });
    assert_eq!(read(&old).unwrap()[0].0.kind, Kind::File);
    let old = tampered(|archive| {
        put(archive, 0, b"f/");
        put(archive, 156, &[0]);
    });
    let error = read(&old).unwrap_err();
    assert!(matches!(error, ArchiveError::NoHeader { offset: 512 }), "a folder has no content");
}

#[test]
fn names_and_attributes_of_any_bytes() {
    let mut entry = Entry::file(EntryPath::parse(b"a\xff\n=b").unwrap(), 0);
    entry.xattrs.insert(b"security.capability".to_vec(), b"\x01\0\0\x02\n=\xff".to_vec());
    entry.xattrs.insert(b"user.empty".to_vec(), Vec::new());
    let archive = written(&[(entry.clone(), Vec::new())]);
    assert_eq!(read(&archive).unwrap()[0].0, entry);
    entry.xattrs.insert(b"user.a=b".to_vec(), Vec::new());
    let error = ArchiveWriter::new(Vec::new()).append_bytes(&entry, b"").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn entries_that_climb_out() {
    for name in [&b"../x"[..], b"a/../../x", b"/../x"] {
        let error = read(&tampered(|archive| put(archive, 0, name))).unwrap_err();
        assert!(matches!(error, ArchiveError::Escapes { .. }), "{error}");
        let link = tampered(|archive| {
            put(archive, 156, b"1");
            put(archive, 157, name);
        });
        let error = read(&link).unwrap_err();
        assert!(matches!(error, ArchiveError::Escapes { .. }), "{error}");
    }
}

#[test]
fn archives_that_are_cut_off() {
    let archive = written(&[(Entry::file(path("f"), 700), vec![b'x'; 700])]);
    for length in (1..BLOCK + 700).filter(|length| *length != BLOCK) {
        let error = read(&archive[..length]).unwrap_err();
        assert!(matches!(error, ArchiveError::Truncated), "{length}: {error}");
    }
    assert!(read(&archive[..BLOCK]).is_err(), "its content is not there");
    assert_eq!(read(&archive[..BLOCK + 1024]).unwrap().len(), 1, "without an end");
    assert_eq!(read(b"").unwrap().len(), 0);
}

#[test]
fn sizes_that_lie() {
    let error = read(&tampered(|archive| put(archive, 124, b"77777777777"))).unwrap_err();
    assert!(matches!(error, ArchiveError::Truncated), "{error}");
    let error = read(&tampered(|archive| put(archive, 124, b"00000000000"))).unwrap_err();
    assert!(matches!(error, ArchiveError::NoHeader { offset: 512 }), "{error}");
    let negative = tampered(|archive| put(archive, 124, &[0xff; 12]));
    assert!(matches!(read(&negative), Err(ArchiveError::Number { field: "size", .. })));
    let no_number = tampered(|archive| put(archive, 124, b"0000000000x"));
    assert!(matches!(read(&no_number), Err(ArchiveError::Number { field: "size", .. })));
}

#[test]
fn headers_that_are_none() {
    let mut wrong_sum = tampered(|_| {});
    wrong_sum[0] ^= 1;
    assert!(matches!(read(&wrong_sum), Err(ArchiveError::NoHeader { offset: 0 })));
    let lone_zeros = [&[0; BLOCK][..], &tampered(|_| {})].concat();
    assert!(matches!(read(&lone_zeros), Err(ArchiveError::NoHeader { offset: 0 })));
    let unknown = tampered(|archive| put(archive, 156, b"Z"));
    assert!(matches!(read(&unknown), Err(ArchiveError::UnknownKind { kind: b'Z', .. })));
    let sparse = tampered(|archive| put(archive, 156, b"S"));
    assert!(matches!(read(&sparse), Err(ArchiveError::Sparse { .. })));
    let to_nothing = tampered(|archive| put(archive, 156, b"2"));
    assert!(matches!(read(&to_nothing), Err(ArchiveError::Name { .. })));
}

#[test]
fn extended_headers_are_bounded() {
    let long = tampered(|archive| {
        put(archive, 156, b"x");
        put(archive, 124, b"00010000000");
    });
    let error = read(&long).unwrap_err();
    assert!(matches!(error, ArchiveError::LongExtension { size: 0o10_000_000, .. }), "{error}");
    let no_records = tampered(|archive| put(archive, 156, b"x"));
    assert!(matches!(read(&no_records), Err(ArchiveError::Extension { offset: 0 })));
    let cut = &no_records[..BLOCK];
    assert!(matches!(read(cut), Err(ArchiveError::Truncated)));
}

#[test]
fn a_hundred_thousand_entries() {
    let file = |number: usize| (Entry::file(path(&format!("d/{number}")), 0), Vec::new());
    let entries: Vec<_> = (0..100_000).map(file).collect();
    assert_eq!(read(&written(&entries)).unwrap().len(), 100_000);
}
