//! Hashes of metadata and of what it names (FIPS 180-4).

use std::collections::BTreeMap;
use std::fmt;

use sha2::Digest as _;

use crate::codec::text::TextError;
use crate::codec::text::from_hex;
use crate::codec::text::to_hex;

/// A SHA-256 digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hash(pub [u8; 32]);

impl Sha256Hash {
    /// Hashes bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Returns the digest as 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        to_hex(&self.0)
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, TextError> {
        from_hex(text)?.try_into().map(Self).map_err(|_| TextError::Hex)
    }
}

impl fmt::Display for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// Named hashes as metadata lists them: raw digests by algorithm name; unknown algorithms are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashes(pub BTreeMap<String, Vec<u8>>);

/// A hash that is not what was promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The bytes are others than those promised; digests in hexadecimal.
    #[error("{algorithm} is {actual}, not {expected}")]
    Mismatch {
        /// `sha256` or `sha512`.
        algorithm: String,
        /// What metadata promised.
        expected: String,
        /// What the bytes have.
        actual: String,
    },
    /// Nothing could be checked.
    #[error("no hash by an algorithm known here")]
    NoneKnown,
    /// A digest of a known algorithm that cannot be one.
    #[error("{algorithm} has {bytes} bytes")]
    WrongLength {
        /// `sha256` or `sha512`.
        algorithm: String,
        /// The bytes listed.
        bytes: usize,
    },
}

impl Hashes {
    /// Hashes bytes by `sha256` and `sha512`.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = |algorithm: Algorithm| (algorithm.name().to_owned(), algorithm.hash(bytes));
        Self(ALGORITHMS.map(hash).into())
    }

    /// Returns the `sha256` digest, if there is one of the right length.
    pub fn sha256(&self) -> Option<Sha256Hash> {
        self.0.get("sha256")?.as_slice().try_into().ok().map(Sha256Hash)
    }

    /// Checks bytes against every known algorithm listed; at least one must be known.
    pub fn check(&self, bytes: &[u8]) -> Result<(), HashError> {
        let mut known = false;
        for algorithm in ALGORITHMS {
            let Some(expected) = self.0.get(algorithm.name()) else { continue };
            known = true;
            let actual = algorithm.hash(bytes);
            if expected.len() != actual.len() {
                let bytes = expected.len();
                return Err(HashError::WrongLength { algorithm: algorithm.name().into(), bytes });
            }
            if *expected != actual {
                return Err(HashError::Mismatch {
                    algorithm: algorithm.name().into(),
                    expected: to_hex(expected),
                    actual: to_hex(&actual),
                });
            }
        }
        if known { Ok(()) } else { Err(HashError::NoneKnown) }
    }
}

/// The algorithms of the reference.
#[derive(Clone, Copy)]
enum Algorithm {
    Sha256,
    Sha512,
}

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256Hash::of(b"abc").to_hex(), hex);
        assert_eq!(Sha256Hash::from_hex(hex), Ok(Sha256Hash::of(b"abc")));
        assert_eq!(Sha256Hash::from_hex("ba7816bf"), Err(TextError::Hex));
        assert_eq!(Hashes::of(b"abc").0["sha512"][..4], [0xdd, 0xaf, 0x35, 0xa1]);
    }

    #[test]
    fn every_known_hash_must_match() {
        let good = Hashes::of(b"abc");
        assert_eq!(good.check(b"abc"), Ok(()));
        assert!(matches!(good.check(b"abd"), Err(HashError::Mismatch { .. })));
        let mut mixed = Hashes::of(b"abc");
        mixed.0.insert("sha512".into(), vec![0; 64]);
        assert!(
            matches!(mixed.check(b"abc"), Err(HashError::Mismatch { algorithm, .. }) if algorithm == "sha512")
        );
    }

    #[test]
    fn unknown_empty_and_short_hashes_do_not_pass() {
        assert_eq!(Hashes::default().check(b""), Err(HashError::NoneKnown));
        let md5 = Hashes([("md5".to_owned(), vec![0; 16])].into());
        assert_eq!(md5.check(b""), Err(HashError::NoneKnown));
        let short = Hashes([("sha256".to_owned(), vec![])].into());
        let error = HashError::WrongLength { algorithm: "sha256".into(), bytes: 0 };
        assert_eq!(short.check(b""), Err(error));
        assert_eq!(short.sha256(), None);
    }
}
