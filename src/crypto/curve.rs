//! The elliptic curves of trust keys, and which algorithm of `aws-lc-rs` serves each.

use aws_lc_rs::signature as lc;
use pkcs8::ObjectIdentifier;

/// A NIST curve (FIPS 186-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(super) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.oid() == oid)
    }

    /// The named curve's identifier (RFC 5480 §2.1.1.1).
    pub(super) fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::P256 => "1.2.840.10045.3.1.7",
            Self::P384 => "1.3.132.0.34",
            Self::P521 => "1.3.132.0.35",
        })
    }

    /// Bytes of a scalar, of a coordinate, and of each half of a signature.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Verifies DER signatures over SHA-256, whatever the curve (notary.md §1.9).
    pub(super) fn verify_sha256(self) -> &'static lc::EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &lc::ECDSA_P256_SHA256_ASN1,
            Self::P384 => &lc::ECDSA_P384_SHA256_ASN1,
            Self::P521 => &lc::ECDSA_P521_SHA256_ASN1,
        }
    }

    /// Signs metadata. For P-384 there is no SHA-256 here: that pair only checks and derives keys.
    pub(super) fn sign_metadata(self) -> &'static lc::EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &lc::ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &lc::ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::P521 => &lc::ECDSA_P521_SHA256_FIXED_SIGNING,
        }
    }

    /// Signs certificates, with the hash usual for the curve.
    pub(super) fn sign_certificate(self) -> &'static lc::EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &lc::ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &lc::ECDSA_P384_SHA384_ASN1_SIGNING,
            Self::P521 => &lc::ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }

    /// The identifier of what [`Self::sign_certificate`] makes: `ecdsa-with-SHA…`.
    pub(super) fn certificate_signature_oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::P256 => "1.2.840.10045.4.3.2",
            Self::P384 => "1.2.840.10045.4.3.3",
            Self::P521 => "1.2.840.10045.4.3.4",
        })
    }
}
