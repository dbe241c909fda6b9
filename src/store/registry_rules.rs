//! What a machine says of registries: mirrors of Docker Hub, and registries without TLS. Ours is in
//! the configuration file, docker's in the daemon's (`/etc/docker/daemon.json`).

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use crate::limits::MAX_CONFIG_BYTES;
use crate::store::StoreError;
use crate::store::files::read_user_file_if_present;

/// Mirrors and registries without TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryRules {
    /// Mirrors of Docker Hub, the one to ask first first: URLs, or `host[:port]`.
    pub mirrors: Vec<String>,
    /// Registries whose certificate does not count, and which may speak plain HTTP: `host[:port]`,
    /// or networks such as `10.0.0.0/8`.
    pub insecure: Vec<String>,
    /// Where docker's daemon keeps its settings, if they count as well.
    pub daemon_file: Option<PathBuf>,
}

/// A mirror that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// `host[:port]`.
    pub host: String,
    /// It was named with `http://`, so its owner wants plain HTTP.
    pub plain: bool,
}

impl RegistryRules {
    /// Adds what docker's daemon says, if it has a file.
    pub fn complete(&self) -> Result<Self, StoreError> {
        let Some(path) = &self.daemon_file else { return Ok(self.clone()) };
        let daemon = DaemonFile::load(path)?;
        let mut all = self.clone();
        all.mirrors.extend(daemon.mirrors);
        all.insecure.extend(daemon.insecure);
        Ok(all)
    }

    /// Whether a registry was declared to be one without TLS.
    pub fn is_insecure(&self, domain: &str) -> bool {
        let host = match domain.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                host
            }
            _ => domain,
        };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        self.insecure.iter().any(|rule| {
            let named = rule.eq_ignore_ascii_case(domain) || rule.eq_ignore_ascii_case(host);
            named || address.is_some_and(|address| is_in_network(address, rule))
        })
    }

    /// The mirrors that can be asked; what is no address is left out.
    pub fn usable_mirrors(&self) -> Vec<Mirror> {
        self.mirrors.iter().filter_map(|text| Mirror::parse(text)).collect()
    }
}

impl Mirror {
    /// Reads `https://host[:port]`, `http://host[:port]` or `host[:port]`; docker takes no path.
    fn parse(text: &str) -> Option<Self> {
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&full).ok()?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none();
        if !bare || !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let host = url.host_str()?;
        let host = match (url.port(), url.scheme()) {
            (Some(port), _) => format!("{host}:{port}"),
            (None, "http") => format!("{host}:80"),
            (None, _) => host.to_owned(),
        };
        Some(Self { host, plain: url.scheme() == "http" })
    }
}

/// What counts of docker's daemon.json.
#[derive(Debug, Default, Deserialize)]
struct DaemonFile {
    #[serde(default, rename = "registry-mirrors")]
    mirrors: Vec<String>,
    #[serde(default, rename = "insecure-registries")]
    insecure: Vec<String>,
}

impl DaemonFile {
    fn load(path: &Path) -> Result<Self, StoreError> {
        let bytes = match read_user_file_if_present(path, MAX_CONFIG_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Self::default()),
            // It is the daemon's; whoever may not read it does not have its settings.
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::PermissionDenied) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&bytes)
            .map_err(|cause| StoreError::Config { path: path.to_owned(), cause })
    }
}

fn is_in_network(address: IpAddr, network: &str) -> bool {
    let Some((base, bits)) = network.split_once('/') else { return false };
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let shifted = |value: u128, width: u32| value.checked_shr(width - bits).unwrap_or(0);
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) if bits <= 32 => {
            shifted(u128::from(address.to_bits()), 32) == shifted(u128::from(base.to_bits()), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(base)) if bits <= 128 => {
            shifted(address.to_bits(), 128) == shifted(base.to_bits(), 128)
        }
        _ => false,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files of others")]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("registry.local", true)]
    #[test_case("registry.local:5000", true ; "any port")]
    #[test_case("other.local:5000", true)]
    #[test_case("other.local", false ; "another port")]
    #[test_case("10.1.2.3:5000", true ; "in the network")]
    #[test_case("11.1.2.3", false)]
    #[test_case("[fd00::1]:5000", true)]
    #[test_case("[fe80::1]", false)]
    #[test_case("registry.local.example", false)]
    fn insecure(domain: &str, expected: bool) {
        let rules =
            ["Registry.local", "other.local:5000", "10.0.0.0/8", "fd00::/8", "x/y", "0.0.0.0/64"];
        let insecure = rules.iter().map(|rule| (*rule).to_owned()).collect();
        assert_eq!(
            RegistryRules { insecure, ..RegistryRules::default() }.is_insecure(domain),
            expected
        );
    }

    #[test]
    fn mirrors() {
        let mirror = |text: &str| Mirror::parse(text).map(|mirror| (mirror.host, mirror.plain));
        assert_eq!(mirror("https://m.example"), Some(("m.example".to_owned(), false)));
        assert_eq!(mirror("http://m.example/"), Some(("m.example:80".to_owned(), true)));
        assert_eq!(mirror("localhost:5000"), Some(("localhost:5000".to_owned(), false)));
        for no in ["https://m.example/path", "ftp://x", "", "https://"] {
            assert_eq!(mirror(no), None, "{no}");
        }
    }

    #[test]
    fn dockers_own_settings_come_after_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.json");
        let rules = RegistryRules {
            mirrors: vec!["ours".to_owned()],
            daemon_file: Some(path.clone()),
            ..RegistryRules::default()
        };
        assert_eq!(rules.complete().unwrap().mirrors, ["ours"]);
        std::fs::write(
            &path,
            r#"{"registry-mirrors":["https://theirs"],"debug":true,
            "insecure-registries":["x"]}"#,
        )
        .unwrap();
        let all = rules.complete().unwrap();
        assert_eq!(all.mirrors, ["ours", "https://theirs"]);
        assert!(all.is_insecure("x"));
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(rules.complete(), Err(StoreError::Config { .. })));
    }
}
