//! `timestamp.json`: which snapshot is the present one.

use std::collections::BTreeMap;

use crate::codec::canonical_json::Value;
use crate::tuf::metadata::fields::{Members, MetadataError, Problem, number, object, string};
use crate::tuf::metadata::file_meta::FileMeta;
use crate::tuf::metadata::signed::{Document, Header};
use crate::tuf::metadata::snapshot::{read_meta, write_meta};
use crate::tuf::names::RoleName;

/// The document of the timestamp role (notary.md §1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampFile {
    /// Version and expiry.
    pub header: Header,
    /// The present snapshot.
    pub snapshot: FileMeta,
    /// Other entries, which nothing reads.
    pub others: BTreeMap<RoleName, FileMeta>,
}

impl Document for TimestampFile {
    fn from_json(_role: &RoleName, value: &Value) -> Result<Self, MetadataError> {
        let members = Members::of(value)?;
        let header = Header::read(members, "Timestamp")?;
        let mut others = members.required("meta", read_meta)?;
        let Some(snapshot) = others.remove(&RoleName::Snapshot) else {
            return Err(MetadataError::here(Problem::Missing).at("snapshot").at("meta"));
        };
        Ok(Self { header, snapshot, others })
    }

    fn to_json_under(&self, header: &Header) -> Value {
        let mut meta = self.others.clone();
        meta.insert(RoleName::Snapshot, self.snapshot.clone());
        object([
            ("_type", string("Timestamp")),
            ("expires", string(header.expires.to_string())),
            ("meta", write_meta(&meta)),
            ("version", number(header.version)),
        ])
    }

    fn header(&self) -> &Header {
        &self.header
    }
}
