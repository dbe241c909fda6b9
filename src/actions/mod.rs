//! One file per thing a user can do; `tuf` and `oci` meet here.

pub mod context;
pub mod keys;
pub mod login;
pub mod user_files;

pub use context::Context;
