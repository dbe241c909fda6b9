//! Who asks, and what they may do.
//!
//! [`access_control`] answers the one question of every request. Callers are known by an htpasswd
//! file, by tokens of somebody else's token server, or by [`accounts`] of our own with a token
//! service (spec/server-accounts.md). Configuration comes as [`options`]: contents, not paths.

pub mod access_control;
pub mod accounts;
mod brake;
pub mod caller;
mod challenge;
mod credentials;
pub mod error;
mod htpasswd;
pub mod jwt;
pub mod key;
pub mod options;
pub mod password_hash;
mod passwords;
mod scope;
mod token_server;
mod token_service;

pub use access_control::Auth;
pub use caller::{Action, Allowed, Caller, Grant, Need, Scope};
pub use error::AuthError;
pub use options::{AccountsOptions, HtpasswdOptions, Kind, Network, Options, TokenServerOptions};
pub use token_service::generate_signing_key;
