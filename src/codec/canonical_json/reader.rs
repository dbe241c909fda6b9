//! Reading: one pass, bounded depth and count, every error with its place.

use std::borrow::Cow;

use crate::codec::canonical_json::Value;
use crate::codec::canonical_json::object::{Gathered, frequent};
use crate::limits::MAX_JSON_DEPTH;
use crate::limits::MAX_VALUES;

/// Where and why a document is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}{}", in_path(path))]
pub struct JsonError {
    /// Bytes before the fault.
    pub offset: usize,
    /// Where in the document, like `signed.targets.v1.length`; empty for the top.
    pub path: String,
    /// What is wrong there.
    pub problem: JsonProblem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonProblem {
    /// An object names a member twice: readers differ in which one counts.
    #[error("duplicate member `{0}`")]
    DuplicateMember(String),
    /// Something follows the document.
    #[error("trailing data")]
    TrailingData,
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    #[error("nested deeper than {MAX_JSON_DEPTH}")]
    TooDeep,
    /// More values than any metadata has.
    #[error("more than {MAX_VALUES} values")]
    TooManyValues,
    /// A number with a fractional part.
    #[error("number is not whole")]
    NotInteger,
    /// A whole number beyond 64 bits.
    #[error("number is out of range")]
    OutOfRange,
    /// A string is not UTF-8.
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// Half of a surrogate pair: no character.
    #[error("lone surrogate")]
    LoneSurrogate,
    /// A raw control character in a string.
    #[error("raw control character 0x{0:02x} in a string")]
    ControlCharacter(u8),
    /// A backslash followed by nothing JSON knows.
    #[error("invalid escape")]
    InvalidEscape,
    /// The document is cut short.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// A byte that cannot stand there.
    #[error("unexpected byte 0x{0:02x}")]
    Unexpected(u8),
}

impl Value {
    /// Parses one document, which must be the whole of `bytes`.
    ///
    /// A number written as `1e3` or `2.0` is the integer it equals, as in the reference.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let mut reader = Reader { bytes, at: 0, values: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(reader.fault(JsonProblem::TrailingData)),
        }
    }
}

