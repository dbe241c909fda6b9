//! The configuration of an image (spec/canonical-image.md §5).

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::oci::Platform;
use crate::oci::canonical::{CanonicalError, json_bytes};

/// The configuration as bytes: members that the profile knows, those that say nothing left out, the
/// platform under its usual names.
pub fn config_bytes(config: &Map<String, Value>) -> Result<Vec<u8>, CanonicalError> {
    json_bytes(&Value::Object(normal(config)))
}

/// A time as configurations have it. It must be one that everybody can write.
pub fn created(epoch: i64) -> Result<String, CanonicalError> {
    let time = Timestamp::from_second(epoch).ok().filter(|_| (0..=LATEST).contains(&epoch));
    time.map(|time| time.to_string()).ok_or(CanonicalError::Epoch { epoch })
}

fn normal(config: &Map<String, Value>) -> Map<String, Value> {
    let mut normal = known(config, &MEMBERS);
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let (os, architecture) = (text("os"), text("architecture"));
    let platform =
        Platform::new(os.unwrap_or_default(), architecture.unwrap_or_default(), text("variant"));
    normal.insert("os".to_owned(), json!(platform.os));
    normal.insert("architecture".to_owned(), json!(platform.architecture));
    match platform.variant {
        Some(variant) => drop(normal.insert("variant".to_owned(), json!(variant))),
        None => drop(normal.shift_remove("variant")),
    }
    let settings = config.get("config").and_then(Value::as_object);
    let settings = settings.map(settings_of).unwrap_or_default();
    normal.insert("config".to_owned(), Value::Object(settings));
    let diff_ids = config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids"));
    let diff_ids = diff_ids.filter(|list| list.is_array()).cloned().unwrap_or_else(|| json!([]));
    normal.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": diff_ids}));
    if let Some(history) = normal.get_mut("history").and_then(Value::as_array_mut) {
        for step in history {
            if let Some(members) = step.as_object() {
                *step = Value::Object(known(members, &STEP));
            }
        }
    }
    normal
}

/// The member `config`.
fn settings_of(settings: &Map<String, Value>) -> Map<String, Value> {
    let mut normal = known(settings, &SETTINGS);
    if let Some(check) = normal.get_mut("Healthcheck").and_then(Value::as_object_mut) {
        check.retain(|_, value| !says_nothing(value));
    }
    normal
}

/// The members of these names that say something.
fn known(object: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let is_known =
        |(name, value): &(&String, &Value)| names.contains(&name.as_str()) && !says_nothing(value);
    let members = object.iter().filter(is_known);
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Programs that read configurations take it for what is not there.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

const MEMBERS: [&str; 10] = [
    "architecture",
    "author",
    "config",
    "created",
    "history",
    "os",
    "os.features",
    "os.version",
    "rootfs",
    "variant",
];
const SETTINGS: [&str; 13] = [
    "ArgsEscaped",
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];
const STEP: [&str; 5] = ["author", "comment", "created", "created_by", "empty_layer"];
/// What eleven octal digits hold, the last second that the header of an entry has room for.
const LATEST: i64 = (1 << 33) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(document: &Value) -> String {
        let bytes = config_bytes(document.as_object().unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_says_nothing_is_not_there() {
        let dockers = json!({"os": "linux", "architecture": "x86_64", "variant": "",
            "container": "abc", "docker_version": "20", "created": "2024-01-02T03:04:05Z",
            "config": {"Hostname": "abc", "User": "", "Tty": false, "Cmd": null, "Env": ["B=1", "A=2"],
                "Labels": {"b": "", "a": "<x>"}, "Volumes": {"/v": {}}, "ExposedPorts": {},
                "Healthcheck": {"Test": ["NONE"], "Interval": 0}},
            "history": [{"created_by": "x", "empty_layer": false, "comment": ""}],
            "rootfs": {"type": "layers", "diff_ids": []}});
        assert_eq!(
            text(&dockers),
            "{\"architecture\":\"amd64\",\"config\":{\"Env\":[\"B=1\",\"A=2\"],\"Healthcheck\":{\"Test\":[\"NONE\"]},\"Labels\":{\"a\":\"<x>\",\"b\":\"\"},\"Volumes\":{\"/v\":{}}},\"created\":\"2024-01-02T03:04:05Z\",\"history\":[{\"created_by\":\"x\"}],\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[],\"type\":\"layers\"}}"
        );
        let least = json!({"os": "linux", "architecture": "arm"});
        assert_eq!(
            text(&least),
            "{\"architecture\":\"arm\",\"config\":{},\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[],\"type\":\"layers\"},\"variant\":\"v7\"}"
        );
    }

    #[test]
    fn times() {
        assert_eq!(created(0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(created(LATEST).unwrap(), "2242-03-16T12:56:31Z");
        for epoch in [-1, LATEST + 1, i64::MIN] {
            assert!(matches!(created(epoch), Err(CanonicalError::Epoch { .. })), "{epoch}");
        }
    }
}
