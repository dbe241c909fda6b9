//! A caller and their rights.

use std::fmt;
use std::sync::Arc;

use crate::limits::MAX_NAME_BYTES;

/// What can be done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read images and trust data.
    Pull,
    /// Write images.
    Push,
    /// Publish trust data.
    Sign,
    /// Delete images and trust data.
    Delete,
    /// Everything, key rotation of the server among it.
    Admin,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A repository of the registry, by its name; or a collection, by its GUN.
    Repository(String),
    /// The list of all repositories or of all changes.
    Catalog,
    /// The repositories that the caller may see.
    Search,
    /// Nothing that needs a right: only whether a login is good.
    Base,
}

/// What a request needs to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What it is about.
    pub scope: Scope,
    /// What it does; all of these are needed.
    pub actions: Vec<Action>,
}

/// Some actions on the repositories whose name fits a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// `*` stands for any text without `/`, `**` for any text.
    pub pattern: String,
    /// What may be done.
    pub actions: Vec<Action>,
}

/// Why a text is no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// Not `PATTERN:ACTION,ACTION`.
    #[error("`{text}` is not `PATTERN:ACTION,…`")]
    Form {
        /// What was written.
        text: String,
    },
    /// An action that does not exist.
    #[error("`{word}` is none of pull, push, sign, delete, admin")]
    Action {
        /// What was written.
        word: String,
    },
    /// A pattern longer than any name.
    #[error("the pattern is longer than {MAX_NAME_BYTES} bytes")]
    TooLong,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pull, Self::Push, Self::Sign, Self::Delete, Self::Admin];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Sign => "sign",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }
}

impl Grant {
    /// Reads `PATTERN:ACTION,ACTION`, such as `team/*:pull,push`.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        let form = || GrantError::Form { text: text.to_owned() };
        let (pattern, words) = text.rsplit_once(':').ok_or_else(form)?;
        if pattern.is_empty() || pattern.contains(char::is_whitespace) {
            return Err(form());
        }
        if pattern.len() > MAX_NAME_BYTES {
            return Err(GrantError::TooLong);
        }
        let action = |word: &str| {
            let found = Action::ALL.into_iter().find(|action| action.name() == word);
            found.ok_or_else(|| GrantError::Action { word: word.to_owned() })
        };
        let mut actions = words.split(',').map(action).collect::<Result<Vec<_>, _>>()?;
        actions.sort_unstable();
        actions.dedup();
        Ok(Self { pattern: pattern.to_owned(), actions })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.actions.iter().map(|action| action.name()).collect();
        write!(f, "{}:{}", self.pattern, words.join(","))
    }
}

/// What a token allows on one repository or collection, by its exact name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The name; no pattern.
    pub name: String,
    /// What may be done.
    pub actions: Vec<Action>,
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    name: Option<String>,
    rights: Rights,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rights {
    Everything,
    Granted(Granted),
    Token {
        allowed: Vec<Allowed>,
        /// What whoever holds the token may do, where that is known here.
        holder: Option<Granted>,
    },
}

/// Grants, and the names that this server goes by in GUNs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Granted {
    grants: Vec<Grant>,
    hosts: Arc<[String]>,
}

impl Caller {
    /// Somebody of whom nothing is known, on a server that asks nobody.
    pub fn anybody() -> Self {
        Self { name: None, rights: Rights::Everything }
    }

    /// Somebody who may do everything.
    pub fn all_powerful(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), rights: Rights::Everything }
    }

    /// Somebody with these rights; without a name it is nobody in particular.
    pub fn granted(name: Option<String>, grants: Vec<Grant>) -> Self {
        Self::granted_at(name, grants, Arc::default())
    }

    /// Somebody with these rights on a server of these names: a GUN that begins with one of them
    /// is the repository whose name follows.
    pub fn granted_at(name: Option<String>, grants: Vec<Grant>, hosts: Arc<[String]>) -> Self {
        Self { name, rights: Rights::Granted(Granted { grants, hosts }) }
    }

    /// Somebody with a token that allows this and nothing else.
    pub fn with_token(name: Option<String>, allowed: Vec<Allowed>) -> Self {
        Self { name, rights: Rights::Token { allowed, holder: None } }
    }

    /// This caller, showing a token that allows only a part of what they may do.
    #[must_use]
    pub fn bounded_by(self, allowed: Vec<Allowed>) -> Self {
        let holder = match self.rights {
            Rights::Granted(granted) => Some(granted),
            Rights::Everything => None,
            token @ Rights::Token { .. } => return Self { name: self.name, rights: token },
        };
        Self { name: self.name, rights: Rights::Token { allowed, holder } }
    }

    /// Who it is; `None` if they did not log in.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Who it is, for the log and the audit.
    pub fn label(&self) -> &str {
        self.name().unwrap_or("(anonymous)")
    }

    /// Whether they logged in.
    pub fn is_known(&self) -> bool {
        self.name.is_some()
    }

    /// Whether they may do this to the repository of this name, by what they showed: a token allows
    /// no more than was asked of whoever gave it.
    pub fn may(&self, action: Action, repository: &str) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Granted(granted) => granted.allow(action, repository),
            Rights::Token { allowed, holder } => {
                let entries = allowed.iter().filter(|entry| entry.name == repository);
                let shown = entries.into_iter().any(|entry| includes(&entry.actions, action));
                shown && holder.as_ref().is_none_or(|holder| holder.allow(action, repository))
            }
        }
    }

    /// Whether they could do this if they asked for a token that allows it. For what depends on
    /// who somebody is and not on what they do now: docker asks for a token that allows `pull`
    /// also on behalf of those who may push.
    pub fn could(&self, action: Action, repository: &str) -> bool {
        match &self.rights {
            Rights::Token { holder: Some(holder), .. } => holder.allow(action, repository),
            _ => self.may(action, repository),
        }
    }
}

