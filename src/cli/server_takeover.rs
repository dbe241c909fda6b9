//! A notary server and a registry that are taken over where they are, by `trust serve` and by
//! `trust server import-notary` and `import-registry`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::cli::server_import::ImportRow;
use crate::limits::MAX_SERVER_CONFIG_BYTES;
use crate::server::blobs::Adopt;
use crate::server::import::Outcome;
use crate::server::import::notary::{Notary, TakenOver};
use crate::server::import::registry::{NotTaken, RegistryFolder, Told, Totals};
use crate::server::import::source::Source;
use crate::server::{Server, files};

/// What a server is to take over before it answers.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TakeoverArgs {
    /// Take over a notary server first: its database `postgres://…`, a dump of it, or its
    /// server-config.json
    #[arg(long, value_name = "URL|FILE")]
    pub import_notary: Option<String>,

    /// And the keys of its notary-signer, likewise; passphrases are in `NOTARY_SIGNER_…` as there
    #[arg(long, value_name = "URL|FILE", requires = "import_notary")]
    pub import_signer: Option<String>,

    /// Take over the folder of a distribution registry first
    #[arg(long, value_name = "DIR")]
    pub import_registry: Option<PathBuf>,

    /// Copy its blobs, even where a second name for each file would do
    #[arg(long, requires = "import_registry")]
    pub copy: bool,
}

impl TakeoverArgs {
    /// Takes over what was asked for, and says what became of it. What is refused does not keep the
    /// rest from being served.
    pub async fn run(&self, session: &Session, server: &Arc<Server>) -> Result<(), CliError> {
        if let Some(notary) = &self.import_notary {
            let signer = self.import_signer.as_deref();
            let said = |refused: &str, error: CliError| {
                session.ui.error(&error.context(format!("{refused} is not served")));
            };
            let mut summary = Summary::default();
            notary_to(session, server, notary, signer, &mut |done| {
                summary.note(done, &mut |gun, error| said(gun, error));
            })
            .await?;
            session.ui.status(summary.text());
        }
        if let Some(folder) = &self.import_registry {
            let how = adopt(self.copy);
            let totals = registry_to(session, server, folder, how, &mut |name, problem| {
                let error = CliError::from(problem);
                session.ui.error(&error.context(format!("not all of {name} is served")));
            })
            .await?;
            session.ui.status(totals_text(&totals));
        }
        Ok(())
    }
}

/// How blobs are taken over.
pub fn adopt(copy: bool) -> Adopt {
    if copy { Adopt::Copy } else { Adopt::Link }
}

/// Takes a notary server over; `told` hears of each name.
pub async fn notary_to(
    session: &Session,
    server: &Arc<Server>,
    notary: &str,
    signer: Option<&str>,
    told: &mut (dyn FnMut(TakenOver) + Send),
) -> Result<(), CliError> {
    let mut tables = source(session, notary).await?;
    let signer = match signer.filter(|signer| *signer != notary) {
        None => None,
        Some(signer) => Some(source(session, signer).await?),
    };
    let all = tables.count().await.map_err(CliError::from)?;
    let variables = |name: &str| session.settings.environment.secret(name);
    let (mut done, mut last) = (0_u64, Instant::now());
    let mut told = |taken: TakenOver| {
        done += 1;
        if last.elapsed() >= PROGRESS {
            last = Instant::now();
            session.ui.status(format!("{done} of about {all} collections"));
        }
        told(taken);
    };
    let notary = Notary { server: tables, signer };
    Ok(Box::pin(notary.take_over(server, &variables, &mut told)).await?)
}

/// Takes a registry's folder over; `problem` hears of what is not taken.
pub async fn registry_to(
    session: &Session,
    server: &Arc<Server>,
    folder: &Path,
    how: Adopt,
    problem: &mut (dyn FnMut(&str, NotTaken) + Send),
) -> Result<Totals, CliError> {
    let folder = RegistryFolder::open(folder)?;
    let mut last = Instant::now();
    let mut told = |told: Told<'_>| match told {
        Told::NotTaken(name, what) => problem(name, what),
        Told::Progress(totals) => {
            if last.elapsed() >= PROGRESS {
                last = Instant::now();
                session.ui.status(totals_text(totals));
            }
        }
    };
    Ok(Box::pin(folder.take_over(server, how, &mut told)).await?)
}

/// Opens notary's tables, wherever somebody says they are.
async fn source(session: &Session, place: &str) -> Result<Source, CliError> {
    match Place::parse(place)? {
        Place::Postgres(url) => Ok(Source::postgres(&url).await?),
        Place::Dump(path) => {
            let dump =
                files::open(&path).map_err(|error| CliError::new(ErrorKind::NotFound, error))?;
            session.ui.detail(format!("reading {}", path.display()));
            Ok(Source::dump(dump).await?)
        }
    }
}

/// Where notary's tables are.
enum Place {
    Postgres(String),
    Dump(PathBuf),
}

/// notary's own configuration, of the server or the signer.
#[derive(Deserialize)]
struct NotaryConfig {
    storage: StorageConfig,
}

#[derive(Deserialize)]
struct StorageConfig {
    backend: String,
    db_url: Option<String>,
}

