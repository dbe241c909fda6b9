//! X.509 certificates (RFC 5280) as trust metadata uses them: one key with a name and dates.

use jiff::SignedDuration;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey as Parsed;
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

    /// Returns the certificate whose key an x509 key is: the only one, whatever it is (people make
    /// delegation keys with `openssl req -x509`, which marks them as CA), or the leaf of several.
    pub(super) fn key_holder(mut bundle: Vec<Self>) -> Result<Self, KeyError> {
        match bundle.pop() {
            Some(only) if bundle.is_empty() => Ok(only),
            Some(last) => {
                bundle.push(last);
                Ok(Self::split_leaf(bundle)?.0)
            }
            None => Err(KeyError::LeafCount { count: 0 }),
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

    /// Tells whether it names itself as its issuer: no authority has to make its successor.
    pub fn is_self_issued(&self) -> bool {
        self.x509().is_ok_and(|x509| x509.subject().as_raw() == x509.issuer().as_raw())
    }

    /// Tells whether it is for signing code and for nothing else: its key usage is critical and
    /// digital signature alone, its extended key usage, if there is one, has code signing and
    /// neither anything nor the uses of servers, mail, time stamps and OCSP, and its key is no RSA
    /// key but of 2,048, 3,072 or 4,096 bits. Programs that sign with certificates alone demand
    /// this of a signer's.
    pub fn is_for_code_signing_alone(&self) -> bool {
        let Ok(x509) = self.x509() else { return false };
        let Ok(Some(usage)) = x509.key_usage() else { return false };
        let Ok(extended) = x509.extended_key_usage() else { return false };
        let is_alone = extended.is_none_or(|extended| {
            let uses = extended.value;
            let others = [
                uses.any,
                uses.server_auth,
                uses.email_protection,
                uses.time_stamping,
                uses.ocsp_signing,
            ];
            uses.code_signing && !others.contains(&true)
        });
        let size_fits = match x509.public_key().parsed() {
            Ok(Parsed::RSA(key)) => matches!(key.key_size(), 2048 | 3072 | 4096),
            Ok(Parsed::EC(_)) => true,
            _ => false,
        };
        usage.critical && usage.value.flags == DIGITAL_SIGNATURE && is_alone && size_fits
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

/// Key usage (RFC 5280 §4.2.1.3) with its first bit and no other.
const DIGITAL_SIGNATURE: u16 = 1;

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

#[cfg(test)]
mod tests {
    use rcgen::BasicConstraints;
    use rcgen::CertificateParams;
    use rcgen::CertifiedIssuer;
    use rcgen::DnType;
    use rcgen::ExtendedKeyUsagePurpose;
    use rcgen::IsCa;
    use rcgen::KeyPair;
    use rcgen::KeyUsagePurpose;
    use rcgen::PKCS_ECDSA_P384_SHA384;
    use test_case::test_case;

    use super::*;
    use crate::crypto::self_signed;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    const NOW: i64 = 1_800_000_000;

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn ca(name: &str) -> CertificateParams {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    fn root() -> Issuer {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        Issuer::self_signed(ca("root"), key).unwrap()
    }

    fn under(params: CertificateParams, issuer: &Issuer) -> Issuer {
        Issuer::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
    }

    fn read(issued: &Issuer) -> Certificate {
        Certificate::from_der(issued.der()).unwrap()
    }

    #[test]
    fn a_chain_is_found_through_intermediates() {
        let root = root();
        let first = under(ca("first"), &root);
        let second = under(ca("second"), &first);
        let leaf = read(&under(params("gun"), &second));
        let between = [read(&first), read(&second)];
        let roots = [read(&root)];
        assert_eq!(leaf.chains_to(&between, &roots, at(NOW)), Ok(()));
        assert_eq!(leaf.chains_to(&between[..1], &roots, at(NOW)), Err(KeyError::NoChain));
        assert_eq!(leaf.chains_to(&between, &[], at(NOW)), Err(KeyError::NoChain));
        assert_eq!(leaf.chains_to(&[], &between[1..], at(NOW)), Ok(()));
    }

    #[test]
    fn another_authority_of_the_same_name_is_not_it() {
        let leaf = read(&under(params("gun"), &root()));
        assert_eq!(leaf.chains_to(&[], &[read(&root())], at(NOW)), Err(KeyError::NoChain));
    }

    #[test]
    fn a_leaf_signs_no_certificates() {
        let root = root();
        let false_ca = under(params("middle"), &root);
        let leaf = read(&under(params("gun"), &false_ca));
        let error = leaf.chains_to(&[read(&false_ca)], &[read(&root)], at(NOW));
        assert_eq!(error, Err(KeyError::NoChain));
    }

    fn chain_through(middle: CertificateParams) -> Result<(), KeyError> {
        let root = root();
        let middle = under(middle, &root);
        let leaf = read(&under(params("gun"), &middle));
        leaf.chains_to(&[read(&middle)], &[read(&root)], at(NOW))
    }

    #[test]
    fn intermediates_must_be_valid_now_and_for_this_use() {
        assert_eq!(chain_through(ca("middle")), Ok(()));
        let mut expired = ca("middle");
        expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
        assert_eq!(chain_through(expired), Err(KeyError::NoChain));
        let mut usage = ca("middle");
        usage.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        assert_eq!(chain_through(usage), Err(KeyError::NoChain));
        let mut mail = ca("middle");
        mail.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        assert_eq!(chain_through(mail), Err(KeyError::NoChain));
        let mut code = ca("middle");
        code.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        assert_eq!(chain_through(code), Ok(()));
        let mut unknown = ca("middle");
        let mut extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        unknown.custom_extensions = vec![extension];
        assert_eq!(chain_through(unknown), Err(KeyError::NoChain));
    }

    #[test]
    fn a_certificate_for_more_than_signing_code_is_told_apart() {
        let usages = |usages: &[KeyUsagePurpose], extended: &[ExtendedKeyUsagePurpose]| {
            let mut params = params("ann");
            params.key_usages = usages.to_vec();
            params.extended_key_usages = extended.to_vec();
            let key = KeyPair::generate().unwrap();
            read(&Issuer::self_signed(params, key).unwrap()).is_for_code_signing_alone()
        };
        let sign = KeyUsagePurpose::DigitalSignature;
        let code = ExtendedKeyUsagePurpose::CodeSigning;
        let codes = std::slice::from_ref(&code);
        assert!(usages(&[sign], &[]) && usages(&[sign], codes));
        assert!(!usages(&[], codes));
        assert!(!usages(&[sign, KeyUsagePurpose::KeyEncipherment], codes));
        assert!(!usages(&[sign], &[ExtendedKeyUsagePurpose::ServerAuth]));
        assert!(!usages(&[sign], &[code, ExtendedKeyUsagePurpose::EmailProtection]));
        // The root's certificate as the reference makes it is for encipherment, too.
        let key = PrivateKey::generate_ecdsa().unwrap();
        let pem = Certificate::self_signed("gun", &key, at(NOW)).unwrap();
        let own = Certificate::parse_bundle(&pem).unwrap().remove(0);
        assert!(!own.is_for_code_signing_alone());
    }

    #[test]
    fn path_length_is_obeyed() {
        let mut short = ca("root");
        short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let root = Issuer::self_signed(short, KeyPair::generate().unwrap()).unwrap();
        let middle = under(ca("middle"), &root);
        let leaf = read(&under(params("gun"), &middle));
        let error = leaf.chains_to(&[read(&middle)], &[read(&root)], at(NOW));
        assert_eq!(error, Err(KeyError::NoChain));
        let direct = read(&under(params("gun"), &root));
        assert_eq!(direct.chains_to(&[], &[read(&root)], at(NOW)), Ok(()));
    }

    #[test]
    fn many_authorities_of_one_name_end_the_search() {
        let key = || KeyPair::generate().unwrap();
        let ring: Vec<_> =
            (0..40).map(|_| read(&Issuer::self_signed(ca("same"), key()).unwrap())).collect();
        let real = Issuer::self_signed(ca("same"), key()).unwrap();
        let leaf = read(&under(params("gun"), &real));
        assert_eq!(leaf.chains_to(&ring, &[read(&root())], at(NOW)), Err(KeyError::NoChain));
    }

    #[test]
    fn bundles_have_one_leaf_and_it_is_first() {
        let root = root();
        let (leaf, authority) = (read(&under(params("gun"), &root)), read(&root));
        let split = Certificate::split_leaf(vec![leaf.clone(), authority.clone()]);
        assert_eq!(split, Ok((leaf.clone(), vec![authority.clone()])));
        let count = |bundle: &[&Certificate]| {
            Certificate::split_leaf(bundle.iter().copied().cloned().collect()).unwrap_err()
        };
        assert_eq!(count(&[]), KeyError::LeafCount { count: 0 });
        assert_eq!(count(&[&authority]), KeyError::LeafCount { count: 0 });
        assert_eq!(count(&[&leaf, &leaf]), KeyError::LeafCount { count: 2 });
        assert_eq!(count(&[&authority, &leaf]), KeyError::LeafNotFirst);
    }

    #[test_case("a/b", "a/b", true)]
    #[test_case("a/b", "a/bc", false)]
    #[test_case("a/*", "a/b/c", true; "star")]
    #[test_case("a/**", "a/b", true; "two stars")]
    #[test_case("a/*", "b/a/c", false; "star elsewhere")]
    #[test_case("*", "anything", true; "only a star")]
    #[test_case("a*c", "abc", false; "star inside")]
    #[test_case("A", "a", false; "case")]
    fn names_cover_guns(name: &str, gun: &str, covered: bool) {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let der = self_signed::write(name, &key, at(NOW)).unwrap();
        assert_eq!(Certificate::from_der(&der).unwrap().covers(gun), covered);
    }

    #[test]
    fn dates_have_a_day_of_leeway_at_the_beginning_only() {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let der = self_signed::write("gun", &key, at(NOW)).unwrap();
        let certificate = Certificate::from_der(&der).unwrap();
        let (start, end) = (certificate.not_before, certificate.not_after);
        assert_eq!((start, end.as_second()), (at(NOW), NOW + 3650 * 86_400));
        assert_eq!(certificate.check_dates(at(NOW - 86_400)), Ok(()));
        let early = certificate.check_dates(at(NOW - 86_401));
        assert_eq!(early, Err(KeyError::NotYetValid { since: start }));
        assert_eq!(certificate.check_dates(end), Ok(()));
        let late = certificate.check_dates(at(end.as_second() + 1));
        assert_eq!(late, Err(KeyError::Expired { since: end }));
    }

    #[test]
    fn damaged_certificates_are_errors() {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let der = self_signed::write("gun", &key, at(NOW)).unwrap();
        for length in 0..der.len() {
            assert_eq!(Certificate::from_der(&der[..length]), Err(MALFORMED));
        }
        assert_eq!(Certificate::from_der(&[der, vec![0]].concat()), Err(MALFORMED));
    }

    #[test]
    fn sha1_signatures_are_weak() {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let mut der = self_signed::write("gun", &key, at(NOW)).unwrap();
        let sha256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        let starts: Vec<_> = (0..der.len() - 8).filter(|at| der[*at..*at + 8] == sha256).collect();
        for start in starts {
            der[start + 7] = 9;
        }
        let certificate = Certificate::from_der(&der).unwrap();
        let oid = "1.2.840.10045.4.3.9".to_owned();
        assert_eq!(certificate.check_algorithms(), Err(KeyError::WeakSignature { oid }));
    }
}
