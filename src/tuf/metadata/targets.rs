//! `targets.json` and the files of delegations.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use crate::codec::canonical_json::Value;
use crate::crypto::hash::HashError;
use crate::crypto::{Hashes, KeyId, PublicKey};
use crate::tuf::metadata::fields::{
    Members, MetadataError, Problem, each, length, number, object, string, text, threshold,
};
use crate::tuf::metadata::file_meta::{read_hashes, write_hashes};
use crate::tuf::metadata::root::{read_key_ids, read_keys, write_key_ids, write_keys};
use crate::tuf::metadata::signed::{Document, Header};
use crate::tuf::names::{RoleName, TargetName};
use crate::tuf::verify::RoleKeys;

/// The document of `targets` and of every delegation (notary.md §1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Version and expiry.
    pub header: Header,
    /// What this role vouches for.
    pub targets: BTreeMap<TargetName, Target>,
    /// To whom it delegates.
    pub delegations: Delegations,
}

/// One target: for docker an image manifest under its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Size in bytes; for docker of the manifest.
    pub length: u64,
    /// Raw digests by algorithm; SHA-256 or SHA-512 is among them.
    pub hashes: Hashes,
    /// Anything the publisher wished to add.
    pub custom: Option<Value>,
}

/// The delegations of one role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delegations {
    /// Keys by id.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// In order of creation.
    pub roles: Vec<DelegationRole>,
}

/// One delegation: who may sign what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationRole {
    /// Full name, a direct child of the role that lists it.
    pub name: RoleName,
    /// Keys, by the id they have in `keys`.
    pub key_ids: Vec<KeyId>,
    /// Prefixes of the target names it may sign; `""` is all, none is nothing.
    pub paths: Vec<String>,
    /// Number of different keys needed.
    pub threshold: NonZeroU32,
}

impl Targets {
    /// The keys and threshold that this document gives a child.
    pub fn role_keys(&self, child: &RoleName) -> Option<RoleKeys> {
        let role = self.delegations.roles.iter().find(|role| role.name == *child)?;
        let keys = role
            .key_ids
            .iter()
            .filter_map(|id| self.delegations.keys.get(id).map(|key| (id.clone(), key.clone())))
            .collect();
        Some(RoleKeys { role: child.clone(), keys, threshold: role.threshold })
    }
}

impl Document for Targets {
    fn from_json(role: &RoleName, value: &Value) -> Result<Self, MetadataError> {
        let members = Members::of(value)?;
        Ok(Self {
            header: Header::read(members, "Targets")?,
            targets: members.optional("targets", read_targets)?.unwrap_or_default(),
            delegations: members
                .optional("delegations", |value| read_delegations(role, value))?
                .unwrap_or_default(),
        })
    }

    fn to_json_under(&self, header: &Header) -> Value {
        object([
            ("_type", string("Targets")),
            (
                "delegations",
                object([
                    ("keys", write_keys(&self.delegations.keys)),
                    (
                        "roles",
                        Value::Array(self.delegations.roles.iter().map(write_role).collect()),
                    ),
                ]),
            ),
            ("expires", string(header.expires.to_string())),
            (
                "targets",
                Value::Object(
                    self.targets
                        .iter()
                        .map(|(name, target)| (name.to_string(), target.to_json()))
                        .collect(),
                ),
            ),
            ("version", number(header.version)),
        ])
    }

    fn header(&self) -> &Header {
        &self.header
    }
}

impl Target {
    /// Reads a target; also the `data` of a change that adds one.
    pub fn from_json(value: &Value) -> Result<Self, MetadataError> {
        let members = Members::of(value)?;
        let target = Self {
            length: members.required("length", length)?,
            hashes: members.required("hashes", read_hashes)?,
            custom: members.optional("custom", |value| Ok(value.clone()))?,
        };
        let known = ["sha256", "sha512"];
        if !known.iter().any(|algorithm| target.hashes.get(algorithm).is_some()) {
            return Err(MetadataError::here(HashError::NoneKnown).at("hashes"));
        }
        Ok(target)
    }

    /// Writes it with sorted members.
    pub fn to_json(&self) -> Value {
        let mut value =
            object([("hashes", write_hashes(&self.hashes)), ("length", number(self.length))]);
        if let (Value::Object(members), Some(custom)) = (&mut value, &self.custom)
            && !custom.is_null()
        {
            members.insert("custom", custom.clone());
        }
        value
    }
}

fn read_targets(value: &Value) -> Result<BTreeMap<TargetName, Target>, MetadataError> {
    Members::of(value)?
        .iter()
        .map(|(name, value)| {
            let read = || {
                let parsed = TargetName::parse(name).map_err(MetadataError::here)?;
                Ok((parsed, Target::from_json(value)?))
            };
            read().map_err(|error: MetadataError| error.at(name))
        })
        .collect()
}

fn read_delegations(parent: &RoleName, value: &Value) -> Result<Delegations, MetadataError> {
    let members = Members::of(value)?;
    let keys = members.optional("keys", read_keys)?.unwrap_or_default();
    let roles = members
        .optional("roles", |value| each(value, |element| read_role(parent, element)))?
        .unwrap_or_default();
    let mut seen = BTreeSet::new();
    for role in &roles {
        if !seen.insert(&role.name) {
            let problem = Problem::DuplicateRole(role.name.to_string());
            return Err(MetadataError::here(problem).at("roles"));
        }
    }
    Ok(Delegations { keys, roles })
}

fn read_role(parent: &RoleName, value: &Value) -> Result<DelegationRole, MetadataError> {
    let members = Members::of(value)?;
    let name = members.required("name", |value| {
        let child = RoleName::parse(text(value)?).map_err(MetadataError::here)?;
        if child.parent().as_ref() != Some(parent) {
            return Err(MetadataError::here(Problem::NotAChild {
                child: child.to_string(),
                parent: parent.to_string(),
            }));
        }
        Ok(child)
    })?;
    Ok(DelegationRole {
        name,
        key_ids: read_key_ids(members)?,
        paths: members
            .optional("paths", |value| each(value, |path| text(path).map(str::to_owned)))?
            .unwrap_or_default(),
        threshold: members.required("threshold", threshold)?,
    })
}

fn write_role(role: &DelegationRole) -> Value {
    let mut value = object([
        ("keyids", write_key_ids(&role.key_ids)),
        ("name", string(role.name.as_str())),
        ("threshold", number(role.threshold.get())),
    ]);
    // Go omits an empty list: writing `[]` would not be a fixpoint (notary.md §1.10).
    if let Value::Object(members) = &mut value
        && !role.paths.is_empty()
    {
        let paths = role.paths.iter().map(|path| string(path.as_str())).collect();
        members.insert("paths", Value::Array(paths));
    }
    value
}
