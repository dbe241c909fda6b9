//! A registry and its notary server at one address, which refuses what is not signed.
//!
//! Reading order: [`http`] (what a request is), [`router`] (what its path means), [`service`] (from
//! a request to an answer), [`registry`] and [`notary`] (the two interfaces), [`trust`] (what is
//! served to whom: the one decision), [`meta`] (the database, the only commit point), [`blobs`]
//! (content), [`signer`] (the server's own keys), [`auth`] (who asks), [`upkeep`] (what runs
//! beside), [`config`], [`start`] and [`listen`] (how it is started).

pub mod assemble;
pub mod auth;
pub mod blobs;
pub mod config;
pub mod error;
pub mod files;
pub mod hot;
pub mod http;
pub mod import;
pub mod kill;
pub mod listen;
pub mod logging;
pub mod meta;
pub mod metrics;
pub mod notary;
pub mod registry;
pub mod router;
pub mod service;
pub mod signer;
pub mod start;
pub mod state;
pub mod swap;
pub mod tls;
pub mod trust;
pub mod upkeep;

pub use error::Refusal;
pub use state::Server;
