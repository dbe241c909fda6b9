//! Whom we trust on the other end of a connection, and how we show who we are.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::client::HttpOptions;
use crate::crypto::Passphrase;

/// Configured certificates or keys that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of roots is not PEM.
    #[error("a configured root certificate cannot be read")]
    Root(#[source] rustls::pki_types::pem::Error),
    /// A file of roots has a certificate that is none.
    #[error("a configured root certificate is not usable")]
    RootCertificate(#[source] Error),
    /// A file of roots holds no certificate.
    #[error("a configured root file has no certificate in it")]
    NoRoot,
    /// The client certificate or its key is not PEM, or the key is encrypted.
    #[error("the client certificate or its key cannot be read")]
    Client(#[source] rustls::pki_types::pem::Error),
    /// The client certificate and key do not fit, or are of a kind TLS does not know.
    #[error("the client certificate is not usable")]
    ClientCertificate(#[source] Error),
    /// The TLS library refuses its configuration.
    #[error("TLS cannot be set up")]
    Setup(#[source] Error),
}

/// How far the other end of a connection is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// The host these options are for: its certificate is checked, ours is shown.
    Verified,
    /// The host these options are for, declared insecure: any certificate does.
    Anyone,
    /// A host that this one sends us to: checked, and not shown our certificate.
    Foreign,
}

/// Builds the configuration of connections to a host trusted so far.
pub(crate) fn client_config(options: &HttpOptions, trust: Trust) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Anyone => Arc::new(AnyCertificate { provider: Arc::clone(&provider) }),
        Trust::Verified | Trust::Foreign => {
            Arc::new(RootsVerifier::new(&options.roots_pem, Arc::clone(&provider))?)
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &options.client_pem {
        Some((certificates, key)) if trust != Trust::Foreign => {
            let (chain, key) = client_pair(certificates, key)?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::ClientCertificate)?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn client_pair(
    certificates: &[u8],
    key: &Passphrase,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(TlsError::Client)?;
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(TlsError::Client)?;
    Ok((chain, key))
}

/// Trusts the configured roots and the system's.
///
/// The system's are read only when a certificate needs them: reading takes longer than a
/// handshake, and servers with a private root are the common case.
struct RootsVerifier {
    provider: Arc<CryptoProvider>,
    given: Vec<CertificateDer<'static>>,
    given_roots: Option<Arc<WebPkiServerVerifier>>,
    system_roots: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl RootsVerifier {
    fn new(files: &[Vec<u8>], provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let mut given = Vec::new();
        for file in files {
            let before = given.len();
            for certificate in CertificateDer::pem_slice_iter(file) {
                given.push(certificate.map_err(TlsError::Root)?);
            }
            if given.len() == before {
                return Err(TlsError::NoRoot);
            }
        }
        let mut roots = RootCertStore::empty();
        for certificate in &given {
            roots.add(certificate.clone()).map_err(TlsError::RootCertificate)?;
        }
        let given_roots = verifier(roots, &provider);
        Ok(Self { provider, given, given_roots, system_roots: OnceLock::new() })
    }

    fn system(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let load = || {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            verifier(roots, &self.provider)
        };
        self.system_roots.get_or_init(load).as_ref()
    }

    /// Accepts a configured certificate shown by the server itself, as Go does: self-signed
    /// ones are commonly marked as authorities, which path building refuses at the end of a chain.
    fn is_given(
        &self,
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<ServerCertVerified, Error>> {
        if !self.given.iter().any(|known| known.as_ref() == shown.as_ref()) {
            return None;
        }
        let check = || {
            let parsed = ParsedCertificate::try_from(shown)?;
            rustls::client::verify_server_name(&parsed, name)?;
            let (_, certificate) = X509Certificate::from_der(shown)
                .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
            let validity = certificate.validity();
            let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            if now < validity.not_before.timestamp() {
                return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
            }
            if now > validity.not_after.timestamp() {
                return Err(Error::InvalidCertificate(CertificateError::Expired));
            }
            Ok(ServerCertVerified::assertion())
        };
        Some(check())
    }
}

/// Calls a stranger's self-signed certificate what it is to people: one by nobody we know.
fn plainly(error: Error, shown: &CertificateDer<'_>) -> Error {
    let self_signed = X509Certificate::from_der(shown)
        .is_ok_and(|(_, certificate)| certificate.subject() == certificate.issuer());
    match error {
        Error::InvalidCertificate(CertificateError::Other(_)) if self_signed => {
            Error::InvalidCertificate(CertificateError::UnknownIssuer)
        }
        other => other,
    }
}

/// Whether no root tried has issued the certificate; one of the same name does not count.
fn is_of_another_root(error: &Error) -> bool {
    let Error::InvalidCertificate(problem) = error else { return false };
    matches!(problem, CertificateError::UnknownIssuer | CertificateError::BadSignature)
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Option<Arc<WebPkiServerVerifier>> {
    // The builder refuses an empty store, and nothing else.
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok()
}

impl ServerCertVerifier for RootsVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(verdict) = self.is_given(end_entity, server_name, now) {
            return verdict;
        }
        let verify = |roots: &WebPkiServerVerifier| {
            roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        let unknown = Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        let verdict = self.given_roots.as_deref().map_or(unknown, verify);
        let verdict = verdict.map_err(|error| plainly(error, end_entity));
        if !verdict.as_ref().is_err_and(is_of_another_root) {
            return verdict;
        }
        let verdict = self.system().map_or(verdict, |roots| verify(roots));
        verdict.map_err(|error| plainly(error, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for RootsVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootsVerifier").field("given", &self.given.len()).finish_non_exhaustive()
    }
}

/// Trusts any certificate whose key the server holds.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::http::{HttpClient, Request, TransportError};
    use crate::client::testing::{Authority, Pair, Server, patient, reply};

    async fn get(options: HttpOptions, server: &Server) -> Result<Vec<u8>, TransportError> {
        let request = Request::get(server.url("/"), 10);
        HttpClient::new(options).send(&request).await.map(|answer| answer.body)
    }

    fn trusting(pem: impl Into<Vec<u8>>) -> HttpOptions {
        HttpOptions { roots_pem: vec![pem.into()], ..patient() }
    }

    #[tokio::test]
    async fn given_roots_are_trusted_and_others_are_not() {
        let authority = Authority::new();
        let server = Server::start_tls(authority.issue().server(), |_| reply(200, "ok"));
        assert_eq!(get(trusting(authority.pem()), &server).await.unwrap(), b"ok");
        for options in [patient(), trusting(Authority::new().pem())] {
            let error = get(options, &server).await.unwrap_err();
            assert!(matches!(error, TransportError::Tls { .. }), "{error:?}");
        }
        let insecure = HttpOptions { insecure: true, ..patient() };
        assert_eq!(get(insecure, &server).await.unwrap(), b"ok");
    }

    #[tokio::test]
    async fn a_given_self_signed_certificate_is_trusted_for_its_name_only() {
        let pair = Pair::self_signed("127.0.0.1");
        let server = Server::start_tls(pair.server(), |_| reply(200, "ok"));
        assert_eq!(get(trusting(pair.certificate_pem), &server).await.unwrap(), b"ok");
        let pair = Pair::self_signed("other.example");
        let server = Server::start_tls(pair.server(), |_| reply(200, "ok"));
        let error = get(trusting(pair.certificate_pem), &server).await.unwrap_err();
        assert!(matches!(error, TransportError::Tls { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_strangers_self_signed_certificate_is_of_an_unknown_issuer() {
        let server =
            Server::start_tls(Pair::self_signed("127.0.0.1").server(), |_| reply(200, "ok"));
        let error = get(trusting(Authority::new().pem()), &server).await.unwrap_err();
        let TransportError::Tls { cause, .. } = &error else { panic!("{error:?}") };
        assert_eq!(cause.to_string(), "invalid peer certificate: UnknownIssuer");
    }

    #[tokio::test]
    async fn client_certificates_are_shown() {
        let authority = Authority::new();
        let config = authority.demanding(&authority.issue());
        let server = Server::start_tls(config, |_| reply(200, "ok"));
        let without = get(trusting(authority.pem()), &server).await.unwrap_err();
        assert!(matches!(without, TransportError::Tls { .. }), "{without:?}");
        let pair = authority.issue();
        let key = Passphrase::new(pair.key_pem);
        let options = HttpOptions {
            client_pem: Some((pair.certificate_pem.into_bytes(), key)),
            ..trusting(authority.pem())
        };
        assert_eq!(get(options, &server).await.unwrap(), b"ok");
    }

    #[tokio::test]
    async fn insecure_covers_the_host_it_was_declared_for_and_no_other() {
        let other = Server::start_tls(Authority::new().issue().server(), |_| reply(200, "there"));
        let target = other.alias("/").to_string();
        let server = Server::start_tls(Authority::new().issue().server(), move |_| {
            reply(302, "").with("Location", target.clone())
        });
        let error = get(HttpOptions { insecure: true, ..patient() }, &server).await.unwrap_err();
        let TransportError::Tls { url, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*url, other.alias("/").to_string());
    }

    #[tokio::test]
    async fn a_plain_server_is_a_tls_failure() {
        let server = Server::start(|_| reply(400, "plain"));
        let mut url = server.url("/");
        url.set_scheme("https").unwrap();
        let error = HttpClient::new(patient()).send(&Request::get(url, 10)).await.unwrap_err();
        assert!(matches!(error, TransportError::Tls { .. }), "{error:?}");
    }

    #[test]
    fn bad_files_are_named() {
        let config = |options: HttpOptions| client_config(&options, Trust::Verified).unwrap_err();
        assert!(matches!(config(trusting("hello")), TlsError::NoRoot));
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(config(trusting(garbage)), TlsError::RootCertificate(_)));
        let pair = Authority::new().issue();
        let broken = (pair.certificate_pem.into_bytes(), Passphrase::new("no key".to_owned()));
        let options = HttpOptions { client_pem: Some(broken), ..patient() };
        assert!(matches!(config(options), TlsError::Client(_)));
    }
}
