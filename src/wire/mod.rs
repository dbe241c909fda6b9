//! What travels over HTTP, known to both ends: routes, error codes, challenges, tokens, listings.

pub mod auth;
pub mod errors;
pub mod notary;
pub mod registry;

pub use auth::{Challenge, TokenAnswer, TokenError};
pub use errors::ApiError;
