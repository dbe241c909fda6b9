//! Changes that other writers may be in the way of.

use futures_util::future::BoxFuture;

use crate::server::Refusal;
use crate::server::meta::{Attempts, MetaError};

/// Why a transaction was not committed.
#[derive(Debug)]
pub enum TransactionError {
    /// The database did not do it.
    Meta(MetaError),
    /// It must not be done.
    Refused(Box<Refusal>),
}

impl From<MetaError> for TransactionError {
    fn from(error: MetaError) -> Self {
        Self::Meta(error)
    }
}

impl From<Refusal> for TransactionError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<TransactionError> for Refusal {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Meta(error) => error.into(),
            TransactionError::Refused(refusal) => *refusal,
        }
    }
}

/// Does a whole transaction, and again while other writers are in its way.
pub async fn retried<'a, T>(
    mut work: impl FnMut() -> BoxFuture<'a, Result<T, TransactionError>>,
) -> Result<T, Refusal> {
    let mut attempts = Attempts::default();
    loop {
        match work().await {
            Err(TransactionError::Meta(error)) if attempts.again(&error).await => {}
            done => return Ok(done?),
        }
    }
}
