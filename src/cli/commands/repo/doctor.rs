//! `trust repo doctor GUN…`

use jiff::Span;
use serde::Serialize;

use crate::actions::repo::doctor::{KeyRemark, Remark, Report, Request, Step, doctor, keys};
use crate::actions::update::Source;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::findings;
use crate::cli::findings::Words;
use crate::cli::guns::{duration, named_or_all};
use crate::cli::outcome::{InTurn, say_first_contact};
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::cli::table::columns;
use crate::cli::ui::printable;
use crate::clock::Timestamp;
use crate::codec::timestamp::Rfc3339;
use crate::store::KeyInfo;
use crate::tuf::RoleName;
use crate::tuf::health::{Health, RoleState, Severity};

/// Say what is about to expire, who can sign, what is broken and what mends it
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["guns", "all"])))]
pub struct Args {
    /// Repositories or collections, by their full names
    #[arg(value_name = "GUN")]
    pub guns: Vec<String>,

    /// Every repository in the trust directory
    #[arg(long)]
    pub all: bool,

    /// How far ahead to look [default: 6mo]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub within: Option<Span>,

    /// How to print what was found.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Ask nobody: judge the cache
    #[arg(long)]
    pub offline: bool,
}

/// Everything, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Document {
    repositories: Vec<Judged>,
    keys: Vec<Item>,
}

/// A repository, as `--format` prints it.
#[derive(Debug, Default, Serialize)]
struct Judged {
    repository: String,
    healthy: bool,
    exit_code: u8,
    server: Option<String>,
    clock_ahead_seconds: Option<i64>,
    chain_accepted: bool,
    current: bool,
    roles: Vec<RoleRow>,
    findings: Vec<Item>,
    steps: Vec<Stage>,
}

#[derive(Debug, Default, Serialize)]
struct RoleRow {
    role: String,
    version: Option<u64>,
    expires: Option<String>,
    days_left: Option<i64>,
    threshold: u32,
    keys_here: u32,
    can_sign: bool,
    keys: Vec<Key>,
}

#[derive(Debug, Default, Serialize)]
struct Key {
    id: String,
    canonical_id: Option<String>,
    path: Option<String>,
    certificate_expires: Option<String>,
}

/// Something that was found.
#[derive(Debug, Serialize)]
struct Item {
    id: &'static str,
    severity: &'static str,
    role: Option<String>,
    text: String,
    mend: Option<String>,
    #[serde(skip)]
    kind: ErrorKind,
}

#[derive(Debug, Default, Serialize)]
struct Stage {
    role: String,
    cached: bool,
    accepted: bool,
    text: String,
}

impl Args {
    /// Looks every repository over, then the key files.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.inspection(&Judged::sample())?;
        let context = session.context()?;
        let guns = named_or_all(&context, &self.guns, self.all)?;
        let source = if self.offline { Source::Cache } else { Source::Server };
        let request = Request { source, within: self.within };
        let now = context.clock.now();
        let mut reports = Vec::new();
        for gun in &guns {
            let work = async { Ok::<_, CliError>(doctor(&context, gun, &request).await) };
            reports.push(session.block_on(work)?);
        }
        let stored = context.trust_dir.keys().and_then(|store| store.list());
        let stored = stored.map(|list| list.keys).unwrap_or_default();
        let remarks = keys(&context, &reports)?;
        let mut document = Document { repositories: Vec::new(), keys: Vec::new() };
        document.keys.extend(remarks.iter().map(Item::of_key));
        for report in reports {
            if let Some(root_keys) = &report.first_contact {
                say_first_contact(session, report.gun.as_str(), root_keys);
            }
            document.repositories.push(Judged::of(report, &stored, now));
        }
        let printed = output.print_as(session, &document, &document.repositories);
        if output.is_text() {
            session.ui.data(document.text())?;
        }
        verdict_first(session, document.verdict(session), printed)
    }
}

impl Document {
    fn text(&self) -> String {
        let mut text = String::new();
        for repository in &self.repositories {
            text.push_str(&repository.text());
            text.push('\n');
        }
        if !self.keys.is_empty() {
            text.push_str("Keys on this machine\n");
            self.keys.iter().for_each(|item| text.push_str(&item.text()));
        }
        text
    }

