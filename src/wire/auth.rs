//! Authentication as registries and notary servers speak it: challenges, scopes, tokens.

use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::codec::text::to_base64;
use crate::crypto::Passphrase;
use crate::limits::MAX_TOKEN_BYTES;

/// What a 401 asks for (RFC 9110 §11.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A name and a password.
    Basic,
    /// A token from another server (docker's token authentication).
    Bearer(BearerChallenge),
    /// A scheme we do not speak.
    Other {
        /// Its name.
        scheme: String,
    },
}

/// Where to get a token, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BearerChallenge {
    /// The token server's address, as sent.
    pub realm: String,
    /// The name the server goes by at the token server.
    pub service: Option<String>,
    /// What the server wants the token to allow.
    pub scope: Option<String>,
    /// Why a token sent before was refused.
    pub error: Option<String>,
}

impl Challenge {
    /// Reads every challenge of the WWW-Authenticate headers; what does not follow the grammar is
    /// left out.
    pub fn parse_all<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut challenges = Vec::new();
        for header in headers.into_iter().take(MAX_HEADERS) {
            let mut rest = Cursor { text: header };
            while let Some(raw) = rest.challenge() {
                if challenges.len() == MAX_CHALLENGES {
                    return challenges;
                }
                challenges.push(raw.into_challenge());
            }
        }
        challenges
    }
}

/// The scope that lets a token act on one repository, such as `repository:library/alpine:pull`.
pub fn repository_scope(name: &str, actions: &str) -> String {
    format!("repository:{name}:{actions}")
}

/// The value of an Authorization header for a name and a password.
pub fn basic_authorization(username: &str, password: &Passphrase) -> Passphrase {
    let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
    let encoded = Zeroizing::new(to_base64(pair.as_bytes()));
    Passphrase::new(format!("Basic {}", encoded.as_str()))
}

/// A token server's answer.
#[derive(Debug, Clone)]
pub struct TokenAnswer {
    /// The token to send as `Bearer`.
    pub token: Passphrase,
    /// How long it is good for, at least a minute as docker's client has it.
    pub expires_in: Duration,
    /// An identity token, if one was asked for and given.
    pub refresh_token: Option<Passphrase>,
}

/// Why an answer has no token in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not the JSON object expected.
    #[error("the token server's answer is not well-formed")]
    Malformed(#[source] serde_json::Error),
    /// Neither `token` nor `access_token`.
    #[error("the token server's answer has no token")]
    Missing,
    /// A token that no header can carry.
    #[error("the token server's token has characters that no token has")]
    BadToken,
}

impl TokenAnswer {
    /// Reads `{"token"|"access_token":…,"expires_in":…,"refresh_token":…}`.
    pub fn parse(body: &[u8]) -> Result<Self, TokenError> {
        #[derive(Deserialize)]
        struct Body {
            token: Option<String>,
            access_token: Option<String>,
            expires_in: Option<i64>,
            refresh_token: Option<String>,
        }
        let body: Body = serde_json::from_slice(body).map_err(TokenError::Malformed)?;
        let given = |text: Option<String>| text.filter(|t| !t.is_empty()).map(Passphrase::new);
        let (token, access_token) = (given(body.token), given(body.access_token));
        let token = token.or(access_token).ok_or(TokenError::Missing)?;
        let refresh_token = given(body.refresh_token);
        if ![Some(&token), refresh_token.as_ref()].into_iter().flatten().all(is_header_text) {
            return Err(TokenError::BadToken);
        }
        let seconds = body.expires_in.unwrap_or(0).clamp(MIN_TOKEN_SECONDS, MAX_TOKEN_SECONDS);
        let expires_in = Duration::from_secs(seconds.unsigned_abs());
        Ok(Self { token, expires_in, refresh_token })
    }
}

fn is_header_text(token: &Passphrase) -> bool {
    let text = token.expose();
    text.len() as u64 <= MAX_TOKEN_BYTES && text.bytes().all(|b| b.is_ascii_graphic())
}

/// One challenge before its meaning is known.
#[derive(Default)]
struct RawChallenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl RawChallenge {
    fn into_challenge(self) -> Challenge {
        let get = |wanted: &str| {
            let found = self.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.clone())
        };
        if self.scheme.eq_ignore_ascii_case("basic") {
            return Challenge::Basic;
        }
        match get("realm") {
            Some(realm) if self.scheme.eq_ignore_ascii_case("bearer") => {
                Challenge::Bearer(BearerChallenge {
                    realm,
                    service: get("service"),
                    scope: get("scope"),
                    error: get("error"),
                })
            }
            _ => Challenge::Other { scheme: self.scheme },
        }
    }
}

/// Reads a header from left to right, each byte once.
struct Cursor<'a> {
    text: &'a str,
}

impl<'a> Cursor<'a> {
    /// `scheme`, then a token68 or any number of `name=value` with commas between. A comma also
    /// ends a challenge: what follows is the next one's if it is not `name=value`.
    fn challenge(&mut self) -> Option<RawChallenge> {
        self.skip(|c| c == ',' || is_space(c));
        let scheme = self.token()?.to_owned();
        let mut challenge = RawChallenge { scheme, parameters: Vec::new() };
        loop {
            let before = self.text;
            self.skip(|c| c == ',' || is_space(c));
            match self.parameter() {
                Some(parameter) if challenge.parameters.len() < MAX_PARAMETERS => {
                    challenge.parameters.push(parameter);
                }
                Some(_) => {}
                None => {
                    self.text = before;
                    if !self.skip_token68() {
                        return Some(challenge);
                    }
                }
            }
        }
    }

