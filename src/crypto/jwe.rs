//! Secrets as `notary-signer` keeps them in its database: compact JWE (RFC 7516 §7.1) under a
//! passphrase, with PBES2-HS256+A128KW around the key and A256GCM around the content. Read only.
//!
//! Exactly what that program writes is read, whatever the order of the header's members: one pair
//! of algorithms, no compression, no extensions.

use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_128, AesKek, KeyWrap as _};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::crypto::Passphrase;
use crate::limits::MAX_PBKDF2_ITERATIONS;

/// Why a sealed secret is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JweError {
    /// Not five parts of base64url with a header of JSON.
    #[error("it is no compact JWE: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// Algorithms that notary-signer does not use.
    #[error("it is sealed with {algorithm} and {encryption}, and not as notary-signer does it")]
    Algorithm {
        /// Of its key.
        algorithm: String,
        /// Of its content.
        encryption: String,
    },
    /// Opening it would take minutes: no honest file does that.
    #[error("it asks for {iterations} iterations of PBKDF2")]
    TooExpensive {
        /// How many it asks for.
        iterations: u64,
    },
    /// The passphrase does not open it, or the salt was altered.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The passphrase is right, and something was altered.
    #[error("it was altered")]
    Damaged,
}

/// The protected header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    p2c: u64,
    p2s: String,
}

/// Opens a secret. Takes some milliseconds, more if it asks for more iterations.
pub fn open(token: &str, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, JweError> {
    let mut parts = token.split('.');
    let mut part = || parts.next().ok_or(malformed("it has fewer than five parts"));
    let (head, wrapped, nonce, content, tag) = (part()?, part()?, part()?, part()?, part()?);
    if parts.next().is_some() {
        return Err(malformed("it has more than five parts"));
    }
    let header: Header = serde_json::from_slice(&decoded(head)?)
        .map_err(|_| malformed("its header has other members than `alg`, `enc`, `p2c`, `p2s`"))?;
    if header.alg != ALGORITHM || header.enc != ENCRYPTION {
        return Err(JweError::Algorithm { algorithm: header.alg, encryption: header.enc });
    }
    let iterations = u32::try_from(header.p2c).ok().filter(|count| *count <= MAX_PBKDF2_ITERATIONS);
    let iterations = iterations.ok_or(JweError::TooExpensive { iterations: header.p2c })?;
    let iterations = NonZeroU32::new(iterations).ok_or(malformed("it asks for no iteration"))?;
    // RFC 7518 §4.8.1.1: the algorithm's name is part of the salt.
    let salt = [ALGORITHM.as_bytes(), &[0], &decoded(&header.p2s)?].concat();
    let mut wrapping = Zeroizing::new([0; 16]);
    let secret = passphrase.expose().as_bytes();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, secret, &mut *wrapping);
    let wrapping =
        AesKek::new(&AES_128, &*wrapping).map_err(|_| malformed("its key cannot be used"))?;
    let wrapped = decoded(wrapped)?;
    if wrapped.len() != WRAPPED_BYTES {
        return Err(malformed("its key has another length"));
    }
    let mut key = Zeroizing::new([0; WRAPPED_BYTES]);
    let key = wrapping.unwrap(&wrapped, &mut *key).map_err(|_| JweError::WrongPassphrase)?;
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| JweError::WrongPassphrase)?;
    let nonce = Nonce::try_assume_unique_for_key(&decoded(nonce)?)
        .map_err(|_| malformed("its nonce has another length"))?;
    let mut sealed = Zeroizing::new(decoded(content)?);
    sealed.extend(decoded(tag)?);
    let length = LessSafeKey::new(key)
        .open_in_place(nonce, Aad::from(head.as_bytes()), &mut sealed)
        .map_err(|_| JweError::Damaged)?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}

fn decoded(part: &str) -> Result<Vec<u8>, JweError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("a part is no base64url"))
}

fn malformed(problem: &'static str) -> JweError {
    JweError::Malformed { problem }
}