    fn verdict(&self, session: &Session) -> Result<(), CliError> {
        let mut turns = InTurn::new(session, self.repositories.len());
        for repository in &self.repositories {
            turns.take(&repository.repository, || repository.verdict());
        }
        let keys = count(&self.keys, "warning");
        if keys > 0 {
            turns.take("keys", || {
                let words = format!("{} on this machine to be mended", counted(keys, "key file"));
                Err(CliError::new(ErrorKind::Policy, words))
            });
        }
        turns.finish()
    }
}

impl Judged {
    /// One of everything that can be found.
    fn sample() -> Self {
        let words = Words { text: String::new(), mend: None };
        Self {
            roles: vec![RoleRow { keys: vec![Key::default()], ..RoleRow::default() }],
            findings: vec![Item::new("", Severity::Note, None, words, ErrorKind::Policy)],
            steps: vec![Stage::default()],
            ..Self::default()
        }
    }

    fn of(report: Report, stored: &[KeyInfo], now: Timestamp) -> Self {
        let gun = report.gun.as_str().to_owned();
        let mut items = Vec::new();
        let steps = report.steps.iter().map(Stage::of).collect();
        let chain_accepted = report.broken.is_none();
        if let Some(error) = report.broken {
            let id = findings::broken_id(&error);
            let error = CliError::from(error);
            let mut text = error.source.to_string();
            error.causes().iter().for_each(|cause| text = format!("{text}: {cause}"));
            items.push(Item {
                id,
                severity: findings::severity(Severity::Problem),
                role: None,
                text,
                mend: error.hints.first().cloned(),
                kind: error.kind,
            });
        }
        for finding in report.health.iter().flat_map(|health| &health.findings) {
            let kind = findings::kind(finding);
            let words = findings::words(&gun, finding);
            let role = Some(finding.role().to_string());
            items.push(Item::new(finding.id(), finding.severity(), role, words, kind));
        }
        for remark in &report.remarks {
            let words = findings::remark(&gun, remark);
            let kind = match remark {
                Remark::TimestampRefused(_) => ErrorKind::Network,
                _ => ErrorKind::Policy,
            };
            items.push(Item::new(remark.id(), remark.severity(), None, words, kind));
        }
        let mut repository = Self {
            healthy: !items.iter().any(|item| item.severity != "note"),
            exit_code: 0,
            server: report.server,
            clock_ahead_seconds: report.clock_ahead,
            chain_accepted,
            current: report.is_current,
            roles: report.health.map(|health| roles(&health, stored, now)).unwrap_or_default(),
            findings: items,
            steps,
            repository: gun,
        };
        repository.exit_code = repository.verdict().err().map_or(0, |error| error.kind.exit_code());
        repository
    }

