//! stub
use std::time::Duration;
/// How to reach one host.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Extra roots (PEM), besides the system's.
    pub roots_pem: Vec<Vec<u8>>,
    /// Client certificate and key (PEM).
    pub client_pem: Option<(Vec<u8>, crate::crypto::Passphrase)>,
    /// Accept any certificate; and plain HTTP after TLS fails. Only for loopback and declared insecure registries.
    pub insecure: bool,
    pub connect_timeout: Duration,
    pub idle_timeout: Duration,
    pub total_timeout: Duration,
    /// Bytes a second below which a transfer is given up after `idle_timeout`.
    pub minimum_rate: u64,
    pub user_agent: String,
}
impl Default for HttpOptions {
    fn default() -> Self {
        unimplemented!()
    }
}
/// One host's HTTP connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient {}
/// The network or the server is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    #[error("cannot reach {url}")]
    Unreachable { url: String }, /* Timeout, TooSlow, TooLarge{url,limit}, Tls{url, cause}, Cut (half a body), Unauthorized{url, message}, Forbidden, Status{url,status,message}, BadAnswer{url, problem}, … urls redacted of userinfo and query secrets */
}
