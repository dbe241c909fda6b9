//! An image with a shell in it, and a sandbox.

use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use trust::build::content::{Content, Files};
use trust::build::held::Held;
use trust::build::run::{Isolation, Options, Sandbox};
use trust::build::runner::{Job, Mounted, Outcome, Root, RunError, Runner, Stream};
use trust::dockerfile::{Network, Security};
use trust::oci::archive::{ArchiveWriter, Entry, EntryPath, Expansion, Kind};
use trust::oci::media_type::Compression;
use trust::oci::{Descriptor, Digest};
use trust::store::ImageLayout;
use trust::store::images::layer_archive::{self, Packing};

/// An image, and a folder to run it in.
pub(super) struct World {
    pub(super) dir: TempDir,
    layers: Vec<(Descriptor, Digest)>,
    files: Files,
    pub(super) options: Options,
}

/// One file of an image, with what is in it.
pub(super) type Made = (Entry, Vec<u8>);

/// What a command wrote, and what it came to.
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    pub(super) output: String,
    pub(super) error: String,
}

impl World {
    /// An image of one layer: busybox, and what is needed around it.
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    /// The same with more layers.
    pub(super) fn with(layers: &[Vec<Made>]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::in_folder(dir, layers)
    }

    pub(super) fn in_folder(dir: TempDir, layers: &[Vec<Made>]) -> Self {
        let work = dir.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let layout = dir.path().join("images");
        let options = Options {
            program: PathBuf::from(env!("CARGO_BIN_EXE_trust")),
            work,
            layout: layout.clone(),
            isolation: Isolation::Auto,
            terminal: false,
        };
        let mut world = Self { dir, layers: Vec::new(), files: Files::default(), options };
        let layout = ImageLayout::new(layout);
        world.add(&layout, &shell());
        for layer in layers {
            world.add(&layout, layer);
        }
        world
    }

    /// An image, worked on in this folder.
    pub(super) fn with_work(work: &std::path::Path) -> Self {
        let mut world = Self::new();
        work.clone_into(&mut world.options.work);
        world
    }

    fn add(&mut self, layout: &ImageLayout, layer: &[Made]) {
        let mut archive = ArchiveWriter::new(Vec::new());
        for (entry, content) in layer {
            archive.append_bytes(entry, content).unwrap();
        }
        let archive = archive.finish().unwrap();
        let lease = layout.lease().unwrap();
        let packing = Packing::Anew(Compression::None);
        let stored = layer_archive::store_layer(
            &lease,
            "layer",
            &mut archive.as_slice(),
            packing,
            Expansion::default(),
        );
        let stored = stored.unwrap();
        std::mem::forget(lease);
        self.files.begin_layer();
        for (entry, content) in layer {
            if let Some(id) = self.files.apply(entry).unwrap() {
                let content: Content = Arc::new(Held::new(content.clone()));
                self.files.set_content(id, content);
            }
        }
        self.layers.push((stored.descriptor, stored.diff_id));
    }

    pub(super) fn sandbox(&self) -> Sandbox {
        Sandbox::new(self.options.clone())
    }

    /// Runs a line of the shell.
    pub(super) fn sh(&self, line: &str) -> Ran {
        self.run(&job(line)).unwrap()
    }

    /// What a line of the shell writes; it must succeed.
    pub(super) fn says(&self, line: &str) -> String {
        let ran = self.sh(line);
        assert_eq!(ran.outcome.status, 0, "{line}: {}{}", ran.output, ran.error);
        ran.output
    }

    pub(super) fn run(&self, job: &Job<'_>) -> Result<Ran, RunError> {
        self.run_in(&self.sandbox(), job)
    }

    pub(super) fn run_in(&self, sandbox: &Sandbox, job: &Job<'_>) -> Result<Ran, RunError> {
        let root = Root { layers: &self.layers, files: &self.files };
        let (output, error) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let outcome = sandbox.run(root, job, &mut |stream, bytes| match stream {
            Stream::Output => output.lock().unwrap().extend_from_slice(bytes),
            Stream::Error => error.lock().unwrap().extend_from_slice(bytes),
        })?;
        let text = |bytes: Mutex<Vec<u8>>| {
            String::from_utf8_lossy(&bytes.into_inner().unwrap()).into_owned()
        };
        Ok(Ran { outcome, output: text(output), error: text(error) })
    }

    /// Makes a layer of what a command changed, as a build does.
    pub(super) fn commit(&mut self, sandbox: &Sandbox, ran: Ran) {
        let layout = ImageLayout::new(self.options.layout.clone());
        let lease = layout.lease().unwrap();
        let format = trust::build::layer::Format { compression: Compression::None, epoch: EPOCH };
        let changes = &ran.outcome.changes;
        let stored =
            trust::build::layer::write(&lease, &self.files, changes, format, &self.options.work);
        let stored = stored.unwrap();
        std::mem::forget(lease);
        self.layers.push((stored.descriptor, stored.diff_id));
        sandbox.stored(&self.layers);
        drop(ran);
        self.files = Files::default();
        for (layer, diff_id) in &self.layers {
            let work = &self.options.work;
            trust::build::layer::read(&layout, layer, diff_id, &mut self.files, work).unwrap();
        }
    }

