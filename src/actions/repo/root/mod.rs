//! The root ceremony: a root that several people sign, each where their key is
//! (`spec/root-ceremony.md`).

pub mod cert;
pub mod error;
pub mod export;
pub mod merge;
pub mod sign;

pub use error::CeremonyFailure;
