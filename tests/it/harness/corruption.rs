//! What can be wrong with a role's file, by name.

use std::rc::Rc;

use trust::codec::canonical_json::Value;

use crate::harness::tamper;
use crate::harness::{Key, Reply, Repository};

/// One way in which a role's file is not what it should be.
///
/// Those that [are published](Corruption::is_published) lie in the file itself: whatever describes
/// it describes it as it is, so that only the file's own rules can be broken. The others lie in the
/// answer: what describes the file describes the honest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Corruption {
    /// A notary server's 404.
    NotFound,
    /// 500.
    ServerError,
    /// 503, with the wish to come back at once.
    Unavailable,
    /// 401 without a challenge.
    Unauthorized,
    /// Another file of the same length that is as valid.
    OtherHash,
    /// The same file, one byte longer.
    OtherLength,
    /// Text.
    NotJson,
    /// No byte.
    Empty,
    /// An object without `signed`.
    NoSigned,
    /// `signed` is a text.
    SignedIsText,
    /// `_type` is that of no document.
    OtherType,
    /// Signed as it should be, with an older version than before.
    LowerVersion,
    /// No signature.
    Unsigned,
    /// Signed by as many keys as it should be, but by strangers'.
    ForeignKeys,
    /// Signed by one of the two keys that are needed.
    TooFew,
    /// Past its time.
    Expired,
    /// A root that lists no key.
    NoKeys,
    /// A root that lists no role.
    NoRoles,
}

impl Corruption {
    /// Whether it lies in the file, not in the answer.
    pub(crate) fn is_published(self) -> bool {
        !matches!(
            self,
            Self::NotFound
                | Self::ServerError
                | Self::Unavailable
                | Self::Unauthorized
                | Self::OtherHash
                | Self::OtherLength
        )
    }

    /// Lets the next publication of a role have it. The role has two keys, both of which sign.
    pub(crate) fn apply(self, repository: &mut Repository, role: &str) {
        let signers = repository.signers(role);
        match self {
            Self::NotJson => repository.after_signing(role, |bytes| {
                *bytes = b"nothing that a machine could read".to_vec();
            }),
            Self::Empty => repository.after_signing(role, tamper::emptied),
            Self::NoSigned => {
                let change = tamper::rewritten("{\"signed\":", "{\"sealed\":");
                repository.after_signing(role, change);
            }
            Self::SignedIsText => {
                let change = tamper::rewritten("{\"signed\":", "{\"signed\":\"\",\"_\":");
                repository.after_signing(role, change);
            }
            Self::OtherType => repository.set(role, &["_type"], Value::from("Invoice")),
            Self::LowerVersion => {
                let version = repository.version(role);
                repository.set_version(role, version - 2);
            }
            Self::Unsigned => repository.sign_with(role, &[]),
            Self::ForeignKeys => {
                let gun = repository.gun().to_owned();
                let strangers = [Key::certified(&gun), Key::certified(&gun)];
                repository.sign_with(role, &strangers);
            }
            Self::TooFew => repository.sign_with(role, &[Rc::clone(&signers[0])]),
            Self::Expired => repository.expire(role),
            Self::NoKeys => {
                repository.set(role, &["keys"], Value::object::<&str>([]));
            }
            Self::NoRoles => repository.unset(role, &["roles"]),
            _ => {}
        }
    }

    /// What a request for a file is answered with.
    pub(crate) fn reply(self, mut file: Vec<u8>) -> Reply {
        match self {
            Self::NotFound => crate::harness::server::not_found(),
            Self::ServerError => Reply::status(500, "out of order"),
            Self::Unavailable => Reply::status(503, "later").with("Retry-After", "0"),
            Self::Unauthorized => Reply::status(401, "who are you?"),
            Self::OtherHash => {
                signatures_swapped(&mut file);
                Reply::file(file)
            }
            Self::OtherLength => {
                tamper::lengthened(&mut file);
                Reply::file(file)
            }
            _ => Reply::file(file),
        }
    }
}

/// Exchanges the two signatures of a file: as valid, as long, and another file.
fn signatures_swapped(file: &mut Vec<u8>) {
    let text = String::from_utf8(std::mem::take(file)).unwrap();
    let (signed, signatures) = text.split_once("\"signatures\":[").unwrap();
    let signatures = signatures.strip_suffix("]}").unwrap();
    let (first, second) = signatures.split_once("},{").expect("two signatures");
    let (first, second) = (first.strip_prefix('{').unwrap(), second.strip_suffix('}').unwrap());
    *file = format!("{signed}\"signatures\":[{{{second}}},{{{first}}}]}}").into_bytes();
}
