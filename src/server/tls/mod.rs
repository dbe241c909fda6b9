//! TLS: certificates of others or of an authority of our own, and which connections are good enough.

pub mod authority;

pub use authority::Authority;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite};

use crate::limits::MAX_KEY_FILE_BYTES;
use crate::server::files::{self, FileError};

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Files(#[from] FileError),
    /// A file holds no certificate.
    #[error("{} holds no certificate in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no private key.
    #[error("{} holds no private key in PEM that is not encrypted", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not work.
    #[error("the certificate and its key cannot be used")]
    Pair(#[source] rustls::Error),
    /// The authorities of clients do not work.
    #[error("the authorities of clients cannot be used")]
    ClientAuthorities(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No such cipher suite.
    #[error("`{name}` is no cipher suite that is served")]
    CipherSuite {
        /// What was asked for.
        name: String,
    },
    /// The authority of this server is not usable.
    #[error("the certificate authority in {} cannot be used", path.display())]
    Authority {
        /// Its certificate.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A name cannot stand in a certificate.
    #[error("`{name}` is no host name or address for a certificate")]
    HostName {
        /// The name.
        name: String,
    },
}

/// Whose certificate is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those between it and its authority, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The oldest TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinimumVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Which connections are good enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The oldest TLS.
    pub minimum: MinimumVersion,
    /// Cipher suites by the names of IANA, as Go has them; none for the usual ones. As in Go they
    /// are those of TLS 1.2: TLS 1.3 has its own unless some of them are named.
    pub cipher_suites: Vec<String>,
    /// Authorities (PEM) of which clients must show a certificate; none to ask for no certificate.
    pub client_authorities: Vec<PathBuf>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

impl Rules {
    /// Makes what serves TLS with this certificate. The files are read now.
    pub fn server_config(&self, files: &Files) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(self.provider()?);
        let versions: &[_] = match self.minimum {
            MinimumVersion::Tls12 => &[&TLS13, &TLS12],
            MinimumVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(TlsError::Pair)?;
        let builder = if self.client_authorities.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for path in &self.client_authorities {
                for certificate in certificates(path)? {
                    let added = roots.add(certificate);
                    added.map_err(|cause| TlsError::ClientAuthorities(cause.into()))?;
                }
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier = verifier.map_err(|cause| TlsError::ClientAuthorities(cause.into()))?;
            builder.with_client_cert_verifier(verifier)
        };
        let (chain, key) = (certificates(&files.certificate)?, private_key(&files.key)?);
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = if self.http2 {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        Ok(config)
    }

    /// Tells whether the cipher suites are known. No file is read.
    pub fn check(&self) -> Result<(), TlsError> {
        self.provider().map(|_| ())
    }

    fn provider(&self) -> Result<CryptoProvider, TlsError> {
        let mut provider = aws_lc_rs::default_provider();
        if self.cipher_suites.is_empty() {
            return Ok(provider);
        }
        let known = |name: &String| {
            let suites = provider.cipher_suites.iter().copied();
            let found = suites.into_iter().find(|suite| iana_name(*suite) == *name);
            found.ok_or_else(|| TlsError::CipherSuite { name: name.clone() })
        };
        let mut chosen = self.cipher_suites.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        if !chosen.iter().any(|suite| suite.tls13().is_some()) {
            chosen.extend(provider.cipher_suites.iter().filter(|suite| suite.tls13().is_some()));
        }
        provider.cipher_suites = chosen;
        Ok(provider)
    }
}

/// The name of a suite at IANA: rustls marks those of TLS 1.3.
fn iana_name(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = files::read(path, MAX_KEY_FILE_BYTES)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::NoCertificate { path: path.to_owned() }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = files::read(path, MAX_KEY_FILE_BYTES)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NoKey { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_go_by_their_registered_names() {
        let rules = |names: &[&str]| Rules {
            cipher_suites: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Rules::default()
        };
        let one = rules(&["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]).provider().unwrap();
        assert_eq!(one.cipher_suites.iter().filter(|suite| suite.tls13().is_none()).count(), 1);
        assert!(one.cipher_suites.iter().any(|suite| suite.tls13().is_some()));
        let two = rules(&["TLS_AES_256_GCM_SHA384"]).provider().unwrap();
        assert_eq!(two.cipher_suites.len(), 1);
        let none = rules(&["TLS_RSA_WITH_AES_128_CBC_SHA"]).provider();
        assert!(matches!(none, Err(TlsError::CipherSuite { .. })));
    }
}
