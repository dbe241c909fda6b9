//! Public keys that tokens are verified with, and the names they go by.

use aws_lc_rs::signature as lc;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::crypto::Sha256Hash;

/// A signature algorithm of tokens (RFC 7518 §3, RFC 8037). Those with shared secrets are left out:
/// whoever verifies with a public key must never take it for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// RSA, PKCS #1 v1.5, SHA-384.
    Rs384,
    /// RSA, PKCS #1 v1.5, SHA-512.
    Rs512,
    /// RSA-PSS, SHA-256.
    Ps256,
    /// RSA-PSS, SHA-384.
    Ps384,
    /// RSA-PSS, SHA-512.
    Ps512,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// ECDSA on P-384, SHA-384.
    Es384,
    /// ECDSA on P-521, SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Its name in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of a name; the name is matched exactly.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// A public key, as its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKey {
    /// Without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// Coordinates as wide as the curve.
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    /// 32 bytes.
    Ed25519 { x: Vec<u8> },
}

/// A curve of ECDSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    fn oid(self) -> &'static str {
        match self {
            Self::P256 => "1.2.840.10045.3.1.7",
            Self::P384 => "1.3.132.0.34",
            Self::P521 => "1.3.132.0.35",
        }
    }

    /// Bytes of a coordinate.
    fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl TokenKey {
    /// Takes a key out of its `SubjectPublicKeyInfo` (RFC 5280 §4.1); `None` if tokens are not
    /// verified with such keys.
    pub(super) fn from_spki(der: &[u8]) -> Option<Self> {
        let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        if info.algorithm.algorithm.to_id_string() == ED25519 {
            let x = info.subject_public_key.data.to_vec();
            return (x.len() == ED25519_BYTES).then_some(Self::Ed25519 { x });
        }
        match info.parsed().ok()? {
            Parsed::RSA(rsa) => {
                Some(Self::Rsa { n: trimmed(rsa.modulus), e: trimmed(rsa.exponent) })
            }
            Parsed::EC(point) => {
                let oid = info.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
                let curve = Curve::ALL.into_iter().find(|curve| curve.oid() == oid)?;
                let coordinates = point.data().strip_prefix(&[4])?;
                let (x, y) = coordinates.split_at_checked(curve.width())?;
                let whole = y.len() == curve.width();
                whole.then(|| Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
            }
            _ => None,
        }
    }

    /// Reads a JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037 §2); private members are passed over.
    pub(super) fn from_jwk(jwk: &Value) -> Result<Self, &'static str> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let number = |name: &str| {
            let bytes = text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            bytes.filter(|bytes| !bytes.is_empty()).ok_or("a number is missing or not base64url")
        };
        match text("kty") {
            Some("RSA") => Ok(Self::Rsa { n: trimmed(&number("n")?), e: trimmed(&number("e")?) }),
            Some("EC") => {
                let named = |curve: &Curve| text("crv") == Some(curve.name());
                let curve = Curve::ALL.into_iter().find(named).ok_or("its curve is not known")?;
                let wide = |bytes: Vec<u8>| padded(&bytes, curve.width());
                let (x, y) = (wide(number("x")?), wide(number("y")?));
                let (Some(x), Some(y)) = (x, y) else { return Err("its point is too wide") };
                Ok(Self::Ec { curve, x, y })
            }
            Some("OKP") if text("crv") == Some("Ed25519") => {
                let x = number("x")?;
                if x.len() == ED25519_BYTES {
                    Ok(Self::Ed25519 { x })
                } else {
                    Err("its point has the wrong width")
                }
            }
            Some("oct") => Err("a shared secret is no key for this"),
            _ => Err("its kind is not known"),
        }
    }

    /// The 32 bytes of an Ed25519 key as a key.
    pub(super) fn from_ed25519(x: &[u8]) -> Self {
        Self::Ed25519 { x: x.to_vec() }
    }

    /// Whether the signature is this key's over the message. A key of another kind than the
    /// algorithm's never made it.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa { n, e }, _) => rsa(algorithm).is_some_and(|parameters| {
                let key = lc::RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }),
            (Self::Ec { curve, x, y }, _) => ecdsa(*curve, algorithm).is_some_and(|algorithm| {
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                lc::UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
            }),
            (Self::Ed25519 { x }, Algorithm::EdDsa) => {
                lc::UnparsedPublicKey::new(&lc::ED25519, x).verify(message, signature).is_ok()
            }
            (Self::Ed25519 { .. }, _) => false,
        }
    }

    /// The names that this key goes by: its thumbprint (RFC 7638), and the one that docker's
    /// registry computes where a coordinate begins with zeros.
    pub(super) fn thumbprints(&self) -> Vec<String> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let ec = |curve: Curve, x: &[u8], y: &[u8]| {
            let (curve, x, y) = (curve.name(), encode(x), encode(y));
            format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#)
        };
        let members = match self {
            Self::Rsa { n, e } => {
                vec![format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n))]
            }
            Self::Ec { curve, x, y } => {
                vec![ec(*curve, x, y), ec(*curve, &trimmed(x), &trimmed(y))]
            }
            Self::Ed25519 { x } => {
                vec![format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x))]
            }
        };
        let mut prints: Vec<String> =
            members.iter().map(|text| encode(&Sha256Hash::of(text.as_bytes()).0)).collect();
        prints.dedup();
        prints
    }
}

