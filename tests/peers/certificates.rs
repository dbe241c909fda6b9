//! A certificate authority for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// Signs certificates for `localhost` and the loopback addresses; its own is on disk.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its private key, both PEM files.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFiles {
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its private key, PKCS#8.
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Makes an authority with a fresh P-256 key.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// Returns the file of the authority's own certificate.
    pub(crate) fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Returns what a TLS server of the harness itself shows: a certificate for `name`, no question
    /// about the client's.
    pub(crate) fn server_config(&self, folder: &Path, name: &str) -> Arc<ServerConfig> {
        let files = self.issue(folder, name);
        let chain = vec![CertificateDer::from_pem_file(&files.certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    /// Writes `<name>.pem` and `<name>-key.pem` into `folder`, good for both ends of a connection.
    pub(crate) fn issue(&self, folder: &Path, name: &str) -> CertificateFiles {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let pair = KeyPair::generate().unwrap();
        let signed = params.signed_by(&pair, &self.issuer).unwrap();
        let files = CertificateFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}-key.pem")),
        };
        fs::write(&files.certificate, signed.pem()).unwrap();
        fs::write(&files.key, pair.serialize_pem()).unwrap();
        files
    }
}
