//! Keys of a `notary-signer`, asked over gRPC with mutual TLS (notary.md §7.1).

use std::fmt;
use std::time::Duration;

use ::http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::OnceCell;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use zeroize::Zeroizing;

use crate::crypto::{KeyType, Method, PublicKey};
use crate::limits::{
    MAX_SIGNER_ANSWER_BYTES, MAX_SIGNER_MESSAGE_BYTES, SIGNER_CONNECT_SECONDS,
    SIGNER_DEADLINE_SECONDS,
};
use crate::server::signer::{Algorithm, ServerKey, SignerError, wire};
use crate::tuf::{Gun, RoleName};

/// Which signer, and who we are to it.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Its host and port.
    pub address: String,
    /// The certificates of the authorities one of which signed its own, PEM.
    pub authorities: Vec<u8>,
    /// Our certificate, PEM.
    pub certificate: Vec<u8>,
    /// Our private key, PEM.
    pub key: Zeroizing<Vec<u8>>,
    /// Which keys it makes for us.
    pub algorithm: Algorithm,
}

/// A `notary-signer`. It is connected to when it is first needed, and again when it was away.
#[derive(Debug)]
pub struct RemoteSigner {
    endpoint: Box<Endpoint>,
    channel: OnceCell<Channel>,
    algorithm: Algorithm,
}

