//! The report of an audit: findings and images, as text and as JSON (`spec/audit.md` §5).

use serde::Serialize;

use crate::actions::audit::{
    After, CollectionState, Found, FoundImage, ImageState, Judged, Place, Rule, Severity, Standing,
};
use crate::cli::audit::words;
use crate::cli::audit::words::count;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::findings;
use crate::cli::findings::{Words, day};
use crate::cli::table::columns;
use crate::clock::Timestamp;
use crate::codec::timestamp::Rfc3339;
use crate::oci::Reference;
use crate::tuf::Gun;
use crate::tuf::health::Finding;

/// Everything that an audit tells.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What was found, the gravest first.
    pub findings: Vec<Item>,
    /// The images, by name.
    pub images: Vec<ImageRow>,
    /// The collections that were asked about.
    pub collections: Vec<CollectionRow>,
    /// How many files were looked through.
    pub files: usize,
    /// Findings that were left out.
    pub findings_left_out: usize,
    /// Images that were left out.
    pub images_left_out: usize,
}

/// Something that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// Number of the rule.
    pub rule: &'static str,
    /// Name of the rule.
    pub name: &'static str,
    /// `note`, `warning` or `error`.
    pub severity: &'static str,
    /// The first place, for people.
    pub place: String,
    /// All places.
    pub places: Vec<PlaceRow>,
    /// The image that it is about.
    pub image: Option<String>,
    /// What is so.
    pub text: String,
    /// What to do.
    pub mend: Option<String>,
    /// The rule.
    #[serde(skip)]
    pub of: Rule,
    /// How grave it is.
    #[serde(skip)]
    pub gravity: Severity,
    /// What the exit code says, where the rule does not decide.
    #[serde(skip)]
    pub kind: ErrorKind,
    /// The places as they were found.
    #[serde(skip)]
    pub found_at: Vec<Place>,
}

/// Where something stands.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PlaceRow {
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The variable of this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What the person typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
}

/// An image and how it stands.
#[derive(Debug, Default, Serialize)]
pub struct ImageRow {
    image: String,
    repository: String,
    state: &'static str,
    digest: Option<String>,
    role: Option<String>,
    signers: Vec<String>,
    expires_first: Option<Expiry>,
    server: Option<String>,
    server_closes: Option<&'static str>,
    after_closing: Option<&'static str>,
    places: Vec<PlaceRow>,
}

/// A collection and how it stands.
#[derive(Debug, Default, Serialize)]
pub struct CollectionRow {
    repository: String,
    server: Option<String>,
    server_closes: Option<&'static str>,
    state: &'static str,
    after_closing: Option<&'static str>,
    roles: Vec<RoleRow>,
    problem: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Expiry {
    role: String,
    expires: String,
}

#[derive(Debug, Default, Serialize)]
struct RoleRow {
    role: String,
    expires: String,
    keys_here: bool,
}

/// Why a collection's state cannot be told, or is a no.
struct Problem {
    state: &'static str,
    rule: Rule,
    severity: Severity,
    kind: ErrorKind,
    text: String,
    mend: Option<String>,
}

impl Default for Item {
    fn default() -> Self {
        let words = Words { text: String::new(), mend: None };
        let mut item = Self::new(Rule::NotRead, Severity::Note, words, Vec::new());
        item.places.push(PlaceRow::default());
        item
    }
}

impl Item {
    fn new(of: Rule, gravity: Severity, words: Words, found_at: Vec<Place>) -> Self {
        let (rule, name) = of.id();
        Self {
            rule,
            name,
            severity: words::severity(gravity),
            place: found_at.first().map(shown).unwrap_or_default(),
            places: found_at.iter().map(PlaceRow::of).collect(),
            image: None,
            text: words.text,
            mend: words.mend,
            of,
            gravity,
            kind: if of == Rule::NotRead { ErrorKind::Storage } else { ErrorKind::Policy },
            found_at,
        }
    }
}

impl PlaceRow {
    fn of(place: &Place) -> Self {
        match place {
            Place::Variable(name) => Self { variable: Some(name.clone()), ..Self::default() },
            Place::Typed(text) => Self { typed: Some(text.clone()), ..Self::default() },
            Place::File { path, line, column } => Self {
                file: Some(path.display().to_string()),
                line: *line,
                column: *column,
                ..Self::default()
            },
        }
    }
}

/// A place as a person reads it: `FILE:LINE:COLUMN`.
pub fn shown(place: &Place) -> String {
    match place {
        Place::Variable(name) => format!("${name}"),
        Place::Typed(text) => text.clone(),
        Place::File { path, line, column } => {
            let mut text = path.display().to_string();
            for number in [line, column].into_iter().flatten() {
                text = format!("{text}:{number}");
            }
            text
        }
    }
}

impl Report {
    /// Puts the report together; `judged` is none if nobody was asked.
    pub fn of(found: &Found, judged: Option<Vec<Judged>>, now: Timestamp) -> Self {
        let mut report = Self {
            files: found.files,
            findings_left_out: found.findings_left_out,
            images_left_out: found.images_left_out,
            ..Self::default()
        };
        for finding in &found.findings {
            let words = words::words(finding, now);
            let places = vec![finding.place.clone()];
            report.findings.push(Item::new(finding.rule(), finding.severity(now), words, places));
        }
        match judged {
            Some(judged) => {
                for one in judged {
                    report.judge(&found.images, one, now);
                }
            }
            None => report.images.extend(found.images.iter().map(|image| ImageRow {
                state: "not-asked",
                ..ImageRow::of(image, image.reference.as_ref().and_then(Reference::tag))
            })),
        }
        // The order of what was found stays within each.
        report.findings.sort_by_key(|item| std::cmp::Reverse(item.gravity));
        report.images.sort_by(|a, b| a.image.cmp(&b.image));
        report
    }