    /// The names of the folders that layers are laid out in.
    pub(super) fn laid_out(&self) -> Vec<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.options.work).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("layers-") {
                let folders = std::fs::read_dir(path).unwrap();
                names.extend(folders.map(|one| one.unwrap().file_name().into_string().unwrap()));
            }
        }
        names
    }

    /// What is left in the work folder: names below `runs`.
    pub(super) fn leftovers(&self) -> Vec<PathBuf> {
        let runs = self.options.work.join("runs");
        let Ok(entries) = std::fs::read_dir(runs) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Ran {
    /// The changes, one a line: `-` what is gone, else type, mode, owner, path and content.
    pub(super) fn changes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, change) in &self.outcome.changes.paths {
            if change.removes {
                lines.push(format!("-{path}"));
            }
            let Some((entry, content)) = &change.puts else { continue };
            assert_eq!(entry.mtime.seconds, EPOCH, "{path}");
            let what = match &entry.kind {
                Kind::File => {
                    let mut text = String::new();
                    if let Some(content) = content {
                        content.open().unwrap().read_to_string(&mut text).unwrap();
                    }
                    assert_eq!(text.len() as u64, entry.size, "{path}");
                    format!(" {}", text.trim_end())
                }
                Kind::Folder => "/".to_owned(),
                Kind::Symlink(target) => format!(" > {}", String::from_utf8_lossy(target)),
                Kind::Hardlink(target) => format!(" = {target}"),
                other => format!(" {}", other.name()),
            };
            let owner = format!("{}:{}", entry.uid, entry.gid);
            lines.push(format!("{:o} {owner} {path}{what}", entry.mode));
        }
        lines
    }
}

/// Gives the image of a world a name in its layout; returns the layout.
pub(super) fn tagged(world: &World, name: &str) -> PathBuf {
    let layout = ImageLayout::new(world.options.layout.clone());
    let diff_ids: Vec<&str> = world.layers.iter().map(|(_, diff_id)| diff_id.as_str()).collect();
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string().into_bytes();
    let lease = layout.lease().unwrap();
    let id = lease.put(&config).unwrap();
    let described =
        Descriptor::new("application/vnd.oci.image.config.v1+json", id, config.len() as u64);
    let layers: Vec<Descriptor> = world.layers.iter().map(|(layer, _)| layer.clone()).collect();
    let manifest = trust::oci::canonical::manifest_bytes(
        &described,
        &layers,
        &std::collections::BTreeMap::default(),
        None,
    )
    .unwrap();
    let digest = lease.put(&manifest).unwrap();
    let manifest = Descriptor::new(
        "application/vnd.oci.image.manifest.v1+json",
        digest,
        manifest.len() as u64,
    );
    let name = trust::oci::ImageName::of_reference(trust::oci::Reference::parse(name).unwrap());
    let committed: Result<_, trust::store::ImageLayoutError> = lease.commit(|index| {
        drop(index.set(&name, &manifest, None));
        Ok(())
    });
    committed.unwrap();
    world.options.layout.clone()
}

/// A disk of a few MiB, if one can be mounted.
pub(super) fn small_disk() -> Option<SmallDisk> {
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=24m", "none"])
        .arg(dir.path())
        .status();
    mounted.is_ok_and(|status| status.success()).then_some(SmallDisk { dir })
}

/// See [`small_disk`].
pub(super) struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    pub(super) fn path(&self) -> &std::path::Path {
        self.dir.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.dir.path()).status());
    }
}

/// A line for the shell, as `RUN` has it.
pub(super) fn job(line: &str) -> Job<'static> {
    exec(&["/bin/sh", "-c", line])
}

pub(super) fn exec(arguments: &[&str]) -> Job<'static> {
    Job {
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        environment: vec![("PATH".to_owned(), "/bin".to_owned())],
        folder: "/".to_owned(),
        user: String::new(),
        hostname: "buildsandbox".to_owned(),
        hosts: Vec::new(),
        network: Network::None,
        security: Security::Sandbox,
        mounts: Vec::<Mounted<'_>>::new(),
        interactive: false,
        epoch: EPOCH,
    }
}

pub(super) fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).unwrap()
}

pub(super) fn file(name: &str, content: &str) -> Made {
    (Entry::file(path(name), content.len() as u64), content.as_bytes().to_vec())
}

pub(super) fn folder(name: &str) -> Made {
    (Entry::new(path(name), Kind::Folder), Vec::new())
}

pub(super) fn link(name: &str, target: &str) -> Made {
    (Entry::new(path(name), Kind::Symlink(target.as_bytes().into())), Vec::new())
}

pub(super) fn owned(made: Made, uid: u64, gid: u64, mode: u32) -> Made {
    (Entry { uid, gid, mode, ..made.0 }, made.1)
}

/// busybox with a link for each of its commands.
fn shell() -> Vec<Made> {
    let busybox = std::fs::read("/bin/busybox").or_else(|_| std::fs::read("/usr/bin/busybox"));
    let busybox = busybox.expect("busybox-static is installed");
    let commands = Command::new("busybox").arg("--list").output().unwrap();
    let commands = String::from_utf8(commands.stdout).unwrap();
    let mut layer: Vec<Made> =
        ["bin", "etc", "tmp", "root", "home"].iter().map(|name| folder(name)).collect();
    let size = busybox.len() as u64;
    layer.push(owned((Entry::file(path("bin/busybox"), size), busybox), 0, 0, 0o755));
    for command in commands.lines().filter(|command| *command != "busybox") {
        layer.push(link(&format!("bin/{command}"), "busybox"));
    }
    layer.push(file(
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n",
    ));
    layer.push(file("etc/group", "root:x:0:\nuser:x:1000:\nmore:x:2000:user\n"));
    layer
}

pub(super) const EPOCH: i64 = 1_700_000_000;
