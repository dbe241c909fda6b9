//! The client's configuration file: notary's members and, under `trust`, ours
//! (`spec/configuration.md`; notary.md §6).
//!
//! It is read with the place of every value, so that an error names line and column, and changed
//! by replacing the text of one value: everything else stays as its author wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::crypto::KeyId;
use crate::crypto::certificate::Certificate;
use crate::limits::{
    MAX_CONFIG_BYTES, MAX_CONFIGURED_BYTES, MAX_KEY_FILE_BYTES, MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES,
};
use crate::store::StoreError;
use crate::store::files::{
    Base, LockKind, PRIVATE_MODE, create_user_folder, mode, read_user_file,
    read_user_file_if_present, replace_file, resolve,
};
use crate::store::registry_rules::RegistryRules;
use crate::tuf::Pinning;
use crate::tuf::rules::{Bounds, EqualTimestamp, MissingDelegation, RootWalk};

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file, or one that it names, cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A format that notary reads, too, and we do not.
    #[error("{} is not JSON, and no other format is read", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The text is not JSON.
    #[error("{} is not valid JSON", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
    /// A value is not what its member holds.
    #[error("{}, line {line} column {column}: `{member}` {problem}", path.display())]
    Member {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
        /// The member, such as `remote_server.url`.
        member: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A pinned authority's file holds no certificate that can be read.
    #[error("{}, the authority pinned for `{name}`, holds no usable certificate", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The name in `trust_pinning.ca`.
        name: String,
    },
}

/// What a configuration file says; absent members are `None` or empty.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// `trust_dir`, as written.
    pub trust_dir: Option<String>,
    /// `remote_server`.
    pub remote_server: RemoteServer,
    /// `trust_pinning`.
    pub pins: Pins,
    /// `trust`.
    pub own: OwnConfig,
    /// `trust.registry_mirrors` and `trust.insecure_registries`.
    pub registries: RegistryRules,
    /// What is probably not meant as it stands.
    pub warnings: Vec<String>,
}

/// The member `remote_server`; paths are already relative to the file's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteServer {
    /// Address of the trust server.
    pub url: Option<String>,
    /// An authority that the trust server's certificate may be signed by.
    pub root_ca: Option<PathBuf>,
    /// What we show to the trust server.
    pub tls_client_cert: Option<PathBuf>,
    /// The key of that.
    pub tls_client_key: Option<PathBuf>,
    /// Do not verify the trust server's certificate.
    pub skip_tls_verify: bool,
}

/// The member `trust_pinning`, names as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// Root key ids by repository name or prefix with `*`.
    pub certs: BTreeMap<String, Vec<KeyId>>,
    /// Files of authorities by the beginning of the repository name.
    pub ca: BTreeMap<String, PathBuf>,
    /// Whether a root that nothing pins is refused at first sight.
    pub disable_tofu: bool,
}

/// The member `trust`: what notary has no setting for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnConfig {
    /// `root_walk`.
    pub root_walk: RootWalk,
    /// `accept_equal_timestamp`.
    pub equal_timestamp: EqualTimestamp,
    /// `allow_missing_delegation`.
    pub missing_delegation: MissingDelegation,
    /// `max_staleness`.
    pub max_staleness: Option<SignedDuration>,
    /// `limits`.
    pub bounds: Bounds,
    /// `timeouts`.
    pub timeouts: TimeoutConfig,
}

/// The member `trust.timeouts`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeoutConfig {
    /// `connect`.
    pub connect: Option<Duration>,
    /// `idle`.
    pub idle: Option<Duration>,
    /// `deadline`.
    pub deadline: Option<Duration>,
    /// `minimum_rate`, in bytes a second.
    pub minimum_rate: Option<u64>,
}

