//! Sending, fetching and copying images, beside skopeo.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::write::GzEncoder;
use trust::oci::digest::Hasher;

use crate::measure::{Contestant, peak_memory, run, wall_times};
use crate::peers::process;
use crate::peers::{Registry, RegistryOptions};
use crate::report::Report;
use crate::works::{COPY_GOAL, IDLE_PUSH_GOAL, PULL_GOAL, PUSH_GOAL};
use crate::world::{Person, World};

/// Files of the image of a usual size, and bytes of each.
const FILES: usize = 5000;
const FILE_BYTES: usize = 42_000;
/// Layers of the image of many, and bytes of each.
const LAYERS: usize = 100;
const LAYER_BYTES: usize = 100_000;
/// Bytes of the one layer of the large image.
const LARGE_BYTES: u64 = 4 << 30;
/// Most memory that moving it may take, in KiB.
const MOST_MEMORY: f64 = 100_000.0;

/// An image in a layout that both programs read.
struct Image {
    layout: PathBuf,
    index: Vec<u8>,
}

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    let folder = tempfile::tempdir().unwrap();
    let usual = Image::make(&folder.path().join("usual"), vec![Box::new(usual_layer())]);
    let many = (0..LAYERS).map(|at| Box::new(small_layer(at)) as Box<dyn Read>);
    let many = Image::make(&folder.path().join("many"), many.collect());
    for (title, image) in [("200 MB, 5,000 files", &usual), ("100 layers of 100 kB", &many)] {
        push(world, runs, report, title, image);
        pull(world, runs, report, title, image, &folder.path().join("pulled"));
    }
    idle_push(world, runs, report, &usual);
    copy(world, runs, report, &usual);
}

/// One layer of 4 GB: time once, and memory.
pub(super) fn measure_large(world: &World, _: usize, report: &mut Report) {
    let folder = tempfile::tempdir().unwrap();
    let layer = Box::new(large_layer());
    let image = Image::make(&folder.path().join("large"), vec![layer]);
    push(world, 1, report, "one layer of 4 GB", &image);
    let pulled = folder.path().join("pulled");
    pull(world, 1, report, "one layer of 4 GB", &image, &pulled);
    let ours = world.person();
    let name = |round: usize| format!("{}:1", world.name(&format!("large-memory-{round}")));
    let sent = peak_memory(
        1,
        &mut [Contestant::new("trust push", |round| {
            image.give_name(&name(round));
            ours.trust(&["push", "--layout", image.path(), &name(round)])
        })],
    );
    let fetched = peak_memory(
        1,
        &mut [Contestant::new("trust pull", |round| {
            fs::remove_dir_all(&pulled).ok();
            ours.trust(&["pull", "--layout", pulled.to_str().unwrap(), &name(round)])
        })],
    );
    for (work, samples) in [("push", sent), ("pull", fetched)] {
        let peak = samples.first().map(crate::measure::Sample::median).unwrap_or_default();
        let goal = format!("< {} MB", MOST_MEMORY / 1000.0);
        let found = format!("{:.0} MB", peak / 1000.0);
        report.note(
            &format!("{work}, one layer of 4 GB: memory"),
            found,
            Some((&goal, peak < MOST_MEMORY)),
        );
    }
}

fn push(world: &World, runs: usize, report: &mut Report, title: &str, image: &Image) {
    let [ours, theirs] = [(); 2].map(|()| world.person());
    // Each round has a repository of its own, which has nothing yet.
    let name = |who: &str, round: usize| {
        let words: String = title.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{}:1", world.name(&format!("{}/{who}-{round}", words.to_lowercase())))
    };
    let samples = wall_times(
        runs,
        &mut [
            Contestant::new("trust", |round| {
                image.give_name(&name("ours", round));
                ours.trust(&["push", "--layout", image.path(), &name("ours", round)])
            }),
            Contestant::new("skopeo copy", |round| {
                image.give_name("v1");
                skopeo(&theirs, &[&image.in_layout("v1"), &remote(&name("theirs", round))])
            }),
        ],
    );
    report.compare(&format!("push, {title}"), PUSH_GOAL, &samples);
}

