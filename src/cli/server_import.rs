//! Rescued collections on their way into a server of this machine, and how it is told what became
//! of collections that were brought.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::error::{CliError, ErrorKind};
use crate::cli::output::Output;
use crate::cli::run::Session;
use crate::codec::timestamp::Rfc3339;
use crate::server::Server;
use crate::server::import::request::left_out;
use crate::server::import::{Incoming, Outcome, TakenIn, take_in};
use crate::server::meta::feed::PastChange;
use crate::store::rescue::{FeedRecord, RescueFolder};
use crate::tuf::Gun;
use crate::wire::import::{Imported, LeftOut};

/// Rescued collections that a server is to take in before it answers.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ImportArgs {
    /// Take in what was rescued into this folder first
    #[arg(long, value_name = "DIR")]
    pub import: Option<PathBuf>,

    /// Only this collection of the folder; may be given again
    #[arg(long = "gun", value_name = "GUN", requires = "import")]
    pub guns: Vec<String>,
}

impl ImportArgs {
    /// Takes in what was asked for, and says what became of each collection. One that is refused
    /// does not keep the others from being served.
    pub async fn run(&self, session: &Session, server: &Arc<Server>) -> Result<(), CliError> {
        let Some(path) = &self.import else { return Ok(()) };
        let folder = RescueFolder::open(path)?;
        let guns = wanted(&folder, &self.guns)?;
        let mut count = 0_usize;
        for gun in &guns {
            match take(session, server, &folder, gun).await {
                Ok(row) => {
                    count += 1;
                    session.ui.status(row.text());
                }
                Err(error) => session.ui.error(&error.context(format!("{gun} is not served"))),
            }
        }
        let all = guns.len();
        session.ui.status(format!("{count} of {all} collections of {} are here", path.display()));
        Ok(())
    }
}

/// The collections of a folder, or those of them that were named.
pub fn wanted(folder: &RescueFolder, names: &[String]) -> Result<Vec<Gun>, CliError> {
    let (there, _) = folder.collections()?;
    if names.is_empty() {
        if there.is_empty() {
            let words = format!("there are no collections in {}", folder.path().display());
            return Err(CliError::new(ErrorKind::NotFound, words));
        }
        return Ok(there);
    }
    let named = |name: &String| {
        let gun = Gun::parse(name)?;
        if there.contains(&gun) {
            return Ok(gun);
        }
        let words = format!("there is nothing of {gun} in {}", folder.path().display());
        Err(CliError::new(ErrorKind::NotFound, words))
    };
    names.iter().map(named).collect()
}

/// Takes one collection of a folder in.
pub async fn take(
    session: &Session,
    server: &Arc<Server>,
    folder: &RescueFolder,
    gun: &Gun,
) -> Result<ImportRow, CliError> {
    let kept = folder.collection(gun)?.read()?;
    for finding in &kept.findings {
        session.ui.warn(format!("{gun}: {finding}"));
    }
    let feed = kept.record.map(|record| record.feed).unwrap_or_default();
    let incoming = Incoming {
        gun: gun.clone(),
        files: kept.files.into_iter().map(|file| (file, None)).collect(),
        at_least: 0,
        feed: feed.into_iter().filter_map(past_change).collect(),
        keys: Vec::new(),
    };
    Ok(ImportRow::taken(&take_in(server, incoming, ACTOR).await?))
}

/// Who does it, for the audit.
const ACTOR: &str = "(import)";

fn past_change(line: FeedRecord) -> Option<PastChange> {
    Some(PastChange {
        id: None,
        at: line.at.parse().ok()?,
        version: line.version,
        sha256: line.sha256,
        is_deletion: line.category == "deletion",
    })
}

/// Prints what was done; what was refused has been said.
pub fn print(session: &Session, output: &Output, rows: &[ImportRow]) -> Result<bool, CliError> {
    if output.print(session, rows)? {
        return Ok(true);
    }
    for row in rows.iter().filter(|row| row.problem.is_none()) {
        session.ui.line(row.text())?;
    }
    Ok(false)
}

/// What became of a collection, as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
pub struct ImportRow {
    /// The collection.
    pub gun: String,
    /// `new`, `continued`, `unchanged`, `remembered` or `refused`.
    pub outcome: String,
    /// How many files were stored.
    pub stored: u64,
    /// Whether the server has none of the keys that sign its timestamps.
    pub archive: bool,
    /// When the first of what readers need expires or expired, if that was told.
    pub expires: Option<String>,
    /// What was not stored, and why.
    pub left_out: Vec<LeftOut>,
    /// Why it was refused.
    pub problem: Option<String>,
}

impl ImportRow {
    /// What became of a collection that was taken in.
    pub fn taken(taken: &TakenIn) -> Self {
        let outcome = match taken.outcome {
            Outcome::New => "new",
            Outcome::Continued => "continued",
            Outcome::Unchanged => "unchanged",
            Outcome::Remembered => "remembered",
        };
        Self {
            gun: taken.gun.to_string(),
            outcome: outcome.to_owned(),
            stored: u64::try_from(taken.stored).unwrap_or(u64::MAX),
            archive: taken.is_archive && taken.outcome != Outcome::Remembered,
            expires: taken.expires.as_ref().map(|(_, at)| Rfc3339::utc(*at).to_string()),
            left_out: taken.left_out.iter().map(left_out).collect(),
            problem: None,
        }
    }

    /// What another server did.
    pub fn told(gun: &Gun, imported: Imported) -> Self {
        let Imported { outcome, stored, archive, left_out } = imported;
        let gun = gun.to_string();
        Self { gun, outcome, stored, archive, expires: None, left_out, problem: None }
    }

    /// A collection that was refused.
    pub fn refused(gun: &Gun, error: &CliError) -> Self {
        Self::refused_name(gun.as_str(), error)
    }

    /// What was refused, and may have a name that no collection can have.
    pub fn refused_name(gun: &str, error: &CliError) -> Self {
        let mut problem = error.source.to_string();
        for cause in error.causes() {
            problem = format!("{problem}: {cause}");
        }
        let (gun, outcome) = (gun.to_string(), "refused".to_owned());
        Self { gun, outcome, problem: Some(problem), ..Self::default() }
    }

    /// The row in words.
    pub fn text(&self) -> String {
        let Self { gun, stored, .. } = self;
        let done = match self.outcome.as_str() {
            "new" => format!("{stored} files, all new"),
            "continued" => format!("{stored} new files"),
            "refused" => "refused".to_owned(),
            "remembered" => "no collection now; what was before is remembered".to_owned(),
            _ => "nothing new".to_owned(),
        };
        let mut text = format!("{gun}: {done}");
        if let Some(problem) = &self.problem {
            text = format!("{text}: {problem}");
        }
        if !self.left_out.is_empty() {
            let count = self.left_out.len();
            text = format!("{text}; {count} that do not verify or do not belong to it left out");
        }
        if self.archive {
            text = format!("{text}; an archive, until its owner adopts it");
        }
        text
    }
}
