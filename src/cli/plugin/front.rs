//! From what docker calls its plugin with to an exit code.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::actions::Context;
use crate::actions::docker::install::{ASKS, Metadata, PLUGIN};
use crate::cli::args::GlobalArgs;
use crate::cli::docker_flags::{Scanned, scan};
use crate::cli::docker_steps::{DOCKER, FAILED, NOT_RUN, fail, failed};
use crate::cli::docker_tables::GLOBAL;
use crate::cli::docker_words::with_causes;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::exit_code;
use crate::cli::passphrases::Passphrases;
use crate::cli::plugin::console::PluginConsole;
use crate::cli::plugin::socket::Ending;
use crate::cli::plugin::usage::{Command, TRUST};
use crate::cli::plugin::{completion, inspect, key, revoke, sign, signer, socket};
use crate::cli::run::Session;
use crate::cli::settings::{Environment, Settings};
use crate::cli::ui::{Ui, Verbosity};
use crate::client::docker::Docker;

/// What a command of the plugin works with.
#[derive(Debug)]
pub struct Plugin {
    /// The screen and the settings.
    pub session: Session,
    /// What actions work with; questions are asked where docker asks them.
    pub context: Context,
    /// Who is asked.
    pub console: Arc<PluginConsole>,
    /// The docker that called us, with the flags that it was called with.
    pub docker: Docker,
}

/// Whether the program was called as the plugin.
pub fn is_called(arguments: &[OsString]) -> bool {
    let name = arguments.first().map(Path::new).and_then(Path::file_stem);
    name.is_some_and(|name| name == PLUGIN)
}

/// Does what docker wants of the plugin; returns its exit code.
pub fn run(arguments: &[OsString]) -> u8 {
    let words = arguments.get(1..).unwrap_or_default();
    let ui = Ui::new(Verbosity::Quiet, false);
    match called(ui, words) {
        Ok(()) => exit_code::SUCCESS,
        Err(error) => {
            let is_said = matches!(error.kind, ErrorKind::Command(_) | ErrorKind::OutputClosed);
            if !is_said {
                ui.pass_on_lines(&with_causes(&error));
            }
            match error.kind {
                ErrorKind::Command(_) | ErrorKind::OutputClosed | ErrorKind::Interrupted => {
                    error.kind.exit_code()
                }
                _ => FAILED,
            }
        }
    }
}

fn called(ui: Ui, words: &[OsString]) -> Result<(), CliError> {
    let refuse = |words: String| {
        ui.pass_on_lines(&words);
        failed(NOT_RUN)
    };
    let scanned = scan(&GLOBAL, words).map_err(|error| refuse(error.to_string()))?;
    let at = scanned.words.first().copied().unwrap_or(words.len());
    let (first, rest) = words.split_at_checked(at).unwrap_or((words, &[]));
    let rest: Vec<String> = rest.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let Some((verb, rest)) = rest.split_first() else { return Ok(ui.data(TRUST.help())?) };
    match verb.as_str() {
        ASKS => {
            let metadata = serde_json::to_string(&Metadata::ours())
                .map_err(|error| CliError::new(ErrorKind::Internal, error))?;
            Ok(ui.line(metadata)?)
        }
        // There is nothing to add to what other commands say.
        "docker-cli-plugin-hooks" => Ok(()),
        "__complete" | "__completeNoDesc" => completion::complete(ui, rest),
        "help" => {
            let named = rest.iter().skip(1).try_fold(&TRUST, |command, name| command.find(name));
            Ok(ui.data(named.unwrap_or(&TRUST).help())?)
        }
        "trust" => {
            let environment = Environment::of_this_process();
            let Some((command, scanned, rest)) = parse(ui, rest)? else { return Ok(()) };
            let ending = socket::listen(&environment);
            let plugin = plugin(&scanned_globals(words, at)?, &environment, first, ending)?;
            serve(&plugin, command, &scanned, &rest)
        }
        other => Err(refuse(format!("{PLUGIN} serves `docker trust`, and knows no `{other}`"))),
    }
}

fn scanned_globals(words: &[OsString], at: usize) -> Result<GlobalArgs, CliError> {
    let first = words.get(..at).unwrap_or_default();
    let scanned = scan(&GLOBAL, first).map_err(|error| CliError::usage(error.to_string()))?;
    Ok(GlobalArgs {
        config: scanned.value("config").map(Into::into),
        debug: scanned.is_on("debug") == Some(true),
        ..GlobalArgs::default()
    })
}

