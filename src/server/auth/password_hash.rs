//! Passwords as they are kept: bcrypt as `htpasswd -B` writes it, and argon2 in PHC's form.

use std::fmt;
use std::str::FromStr as _;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use bcrypt::HashParts;

use crate::crypto::Passphrase;
use crate::limits::{
    MAX_ARGON2_LANES, MAX_ARGON2_MEMORY_BYTES, MAX_ARGON2_WORK_BYTES, MAX_BCRYPT_COST,
};

/// A password's hash; whoever has it can try passwords against it, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bcrypt,
    Argon2,
}

/// Why a hash cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordHashError {
    /// A kind that is too weak, or that nobody knows: MD5, SHA-1, crypt, plain text.
    #[error("it is neither bcrypt (`$2y$`, `$2a$`, `$2b$`) nor argon2")]
    Kind,
    /// Not well-formed.
    #[error("it is cut short or malformed")]
    Malformed,
    /// Checking one password would take longer than anybody waits.
    #[error("it asks for more work than is done for a login")]
    Cost,
    /// No randomness to make a new one.
    #[error("the system gives no random numbers")]
    Random,
}

impl PasswordHash {
    /// Reads a hash; one whose check would cost absurdly much is refused.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let is_bcrypt = ["$2y$", "$2a$", "$2b$"].iter().any(|start| text.starts_with(start));
        let kind = if is_bcrypt {
            let parts = HashParts::from_str(text).map_err(|_| PasswordHashError::Malformed)?;
            match parts.get_cost() {
                ..MIN_BCRYPT_COST => return Err(PasswordHashError::Malformed),
                MIN_BCRYPT_COST..=MAX_BCRYPT_COST => Kind::Bcrypt,
                _ => return Err(PasswordHashError::Cost),
            }
        } else if text.starts_with("$argon2") {
            let hash = Phc::new(text).map_err(|_| PasswordHashError::Malformed)?;
            if hash.salt.is_none() || hash.hash.is_none() {
                return Err(PasswordHashError::Malformed);
            }
            let known = ["argon2id", "argon2i", "argon2d"].contains(&hash.algorithm.as_str());
            let version = matches!(hash.version, None | Some(0x10 | 0x13));
            let params = Params::try_from(&hash).ok().filter(|_| known && version);
            let params = params.ok_or(PasswordHashError::Malformed)?;
            let memory = u64::from(params.m_cost()) * 1024;
            let work = memory.saturating_mul(u64::from(params.t_cost()));
            if memory > MAX_ARGON2_MEMORY_BYTES
                || work > MAX_ARGON2_WORK_BYTES
                || params.p_cost() > MAX_ARGON2_LANES
            {
                return Err(PasswordHashError::Cost);
            }
            Kind::Argon2
        } else {
            return Err(PasswordHashError::Kind);
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// Hashes a new password: argon2id, 19 MiB, two passes, with a salt of its own.
    pub fn of(password: &Passphrase) -> Result<Self, PasswordHashError> {
        let hash = Argon2::default().hash_password(password.expose().as_bytes());
        let hash: Phc = hash.map_err(|_| PasswordHashError::Random)?;
        Ok(Self { text: hash.to_string(), kind: Kind::Argon2 })
    }

    /// Whether the password is the one hashed. Takes as long as it was made to take: never call it
    /// on a thread that others wait for.
    pub fn fits(&self, password: &Passphrase) -> bool {
        let password = password.expose();
        match self.kind {
            Kind::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            Kind::Argon2 => Phc::new(&self.text).is_ok_and(|hash| {
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
            }),
        }
    }

    /// The text, to be written into a file.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// The least cost that bcrypt knows.
const MIN_BCRYPT_COST: u32 = 4;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    /// The hash of `secret`, by Apache's `htpasswd -nbB -C 4`.
    const BCRYPT: &str = "$2y$04$XXXX";

    fn password(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    #[test]
    fn bcrypt_of_every_letter() {
        let made = HashParts::from_str(&bcrypt::hash("secret", 4).unwrap()).unwrap();
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let hash = PasswordHash::parse(&made.format_for_version(version)).unwrap();
            assert!(hash.fits(&password("secret")) && !hash.fits(&password("Secret")));
        }
        assert!(PasswordHash::parse(BCRYPT).is_err());
    }

    #[test]
    fn argon2_there_and_back() {
        let hash = PasswordHash::of(&password("secret")).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        let read = PasswordHash::parse(hash.expose()).unwrap();
        assert!(read.fits(&password("secret")) && !read.fits(&password("")));
        assert_eq!(format!("{read:?}"), "PasswordHash(..)");
    }

    #[test_case("secret", PasswordHashError::Kind ; "plain")]
    #[test_case("$apr1$abc$def", PasswordHashError::Kind ; "apr1")]
    #[test_case("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", PasswordHashError::Kind ; "sha")]
    #[test_case("$2x$05$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", PasswordHashError::Kind ; "the broken bcrypt")]
    #[test_case("$2y$05$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyV", PasswordHashError::Malformed ; "short")]
    #[test_case("$2y$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", PasswordHashError::Cost ; "days of bcrypt")]
    #[test_case("$2y$03$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", PasswordHashError::Malformed ; "a cost there is not")]
    #[test_case("$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b27lA", PasswordHashError::Cost ; "gibibytes")]
    #[test_case("$argon2id$v=19$m=65536,t=4000000000,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b27lA", PasswordHashError::Cost ; "passes without end")]
    #[test_case("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", PasswordHashError::Malformed ; "no hash")]
    #[test_case("$argon2xx$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b27lA", PasswordHashError::Malformed ; "no such argon2")]
    fn what_is_refused(text: &str, error: PasswordHashError) {
        assert_eq!(PasswordHash::parse(text), Err(error));
    }
}
