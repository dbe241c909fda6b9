//! Which content must be signed, by whom, and whose root says who that is.
//!
//! The configuration is read into [`PolicyConfig`], which is plain; [`Policy::from_config`] checks
//! it and names the member that is wrong. `spec/enforcement.md` §2 describes it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::crypto::certificate::Certificate;
use crate::crypto::{KeyId, Sha256Hash};
use crate::limits::{MAX_POLICY_RULES, MAX_RULE_NAMES, MAX_SUPERSEDED_DAYS};
use crate::server::auth::caller::matches;
use crate::tuf::{Pin, RoleName};

/// The policy as it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// The first rule whose pattern fits a repository is its rule.
    #[serde(default)]
    pub rules: Vec<RuleConfig>,
}

/// One rule as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Names of repositories: `*` stands for any text without `/`, `**` for any text.
    pub repository: String,
    /// What becomes of reading what is not signed.
    #[serde(default)]
    pub pull: Mode,
    /// What becomes of tags that are set to what is not signed.
    #[serde(default)]
    pub push: Mode,
    /// Roles whose word counts, in this order; docker's if there are none.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Signers who must vouch for the same content as well.
    #[serde(default)]
    pub signers: Vec<String>,
    /// How many of the signers must; all of them without it.
    #[serde(default)]
    pub signers_needed: Option<usize>,
    /// Whose roots are believed.
    #[serde(default)]
    pub roots: RootsConfig,
    /// How many days something may still be had by its digest after its tag was signed for
    /// something else.
    #[serde(default)]
    pub superseded_days: i64,
    /// What a tag answers that stands for something else than what is signed for it.
    #[serde(default)]
    pub serve: Serve,
    /// Whether a tag that stands for what is signed for it cannot be set to something else, nor
    /// deleted.
    #[serde(default)]
    pub signed_tags_immutable: bool,
    /// After how many minutes a tag returns to what it was, if what it was set to is not signed.
    #[serde(default)]
    pub sign_within_minutes: Option<i64>,
}

/// Whose roots are believed, as it is configured. One of these must vouch for a root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootsConfig {
    /// Ids of root keys, as metadata has them or of the bare keys.
    #[serde(default)]
    pub key_ids: Vec<String>,
    /// Certificate authorities of root certificates, in PEM.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// The same in files; [`PolicyConfig::read_files`] puts them among `certificates`.
    #[serde(default)]
    pub certificate_files: Vec<PathBuf>,
}

/// How strictly a rule is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Not at all.
    #[default]
    Off,
    /// Its verdict is logged and counted, and nothing else.
    Audit,
    /// Its verdict decides.
    Enforce,
}

impl Mode {
    /// The word for it in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

/// What a tag answers that stands for something else than what is signed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serve {
    /// A denial: the registry's word and the signers' must agree.
    #[default]
    Registry,
    /// What is signed, if the repository has it.
    Signed,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct PolicyError {
    /// The member, such as `rules[1].roots`.
    pub member: String,
    /// What is wrong with it.
    pub problem: PolicyProblem,
}

/// In what way a member of a policy is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// Nothing says whose root is believed.
    #[error(
        "a rule that enforces or audits must pin the root, by `key_ids` or `certificates`: \
         {repository} would be trusted on first use"
    )]
    NotPinned {
        /// The rule's pattern.
        repository: String,
    },
    /// Too much of it.
    #[error("{count} are more than the {limit} allowed")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// No repository's name would fit.
    #[error("the pattern is empty")]
    EmptyPattern,
    /// It is no role below `targets`.
    #[error("`{}` is not `targets` or a delegation", name.escape_debug())]
    Role {
        /// The name given.
        name: String,
    },
    /// It is no signer's name.
    #[error("`{}` is not the name of a signer", name.escape_debug())]
    Signer {
        /// The name given.
        name: String,
    },
    /// It is named twice.
    #[error("`{name}` stands there twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// It is no key id.
    #[error("`{}` is not the id of a key, 64 hexadecimal digits", text.escape_debug())]
    KeyId {
        /// The text given.
        text: String,
    },
    /// It is no certificate.
    #[error("this is not a certificate in PEM")]
    Certificate,
    /// The file cannot be read.
    #[error("cannot read {path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// A number out of its range.
    #[error("{value} is not from {least} to {most}")]
    Range {
        /// The number given.
        value: i64,
        /// The least allowed.
        least: i64,
        /// The most allowed.
        most: i64,
    },
}

