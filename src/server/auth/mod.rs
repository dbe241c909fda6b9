//! Who asks, and what they may do.

pub mod caller;

pub use caller::{Action, Caller, Grant, Need, Scope};

use std::net::IpAddr;

use ::http::HeaderMap;

use crate::server::Refusal;

/// How callers are known.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Auth {
    /// Nobody is asked for anything: everybody may do everything.
    #[default]
    Open,
}

impl Auth {
    /// Finds out who asks, and whether they may do what they need: a refusal is the answer, with a
    /// challenge where a login could help. Whether what they ask for exists plays no part in it.
    #[expect(clippy::unused_async, reason = "passwords are checked on another thread")]
    pub async fn authorize(
        &self,
        _headers: &HeaderMap,
        _peer: IpAddr,
        _need: &Need,
    ) -> Result<Caller, Refusal> {
        match self {
            Self::Open => Ok(Caller::anybody()),
        }
    }
}
