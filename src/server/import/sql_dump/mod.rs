//! Dumps of notary's databases: the text that `pg_dump`, `pg_dumpall` and `mysqldump` write, packed
//! with gzip or not (`spec/takeover.md` §2).
//!
//! The text is read once, from its beginning to its end, and only the row that is being read is in
//! memory. Three tables are taken out of it; all else is passed over, as far as one has to
//! understand it to see where it ends.
//!
//! Reading order: [`read()`], `statement` (what stands where), `lexer` (strings, comments, names),
//! `cells` (from the text of a column to what it means).

mod cells;
mod error;
mod lexer;
mod statement;

pub use error::DumpError;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::server::import::rows::{ChangeRow, FileRow, SealedKeyRow, Table};
use crate::server::import::sql_dump::statement::Reader;

/// A row of one of notary's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A file.
    File(FileRow),
    /// A change.
    Change(ChangeRow),
    /// A key.
    Key(SealedKeyRow),
}

/// The columns of notary's tables that are in a dump, whether they have rows or not.
pub type Columns = BTreeSet<(Table, &'static str)>;

/// Whose text it is: they write strings differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `pg_dump`.
    Postgres,
    /// `mysqldump`, of `MySQL` or `MariaDB`.
    MySql,
}

/// Reads a dump and passes every row of notary's tables on, in the order of the text, but for those
/// that notary had marked as deleted. That nothing is missing at its end is known only when this
/// returns.
pub fn read<E: From<DumpError>>(
    input: impl Read,
    take: &mut dyn FnMut(Row) -> Result<(), E>,
) -> Result<Columns, E> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    let head = input.fill_buf().map_err(DumpError::Read)?;
    if let Some(kind) = not_text(head) {
        return Err(DumpError::Packed { kind }.into());
    }
    if head.starts_with(GZIP) {
        let text = BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(input));
        return Reader::new(text).run(take);
    }
    Reader::new(input).run(take)
}

/// What is no text of SQL, by its first bytes.
fn not_text(head: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 8] = [
        (b"PGDMP", "pg_dump's custom format"),
        (b"toc.dat\0", "pg_dump's tar format"),
        (b"\x28\xb5\x2f\xfd", "packed with zstd"),
        (b"\xfd7zXZ", "packed with xz"),
        (b"BZh", "packed with bzip2"),
        (b"PK\x03\x04", "a ZIP file"),
        (b"\xff\xfe", "text of UTF-16"),
        (b"\xfe\xff", "text of UTF-16"),
    ];
    kinds.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| kind)
}

const GZIP: &[u8] = b"\x1f\x8b";
/// How much is read at a time.
const BUFFER_BYTES: usize = 128 << 10;

#[cfg(test)]
mod tests;
