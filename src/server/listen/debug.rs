//! The second listener: health and metrics for whoever watches the server.

use std::sync::Arc;

use crate::server::Server;
use crate::server::config::{Config, Debug};
use crate::server::listen::{Front, FrontOptions};

/// What stands before the few answers of the second listener.
pub fn front(server: Arc<Server>, options: &Debug, config: &Config) -> Front {
    let front = FrontOptions {
        metrics: options.metrics.is_some(),
        metrics_path: options.metrics.clone(),
        health_only: true,
        ..FrontOptions::default()
    };
    Front::new(server, front, config.limits.clone())
}
