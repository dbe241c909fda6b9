//! `trust docker cli`

use std::ffi::OsString;
use std::path::Path;

use crate::cli::commands::docker::{build, plugin, pull, push, run, service};
use crate::cli::docker_flags::scan;
use crate::cli::docker_steps::{docker_of, unreadable};
use crate::cli::docker_tables::{BUILDX, GLOBAL};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::client::docker::Docker;

/// Take a whole command line of docker's: what the shell function hands on
///
/// What brings images from a registry, or into one, goes the way of `trust docker pull` and its
/// like; all else is handed to docker as it is.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The words after `docker`
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

impl Args {
    /// Finds the command, and does it.
    pub fn run(self, session: &Session, path: Option<&Path>) -> Result<(), CliError> {
        let words = self.words;
        let scanned = scan(&GLOBAL, &words).map_err(|error| unreadable("", &error))?;
        let at = scanned.words.first().copied().unwrap_or(words.len());
        let first = words.get(..at).unwrap_or_default();
        // A mark of the end of flags would be in the way of the command.
        let first: Vec<OsString> = first.iter().filter(|word| *word != "--").cloned().collect();
        let rest = words.get(at..).unwrap_or_default();
        let session = match scanned.value("config") {
            Some(folder) => &with_config(session, Path::new(folder)),
            None => session,
        };
        let docker = docker_of(session, path, first)?;
        if let Some((verb, rest)) = command(rest)? {
            return take(session, &docker, verb, &rest);
        }
        warn(session, rest);
        Err(Docker::new(docker.program(), Vec::new()).become_it(&words).into())
    }
}

/// Does a command of one of docker's groups: with content trust if it is one of those, else docker
/// becomes it.
pub(super) fn command_of(
    session: &Session,
    docker: &Docker,
    group: &str,
    words: Vec<OsString>,
) -> Result<(), CliError> {
    let words = [vec![group.into()], words].concat();
    match command(&words)? {
        Some((verb, rest)) => take(session, docker, verb, &rest),
        None => Err(docker.become_it(&words).into()),
    }
}

/// Does a command with content trust.
fn take(
    session: &Session,
    docker: &Docker,
    verb: &'static str,
    words: &[OsString],
) -> Result<(), CliError> {
    match verb {
        "pull" => pull::pull(session, docker, words),
        "push" => push::push(session, docker, words),
        "build" | "buildx build" => build::build(session, docker, verb, words),
        "service create" => service::create(session, docker, words),
        "service update" => service::update(session, docker, words),
        "plugin install" => plugin::install(session, docker, words),
        "plugin upgrade" => plugin::upgrade(session, docker, words),
        "plugin push" => plugin::push(session, docker, words),
        verb => run::start(session, docker, verb, words),
    }
}

/// Says so where docker brings images and nobody asks trust about them, which docker did not do
/// either when it had content trust.
fn warn(session: &Session, words: &[OsString]) {
    let Some(name) = unasked(words).filter(|_| !session.settings.content_trust_refused) else {
        return;
    };
    session.ui.warn(format!(
        "`docker {name}` works without content trust: its images may be unsigned; `trust pin` \
         writes the digests that are signed into Dockerfiles and compose files"
    ));
}

/// The command, if it is one of those that bring images on their own.
fn unasked(words: &[OsString]) -> Option<String> {
    let (group, rest) = words.split_first()?;
    let verbs: &[&str] = match group.to_str()? {
        "bake" => return Some("bake".to_owned()),
        "compose" => &["build", "create", "pull", "run", "up", "watch"],
        "stack" => &["deploy", "up"],
        "builder" | "buildx" => &["bake", "dap", "debug", "f"],
        _ => return None,
    };
    // A flag's value may look like a verb; then the warning is idle.
    let verb = rest.iter().find_map(|word| word.to_str().filter(|word| verbs.contains(word)))?;
    Some(format!("{} {verb}", group.to_str()?))
}

/// Docker's folder is another: so are keys and trust data, unless they are elsewhere anyway.
fn with_config(session: &Session, folder: &Path) -> Session {
    let mut session = session.clone();
    let settings = &mut session.settings;
    if settings.trust_dir == settings.config_dir.join("trust") {
        settings.trust_dir = folder.join("trust");
    }
    folder.clone_into(&mut settings.config_dir);
    session
}

