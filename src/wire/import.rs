//! A collection that is brought to a server as it is: an extension of the notary server's interface
//! (`spec/carry-on.md` §4).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::tuf::RoleName;
use crate::wire::form::{ANY_BYTES, FormWriter};

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
    let mut form = FormWriter::new(boundary);
    form.trust_files(files);
    if let Some(feed) = feed {
        form.file(FEED, FEED, ANY_BYTES, feed);
    }
    form.finish()
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
