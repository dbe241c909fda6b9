//! Extended headers (POSIX.1-2017, pax, "pax Extended Header").

use std::collections::BTreeMap;

use crate::oci::archive::entry::Time;

/// What an extended header says, by key.
#[derive(Debug, Default, Clone)]
pub(super) struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

/// Something else where a number should be.
#[derive(Debug)]
pub(super) struct NoNumber;

impl Records {
    /// Reads the records of a header; `None` if they are not well-formed.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut records = BTreeMap::new();
        while !bytes.is_empty() {
            let space = bytes.iter().take(MAX_DIGITS).position(|byte| *byte == b' ')?;
            let digits = bytes.get(..space)?;
            if !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
            let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
            if key.is_empty() {
                return None;
            }
            // A value that is empty takes the record back.
            if value.is_empty() && !key.starts_with(XATTR) {
                records.remove(key);
            } else {
                records.insert(key.to_vec(), value.to_vec());
            }
            bytes = bytes.get(length..)?;
        }
        Some(Self(records))
    }

    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key.as_bytes()).map(Vec::as_slice)
    }

    /// A decimal number, if there is this key; an error if there is something else.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, NoNumber> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = std::str::from_utf8(value).map_err(|_| NoNumber)?;
        text.parse().map(Some).map_err(|_| NoNumber)
    }

    /// Whether this describes a file with holes, in one of GNU's three ways.
    pub(super) fn is_sparse(&self) -> bool {
        self.0.keys().any(|key| key.starts_with(b"GNU.sparse."))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (&key[..], &value[..]))
    }

    pub(super) fn xattrs(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let attribute = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            Some((key.strip_prefix(XATTR)?.to_vec(), value.clone()))
        };
        self.0.iter().filter_map(attribute).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, key: &str, value: Vec<u8>) {
        self.0.insert(key.as_bytes().to_vec(), value);
    }

    /// `None` if the format has no way to write such a name.
    pub(super) fn insert_xattr(&mut self, name: &[u8], value: Vec<u8>) -> Option<()> {
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
            return None;
        }
        self.0.insert([XATTR, name].concat(), value);
        Some(())
    }

    /// The header's content, keys in order.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, value) in &self.0 {
            // The length counts its own digits.
            let rest = key.len() + value.len() + 3;
            let mut length = rest + rest.to_string().len();
            length = rest + length.to_string().len();
            bytes.extend_from_slice(format!("{length} ").as_bytes());
            bytes.extend_from_slice(key);
            bytes.push(b'=');
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        bytes
    }
}

/// A time as it is written: seconds, and a fraction as far as there is one.
pub(super) fn write_time(time: Time) -> String {
    if time.nanoseconds == 0 {
        return time.seconds.to_string();
    }
    let (sign, seconds, nanoseconds) = if time.seconds < 0 {
        ("-", time.seconds.saturating_add(1).unsigned_abs(), 1_000_000_000 - time.nanoseconds)
    } else {
        ("", time.seconds.unsigned_abs(), time.nanoseconds)
    };
    let fraction = format!("{nanoseconds:09}");
    format!("{sign}{seconds}.{}", fraction.trim_end_matches('0'))
}

/// Reads such a time; digits beyond nanoseconds are dropped.
pub(super) fn read_time(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !all_digits(seconds) || !all_digits(fraction) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let nanoseconds: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = nanoseconds.parse().ok()?;
    Some(match (negative, nanoseconds) {
        (false, nanoseconds) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds },
        (true, nanoseconds) => {
            Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds }
        }
    })
}

const XATTR: &[u8] = b"SCHILY.xattr.";
/// No length has more digits, with the space after them.
const MAX_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn lengths_count_themselves() {
        for length in 0..2000 {
            let mut records = Records::default();
            records.insert("path", vec![b'x'; length + 1]);
            let bytes = records.to_bytes();
            let digits = bytes.split(|byte| *byte == b' ').next().unwrap();
            assert_eq!(std::str::from_utf8(digits).unwrap().parse::<usize>().unwrap(), bytes.len());
            assert_eq!(Records::parse(&bytes).unwrap().get("path").unwrap().len(), length + 1);
        }
    }

    #[test_case(b"5 a=b" ; "no line end")]
    #[test_case(b"6 ab\n\n" ; "no equals sign")]
    #[test_case(b"99 a=b\n" ; "too long")]
    #[test_case(b"2 a=b\n" ; "too short")]
    #[test_case(b"-6 a=b\n" ; "negative")]
    #[test_case(b"5 =b\n" ; "no key")]
    #[test_case(b"99999999999999999999999999 a=b\n" ; "endless")]
    fn no_records(bytes: &[u8]) {
        assert!(Records::parse(bytes).is_none());
    }

    #[test_case("0", 0, 0)]
    #[test_case("12.5", 12, 500_000_000)]
    #[test_case("-1", -1, 0)]
    #[test_case("-0.25", -1, 750_000_000)]
    #[test_case("-2.5", -3, 500_000_000)]
    fn times(text: &str, seconds: i64, nanoseconds: u32) {
        let time = Time { seconds, nanoseconds };
        assert_eq!(read_time(text.as_bytes()), Some(time));
        assert_eq!(write_time(time), text);
    }

    #[test]
    fn no_times() {
        for text in ["", "x", "1.x", "--1", "1e3", ".5", "99999999999999999999"] {
            assert_eq!(read_time(text.as_bytes()), None, "{text}");
        }
    }
}
