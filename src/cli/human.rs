//! Sizes and spans of time as docker tells them to people.

use crate::clock::Timestamp;

/// A number of bytes with four digits at most, in units of a thousand: `12.34MB`.
pub fn size(bytes: u64) -> String {
    rounded(bytes, 4)
}

/// As [`size`], with three digits at most, as in docker's listings: `12.3MB`.
pub fn short_size(bytes: u64) -> String {
    rounded(bytes, 3)
}

/// How long ago something was, such as `3 weeks ago`; of what is to come it says that it was just
/// now.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    format!("{} ago", duration(u64::try_from(seconds).unwrap_or_default()))
}

/// A span of time, roughly, from its seconds.
pub fn duration(seconds: u64) -> String {
    // Half an hour more is the next hour already.
    let hours = seconds.saturating_add(HOUR / 2) / HOUR;
    match (seconds, seconds / 60, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (2..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, minutes @ 2..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., 2..48) => format!("{hours} hours"),
        (.., 48..336) => format!("{} days", hours / 24),
        (.., 336..1440) => format!("{} weeks", hours / 24 / 7),
        (.., 1440..17_520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / HOUR / 24 / 365),
    }
}

/// When an image was made, if it says so. Makers that want the same bytes each time write the
/// beginning of the epoch, or Go's: that is no time.
pub fn told(created: Option<Timestamp>) -> Option<Timestamp> {
    created.filter(|created| *created > Timestamp::UNIX_EPOCH)
}

fn rounded(bytes: u64, digits: u32) -> String {
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    let mut scale: u64 = 1;
    loop {
        // As many decimals as make up the digits: `1.234`, `12.34`, `123.4`.
        let whole = bytes / scale;
        let decimals = digits.saturating_sub(whole.checked_ilog10().unwrap_or_default() + 1);
        let fine = 10_u128.pow(decimals);
        let count = (u128::from(bytes) * fine + u128::from(scale / 2)) / u128::from(scale);
        // Rounding may have made a thousand of it, which is one of the next.
        if (whole < 1000 && count < 1000 * fine) || units.len() == 0 {
            let (whole, rest) = (count / fine, count % fine);
            let width = usize::try_from(decimals).unwrap_or_default();
            let rest = format!("{rest:0width$}");
            return match rest.trim_end_matches('0') {
                "" => format!("{whole}{unit}"),
                rest => format!("{whole}.{rest}{unit}"),
            };
        }
        unit = units.next().copied().unwrap_or_default();
        scale = scale.saturating_mul(1000);
    }
}

const HOUR: u64 = 3600;
/// No size is larger: 64 bits are 18.4 EB.
const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case(0, "0B", "0B")]
    #[test_case(1, "1B", "1B")]
    #[test_case(999, "999B", "999B")]
    #[test_case(1000, "1kB", "1kB")]
    #[test_case(1237, "1.237kB", "1.24kB")]
    #[test_case(1_100_000, "1.1MB", "1.1MB")]
    #[test_case(12_340_000, "12.34MB", "12.3MB")]
    #[test_case(123_456_789, "123.5MB", "123MB")]
    #[test_case(999_949, "999.9kB", "1MB" ; "three digits make a thousand of it")]
    #[test_case(999_960, "1MB", "1MB" ; "rounded up to the next unit")]
    #[test_case(u64::MAX, "18.45EB", "18.4EB")]
    fn sizes(bytes: u64, long: &str, short: &str) {
        assert_eq!(size(bytes), long);
        assert_eq!(short_size(bytes), short);
    }

    #[test_case(0, "Less than a second")]
    #[test_case(1, "1 second")]
    #[test_case(59, "59 seconds")]
    #[test_case(60, "About a minute")]
    #[test_case(120, "2 minutes")]
    #[test_case(3599, "59 minutes")]
    #[test_case(3600, "About an hour")]
    #[test_case(5400, "2 hours")]
    #[test_case(47 * 3600, "47 hours")]
    #[test_case(48 * 3600, "2 days")]
    #[test_case(14 * 86400, "2 weeks")]
    #[test_case(60 * 86400, "2 months")]
    #[test_case(2 * 365 * 86400, "2 years")]
    #[test_case(u64::MAX, "584942417355 years")]
    fn durations(seconds: u64, expected: &str) {
        assert_eq!(duration(seconds), expected);
    }

    #[test]
    fn what_is_to_come_was_just_now() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(ago("2026-01-02T00:00:00Z".parse().unwrap(), now), "Less than a second ago");
        assert_eq!(ago("2025-12-31T23:00:00Z".parse().unwrap(), now), "About an hour ago");
    }

    #[test]
    fn the_epoch_is_no_time() {
        let time = |text: &str| told(Some(text.parse().unwrap()));
        assert!(time("1970-01-01T00:00:00Z").is_none() && time("0001-01-01T00:00:00Z").is_none());
        assert!(time("1980-01-01T00:00:01Z").is_some() && told(None).is_none());
    }

    proptest! {
        /// What is told is within half of its last digit.
        #[test]
        fn a_size_is_near_what_is_told(bytes: u64) {
            let text = size(bytes);
            let at = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap();
            let (number, unit) = text.split_at(at);
            let power = UNITS.iter().position(|known| *known == unit).unwrap();
            let told = number.parse::<f64>().unwrap() * 1000_f64.powi(power.try_into().unwrap());
            #[expect(clippy::cast_precision_loss, reason = "nearness is what is tested")]
            let real = bytes as f64;
            prop_assert!((told - real).abs() <= real * 0.0006, "{text} for {bytes}");
            prop_assert!(number.len() <= 5, "{text}");
        }
    }
}