impl RemoteSigner {
    /// A signer that is not asked yet. An error says that the certificates or the address are none.
    pub fn new(options: &RemoteOptions) -> Result<Self, SignerError> {
        let wrong = |what| move |_| SignerError::BadAnswer { what };
        let host = options.address.rsplit_once(':').map_or("", |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let tls = ClientTlsConfig::new()
            .domain_name(host)
            .ca_certificate(Certificate::from_pem(&options.authorities))
            .identity(Identity::from_pem(&options.certificate, &options.key));
        let endpoint = Endpoint::from_shared(format!("https://{}", options.address))
            .map_err(wrong("address"))?
            .connect_timeout(Duration::from_secs(SIGNER_CONNECT_SECONDS))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(Duration::from_secs(SIGNER_CONNECT_SECONDS))
            .tls_config(tls)
            .map_err(|error| SignerError::Unavailable(error.into()))?;
        let endpoint = Box::new(endpoint);
        Ok(Self { endpoint, channel: OnceCell::new(), algorithm: options.algorithm })
    }

    pub(super) async fn create(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<ServerKey, SignerError> {
        let request = wire::CreateKeyRequest {
            algorithm: self.algorithm.as_str().to_owned(),
            gun: gun.as_str().to_owned(),
            role: role.as_str().to_owned(),
        };
        // Not asked twice: each time may make a key that nobody ever deletes.
        let made: wire::PublicKey =
            self.ask_once("/proto.KeyManagement/CreateKey", &request).await?;
        let public = public_key(made.key_info, made.public_key)?;
        if *public.key_type() != self.algorithm.key_type() {
            return Err(SignerError::BadAnswer { what: "algorithm" });
        }
        Ok(ServerKey { public, sealed: None })
    }

    pub(super) async fn sign(
        &self,
        key: &ServerKey,
        message: &[u8],
    ) -> Result<(Method, Vec<u8>), SignerError> {
        if key.sealed.is_some() {
            return Err(SignerError::Missing);
        }
        if message.len() > MAX_SIGNER_MESSAGE_BYTES {
            let limit = MAX_SIGNER_MESSAGE_BYTES;
            return Err(SignerError::TooLarge { length: message.len(), limit });
        }
        let request = wire::SignatureRequest {
            key_id: Some(wire::KeyId { id: key.public.id().as_str().to_owned() }),
            content: message.to_vec(),
        };
        let made: wire::Signature = self.ask("/proto.Signer/Sign", &request).await?;
        let method = match key.public.key_type() {
            KeyType::Ecdsa => Method::Ecdsa,
            KeyType::Ed25519 => Method::Eddsa,
            _ => return Err(SignerError::BadAnswer { what: "algorithm" }),
        };
        Ok((method, made.content))
    }

    pub(super) async fn delete(&self, key: &ServerKey) -> Result<(), SignerError> {
        let id = wire::KeyId { id: key.public.id().as_str().to_owned() };
        let deleted = self.ask::<_, wire::Void>("/proto.KeyManagement/DeleteKey", &id).await;
        match deleted {
            Ok(_) | Err(SignerError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The public key that the signer has under an id; `None` if it does not have it.
    pub async fn find(&self, key: &PublicKey) -> Result<Option<PublicKey>, SignerError> {
        let id = wire::KeyId { id: key.id().as_str().to_owned() };
        let found: Result<wire::GetKeyInfoResponse, _> =
            self.ask("/proto.KeyManagement/GetKeyInfo", &id).await;
        match found {
            Ok(found) => public_key(found.key_info, found.public_key).map(Some),
            Err(SignerError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn check(&self) -> Result<(), SignerError> {
        for service in HEALTH_SERVICES {
            let request = wire::HealthCheckRequest { service: service.to_owned() };
            let health: wire::HealthCheckResponse =
                self.ask("/grpc.health.v1.Health/Check", &request).await?;
            if health.status != SERVING {
                return Err(SignerError::Unavailable("it says that it is not well".into()));
            }
        }
        Ok(())
    }

    /// Asks what may be asked again, so that a connection that was lost is not noticed.
    async fn ask<Q, A>(&self, path: &'static str, question: &Q) -> Result<A, SignerError>
    where
        Q: Message + Clone + Default + 'static,
        A: Message + Default + 'static,
    {
        match self.ask_once(path, question).await {
            // Whoever was slow once is not given as much time again.
            Err(SignerError::Unavailable(cause)) if !cause.is::<Elapsed>() => {
                self.ask_once(path, question).await
            }
            answered => answered,
        }
    }

    async fn ask_once<Q, A>(&self, path: &'static str, question: &Q) -> Result<A, SignerError>
    where
        Q: Message + Clone + Default + 'static,
        A: Message + Default + 'static,
    {
        let channel = self.channel.get_or_init(|| async { self.endpoint.connect_lazy() }).await;
        let asking = async {
            let mut client =
                Grpc::new(channel.clone()).max_decoding_message_size(MAX_SIGNER_ANSWER_BYTES);
            let ready = client.ready().await;
            ready.map_err(|error| Status::unavailable(describe(&error)))?;
            let mut request = Request::new(question.clone());
            request.set_timeout(DEADLINE);
            let codec = ProstCodec::<Q, A>::default();
            client.unary(request, PathAndQuery::from_static(path), codec).await
        };
        match timeout(DEADLINE, asking).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(refused(status)),
            Err(late) => Err(SignerError::Unavailable(late.into())),
        }
    }
}

impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteOptions").field("address", &self.address).finish_non_exhaustive()
    }
}

fn refused(status: Status) -> SignerError {
    let code = status.code();
    match code {
        Code::NotFound => SignerError::Missing,
        // What goes wrong on the way is told as unknown or cancelled, too.
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            SignerError::Unavailable(status.into())
        }
        _ if std::error::Error::source(&status).is_some() => {
            SignerError::Unavailable(status.into())
        }
        _ if is_missing(status.message()) => SignerError::Missing,
        _ => SignerError::Refused { code: format!("{code:?}"), cause: status.into() },
    }
}

/// Whether a signer says that it does not have a key. Which status it gives depends on its storage.
fn is_missing(message: &str) -> bool {
    message.contains("not found") || message.contains("invalid keyID")
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A public key, which must be the one that it is said to be.
fn public_key(info: Option<wire::KeyInfo>, bytes: Vec<u8>) -> Result<PublicKey, SignerError> {
    let info = info.ok_or(SignerError::BadAnswer { what: "key" })?;
    let (id, algorithm) = (info.key_id.unwrap_or_default(), info.algorithm.unwrap_or_default());
    let public = PublicKey::new(KeyType::parse(&algorithm.algorithm), bytes);
    public.check().map_err(SignerError::Key)?;
    if public.id().as_str() == id.id {
        Ok(public)
    } else {
        Err(SignerError::BadAnswer { what: "key id" })
    }
}

/// How long the signer may take for one answer.
const DEADLINE: Duration = Duration::from_secs(SIGNER_DEADLINE_SECONDS);
/// How often an idle connection is tried.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// What a signer calls its services when it is asked for their health.
const HEALTH_SERVICES: [&str; 2] =
    ["grpc.health.v1.Health.KeyManagement", "grpc.health.v1.Health.Signer"];
/// A service that is well.
const SERVING: i32 = 1;
