//! `trust docker push`

use std::ffi::OsString;

use crate::cli::docker_flags::scan;
use crate::cli::docker_steps::{
    FAILED, fail, is_enforced, push_and_sign, unreadable, without_switch,
};
use crate::cli::docker_tables::PUSH;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::client::docker::Docker;
use crate::oci::Reference;

/// Push and sign: `docker push` as it was with content trust
///
/// Takes the words of `docker push`. What docker says that it pushed is signed.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The words of `docker push`
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Has docker push, and signs each tag that was pushed.
pub fn push(session: &Session, docker: &Docker, words: &[OsString]) -> Result<(), CliError> {
    let scanned = scan(&PUSH, words).map_err(|error| unreadable("push", &error))?;
    let typed = match scanned.words.as_slice() {
        [only] => words.get(*only),
        _ => None,
    };
    let is_help = scanned.is_on("help") == Some(true);
    let Some(image) = typed.filter(|_| !is_help && is_enforced(session, &scanned)) else {
        return Err(docker.become_it(&without_switch("push", words, &scanned)).into());
    };
    let text = image.to_string_lossy();
    let reference =
        Reference::parse(&text).map_err(|error| fail(session, FAILED, &error.to_string()))?;
    if reference.digest().is_some() {
        return Err(fail(session, FAILED, "cannot push a digest reference"));
    }
    if scanned.is_on("all-tags") == Some(true) && reference.tag().is_some() {
        return Err(fail(session, FAILED, "tag can't be used with --all-tags/-a"));
    }
    // Docker never kept quiet about what it signed, and says the digest only then.
    let mut handed = vec![OsString::from("push")];
    handed.extend(scanned.spelt_without(&["quiet", "disable-content-trust"]));
    handed.push(image.clone());
    push_and_sign(session, &session.context()?, docker, &reference, &handed)
}
