//! The report of an audit in SARIF 2.1.0, which code scanners of CI systems read.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::actions::audit::{Place, Rule};
use crate::cli::audit::report::{Item, Report};
use crate::cli::audit::words;
use crate::crypto::Sha256Hash;

/// The report as one run.
pub fn sarif(report: &Report) -> Value {
    let rules: Vec<Value> = Rule::ALL.iter().map(|rule| rule_of(*rule)).collect();
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = report.findings.iter().map(|item| result(item, &mut seen)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "trust",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [invocation(report)],
            "results": results,
        }],
    })
}

/// The run itself: it says, too, what there was too much of.
fn invocation(report: &Report) -> Value {
    let left_out = [(report.findings_left_out, "finding"), (report.images_left_out, "image")];
    let told: Vec<Value> = left_out
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| {
            let text = format!("{} left out: there are too many.", words::count(*number, what));
            json!({"level": "warning", "message": {"text": text}})
        })
        .collect();
    let mut invocation = json!({"executionSuccessful": true});
    if let Some(members) = invocation.as_object_mut().filter(|_| !told.is_empty()) {
        members.insert("toolExecutionNotifications".to_owned(), told.into());
    }
    invocation
}

fn rule_of(rule: Rule) -> Value {
    let (id, name) = rule.id();
    json!({
        "id": id,
        "name": name,
        "shortDescription": {"text": words::about(rule)},
        "defaultConfiguration": {"level": words::severity(rule.usual_severity())},
    })
}

fn result(item: &Item, seen: &mut BTreeMap<String, usize>) -> Value {
    let mut text = sentence(&item.text);
    if let Some(mend) = &item.mend {
        let mut letters = mend.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let mend: String = first.into_iter().chain(letters).collect();
        text = format!("{text} {}", sentence(&mend));
    }
    let mut result = json!({
        "ruleId": item.rule,
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == item.of),
        "level": item.severity,
        "message": {"text": text},
        "locations": item.found_at.iter().take(1).map(location).collect::<Vec<_>>(),
        "partialFingerprints": {FINGERPRINT: fingerprint(item, seen)},
    });
    let related: Vec<Value> = item.found_at.iter().skip(1).map(location).collect();
    if let Some(members) = result.as_object_mut().filter(|_| !related.is_empty()) {
        members.insert("relatedLocations".to_owned(), related.into());
    }
    result
}

fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// The same for the same finding wherever in its file it moves: lines are not in it, but how many
/// such findings the file has before.
fn fingerprint(item: &Item, seen: &mut BTreeMap<String, usize>) -> String {
    let file = match item.found_at.first() {
        Some(Place::File { path, .. }) => uri(path),
        Some(Place::Variable(name) | Place::Typed(name)) => name.clone(),
        None => String::new(),
    };
    let what = format!("{}\n{file}\n{}", item.rule, item.image.as_ref().unwrap_or(&item.text));
    let number = seen.entry(what.clone()).or_default();
    *number = number.saturating_add(1);
    Sha256Hash::of(format!("{what}\n{number}").as_bytes()).to_hex()
}

fn location(place: &Place) -> Value {
    match place {
        Place::Variable(name) => json!({"logicalLocations": [{
            "name": name,
            "fullyQualifiedName": format!("environment/{name}"),
            "kind": "variable",
        }]}),
        Place::Typed(text) => json!({"logicalLocations": [{
            "name": text,
            "fullyQualifiedName": text,
            "kind": "resource",
        }]}),
        Place::File { path, line, column } => {
            let mut physical = json!({"artifactLocation": {"uri": uri(path)}});
            let region = line.map(|line| match column {
                Some(column) => json!({"startLine": line, "startColumn": column}),
                None => json!({"startLine": line}),
            });
            if let (Some(region), Some(members)) = (region, physical.as_object_mut()) {
                members.insert("region".to_owned(), region);
            }
            json!({"physicalLocation": physical})
        }
    }
}

/// A path as a reference of RFC 3986: names are bytes, and all but the plainest are encoded.
fn uri(path: &Path) -> String {
    let mut uri = if path.is_absolute() { "file://".to_owned() } else { String::new() };
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*byte));
            }
            other => uri.extend([format!("%{other:02X}")]),
        }
    }
    uri
}

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const FINGERPRINT: &str = "trustAudit/v1";

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn what_was_left_out_is_told() {
        let notes = |report: &Report| {
            sarif(report).pointer("/runs/0/invocations/0/toolExecutionNotifications").cloned()
        };
        assert_eq!(notes(&Report::default()), None);
        let report = Report { findings_left_out: 2, ..Report::default() };
        let notes = notes(&report).unwrap();
        assert_eq!(notes[0]["message"]["text"], "2 findings left out: there are too many.");
    }

    #[test]
    fn paths_are_references() {
        assert_eq!(uri(Path::new("a b/c#.sh")), "a%20b/c%23.sh");
        assert_eq!(uri(Path::new("/etc/é")), "file:///etc/%C3%A9");
        assert_eq!(uri(Path::new(OsStr::from_bytes(b"\xff:"))), "%FF%3A");
    }
}
