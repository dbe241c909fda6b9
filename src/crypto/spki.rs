//! `SubjectPublicKeyInfo` (RFC 5280 §4.1): what is inside, whether it is sane, and verifying with it.

use aws_lc_rs::signature as lc;
use der::Decode as _;
use der::Encode as _;
use der::asn1::UintRef;
use pkcs8::AlgorithmIdentifierRef;
use pkcs8::ObjectIdentifier;
use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::asn1::BitStringRef;

use crate::crypto::KeyError;
use crate::crypto::KeyType;
use crate::crypto::SignatureError;
use crate::crypto::curve::Curve;
use crate::limits::MAX_RSA_BITS;
use crate::limits::MIN_RSA_BITS;

pub(super) const EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 8410 §3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub(super) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A public key taken out of its `SubjectPublicKeyInfo`. Not yet known to be a point on its curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spki<'a> {
    /// An uncompressed point.
    Ec { curve: Curve, point: &'a [u8] },
    /// An `RSAPublicKey` (RFC 8017 §A.1.1) of an acceptable size.
    Rsa { pkcs1: &'a [u8] },
}

impl<'a> Spki<'a> {
    /// Takes a key apart; RSA sizes and exponents are checked.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, KeyError> {
        let malformed = KeyError::Malformed { what: "public key" };
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| malformed.clone())?;
        let bytes = info.subject_public_key.as_bytes().ok_or(malformed)?;
        match info.algorithm.oid {
            EC_PUBLIC_KEY => {
                let curve = info.algorithm.parameters_oid().ok().and_then(Curve::from_oid);
                let unsupported = || KeyError::Unsupported { what: "elliptic curve".into() };
                Self::ec(curve.ok_or_else(unsupported)?, bytes)
            }
            RSA_ENCRYPTION => {
                check_rsa(bytes)?;
                Ok(Self::Rsa { pkcs1: bytes })
            }
            oid => Err(KeyError::Unsupported { what: format!("key algorithm {oid}") }),
        }
    }

    fn ec(curve: Curve, point: &'a [u8]) -> Result<Self, KeyError> {
        if point.len() != 2 * curve.bytes() + 1 || point.first() != Some(&4) {
            return Err(KeyError::Malformed { what: "uncompressed curve point" });
        }
        Ok(Self::Ec { curve, point })
    }

    /// The metadata type of such a key.
    pub(super) fn key_type(self) -> KeyType {
        match self {
            Self::Ec { .. } => KeyType::Ecdsa,
            Self::Rsa { .. } => KeyType::Rsa,
        }
    }
}

/// The 32 bytes of an ed25519 key (RFC 8410 §4), if it is one.
pub(super) fn ed25519(der: &[u8]) -> Option<Vec<u8>> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    let raw = info.subject_public_key.as_bytes()?;
    (info.algorithm.oid == ED25519).then(|| raw.to_vec())
}

/// Returns what the key is made of, whatever was optional in writing it down.
pub(super) fn material(der: &[u8]) -> Result<Vec<u8>, KeyError> {
    Ok(match Spki::parse(der)? {
        Spki::Ec { curve, point } => [curve.oid().as_bytes(), b":", point].concat(),
        Spki::Rsa { pkcs1 } => [b"rsa:", pkcs1].concat(),
    })
}

/// Checks a key fully: the point is on its curve, the modulus is usable.
pub(super) fn check(der: &[u8]) -> Result<KeyType, KeyError> {
    let spki = Spki::parse(der)?;
    match spki {
        Spki::Ec { curve, point } => parsed(curve.verify_sha256(), point)?,
        Spki::Rsa { pkcs1 } => parsed(&lc::RSA_PSS_2048_8192_SHA256, pkcs1)?,
    };
    Ok(spki.key_type())
}

/// Writes the `SubjectPublicKeyInfo` of a curve point.
pub(super) fn write_ec(curve: Curve, point: &[u8]) -> Result<Vec<u8>, KeyError> {
    let malformed = |_| KeyError::Malformed { what: "public key" };
    let oid = curve.oid();
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some((&oid).into()) },
        subject_public_key: BitStringRef::from_bytes(point).map_err(malformed)?,
    };
    info.to_der().map_err(malformed)
}

/// Verifies `r‖s`, each as wide as the curve, over the SHA-256 of the message.
pub(super) fn verify_ecdsa(der: &[u8], message: &[u8], sig: &[u8]) -> Result<(), SignatureError> {
    let Spki::Ec { curve, point } = Spki::parse(der)? else {
        return Err(KeyError::WrongKind { expected: KeyType::Ecdsa }.into());
    };
    let key = parsed(curve.verify_sha256(), point)?;
    let expected = 2 * curve.bytes();
    if sig.len() != expected {
        return Err(SignatureError::WrongLength { expected, actual: sig.len() });
    }
    let (r, s) = sig.split_at_checked(curve.bytes()).ok_or(SignatureError::Invalid)?;
    let der = ecdsa_der(r, s).map_err(|_| SignatureError::Invalid)?;
    key.verify_sig(message, &der).map_err(|_| SignatureError::Invalid)
}

/// How an RSA signature is padded.
#[derive(Debug, Clone, Copy)]
pub(super) enum RsaPadding {
    Pss,
    Pkcs1v15,
}

/// Verifies an RSA signature over the SHA-256 of the message.
pub(super) fn verify_rsa(
    der: &[u8],
    padding: RsaPadding,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let Spki::Rsa { pkcs1 } = Spki::parse(der)? else {
        return Err(KeyError::WrongKind { expected: KeyType::Rsa }.into());
    };
    // The salt is as long as the hash, 32 bytes, as in the reference.
    let algorithm = match padding {
        RsaPadding::Pss => &lc::RSA_PSS_2048_8192_SHA256,
        RsaPadding::Pkcs1v15 => &lc::RSA_PKCS1_2048_8192_SHA256,
    };
    let key = parsed(algorithm, pkcs1)?;
    key.verify_sig(message, signature).map_err(|_| SignatureError::Invalid)
}

/// Has the library parse and check a key.
pub(super) fn parsed(
    algorithm: &'static dyn lc::VerificationAlgorithm,
    bytes: &[u8],
) -> Result<lc::ParsedPublicKey, KeyError> {
    lc::ParsedPublicKey::new(algorithm, bytes)
        .map_err(|_| KeyError::Malformed { what: "public key" })
}

#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// Bounds the modulus before anything is computed with it, and refuses exponents that sign nothing.
fn check_rsa(pkcs1: &[u8]) -> Result<(), KeyError> {
    let key = RsaPublicKey::from_der(pkcs1)
        .map_err(|_| KeyError::Malformed { what: "RSA public key" })?;
    let modulus = key.modulus.as_bytes();
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(leading);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    let exponent = key.exponent.as_bytes();
    let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
    if !odd || exponent == [1] || exponent.len() > 4 {
        return Err(KeyError::RsaExponent);
    }
    Ok(())
}

#[derive(der::Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

fn ecdsa_der(r: &[u8], s: &[u8]) -> der::Result<Vec<u8>> {
    EcdsaSignature { r: UintRef::new(r)?, s: UintRef::new(s)? }.to_der()
}