/// A policy, ready to be applied.
#[derive(Debug, Clone)]
pub struct Policy {
    version: Sha256Hash,
    rules: Vec<Rule>,
}

/// A rule, ready to be applied.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its place in the policy.
    pub(super) index: usize,
    pattern: String,
    pub(super) pull: Mode,
    pub(super) push: Mode,
    pub(super) roles: Vec<RoleName>,
    pub(super) signers: Vec<RoleName>,
    pub(super) signers_needed: usize,
    pub(super) pins: Vec<Pin>,
    pub(super) superseded: SignedDuration,
    pub(super) serve: Serve,
    pub(super) signed_tags_immutable: bool,
    pub(super) sign_within: SignedDuration,
}

impl PolicyConfig {
    /// Puts the contents of `certificate_files` among `certificates`.
    pub fn read_files(
        &mut self,
        read: impl Fn(&Path) -> Result<String, std::io::Error>,
    ) -> Result<(), PolicyError> {
        for (index, rule) in self.rules.iter_mut().enumerate() {
            for (at, path) in std::mem::take(&mut rule.roots.certificate_files).iter().enumerate() {
                let text = read(path).map_err(|cause| PolicyError {
                    member: format!("rules[{index}].roots.certificate_files[{at}]"),
                    problem: PolicyProblem::File {
                        path: path.display().to_string(),
                        cause: cause.to_string(),
                    },
                })?;
                rule.roots.certificates.push(text);
            }
        }
        Ok(())
    }
}

impl Policy {
    /// Checks a configured policy. Files must have been read before.
    pub fn from_config(config: &PolicyConfig) -> Result<Self, PolicyError> {
        let count = config.rules.len();
        if count > MAX_POLICY_RULES {
            let problem = PolicyProblem::TooMany { count, limit: MAX_POLICY_RULES };
            return Err(PolicyError { member: "rules".to_owned(), problem });
        }
        let rules = config.rules.iter().enumerate().map(|(index, rule)| {
            Rule::from_config(index, rule).map_err(|(member, problem)| {
                let member = format!("rules[{index}].{member}");
                PolicyError { member, problem }
            })
        });
        let rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        // Verdicts that were made under another text are not those of this one.
        let text = serde_json::to_vec(config).unwrap_or_default();
        Ok(Self { version: Sha256Hash::of(&text), rules })
    }

    /// Tells this policy from others.
    pub fn version(&self) -> Sha256Hash {
        self.version
    }

    /// The rule for a repository.
    pub(super) fn rule(&self, repository: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| matches(&rule.pattern, repository))
    }
}

impl Default for Policy {
    /// No rule: everything is served.
    fn default() -> Self {
        Self { version: Sha256Hash([0; 32]), rules: Vec::new() }
    }
}

impl Rule {
    fn from_config(index: usize, config: &RuleConfig) -> Result<Self, (String, PolicyProblem)> {
        if config.repository.is_empty() {
            return Err(("repository".to_owned(), PolicyProblem::EmptyPattern));
        }
        let roles = names("roles", &config.roles, |name| {
            let role = RoleName::parse(name).ok().filter(RoleName::is_targets);
            role.ok_or_else(|| PolicyProblem::Role { name: name.to_owned() })
        })?;
        let roles = if roles.is_empty() { docker_roles() } else { roles };
        let signers = names("signers", &config.signers, |name| {
            let bare = name.strip_prefix("targets/").unwrap_or(name);
            RoleName::delegation(bare).map_err(|_| PolicyProblem::Signer { name: name.to_owned() })
        })?;
        let signers_needed = match config.signers_needed {
            None => signers.len(),
            Some(needed) if (1..=signers.len()).contains(&needed) => needed,
            Some(needed) => {
                let problem = range(needed, 1, signers.len());
                return Err(("signers_needed".to_owned(), problem));
            }
        };
        let pins = pins(&config.roots)?;
        let applies = config.pull != Mode::Off || config.push != Mode::Off;
        let uses_trust = applies || config.signed_tags_immutable;
        if uses_trust && pins.is_empty() {
            let repository = config.repository.clone();
            return Err(("roots".to_owned(), PolicyProblem::NotPinned { repository }));
        }
        if !(0..=MAX_SUPERSEDED_DAYS).contains(&config.superseded_days) {
            let (value, least, most) = (config.superseded_days, 0, MAX_SUPERSEDED_DAYS);
            let problem = PolicyProblem::Range { value, least, most };
            return Err(("superseded_days".to_owned(), problem));
        }
        let minutes = config.sign_within_minutes.unwrap_or(SIGN_WITHIN_MINUTES);
        if !(1..=MAX_SIGN_WITHIN_MINUTES).contains(&minutes) {
            let (least, most) = (1, MAX_SIGN_WITHIN_MINUTES);
            let problem = PolicyProblem::Range { value: minutes, least, most };
            return Err(("sign_within_minutes".to_owned(), problem));
        }
        Ok(Self {
            index,
            pattern: config.repository.clone(),
            pull: config.pull,
            push: config.push,
            roles,
            signers,
            signers_needed,
            pins,
            superseded: SignedDuration::from_hours(24 * config.superseded_days),
            serve: config.serve,
            signed_tags_immutable: config.signed_tags_immutable,
            sign_within: SignedDuration::from_mins(minutes),
        })
    }
}

