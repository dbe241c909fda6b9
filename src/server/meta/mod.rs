//! The database: the only commit point. Content is written first and referenced here last; what is
//! not referenced here does not exist (server.md §5.2).
//!
//! [`store`] opens it and gives [`Reading`]s (one snapshot each) and [`Writing`]s (all or nothing);
//! [`attempts`] makes a change again that others were in the way of; the other files hold the
//! questions and changes of one subject each, as methods of the two.

pub mod attempts;
pub mod audit;
pub mod blobs;
pub mod content;
pub mod dump;
pub mod enforcement;
pub mod error;
pub mod feed;
mod file;
pub mod keys;
pub mod schema;
pub mod sealed_keys;
pub mod store;
pub mod trust;
pub mod upkeep;
pub mod uploads;

pub use attempts::Attempts;
pub use error::MetaError;
pub use store::{Dialect, HotAnswers, Job, Leadership, MetaStore, Options, Reading, Writing};
