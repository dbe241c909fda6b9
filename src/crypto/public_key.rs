//! Public keys as metadata carries them, their two ids, and verifying with them.

use std::fmt;

use crate::clock::Timestamp;
use crate::codec::canonical_json::Value;
use crate::codec::pem::Pem;
use crate::codec::pem::PemError;
use crate::codec::text::from_base64;
use crate::codec::text::from_hex;
use crate::codec::text::to_base64;
use crate::crypto::Method;
use crate::crypto::Sha256Hash;
use crate::crypto::SignatureError;
use crate::crypto::certificate::Certificate;
use crate::crypto::spki;
use crate::crypto::spki::RsaPadding;

/// Lower-case hex SHA-256 of a key's canonical JSON (notary.md §1.8): 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

/// Why a key, a certificate or a key id is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not 64 lower-case hexadecimal digits.
    #[error("`{0}` is not a key id")]
    BadId(String),
    /// The JSON of a key lacks something or has it in another form.
    #[error("key without a valid `{member}`")]
    BadJson {
        /// The member at fault.
        member: &'static str,
    },
    /// The bytes are not what they are said to be.
    #[error("malformed {what}")]
    Malformed {
        /// What they should be.
        what: &'static str,
    },
    /// Well-formed, but of an algorithm or form not known here.
    #[error("unsupported {what}")]
    Unsupported {
        /// What is not known.
        what: String,
    },
    /// The bytes are a key of another type than stated.
    #[error("not a key of type {}", expected.as_str())]
    WrongKind {
        /// The type stated.
        expected: KeyType,
    },
    /// An RSA modulus too small to be safe or too large to be worked with.
    #[error("RSA modulus of {bits} bits")]
    RsaSize {
        /// Its size.
        bits: usize,
    },
    /// An RSA exponent that is 1, even or huge.
    #[error("RSA exponent is not acceptable")]
    RsaExponent,
    /// The public part stored with a private key is another key's.
    #[error("private and public part do not belong together")]
    Inconsistent,
    /// The PEM around a key or certificate.
    #[error("PEM is not readable")]
    Pem(#[from] PemError),
    /// A PEM block of another kind.
    #[error("`{label}` is not a public key or certificate")]
    WrongLabel {
        /// What the block says it is.
        label: String,
    },
    /// A bundle has no leaf or several: nobody can say which one is the key.
    #[error("certificate bundle with {count} leaf certificates")]
    LeafCount {
        /// Certificates that are no CA.
        count: usize,
    },
    /// A bundle that begins with a CA certificate.
    #[error("certificate bundle does not begin with its leaf")]
    LeafNotFirst,
    /// Signed with SHA-1, MD5, DSA or something unknown.
    #[error("certificate signature algorithm {oid} is not acceptable")]
    WeakSignature {
        /// The algorithm's object identifier.
        oid: String,
    },
    /// The certificate's time has not begun.
    #[error("certificate is not valid before {since}")]
    NotYetValid {
        /// When it begins.
        since: Timestamp,
    },
    /// The certificate's time is over.
    #[error("certificate expired on {since}")]
    Expired {
        /// When it ended.
        since: Timestamp,
    },
    /// The certificate ends before it begins.
    #[error("certificate ends before it begins")]
    BadDates,
    /// No chain of valid signatures to a root.
    #[error("certificate does not chain to a trusted authority")]
    NoChain,
    /// A private key of this kind cannot be made or used.
    #[error("cannot {what}")]
    Failed {
        /// What the library refused.
        what: &'static str,
    },
}

