//! What the profile gives, held still for ever (spec/canonical-image.md §9): who changes a digest
//! here makes a new profile.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;

use crate::oci::archive::{Entry, EntryPath, Kind, LayerPacker};
use crate::oci::canonical::{
    BUILD_ANNOTATION, LayerWriter, PROFILE, PROFILE_ANNOTATION, config_bytes, created, index_bytes,
    manifest_bytes, normalized, whiteout,
};
use crate::oci::manifest::OCI_MANIFEST;
use crate::oci::media_type::{Compression, OCI_CONFIG};
use crate::oci::{Descriptor, Digest, Platform};

const EPOCH: i64 = 1_700_000_000;

fn path(bytes: &[u8]) -> EntryPath {
    EntryPath::parse(bytes).unwrap()
}

/// Bytes that compress a little, the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from(state >> 28).unwrap()
    };
    (0..length).map(|_| next()).collect()
}

/// The entries of the table in the specification, with their contents.
fn entries() -> Vec<(Entry, Vec<u8>)> {
    let long = |byte: &str, count: usize| format!("long/{}", byte.repeat(count));
    let new = |name: &[u8], kind: Kind, mode: u32| Entry { mode, ..Entry::new(path(name), kind) };
    let file = |name: &[u8], mode: u32, content: Vec<u8>| {
        let entry = Entry { mode, ..Entry::file(path(name), content.len() as u64) };
        (entry, content)
    };
    let bare = |entry: Entry| (entry, Vec::new());
    let folder = |name: &[u8], mode: u32| bare(new(name, Kind::Folder, mode));
    let link = |name: &[u8], target: Vec<u8>| bare(new(name, Kind::Symlink(target.into()), 0o777));
    let mut owner = file(b"owner", 0o4755, b"caps".to_vec());
    (owner.0.uid, owner.0.gid) = (3_000_000, 4_000_000);
    let capability = [&[1, 0, 0, 2, 0, 0x20][..], &[0; 14]].concat();
    owner.0.xattrs.insert(b"security.capability".to_vec(), capability);
    let disk = Kind::BlockDevice { major: 8, minor: 0 };
    let disk = Entry { gid: 6, ..new(b"dev/sda", disk, 0o660) };
    let mut entries = vec![
        bare(whiteout(&path(b"gone"), EPOCH).unwrap()),
        folder(b"bin", 0o755),
        file(b"bin/a", 0o755, b"#!/bin/sh\n".to_vec()),
        bare(new(b"bin/b", Kind::Hardlink(path(b"bin/a")), 0o755)),
        folder(b"dev", 0o755),
        bare(new(b"dev/null", Kind::CharDevice { major: 1, minor: 3 }, 0o666)),
        bare(new(b"dev/pipe", Kind::Fifo, 0o600)),
        bare(disk),
        folder(b"etc", 0o755),
        link(b"etc/link", b"../bin/a".to_vec()),
        link(b"etc/long", b"t/".repeat(75)),
        file(b"etc/passwd", 0o644, b"x".repeat(600)),
        file(b"large", 0o644, noise(3 * (1 << 20) + 1)),
        folder(b"long", 0o755),
        folder(long("d", 100).as_bytes(), 0o755),
        folder(long("x", 60).as_bytes(), 0o755),
        file(format!("{}/{}", long("x", 60), "y".repeat(60)).as_bytes(), 0o644, b"1".to_vec()),
        file(format!("{}/{}", long("x", 60), "z".repeat(200)).as_bytes(), 0o644, b"2".to_vec()),
        owner,
        folder(b"tmp", 0o1777),
        file("ü".as_bytes(), 0o644, b"3".to_vec()),
        file(b"\xff\n", 0o644, b"4".to_vec()),
    ];
    for (entry, _) in &mut entries {
        if entry.path.as_bytes() != b".wh.gone" {
            *entry = normalized(entry.clone(), EPOCH);
        }
    }
    entries
}

fn layer(compression: Compression, piece: usize) -> (Vec<u8>, Digest) {
    let mut archive = LayerWriter::new(Vec::new(), EPOCH);
    for (entry, content) in entries() {
        archive.append_bytes(&entry, &content).unwrap();
    }
    let archive = archive.finish().unwrap();
    let mut packer = LayerPacker::new(Vec::new(), compression).unwrap();
    for piece in archive.chunks(piece) {
        packer.write_all(piece).unwrap();
    }
    packer.finish().unwrap()
}

