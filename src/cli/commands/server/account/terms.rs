//! What an account may do, and until when.

use jiff::SignedDuration;

use crate::cli::error::CliError;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::server::auth::Grant;

/// Reads `30d`, `12h`, `52w`, or a time such as `2030-01-31T00:00:00Z`.
pub(super) fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    let wrong = || {
        CliError::usage(format!(
            "`{text}` is no time to end at, such as 90d, 12h or 2030-01-31T00:00:00Z"
        ))
    };
    let end = if let Ok(time) = text.parse::<Timestamp>() {
        time
    } else {
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let hours = match unit {
            'h' => 1,
            'd' => 24,
            'w' => 24 * 7,
            _ => return Err(wrong()),
        };
        let number = text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok());
        let hours = i64::from(number.ok_or_else(wrong)?) * hours;
        let end = now.checked_add(SignedDuration::from_hours(hours)).map_err(|_| wrong())?;
        Timestamp::from_second(end.as_second()).unwrap_or(end)
    };
    if end <= now {
        return Err(CliError::usage(format!("`{text}` is over already")));
    }
    Ok(end)
}

/// Reads grants.
pub(super) fn grants(texts: &[String]) -> Result<Vec<Grant>, CliError> {
    let read = |text: &String| {
        Grant::parse(text).map_err(|error| {
            CliError::usage(error.to_string())
                .hint("a grant is such as `team/*:pull,push`; `*` stands for any text without `/`")
        })
    };
    texts.iter().map(read).collect()
}

/// What time it is.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// A generation above every one that an account of this name had: seconds since 1970, or one more.
pub(super) fn generation_after(before: i64, now: Timestamp) -> i64 {
    now.as_second().max(before.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test_case("90d", "2026-04-01T00:00:00Z" ; "days")]
    #[test_case("12h", "2026-01-01T12:00:00Z" ; "hours")]
    #[test_case("1w", "2026-01-08T00:00:00Z" ; "weeks")]
    #[test_case("2030-01-31T00:00:00Z", "2030-01-31T00:00:00Z" ; "a time")]
    fn ends(text: &str, end: &str) {
        assert_eq!(expiry(text, at("2026-01-01T00:00:00Z")).unwrap(), at(end));
    }

    #[test_case("" ; "empty")]
    #[test_case("d" ; "no number")]
    #[test_case("90" ; "no unit")]
    #[test_case("-1d" ; "the past")]
    #[test_case("0d" ; "now")]
    #[test_case("4294967295w" ; "never")]
    #[test_case("2020-01-01T00:00:00Z" ; "long ago")]
    #[test_case("9\u{fc}" ; "another letter")]
    fn no_ends(text: &str) {
        assert!(expiry(text, at("2026-01-01T00:00:00Z")).is_err());
    }

    #[test]
    fn generations_rise() {
        let now = at("2026-01-01T00:00:00Z");
        assert_eq!(generation_after(0, now), now.as_second());
        assert_eq!(generation_after(now.as_second(), now), now.as_second() + 1);
        assert_eq!(generation_after(now.as_second() + 9, now), now.as_second() + 10);
    }
}
