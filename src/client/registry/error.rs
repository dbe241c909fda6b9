//! What a registry answers instead of what it was asked for.

use crate::client::TransportError;
use crate::client::error::Cause;
use crate::oci::manifest::ManifestError;
use crate::oci::{Digest, ReferenceError};

/// What a registry answers instead of what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// 404.
    #[error("{reference} is not in the registry")]
    NotFound {
        /// What was asked for.
        reference: String,
    },
    /// The header, or the digest asked for, is not what the bytes hash to.
    #[error("{registry} served {actual} and claims {claimed}")]
    DigestMismatch {
        /// The registry's host.
        registry: String,
        /// The digest asked for or announced.
        claimed: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// A manifest of a kind we do not follow.
    #[error("{reference} cannot be used")]
    Manifest {
        /// What was asked for.
        reference: String,
        /// Why.
        #[source]
        cause: ManifestError,
    },
    /// Content of another length than its descriptor says.
    #[error("{digest} has {actual} bytes at {registry}, not {expected}")]
    WrongLength {
        /// The registry's host.
        registry: String,
        /// The content.
        digest: Digest,
        /// What its descriptor says, in bytes.
        expected: u64,
        /// What the registry has, in bytes.
        actual: u64,
    },
    /// What was fetched cannot be kept, or is not what its digest says.
    #[error("cannot take {digest}")]
    Sink {
        /// The content.
        digest: Digest,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// What is to be sent cannot be read, or is not what its digest says.
    #[error("cannot send {digest}")]
    Source {
        /// The content.
        digest: Digest,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// More tags than any listing shows.
    #[error("{repository} has more than {limit} tags")]
    TooManyTags {
        /// The repository.
        repository: String,
        /// The most tags listed.
        limit: usize,
    },
    /// More repositories than any listing goes through.
    #[error("{registry} has more than {limit} repositories")]
    TooManyRepositories {
        /// The registry's host.
        registry: String,
        /// The most repositories gone through.
        limit: usize,
    },
    /// More manifests refer to one than are listed.
    #[error("more than {limit} manifests refer to {reference}")]
    TooManyReferrers {
        /// What they refer to.
        reference: String,
        /// The most listed.
        limit: usize,
    },
    /// The registry is set up, or made, to delete nothing.
    #[error("{registry} does not allow deletion{}", tail(message))]
    DeletionUnsupported {
        /// The registry's host.
        registry: String,
        /// What it says; may be empty.
        message: String,
    },
    /// The registry deletes manifests, but no tag by itself.
    #[error("{registry} deletes manifests by digest, and no tag alone")]
    TagDeletionUnsupported {
        /// The registry's host.
        registry: String,
    },
    /// The tag in which clients keep a list of referrers names something else.
    #[error("{reference} is no list of referrers")]
    NoReferrersList {
        /// The tag.
        reference: String,
    },
    /// Others changed the list of referrers whenever we did.
    #[error("others change {reference} at the same time")]
    ReferrersContended {
        /// The tag the list is kept in.
        reference: String,
    },
    /// A repository, tag or digest that is none.
    #[error("not something a registry can be asked for")]
    Reference(#[from] ReferenceError),
    /// The network, or an answer that is not a registry's.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

fn tail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
