//! Who runs commands: [`Sandbox`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::{fmt, io};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use crate::build::accounts::{self, AccountError};
use crate::build::run::capture::{self, Adoption, Left};
use crate::build::run::channel::Channel;
use crate::build::run::messages::{
    Answer, Failure, FailureKind, Form, Input, Isolated, Layer, Order, Raw, Spec, surprise,
};
use crate::build::run::mounting::Prepared;
use crate::build::run::program::Program;
use crate::build::run::relay::{self, Relay};
use crate::build::run::userns::{Identity, Map};
use crate::build::run::{KEEPER, STAGE};
use crate::build::runner::{Job, Outcome, Root, RunError, Runner, Stream};
use crate::dockerfile::{Network, Security};
use crate::limits::MAX_RESOLV_CONF_BYTES;
use crate::oci::image_config::chain_ids;
use crate::oci::{Descriptor, Digest};
use crate::store::files::read_user_file_if_present;

/// How sandboxes are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// This program: the file that is executed for each process of a sandbox.
    pub program: PathBuf,
    /// The folder that is worked in; it exists, and is on a disk with room for images.
    pub work: PathBuf,
    /// The folder of the image layout that layers are in.
    pub layout: PathBuf,
    /// How commands are kept in.
    pub isolation: Isolation,
    /// Whether an interactive command gets a terminal; ours must be one then.
    pub terminal: bool,
}

/// How commands are kept in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// By namespaces; without them where the machine has none to give and we are root, which is
    /// said then.
    #[default]
    Auto,
    /// By namespaces, or not at all.
    Namespaces,
    /// By another root folder alone.
    Chroot,
}

/// Runs commands in sandboxes.
pub struct Sandbox {
    options: Options,
    program: OnceLock<Program>,
    found: Mutex<Plan>,
    /// What was run last, and what makes a layer of it.
    last: Mutex<Option<(Weak<Keeper>, Adoption)>>,
}

/// What the machine turned out to be able to do.
#[derive(Debug, Clone)]
struct Plan {
    isolation: Isolated,
    form: Form,
    identity: Identity,
}

impl Sandbox {
    /// Makes a runner; nothing is touched yet.
    pub fn new(options: Options) -> Self {
        Self::isolated(options, None)
    }

    /// The same, but an OCI runtime such as runc or crun makes the sandboxes: this program.
    pub fn with_runtime(options: Options, runtime: &Path) -> Self {
        Self::isolated(options, Some(Isolated::Runtime(Raw::of(runtime))))
    }

    fn isolated(options: Options, runtime: Option<Isolated>) -> Self {
        let isolation = runtime.unwrap_or(match options.isolation {
            Isolation::Auto | Isolation::Namespaces => Isolated::Namespaces,
            Isolation::Chroot => Isolated::Chroot,
        });
        let form = match isolation {
            Isolated::Namespaces | Isolated::Runtime(_) => Form::Overlay,
            Isolated::Chroot => Form::Copy,
        };
        let identity = match (&isolation, Identity::here()) {
            // There is no use for a user namespace then.
            (Isolated::Chroot, Identity::User(_)) => Identity::Root,
            (_, identity) => identity,
        };
        let found = Mutex::new(Plan { isolation, form, identity });
        Self { options, program: OnceLock::new(), found, last: Mutex::new(None) }
    }

    /// The work folder.
    pub fn work(&self) -> &Path {
        &self.options.work
    }