impl Rule {
    /// Whether it says whose roots are believed.
    pub(super) fn is_pinned(&self) -> bool {
        !self.pins.is_empty()
    }
}

/// The roles that docker believes when it pulls.
fn docker_roles() -> Vec<RoleName> {
    vec![RoleName::releases(), RoleName::Targets]
}

fn names(
    member: &str,
    names: &[String],
    read: impl Fn(&str) -> Result<RoleName, PolicyProblem>,
) -> Result<Vec<RoleName>, (String, PolicyProblem)> {
    if names.len() > MAX_RULE_NAMES {
        let problem = PolicyProblem::TooMany { count: names.len(), limit: MAX_RULE_NAMES };
        return Err((member.to_owned(), problem));
    }
    let mut seen = BTreeSet::new();
    let mut roles = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let here = || format!("{member}[{at}]");
        let role = read(name).map_err(|problem| (here(), problem))?;
        if !seen.insert(role.clone()) {
            return Err((here(), PolicyProblem::Twice { name: name.clone() }));
        }
        roles.push(role);
    }
    Ok(roles)
}

fn pins(roots: &RootsConfig) -> Result<Vec<Pin>, (String, PolicyProblem)> {
    let all = roots.key_ids.len() + roots.certificates.len();
    if all > MAX_RULE_NAMES {
        let problem = PolicyProblem::TooMany { count: all, limit: MAX_RULE_NAMES };
        return Err(("roots".to_owned(), problem));
    }
    if let Some(path) = roots.certificate_files.first() {
        let (path, cause) = (path.display().to_string(), "it was not read".to_owned());
        let problem = PolicyProblem::File { path, cause };
        return Err(("roots.certificate_files[0]".to_owned(), problem));
    }
    let mut ids = BTreeSet::new();
    for (at, text) in roots.key_ids.iter().enumerate() {
        let id = KeyId::parse(text).map_err(|_| {
            (format!("roots.key_ids[{at}]"), PolicyProblem::KeyId { text: text.clone() })
        })?;
        ids.insert(id);
    }
    let mut authorities = Vec::new();
    for (at, pem) in roots.certificates.iter().enumerate() {
        let bundle = Certificate::parse_bundle(pem.as_bytes()).ok().filter(|all| !all.is_empty());
        let wrong = || (format!("roots.certificates[{at}]"), PolicyProblem::Certificate);
        authorities.extend(bundle.ok_or_else(wrong)?);
    }
    let mut pins = Vec::new();
    if !ids.is_empty() {
        pins.push(Pin::KeyIds(ids));
    }
    if !authorities.is_empty() {
        pins.push(Pin::Authorities(authorities));
    }
    Ok(pins)
}

fn range(value: usize, least: usize, most: usize) -> PolicyProblem {
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    PolicyProblem::Range { value: number(value), least: number(least), most: number(most) }
}

