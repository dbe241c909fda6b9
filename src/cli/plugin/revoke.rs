//! `docker trust revoke`

use crate::actions::revoke::{RevokeError, Revoked, revoke as revoked};
use crate::cli::docker_steps::say_warnings;
use crate::cli::docker_words::with_causes;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::outcome::so_far;
use crate::cli::plugin::Plugin;
use crate::cli::trust_error::still_there;
use crate::oci::Reference;

/// Takes a tag's signatures away, or after a question those of all tags.
pub fn revoke(plugin: &Plugin, image: &str, yes: bool) -> Result<(), CliError> {
    let (session, context) = (&plugin.session, &plugin.context);
    let reference = Reference::parse(image).map_err(|error| plugin.fail(&error.to_string()))?;
    if reference.digest().is_some() {
        return Err(plugin.fail("cannot use a digest reference for IMAGE:TAG"));
    }
    if reference.tag().is_none() && !yes {
        let question = format!("Confirm you would like to delete all signature data for {image}?");
        if !plugin.console.confirm(&question)? {
            return Ok(());
        }
    }
    let asked =
        session.block_on(async { Ok::<_, CliError>(revoked(context, &reference).await) })?;
    let Revoked { remaining, published, .. } = asked.map_err(|error| {
        let words = match error {
            RevokeError::NotSigned { tag, .. } => format!("No valid trust data for {tag}"),
            RevokeError::NothingSigned { .. } => "no signed tags to remove".to_owned(),
            RevokeError::NoKeys { .. } => "no valid signing keys for delegation roles".to_owned(),
            error => {
                let error = CliError::from(error);
                if error.kind == ErrorKind::Interrupted {
                    return error;
                }
                with_causes(&error)
            }
        };
        plugin.fail(&format!("could not remove signature for {image}: {words}"))
    })?;
    say_warnings(session, &published);
    if let Some(progress) = published.proposed.first() {
        session.ui.warn(format!("{image} is still trusted"));
        return Ok(session.ui.line(format!("Proposed to revoke {image}: {}", so_far(progress)))?);
    }
    let trusted: Vec<String> =
        remaining.iter().filter(|left| left.trusted).map(still_there).collect();
    if trusted.is_empty() {
        return Ok(session.ui.line(format!("Successfully deleted signature for {image}"))?);
    }
    // Docker reports success here.
    let words = format!("could not remove signature for {image}: {}", trusted.join("; "));
    Err(plugin.fail(&words))
}
