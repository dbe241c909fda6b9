//! The notary server's HTTP API: routes, error codes, changefeed (notary.md §3).

use serde::Deserialize;
use serde_json::Value;

use crate::crypto::Sha256Hash;
use crate::tuf::{Gun, RoleName};
use crate::wire::errors::{ApiError, printable};

/// Which version of a role's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileVersion {
    /// The newest.
    Current,
    /// The one with this SHA-256 hash.
    Hash(Sha256Hash),
    /// The one with this version number.
    Number(u64),
}

impl FileVersion {
    /// Takes the name of a role's file apart (notary.md §3.1): `root.json`, `2.root.json` or
    /// `targets/releases.<hash>.json`. A hash that is no SHA-256 names no file, nor does a number
    /// with leading zeros: one file has one name.
    pub fn parse_name(name: &str) -> Option<(RoleName, Self)> {
        let stem = name.strip_suffix(".json")?;
        // Before all else: roles may have dots in their names.
        if let Some((role, hash)) = stem.rsplit_once('.')
            && let (Ok(role), Ok(hash)) = (RoleName::parse(role), Sha256Hash::from_hex(hash))
        {
            return Some((role, Self::Hash(hash)));
        }
        if let Ok(role) = RoleName::parse(stem) {
            return Some((role, Self::Current));
        }
        let (number, role) = stem.split_once('.')?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let number = number.parse().ok().filter(|_| plain)?;
        Some((RoleName::parse(role).ok()?, Self::Number(number)))
    }
}

/// The path of everything the server holds for a repository, below the server's base.
pub fn collection_path(gun: &Gun) -> String {
    format!("v2/{}/_trust/tuf/", escape_path(gun.as_str()))
}

/// The name of a role's file, such as `root.json`, `2.root.json` or `targets/releases.<hash>.json`.
pub fn file_name(role: &RoleName, version: FileVersion) -> String {
    match version {
        FileVersion::Current => format!("{role}.json"),
        FileVersion::Hash(hash) => format!("{role}.{}.json", hash.to_hex()),
        FileVersion::Number(number) => format!("{number}.{role}.json"),
    }
}

/// The name under which the server gives the public key it signs a role with.
pub fn key_name(role: &RoleName) -> String {
    format!("{role}.key")
}

/// The path of a repository's changes, below the server's base.
pub fn changefeed_path(gun: &Gun) -> String {
    format!("v2/{}/_trust/changefeed", escape_path(gun.as_str()))
}

/// The path that takes a collection as it is, below the server's base (`spec/carry-on.md`).
pub fn import_path(gun: &Gun) -> String {
    format!("v2/{}/_trust/import", escape_path(gun.as_str()))
}

/// The path of the changes of all collections, below the server's base.
pub const ALL_CHANGES_PATH: &str = "v2/_trust/changefeed";

/// The path that says whether the server is well, below its base.
pub const HEALTH_PATH: &str = "_notary_server/health";

/// Percent-encodes all but unreserved characters, `/`, `:` and `@` (RFC 3986 §3.3).
fn escape_path(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            for nibble in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                escaped.push(digit.to_ascii_uppercase());
            }
        }
    }
    escaped
}

/// The header by which a server of ours tells that the timestamp is that of an archive, which it
/// cannot renew (`spec/carry-on.md`).
pub const ARCHIVE_HEADER: &str = "trust-archive";

/// What a server of ours says when it refuses a publication for a collection of which it has none of
/// the keys that sign timestamps (`spec/carry-on.md`).
pub const ARCHIVE: &str = "it has the collection as an archive";