fn plugin(
    global: &GlobalArgs,
    environment: &Environment,
    first: &[OsString],
    ending: Ending,
) -> Result<Plugin, CliError> {
    let settings = Settings::load(global, environment)?;
    let verbosity =
        if settings.verbosity == Verbosity::Debug { Verbosity::Debug } else { Verbosity::Quiet };
    let ui = Ui::new(verbosity, false);
    for warning in &settings.config.warnings {
        ui.warn(warning);
    }
    let console = Arc::new(PluginConsole::new(ui, ending));
    let passphrases = Passphrases::new(
        settings.passphrases.clone(),
        settings.keyring.clone(),
        Arc::clone(&console) as _,
    );
    let context = settings.context(Arc::new(passphrases))?;
    let called_by = environment.path(CALLED_BY).unwrap_or_else(|| DOCKER.into());
    let docker = Docker::new(&called_by, first.to_vec());
    Ok(Plugin { session: Session { ui, settings }, context, console, docker })
}

/// A command with what was given to it.
type Parsed = (&'static Command, Scanned, Vec<String>);

/// Finds the command and reads its flags; nothing if only help was wanted, which is printed then.
fn parse(ui: Ui, words: &[String]) -> Result<Option<Parsed>, CliError> {
    let mut command: &'static Command = &TRUST;
    let mut words = words;
    let mut wants_help = false;
    let refuse = |code: u8, words: String| {
        ui.pass_on_lines(&words);
        failed(code)
    };
    while command.is_group() {
        let at = words.iter().position(|word| !word.starts_with('-')).unwrap_or(words.len());
        let next = words.get(at).and_then(|name| command.find(name));
        let own = if next.is_some() { words.get(..at).unwrap_or_default() } else { words };
        let own: Vec<OsString> = own.iter().map(OsString::from).collect();
        let scanned = scan(&command.table, &own)
            .map_err(|error| refuse(NOT_RUN, command.misused(&error.to_string())))?;
        let is_help = scanned.is_on("help") == Some(true);
        let Some(next) = next else {
            if is_help || wants_help {
                return help(ui, command, &own).map(|()| None);
            }
            let Some(word) = words.get(at) else {
                ui.pass_on_lines(command.help().trim_end());
                return Ok(None);
            };
            let words = format!("docker: unknown command: {} {word}", command.path);
            return Err(refuse(FAILED, command.misused(&words)));
        };
        // Help is that of the last command.
        wants_help |= is_help;
        command = next;
        words = words.get(at + 1..).unwrap_or_default();
    }
    let given: Vec<OsString> = words.iter().map(OsString::from).collect();
    let scanned = scan(&command.table, &given)
        .map_err(|error| refuse(NOT_RUN, command.misused(&error.to_string())))?;
    if wants_help || scanned.is_on("help") == Some(true) {
        return help(ui, command, &given).map(|()| None);
    }
    if let Some(problem) = command.miscounted(scanned.words.len()) {
        return Err(refuse(FAILED, problem));
    }
    let rest = scanned.words.iter().filter_map(|at| words.get(*at).cloned()).collect();
    Ok(Some((command, scanned, rest)))
}

fn help(ui: Ui, command: &Command, words: &[OsString]) -> Result<(), CliError> {
    if words.iter().any(|word| word == "-h") {
        ui.line("Flag shorthand -h has been deprecated, use --help")?;
    }
    Ok(ui.data(command.help())?)
}

fn serve(
    plugin: &Plugin,
    command: &Command,
    scanned: &Scanned,
    words: &[String],
) -> Result<(), CliError> {
    let is_on = |flag| scanned.is_on(flag) == Some(true);
    match (command.path, words) {
        ("docker trust inspect", images) => inspect::inspect(plugin, images, is_on("pretty")),
        ("docker trust sign", [image]) => sign::sign(plugin, image, is_on("local")),
        ("docker trust revoke", [image]) => revoke::revoke(plugin, image, is_on("yes")),
        ("docker trust key generate", [name]) => {
            key::generate(plugin, name, scanned.value("dir").map(Path::new))
        }
        ("docker trust key load", [file]) => {
            let name = scanned.value("name").map(|name| name.to_string_lossy().into_owned());
            key::load(plugin, file, name.as_deref().unwrap_or("signer"))
        }
        ("docker trust signer add", [name, repositories @ ..]) => {
            let keys: Vec<&Path> = scanned.values("key").map(Path::new).collect();
            signer::add(plugin, name, repositories, &keys)
        }
        ("docker trust signer remove", [name, repositories @ ..]) => {
            signer::remove(plugin, name, repositories, is_on("force"))
        }
        (path, _) => Err(CliError::new(ErrorKind::Internal, format!("`{path}` is not served"))),
    }
}

impl Plugin {
    /// Says why a command fails, with docker's exit code.
    pub fn fail(&self, words: &str) -> CliError {
        fail(&self.session, FAILED, words)
    }
}

/// Names the docker that called the plugin.
const CALLED_BY: &str = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND";