fn pull(
    world: &World,
    runs: usize,
    report: &mut Report,
    title: &str,
    image: &Image,
    folder: &Path,
) {
    let [ours, theirs] = [(); 2].map(|()| world.person());
    let name = format!("{}:1", world.name("pulled"));
    image.give_name(&name);
    run(&mut ours.trust(&["push", "--layout", image.path(), &name]));
    let samples = wall_times(
        runs,
        &mut [
            Contestant::new("trust", |_| {
                fs::remove_dir_all(folder).ok();
                ours.trust(&["pull", "--layout", folder.to_str().unwrap(), &name])
            }),
            Contestant::new("skopeo copy", |_| {
                fs::remove_dir_all(folder).ok();
                let to = format!("oci:{}:v1", folder.display());
                skopeo(&theirs, &[&remote(&name), &to])
            }),
        ],
    );
    report.compare(&format!("pull, {title}"), PULL_GOAL, &samples);
}

fn idle_push(world: &World, runs: usize, report: &mut Report, image: &Image) {
    let [ours, theirs] = [(); 2].map(|()| world.person());
    let name = format!("{}:1", world.name("idle"));
    image.give_name(&name);
    let samples = wall_times(
        runs,
        &mut [
            Contestant::new("trust", |_| ours.trust(&["push", "--layout", image.path(), &name])),
            Contestant::new("skopeo copy", |_| {
                skopeo(&theirs, &[&image.in_layout(&name), &remote(&name)])
            }),
        ],
    );
    report.compare("push, nothing to do", IDLE_PUSH_GOAL, &samples);
}

fn copy(world: &World, runs: usize, report: &mut Report, image: &Image) {
    let other = Registry::start(&RegistryOptions::default());
    let [ours, theirs] = [(); 2].map(|()| world.person());
    let from = format!("{}:1", world.name("copied"));
    image.give_name(&from);
    run(&mut ours.trust(&["push", "--layout", image.path(), &from]));
    let to = |who: &str, round: usize| format!("{}/{who}-{round}:1", other.host_port());
    let samples = wall_times(
        runs,
        &mut [
            Contestant::new("trust", |round| ours.trust(&["copy", &from, &to("ours", round)])),
            Contestant::new("skopeo copy", |round| {
                skopeo(&theirs, &[&remote(&from), &remote(&to("theirs", round))])
            }),
        ],
    );
    report.compare("copy between registries, 200 MB", COPY_GOAL, &samples);
}

fn remote(name: &str) -> String {
    format!("docker://{name}")
}

/// Runs without what it remembers of where blobs are.
fn skopeo(person: &Person<'_>, args: &[&str]) -> Command {
    fs::remove_dir_all(person.user.home().join(".local/share/containers")).ok();
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--quiet"]);
    command.args(["--src-tls-verify=false", "--dest-tls-verify=false"]).args(args);
    command.env_clear().env("PATH", process::search_path()).env("HOME", person.user.home());
    // As root it would remember in a place that all share.
    command.env("_CONTAINERS_ROOTLESS_UID", "1000");
    command
}