impl Granted {
    fn allow(&self, action: Action, name: &str) -> bool {
        let name = repository_of(name, &self.hosts).unwrap_or(name);
        let fits =
            |grant: &Grant| includes(&grant.actions, action) && matches(&grant.pattern, name);
        self.grants.iter().any(fits)
    }
}

fn includes(actions: &[Action], action: Action) -> bool {
    actions.contains(&action) || actions.contains(&Action::Admin)
}

/// The repository that a GUN of this server is about; `None` if the name begins with none of the
/// server's own.
pub(super) fn repository_of<'a>(name: &'a str, hosts: &[String]) -> Option<&'a str> {
    hosts.iter().find_map(|host| name.strip_prefix(host.as_str())?.strip_prefix('/'))
}

/// Whether a name fits a pattern: `*` stands for any text without `/`, `**` for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    fn fits(pattern: &[u8], name: &[u8], steps: &mut usize) -> bool {
        // Patterns are the administrator's; names are not. Give up rather than go on for ever.
        *steps += 1;
        if *steps > MAX_MATCH_STEPS {
            return false;
        }
        if let Some(rest) = pattern.strip_prefix(b"**") {
            return (0..=name.len())
                .any(|at| name.get(at..).is_some_and(|tail| fits(rest, tail, steps)));
        }
        if let Some(rest) = pattern.strip_prefix(b"*") {
            let reach = name.iter().position(|byte| *byte == b'/').unwrap_or(name.len());
            return (0..=reach)
                .any(|at| name.get(at..).is_some_and(|tail| fits(rest, tail, steps)));
        }
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((wanted, pattern)), Some((found, name))) if wanted == found => {
                fits(pattern, name, steps)
            }
            _ => false,
        }
    }
    fits(pattern.as_bytes(), name.as_bytes(), &mut 0)
}

/// Most steps taken to fit a name to a pattern.
const MAX_MATCH_STEPS: usize = 100_000;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("a/b", "a/b", true)]
    #[test_case("a/*", "a/b", true)]
    #[test_case("a/*", "a/b/c", false)]
    #[test_case("a/**", "a/b/c", true)]
    #[test_case("a/**", "a", false)]
    #[test_case("**", "anything/at/all", true)]
    #[test_case("*-dev", "app-dev", true)]
    #[test_case("*-dev", "team/app-dev", false)]
    #[test_case("**/app", "x/y/app", true)]
    #[test_case("", "a", false)]
    fn patterns(pattern: &str, name: &str, fits: bool) {
        assert_eq!(matches(pattern, name), fits);
    }

    #[test]
    fn a_hard_pattern_ends() {
        assert!(!matches(&"**a".repeat(40), &"a".repeat(39)));
        assert!(!matches(&format!("{}b", "**a".repeat(20)), &"a".repeat(255)));
    }

    #[test_case("team/*:pull,push", "team/*:pull,push")]
    #[test_case("**:push,pull,push", "**:pull,push" ; "sorted")]
    #[test_case("localhost:5000/a:admin", "localhost:5000/a:admin" ; "a colon in the name")]
    fn grants(text: &str, written: &str) {
        assert_eq!(Grant::parse(text).unwrap().to_string(), written);
    }

    #[test_case("team" ; "no actions")]
    #[test_case(":pull" ; "no pattern")]
    #[test_case("a b:pull" ; "a space")]
    #[test_case("a:" ; "an empty action")]
    #[test_case("a:pull," ; "a comma too many")]
    #[test_case("a:Pull" ; "case")]
    #[test_case("a:*" ; "a star")]
    fn no_grants(text: &str) {
        assert!(Grant::parse(text).is_err());
    }

    #[test]
    fn a_token_allows_exact_names_only() {
        let allowed = Allowed { name: "**".to_owned(), actions: vec![Action::Admin] };
        let caller = Caller::with_token(None, vec![allowed]);
        assert!(caller.may(Action::Push, "**") && !caller.may(Action::Pull, "a"));
    }

    #[test]
    fn a_token_allows_no_more_than_its_holder_may() {
        let grant = |text| Grant::parse(text).unwrap();
        let hosts: Arc<[String]> = Arc::from(["localhost:5000".to_owned()]);
        let ann = Caller::granted_at(Some("ann".to_owned()), vec![grant("a:pull,push")], hosts);
        assert!(ann.may(Action::Push, "localhost:5000/a"));
        assert!(!ann.may(Action::Sign, "localhost:5000/a"));
        assert!(!ann.may(Action::Push, "localhost:5001/a"));
        let allowed = |actions| vec![Allowed { name: "a".to_owned(), actions }];
        let pulling = ann.clone().bounded_by(allowed(vec![Action::Pull]));
        assert!(pulling.may(Action::Pull, "a") && !pulling.may(Action::Push, "a"));
        assert!(pulling.could(Action::Push, "a") && !pulling.could(Action::Push, "b"));
        let more = ann.bounded_by(allowed(vec![Action::Admin]));
        assert!(!more.may(Action::Delete, "a"));
    }

    #[test]
    fn rights() {
        let pull = Grant { pattern: "team/*".to_owned(), actions: vec![Action::Pull] };
        let caller = Caller::granted(Some("ann".to_owned()), vec![pull]);
        assert!(caller.may(Action::Pull, "team/app"));
        assert!(!caller.may(Action::Push, "team/app") && !caller.may(Action::Pull, "other/app"));
        let admin = Grant { pattern: "**".to_owned(), actions: vec![Action::Admin] };
        assert!(Caller::granted(None, vec![admin]).may(Action::Delete, "x"));
    }
}