    fn judge(&mut self, images: &[FoundImage], judged: Judged, now: Timestamp) {
        let Judged { gun, server, closing, state, images: states } = judged;
        let places: Vec<Place> = images
            .iter()
            .filter(|image| image.gun == gun)
            .flat_map(|image| image.places.iter().cloned())
            .collect();
        let mut collection = CollectionRow {
            repository: gun.to_string(),
            server: server.clone(),
            server_closes: closing.map(|closing| closing.day),
            ..CollectionRow::default()
        };
        match state {
            Ok(state) => {
                let expired = state.findings.iter().any(is_expired);
                collection.state = if expired { "expired" } else { "in-date" };
                collection.after_closing = Some(after_word(state.after));
                collection.roles = roles(&state);
                let items = collection_items(&gun, &state, closing, &places, now);
                self.findings.extend(items);
                for image in &states {
                    let Some(found) = images.get(image.found) else { continue };
                    self.image(found, image, &state, &collection, expired);
                }
            }
            Err(error) => {
                let problem = problem_of(&gun, &error.into());
                collection.state = problem.state;
                collection.problem = Some(problem.text.clone());
                let words = Words { text: problem.text, mend: problem.mend };
                let item = Item::new(problem.rule, problem.severity, words, places);
                let image = Some(gun.to_string());
                self.findings.push(Item { image, kind: problem.kind, ..item });
                for found in images.iter().filter(|image| image.gun == gun) {
                    let tag = found.reference.as_ref().and_then(Reference::tag);
                    self.images.push(ImageRow {
                        state: problem.state,
                        server: server.clone(),
                        server_closes: collection.server_closes,
                        ..ImageRow::of(found, tag)
                    });
                }
            }
        }
        self.collections.push(collection);
    }