    /// A verdict goes before other problems, a problem before a warning.
    fn verdict(&self) -> Result<(), CliError> {
        let problems = self.findings.iter().filter(|item| item.severity == "problem");
        let verdict = problems.clone().find(|item| item.kind.is_verdict());
        let kind = verdict.or_else(|| problems.clone().next()).map(|item| item.kind);
        let warnings = count(&self.findings, "warning");
        let kind = match kind {
            Some(kind) => kind,
            None if warnings > 0 => ErrorKind::Policy,
            None => return Ok(()),
        };
        let words = format!(
            "{} is not in order: {}, {}",
            self.repository,
            counted(problems.count(), "problem"),
            counted(warnings, "warning")
        );
        Err(CliError::new(kind, words))
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.repository);
        let says = match (&self.server, self.chain_accepted, self.current) {
            (Some(server), true, true) => format!("{server} was asked; the chain is whole"),
            (Some(server), false, _) => format!("{server} was asked; there is no chain that holds"),
            (_, true, _) => "nobody was asked; the chain in the cache is whole".to_owned(),
            _ => "nobody was asked; the cache has no chain that holds".to_owned(),
        };
        text.extend(["  ", &printable(&says), "\n"]);
        if !self.roles.is_empty() {
            if !self.current && self.server.is_some() {
                text.push_str("  as far as the cache knows:\n");
            }
            text.push_str(&self.table());
        }
        self.findings.iter().for_each(|item| text.push_str(&item.text()));
        if !self.steps.is_empty() {
            text.push_str("  file by file:\n");
            let rows: Vec<Vec<String>> = self.steps.iter().map(Stage::row).collect();
            text.push_str(&columns(&rows, 2, false));
        }
        if self.findings.is_empty() {
            text.push_str("  nothing to mend\n");
        }
        text
    }

    fn table(&self) -> String {
        let header = ["  ROLE", "VERSION", "EXPIRES", "DAYS LEFT", "KEYS HERE", "CAN SIGN"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for role in &self.roles {
            let blank = || "-".to_owned();
            let can_sign = match (role.can_sign, role.keys_here) {
                (true, _) => "yes".to_owned(),
                (false, 0) if matches!(role.role.as_str(), "timestamp" | "snapshot") => {
                    "no (the server's)".to_owned()
                }
                (false, 0) => "no".to_owned(),
                (false, here) => format!("{here} of {}", role.threshold),
            };
            rows.push(vec![
                format!("  {}", role.role),
                role.version.map_or_else(blank, |version| version.to_string()),
                role.expires.as_ref().map_or_else(blank, |at| at.chars().take(10).collect()),
                role.days_left.map_or_else(blank, |days| days.to_string()),
                format!("{} of {}, {} needed", role.keys_here, role.keys.len(), role.threshold),
                can_sign,
            ]);
        }
        let mut text = columns(&rows, 2, false);
        for role in &self.roles {
            for key in &role.keys {
                let id = key.canonical_id.as_ref().unwrap_or(&key.id);
                let place = key.path.as_deref().map_or("not here".to_owned(), printable);
                let until = key.certificate_expires.as_ref().map(|until| {
                    format!(
                        ", certificate {} until {}",
                        key.id,
                        until.chars().take(10).collect::<String>()
                    )
                });
                let until = until.unwrap_or_default();
                text.extend(["  key of ", &role.role, ": ", id, &until, ": ", &place, "\n"]);
            }
        }
        text
    }
}

impl Item {
    fn new(
        id: &'static str,
        severity: Severity,
        role: Option<String>,
        words: Words,
        kind: ErrorKind,
    ) -> Self {
        let Words { text, mend } = words;
        Self { id, severity: findings::severity(severity), role, text, mend, kind }
    }

    fn of_key(remark: &KeyRemark) -> Self {
        let words = findings::key_remark(remark);
        Self::new(remark.id(), remark.severity(), None, words, ErrorKind::Policy)
    }

    fn text(&self) -> String {
        let mut text = format!("  {}: {}\n", self.severity, printable(&self.text));
        if let Some(mend) = &self.mend {
            text.extend(["    mend: ", &printable(mend), "\n"]);
        }
        text
    }
}

impl Stage {
    fn of(step: &Step) -> Self {
        Self {
            role: step.role.to_string(),
            cached: step.cached,
            accepted: step.outcome.is_ok(),
            text: findings::step_outcome(&step.outcome),
        }
    }

    fn row(&self) -> Vec<String> {
        let from = if self.cached { "cache" } else { "server" };
        vec![format!("    {}", self.role), from.to_owned(), self.text.clone()]
    }
}

fn roles(health: &Health, stored: &[KeyInfo], now: Timestamp) -> Vec<RoleRow> {
    health.roles.iter().map(|state| RoleRow::of(state, stored, now)).collect()
}

impl RoleRow {
    fn of(state: &RoleState, stored: &[KeyInfo], now: Timestamp) -> Self {
        let days =
            |at: Timestamp| at.as_second().saturating_sub(now.as_second()).div_euclid(86_400);
        let keys = state.keys.iter().map(|key| {
            let file = stored.iter().find(|info| key.canonical.as_ref() == Some(&info.id));
            Key {
                id: key.id.to_string(),
                canonical_id: key.canonical.as_ref().map(ToString::to_string),
                path: file.map(|info| info.path.display().to_string()),
                certificate_expires: key.certificate_until.map(|at| Rfc3339::utc(at).to_string()),
            }
        });
        Self {
            role: state.role.to_string(),
            version: state.version,
            expires: state.expires.map(|at| Rfc3339::utc(at).to_string()),
            days_left: state.expires.map(days),
            threshold: state.signers.need,
            keys_here: state.signers.here,
            can_sign: state.signers.are_enough() && state.role != RoleName::Timestamp,
            keys: keys.collect(),
        }
    }
}

fn counted(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

fn count(items: &[Item], severity: &str) -> usize {
    items.iter().filter(|item| item.severity == severity).count()
}
