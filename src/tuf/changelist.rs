//! Staged changes as notary writes them, one a file (notary.md §2.6).

use std::num::NonZeroU32;

use crate::codec::canonical_json::Value;
use crate::codec::text::{from_base64, to_base64};
use crate::crypto::{KeyId, PublicKey};
use crate::tuf::metadata::{MetadataError, Problem, Target};
use crate::tuf::names::{NameError, RoleName, TargetName};

/// One staged change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Adds or replaces a target in a role.
    AddTarget {
        /// The role to sign it.
        role: RoleName,
        /// Its name.
        name: TargetName,
        /// What it is.
        target: Target,
    },
    /// Removes a target from a role.
    RemoveTarget {
        /// The role that names it.
        role: RoleName,
        /// Its name.
        name: TargetName,
    },
    /// Creates a delegation, or adds to one or takes from it.
    ChangeDelegation {
        /// The delegation; the part before its last `/` may be `*` only in a purge.
        role: DelegationScope,
        /// Whether it may be created by this.
        create: bool,
        /// What changes.
        edit: DelegationEdit,
    },
    /// Removes a delegation.
    RemoveDelegation {
        /// The delegation.
        role: RoleName,
    },
    /// Signs a role again as it is.
    Witness {
        /// The role.
        role: RoleName,
    },
}

/// What a change is about, in the words of notary's files and tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeHead<'a> {
    /// `create`, `update` or `delete`.
    pub action: &'static str,
    /// The role, or `targets/*` and the like.
    pub scope: String,
    /// `target`, `delegation` or `witness`.
    pub kind: &'static str,
    /// The target's name; empty for all else.
    pub path: &'a str,
}

/// Which delegations a change is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DelegationScope {
    /// One.
    One(RoleName),
    /// Every delegation below this role: `targets/*` on disk.
    AllBelow(RoleName),
}

/// What changes of a delegation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DelegationEdit {
    /// The new threshold.
    pub threshold: Option<NonZeroU32>,
    /// Keys to add.
    pub add_keys: Vec<PublicKey>,
    /// Keys to remove, by canonical id.
    pub remove_keys: Vec<KeyId>,
    /// Paths to add.
    pub add_paths: Vec<String>,
    /// Paths to remove.
    pub remove_paths: Vec<String>,
    /// Whether all paths go first.
    pub clear_paths: bool,
}

/// Why a change file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// Not JSON, or a member of it is wrong.
    #[error("the change file is malformed")]
    Malformed(#[source] MetadataError),
    /// A name in it is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A delegation that is to have another name: its files and keys would not follow.
    #[error("the delegation `{scope}` cannot be renamed")]
    Rename {
        /// The role.
        scope: String,
    },
    /// An action, type and scope that do not go together.
    #[error("a change cannot {action} a {kind} in `{scope}`")]
    Unsupported {
        /// `create`, `update` or `delete`.
        action: String,
        /// `target`, `delegation`, `witness` or `role`.
        kind: String,
        /// The role.
        scope: String,
    },
}

impl Change {
    /// Reads a change file.
    pub fn parse(raw: &[u8]) -> Result<Self, ChangeError> {
        let value = json(raw)?;
        if value.as_object().is_none() {
            let problem = Problem::NotA("an object");
            return Err(ChangeError::Malformed(MetadataError::here(problem)));
        }
        let text = |name: &str| match member(&value, name) {
            Some(Value::String(text)) => Ok(text.clone()),
            None | Some(Value::Null) => Ok(String::new()),
            Some(_) => Err(malformed(Problem::NotA("a string"), name)),
        };
        let (action, scope, kind) = (text("action")?, text("role")?, text("type")?);
        let data = match text("data")? {
            empty if empty.is_empty() => Value::Null,
            data => json(&from_base64(&data).map_err(|error| malformed(error, "data"))?)?,
        };
        match (action.as_str(), kind.as_str()) {
            ("create" | "update", "target") => Ok(Self::AddTarget {
                role: targets_role(&scope)?,
                name: TargetName::parse(&text("path")?)?,
                target: Target::from_json(&data)
                    .map_err(|error| ChangeError::Malformed(error.at("data")))?,
            }),
            ("delete", "target") => Ok(Self::RemoveTarget {
                role: targets_role(&scope)?,
                name: TargetName::parse(&text("path")?)?,
            }),
            ("create" | "update", "delegation") => {
                if !matches!(member(&data, "new_name"), None | Some(Value::Null)) {
                    return Err(ChangeError::Rename { scope });
                }
                let create = action == "create";
                let role = match scope.strip_suffix("/*") {
                    Some(_) if create => {
                        return Err(ChangeError::Unsupported { action, kind, scope });
                    }
                    Some(parent) => DelegationScope::AllBelow(targets_role(parent)?),
                    None => DelegationScope::One(targets_role(&scope)?),
                };
                Ok(Self::ChangeDelegation { role, create, edit: read_edit(&data)? })
            }
            ("delete", "delegation") => Ok(Self::RemoveDelegation { role: targets_role(&scope)? }),
            ("update", "witness") => Ok(Self::Witness { role: targets_role(&scope)? }),
            _ => Err(ChangeError::Unsupported { action, kind, scope }),
        }
    }

