//! One file per thing a user can do; `tuf` and `oci` meet here.

pub mod context;
pub mod keys;
pub mod login;

pub use context::Context;