/// Characters of a name shown in a path; names are the attacker's and can be megabytes.
const MAX_SHOWN: usize = 64;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.fault(JsonProblem::TooManyValues));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true", Value::Bool(true)),
            Some(b'f') => self.literal(b"false", Value::Bool(false)),
            Some(b'n') => self.literal(b"null", Value::Null),
            _ => Err(self.unexpected()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.enter(depth)?;
        let mut members = Gathered::default();
        if self.take(b'}') {
            return Ok(Value::Object(members.into_object()));
        }
        loop {
            self.skip_space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            let name = self.name()?;
            self.expect(b':').map_err(|fault| fault.inside(&name))?;
            let member = self.value(depth).map_err(|fault| fault.inside(&name))?;
            if let Err((name, _)) = members.add(name, member) {
                let problem = JsonProblem::DuplicateMember(shown(&name));
                return Err(JsonError { offset: start, path: String::new(), problem });
            }
            if self.take(b'}') {
                return Ok(Value::Object(members.into_object()));
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            let item = self.value(depth).map_err(|fault| fault.at_index(items.len()))?;
            items.push(item);
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            self.expect(b',')?;
        }
    }

    /// Steps over the opening bracket.
    fn enter(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_JSON_DEPTH {
            return Err(self.fault(JsonProblem::TooDeep));
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &[u8], value: Value) -> Result<Value, JsonError> {
        for &byte in word {
            if self.peek() != Some(byte) {
                return Err(self.unexpected());
            }
            self.at += 1;
        }
        Ok(value)
    }

    /// Reads a member's name, the opening quote being next.
    fn name(&mut self) -> Result<Cow<'static, str>, JsonError> {
        // Every frequent name has six letters.
        let quoted = self.rest().get(1..7).zip(self.rest().get(7));
        if let Some((name, b'"')) = quoted
            && let Some(name) = frequent(name)
        {
            self.at += 8;
            return Ok(Cow::Borrowed(name));
        }
        self.string().map(Cow::Owned)
    }

    /// Reads a string, the opening quote being next.
    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let run = self.rest();
            let length = run
                .iter()
                .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)
                .unwrap_or(run.len());
            let plain = run.get(..length).unwrap_or(run);
            match std::str::from_utf8(plain) {
                Ok(plain) => text.push_str(plain),
                Err(error) => {
                    self.at += error.valid_up_to();
                    return Err(self.fault(JsonProblem::InvalidUtf8));
                }
            }
            self.at += length;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(control) => return Err(self.fault(JsonProblem::ControlCharacter(control))),
                None => return Err(self.fault(JsonProblem::UnexpectedEnd)),
            }
        }
    }

    /// Reads one escape, the backslash being next.
    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.at += 1;
        let Some(letter) = self.peek() else {
            return Err(self.fault(JsonProblem::UnexpectedEnd));
        };
        let character = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(start),
            _ => return Err(self.fault(JsonProblem::InvalidEscape)),
        };
        self.at += 1;
        Ok(character)
    }

    /// Reads `uXXXX`, and the second half if that is the first of a surrogate pair.
    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let first = self.code_unit()?;
        if let Some(character) = char::from_u32(u32::from(first)) {
            return Ok(character);
        }
        if self.rest().starts_with(b"\\u") {
            self.at += 1;
            let second = self.code_unit()?;
            if let Some(Ok(character)) = char::decode_utf16([first, second]).next() {
                return Ok(character);
            }
        }
        self.at = start;
        Err(self.fault(JsonProblem::LoneSurrogate))
    }

    /// Reads `uXXXX`.
    fn code_unit(&mut self) -> Result<u16, JsonError> {
        self.at += 1;
        let mut unit: u16 = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else {
                return Err(self.fault(JsonProblem::UnexpectedEnd));
            };
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'A'..=b'F' => byte - b'A' + 10,
                _ => return Err(self.fault(JsonProblem::InvalidEscape)),
            };
            unit = (unit << 4) | u16::from(digit);
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        let negative = self.next_is(b'-');
        let mut decimal = Decimal::default();
        if self.next_is(b'0') {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected());
            }
        } else {
            self.digits(|digit| decimal.push(digit))?;
        }
        let mut plain = true;
        if self.next_is(b'.') {
            plain = false;
            self.digits(|digit| decimal.push_fraction(digit))?;
        }
        if self.next_is(b'e') || self.next_is(b'E') {
            plain = false;
            let down = self.next_is(b'-');
            let _plus = !down && self.next_is(b'+');
            let mut exponent: i64 = 0;
            self.digits(|digit| {
                exponent = exponent.saturating_mul(10).saturating_add(i64::from(digit));
            })?;
            let exponent = if down { -exponent } else { exponent };
            decimal.exponent = decimal.exponent.saturating_add(exponent);
        }
        let value = if plain { Value::Int } else { Value::Whole };
        decimal.to_int(negative).map(value).map_err(|problem| {
            self.at = start;
            self.fault(problem)
        })
    }

    /// Reads one or more digits.
    fn digits(&mut self, mut each: impl FnMut(u8)) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected());
        }
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            each(byte - b'0');
            self.at += 1;
        }
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next_is(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        self.next_is(byte)
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> JsonError {
        self.fault(self.peek().map_or(JsonProblem::UnexpectedEnd, JsonProblem::Unexpected))
    }

    fn fault(&self, problem: JsonProblem) -> JsonError {
        JsonError { offset: self.at, path: String::new(), problem }
    }
}

impl JsonError {
    /// Puts the name of the object's member in front of the path.
    fn inside(mut self, name: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{}{separator}{}", shown(name), self.path);
        self
    }

    fn at_index(mut self, index: usize) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{index}]{separator}{}", self.path);
        self
    }
}

/// A decimal number as its significant digits and a power of ten: no rounding, no big integers.
#[derive(Default)]
struct Decimal {
    digits: u128,
    /// Zeros after `digits`, not yet multiplied in: `1000.0` must not lose to `1` and `1e9`.
    zeros: i64,
    exponent: i64,
    too_long: bool,
}

impl Decimal {
    fn push(&mut self, digit: u8) {
        if digit == 0 {
            self.zeros = self.zeros.saturating_add(1);
            return;
        }
        let shift = u32::try_from(self.zeros.saturating_add(1)).unwrap_or(u32::MAX);
        if self.digits == 0 {
            self.digits = u128::from(digit);
        } else {
            let longer = 10_u128
                .checked_pow(shift)
                .and_then(|scale| self.digits.checked_mul(scale))
                .and_then(|scaled| scaled.checked_add(u128::from(digit)));
            self.too_long |= longer.is_none();
            self.digits = longer.unwrap_or(self.digits);
        }
        self.zeros = 0;
    }

    fn push_fraction(&mut self, digit: u8) {
        self.push(digit);
        self.exponent = self.exponent.saturating_sub(1);
    }

