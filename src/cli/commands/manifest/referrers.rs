//! `trust manifest referrers IMAGE`

use std::collections::BTreeMap;

use serde::Serialize;

use crate::actions::manifest::referrers::{Listing, referrers};
use crate::cli::error::CliError;
use crate::cli::outcome::say_left_out;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::table::tab_stops;
use crate::cli::ui::printable;
use crate::client::registry::Keeper;
use crate::oci::Reference;
use crate::wire::referrers::Referrer;

/// List the manifests that refer to an image
///
/// Signatures, bills of material and the like. Nothing that the list says is verified.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image, by tag or by digest
    pub image: String,

    /// Only those of this type
    #[arg(long, value_name = "TYPE")]
    pub artifact_type: Option<String>,

    /// How to print them
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Prints one manifest a line.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let reference = Reference::parse(&self.image)?;
        let context = session.context()?;
        let artifact_type = self.artifact_type.as_deref();
        let Listing { subject, referrers: found } =
            session.block_on(referrers(&context, &reference, artifact_type))?;
        say_left_out(session, found.left_out, "manifest");
        session.ui.detail(match found.keeper {
            Keeper::Registry => "the registry keeps the list".to_owned(),
            Keeper::Clients => "the registry keeps no list; those who push do, in a tag".to_owned(),
        });
        let rows: Vec<Row> = found.entries.iter().map(|entry| Row::of(&reference, entry)).collect();
        if output.print(session, &rows)? {
            return Ok(());
        }
        if rows.is_empty() {
            let name = reference.familiar_name();
            session.ui.status(format!("Nothing refers to {name}@{subject}"));
            return Ok(());
        }
        Ok(session.ui.data(table(&rows))?)
    }
}

fn table(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let artifact_type = printable(row.artifact_type.as_deref().unwrap_or_default());
        format!("{}\t{artifact_type}\t{}\n", row.digest, row.size)
    };
    let lines: String = rows.iter().map(line).collect();
    tab_stops(&format!("DIGEST\tARTIFACT TYPE\tSIZE\n{lines}"))
}

/// A referrer as `--json` and `--format` print it (`spec/json-output.md`).
#[derive(Debug, Default, Serialize)]
struct Row {
    repository: String,
    digest: String,
    media_type: String,
    artifact_type: Option<String>,
    size: u64,
    annotations: BTreeMap<String, String>,
}

impl Row {
    fn of(reference: &Reference, entry: &Referrer) -> Self {
        Self {
            repository: reference.familiar_name(),
            digest: entry.digest.to_string(),
            media_type: entry.media_type.clone(),
            artifact_type: entry.artifact_type.clone(),
            size: entry.size,
            annotations: entry.annotations.clone(),
        }
    }
}
