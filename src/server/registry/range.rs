//! Which part of content is asked for (RFC 9110 §14).

use std::ops::Range;

/// What a `Range` header means for content of a length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: there is no header, or none that is understood, or it has several ranges.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that are not there.
    Nothing,
}

/// Reads a `Range` header for content of this length, in bytes.
///
/// A range that ends before it begins is one of nothing, as the conformance program of OCI
/// distribution has it; RFC 9110 would have it ignored.
pub fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let (first, last) = (first.trim_end(), last.trim_start());
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Wanted::Nothing,
        (Some(first), _) if first >= length && (last.is_empty() || number(last).is_some()) => {
            Wanted::Nothing
        }
        (Some(first), Some(last)) => Wanted::Part(first..last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => Wanted::Part(first..length),
        (None, Some(0)) if first.is_empty() => Wanted::Nothing,
        (None, Some(_)) if first.is_empty() && length == 0 => Wanted::Nothing,
        (None, Some(last)) if first.is_empty() => Wanted::Part(length.saturating_sub(last)..length),
        _ => Wanted::Whole,
    }
}

/// A number of any size; one that does not fit is as good as the largest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// First and last byte of a chunk of an upload (OCI distribution 1.1, "Pushing a blob in chunks"),
/// `0-1023`; `bytes 0-1023/*` is understood as well.
pub fn chunk(header: &str) -> Option<(u64, u64)> {
    let text = header.trim();
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches(['=', ' ']));
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let (first, last) = text.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return None;
    }
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < u64::MAX).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(None, Wanted::Whole)]
    #[test_case(Some("bytes=0-"), Wanted::Part(0..10))]
    #[test_case(Some("bytes=2-4"), Wanted::Part(2..5))]
    #[test_case(Some("bytes=9-9"), Wanted::Part(9..10))]
    #[test_case(Some("bytes=5-99999999999999999999999"), Wanted::Part(5..10))]
    #[test_case(Some("bytes=-3"), Wanted::Part(7..10))]
    #[test_case(Some("bytes=-30"), Wanted::Part(0..10))]
    #[test_case(Some("bytes=-0"), Wanted::Nothing)]
    #[test_case(Some("bytes=10-"), Wanted::Nothing)]
    #[test_case(Some("bytes=10-20"), Wanted::Nothing)]
    #[test_case(Some("bytes=5-2"), Wanted::Nothing)]
    #[test_case(Some("bytes=0-1,3-4"), Wanted::Whole)]
    #[test_case(Some("bytes=a-b"), Wanted::Whole)]
    #[test_case(Some("bytes=5"), Wanted::Whole)]
    #[test_case(Some("bytes=-"), Wanted::Whole)]
    #[test_case(Some("bytes=1--2"), Wanted::Whole)]
    #[test_case(Some("lines=1-2"), Wanted::Whole)]
    fn ranges(header: Option<&str>, expected: Wanted) {
        assert_eq!(wanted(header, 10), expected);
    }

    #[test]
    fn of_nothing() {
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
        assert_eq!(wanted(Some("bytes=-5"), 0), Wanted::Nothing);
        assert_eq!(wanted(Some("bytes=0-1,2-3"), 0), Wanted::Whole);
    }

    #[test]
    fn chunks() {
        assert_eq!(chunk("0-9"), Some((0, 9)));
        assert_eq!(chunk("bytes 5-9/*"), Some((5, 9)));
        for bad in ["", "-", "5", "9-5", "a-b", "+1-2", "0-18446744073709551615", "1-", "-1"] {
            assert_eq!(chunk(bad), None, "{bad}");
        }
    }
}