impl ClientConfig {
    /// Reads a file, which must exist.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &text(path, &read_user_file(path, MAX_CONFIG_BYTES)?)?)
    }

    /// Reads a file if it is there.
    pub fn load_if_present(path: &Path) -> Result<Option<Self>, ConfigError> {
        let bytes = read_user_file_if_present(path, MAX_CONFIG_BYTES)?;
        bytes.map(|bytes| Self::parse(path, &text(path, &bytes)?)).transpose()
    }

    /// Reads the text of a file; `path` is where paths in it begin.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if text.trim().is_empty() {
            return Ok(config);
        }
        if let Err(cause) = serde_json::from_str::<&RawValue>(text) {
            let other = path.extension().is_some_and(|end| !end.eq_ignore_ascii_case("json"));
            let path = path.to_owned();
            return Err(if other {
                ConfigError::Format { path }
            } else {
                ConfigError::Syntax { path, cause }
            });
        }
        let top = Node { path, whole: text, name: String::new(), text };
        for member in top.named()? {
            match member.key().as_str() {
                "trust_dir" => config.trust_dir = Some(member.text()?),
                "remote_server" => config.read_server(&member)?,
                "trust_pinning" => config.read_pins(&member)?,
                "trust" => {
                    config.own = OwnConfig::read(&member)?;
                    config.registries = read_registries(&member)?;
                }
                other if IGNORED.contains(&other) => {}
                _ => config.warn_about(&member, &TOP),
            }
        }
        Ok(config)
    }

    fn read_server(&mut self, node: &Node<'_>) -> Result<(), ConfigError> {
        let server = &mut self.remote_server;
        let mut unknown = Vec::new();
        for member in node.named()? {
            match member.key().as_str() {
                "url" => server.url = Some(member.text()?).filter(|text| !text.is_empty()),
                "root_ca" => server.root_ca = member.file()?,
                "tls_client_cert" => server.tls_client_cert = member.file()?,
                "tls_client_key" => server.tls_client_key = member.file()?,
                "skiptlsverify" => server.skip_tls_verify = member.flag()?,
                _ => unknown.push(member),
            }
        }
        for member in &unknown {
            self.warn_about(member, &SERVER);
        }
        Ok(())
    }

    fn read_pins(&mut self, node: &Node<'_>) -> Result<(), ConfigError> {
        let mut unknown = Vec::new();
        for member in node.named()? {
            match member.key().as_str() {
                "disable_tofu" => self.pins.disable_tofu = member.flag()?,
                "certs" => {
                    for pin in member.members()? {
                        let name = pin.key_as_written().to_owned();
                        self.pins.certs.insert(name, pin.key_ids()?);
                    }
                }
                "ca" => {
                    for pin in member.members()? {
                        let file = pin.file()?.ok_or_else(|| pin.wrong("names no file"))?;
                        self.pins.ca.insert(pin.key_as_written().to_owned(), file);
                    }
                }
                _ => unknown.push(member),
            }
        }
        // Whoever writes something here wants to be protected by it.
        for member in unknown {
            self.warnings.push(member.unknown(nearest(&member.key(), &PINNING, usize::MAX)));
        }
        Ok(())
    }

    fn warn_about(&mut self, member: &Node<'_>, known: &[&'static str]) {
        if let Some(like) = nearest(&member.key(), known, 2) {
            self.warnings.push(member.unknown(Some(like)));
        }
    }
}

impl Pins {
    /// Reads the authorities' files and gives the rules.
    ///
    /// Names count as written. Notary reads them in lower case, so what a file pins there is
    /// pinned here, too: the lower-case form of a name counts unless the file has that itself.
    pub fn pinning(&self) -> Result<Pinning, ConfigError> {
        let mut pinning = Pinning { first_use_forbidden: self.disable_tofu, ..Pinning::default() };
        for (name, ids) in &self.certs {
            let ids = ids.iter().cloned().collect();
            pinning.key_ids.insert(name.clone(), ids);
        }
        for (name, ids) in &self.certs {
            let lower = name.to_lowercase();
            pinning.key_ids.entry(lower).or_insert_with(|| ids.iter().cloned().collect());
        }
        for (name, path) in &self.ca {
            pinning.authorities.insert(name.clone(), read_authorities(path, name)?);
        }
        for name in self.ca.keys() {
            let Some(same) = pinning.authorities.get(name).cloned() else { continue };
            pinning.authorities.entry(name.to_lowercase()).or_insert(same);
        }
        Ok(pinning)
    }
}

/// Reads the certificates of a pinned authority.
pub fn read_authorities(path: &Path, name: &str) -> Result<Vec<Certificate>, ConfigError> {
    let pem = read_user_file(path, MAX_KEY_FILE_BYTES)?;
    let certificates = Certificate::parse_bundle(&pem).ok().filter(|all| !all.is_empty());
    certificates
        .ok_or_else(|| ConfigError::Authority { path: path.to_owned(), name: name.to_owned() })
}

