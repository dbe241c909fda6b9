//! Users and groups of an image: its `/etc/passwd` and `/etc/group`.

use std::io;

use crate::build::content::Files;
use crate::oci::archive::ArchiveError;

/// Who runs a command, as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Numbers of the further groups, ascending.
    pub groups: Vec<u32>,
    /// The home folder; `/` if the image names none.
    pub home: String,
}

/// Why it is not known who is meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// No user of this name.
    #[error("the image has no user `{name}`")]
    NoUser {
        /// The name.
        name: String,
    },
    /// No group of this name.
    #[error("the image has no group `{name}`")]
    NoGroup {
        /// The name.
        name: String,
    },
    /// A number that is none of a user or group.
    #[error("`{text}` is not the number of a user or group")]
    Number {
        /// What was written.
        text: String,
    },
    /// The file cannot be found.
    #[error("`{file}` of the image cannot be followed")]
    Archive {
        /// The file.
        file: &'static str,
        /// What is wrong.
        #[source]
        cause: ArchiveError,
    },
    /// The file cannot be read.
    #[error("`{file}` of the image cannot be read")]
    Content {
        /// The file.
        file: &'static str,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// The file is too large.
    #[error("`{file}` of the image has more than {limit} bytes")]
    TooLarge {
        /// The file.
        file: &'static str,
        /// Most bytes.
        limit: u64,
    },
}

/// Owner and group as `--chown` has them: `USER` or `USER:GROUP`, names or numbers.
pub fn owner(_files: &Files, _text: &str) -> Result<(u32, u32), AccountError> {
    Ok((0, 0))
}

/// Who a command runs as, as `USER` has it: `USER` or `USER:GROUP`, names or numbers; root if it is
/// empty.
pub fn user(_files: &Files, _text: &str) -> Result<User, AccountError> {
    Ok(User { uid: 0, gid: 0, groups: Vec::new(), home: "/".to_owned() })
}
