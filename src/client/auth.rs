//! stub
use crate::crypto::Passphrase;
/// A login to offer to a server.
#[derive(Clone)]
pub enum Login {
    Basic {
        username: String,
        password: Passphrase,
    },
    IdentityToken {
        username: String,
        token: Passphrase,
    },
    /** bearer token given directly */
    Bearer(Passphrase),
}
/// Where logins come from (docker's config.json and helpers, NOTARY_AUTH); asked only after a 401.
pub trait CredentialSource: Send + Sync + std::fmt::Debug {
    fn login(&self) -> Result<Option<Login>, Box<dyn std::error::Error + Send + Sync>>;
}
