//! What can go wrong with the server's keys.

use crate::crypto::{KeyError, SignatureError};
use crate::server::files::FileError;

/// Why the server cannot sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The key cannot be made or used.
    #[error("cannot use a signing key")]
    Key(#[source] KeyError),
    /// The master key is the right one, and what it sealed was changed, cut off, or moved to
    /// another collection or role.
    #[error("a sealed signing key was changed or moved")]
    Sealed,
    /// Sealed under a master key that is not here.
    #[error(
        "a signing key is sealed under the master key {sealed_under}, and the one here is {master}"
    )]
    WrongMaster {
        /// The id of the master key that it is sealed under.
        sealed_under: String,
        /// The id of the master key that is here.
        master: String,
    },
    /// This signer does not have the key.
    #[error("the signer does not have the key")]
    Missing,
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random,
    /// Whoever holds the key does not answer.
    #[error("the signer does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What came back is not a signature of the key over the message; it was not used.
    #[error("the signer made a signature that does not verify")]
    BadSignature(#[source] SignatureError),
    /// The signer answered something that is not an answer.
    #[error("the signer answered with a wrong {what}")]
    BadAnswer {
        /// What was wrong.
        what: &'static str,
    },
    /// The signer understood, and refuses.
    #[error("the signer refuses: {code}")]
    Refused {
        /// The name of the gRPC status.
        code: String,
        /// What it said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More than a remote signer takes in one message.
    #[error("a message of {length} bytes is more than the signer takes, which is {limit}")]
    TooLarge {
        /// Its length.
        length: usize,
        /// The most that is sent.
        limit: usize,
    },
    /// The text does not say where a master key is.
    #[error("`{text}` does not say where the master key is: {problem}")]
    Source {
        /// What was written, without a PIN.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file of a secret cannot be read or made.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file or the variable holds no master key.
    #[error("{place} holds no key of 32 bytes, as they are, in hexadecimal or in base64")]
    NotAKey {
        /// The file or the variable.
        place: String,
    },
    /// The variable is not set.
    #[error("the variable {name}, which should hold a secret, is not set")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// The token refused this PIN before; it is not tried again.
    #[error("the token refused the PIN, which is not tried again until it changes")]
    PinRefused,
    /// One more wrong PIN would lock the token.
    #[error("the token has one try of its PIN left, or none: log in once by hand")]
    PinLastTry,
    /// The token is there, and does not do what it was asked for.
    #[error("the token refuses")]
    TokenRefuses(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The token is there, and does not have what is needed.
    #[error("the token has no {what}")]
    TokenLacks {
        /// What it lacks.
        what: &'static str,
    },
}

impl SignerError {
    /// Whether it may go away without a change here: the same request may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::PinRefused | Self::PinLastTry | Self::TokenLacks { .. }
        )
    }
}
