//! Certificates for a host, in docker's folders.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::crypto::Passphrase;
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::StoreError;
use crate::store::files::{is_plain_name, names_in, read_user_file};

/// What a host's TLS folder holds (`~/.docker/tls/<host>/`, `/etc/docker/certs.d/<host>/`):
/// `*.crt` roots, `*.cert` and `*.key` client pairs.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Certificates to trust for this host, besides the system's: each a PEM text.
    pub roots_pem: Vec<Vec<u8>>,
    /// What to show to a server that asks who we are; the first by name where there are several.
    pub client: Option<ClientPair>,
}

/// A client certificate and its key. `Debug` shows neither.
#[derive(Clone)]
pub struct ClientPair {
    /// The certificate, perhaps with those that vouch for it.
    pub certificate_pem: Vec<u8>,
    /// The private key, as PEM text.
    pub key_pem: Passphrase,
}

impl TlsFiles {
    /// Merges the folders `<dir>/<host[:port]>/` of every dir that has one.
    ///
    /// Half of a client pair is an error: who put it there meant to be known to the server.
    pub fn load(dirs: &[PathBuf], host: &str) -> Result<Self, StoreError> {
        if !is_plain_name(host) {
            return Err(StoreError::HostName { host: host.to_owned() });
        }
        let mut files = Self::default();
        for dir in dirs {
            files.add_folder(&dir.join(host))?;
        }
        Ok(files)
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), StoreError> {
        let names = names_in(folder)?;
        let require = |present: &str, missing: String| {
            if names.contains(&missing) {
                return Ok(folder.join(missing));
            }
            let (present, missing) = (folder.join(present), folder.join(missing));
            Err(StoreError::HalfPair { present, missing })
        };
        for name in &names {
            let path = folder.join(name);
            match name.rsplit_once('.') {
                Some((_, "crt")) => {
                    self.roots_pem.push(read_user_file(&path, MAX_KEY_FILE_BYTES)?);
                }
                Some((stem, "cert")) => {
                    let key = require(name, format!("{stem}.key"))?;
                    if self.client.is_none() {
                        self.client = Some(ClientPair::read(&path, &key)?);
                    }
                }
                Some((stem, "key")) => drop(require(name, format!("{stem}.cert"))?),
                _ => {}
            }
        }
        Ok(())
    }
}

impl ClientPair {
    fn read(certificate: &Path, key: &Path) -> Result<Self, StoreError> {
        let certificate_pem = read_user_file(certificate, MAX_KEY_FILE_BYTES)?;
        let text = String::from_utf8(read_user_file(key, MAX_KEY_FILE_BYTES)?);
        let key_pem = text.map_err(|_| StoreError::NotText { path: key.to_owned() })?;
        Ok(Self { certificate_pem, key_pem: Passphrase::new(key_pem) })
    }
}

impl fmt::Debug for ClientPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientPair(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::{create_file, create_user_folder};

    fn folder(dir: &Path, names: &[&str]) -> PathBuf {
        let folder = dir.join("reg.example.com:5000");
        create_user_folder(&folder).unwrap();
        for name in names {
            create_file(&folder.join(name), name.as_bytes(), 0o600).unwrap();
        }
        folder
    }

    #[test]
    fn merges_roots_and_the_first_client_pair_of_all_folders() {
        let user = tempfile::tempdir().unwrap();
        let system = tempfile::tempdir().unwrap();
        folder(user.path(), &["ca.crt", "b.cert", "b.key", "a.cert", "a.key", "notes"]);
        folder(system.path(), &["site.crt", "z.cert", "z.key"]);
        let dirs = [user.path().join("none"), user.path().to_owned(), system.path().to_owned()];
        let files = TlsFiles::load(&dirs, "reg.example.com:5000").unwrap();
        assert_eq!(files.roots_pem, [b"ca.crt".to_vec(), b"site.crt".to_vec()]);
        let client = files.client.unwrap();
        assert_eq!(client.certificate_pem, b"a.cert");
        assert_eq!(client.key_pem.expose(), "a.key");
        let other = TlsFiles::load(&dirs, "other.example.com").unwrap();
        assert!(other.roots_pem.is_empty() && other.client.is_none());
    }

    #[test]
    fn half_a_pair_names_the_missing_half() {
        for (present, missing) in [("a.cert", "a.key"), ("a.key", "a.cert")] {
            let dir = tempfile::tempdir().unwrap();
            let folder = folder(dir.path(), &[present]);
            let error =
                TlsFiles::load(&[dir.path().to_owned()], "reg.example.com:5000").unwrap_err();
            let StoreError::HalfPair { missing: path, .. } = error else { panic!("{error:?}") };
            assert_eq!(path, folder.join(missing));
        }
    }

    #[test]
    fn host_that_would_lead_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for host in ["", ".", "..", "../x", "a/b", "a\\b", "a\n"] {
            let error = TlsFiles::load(&[dir.path().to_owned()], host).unwrap_err();
            assert!(matches!(error, StoreError::HostName { .. }), "{host:?}");
        }
    }
}