impl KeyId {
    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() == 64 && from_hex(text).is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyError::BadId(text.chars().take(80).flat_map(char::escape_debug).collect()))
    }

    /// Returns all 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first `n` digits; listings show 7 or 12.
    pub fn short(&self, n: usize) -> &str {
        self.0.get(..n).unwrap_or(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of bytes a public key holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `ecdsa`: DER `SubjectPublicKeyInfo`.
    Ecdsa,
    /// `ed25519`: 32 raw bytes.
    Ed25519,
    /// `rsa`: DER `SubjectPublicKeyInfo`.
    Rsa,
    /// `ecdsa-x509`: PEM certificates, leaf first.
    EcdsaX509,
    /// `rsa-x509`: PEM certificates, leaf first.
    RsaX509,
    /// Anything else: kept, never verifies.
    Unknown(String),
}

impl KeyType {
    /// Reads a `keytype`.
    pub fn parse(text: &str) -> Self {
        match text {
            "ecdsa" => Self::Ecdsa,
            "ed25519" => Self::Ed25519,
            "rsa" => Self::Rsa,
            "ecdsa-x509" => Self::EcdsaX509,
            "rsa-x509" => Self::RsaX509,
            _ => Self::Unknown(text.to_owned()),
        }
    }

    /// Returns the `keytype` as metadata writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::EcdsaX509 => "ecdsa-x509",
            Self::RsaX509 => "rsa-x509",
            Self::Unknown(text) => text,
        }
    }

    /// Tells whether the key is a certificate.
    pub fn is_x509(&self) -> bool {
        matches!(self, Self::EcdsaX509 | Self::RsaX509)
    }
}

/// A public key as metadata carries it. Never fails to construct: a malformed one verifies nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key_type: KeyType,
    public: Vec<u8>,
}

impl PublicKey {
    /// Makes a key of whatever bytes; they are looked at when it is used.
    pub fn new(key_type: KeyType, public: Vec<u8>) -> Self {
        Self { key_type, public }
    }

    /// Makes the key of a certificate bundle: its PEM text, without headers and other text.
    pub fn from_certificates(bundle: &[Certificate]) -> Result<Self, KeyError> {
        let leaf = Certificate::key_holder(bundle.to_vec())?;
        let key_type = match leaf.public_key.key_type {
            KeyType::Ecdsa => KeyType::EcdsaX509,
            KeyType::Rsa => KeyType::RsaX509,
            other => {
                return Err(KeyError::Unsupported {
                    what: format!("{} certificate", other.as_str()),
                });
            }
        };
        let public = bundle.iter().flat_map(Certificate::to_pem).collect();
        Ok(Self::new(key_type, public))
    }

    /// Reads a `PUBLIC KEY` or `CERTIFICATE` PEM, as given to add a signer or a delegation key.
    ///
    /// RSA of 2048 bits or more, or a NIST curve; a certificate must be well signed and valid at
    /// `now`. Only the first block counts.
    pub fn from_pem(bytes: &[u8], now: Timestamp) -> Result<Self, KeyError> {
        let block = Pem::parse_all(bytes)?.into_iter().next().ok_or(PemError::Missing)?;
        match block.label.as_str() {
            "PUBLIC KEY" => {
                if let Some(raw) = spki::ed25519(&block.contents) {
                    ed25519_key(&raw)?;
                    return Ok(Self::new(KeyType::Ed25519, raw));
                }
                let key_type = spki::check(&block.contents)?;
                Ok(Self::new(key_type, block.contents.to_vec()))
            }
            "CERTIFICATE" => {
                let certificate = Certificate::from_der(&block.contents)?;
                certificate.check_algorithms()?;
                certificate.check_dates(now)?;
                spki::check(&certificate.public_key.public)?;
                Self::from_certificates(&[certificate])
            }
            label => Err(KeyError::WrongLabel { label: label.to_owned() }),
        }
    }

    /// Reads `{"keytype":…,"keyval":{"public":…}}`; a `private` member is ignored.
    pub fn from_json(value: &Value) -> Result<Self, KeyError> {
        let key_type = value.get("keytype").and_then(Value::as_str);
        let key_type = key_type.ok_or(KeyError::BadJson { member: "keytype" })?;
        let public = value.get("keyval").and_then(|keyval| keyval.get("public"));
        let public = public.and_then(Value::as_str).and_then(|text| from_base64(text).ok());
        let public = public.ok_or(KeyError::BadJson { member: "public" })?;
        Ok(Self::new(KeyType::parse(key_type), public))
    }

    /// Returns `{"keytype":…,"keyval":{"private":null,"public":…}}`.
    pub fn to_json(&self) -> Value {
        let public = Value::from(to_base64(&self.public));
        let keyval = Value::object([("private", Value::Null), ("public", public)]);
        Value::object([("keytype", self.key_type.as_str().into()), ("keyval", keyval)])
    }

