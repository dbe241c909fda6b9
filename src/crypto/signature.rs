//! Signature methods, signatures as metadata carries them, and why one does not verify.

use crate::crypto::KeyError;
use crate::crypto::KeyId;
use crate::crypto::KeyType;

/// How a signature was made (notary.md §1.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// `ecdsa`: `r‖s` of fixed width over SHA-256, for every curve.
    Ecdsa,
    /// `eddsa`: Ed25519 over the message itself.
    Eddsa,
    /// `rsapss`: SHA-256, MGF1 with SHA-256, 32 bytes of salt.
    RsaPss,
    /// `rsapkcs1v15`: SHA-256; verified, never made.
    RsaPkcs1v15,
    /// `pycrypto-pkcs#1 pss`: `rsapss` by a key given as PEM; verified, never made.
    PyCryptoPss,
    /// Anything else, in lower case: kept, never verifies.
    Unknown(String),
}

impl Method {
    /// Reads a method in any case.
    pub fn parse(text: &str) -> Self {
        let text = text.to_lowercase();
        match text.as_str() {
            "ecdsa" => Self::Ecdsa,
            "eddsa" => Self::Eddsa,
            "rsapss" => Self::RsaPss,
            "rsapkcs1v15" => Self::RsaPkcs1v15,
            "pycrypto-pkcs#1 pss" => Self::PyCryptoPss,
            _ => Self::Unknown(text),
        }
    }

    /// Returns the method as metadata writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Eddsa => "eddsa",
            Self::RsaPss => "rsapss",
            Self::RsaPkcs1v15 => "rsapkcs1v15",
            Self::PyCryptoPss => "pycrypto-pkcs#1 pss",
            Self::Unknown(text) => text,
        }
    }
}

/// One entry of `signatures`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key said to have made it.
    pub key_id: KeyId,
    /// How it was made.
    pub method: Method,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Another message, another key, or noise.
    #[error("signature does not verify")]
    Invalid,
    /// The method is not one for this type of key, or is not known.
    #[error("a key of type {} makes no signatures of method `{}`", key_type.as_str(), method.as_str())]
    WrongMethod {
        /// The key's type.
        key_type: KeyType,
        /// The signature's method.
        method: Method,
    },
    /// A fixed-width signature of another width; DER signatures end here.
    #[error("signature has {actual} bytes, not {expected}")]
    WrongLength {
        /// Bytes for this key.
        expected: usize,
        /// Bytes found.
        actual: usize,
    },
    /// The key cannot verify anything.
    #[error("the key is not usable")]
    BadKey(#[from] KeyError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_in_any_case_and_written_lower() {
        for name in ["ecdsa", "eddsa", "rsapss", "rsapkcs1v15", "pycrypto-pkcs#1 pss", "other"] {
            assert_eq!(Method::parse(&name.to_uppercase()).as_str(), name);
        }
        assert_eq!(Method::parse("Foo"), Method::Unknown("foo".into()));
    }
}
