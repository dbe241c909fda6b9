//! What the commands in docker's place have in common: docker is handed digests, and what happened
//! is said in docker's words.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::actions::Context;
use crate::actions::docker::Known;
use crate::actions::docker::push::{push, pushed};
use crate::actions::publish::Published;
use crate::actions::sign::{SignError, Signed, SignedTag};
use crate::cli::docker_flags::{FlagError, Given, Scanned};
use crate::cli::docker_words::{of_kind, with_causes};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::outcome::{say_verdict, so_far};
use crate::cli::run::Session;
use crate::cli::ui::{Verbosity, printable};
use crate::client::docker::{Docker, DockerError, Shown};
use crate::oci::Reference;

/// What docker itself exits with where it fails before a container runs.
pub const NOT_RUN: u8 = 125;
/// What docker itself exits with where it fails.
pub const FAILED: u8 = 1;

impl From<DockerError> for CliError {
    fn from(error: DockerError) -> Self {
        match error {
            DockerError::Missing { .. } => Self::new(ErrorKind::NotFound, error)
                .hint("`trust docker --docker PATH` names docker's program"),
            error => Self::new(ErrorKind::Storage, error),
        }
    }
}

/// Docker's program, with the words before every command. Without a path it is the first on the
/// search path, which must not be what started us.
pub fn docker_of(
    session: &Session,
    path: Option<&Path>,
    first: Vec<OsString>,
) -> Result<Docker, CliError> {
    let mut first = first;
    if let Some(folder) = session.settings.unusual_config_dir() {
        first.splice(0..0, ["--config".into(), folder.as_os_str().to_owned()]);
    }
    match path {
        Some(path) => Ok(Docker::new(path, first)),
        None if session.settings.in_docker_chain => {
            let words = "the `docker` that is first on the search path leads back to this program";
            Err(CliError::new(ErrorKind::Usage, words)
                .hint("`trust docker --docker PATH` names docker's program"))
        }
        None => Ok(Docker::new(Path::new(DOCKER), first)),
    }
}

/// Says in docker's place why it fails; the error then says nothing more.
pub fn fail(session: &Session, code: u8, words: &str) -> CliError {
    session.ui.pass_on_lines(words);
    CliError::new(ErrorKind::Command(code), printable(words))
}

/// Docker failed, and said why itself.
pub fn failed(code: u8) -> CliError {
    CliError::new(ErrorKind::Command(code), "docker failed")
}

/// A command line of docker's of which it cannot be told what is the image.
pub fn unreadable(verb: &str, error: &FlagError) -> CliError {
    let command = format!("docker {verb}");
    let words = format!("`{}`: {error}", command.trim_end());
    let refused = CliError::new(ErrorKind::NotRun, words);
    match error {
        FlagError::Unknown { name } => refused
            .hint("it cannot be told whether the word that follows is its value, or the image")
            .hint(format!(
                "`--{name}=VALUE` can be told; a flag without a value is `--{name}=true`"
            )),
        FlagError::UnknownShort { .. } => {
            refused.hint("what a letter means can be told if the flag's long name is written")
        }
        _ => refused,
    }
}

/// Whether content trust is on: it is, unless the flag or the environment says no.
pub fn is_enforced(session: &Session, scanned: &Scanned) -> bool {
    match scanned.is_on(SWITCH) {
        Some(disabled) => !disabled,
        None => !session.settings.content_trust_refused,
    }
}

/// The words of a command without docker's old switch of content trust, which newer ones lack.
pub fn without_switch(verb: &str, arguments: &[OsString], scanned: &Scanned) -> Vec<OsString> {
    rewritten(verb, arguments, scanned, &|given| (given.long == SWITCH).then(Vec::new))
}

