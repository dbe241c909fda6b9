//! What there is of rescued collections, in words and for programs.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::actions::Context;
use crate::actions::image::gun_of;
use crate::actions::rescue::check::CheckedCollection;
use crate::actions::rescue::{Refusal, RescueError, Rescued, RoleState, in_words};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::human;
use crate::cli::outcome::InTurn;
use crate::cli::output::{Output, verdict_first};
use crate::cli::run::Session;
use crate::cli::table::columns;
use crate::cli::ui::printable;
use crate::clock::Timestamp;
use crate::codec::timestamp::Rfc3339;
use crate::crypto::KeyId;
use crate::oci::Reference;
use crate::store::rescue::{MissingRecord, RescueFolderError};
use crate::tuf::{Gun, RoleName};

/// The collection that a person means: an image's repository, or any other name as it stands.
pub fn gun_of_name(name: &str) -> Result<Gun, CliError> {
    match Reference::parse(name) {
        Ok(reference) => Ok(gun_of(&reference)?),
        Err(_) => Ok(Gun::parse(name)?),
    }
}

/// Says that one collection is done.
pub fn say_progress(session: &Session, rescued: &Rescued) {
    let gun = &rescued.gun;
    match &rescued.error {
        Some(error) if rescued.files == 0 => session.ui.status(format!("{gun}: {error}")),
        Some(error) => session.ui.status(format!("{gun}: {}, then {error}", counts(rescued))),
        None => session.ui.status(format!("{gun}: {}", counts(rescued))),
    }
}

fn counts(rescued: &Rescued) -> String {
    format!("{} files, {} of them new", rescued.files, rescued.new_files)
}

/// Every collection, as `--json` prints them.
#[derive(Debug)]
pub struct Document {
    rows: Vec<Row>,
    errors: Vec<Option<CliError>>,
}

/// A collection, as `--json` and `--format` print it (`spec/json-output.md`).
#[derive(Debug, Default, Serialize)]
pub struct Row {
    repository: String,
    source: String,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    complete: bool,
    files: usize,
    new_files: usize,
    bytes: u64,
    verified: usize,
    changes: usize,
    current: Vec<RoleRow>,
    first_expiry: Option<String>,
    versions: Vec<VersionsRow>,
    refused: Vec<RefusedRow>,
    missing: Vec<MissingRow>,
    findings: Vec<String>,
    remarks: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct RoleRow {
    role: String,
    version: u64,
    expires: Option<String>,
    expired: bool,
    sha256: String,
    threshold: u32,
    keys: Vec<KeyRow>,
}

#[derive(Debug, Default, Serialize)]
struct KeyRow {
    id: String,
    here: bool,
}

#[derive(Debug, Default, Serialize)]
struct VersionsRow {
    role: String,
    count: usize,
    oldest: u64,
    newest: u64,
}

#[derive(Debug, Default, Serialize)]
struct RefusedRow {
    role: String,
    version: Option<u64>,
    sha256: String,
    reason: String,
}

#[derive(Debug, Default, Serialize)]
struct MissingRow {
    name: String,
    answer: String,
    absent: bool,
}

impl Document {
    /// One of everything that can be told.
    pub fn sample() -> Row {
        Row {
            error: Some(String::new()),
            causes: vec![String::new()],
            current: vec![RoleRow { keys: vec![KeyRow::default()], ..RoleRow::default() }],
            versions: vec![VersionsRow::default()],
            refused: vec![RefusedRow::default()],
            missing: vec![MissingRow::default()],
            findings: vec![String::new()],
            remarks: vec![String::new()],
            ..Row::default()
        }
    }

    /// What came of rescuing.
    pub fn of(context: &Context, reports: Vec<Rescued>) -> Result<Self, CliError> {
        let told = Told::of(context)?;
        let rows = reports.into_iter().map(|report| {
            let verdict = verdict_of_rescue(&report);
            told.row(report, Vec::new(), verdict)
        });
        let (rows, errors) = rows.unzip();
        Ok(Self { rows, errors })
    }

