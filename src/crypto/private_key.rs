//! Private keys: made, read, written and used to sign.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::EcPrivateKeyBin;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature as lc;
use aws_lc_rs::signature::KeyPair as _;
use ed25519_dalek::Signer as _;
use p384::ecdsa::signature::hazmat::PrehashSigner as _;
use pkcs8::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::crypto::KeyError;
use crate::crypto::KeyId;
use crate::crypto::KeyType;
use crate::crypto::Method;
use crate::crypto::PublicKey;
use crate::crypto::Sha256Hash;
use crate::crypto::curve::Curve;
use crate::crypto::private_key_der as der_form;
use crate::crypto::private_key_der::KeyMaterial;
use crate::crypto::spki;

/// A private key. No Clone, no Display, redacted Debug, zeroized on drop.
pub struct PrivateKey {
    secret: Secret,
    public: PublicKey,
}

/// What signs. Each part wipes itself when dropped.
enum Secret {
    Ec { curve: Curve, scalar: Zeroizing<Vec<u8>>, point: Vec<u8>, pair: lc::EcdsaKeyPair },
    Rsa { pkcs1: Zeroizing<Vec<u8>>, pair: Box<lc::RsaKeyPair> },
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl PrivateKey {
    /// Generates ECDSA P-256, what docker and notary generate.
    pub fn generate_ecdsa() -> Result<Self, KeyError> {
        let failed = |_| KeyError::Failed { what: "generate an ECDSA key" };
        let pair = lc::EcdsaKeyPair::generate(Curve::P256.sign_metadata()).map_err(failed)?;
        let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(failed)?;
        let scalar = Zeroizing::new(scalar.as_ref().to_vec());
        Self::from_pair(Curve::P256, scalar, pair)
    }

    /// Generates Ed25519.
    pub fn generate_ed25519() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *seed)
            .map_err(|_| KeyError::Failed { what: "generate an ed25519 key" })?;
        Ok(Self::from_seed(&seed))
    }

    /// Generates RSA of 2048, 3072, 4096 or 8192 bits.
    pub fn generate_rsa(bits: usize) -> Result<Self, KeyError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            8192 => KeySize::Rsa8192,
            _ => return Err(KeyError::RsaSize { bits }),
        };
        let failed = |_| KeyError::Failed { what: "generate an RSA key" };
        let pair = lc::RsaKeyPair::generate(size).map_err(failed)?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// Reads a PKCS#8 `PrivateKeyInfo`: the reference's form and those of RFC 5958 and 8410.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_material(der_form::read_pkcs8(der)?)
    }

    /// Reads an `ECPrivateKey` (RFC 5915), the contents of `EC PRIVATE KEY`.
    pub fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_material(der_form::read_ec(der, None)?)
    }

    /// Reads an `RSAPrivateKey` (RFC 8017), the contents of `RSA PRIVATE KEY`.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_material(KeyMaterial::Rsa { pkcs1: der })
    }

    /// Reads the contents of the reference's old `ED25519 PRIVATE KEY`: public ‖ seed ‖ public.
    pub fn from_ed25519_octets(octets: &[u8]) -> Result<Self, KeyError> {
        Self::from_material(der_form::read_ed25519_notary(octets)?)
    }

    fn from_material(material: KeyMaterial<'_>) -> Result<Self, KeyError> {
        match material {
            KeyMaterial::Ec { curve, scalar, point } => Self::from_scalar(curve, scalar, point),
            KeyMaterial::Rsa { pkcs1 } => Self::from_rsa(pkcs1),
            KeyMaterial::Ed25519 { seed, public } => {
                let key = Self::from_seed(seed);
                match public {
                    Some(public) if public != key.public.public() => Err(KeyError::Inconsistent),
                    _ => Ok(key),
                }
            }
        }
    }

    fn from_scalar(
        curve: Curve,
        scalar: Zeroizing<Vec<u8>>,
        point: Option<&[u8]>,
    ) -> Result<Self, KeyError> {
        // The library derives the public key from the scalar; the one stored is only compared.
        let sec1 = der_form::write_sec1(curve, &scalar, None)?;
        let pair = lc::EcdsaKeyPair::from_private_key_der(curve.sign_metadata(), &sec1)
            .map_err(|_| KeyError::Malformed { what: "EC private key" })?;
        match point {
            Some(point) if point != pair.public_key().as_ref() => Err(KeyError::Inconsistent),
            _ => Self::from_pair(curve, scalar, pair),
        }
    }

    fn from_pair(
        curve: Curve,
        scalar: Zeroizing<Vec<u8>>,
        pair: lc::EcdsaKeyPair,
    ) -> Result<Self, KeyError> {
        let point = pair.public_key().as_ref().to_vec();
        let public = PublicKey::new(KeyType::Ecdsa, spki::write_ec(curve, &point)?);
        Ok(Self { secret: Secret::Ec { curve, scalar, point, pair }, public })
    }

    fn from_rsa(pkcs1: &[u8]) -> Result<Self, KeyError> {
        let malformed = KeyError::Malformed { what: "RSA private key" };
        let pair = lc::RsaKeyPair::from_der(pkcs1).map_err(|_| malformed.clone())?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| malformed)?;
        let public = PublicKey::new(KeyType::Rsa, public.as_ref().to_vec());
        spki::check(public.public())?;
        let pkcs1 = Zeroizing::new(pkcs1.to_vec());
        Ok(Self { secret: Secret::Rsa { pkcs1, pair: Box::new(pair) }, public })
    }

    fn from_seed(seed: &[u8; 32]) -> Self {
        let key = Box::new(ed25519_dalek::SigningKey::from_bytes(seed));
        let public = key.verifying_key().to_bytes().to_vec();
        Self { secret: Secret::Ed25519(key), public: PublicKey::new(KeyType::Ed25519, public) }
    }

    /// Writes a PKCS#8 `PrivateKeyInfo` exactly as the reference does (notary.md §2.2).
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.secret {
            Secret::Ec { curve, scalar, point, .. } => der_form::write_ec(*curve, scalar, point),
            Secret::Rsa { pkcs1, .. } => der_form::write_rsa(pkcs1),
            Secret::Ed25519(key) => {
                der_form::write_ed25519(key.as_bytes(), key.verifying_key().as_bytes())
            }
        }
    }

    /// Returns the bare public key (`ecdsa`, `rsa`, `ed25519`).
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the canonical key id, by which the key's file is named.
    pub fn id(&self) -> KeyId {
        self.public.id()
    }

    /// Signs canonical bytes: `ecdsa` as `r‖s`, `rsapss`, `eddsa`.
    pub fn sign(&self, message: &[u8]) -> Result<(Method, Vec<u8>), KeyError> {
        match &self.secret {
            Secret::Ec { curve: Curve::P384, scalar, .. } => {
                sign_p384(scalar, message).map(|signature| (Method::Ecdsa, signature))
            }
            Secret::Ec { pair, .. } => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| REFUSED)?;
                Ok((Method::Ecdsa, signature.as_ref().to_vec()))
            }
            Secret::Rsa { pair, .. } => {
                Ok((Method::RsaPss, sign_rsa(pair, &lc::RSA_PSS_SHA256, message)?))
            }
            Secret::Ed25519(key) => Ok((Method::Eddsa, key.sign(message).to_bytes().to_vec())),
        }
    }

    /// Signs a certificate body: the signature as X.509 wants it.
    pub(super) fn sign_certificate(&self, body: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.secret {
            Secret::Ec { curve, scalar, point, .. } => {
                let algorithm = curve.sign_certificate();
                let pair =
                    lc::EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point);
                let pair = pair.map_err(|_| REFUSED)?;
                let signature = pair.sign(&SystemRandom::new(), body).map_err(|_| REFUSED)?;
                Ok(signature.as_ref().to_vec())
            }
            Secret::Rsa { pair, .. } => sign_rsa(pair, &lc::RSA_PKCS1_SHA256, body),
            Secret::Ed25519(_) => Err(no_ed25519_certificate()),
        }
    }

    /// The identifier of the algorithm of [`Self::sign_certificate`], and whether a NULL follows it.
    pub(super) fn certificate_signature_oid(&self) -> Result<(ObjectIdentifier, bool), KeyError> {
        match &self.secret {
            Secret::Ec { curve, .. } => Ok((curve.certificate_signature_oid(), false)),
            Secret::Rsa { .. } => Ok((SHA256_WITH_RSA, true)),
            Secret::Ed25519(_) => Err(no_ed25519_certificate()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("id", &self.id().as_str()).finish_non_exhaustive()
    }
}

/// Signs the SHA-256 with P-384, a pair `aws-lc-rs` verifies but does not sign.
fn sign_p384(scalar: &[u8], message: &[u8]) -> Result<Vec<u8>, KeyError> {
    let key = p384::ecdsa::SigningKey::from_slice(scalar).map_err(|_| REFUSED)?;
    let hash = Sha256Hash::of(message);
    let signature: p384::ecdsa::Signature = key.sign_prehash(&hash.0).map_err(|_| REFUSED)?;
    Ok(signature.to_bytes().to_vec())
}

fn sign_rsa(
    pair: &lc::RsaKeyPair,
    encoding: &'static dyn lc::RsaEncoding,
    message: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| REFUSED)?;
    Ok(signature)
}

