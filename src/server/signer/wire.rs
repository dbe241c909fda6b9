//! What travels to and from a `notary-signer` (notary.md §7.1), and gRPC's health check.

use prost::Message;

/// A key's id.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct KeyId {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

/// The name of an algorithm.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Algorithm {
    #[prost(string, tag = "1")]
    pub(super) algorithm: String,
}

/// Which key, and of which kind.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct KeyInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) key_id: Option<KeyId>,
    #[prost(message, optional, tag = "2")]
    pub(super) algorithm: Option<Algorithm>,
}

/// What a key is made for.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct CreateKeyRequest {
    #[prost(string, tag = "1")]
    pub(super) algorithm: String,
    #[prost(string, tag = "2")]
    pub(super) gun: String,
    #[prost(string, tag = "3")]
    pub(super) role: String,
}

/// A key that was made.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PublicKey {
    #[prost(message, optional, tag = "1")]
    pub(super) key_info: Option<KeyInfo>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) public_key: Vec<u8>,
}

/// A key that is there.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct GetKeyInfoResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) key_info: Option<KeyInfo>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) public_key: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) role: String,
}

/// What is to be signed.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct SignatureRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) key_id: Option<KeyId>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) content: Vec<u8>,
}

/// A signature.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Signature {
    #[prost(message, optional, tag = "1")]
    pub(super) key_info: Option<KeyInfo>,
    #[prost(message, optional, tag = "2")]
    pub(super) algorithm: Option<Algorithm>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) content: Vec<u8>,
}

/// Nothing.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Void {}

/// Which service is asked after.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

/// How it is; 1 stands for good.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}