    fn image(
        &mut self,
        found: &FoundImage,
        image: &ImageState,
        state: &CollectionState,
        collection: &CollectionRow,
        expired: bool,
    ) {
        let first = state.roles.iter().min_by_key(|role| role.expires);
        let mut row = ImageRow {
            expires_first: first.map(|first| Expiry {
                role: first.role.to_string(),
                expires: Rfc3339::utc(first.expires).to_string(),
            }),
            server: collection.server.clone(),
            server_closes: collection.server_closes,
            after_closing: collection.after_closing,
            ..ImageRow::of(found, image.tag.as_deref())
        };
        let mut item = None;
        match &image.standing {
            Standing::Signed { digest, role, signers } => {
                row.state = if expired { "expired" } else { "signed" };
                row.digest = Some(digest.to_string());
                row.role = Some(role.to_string());
                row.signers.clone_from(signers);
            }
            Standing::Unsigned => {
                row.state = "unsigned";
                let words = Words {
                    text: format!("{} is not signed", row.image),
                    mend: Some("`trust sign IMAGE`, if it should be".to_owned()),
                };
                item = Some((Rule::ImageUnsigned, Severity::Note, words, ErrorKind::Untrusted));
            }
            Standing::OtherDigest { digest } => {
                row.state = "other-digest";
                row.digest = Some(digest.to_string());
                let words = Words {
                    text: format!("{}: {digest} is signed for the tag", row.image),
                    mend: Some("`trust pin` puts the digest that is signed into files".to_owned()),
                };
                item = Some((Rule::ImageRefused, Severity::Error, words, ErrorKind::Moved));
            }
            Standing::Unusable(error) => {
                row.state = "unusable";
                let mut text = format!("{}: {error}", row.image);
                if let Some(cause) = std::error::Error::source(error) {
                    text = format!("{text}: {cause}");
                }
                let mend = Some("`trust repo doctor GUN` says more".to_owned());
                let words = Words { text, mend };
                item = Some((Rule::ImageRefused, Severity::Error, words, ErrorKind::Untrusted));
            }
        }
        if let Some((rule, severity, words, kind)) = item {
            let item = Item::new(rule, severity, words, found.places.clone());
            let image = Some(row.image.clone());
            self.findings.push(Item { image, kind, ..item });
        }
        self.images.push(row);
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.findings.is_empty() {
            let mut rows = vec![["SEVERITY", "RULE", "PLACE", "WHAT"].map(str::to_owned).to_vec()];
            for item in &self.findings {
                let more = item.places.len().saturating_sub(1);
                let more = if more > 0 { format!(" (+{more})") } else { String::new() };
                let place = format!("{}{more}", item.place);
                let cells = [item.severity.to_owned(), item.rule.to_owned(), place];
                rows.push(cells.into_iter().chain([item.text.clone()]).collect());
            }
            text.push_str(&columns(&rows, 2, false));
        }
        if !self.images.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&columns(&self.image_table(), 2, false));
        }
        let mends = self.mends();
        if !mends.is_empty() {
            text.push_str("\nWhat to do\n");
            let rows: Vec<Vec<String>> = mends
                .into_iter()
                .map(|(rules, mend)| vec![format!("  {}", rules.join(", ")), mend.to_owned()])
                .collect();
            text.push_str(&columns(&rows, 2, false));
        }
        text
    }

    fn image_table(&self) -> Vec<Vec<String>> {
        let header =
            ["IMAGE", "STATE", "SIGNERS", "DIGEST", "EXPIRES FIRST", "SERVER", "WHEN THAT CLOSES"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        let blank = || "-".to_owned();
        for image in &self.images {
            let signers = match (image.state, image.signers.as_slice()) {
                ("signed" | "expired", []) => "(Repo Admin)".to_owned(),
                (_, []) => blank(),
                (_, signers) => signers.join(", "),
            };
            let digest = image
                .digest
                .as_deref()
                .map(|digest| digest.chars().take(SHORT_DIGEST).collect::<String>());
            let expires = image.expires_first.as_ref().map(|first| {
                let day: String = first.expires.chars().take(DAY).collect();
                format!("{day} ({})", first.role)
            });
            let closes = match (image.server_closes, image.after_closing) {
                (Some(day), Some("movable")) => format!("{day}: can move, root keys are here"),
                (Some(day), Some("archive")) => {
                    format!("{day}: can be kept, root keys are not here")
                }
                (Some(day), _) => day.to_owned(),
                (None, _) => blank(),
            };
            rows.push(vec![
                image.image.clone(),
                image.state.to_owned(),
                signers,
                digest.unwrap_or_else(blank),
                expires.unwrap_or_else(blank),
                image.server.clone().unwrap_or_else(blank),
                closes,
            ]);
        }
        rows
    }

    /// What to do, each once with the rules that say it, in the order of the findings.
    fn mends(&self) -> Vec<(Vec<&'static str>, &str)> {
        let mut mends: Vec<(Vec<&'static str>, &str)> = Vec::new();
        for item in &self.findings {
            let Some(mend) = item.mend.as_deref() else { continue };
            match mends.iter_mut().find(|(_, said)| *said == mend) {
                Some((rules, _)) if rules.contains(&item.rule) => {}
                Some((rules, _)) => rules.push(item.rule),
                None => mends.push((vec![item.rule], mend)),
            }
        }
        mends
    }

    /// Whether there is anything of this gravity; the error says which exit code that is
    /// (`spec/audit.md` §6).
    pub fn verdict(&self, fail_on: Option<Severity>) -> Result<(), CliError> {
        let Some(least) = fail_on else { return Ok(()) };
        let counted: Vec<&Item> =
            self.findings.iter().filter(|item| item.gravity >= least).collect();
        let errors = || counted.iter().filter(|item| item.gravity == Severity::Error);
        let unknown = |item: &Item| matches!(item.of, Rule::NotRead | Rule::ImageUnknown);
        let kind = if let Some(item) = errors().find(|item| item.kind.is_verdict()) {
            item.kind
        } else if errors().next().is_some() {
            ErrorKind::Policy
        } else if counted.iter().any(|item| !unknown(item)) {
            ErrorKind::Failed
        } else if let Some(item) = counted.first() {
            item.kind
        } else {
            return Ok(());
        };
        let of = |severity| self.findings.iter().filter(|item| item.gravity == severity).count();
        let words = format!(
            "content trust needs attention: {}, {}, {}",
            count(of(Severity::Error), "error"),
            count(of(Severity::Warning), "warning"),
            count(of(Severity::Note), "note")
        );
        Err(CliError::new(kind, words))
    }
}

impl ImageRow {
    fn of(found: &FoundImage, tag: Option<&str>) -> Self {
        let gun = &found.gun;
        let image = match (&found.reference, tag) {
            (Some(reference), _) => reference.familiar(),
            (None, Some(tag)) => format!("{gun}:{tag}"),
            (None, None) => gun.to_string(),
        };
        let places = found.places.iter().map(PlaceRow::of).collect();
        Self { image, repository: gun.to_string(), places, ..Self::default() }
    }
}

fn after_word(after: After) -> &'static str {
    match after {
        After::Stays => "stays",
        After::Movable => "movable",
        After::Archive => "archive",
    }
}

