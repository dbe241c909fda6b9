//! JSON as templates see it, and back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gtmpl_ng::Value;
use serde_json::{Map, Value as Json};

use crate::cli::template::Headings;
use crate::cli::ui::printable_lines;

/// A row, or a part of one. Members of a record that the sample has are fields: they have Go-like
/// names, are always there, and no others are. What the sample does not describe is a map with the
/// names it has. `null` is empty text, as an unset string is for docker, or the absence of a
/// record.
pub(super) fn row(json: &Json, sample: &Json) -> Value {
    convert(json, sample, false)
}

/// As [`row`], but records remember the JSON that they were made of, for [`to_json`].
pub(super) fn document(json: &Json, sample: &Json) -> Value {
    convert(json, sample, true)
}

fn convert(json: &Json, sample: &Json, remember: bool) -> Value {
    let row = |json: &Json, sample: &Json| convert(json, sample, remember);
    match (json, sample) {
        (Json::Object(members), Json::Object(known)) if !known.is_empty() => {
            let mut record = fields(members, known, remember);
            if remember {
                record.insert(AS_JSON.to_owned(), Value::from(json.to_string()));
            }
            Value::Object(record)
        }
        (Json::Object(members), _) => {
            let part = |(name, part): (&String, &Json)| (safe(name), row(part, &Json::Null));
            Value::Map(members.iter().map(part).collect())
        }
        (Json::Array(parts), _) => {
            let sample = sample.get(0).unwrap_or(&Json::Null);
            Value::Array(parts.iter().map(|part| row(part, sample)).collect())
        }
        (Json::Null, Json::Object(_)) => Value::NoValue,
        (Json::Null, Json::Array(_)) => Value::Array(Vec::new()),
        (Json::Null, _) => Value::from(""),
        (Json::Bool(is), _) => Value::from(*is),
        (Json::String(text), _) => Value::from(safe(text)),
        (Json::Number(number), _) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or_default()),
        },
    }
}

fn fields(
    members: &Map<String, Json>,
    known: &Map<String, Json>,
    remember: bool,
) -> HashMap<String, Value> {
    let names: BTreeSet<&String> = members.keys().chain(known.keys()).collect();
    let field = |name: &String| {
        let part = members.get(name).unwrap_or(&Json::Null);
        (go_name(name), convert(part, known.get(name).unwrap_or(&Json::Null), remember))
    };
    names.into_iter().map(field).collect()
}

/// Where a record remembers the JSON that it was made of: no member has an empty name.
const AS_JSON: &str = "";

/// The sample with the heading of each member in its place.
pub(super) fn headings(sample: &Json, special: Headings) -> Value {
    let mut headings = heading("", sample);
    if let Value::Object(members) = &mut headings {
        let named = |(name, words): &(&str, &str)| (go_name(name), Value::from(*words));
        members.extend(special.iter().map(named));
    }
    headings
}

fn heading(name: &str, sample: &Json) -> Value {
    match sample {
        Json::Object(members) if !members.is_empty() => {
            let part =
                |(name, part): (&String, &Json)| (go_name(name), heading(&title(name), part));
            Value::Object(members.iter().map(part).collect())
        }
        Json::Array(parts) => {
            Value::Array(vec![heading(name, parts.first().unwrap_or(&Json::Null))])
        }
        _ => Value::from(name),
    }
}

/// The names of a row's fields, sorted.
pub(super) fn names(sample: &Json) -> impl Iterator<Item = String> {
    let names: BTreeSet<String> =
        sample.as_object().into_iter().flat_map(Map::keys).map(|name| go_name(name)).collect();
    names.into_iter()
}

/// A value as JSON, members sorted by name as Go sorts them.
pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(is) => Json::Bool(*is),
        Value::String(text) => Json::String(text.clone()),
        Value::Array(parts) => Json::Array(parts.iter().map(to_json).collect()),
        Value::Object(members) | Value::Map(members) => {
            if let Some(Value::String(text)) = members.get(AS_JSON) {
                return serde_json::from_str(text).unwrap_or_default();
            }
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            Json::Object(
                sorted.into_iter().map(|(name, part)| (name.clone(), to_json(part))).collect(),
            )
        }
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => Json::from(number),
            (_, Some(number), _) => Json::from(number),
            (.., number) => number.map_or(Json::Null, Json::from),
        },
        _ => Json::Null,
    }
}

/// `key_ids` as Go would name it: `KeyIDs`.
fn go_name(name: &str) -> String {
    let word = |word: &str| match word {
        "id" | "gun" | "url" | "sha256" | "sha512" => word.to_uppercase(),
        "ids" => "IDs".to_owned(),
        word => {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect()
        }
    };
    name.split('_').map(word).collect()
}

/// `key_ids`, or `KeyIDs`, as a heading: `KEY IDS`.
fn title(name: &str) -> String {
    let mut text = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter == '_' || (after_small && letter.is_uppercase()) {
            text.push(' ');
        }
        if letter != '_' {
            text.extend(letter.to_uppercase());
        }
        after_small = letter.is_lowercase();
    }
    text
}

/// Text that cannot steer the terminal: it may come from a server.
fn safe(text: &str) -> String {
    printable_lines(text)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("name", "Name", "NAME")]
    #[test_case("key_ids", "KeyIDs", "KEY IDS")]
    #[test_case("metadata_id", "MetadataID", "METADATA ID")]
    #[test_case("gun", "GUN", "GUN")]
    #[test_case("sha256", "SHA256", "SHA256")]
    #[test_case("SignedTags", "SignedTags", "SIGNED TAGS")]
    #[test_case("ID", "ID", "ID")]
    fn members_have_names_as_in_go_and_headings_as_in_docker(name: &str, go: &str, heading: &str) {
        assert_eq!(go_name(name), go);
        assert_eq!(title(name), heading);
    }
}
