//! What stands where in a dump: statements, data that is copied, and the lines between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use crate::limits::{MAX_DUMP_COLUMNS, MAX_DUMP_ROW_BYTES};
use crate::server::import::rows::Table;
use crate::server::import::sql_dump::cells::{Cell, Cells, unescaped};
use crate::server::import::sql_dump::lexer::{Lexer, Token};
use crate::server::import::sql_dump::{Columns, Dialect, DumpError, Row};

/// Reads a dump.
pub(super) struct Reader<R> {
    lexer: Lexer<R>,
    /// Which database it is about now, where several are in one dump.
    database: String,
    /// What ends a statement.
    delimiter: Vec<u8>,
    /// Tables that were seen: of which database, and the columns that they were made with.
    seen: BTreeMap<Table, Seen>,
    /// Dumps that began and have not ended.
    unfinished: u64,
}

struct Seen {
    database: String,
    /// The columns that the table was made with.
    columns: Option<Vec<String>>,
    /// Those of notary's that rows have had.
    filled: BTreeSet<&'static str>,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            lexer: Lexer::new(input),
            database: String::new(),
            delimiter: b";".to_vec(),
            seen: BTreeMap::new(),
            unfinished: 0,
        }
    }

    pub(super) fn run<E: From<DumpError>>(
        mut self,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<Columns, E> {
        while let Some(byte) = self.lexer.peek()? {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | 0xef | 0xbb | 0xbf => {
                    self.lexer.next()?;
                }
                b'-' => {
                    self.lexer.next()?;
                    if self.lexer.demand()? != b'-' {
                        return Err(self.lexer.malformed("no statement begins like this").into());
                    }
                    self.comment_line()?;
                }
                b'#' => {
                    self.lexer.line_rest(0)?;
                }
                b'/' => {
                    self.lexer.next()?;
                    if self.lexer.demand()? != b'*' {
                        return Err(self.lexer.malformed("no statement begins like this").into());
                    }
                    self.lexer.comment()?;
                }
                b'\\' => self.command_of_psql()?,
                _ => self.statement(take)?,
            }
        }
        if self.unfinished > 0 {
            return Err(DumpError::Truncated { line: self.lexer.line }.into());
        }
        if self.lexer.dialect.is_none() {
            return Err(self.lexer.malformed("it is no dump of PostgreSQL or MySQL").into());
        }
        if self.seen.is_empty() {
            return Err(DumpError::NoTable.into());
        }
        let columns = self.seen.into_iter().flat_map(|(table, seen)| {
            let is_there = move |name: &&str| {
                let made = seen.columns.iter().flatten();
                seen.filled.contains(*name) || made.into_iter().any(|column| column == *name)
            };
            let names = table.columns().iter().map(|(name, _)| *name);
            names.filter(is_there).map(move |name| (table, name))
        });
        Ok(columns.collect())
    }

    /// A comment to the end of its line: the first and the last that the programs write say where
    /// a dump begins and ends.
    fn comment_line(&mut self) -> Result<(), DumpError> {
        let (line, _) = self.lexer.line_rest(COMMENT_BYTES)?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
        if begins(&[
            "PostgreSQL database dump complete",
            "PostgreSQL database cluster dump complete",
        ]) || begins(&["Dump completed"])
        {
            self.unfinished = self.unfinished.saturating_sub(1);
        } else if begins(&["PostgreSQL database dump", "PostgreSQL database cluster dump"]) {
            self.lexer.is_of(Dialect::Postgres);
            self.unfinished += 1;
        } else if begins(&["MySQL dump", "MariaDB dump"]) {
            self.lexer.is_of(Dialect::MySql);
            self.unfinished += 1;
        }
        Ok(())
    }

    /// A line that is for `psql`, such as `\connect notaryserver`.
    fn command_of_psql(&mut self) -> Result<(), DumpError> {
        self.lexer.is_of(Dialect::Postgres);
        let (line, _) = self.lexer.line_rest(COMMENT_BYTES)?;
        let line = String::from_utf8_lossy(&line);
        let mut words = line.split_whitespace();
        match words.next() {
            Some("\\connect" | "\\c") => {
                words.last().unwrap_or_default().clone_into(&mut self.database);
                Ok(())
            }
            Some("\\restrict" | "\\unrestrict" | "\\encoding") => Ok(()),
            _ => Err(self.lexer.malformed("a command of psql that pg_dump does not write")),
        }
    }

    fn statement<E: From<DumpError>>(
        &mut self,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let word = match self.lexer.token()? {
            Token::Word(word) => word.to_ascii_uppercase(),
            Token::Sign(b'(') => String::new(),
            _ => return Err(self.lexer.malformed("no statement begins like this").into()),
        };
        if word == "DELIMITER" {
            let (line, _) = self.lexer.line_rest(COMMENT_BYTES)?;
            let delimiter = line.trim_ascii();
            if delimiter.is_empty() || delimiter.len() > MAX_DELIMITER_BYTES {
                return Err(self.lexer.malformed("nothing would end a statement").into());
            }
            self.delimiter = delimiter.to_vec();
            return Ok(());
        }
        if self.delimiter == b";" {
            match word.as_str() {
                "INSERT" | "REPLACE" => return self.insert(take),
                "COPY" => return self.copy(take),
                "CREATE" => return Ok(self.create()?),
                "USE" => {
                    self.database = self.name()?;
                }
                "SET" => return Ok(self.set()?),
                _ => {}
            }
        }
        Ok(self.lexer.skip_statement(&self.delimiter)?)
    }

    /// `SET …`: one setting changes how strings are written.
    fn set(&mut self) -> Result<(), DumpError> {
        let setting = self.lexer.token()?;
        if is_word(&setting, "standard_conforming_strings") {
            self.lexer.is_of(Dialect::Postgres);
            self.lexer.token()?;
            let value = self.lexer.token()?;
            if !is_word(&value, "on") {
                return Err(self.lexer.malformed("standard_conforming_strings is not on"));
            }
            return self.skip_after(&value);
        }
        self.skip_after(&setting)
    }

    /// Passes over the rest of a statement of which this was the last piece.
    fn skip_after(&mut self, last: &Token) -> Result<(), DumpError> {
        if *last == Token::Sign(b';') {
            return Ok(());
        }
        self.lexer.skip_statement(&self.delimiter)
    }

    /// A name without those of the schema and database that it is in; this was its first piece.
    fn name_from(&mut self, first: Token) -> Result<String, DumpError> {
        let mut name = self.one_name(first)?;
        while self.lexer.eat(b'.')? {
            let next = self.lexer.token()?;
            name = self.one_name(next)?;
        }
        Ok(name)
    }

    fn one_name(&self, token: Token) -> Result<String, DumpError> {
        match token {
            Token::Word(name) | Token::Name(name) => Ok(name),
            _ => Err(self.lexer.malformed("a name is missing")),
        }
    }

    fn name(&mut self) -> Result<String, DumpError> {
        let first = self.lexer.token()?;
        self.name_from(first)
    }

    fn demand(&mut self, sign: u8) -> Result<(), DumpError> {
        match self.lexer.token()? {
            Token::Sign(found) if found == sign => Ok(()),
            _ => Err(self.lexer.malformed("a statement is not as the programs write it")),
        }
    }

    /// Notes that a table is in the dump, and of which database.
    fn note(&mut self, table: Table) -> Result<&mut Seen, DumpError> {
        let (line, database) = (self.lexer.line, &self.database);
        let seen = self.seen.entry(table);
        let seen = seen.or_insert_with(|| Seen {
            database: database.clone(),
            columns: None,
            filled: BTreeSet::new(),
        });
        if seen.database == *database {
            Ok(seen)
        } else {
            Err(DumpError::TwoDatabases { line, table })
        }
    }

    /// `CREATE …`: the columns of notary's tables are remembered.
    fn create(&mut self) -> Result<(), DumpError> {
        let what = self.lexer.token()?;
        if !is_word(&what, "TABLE") {
            return self.skip_after(&what);
        }
        let mut first = self.lexer.token()?;
        if is_word(&first, "IF") {
            self.lexer.token()?;
            self.lexer.token()?;
            first = self.lexer.token()?;
        }
        let name = self.name_from(first)?;
        let Some(table) = Table::named(&name) else {
            return self.lexer.skip_statement(&self.delimiter);
        };
        self.demand(b'(')?;
        let mut columns = Vec::new();
        let mut depth = 0_u32;
        let mut begins = true;
        loop {
            let token = self.lexer.token()?;
            match &token {
                Token::Name(name) if begins => columns.push(name.clone()),
                Token::Word(word) if begins && !is_rule(word) => columns.push(word.clone()),
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') if depth == 0 => break,
                Token::Sign(b')') => depth -= 1,
                _ => {}
            }
            begins = depth == 0 && token == Token::Sign(b',');
            if columns.len() > MAX_DUMP_COLUMNS {
                return Err(self.lexer.malformed("a table has too many columns"));
            }
        }
        let line = self.lexer.line;
        let seen = self.note(table)?;
        if seen.columns.replace(columns).is_some() {
            return Err(DumpError::TwoDatabases { line, table });
        }
        self.lexer.skip_statement(&self.delimiter)
    }

    /// The rest of a list of columns after its opening sign.
    fn columns(&mut self) -> Result<Vec<String>, DumpError> {
        let mut columns = Vec::new();
        loop {
            columns.push(self.name()?);
            if columns.len() > MAX_DUMP_COLUMNS {
                return Err(self.lexer.malformed("a table has too many columns"));
            }
            match self.lexer.token()? {
                Token::Sign(b',') => {}
                Token::Sign(b')') => return Ok(columns),
                _ => return Err(self.lexer.malformed("a list of columns has no end")),
            }
        }
    }

    /// Where the columns that matter are among those of the rows to come.
    fn cells(&mut self, table: Table, columns: Option<Vec<String>>) -> Result<Cells, DumpError> {
        let line = self.lexer.line;
        let seen = self.note(table)?;
        let columns = columns.or_else(|| seen.columns.clone());
        let columns = columns.ok_or(DumpError::NoColumns { line, table })?;
        let known = table.columns().iter().map(|(name, _)| *name);
        seen.filled.extend(known.filter(|name| columns.iter().any(|column| column == name)));
        Cells::new(table, &columns, line)
    }

    /// `INSERT INTO … VALUES …`, or `REPLACE INTO`.
    fn insert<E: From<DumpError>>(
        &mut self,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let word = self.lexer.token()?;
            if is_word(&word, "INTO") {
                break;
            }
            let modifiers = ["IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED"];
            if !modifiers.iter().any(|modifier| is_word(&word, modifier)) {
                return Err(self.lexer.malformed("an INSERT says not into what").into());
            }
        }
        let name = self.name()?;
        let Some(table) = Table::named(&name) else {
            return Ok(self.lexer.skip_statement(&self.delimiter)?);
        };
        let mut token = self.lexer.token()?;
        let mut columns = None;
        if token == Token::Sign(b'(') {
            columns = Some(self.columns()?);
            token = self.lexer.token()?;
        }
        if is_word(&token, "OVERRIDING") {
            self.lexer.token()?;
            self.lexer.token()?;
            token = self.lexer.token()?;
        }
        if !is_word(&token, "VALUES") {
            return Err(self.lexer.malformed("an INSERT has no values").into());
        }
        let mut cells = self.cells(table, columns)?;
        loop {
            self.demand(b'(')?;
            self.values(&mut cells)?;
            if let Some(row) = cells.row(self.lexer.dialect)? {
                take(row)?;
            }
            match self.lexer.token()? {
                Token::Sign(b',') => {}
                Token::Sign(b';') => return Ok(()),
                token if is_word(&token, "ON") => {
                    return Ok(self.lexer.skip_statement(&self.delimiter)?);
                }
                _ => return Err(self.lexer.malformed("an INSERT has no end").into()),
            }
        }
    }

    /// The values of a row after their opening sign.
    fn values(&mut self, cells: &mut Cells) -> Result<(), DumpError> {
        cells.begin(self.lexer.line);
        let mut size = 0_usize;
        for place in 0.. {
            let cell = self.value()?;
            size = size.saturating_add(cell.len());
            if size > MAX_DUMP_ROW_BYTES {
                return Err(DumpError::TooLarge { line: self.lexer.line, table: cells.table() });
            }
            cells.put(place, cell)?;
            match self.lexer.token()? {
                Token::Sign(b',') => {}
                Token::Sign(b')') => break,
                _ => return Err(self.lexer.malformed("a row has no end")),
            }
        }
        cells.complete()
    }

    fn value(&mut self) -> Result<Cell, DumpError> {
        Ok(match self.lexer.token()? {
            Token::Text(text) => Cell::Text(text),
            Token::Bytes(bytes) => Cell::Bytes(bytes),
            Token::Word(word) if word.eq_ignore_ascii_case("NULL") => Cell::Null,
            // What stands before a string in MySQL says which characters it is of.
            Token::Word(word) if word.starts_with('_') => match self.lexer.token()? {
                Token::Text(text) if word.eq_ignore_ascii_case("_binary") => Cell::Bytes(text),
                Token::Text(text) => Cell::Text(text),
                Token::Bytes(bytes) => Cell::Bytes(bytes),
                _ => return Err(self.lexer.malformed("a value is missing")),
            },
            Token::Word(word) => Cell::Text(word.into_bytes()),
            Token::Sign(b'-') => match self.lexer.token()? {
                Token::Word(word) => Cell::Text(format!("-{word}").into_bytes()),
                _ => return Err(self.lexer.malformed("a value is missing")),
            },
            _ => return Err(self.lexer.malformed("a value is missing")),
        })
    }

    /// `COPY … FROM stdin;` and the lines of data after it, up to `\\.`.
    fn copy<E: From<DumpError>>(
        &mut self,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        self.lexer.is_of(Dialect::Postgres);
        let name = self.name()?;
        let mut token = self.lexer.token()?;
        let mut columns = None;
        if token == Token::Sign(b'(') {
            // A table may have no columns at all.
            columns = if self.lexer.eat(b')')? { Some(Vec::new()) } else { Some(self.columns()?) };
            token = self.lexer.token()?;
        }
        let is_from = is_word(&token, "FROM");
        let is_here = is_word(&self.lexer.token()?, "stdin");
        if !is_from || !is_here || self.lexer.token()? != Token::Sign(b';') {
            return Err(self.lexer.malformed("COPY is not as pg_dump writes it").into());
        }
        self.lexer.line_rest(0)?;
        let Some(table) = Table::named(&name) else {
            while !self.lexer.skip_data_line()? {}
            return Ok(());
        };
        let mut cells = self.cells(table, columns)?;
        loop {
            let line = self.lexer.line;
            let Some(data) = self.lexer.data_line(MAX_DUMP_ROW_BYTES)? else {
                return Err(DumpError::TooLarge { line, table }.into());
            };
            if data == b"\\." {
                return Ok(());
            }
            cells.begin(line);
            for (place, field) in data.split(|byte| *byte == b'\t').enumerate() {
                if cells.wants(place) {
                    cells.put(place, unescaped(field))?;
                } else {
                    cells.put(place, Cell::Null)?;
                }
            }
            cells.complete()?;
            if let Some(row) = cells.row(self.lexer.dialect)? {
                take(row)?;
            }
        }
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word))
}

/// Whether what begins so in a CREATE TABLE is a rule of the table, and no column.
fn is_rule(word: &str) -> bool {
    const RULES: [&str; 12] = [
        "PRIMARY",
        "UNIQUE",
        "KEY",
        "INDEX",
        "CONSTRAINT",
        "FOREIGN",
        "FULLTEXT",
        "SPATIAL",
        "CHECK",
        "EXCLUDE",
        "LIKE",
        "PERIOD",
    ];
    RULES.iter().any(|rule| word.eq_ignore_ascii_case(rule))
}

/// How much of a comment is looked at, in bytes.
const COMMENT_BYTES: usize = 256;
/// Longest sign that may end a statement, in bytes: people write `;;`, `//` and `$$`.
const MAX_DELIMITER_BYTES: usize = 16;
