//! Writing the self-signed certificate of a root key (notary.md §1.11).

use std::time::Duration;

use der::Decode as _;
use der::Encode as _;
use der::asn1::Any;
use der::asn1::AnyRef;
use der::asn1::BitStringRef;
use der::asn1::GeneralizedTime;
use der::asn1::OctetStringRef;
use der::asn1::PrintableStringRef;
use der::asn1::SetOfVec;
use der::asn1::UintRef;
use der::asn1::UtcTime;
use der::asn1::Utf8StringRef;
use jiff::SignedDuration;
use pkcs8::AlgorithmIdentifierRef;
use pkcs8::ObjectIdentifier;

use crate::clock::Timestamp;
use crate::crypto::KeyError;
use crate::crypto::PrivateKey;
use crate::limits::ROOT_LIFETIME_DAYS;

/// Writes the DER: subject and issuer are the GUN, a random serial, valid from `now` for ten years.
pub(super) fn write(gun: &str, key: &PrivateKey, now: Timestamp) -> Result<Vec<u8>, KeyError> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| FAILED)?;
    write_with(gun, key, now, &serial)
}

fn write_with(
    gun: &str,
    key: &PrivateKey,
    now: Timestamp,
    serial: &[u8; 16],
) -> Result<Vec<u8>, KeyError> {
    let end = now.checked_add(SignedDuration::from_hours(24 * ROOT_LIFETIME_DAYS));
    let validity = Validity { not_before: time(now)?, not_after: time(end.map_err(|_| FAILED)?)? };
    let (oid, with_null) = key.certificate_signature_oid()?;
    let algorithm = AlgorithmIdentifierRef { oid, parameters: with_null.then_some(AnyRef::NULL) };
    let body = Body {
        version: Some(2),
        serial: UintRef::new(serial).map_err(failed)?,
        signature: algorithm,
        issuer: name(gun)?,
        validity,
        subject: name(gun)?,
        public_key: Any::from_der(key.public_key().public()).map_err(failed)?,
        extensions: Some(extensions()?),
    };
    let body = body.to_der().map_err(failed)?;
    let signature = key.sign_certificate(&body)?;
    let certificate = SignedBody {
        body: AnyRef::from_der(&body).map_err(failed)?,
        algorithm,
        signature: BitStringRef::from_bytes(&signature).map_err(failed)?,
    };
    certificate.to_der().map_err(failed)
}

#[derive(der::Sequence)]
struct SignedBody<'a> {
    body: AnyRef<'a>,
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
}

/// `TBSCertificate` (RFC 5280 §4.1).
#[derive(der::Sequence)]
struct Body<'a> {
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    version: Option<u8>,
    serial: UintRef<'a>,
    signature: AlgorithmIdentifierRef<'a>,
    issuer: Vec<SetOfVec<NameAttribute>>,
    validity: Validity,
    subject: Vec<SetOfVec<NameAttribute>>,
    public_key: Any,
    #[asn1(context_specific = "3", optional = "true", tag_mode = "EXPLICIT")]
    extensions: Option<Vec<Extension<'a>>>,
}

#[derive(der::Sequence)]
struct Validity {
    not_before: Any,
    not_after: Any,
}

#[derive(Clone, Debug, PartialEq, Eq, der::Sequence, der::ValueOrd)]
struct NameAttribute {
    name: ObjectIdentifier,
    value: Any,
}

#[derive(der::Sequence)]
struct Extension<'a> {
    id: ObjectIdentifier,
    #[asn1(optional = "true")]
    critical: Option<bool>,
    value: &'a OctetStringRef,
}

/// One common name: a `PrintableString` if the characters allow it, as Go writes it.
fn name(gun: &str) -> Result<Vec<SetOfVec<NameAttribute>>, KeyError> {
    let value = match PrintableStringRef::new(gun) {
        Ok(printable) => Any::encode_from(&printable),
        Err(_) => Utf8StringRef::new(gun).and_then(|text| Any::encode_from(&text)),
    };
    let attribute = NameAttribute { name: COMMON_NAME, value: value.map_err(failed)? };
    Ok(vec![SetOfVec::from_iter([attribute]).map_err(failed)?])
}

/// `UTCTime` up to 2049, `GeneralizedTime` after (RFC 5280 §4.1.2.5).
fn time(instant: Timestamp) -> Result<Any, KeyError> {
    let since_1970 = Duration::from_secs(u64::try_from(instant.as_second()).map_err(|_| FAILED)?);
    match UtcTime::from_unix_duration(since_1970) {
        Ok(time) => Any::encode_from(&time),
        Err(_) => {
            GeneralizedTime::from_unix_duration(since_1970).and_then(|time| Any::encode_from(&time))
        }
    }
    .map_err(failed)
}