/// The words of a command, which begin with those of `verb`, flags replaced where `replace` says by
/// what.
pub fn rewritten(
    verb: &str,
    arguments: &[OsString],
    scanned: &Scanned,
    replace: &dyn Fn(&Given) -> Option<Vec<OsString>>,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = verb.split(' ').map(OsString::from).collect();
    let mut given = scanned.flags.iter().filter_map(|given| Some((given, replace(given)?)));
    let mut next = given.next();
    for (number, word) in arguments.iter().enumerate() {
        while next.as_ref().is_some_and(|(given, _)| given.at.end <= number) {
            next = given.next();
        }
        match &mut next {
            Some((given, instead)) if given.at.contains(&number) => words.append(instead),
            _ => words.push(word.clone()),
        }
    }
    words
}

/// Says what a person should know of what was found; more with `--verbose`, where docker said
/// nothing.
pub fn say_known(session: &Session, known: &Known) {
    if session.ui.verbosity() >= Verbosity::Verbose {
        let reference = known.tagged.as_ref().unwrap_or(&known.pinned);
        return say_verdict(session, reference, &known.verdict);
    }
    for warning in &known.verdict.warnings {
        session.ui.warn(warning);
    }
}

/// How an image is pulled.
#[derive(Debug, Clone)]
pub struct Pulling {
    /// Flags of `docker pull`.
    pub flags: Vec<OsString>,
    /// Say nothing of it.
    pub quiet: bool,
    /// Where docker's words go.
    pub place: Shown,
}

/// Has docker pull the digest that is signed, and give it the tag that was asked for; returns
/// docker's exit code.
pub fn pull_and_tag(
    session: &Session,
    docker: &Docker,
    known: &Known,
    pulling: &Pulling,
) -> Result<u8, CliError> {
    match pull_pinned(session, docker, known, pulling)? {
        0 => tag(session, docker, known),
        code => Ok(code),
    }
}

fn pull_pinned(
    session: &Session,
    docker: &Docker,
    known: &Known,
    pulling: &Pulling,
) -> Result<u8, CliError> {
    let ui = session.ui;
    let mut words = vec![OsString::from("pull")];
    words.extend(pulling.flags.iter().cloned());
    words.push(known.pinned.familiar().into());
    if pulling.quiet {
        words.insert(1, "--quiet".into());
        let answer = docker.ask(&words)?;
        if answer.code != 0 {
            ui.talk(&answer.talk)?;
        }
        return Ok(answer.code);
    }
    let is_seen = match pulling.place {
        Shown::AsOutput => ui.shows_data_to_a_person(),
        Shown::AsTalk => ui.shows_talk_to_a_person(),
    };
    if is_seen {
        return Ok(docker.show(&words, pulling.place)?);
    }
    // At the end docker says the name again; that of the tag stands there instead.
    let last = format!("{}\n", known.pinned);
    let mut written = Ok(());
    let code = docker.follow(&words, None, &mut |line| {
        let shown = match pulling.place {
            _ if line == last.as_bytes() => Ok(()),
            Shown::AsOutput => ui.data(line),
            Shown::AsTalk => ui.talk(line),
        };
        if written.is_ok() {
            written = shown;
        }
    })?;
    written?;
    Ok(code)
}

/// Gives the tag that was asked for to the digest that docker has; returns docker's exit code.
pub fn tag(session: &Session, docker: &Docker, known: &Known) -> Result<u8, CliError> {
    let Some(tagged) = &known.tagged else { return Ok(0) };
    let (pinned, tagged) = (known.pinned.familiar(), tagged.familiar());
    session.ui.pass_on(&format!("Tagging {pinned} as {tagged}"));
    let answer = docker.ask(&["tag", &pinned, &tagged])?;
    if answer.code != 0 {
        session.ui.talk(&answer.talk)?;
    }
    Ok(answer.code)
}

/// Has docker push, and signs what it says that it pushed.
pub fn push_and_sign(
    session: &Session,
    context: &Context,
    docker: &Docker,
    reference: &Reference,
    words: &[OsString],
) -> Result<(), CliError> {
    let mut contents = Vec::new();
    follow_push(session, docker, words, &mut |line| contents.extend(pushed(line)))?;
    if contents.is_empty() {
        let words = "nothing was signed: docker does not say which digest it pushed";
        return Err(fail(session, FAILED, words));
    }
    let tags: Vec<String> = contents.iter().map(|content| content.tag.clone()).collect();
    let signed = session
        .block_on(async { push(context, reference, contents).await.map_err(CliError::from) });
    say_pushed(session, reference, &tags.join(", "), signed)
}

