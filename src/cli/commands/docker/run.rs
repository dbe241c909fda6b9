//! `trust docker run`

use std::ffi::OsString;

use crate::actions::docker::Known;
use crate::actions::docker::run::{Choice, run};
use crate::cli::docker_flags::{RUN, Scanned, scan};
use crate::cli::docker_steps::{
    FAILED, NOT_RUN, Pulling, fail, failed, is_enforced, pull_and_tag, rewritten, say_known,
    unreadable, without_switch,
};
use crate::cli::docker_words::of_run;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::client::docker::{Docker, DockerError, Shown};
use crate::oci::Reference;

/// Run what is signed: `docker run` as it was with content trust
///
/// Takes the words of `docker run`. Trust says which digest the tag has, and docker is handed the
/// digest; the container's terminal, signals and exit code are docker's own.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The words of `docker run`
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Becomes docker with the digest in the image's place; `verb` is `run` or `create`.
pub fn start(
    session: &Session,
    docker: &Docker,
    verb: &str,
    words: &[OsString],
) -> Result<(), CliError> {
    let scanned = scan(&RUN, words).map_err(|error| unreadable(verb, &error))?;
    let typed = scanned.words.first().and_then(|at| Some((*at, words.get(*at)?)));
    let is_help = scanned.is_on("help") == Some(true);
    let Some((at, image)) = typed.filter(|_| !is_help && is_enforced(session, &scanned)) else {
        return Err(not_run(docker.become_it(&without_switch(verb, words, &scanned))));
    };
    let text = image.to_string_lossy();
    let policy = Policy::of(&scanned).map_err(|words| refuse(session, verb, &words))?;
    let context = session.context()?;
    let chosen = session.block_on(async { Ok::<_, CliError>(run(&context, &text).await) });
    let chosen = chosen.map_err(|error| match error.kind {
        ErrorKind::Interrupted => error,
        _ => CliError { kind: ErrorKind::NotRun, ..error },
    })?;
    let known = match chosen {
        Ok(Choice::Known(known)) => known,
        Ok(Choice::Id) => {
            return Err(not_run(docker.become_it(&without_switch(verb, words, &scanned))));
        }
        Err(refusal) => return Err(refuse(session, verb, &of_run(refusal, &text))),
    };
    say_known(session, &known);
    let mut always = false;
    if known.tagged.is_some() && policy != Policy::Never {
        always = policy == Policy::Always;
        if always || !is_here(docker, &known)? {
            fetch(session, docker, verb, &scanned, &known, always)?;
        }
    }
    let mut arguments = words.to_vec();
    if let Some(word) = arguments.get_mut(at) {
        *word = known.pinned.familiar().into();
    }
    // What was pulled just now need not be pulled once more.
    let handed = rewritten(verb, &arguments, &scanned, &|given| match given.long.as_str() {
        "disable-content-trust" => Some(Vec::new()),
        "pull" if always => Some(vec!["--pull=missing".into()]),
        _ => None,
    });
    Err(not_run(docker.become_it(&handed)))
}

/// Docker is not there, or cannot be started: nothing was run.
fn not_run(error: DockerError) -> CliError {
    CliError { kind: ErrorKind::NotRun, ..error.into() }
}

/// When docker pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Always,
    Missing,
    Never,
}

impl Policy {
    fn of(scanned: &Scanned) -> Result<Self, String> {
        let given = scanned.value("pull").map(|value| value.to_string_lossy().into_owned());
        match given.as_deref() {
            None | Some("missing" | "") => Ok(Self::Missing),
            Some("always") => Ok(Self::Always),
            Some("never") => Ok(Self::Never),
            Some(other) => Err(format!(
                "invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""
            )),
        }
    }
}

/// Whether docker has the digest; if docker cannot tell, it will say so itself when it is to run it.
fn is_here(docker: &Docker, known: &Known) -> Result<bool, CliError> {
    let pinned = known.pinned.familiar();
    let words = ["image", "inspect", "--format", "{{.Id}}", &pinned];
    let answer = docker.ask(&words).map_err(not_run)?;
    let talk = String::from_utf8_lossy(&answer.talk).to_ascii_lowercase();
    Ok(answer.code == 0 || !talk.contains("no such image"))
}

/// Pulls the digest and puts the tag on it, as docker did before it made the container.
fn fetch(
    session: &Session,
    docker: &Docker,
    verb: &str,
    scanned: &Scanned,
    known: &Known,
    always: bool,
) -> Result<(), CliError> {
    let quiet = scanned.is_on("quiet") == Some(true);
    let tagged = known.tagged.as_ref().map(Reference::familiar).unwrap_or_default();
    if !quiet && !always {
        session.ui.pass_on(&format!("Unable to find image '{tagged}' locally"));
    }
    let platform = scanned.value("platform").map(|platform| {
        let mut word = OsString::from("--platform=");
        word.push(platform);
        word
    });
    let flags = platform.into_iter().collect();
    let pulling = Pulling { flags, quiet, place: Shown::AsTalk };
    match pull_and_tag(session, docker, known, &pulling)? {
        0 => Ok(()),
        _ if verb == "run" => Err(failed(NOT_RUN)),
        code => Err(failed(code)),
    }
}

/// Says why nothing is run, as docker did.
fn refuse(session: &Session, verb: &str, words: &str) -> CliError {
    if verb == "run" {
        let help = "Run 'docker run --help' for more information";
        return fail(session, NOT_RUN, &format!("docker: {words}\n\n{help}"));
    }
    fail(session, FAILED, words)
}
