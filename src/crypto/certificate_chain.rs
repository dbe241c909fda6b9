//! Whether a certificate leads to a trusted authority (RFC 5280 §6, as far as pinning needs it).

use aws_lc_rs::signature as lc;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use crate::clock::Timestamp;
use crate::crypto::KeyError;
use crate::crypto::certificate::Certificate;
use crate::crypto::curve::Curve;
use crate::crypto::spki;
use crate::crypto::spki::Spki;

/// Searches for a chain from `leaf` to one of `roots`; see [`Certificate::chains_to`].
pub(super) fn check(
    leaf: &Certificate,
    intermediates: &[Certificate],
    roots: &[Certificate],
    now: Timestamp,
) -> Result<(), KeyError> {
    let mut search = Search { intermediates, roots, now, signatures_left: MAX_SIGNATURES };
    let usable = acceptable(&leaf.x509()?);
    if usable && search.leads_to_root(leaf, 0)? { Ok(()) } else { Err(KeyError::NoChain) }
}

/// Most CA certificates in a chain.
const MAX_DEPTH: u32 = 8;

/// Most signatures checked in one search: bundles can be built to have very many paths.
const MAX_SIGNATURES: usize = 100;

struct Search<'a> {
    intermediates: &'a [Certificate],
    roots: &'a [Certificate],
    now: Timestamp,
    signatures_left: usize,
}

impl Search<'_> {
    /// `below` counts the CA certificates already in the chain.
    fn leads_to_root(&mut self, subject: &Certificate, below: u32) -> Result<bool, KeyError> {
        if self.roots.iter().any(|root| root.der() == subject.der()) {
            return Ok(true);
        }
        let (roots, intermediates) = (self.roots, self.intermediates);
        for root in roots {
            if self.issued(root, subject, below)? {
                return Ok(true);
            }
        }
        if below >= MAX_DEPTH {
            return Ok(false);
        }
        for issuer in intermediates {
            if issuer.der() != subject.der()
                && self.issued(issuer, subject, below)?
                && self.leads_to_root(issuer, below + 1)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tells whether `issuer` could and did sign `subject`.
    fn issued(
        &mut self,
        issuer: &Certificate,
        subject: &Certificate,
        below: u32,
    ) -> Result<bool, KeyError> {
        let (issuer_x509, subject_x509) = (issuer.x509()?, subject.x509()?);
        if issuer_x509.subject().as_raw() != subject_x509.issuer().as_raw()
            || !may_issue(&issuer_x509, below)
            || !acceptable(&issuer_x509)
            || issuer.check_dates(self.now).is_err()
            || self.signatures_left == 0
        {
            return Ok(false);
        }
        self.signatures_left -= 1;
        Ok(verify(&issuer_x509, &subject_x509).is_ok())
    }
}

/// Basic constraints and key usage of an authority with `below` authorities under it.
fn may_issue(x509: &X509Certificate<'_>, below: u32) -> bool {
    let Ok(Some(basic)) = x509.basic_constraints() else { return false };
    let long_enough = basic.value.path_len_constraint.is_none_or(|limit| below <= limit);
    let usage = x509.key_usage();
    let may_sign = usage.is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    basic.value.ca && long_enough && may_sign
}

/// Extended key usage fits, and there is no critical extension whose meaning is not applied here.
fn acceptable(x509: &X509Certificate<'_>) -> bool {
    let usage = x509.extended_key_usage();
    let usage_fits = usage.is_ok_and(|usage| {
        usage.is_none_or(|usage| {
            usage.value.any || usage.value.code_signing || usage.value.server_auth
        })
    });
    let understood = x509.extensions().iter().all(|extension| {
        !extension.critical
            || matches!(
                extension.parsed_extension(),
                ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::KeyUsage(_)
                    | ParsedExtension::ExtendedKeyUsage(_)
                    | ParsedExtension::SubjectAlternativeName(_)
            )
    });
    usage_fits && understood
}

/// Verifies the signature on `subject` with the key of `issuer`.
fn verify(issuer: &X509Certificate<'_>, subject: &X509Certificate<'_>) -> Result<(), KeyError> {
    let inner = &subject.tbs_certificate.signature.algorithm;
    let oid = &subject.signature_algorithm.algorithm;
    if inner != oid {
        return Err(KeyError::NoChain);
    }
    let key = Spki::parse(issuer.public_key().raw)?;
    let algorithm = algorithm(key, &oid.to_id_string())?;
    let bytes = match key {
        Spki::Ec { point, .. } => point,
        Spki::Rsa { pkcs1 } => pkcs1,
    };
    let body = subject.tbs_certificate.as_ref();
    let signature = subject.signature_value.as_ref();
    spki::parsed(algorithm, bytes)?.verify_sig(body, signature).map_err(|_| KeyError::NoChain)
}

fn algorithm(key: Spki<'_>, oid: &str) -> Result<&'static dyn lc::VerificationAlgorithm, KeyError> {
    Ok(match (key, oid) {
        (Spki::Rsa { .. }, "1.2.840.113549.1.1.11") => &lc::RSA_PKCS1_2048_8192_SHA256,
        (Spki::Rsa { .. }, "1.2.840.113549.1.1.12") => &lc::RSA_PKCS1_2048_8192_SHA384,
        (Spki::Rsa { .. }, "1.2.840.113549.1.1.13") => &lc::RSA_PKCS1_2048_8192_SHA512,
        (Spki::Ec { curve, .. }, "1.2.840.10045.4.3.2") => curve.verify_sha256(),
        (Spki::Ec { curve: Curve::P256, .. }, "1.2.840.10045.4.3.3") => &lc::ECDSA_P256_SHA384_ASN1,
        (Spki::Ec { curve: Curve::P384, .. }, "1.2.840.10045.4.3.3") => &lc::ECDSA_P384_SHA384_ASN1,
        (Spki::Ec { curve: Curve::P521, .. }, "1.2.840.10045.4.3.3") => &lc::ECDSA_P521_SHA384_ASN1,
        (Spki::Ec { curve: Curve::P256, .. }, "1.2.840.10045.4.3.4") => &lc::ECDSA_P256_SHA512_ASN1,
        (Spki::Ec { curve: Curve::P384, .. }, "1.2.840.10045.4.3.4") => &lc::ECDSA_P384_SHA512_ASN1,
        (Spki::Ec { curve: Curve::P521, .. }, "1.2.840.10045.4.3.4") => &lc::ECDSA_P521_SHA512_ASN1,
        (_, oid) => return Err(KeyError::WeakSignature { oid: oid.to_owned() }),
    })
}
