//! `trust build CONTEXT|-|URL`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::ValueEnum;
use tokio::runtime::Handle;

use crate::actions::build::lock::{LOCK_FILE, LockMode};
use crate::actions::build::opened::DockerfileAt;
use crate::actions::build::output::{Destination, Output};
use crate::actions::build::place::Place;
use crate::actions::build::run::Request;
use crate::actions::push;
use crate::build::request::{Fresh, Settings};
use crate::cli::archives::CompressionChoice;
use crate::cli::build_flags::{self, Outputs};
use crate::cli::build_outcome::{metadata, say};
use crate::cli::build_progress::{ProgressChoice, watcher};
use crate::cli::build_worker::{Plan, Worker};
use crate::cli::commands::push::push_one;
use crate::cli::content_trust::ContentTrustArgs;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::layout::LayoutArgs;
use crate::cli::outcome::InTurn;
use crate::cli::run::Session;
use crate::dockerfile::Network;
use crate::oci::{ImageName, Reference};
use crate::store::files::replace_file;

/// Flags of a build.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// Context: a folder, `-` for the standard input, a git repository, or a URL of an archive
    #[arg(value_name = "CONTEXT|-|URL", required_unless_present = "rebuild")]
    pub context: Option<String>,

    /// Name of the image; may be given again
    #[arg(long = "tag", short = 't', value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,

    /// Dockerfile, or `-` for the standard input [default: Dockerfile in the context]
    #[arg(long, short = 'f', value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Value of an argument; without a value that of the variable of this name
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub build_args: Vec<String>,

    /// Stage to build [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,

    /// Platforms to build for; of several an index is made [default: this one]
    #[arg(long = "platform", value_name = "OS/ARCH[/VARIANT][,…]")]
    pub platforms: Vec<String>,

    /// Label added to the image's own
    #[arg(long = "label", value_name = "NAME[=VALUE]")]
    pub labels: Vec<String>,

    /// Take nothing from the cache
    #[arg(long)]
    pub no_cache: bool,

    /// Take nothing from the cache for these stages
    #[arg(long, value_name = "STAGE[,…]", conflicts_with = "no_cache")]
    pub no_cache_filter: Vec<String>,

    /// Ask registries for bases, even for those that are here
    #[arg(long)]
    pub pull: bool,

    /// Secret for commands: of a file or a variable
    #[arg(long = "secret", value_name = "id=ID[,src=FILE|env=NAME]")]
    pub secrets: Vec<String>,

    /// SSH agent for commands and repositories
    #[arg(long = "ssh", value_name = "default|ID=SOCKET")]
    pub ssh: Vec<String>,

    /// Another context: a folder, `docker-image://`, `oci-layout://`, a repository or a URL
    #[arg(long = "build-context", value_name = "NAME=CONTEXT")]
    pub build_contexts: Vec<String>,

    /// Where the outcome goes: `type=image|oci|docker|layout|tar|local|registry[,dest=…]`, a folder,
    /// or `-` [default: type=image]
    #[arg(long = "output", short = 'o', value_name = "OUTPUT")]
    pub outputs: Vec<String>,

    /// As `--output type=image`
    #[arg(long, hide = true)]
    pub load: bool,

    /// Write the image's digest to this file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,

    /// Write what is known of the image to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,

    /// How the build shows
    #[arg(long, value_enum, default_value = "auto")]
    pub progress: ProgressChoice,

    /// Send the image to its registry; with content trust, signed
    #[arg(long)]
    pub push: bool,

    /// Send the image to its registry, signed
    #[arg(long)]
    pub sign: bool,

    /// Signer to set up with the first signature [default: the user logged in to the registry]
    #[arg(long, value_name = "NAME")]
    pub signer: Option<String>,

    /// Compression of layers
    #[arg(long, value_enum, default_value = "gzip")]
    pub compression: CompressionChoice,

    /// Network of commands that name none
    #[arg(long, value_enum, default_value = "default")]
    pub network: NetworkChoice,

    /// Rights that commands may ask for: `security.insecure`, `network.host`
    #[arg(long = "allow", value_name = "RIGHT[,…]")]
    pub allow: Vec<String>,

    /// Name and address for commands
    #[arg(long = "add-host", value_name = "NAME:ADDRESS")]
    pub add_hosts: Vec<String>,

    /// Time that all gets, in seconds since 1970 [default: `$SOURCE_DATE_EPOCH`, or 0]
    #[arg(long, value_name = "SECONDS")]
    pub source_date_epoch: Option<i64>,

    /// Keep modes of the context's files, which otherwise become 0644 or 0755
    #[arg(long)]
    pub keep_modes: bool,

    /// What runs commands: `own`, `namespaces`, `chroot`, or an OCI runtime such as `runc`
    #[arg(long, value_name = "RUNTIME", default_value = "own")]
    pub runtime: String,

    /// Only look for mistakes in the Dockerfile
    #[arg(long, conflicts_with_all = ["push", "sign", "verify", "rebuild", "outputs"])]
    pub check: bool,

    /// Obey a lock file, and add to it what it lacks [default: trust-build.lock by the Dockerfile]
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with_all = ["locked", "update_lock"]
    )]
    pub lock: Option<String>,

    /// Obey a lock file, and refuse what it lacks
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with = "update_lock"
    )]
    pub locked: Option<String>,

    /// Write a lock file anew, whatever it has
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pub update_lock: Option<String>,

    /// Build twice from scratch, and fail if the outcome is not the same
    #[arg(long)]
    pub verify: bool,

    /// Build this image again from what it says that it was made of, and fail if it is not the same
    #[arg(
        long,
        value_name = "IMAGE",
        conflicts_with_all = [
            "build_args", "target", "labels", "source_date_epoch", "keep_modes", "lock", "locked",
            "update_lock", "verify", "push", "sign", "pull"
        ]
    )]
    pub rebuild: Option<String>,

    /// Take steps from this cache, too: `type=local,src=FOLDER`, or `type=registry,ref=NAME`
    #[arg(long = "cache-from", value_name = "CACHE", conflicts_with = "rebuild")]
    pub cache_from: Vec<String>,

    /// Hand the build's steps on to this cache: `type=local,dest=FOLDER`, or `type=registry,ref=NAME`
    #[arg(long = "cache-to", value_name = "CACHE")]
    pub cache_to: Vec<String>,

    /// Whether bases must be signed.
    #[command(flatten)]
    pub content_trust: ContentTrustArgs,

    /// Where images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

