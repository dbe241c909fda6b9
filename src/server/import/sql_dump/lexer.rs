//! Strings, comments and names of SQL, as the two programs write them.

use std::io::{self, BufRead};

use zeroize::Zeroize as _;

use crate::limits::{MAX_DUMP_NAME_BYTES, MAX_DUMP_ROW_BYTES};
use crate::server::import::sql_dump::{Dialect, DumpError};

/// The text, byte by byte.
pub(super) struct Lexer<R> {
    input: R,
    /// The line of the next byte, from 1 on.
    pub(super) line: u64,
    /// Whose text it is, once that is known.
    pub(super) dialect: Option<Dialect>,
}

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, number, or name without quotes, as it stands there.
    Word(String),
    /// A name in quotes.
    Name(String),
    /// A string, without its quotes.
    Text(Vec<u8>),
    /// Bytes that were written as hexadecimal digits.
    Bytes(Vec<u8>),
    /// A sign.
    Sign(u8),
}

impl<R: BufRead> Lexer<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 1, dialect: None }
    }

    /// The next byte, which stays.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, DumpError> {
        loop {
            match self.input.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.not_read(error)),
            }
        }
    }

    /// Takes the next byte.
    pub(super) fn next(&mut self) -> Result<Option<u8>, DumpError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.input.consume(1);
            if byte == b'\n' {
                self.line += 1;
            }
        }
        Ok(byte)
    }

    /// Takes the next byte, which must be there.
    pub(super) fn demand(&mut self) -> Result<u8, DumpError> {
        self.next()?.ok_or(DumpError::Truncated { line: self.line })
    }

    /// Takes the next byte if it is this one.
    pub(super) fn eat(&mut self, byte: u8) -> Result<bool, DumpError> {
        let found = self.peek()? == Some(byte);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    pub(super) fn malformed(&self, problem: &'static str) -> DumpError {
        DumpError::Malformed { line: self.line, problem }
    }

    fn not_read(&self, error: io::Error) -> DumpError {
        match error.kind() {
            // The end of what was packed is missing.
            io::ErrorKind::UnexpectedEof => DumpError::Truncated { line: self.line },
            _ => DumpError::Read(error),
        }
    }

    /// Takes bytes up to one of these, which stays, or the end. `false`, and no more is taken, if
    /// `keep` would become longer than `limit`.
    fn take_until(
        &mut self,
        stops: &[u8],
        keep: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, DumpError> {
        let mut fits = true;
        self.pass_until(stops, |part| {
            fits = keep.len().saturating_add(part.len()) <= limit;
            if fits {
                keep.extend_from_slice(part);
            }
            fits
        })?;
        Ok(fits)
    }

    /// Passes over bytes up to one of these, which stays, or the end; up to `limit` of the first of
    /// them are kept.
    fn skip_until(
        &mut self,
        stops: &[u8],
        keep: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), DumpError> {
        self.pass_until(stops, |part| {
            let room = part.len().min(limit.saturating_sub(keep.len()));
            keep.extend_from_slice(part.get(..room).unwrap_or_default());
            true
        })
    }

    /// Hands bytes over, part by part, up to one of these, the end, or when they are not taken.
    fn pass_until(
        &mut self,
        stops: &[u8],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), DumpError> {
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.not_read(error)),
            };
            let end = buffer.iter().position(|byte| stops.contains(byte));
            let is_last = end.is_some() || buffer.is_empty();
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            let goes_on = take(part);
            self.line += part.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            let count = part.len();
            self.input.consume(count);
            if is_last || !goes_on {
                return Ok(());
            }
        }
    }

    /// Takes the rest of a line with its end; its first `limit` bytes are returned, without the
    /// end, and whether there was an end.
    pub(super) fn line_rest(&mut self, limit: usize) -> Result<(Vec<u8>, bool), DumpError> {
        let mut line = Vec::new();
        self.skip_until(b"\n", &mut line, limit)?;
        Ok((line, self.next()?.is_some()))
    }

    /// Takes a line of data with its end, up to `limit` bytes of it; `None` if it is longer.
    pub(super) fn data_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, DumpError> {
        let mut line = Vec::new();
        if !self.take_until(b"\n", &mut line, limit)? {
            return Ok(None);
        }
        if self.next()?.is_none() {
            return Err(DumpError::Truncated { line: self.line });
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    /// Passes over a line of data with its end; tells whether it is the one that ends the data.
    pub(super) fn skip_data_line(&mut self) -> Result<bool, DumpError> {
        let (line, has_end) = self.line_rest(4)?;
        if !has_end {
            return Err(DumpError::Truncated { line: self.line });
        }
        Ok(line == b"\\." || line == b"\\.\r")
    }

    /// The next piece of a statement; white space and comments before it are passed over.
    pub(super) fn token(&mut self) -> Result<Token, DumpError> {
        loop {
            let byte = self.demand()?;
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'-' if self.eat(b'-')? => {
                    self.line_rest(0)?;
                }
                b'/' if self.eat(b'*')? => {
                    self.comment()?;
                }
                b'\'' => return Ok(Token::Text(self.string(false)?)),
                b'"' | b'`' => return Ok(Token::Name(self.quoted_name(byte)?)),
                b'0' if matches!(self.peek()?, Some(b'x' | b'X')) => {
                    self.next()?;
                    return Ok(Token::Bytes(self.hex(None)?));
                }
                byte if is_word(byte) => return self.word(byte),
                byte => return Ok(Token::Sign(byte)),
            }
        }
    }

    fn word(&mut self, first: u8) -> Result<Token, DumpError> {
        let mut word = vec![first];
        while let Some(byte) = self.peek()?.filter(|byte| is_word(*byte)) {
            if word.len() >= MAX_DUMP_NAME_BYTES {
                return Err(self.malformed("a name or number has no end"));
            }
            word.push(byte);
            self.next()?;
        }
        let after = self.peek()?.ok_or(DumpError::Truncated { line: self.line })?;
        let is_before_string = after == b'\'';
        match word.as_slice() {
            b"E" | b"e" if is_before_string && self.dialect == Some(Dialect::Postgres) => {
                self.next()?;
                Ok(Token::Text(self.string(true)?))
            }
            b"X" | b"x" if is_before_string => {
                self.next()?;
                Ok(Token::Bytes(self.hex(Some(b'\''))?))
            }
            _ => match String::from_utf8(word) {
                Ok(word) => Ok(Token::Word(word)),
                Err(_) => Err(self.malformed("a name is no text of UTF-8")),
            },
        }
    }

    /// The rest of a string after its opening quote.
    fn string(&mut self, with_escapes: bool) -> Result<Vec<u8>, DumpError> {
        let mut text = Vec::new();
        loop {
            self.take_value(b"'\\", &mut text)?;
            match self.demand()? {
                b'\'' if self.eat(b'\'')? => text.push(b'\''),
                b'\'' => return Ok(text),
                _ => match self.dialect {
                    Some(Dialect::MySql) => {
                        let escaped = self.demand()?;
                        text.push(mysql_escape(escaped));
                    }
                    Some(Dialect::Postgres) if with_escapes => self.postgres_escape(&mut text)?,
                    Some(Dialect::Postgres) => text.push(b'\\'),
                    None => return Err(self.malformed("nothing before says whose dump it is")),
                },
            }
        }
    }

    fn postgres_escape(&mut self, text: &mut Vec<u8>) -> Result<(), DumpError> {
        match self.demand()? {
            byte @ (b'\\' | b'\'') => text.push(byte),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            _ => return Err(self.malformed("a string has an escape that pg_dump does not write")),
        }
        Ok(())
    }

    fn take_value(&mut self, stops: &[u8], text: &mut Vec<u8>) -> Result<(), DumpError> {
        if self.take_until(stops, text, MAX_DUMP_ROW_BYTES)? {
            return Ok(());
        }
        text.zeroize();
        Err(self.malformed("a string has no end"))
    }

    /// Hexadecimal digits, up to this sign, which is taken, or up to what is none.
    fn hex(&mut self, end: Option<u8>) -> Result<Vec<u8>, DumpError> {
        let mut bytes = Vec::new();
        let mut high: Option<u8> = None;
        while let Some(digit) = self.peek()?.and_then(hex_digit) {
            self.next()?;
            match high.take() {
                None => high = Some(digit),
                Some(high) => bytes.push((high << 4) | digit),
            }
            if bytes.len() > MAX_DUMP_ROW_BYTES {
                return Err(self.malformed("a string has no end"));
            }
        }
        let ends = match end {
            Some(end) => self.demand()? == end,
            None => !self.peek()?.is_some_and(is_word),
        };
        if high.is_some() || !ends {
            return Err(self.malformed("a hexadecimal string has other signs in it"));
        }
        Ok(bytes)
    }

    /// The rest of a name after its opening quote.
    fn quoted_name(&mut self, quote: u8) -> Result<String, DumpError> {
        if quote == b'`' {
            self.is_of(Dialect::MySql);
        }
        let mut name = Vec::new();
        loop {
            if !self.take_until(&[quote], &mut name, MAX_DUMP_NAME_BYTES)? {
                return Err(self.malformed("a name has no end"));
            }
            self.demand()?;
            if !self.eat(quote)? {
                break;
            }
            name.push(quote);
        }
        String::from_utf8(name).map_err(|_| self.malformed("a name is no text of UTF-8"))
    }

    /// The rest of a comment after its beginning; its first bytes are returned.
    pub(super) fn comment(&mut self) -> Result<Vec<u8>, DumpError> {
        let mut head = Vec::new();
        loop {
            self.skip_until(b"*", &mut head, 16)?;
            self.demand()?;
            if self.eat(b'/')? {
                break;
            }
            if head.len() < 16 {
                head.push(b'*');
            }
        }
        if head.starts_with(b"!") || head.starts_with(b"M!") {
            self.is_of(Dialect::MySql);
        }
        Ok(head)
    }

    /// Passes over the rest of a statement and what ends it.
    pub(super) fn skip_statement(&mut self, end: &[u8]) -> Result<(), DumpError> {
        let Some((first, rest)) = end.split_first() else { return Ok(()) };
        loop {
            let byte = self.demand()?;
            if byte == *first {
                let mut rest = rest.iter();
                let mut is_end = true;
                for expected in &mut rest {
                    if !self.eat(*expected)? {
                        is_end = false;
                        break;
                    }
                }
                if is_end {
                    return Ok(());
                }
                continue;
            }
            match byte {
                b'\'' | b'"' | b'`' => self.skip_quoted(byte)?,
                b'-' if self.eat(b'-')? => {
                    self.line_rest(0)?;
                }
                b'#' if self.dialect == Some(Dialect::MySql) => {
                    self.line_rest(0)?;
                }
                b'/' if self.eat(b'*')? => {
                    self.comment()?;
                }
                b'$' if self.dialect != Some(Dialect::MySql) => self.skip_dollar_quoted()?,
                _ => {}
            }
        }
    }

    fn skip_quoted(&mut self, quote: u8) -> Result<(), DumpError> {
        if quote == b'`' {
            self.is_of(Dialect::MySql);
        }
        loop {
            self.skip_until(&[quote, b'\\'], &mut Vec::new(), 0)?;
            match self.demand()? {
                b'\\' if self.dialect == Some(Dialect::MySql) => {
                    self.demand()?;
                }
                b'\\' => {}
                _ if self.eat(quote)? => {}
                _ => return Ok(()),
            }
        }
    }

    /// The body of a function of PostgreSQL, `$tag$ … $tag$`.
    fn skip_dollar_quoted(&mut self) -> Result<(), DumpError> {
        let mut tag = Vec::new();
        while let Some(byte) = self.peek()?.filter(|byte| is_word(*byte) && *byte != b'$') {
            if tag.len() >= MAX_DUMP_NAME_BYTES {
                return Err(self.malformed("a name has no end"));
            }
            tag.push(byte);
            self.next()?;
        }
        if !self.eat(b'$')? {
            // A place of a parameter, `$1`.
            return Ok(());
        }
        loop {
            self.skip_until(b"$", &mut Vec::new(), 0)?;
            self.demand()?;
            let mut found = true;
            for expected in tag.iter().chain(b"$") {
                if !self.eat(*expected)? {
                    found = false;
                    break;
                }
            }
            if found {
                return Ok(());
            }
        }
    }

    /// Notes whose text it is, if that was not known.
    pub(super) fn is_of(&mut self, dialect: Dialect) {
        self.dialect.get_or_insert(dialect);
    }
}

/// What a byte after a backslash stands for (MySQL 8.0 §9.1.1).
fn mysql_escape(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 26,
        byte => byte,
    }
}

pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@') || byte >= 0x80
}