fn no_ed25519_certificate() -> KeyError {
    KeyError::Unsupported { what: "certificate of an ed25519 key".into() }
}

const REFUSED: KeyError = KeyError::Failed { what: "sign with this key" };

const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(key: &PrivateKey, method: &Method) {
        let again = PrivateKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(*again.to_pkcs8().unwrap(), *key.to_pkcs8().unwrap());
        let (made, signature) = again.sign(b"message").unwrap();
        assert_eq!(&made, method);
        assert_eq!(key.public_key().verify(method, b"message", &signature), Ok(()));
        assert!(key.public_key().verify(method, b"massage", &signature).is_err());
    }

    #[test]
    fn keys_are_generated_written_read_and_used() {
        round_trip(&PrivateKey::generate_ecdsa().unwrap(), &Method::Ecdsa);
        round_trip(&PrivateKey::generate_ed25519().unwrap(), &Method::Eddsa);
        round_trip(&PrivateKey::generate_rsa(2048).unwrap(), &Method::RsaPss);
        assert!(matches!(PrivateKey::generate_rsa(1024), Err(KeyError::RsaSize { bits: 1024 })));
    }

    #[test]
    fn signatures_are_as_wide_as_the_curve() {
        for (curve, width) in [(Curve::P256, 64), (Curve::P384, 96), (Curve::P521, 132)] {
            let scalar = Zeroizing::new([vec![0; curve.bytes() - 1], vec![9]].concat());
            let key = PrivateKey::from_scalar(curve, scalar, None).unwrap();
            for message in 0..20_u8 {
                let (method, signature) = key.sign(&[message]).unwrap();
                assert_eq!((&method, signature.len()), (&Method::Ecdsa, width));
                assert_eq!(key.public_key().verify(&method, &[message], &signature), Ok(()));
            }
            round_trip(&key, &Method::Ecdsa);
        }
    }

    #[test]
    fn scalars_outside_the_group_are_refused() {
        for scalar in [vec![0; 32], vec![0xff; 32]] {
            let key = PrivateKey::from_scalar(Curve::P256, Zeroizing::new(scalar), None);
            assert!(matches!(key, Err(KeyError::Malformed { .. })));
        }
    }

    #[test]
    fn a_public_part_of_another_key_is_refused() {
        let scalar = || Zeroizing::new(vec![3; 32]);
        let other = PrivateKey::generate_ecdsa().unwrap();
        let Secret::Ec { point, .. } = &other.secret else { panic!("an EC key") };
        let key = PrivateKey::from_scalar(Curve::P256, scalar(), Some(point));
        assert!(matches!(key, Err(KeyError::Inconsistent)));
        let mut octets =
            [PrivateKey::generate_ed25519().unwrap().public.public(), &[7; 32]].concat();
        octets.extend_from_slice(&octets.clone()[..32]);
        let key = PrivateKey::from_ed25519_octets(&octets);
        assert!(matches!(key, Err(KeyError::Inconsistent)));
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = PrivateKey::generate_ed25519().unwrap();
        assert_eq!(format!("{key:?}"), format!("PrivateKey {{ id: \"{}\", .. }}", key.id()));
    }
}
