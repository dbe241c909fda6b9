//! `trust docker plugin`

use std::ffi::OsString;

use crate::actions::docker::plugin::{
    PushedError, installed, plugin, pushed_id, sign_pushed, tagged,
};
use crate::cli::docker_flags::scan;
use crate::cli::docker_steps::{
    FAILED, fail, follow_push, is_enforced, say_known, say_pushed, unreadable, without_switch,
};
use crate::cli::docker_tables::{PLUGIN_INSTALL, PLUGIN_PUSH, PLUGIN_UPGRADE};
use crate::cli::docker_words::of_image;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::client::docker::Docker;
use crate::oci::Reference;

/// Have docker install and upgrade plugins that are signed, and sign what is pushed
///
/// As `docker plugin install`, `upgrade` and `push` did with content trust. Takes the words of
/// `docker plugin`. Trust says which digest the tag has, and docker is handed the tag with the
/// digest; other commands are docker's alone.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The words of `docker plugin`
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// `docker plugin install` of the digest that is signed.
pub fn install(session: &Session, docker: &Docker, words: &[OsString]) -> Result<(), CliError> {
    const VERB: &str = "plugin install";
    let scanned = scan(&PLUGIN_INSTALL, words).map_err(|error| unreadable(VERB, &error))?;
    let typed = scanned.words.first().and_then(|at| Some((*at, words.get(*at)?)));
    let is_help = scanned.is_on("help") == Some(true);
    let mut words = words.to_vec();
    if let Some((at, name)) = typed.filter(|_| !is_help && is_enforced(session, &scanned)) {
        let reference = parsed(session, &name.to_string_lossy())?;
        let signed = in_full(session, &reference)?;
        if let Some(word) = words.get_mut(at) {
            *word = signed.into();
        }
    }
    Err(docker.become_it(&without_switch(VERB, &words, &scanned)).into())
}

/// `docker plugin upgrade` to the digest that is signed today.
pub fn upgrade(session: &Session, docker: &Docker, words: &[OsString]) -> Result<(), CliError> {
    const VERB: &str = "plugin upgrade";
    let scanned = scan(&PLUGIN_UPGRADE, words).map_err(|error| unreadable(VERB, &error))?;
    let is_help = scanned.is_on("help") == Some(true);
    let typed = match scanned.words.as_slice() {
        [name] => words.get(*name).map(|name| (name, None)),
        [name, remote] => words.get(*name).zip(Some(words.get(*remote))),
        _ => None,
    };
    let typed = typed.filter(|_| !is_help && is_enforced(session, &scanned));
    let Some((name, remote)) = typed else {
        return Err(docker.become_it(&without_switch(VERB, words, &scanned)).into());
    };
    let question = ["plugin", "inspect", "--format", "{{.Name}} {{.PluginReference}}"];
    let mut question = question.map(OsString::from).to_vec();
    question.extend(["--".into(), name.clone()]);
    let answer = docker.ask(&question)?;
    if answer.code != 0 {
        let said = String::from_utf8_lossy(&answer.talk);
        return Err(fail(session, FAILED, &format!("error reading plugin data: {}", said.trim())));
    }
    let told = String::from_utf8_lossy(&answer.output);
    let (here, from) = told.trim().split_once(' ').unwrap_or((told.trim(), ""));
    let here = parsed(session, here)?;
    let now = if from.is_empty() {
        tagged(&here).ok()
    } else {
        installed(&here, &parsed(session, from)?)
    };
    let wanted = match (remote, &now) {
        (Some(remote), _) => parsed(session, &remote.to_string_lossy())?,
        (None, Some(now)) => now.clone(),
        (None, None) => {
            let words = format!(
                "it cannot be told which tag {} came under: name it after the plugin",
                here.familiar()
            );
            return Err(fail(session, FAILED, &words));
        }
    };
    let signed = in_full(session, &wanted)?;
    let mut handed: Vec<OsString> = VERB.split(' ').map(OsString::from).collect();
    handed.extend(scanned.spelt_without(&["disable-content-trust"]));
    // Docker would ask whether it may be another one, because of the digest.
    if now.is_some_and(|now| tagged(&wanted).is_ok_and(|wanted| wanted == now)) {
        handed.push("--skip-remote-check".into());
    }
    handed.extend(["--".into(), name.clone(), signed.into()]);
    Err(docker.become_it(&handed).into())
}

/// `docker plugin push`, and what was pushed is signed.
pub fn push(session: &Session, docker: &Docker, words: &[OsString]) -> Result<(), CliError> {
    const VERB: &str = "plugin push";
    let scanned = scan(&PLUGIN_PUSH, words).map_err(|error| unreadable(VERB, &error))?;
    let typed = match scanned.words.as_slice() {
        [only] => words.get(*only),
        _ => None,
    };
    let is_help = scanned.is_on("help") == Some(true);
    let Some(name) = typed.filter(|_| !is_help && is_enforced(session, &scanned)) else {
        return Err(docker.become_it(&without_switch(VERB, words, &scanned)).into());
    };
    let name = name.to_string_lossy();
    let reference = parsed(session, &name)?;
    if reference.digest().is_some() {
        return Err(fail(session, FAILED, &format!("invalid name: {name}")));
    }
    let reference = tagged(&reference)?;
    let context = session.context()?;
    let mut ids = Vec::new();
    let handed = without_switch(VERB, words, &scanned);
    follow_push(session, docker, &handed, &mut |line| {
        ids.extend(pushed_id(line).map(str::to_owned));
    })?;
    let signed = session
        .block_on(async { sign_pushed(&context, &reference, &ids).await.map_err(CliError::from) });
    let tag = reference.tag().unwrap_or_default();
    say_pushed(session, &reference, tag, signed)
}

fn parsed(session: &Session, name: &str) -> Result<Reference, CliError> {
    Reference::parse(name).map_err(|error| fail(session, FAILED, &error.to_string()))
}

/// The plugin with tag and digest.
fn in_full(session: &Session, reference: &Reference) -> Result<String, CliError> {
    let context = session.context()?;
    let asked = session.block_on(async { Ok::<_, CliError>(plugin(&context, reference).await) })?;
    let known = asked.map_err(|error| fail(session, FAILED, &of_image(error, reference)))?;
    say_known(session, &known);
    Ok(known.in_full().familiar())
}

impl From<PushedError> for CliError {
    fn from(error: PushedError) -> Self {
        match error {
            PushedError::Sign(error) => error.into(),
            PushedError::Publish(error) => error.into(),
            error @ PushedError::Another { .. } => Self::new(ErrorKind::Tampered, error),
        }
    }
}
