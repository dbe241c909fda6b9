//! A collection that is brought to a server as it is: an extension of the notary server's interface
//! (`spec/carry-on.md` §4).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::tuf::RoleName;

/// The name of the parts that are trust files, each with its role as the name of its file.
pub const FILES: &str = "files";
/// The name of the part that is the changefeed of the server that the collection comes from, in the
/// form in which servers answer with it.
pub const FEED: &str = "changefeed";

/// What a server did with a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Imported {
    /// `new`, `continued` or `unchanged`.
    pub outcome: String,
    /// How many files were stored.
    pub stored: u64,
    /// Whether the server has none of the keys that sign its timestamps.
    pub archive: bool,
    /// What was not stored, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// A file that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its role.
    pub role: String,
    /// Its version, if it can be read.
    pub version: Option<u64>,
    /// What is wrong with it.
    pub problem: String,
}

/// The body of the request, `multipart/form-data` (RFC 7578). No value needs quoting: names of roles
/// are safe by construction.
pub fn encode(boundary: &str, files: &[(RoleName, Vec<u8>)], feed: Option<&[u8]>) -> Bytes {
    let mut body = Vec::new();
    let mut part = |disposition: &str, bytes: &[u8]| {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    };
    for (role, bytes) in files {
        part(&format!("name=\"{FILES}\"; filename=\"{role}\""), bytes);
    }
    if let Some(feed) = feed {
        part(&format!("name=\"{FEED}\"; filename=\"{FEED}\""), feed);
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_several_files_of_a_role() {
        let files = [(RoleName::Root, b"1".to_vec()), (RoleName::Root, b"2".to_vec())];
        let body = encode("B", &files, Some(b"{}"));
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(body.matches("filename=\"root\"").count(), 2);
        assert!(body.ends_with("\r\n\r\n{}\r\n--B--\r\n"), "{body}");
    }
}
