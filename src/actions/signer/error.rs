//! What can be wrong with a signer, its name first.

use crate::actions::publish::PublishError;
use crate::actions::update::RefreshError;
use crate::store::StoreError;
use crate::tuf::{NameError, RoleName};

/// Why signers were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Names look like docker's.
    #[error(
        "signer name \"{name}\" must start with lowercase alphanumeric characters and can include \"-\" or \"_\" after the first character"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// `releases` is where all signers sign.
    #[error("releases is a reserved keyword, use a different signer name")]
    ReservedName,
    /// `proposals` is where files wait for signatures.
    #[error("proposals is a reserved keyword, use a different signer name")]
    Proposals,
    /// Neither keys nor thresholds were given.
    #[error("{name} is no signer of {repository} yet, so a public key is needed")]
    NoKeys {
        /// The name.
        name: String,
        /// The repository.
        repository: String,
    },
    /// What is released now has fewer signatures than would be needed.
    #[error("what {repository} has released would have too few signatures to be pulled")]
    ReleasesTooFew {
        /// The repository.
        repository: String,
    },
    /// `releases` is where all signers sign.
    #[error("releases is a reserved keyword and cannot be removed")]
    ReservedRemoval,
    /// There is nobody of that name.
    #[error("no signer {name} for repository {repository}")]
    NoSuchSigner {
        /// The name.
        name: String,
        /// The repository.
        repository: String,
    },
    /// What is released was last signed by this signer alone, and no other key is here to sign it
    /// again.
    #[error(
        "{name} signed the last released version of {repository}; without {name} it cannot be pulled"
    )]
    LastSigner {
        /// The name.
        name: String,
        /// The repository.
        repository: String,
    },
    /// The change.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// What is known could not be brought up to date.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The keys.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Checks a signer's name: lower case, as docker wants it, and not `releases`.
pub fn check_name(name: &str) -> Result<(), SignerError> {
    if name == "releases" {
        return Err(SignerError::ReservedName);
    }
    if name == "proposals" {
        return Err(SignerError::Proposals);
    }
    let first = name.bytes().next();
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = name.bytes().all(|b| alphanumeric(b) || matches!(b, b'-' | b'_'));
    if first.is_some_and(alphanumeric) && rest && RoleName::delegation(name).is_ok() {
        return Ok(());
    }
    Err(SignerError::BadName { name: name.to_owned() })
}