    /// Takes away what is kept in the work folder from run to run: layers as folders, caches. What
    /// somebody uses stays. Its files may belong to others, so it takes a sandbox to remove them.
    pub fn forget(&self) -> Result<(), RunError> {
        let forget = |plan: &Plan| -> Result<(), Attempt> {
            let (keeper, _) = Keeper::start(self, plan)?;
            keeper.ask(&Order::Forget, &[])?;
            Ok(())
        };
        let mut plan = self.plan().clone();
        loop {
            match forget(&plan) {
                Ok(()) => return Ok(()),
                Err(Attempt::Failed(failure)) => match self.next(&plan, &failure) {
                    Some(next) => plan = next,
                    None => return Err(failure.into_error()),
                },
                Err(Attempt::Error(error)) => return Err(error),
            }
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn program(&self) -> io::Result<PathBuf> {
        if let Some(program) = self.program.get() {
            return Ok(program.path());
        }
        let program = Program::of(&self.options.program)?;
        Ok(self.program.get_or_init(|| program).path())
    }

    /// What is tried next where something could not be done; `None` if that is all.
    fn next(&self, plan: &Plan, failure: &Failure) -> Option<Plan> {
        let mut next = plan.clone();
        match (failure.kind, &plan.identity) {
            (FailureKind::NoOverlay, _) if plan.form == Form::Overlay => next.form = Form::Copy,
            (FailureKind::Unable, Identity::User(map)) if map.has_further() => {
                next.identity = Identity::User(map.alone());
            }
            (FailureKind::NoNamespaces, _)
                if plan.isolation == Isolated::Namespaces
                    && self.options.isolation == Isolation::Auto
                    && rustix::process::geteuid().is_root() =>
            {
                next.isolation = Isolated::Chroot;
                next.form = Form::Copy;
                next.identity = Identity::Root;
            }
            _ => return None,
        }
        Some(next)
    }

    fn attempt(
        &self,
        plan: &Plan,
        root: Root<'_>,
        job: &Job<'_>,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Outcome, Attempt> {
        let (keeper, pipes) = Keeper::start(self, plan)?;
        let layers = root.layers.iter().map(|(layer, diff_id)| Layer::of(layer, diff_id));
        keeper.ask(
            &Order::LayOut {
                layout: Raw::of(&self.options.layout),
                layers: layers.collect(),
                form: plan.form,
                owners: plan.identity.owners(),
            },
            &[],
        )?;
        let prepared = Prepared::new(&keeper, &job.mounts, &plan.isolation)?;
        let spec = self.spec(plan, root, job, &prepared)?;
        let relay = Relay::new(spec.input, pipes).map_err(began)?;
        let mut with: Vec<BorrowedFd<'_>> = Vec::new();
        with.extend(relay.command_input());
        with.extend(prepared.held().iter().map(OwnedFd::as_fd));
        keeper.send(&Order::Run(Box::new(spec)), &with)?;
        drop(with);
        let answer = relay.follow(&keeper, output)?;
        let Answer::Ended { status, stubs } = answer else { return Err(surprise().into()) };
        let left = keeper.list()?;
        let mut warnings = warnings(plan);
        if status != 0 {
            warnings.extend(self.full_disk());
        }
        let left = Left { stubs, found: left, form: plan.form, epoch: job.epoch };
        let (changes, adoption) = capture::changes(left, root.files, &keeper, &mut warnings)?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            adoption.map(|adoption| (Arc::downgrade(&keeper), adoption));
        Ok(Outcome { status, changes, warnings })
    }

    fn spec(
        &self,
        plan: &Plan,
        root: Root<'_>,
        job: &Job<'_>,
        prepared: &Prepared,
    ) -> Result<Spec, Attempt> {
        let user = accounts::user(root.files, &job.user).map_err(|error| no_account(&error))?;
        let mut environment = job.environment.clone();
        if !environment.iter().any(|(name, _)| name == "HOME") {
            environment.push(("HOME".to_owned(), user.home));
        }
        let host_network = job.network == Network::Host;
        let mut hosts = format!(
            "127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n",
            job.hostname
        );
        for (name, address) in &job.hosts {
            hosts.extend([address, "\t", name, "\n"]);
        }
        let resolv_conf = if host_network { resolv_conf() } else { Vec::new() };
        let input = match (job.interactive, self.options.terminal) {
            (false, _) => Input::Nothing,
            (true, false) => Input::Descriptor,
            (true, true) if matches!(plan.isolation, Isolated::Runtime(_)) => Input::Descriptor,
            (true, true) => relay::terminal_size(),
        };
        let texts = job.arguments.iter().chain(environment.iter().flat_map(|(n, v)| [n, v]));
        if texts.into_iter().any(|text| text.contains('\0')) {
            let what = "an argument or variable of the command has a zero byte".to_owned();
            return Err(RunError::Unsupported { what }.into());
        }
        Ok(Spec {
            isolation: plan.isolation.clone(),
            arguments: job.arguments.clone(),
            environment,
            folder: job.folder.clone(),
            uid: user.uid,
            gid: user.gid,
            groups: user.groups,
            hostname: job.hostname.clone(),
            host_network,
            insecure: job.security == Security::Insecure,
            hosts: Raw(hosts.into_bytes()),
            resolv_conf: Raw(resolv_conf),
            mounts: prepared.mounts().to_vec(),
            input,
            epoch: job.epoch,
        })
    }

    /// Says so if there is no room left: commands often do not.
    fn full_disk(&self) -> Option<String> {
        let disk = rustix::fs::statvfs(&self.options.work).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let is_full = free < NO_ROOM || (disk.f_files > 0 && disk.f_favail == 0);
        is_full.then(|| {
            let work = self.options.work.display();
            format!("the disk is full: there is no room left for {work}")
        })
    }
}

impl Runner for Sandbox {
    fn run(
        &self,
        root: Root<'_>,
        job: &Job<'_>,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Outcome, RunError> {
        let mut plan = self.plan().clone();
        loop {
            match self.attempt(&plan, root, job, output) {
                Ok(outcome) => {
                    *self.plan() = plan;
                    return Ok(outcome);
                }
                Err(Attempt::Failed(failure)) => match self.next(&plan, &failure) {
                    Some(next) => plan = next,
                    None => return Err(failure.into_error()),
                },
                Err(Attempt::Error(error)) => return Err(error),
            }
        }
    }

    fn stored(&self, layers: &[(Descriptor, Digest)]) {
        // What cannot be kept is laid out anew.
        let _adopted: Option<()> = self.adopt(layers);
    }
}

impl Sandbox {
    fn adopt(&self, layers: &[(Descriptor, Digest)]) -> Option<()> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (keeper, Adoption { gone, dated, epoch }) = last?;
        let diff_ids: Vec<Digest> = layers.iter().map(|(_, diff_id)| diff_id.clone()).collect();
        let name = chain_ids(&diff_ids).last()?.hex().to_owned();
        let order = Order::Adopt { name, gone, dated, epoch };
        keeper.upgrade()?.ask(&order, &[]).ok().map(drop)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Why a command was not run this way.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The sandbox could not be made; another one may be.
    Failed(Failure),
    /// It cannot be run at all.
    Error(RunError),
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RunError> for Attempt {
    fn from(error: RunError) -> Self {
        Self::Error(error)
    }
}

/// The process that keeps a sandbox. It ends, and all that it laid out for the run is gone, when
/// this is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    channel: Mutex<Option<Channel>>,
    process: Mutex<Child>,
    run: PathBuf,
}

/// What the command writes to, as we read it.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) output: OwnedFd,
    pub(super) error: OwnedFd,
}

impl Keeper {
    fn start(sandbox: &Sandbox, plan: &Plan) -> Result<(Arc<Self>, Pipes), Attempt> {
        let program = sandbox.program().map_err(began)?;
        let (ours, theirs) = Channel::pair().map_err(began)?;
        let (output, to_output) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|error| began(error.into()))?;
        let (error, to_error) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|error| began(error.into()))?;
        let mut command = Command::new(program);
        command.arg(STAGE).arg(KEEPER).env_clear();
        command.stdin(Stdio::from(theirs.into_fd())).stdout(to_output).stderr(to_error);
        let process = command.spawn().map_err(began)?;
        drop(command);
        let mut keeper = Self {
            channel: Mutex::new(Some(ours)),
            process: Mutex::new(process),
            run: PathBuf::new(),
        };
        let user_namespace = matches!(plan.identity, Identity::User(_));
        let marks_for_user = plan.identity != Identity::Root;
        let begin =
            Order::Begin { work: Raw::of(&sandbox.options.work), user_namespace, marks_for_user };
        let mut answer = keeper.ask(&begin, &[])?.0;
        if let (Answer::Unshared, Identity::User(map)) = (&answer, &plan.identity) {
            keeper.map(map)?;
            answer = keeper.ask(&Order::Mapped, &[])?.0;
        }
        let Answer::Begun { run } = answer else { return Err(surprise().into()) };
        keeper.run = run.into_path();
        Ok((Arc::new(keeper), Pipes { output, error }))
    }

    fn map(&self, map: &Map) -> Result<(), Failure> {
        let id = self.process.lock().unwrap_or_else(PoisonError::into_inner).id();
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        map.apply(pid.ok_or_else(surprise)?).map(drop)
    }

    /// The folder of the run.
    pub(super) fn run(&self) -> &Path {
        &self.run
    }

    /// Sends an order and waits for the answer to it.
    pub(super) fn ask(
        &self,
        order: &Order,
        with: &[BorrowedFd<'_>],
    ) -> Result<(Answer, Vec<OwnedFd>), Failure> {
        let channel = self.channel();
        let Some(channel) = channel.as_ref() else { return Err(surprise()) };
        channel.send(order, with).map_err(|_| self.ended())?;
        self.answer(channel)
    }

    /// Sends an order whose answer is waited for elsewhere.
    fn send(&self, order: &Order, with: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        let channel = self.channel();
        let Some(channel) = channel.as_ref() else { return Err(surprise()) };
        channel.send(order, with).map_err(|_| self.ended())
    }

    /// The next answer, which is there or is waited for.
    pub(super) fn next(&self) -> Result<(Answer, Vec<OwnedFd>), Failure> {
        let channel = self.channel();
        let Some(channel) = channel.as_ref() else { return Err(surprise()) };
        self.answer(channel)
    }

    fn answer(&self, channel: &Channel) -> Result<(Answer, Vec<OwnedFd>), Failure> {
        match channel.receive::<Answer>() {
            Ok(Some((Answer::Failed(failure), _))) => Err(failure),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.ended()),
            Err(error) => Err(Failure::system("to talk to the sandbox", error)),
        }
    }

    fn list(&self) -> Result<Vec<crate::build::run::messages::Listed>, Failure> {
        let mut all = Vec::new();
        let mut answer = self.ask(&Order::List, &[])?.0;
        loop {
            match answer {
                Answer::Found(some) => all.extend(some),
                Answer::Done => return Ok(all),
                _ => return Err(surprise()),
            }
            answer = self.next()?.0;
        }
    }

    /// Something to poll: there is an answer to be had, or nobody any more.
    pub(super) fn watched<T>(&self, watch: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        let channel = self.channel();
        channel.as_ref().map(|channel| watch(channel.as_fd()))
    }

    fn channel(&self) -> MutexGuard<'_, Option<Channel>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nobody answers.
    fn ended(&self) -> Failure {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let words = match process.wait() {
            Ok(status) => match status.signal() {
                Some(libc::SIGINT) => {
                    return Failure::new(FailureKind::Interrupted, "interrupted");
                }
                Some(signal) => format!("the sandbox was ended by signal {signal}"),
                None => "the sandbox ended".to_owned(),
            },
            Err(error) => format!("the sandbox is lost: {error}"),
        };
        Failure::new(FailureKind::Unsupported, words)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // It cleans up once nobody is at our end.
        drop(self.channel().take());
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        drop(process.wait());
    }
}

fn began(error: io::Error) -> Attempt {
    RunError::System { doing: "to start a sandbox".to_owned(), cause: error }.into()
}

fn no_account(error: &AccountError) -> Attempt {
    let mut what = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        what = format!("{what}: {cause}");
    }
    RunError::NotInImage { what }.into()
}

fn warnings(plan: &Plan) -> Vec<String> {
    match plan.isolation {
        Isolated::Namespaces | Isolated::Runtime(_) => Vec::new(),
        Isolated::Chroot => vec![NOT_ISOLATED.to_owned()],
    }
}

/// The servers for names that the machine asks.
fn resolv_conf() -> Vec<u8> {
    let file = Path::new("/etc/resolv.conf");
    read_user_file_if_present(file, MAX_RESOLV_CONF_BYTES).ok().flatten().unwrap_or_default()
}

const NOT_ISOLATED: &str = "commands are kept in by another root folder alone, for nothing may be \
     mounted here: they see the network and the processes around them, and have no /proc, no /sys \
     and no /etc/hosts of their own";
/// Less than any command can do with, in bytes.
const NO_ROOM: u64 = 1 << 20;
