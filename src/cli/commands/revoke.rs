//! `trust revoke IMAGE[:TAG]`

use crate::actions::image::pull_roles;
use crate::actions::revoke::revoke;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::outcome::{say_published, so_far};
use crate::cli::prompt;
use crate::cli::run::Session;
use crate::cli::trust_error::still_there;
use crate::oci::Reference;
use crate::tuf::RoleName;

/// Take signatures away
///
/// Takes the tag out of every role whose key is here, and says where it still is. Without a tag,
/// all tags of the repository.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image or repository
    #[arg(value_name = "IMAGE[:TAG]")]
    pub image: String,

    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
}

impl Args {
    /// Revokes, after asking if it is about all tags.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let reference = Reference::parse(&self.image)?;
        if reference.tag().is_none() && reference.digest().is_none() && !self.yes {
            let question = format!(
                "Confirm you would like to delete all signature data for {}?",
                reference.familiar_name()
            );
            if !prompt::confirm(session.console().as_ref(), &question)? {
                session.ui.status("Nothing was revoked.");
                return Ok(());
            }
        }
        let context = session.context()?;
        let revoked = session.block_on(revoke(&context, &reference))?;
        say_published(session, &reference.familiar_name(), &revoked.published);
        let waiting: Vec<&RoleName> =
            revoked.published.proposed.iter().map(|progress| &progress.role).collect();
        for (tag, roles) in &revoked.removed {
            let done = roles.iter().filter(|role| !waiting.contains(role));
            let done: Vec<&str> = done.map(RoleName::as_str).collect();
            if !done.is_empty() {
                session.ui.status(format!("{tag} taken out of {}", done.join(", ")));
            }
        }
        let waits = revoked.published.proposed.iter().find(|progress| {
            let names = |(_, roles): &(String, Vec<RoleName>)| roles.contains(&progress.role);
            pull_roles().contains(&progress.role) && revoked.removed.iter().any(names)
        });
        if let Some(progress) = waits {
            // Nothing is gone yet: the tag is as trusted as before.
            let line = format!("Proposed to revoke {}: {}", self.image, so_far(progress));
            session.ui.warn(format!("{} is still trusted", self.image));
            return Ok(session.ui.line(line)?);
        }
        let trusted: Vec<_> = revoked.remaining.iter().filter(|left| left.trusted).collect();
        if trusted.is_empty() {
            for left in &revoked.remaining {
                session.ui.warn(still_there(left));
            }
            let line = format!("Successfully deleted signature for {}", self.image);
            return Ok(session.ui.line(line)?);
        }
        let error = CliError::new(
            ErrorKind::Key,
            format!("{} is revoked in part only, and still trusted", self.image),
        );
        Err(revoked.remaining.iter().map(still_there).fold(error, CliError::hint))
    }
}
