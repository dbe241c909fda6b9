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
        let (leaf, _) = Certificate::split_leaf(bundle.to_vec())?;
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

    /// Returns the bare `ecdsa` or `rsa` key of the leaf for x509 types; else the key itself.
    pub fn bare(&self) -> Result<Self, KeyError> {
        let expected = match self.key_type {
            KeyType::EcdsaX509 => KeyType::Ecdsa,
            KeyType::RsaX509 => KeyType::Rsa,
            _ => return Ok(self.clone()),
        };
        let (leaf, _) = Certificate::split_leaf(Certificate::parse_bundle(&self.public)?)?;
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
        let malformed = KeyError::Malformed { what: "ed25519 public key" };
        let key = <&[u8; 32]>::try_from(self.public.as_slice()).map_err(|_| malformed.clone())?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| malformed.clone())?;
        if key.is_weak() {
            return Err(malformed.into());
        }
        let signature = ed25519_dalek::Signature::from_slice(signature)
            .map_err(|_| SignatureError::WrongLength { expected: 64, actual: signature.len() })?;
        key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
    }
}
