//! Why an administrator's files about callers are not taken.

use crate::codec::pem::PemError;
use crate::crypto::KeyError;
use crate::server::auth::accounts::AccountsError;
use crate::server::auth::password_hash::PasswordHashError;

/// Why callers cannot be known this way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// A line of an htpasswd file has no colon, or is not UTF-8.
    #[error("line {line} of the htpasswd file is not `name:hash`")]
    HtpasswdLine {
        /// Its number, from 1.
        line: usize,
    },
    /// A line of an htpasswd file names a user again.
    #[error("line {line} of the htpasswd file names `{user}`, whom a line before it has")]
    HtpasswdTwice {
        /// Its number, from 1.
        line: usize,
        /// The user.
        user: String,
    },
    /// A hash of an htpasswd file cannot be used.
    #[error("line {line} of the htpasswd file has no usable hash for `{user}`")]
    HtpasswdHash {
        /// Its number, from 1.
        line: usize,
        /// Whose hash it is.
        user: String,
        /// What is wrong with it.
        #[source]
        cause: PasswordHashError,
    },
    /// Neither certificates nor keys to believe a token server by.
    #[error("no certificate and no key says whose tokens are believed")]
    NothingTrusted,
    /// The bundle of certificates cannot be read.
    #[error("cannot read the certificates of the token server")]
    RootCertificates(#[source] KeyError),
    /// The key set is not JSON of the right form.
    #[error("cannot read the key set of the token server")]
    KeySet(#[source] serde_json::Error),
    /// A key of the key set cannot be used.
    #[error("key {number} of the token server's key set cannot be used: {problem}")]
    KeySetKey {
        /// Its number, from 1.
        number: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// An algorithm that tokens are not verified with.
    #[error("`{name}` is not an algorithm that tokens are verified with")]
    Algorithm {
        /// What was written.
        name: String,
    },
    /// A text that a header has to carry cannot be carried.
    #[error("`{what}` has characters that no header can carry")]
    HeaderText {
        /// Which text.
        what: &'static str,
    },
    /// The accounts cannot be read.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The key that signs tokens is no PEM.
    #[error("cannot read the key that signs tokens")]
    SigningPem(#[source] PemError),
    /// The key that signs tokens is of no use.
    #[error("cannot use the key that signs tokens; it is ECDSA on P-256 or Ed25519, in PKCS#8")]
    SigningKey(#[source] Option<KeyError>),
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random,
}