/// How notary-signer wraps keys.
const ALGORITHM: &str = "PBES2-HS256+A128KW";
/// How notary-signer encrypts content.
const ENCRYPTION: &str = "A256GCM";
/// Bytes of a wrapped key: those of the key and eight more (RFC 3394 §2.2.1).
const WRAPPED_BYTES: usize = 40;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::crypto::{KeyType, PrivateKey};

    /// A row of the database of Debian's notary-signer, and the id of its key.
    const TOKEN: &str = "\
        eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMjU2R0NNIiwicDJjIjo4MTkyLCJwMn\
        MiOiI3bTIyLUdKbDVoVDdTb291In0.EfIhM1Dn43bqkQwGbLFpF4jGUSqOcxnCKEEBP5DIoGU4C65P\
        19fcpQ.nXo-VcsWZTy3VsTs.WZC30e-WoAv7Ll7jARUElTj46AijhU1z0T-ZQpeo-BTgsPYVZLahVd\
        bIUIhKxx7OeorbN-WD-Y4c2EsCInm3YhJXvd8mC5j7srZpZ-aiomZrD4CahWwoHp3tryDgx3h9K9JD\
        yjYeQ2XaLbZajzgdlGnqxwCtvx05NQ.7WMbBxdSkiADpVHcaXdfQg";
    const KEY_ID: &str = "bd410470fcac112c8df8b34b0eefcfa49c7c9bf14b4a35c07e318edcaeaaef28";

    fn passphrase() -> Passphrase {
        Passphrase::new("secret-one".to_owned())
    }

    fn with_header(header: &str) -> String {
        let (_, rest) = TOKEN.split_once('.').unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn what_notary_signer_wrote_is_opened() {
        let secret = open(TOKEN, &passphrase()).unwrap();
        let key = PrivateKey::from_sec1(&secret).unwrap();
        assert_eq!(key.public_key().key_type(), &KeyType::Ecdsa);
        assert_eq!(key.id().as_str(), KEY_ID);
    }

    #[test]
    fn a_wrong_passphrase_is_told_from_damage() {
        let wrong = Passphrase::new("secret-two".to_owned());
        assert_eq!(open(TOKEN, &wrong).err(), Some(JweError::WrongPassphrase));
        let empty = Passphrase::new(String::new());
        assert_eq!(open(TOKEN, &empty).err(), Some(JweError::WrongPassphrase));
        for part in 2..5 {
            let mut parts: Vec<String> = TOKEN.split('.').map(str::to_owned).collect();
            let changed = if parts[part].starts_with('A') { "B" } else { "A" };
            parts[part].replace_range(..1, changed);
            assert_eq!(open(&parts.join("."), &passphrase()).err(), Some(JweError::Damaged));
        }
    }

    #[test]
    fn the_header_is_what_was_sealed() {
        let head = TOKEN.split_once('.').unwrap().0;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
        assert!(open(&with_header(&text), &passphrase()).is_ok());
        let spaced = with_header(&text.replace(':', ": "));
        assert_eq!(open(&spaced, &passphrase()).err(), Some(JweError::Damaged));
    }

    #[test_case(r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":8192,"p2s":"AAAA"}"#; "wrapping")]
    #[test_case(r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":8192,"p2s":"AAAA"}"#; "encryption")]
    #[test_case(r#"{"alg":"dir","enc":"A256GCM","p2c":8192,"p2s":"AAAA"}"#; "no wrapping")]
    fn other_algorithms_are_refused(header: &str) {
        let refused = open(&with_header(header), &passphrase());
        assert!(matches!(refused, Err(JweError::Algorithm { .. })));
    }

    #[test_case(r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192,"p2s":"AAAA","zip":"DEF"}"#; "compressed")]
    #[test_case(r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192}"#; "no salt")]
    #[test_case(r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":0,"p2s":"AAAA"}"#; "no iteration")]
    #[test_case(r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":-1,"p2s":"AAAA"}"#; "fewer")]
    #[test_case(r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1,"p2s":"A+=="}"#; "salt")]
    #[test_case("[]"; "no object")]
    fn other_headers_are_refused(header: &str) {
        let refused = open(&with_header(header), &passphrase());
        assert!(matches!(refused, Err(JweError::Malformed { .. })), "{refused:?}");
    }

    #[test]
    fn no_passphrase_takes_for_ever() {
        let header =
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":4000000000,"p2s":"AAAA"}"#;
        let refused = open(&with_header(header), &passphrase());
        assert_eq!(refused.err(), Some(JweError::TooExpensive { iterations: 4_000_000_000 }));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for cut in 0..TOKEN.len() {
            let cut = TOKEN.get(..cut).unwrap();
            assert!(open(cut, &passphrase()).is_err(), "{cut}");
        }
        for text in ["", "....", "a.b.c.d.e", &format!("{TOKEN}."), &format!("{TOKEN}=")] {
            assert!(open(text, &passphrase()).is_err(), "{text}");
        }
    }
}