/// The error codes of the notary API (notary.md §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// The server has no storage.
    NoStorage,
    /// A part of an upload has no file name.
    NoFilename,
    /// A name that is no role's.
    InvalidRole,
    /// A file that is not JSON.
    MalformedJson,
    /// The store failed.
    Updating,
    /// Another client published first.
    Version,
    /// The file asked for does not exist.
    MetadataNotFound,
    /// The update breaks a rule.
    InvalidUpdate,
    /// The upload is not multipart.
    MalformedUpload,
    /// Nothing there.
    GenericNotFound,
    /// The server has no signer.
    NoCryptoservice,
    /// The server has no key algorithm.
    NoKeyalgorithm,
    /// The server does not hold repositories of such names.
    InvalidGun,
    /// A bad query.
    InvalidParameters,
    /// Anything else.
    Unknown,
    /// A login is needed.
    Unauthorized,
}

impl ErrorCode {
    /// Code, name on the wire and HTTP status of each.
    pub const TABLE: [(Self, &'static str, u16); 16] = [
        (Self::NoStorage, "NO_STORAGE", 500),
        (Self::NoFilename, "NO_FILENAME", 400),
        (Self::InvalidRole, "INVALID_ROLE", 400),
        (Self::MalformedJson, "MALFORMED_JSON", 400),
        (Self::Updating, "UPDATING", 500),
        (Self::Version, "VERSION", 400),
        (Self::MetadataNotFound, "METADATA_NOT_FOUND", 404),
        (Self::InvalidUpdate, "INVALID_UPDATE", 400),
        (Self::MalformedUpload, "MALFORMED_UPLOAD", 400),
        (Self::GenericNotFound, "GENERIC_NOT_FOUND", 404),
        (Self::NoCryptoservice, "NO_CRYPTOSERVICE", 500),
        (Self::NoKeyalgorithm, "NO_KEYALGORITHM", 500),
        (Self::InvalidGun, "INVALID_GUN", 400),
        (Self::InvalidParameters, "INVALID_PARAMETERS", 400),
        (Self::Unknown, "UNKNOWN", 500),
        (Self::Unauthorized, "UNAUTHORIZED", 401),
    ];

    /// Returns the name on the wire and the HTTP status.
    pub fn on_the_wire(self) -> (&'static str, u16) {
        let row = Self::TABLE.into_iter().find(|(code, ..)| *code == self);
        row.map_or(("UNKNOWN", 500), |(_, name, status)| (name, status))
    }

    /// Returns the code of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::TABLE.into_iter().find(|(_, known, _)| *known == name).map(|(code, ..)| code)
    }
}

/// What a notary server's error body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotaryErrorBody {
    /// The code as sent, such as `INVALID_UPDATE`.
    pub code: String,
    /// The most telling sentence: an invalid update's own message, else the error's.
    pub message: String,
    /// Which rule an invalid update breaks, such as `ErrBadRoot`.
    pub name: Option<String>,
}

impl NotaryErrorBody {
    /// Reads a body; `None` if it is not one of a notary server.
    ///
    /// The server sends one error; were there more, the first counts.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let error = ApiError::parse_all(body).into_iter().next()?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(printable);
        let name = text(error.detail.get("Name"));
        let reason = text(error.detail.get("Error").and_then(|inner| inner.get("Msg")));
        Some(Self {
            message: reason.unwrap_or_else(|| printable(&error.message)),
            code: printable(&error.code),
            name,
        })
    }

    /// Whether the update came too late: somebody published the same version first.
    pub fn is_conflict(&self) -> bool {
        match ErrorCode::parse(&self.code) {
            Some(ErrorCode::Version) => true,
            Some(ErrorCode::InvalidUpdate) => {
                self.name.as_deref() == Some("ErrBadRoot") && self.message.starts_with(ROOT_VERSION)
            }
            _ => false,
        }
    }
}

/// What the server says of a root that is not the next one (notary.md §3.3).
const ROOT_VERSION: &str = "Root modifications must increment the version";

/// A page of the changefeed (notary.md §3.7).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Changefeed {
    /// How many changes this page has.
    pub count: u64,
    /// The changes, in the order asked for.
    #[serde(default, deserialize_with = "null_as_none")]
    pub records: Vec<Change>,
}

