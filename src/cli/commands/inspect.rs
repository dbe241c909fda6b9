//! `trust inspect IMAGE…`

use crate::actions::image::gun_of;
use crate::actions::inspect::{InspectError, Inspected, inspect};
use crate::actions::proposals::Proposed;
use crate::actions::update::RefreshError;
use crate::cli::docker_format::{
    Inspection, ProposedTag, ShownProposal, SignedTag, SignerKeys, documents, json, pretty,
};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::outcome::{InTurn, say_first_contact, with_cache_age};
use crate::cli::output::{FormatArgs, verdict_first};
use crate::cli::rescue_source::ArchiveArgs;
use crate::cli::run::Session;
use crate::oci::Reference;

/// Show the signatures of images and the keys behind them
///
/// Prints what `docker trust inspect` prints, byte for byte.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images or repositories
    #[arg(required = true, value_name = "IMAGE[:TAG]")]
    pub images: Vec<String>,

    /// Print for people instead of JSON
    #[arg(long, conflicts_with = "format")]
    pub pretty: bool,

    /// How to print what is known of an image.
    #[command(flatten)]
    pub format: FormatArgs,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,

    /// Answer from what was rescued.
    #[command(flatten)]
    pub archive: ArchiveArgs,
}

impl Args {
    /// Inspects each image; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.format.inspection(&documents(&[sample()]).first())?;
        let mut context = session.context()?;
        let source = self.archive.source(&mut context, self.offline)?;
        let mut inspections = Vec::new();
        let mut turns = InTurn::new(session, self.images.len());
        for image in &self.images {
            turns.take(image, || {
                let reference = Reference::parse(image)?;
                let inspected = session.block_on(async {
                    inspect(&context, &reference, source)
                        .await
                        .map_err(|error| unsigned(image, error))
                        .map_err(|error| match gun_of(&reference) {
                            Ok(gun) => with_cache_age(&context, &gun, error),
                            Err(_) => error,
                        })
                })?;
                for warning in &inspected.warnings {
                    session.ui.warn(warning);
                }
                if inspected.first_use {
                    let repository = reference.familiar_name();
                    say_first_contact(session, &repository, &inspected.root_keys);
                }
                inspections.push(inspection(image, inspected));
                Ok(())
            });
        }
        let printed = if self.pretty {
            session.ui.data(pretty(&inspections)).map(|()| true).map_err(CliError::from)
        } else {
            match output.print(session, &documents(&inspections)) {
                Ok(false) => print_as_docker(session, &inspections),
                printed => printed,
            }
        };
        verdict_first(session, turns.finish(), printed)
    }
}

fn print_as_docker(session: &Session, inspections: &[Inspection]) -> Result<bool, CliError> {
    let json = json(inspections).map_err(|error| CliError::new(ErrorKind::Internal, error))?;
    session.ui.data(json)?;
    Ok(true)
}

/// One of everything that can be shown.
fn sample() -> Inspection {
    let tag = SignedTag { tag: String::new(), digest_hex: String::new(), signers: Vec::new() };
    Inspection {
        signed_tags: vec![tag],
        signers: vec![SignerKeys { name: "x".to_owned(), key_ids: vec![String::new()] }],
        root_keys: vec![String::new()],
        repository_keys: vec![String::new()],
        ..Inspection::default()
    }
}

/// Docker's words for a repository without trust data.
fn unsigned(image: &str, error: InspectError) -> CliError {
    let no_data = matches!(error, InspectError::Refresh(RefreshError::NoTrustData { .. }));
    let error = CliError::from(error);
    if no_data { error.context(format!("no signatures or cannot access {image}")) } else { error }
}

/// What is known of an image, in the shape in which docker shows it.
pub(in crate::cli) fn inspection(image: &str, inspected: Inspected) -> Inspection {
    let texts = |ids: Vec<crate::crypto::KeyId>| ids.iter().map(ToString::to_string).collect();
    let tag = |tag: crate::actions::inspect::InspectedTag| SignedTag {
        tag: tag.tag,
        digest_hex: tag.digest,
        signers: tag.signers,
    };
    let signer = |(name, keys)| SignerKeys { name, key_ids: texts(keys) };
    Inspection {
        name: image.to_owned(),
        signed_tags: inspected.tags.into_iter().map(tag).collect(),
        signers: inspected.signers.into_iter().map(signer).collect(),
        root_keys: texts(inspected.root_keys),
        repository_keys: texts(inspected.repository_keys),
        proposals: inspected.proposed.into_iter().map(shown).collect(),
    }
}

/// A proposal in the shape in which it is shown.
pub(in crate::cli) fn shown(proposed: Proposed) -> ShownProposal {
    let Proposed { progress, signed_by, adds, removes, changes_delegations } = proposed;
    ShownProposal {
        role: progress.role.to_string(),
        version: progress.version,
        signatures: progress.have,
        threshold: progress.need,
        signed_by,
        waiting_for: progress.waiting_for,
        adds: adds.into_iter().map(|(tag, digest)| ProposedTag { tag, digest }).collect(),
        removes,
        changes_signers: changes_delegations,
    }
}
