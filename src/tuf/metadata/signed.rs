//! The envelope `{"signed":…,"signatures":[…]}` and what all documents have in common.

use std::sync::Arc;

use crate::codec::canonical_json::Value;
use crate::codec::text::{from_base64, to_base64};
use crate::codec::timestamp::Rfc3339;
use crate::crypto::{KeyId, Method, Signature};
use crate::limits::{MAX_SIGNATURES, MAX_UNKNOWN_MEMBERS};
use crate::tuf::metadata::fields::{
    Members, MetadataError, Problem, base64, each, string, text, version,
};
use crate::tuf::names::RoleName;

/// A document that can stand inside the envelope.
pub trait Document: Sized {
    /// Reads the `signed` part of a role's file.
    fn from_json(role: &RoleName, value: &Value) -> Result<Self, MetadataError>;

    /// Writes the `signed` part as the reference's encoder does: known members only.
    fn to_json(&self) -> Value {
        self.to_json_under(self.header())
    }

    /// Writes it with another version and expiry.
    fn to_json_under(&self, header: &Header) -> Value;

    /// Version and expiry.
    fn header(&self) -> &Header;
}

/// What every document carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// 1 or more; goes up with each publish.
    pub version: u64,
    /// From this instant on the document is not to be believed.
    pub expires: Rfc3339,
}

impl Header {
    /// Reads `_type`, `version` and `expires`.
    pub(super) fn read(
        members: Members<'_>,
        expected_type: &'static str,
    ) -> Result<Self, MetadataError> {
        let found = members.required("_type", text)?;
        if found != expected_type {
            let problem =
                Problem::DocumentType { expected: expected_type, found: found.to_owned() };
            return Err(MetadataError::here(problem).at("_type"));
        }
        Ok(Self {
            version: members.required("version", version)?,
            expires: members.required("expires", |value| {
                Rfc3339::parse(text(value)?).map_err(MetadataError::here)
            })?,
        })
    }
}

/// A metadata file as received: parsed, its signatures not yet counted.
///
/// The bytes are kept, unknown members included: hashes are of them, and signatures are checked
/// over the canonical form of the JSON value as received, never over our own struct. Clones share
/// all that, for files can be megabytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T>(Arc<Parts<T>>);

#[derive(Debug, PartialEq, Eq)]
struct Parts<T> {
    raw: Vec<u8>,
    message: Message,
    signatures: Vec<Signature>,
    body: Arc<T>,
}

/// The canonical form of `signed` as received.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    /// It stands in the file as it is, after [`BEFORE_SIGNED`] and this long: nearly always.
    InRaw(usize),
    /// It had to be written anew.
    Apart(Vec<u8>),
}

/// How files begin that this program, docker and notary write.
const BEFORE_SIGNED: &[u8] = b"{\"signed\":";

impl<T: Document> Signed<T> {
    /// Parses a role's file (notary.md §1.1). The place of an error starts at `signed` or
    /// `signatures`.
    pub fn parse(role: &RoleName, raw: &[u8]) -> Result<Self, MetadataError> {
        let value = Value::parse(raw).map_err(MetadataError::here)?;
        let envelope = Members::of(&value)?;
        let (body, message) = envelope.required("signed", |signed| {
            Ok((Arc::new(T::from_json(role, signed)?), Message::of(signed, raw)))
        })?;
        let signatures = envelope.optional("signatures", read_signatures)?.unwrap_or_default();
        // The tree is larger than all the rest.
        drop(value);
        Ok(Self(Arc::new(Parts { raw: raw.to_vec(), message, signatures, body })))
    }

    /// Refuses a file that cannot be parsed, or whose `signed` part is not the one of which this is
    /// the canonical form. No document is made of it: at megabytes that is worth avoiding.
    pub(in crate::tuf) fn check(raw: &[u8], message: &[u8]) -> Result<(), MetadataError> {
        let value = Value::parse(raw).map_err(MetadataError::here)?;
        let envelope = Members::of(&value)?;
        envelope.optional("signatures", read_signatures)?;
        envelope.required("signed", |signed| {
            let same = signed.canonical_length_in(message) == Some(message.len());
            let differs = || MetadataError::here(Problem::NotA("what was signed"));
            same.then_some(()).ok_or_else(differs)
        })
    }

    /// The document, of which nothing has been checked but its form.
    pub fn unverified(&self) -> &T {
        &self.0.body
    }

    /// The document, shared, of which nothing has been checked but its form.
    pub(in crate::tuf) fn shared(&self) -> Arc<T> {
        Arc::clone(&self.0.body)
    }

    /// The bytes as received.
    pub fn raw(&self) -> &[u8] {
        &self.0.raw
    }

