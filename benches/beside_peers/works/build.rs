//! Building images, beside buildah, docker's own builder and umoci.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{Contestant, Sample, peak_memory, run, wall_times};
use crate::peers::process;
use crate::report::Report;
use crate::works::{BUILD_BUILDAH_GOAL, BUILD_DOCKER_GOAL, BUILD_UMOCI_GOAL, REBUILD_GOAL};
use crate::world::{Person, World};

/// Files of the context, and about how many bytes they have together.
const FILES: usize = 5000;
const CONTEXT_BYTES: u64 = 200_000_000;
/// Layers of the image of many.
const LAYERS: usize = 100;
/// Most memory that a build may take, in KiB.
const MOST_MEMORY: f64 = 100_000.0;

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    let folder = tempfile::tempdir().unwrap();
    let builders = Builders::new(world);
    let large = folder.path().join("large");
    many_files(&large.join("data"));
    write(&large, "FROM scratch\nCOPY data /data\n");
    from_nothing(&builders, runs, report, &large);
    again(&builders, runs, report, &large);
    let small = folder.path().join("small");
    tiny_layers(&small);
    let samples = wall_times(
        runs,
        &mut [
            Contestant::new("trust", |_| builders.trust(Start::Anew, &small, &[])),
            Contestant::new("buildah bud --layers", |_| builders.buildah(Start::Anew, &small)),
            Contestant::new("docker build", |round| builders.docker(Start::Anew, &small, round)),
        ],
    );
    beside(report, "build, 100 small layers", &samples);
    stages(&builders, runs, report, folder.path());
}

/// Everything for the first time, with each compression.
fn from_nothing(builders: &Builders<'_>, runs: usize, report: &mut Report, context: &Path) {
    let trust = |compression: &'static str| {
        move |_: usize| builders.trust(Start::Anew, context, &["--compression", compression])
    };
    let samples = wall_times(
        runs,
        &mut [
            Contestant::new("trust, gzip", trust("gzip")),
            Contestant::new("trust, zstd", trust("zstd")),
            Contestant::new("trust, none", trust("none")),
            Contestant::new("buildah bud", |_| builders.buildah(Start::Anew, context)),
            Contestant::new("docker build", |round| builders.docker(Start::Anew, context, round)),
            Contestant::new("umoci insert", |round| builders.umoci(context, round)),
        ],
    );
    let (ours, theirs) = samples.split_at(3);
    for ours in ours {
        let compression = ours.name.rsplit(' ').next().unwrap_or_default();
        let work = format!("build, 200 MB in 5,000 files, {compression}");
        for theirs in theirs {
            report.beside(&work, goal_of(theirs), ours, theirs);
        }
    }
    let peak = peak_memory(
        3,
        &mut [Contestant::new("trust", |_| builders.trust(Start::Anew, context, &[]))],
    );
    let peak = peak.first().map(Sample::median).unwrap_or_default();
    let goal = format!("< {} MB", MOST_MEMORY / 1000.0);
    let found = format!("{:.0} MB", peak / 1000.0);
    let work = "build, 200 MB in 5,000 files, gzip: memory";
    report.note(work, found, Some((&goal, peak < MOST_MEMORY)));
}

/// With nothing changed since the last time, and with one file changed.
fn again(builders: &Builders<'_>, runs: usize, report: &mut Report, context: &Path) {
    for changes in [false, true] {
        let change = |round: usize| {
            if changes {
                fs::write(context.join("data/changed"), format!("round {round}")).unwrap();
            }
        };
        let samples = wall_times(
            runs,
            &mut [
                Contestant::new("trust", |round| {
                    change(round);
                    builders.trust(Start::Kept, context, &[])
                }),
                Contestant::new("buildah bud --layers", |round| {
                    change(round);
                    builders.buildah(Start::Kept, context)
                }),
                Contestant::new("docker build", |round| {
                    change(round);
                    builders.docker(Start::Kept, context, 0)
                }),
            ],
        );
        if changes {
            beside(report, "rebuild, 200 MB, one file changed", &samples);
        } else {
            let (ours, theirs) = samples.split_first().unwrap();
            for theirs in theirs {
                report.beside("rebuild, 200 MB, nothing changed", REBUILD_GOAL, ours, theirs);
            }
        }
    }
}

/// Three stages on a Debian, with commands.
fn stages(builders: &Builders<'_>, runs: usize, report: &mut Report, folder: &Path) {
    let base = folder.join("base.tar");
    let mut bootstrap = Command::new("mmdebstrap");
    bootstrap.args(["--quiet", "--variant=minbase", "bookworm"]).arg(&base);
    if !bootstrap.status().is_ok_and(|status| status.success()) {
        eprintln!("  no Debian to be had: three stages are left out");
        return;
    }
    builders.import(&base);
    let context = folder.join("stages");
    fs::create_dir_all(context.join("src")).unwrap();
    for at in 0..500 {
        fs::write(context.join("src").join(at.to_string()), format!("file {at}")).unwrap();
    }
    let recipe = "FROM base:1 AS one\n\
        RUN mkdir /out && for n in 1 2 3 4 5 6 7 8 9; do head -c 100000 /bin/bash > /out/$n; done\n\
        FROM base:1 AS two\n\
        COPY src /src\n\
        RUN cat /src/* | sha256sum > /sum && rm -r /src\n\
        FROM base:1\n\
        COPY --from=one /out /out\n\
        COPY --from=two /sum /sum\n\
        RUN rm -r /usr/share/doc && useradd somebody\n\
        CMD [\"/bin/bash\"]\n";
    write(&context, recipe);
    let samples = wall_times(
        runs,
        &mut [
            Contestant::new("trust", |_| builders.trust(Start::Kept, &context, &["--no-cache"])),
            Contestant::new("buildah bud", |_| builders.buildah_anew(&context)),
            Contestant::new("docker build", |round| builders.docker(Start::Anew, &context, round)),
        ],
    );
    beside(report, "build, three stages on Debian", &samples);
}

