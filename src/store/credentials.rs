//! stub
use crate::store::StoreError;
/// Docker's `config.json`: auths, credsStore, credHelpers, proxies; unknown members survive a rewrite.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    _path: std::path::PathBuf,
}
/// A registry login. `Debug` shows no secret.
#[derive(Clone)]
pub enum Credential {
    Basic { username: String, password: crate::crypto::Passphrase },
    IdentityToken { username: String, token: crate::crypto::Passphrase },
}
impl DockerConfig {
    /// Missing file = empty.
    pub fn load(_config_dir: &std::path::Path) -> Result<Self, StoreError> {
        unimplemented!()
    }
    /// For a registry host as docker keys it (`https://index.docker.io/v1/` for docker.io): helper for the host, store, then auths.
    pub fn get(&self, _host: &str) -> Result<Option<Credential>, StoreError> {
        unimplemented!()
    }
    pub fn set(&mut self, _host: &str, _c: &Credential) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Whether anything was there.
    pub fn erase(&mut self, _host: &str) -> Result<bool, StoreError> {
        unimplemented!()
    }
}