    /// Returns what kind of bytes the key holds.
    pub fn key_type(&self) -> &KeyType {
        &self.key_type
    }

    /// Returns the bytes behind the base64: DER SPKI, raw ed25519, or PEM certificates.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Returns the TUF key id, by which metadata names the key.
    pub fn id(&self) -> KeyId {
        KeyId(Sha256Hash::of(&self.to_json().to_canonical()).to_hex())
    }

    /// Returns the id of the bare key, by which private key files are named: of the leaf's key for
    /// x509 types, else [`Self::id`].
    pub fn canonical_id(&self) -> Result<KeyId, KeyError> {
        Ok(if self.key_type.is_x509() { self.bare()?.id() } else { self.id() })
    }

    /// Checks that there is a key which could verify something: of a known type, of a usable size, a
    /// point on its curve.
    pub fn check(&self) -> Result<(), KeyError> {
        let key = self.bare()?;
        match &key.key_type {
            KeyType::Ed25519 => ed25519_key(&key.public).map(drop),
            KeyType::Unknown(what) => {
                Err(KeyError::Unsupported { what: format!("key type {what}") })
            }
            expected => match spki::check(&key.public)? {
                found if found == *expected => Ok(()),
                _ => Err(KeyError::WrongKind { expected: expected.clone() }),
            },
        }
    }

    /// Returns what tells this key from every other, however it is written: the hash of the curve
    /// and point, of modulus and exponent, or of the 32 bytes. Certificates, PEM and DER with or
    /// without parameters around the same key make no difference; bytes that are no key stand for
    /// themselves.
    pub fn fingerprint(&self) -> Sha256Hash {
        let own = || self.to_json().to_canonical();
        let bare = self.bare();
        let bare = bare.as_ref().unwrap_or(self);
        let material = match bare.key_type {
            KeyType::Ecdsa => spki::material(&bare.public).ok(),
            // The reference takes RSA keys in PEM, too, for the method `rsapycrypto`.
            KeyType::Rsa => spki::material(&bare.public).ok().or_else(|| {
                let block = Pem::parse_all(&bare.public).ok()?.into_iter().next()?;
                spki::material(&block.contents).ok()
            }),
            KeyType::Ed25519 => Some([b"ed25519:", bare.public.as_slice()].concat()),
            KeyType::EcdsaX509 | KeyType::RsaX509 | KeyType::Unknown(_) => None,
        };
        Sha256Hash::of(&material.unwrap_or_else(own))
    }

    /// Returns the bare `ecdsa` or `rsa` key of the leaf for x509 types; else the key itself.
    pub fn bare(&self) -> Result<Self, KeyError> {
        let expected = match self.key_type {
            KeyType::EcdsaX509 => KeyType::Ecdsa,
            KeyType::RsaX509 => KeyType::Rsa,
            _ => return Ok(self.clone()),
        };
        let leaf = Certificate::key_holder(Certificate::parse_bundle(&self.public)?)?;
        if leaf.public_key.key_type != expected {
            return Err(KeyError::WrongKind { expected: self.key_type.clone() });
        }
        Ok(leaf.public_key)
    }

    /// Verifies one signature over `message` (the canonical bytes).
    pub fn verify(
        &self,
        method: &Method,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match (&self.key_type, method) {
            (KeyType::EcdsaX509, Method::Ecdsa)
            | (KeyType::RsaX509, Method::RsaPss | Method::RsaPkcs1v15) => {
                self.bare()?.verify(method, message, signature)
            }
            (KeyType::Ecdsa, Method::Ecdsa) => spki::verify_ecdsa(&self.public, message, signature),
            (KeyType::Rsa, Method::RsaPss) => {
                spki::verify_rsa(&self.public, RsaPadding::Pss, message, signature)
            }
            (KeyType::Rsa, Method::RsaPkcs1v15) => {
                spki::verify_rsa(&self.public, RsaPadding::Pkcs1v15, message, signature)
            }
            (KeyType::Rsa, Method::PyCryptoPss) => {
                let blocks = Pem::parse_all(&self.public).map_err(KeyError::from)?;
                let block = blocks.first().ok_or(KeyError::Pem(PemError::Missing))?;
                spki::verify_rsa(&block.contents, RsaPadding::Pss, message, signature)
            }
            (KeyType::Ed25519, Method::Eddsa) => self.verify_ed25519(message, signature),
            _ => Err(SignatureError::WrongMethod {
                key_type: self.key_type.clone(),
                method: method.clone(),
            }),
        }
    }

