//! What a request shows of itself: the Authorization header.

use ::http::HeaderMap;
use ::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::Passphrase;
use crate::limits::MAX_BASIC_BYTES;

/// What was shown.
#[derive(Debug)]
pub(super) enum Shown {
    /// Nothing, or nothing of a scheme we know.
    Nothing,
    /// A name and a password (RFC 7617).
    Basic(Login),
    /// A token (RFC 6750).
    Bearer(Passphrase),
    /// Something of a scheme we know, but not in its form.
    Malformed,
}

/// A name and a password.
#[derive(Debug)]
pub(super) struct Login {
    /// The name.
    pub(super) user: String,
    /// The password.
    pub(super) password: Passphrase,
}

impl Shown {
    /// Reads the header. Two of them are none: who asks must not depend on which one is read.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::Nothing,
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Self::Malformed,
        };
        let Ok(value) = value.to_str() else { return Self::Malformed };
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("basic") {
            return Login::decode(rest).map_or(Self::Malformed, Self::Basic);
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            if rest.is_empty() {
                return Self::Malformed;
            }
            return Self::Bearer(Passphrase::new(rest.to_owned()));
        }
        Self::Nothing
    }
}

impl Login {
    fn decode(text: &str) -> Option<Self> {
        if text.len() > MAX_BASIC_BYTES {
            return None;
        }
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        let pair = Zeroizing::new(std::str::from_utf8(&bytes).ok()?.to_owned());
        let (user, password) = pair.split_once(':')?;
        Some(Self { user: user.to_owned(), password: Passphrase::new(password.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use test_case::test_case;

    use super::*;

    fn read(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        match Shown::read(&headers) {
            Shown::Nothing => "nothing".to_owned(),
            Shown::Malformed => "malformed".to_owned(),
            Shown::Basic(login) => format!("{} {}", login.user, login.password.expose()),
            Shown::Bearer(token) => token.expose().to_owned(),
        }
    }

    #[test_case(&[], "nothing")]
    #[test_case(&["Negotiate abc"], "nothing")]
    #[test_case(&["Basic YW5uOnM6M2NyZXQ="], "ann s:3cret")]
    #[test_case(&["bASIC  YW5uOnM6M2NyZXQ="], "ann s:3cret")]
    #[test_case(&["Basic YW5uOnM6M2NyZXQ"], "malformed" ; "no padding")]
    #[test_case(&["Basic YW5u"], "malformed" ; "no colon")]
    #[test_case(&["Basic /w=="], "malformed" ; "no utf8")]
    #[test_case(&["Basic"], "malformed" ; "basic and nothing")]
    #[test_case(&["Bearer a.b.c"], "a.b.c")]
    #[test_case(&["Bearer "], "malformed" ; "bearer and nothing")]
    #[test_case(&["Bearer a.b.c", "Basic YW5uOnM6M2NyZXQ="], "malformed" ; "two")]
    fn headers(values: &[&str], shown: &str) {
        assert_eq!(read(values), shown);
    }

    #[test]
    fn what_is_too_long_is_not_decoded() {
        let pair = format!("ann:{}", "x".repeat(MAX_BASIC_BYTES));
        assert_eq!(read(&[&format!("Basic {}", STANDARD.encode(pair))]), "malformed");
    }
}