impl Image {
    /// Writes an image of these layers, compressed, into a layout.
    fn make(layout: &Path, layers: Vec<Box<dyn Read>>) -> Self {
        let blobs = layout.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let (mut descriptors, mut diff_ids) = (Vec::new(), Vec::new());
        for layer in layers {
            let (descriptor, diff_id) = write_layer(&blobs, layer);
            descriptors.push(descriptor);
            diff_ids.push(diff_id);
        }
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = write_blob(&blobs, CONFIG, config.to_string().as_bytes());
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": descriptors,
        });
        let manifest = write_blob(&blobs, MANIFEST, manifest.to_string().as_bytes());
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [manifest]});
        Self { layout: layout.to_owned(), index: index.to_string().into_bytes() }
    }

    /// Gives it this name and no other, and forgets where it has been.
    fn give_name(&self, name: &str) {
        let mut index: serde_json::Value = serde_json::from_slice(&self.index).unwrap();
        let entry = index.pointer_mut("/manifests/0").and_then(|entry| entry.as_object_mut());
        let annotations = serde_json::json!({"org.opencontainers.image.ref.name": name});
        entry.unwrap().insert("annotations".to_owned(), annotations);
        fs::write(self.layout.join("index.json"), index.to_string()).unwrap();
    }

    fn path(&self) -> &str {
        self.layout.to_str().unwrap()
    }

    fn in_layout(&self, name: &str) -> String {
        format!("oci:{}:{name}", self.path())
    }
}

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes a file, and hashes it.
struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.inner.write_all(piece)?;
        self.hasher.update(piece);
        self.size += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn write_layer(blobs: &Path, mut layer: Box<dyn Read>) -> (serde_json::Value, String) {
    let path = blobs.join("incoming");
    let file = BufWriter::new(File::create(&path).unwrap());
    let packed = Hashing { inner: file, hasher: Hasher::sha256(), size: 0 };
    // What takes time here is no part of what is measured: pack lightly.
    let packed = GzEncoder::new(packed, flate2::Compression::fast());
    let mut plain = Hashing { inner: packed, hasher: Hasher::sha256(), size: 0 };
    io::copy(&mut layer, &mut plain).unwrap();
    let diff_id = plain.hasher.finish();
    let mut packed = plain.inner.finish().unwrap();
    packed.flush().unwrap();
    let digest = packed.hasher.finish();
    fs::rename(&path, blobs.join(digest.hex())).unwrap();
    let descriptor =
        serde_json::json!({"mediaType": LAYER, "digest": digest.as_str(), "size": packed.size});
    (descriptor, diff_id.to_string())
}

fn write_blob(blobs: &Path, media_type: &str, bytes: &[u8]) -> serde_json::Value {
    let digest = crate::peers::image::digest(bytes);
    fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes).unwrap();
    serde_json::json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

fn usual_layer() -> impl Read {
    let mut archive = Vec::new();
    for at in 0..FILES {
        let mut content = noise(at as u64).take_bytes(FILE_BYTES);
        // Some two thirds of it can be compressed away, as with programs and texts.
        for (place, byte) in content.iter_mut().enumerate() {
            if place % 3 != 0 {
                *byte = b'a' + u8::try_from(place / 7 % 23).unwrap_or_default();
            }
        }
        let file = crate::peers::image::tar(&format!("data/{}/{at}", at % 100), &content);
        archive.extend_from_slice(file.get(..file.len() - 1024).unwrap());
    }
    archive.extend_from_slice(&[0; 1024]);
    io::Cursor::new(archive)
}

fn small_layer(at: usize) -> impl Read {
    let content = noise(1_000_000 + at as u64).take_bytes(LAYER_BYTES);
    io::Cursor::new(crate::peers::image::tar(&format!("layer-{at}"), &content))
}

/// One file of noise; its size is in the header in GNU's base 256, which all of them read.
fn large_layer() -> impl Read {
    let mut header = crate::peers::image::tar("large", b"");
    header.truncate(512);
    let mut size = [0_u8; 12];
    size.get_mut(4..).unwrap().copy_from_slice(&LARGE_BYTES.to_be_bytes());
    *size.first_mut().unwrap() = 0x80;
    header.get_mut(124..136).unwrap().copy_from_slice(&size);
    header.get_mut(148..156).unwrap().copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header.get_mut(148..156).unwrap().copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    io::Cursor::new(header).chain(noise(7).take(LARGE_BYTES)).chain(io::Cursor::new([0; 1024]))
}

/// Bytes that do not compress, always the same.
struct Noise(u64);

fn noise(seed: u64) -> Noise {
    Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}

impl Noise {
    fn take_bytes(self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.take(count as u64).read_to_end(&mut bytes).unwrap();
        bytes
    }
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let bytes = self.0.to_le_bytes();
            chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap());
        }
        Ok(buffer.len())
    }
}
