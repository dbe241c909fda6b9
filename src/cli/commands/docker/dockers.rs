//! `trust docker cli`

use std::ffi::OsString;
use std::path::Path;

use crate::cli::commands::docker::{build, pull, push, run};
use crate::cli::docker_flags::{GLOBAL, scan};
use crate::cli::docker_steps::{docker_of, unreadable};
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
        let Some((verb, rest)) = command(rest) else {
            let all = Docker::new(docker.program(), Vec::new());
            return Err(all.become_it(&words).into());
        };
        match verb {
            "pull" => pull::pull(session, &docker, &rest),
            "push" => push::push(session, &docker, &rest),
            "build" => build::build(session, &docker, &rest),
            verb => run::start(session, &docker, verb, &rest),
        }
    }
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

/// The command, if it is one of those with content trust, under its short or its long name; and
/// the words that follow it. Flags that stand in the middle of a long name, where docker takes
/// them, are among these words: `image --help=false pull` pulls.
fn command(words: &[OsString]) -> Option<(&'static str, Vec<OsString>)> {
    let (first, rest) = words.split_first()?;
    let (group, verb, between, rest) = match first.to_str()? {
        group @ ("image" | "container" | "builder") => {
            let is_flag = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
            let at = rest.iter().position(|word| !is_flag(word))?;
            let (between, rest) = rest.split_at_checked(at)?;
            let (verb, rest) = rest.split_first()?;
            (group, verb.to_str()?, between, rest)
        }
        verb => ("", verb, &[][..], rest),
    };
    let verb = match (group, verb) {
        ("" | "image", "pull") => "pull",
        ("" | "image", "push") => "push",
        ("" | "container", "run") => "run",
        ("" | "container", "create") => "create",
        ("" | "image" | "builder", "build") => "build",
        _ => return None,
    };
    Some((verb, [between, rest].concat()))
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
    #[test_case("buildx build .", None; "never was under content trust")]
    fn commands_with_content_trust_are_found(line: &str, expected: Option<(&str, usize)>) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        assert_eq!(command(&words).map(|(verb, rest)| (verb, rest.len())), expected);
    }
}
