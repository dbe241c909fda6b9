//! `trust signer ls REPOSITORY`

use serde::Serialize;

use crate::actions::image::gun_of;
use crate::actions::signer::ls::{Signer, Signers, list};
use crate::actions::update::Source;
use crate::cli::commands::inspect::shown;
use crate::cli::docker_format::proposals_table;
use crate::cli::error::CliError;
use crate::cli::outcome::{say_first_contact, with_cache_age};
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::table::columns;
use crate::oci::Reference;

/// List who may sign a repository
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repository
    pub repository: String,

    /// How to print the signers.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,
}

/// A signer as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    name: &'a str,
    keys: Vec<&'a str>,
    threshold: u32,
    paths: &'a [String],
    problem: Option<&'a str>,
}

impl Args {
    /// Prints the signers by name.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row<'_>>()?;
        let reference = Reference::parse(&self.repository)?;
        let context = session.context()?;
        let source = if self.offline { Source::Cache } else { Source::Server };
        let listed = session.block_on(list(&context, &reference, source));
        let listed = listed.map_err(|error| match gun_of(&reference) {
            Ok(gun) => with_cache_age(&context, &gun, error),
            Err(_) => error,
        })?;
        let Signers { signers, proposed, releases_threshold, first_contact } = listed;
        if let Some(root_keys) = first_contact {
            say_first_contact(session, &reference.familiar_name(), &root_keys);
        }
        for signer in &signers {
            if let Some(problem) = &signer.problem {
                session.ui.warn(format!("{} cannot be used: {problem}", signer.name));
            }
        }
        let rows: Vec<Row<'_>> = signers.iter().map(Row::of).collect();
        if output.print(session, &rows)? {
            return Ok(());
        }
        if signers.is_empty() {
            session.ui.status(format!("{} has no signers.", self.repository));
            return Ok(());
        }
        session.ui.data(table(&signers))?;
        if let Some(threshold) = releases_threshold.filter(|threshold| *threshold > 1) {
            session
                .ui
                .line(format!("\nA tag can be pulled when {threshold} of them have signed it."))?;
        }
        if !proposed.is_empty() {
            let proposed: Vec<_> = proposed.into_iter().map(shown).collect();
            session.ui.data(format!("\n{}", proposals_table(&proposed)))?;
        }
        Ok(())
    }
}

impl<'a> Row<'a> {
    fn of(signer: &'a Signer) -> Self {
        Self {
            name: &signer.name,
            keys: signer.keys.iter().map(crate::crypto::public_key::KeyId::as_str).collect(),
            threshold: signer.threshold,
            paths: &signer.paths,
            problem: signer.problem.as_deref(),
        }
    }
}

fn table(signers: &[Signer]) -> String {
    let header = ["SIGNER", "KEYS", "THRESHOLD", "PATHS"].map(str::to_owned).to_vec();
    let mut rows = vec![header];
    for signer in signers {
        let paths = signer.paths.iter().map(|path| match path.as_str() {
            "" => "\"\" <all paths>".to_owned(),
            path => path.to_owned(),
        });
        rows.push(vec![
            signer.name.clone(),
            signer.keys.iter().map(|id| id.short(12)).collect::<Vec<_>>().join(", "),
            signer.threshold.to_string(),
            paths.collect::<Vec<_>>().join(", "),
        ]);
    }
    columns(&rows, 4, false)
}
