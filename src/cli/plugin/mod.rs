//! `docker-trust`: this program as the plugin of docker's command line that serves `docker trust`
//! where docker has it no more (`spec/docker.md`).
//!
//! Here flags, help, messages, streams and exit codes are docker's, not ours.

pub mod completion;
pub mod console;
pub mod front;
pub mod inspect;
pub mod key;
pub mod revoke;
pub mod sign;
pub mod signer;
pub mod socket;
pub mod usage;

pub use front::{Plugin, is_called, run};