impl OwnConfig {
    fn read(node: &Node<'_>) -> Result<Self, ConfigError> {
        let mut own = Self::default();
        for member in node.named()? {
            match member.key().as_str() {
                "root_walk" => {
                    own.root_walk = match member.text()?.as_str() {
                        "strict" => RootWalk::Strict,
                        "notary" => RootWalk::Notary,
                        _ => return Err(member.wrong("is `strict` or `notary`")),
                    }
                }
                "accept_equal_timestamp" => {
                    own.equal_timestamp =
                        if member.flag()? { EqualTimestamp::Follow } else { EqualTimestamp::Keep };
                }
                "allow_missing_delegation" => {
                    own.missing_delegation = if member.flag()? {
                        MissingDelegation::FallBack
                    } else {
                        MissingDelegation::Refuse
                    };
                }
                "max_staleness" => {
                    let staleness = SignedDuration::try_from(member.duration()?);
                    let staleness = staleness.map_err(|_| member.wrong("is too long"))?;
                    own.max_staleness = Some(staleness);
                }
                "limits" => own.bounds = read_bounds(&member)?,
                "timeouts" => own.timeouts = TimeoutConfig::read(&member)?,
                "registry_mirrors" | "insecure_registries" => {}
                // What is ours and not understood could be what somebody relies on.
                _ => return Err(member.not_known(&OWN)),
            }
        }
        Ok(own)
    }
}

fn read_registries(node: &Node<'_>) -> Result<RegistryRules, ConfigError> {
    let mut rules = RegistryRules::default();
    for member in node.named()? {
        match member.key().as_str() {
            "registry_mirrors" => rules.mirrors = member.texts()?,
            "insecure_registries" => rules.insecure = member.texts()?,
            _ => {}
        }
    }
    Ok(rules)
}

fn read_bounds(node: &Node<'_>) -> Result<Bounds, ConfigError> {
    let mut bounds = Bounds::default();
    for member in node.named()? {
        match member.key().as_str() {
            "timestamp" => bounds.timestamp = member.bytes(MAX_CONFIGURED_BYTES)?,
            "root" => bounds.root = member.bytes(MAX_CONFIGURED_BYTES)?,
            "snapshot" => bounds.snapshot = member.bytes(MAX_SNAPSHOT_BYTES)?,
            "targets" => bounds.targets = member.bytes(MAX_TARGETS_BYTES)?,
            "rotations" => bounds.rotations = member.positive()?,
            "delegations" => {
                bounds.delegations = usize::try_from(member.positive()?).unwrap_or(usize::MAX);
            }
            _ => return Err(member.not_known(&LIMITS)),
        }
    }
    Ok(bounds)
}

impl TimeoutConfig {
    fn read(node: &Node<'_>) -> Result<Self, ConfigError> {
        let mut timeouts = Self::default();
        for member in node.named()? {
            match member.key().as_str() {
                "connect" => timeouts.connect = Some(member.duration()?),
                "idle" => timeouts.idle = Some(member.duration()?),
                "deadline" => timeouts.deadline = Some(member.duration()?),
                "minimum_rate" => timeouts.minimum_rate = Some(member.number()?),
                _ => return Err(member.not_known(&TIMEOUTS)),
            }
        }
        Ok(timeouts)
    }
}

/// Reads a duration: a number and `s`, `m`, `h` or `d`; a bare number is of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const WRONG: &str = "is a number and s, m, h or d, such as 90s or 14d";
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let seconds: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(WRONG),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(WRONG);
    }
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    match seconds {
        // A thousand years are for ever, and sums of such times do not overflow.
        Some(seconds @ 1..=31_622_400_000) => Ok(Duration::from_secs(seconds)),
        _ => Err("is not between one second and a thousand years"),
    }
}

/// A change of `trust_pinning`; `None` takes a pin away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinChange {
    /// Root key ids for names.
    pub certs: Vec<(String, Option<Vec<KeyId>>)>,
    /// Files of authorities for names.
    pub ca: Vec<(String, Option<PathBuf>)>,
    /// Whether first use is forbidden.
    pub disable_tofu: Option<bool>,
}

/// Changes the pins in a configuration file, which is made if it is not there. All else in it
/// stays as it is, letter by letter. Returns whether something changed.
pub fn change_pins(path: &Path, change: &PinChange) -> Result<bool, ConfigError> {
    let real = resolve(path);
    let folder = real.parent().unwrap_or(Path::new("/"));
    create_user_folder(folder)?;
    let base = Base::new(folder.to_owned());
    let lock = folder.join(LOCK);
    let _lock = base.lock(&lock, LockKind::Exclusive, LOCK_WAIT, &path.display().to_string())?;
    let present = read_user_file_if_present(path, MAX_CONFIG_BYTES)?;
    let old = text(path, present.as_deref().unwrap_or_default())?;
    ClientConfig::parse(path, &old)?;
    let new = changed(path, &old, change)?;
    ClientConfig::parse(path, &new)?;
    if new == old {
        return Ok(false);
    }
    let mode = if present.is_some() { mode(&real)? } else { PRIVATE_MODE };
    replace_file(&real, new.as_bytes(), mode)?;
    Ok(true)
}

