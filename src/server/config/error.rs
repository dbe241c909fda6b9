//! What can be wrong with a configuration, and where.

use std::fmt;

use crate::server::files::FileError;

/// Why a configuration is not one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    Files(#[from] FileError),
    /// It is no YAML.
    #[error("{place}: {problem}")]
    Syntax {
        /// Where.
        place: Place,
        /// What.
        problem: String,
    },
    /// Nobody knows this key.
    #[error("{place}: `{path}` is not a key of the configuration")]
    Unknown {
        /// Where.
        place: Place,
        /// The whole key.
        path: String,
        /// The whole key that it may have been meant for.
        nearest: Option<String>,
        /// The keys that are known there.
        known: &'static [&'static str],
    },
    /// The registry knows this key, and this server does not do what it says.
    #[error("{place}: `{path}` is not supported: {reason}")]
    NotSupported {
        /// Where.
        place: Place,
        /// The whole key.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// A value does not fit its key.
    #[error("{place}: `{path}` {problem}")]
    Wrong {
        /// Where.
        place: Place,
        /// The whole key.
        path: String,
        /// What is wrong with it: "is …".
        problem: String,
    },
    /// A key is missing.
    #[error("`{path}` is missing: {reason}")]
    Missing {
        /// The whole key.
        path: &'static str,
        /// Why it is needed.
        reason: &'static str,
    },
    /// Plain HTTP would be served to others.
    #[error("plain HTTP is served to this machine alone, and `{address}` is open to others")]
    PlainHttp {
        /// Where it would be served.
        address: String,
    },
    /// There is no folder to work in.
    #[error("there is no home folder to keep data in")]
    NoFolder,
}

/// Where a word of the configuration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file; both from 1.
    File {
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In the variable of this name.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column } => write!(f, "line {line}, column {column}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}
