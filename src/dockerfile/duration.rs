//! Lengths of time as Go writes them: `1m30s` (Go's `time.ParseDuration`).

/// Nanoseconds of a length of time; none if it is not one, or too long for 64 bits.
pub(super) fn nanoseconds(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if text == "0" {
        return Some(0);
    }
    if text.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = part(rest)?;
        total = total.checked_add(part).filter(|total| *total <= LONGEST)?;
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (true, Ok(total)) => Some(-total),
        (false, Ok(total)) => Some(total),
        (true, Err(_)) => Some(i64::MIN),
        (false, Err(_)) => None,
    }
}

/// A number and its unit.
fn part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|char: char| char == '.' || char.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let unit = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let whole = whole.checked_mul(unit)?;
    Some((whole.checked_add(part_of(fraction, unit))?, rest))
}

/// So much of a unit as the digits behind a point say.
fn part_of(fraction: &str, unit: u64) -> u64 {
    // More digits make no difference to a nanosecond.
    let digits = fraction.get(..fraction.len().min(18)).unwrap_or_default();
    let scale = 10_u128.pow(u32::try_from(digits.len()).unwrap_or_default());
    let part = digits.parse::<u128>().unwrap_or_default() * u128::from(unit) / scale;
    u64::try_from(part).unwrap_or_default()
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The largest number of nanoseconds, with its sign in 64 bits.
const LONGEST: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("0", 0)]
    #[test_case("+5s", 5_000_000_000)]
    #[test_case("-5s", -5_000_000_000)]
    #[test_case("1m30s", 90_000_000_000)]
    #[test_case("1h1m1s1ms1us1ns", 3_661_001_001_001)]
    #[test_case("1.5h", 5_400_000_000_000)]
    #[test_case(".5s", 500_000_000)]
    #[test_case("1.s", 1_000_000_000)]
    #[test_case("1.00000000000000000000000001s", 1_000_000_000)]
    #[test_case("3µs2μs", 5_000; "both letters for micro")]
    #[test_case("0.3333333333333333333h", 1_200_000_000_000 - 1)]
    #[test_case("9223372036854775807ns", i64::MAX)]
    #[test_case("-9223372036854775808ns", i64::MIN)]
    fn lengths(text: &str, expected: i64) {
        assert_eq!(nanoseconds(text), Some(expected));
    }

    #[test_case("")]
    #[test_case("3")]
    #[test_case("-")]
    #[test_case("s")]
    #[test_case(".")]
    #[test_case(".s")]
    #[test_case("1 s")]
    #[test_case("1d")]
    #[test_case("1sx")]
    #[test_case("9223372036854775808ns")]
    #[test_case("9999999999999h")]
    fn what_is_none(text: &str) {
        assert_eq!(nanoseconds(text), None);
    }
}
