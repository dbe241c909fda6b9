//! Content on its way from a registry into the layout.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::actions::transfer::progress::Progress;
use crate::client::error::Cause;
use crate::client::registry::BlobSink;
use crate::oci::Descriptor;
use crate::store::{ImageLayoutError, Lease};

/// Writes and hashes on a thread of its own, so that the network does not wait for the disk.
pub(crate) struct LayoutSink {
    blob: Descriptor,
    orders: mpsc::Sender<Order>,
    /// Taken when it ended.
    worker: Option<JoinHandle<Result<(), ImageLayoutError>>>,
    taken: u64,
    progress: Arc<dyn Progress>,
}

enum Order {
    Take(Bytes),
    Restart,
    Finish,
}

impl LayoutSink {
    /// Begins to write a blob.
    pub(crate) fn begin(lease: Arc<Lease>, blob: &Descriptor, progress: Arc<dyn Progress>) -> Self {
        let (orders, received) = mpsc::channel(PIECES_IN_FLIGHT);
        let expected = blob.clone();
        let worker = tokio::task::spawn_blocking(move || write(&lease, &expected, received));
        Self { blob: blob.clone(), orders, worker: Some(worker), taken: 0, progress }
    }

    /// Makes it content of the layout, if it is what its digest says.
    pub(crate) async fn finish(mut self) -> Result<(), ImageLayoutError> {
        let sent = self.orders.send(Order::Finish).await;
        match self.ended().await {
            Some(error) => Err(error),
            None if sent.is_ok() => Ok(()),
            None => Err(ImageLayoutError::Missing { digest: self.blob.digest.clone() }),
        }
    }

    async fn order(&mut self, order: Order) -> Result<(), Cause> {
        if self.orders.send(order).await.is_ok() {
            return Ok(());
        }
        // The worker only leaves early when it failed.
        Err(self.ended().await.map_or_else(|| "the writer is gone".into(), Cause::from))
    }

    /// What the worker failed with, if it did.
    async fn ended(&mut self) -> Option<ImageLayoutError> {
        match self.worker.take()?.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(ImageLayoutError::Missing { digest: self.blob.digest.clone() }),
        }
    }
}

fn write(
    lease: &Lease,
    expected: &Descriptor,
    mut orders: mpsc::Receiver<Order>,
) -> Result<(), ImageLayoutError> {
    let mut writer = lease.writer()?.hashed_like(&expected.digest);
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Take(piece) => writer.write(&piece)?,
            Order::Restart => writer.rewind(&expected.digest)?,
            Order::Finish => return writer.finish(Some(expected)).map(drop),
        }
    }
    // Whoever ordered it went away: so does the half file.
    Ok(())
}

impl BlobSink for LayoutSink {
    fn take(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Cause>> {
        self.taken = self.taken.saturating_add(piece.len() as u64);
        self.progress.stands(&self.blob.digest, self.taken);
        Box::pin(self.order(Order::Take(piece)))
    }

    fn restart(&mut self) -> BoxFuture<'_, Result<(), Cause>> {
        self.taken = 0;
        self.progress.stands(&self.blob.digest, 0);
        Box::pin(self.order(Order::Restart))
    }
}

impl fmt::Debug for LayoutSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayoutSink").field("blob", &self.blob.digest).finish_non_exhaustive()
    }
}

/// Most pieces that wait for the disk: some megabytes.
const PIECES_IN_FLIGHT: usize = 16;
