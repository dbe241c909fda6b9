//! `trust fsck [CONFIG]`

use std::cmp::Reverse;

use serde::Serialize;

use crate::cli::commands::gc::{StorageArgs, open};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::server::upkeep::fsck::{Checked, Severity, Summary, check};

/// Check everything that a server has stored
///
/// Content against its digests, the database against itself, trust data against its signatures.
/// With SQLite, for a server that is stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server's storage
    #[command(flatten)]
    pub storage: StorageArgs,

    /// Put right what can safely be put right
    #[arg(long)]
    pub repair: bool,

    /// How to print what is wrong
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Checks, and prints what is wrong, the gravest first.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let config = self.storage.config(session)?;
        let mut rows = Vec::new();
        let summary = session.block_on_transfer(async {
            let storage = open(&config).await?;
            let mut tell = |checked: &Checked| rows.push(Row::of(checked));
            let done = check(&storage, self.repair, &mut tell).await;
            storage.meta.close().await;
            Ok::<_, CliError>(done?)
        })?;
        rows.sort_by_key(|row: &Row| Reverse(row.grade));
        if !output.print(session, &rows)? {
            for row in &rows {
                let fate = if row.repaired { " (repaired)" } else { "" };
                session.ui.line(format!("{}: {}{fate}", row.severity, row.problem))?;
            }
        }
        let Summary { blobs, manifests, tags, trust_files, errors, others, repaired, .. } = summary;
        let Summary { archives, expired_archives, .. } = summary;
        session.ui.status(format!(
            "checked {blobs} blobs, {manifests} manifests, {tags} tags, {trust_files} trust files: \
             {errors} errors, {others} other findings, {repaired} repaired"
        ));
        if archives > 0 {
            session.ui.status(format!(
                "{archives} collections are archives, {expired_archives} of them expired: nobody \
                 signs for them here"
            ));
        }
        if errors == 0 {
            return Ok(());
        }
        let error =
            CliError::new(ErrorKind::Storage, format!("{errors} errors are in the storage"));
        Err(if self.repair { error } else { error.hint("`--repair` puts right what can be") })
    }
}

/// A finding.
#[derive(Debug, Serialize)]
struct Row {
    severity: &'static str,
    code: &'static str,
    problem: String,
    repaired: bool,
    #[serde(skip)]
    grade: Severity,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            severity: "",
            code: "",
            problem: String::new(),
            repaired: false,
            grade: Severity::Note,
        }
    }
}

impl Row {
    fn of(checked: &Checked) -> Self {
        let grade = checked.finding.severity();
        let severity = match grade {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        Self {
            severity,
            code: checked.finding.code(),
            problem: checked.finding.to_string(),
            repaired: checked.repaired,
            grade,
        }
    }
}
