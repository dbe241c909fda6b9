//! What an administrator decides about callers: contents of files, not their names.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::server::auth::caller::Grant;

/// How callers are known, and from where addresses of others are believed.
#[derive(Debug, Default)]
pub struct Options {
    /// How callers are known.
    pub kind: Kind,
    /// Proxies that say truly for whom they ask (`X-Forwarded-For`); nobody else is believed.
    pub proxies: Vec<Network>,
}

/// How callers are known.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Kind {
    /// Not at all: everybody may do everything.
    #[default]
    Open,
    /// By an htpasswd file.
    Htpasswd(HtpasswdOptions),
    /// By tokens of somebody else's token server.
    TokenServer(TokenServerOptions),
    /// By accounts of our own (spec/server-accounts.md).
    Accounts(AccountsOptions),
}

/// The htpasswd file.
pub struct HtpasswdOptions {
    /// What clients show when they ask for the password.
    pub realm: String,
    /// The file's contents.
    pub file: Vec<u8>,
    /// What each user may do; `None`: everybody in the file everything. Who is not in it may do
    /// nothing.
    pub grants: Option<BTreeMap<String, Vec<Grant>>>,
}

/// Somebody else's token server, in the words of the distribution registry's configuration.
#[derive(Debug)]
pub struct TokenServerOptions {
    /// Its address, for clients.
    pub realm: String,
    /// A path of this server that leads to it, in place of the address (`autoredirect`).
    pub redirect_here: Option<String>,
    /// What this server is called there; the audience of its tokens.
    pub service: String,
    /// What it calls itself in its tokens.
    pub issuer: String,
    /// The certificates it is believed by, in PEM (`rootcertbundle`).
    pub root_certificates: Option<Vec<u8>>,
    /// The keys it is believed by, as a JSON Web Key Set (`jwks`).
    pub key_set: Option<Vec<u8>>,
    /// The algorithms its tokens may be signed with (`signingalgorithms`); none for all.
    pub algorithms: Vec<String>,
}

/// Accounts of our own, and the token service for them.
pub struct AccountsOptions {
    /// The accounts file's contents.
    pub file: Vec<u8>,
    /// The key that signs tokens: PKCS#8 in PEM, made by
    /// [`generate_signing_key`](crate::server::auth::generate_signing_key).
    pub signing_key: Zeroizing<Vec<u8>>,
    /// What this server is called in tokens.
    pub service: String,
    /// Where clients get tokens; `None`: from this server, by the name they have for it.
    pub realm: Option<String>,
    /// The names that this server goes by in GUNs, such as `registry.example.com` or
    /// `localhost:5000`.
    pub hosts: Vec<String>,
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no network, such as 10.0.0.0/8, and no address")]
pub struct NetworkError {
    /// What was written.
    pub text: String,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or one address.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError { text: text.to_owned() };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), |bits| bits.parse::<u8>().map_err(|_| wrong()))?;
        if bits > width { Err(wrong()) } else { Ok(Self { address, bits }) }
    }

    /// Whether an address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.bits)
    }
}

impl fmt::Debug for HtpasswdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HtpasswdOptions").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl fmt::Debug for AccountsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountsOptions")
            .field("service", &self.service)
            .field("realm", &self.realm)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("10.0.0.0/8", "10.1.2.3", true)]
    #[test_case("10.0.0.0/8", "11.1.2.3", false)]
    #[test_case("10.0.0.0/8", "::ffff:10.1.2.3", true)]
    #[test_case("127.0.0.1", "127.0.0.1", true)]
    #[test_case("127.0.0.1", "127.0.0.2", false)]
    #[test_case("0.0.0.0/0", "8.8.8.8", true)]
    #[test_case("0.0.0.0/0", "::1", false)]
    #[test_case("2001:db8::/32", "2001:db8:1::1", true)]
    #[test_case("2001:db8::/33", "2001:db8:8000::1", false)]
    fn networks(network: &str, address: &str, inside: bool) {
        assert_eq!(Network::parse(network).unwrap().contains(address.parse().unwrap()), inside);
    }

    #[test_case("10.0.0.0/33")]
    #[test_case("10.0.0/8")]
    #[test_case("localhost")]
    #[test_case("10.0.0.0/")]
    fn no_networks(text: &str) {
        assert!(Network::parse(text).is_err());
    }
}
