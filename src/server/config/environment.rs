//! `REGISTRY_…` variables over the file: each underscore is a level, as the registry has it.

use std::collections::BTreeMap;

use crate::server::config::ConfigError;
use crate::server::config::document::{Key, Node, Value, parse};
use crate::server::config::error::Place;

/// The beginning of the names of variables that are looked at.
pub const PREFIX: &str = "REGISTRY_";

/// Puts variables over a document. Returns what is to be told: variables that are none of ours.
pub fn overlay(
    document: &mut Node,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<String>, ConfigError> {
    let mut notes = Vec::new();
    // In their order, a section comes before what is in it.
    for (name, value) in variables {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        if is_foreign(path) {
            continue;
        }
        if is_of_a_link(path) {
            notes.push(format!("the variable {name} is not a setting, and is ignored"));
            continue;
        }
        let place = Place::Variable(name.clone());
        let mut node = parse(value, Some(&place))?;
        let path = path.to_lowercase();
        if let (true, Value::Scalar { text, .. }) = (has_kinds(&path), &node.value) {
            // `REGISTRY_AUTH=htpasswd` says which, and other variables how.
            let key = Key { name: text.clone(), place: place.clone() };
            node.value = Value::Map(vec![(key, Node::empty(place.clone()))]);
        }
        let path: Vec<&str> = path.split('_').collect();
        document.put(&path, &place, node);
    }
    Ok(notes)
}

/// Whether a section is chosen by one word.
fn has_kinds(path: &str) -> bool {
    matches!(path, "auth" | "storage")
}

/// What other programs' variables are called: where the file is, and podman's logins.
fn is_foreign(path: &str) -> bool {
    matches!(path, "CONFIGURATION_PATH" | "AUTH_FILE")
}

/// What docker and Kubernetes set for a service that is called `registry`.
fn is_of_a_link(path: &str) -> bool {
    path == "PORT"
        || path.starts_with("PORT_")
        || path.starts_with("SERVICE_HOST")
        || path.starts_with("SERVICE_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_go_before_the_file() {
        let mut document = parse("http: {addr: ':1'}\nauth: {token: {realm: x}}\n", None).unwrap();
        let variables = [
            ("REGISTRY_HTTP_ADDR", ":2"),
            ("REGISTRY_HTTP_HEADERS", "{X-A: [b]}"),
            ("REGISTRY_AUTH", "htpasswd"),
            ("REGISTRY_AUTH_HTPASSWD_REALM", "r"),
            ("REGISTRY_PORT", "tcp://10.0.0.1:5000"),
            ("REGISTRY_AUTH_FILE", "/x"),
            ("HOME", "/h"),
        ];
        let variables = variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let notes = overlay(&mut document, &variables).unwrap();
        assert_eq!(notes.len(), 1);
        let text = |path: &str| match &document.find(path).unwrap().1.value {
            Value::Scalar { text, .. } => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("http.addr"), ":2");
        assert_eq!(text("auth.htpasswd.realm"), "r");
        assert!(document.find("auth.token").is_none());
        assert!(document.find("http.headers.X-A").is_some());
    }
}
