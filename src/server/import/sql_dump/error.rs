//! Why a dump cannot be read.

use std::io;

use crate::server::import::rows::Table;

/// Why a dump cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// Reading or unpacking failed.
    #[error("the dump cannot be read")]
    Read(#[source] io::Error),
    /// It is no text of SQL.
    #[error("the dump is {kind}, and not the plain text")]
    Packed {
        /// What it is instead.
        kind: &'static str,
    },
    /// It ends in the middle, or before what its program writes last.
    #[error("the dump is cut off after line {line}")]
    Truncated {
        /// The last line.
        line: u64,
    },
    /// It is no dump of either database.
    #[error("line {line} of the dump: {problem}")]
    Malformed {
        /// Where.
        line: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// Nothing of notary's is in it.
    #[error("the dump has none of notary's tables")]
    NoTable,
    /// Rows of a table without the names of their columns, and nothing before that says them.
    #[error("line {line} of the dump: nothing says which columns {table} has")]
    NoColumns {
        /// Where.
        line: u64,
        /// The table.
        table: Table,
    },
    /// A table is not notary's.
    #[error("line {line} of the dump: {table} has no column `{column}`")]
    MissingColumn {
        /// Where.
        line: u64,
        /// The table.
        table: Table,
        /// The column.
        column: &'static str,
    },
    /// A value is not what notary stores there.
    #[error("line {line} of the dump: a `{column}` of {table} is {problem}")]
    Value {
        /// Where.
        line: u64,
        /// The table.
        table: Table,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A row is larger than any that notary stores.
    #[error("line {line} of the dump: a row of {table} is too large")]
    TooLarge {
        /// Where.
        line: u64,
        /// The table.
        table: Table,
    },
    /// Two databases with the same table: nobody can tell which is meant.
    #[error("line {line} of the dump: {table} is in it a second time, of another database")]
    TwoDatabases {
        /// Where.
        line: u64,
        /// The table.
        table: Table,
    },
}