/// A command with content trust by its shortest name, and the words that follow it.
type Command = (&'static str, Vec<OsString>);

/// The command, if it is one of those with content trust, under its short or its long name. Flags
/// that stand in the middle of a long name, where docker takes them, are among the words that
/// follow: `image --help=false pull` pulls.
fn command(words: &[OsString]) -> Result<Option<Command>, CliError> {
    let Some((first, rest)) = words.split_first() else { return Ok(None) };
    let (group, rest) = match first.to_str() {
        Some(group @ ("image" | "container" | "service" | "plugin")) => {
            let is_flag = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
            (group, rest.iter().position(|word| !is_flag(word)).map(|at| rest.split_at(at)))
        }
        // These may have flags with values before the command.
        Some(group @ ("builder" | "buildx")) => {
            let scanned = scan(&BUILDX, rest).map_err(|error| unreadable(group, &error))?;
            (group, scanned.words.first().map(|at| rest.split_at(*at)))
        }
        _ => ("", Some((&[][..], words))),
    };
    let Some((between, [verb, rest @ ..])) = rest else { return Ok(None) };
    let verb = match (group, verb.to_str().unwrap_or_default()) {
        ("" | "image", "pull") => "pull",
        ("" | "image", "push") => "push",
        ("" | "container", "run") => "run",
        ("" | "container", "create") => "create",
        // With buildx in the builder's place, its short names are there, too.
        ("" | "image" | "builder", "build") | ("builder", "b") => "build",
        ("buildx", "build" | "b") => "buildx build",
        ("service", "create") => "service create",
        ("service", "update") => "service update",
        ("plugin", "install") => "plugin install",
        ("plugin", "upgrade") => "plugin upgrade",
        ("plugin", "push") => "plugin push",
        _ => return Ok(None),
    };
    Ok(Some((verb, [between, rest].concat())))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("pull x", Some(("pull", 1)))]
    #[test_case("image pull x y", Some(("pull", 2)))]
    #[test_case("container run -d x", Some(("run", 2)))]
    #[test_case("container create x", Some(("create", 1)))]
    #[test_case("image build .", Some(("build", 1)))]
    #[test_case("builder build .", Some(("build", 1)))]
    #[test_case("image --help=false pull x", Some(("pull", 2)); "a flag in between")]
    #[test_case("container -D run x", Some(("run", 2)); "one that docker refuses there")]
    #[test_case("image --help", None)]
    #[test_case("container pull x", None; "no command of docker's")]
    #[test_case("ps", None)]
    #[test_case("image ls", None)]
    #[test_case("image", None)]
    #[test_case("builder b .", Some(("build", 1)); "by the name that buildx has for it")]
    #[test_case("builder --builder x build .", Some(("build", 3)))]
    #[test_case("buildx build .", Some(("buildx build", 1)))]
    #[test_case("buildx b .", Some(("buildx build", 1)); "short")]
    #[test_case("buildx --builder build -D build .", Some(("buildx build", 4)); "a value that is a verb")]
    #[test_case("buildx ls", None)]
    #[test_case("service create -d x", Some(("service create", 2)))]
    #[test_case("service update --image x y", Some(("service update", 3)))]
    #[test_case("plugin install x", Some(("plugin install", 1)))]
    #[test_case("plugin --help=false upgrade x", Some(("plugin upgrade", 2)))]
    #[test_case("plugin push x", Some(("plugin push", 1)))]
    #[test_case("service ls", None)]
    fn commands_with_content_trust_are_found(line: &str, expected: Option<(&str, usize)>) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        assert_eq!(command(&words).unwrap().map(|(verb, rest)| (verb, rest.len())), expected);
    }

    #[test]
    fn a_flag_that_may_hide_the_command_is_refused() {
        let words = ["buildx", "--unheard-of", "ls", "build", "."].map(OsString::from);
        assert_eq!(command(&words).unwrap_err().kind.exit_code(), 125);
    }

    #[test_case("compose -f x.yml up -d", Some("compose up"))]
    #[test_case("compose ps", None)]
    #[test_case("stack deploy -c x.yml app", Some("stack deploy"))]
    #[test_case("stack ls", None)]
    #[test_case("bake", Some("bake"))]
    #[test_case("buildx bake", Some("buildx bake"))]
    #[test_case("ps up", None)]
    fn what_nobody_asks_about_is_said(line: &str, expected: Option<&str>) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        assert_eq!(unasked(&words).as_deref(), expected);
    }
}
