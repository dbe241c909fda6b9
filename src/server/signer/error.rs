//! What can go wrong with the server's keys.

use crate::crypto::KeyError;

/// Why the server cannot sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The key cannot be made or used.
    #[error("cannot use a signing key")]
    Key(#[source] KeyError),
    /// The master key does not open it.
    #[error(
        "the master key does not open a signing key: it is another one, or the key was changed"
    )]
    Sealed,
    /// This signer does not have the key.
    #[error("the signer does not have the key")]
    Missing,
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random,
    /// Whoever holds the key does not answer.
    #[error("the signer does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