/// One publication or deletion.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Change {
    /// Where to go on from.
    #[serde(rename = "ID")]
    pub id: String,
    /// When, as the server writes it.
    #[serde(rename = "CreatedAt")]
    pub created_at: String,
    /// Of which repository.
    #[serde(rename = "GUN")]
    pub gun: String,
    /// The timestamp's version; 0 for a deletion.
    #[serde(rename = "Version")]
    pub version: u64,
    /// The timestamp file's SHA-256 hash in hex; empty for a deletion.
    #[serde(rename = "SHA256")]
    pub sha256: String,
    /// `update` or `deletion`.
    #[serde(rename = "Category")]
    pub category: String,
}

impl Changefeed {
    /// Reads a page.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

fn null_as_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Change>, D::Error> {
    Ok(Option::<Vec<Change>>::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gun(name: &str) -> Gun {
        Gun::parse(name).unwrap()
    }

    #[test]
    fn routes() {
        let releases = RoleName::releases();
        assert_eq!(
            collection_path(&gun("localhost:5000/a/b")),
            "v2/localhost:5000/a/b/_trust/tuf/"
        );
        assert_eq!(collection_path(&gun("ä[b]")), "v2/%C3%A4%5Bb%5D/_trust/tuf/");
        assert_eq!(file_name(&releases, FileVersion::Current), "targets/releases.json");
        assert_eq!(file_name(&RoleName::Root, FileVersion::Number(3)), "3.root.json");
        assert_eq!(key_name(&RoleName::Timestamp), "timestamp.key");
        assert_eq!(changefeed_path(&gun("a")), "v2/a/_trust/changefeed");
    }

    #[test]
    fn hashed_file_name() {
        let hash = Sha256Hash([0xab; 32]);
        let expected = format!("snapshot.{}.json", "ab".repeat(32));
        assert_eq!(file_name(&RoleName::Snapshot, FileVersion::Hash(hash)), expected);
    }

    #[test]
    fn error_bodies() {
        let late = NotaryErrorBody::parse(
            br#"{"errors":[{"code":"VERSION","message":"A newer version of metadata is already available.","detail":{}}]}"#,
        )
        .unwrap();
        assert!(late.is_conflict());
        assert_eq!(late.message, "A newer version of metadata is already available.");
        let root = NotaryErrorBody::parse(
            br#"{"errors":[{"code":"INVALID_UPDATE","message":"Update sent by the client is invalid.","detail":{"Name":"ErrBadRoot","Error":{"Msg":"Root modifications must increment the version. Current 1, new 3"}}}]}"#,
        )
        .unwrap();
        assert!(root.is_conflict());
        assert_eq!(root.name.as_deref(), Some("ErrBadRoot"));
        let bad = NotaryErrorBody::parse(
            br#"{"errors":[{"code":"INVALID_UPDATE","message":"m","detail":{"Name":"ErrBadTargets","Error":{"Msg":"expired"}}}]}"#,
        )
        .unwrap();
        assert!(!bad.is_conflict());
        assert_eq!(bad.message, "expired");
        assert_eq!(NotaryErrorBody::parse(b"<html>"), None);
        assert_eq!(NotaryErrorBody::parse(br#"{"errors":[]}"#), None);
    }

    #[test]
    fn changefeeds() {
        let empty = Changefeed::parse(br#"{"count":0,"records":null}"#).unwrap();
        assert_eq!(empty.records, []);
        let one = Changefeed::parse(
            br#"{"count":1,"records":[{"ID":"1","CreatedAt":"2026-01-02T03:04:05Z","GUN":"a/b","Version":1,"SHA256":"ff","Category":"update"}]}"#,
        )
        .unwrap();
        assert_eq!(one.records[0].gun, "a/b");
        assert!(Changefeed::parse(br#"{"count":-1}"#).is_err());
    }
}
