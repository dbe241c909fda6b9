//! Time stamps of metadata: RFC 3339 as Go reads and prints it.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::clock::Timestamp;

/// An RFC 3339 time; the offset it was written with is kept (notary.md §1.3).
///
/// Equality is of the written form: one instant in two zones is two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339 {
    /// What the clock on the wall shows, at `offset_minutes` east of Greenwich.
    local: DateTime,
    offset_minutes: i16,
}

/// Text that Go would not read as a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 time")]
pub struct TimeError {
    /// What stood there, made printable, its first characters.
    pub text: String,
}

impl Rfc3339 {
    /// Returns the instant as UTC shows it.
    pub fn utc(instant: Timestamp) -> Self {
        Self { local: Offset::UTC.to_datetime(instant), offset_minutes: 0 }
    }

    /// Parses `2030-01-02T03:04:05[.fraction](Z|±hh:mm)`.
    ///
    /// As in Go: `T` and `Z` are capitals, there is no leap second, digits past the nanosecond are
    /// dropped.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        Self::read(text.as_bytes()).ok_or_else(|| TimeError {
            text: text.chars().take(64).flat_map(char::escape_debug).collect(),
        })
    }

    fn read(text: &[u8]) -> Option<Self> {
        let (date_time, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
        let (nanosecond, zone) = read_fraction(rest)?;
        let offset_minutes = read_zone(zone)?;
        let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1] =
            date_time
        else {
            return None;
        };
        let year = i16::from(two_digits(y0, y1)?) * 100 + i16::from(two_digits(y2, y3)?);
        let local = DateTime::new(
            year,
            two_digits(m0, m1)?,
            two_digits(d0, d1)?,
            two_digits(h0, h1)?,
            two_digits(i0, i1)?,
            two_digits(s0, s1)?,
            nanosecond,
        );
        Some(Self { local: local.ok()?, offset_minutes })
    }

    /// Returns the instant meant; the last hours of the year 9999 count as the latest instant known.
    pub fn instant(&self) -> Timestamp {
        Offset::from_seconds(i32::from(self.offset_minutes) * 60)
            .and_then(|offset| offset.to_timestamp(self.local))
            .unwrap_or(Timestamp::MAX)
    }
}

/// `RFC3339Nano`: trailing zeros of the fraction trimmed, a zero offset as `Z`.
impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.local;
        write!(f, "{:04}-{:02}-{:02}T", t.year(), t.month(), t.day())?;
        write!(f, "{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())?;
        if t.subsec_nanosecond() != 0 {
            let fraction = format!("{:09}", t.subsec_nanosecond());
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        if self.offset_minutes == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Reads `.digits` if it is there: nanoseconds, and what follows.
fn read_fraction(text: &[u8]) -> Option<(i32, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else {
        return Some((0, text));
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = rest.split_at_checked(count)?;
    if digits.is_empty() {
        return None;
    }
    let nanosecond = digits
        .iter()
        .chain(std::iter::repeat(&b'0'))
        .take(9)
        .fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    Some((nanosecond, zone))
}

/// Reads `Z` or `±hh:mm` as minutes east.
fn read_zone(text: &[u8]) -> Option<i16> {
    let &[sign, h0, h1, b':', m0, m1] = text else {
        return (text == b"Z").then_some(0);
    };
    let (hours, minutes) = (two_digits(h0, h1)?, two_digits(m0, m1)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let east = i16::from(hours) * 60 + i16::from(minutes);
    match sign {
        b'+' => Some(east),
        b'-' => Some(-east),
        _ => None,
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("2036-11-20T10:11:12.123456789Z", "2036-11-20T10:11:12.123456789Z"; "nanoseconds")]
    #[test_case("2036-11-20T10:11:12.120000000Z", "2036-11-20T10:11:12.12Z"; "trailing zeros")]
    #[test_case("2036-11-20T10:11:12.000Z", "2036-11-20T10:11:12Z"; "only zeros")]
    #[test_case("2036-11-20T10:11:12.0000000019Z", "2036-11-20T10:11:12.000000001Z"; "past the nanosecond")]
    #[test_case("2036-11-20T10:11:12+00:00", "2036-11-20T10:11:12Z"; "zero offset")]
    #[test_case("2036-11-20T10:11:12-00:00", "2036-11-20T10:11:12Z"; "minus zero")]
    #[test_case("2017-08-12T15:13:55.5-08:00", "2017-08-12T15:13:55.5-08:00"; "west")]
    #[test_case("2017-08-12T15:13:55+05:30", "2017-08-12T15:13:55+05:30"; "east")]
    #[test_case("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"; "year zero")]
    #[test_case("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"; "last instant")]
    #[test_case("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"; "leap day")]
    fn reads_and_prints_as_go_does(text: &str, printed: &str) {
        assert_eq!(Rfc3339::parse(text).unwrap().to_string(), printed);
    }

    #[test_case(""; "nothing")]
    #[test_case("2036-11-20"; "date only")]
    #[test_case("2036-11-20T10:11:12"; "no zone")]
    #[test_case("2036-11-20t10:11:12Z"; "small t")]
    #[test_case("2036-11-20T10:11:12z"; "small z")]
    #[test_case("2036-11-20 10:11:12Z"; "space")]
    #[test_case("2036-11-20T10:11:60Z"; "leap second")]
    #[test_case("2036-11-20T24:00:00Z"; "hour 24")]
    #[test_case("2036-02-30T00:00:00Z"; "no such day")]
    #[test_case("2036-13-01T00:00:00Z"; "no such month")]
    #[test_case("2023-02-29T00:00:00Z"; "not a leap year")]
    #[test_case("2036-11-20T10:11:12.Z"; "empty fraction")]
    #[test_case("2036-11-20T10:11:12,5Z"; "comma")]
    #[test_case("2036-11-20T1:11:12Z"; "one digit")]
    #[test_case("2036-11-20T10:11:12+0100"; "no colon")]
    #[test_case("2036-11-20T10:11:12+24:00"; "offset of a day")]
    #[test_case("2036-11-20T10:11:12+01:60"; "offset minutes")]
    #[test_case("2036-11-20T10:11:12ZZ"; "trailing")]
    #[test_case("12036-11-20T10:11:12Z"; "five-digit year")]
    #[test_case("-036-11-20T10:11:12Z"; "negative year")]
    #[test_case("２036-11-20T10:11:12Z"; "wide digit")]
    fn refuses(text: &str) {
        assert!(Rfc3339::parse(text).is_err());
    }

    #[test]
    fn instants_are_compared_across_zones() {
        let here = Rfc3339::parse("2030-01-01T00:30:00+01:00").unwrap();
        let there = Rfc3339::parse("2029-12-31T23:30:00Z").unwrap();
        assert_eq!(here.instant(), there.instant());
        assert_eq!(Rfc3339::utc(here.instant()), there);
        let never = Rfc3339::parse("9999-12-31T23:59:59Z").unwrap();
        assert_eq!(never.instant(), Timestamp::MAX);
    }
}
