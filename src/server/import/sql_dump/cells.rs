//! From the text of a column to what it means.

use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::codec::timestamp::Rfc3339;
use crate::server::import::rows::{ChangeRow, FileRow, SealedKeyRow, Table};
use crate::server::import::sql_dump::lexer::hex_digit;
use crate::server::import::sql_dump::{Dialect, DumpError, Row};

/// The values of a row that matter.
pub(super) struct Cells {
    table: Table,
    /// For each column of the dump, in its order, which of the table's columns it is, if any.
    places: Vec<Option<usize>>,
    /// By the table's columns.
    values: Vec<Cell>,
    count: usize,
    line: u64,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// None.
    Null,
    /// As text; bytes are written so, too, in a way that depends on the database.
    Text(Vec<u8>),
    /// As bytes.
    Bytes(Vec<u8>),
}

impl Cell {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Text(text) | Self::Bytes(text) => text.len(),
        }
    }
}

impl Cells {
    /// Finds the columns that matter among those of the dump.
    pub(super) fn new(table: Table, columns: &[String], line: u64) -> Result<Self, DumpError> {
        let wanted = table.columns();
        for (column, is_needed) in wanted {
            if *is_needed && !columns.iter().any(|name| name == column) {
                return Err(DumpError::MissingColumn { line, table, column });
            }
        }
        let place = |name: &String| wanted.iter().position(|(column, _)| column == name);
        let places = columns.iter().map(place).collect();
        Ok(Self { table, places, values: vec![Cell::Null; wanted.len()], count: 0, line })
    }

    pub(super) fn table(&self) -> Table {
        self.table
    }

    /// Begins a row.
    pub(super) fn begin(&mut self, line: u64) {
        self.line = line;
        self.count = 0;
        self.values.fill(Cell::Null);
    }

    /// Whether the value of a column matters.
    pub(super) fn wants(&self, place: usize) -> bool {
        matches!(self.places.get(place), Some(Some(_)))
    }

    /// Takes the value of a column, by its place in the dump.
    pub(super) fn put(&mut self, place: usize, cell: Cell) -> Result<(), DumpError> {
        let Some(column) = self.places.get(place) else { return Err(self.wrong_count()) };
        self.count = place + 1;
        if let Some(kept) = column.and_then(|column| self.values.get_mut(column)) {
            *kept = cell;
        }
        Ok(())
    }

    /// Ends a row: it must have had all its columns.
    pub(super) fn complete(&self) -> Result<(), DumpError> {
        if self.count == self.places.len() { Ok(()) } else { Err(self.wrong_count()) }
    }

    fn wrong_count(&self) -> DumpError {
        let problem = "a row has more or fewer values than its table has columns";
        DumpError::Malformed { line: self.line, problem }
    }

    /// The row; `None` if it was marked as deleted.
    pub(super) fn row(&mut self, dialect: Option<Dialect>) -> Result<Option<Row>, DumpError> {
        let dialect = dialect.ok_or(DumpError::Malformed {
            line: self.line,
            problem: "nothing before says whose dump it is",
        })?;
        if self.table != Table::Changes && self.instant("deleted_at")?.is_some() {
            return Ok(None);
        }
        Ok(Some(match self.table {
            Table::Files => Row::File(FileRow {
                gun: self.text("gun")?,
                role: self.text("role")?,
                version: self.number("version")?,
                data: self.bytes("data", dialect)?,
                sha256: self.optional_text("sha256")?.map(|text| text.trim_end().to_owned()),
                created_at: self.instant("created_at")?,
            }),
            Table::Changes => Row::Change(ChangeRow {
                id: self.number("id")?,
                created_at: self.instant("created_at")?,
                gun: self.text("gun")?,
                version: self.number("version")?,
                sha256: self.optional_text("sha256")?.unwrap_or_default().trim_end().to_owned(),
                category: self.optional_text("category")?.unwrap_or_else(|| UPDATE.to_owned()),
            }),
            Table::Keys => Row::Key(SealedKeyRow {
                key_id: self.text("key_id")?,
                algorithm: self.text("algorithm")?,
                alias: self.text("passphrase_alias")?,
                public: self.bytes("public", dialect)?,
                private: Zeroizing::new(self.bytes("private", dialect)?),
                gun: self.optional_text("gun")?.unwrap_or_default(),
                role: self.optional_text("role")?.unwrap_or_default(),
                was_used: self.instant("last_used")?.is_some(),
            }),
        }))
    }

    fn take(&mut self, column: &'static str) -> Cell {
        let place = self.table.columns().iter().position(|(name, _)| *name == column);
        let cell = place.and_then(|place| self.values.get_mut(place));
        cell.map_or(Cell::Null, |cell| std::mem::replace(cell, Cell::Null))
    }