    /// What came of checking.
    pub fn of_check(context: &Context, checked: Vec<CheckedCollection>) -> Result<Self, CliError> {
        let told = Told::of(context)?;
        let rows = checked.into_iter().map(|CheckedCollection { report, disagreements }| {
            let verdict = verdict_of_check(&report, disagreements.len());
            told.row(report, disagreements, verdict)
        });
        let (rows, errors) = rows.unzip();
        Ok(Self { rows, errors })
    }

    /// Prints it, and ends with the error that decides the exit code.
    pub fn finish(self, session: &Session, output: &Output) -> Result<(), CliError> {
        let printed = output.print(session, &self.rows);
        if output.is_text() {
            let text: String = self.rows.iter().map(Row::text).collect();
            session.ui.data(text)?;
        }
        let mut turns = InTurn::new(session, self.rows.len());
        for (row, error) in self.rows.iter().zip(self.errors) {
            turns.take(&row.repository, || error.map_or(Ok(()), Err));
        }
        verdict_first(session, turns.finish(), printed)
    }
}

/// What has to be known to tell of collections.
struct Told {
    now: Timestamp,
    keys_here: BTreeSet<KeyId>,
}

impl Told {
    fn of(context: &Context) -> Result<Self, CliError> {
        let keys = context.trust_dir.keys()?.list()?.keys;
        let keys_here = keys.into_iter().map(|key| key.id).collect();
        Ok(Self { now: context.clock.now(), keys_here })
    }

    fn row(
        &self,
        report: Rescued,
        disagreements: Vec<String>,
        verdict: Result<(), CliError>,
    ) -> (Row, Option<CliError>) {
        let error = verdict.err();
        let first = report.current.iter().filter_map(|state| state.expires).min();
        let findings = report.findings.iter().map(ToString::to_string).chain(disagreements);
        let row = Row {
            repository: report.gun.to_string(),
            source: report.place,
            exit_code: error.as_ref().map_or(0, |error| error.kind.exit_code()),
            error: error.as_ref().map(|error| error.source.to_string()),
            causes: error.as_ref().map(CliError::causes).unwrap_or_default(),
            complete: report.complete,
            files: report.files,
            new_files: report.new_files,
            bytes: report.bytes,
            verified: report.verified,
            changes: report.changes,
            current: report.current.iter().map(|state| self.role(state)).collect(),
            first_expiry: first.map(|at| Rfc3339::utc(at).to_string()),
            versions: report
                .versions
                .iter()
                .map(|(role, versions)| VersionsRow {
                    role: role.to_string(),
                    count: versions.len(),
                    oldest: versions.first().copied().unwrap_or_default(),
                    newest: versions.last().copied().unwrap_or_default(),
                })
                .collect(),
            refused: report.refused.iter().map(refused).collect(),
            missing: report.missing.into_iter().map(missing).collect(),
            findings: findings.collect(),
            remarks: report.remarks,
        };
        (row, error)
    }

