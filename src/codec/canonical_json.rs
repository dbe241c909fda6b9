//! stub
use std::collections::BTreeMap;
/// A JSON value as trust metadata knows it: whole numbers only; members sorted by raw UTF-8 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    String(String),
    Array(Vec<Value>),
    Object(BTreeMap<String, Value>),
}
/// Where and why a document is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}, in `{path}`")]
pub struct JsonError {
    pub offset: usize,
    /** like `signed.targets.v1.length`; empty for the top */
    pub path: String,
    pub problem: JsonProblem,
}
/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonProblem {
    #[error("duplicate member `{0}`")]
    DuplicateMember(String),
    #[error("trailing data")]
    TrailingData, /* … TooDeep, NotInteger, OutOfRange, InvalidUtf8, LoneSurrogate, ControlCharacter, UnexpectedEnd, Unexpected */
}
impl Value {
    /// Parses one document (limits: MAX_JSON_DEPTH).
    pub fn parse(_bytes: &[u8]) -> Result<Self, JsonError> {
        unimplemented!()
    }
    /// The signed form (notary.md §1.2).
    pub fn to_canonical(&self) -> Vec<u8> {
        unimplemented!()
    }
    /// The stored and sent form: canonical plus HTML escapes (§1.1).
    pub fn to_wire(&self) -> Vec<u8> {
        unimplemented!()
    }
}