    /// Verifies strictly: keys and points of small order, which fit many messages, are refused.
    fn verify_ed25519(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let key = ed25519_key(&self.public)?;
        let signature = ed25519_dalek::Signature::from_slice(signature)
            .map_err(|_| SignatureError::WrongLength { expected: 64, actual: signature.len() })?;
        key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
    }
}

fn ed25519_key(raw: &[u8]) -> Result<ed25519_dalek::VerifyingKey, KeyError> {
    <&[u8; 32]>::try_from(raw)
        .ok()
        .and_then(|raw| ed25519_dalek::VerifyingKey::from_bytes(raw).ok())
        .filter(|key| !key.is_weak())
        .ok_or(KeyError::Malformed { what: "ed25519 public key" })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::codec::text::from_hex;
    use crate::crypto::PrivateKey;

    fn key() -> PrivateKey {
        PrivateKey::generate_ecdsa().unwrap()
    }

    fn verify(key_type: KeyType, public: &[u8], method: &Method) -> SignatureError {
        let signature = [1; 64];
        PublicKey::new(key_type, public.to_vec()).verify(method, b"m", &signature).unwrap_err()
    }

    /// The generated key's DER with the point replaced; the length of the point stays.
    fn with_point(point: &[u8; 65]) -> Vec<u8> {
        let mut der = key().public_key().public().to_vec();
        let start = der.len() - 65;
        der[start..].copy_from_slice(point);
        der
    }

    #[test]
    fn a_point_off_the_curve_verifies_nothing() {
        let mut point = [7; 65];
        point[0] = 4;
        let error = verify(KeyType::Ecdsa, &with_point(&point), &Method::Ecdsa);
        assert_eq!(error, KeyError::Malformed { what: "public key" }.into());
    }

    #[test]
    fn the_point_at_infinity_verifies_nothing() {
        let header = "3019301306072a8648ce3d020106082a8648ce3d03010703020000";
        let error = verify(KeyType::Ecdsa, &from_hex(header).unwrap(), &Method::Ecdsa);
        assert_eq!(error, KeyError::Malformed { what: "uncompressed curve point" }.into());
        let mut zero = [0; 65];
        zero[0] = 4;
        let error = verify(KeyType::Ecdsa, &with_point(&zero), &Method::Ecdsa);
        assert_eq!(error, KeyError::Malformed { what: "public key" }.into());
    }

    #[test_case(31; "a byte short")]
    #[test_case(33; "a byte long")]
    #[test_case(0; "empty")]
    fn an_ed25519_key_of_other_length_verifies_nothing(length: usize) {
        let error = verify(KeyType::Ed25519, &vec![1; length], &Method::Eddsa);
        assert_eq!(error, KeyError::Malformed { what: "ed25519 public key" }.into());
    }

    #[test]
    fn an_ed25519_public_key_file_is_read() {
        let key = PrivateKey::generate_ed25519().unwrap().public_key().clone();
        let spki = [from_hex("302a300506032b6570032100").unwrap(), key.public().to_vec()].concat();
        let pem = Pem::new("PUBLIC KEY", spki).encode();
        assert_eq!(PublicKey::from_pem(&pem, Timestamp::UNIX_EPOCH).unwrap(), key);
        let weak = [from_hex("302a300506032b6570032100").unwrap(), vec![0; 32]].concat();
        let pem = Pem::new("PUBLIC KEY", weak).encode();
        assert!(matches!(
            PublicKey::from_pem(&pem, Timestamp::UNIX_EPOCH),
            Err(KeyError::Malformed { .. })
        ));
    }

    #[test]
    fn an_ed25519_key_of_small_order_verifies_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let error = verify(KeyType::Ed25519, &identity, &Method::Eddsa);
        assert_eq!(error, KeyError::Malformed { what: "ed25519 public key" }.into());
    }

    /// DER of an RSA key: modulus of so many bits, all ones, and a one-byte exponent.
    fn rsa(bits: usize, exponent: u8) -> Vec<u8> {
        fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
            let [high, low] = u16::try_from(contents.len()).unwrap().to_be_bytes();
            let length = match (high, low) {
                (0, 0..128) => vec![low],
                (0, _) => vec![0x81, low],
                _ => vec![0x82, high, low],
            };
            [vec![tag], length, contents.to_vec()].concat()
        }
        let modulus = [vec![0], vec![0xff; bits / 8]].concat();
        let key = tlv(0x30, &[tlv(2, &modulus), tlv(2, &[exponent])].concat());
        let algorithm = from_hex("300d06092a864886f70d0101010500").unwrap();
        tlv(0x30, &[algorithm, tlv(3, &[vec![0], key].concat())].concat())
    }

    #[test_case(512)]
    #[test_case(1024)]
    #[test_case(2040)]
    #[test_case(16384)]
    fn an_rsa_key_of_other_size_verifies_nothing(bits: usize) {
        for method in [Method::RsaPss, Method::RsaPkcs1v15] {
            assert_eq!(
                verify(KeyType::Rsa, &rsa(bits, 3), &method),
                KeyError::RsaSize { bits }.into()
            );
        }
    }

    #[test_case(1)]
    #[test_case(2)]
    fn an_rsa_key_with_a_useless_exponent_verifies_nothing(exponent: u8) {
        let error = verify(KeyType::Rsa, &rsa(2048, exponent), &Method::RsaPkcs1v15);
        assert_eq!(error, KeyError::RsaExponent.into());
    }

    #[test]
    fn a_key_of_another_kind_verifies_nothing() {
        let error = verify(KeyType::Ecdsa, &rsa(2048, 3), &Method::Ecdsa);
        assert_eq!(error, KeyError::WrongKind { expected: KeyType::Ecdsa }.into());
        let ec = key();
        let error = verify(KeyType::Rsa, ec.public_key().public(), &Method::RsaPss);
        assert_eq!(error, KeyError::WrongKind { expected: KeyType::Rsa }.into());
    }

    fn at() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    #[test]
    fn a_certificate_where_a_key_is_due_verifies_nothing() {
        let pem = Certificate::self_signed("gun", &key(), at()).unwrap();
        let error = verify(KeyType::Ecdsa, &pem, &Method::Ecdsa);
        assert_eq!(error, KeyError::Malformed { what: "public key" }.into());
        let ec = key();
        let error = verify(KeyType::EcdsaX509, ec.public_key().public(), &Method::Ecdsa);
        assert_eq!(error, KeyError::Pem(PemError::Missing).into());
        let error = verify(KeyType::RsaX509, &pem, &Method::RsaPss);
        assert_eq!(error, KeyError::WrongKind { expected: KeyType::RsaX509 }.into());
    }

    #[test]
    fn a_bundle_with_two_leaves_verifies_nothing() {
        let ours = key();
        let pem = Certificate::self_signed("gun", &ours, at()).unwrap();
        let (method, signature) = ours.sign(b"m").unwrap();
        let one = PublicKey::new(KeyType::EcdsaX509, pem.clone());
        assert_eq!(one.verify(&method, b"m", &signature), Ok(()));
        assert_eq!(one.canonical_id(), Ok(ours.id()));
        let two = PublicKey::new(KeyType::EcdsaX509, [pem.clone(), pem].concat());
        let error = two.verify(&method, b"m", &signature).unwrap_err();
        assert_eq!(error, KeyError::LeafCount { count: 2 }.into());
    }

    #[test]
    fn methods_of_other_key_types_and_unknown_ones_do_not_count() {
        let ours = key();
        let (_, signature) = ours.sign(b"m").unwrap();
        for method in [Method::Eddsa, Method::RsaPss, Method::PyCryptoPss, Method::parse("none")] {
            let error = ours.public_key().verify(&method, b"m", &signature).unwrap_err();
            assert!(matches!(error, SignatureError::WrongMethod { .. }));
        }
        let unknown = PublicKey::new(KeyType::parse("x"), ours.public_key().public().to_vec());
        assert!(matches!(
            unknown.verify(&Method::Ecdsa, b"m", &signature),
            Err(SignatureError::WrongMethod { .. })
        ));
        assert_eq!(unknown.canonical_id(), Ok(unknown.id()));
    }

    #[test]
    fn der_signatures_and_signatures_of_nothing_are_refused() {
        let ours = key();
        let body = ours.sign_certificate(b"m").unwrap();
        let error = ours.public_key().verify(&Method::Ecdsa, b"m", &body).unwrap_err();
        assert_eq!(error, SignatureError::WrongLength { expected: 64, actual: body.len() });
        for signature in [[0; 64], [0xff; 64]] {
            let error = ours.public_key().verify(&Method::Ecdsa, b"m", &signature).unwrap_err();
            assert_eq!(error, SignatureError::Invalid);
        }
    }

    #[test]
    fn pycrypto_signatures_need_a_pem_key() {
        let ours = PrivateKey::generate_rsa(2048).unwrap();
        let (_, signature) = ours.sign(b"m").unwrap();
        let pem = Pem::new("PUBLIC KEY", ours.public_key().public().to_vec()).encode().to_vec();
        let key = PublicKey::new(KeyType::Rsa, pem);
        assert_eq!(key.verify(&Method::PyCryptoPss, b"m", &signature), Ok(()));
        assert!(key.verify(&Method::RsaPss, b"m", &signature).is_err());
    }

    #[test_case(""; "nothing")]
    #[test_case("585AD6AB67991E363967F527EE6E27535FF1725758105B098FB6CE5D0CA5B65A"; "capitals")]
    #[test_case("585ad6ab67991e363967f527ee6e27535ff1725758105b098fb6ce5d0ca5b6"; "short")]
    #[test_case("../../../../../../../../../../../../../../../../../../etc/passwd"; "path")]
    fn not_a_key_id(text: &str) {
        assert!(matches!(KeyId::parse(text), Err(KeyError::BadId(_))));
    }

    #[test]
    fn short_ids() {
        let id = KeyId::parse(&"0123456789abcdef".repeat(4)).unwrap();
        assert_eq!((id.short(7), id.short(99)), ("0123456", id.as_str()));
    }

    #[test_case(r#"{"keyval":{"public":""}}"#, "keytype"; "no type")]
    #[test_case(r#"{"keytype":1,"keyval":{"public":""}}"#, "keytype"; "type is a number")]
    #[test_case(r#"{"keytype":"ecdsa"}"#, "public"; "no value")]
    #[test_case(r#"{"keytype":"ecdsa","keyval":{"public":null}}"#, "public"; "null")]
    #[test_case(r#"{"keytype":"ecdsa","keyval":{"public":"!"}}"#, "public"; "not base64")]
    #[test_case("null", "keytype"; "not an object")]
    fn bad_json(text: &str, member: &'static str) {
        let value = Value::parse(text.as_bytes()).unwrap();
        assert_eq!(PublicKey::from_json(&value), Err(KeyError::BadJson { member }));
    }

    #[test]
    fn delegation_keys_are_checked_when_they_are_read() {
        let private = Pem::new("PRIVATE KEY", vec![]).encode();
        let label = "PRIVATE KEY".to_owned();
        assert_eq!(PublicKey::from_pem(&private, at()), Err(KeyError::WrongLabel { label }));
        let weak = Pem::new("PUBLIC KEY", rsa(1024, 3)).encode();
        assert_eq!(PublicKey::from_pem(&weak, at()), Err(KeyError::RsaSize { bits: 1024 }));
        let pem = Certificate::self_signed("gun", &key(), at()).unwrap();
        let late = Timestamp::from_second(2_200_000_000).unwrap();
        assert!(matches!(PublicKey::from_pem(&pem, late), Err(KeyError::Expired { .. })));
        assert_eq!(PublicKey::from_pem(&pem, at()).unwrap().public(), pem);
    }
}