/// The name that docker's first library gave to keys: 240 bits of the hash of the
/// `SubjectPublicKeyInfo`, in base 32, in twelve groups of four.
pub(super) fn libtrust_id(spki: &[u8]) -> String {
    let hash = Sha256Hash::of(spki);
    let (head, _) = hash.0.split_at(LIBTRUST_BYTES);
    let mut groups = Vec::with_capacity(LIBTRUST_BYTES / 5 * 2);
    let (blocks, _) = head.as_chunks::<5>();
    for block in blocks {
        let [a, b, c, d, e] = block.map(u64::from);
        let bits = (a << 32) | (b << 24) | (c << 16) | (d << 8) | e;
        let letters: String =
            (0..8).rev().map(|place| base32((bits >> (place * 5)) & 31)).collect();
        let (first, second) = letters.split_at_checked(4).unwrap_or_default();
        groups.extend([first.to_owned(), second.to_owned()]);
    }
    groups.join(":")
}

/// A digit of RFC 4648 §6.
fn base32(value: u64) -> char {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = usize::try_from(value).ok().and_then(|place| digits.get(place));
    char::from(digit.copied().unwrap_or(b'A'))
}

fn rsa(algorithm: Algorithm) -> Option<&'static lc::RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &lc::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &lc::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &lc::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &lc::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &lc::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &lc::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ecdsa(curve: Curve, algorithm: Algorithm) -> Option<&'static lc::EcdsaVerificationAlgorithm> {
    Some(match (curve, algorithm) {
        (Curve::P256, Algorithm::Es256) => &lc::ECDSA_P256_SHA256_FIXED,
        (Curve::P384, Algorithm::Es384) => &lc::ECDSA_P384_SHA384_FIXED,
        (Curve::P521, Algorithm::Es512) => &lc::ECDSA_P521_SHA512_FIXED,
        _ => return None,
    })
}

/// Without leading zeros.
fn trimmed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// With leading zeros up to a width; `None` if it is wider.
fn padded(bytes: &[u8], width: usize) -> Option<Vec<u8>> {
    let bytes = trimmed(bytes);
    let missing = width.checked_sub(bytes.len())?;
    Some([vec![0; missing], bytes].concat())
}

/// RFC 8410 §3.
const ED25519: &str = "1.3.101.112";
/// Bytes of an Ed25519 public key.
const ED25519_BYTES: usize = 32;
/// Bytes of the hash that a libtrust key id shows.
const LIBTRUST_BYTES: usize = 30;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::PrivateKey;

    #[test]
    fn the_thumbprint_of_the_rfc() {
        // RFC 7638 §3.1.
        let jwk = json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        });
        let key = TokenKey::from_jwk(&jwk).unwrap();
        assert_eq!(key.thumbprints(), ["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"]);
    }

    #[test]
    fn keys_by_either_form_are_equal() {
        let ecdsa = PrivateKey::generate_ecdsa().unwrap();
        let key = TokenKey::from_spki(ecdsa.public_key().public()).unwrap();
        let TokenKey::Ec { x, y, .. } = &key else { panic!("{key:?}") };
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)});
        assert_eq!(TokenKey::from_jwk(&jwk), Ok(key.clone()));
        let (_, signature) = ecdsa.sign(b"message").unwrap();
        assert!(key.verifies(Algorithm::Es256, b"message", &signature));
        assert!(!key.verifies(Algorithm::Es256, b"massage", &signature));
        for other in [Algorithm::Es384, Algorithm::Es512, Algorithm::Rs256, Algorithm::EdDsa] {
            assert!(!key.verifies(other, b"message", &signature));
        }
    }

    #[test]
    fn a_shared_secret_is_refused() {
        let secret = json!({"kty": "oct", "k": "AAAA"});
        assert_eq!(TokenKey::from_jwk(&secret), Err("a shared secret is no key for this"));
    }

    #[test]
    fn libtrust_ids_have_twelve_groups() {
        // The hash of nothing is e3b0c442 98fc1c14 …: 11100 01110 11000 01100 …
        let id = libtrust_id(b"");
        assert_eq!(id.split(':').count(), 12);
        assert!(id.starts_with("4OYM:IQUY:7QOB:JGX3:6TEJ:S35Z"), "{id}");
    }
}
