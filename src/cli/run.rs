//! From `argv` to an exit code: parse, settle, run, report.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::panic;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::actions::Context;
use crate::build::run;
use crate::cli::args::Cli;
use crate::cli::commands::docker;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::exit_code;
use crate::cli::passphrases::Passphrases;
use crate::cli::plugin;
use crate::cli::prompt::Console;
use crate::cli::settings::{Environment, Settings};
use crate::cli::ui::{Ui, Verbosity};

/// What a command sees of the world: the screen, the settings, and what is made from them.
#[derive(Debug, Clone)]
pub struct Session {
    /// Where everything is said.
    pub ui: Ui,
    /// What flags and environment mean.
    pub settings: Settings,
}

impl Session {
    /// Somebody to ask.
    pub fn console(&self) -> Arc<dyn Console> {
        self.settings.console()
    }

    /// The passphrases of flags, environment, keyring and terminal.
    pub fn passphrases(&self) -> Arc<Passphrases> {
        let settings = &self.settings;
        let (sources, keyring) = (settings.passphrases.clone(), settings.keyring.clone());
        Arc::new(Passphrases::new(sources, keyring, self.console()))
    }

    /// What actions work with.
    pub fn context(&self) -> Result<Context, CliError> {
        self.settings.context(self.passphrases())
    }

    /// Runs network work to its end, or to Ctrl-C or the deadline, at which it is dropped.
    ///
    /// Nothing is half done then: every write is atomic.
    pub fn block_on<T, E: Into<CliError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CliError> {
        Self::block_on_until(Some(self.settings.deadline), work)
    }

    /// As [`Session::block_on`], for transfers of images: they may take long, unless somebody said
    /// how long.
    pub fn block_on_transfer<T, E: Into<CliError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CliError> {
        Self::block_on_until(self.settings.transfer_deadline, work)
    }

    /// Does work that blocks, on a thread of its own, with a runtime for what of it waits for the
    /// network. At Ctrl-C `stop` is set, and the work may end in peace for a moment.
    pub fn work_apart<T: Send + 'static>(
        &self,
        stop: &Arc<AtomicBool>,
        work: impl FnOnce(Handle) -> Result<T, CliError> + Send + 'static,
    ) -> Result<T, CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| CliError::new(ErrorKind::Internal, error))?;
        let (sender, mut done) = tokio::sync::oneshot::channel();
        let handle = runtime.handle().clone();
        let started = std::thread::Builder::new().name("build".to_owned()).spawn(move || {
            // If nobody waits any more, nobody has to be told.
            drop(sender.send(work(handle)));
        });
        started.map_err(|error| CliError::new(ErrorKind::Internal, error))?;
        let deadline = self.settings.transfer_deadline.unwrap_or(FOR_EVER);
        let gone = || CliError::new(ErrorKind::Internal, "the thread of the work ended");
        let outcome = runtime.block_on(async {
            let early = tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => CliError::interrupted(),
                outcome = timeout(deadline, &mut done) => match outcome {
                    Ok(outcome) => return outcome.unwrap_or_else(|_| Err(gone())),
                    Err(_) => too_long(deadline),
                },
            };
            stop.store(true, Ordering::Relaxed);
            // What it left behind is swept by whoever comes next if this is not enough.
            drop(timeout(GRACE, done).await);
            Err(early)
        });
        runtime.shutdown_background();
        outcome
    }

    /// Does work that blocks and that Ctrl-C ends by itself, such as another program that shares the
    /// terminal: we stay until it has ended, so that what it leaves behind is put in order.
    pub fn outlive<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CliError> {
        let internal = |error: io::Error| CliError::new(ErrorKind::Internal, error);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(internal)?;
        runtime.block_on(async {
            let mut work = tokio::task::spawn_blocking(work);
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => {
                        return done.map_err(|error| internal(io::Error::other(error)));
                    }
                    // It is told as well, and decides what comes of it.
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
        })
    }

    fn block_on_until<T, E: Into<CliError>>(
        deadline: Option<Duration>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::new(ErrorKind::Internal, error))?;
        let work = Box::pin(work);
        let deadline = deadline.unwrap_or(FOR_EVER);
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => Err(CliError::interrupted()),
                done = timeout(deadline, work) => match done {
                    Ok(done) => done.map_err(Into::into),
                    Err(_) => Err(too_long(deadline)),
                },
            }
        })
    }
}