/// Has docker push, shows what it says and passes each line on, and announces the signature.
pub fn follow_push(
    session: &Session,
    docker: &Docker,
    words: &[OsString],
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), CliError> {
    let mut written: io::Result<()> = Ok(());
    let code = docker.follow(words, None, &mut |line| {
        take(line);
        let shown = session.ui.data(line);
        if written.is_ok() {
            written = shown;
        }
    })?;
    if code != 0 {
        return Err(failed(code));
    }
    written?;
    Ok(session.ui.line("Signing and pushing trust metadata")?)
}

/// Says what came of signing what was pushed.
pub fn say_pushed(
    session: &Session,
    reference: &Reference,
    tags: &str,
    signed: Result<Signed, CliError>,
) -> Result<(), CliError> {
    let (ui, name) = (session.ui, reference.name());
    let signed = signed.map_err(|error| not_signed(session, &name, tags, &error))?;
    if signed.published.initialized.is_some() {
        ui.line(format!("Finished initializing {name:?}"))?;
    }
    say_warnings(session, &signed.published);
    for tag in &signed.tags {
        say_signed(session, &name, tag, &signed)?;
    }
    Ok(())
}

/// Says that a tag is signed, or how far that is.
pub fn say_signed(
    session: &Session,
    name: &str,
    tag: &SignedTag,
    signed: &Signed,
) -> Result<(), CliError> {
    let tag_name = &tag.tag;
    let line = match signed.waits(tag) {
        Some(progress) => format!("Proposed {name}:{tag_name}: {}", so_far(progress)),
        None => format!("Successfully signed {name}:{tag_name}"),
    };
    Ok(session.ui.line(line)?)
}

/// Says in docker's words that an image was not signed.
pub fn not_signed(session: &Session, name: &str, tags: &str, error: &CliError) -> CliError {
    if error.ends_everything() {
        return CliError::new(error.kind, "interrupted");
    }
    let words = match error.source.downcast_ref::<SignError>() {
        Some(SignError::NoSigningKey { .. }) => error.source.to_string(),
        _ => with_causes(error),
    };
    let words = match error.kind {
        ErrorKind::Network | ErrorKind::Authentication => of_kind(error, name),
        _ => words,
    };
    fail(session, FAILED, &format!("failed to sign {name}:{tags}: {words}"))
}

/// Warns of what a person should know, and docker never said.
pub fn say_warnings(session: &Session, published: &Published) {
    let ui = session.ui;
    for warning in &published.warnings {
        ui.warn(warning);
    }
    for role in &published.renewed {
        ui.warn(format!("{role} had expired or was about to, and was made valid for long again"));
    }
    for role in &published.still_expired {
        ui.warn(format!("{role} has expired; only its signer can make it valid again"));
    }
    for role in &published.postponed {
        ui.warn(format!("{role} was not changed: what gives it its keys waits for signatures"));
    }
    if let Some(error) = &published.not_cached {
        ui.warn(format!("the trust data could not be cached: {error}"));
    }
}

/// The name of docker's program.
pub const DOCKER: &str = "docker";
/// Docker's switch of content trust.
const SWITCH: &str = "disable-content-trust";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::cli::docker_flags::scan;
    use crate::cli::docker_tables::RUN;

    #[test_case("--disable-content-trust a", "run a")]
    #[test_case("--rm --disable-content-trust=false -e --disable-content-trust a --disable-content-trust", "run --rm -e --disable-content-trust a --disable-content-trust"; "only the flag itself")]
    #[test_case("-- a", "run -- a")]
    fn the_switch_is_not_handed_on(line: &str, expected: &str) {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let scanned = scan(&RUN, &arguments).unwrap();
        let words = without_switch("run", &arguments, &scanned);
        let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words.join(" "), expected);
    }
}
