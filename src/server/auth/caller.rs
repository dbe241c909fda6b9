//! A caller and their rights.

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

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    name: Option<String>,
    rights: Rights,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rights {
    Everything,
    Granted(Vec<Grant>),
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
        Self { name, rights: Rights::Granted(grants) }
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

    /// Whether they may do this to the repository of this name.
    pub fn may(&self, action: Action, repository: &str) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Granted(grants) => grants.iter().any(|grant| {
                let enough =
                    grant.actions.contains(&action) || grant.actions.contains(&Action::Admin);
                enough && matches(&grant.pattern, repository)
            }),
        }
    }
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
