//! The DER around private keys: PKCS#8 (RFC 5958, and the reference's own variants), SEC 1, PKCS#1.

use der::Decode as _;
use der::Encode as _;
use der::asn1::Any;
use der::asn1::BitStringRef;
use der::asn1::OctetStringRef;
use der::asn1::SetOfVec;
use pkcs8::AlgorithmIdentifierRef;
use pkcs8::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::crypto::KeyError;
use crate::crypto::curve::Curve;
use crate::crypto::spki::EC_PUBLIC_KEY;
use crate::crypto::spki::RSA_ENCRYPTION;

/// Ed25519 as RFC 8410 names it: the octets are an octet string of the 32-byte seed.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// Ed25519 as the reference names it: the octets are public key ‖ seed ‖ public key.
const ED25519_NOTARY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.15.1");

/// A private key taken out of its wrapping.
pub(super) enum KeyMaterial<'a> {
    Ec { curve: Curve, scalar: Zeroizing<Vec<u8>>, point: Option<&'a [u8]> },
    Rsa { pkcs1: &'a [u8] },
    Ed25519 { seed: &'a [u8; 32], public: Option<&'a [u8]> },
}

#[derive(der::Sequence)]
struct PrivateKeyInfo<'a> {
    version: u8,
    algorithm: AlgorithmIdentifierRef<'a>,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "IMPLICIT")]
    attributes: Option<SetOfVec<Any>>,
    #[asn1(context_specific = "1", optional = "true", tag_mode = "IMPLICIT")]
    public_key: Option<BitStringRef<'a>>,
}

#[derive(der::Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    curve: Option<ObjectIdentifier>,
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT")]
    public_key: Option<BitStringRef<'a>>,
}

/// Tells whether bytes have the outer shape of a PKCS#8 key: whether decryption made sense.
pub(super) fn looks_like_pkcs8(der: &[u8]) -> bool {
    PrivateKeyInfo::from_der(der).is_ok()
}

/// Reads a PKCS#8 key: version 0 or 1, whatever follows from it.
pub(super) fn read_pkcs8(der: &[u8]) -> Result<KeyMaterial<'_>, KeyError> {
    let malformed = KeyError::Malformed { what: "private key" };
    let info = PrivateKeyInfo::from_der(der).map_err(|_| malformed.clone())?;
    if info.version > 1 {
        return Err(malformed);
    }
    let octets = info.private_key.as_bytes();
    match info.algorithm.oid {
        EC_PUBLIC_KEY => {
            let named = info.algorithm.parameters_oid().map_err(|_| malformed)?;
            read_ec(octets, Some(named))
        }
        RSA_ENCRYPTION => Ok(KeyMaterial::Rsa { pkcs1: octets }),
        ED25519_NOTARY => read_ed25519_notary(octets),
        ED25519 => {
            let inner = <&OctetStringRef>::from_der(octets).map_err(|_| malformed.clone())?;
            let seed = inner.as_bytes().try_into().map_err(|_| malformed)?;
            let public = info.public_key.and_then(|public| public.as_bytes());
            Ok(KeyMaterial::Ed25519 { seed, public })
        }
        oid => Err(KeyError::Unsupported { what: format!("private key algorithm {oid}") }),
    }
}

/// Reads an `ECPrivateKey` (RFC 5915); the curve may be named outside, inside, or in both alike.
pub(super) fn read_ec(
    der: &[u8],
    named: Option<ObjectIdentifier>,
) -> Result<KeyMaterial<'_>, KeyError> {
    let malformed = KeyError::Malformed { what: "EC private key" };
    let key = EcPrivateKey::from_der(der).map_err(|_| malformed.clone())?;
    if key.version != 1 || (named.is_some() && key.curve.is_some() && named != key.curve) {
        return Err(malformed);
    }
    let oid = named.or(key.curve).ok_or(malformed.clone())?;
    let curve = Curve::from_oid(oid)
        .ok_or_else(|| KeyError::Unsupported { what: format!("elliptic curve {oid}") })?;
    let scalar = fixed_width(key.private_key.as_bytes(), curve.bytes()).ok_or(malformed)?;
    let point = key.public_key.and_then(|public| public.as_bytes());
    Ok(KeyMaterial::Ec { curve, scalar, point })
}

/// Reads the reference's form of Ed25519: 32 bytes public, then 64 private.
pub(super) fn read_ed25519_notary(octets: &[u8]) -> Result<KeyMaterial<'_>, KeyError> {
    let malformed = KeyError::Malformed { what: "ed25519 private key" };
    let (first, rest) = octets.split_at_checked(32).ok_or(malformed.clone())?;
    let (seed, last) = rest.split_at_checked(32).ok_or(malformed.clone())?;
    if first != last {
        return Err(malformed);
    }
    let seed = seed.try_into().map_err(|_| malformed)?;
    Ok(KeyMaterial::Ed25519 { seed, public: Some(first) })
}

/// Writes an EC key as the reference does: version 1 without a public key outside, curve and
/// public key inside (notary.md §2.2).
pub(super) fn write_ec(
    curve: Curve,
    scalar: &[u8],
    point: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let inner = write_sec1(curve, scalar, Some(point))?;
    let oid = curve.oid();
    let algorithm = AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some((&oid).into()) };
    write_info(1, algorithm, &inner)
}

/// Writes an RSA key as the reference does: no NULL beside the algorithm.
pub(super) fn write_rsa(pkcs1: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    write_info(0, AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: None }, pkcs1)
}

/// Writes an Ed25519 key as the reference does.
pub(super) fn write_ed25519(
    seed: &[u8; 32],
    public: &[u8; 32],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let octets = Zeroizing::new([public, seed, public].map(<[u8; 32]>::as_slice).concat());
    write_info(0, AlgorithmIdentifierRef { oid: ED25519_NOTARY, parameters: None }, &octets)
}

/// Writes an `ECPrivateKey`.
pub(super) fn write_sec1(
    curve: Curve,
    scalar: &[u8],
    point: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |_| KeyError::Failed { what: "write the EC private key" };
    let key = EcPrivateKey {
        version: 1,
        private_key: OctetStringRef::new(scalar).map_err(failed)?,
        curve: Some(curve.oid()),
        public_key: point.map(BitStringRef::from_bytes).transpose().map_err(failed)?,
    };
    key.to_der().map(Zeroizing::new).map_err(failed)
}

fn write_info(
    version: u8,
    algorithm: AlgorithmIdentifierRef<'_>,
    octets: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |_| KeyError::Failed { what: "write the private key" };
    let private_key = OctetStringRef::new(octets).map_err(failed)?;
    let info =
        PrivateKeyInfo { version, algorithm, private_key, attributes: None, public_key: None };
    info.to_der().map(Zeroizing::new).map_err(failed)
}

/// Strips or adds leading zeros: writers differ in whether they pad scalars.
fn fixed_width(number: &[u8], width: usize) -> Option<Zeroizing<Vec<u8>>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..)?;
    let padding = width.checked_sub(digits.len())?;
    let mut fixed = Zeroizing::new(vec![0; width]);
    fixed.get_mut(padding..)?.copy_from_slice(digits);
    Some(fixed)
}
