//! `snapshot.json`: which files belong together.

use std::collections::BTreeMap;

use crate::codec::canonical_json::Value;
use crate::tuf::metadata::fields::{Members, MetadataError, Problem, number, object, string};
use crate::tuf::metadata::file_meta::FileMeta;
use crate::tuf::metadata::signed::{Document, Header};
use crate::tuf::names::RoleName;

/// The document of the snapshot role (notary.md §1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Version and expiry.
    pub header: Header,
    /// Hash and length of each role's file; root and targets are always among them. Roles that no
    /// longer exist may be, too.
    pub meta: BTreeMap<RoleName, FileMeta>,
}

impl Document for Snapshot {
    fn from_json(_role: &RoleName, value: &Value) -> Result<Self, MetadataError> {
        let members = Members::of(value)?;
        let header = Header::read(members, "Snapshot")?;
        let meta = members.required("meta", read_meta)?;
        for role in [RoleName::Root, RoleName::Targets] {
            if !meta.contains_key(&role) {
                return Err(MetadataError::here(Problem::Missing).at(role.as_str()).at("meta"));
            }
        }
        Ok(Self { header, meta })
    }

    fn to_json_under(&self, header: &Header) -> Value {
        object([
            ("_type", string("Snapshot")),
            ("expires", string(header.expires.to_string())),
            ("meta", write_meta(&self.meta)),
            ("version", number(header.version)),
        ])
    }

    fn header(&self) -> &Header {
        &self.header
    }
}

/// Reads the `meta` map.
pub(super) fn read_meta(value: &Value) -> Result<BTreeMap<RoleName, FileMeta>, MetadataError> {
    Members::of(value)?
        .iter()
        .map(|(name, value)| {
            let read = || {
                let role = RoleName::parse(name).map_err(MetadataError::here)?;
                Ok((role, FileMeta::from_json(value)?))
            };
            read().map_err(|error: MetadataError| error.at(name))
        })
        .collect()
}

/// Writes the `meta` map.
pub(super) fn write_meta(meta: &BTreeMap<RoleName, FileMeta>) -> Value {
    Value::Object(meta.iter().map(|(role, file)| (role.to_string(), file.to_json())).collect())
}