#[test]
fn layers() {
    for (compression, size, expected) in LAYERS {
        for piece in [1 << 30, 777, 1 << 20] {
            let (layer, diff_id) = layer(compression, piece);
            assert_eq!(diff_id.as_str(), LAYERS[0].2);
            let found = (layer.len(), Digest::sha256_of(&layer));
            assert_eq!((found.0, found.1.as_str()), (size, expected), "{compression:?}");
        }
    }
    assert_eq!(layer_of_nothing(Compression::None), EMPTY[0]);
    assert_eq!(layer_of_nothing(Compression::Gzip), EMPTY[1]);
    assert_eq!(layer_of_nothing(Compression::Zstd), EMPTY[2]);
}

fn layer_of_nothing(compression: Compression) -> String {
    let archive = LayerWriter::new(Vec::new(), EPOCH).finish().unwrap();
    let mut packer = LayerPacker::new(Vec::new(), compression).unwrap();
    packer.write_all(&archive).unwrap();
    Digest::sha256_of(&packer.finish().unwrap().0).to_string()
}

#[test]
fn documents() {
    let (layer, diff_id) = layer(Compression::Gzip, 1 << 20);
    let config = json!({
        "os": "linux", "architecture": "amd64", "created": created(EPOCH).unwrap(),
        "config": {
            "Env": ["PATH=/usr/bin:/bin", "A=<&>"], "Cmd": ["/bin/a"], "WorkingDir": "/",
            "Labels": {"é": "1", "a": ""}, "ExposedPorts": {"80/tcp": {}}, "User": "",
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000, "Retries": 0},
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id.as_str()]},
        "history": [
            {"created": created(EPOCH).unwrap(), "created_by": "COPY . /"},
            {"created": created(EPOCH).unwrap(), "created_by": "CMD [\"/bin/a\"]", "empty_layer": true},
        ],
    });
    let config = config_bytes(config.as_object().unwrap()).unwrap();
    let described = Descriptor::new(OCI_CONFIG, Digest::sha256_of(&config), config.len() as u64);
    let media_type = Compression::Gzip.oci_layer();
    let layers = [Descriptor::new(media_type, Digest::sha256_of(&layer), layer.len() as u64)];
    let notes = [
        (PROFILE_ANNOTATION.to_owned(), PROFILE.to_owned()),
        (BUILD_ANNOTATION.to_owned(), "{\"epoch\":1700000000}".to_owned()),
    ];
    let manifest = manifest_bytes(&described, &layers, &notes.into(), None).unwrap();
    let digest = Digest::sha256_of(&manifest);
    let platform = Some(Platform::parse("linux/amd64").unwrap());
    let part = Descriptor {
        platform,
        ..Descriptor::new(OCI_MANIFEST, digest.clone(), manifest.len() as u64)
    };
    let index = index_bytes(&[part], &BTreeMap::new()).unwrap();
    let found = [described.digest, digest, Digest::sha256_of(&index)];
    assert_eq!(found.each_ref().map(Digest::as_str), DOCUMENTS);
}

const LAYERS: [(Compression, usize, &str); 3] = [
    (
        Compression::None,
        3_168_768,
        "sha256:8d0ce0afe27ddef477ed0cd812ff8c54e4d78ea2fc470121b7d99ff3927e1a33",
    ),
    (
        Compression::Gzip,
        1_604_367,
        "sha256:66939b526c4ffd9ef9fedb2cba054bb696df93ebfad996d61afbd70d8f014233",
    ),
    (
        Compression::Zstd,
        1_635_285,
        "sha256:c5551529f36845afcac80839493e5ba0f7cd9bb9d7e0b5f1be359e90fb7f2422",
    ),
];
const EMPTY: [&str; 3] = [
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "sha256:62539018952ddec37a4fcf8d77171cfbcd5b21fc3520f32028cd9cfdae546a31",
    "sha256:79fd197db96953fa064cecefea06e607d3109dbab6847f77397ba1fda252dd71",
];
const DOCUMENTS: [&str; 3] = [
    "sha256:feec664ce5f58f3d8db411e4ffa2d1d06550a8c0771a3ca6b6fa6d128cabd21e",
    "sha256:40289ae54daf560be83fd5f1133235f850fc70bebe7cf19dde441a047c0206cb",
    "sha256:306fc73e3d8b465b58b185e894154ef2eb1032073d8e07344c16458548619ed7",
];