fn changed(path: &Path, old: &str, change: &PinChange) -> Result<String, ConfigError> {
    let mut text = if old.trim().is_empty() { "{}\n".to_owned() } else { old.to_owned() };
    let mut set = |kind: &str, name: Option<&str>, value: Option<String>| {
        let names: Vec<&str> = ["trust_pinning", kind].into_iter().chain(name).collect();
        text = edited(path, &text, &names, value.as_deref(), 1)?;
        Ok::<(), ConfigError>(())
    };
    for (name, ids) in &change.certs {
        let ids = ids.as_ref().map(|ids| {
            let ids: Vec<&str> = ids.iter().map(KeyId::as_str).collect();
            serde_json::json!(ids).to_string()
        });
        set("certs", Some(name), ids)?;
    }
    for (name, file) in &change.ca {
        let file = file.as_ref().map(|file| serde_json::json!(file.to_string_lossy()).to_string());
        set("ca", Some(name), file)?;
    }
    if let Some(disable) = change.disable_tofu {
        set("disable_tofu", None, Some(disable.to_string()))?;
    }
    Ok(text)
}

/// Returns an object's text with the value at a path of members replaced, added or taken away.
fn edited(
    path: &Path,
    text: &str,
    names: &[&str],
    value: Option<&str>,
    depth: usize,
) -> Result<String, ConfigError> {
    let Some((name, rest)) = names.split_first() else { return Ok(text.to_owned()) };
    let object = Node { path, whole: text, name: String::new(), text };
    let members = object.members()?;
    // The names of pins count as written, the others as notary reads them.
    let is_it = |member: &&Node<'_>| match depth {
        3 => member.key_as_written() == *name,
        _ => member.key_as_written().eq_ignore_ascii_case(name),
    };
    let found = members.iter().find(is_it);
    let new = match (found, value) {
        (None, None) => return Ok(text.to_owned()),
        (_, value) if rest.is_empty() => value.map(str::to_owned),
        (found, value) => {
            let inner = found.map_or("{}", |member| member.text);
            Some(edited(path, inner, rest, value, depth + 1)?)
        }
    };
    let indent = "  ".repeat(depth);
    let outdent = "  ".repeat(depth - 1);
    Ok(match (found, new) {
        (Some(member), Some(new)) => {
            let (before, after) = text.split_at(member.offset());
            let after = after.get(member.text.len()..).unwrap_or_default();
            format!("{before}{new}{after}")
        }
        (Some(gone), None) => {
            let lines: Vec<String> = (members.iter())
                .filter(|member| member.offset() != gone.offset())
                .map(|member| {
                    format!("\n{indent}{}: {}", quoted(member.key_as_written()), member.text)
                })
                .collect();
            if lines.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{{}\n{outdent}}}", lines.join(","))
            }
        }
        (None, Some(new)) => {
            let line = format!("\n{indent}{}: {new}", quoted(name));
            if let Some(last) = members.last() {
                let (before, after) = text.split_at(last.offset() + last.text.len());
                format!("{before},{line}{after}")
            } else {
                let (before, after) = text.split_once('{').unwrap_or_default();
                let after = after.split_once('}').map_or("", |(_, after)| after);
                format!("{before}{{{line}\n{outdent}}}{after}")
            }
        }
        (None, None) => text.to_owned(),
    })
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value of the file and where it stands.
#[derive(Debug, Clone)]
struct Node<'a> {
    path: &'a Path,
    whole: &'a str,
    /// Members from the top, dots between; the last is as written.
    name: String,
    text: &'a str,
}

/// Dots stand in names of repositories, so members are told apart by this.
const SEPARATOR: char = '\u{1f}';

impl<'a> Node<'a> {
    /// The member's name in lower case, as notary reads it.
    fn key(&self) -> String {
        self.key_as_written().to_ascii_lowercase()
    }

    fn key_as_written(&self) -> &str {
        self.name.rsplit(SEPARATOR).next().unwrap_or_default()
    }