fn is_expired(finding: &Finding) -> bool {
    matches!(finding, Finding::Expired { .. } | Finding::RootOutOfDate { .. })
}

fn roles(state: &CollectionState) -> Vec<RoleRow> {
    let row = |role: &crate::actions::audit::Expiring| RoleRow {
        role: role.role.to_string(),
        expires: Rfc3339::utc(role.expires).to_string(),
        keys_here: role.keys_here,
    };
    state.roles.iter().map(row).collect()
}

/// What is to be told of a collection whose chain was accepted.
fn collection_items(
    gun: &Gun,
    state: &CollectionState,
    closing: Option<&crate::actions::audit::Closing>,
    places: &[Place],
    now: Timestamp,
) -> Vec<Item> {
    let mut items = Vec::new();
    let image = Some(gun.to_string());
    if let Some(closing) = closing {
        let first = state.roles.iter().min_by_key(|role| role.expires);
        let until = first.map(|first| format!("{} ({})", day(first.expires), first.role));
        let until = until.unwrap_or_default();
        let when = words::closes(closing, now);
        let (text, mend) = match state.after {
            After::Archive => (
                format!(
                    "{gun} is signed on {}, which {when}; its root keys are not here",
                    closing.host
                ),
                format!(
                    "`trust rescue {gun}` keeps what can be read until {until}; its owner takes it \
                     over with `trust repo adopt`"
                ),
            ),
            _ => (
                format!(
                    "{gun} is signed on {}, which {when}; its root keys are here",
                    closing.host
                ),
                format!(
                    "`trust rescue {gun}`, `trust serve --import` on another server, then `trust \
                     repo adopt {gun}`"
                ),
            ),
        };
        let severity = if closing.is_near(now) { Severity::Error } else { Severity::Warning };
        let words = Words { text, mend: Some(mend) };
        let item = Item::new(Rule::ImageOnClosingServer, severity, words, places.to_vec());
        items.push(Item { image: image.clone(), ..item });
    }
    for finding in &state.findings {
        let words = findings::words(gun.as_str(), finding);
        let words = Words { text: format!("{gun}: {}", words.text), ..words };
        let (rule, severity, kind) = if is_expired(finding) {
            (Rule::ImageExpired, Severity::Error, ErrorKind::Expired)
        } else {
            (Rule::ImageExpiresSoon, Severity::Warning, ErrorKind::Policy)
        };
        let item = Item::new(rule, severity, words, places.to_vec());
        items.push(Item { image: image.clone(), kind, ..item });
    }
    items
}