/// How long a tag waits to be signed before it returns to what it was: a person who signs types a
/// passphrase or two.
const SIGN_WITHIN_MINUTES: i64 = 15;
/// The longest wait that can be configured: a week.
const MAX_SIGN_WITHIN_MINUTES: i64 = 7 * 24 * 60;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn config(rule: &serde_json::Value) -> PolicyConfig {
        let mut all = serde_json::json!({"repository": "app", "roots": {"key_ids": [ID]}});
        for (name, value) in rule.as_object().unwrap() {
            all[name] = value.clone();
        }
        serde_json::from_value(serde_json::json!({"rules": [all]})).unwrap()
    }

    fn error(rule: &serde_json::Value) -> String {
        Policy::from_config(&config(rule)).unwrap_err().to_string()
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = serde_json::json!({"rules": [
            {"repository": "prod/dev-*", "pull": "off"},
            {"repository": "prod/**", "pull": "enforce", "roots": {"key_ids": [ID]}},
            {"repository": "**", "pull": "audit", "roots": {"key_ids": [ID]}},
        ]});
        let config: PolicyConfig = serde_json::from_value(rules).unwrap();
        let policy = Policy::from_config(&config).unwrap();
        let mode = |name| policy.rule(name).unwrap().pull;
        assert_eq!(mode("prod/dev-app"), Mode::Off);
        assert_eq!(mode("prod/a/b"), Mode::Enforce);
        assert_eq!(mode("x"), Mode::Audit);
        assert!(Policy::default().rule("x").is_none());
    }

    #[test]
    fn what_is_not_said_is_as_docker_has_it() {
        let policy = Policy::from_config(&config(&serde_json::json!({"pull": "enforce"}))).unwrap();
        let rule = policy.rule("app").unwrap();
        assert_eq!(rule.roles, [RoleName::releases(), RoleName::Targets]);
        assert_eq!((rule.signers_needed, rule.superseded), (0, SignedDuration::ZERO));
        assert_eq!((rule.push, rule.serve), (Mode::Off, Serve::Registry));
    }

    #[test_case("pull"; "pull")]
    #[test_case("push"; "push")]
    fn a_rule_without_a_pin_is_an_error_that_names_it(member: &str) {
        for mode in ["enforce", "audit"] {
            let words = error(&serde_json::json!({member: mode, "roots": {}}));
            assert!(words.starts_with("rules[0].roots: ") && words.contains("pin the root"));
        }
        let off = config(&serde_json::json!({member: "off", "roots": {}}));
        assert!(Policy::from_config(&off).is_ok());
    }

    #[test]
    fn wrong_members_are_named() {
        for (rule, begins) in [
            (serde_json::json!({"repository": ""}), "rules[0].repository: "),
            (serde_json::json!({"roles": ["targets", "root"]}), "rules[0].roles[1]: "),
            (serde_json::json!({"roles": ["targets", "targets"]}), "rules[0].roles[1]: "),
            (serde_json::json!({"signers": ["a b"]}), "rules[0].signers[0]: "),
            (serde_json::json!({"signers": ["a"], "signers_needed": 2}), "rules[0].signers_needed"),
            (serde_json::json!({"signers_needed": 0}), "rules[0].signers_needed"),
            (serde_json::json!({"superseded_days": -1}), "rules[0].superseded_days: "),
            (serde_json::json!({"sign_within_minutes": 0}), "rules[0].sign_within_minutes: "),
            (serde_json::json!({"roots": {"key_ids": ["x"]}}), "rules[0].roots.key_ids[0]: "),
            (
                serde_json::json!({"roots": {"certificates": ["x"]}}),
                "rules[0].roots.certificates[0]: ",
            ),
        ] {
            let words = error(&rule);
            assert!(words.starts_with(begins), "{words}");
        }
        let unknown = serde_json::json!({"rules": [{"repository": "a", "pul": "off"}]});
        let words = serde_json::from_value::<PolicyConfig>(unknown).unwrap_err().to_string();
        assert!(words.contains("`pul`"), "{words}");
    }

    #[test]
    fn every_change_is_another_version() {
        let version = |rule| Policy::from_config(&config(&rule)).unwrap().version();
        let one = version(serde_json::json!({"pull": "enforce"}));
        assert_eq!(one, version(serde_json::json!({"pull": "enforce"})));
        assert_ne!(one, version(serde_json::json!({"pull": "audit"})));
        assert_ne!(one, version(serde_json::json!({"pull": "enforce", "superseded_days": 1})));
    }

    #[test]
    fn files_are_read_by_whoever_may() {
        let roots = serde_json::json!({"certificate_files": ["ca.pem"]});
        let mut config = config(&serde_json::json!({"pull": "enforce", "roots": roots}));
        let error = config.clone().read_files(|_| Err(std::io::ErrorKind::NotFound.into()));
        let words = error.unwrap_err().to_string();
        assert!(words.starts_with("rules[0].roots.certificate_files[0]: cannot read ca.pem"));
        config.read_files(|_| Ok("pem".to_owned())).unwrap();
        assert_eq!(config.rules[0].roots.certificates, ["pem"]);
    }
}
