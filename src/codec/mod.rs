//! Bytes and text: canonical JSON, PEM, hexadecimal, base64 and time stamps.

pub mod canonical_json;
pub mod pem;
pub mod text;
pub mod timestamp;
