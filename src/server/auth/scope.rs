//! Scopes and access in docker's words: `repository:team/app:pull,push`.

use crate::server::auth::caller::{Action, Allowed, Caller, Need, Scope};
use crate::server::auth::jwt::Access;

/// A scope as a client asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requested<'a> {
    /// `repository` or `registry`; a class in brackets is left out.
    pub(super) kind: &'a str,
    /// The name, which may have colons in it.
    pub(super) name: &'a str,
    /// The actions.
    pub(super) actions: Vec<&'a str>,
}

impl<'a> Requested<'a> {
    /// Reads `TYPE:NAME:ACTION,…`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
        let actions = actions.split(',').filter(|action| !action.is_empty()).collect();
        Some(Self { kind, name, actions })
    }
}

/// The scope that a token must have for this; `None` if any token does.
pub(super) fn wanted(need: &Need) -> Option<String> {
    match &need.scope {
        Scope::Repository(name) => {
            Some(format!("repository:{name}:{}", words(&need.actions).join(",")))
        }
        Scope::Catalog | Scope::Search => Some(format!("{REGISTRY}:{CATALOG}:*")),
        Scope::Base => None,
    }
}

/// What docker calls these actions. Signing is pushing: its tokens know no other word.
pub(super) fn words(actions: &[Action]) -> Vec<&'static str> {
    if actions.contains(&Action::Admin) {
        return vec!["*"];
    }
    let mut words = Vec::new();
    for action in actions {
        let word = match action {
            Action::Pull => "pull",
            Action::Push | Action::Sign => "push",
            Action::Delete => "delete",
            Action::Admin => "*",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// What a token's access entries allow on repositories. Words that mean nothing here are passed
/// over.
pub(super) fn allowed(access: &[Access]) -> Vec<Allowed> {
    let entry = |entry: &Access| {
        let actions = entry.actions.iter().flat_map(|word| match word.as_str() {
            "pull" => &[Action::Pull][..],
            "push" => &[Action::Push, Action::Sign],
            "delete" => &[Action::Delete],
            "*" => &[Action::Admin],
            _ => &[],
        });
        Allowed { name: entry.name.clone(), actions: actions.copied().collect() }
    };
    access.iter().filter(|entry| entry.kind == REPOSITORY).map(entry).collect()
}

/// Whether a token's access entries allow to list repositories.
pub(super) fn allows_catalog(access: &[Access]) -> bool {
    access.iter().any(|entry| {
        let all = entry.actions.iter().any(|word| word == "*");
        entry.kind == REGISTRY && entry.name == CATALOG && all
    })
}

/// Whether a caller may do what a request needs.
pub(super) fn satisfies(caller: &Caller, need: &Need) -> bool {
    match &need.scope {
        Scope::Repository(name) => need.actions.iter().all(|action| caller.may(*action, name)),
        Scope::Catalog | Scope::Search | Scope::Base => true,
    }
}

/// The type of a repository's scope.
pub(super) const REPOSITORY: &str = "repository";
/// The type of the scope of what is no repository's.
pub(super) const REGISTRY: &str = "registry";
/// The list of all repositories.
pub(super) const CATALOG: &str = "catalog";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_as_clients_write_them() {
        let read = |text| Requested::parse(text).unwrap();
        let expected = Requested {
            kind: "repository",
            name: "localhost:5000/a/b",
            actions: vec!["push", "pull"],
        };
        assert_eq!(read("repository:localhost:5000/a/b:push,pull"), expected);
        assert_eq!(read("repository(plugin):a:pull").kind, "repository");
        assert_eq!(read("registry:catalog:*").actions, ["*"]);
        assert_eq!(read("repository:a:").actions, [""; 0]);
        assert_eq!(Requested::parse("repository:a"), None);
        assert_eq!(Requested::parse(""), None);
    }

    #[test]
    fn needs_in_dockers_words() {
        let repository = |actions: &[Action]| {
            let scope = Scope::Repository("a".to_owned());
            wanted(&Need { scope, actions: actions.to_vec() }).unwrap()
        };
        assert_eq!(repository(&[Action::Pull]), "repository:a:pull");
        assert_eq!(repository(&[Action::Pull, Action::Push]), "repository:a:pull,push");
        let signed = repository(&[Action::Pull, Action::Push, Action::Sign]);
        assert_eq!(signed, "repository:a:pull,push");
        assert_eq!(repository(&[Action::Delete]), "repository:a:delete");
        assert_eq!(repository(&[Action::Admin]), "repository:a:*");
        assert_eq!(wanted(&Need { scope: Scope::Base, actions: Vec::new() }), None);
    }
}
