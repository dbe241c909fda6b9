//! stub
use crate::clock::Timestamp;
use std::fmt;
/// An RFC 3339 time as Go prints it; the offset it was written with is kept (notary.md §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339 {
    instant: Timestamp,
    offset_minutes: i16,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 time")]
pub struct TimeError {
    pub text: String,
}
impl Rfc3339 {
    /// UTC.
    pub fn utc(_instant: Timestamp) -> Self {
        unimplemented!()
    }
    pub fn parse(_text: &str) -> Result<Self, TimeError> {
        unimplemented!()
    }
    pub fn instant(&self) -> Timestamp {
        self.instant
    }
}
/// RFC3339Nano: trailing zeros trimmed, `+00:00` as `Z`.
impl fmt::Display for Rfc3339 {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = self.offset_minutes;
        unimplemented!()
    }
}
