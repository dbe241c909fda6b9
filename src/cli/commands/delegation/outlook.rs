//! Warnings about what staged changes of delegations will mean; no command of its own.

use crate::actions::Context;
use crate::actions::delegation::outlook::{Surprise, outlook};
use crate::actions::update::Source;
use crate::cli::collection::path_words;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::StageArgs;
use crate::cli::trust_error::any_of;
use crate::crypto::KeyId;
use crate::tuf::Gun;
use crate::tuf::changelist::Change;

/// Says what was staged, warns of what may surprise somebody, and publishes if that is wanted.
///
/// What is staged only is judged by what is cached, so that nobody is asked.
pub fn finish(
    stage: StageArgs,
    session: &Session,
    context: &Context,
    gun: &Gun,
    staged: &str,
    changes: &[Change],
) -> Result<(), CliError> {
    let source = if stage.publish { Source::Server } else { Source::Cache };
    let surprises = session
        .block_on(async { Ok::<_, CliError>(outlook(context, gun, changes, source).await) })?;
    for surprise in &surprises {
        session.ui.warn(words(gun, surprise));
    }
    stage.finish(session, context, gun, &[staged.to_owned()])
}

fn words(gun: &Gun, surprise: &Surprise) -> String {
    match surprise {
        Surprise::Unsigned { role, here, elsewhere } => {
            let who = match (here.as_slice(), elsewhere.as_slice()) {
                ([], elsewhere) => format!("whoever has {} can mend that with", any_of(elsewhere)),
                (here, _) => format!("{} is here, and mends that with", any_of(here)),
            };
            format!(
                "too few of those who signed what {role} holds may sign for it then, so nobody can \
                 use it until it is signed again; {who} `trust repo witness {gun} {role}`"
            )
        }
        Surprise::TooFewKeys { role, keys, threshold } => format!(
            "{role} has {keys} of the {threshold} keys it needs then, so nobody can sign or use it; \
             `trust delegation add` gives it keys"
        ),
        Surprise::NoPaths { role } => format!(
            "{role} may sign nothing: no path of it is one that the role above may sign; \
             `--paths` and `--all-paths` give it some"
        ),
        Surprise::PathOutside { role, path } => format!(
            "the path {} of {role} counts for nothing: the role above may not sign there",
            path_words(path)
        ),
        Surprise::Reborn { role } => format!(
            "{role} was there before: what it held then counts again, until it is signed anew, if \
             the keys it gets are those that signed it"
        ),
        Surprise::OutOfReach { role } => format!(
            "the delegations of {role} keep the keys: no key of {role} is here to sign without them"
        ),
        Surprise::NoSuchRole { role } => format!("there is no role {role} to remove"),
        Surprise::NoSuchKey { role: Some(role), key } => format!("{role} has no key {key}"),
        Surprise::NoSuchKey { role: None, key } => format!("no delegation has a key {key}"),
        Surprise::NoSuchPath { role, path } => {
            format!("{role} has no path {}", path_words(path))
        }
        Surprise::Impossible(error) => {
            format!("as things are known here, what is staged cannot be published: {error}")
        }
    }
}

/// Reads ids of keys, all 64 digits of each.
pub fn key_ids(gun: &Gun, ids: &[String]) -> Result<Vec<KeyId>, CliError> {
    let read = |id: &String| {
        KeyId::parse(id).map_err(|_| {
            CliError::usage(format!(
                "`{}` is no key id: those have 64 hexadecimal digits",
                id.escape_debug()
            ))
            .hint(format!("`trust delegation ls {gun}` lists them"))
        })
    };
    ids.iter().map(read).collect()
}
