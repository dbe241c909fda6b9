//! `trust docker …`: in docker's place, one file per verb.

pub mod build;
pub mod create;
pub mod dockers;
pub mod install;
pub mod plugin;
pub mod pull;
pub mod push;
pub mod run;
pub mod service;
pub mod shim;
pub mod uninstall;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::CommandFactory;

use crate::cli::args::Cli;
use crate::cli::docker_steps::docker_of;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Let docker work under content trust, which its releases from 29 on lack
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// Docker's program [default: the first `docker` on the search path]
    #[arg(long, value_name = "PATH")]
    pub docker: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What is done in docker's place.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "a variant has the doc comment of its arguments as help")]
pub enum Verb {
    Pull(pull::Args),
    Push(push::Args),
    Run(run::Args),
    Create(create::Args),
    Build(build::Args),
    Service(service::Args),
    Plugin(plugin::Args),
    Cli(dockers::Args),
    Install(install::Args),
    Uninstall(uninstall::Args),
    Shim(shim::Args),
}

/// The words after these are docker's, whatever they look like.
const HANDED_ON: [&str; 8] = ["pull", "push", "run", "create", "build", "service", "plugin", "cli"];

impl Command {
    /// Runs the verb that was typed.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let path = self.docker.as_deref();
        let docker = || docker_of(session, path, Vec::new());
        match self.verb {
            Verb::Pull(args) => pull::pull(session, &docker()?, &args.words),
            Verb::Push(args) => push::push(session, &docker()?, &args.words),
            Verb::Run(args) => run::start(session, &docker()?, "run", &args.words),
            Verb::Create(args) => run::start(session, &docker()?, "create", &args.words),
            Verb::Build(args) => build::build(session, &docker()?, "build", &args.words),
            Verb::Service(args) => dockers::command_of(session, &docker()?, "service", args.words),
            Verb::Plugin(args) => dockers::command_of(session, &docker()?, "plugin", args.words),
            Verb::Cli(args) => args.run(session, path),
            Verb::Install(args) => args.run(session, path),
            Verb::Uninstall(args) => args.run(session, path),
            Verb::Shim(args) => args.run(session),
        }
    }
}

/// Puts a `--` before the words that are docker's, so that none of them is taken for a flag of ours.
pub fn set_apart(arguments: &[OsString]) -> Vec<OsString> {
    let mut words = arguments.to_vec();
    if let Some(at) = dockers_words(arguments) {
        words.insert(at, "--".into());
    }
    words
}

/// Where docker's words begin, if that is the command.
fn dockers_words(arguments: &[OsString]) -> Option<usize> {
    let cli = Cli::command();
    let global: Vec<&clap::Arg> = cli.get_arguments().collect();
    let at = skip_flags(arguments, 1, &global)?;
    let is_ours = arguments.get(at)? == "docker";
    let docker = cli.find_subcommand("docker").filter(|_| is_ours)?;
    let flags: Vec<&clap::Arg> = global.into_iter().chain(docker.get_arguments()).collect();
    let at = skip_flags(arguments, at + 1, &flags)?;
    let verb = arguments.get(at)?.to_str()?;
    HANDED_ON.contains(&verb).then_some(at + 1)
}

/// The first word from `at` on that is neither a flag nor a flag's value.
fn skip_flags(arguments: &[OsString], mut at: usize, flags: &[&clap::Arg]) -> Option<usize> {
    loop {
        let word = arguments.get(at)?.to_str()?;
        let Some(rest) = word.strip_prefix('-') else { return Some(at) };
        let takes_next = if let Some(long) = rest.strip_prefix('-') {
            long_takes_next(long, flags)?
        } else {
            letters_take_next(rest, flags)?
        };
        at += if takes_next { 2 } else { 1 };
    }
}

/// Whether the next word is the value of this long flag.
fn long_takes_next(long: &str, flags: &[&clap::Arg]) -> Option<bool> {
    let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
    let named = |flag: &&&clap::Arg| {
        let aliases = flag.get_all_aliases().unwrap_or_default();
        flag.get_long() == Some(name) || aliases.contains(&name)
    };
    let flag = flags.iter().find(named)?;
    Some(flag.get_action().takes_values() && value.is_none())
}

/// Whether the next word is the value of the last of these letters.
fn letters_take_next(letters: &str, flags: &[&clap::Arg]) -> Option<bool> {
    let mut letters = letters.chars();
    while let Some(letter) = letters.next() {
        let flag = flags.iter().find(|flag| flag.get_short() == Some(letter))?;
        if flag.get_action().takes_values() {
            return Some(letters.as_str().is_empty());
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("docker run -d x", "docker run -- -d x")]
    #[test_case("docker pull", "docker pull --")]
    #[test_case("docker run -- -d x", "docker run -- -- -d x"; "a mark of docker's own")]
    #[test_case(
        "-q --config c docker --docker p run -q",
        "-q --config c docker --docker p run -- -q"
    )]
    #[test_case("-dfolder --server=x docker build .", "-dfolder --server=x docker build -- .")]
    #[test_case("-qs run docker run x", "-qs run docker run -- x"; "a value that is a verb")]
    #[test_case("docker install --copy", "docker install --copy"; "a command of ours")]
    #[test_case("run docker run x", "run docker run x"; "another command")]
    #[test_case("docker --bogus run x", "docker --bogus run x"; "what is not known is left alone")]
    #[test_case("docker", "docker")]
    fn dockers_words_are_set_apart(line: &str, expected: &str) {
        let words = |line: &str| -> Vec<OsString> {
            std::iter::once("trust").chain(line.split(' ')).map(OsString::from).collect()
        };
        assert_eq!(set_apart(&words(line)), words(expected));
    }
}
