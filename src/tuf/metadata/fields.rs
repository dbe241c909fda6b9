//! Reading typed fields out of JSON values, with the place named when one is wrong.

use std::fmt;
use std::num::NonZeroU32;

use crate::codec::canonical_json::{JsonError, Object, Value};
use crate::codec::text::{TextError, from_base64};
use crate::codec::timestamp::TimeError;
use crate::crypto::hash::HashError;
use crate::crypto::{KeyError, KeyId};
use crate::limits::MAX_VERSION;
use crate::tuf::names::NameError;

/// Why a document is not acceptable, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MetadataError {
    /// Member names and indexes from the outside in; empty when the whole document is meant.
    pub path: Vec<String>,
    /// What is wrong there.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not JSON, or JSON that trust metadata never is.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member that must be there is not.
    #[error("it is missing")]
    Missing,
    /// A member has another JSON type.
    #[error("it is not {0}")]
    NotA(&'static str),
    /// `_type` names another kind of document.
    #[error("expected type {expected}, not {found}")]
    DocumentType {
        /// What this role's document says.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// `version` below one or beyond what every implementation can count to.
    #[error("{0} is not a version from 1 to 9007199254740991")]
    Version(i64),
    /// `length` below zero or beyond 2^53.
    #[error("{0} is not a length")]
    Length(i64),
    /// `threshold` below one or beyond 2^31.
    #[error("{0} is not a threshold of one or more")]
    Threshold(i64),
    /// `expires` is no time.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// Base64 that is not.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A key or key id that is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A role or target name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Hashes of wrong length, or none that is known here.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A file is listed without the SHA-256 that its name is made of.
    #[error("there is no sha256")]
    NoSha256,
    /// A role lists a key that the document does not hold.
    #[error("key {0} is listed but not in `keys`")]
    UnlistedKey(KeyId),
    /// A delegation that is not a direct child of the role that lists it.
    #[error("delegation `{child}` is not a direct child of `{parent}`")]
    NotAChild {
        /// The delegation's name.
        child: String,
        /// The role whose document lists it.
        parent: String,
    },
    /// The same delegation twice.
    #[error("delegation `{0}` is listed twice")]
    DuplicateRole(String),
    /// More signatures than anybody has keys.
    #[error("{0} signatures are more than are looked at")]
    TooManySignatures(usize),
}

impl MetadataError {
    /// An error about the value itself.
    pub fn here(problem: impl Into<Problem>) -> Self {
        Self { path: Vec::new(), problem: problem.into() }
    }

    /// The same error, seen from the object or array around it.
    #[must_use]
    pub fn at(mut self, member: impl Into<String>) -> Self {
        self.path.insert(0, member.into());
        self
    }
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str("the document is not acceptable")
        } else {
            write!(f, "`{}` is not acceptable", self.path.join(".").escape_debug())
        }
    }
}

/// The members of a JSON object, read one by one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'a>(&'a Object);

impl<'a> Members<'a> {
    /// Returns the members if the value is an object.
    pub(super) fn of(value: &'a Value) -> Result<Self, MetadataError> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(MetadataError::here(Problem::NotA("an object"))),
        }
    }

    /// Each member with its name.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.iter()
    }

    /// Reads a member that must be there.
    pub(super) fn required<T>(
        self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Result<T, MetadataError>,
    ) -> Result<T, MetadataError> {
        let value =
            self.0.get(name).ok_or_else(|| MetadataError::here(Problem::Missing).at(name))?;
        read(value).map_err(|error| error.at(name))
    }

    /// Reads a member that may be absent or `null`.
    pub(super) fn optional<T>(
        self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Result<T, MetadataError>,
    ) -> Result<Option<T>, MetadataError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).map_err(|error| error.at(name)),
        }
    }
}

/// Reads each element of an array.
pub(super) fn each<'a, T>(
    value: &'a Value,
    mut read: impl FnMut(&'a Value) -> Result<T, MetadataError>,
) -> Result<Vec<T>, MetadataError> {
    let Value::Array(elements) = value else {
        return Err(MetadataError::here(Problem::NotA("an array")));
    };
    elements
        .iter()
        .enumerate()
        .map(|(index, element)| read(element).map_err(|error| error.at(index.to_string())))
        .collect()
}

/// Reads a string.
pub(super) fn text(value: &Value) -> Result<&str, MetadataError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(MetadataError::here(Problem::NotA("a string"))),
    }
}

/// Reads an integer.
pub(super) fn integer(value: &Value) -> Result<i64, MetadataError> {
    match value {
        Value::Int(number) => Ok(*number),
        _ => Err(MetadataError::here(Problem::NotA("an integer"))),
    }
}

/// Reads `true` or `false`.
pub(super) fn boolean(value: &Value) -> Result<bool, MetadataError> {
    match value {
        Value::Bool(answer) => Ok(*answer),
        _ => Err(MetadataError::here(Problem::NotA("true or false"))),
    }
}

/// Reads padded standard base64.
pub(super) fn base64(value: &Value) -> Result<Vec<u8>, MetadataError> {
    from_base64(text(value)?).map_err(MetadataError::here)
}

/// Reads a version: 1 to 2^53 - 1.
pub(super) fn version(value: &Value) -> Result<u64, MetadataError> {
    let number = integer(value)?;
    u64::try_from(number)
        .ok()
        .filter(|version| (1..=MAX_VERSION).contains(version))
        .ok_or_else(|| MetadataError::here(Problem::Version(number)))
}

/// Reads a length in bytes: 0 to 2^53 - 1.
pub(super) fn length(value: &Value) -> Result<u64, MetadataError> {
    let number = integer(value)?;
    u64::try_from(number)
        .ok()
        .filter(|length| *length <= MAX_VERSION)
        .ok_or_else(|| MetadataError::here(Problem::Length(number)))
}

/// Reads a threshold: 1 to 2^31 - 1.
pub(super) fn threshold(value: &Value) -> Result<NonZeroU32, MetadataError> {
    let number = integer(value)?;
    i32::try_from(number)
        .ok()
        .and_then(|small| u32::try_from(small).ok())
        .and_then(NonZeroU32::new)
        .ok_or_else(|| MetadataError::here(Problem::Threshold(number)))
}

/// Reads a key id.
pub(super) fn key_id(value: &Value) -> Result<KeyId, MetadataError> {
    KeyId::parse(text(value)?).map_err(MetadataError::here)
}

/// Builds an object.
pub(super) fn object<const N: usize>(members: [(&'static str, Value); N]) -> Value {
    Value::object(members)
}

/// A version, length or threshold as JSON.
pub(super) fn number(value: impl Into<u64>) -> Value {
    Value::Int(i64::try_from(value.into()).unwrap_or(i64::MAX))
}

/// A string as JSON.
pub(super) fn string(value: impl Into<String>) -> Value {
    Value::String(value.into())
}