    fn full_name(&self) -> String {
        self.name.replace(SEPARATOR, ".")
    }

    /// Where the value begins, in bytes from the beginning of the file.
    fn offset(&self) -> usize {
        self.text.as_ptr().addr() - self.whole.as_ptr().addr()
    }

    fn wrong(&self, problem: impl Into<String>) -> ConfigError {
        let (line, column) = self.line_and_column();
        let (path, member) = (self.path.to_owned(), self.full_name());
        ConfigError::Member { path, line, column, member, problem: problem.into() }
    }

    fn line_and_column(&self) -> (usize, usize) {
        let before = self.whole.get(..self.offset()).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().len() + 1;
        (line, column)
    }

    fn not_known(&self, known: &[&'static str]) -> ConfigError {
        match nearest(&self.key(), known, 3) {
            Some(like) => self.wrong(format!("is not known; perhaps `{like}` is meant")),
            None => self.wrong(format!("is not known; there are {}", known.join(", "))),
        }
    }

    fn unknown(&self, like: Option<&str>) -> String {
        let (line, _) = self.line_and_column();
        let (path, name) = (self.path.display(), self.full_name());
        let like = like.map(|like| format!("; perhaps `{like}` is meant")).unwrap_or_default();
        format!("{path}, line {line}: `{name}` is not known and does nothing{like}")
    }

    /// The members of an object, in its order; names count by case.
    fn members(&self) -> Result<Vec<Self>, ConfigError> {
        let Ok(Members(members)) = serde_json::from_str::<Members<'a>>(self.text) else {
            if !self.name.is_empty() {
                return Err(self.wrong("is not an object"));
            }
            return Err(ConfigError::Member {
                path: self.path.to_owned(),
                line: 1,
                column: 1,
                member: "the file".to_owned(),
                problem: "is not an object".to_owned(),
            });
        };
        let node = |(name, raw): (String, &'a RawValue)| {
            let name = match self.name.as_str() {
                "" => name,
                above => format!("{above}{SEPARATOR}{name}"),
            };
            Node { path: self.path, whole: self.whole, name, text: raw.get() }
        };
        let nodes: Vec<Self> = members.into_iter().map(node).collect();
        twice(&nodes, |node| node.key_as_written().to_owned())?;
        Ok(nodes)
    }

    /// As [`Self::members`], where notary reads names without their case.
    fn named(&self) -> Result<Vec<Self>, ConfigError> {
        let nodes = self.members()?;
        twice(&nodes, Node::key)?;
        Ok(nodes)
    }

    fn text(&self) -> Result<String, ConfigError> {
        serde_json::from_str(self.text).map_err(|_| self.wrong("is not a text"))
    }

    /// A path, relative to the file's folder; an empty one is none.
    fn file(&self) -> Result<Option<PathBuf>, ConfigError> {
        let text = self.text()?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        Ok((!text.is_empty()).then(|| folder.join(text)))
    }

    /// A truth; also written as a text or a number, as viper takes it.
    fn flag(&self) -> Result<bool, ConfigError> {
        match self.text.trim_matches('"') {
            "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(true),
            "false" | "0" | "f" | "F" | "FALSE" | "False" => Ok(false),
            _ => Err(self.wrong("is neither true nor false")),
        }
    }

    fn number(&self) -> Result<u64, ConfigError> {
        serde_json::from_str(self.text).map_err(|_| self.wrong("is not a whole number"))
    }

    fn positive(&self) -> Result<u64, ConfigError> {
        match self.number()? {
            0 => Err(self.wrong("is not a number above 0")),
            number => Ok(number),
        }
    }

    /// A bound in bytes. More than `most` would be accepted once and never read again.
    fn bytes(&self, most: u64) -> Result<u64, ConfigError> {
        match self.positive()? {
            number if number > most => Err(self.wrong(format!("is more than {most}"))),
            number => Ok(number),
        }
    }

    fn duration(&self) -> Result<Duration, ConfigError> {
        let text = self.text().or_else(|_| self.number().map(|number| number.to_string()));
        let text = text.map_err(|_| self.wrong("is not a duration such as \"72h\""))?;
        parse_duration(&text).map_err(|problem| self.wrong(problem))
    }

    fn texts(&self) -> Result<Vec<String>, ConfigError> {
        serde_json::from_str(self.text).map_err(|_| self.wrong("is not a list of texts"))
    }

