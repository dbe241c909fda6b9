//! Builds with commands that are pretended, and images that are made up.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::build::built::Built;
use crate::build::changes::Changes;
use crate::build::content::{Bytes, Content, Files};
use crate::build::copy::CopyError;
use crate::build::engine::{Workshop, build};
use crate::build::error::{BuildError, Problem};
use crate::build::held::Held;
use crate::build::outside::{Base, Checkout, Download, Event, Outside, OutsideError, Pinned};
use crate::build::request::{Fresh, NamedContext, Request, Settings};
use crate::build::runner::{Job, Mountable, Outcome, Root, RunError, Runner, Stream};
use crate::crypto::hash::Sha256Hash;
use crate::crypto::secret::SecretBytes;
use crate::dockerfile::Network;
use crate::oci::archive::{Entry, EntryPath, Kind};
use crate::oci::media_type::{Compression, OCI_CONFIG};
use crate::oci::{Descriptor, ImageConfig, Manifest, Platform, Reference};
use crate::store::ImageLayout;

/// A layout, and what happened.
struct World {
    folder: tempfile::TempDir,
    layout: ImageLayout,
    commands: RefCell<Vec<String>>,
    images: RefCell<BTreeMap<String, Base>>,
    asked: RefCell<Vec<String>>,
    status: Cell<i32>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = ImageLayout::new(folder.path().join("images"));
        Self {
            folder,
            layout,
            commands: RefCell::default(),
            images: RefCell::default(),
            asked: RefCell::default(),
            status: Cell::new(0),
        }
    }

    fn build(&self, request: &Request) -> Result<Built, BuildError> {
        let lease = self.layout.lease().unwrap();
        let work = self.folder.path().join("work");
        std::fs::create_dir_all(&work).unwrap();
        let shop = Workshop { lease: &lease, folder: &work, runner: self, outside: self, now: 1 };
        let built = build(request, shop)?;
        lease
            .commit(|index| {
                index.add(&built.descriptor, None);
                Ok::<_, crate::store::ImageLayoutError>(())
            })
            .unwrap();
        lease.tidy().unwrap();
        Ok(built)
    }

    /// The configuration of what was built.
    fn config(&self, built: &Built) -> Value {
        let bytes = self.layout.blob(&built.id, 1 << 20).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn built(&self, dockerfile: &str) -> Value {
        let built = self.build(&request(dockerfile)).unwrap();
        self.config(&built)["config"].clone()
    }

    fn problem(&self, dockerfile: &str) -> (String, Problem) {
        let error = self.build(&request(dockerfile)).unwrap_err();
        let at = error.at.map(|at| dockerfile.get(at).unwrap().to_owned()).unwrap_or_default();
        (at, *error.problem)
    }

    /// Makes an image up that stages can begin from.
    fn base(&self, name: &str, config: &Value) {
        let built = self.build(&request("FROM scratch\nCOPY <<there /base\nbase\nthere\n"));
        let built = built.unwrap();
        let bytes = self.layout.blob(&built.descriptor.digest, 1 << 20).unwrap();
        let Ok(Manifest::Image(mut manifest)) =
            Manifest::parse(&built.descriptor.media_type, &bytes)
        else {
            panic!("no manifest");
        };
        let mut document = self.config(&built);
        document["config"] = config.clone();
        let bytes = document.to_string().into_bytes();
        let lease = self.layout.lease().unwrap();
        let digest = lease.put(&bytes).unwrap();
        manifest.config = Descriptor::new(OCI_CONFIG, digest, bytes.len() as u64);
        let base = Base {
            descriptor: built.descriptor,
            manifest,
            config: ImageConfig::parse(&bytes).unwrap(),
            pinned: Pinned::Unpinned,
        };
        self.images.borrow_mut().insert(name.to_owned(), base);
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

/// `write PATH TEXT` writes a file, anything else does nothing.
impl Runner for World {
    fn run(
        &self,
        _root: Root<'_>,
        job: &Job<'_>,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Outcome, RunError> {
        let line = job.arguments.last().cloned().unwrap_or_default();
        let secrets = job.mounts.iter().filter_map(|mount| match &mount.what {
            Mountable::Held { bytes, .. } => {
                Some(format!(" {}={}", mount.target, bytes.expose().len()))
            }
            _ => None,
        });
        let mounted: String = secrets.collect();
        let environment: Vec<String> =
            job.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let seen = format!("{line}{mounted} in {} as {:?}", job.folder, job.user);
        self.commands.borrow_mut().push(format!("{seen} with {}", environment.join(" ")));
        output(Stream::Output, b"done\n");
        let mut changes = Changes::default();
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        if let ["write", path, text] = words[..] {
            let path = EntryPath::parse(path.as_bytes()).unwrap();
            let content: Content = Arc::new(Held::new(text.as_bytes().to_vec()));
            changes.put(Entry::file(path, text.len() as u64), Some(content));
        }
        Ok(Outcome { status: self.status.get(), changes, warnings: Vec::new() })
    }
}

impl Outside for World {
    fn image(&self, name: &Reference, _platform: &Platform) -> Result<Base, OutsideError> {
        self.asked.borrow_mut().push(name.familiar());
        let found = self.images.borrow().get(&name.familiar()).cloned();
        found.ok_or_else(|| "it is not there".into())
    }

    fn is_repository(&self, source: &str) -> bool {
        source.contains(".git#")
    }

    fn download(&self, _url: &str, checksum: Option<&str>) -> Result<Download, OutsideError> {
        let content: Content = Arc::new(Held::new(b"downloaded".to_vec()));
        let checksum = checksum.unwrap_or("sha256:00").to_owned();
        Ok(Download { content, size: 10, checksum, pinned: false })
    }

    fn clone(&self, _: &str, _: Option<&str>, _: bool) -> Result<Checkout, OutsideError> {
        Err("no network".into())
    }

    fn stopped(&self) -> bool {
        false
    }

    fn report(&self, _event: Event<'_>) {}
}

/// Bytes that nobody has read yet.
#[derive(Debug)]
struct Unread(&'static [u8]);

impl Bytes for Unread {
    fn open(&self) -> std::io::Result<Box<dyn std::io::Read + Send + '_>> {
        Ok(Box::new(self.0))
    }

    fn sha256(&self) -> std::io::Result<Sha256Hash> {
        Ok(Sha256Hash::of(self.0))
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        None
    }
}

fn request(dockerfile: &str) -> Request {
    Request {
        dockerfile: dockerfile.to_owned(),
        platform: Platform::new("linux", "amd64", None),
        settings: Settings {
            arguments: BTreeMap::new(),
            target: None,
            labels: Vec::new(),
            epoch: 0,
            compression: Compression::Gzip,
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            network: Network::None,
            insecure_allowed: false,
            host_network_allowed: false,
            hosts: Vec::new(),
            keeps_modes: false,
        },
        context: context(&[("a", "alpha"), ("b", "beta")]),
        left_out: None,
        contexts: BTreeMap::new(),
        fresh: Fresh::Changed,
    }
}

fn context(files: &[(&str, &str)]) -> Files {
    let mut context = Files::default();
    for (path, text) in files {
        let path = EntryPath::parse(path.as_bytes()).unwrap();
        let content: Content = Arc::new(Held::new(text.as_bytes().to_vec()));
        context.put(&Entry::file(path, text.len() as u64), Some(content)).unwrap();
    }
    context
}

#[test]
fn what_is_the_same_has_the_same_digest_wherever_it_is_built() {
    let dockerfile = "FROM scratch\nENV a=1\nCOPY . /d/\nWORKDIR /w\nRUN write r x\n";
    let digests: Vec<_> = (0..2)
        .map(|_| World::new().build(&request(dockerfile)).unwrap().descriptor.digest)
        .collect();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn one_instruction_sees_the_values_from_before_it() {
    let config = World::new().built("FROM scratch\nENV a=1\nENV a=2 b=$a\n");
    let path = format!("PATH={}", crate::build::image::DEFAULT_PATH);
    assert_eq!(config["Env"], json!([path, "a=2", "b=1"]));
}

#[test]
fn an_argument_is_given_or_else_has_a_default_or_else_is_global() {
    let world = World::new();
    let mut wanted = request(
        "ARG g=global\nARG h=x\nFROM scratch\nARG g\nARG d=default\nARG given=no\nARG none\n\
         LABEL all=$g-$h-$d-$given-$none\n",
    );
    wanted.settings.arguments.insert("given".to_owned(), "yes".to_owned());
    let built = world.build(&wanted).unwrap();
    let labels = world.config(&built)["config"]["Labels"].clone();
    assert_eq!(labels, json!({"all": "global--default-yes-"}));
    let used = BTreeMap::from([("given".to_owned(), "yes".to_owned())]);
    assert_eq!(built.inputs.arguments, used);
}

#[test]
fn an_entrypoint_takes_the_bases_command_away_and_not_the_own() {
    let world = World::new();
    world.base("base", &json!({"Cmd": ["base"], "Env": ["X=1"], "Hostname": "left"}));
    let config = world.built("FROM base\nENTRYPOINT [\"e\"]\n");
    assert_eq!(config.get("Cmd"), None);
    assert_eq!(config.get("Hostname"), None);
    let path = format!("PATH={}", crate::build::image::DEFAULT_PATH);
    assert_eq!(config["Env"], json!(["X=1", path]));
    let config = world.built("FROM base\nCMD own\nENTRYPOINT [\"e\"]\n");
    assert_eq!(config["Cmd"], json!(["/bin/sh", "-c", "own"]));
    assert_eq!(config["ArgsEscaped"], json!(true));
}

#[test]
fn a_stage_that_nothing_leads_to_is_not_built() {
    let world = World::new();
    world.built("FROM nowhere AS unused\nRUN write a b\nFROM scratch\nCOPY a /\n");
    assert!(world.asked.borrow().is_empty() && world.commands.borrow().is_empty());
}

#[test]
fn files_come_from_earlier_stages_by_name_and_number() {
    let world = World::new();
    let dockerfile = "FROM scratch AS one\nCOPY a /x\nFROM scratch\nCOPY b /y\n\
                      FROM scratch\nCOPY --from=one /x /1\nCOPY --from=1 /y /2\n";
    let built = world.build(&request(dockerfile)).unwrap();
    let again = world.build(&request("FROM scratch\nCOPY a /1\nCOPY b /2\n")).unwrap();
    let rootfs = |built: &Built| world.config(built)["rootfs"].clone();
    assert_eq!(rootfs(&built), rootfs(&again));
}

#[test]
fn a_stage_below_is_refused_where_it_is_named() {
    let world = World::new();
    let (at, problem) =
        world.problem("FROM scratch AS a\nCOPY --from=later a /\nFROM scratch AS later\nFROM a\n");
    assert!(matches!(problem, Problem::LaterStage { name } if name == "later"));
    assert!(at.starts_with("COPY"), "{at}");
}

#[test]
fn a_chain_of_stages_may_be_long() {
    let world = World::new();
    let stages: Vec<String> =
        (1..300).map(|n| format!("FROM s{} AS s{n}\nENV N={n}\n", n - 1)).collect();
    let stages = stages.concat();
    let config = world.built(&format!("FROM scratch AS s0\n{stages}"));
    assert!(config["Env"].to_string().contains("N=299"));
}

#[test]
fn a_source_that_is_missing_is_told_of_where_it_is_written() {
    let world = World::new();
    let (at, problem) = world.problem("FROM scratch\nCOPY a missing /d/\n");
    assert!(matches!(problem, Problem::Copy(CopyError::NoSource { .. })), "{problem:?}");
    assert_eq!(at, "missing");
}

#[test]
fn a_misspelt_stage_is_guessed() {
    let world = World::new();
    let (_, problem) =
        world.problem("FROM scratch AS builder\nFROM scratch\nCOPY --from=bulider a /\n");
    let Problem::Image { nearest, .. } = problem else { panic!("{problem:?}") };
    assert_eq!(nearest.as_deref(), Some("builder"));
    let mut wanted = request("FROM scratch AS builder\n");
    wanted.settings.target = Some("buildr".to_owned());
    let problem = *world.build(&wanted).unwrap_err().problem;
    assert!(matches!(problem, Problem::NoStage { nearest: Some(near), .. } if near == "builder"));
}

#[test]
fn triggers_of_a_base_run_first_and_are_not_handed_on() {
    let world = World::new();
    world.base("base", &json!({"OnBuild": ["RUN write t 1", "LABEL l=1"]}));
    let config = world.built("FROM base\nRUN write u 2\n");
    let commands = world.commands.borrow();
    assert!(commands[0].starts_with("write t 1") && commands[1].starts_with("write u 2"));
    assert_eq!((config.get("OnBuild"), &config["Labels"]), (None, &json!({"l": "1"})));
}

#[test]
fn a_trigger_that_is_wrong_is_told_of_at_its_from() {
    let world = World::new();
    world.base("base", &json!({"OnBuild": ["COPY missing /"]}));
    let error = world.build(&request("FROM base\n")).unwrap_err();
    assert_eq!(error.trigger.as_deref(), Some("COPY missing /"));
    assert_eq!(error.at, Some(0..9));
}

#[test]
fn what_was_done_is_not_done_again() {
    let world = World::new();
    let dockerfile = "FROM scratch\nCOPY a /a\nRUN write r x\nWORKDIR /w\n";
    let first = world.build(&request(dockerfile)).unwrap();
    let second = world.build(&request(dockerfile)).unwrap();
    assert_eq!(first.descriptor, second.descriptor);
    assert_eq!((first.cached, second.cached), ((0, 3), (3, 3)));
    assert_eq!(world.commands.borrow().len(), 1);
    let mut fresh = request(dockerfile);
    fresh.fresh = Fresh::All;
    assert_eq!(world.build(&fresh).unwrap().descriptor, first.descriptor);
    assert_eq!(world.commands.borrow().len(), 2);
}

#[test]
fn a_file_that_changed_is_noticed_and_one_that_is_not_used_is_not() {
    let world = World::new();
    let dockerfile = "FROM scratch\nCOPY a /a\nRUN write r x\n";
    let first = world.build(&request(dockerfile)).unwrap();
    let mut other = request(dockerfile);
    other.context = context(&[("a", "alpha"), ("b", "changed")]);
    let unused = world.build(&other).unwrap();
    assert_eq!((first.descriptor, unused.cached), (unused.descriptor, (2, 2)));
    other.context = context(&[("a", "changed"), ("b", "beta")]);
    assert_eq!(world.build(&other).unwrap().cached, (0, 2));
}

#[test]
fn what_was_done_before_a_failure_is_kept() {
    let world = World::new();
    let dockerfile = "FROM scratch\nCOPY a /a\nRUN write r x\n";
    world.status.set(3);
    let (at, problem) = world.problem(dockerfile);
    assert!(matches!(problem, Problem::Failed { status: 3, .. }));
    assert_eq!(at, "RUN write r x");
    world.status.set(0);
    assert_eq!(world.build(&request(dockerfile)).unwrap().cached, (1, 2));
}

#[test]
fn a_secret_is_seen_by_the_command_and_written_nowhere() {
    const SECRET: &str = "correct horse battery staple";
    let world = World::new();
    let mut wanted = request(
        "FROM scratch\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=S write r x\n",
    );
    let secret = SecretBytes::new(SECRET.as_bytes().to_vec());
    wanted.settings.secrets.insert("s".to_owned(), secret);
    let built = world.build(&wanted).unwrap();
    let seen = world.commands.borrow()[0].clone();
    assert!(seen.contains(&format!("/run/secrets/s={}", SECRET.len())), "{seen}");
    assert!(seen.contains(&format!("S={SECRET}")), "{seen}");
    assert!(built.inputs.holes.iter().any(|hole| hole.starts_with("secret: RUN")));
    for file in files_below(world.folder.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "{}", file.display());
    }
    let (_, problem) =
        world.problem("FROM scratch\nRUN --mount=type=secret,id=no,required write r x\n");
    assert!(matches!(problem, Problem::NoSecret { id } if id == "no"));
}

#[test]
fn files_that_are_mounted_are_the_same_whether_they_were_read_before_or_not() {
    let dockerfile = "FROM scratch\nRUN --mount=target=/m write r x\n";
    let digests = [false, true].map(|known| {
        let mut wanted = request(dockerfile);
        let mut files = Files::default();
        let content: Content =
            if known { Arc::new(Held::new(b"alpha".to_vec())) } else { Arc::new(Unread(b"alpha")) };
        let entry = Entry::file(EntryPath::parse(b"a").unwrap(), 5);
        files.put(&entry, Some(content)).unwrap();
        wanted.context = files;
        let built = World::new().build(&wanted).unwrap();
        assert!(built.inputs.mounted.is_some());
        built.descriptor.digest
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_command_with_another_secret_is_another_command() {
    let world = World::new();
    let with = |id: &str| {
        let mut wanted = request(&format!(
            "FROM scratch\nENV S=of-the-image\nRUN --mount=type=secret,id={id},target=/s,env=S write r x\n"
        ));
        wanted.settings.secrets.insert(id.to_owned(), SecretBytes::new(b"of-the-secret".to_vec()));
        world.build(&wanted).unwrap()
    };
    assert_eq!(with("one").cached, (0, 2));
    assert_eq!(with("one").cached, (1, 2));
    assert_eq!(with("two").cached, (0, 2));
    let commands = world.commands.borrow();
    assert_eq!(commands.len(), 2);
    assert!(commands.iter().all(|seen| seen.contains("S=of-the-secret")), "{commands:?}");
    assert!(!commands.iter().any(|seen| seen.contains("S=of-the-image")), "{commands:?}");
}

#[test]
fn proxies_are_seen_by_commands_and_leave_no_trace() {
    let world = World::new();
    let mut wanted = request("FROM scratch\nRUN write r x\n");
    wanted.settings.arguments.insert("HTTP_PROXY".to_owned(), "http://proxy".to_owned());
    let with = world.build(&wanted).unwrap();
    let seen = world.commands.borrow()[0].clone();
    assert!(seen.contains("HTTP_PROXY=http://proxy") && seen.contains("http_proxy=http://proxy"));
    let without = World::new().build(&request("FROM scratch\nRUN write r x\n")).unwrap();
    assert_eq!(with.descriptor, without.descriptor);
}

#[test]
fn an_image_in_the_place_of_a_base_brings_its_triggers() {
    let world = World::new();
    world.base("other", &json!({"OnBuild": ["LABEL l=1"]}));
    let mut wanted = request("FROM base\n");
    let other = NamedContext::Image(Reference::parse("other").unwrap());
    wanted.contexts.insert("base".to_owned(), other);
    let built = world.build(&wanted).unwrap();
    assert_eq!(world.config(&built)["config"]["Labels"], json!({"l": "1"}));
}

#[test]
fn what_is_not_declared_is_recorded() {
    let world = World::new();
    world.base("base", &json!({}));
    let built = world.build(&request("FROM base\nADD https://example.com/f /\n")).unwrap();
    let holes: Vec<&str> = built.inputs.holes.iter().map(String::as_str).collect();
    let image = "unpinned: docker.io/library/base:latest";
    assert_eq!(holes, [image, "unpinned: https://example.com/f"]);
    assert!(built.inputs.images.contains_key("docker.io/library/base:latest"));
}

#[test]
fn a_right_that_was_not_given_is_refused() {
    let world = World::new();
    for flag in ["--network=host", "--security=insecure"] {
        let (_, problem) = world.problem(&format!("FROM scratch\nRUN {flag} true\n"));
        assert!(matches!(problem, Problem::NotAllowed { .. }), "{flag}: {problem:?}");
    }
}

#[test]
fn a_working_folder_is_below_the_one_before_and_kept_as_it_is_written() {
    let world = World::new();
    assert_eq!(world.built("FROM scratch\nWORKDIR /a\nWORKDIR b\n")["WorkingDir"], "/a/b");
    assert_eq!(world.built("FROM scratch\nWORKDIR /a/\n")["WorkingDir"], "/a/");
    assert_eq!(world.built("FROM scratch\nWORKDIR a/../c\n")["WorkingDir"], "/c");
}

#[test]
fn commands_see_arguments_and_the_history_says_so() {
    let world = World::new();
    let built = world.build(&request("FROM scratch\nARG a=1\nENV b=2\nRUN write r x\n")).unwrap();
    let seen = world.commands.borrow()[0].clone();
    assert!(seen.contains("a=1") && seen.contains("b=2"), "{seen}");
    let config = world.config(&built);
    let history = config["history"].as_array().unwrap();
    assert_eq!(history.last().unwrap()["created_by"], "RUN |1 a=1 /bin/sh -c write r x");
    assert!(!config["config"]["Env"].to_string().contains("a=1"));
}

#[test]
fn a_check_of_health_is_kept_in_nanoseconds() {
    let config = World::new()
        .built("FROM scratch\nHEALTHCHECK --interval=1m --timeout=3s --retries=2 CMD curl -f x\n");
    let wanted = json!({
        "Test": ["CMD-SHELL", "curl -f x"],
        "Interval": 60_000_000_000_u64,
        "Timeout": 3_000_000_000_u64,
        "Retries": 2,
    });
    assert_eq!(config["Healthcheck"], wanted);
}

#[test]
fn a_script_that_names_its_interpreter_is_mounted() {
    let world = World::new();
    world.built("FROM scratch\nRUN <<there\n#!/bin/x\nhi\nthere\n");
    let seen = world.commands.borrow()[0].clone();
    assert!(seen.starts_with("/dev/pipes/there /dev/pipes/there=12"), "{seen}");
}

#[test]
fn a_kind_of_file_is_what_it_is_in_the_layer() {
    let world = World::new();
    let built = world.build(&request("FROM scratch\nCOPY <<f /d/f\ntext\nf\n")).unwrap();
    let bytes = world.layout.blob(&built.descriptor.digest, 1 << 20).unwrap();
    let Ok(Manifest::Image(manifest)) = Manifest::parse(&built.descriptor.media_type, &bytes)
    else {
        panic!("no manifest");
    };
    let layer = world.layout.open_blob(&manifest.layers[0]).unwrap();
    let expander =
        crate::oci::archive::Expander::new(layer, crate::oci::archive::Expansion::default())
            .unwrap();
    let mut archive = crate::oci::archive::ArchiveReader::new(expander);
    let mut found = Vec::new();
    while let Some(entry) = archive.next_entry().unwrap() {
        found.push((entry.path.to_string(), entry.kind.clone(), entry.mode, entry.size));
    }
    let folder = ("d".to_owned(), Kind::Folder, 0o755, 0);
    assert_eq!(found, [folder, ("d/f".to_owned(), Kind::File, 0o644, 5)]);
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}
