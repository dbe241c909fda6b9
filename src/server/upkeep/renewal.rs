//! Timestamps and snapshots are renewed before they expire, so that a reader never waits for a
//! signer, and a signer that is away for some days is not noticed.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::limits::{RENEWAL_INTERVAL_SECONDS, SNAPSHOT_RENEWAL_DAYS, TIMESTAMP_RENEWAL_DAYS};
use crate::server::Server;
use crate::server::meta::MetaError;
use crate::server::notary::renewal::{Lead, Renewal, renew};

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass {
    /// Collections that have a new timestamp.
    pub renewed: u64,
    /// Collections that should have one, and do not: the log says why.
    pub failed: u64,
}

/// Renews what is at its end, in every collection, once.
pub async fn renew_due(server: &Server) -> Result<Pass, MetaError> {
    let days = |days: i64| SignedDuration::from_hours(days.saturating_mul(24));
    let lead =
        Lead { timestamp: days(TIMESTAMP_RENEWAL_DAYS), snapshot: days(SNAPSHOT_RENEWAL_DAYS) };
    let now = server.clock.now();
    let until = |lead| now.saturating_add(lead).unwrap_or(now);
    let mut pass = Pass::default();
    let mut after = 0;
    loop {
        let mut reading = server.meta.glance().await?;
        let due = reading
            .collections_to_renew(until(lead.timestamp), until(lead.snapshot), after, AT_ONCE)
            .await?;
        drop(reading);
        let Some((last, _)) = due.last() else { break };
        after = *last;
        for (_, gun) in &due {
            match renew(server, gun, lead).await {
                Ok(Renewal::Done) => {
                    pass.renewed += 1;
                    server.metrics.renewed("timestamp", true);
                }
                Ok(Renewal::Nothing) => {}
                Err(error) => {
                    pass.failed += 1;
                    server.metrics.renewed("timestamp", false);
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, gun = gun.as_str(), "a timestamp is not renewed");
                }
            }
        }
    }
    if pass.renewed > 0 || pass.failed > 0 {
        tracing::info!(renewed = pass.renewed, failed = pass.failed, "timestamps were renewed");
    }
    Ok(pass)
}

/// Counts the collections that are archives, whose timestamps nobody renews, and says so once.
async fn count_archives(server: &Server) -> Result<(), MetaError> {
    let mut reading = server.meta.glance().await?;
    let (archives, expired) = reading.count_archives(server.clock.now()).await?;
    drop(reading);
    if server.metrics.counted_archives(archives, expired) {
        tracing::info!(archives, expired, "collections are archives: nobody signs for them here");
    }
    Ok(())
}

/// Renews what is at its end, from time to time, for ever.
pub async fn run(server: Arc<Server>) {
    loop {
        if let Err(error) = count_archives(&server).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "archives are not counted");
        }
        if let Err(error) = renew_due(&server).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "timestamps are not renewed");
        }
        tokio::time::sleep(Duration::from_secs(RENEWAL_INTERVAL_SECONDS)).await;
    }
}

/// Collections looked up with one question.
const AT_ONCE: u32 = 100;
