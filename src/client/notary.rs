//! stub
use crate::client::{CredentialSource, HttpClient, TransportError};
use crate::crypto::{PublicKey, Sha256Hash};
use crate::tuf::{Gun, RoleName};
use url::Url;
/// Which version of a role's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileVersion {
    Current,
    Hash(Sha256Hash),
    Number(u64),
}
/// One repository on one notary server (notary.md §3).
#[derive(Debug)]
pub struct NotaryClient {}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotaryError {
    #[error("{server} has no {file} for {gun}")]
    NotFound { server: String, gun: String, file: String },
    /// Somebody published first (VERSION, or INVALID_UPDATE naming a root version).
    #[error("{server} has a newer version already: {message}")]
    Conflict { server: String, message: String },
    /// A 400 with a code; `name` as ErrBadRoot… when given.
    #[error("{server} rejected the update: {message}")]
    Rejected { server: String, code: String, name: Option<String>, message: String },
    #[error(transparent)]
    Transport(#[from] TransportError),
}
impl NotaryClient {
    /// `base` may have a path; `actions` is the token scope: "pull", "pull,push", "push,pull" or "*".
    pub fn new(
        _base: Url,
        _gun: &Gun,
        _actions: &str,
        _http: HttpClient,
        _c: std::sync::Arc<dyn CredentialSource>,
    ) -> Self {
        unimplemented!()
    }
    /// Bytes exactly as received, at most `limit` (more is TransportError::TooLarge).
    pub async fn file(
        &self,
        _role: &RoleName,
        _v: FileVersion,
        _limit: u64,
    ) -> Result<Vec<u8>, NotaryError> {
        unimplemented!()
    }
    /// GET snapshot.key / timestamp.key
    pub async fn server_key(&self, _role: &RoleName) -> Result<PublicKey, NotaryError> {
        unimplemented!()
    }
    /// POST (needs "*").
    pub async fn rotate_server_key(&self, _role: &RoleName) -> Result<PublicKey, NotaryError> {
        unimplemented!()
    }
    /// One atomic multipart POST.
    pub async fn publish(&self, _files: &[(RoleName, Vec<u8>)]) -> Result<(), NotaryError> {
        unimplemented!()
    }
    pub async fn delete(&self) -> Result<(), NotaryError> {
        unimplemented!()
    }
    /// Changefeed of this GUN, wire::notary::Changefeed.
    pub async fn health(&self) -> Result<(), NotaryError> {
        unimplemented!()
    }
}