    fn to_int(&self, negative: bool) -> Result<i64, JsonProblem> {
        if self.digits == 0 {
            return Ok(0);
        }
        let exponent = self.exponent.saturating_add(self.zeros);
        if exponent < 0 {
            return Err(JsonProblem::NotInteger);
        }
        if self.too_long {
            return Err(JsonProblem::OutOfRange);
        }
        let magnitude = u32::try_from(exponent)
            .ok()
            .and_then(|exponent| 10_u128.checked_pow(exponent))
            .and_then(|scale| self.digits.checked_mul(scale))
            .and_then(|magnitude| i128::try_from(magnitude).ok())
            .ok_or(JsonProblem::OutOfRange)?;
        let number = if negative { -magnitude } else { magnitude };
        i64::try_from(number).map_err(|_| JsonProblem::OutOfRange)
    }
}

/// A name fit for a message: short, on one line, and without control characters.
fn shown(name: &str) -> String {
    let mut out: String = name.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(MAX_SHOWN).is_some() {
        out.push('…');
    }
    out
}

fn in_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", in `{path}`") }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("", JsonProblem::UnexpectedEnd, 0; "nothing")]
    #[test_case(" \n", JsonProblem::UnexpectedEnd, 2; "white space")]
    #[test_case("{} {}", JsonProblem::TrailingData, 3; "two documents")]
    #[test_case("{}\0", JsonProblem::TrailingData, 2; "trailing NUL")]
    #[test_case("\u{feff}{}", JsonProblem::Unexpected(0xef), 0; "byte order mark")]
    #[test_case(r#"{"a":1,"a":1}"#, JsonProblem::DuplicateMember("a".into()), 7; "duplicate")]
    #[test_case(r#"{"a":1,"\u0061":1}"#, JsonProblem::DuplicateMember("a".into()), 7; "duplicate by escape")]
    #[test_case(r#"{"a":1,}"#, JsonProblem::Unexpected(b'}'), 7; "comma before brace")]
    #[test_case("[1,]", JsonProblem::Unexpected(b']'), 3; "comma before bracket")]
    #[test_case("[1 2]", JsonProblem::Unexpected(b'2'), 3; "no comma")]
    #[test_case("{a:1}", JsonProblem::Unexpected(b'a'), 1; "bare name")]
    #[test_case("{1:1}", JsonProblem::Unexpected(b'1'), 1; "number as name")]
    #[test_case("'a'", JsonProblem::Unexpected(b'\''), 0; "single quotes")]
    #[test_case("// x\n1", JsonProblem::Unexpected(b'/'), 0; "comment")]
    #[test_case("nul", JsonProblem::UnexpectedEnd, 3; "cut literal")]
    #[test_case("True", JsonProblem::Unexpected(b'T'), 0; "capital literal")]
    #[test_case("NaN", JsonProblem::Unexpected(b'N'), 0; "not a number")]
    #[test_case("Infinity", JsonProblem::Unexpected(b'I'), 0; "infinity")]
    #[test_case("01", JsonProblem::Unexpected(b'1'), 1; "leading zero")]
    #[test_case("-", JsonProblem::UnexpectedEnd, 1; "minus alone")]
    #[test_case("+1", JsonProblem::Unexpected(b'+'), 0; "plus")]
    #[test_case(".5", JsonProblem::Unexpected(b'.'), 0; "no digit before point")]
    #[test_case("1.", JsonProblem::UnexpectedEnd, 2; "no digit after point")]
    #[test_case("1e", JsonProblem::UnexpectedEnd, 2; "no digit after exponent")]
    #[test_case("1e+-2", JsonProblem::Unexpected(b'-'), 3; "two signs")]
    #[test_case("0x10", JsonProblem::TrailingData, 1; "hexadecimal")]
    #[test_case("1.5", JsonProblem::NotInteger, 0; "fraction")]
    #[test_case("1e-1", JsonProblem::NotInteger, 0; "negative exponent")]
    #[test_case("1e-99999999999999999999999", JsonProblem::NotInteger, 0; "huge negative exponent")]
    #[test_case("9223372036854775808", JsonProblem::OutOfRange, 0; "2^63")]
    #[test_case("-9223372036854775809", JsonProblem::OutOfRange, 0; "below -2^63")]
    #[test_case("1e308", JsonProblem::OutOfRange, 0; "1e308")]
    #[test_case("1e99999999999999999999999", JsonProblem::OutOfRange, 0; "huge exponent")]
    #[test_case(r#""abc"#, JsonProblem::UnexpectedEnd, 4; "unterminated string")]
    #[test_case(r#""\"#, JsonProblem::UnexpectedEnd, 2; "unterminated escape")]
    #[test_case(r#""\u00"#, JsonProblem::UnexpectedEnd, 5; "unterminated code")]
    #[test_case(r#""\x41""#, JsonProblem::InvalidEscape, 2; "unknown escape")]
    #[test_case(r#""\u00g0""#, JsonProblem::InvalidEscape, 5; "bad hex digit")]
    #[test_case(r#""\ud800""#, JsonProblem::LoneSurrogate, 1; "lone high")]
    #[test_case(r#""\udc00""#, JsonProblem::LoneSurrogate, 1; "lone low")]
    #[test_case(r#""\ud800\ud800""#, JsonProblem::LoneSurrogate, 1; "two high")]
    #[test_case("\"a\nb\"", JsonProblem::ControlCharacter(b'\n'), 2; "raw newline")]
    fn refuses(text: &str, problem: JsonProblem, offset: usize) {
        let error = Value::parse(text.as_bytes()).unwrap_err();
        assert_eq!((error.problem, error.offset), (problem, offset));
    }

    #[test_case(b"\"\xff\"", 1; "no such byte")]
    #[test_case(b"\"a\xc0\xaf\"", 2; "overlong")]
    #[test_case(b"\"\xed\xa0\x80\"", 1; "encoded surrogate")]
    #[test_case(b"\"\xe2\x82\"", 1; "cut character")]
    fn refuses_bytes_that_are_not_utf8(bytes: &[u8], offset: usize) {
        let error = Value::parse(bytes).unwrap_err();
        assert_eq!((error.problem, error.offset), (JsonProblem::InvalidUtf8, offset));
    }

    #[test_case("0", 0)]
    #[test_case("-0", 0)]
    #[test_case("2.0", 2; "two point nought")]
    #[test_case("1e3", 1000)]
    #[test_case("1E+3", 1000; "capital and plus")]
    #[test_case("1.50e1", 15; "fraction made whole")]
    #[test_case("-12000e-3", -12; "minus twelve")]
    #[test_case("0.0e-999999999999", 0; "zero however small")]
    #[test_case("0e99999999999999999999", 0; "zero however large")]
    #[test_case("9223372036854775807", i64::MAX; "largest")]
    #[test_case("-9223372036854775808", i64::MIN; "smallest")]
    #[test_case("100000000000000000000000000000000000000000000e-40", 10_000; "long but small")]
    fn whole_numbers(text: &str, number: i64) {
        let value = Value::parse(text.as_bytes()).unwrap();
        assert_eq!(value.to_canonical(), number.to_string().as_bytes());
        let plain = !text.contains(['.', 'e', 'E']);
        assert_eq!(value.as_int(), plain.then_some(number));
    }

    #[test]
    fn every_escape() {
        let value = Value::parse(br#""\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00\u0000""#).unwrap();
        assert_eq!(value.as_str(), Some("\"\\/\u{8}\u{c}\n\r\té😀\0"));
    }

    #[test_case(r#"{"signed":{"targets":{"v1":{"length":1.5}}}}"#, "signed.targets.v1.length"; "members")]
    #[test_case(r#"{"signatures":[{},{"sig":01}]}"#, "signatures[1].sig"; "items")]
    #[test_case(r"[[1,2],[3,x]]", "[1][1]"; "items of items")]
    #[test_case(r#"{"a":{"b":1,"b":2}}"#, "a"; "the object with the duplicate")]
    #[test_case(r#"{"a\n\u001b[31m":x}"#, r"a\n\u{1b}[31m"; "no terminal escapes")]
    fn errors_name_the_path(text: &str, path: &str) {
        let error = Value::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.path, path);
        assert!(error.to_string().ends_with(&format!(", in `{path}`")));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(Value::parse(&nested(MAX_JSON_DEPTH)).is_ok());
        let error = Value::parse(&nested(MAX_JSON_DEPTH + 1)).unwrap_err();
        assert_eq!(error.problem, JsonProblem::TooDeep);
        let error = Value::parse(&vec![b'['; 1 << 20]).unwrap_err();
        assert_eq!(error.problem, JsonProblem::TooDeep);
    }

    #[test]
    fn count_is_bounded() {
        let mut text = "0,".repeat(MAX_VALUES).into_bytes();
        text.insert(0, b'[');
        assert_eq!(Value::parse(&text).unwrap_err().problem, JsonProblem::TooManyValues);
    }

    #[test]
    fn every_prefix_of_a_document_is_refused() {
        let text = r#"{"a":[1,-2e1,true,null,{"é":"\u00e9\ud83d\ude00"}],"b":""}"#.as_bytes();
        assert!(Value::parse(text).is_ok());
        for length in 0..text.len() {
            assert!(Value::parse(&text[..length]).is_err(), "{length}");
        }
    }
}
