//! Values that stand in JSON as text.

use std::fmt::Display;

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::tuf::{Gun, RoleName};

/// A value that stands in JSON as text.
pub(super) trait Text: Sized + Display {
    fn read(text: &str) -> Option<Self>;
}

impl Text for Gun {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Text for RoleName {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Text for Sha256Hash {
    fn read(text: &str) -> Option<Self> {
        Self::from_hex(text).ok()
    }
}

impl Text for Timestamp {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Writes a value.
pub(super) fn serialize<T: Text, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Reads a value.
pub(super) fn deserialize<'de, T: Text, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    T::read(&text).ok_or_else(|| D::Error::custom(format!("`{}` is none", text.escape_debug())))
}

/// Values that may be absent.
pub(super) mod maybe {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::store::rescue::text::Text;

    /// Writes a value.
    pub(in crate::store::rescue) fn serialize<T: Text, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    /// Reads a value.
    pub(in crate::store::rescue) fn deserialize<'de, T: Text, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let none = || D::Error::custom(format!("`{}` is none", text.escape_debug()));
        T::read(&text).map(Some).ok_or_else(none)
    }
}

/// Hashes by role.
pub(super) mod by_role {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::crypto::Sha256Hash;
    use crate::store::rescue::text::Text as _;
    use crate::tuf::RoleName;

    /// Writes them.
    pub(in crate::store::rescue) fn serialize<S: Serializer>(
        hashes: &BTreeMap<RoleName, Sha256Hash>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(hashes.iter().map(|(role, hash)| (role.to_string(), hash.to_hex())))
    }

    /// Reads them.
    pub(in crate::store::rescue) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<RoleName, Sha256Hash>, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(from)?;
        let read = |(role, hash): (String, String)| {
            let (role, hash) = (RoleName::read(&role), Sha256Hash::read(&hash));
            role.zip(hash).ok_or_else(|| D::Error::custom("a role or hash is none"))
        };
        texts.into_iter().map(read).collect()
    }
}