fn extensions() -> Result<Vec<Extension<'static>>, KeyError> {
    EXTENSIONS
        .into_iter()
        .map(|(id, critical, value)| {
            let value = OctetStringRef::new(value).map_err(failed)?;
            Ok(Extension { id, critical: critical.then_some(true), value })
        })
        .collect()
}

fn failed(_: der::Error) -> KeyError {
    FAILED
}

const FAILED: KeyError = KeyError::Failed { what: "write a certificate" };

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Extension, whether critical, and its DER.
const EXTENSIONS: [(ObjectIdentifier, bool, &[u8]); 3] = [
    // Key usage: digitalSignature and keyEncipherment.
    (ObjectIdentifier::new_unwrap("2.5.29.15"), true, &[3, 2, 5, 0xa0]),
    // Extended key usage: codeSigning.
    (
        ObjectIdentifier::new_unwrap("2.5.29.37"),
        false,
        &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3],
    ),
    // Basic constraints: no CA.
    (ObjectIdentifier::new_unwrap("2.5.29.19"), true, &[0x30, 0]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::text::from_hex;
    use crate::codec::text::to_hex;
    use crate::crypto::certificate::Certificate;

    fn now() -> Timestamp {
        Timestamp::from_second(1_795_418_137).unwrap()
    }

    /// All but the parts that are random, of a certificate captured from the reference.
    #[test]
    fn the_bytes_are_those_of_the_reference() {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let mut serial = [7; 16];
        serial[0] = 0xce;
        let der = write_with("example.com/vectors/one", &key, now(), &serial).unwrap();
        let text = to_hex(&der);
        let name = "3022312030 1e 0603550403 1317 6578616d706c652e636f6d2f766563746f72732f6f6e65";
        let before = format!(
            "a003020102 0211 00ce 070707070707070707070707070707 300a06082a8648ce3d040302 {name}\
             301e 170d 3236313132333037313533375a 170d 3336313132303037313533375a {name}"
        );
        let after = "a335 3033 300e 0603551d0f 0101ff 0404 030205a0 3013 0603551d25 040c\
             300a06082b06010505070303 300c 0603551d13 0101ff 0402 3000 300a06082a8648ce3d040302";
        assert!(text.contains(&before.replace(' ', "")), "{text}");
        assert!(text.contains(&after.replace(' ', "")), "{text}");
    }

    #[test]
    fn every_kind_of_key_signs_its_certificate() {
        let curve = |oid: &str, width: usize| {
            let scalar = "07".repeat(width);
            let mut inner = from_hex(&format!("02010104{width:02x}{scalar}")).unwrap();
            let oid = ObjectIdentifier::new_unwrap(oid).to_der().unwrap();
            inner.extend([0xa0, u8::try_from(oid.len()).unwrap()]);
            inner.extend(oid);
            let outer = [vec![0x30, u8::try_from(inner.len()).unwrap()], inner].concat();
            PrivateKey::from_sec1(&outer).unwrap()
        };
        let keys = [
            PrivateKey::generate_ecdsa().unwrap(),
            curve("1.3.132.0.34", 48),
            PrivateKey::generate_rsa(2048).unwrap(),
        ];
        for key in keys {
            let pem = Certificate::self_signed("gun_*&", &key, now()).unwrap();
            let certificate = Certificate::parse_bundle(&pem).unwrap().remove(0);
            assert_eq!(&certificate.public_key, key.public_key());
            assert_eq!(certificate.common_name, "gun_*&");
            assert_eq!(certificate.check_algorithms(), Ok(()));
        }
        let eddsa = PrivateKey::generate_ed25519().unwrap();
        assert!(matches!(
            Certificate::self_signed("gun", &eddsa, now()),
            Err(KeyError::Unsupported { .. })
        ));
    }

    #[test]
    fn times_from_2050_on_are_generalized() {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let der = write("gun", &key, Timestamp::from_second(2_400_000_000).unwrap()).unwrap();
        let read = Certificate::from_der(&der).unwrap();
        assert_eq!(read.not_before.as_second(), 2_400_000_000);
        assert_eq!(read.not_after.as_second(), 2_400_000_000 + 3650 * 86_400);
    }
}
