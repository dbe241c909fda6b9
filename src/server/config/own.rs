//! The section `trust`: what the registry's configuration has no key for.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::server::config::duration::Span;

/// The section `trust`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Own {
    pub(super) data: Option<String>,
    pub(super) database: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) plainhttp: Option<bool>,
    pub(super) ownauthority: Option<bool>,
    pub(super) metrics: Option<bool>,
    pub(super) proxies: Vec<String>,
    pub(super) gunprefixes: Vec<String>,
    pub(super) limits: Limits,
    pub(super) accounts: Option<IgnoredAny>,
    pub(super) policy: Option<IgnoredAny>,
    pub(super) signer: Option<IgnoredAny>,
    pub(super) upkeep: Option<IgnoredAny>,
    pub(super) retention: Option<IgnoredAny>,
    pub(super) immutable: Option<IgnoredAny>,
}

/// `trust.limits`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) head: Option<Span>,
    pub(super) idle: Option<Span>,
    pub(super) wait: Option<Span>,
    pub(super) rate: Option<u64>,
    pub(super) connections: Option<usize>,
    pub(super) peerconnections: Option<usize>,
}
