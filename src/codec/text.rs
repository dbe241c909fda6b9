//! Strict hexadecimal and base64: one spelling for one value, so that equal text means equal bytes.
//! And percent-encoding, as addresses have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Text that is not in the one accepted spelling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// An upper-case digit, another character, or an odd count.
    #[error("not lower-case hexadecimal")]
    Hex,
    /// Another alphabet, missing or surplus padding, white space, or stray low bits.
    #[error("not padded standard base64")]
    Base64,
    /// A `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("not percent-encoded text")]
    Percent,
}

/// Writes lower-case hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads hexadecimal: lower case only, an even number of digits.
pub fn from_hex(text: &str) -> Result<Vec<u8>, TextError> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(TextError::Hex),
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(TextError::Hex);
    }
    pairs.iter().map(|[high, low]| Ok((digit(high)? << 4) | digit(low)?)).collect()
}

/// Writes base64 (RFC 4648 §4), padded.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads base64: standard alphabet, padded, no white space, unused bits zero.
pub fn from_base64(text: &str) -> Result<Vec<u8>, TextError> {
    STANDARD.decode(text).map_err(|_| TextError::Base64)
}

/// Reads percent-encoded text (RFC 3986 §2.1): `%XX`, digits in any case, stands for a byte.
pub fn from_percent(text: &str) -> Result<String, TextError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |rest: &mut std::str::Bytes<'_>| {
        rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(TextError::Percent)
    };
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (high, low) = (digit(&mut rest)?, digit(&mut rest)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| TextError::Percent)?);
    }
    String::from_utf8(bytes).map_err(|_| TextError::Percent)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn percent_is_read() {
        assert_eq!(from_percent("a%2Fb%c3%A4+"), Ok("a/bä+".to_owned()));
        for wrong in ["%", "%2", "%2g", "%+2", "%ff", "a%"] {
            assert_eq!(from_percent(wrong), Err(TextError::Percent), "{wrong}");
        }
    }

    #[test]
    fn hex_both_ways() {
        assert_eq!(to_hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(from_hex("001fff"), Ok(vec![0, 0x1f, 0xff]));
        assert_eq!(from_hex(""), Ok(vec![]));
    }

    #[test_case("0"; "odd")]
    #[test_case("AB"; "upper case")]
    #[test_case("0g"; "not a digit")]
    #[test_case("é"; "not ascii")]
    #[test_case(" 00"; "space")]
    fn hex_refused(text: &str) {
        assert_eq!(from_hex(text), Err(TextError::Hex));
    }

    #[test]
    fn base64_both_ways() {
        assert_eq!(to_base64(&[0xfb, 0xff]), "+/8=");
        assert_eq!(from_base64("+/8="), Ok(vec![0xfb, 0xff]));
        assert_eq!(from_base64(""), Ok(vec![]));
    }

    #[test_case("+/8"; "no padding")]
    #[test_case("-_8="; "url alphabet")]
    #[test_case("+/9="; "stray bits")]
    #[test_case("+/8=\n"; "newline")]
    #[test_case("+/8=="; "surplus padding")]
    #[test_case("+/8=AAAA"; "data after padding")]
    fn base64_refused(text: &str) {
        assert_eq!(from_base64(text), Err(TextError::Base64));
    }
}
