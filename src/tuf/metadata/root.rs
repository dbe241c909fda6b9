//! `root.json`: which keys sign which base role.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::codec::canonical_json::Value;
use crate::crypto::{KeyId, PublicKey};
use crate::tuf::metadata::fields::{
    Members, MetadataError, Problem, boolean, each, key_id, number, object, string, threshold,
};
use crate::tuf::metadata::signed::{Document, Header};
use crate::tuf::names::RoleName;
use crate::tuf::verify::RoleKeys;

/// The document of the root role (notary.md §1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Version and expiry.
    pub header: Header,
    /// Always false in what docker and notary write; hash-addressed names are used all the same.
    pub consistent_snapshot: bool,
    /// Keys by the id that the document gives them. Keys no role lists are kept.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// The four base roles, and whatever others there are.
    pub roles: BTreeMap<String, RoleSpec>,
}

/// Who signs a role: at least `threshold` of these keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSpec {
    /// In the document's order.
    pub key_ids: Vec<KeyId>,
    /// Number of different keys needed.
    pub threshold: NonZeroU32,
}

impl Root {
    /// The keys and threshold of a base role. The four base roles are there in any root that was
    /// parsed; asking for a delegation gives none.
    pub fn role_keys(&self, role: &RoleName) -> Option<RoleKeys> {
        let spec = self.roles.get(role.as_str())?;
        let keys = spec
            .key_ids
            .iter()
            .filter_map(|id| self.keys.get(id).map(|key| (id.clone(), key.clone())))
            .collect();
        Some(RoleKeys { role: role.clone(), keys, threshold: spec.threshold })
    }
}

impl Document for Root {
    fn from_json(_role: &RoleName, value: &Value) -> Result<Self, MetadataError> {
        let members = Members::of(value)?;
        let header = Header::read(members, "Root")?;
        let keys = members.required("keys", read_keys)?;
        let roles = members.required("roles", read_roles)?;
        for base in [RoleName::Root, RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets] {
            let Some(spec) = roles.get(base.as_str()) else {
                return Err(MetadataError::here(Problem::Missing).at(base.as_str()).at("roles"));
            };
            if let Some(id) = spec.key_ids.iter().find(|id| !keys.contains_key(id)) {
                let problem = Problem::UnlistedKey(id.clone());
                return Err(MetadataError::here(problem).at(base.as_str()).at("roles"));
            }
        }
        let consistent_snapshot =
            members.optional("consistent_snapshot", boolean)?.unwrap_or_default();
        Ok(Self { header, consistent_snapshot, keys, roles })
    }

    fn to_json_under(&self, header: &Header) -> Value {
        object([
            ("_type", string("Root")),
            ("consistent_snapshot", Value::Bool(self.consistent_snapshot)),
            ("expires", string(header.expires.to_string())),
            ("keys", write_keys(&self.keys)),
            (
                "roles",
                Value::Object(
                    self.roles
                        .iter()
                        .map(|(name, spec)| (name.clone(), write_spec(spec)))
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

/// Reads a `keys` map.
pub(super) fn read_keys(value: &Value) -> Result<BTreeMap<KeyId, PublicKey>, MetadataError> {
    Members::of(value)?
        .iter()
        .map(|(id, key)| {
            let read = || {
                let parsed = KeyId::parse(id).map_err(MetadataError::here)?;
                let key = PublicKey::from_json(key).map_err(MetadataError::here)?;
                Ok((parsed, key))
            };
            read().map_err(|error: MetadataError| error.at(id))
        })
        .collect()
}

/// Writes a `keys` map.
pub(super) fn write_keys(keys: &BTreeMap<KeyId, PublicKey>) -> Value {
    Value::Object(keys.iter().map(|(id, key)| (id.to_string(), key.to_json())).collect())
}

/// Reads a list of key ids, which Go writes as `null` when it is empty.
pub(super) fn read_key_ids(members: Members<'_>) -> Result<Vec<KeyId>, MetadataError> {
    Ok(members.optional("keyids", |value| each(value, key_id))?.unwrap_or_default())
}

/// Writes a list of key ids.
pub(super) fn write_key_ids(key_ids: &[KeyId]) -> Value {
    Value::Array(key_ids.iter().map(|id| string(id.as_str())).collect())
}

fn read_roles(value: &Value) -> Result<BTreeMap<String, RoleSpec>, MetadataError> {
    Members::of(value)?
        .iter()
        .map(|(name, value)| {
            let read = || {
                let members = Members::of(value)?;
                Ok(RoleSpec {
                    key_ids: read_key_ids(members)?,
                    threshold: members.required("threshold", threshold)?,
                })
            };
            Ok((name.to_owned(), read().map_err(|error: MetadataError| error.at(name))?))
        })
        .collect()
}

fn write_spec(spec: &RoleSpec) -> Value {
    object([("keyids", write_key_ids(&spec.key_ids)), ("threshold", number(spec.threshold.get()))])
}