impl Place {
    fn parse(text: &str) -> Result<Self, CliError> {
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        if text.starts_with("mysql:") || text.contains("@tcp(") || text.contains("@unix(") {
            return Err(no_mysql());
        }
        if text.contains("://") {
            return Err(CliError::usage("the address is none of PostgreSQL").hint(PLACES));
        }
        let path = PathBuf::from(text);
        if path.extension().is_none_or(|extension| extension != "json") {
            return Ok(Self::Dump(path));
        }
        let config = files::read(&path, MAX_SERVER_CONFIG_BYTES)
            .map_err(|error| CliError::new(ErrorKind::NotFound, error))?;
        let config: NotaryConfig = serde_json::from_slice(&config).map_err(|error| {
            CliError::new(ErrorKind::Usage, error)
                .context(format!("{} is no configuration of notary's", path.display()))
        })?;
        match (config.storage.backend.as_str(), config.storage.db_url) {
            ("postgres", Some(url)) => Self::parse(&url),
            ("mysql", _) => Err(no_mysql()),
            (backend, _) => {
                let words = format!("a notary of the backend `{backend}` is not read");
                Err(CliError::usage(words).hint(PLACES))
            }
        }
    }
}

fn no_mysql() -> CliError {
    CliError::usage("MySQL is read from a dump only")
        .hint("`mysqldump --single-transaction DATABASE > FILE` writes one: give that file")
}

/// What became of all names.
#[derive(Debug, Default)]
pub struct Summary {
    new: u64,
    continued: u64,
    unchanged: u64,
    remembered: u64,
    refused: u64,
    files: u64,
    left_out: u64,
    too_many: u64,
    keys: u64,
    archives: Vec<String>,
}

impl Summary {
    /// Counts one name; an error goes to `refused`. The row for `--json` is returned.
    pub fn note(&mut self, done: TakenOver, refused: &mut dyn FnMut(&str, CliError)) -> ImportRow {
        let TakenOver { gun, outcome, too_many } = done;
        self.too_many += too_many;
        let taken = match outcome {
            Ok(taken) => taken,
            Err(error) => {
                self.refused += 1;
                let error = CliError::from(error);
                let row = ImportRow::refused_name(&gun, &error);
                refused(&gun, error);
                return row;
            }
        };
        *match taken.outcome {
            Outcome::New => &mut self.new,
            Outcome::Continued => &mut self.continued,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Remembered => &mut self.remembered,
        } += 1;
        self.files += taken.stored as u64;
        self.left_out += taken.left_out.len() as u64;
        if taken.outcome != Outcome::Unchanged {
            self.keys += taken.keys as u64;
        }
        if taken.is_archive && taken.outcome != Outcome::Remembered {
            self.archives.push(gun);
        }
        ImportRow::taken(&taken)
    }

    /// The report in words.
    pub fn text(&self) -> String {
        let Self { new, continued, unchanged, refused, files, keys, .. } = self;
        let all = new + continued + unchanged;
        let mut lines = vec![format!(
            "{all} collections are here: {new} new, {continued} continued, {unchanged} as they \
             were; {files} files and {keys} keys taken over"
        )];
        let mut count = |count: u64, words: &str| {
            if count > 0 {
                lines.push(format!("{count} {words}"));
            }
        };
        count(*refused, "refused: nothing of them was changed");
        count(self.remembered, "names that were deleted, or not published yet, are remembered");
        count(self.left_out, "files that do not verify, or do not belong to the rest, left out");
        count(self.too_many, "old files of large collections left out");
        if !self.archives.is_empty() {
            let shown: Vec<&str> = self.archives.iter().take(SHOWN).map(String::as_str).collect();
            let more = if self.archives.len() > SHOWN { ", …" } else { "" };
            lines.push(format!(
                "{} are archives, for their timestamp keys are not here: {}{more}",
                self.archives.len(),
                shown.join(", ")
            ));
        }
        lines.join("\n")
    }
}

/// What was taken over of a registry, in words.
pub fn totals_text(totals: &Totals) -> String {
    let Totals { repositories, manifests, tags, linked, copied, bytes, known, not_taken } = totals;
    let mut text = format!(
        "{repositories} repositories: {manifests} manifests, {tags} tags, {} blobs of {bytes} \
         bytes taken over ({linked} linked, {copied} copied); {known} were here",
        linked + copied
    );
    if *not_taken > 0 {
        text = format!("{text}; {not_taken} not taken");
    }
    text
}

/// What was taken over of a registry, for `--json`.
#[derive(Debug, Default, Serialize)]
pub struct RegistryRow {
    /// Repositories.
    pub repositories: u64,
    /// Manifests that are new here.
    pub manifests: u64,
    /// Tags that were set.
    pub tags: u64,
    /// Blobs that are new here, by a second name for the file.
    pub linked: u64,
    /// Blobs that are new here, as copies.
    pub copied: u64,
    /// Bytes of the new blobs.
    pub bytes: u64,
    /// Blobs, manifests and tags that were here before.
    pub known: u64,
    /// What was not taken, and why.
    pub problems: Vec<ProblemRow>,
}

/// Something of a registry that was not taken.
#[derive(Debug, Default, Serialize)]
pub struct ProblemRow {
    /// The repository.
    pub repository: String,
    /// What is wrong.
    pub problem: String,
}

impl RegistryRow {
    /// Of these totals.
    pub fn new(totals: &Totals, problems: Vec<ProblemRow>) -> Self {
        let Totals { repositories, manifests, tags, linked, copied, bytes, known, .. } = *totals;
        Self { repositories, manifests, tags, linked, copied, bytes, known, problems }
    }
}

/// How often is told how far it is.
const PROGRESS: Duration = Duration::from_secs(10);
/// Names that are told one by one.
const SHOWN: usize = 20;
const PLACES: &str = "what can be read: postgres://…, a dump as `pg_dump` or `mysqldump` write it, \
                      or notary's own server-config.json that names a PostgreSQL";