    fn role(&self, state: &RoleState) -> RoleRow {
        let here = |id: &KeyId| KeyRow { id: id.to_string(), here: self.keys_here.contains(id) };
        RoleRow {
            role: state.role.to_string(),
            version: state.version,
            expires: state.expires.map(|at| Rfc3339::utc(at).to_string()),
            expired: state.expires.is_some_and(|at| at < self.now),
            sha256: state.sha256.to_hex(),
            threshold: state.threshold,
            keys: state.keys.iter().map(here).collect(),
        }
    }
}

fn refused(refusal: &Refusal) -> RefusedRow {
    RefusedRow {
        role: refusal.role.to_string(),
        version: refusal.version,
        sha256: refusal.sha256.to_hex(),
        reason: in_words(&refusal.fault),
    }
}

fn missing(record: MissingRecord) -> MissingRow {
    MissingRow { name: record.name, answer: record.answer, absent: record.absent }
}

/// That some of what is kept does not verify, or has expired, is told, and no failure: it was to be
/// kept. That nothing of it can be believed is one.
fn verdict_of_rescue(report: &Rescued) -> Result<(), CliError> {
    if let Some(error) = &report.error {
        return Err(of_error(report, error));
    }
    let gun = &report.gun;
    if report.current.is_empty()
        && let Some(root) = newest_root(report)
    {
        let words = format!(
            "what was had of {gun} does not belong to root {root}, the newest that is known: its \
             keys did not sign it, or not all is there"
        );
        return Err(CliError::new(ErrorKind::Tampered, words).hint(
            "what was had is kept; if that root was published on another server, as `trust repo \
             adopt` does, that server has what goes with it",
        ));
    }
    if report.current.is_empty() {
        let words = format!("nothing that was had of {gun} can be believed now");
        return Err(CliError::new(ErrorKind::Tampered, words).hint(
            "what was had is kept; the report says what is wrong with each file. If the \
                 repository was set up anew since its root was cached here, another `--trust-dir`, \
                 an empty one, knows nothing of the old root",
        ));
    }
    let unanswered = report.missing.iter().filter(|missing| !missing.absent).count();
    if unanswered > 0 {
        let words = format!("{unanswered} of the questions about {gun} were not answered");
        return Err(CliError::new(ErrorKind::Network, words)
            .hint("what was had is kept: the same command asks for the rest"));
    }
    Ok(())
}

/// The newest root, if timestamps verify as well.
fn newest_root(report: &Rescued) -> Option<u64> {
    report.versions.get(&RoleName::Timestamp)?;
    report.versions.get(&RoleName::Root)?.last().copied()
}

fn verdict_of_check(report: &Rescued, disagreements: usize) -> Result<(), CliError> {
    if let Some(error) = &report.error {
        return Err(of_error(report, error));
    }
    let findings = report.findings.len() + disagreements;
    let refused = report.refused.len();
    if findings + refused == 0 && !report.current.is_empty() {
        return Ok(());
    }
    let gun = &report.gun;
    let mut words = format!("{gun} is not in order: {findings} findings");
    if refused > 0 {
        words = format!("{words}, {refused} files that do not verify");
    }
    if report.current.is_empty() {
        words = format!("{words}, no current set of files");
    }
    Err(CliError::new(ErrorKind::Tampered, words))
}

/// The report keeps its error; what is said of it is all there is to it.
fn of_error(report: &Rescued, error: &RescueError) -> CliError {
    let (kind, hint) = classify_rescue(error);
    let said = CliError::new(kind, in_words(error));
    match hint {
        Some(hint) => said.hint(hint),
        None if report.files > 0 => {
            said.hint("what was had is kept: the same command goes on from there")
        }
        None => said,
    }
}

fn classify_rescue(error: &RescueError) -> (ErrorKind, Option<&'static str>) {
    match error {
        RescueError::NoTrustData { .. } => {
            (ErrorKind::Untrusted, Some("is it the right server? `--from URL` asks another one"))
        }
        RescueError::Server(error) => crate::cli::error::classify_notary(error),
        RescueError::GaveUp { .. } => (
            ErrorKind::Network,
            Some("what was had is kept: the same command goes on where it was given up"),
        ),
        RescueError::Connection(error) => crate::cli::error::classify_connection(error),
        RescueError::Store(error) => crate::cli::error::classify_store(error),
        RescueError::Folder(error) => classify_folder(error),
        RescueError::Feed { .. } => (ErrorKind::Network, None),
        RescueError::NoAnswer { .. } => {
            (ErrorKind::Network, Some("is it a trust server? `--from URL` asks another one"))
        }
        _ => (ErrorKind::Internal, None),
    }
}

pub(super) fn classify_folder(error: &RescueFolderError) -> (ErrorKind, Option<&'static str>) {
    match error {
        RescueFolderError::Store(error) => crate::cli::error::classify_store(error),
        RescueFolderError::NotOne { .. } => {
            (ErrorKind::Storage, Some("`trust rescue --to DIR` makes one"))
        }
        RescueFolderError::Newer { .. } => {
            (ErrorKind::Storage, Some("a newer version of this program wrote it"))
        }
        RescueFolderError::Damaged { .. } => (
            ErrorKind::Storage,
            Some("move the file away: rescuing again, or `trust rescue check`, tells what is left"),
        ),
        RescueFolderError::NotEmpty { .. } => {
            (ErrorKind::Storage, Some("`--to DIR` takes another folder"))
        }
        RescueFolderError::NoCollection { .. } => (ErrorKind::NotFound, None),
        RescueFolderError::Reserved { .. } => (ErrorKind::Usage, None),
        _ => (ErrorKind::Storage, None),
    }
}

impl From<RescueFolderError> for CliError {
    fn from(error: RescueFolderError) -> Self {
        let class = classify_folder(&error);
        Self::of(error, class)
    }
}

impl From<RescueError> for CliError {
    fn from(error: RescueError) -> Self {
        match error {
            RescueError::Server(error) => error.into(),
            RescueError::Connection(error) => error.into(),
            RescueError::Store(error) => error.into(),
            RescueError::Folder(error) => error.into(),
            error => {
                let class = classify_rescue(&error);
                Self::of(error, class)
            }
        }
    }
}

impl Row {
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.repository);
        let mut line = |title: &str, words: &str| {
            text.extend([format!("  {title:<9} {}\n", printable(words))]);
        };
        line("from", &self.source);
        if let Some(error) = &self.error {
            line("problem", error);
        }
        if self.files > 0 {
            let size = human::size(self.bytes);
            let new = match self.new_files {
                0 => String::new(),
                new => format!(", {new} of them new"),
            };
            let verified = self.verified;
            line("kept", &format!("{} files, {size}{new}; {verified} verify", self.files));
            line("complete", if self.complete { "yes" } else { "no" });
        }
        if !self.versions.is_empty() {
            let versions: Vec<String> = self.versions.iter().map(VersionsRow::words).collect();
            line("versions", &versions.join(", "));
        }
        if self.changes > 0 {
            line("changes", &self.changes.to_string());
        }
        for refused in &self.refused {
            line("refused", &refused.words());
        }
        for missing in self.missing.iter().filter(|missing| !missing.absent) {
            line("not had", &format!("{}: {}", missing.name, missing.answer));
        }
        let absent = self.missing.iter().filter(|missing| missing.absent).count();
        if absent > 0 {
            line("not there", &format!("{absent} files that were asked for; --json names them"));
        }
        for finding in &self.findings {
            line("finding", finding);
        }
        for remark in &self.remarks {
            line("remark", remark);
        }
        if !self.current.is_empty() {
            text.push_str(&self.table());
            text.push_str(&self.keys());
        }
        text.push('\n');
        text
    }

    /// The current files, and until when they hold.
    fn table(&self) -> String {
        let header = ["  CURRENT", "VERSION", "EXPIRES", "STATE"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for role in &self.current {
            let day = |at: &String| at.chars().take(10).collect();
            let is_first = role.expires.is_some() && role.expires == self.first_expiry;
            let words = match (role.expired, is_first) {
                (true, _) => "expired",
                (false, true) => "expires first",
                (false, false) => "-",
            };
            rows.push(vec![
                format!("  {}", role.role),
                role.version.to_string(),
                role.expires.as_ref().map_or_else(|| "-".to_owned(), day),
                words.to_owned(),
            ]);
        }
        columns(&rows, 2, false)
    }

    /// Which keys are needed to go on when the server is gone, and who seems to have them.
    fn keys(&self) -> String {
        let mut text = String::new();
        for role in self.current.iter().filter(|role| !role.keys.is_empty()) {
            let base = [RoleName::Root, RoleName::Targets, RoleName::Snapshot, RoleName::Timestamp];
            if !base.iter().any(|base| base.as_str() == role.role) {
                continue;
            }
            let is_servers = matches!(role.role.as_str(), "timestamp" | "snapshot");
            for key in &role.keys {
                let words = match (key.here, is_servers) {
                    (true, _) => "here",
                    (false, true) => "not here: the server's, as it seems, and lost with it",
                    (false, false) => "not here: its owner needs it to go on",
                };
                text.extend(["  key of ", &role.role, ": ", &key.id, ": ", words, "\n"]);
            }
        }
        text
    }
}

impl VersionsRow {
    fn words(&self) -> String {
        let Self { role, count, oldest, newest } = self;
        if oldest == newest {
            format!("{role} {newest}")
        } else {
            format!("{role} {oldest}-{newest} ({count})")
        }
    }
}

impl RefusedRow {
    fn words(&self) -> String {
        let version = self.version.map_or_else(String::new, |version| format!(" {version}"));
        let hash: String = self.sha256.chars().take(12).collect();
        format!("{}{version} ({hash}…): {}", self.role, self.reason)
    }
}
