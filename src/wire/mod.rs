//! What travels over HTTP, known to both ends: routes, error codes, challenges, tokens, listings,
//! forms.

pub mod auth;
pub mod errors;
pub mod form;
pub mod import;
pub mod notary;
pub mod referrers;
pub mod registry;
pub mod search;
pub mod signed_push;

pub use auth::{Challenge, TokenAnswer, TokenError};
pub use errors::ApiError;