/// How long work has to end once it is told to.
const GRACE: Duration = Duration::from_secs(10);
/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

fn too_long(deadline: Duration) -> CliError {
    let words = format!("not done within {} seconds, so it was given up", deadline.as_secs());
    CliError::new(ErrorKind::Network, words).hint("`--deadline` allows more")
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // A process of a sandbox: nothing else may have begun.
    if let Some(done) = run::entry(&arguments) {
        return if done { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    panic::set_hook(Box::new(report_panic));
    let outcome = panic::catch_unwind(|| run(&arguments));
    ExitCode::from(outcome.unwrap_or(exit_code::INTERNAL))
}

fn run(arguments: &[OsString]) -> u8 {
    if plugin::is_called(arguments) {
        return plugin::run(arguments);
    }
    let arguments = &docker::set_apart(arguments);
    let mut command = Cli::command();
    if let Some(name) = program_name(arguments) {
        command = command.name(name.clone()).bin_name(name);
    }
    let parsed = command.try_get_matches_from_mut(arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return show_clap(&error),
    };
    let environment = Environment::of_this_process();
    #[cfg(debug_assertions)]
    environment.arm_kill();
    let settings = match Settings::load(&cli.global, &environment) {
        Ok(settings) => settings,
        Err(error) => return finish(Ui::default(), Err(error)),
    };
    let ui = Ui::new(settings.verbosity, settings.colour);
    start_diagnostics(ui.verbosity());
    for warning in &settings.config.warnings {
        ui.warn(warning);
    }
    let session = Session { ui, settings };
    finish(ui, cli.command.run(&session))
}

/// The name we were called by, so that help and errors name the program as it is installed:
/// p11-kit has a `trust` too, so a distribution may install ours as `content-trust`.
fn program_name(arguments: &[OsString]) -> Option<String> {
    let name = Path::new(arguments.first()?).file_stem()?.to_str()?;
    (name == "content-trust").then(|| name.to_owned())
}

fn finish(ui: Ui, outcome: Result<(), CliError>) -> u8 {
    match outcome {
        Ok(()) => exit_code::SUCCESS,
        Err(error) => {
            ui.error(&error);
            error.kind.exit_code()
        }
    }
}

/// Prints help or the version to stdout, or what is wrong with the command line to stderr.
fn show_clap(error: &clap::Error) -> u8 {
    let printed = error.print();
    match (error.use_stderr(), printed) {
        (true, _) => exit_code::USAGE,
        (false, Ok(())) => exit_code::SUCCESS,
        (false, Err(_)) => exit_code::OUTPUT_CLOSED,
    }
}

fn start_diagnostics(verbosity: Verbosity) {
    if verbosity < Verbosity::Debug {
        return;
    }
    let ours = Targets::new().with_target("trust", LevelFilter::DEBUG);
    let screen = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    // It fails if somebody else logs already: then they have what we would say.
    drop(tracing_subscriber::registry().with(screen).with(ours).try_init());
}

fn report_panic(panic: &panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let words = panic.payload_as_str().unwrap_or("no message");
    let error = CliError::new(ErrorKind::Internal, format!("internal error: {words} ({place})"))
        .hint("this is a fault of the program; please report it");
    Ui::default().error(&error);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_taken_from_argv() {
        let name = |argv0: &str| program_name(&[OsString::from(argv0)]);
        assert_eq!(name("/usr/bin/content-trust").as_deref(), Some("content-trust"));
        assert_eq!(name("/usr/bin/trust"), None);
        assert_eq!(name("/tmp/x\x1b[31m"), None);
        assert_eq!(program_name(&[]), None);
    }
}