    fn parameter(&mut self) -> Option<(String, String)> {
        let name = self.token()?.to_owned();
        self.skip(is_space);
        self.text = self.text.strip_prefix('=')?;
        self.skip(is_space);
        let value = match self.text.strip_prefix('"') {
            Some(rest) => {
                self.text = rest;
                self.quoted()?
            }
            None => self.token()?.to_owned(),
        };
        Some((name, value))
    }

    /// The rest of a quoted string, its closing quote consumed.
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.text.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => value.push(characters.next()?),
                other => value.push(other),
            }
        }
        self.text = characters.as_str();
        Some(value)
    }

    /// Steps over a blob such as `Negotiate`'s, which no comma precedes.
    fn skip_token68(&mut self) -> bool {
        if !self.text.starts_with(is_space) {
            return false;
        }
        let trimmed = self.text.trim_start_matches(is_space);
        let blob = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        let rest = trimmed.trim_start_matches(blob);
        if rest.len() == trimmed.len() {
            return false;
        }
        self.text = rest;
        true
    }

    fn token(&mut self) -> Option<&'a str> {
        let rest = self.text.trim_start_matches(is_token);
        let token = self.text.strip_suffix(rest)?;
        self.text = rest;
        Some(token).filter(|text| !text.is_empty())
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.text = self.text.trim_start_matches(unwanted);
    }
}

/// RFC 9110 `tchar`, and what sloppy servers leave unquoted: `:` and `/`.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c)
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Most WWW-Authenticate headers, challenges and parameters looked at.
const MAX_HEADERS: usize = 8;
const MAX_CHALLENGES: usize = 16;
const MAX_PARAMETERS: usize = 32;
/// Shortest life a token is given: docker's client takes less for a mistake.
const MIN_TOKEN_SECONDS: i64 = 60;
/// Longest life a token is kept.
const MAX_TOKEN_SECONDS: i64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn bearer(header: &str) -> BearerChallenge {
        match Challenge::parse_all([header]).into_iter().next() {
            Some(Challenge::Bearer(challenge)) => challenge,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn dockers_challenge() {
        let challenge = bearer(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull,push",error="insufficient_scope""#,
        );
        assert_eq!(challenge.realm, "https://auth.docker.io/token");
        assert_eq!(challenge.service.as_deref(), Some("registry.docker.io"));
        assert_eq!(challenge.scope.as_deref(), Some("repository:library/alpine:pull,push"));
        assert_eq!(challenge.error.as_deref(), Some("insufficient_scope"));
    }

    #[test_case(r#"bEARER  realm = "https://a/\"b\\" , service=x"# ; "spaces escapes and case")]
    #[test_case(r#"Basic realm="r", Bearer REALM="https://a/\"b\\",service=x"# ; "second challenge")]
    #[test_case(r#"Negotiate abc/+==, Bearer realm="https://a/\"b\\",service="x""# ; "after a token68")]
    fn odd_forms(header: &str) {
        let found = Challenge::parse_all([header]);
        let Some(Challenge::Bearer(challenge)) = found.last() else { panic!("{found:?}") };
        assert_eq!(challenge.realm, "https://a/\"b\\");
        assert_eq!(challenge.service.as_deref(), Some("x"));
    }

    #[test]
    fn several_in_one_and_several_headers() {
        let found = Challenge::parse_all([
            r#"Digest realm="a", nonce="b,c", Basic realm="d""#,
            "Negotiate",
        ]);
        assert_eq!(
            found,
            [
                Challenge::Other { scheme: "Digest".to_owned() },
                Challenge::Basic,
                Challenge::Other { scheme: "Negotiate".to_owned() }
            ]
        );
    }

    #[test_case("" ; "empty")]
    #[test_case(",,, ," ; "commas")]
    #[test_case("\"Bearer\"" ; "quoted scheme")]
    fn nothing_there(header: &str) {
        assert_eq!(Challenge::parse_all([header]), []);
    }

    #[test_case(r"Bearer" ; "no realm")]
    #[test_case(r#"Bearer realm="https://a"# ; "unclosed quote")]
    fn no_usable_bearer(header: &str) {
        let found = Challenge::parse_all([header]);
        assert!(!found.iter().any(|c| matches!(c, Challenge::Bearer(_))), "{found:?}");
    }

    #[test]
    fn tokens() {
        let answer =
            TokenAnswer::parse(br#"{"token":"t","access_token":"a","expires_in":300}"#).unwrap();
        assert_eq!(answer.token.expose(), "t");
        assert_eq!(answer.expires_in, Duration::from_mins(5));
        let answer =
            TokenAnswer::parse(br#"{"access_token":"a","refresh_token":"r","expires_in":-5}"#)
                .unwrap();
        assert_eq!(answer.token.expose(), "a");
        assert_eq!(answer.refresh_token.unwrap().expose(), "r");
        assert_eq!(answer.expires_in, Duration::from_mins(1));
    }

    #[test]
    fn hostile_tokens() {
        assert!(matches!(TokenAnswer::parse(b"<html>"), Err(TokenError::Malformed(_))));
        assert!(matches!(TokenAnswer::parse(br#"{"token":""}"#), Err(TokenError::Missing)));
        assert!(matches!(
            TokenAnswer::parse(br#"{"token":"a\r\nX: y"}"#),
            Err(TokenError::BadToken)
        ));
        let answer =
            TokenAnswer::parse(br#"{"token":"t","expires_in":9223372036854775807}"#).unwrap();
        assert_eq!(answer.expires_in, Duration::from_hours(24));
    }

    proptest! {
        #[test]
        fn any_header_is_survived(header in r#"[a-zA-Z=", \\/+\t-]{0,80}"#) {
            prop_assert!(Challenge::parse_all([header.as_str()]).len() <= MAX_CHALLENGES);
        }
    }
}
