//! Hashes of metadata and of what it names (FIPS 180-4).

use std::borrow::Cow;
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
///
/// A short sorted list: there is one for every tag, mostly of a single hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashes(Vec<(Cow<'static, str>, Box<[u8]>)>);

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
        ALGORITHMS.iter().map(|algorithm| (algorithm.name(), algorithm.hash(bytes))).collect()
    }

    /// Returns the digest by this algorithm.
    pub fn get(&self, algorithm: &str) -> Option<&[u8]> {
        let (_, digest) = self.0.iter().find(|(name, _)| name == algorithm)?;
        Some(digest)
    }

    /// Sets the digest by this algorithm.
    pub fn insert(&mut self, algorithm: &str, digest: impl Into<Box<[u8]>>) {
        let known = ALGORITHMS.map(Algorithm::name).into_iter().find(|name| *name == algorithm);
        let name = known.map_or_else(|| Cow::Owned(algorithm.to_owned()), Cow::Borrowed);
        match self.0.binary_search_by(|(other, _)| other.as_ref().cmp(algorithm)) {
            Ok(place) => {
                if let Some((_, before)) = self.0.get_mut(place) {
                    *before = digest.into();
                }
            }
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (name, digest.into()));
            }
        }
    }

    /// Returns each algorithm with its digest, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(algorithm, digest)| (algorithm.as_ref(), digest.as_ref()))
    }

    /// Returns the `sha256` digest, if there is one of the right length.
    pub fn sha256(&self) -> Option<Sha256Hash> {
        self.get("sha256")?.try_into().ok().map(Sha256Hash)
    }

    /// Checks bytes against every known algorithm listed; at least one must be known.
    pub fn check(&self, bytes: &[u8]) -> Result<(), HashError> {
        let mut known = false;
        for algorithm in ALGORITHMS {
            let Some(expected) = self.get(algorithm.name()) else { continue };
            known = true;
            let actual = algorithm.hash(bytes);
            if expected.len() != actual.len() {
                let bytes = expected.len();
                return Err(HashError::WrongLength { algorithm: algorithm.name().into(), bytes });
            }
            if *expected != *actual {
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

impl<'a> FromIterator<(&'a str, Vec<u8>)> for Hashes {
    fn from_iter<I: IntoIterator<Item = (&'a str, Vec<u8>)>>(digests: I) -> Self {
        let mut hashes = Self::default();
        for (algorithm, digest) in digests {
            hashes.insert(algorithm, digest);
        }
        hashes
    }
}

/// Hashes what comes piece by piece, by `sha256` and `sha512`.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    sha256: sha2::Sha256,
    sha512: sha2::Sha512,
}

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    /// Returns the hashes of all that came.
    pub fn finish(self) -> Hashes {
        let sha256 = ("sha256", self.sha256.finalize().to_vec());
        [sha256, ("sha512", self.sha512.finalize().to_vec())].into_iter().collect()
    }
}

/// Whether a content of known length that comes piece by piece is what it is taken for.
#[derive(Debug, Clone)]
pub struct ExpectedContent {
    /// Until all came.
    hasher: Option<sha2::Sha256>,
    left: u64,
    sha256: Sha256Hash,
}

impl ExpectedContent {
    /// A content of this many bytes and with this hash, of which nothing came yet.
    pub fn new(length: u64, sha256: Sha256Hash) -> Self {
        Self { hasher: Some(sha2::Sha256::default()), left: length, sha256 }
    }

    /// Takes the next piece; `false` if all came with it, and it is another content.
    pub fn takes(&mut self, piece: &[u8]) -> bool {
        self.left = self.left.saturating_sub(piece.len() as u64);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        if self.left > 0 {
            return true;
        }
        let whole = self.hasher.take();
        whole.is_none_or(|hasher| Sha256Hash(hasher.finalize().into()) == self.sha256)
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
        assert_eq!(Hashes::of(b"abc").get("sha512").unwrap()[..4], [0xdd, 0xaf, 0x35, 0xa1]);
    }

    #[test]
    fn pieces_hash_as_the_whole() {
        let mut hasher = Hasher::default();
        for piece in [&b"a"[..], b"", b"bc"] {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), Hashes::of(b"abc"));
    }

    #[test]
    fn a_content_is_judged_when_it_is_whole() {
        let mut content = ExpectedContent::new(3, Sha256Hash::of(b"abc"));
        assert!(content.takes(b"a") && content.takes(b"bc") && content.takes(b""));
        let mut other = ExpectedContent::new(3, Sha256Hash::of(b"abc"));
        assert!(other.takes(b"ab") && !other.takes(b"d"));
    }

    #[test]
    fn every_known_hash_must_match() {
        let good = Hashes::of(b"abc");
        assert_eq!(good.check(b"abc"), Ok(()));
        assert!(matches!(good.check(b"abd"), Err(HashError::Mismatch { .. })));
        let mut mixed = Hashes::of(b"abc");
        mixed.insert("sha512", vec![0; 64]);
        assert!(
            matches!(mixed.check(b"abc"), Err(HashError::Mismatch { algorithm, .. }) if algorithm == "sha512")
        );
    }

    #[test]
    fn unknown_empty_and_short_hashes_do_not_pass() {
        assert_eq!(Hashes::default().check(b""), Err(HashError::NoneKnown));
        let md5 = Hashes::from_iter([("md5", vec![0; 16])]);
        assert_eq!(md5.check(b""), Err(HashError::NoneKnown));
        let short = Hashes::from_iter([("sha256", vec![])]);
        let error = HashError::WrongLength { algorithm: "sha256".into(), bytes: 0 };
        assert_eq!(short.check(b""), Err(error));
        assert_eq!(short.sha256(), None);
    }
}
