//! `trust docker pull`

use std::ffi::OsString;

use crate::actions::docker::pull::pull as signed;
use crate::cli::docker_flags::scan;
use crate::cli::docker_steps::{
    FAILED, Pulling, fail, failed, is_enforced, pull_and_tag, say_known, unreadable, without_switch,
};
use crate::cli::docker_tables::PULL;
use crate::cli::docker_words::of_pull;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::client::docker::{Docker, Shown};
use crate::oci::Reference;

/// Pull what is signed: `docker pull` as it was with content trust
///
/// Takes the words of `docker pull`. Trust says which digest the tag has, docker pulls the digest,
/// and the tag is put on it.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The words of `docker pull`
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Has docker pull each digest that is signed.
pub fn pull(session: &Session, docker: &Docker, words: &[OsString]) -> Result<(), CliError> {
    let scanned = scan(&PULL, words).map_err(|error| unreadable("pull", &error))?;
    let typed = match scanned.words.as_slice() {
        [only] => words.get(*only),
        _ => None,
    };
    let is_help = scanned.is_on("help") == Some(true);
    let Some(image) = typed.filter(|_| !is_help && is_enforced(session, &scanned)) else {
        return Err(docker.become_it(&without_switch("pull", words, &scanned)).into());
    };
    let image = image.to_string_lossy();
    let reference =
        Reference::parse(&image).map_err(|error| fail(session, FAILED, &error.to_string()))?;
    let all = scanned.is_on("all-tags") == Some(true);
    let quiet = scanned.is_on("quiet") == Some(true);
    let is_named_only = reference.tag().is_none() && reference.digest().is_none();
    if all && !is_named_only {
        return Err(fail(session, FAILED, "tag can't be used with --all-tags/-a"));
    }
    if is_named_only && !all && !quiet {
        session.ui.line("Using default tag: latest")?;
    }
    let context = session.context()?;
    let found =
        session.block_on(async { Ok::<_, CliError>(signed(&context, &reference, all).await) })?;
    let found = found.map_err(|error| fail(session, FAILED, &of_pull(error, &reference)))?;
    let flags = scanned.spelt_without(&["all-tags", "quiet", "disable-content-trust"]);
    let pulling = Pulling { flags, quiet, place: Shown::AsOutput };
    for (number, known) in found.iter().enumerate() {
        say_known(session, known);
        let Some(tagged) = &known.tagged else {
            // It was named by the digest, which is one that is signed.
            return Err(docker.become_it(&without_switch("pull", words, &scanned)).into());
        };
        session.ui.line(format!(
            "Pull ({} of {}): {}@{}",
            number + 1,
            found.len(),
            tagged.familiar(),
            known.verdict.digest
        ))?;
        let code = pull_and_tag(session, docker, known, &pulling)?;
        if code != 0 {
            return Err(failed(code));
        }
    }
    let name = if is_named_only && !all { reference.with_tag("latest")? } else { reference };
    Ok(session.ui.line(name.to_string())?)
}
