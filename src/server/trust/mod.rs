//! What is served to whom: one decision, for every way to reach content (server.md §4).

use serde_json::{Value, json};

use ::http::StatusCode;

use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::Refusal;
use crate::server::auth::Caller;
use crate::server::meta::{MetaError, Reading, Writing};

/// What somebody wants to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A tag, and the manifest it stands for now.
    Tag(&'a TagName, &'a Digest),
    /// A manifest by its digest.
    Manifest(&'a Digest),
    /// A blob, from its own repository or mounted into another.
    Blob(&'a Digest),
}

/// Why content is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// For people.
    pub message: String,
    /// For machines: `reason`, `gun`, `tag`, `registry_digest`, `signed_digest`.
    pub detail: Value,
}

/// The decision.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Gate {}

impl Gate {
    /// Decides whether a caller may reach this, by what the snapshot says. `Ok(Err(_))` is a denial;
    /// an error denies as well.
    #[expect(clippy::unused_async, reason = "the snapshot is asked where a policy applies")]
    pub async fn pull(
        &self,
        _reading: &mut Reading,
        _repository: &RepositoryName,
        _subject: Subject<'_>,
        _caller: &Caller,
    ) -> Result<Result<(), Denial>, MetaError> {
        Ok(Ok(()))
    }

    /// Whether valid trust data names a tag, by what a transaction sees.
    #[expect(clippy::unused_async, reason = "the transaction is asked where there are signatures")]
    pub async fn is_signed(
        &self,
        _writing: &mut Writing,
        _repository: &RepositoryName,
        _tag: &TagName,
    ) -> Result<bool, MetaError> {
        Ok(false)
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let detail = if denial.detail.is_null() { json!({}) } else { denial.detail };
        Self::new(StatusCode::FORBIDDEN, "DENIED", denial.message).with_detail(detail)
    }
}
