//! `trust docker run`

use std::ffi::OsString;

use crate::actions::Context;
use crate::actions::docker::Known;
use crate::actions::docker::run::{Choice, run};
use crate::cli::docker_flags::{Scanned, scan};
use crate::cli::docker_steps::{
    FAILED, NOT_RUN, Pulling, fail, failed, is_enforced, pull_and_tag, rewritten, say_known,
    unreadable, without_switch,
};
use crate::cli::docker_tables::RUN;
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
    let trust = session.context()?;
    let call = Call { session, docker, trust: &trust, verb, scanned: &scanned };
    let chosen = call.choose(&text)?;
    if chosen.is_none() && policy == Policy::Always {
        // Docker would pull a tag that reads like the id.
        let words = format!("{text} is the id of an image, and cannot be pulled");
        return Err(refuse(session, verb, &words));
    }
    let mounts = call.mounts(policy)?;
    let always = policy == Policy::Always;
    let mut arguments = words.to_vec();
    if let Some(known) = &chosen {
        call.provide(known, policy)?;
        if let Some(word) = arguments.get_mut(at) {
            *word = known.pinned.familiar().into();
        }
    }
    let was_pulled = always && chosen.is_some_and(|known| known.tagged.is_some());
    let handed = rewritten(verb, &arguments, &scanned, &|given| match given.long.as_str() {
        "disable-content-trust" => Some(Vec::new()),
        // What was pulled just now need not be pulled once more.
        "pull" if was_pulled => Some(vec!["--pull=missing".into()]),
        "mount" => mounts
            .iter()
            .find(|(at, _)| *at == given.at.start)
            .map(|(_, word)| vec![OsString::from(word)]),
        _ => None,
    });
    Err(not_run(docker.become_it(&handed)))
}

/// What is asked, and of whom.
#[derive(Debug)]
struct Call<'a> {
    session: &'a Session,
    docker: &'a Docker,
    trust: &'a Context,
    verb: &'a str,
    scanned: &'a Scanned,
}

impl Call<'_> {
    /// The image that trust vouches for; nothing for the id of one.
    fn choose(&self, image: &str) -> Result<Option<Known>, CliError> {
        let session = self.session;
        let asked = session.block_on(async { Ok::<_, CliError>(run(self.trust, image).await) });
        let chosen = asked.map_err(|error| match error.kind {
            ErrorKind::Interrupted => error,
            _ => CliError { kind: ErrorKind::NotRun, ..error },
        })?;
        match chosen {
            Ok(Choice::Known(known)) => {
                say_known(session, &known);
                Ok(Some(*known))
            }
            Ok(Choice::Id) => Ok(None),
            Err(refusal) => Err(refuse(session, self.verb, &of_run(refusal, image))),
        }
    }

    /// Pulls an image, as docker would before it makes the container.
    fn provide(&self, known: &Known, policy: Policy) -> Result<(), CliError> {
        if known.tagged.is_none() || policy == Policy::Never {
            return Ok(());
        }
        let always = policy == Policy::Always;
        if always || !is_here(self.docker, known)? {
            fetch(self.session, self.docker, self.verb, self.scanned, known, always)?;
        }
        Ok(())
    }

    /// Images that are mounted: where the flags are, and what they become.
    fn mounts(&self, policy: Policy) -> Result<Vec<(usize, String)>, CliError> {
        let mut mounts = Vec::new();
        for given in self.scanned.flags.iter().filter(|given| given.long == "mount") {
            let value = given.value.as_deref().unwrap_or_default().to_string_lossy();
            let is_quoted = value.contains(['"', '\n', '\r']);
            if is_quoted && value.to_ascii_lowercase().contains("image") {
                let words = format!("--mount: `{value}`: a value with quotes is not looked into");
                return Err(refuse(self.session, self.verb, &words));
            }
            let Some(mount) = ImageMount::of(&value) else { continue };
            if let Some(known) = self.choose(mount.image)? {
                self.provide(&known, policy)?;
                mounts.push((given.at.start, mount.of_another(&known.pinned.familiar())));
            }
        }
        Ok(mounts)
    }
}

/// A `--mount` of an image.
#[derive(Debug, PartialEq, Eq)]
struct ImageMount<'a> {
    image: &'a str,
    others: Vec<&'a str>,
}

impl<'a> ImageMount<'a> {
    /// Reads the value of the flag; nothing if it mounts something else.
    fn of(value: &'a str) -> Option<Self> {
        let (mut image, mut others, mut is_image) = ("", Vec::new(), false);
        for part in value.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.to_ascii_lowercase().as_str() {
                "source" | "src" => image = value,
                "type" => {
                    is_image = value.eq_ignore_ascii_case("image");
                    others.push(part);
                }
                _ => others.push(part),
            }
        }
        is_image.then_some(Self { image, others })
    }

    /// The flag with another image.
    fn of_another(&self, image: &str) -> String {
        format!("--mount={},source={image}", self.others.join(","))
    }
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

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("type=image,source=a:1,target=/x", Some("--mount=type=image,target=/x,source=b"))]
    #[test_case("SRC=a:1,dst=/x,ro,TYPE=Image", Some("--mount=dst=/x,ro,TYPE=Image,source=b"))]
    #[test_case("type=bind,type=image,src=z,src=a:1", Some("--mount=type=bind,type=image,source=b"); "the last counts")]
    #[test_case("type=image,type=bind,src=a:1", None)]
    #[test_case("src=image,target=/x", None; "a volume")]
    fn images_that_are_mounted_are_found(value: &str, expected: Option<&str>) {
        let mount = ImageMount::of(value);
        assert_eq!(mount.as_ref().map(|mount| mount.of_another("b")).as_deref(), expected);
        assert!(mount.is_none_or(|mount| mount.image == "a:1"));
    }
}
