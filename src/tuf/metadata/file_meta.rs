//! What a snapshot or timestamp says of another file.

use std::borrow::Cow;

use crate::codec::canonical_json::Value;
use crate::codec::text::to_base64;
use crate::crypto::hash::HashError;
use crate::crypto::{Hashes, Sha256Hash};
use crate::tuf::metadata::fields::{
    Members, MetadataError, Problem, base64, length, number, object, string,
};

/// Hashes and length of a file (notary.md §1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// Raw digests by algorithm; a valid SHA-256 is among them.
    pub hashes: Hashes,
    /// Size in bytes.
    pub length: u64,
    /// Kept as it is; nothing reads it.
    pub custom: Option<Value>,
}

impl FileMeta {
    /// Describes these bytes with SHA-256 and SHA-512, as the reference does.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            hashes: Hashes::of(bytes),
            length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            custom: None,
        }
    }

    /// The SHA-256 that the file's name is made of.
    pub fn sha256(&self) -> Result<Sha256Hash, MetadataError> {
        self.hashes.sha256().ok_or_else(|| MetadataError::here(Problem::NoSha256))
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, MetadataError> {
        let members = Members::of(value)?;
        let meta = Self {
            hashes: members.required("hashes", read_hashes)?,
            length: members.required("length", length)?,
            custom: members.optional("custom", |value| Ok(value.clone()))?,
        };
        meta.sha256().map_err(|error| error.at("hashes"))?;
        Ok(meta)
    }

    pub(super) fn to_json(&self) -> Value {
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

/// Reads raw digests by algorithm; known ones must have their right length.
pub(super) fn read_hashes(value: &Value) -> Result<Hashes, MetadataError> {
    let mut hashes = Hashes::default();
    for (algorithm, digest) in Members::of(value)?.iter() {
        let digest = base64(digest).map_err(|error| error.at(algorithm))?;
        let expected = match algorithm {
            "sha256" => Some(32),
            "sha512" => Some(64),
            _ => None,
        };
        if expected.is_some_and(|bytes| bytes != digest.len()) {
            let wrong =
                HashError::WrongLength { algorithm: algorithm.to_owned(), bytes: digest.len() };
            return Err(MetadataError::here(wrong).at(algorithm));
        }
        hashes.insert(algorithm, digest);
    }
    Ok(hashes)
}

/// Writes digests as base64 by algorithm.
pub(super) fn write_hashes(hashes: &Hashes) -> Value {
    let name = |algorithm: &str| match algorithm {
        "sha256" => Cow::Borrowed("sha256"),
        "sha512" => Cow::Borrowed("sha512"),
        other => Cow::Owned(other.to_owned()),
    };
    Value::object(
        hashes.iter().map(|(algorithm, digest)| (name(algorithm), string(to_base64(digest)))),
    )
}
