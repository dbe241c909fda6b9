//! `trust manifest rm IMAGE…`

use crate::actions::manifest::rm::{Deleted, Reach, Request, rm};
use crate::cli::error::CliError;
use crate::cli::outcome::InTurn;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::oci::Reference;

/// Delete manifests from their registry
///
/// A registry deletes by digest, and all tags of the digest go with it: where others than the one
/// named would go, nothing is deleted without `--force`. Signatures stay as they are.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, by tag or by digest
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Delete even if other tags go with it
    #[arg(long, short = 'f')]
    pub force: bool,

    /// Delete the tag alone and leave its manifest, where the registry can do that
    #[arg(long, conflicts_with = "force")]
    pub untag: bool,
}

impl Args {
    /// Prints what is gone, in docker's words.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let context = session.context()?;
        let reach = match (self.force, self.untag) {
            (_, true) => Reach::TagAlone,
            (true, false) => Reach::AllTags,
            (false, false) => Reach::Named,
        };
        let mut turns = InTurn::new(session, self.images.len());
        for image in &self.images {
            turns.take(image, || {
                let reference = Reference::parse(image)?;
                let ask_trust = session.settings.content_trust;
                let request = Request { reference, reach, ask_trust };
                let deleted = session.block_on(rm(&context, &request))?;
                report(session, &request.reference, deleted)
            });
        }
        turns.finish()
    }
}

fn report(session: &Session, reference: &Reference, deleted: Deleted) -> Result<(), CliError> {
    let name = reference.familiar_name();
    let untagged = deleted.tags.iter().map(|tag| format!("Untagged: {name}:{tag}"));
    let digest = deleted.digest.iter().map(|digest| format!("Deleted: {name}@{digest}"));
    let lines: String = untagged.chain(digest).map(|line| printable(&line) + "\n").collect();
    session.ui.data(lines)?;
    for tag in &deleted.still_signed {
        session.ui.warn(format!(
            "{name}:{tag} is still signed; `trust revoke {name}:{tag}` takes the signature back"
        ));
    }
    match deleted.stale_list {
        None => Ok(()),
        Some(error) => Err(CliError::from(error)
            .context("the manifest is gone, but the list of referrers still names it")),
    }
}
