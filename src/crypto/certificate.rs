//! X.509 certificates (RFC 5280) as trust metadata uses them: one key with a name and dates.

use jiff::SignedDuration;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use crate::clock::Timestamp;
use crate::codec::pem::Pem;
use crate::crypto::KeyError;
use crate::crypto::KeyType;
use crate::crypto::PrivateKey;
use crate::crypto::PublicKey;
use crate::crypto::certificate_chain;
use crate::crypto::self_signed;
use crate::crypto::spki::Spki;

/// One X.509 certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// The subject's common name, the last if there are several (as Go has it); empty if none.
    pub common_name: String,
    /// The first second of validity.
    pub not_before: Timestamp,
    /// The last second of validity.
    pub not_after: Timestamp,
    /// Whether it may sign other certificates.
    pub is_ca: bool,
    /// The bare key; of unknown type if it is neither RSA nor on a NIST curve.
    pub public_key: PublicKey,
}

impl Certificate {
    /// Reads one DER certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let x509 = parse(der)?;
        let basic = x509.basic_constraints().map_err(|_| MALFORMED)?;
        let names = x509.subject().iter_common_name();
        let name = names.last().and_then(|name| name.as_str().ok()).unwrap_or_default();
        let spki = x509.public_key().raw;
        let key_type = match Spki::parse(spki) {
            Ok(spki) => spki.key_type(),
            Err(KeyError::Unsupported { what }) => KeyType::Unknown(what),
            // A key of RSA that is too small stays RSA: it is refused by name where it is used.
            Err(_) => type_by_oid(&x509),
        };
        Ok(Self {
            der: der.to_vec(),
            common_name: name.to_owned(),
            not_before: timestamp(x509.validity().not_before),
            not_after: timestamp(x509.validity().not_after),
            is_ca: basic.is_some_and(|extension| extension.value.ca),
            public_key: PublicKey::new(key_type, spki.to_vec()),
        })
    }

    /// Reads all certificates of a PEM bundle, in order; any other block is an error.
    pub fn parse_bundle(pem: &[u8]) -> Result<Vec<Self>, KeyError> {
        let read = |block: Pem| match block.label.as_str() {
            "CERTIFICATE" => Self::from_der(&block.contents),
            _ => Err(KeyError::WrongLabel { label: block.label }),
        };
        Pem::parse_all(pem)?.into_iter().map(read).collect()
    }

    /// Makes the self-signed root certificate of a GUN as the reference writes it (notary.md
    /// §1.11): PEM text.
    pub fn self_signed(gun: &str, key: &PrivateKey, now: Timestamp) -> Result<Vec<u8>, KeyError> {
        let der = self_signed::write(gun, key, now)?;
        Ok(Self::from_der(&der)?.to_pem())
    }

    /// Returns the one leaf (non-CA) of a bundle, and the CA certificates after it.
    ///
    /// The leaf must come first: other clients take the first certificate for the key.
    pub fn split_leaf(bundle: Vec<Self>) -> Result<(Self, Vec<Self>), KeyError> {
        let count = bundle.iter().filter(|certificate| !certificate.is_ca).count();
        if count != 1 {
            return Err(KeyError::LeafCount { count });
        }
        let mut certificates = bundle.into_iter();
        match certificates.next() {
            Some(leaf) if !leaf.is_ca => Ok((leaf, certificates.collect())),
            _ => Err(KeyError::LeafNotFirst),
        }
    }

    /// Returns the DER as read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the PEM text: no headers, 64 columns, final newline.
    pub fn to_pem(&self) -> Vec<u8> {
        Pem::new("CERTIFICATE", self.der.clone()).encode().to_vec()
    }

    /// Tells whether the certificate is for a GUN: its CN equals it, or ends in `*` and the GUN
    /// starts with what is before (notary.md §1.11).
    pub fn covers(&self, gun: &str) -> bool {
        let name = self.common_name.as_str();
        name == gun || (name.ends_with('*') && gun.starts_with(name.trim_end_matches('*')))
    }

    /// Checks that neither signature nor key is weak: no SHA-1, MD5 or DSA, RSA of 2048 bits or more.
    pub fn check_algorithms(&self) -> Result<(), KeyError> {
        let x509 = self.x509()?;
        let oid = x509.signature_algorithm.algorithm.to_id_string();
        if !STRONG_SIGNATURES.contains(&oid.as_str()) {
            return Err(KeyError::WeakSignature { oid });
        }
        Spki::parse(self.public_key.public()).map(|_| ())
    }

    /// Checks that the certificate is valid at `now`, with one day's leeway on its beginning.
    pub fn check_dates(&self, now: Timestamp) -> Result<(), KeyError> {
        if self.not_before > self.not_after {
            return Err(KeyError::BadDates);
        }
        let tomorrow = now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(now);
        if tomorrow < self.not_before {
            return Err(KeyError::NotYetValid { since: self.not_before });
        }
        if now > self.not_after {
            return Err(KeyError::Expired { since: self.not_after });
        }
        Ok(())
    }

    /// Checks that this certificate's signatures lead to one of `roots` through `intermediates`,
    /// all of them valid at `now`.
    ///
    /// For pinning to a CA: extended key usages, where present, must allow code signing, server
    /// authentication or anything. This certificate's own dates are the caller's
    /// ([`Self::check_dates`]).
    pub fn chains_to(
        &self,
        intermediates: &[Self],
        roots: &[Self],
        now: Timestamp,
    ) -> Result<(), KeyError> {
        certificate_chain::check(self, intermediates, roots, now)
    }

    /// Parses the DER again, for what the fields do not hold.
    pub(super) fn x509(&self) -> Result<X509Certificate<'_>, KeyError> {
        parse(&self.der)
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, KeyError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(MALFORMED),
    }
}

fn type_by_oid(x509: &X509Certificate<'_>) -> KeyType {
    match x509.public_key().algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => KeyType::Rsa,
        "1.2.840.10045.2.1" => KeyType::Ecdsa,
        other => KeyType::Unknown(other.to_owned()),
    }
}

/// Times past what a [`Timestamp`] holds, such as the end of the year 9999, become its last.
fn timestamp(time: ASN1Time) -> Timestamp {
    let seconds = time.timestamp();
    let bound = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(bound)
}

const MALFORMED: KeyError = KeyError::Malformed { what: "certificate" };

/// RSA with SHA-224 to SHA-512, RSA-PSS, ECDSA with SHA-224 to SHA-512, Ed25519.
const STRONG_SIGNATURES: [&str; 10] = [
    "1.2.840.113549.1.1.14",
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.113549.1.1.10",
    "1.2.840.10045.4.3.1",
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
    "1.3.101.112",
];
