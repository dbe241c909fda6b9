//! What travels over HTTP, known to both ends: routes, error codes, challenges, tokens, listings.

pub mod auth;
pub mod notary;
pub mod registry;