    fn key_ids(&self) -> Result<Vec<KeyId>, ConfigError> {
        let ids: Vec<String> =
            serde_json::from_str(self.text).map_err(|_| self.wrong("is not a list of key ids"))?;
        let parse = |id: &String| {
            KeyId::parse(id).map_err(|_| self.wrong(format!("holds `{id}`, which is no key id")))
        };
        ids.iter().map(parse).collect()
    }
}

fn twice<'a>(nodes: &[Node<'a>], name: impl Fn(&Node<'a>) -> String) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    match nodes.iter().find(|node| !seen.insert(name(node))) {
        Some(again) => Err(again.wrong("is there twice")),
        None => Ok(()),
    }
}

/// The name of a list that is most like a word, if not more than so many letters differ.
fn nearest(word: &str, known: &[&'static str], most: usize) -> Option<&'static str> {
    let distance = |name: &&&'static str| strsim::damerau_levenshtein(word, name);
    known.iter().min_by_key(distance).filter(|name| distance(name) <= most).copied()
}

fn text(path: &Path, bytes: &[u8]) -> Result<String, ConfigError> {
    let text = std::str::from_utf8(bytes);
    Ok(text.map_err(|_| StoreError::NotText { path: path.to_owned() })?.to_owned())
}

/// The members of an object with the text of each value.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Members of notary's files that mean nothing to a client.
const IGNORED: [&str; 9] = [
    "logging",
    "server",
    "storage",
    "auth",
    "reporting",
    "caching",
    "trust_service",
    "repositories",
    "passphrases",
];
const TOP: [&str; 4] = ["trust_dir", "remote_server", "trust_pinning", "trust"];
const SERVER: [&str; 5] = ["url", "root_ca", "tls_client_cert", "tls_client_key", "skipTLSVerify"];
const PINNING: [&str; 3] = ["certs", "ca", "disable_tofu"];
const OWN: [&str; 8] = [
    "root_walk",
    "accept_equal_timestamp",
    "allow_missing_delegation",
    "max_staleness",
    "limits",
    "timeouts",
    "registry_mirrors",
    "insecure_registries",
];
const LIMITS: [&str; 6] = ["timestamp", "root", "snapshot", "targets", "rotations", "delegations"];
const TIMEOUTS: [&str; 4] = ["connect", "idle", "deadline", "minimum_rate"];
/// Keeps two of us from changing one file at a time.
const LOCK: &str = ".trust-config-lock";
/// How long the other is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn read(text: &str) -> ClientConfig {
        ClientConfig::parse(Path::new("/etc/x/config.json"), text).unwrap()
    }

    #[test]
    fn notarys_members_are_read_as_they_are() {
        let config = read(&format!(
            r#"{{"trust_dir": "~/.notary", "logging": {{"level": "debug"}},
              "remote_server": {{"url": "https://n:4443", "root_ca": "ca.pem",
                "tls_client_cert": "/abs/c.pem", "tls_client_key": "k/k.pem",
                "SkipTLSverify": "true"}},
              "trust_pinning": {{"certs": {{"Docker.io/App": ["{ID}"], "x/*": []}},
                "ca": {{"y/": "y.pem"}}, "disable_tofu": true}}}}"#
        ));
        assert_eq!(config.trust_dir.as_deref(), Some("~/.notary"));
        assert_eq!(
            config.remote_server,
            RemoteServer {
                url: Some("https://n:4443".to_owned()),
                root_ca: Some("/etc/x/ca.pem".into()),
                tls_client_cert: Some("/abs/c.pem".into()),
                tls_client_key: Some("/etc/x/k/k.pem".into()),
                skip_tls_verify: true,
            }
        );
        let certs = [("Docker.io/App", vec![KeyId::parse(ID).unwrap()]), ("x/*", vec![])];
        assert_eq!(config.pins.certs, certs.map(|(name, ids)| (name.to_owned(), ids)).into());
        assert_eq!(config.pins.ca, [("y/".to_owned(), PathBuf::from("/etc/x/y.pem"))].into());
        assert!(config.pins.disable_tofu && config.warnings.is_empty());
    }

    #[test]
    fn what_notary_pins_by_lower_case_is_pinned() {
        let other = ID.replace('0', "f");
        let text = format!(
            r#"{{"trust_pinning": {{"certs": {{"A/B": ["{ID}"], "C/d": ["{ID}"], "c/d": ["{other}"]}}}}}}"#
        );
        let pinning = read(&text).pins.pinning().unwrap();
        let ids = |name: &str| pinning.key_ids.get(name).map(|ids| ids.first().unwrap().as_str());
        assert_eq!((ids("A/B"), ids("a/b")), (Some(ID), Some(ID)));
        assert_eq!((ids("C/d"), ids("c/d")), (Some(ID), Some(other.as_str())));
        assert_eq!(ids("A/b"), None);
    }

    #[test]
    fn our_members() {
        let own = read(
            r#"{"trust": {"root_walk": "notary", "accept_equal_timestamp": true,
              "allow_missing_delegation": true, "max_staleness": "3d",
              "limits": {"root": 5, "timestamp": 6, "snapshot": 7, "targets": 8, "rotations": 9,
                "delegations": 10},
              "timeouts": {"connect": 1, "idle": "2m", "deadline": "3h", "minimum_rate": 0}}}"#,
        )
        .own;
        assert_eq!(own.root_walk, RootWalk::Notary);
        assert_eq!(own.equal_timestamp, EqualTimestamp::Follow);
        assert_eq!(own.missing_delegation, MissingDelegation::FallBack);
        assert_eq!(own.max_staleness, Some(SignedDuration::from_hours(72)));
        let bounds = Bounds {
            root: 5,
            timestamp: 6,
            snapshot: 7,
            targets: 8,
            rotations: 9,
            delegations: 10,
        };
        assert_eq!(own.bounds, bounds);
        assert_eq!(
            own.timeouts,
            TimeoutConfig {
                connect: Some(Duration::from_secs(1)),
                idle: Some(Duration::from_mins(2)),
                deadline: Some(Duration::from_hours(3)),
                minimum_rate: Some(0),
            }
        );
    }

    #[test]
    fn registries_of_our_members() {
        let config = read(
            r#"{"trust": {"registry_mirrors": ["https://m"], "insecure_registries": ["h:1"]}}"#,
        );
        assert_eq!(config.registries.mirrors, ["https://m"]);
        assert_eq!(config.registries.insecure, ["h:1"]);
    }

    #[test_case("{\"trust\": {\"registry_mirrors\": \"m\"}}", 1, 32, "trust.registry_mirrors"; "a text for a list of texts")]
    #[test_case("{\n  \"trust_dir\": 5}", 2, 16, "trust_dir"; "a number for a text")]
    #[test_case("{\"trust_pinning\": {\"certs\": {\"a.b/c\": \"x\"}}}", 1, 39, "trust_pinning.certs.a.b/c"; "a text for a list")]
    #[test_case("{\"trust_pinning\": {\"certs\": {\"a\": [\"x\"]}}}", 1, 35, "trust_pinning.certs.a"; "no key id")]
    #[test_case("{\"trust_pinning\": {\"disable_tofu\": \"yes\"}}", 1, 36, "trust_pinning.disable_tofu"; "neither true nor false")]
    #[test_case("{\"trust\": {\"max_stalenes\": 1}}", 1, 28, "trust.max_stalenes"; "ours misspelt")]
    #[test_case("{\"trust\": {\"max_staleness\": \"1w\"}}", 1, 29, "trust.max_staleness"; "no duration")]
    #[test_case("{\"trust\": {\"limits\": {\"root\": 0}}}", 1, 31, "trust.limits.root"; "a limit of nothing")]
    #[test_case("{\"trust\": {\"limits\": {\"root\": -1}}}", 1, 31, "trust.limits.root"; "a negative limit")]
    #[test_case("{\"trust\": {\"limits\": {\"root\": 16777217}}}", 1, 31, "trust.limits.root"; "a limit beyond the cache's")]
    #[test_case("{\"trust\": 1}", 1, 11, "trust"; "no object")]
    #[test_case("{\"trust_dir\": \"a\", \"Trust_Dir\": \"b\"}", 1, 33, "Trust_Dir"; "twice")]
    fn a_wrong_value_is_told_with_its_place(text: &str, line: usize, column: usize, member: &str) {
        let error = ClientConfig::parse(Path::new("c.json"), text).unwrap_err();
        let ConfigError::Member { line: l, column: c, member: m, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((*l, *c, m.as_str()), (line, column, member));
    }

    #[test]
    fn what_is_not_json_is_told() {
        let parse = |name: &str, text: &str| ClientConfig::parse(Path::new(name), text);
        let error = parse("c.json", "{\n \"trust_dir\": }").unwrap_err();
        let ConfigError::Syntax { cause, .. } = &error else { panic!("{error:?}") };
        assert_eq!((cause.line(), cause.column()), (2, 15));
        let error = parse("c.yml", "trust_dir: /x").unwrap_err();
        assert!(matches!(error, ConfigError::Format { .. }), "{error:?}");
        assert!(matches!(parse("c.json", "[]").unwrap_err(), ConfigError::Member { .. }));
        assert!(parse("c.json", " \n").unwrap().trust_dir.is_none());
    }

    #[test]
    fn likely_mistakes_are_told_and_others_left_alone() {
        let warnings = read(
            r#"{"trustdir": "x", "something": {}, "remote_server": {"urls": "x", "timeout": 1},
               "trust_pinning": {"first_use": false}}"#,
        )
        .warnings;
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains("`trustdir`") && warnings[0].contains("`trust_dir`"));
        assert!(warnings[1].contains("`remote_server.urls`") && warnings[1].contains("`url`"));
        assert!(warnings[2].contains("`trust_pinning.first_use`"));
    }

    #[test_case("5", 5)]
    #[test_case("5s", 5)]
    #[test_case("2m", 120)]
    #[test_case("1h", 3600)]
    #[test_case("14d", 1_209_600)]
    fn durations(text: &str, seconds: u64) {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
    }

    #[test_case(""; "empty")]
    #[test_case("0"; "nothing")]
    #[test_case("h"; "no number")]
    #[test_case("1.5h"; "a part")]
    #[test_case("-1s"; "negative")]
    #[test_case("1 h"; "blank")]
    #[test_case("99999999999999999999d"; "too long")]
    fn no_durations(text: &str) {
        parse_duration(text).unwrap_err();
    }

    #[test]
    fn changing_a_pin_leaves_the_rest_as_it_is() {
        let text = "{\"z\":1,\n\t\"trust_pinning\" : { \"ca\":{\"y\": \"q.pem\"},  \"certs\": {\"A/b\":[]}},\n  \"a\": [1,  2]}\n";
        let id = KeyId::parse(ID).unwrap();
        let change = PinChange {
            certs: vec![
                ("A/b".to_owned(), Some(vec![id.clone()])),
                ("n*".to_owned(), Some(vec![id])),
            ],
            disable_tofu: Some(true),
            ..PinChange::default()
        };
        let new = changed(Path::new("c"), text, &change).unwrap();
        assert_eq!(
            new,
            format!(
                "{{\"z\":1,\n\t\"trust_pinning\" : {{ \"ca\":{{\"y\": \"q.pem\"}},  \"certs\": {{\"A/b\":[\"{ID}\"],\n      \"n*\": [\"{ID}\"]}},\n    \"disable_tofu\": true}},\n  \"a\": [1,  2]}}\n"
            )
        );
        let back = PinChange {
            certs: vec![
                ("A/b".to_owned(), None),
                ("n*".to_owned(), None),
                ("none".to_owned(), None),
            ],
            ..PinChange::default()
        };
        let without = changed(Path::new("c"), &new, &back).unwrap();
        assert!(without.contains("\"certs\": {},") && without.contains("\"a\": [1,  2]}\n"));
        assert!(read(&without).pins.certs.is_empty());
    }

    #[test]
    fn a_file_is_made_and_its_mode_and_link_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/config.json");
        let forbid = PinChange { disable_tofu: Some(true), ..PinChange::default() };
        assert!(change_pins(&path, &forbid).unwrap());
        assert!(!change_pins(&path, &forbid).unwrap());
        assert!(ClientConfig::load(&path).unwrap().pins.disable_tofu);
        assert_eq!(mode(&path).unwrap(), 0o600);
        let shared = dir.path().join("shared.json");
        replace_file(&shared, b"{}", 0o644).unwrap();
        let link = dir.path().join("link.json");
        std::os::unix::fs::symlink(&shared, &link).unwrap();
        assert!(change_pins(&link, &forbid).unwrap());
        assert_eq!(mode(&shared).unwrap(), 0o644);
        assert!(ClientConfig::load(&shared).unwrap().pins.disable_tofu);
    }

    #[test]
    fn a_broken_file_is_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        for text in ["{\"trust_dir\": ", "{\"trust_dir\": 1}", "[]"] {
            replace_file(&path, text.as_bytes(), 0o600).unwrap();
            let forbid = PinChange { disable_tofu: Some(true), ..PinChange::default() };
            change_pins(&path, &forbid).unwrap_err();
            assert_eq!(read_user_file(&path, 100).unwrap(), text.as_bytes());
        }
    }
}
