//! stub
use crate::store::StoreError;
/// What a host's TLS folder holds (`~/.docker/tls/<host>/`, `/etc/docker/certs.d/<host>/`): `*.crt` roots, `*.cert`+`*.key` client pairs.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    pub roots_pem: Vec<Vec<u8>>,
    pub client: Option<ClientPair>,
}
#[derive(Clone)]
pub struct ClientPair {
    pub certificate_pem: Vec<u8>,
    pub key_pem: crate::crypto::Passphrase,
}
impl std::fmt::Debug for ClientPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientPair(..)")
    }
}
impl TlsFiles {
    /// Merges the folders `<dir>/<host[:port]>/` of every dir that exists.
    pub fn load(_dirs: &[std::path::PathBuf], _host: &str) -> Result<Self, StoreError> {
        unimplemented!()
    }
}