fn problem_of(gun: &Gun, error: &CliError) -> Problem {
    let mut text = format!("{gun}: {}", error.source);
    error.causes().iter().for_each(|cause| text = format!("{text}: {cause}"));
    let (state, rule, severity) = match error.kind {
        ErrorKind::Untrusted => ("unsigned", Rule::ImageUnsigned, Severity::Note),
        ErrorKind::Expired => ("expired", Rule::ImageExpired, Severity::Error),
        kind if kind.is_verdict() => ("refused", Rule::ImageRefused, Severity::Error),
        ErrorKind::Policy => ("refused", Rule::ImageRefused, Severity::Error),
        ErrorKind::Authentication => ("unauthorized", Rule::ImageUnknown, Severity::Warning),
        _ => ("unreachable", Rule::ImageUnknown, Severity::Warning),
    };
    let mend = error.hints.first().cloned();
    Problem { state, rule, severity, kind: error.kind, text, mend }
}

/// Characters of a digest in the table, its algorithm among them.
const SHORT_DIGEST: usize = 19;
/// Characters of a day in RFC 3339.
const DAY: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn item(rule: Rule, gravity: Severity, kind: ErrorKind) -> Item {
        let words = Words { text: "x".to_owned(), mend: None };
        Item { kind, ..Item::new(rule, gravity, words, Vec::new()) }
    }

    fn code(findings: Vec<Item>, fail_on: Option<Severity>) -> Option<u8> {
        let report = Report { findings, ..Report::default() };
        report.verdict(fail_on).err().map(|error| error.kind.exit_code())
    }

    #[test]
    fn the_exit_code_tells_the_gravest() {
        let note = || item(Rule::ContentTrustOff, Severity::Note, ErrorKind::Policy);
        let warning = || item(Rule::ContentTrustOn, Severity::Warning, ErrorKind::Policy);
        let error = || item(Rule::ClosingServer, Severity::Error, ErrorKind::Policy);
        let expired = || item(Rule::ImageExpired, Severity::Error, ErrorKind::Expired);
        let unreachable = || item(Rule::ImageUnknown, Severity::Warning, ErrorKind::Network);
        let fail_on = Some(Severity::Warning);
        assert_eq!(code(vec![note()], fail_on), None);
        assert_eq!(code(vec![note()], Some(Severity::Note)), Some(15));
        assert_eq!(code(vec![note(), unreachable()], fail_on), Some(10));
        assert_eq!(code(vec![unreachable(), warning()], fail_on), Some(15));
        assert_eq!(code(vec![warning(), error()], fail_on), Some(12));
        assert_eq!(code(vec![error(), expired()], fail_on), Some(6));
        assert_eq!(code(vec![warning()], Some(Severity::Error)), None);
        assert_eq!(code(vec![error(), expired()], None), None);
    }

    #[test]
    fn what_to_do_is_said_once() {
        let words = || Words { text: "x".to_owned(), mend: Some("do it".to_owned()) };
        let item = || Item::new(Rule::ContentTrustOn, Severity::Warning, words(), Vec::new());
        let report = Report { findings: vec![item(), item()], ..Report::default() };
        assert_eq!(report.text().matches("do it").count(), 1);
    }
}
