//! Durations as Go writes them.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A duration: numbers with `h`, `m`, `s`, `ms`, and, ours, `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Reads a duration such as `1h30m`, `300ms` or `7d`.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = after.split_at_checked(letters)?;
        let unit = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(unit)?;
        milliseconds = milliseconds.checked_add(part)?;
        rest = after;
    }
    // A hundred years are for ever, and sums of such times do not overflow.
    let longest = 100 * 366 * 86_400_000;
    (!text.is_empty() && milliseconds <= longest).then(|| Duration::from_millis(milliseconds))
}

/// Writes a duration so that [`parse`] reads it.
pub fn write(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0".to_owned(),
        _ if !milliseconds.is_multiple_of(1000) => format!("{milliseconds}ms"),
        _ if milliseconds.is_multiple_of(3_600_000) => format!("{}h", milliseconds / 3_600_000),
        _ if milliseconds.is_multiple_of(60_000) => format!("{}m", milliseconds / 60_000),
        _ => format!("{}s", milliseconds / 1000),
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 30s, 1h30m or 7d")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                let duration = parse(text);
                duration.map(Span).ok_or_else(|| {
                    E::custom(format!("is no duration such as 30s, 1h30m or 7d: `{text}`"))
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("1h30m", Some(5_400_000))]
    #[test_case("300ms", Some(300))]
    #[test_case("7d", Some(604_800_000))]
    #[test_case("0", Some(0))]
    #[test_case("10", None)]
    #[test_case("", None)]
    #[test_case("-1s", None)]
    #[test_case("s", None)]
    #[test_case("1.5h", None)]
    #[test_case("99999999999999999999h", None)]
    #[test_case("9999999h", None)]
    fn durations(text: &str, milliseconds: Option<u64>) {
        let expected = milliseconds.map(Duration::from_millis);
        assert_eq!(parse(text), expected);
        if let Some(duration) = expected {
            assert_eq!(parse(&write(duration)), expected);
        }
    }
}