    /// What the change is about, in notary's words.
    pub fn head(&self) -> ChangeHead<'_> {
        let (action, scope, kind, path) = match self {
            Self::AddTarget { role, name, .. } => {
                ("create", role.to_string(), "target", name.as_str())
            }
            Self::RemoveTarget { role, name } => {
                ("delete", role.to_string(), "target", name.as_str())
            }
            Self::ChangeDelegation { role, create, .. } => {
                let scope = match role {
                    DelegationScope::One(role) => role.to_string(),
                    DelegationScope::AllBelow(parent) => format!("{parent}/*"),
                };
                let action = if *create { "create" } else { "update" };
                (action, scope, "delegation", "")
            }
            Self::RemoveDelegation { role } => ("delete", role.to_string(), "delegation", ""),
            Self::Witness { role } => ("update", role.to_string(), "witness", ""),
        };
        ChangeHead { action, scope, kind, path }
    }

    /// Writes the change as notary does, member order and all.
    pub fn encode(&self) -> Vec<u8> {
        let ChangeHead { action, scope, kind, path } = self.head();
        let data = match self {
            Self::AddTarget { target, .. } => Some(write_target(target)),
            Self::ChangeDelegation { edit, .. } => Some(write_edit(edit)),
            _ => None,
        };
        let data = data.map_or_else(|| "null".to_owned(), |data| quoted(&to_base64(&data)));
        ordered(&[
            ("action", quoted(action)),
            ("role", quoted(&scope)),
            ("type", quoted(kind)),
            ("path", quoted(path)),
            ("data", data),
        ])
        .into_bytes()
    }
}

fn json(raw: &[u8]) -> Result<Value, ChangeError> {
    Value::parse(raw).map_err(|error| ChangeError::Malformed(MetadataError::here(error)))
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(name),
        _ => None,
    }
}

fn malformed(problem: impl Into<Problem>, name: &str) -> ChangeError {
    ChangeError::Malformed(MetadataError::here(problem).at(name))
}

fn targets_role(name: &str) -> Result<RoleName, ChangeError> {
    let role = RoleName::parse(name)?;
    if role.is_targets() {
        return Ok(role);
    }
    Err(ChangeError::Name(NameError {
        kind: "role",
        name: name.to_owned(),
        problem: "only `targets` and delegations below it can be changed",
    }))
}

fn read_edit(data: &Value) -> Result<DelegationEdit, ChangeError> {
    if !matches!(data, Value::Null | Value::Object(_)) {
        return Err(malformed(Problem::NotA("an object"), "data"));
    }
    let list = |name: &'static str| match member(data, name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(elements)) => Ok(elements.clone()),
        Some(_) => Err(malformed(Problem::NotA("an array"), name)),
    };
    let texts = |name: &'static str| {
        list(name)?
            .into_iter()
            .map(|element| match element {
                Value::String(text) => Ok(text),
                _ => Err(malformed(Problem::NotA("a string"), name)),
            })
            .collect::<Result<Vec<_>, _>>()
    };
    let threshold = match member(data, "threshold") {
        None | Some(Value::Null | Value::Int(0)) => None,
        Some(Value::Int(number)) => Some(
            u32::try_from(*number)
                .ok()
                .and_then(NonZeroU32::new)
                .ok_or_else(|| malformed(Problem::Threshold(*number), "threshold"))?,
        ),
        Some(_) => return Err(malformed(Problem::NotA("an integer"), "threshold")),
    };
    Ok(DelegationEdit {
        threshold,
        add_keys: list("add_keys")?
            .iter()
            .map(|key| PublicKey::from_json(key).map_err(|error| malformed(error, "add_keys")))
            .collect::<Result<_, _>>()?,
        remove_keys: texts("remove_keys")?
            .iter()
            .map(|id| KeyId::parse(id).map_err(|error| malformed(error, "remove_keys")))
            .collect::<Result<_, _>>()?,
        add_paths: texts("add_paths")?,
        remove_paths: texts("remove_paths")?,
        clear_paths: match member(data, "clear_paths") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(clear)) => *clear,
            Some(_) => return Err(malformed(Problem::NotA("true or false"), "clear_paths")),
        },
    })
}

