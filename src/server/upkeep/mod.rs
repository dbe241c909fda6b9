//! What runs beside the answers: renewal, garbage collection, retention, checks.

pub mod backup;
pub mod config;
pub mod fsck;
pub mod gc;
pub mod renewal;
pub mod retention;
pub mod storage;
pub mod uploads;

pub(crate) use storage::before;
pub use storage::{Storage, UpkeepError};
