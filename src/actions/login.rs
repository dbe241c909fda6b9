//! `trust login` and `trust logout`: a registry's login, in docker's `config.json` or the keyring.

use std::error::Error;
use std::sync::Arc;

use crate::actions::Context;
use crate::actions::context::ConnectionError;
use crate::client::{CredentialSource, Login, RegistryError};
use crate::crypto::Passphrase;
use crate::oci::Reference;
use crate::oci::reference::ReferenceError;
use crate::store::StoreError;
use crate::store::credentials::{Credential, DockerConfig};
use crate::store::keyring;

/// Why a login was not kept, or not removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The server's name is none.
    #[error("`{}` is not the name of a registry", server.escape_debug())]
    BadServer {
        /// The name as given.
        server: String,
        /// What is wrong with it.
        #[source]
        cause: ReferenceError,
    },
    /// There is no way to the server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server refused, or is not there.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Docker's configuration.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a login is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where docker keeps it.
    Dockers,
    /// In the operating system's keyring, and nowhere else.
    Keyring,
}

/// Checks a login with its registry and keeps it.
pub async fn login(
    context: &Context,
    server: &str,
    username: &str,
    password: &Passphrase,
    place: Place,
) -> Result<Kept, LoginError> {
    let reference = any_repository_of(server)?;
    let offered = Arc::new(Offered { username: username.to_owned(), password: password.clone() });
    let registry = context.connections.registry_with(&reference, offered)?;
    let credential = match registry.check_login().await? {
        Some(Login::IdentityToken { username, token }) => {
            Credential::IdentityToken { username, token }
        }
        _ => Credential::Basic { username: username.to_owned(), password: password.clone() },
    };
    let host = reference.domain();
    let mut config = DockerConfig::load(&context.connections.config_dir)?;
    if place == Place::Keyring {
        keyring::remember_login(&context.keyring, host, &credential)?;
        // What docker's files say would go before it.
        config.set_aside(host)?;
        return Ok(Kept::InKeyring);
    }
    let was_aside = config.is_set_aside(host);
    config.set(host, &credential)?;
    if config.uses_helper(host) {
        return Ok(Kept::InHelper);
    }
    if was_aside {
        keyring::forget_login(&context.keyring, host)?;
    }
    Ok(Kept::InPlainFile)
}

/// Where a login is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In a credential helper.
    InHelper,
    /// In the operating system's keyring.
    InKeyring,
    /// In `config.json`, as anybody can read who can read the file.
    InPlainFile,
}

/// Checks the login that is kept for a registry; returns whose it is, `None` if there is none.
pub async fn login_again(context: &Context, server: &str) -> Result<Option<String>, LoginError> {
    let reference = any_repository_of(server)?;
    let connections = &context.connections;
    let Some(username) = connections.username(&reference)? else { return Ok(None) };
    connections.registry(&reference)?.check_login().await?;
    Ok(Some(username))
}

/// Whether the environment holds a login for a registry, which goes before all that is kept.
pub fn is_overridden(context: &Context, server: &str) -> Result<bool, LoginError> {
    let reference = any_repository_of(server)?;
    Ok(context.connections.logins.of_variable(reference.domain())?.is_some())
}

/// Removes a registry's login; whether there was one.
pub fn logout(context: &Context, server: &str) -> Result<bool, LoginError> {
    let reference = any_repository_of(server)?;
    let mut config = DockerConfig::load(&context.connections.config_dir)?;
    let host = reference.domain();
    // First, for without the note in docker's file nobody would look there again.
    let forgotten = config.is_set_aside(host) && keyring::forget_login(&context.keyring, host)?;
    Ok(config.erase(host)? || forgotten)
}

/// The host that people and docker write in several ways: `https://index.docker.io/v1/` is
/// `docker.io`, and `https://host/` is `host`.
pub fn registry_of(server: &str) -> &str {
    let bare = server.trim_start_matches("https://").trim_start_matches("http://");
    match bare.split('/').next().unwrap_or(bare) {
        "" | "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

fn any_repository_of(server: &str) -> Result<Reference, LoginError> {
    let host = registry_of(server);
    // A name without dot, port or `localhost` would be a folder on Docker Hub.
    let wrong = |cause| LoginError::BadServer { server: server.to_owned(), cause };
    let reference = Reference::parse(&format!("{host}/library/any")).map_err(wrong)?;
    if reference.domain() == host {
        Ok(reference)
    } else {
        Err(wrong(ReferenceError::Format { text: host.to_owned() }))
    }
}

#[derive(Debug)]
struct Offered {
    username: String,
    password: Passphrase,
}

impl CredentialSource for Offered {
    fn login(&self) -> Result<Option<Login>, Box<dyn Error + Send + Sync>> {
        let (username, password) = (self.username.clone(), self.password.clone());
        Ok(Some(Login::Basic { username, password }))
    }
}