    fn wrong(&self, column: &'static str, problem: &'static str) -> DumpError {
        DumpError::Value { line: self.line, table: self.table, column, problem }
    }

    fn optional_text(&mut self, column: &'static str) -> Result<Option<String>, DumpError> {
        match self.take(column) {
            Cell::Null => Ok(None),
            Cell::Text(bytes) | Cell::Bytes(bytes) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| self.wrong(column, "no text of UTF-8")),
        }
    }

    fn text(&mut self, column: &'static str) -> Result<String, DumpError> {
        self.optional_text(column)?.ok_or_else(|| self.wrong(column, "missing"))
    }

    fn number(&mut self, column: &'static str) -> Result<i64, DumpError> {
        self.text(column)?.parse().map_err(|_| self.wrong(column, "no number"))
    }

    fn bytes(&mut self, column: &'static str, dialect: Dialect) -> Result<Vec<u8>, DumpError> {
        match self.take(column) {
            Cell::Null => Err(self.wrong(column, "missing")),
            Cell::Bytes(bytes) => Ok(bytes),
            Cell::Text(bytes) if dialect == Dialect::MySql => Ok(bytes),
            Cell::Text(text) => {
                let bytes = from_bytea(&text);
                bytes.ok_or_else(|| self.wrong(column, "no bytes as PostgreSQL writes them"))
            }
        }
    }

    /// An instant; `None` if there is none, or the zero of MySQL or of Go.
    fn instant(&mut self, column: &'static str) -> Result<Option<Timestamp>, DumpError> {
        let Some(text) = self.optional_text(column)? else { return Ok(None) };
        if text.starts_with("0000-00-00") || text.starts_with("0001-01-01") {
            return Ok(None);
        }
        let read = instant(&text);
        read.map(Some).ok_or_else(|| self.wrong(column, "no time"))
    }
}

/// A time as the databases write it, `2030-01-02 03:04:05.678`, with an offset or without.
fn instant(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(' ')?;
    let (time, offset) = match time.find(['+', '-']) {
        Some(at) => time.split_at_checked(at)?,
        None => (time, "Z"),
    };
    let minutes = if offset.len() == 3 { ":00" } else { "" };
    let parsed = Rfc3339::parse(&format!("{date}T{time}{offset}{minutes}")).ok()?;
    Some(parsed.instant())
}

/// Bytes as PostgreSQL writes them as text: hexadecimal, or with escapes (PostgreSQL §8.4).
fn from_bytea(text: &[u8]) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix(b"\\x") {
        let (pairs, rest) = digits.as_chunks::<2>();
        let pairs =
            pairs.iter().map(|[high, low]| Some((hex_digit(*high)? << 4) | hex_digit(*low)?));
        return if rest.is_empty() { pairs.collect() } else { None };
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        if let Some(after) = rest.strip_prefix(b"\\") {
            bytes.push(b'\\');
            rest = after;
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<3>()?;
        bytes.push(octal(digits)?);
        rest = after;
    }
    Some(bytes)
}

fn octal(digits: &[u8]) -> Option<u8> {
    let mut value = 0_u32;
    for digit in digits {
        let digit = (*digit as char).to_digit(8)?;
        value = value * 8 + digit;
    }
    u8::try_from(value).ok()
}

/// A field of `COPY`, as it was before it was escaped (PostgreSQL's COPY, "Text Format").
pub(super) fn unescaped(field: &[u8]) -> Cell {
    if field == b"\\N" {
        return Cell::Null;
    }
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        text.extend_from_slice(before);
        let Some((escaped, after)) = escape.get(1..).and_then(<[u8]>::split_first) else {
            rest = b"";
            text.push(b'\\');
            break;
        };
        rest = after;
        match escaped {
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'v' => text.push(11),
            b'0'..=b'7' => {
                let mut value = u32::from(escaped - b'0');
                for _ in 0..2 {
                    let Some((digit @ b'0'..=b'7', after)) = rest.split_first() else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    rest = after;
                }
                text.push(u8::try_from(value & 0xff).unwrap_or_default());
            }
            b'x' => {
                let mut value: Option<u8> = None;
                for _ in 0..2 {
                    let Some((digit, after)) = rest.split_first() else { break };
                    let Some(digit) = hex_digit(*digit) else { break };
                    value = Some((value.unwrap_or_default() << 4) | digit);
                    rest = after;
                }
                text.push(value.unwrap_or(b'x'));
            }
            byte => text.push(*byte),
        }
    }
    text.extend_from_slice(rest);
    Cell::Text(text)
}

/// What a change is that no column says.
const UPDATE: &str = "update";
