//! The targets of a collection: files of any name (notary.md §6).

pub mod add;
pub mod add_hash;
pub mod error;
pub mod lookup;
pub mod rm;
pub mod verify;

pub use error::TargetError;
