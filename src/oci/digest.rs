//! Content digests: `sha256:` or `sha512:` and lower-case hexadecimal.

use std::fmt;

use sha2::Digest as _;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};

use crate::codec::text::{from_hex, to_hex};
use crate::crypto::{Hashes, Sha256Hash};

/// `sha256:<64 hex>` or `sha512:<128 hex>`, safe by construction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    text: String,
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a digest: {problem}", text.escape_debug())]
pub struct DigestError {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Digest {
    /// Returns the digest written so: a known algorithm and exactly as many lower-case digits as
    /// it has (OCI image-spec, "Digests").
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let wrong = |problem| DigestError { text: text.to_owned(), problem };
        let Some((name, hex)) = text.split_once(':') else {
            return Err(wrong("there is no colon between algorithm and hash"));
        };
        let Some(algorithm) = Algorithm::ALL.into_iter().find(|known| known.name() == name) else {
            return Err(wrong("the algorithm is neither sha256 nor sha512"));
        };
        if hex.len() != algorithm.bytes() * 2 {
            return Err(wrong("the hash has the wrong length"));
        }
        if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong("the hash is not lower-case hexadecimal"));
        }
        Ok(Self { algorithm, text: text.to_owned() })
    }

    /// Computes the SHA-256 digest of these bytes.
    pub fn sha256_of(bytes: &[u8]) -> Self {
        Self::from_sha256(&Sha256Hash::of(bytes))
    }

    /// Wraps a raw SHA-256 hash, as trust metadata holds it.
    pub fn from_sha256(raw: &Sha256Hash) -> Self {
        Self { algorithm: Algorithm::Sha256, text: format!("sha256:{}", to_hex(&raw.0)) }
    }

    /// The whole text, algorithm included.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.algorithm.name()
    }

    /// The hexadecimal digits after the colon.
    pub fn hex(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The raw hash if it is a SHA-256 one.
    pub fn sha256(&self) -> Option<Sha256Hash> {
        if self.algorithm != Algorithm::Sha256 {
            return None;
        }
        let raw = from_hex(self.hex()).ok()?;
        Some(Sha256Hash(raw.try_into().ok()?))
    }

    /// Computes the digest of these bytes by this digest's algorithm.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Sha256 => Self::sha256_of(bytes) == *self,
            Algorithm::Sha512 => Hashes::of(bytes)
                .get(Algorithm::Sha512.name())
                .is_some_and(|raw| to_hex(raw) == self.hex()),
        }
    }
}

/// Computes a digest piece by piece.
#[derive(Debug, Clone)]
pub struct Hasher(State);

#[derive(Debug, Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// A hasher by SHA-256, the algorithm for what is made here.
    pub fn sha256() -> Self {
        Self(State::Sha256(sha2::Sha256::new()))
    }

    /// A hasher by the algorithm of a digest, to be compared with it.
    pub fn like(digest: &Digest) -> Self {
        match digest.algorithm {
            Algorithm::Sha256 => Self::sha256(),
            Algorithm::Sha512 => Self(State::Sha512(sha2::Sha512::new())),
        }
    }

    /// A hasher by the algorithm of this name, `sha256` or `sha512`.
    pub fn named(algorithm: &str) -> Option<Self> {
        match Algorithm::ALL.into_iter().find(|known| known.name() == algorithm)? {
            Algorithm::Sha256 => Some(Self::sha256()),
            Algorithm::Sha512 => Some(Self(State::Sha512(sha2::Sha512::new()))),
        }
    }

    /// The name of its algorithm.
    pub fn algorithm(&self) -> &'static str {
        match &self.0 {
            State::Sha256(_) => Algorithm::Sha256.name(),
            State::Sha512(_) => Algorithm::Sha512.name(),
        }
    }

    /// Where it stands, to go on from later with [`Self::resumed`]. As secret as what was hashed.
    pub fn state(&self) -> Vec<u8> {
        match &self.0 {
            State::Sha256(state) => state.serialize().to_vec(),
            State::Sha512(state) => state.serialize().to_vec(),
        }
    }

    /// A hasher that stands where another of this algorithm stood; `None` if the state is none.
    pub fn resumed(algorithm: &str, state: &[u8]) -> Option<Self> {
        let state = match Algorithm::ALL.into_iter().find(|known| known.name() == algorithm)? {
            Algorithm::Sha256 => {
                let state = SerializedState::<sha2::Sha256>::try_from(state).ok()?;
                State::Sha256(sha2::Sha256::deserialize(&state).ok()?)
            }
            Algorithm::Sha512 => {
                let state = SerializedState::<sha2::Sha512>::try_from(state).ok()?;
                State::Sha512(sha2::Sha512::deserialize(&state).ok()?)
            }
        };
        Some(Self(state))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of all bytes taken.
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = match self.0 {
            State::Sha256(state) => (Algorithm::Sha256, to_hex(&state.finalize())),
            State::Sha512(state) => (Algorithm::Sha512, to_hex(&state.finalize())),
        };
        Digest { algorithm, text: format!("{}:{hex}", algorithm.name()) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The algorithms that images use (OCI image-spec, "Registered algorithms").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digest_of_nothing_is_the_published_one() {
        let digest = Digest::sha256_of(b"");
        assert_eq!(digest.as_str(), EMPTY);
        assert_eq!(Digest::parse(EMPTY).unwrap(), digest);
        assert_eq!(digest.algorithm(), "sha256");
        assert_eq!(digest.sha256().unwrap(), Sha256Hash::of(b""));
        assert!(digest.matches(b""));
        assert!(!digest.matches(b"x"));
    }

    #[test]
    fn sha512_is_checked_by_its_own_algorithm() {
        let text = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        let digest = Digest::parse(text).unwrap();
        assert!(digest.matches(b"abc"));
        assert!(!digest.matches(b"abd"));
        assert_eq!(digest.sha256(), None);
        for like in [digest, Digest::sha256_of(b"abc")] {
            let mut hasher = Hasher::like(&like);
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.finish(), like);
        }
    }

    #[test]
    fn hashing_goes_on_where_it_stopped() {
        for algorithm in ["sha256", "sha512"] {
            let mut whole = Hasher::named(algorithm).unwrap();
            whole.update(&[7; 1000]);
            let mut first = Hasher::named(algorithm).unwrap();
            first.update(&[7; 333]);
            let mut second = Hasher::resumed(first.algorithm(), &first.state()).unwrap();
            second.update(&[7; 667]);
            assert_eq!(second.finish(), whole.finish());
            assert!(Hasher::resumed(algorithm, b"short").is_none());
        }
        assert!(Hasher::named("md5").is_none());
    }

    #[test_case("" ; "empty")]
    #[test_case("sha256" ; "no colon")]
    #[test_case("sha256:" ; "no hash")]
    #[test_case("sha256:zz" ; "short")]
    #[test_case("md5:d41d8cd98f00b204e9800998ecf8427e" ; "unknown algorithm")]
    #[test_case("SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" ; "upper case name")]
    #[test_case("sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" ; "upper case hex")]
    #[test_case("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85" ; "63 digits")]
    #[test_case("sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" ; "sha512 of 64 digits")]
    #[test_case("sha256:../../../../../../../../../../../../../../../../../../../etc/passwd/" ; "path")]
    #[test_case("sha256:é3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85" ; "not ascii")]
    fn refused(text: &str) {
        assert_eq!(Digest::parse(text).unwrap_err().text, text);
    }
}
