//! A person with images, and archives made by hand.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::layout::Layout;
use crate::peers::image::digest;
use crate::peers::process::Finished;
use crate::peers::user::User;

/// A person, a folder for files, and an image layout that is not there yet.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) user: User,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { user: User::new(), folder: tempfile::tempdir().unwrap() }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file; returns its path.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.text(name)
    }

    /// Runs `trust` on the layout of this name.
    pub(crate) fn trust_on(&self, layout: &str, args: &[&str]) -> Finished {
        let layout = self.text(layout);
        self.user.trust(&[args, &["--layout", &layout]].concat())
    }

    /// Runs `trust` on the person's layout.
    pub(crate) fn trust(&self, args: &[&str]) -> Finished {
        self.trust_on("images", args)
    }

    /// A layout.
    pub(crate) fn layout(&self, name: &str) -> Layout {
        Layout::at(&self.path(name))
    }

    /// Imports an archive of files; returns the id.
    pub(crate) fn import(&self, files: &[u8], name: &str) -> String {
        let files = self.file("files.tar", files);
        let done = self.trust(&["import", &files, name]).success();
        done.stdout.trim().to_owned()
    }
}

/// An archive of members as they are.
pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // As it is, for some are no proper names.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Compresses as everybody does.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    gzip_at(bytes, flate2::Compression::fast())
}

/// Compresses as far as it goes.
pub(crate) fn gzip_tightly(bytes: &[u8]) -> Vec<u8> {
    gzip_at(bytes, flate2::Compression::best())
}

fn gzip_at(bytes: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The members of docker's archive with one image, as old versions write them.
pub(crate) fn docker_members(layers: &[&[u8]], tag: &str) -> Vec<(String, Vec<u8>)> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["x"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let mut members = vec![("config.json".to_owned(), config.to_string().into_bytes())];
    let mut places = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        members.push((format!("{number}/VERSION"), b"1.0".to_vec()));
        places.push(format!("{number}/layer.tar"));
        members.push((format!("{number}/layer.tar"), layer.to_vec()));
    }
    let list = json!([{"Config": "config.json", "RepoTags": [tag], "Layers": places}]);
    members.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
    members
}

/// Such members as an archive.
pub(crate) fn archived(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let members: Vec<(&str, &[u8])> =
        members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    tar(&members)
}

/// What JSON a program prints.
pub(crate) fn json_of(done: Finished) -> Value {
    let done = done.success();
    serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{}", done.stdout))
}

/// An archive of all that can be in a file system: owners, modes, links, devices, attributes.
pub(crate) fn rich_files() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind: tar::EntryType, mode: u32, link: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1234);
        header.set_gid(4321);
        header.set_mtime(1_234_567_890);
        header.set_size(content.len() as u64);
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        if matches!(kind, tar::EntryType::Char | tar::EntryType::Block) {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        if name == "bin/tool" {
            let value = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let attribute = [("SCHILY.xattr.security.capability", &value[..])];
            archive.append_pax_extensions(attribute).unwrap();
        }
        archive.append_data(&mut header, name, content).unwrap();
    };
    let long = "long/".to_owned() + &"n".repeat(120) + "/ü";
    add("bin", tar::EntryType::Directory, 0o755, "", b"");
    add("bin/tool", tar::EntryType::Regular, 0o755, "", b"#!/bin/sh\n");
    add("bin/su", tar::EntryType::Regular, 0o4755, "", b"su");
    add("bin/also-su", tar::EntryType::Link, 0o4755, "bin/su", b"");
    add("dev", tar::EntryType::Directory, 0o755, "", b"");
    add("dev/null", tar::EntryType::Char, 0o666, "", b"");
    add("dev/disk", tar::EntryType::Block, 0o660, "", b"");
    add("dev/pipe", tar::EntryType::Fifo, 0o600, "", b"");
    add("tmp", tar::EntryType::Directory, 0o1777, "", b"");
    add("etc", tar::EntryType::Directory, 0o755, "", b"");
    add("etc/link", tar::EntryType::Symlink, 0o777, "../bin/tool", b"");
    add("etc/out", tar::EntryType::Symlink, 0o777, "../../../../etc/shadow", b"");
    add("long", tar::EntryType::Directory, 0o755, "", b"");
    let above = long.strip_suffix("/ü").unwrap();
    add(above, tar::EntryType::Directory, 0o750, "", b"");
    add(&long, tar::EntryType::Regular, 0o640, "", &[7; 3000]);
    archive.into_inner().unwrap()
}