fn write_target(target: &Target) -> Vec<u8> {
    let Value::Object(members) = target.to_json() else { return Vec::new() };
    // The reference writes these members in the order of its struct.
    let written: Vec<(&str, String)> = ["length", "hashes", "custom"]
        .into_iter()
        .filter_map(|name| Some((name, wire(members.get(name)?))))
        .collect();
    ordered(&written).into_bytes()
}

fn write_edit(edit: &DelegationEdit) -> Vec<u8> {
    let texts = |texts: &[String]| list(texts.iter().map(|text| quoted(text)));
    let mut written = Vec::new();
    if let Some(threshold) = edit.threshold {
        written.push(("threshold", threshold.to_string()));
    }
    if !edit.add_keys.is_empty() {
        written.push(("add_keys", list(edit.add_keys.iter().map(write_key))));
    }
    if !edit.remove_keys.is_empty() {
        let ids = edit.remove_keys.iter().map(|id| quoted(id.as_str()));
        written.push(("remove_keys", list(ids)));
    }
    if !edit.add_paths.is_empty() {
        written.push(("add_paths", texts(&edit.add_paths)));
    }
    if !edit.remove_paths.is_empty() {
        written.push(("remove_paths", texts(&edit.remove_paths)));
    }
    if edit.clear_paths {
        written.push(("clear_paths", "true".to_owned()));
    }
    ordered(&written).into_bytes()
}

fn write_key(key: &PublicKey) -> String {
    let json = key.to_json();
    let keytype = member(&json, "keytype").map(wire).unwrap_or_default();
    let public = member(&json, "keyval")
        .and_then(|value| member(value, "public"))
        .map(wire)
        .unwrap_or_default();
    let keyval = ordered(&[("public", public), ("private", "null".to_owned())]);
    ordered(&[("keytype", keytype), ("keyval", keyval)])
}

fn ordered(members: &[(&str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", members.join(","))
}

fn list(elements: impl Iterator<Item = String>) -> String {
    format!("[{}]", elements.collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    wire(&Value::String(text.to_owned()))
}

fn wire(value: &Value) -> String {
    String::from_utf8_lossy(&value.to_wire()).into_owned()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const ALPHA_KEYS: &[u8] = include_bytes!(
        "../../tests/data/notary-vectors/cl-delegations/01795418138267503358_602368ee-ac1d-4a23-9647-07a9e0bd402c.change"
    );
    const ALPHA_PATHS: &[u8] = include_bytes!(
        "../../tests/data/notary-vectors/cl-delegations/01795418138267626951_8cdfa6ba-55ff-4e2a-b672-b95cc46612be.change"
    );
    const RELEASES_KEYS: &[u8] = include_bytes!(
        "../../tests/data/notary-vectors/cl-delegations/01795418138275451105_0c5c6270-f43b-4289-ad7f-1d71a0362879.change"
    );
    const TARGET: &[u8] = include_bytes!(
        "../../tests/data/notary-vectors/cl-targets/01795418138347218202_5a025b77-c42f-40c4-a326-714fe0ae394e.change"
    );

    #[test_case(ALPHA_KEYS; "a delegation with an ecdsa key")]
    #[test_case(ALPHA_PATHS; "paths of a delegation")]
    #[test_case(RELEASES_KEYS; "a delegation with a certificate")]
    #[test_case(TARGET; "a target")]
    fn notarys_change_files_are_read_and_written_byte_for_byte(raw: &[u8]) {
        let change = Change::parse(raw).unwrap();
        assert_eq!(
            String::from_utf8(change.encode()).unwrap(),
            String::from_utf8(raw.to_vec()).unwrap()
        );
    }

    #[test]
    fn a_purge_is_for_all_roles_below() {
        let raw = br#"{"action":"update","role":"targets/*","type":"delegation","path":"","data":"eyJyZW1vdmVfa2V5cyI6W119"}"#;
        let change = Change::parse(raw).unwrap();
        assert!(matches!(
            change,
            Change::ChangeDelegation {
                role: DelegationScope::AllBelow(RoleName::Targets),
                create: false,
                ..
            }
        ));
    }

    #[test_case(br#"{"action":"create","role":"root","type":"target","path":"x","data":null}"#; "targets in root")]
    #[test_case(br#"{"action":"create","role":"targets/../x","type":"delegation","path":"","data":null}"#; "a role that climbs")]
    fn a_scope_that_cannot_be_changed_is_refused(raw: &[u8]) {
        assert!(matches!(Change::parse(raw), Err(ChangeError::Name(_))));
    }

    #[test]
    fn an_unknown_action_is_refused() {
        let raw =
            br#"{"action":"explode","role":"targets","type":"target","path":"x","data":null}"#;
        assert!(matches!(Change::parse(raw), Err(ChangeError::Unsupported { .. })));
    }
}
