//! What an update can be refused for, and what is worth telling though it was not.

use crate::clock::Timestamp;
use crate::crypto::hash::HashError;
use crate::tuf::metadata::MetadataError;
use crate::tuf::names::RoleName;
use crate::tuf::root_trust::RootTrustError;
use crate::tuf::trusted::Wanted;
use crate::tuf::verify::VerifyError;

/// Why a metadata file, or the whole chain, is not accepted. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The file is not what its role's files look like.
    #[error("the {role} metadata is malformed")]
    Metadata {
        /// Whose file.
        role: RoleName,
        /// What is wrong, and where.
        #[source]
        cause: Box<MetadataError>,
    },
    /// Signatures are missing or do not do.
    #[error(transparent)]
    Signatures(VerifyError),
    /// No root key can be believed.
    #[error(transparent)]
    Root(#[from] RootTrustError),
    /// A new root that the trusted root's keys did not sign, or that its own keys did not.
    #[error("root version {version} is not vouched for by the trusted root")]
    RootNotVouchedFor {
        /// The version offered.
        version: u64,
        /// Which signatures are missing.
        #[source]
        cause: VerifyError,
    },
    /// A root that does not follow the trusted one by exactly one, or another root of its version.
    #[error("root version {offered} does not follow the trusted version {trusted}")]
    NotTheNextRoot {
        /// The trusted version.
        trusted: u64,
        /// The version offered.
        offered: u64,
    },
    /// The snapshot names another root than the trusted one: take it first.
    #[error("the snapshot names another root than the trusted version {trusted}")]
    RootBehind {
        /// The trusted version.
        trusted: u64,
        /// The root to take.
        wanted: Wanted,
    },
    /// An older version than one that was seen before.
    #[error(
        "the {role} metadata was rolled back: version {offered} offered, {trusted} seen before"
    )]
    RolledBack {
        /// Whose file.
        role: RoleName,
        /// The version seen before.
        trusted: u64,
        /// The version offered.
        offered: u64,
    },
    /// Past its `expires`.
    #[error("the {role} metadata expired on {since}")]
    Expired {
        /// Whose file.
        role: RoleName,
        /// When.
        since: Timestamp,
    },
    /// The file is not the one that the file above it names.
    #[error("the {role} metadata is not the file that was promised")]
    Checksum {
        /// Whose file.
        role: RoleName,
        /// Which hash differs.
        #[source]
        cause: HashError,
    },
    /// The file has another size than the file above it says.
    #[error("the {role} metadata has {got} bytes, not the {listed} that were promised")]
    Length {
        /// Whose file.
        role: RoleName,
        /// Promised, in bytes.
        listed: u64,
        /// Received, in bytes.
        got: u64,
    },
    /// A file is announced that is larger than any honest one.
    #[error("the {role} metadata is said to have {length} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Whose file.
        role: RoleName,
        /// Announced, in bytes.
        length: u64,
        /// Allowed, in bytes.
        limit: u64,
    },
    /// A delegation that was published before is no longer listed by the snapshot.
    #[error("the {role} metadata was there before and has vanished from the snapshot")]
    Vanished {
        /// Whose file.
        role: RoleName,
    },
    /// The file of one role is offered as that of another: their keys are the same, and a file
    /// does not say whose it is.
    #[error("the {role} metadata is the file that was seen before as that of {of}")]
    OtherRolesFile {
        /// The role it is offered for.
        role: RoleName,
        /// The role it was seen as.
        of: RoleName,
    },
    /// Delegations without end.
    #[error("delegations go too deep or are too many at {role}")]
    TooManyDelegations {
        /// Where it was noticed.
        role: RoleName,
    },
    /// The caller offered a file before the one that describes it.
    #[error("metadata was offered in the wrong order")]
    OutOfOrder,
}

impl UpdateError {
    /// Whether a delegation with this fault is left out while the rest stays usable
    /// (notary.md §4.2: expired, or too few signatures).
    pub(super) fn leaves_only_the_role_out(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::Signatures(VerifyError::ThresholdNotMet { .. }))
    }
}

/// Something that was accepted but that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Note {
    /// The server offers another timestamp of a version seen before; it was not followed.
    #[error("another timestamp of version {version} was offered and not followed")]
    SameTimestampVersion {
        /// The version of both.
        version: u64,
    },
    /// The server offers another timestamp of a version seen before; it was followed, as the rules
    /// allow.
    #[error("another timestamp of version {version} was offered, and followed as was allowed")]
    SameTimestampVersionFollowed {
        /// The version of both.
        version: u64,
    },
    /// A root that is not the next one was accepted, as the rules allow.
    #[error(
        "root version {offered} was accepted after version {trusted}, though it is not the next, \
         as was allowed"
    )]
    RootOutOfStep {
        /// The version trusted before.
        trusted: u64,
        /// The version accepted.
        offered: u64,
    },
    /// The clock is behind the last update, so expiry was judged by the time of that.
    #[error(
        "the clock of this machine says {clock}, but the last update was at {seen}: expiry was \
         judged by the latter"
    )]
    ClockBehind {
        /// What the clock says.
        clock: Timestamp,
        /// When the last update was.
        seen: Timestamp,
    },
}