/// The network of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetworkChoice {
    /// As `none`
    Default,
    /// Its own loopback alone
    None,
    /// That of this machine; the image says so
    Host,
}

impl Args {
    /// Builds, and does with the outcome what was asked.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let layout = self.layout.open(session)?;
        let plan = self.plan(session)?;
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = watcher(session, self.progress);
        let worker = Worker {
            session: session.clone(),
            layout: layout.clone(),
            watcher: Arc::clone(&watcher),
            stop: Arc::clone(&stop),
            runtime: self.runtime.clone(),
        };
        let (push, signed, names) = (plan.push, plan.signed, plan.names.clone());
        let ends_on_stdout = plan.outputs.iter().any(to_stdout);
        let work = move |handle: Handle| worker.work(handle, plan);
        let finished = session.work_apart(&stop, work).inspect_err(|error| {
            if error.kind == ErrorKind::Failed {
                for line in watcher.unsaid() {
                    session.ui.pass_on(&line);
                }
            }
        })?;
        let Some(finished) = finished else { return Ok(()) };
        say(session.ui, &finished, &names);
        let digest = finished.outcome.root.digest.to_string();
        if let Some(path) = &self.iidfile {
            replace_file(path, digest.as_bytes(), FILE_MODE)?;
        }
        if let Some(path) = &self.metadata_file {
            let text = format!("{:#}\n", metadata(&finished, &names));
            replace_file(path, text.as_bytes(), FILE_MODE)?;
        }
        if push {
            let context = session.context()?;
            let mut turns = InTurn::new(session, names.len());
            for reference in names.iter().filter_map(ImageName::reference) {
                turns.take(&reference.familiar(), || {
                    let (reference, signer) = (reference.clone(), self.signer.clone());
                    let request = push::Request { reference, signed, signer };
                    push_one(session, &context, &layout, &request)
                });
            }
            turns.finish()?;
        }
        if ends_on_stdout {
            session.ui.status(format!("Digest: {digest}"));
            return Ok(());
        }
        Ok(session.ui.line(digest)?)
    }

    fn plan(&self, session: &Session) -> Result<Plan, CliError> {
        let environment = &session.settings.environment;
        let Outputs { mut outputs, names: more, push } = build_flags::outputs(&self.outputs)?;
        let mut typed = self.tags.clone();
        typed.extend(more);
        let names = build_flags::names(&typed)?;
        let trusted = self.content_trust.is_on(session);
        let push = push || self.push || self.sign;
        let signed = self.sign || (push && (trusted || self.signer.is_some()));
        if self.load || (outputs.is_empty() && self.rebuild.is_none()) || push {
            outputs.push(Output::Image);
        }
        if push && names.is_empty() {
            return Err(CliError::usage("an image without a name cannot be sent")
                .hint("give it one with `--tag REGISTRY/NAME:TAG`"));
        }
        if outputs.iter().filter(|output| to_stdout(output)).count() > 1 {
            return Err(CliError::usage("only one output can go to the standard output"));
        }
        if outputs.iter().any(to_stdout) && session.ui.shows_data_to_a_person() {
            return Err(CliError::usage("an archive is nothing for a terminal")
                .hint("name a file with `dest=FILE`, or redirect the output"));
        }
        let place = Place::of(self.context.as_deref().unwrap_or("."))?;
        let dockerfile = match &self.file {
            None => DockerfileAt::OfTheContext,
            Some(path) if path == Path::new("-") => DockerfileAt::Stdin,
            Some(path) => DockerfileAt::File(path.clone()),
        };
        let reads_stdin = place == Place::Stdin || dockerfile == DockerfileAt::Stdin;
        if reads_stdin && session.ui.input_is_a_person() {
            return Err(CliError::usage("there is nothing on the standard input")
                .hint("redirect the input, or name a folder and a file"));
        }
        let arguments = build_flags::arguments(&self.build_args, environment)?;
        let (insecure_allowed, host_network) = build_flags::rights(&self.allow)?;
        let rebuild = self.rebuild.as_deref().map(Reference::parse).transpose()?;
        let fresh = match self.no_cache_filter.as_slice() {
            _ if self.no_cache || self.verify || rebuild.is_some() => Fresh::All,
            [] => Fresh::Changed,
            stages => Fresh::Stages(build_flags::stages(stages)),
        };
        let epoch = self.epoch(session, arguments.get("SOURCE_DATE_EPOCH"))?;
        let LockFile { lock, beside } = self.lock_file(&place, &dockerfile)?;
        let settings = Settings {
            arguments,
            target: self.target.clone(),
            labels: build_flags::labels(&self.labels)?,
            epoch,
            compression: self.compression.into(),
            secrets: build_flags::secrets(&self.secrets, environment)?,
            ssh: build_flags::agents(&self.ssh, session.settings.ssh_agent.as_ref())?,
            network: match self.network {
                NetworkChoice::Host => Network::Host,
                NetworkChoice::Default | NetworkChoice::None => Network::None,
            },
            insecure_allowed,
            host_network_allowed: host_network || self.network == NetworkChoice::Host,
            hosts: build_flags::hosts(&self.add_hosts)?,
            keeps_modes: self.keep_modes,
        };
        let request = Request {
            place,
            contexts: build_flags::contexts(&self.build_contexts)?,
            dockerfile,
            settings,
            platforms: build_flags::platforms(&self.platforms)?,
            fresh,
            refreshes: self.pull,
            lock,
            lock_beside: beside,
            recorded: None,
        };
        if rebuild.is_some() && request.platforms.len() > 1 {
            return Err(CliError::usage("`--rebuild` builds for one platform")
                .hint("`--platform` chooses it"));
        }
        Ok(Plan {
            request,
            names,
            outputs,
            push,
            signed,
            trusted,
            only_checks: self.check,
            rebuild,
            verify: self.verify,
            cache_from: build_flags::caches("--cache-from", &self.cache_from)?,
            cache_to: build_flags::caches("--cache-to", &self.cache_to)?,
        })
    }

    /// A flag goes before an argument, that before the environment.
    fn epoch(&self, session: &Session, argument: Option<&String>) -> Result<i64, CliError> {
        let wrong = || {
            CliError::usage("the time of a build is a number of seconds from 0 to 8589934591")
                .hint("`--source-date-epoch SECONDS` sets it, or `SOURCE_DATE_EPOCH`")
        };
        let text = argument.or(session.settings.source_date_epoch.as_ref());
        let epoch = match (self.source_date_epoch, text) {
            (Some(epoch), _) => epoch,
            (None, Some(text)) => text.parse().map_err(|_| wrong())?,
            (None, None) => 0,
        };
        if (0..=MAX_EPOCH).contains(&epoch) { Ok(epoch) } else { Err(wrong()) }
    }

    /// Which lock file, and what is done with it; and where one would be that nobody asks for.
    fn lock_file(&self, place: &Place, dockerfile: &DockerfileAt) -> Result<LockFile, CliError> {
        let flags = [
            (&self.lock, LockMode::Add),
            (&self.locked, LockMode::Only),
            (&self.update_lock, LockMode::Anew),
        ];
        let beside = match (place, dockerfile) {
            (Place::Folder(_), DockerfileAt::File(file)) => {
                Some(file.parent().unwrap_or(Path::new("")).join(LOCK_FILE))
            }
            (Place::Folder(folder), _) => Some(folder.join(LOCK_FILE)),
            _ => None,
        };
        let named = flags.into_iter().find_map(|(flag, mode)| Some((flag.as_ref()?, mode)));
        let lock = match named {
            None => None,
            Some((path, mode)) if !path.is_empty() => Some((PathBuf::from(path), mode)),
            Some((_, mode)) => match &beside {
                Some(beside) => Some((beside.clone(), mode)),
                None => {
                    return Err(CliError::usage("the context has no place for a lock file")
                        .hint("name one with `--lock=FILE`"));
                }
            },
        };
        Ok(LockFile { lock, beside })
    }
}

/// A lock file.
struct LockFile {
    lock: Option<(PathBuf, LockMode)>,
    beside: Option<PathBuf>,
}

fn to_stdout(output: &Output) -> bool {
    matches!(
        output,
        Output::Oci(Destination::Stdout)
            | Output::Docker(Destination::Stdout)
            | Output::Tar(Destination::Stdout)
    )
}

/// For everybody to read, as docker writes them.
const FILE_MODE: u32 = 0o644;
/// Latest time that a header of an archive can hold (spec/canonical-image.md).
const MAX_EPOCH: i64 = (1 << 33) - 1;
