//! `trust resolve IMAGE…`

use serde::Serialize;

use crate::actions::resolve::{Demand, resolve};
use crate::actions::update::Source;
use crate::cli::error::CliError;
use crate::cli::outcome::{InTurn, say_verdict, unverified};
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::oci::Reference;

/// Print the digests that images are trusted to have
///
/// Prints NAME@DIGEST for each, as trust has it; the registry is not asked. Exit codes as those
/// of `trust verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, by tag or by digest
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,

    /// This signer must have signed it ; may be given again, and then each of them must
    #[arg(long = "signer", value_name = "NAME")]
    pub signers: Vec<String>,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,

    /// How to print the digests.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Resolves each image; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let context = session.context()?;
        let source = if self.offline { Source::Cache } else { Source::Server };
        let demand = Demand { source, signers: self.signers };
        let mut rows = Vec::new();
        let mut turns = InTurn::new(session, self.images.len());
        for image in &self.images {
            turns.take(image, || {
                let reference = Reference::parse(image)?;
                let verdict = session.block_on(async {
                    let verdict = resolve(&context, &reference, &demand).await;
                    verdict.map_err(|error| unverified(&context, &reference, error))
                })?;
                say_verdict(session, &reference, &verdict);
                let name = reference.familiar_name();
                let row = Row {
                    image: image.clone(),
                    resolved: format!("{name}@{}", verdict.digest),
                    name: reference.name(),
                    tags: verdict.tags,
                    digest: verdict.digest.to_string(),
                    size: verdict.size,
                };
                if output.is_text() {
                    session.ui.line(&row.resolved)?;
                }
                rows.push(row);
                Ok(())
            });
        }
        let printed = output.print(session, &rows);
        verdict_first(session, turns.finish(), printed)
    }
}

/// An image that is trusted, as `--json` and `--format` print it (`spec/json-output.md`).
#[derive(Debug, Default, Serialize)]
struct Row {
    image: String,
    resolved: String,
    name: String,
    tags: Vec<String>,
    digest: String,
    size: u64,
}
