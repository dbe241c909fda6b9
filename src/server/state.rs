//! What every request shares.

use std::sync::Arc;

use crate::clock::Clock;
use crate::server::auth::Auth;
use crate::server::blobs::BlobStore;
use crate::server::meta::MetaStore;
use crate::server::metrics::Metrics;
use crate::server::notary;
use crate::server::registry;
use crate::server::signer::Signer;
use crate::server::trust::Gate;

/// A server, ready to answer.
#[derive(Debug)]
pub struct Server {
    /// The database.
    pub meta: MetaStore,
    /// The content.
    pub blobs: BlobStore,
    /// The server's keys.
    pub signer: Signer,
    /// Who may do what.
    pub auth: Auth,
    /// What is served.
    pub gate: Gate,
    /// What is counted.
    pub metrics: Metrics,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How the registry behaves.
    pub registry: registry::Options,
    /// How the notary server behaves.
    pub notary: notary::Options,
}
