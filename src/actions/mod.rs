//! One file per thing a user can do; `tuf` and `oci` meet here.
//!
//! [`update`] and [`publish`] are the two halves that the others are made of: bringing what is known
//! of a repository up to date, and changing it.

pub mod audit;
pub mod build;
pub mod commit;
mod contention;
pub mod context;
pub mod copy;
pub mod delegation;
pub mod docker;
pub mod image;
pub mod image_files;
pub mod initialize;
pub mod inspect;
pub mod keys;
pub mod login;
pub mod manifest;
pub mod mirror;
pub mod pin;
pub mod proposals;
pub mod publish;
pub mod pull;
pub mod push;
pub mod repo;
pub mod rescue;
pub mod resolve;
pub mod revoke;
pub mod root_certificate;
pub mod run;
pub mod search;
pub mod sign;
pub mod signer;
pub mod stage;
pub mod tags;
pub mod target;
pub mod transfer;
pub mod unlock;
pub mod update;
pub mod verify;

pub use context::Context;
