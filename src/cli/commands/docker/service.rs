//! `trust docker service`

use std::ffi::OsString;

use crate::actions::docker::run::RunRefusal;
use crate::actions::docker::service::service;
use crate::cli::docker_flags::{Given, scan};
use crate::cli::docker_steps::{
    FAILED, fail, is_enforced, rewritten, say_known, unreadable, without_switch,
};
use crate::cli::docker_tables::{SERVICE_CREATE, SERVICE_UPDATE};
use crate::cli::docker_words::of_run;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::client::docker::Docker;

/// Have docker make and update services of images that are signed
///
/// As `docker service create` and `update` did with content trust. Takes the words of `docker
/// service`. Trust says which digest the tag has, and docker is handed the tag with the digest;
/// other commands are docker's alone.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The words of `docker service`
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// `docker service create` with the digest beside the tag.
pub fn create(session: &Session, docker: &Docker, words: &[OsString]) -> Result<(), CliError> {
    const VERB: &str = "service create";
    let scanned = scan(&SERVICE_CREATE, words).map_err(|error| unreadable(VERB, &error))?;
    let typed = scanned.words.first().and_then(|at| Some((*at, words.get(*at)?)));
    let is_help = scanned.is_on("help") == Some(true);
    let mut words = words.to_vec();
    if let Some((at, image)) = typed.filter(|_| !is_help && is_enforced(session, &scanned)) {
        let signed = in_full(session, &image.to_string_lossy())?;
        if let (Some(signed), Some(word)) = (signed, words.get_mut(at)) {
            *word = signed;
        }
    }
    Err(docker.become_it(&without_switch(VERB, &words, &scanned)).into())
}

/// `docker service update`, which can be given another image by a flag.
pub fn update(session: &Session, docker: &Docker, words: &[OsString]) -> Result<(), CliError> {
    const VERB: &str = "service update";
    let read =
        |words: &[OsString]| scan(&SERVICE_UPDATE, words).map_err(|error| unreadable(VERB, &error));
    // The flag that is replaced must not stand in one word with others.
    let words = &read(words)?.apart(words);
    let scanned = read(words)?;
    let is_help = scanned.is_on("help") == Some(true);
    let image = scanned.value("image").filter(|_| !is_help && is_enforced(session, &scanned));
    let Some(image) = image else {
        return Err(docker.become_it(&without_switch(VERB, words, &scanned)).into());
    };
    let signed = in_full(session, &image.to_string_lossy())?;
    let signed = signed.unwrap_or_else(|| image.to_owned());
    // Docker takes the last one that is given, and now they are all the same.
    let replace = |given: &Given| {
        (given.long == "image").then(|| {
            let mut word = OsString::from("--image=");
            word.push(&signed);
            vec![word]
        })
    };
    Err(docker.become_it(&rewritten(VERB, words, &scanned, &replace)).into())
}

/// The image with tag and digest; nothing if it is an id, which is what it is.
fn in_full(session: &Session, image: &str) -> Result<Option<OsString>, CliError> {
    let context = session.context()?;
    let asked = session.block_on(async { Ok::<_, CliError>(service(&context, image).await) })?;
    let found = asked.map_err(|refusal| {
        let words = match refusal {
            RunRefusal::Reference(error) => format!("invalid reference {image}: {error}"),
            refusal => {
                let words = of_run(refusal, image);
                format!("failed to resolve image digest using content trust: {words}")
            }
        };
        fail(session, FAILED, &words)
    })?;
    let Some(known) = found else { return Ok(None) };
    say_known(session, &known);
    Ok(Some(known.in_full().familiar().into()))
}
