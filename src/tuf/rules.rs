//! How strictly the rules of acceptance are read: ours, or where they differ, Notary's
//! (server.md §1.4).

use crate::limits::{
    MAX_DELEGATION_ROLES, MAX_ROOT_BYTES, MAX_ROOT_ROTATIONS, MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES, MAX_TIMESTAMP_BYTES,
};

/// The strictness of one update. The default is the strictest; each departure from it is what the
/// reference client does, for publishers and servers that need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Which root may follow the trusted one.
    pub root_walk: RootWalk,
    /// What another timestamp of a version seen before does.
    pub equal_timestamp: EqualTimestamp,
    /// What a delegation that cannot be used does to a lookup.
    pub missing_delegation: MissingDelegation,
    /// How much is taken.
    pub bounds: Bounds,
}

/// Which root may follow the trusted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RootWalk {
    /// The next version, step by step.
    #[default]
    Strict,
    /// Also a later version, or another root of the same one, if the trusted root's keys signed
    /// it: some publishers skip versions. An older version never.
    Notary,
}

/// What another timestamp of a version seen before does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EqualTimestamp {
    /// The one seen first stays.
    #[default]
    Keep,
    /// It is followed, as by the reference.
    Follow,
}

/// What a delegation that cannot be used does to a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingDelegation {
    /// The lookup is an error: silence means nothing.
    #[default]
    Refuse,
    /// The next role answers, as with the reference.
    FallBack,
}

/// How much is taken of one repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a timestamp.
    pub timestamp: u64,
    /// Bytes of a root.
    pub root: u64,
    /// Bytes of a snapshot.
    pub snapshot: u64,
    /// Bytes of a targets or delegation file.
    pub targets: u64,
    /// Root versions followed in one update.
    pub rotations: u64,
    /// Delegations taken in one update.
    pub delegations: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            timestamp: MAX_TIMESTAMP_BYTES,
            root: MAX_ROOT_BYTES,
            snapshot: MAX_SNAPSHOT_BYTES,
            targets: MAX_TARGETS_BYTES,
            rotations: MAX_ROOT_ROTATIONS,
            delegations: MAX_DELEGATION_ROLES,
        }
    }
}