    /// The bytes that signatures are over: the canonical form of `signed` as received.
    pub fn message(&self) -> &[u8] {
        match &self.0.message {
            Message::InRaw(length) => {
                let signed = self.0.raw.strip_prefix(BEFORE_SIGNED).unwrap_or_default();
                signed.get(..*length).unwrap_or_default()
            }
            Message::Apart(message) => message,
        }
    }

    /// The signatures, in order; those with a key id that is none are left out.
    pub fn signatures(&self) -> &[Signature] {
        &self.0.signatures
    }

    /// Members of `signed` that this program does not know and would not write again; the
    /// first of them, if they are very many. The bytes are read once more for it: only who signs a file again asks.
    pub fn unknown_members(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        let written = self.0.body.to_json();
        let message = self.message();
        if written.canonical_length_in(message) == Some(message.len()) {
            return unknown;
        }
        if let Ok(value) = Value::parse(&self.0.raw)
            && let Some(signed) = value.get("signed")
        {
            unknown_in(signed, &written, &mut Vec::new(), &mut unknown);
        }
        unknown
    }
}

impl Message {
    /// The canonical form of `signed`, which stands in `raw` if it is what we take it for: it is
    /// compared byte for byte.
    fn of(signed: &Value, raw: &[u8]) -> Self {
        raw.strip_prefix(BEFORE_SIGNED)
            .and_then(|rest| signed.canonical_length_in(rest))
            .map_or_else(|| Self::Apart(signed.to_canonical()), Self::InRaw)
    }
}

/// Writes a metadata file: `signed` first, no white space, HTML escapes, no final newline
/// (notary.md §1.1).
pub fn encode_envelope(signed: &Value, signatures: &[Signature]) -> Vec<u8> {
    let mut tail = b",\"signatures\":[".to_vec();
    for (index, signature) in signatures.iter().enumerate() {
        if index > 0 {
            tail.push(b',');
        }
        tail.extend_from_slice(&write_signature(signature).to_wire());
    }
    tail.extend_from_slice(b"]}");
    let mut bytes = BEFORE_SIGNED.to_vec();
    signed.write_wire(&mut bytes);
    // Not to grow by doubling: a document can be megabytes.
    bytes.reserve_exact(tail.len());
    bytes.extend_from_slice(&tail);
    bytes
}

/// A signature as an entry of `signatures`.
pub(in crate::tuf) fn write_signature(signature: &Signature) -> Value {
    Value::object([
        ("keyid", string(signature.key_id.as_str())),
        ("method", string(signature.method.as_str())),
        ("sig", string(to_base64(&signature.bytes))),
    ])
}

/// Reads such an entry; `None` if it is none. Unlike in metadata, which others write, a key id of
/// another form is an error.
pub(in crate::tuf) fn read_signature(entry: &Value) -> Option<Signature> {
    let text = |name| entry.get(name).and_then(Value::as_str);
    Some(Signature {
        key_id: KeyId::parse(text("keyid")?).ok()?,
        method: Method::parse(text("method")?),
        bytes: from_base64(text("sig")?).ok()?,
    })
}

fn read_signatures(value: &Value) -> Result<Vec<Signature>, MetadataError> {
    if let Value::Array(elements) = value
        && elements.len() > MAX_SIGNATURES
    {
        return Err(MetadataError::here(Problem::TooManySignatures(elements.len())));
    }
    let signatures = each(value, |element| {
        let members = Members::of(element)?;
        let key_id = members.required("keyid", text)?;
        let method = Method::parse(members.required("method", text)?);
        let bytes = members.required("sig", base64)?;
        // A key id of another form belongs to no key of ours: like any stranger's signature.
        Ok(KeyId::parse(key_id).ok().map(|key_id| Signature { key_id, method, bytes }))
    })?;
    Ok(signatures.into_iter().flatten().collect())
}

fn unknown_in<'a>(
    received: &'a Value,
    written: &Value,
    path: &mut Vec<&'a str>,
    unknown: &mut Vec<String>,
) {
    match (received, written) {
        (Value::Object(received), Value::Object(written)) => {
            for (name, value) in received {
                path.push(name);
                match written.get(name) {
                    Some(counterpart) => unknown_in(value, counterpart, path, unknown),
                    None if is_nothing(value) => {}
                    // Names are long and many where an attacker made them.
                    None if unknown.len() >= MAX_UNKNOWN_MEMBERS => {}
                    None => unknown.push(path.join(".")),
                }
                path.pop();
            }
        }
        (Value::Array(received), Value::Array(written)) => {
            for (value, counterpart) in received.iter().zip(written) {
                path.push("[]");
                unknown_in(value, counterpart, path, unknown);
                path.pop();
            }
        }
        _ => {}
    }
}

/// What Go leaves out, or writes as the same.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    }
}