fn beside(report: &mut Report, work: &str, samples: &[Sample]) {
    let (ours, theirs) = samples.split_first().unwrap();
    for theirs in theirs {
        report.beside(work, goal_of(theirs), ours, theirs);
    }
}

fn goal_of(peer: &Sample) -> f64 {
    match peer.name.split(' ').next() {
        Some("buildah") => BUILD_BUILDAH_GOAL,
        Some("umoci") => BUILD_UMOCI_GOAL,
        _ => BUILD_DOCKER_GOAL,
    }
}

/// Whether what a builder kept is thrown away before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Anew,
    Kept,
}

/// Each builder with a place of its own.
struct Builders<'a> {
    trust: Person<'a>,
    docker: Person<'a>,
    folder: tempfile::TempDir,
}

impl<'a> Builders<'a> {
    fn new(world: &'a World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { trust: world.person(), docker: world.person(), folder }
    }

    fn trust(&self, start: Start, context: &Path, flags: &[&str]) -> Command {
        if start == Start::Anew {
            fs::remove_dir_all(self.trust.user.home().join(".local")).ok();
        }
        let context = context.to_str().unwrap();
        self.trust.trust(&[&["build", "-q", "-t", "app:1"], flags, &[context]].concat())
    }

    fn buildah(&self, start: Start, context: &Path) -> Command {
        if start == Start::Anew {
            fs::remove_dir_all(self.path("buildah")).ok();
        }
        self.buildah_bud(&["--layers"], context)
    }

    fn buildah_anew(&self, context: &Path) -> Command {
        self.buildah_bud(&["--no-cache"], context)
    }

    fn buildah_bud(&self, flags: &[&str], context: &Path) -> Command {
        let mut command = self.buildah_command();
        command.args(["bud", "--quiet", "--isolation", "chroot"]);
        // More is not allowed on small machines.
        command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        command.args(flags).args(["-t", "docker.io/library/app:1"]).arg(context);
        command
    }

    fn buildah_command(&self) -> Command {
        let mut command = Command::new("buildah");
        command.env_clear().env("PATH", process::search_path()).env("HOME", self.folder.path());
        command.arg("--root").arg(self.path("buildah/root"));
        command.arg("--runroot").arg(self.path("buildah/run"));
        command.args(["--storage-driver", "overlay"]);
        command
    }

    fn docker(&self, start: Start, context: &Path, round: usize) -> Command {
        let mut words = vec!["build", "-q", "--network", "none"];
        if start == Start::Anew {
            words.push("--no-cache");
        }
        // A name of its own, so that no round has to untag what the one before made.
        let name = format!("app:{round}");
        words.extend(["-t", &name, context.to_str().unwrap()]);
        let mut command = self.docker.docker(&words);
        command.env("DOCKER_BUILDKIT", "0");
        command
    }

    fn umoci(&self, context: &Path, round: usize) -> Command {
        let layout = self.path(&format!("umoci-{round}"));
        let image = format!("{}:1", layout.display());
        let umoci = || {
            let mut command = Command::new("umoci");
            command.env_clear().env("PATH", process::search_path());
            command
        };
        fs::remove_dir_all(&layout).ok();
        run(umoci().args(["init", "--layout"]).arg(&layout));
        run(umoci().args(["new", "--image", &image]));
        let mut command = umoci();
        command.args(["insert", "--image", &image]).arg(context.join("data")).arg("/data");
        command
    }

    /// Makes an archive of files the image `base:1` of each.
    fn import(&self, files: &Path) {
        let files = files.to_str().unwrap();
        run(&mut self.trust.trust(&["import", files, "base:1"]));
        run(&mut self.docker.docker(&["import", files, "base:1"]));
        fs::remove_dir_all(self.path("buildah")).ok();
        let archive = self.path("base-image.tar");
        let saved = archive.to_str().unwrap();
        run(&mut self.docker.docker(&["save", "-o", saved, "base:1"]));
        run(self.buildah_command().arg("pull").arg(format!("docker-archive:{saved}")));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn write(context: &Path, recipe: &str) {
    fs::create_dir_all(context).unwrap();
    fs::write(context.join("Dockerfile"), recipe).unwrap();
}

fn tiny_layers(context: &Path) {
    let mut recipe = "FROM scratch\n".to_owned();
    fs::create_dir_all(context).unwrap();
    for at in 0..LAYERS {
        fs::write(context.join(format!("file-{at}")), vec![b'x'; 1000 + at]).unwrap();
        writeln!(recipe, "COPY file-{at} /file-{at}").unwrap();
    }
    write(context, &recipe);
}

/// Programs, libraries and texts of this machine, as images have them.
fn many_files(folder: &Path) {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from("/usr")];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                pending.push(entry.path());
            } else if metadata.is_file() && (12_000..1_000_000).contains(&metadata.len()) {
                found.push((entry.path(), metadata.len()));
            }
        }
    }
    found.sort();
    let (mut count, mut bytes) = (0_usize, 0_u64);
    let usual = CONTEXT_BYTES / FILES as u64;
    for (path, size) in found {
        // As many small ones as keep the average.
        let allowed = usual * (count as u64 + 1) + 500_000;
        if count == FILES || bytes + size > allowed {
            continue;
        }
        let to = folder.join(format!("{}/{}", count % 400, count));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if fs::copy(&path, &to).is_ok() {
            (count, bytes) = (count + 1, bytes + size);
        }
    }
    fs::write(folder.join("changed"), "as it was").unwrap();
    eprintln!("  {count} files, {bytes} bytes");
}
