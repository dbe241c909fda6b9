//! A certificate authority of the server's own, made on a first start: one person and one machine
//! need no other.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::limits::{
    MAX_KEY_FILE_BYTES, SERVER_AUTHORITY_DAYS, SERVER_CERTIFICATE_DAYS,
    SERVER_CERTIFICATE_RENEWAL_DAYS,
};
use crate::server::files;
use crate::server::tls::{Files, TlsError};

/// The authority in a folder, and the server's certificate beside it.
#[derive(Debug, Clone)]
pub struct Authority {
    folder: PathBuf,
    names: Vec<String>,
}

impl Authority {
    /// An authority in this folder, for a server with these names beside those of this machine
    /// itself. Nothing is touched yet.
    pub fn new(folder: &Path, hosts: &[String]) -> Self {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        for host in hosts {
            if !names.contains(host) {
                names.push(host.clone());
            }
        }
        Self { folder: folder.to_owned(), names }
    }

    /// The certificate that clients need.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The server's own certificate, which [`Authority::renew`] makes.
    pub fn files(&self) -> Files {
        Files { certificate: self.folder.join("server.crt"), key: self.folder.join("server.key") }
    }

    /// Makes what is missing, names other hosts or ends soon. Returns whether a certificate was
    /// made.
    pub fn renew(&self, now: Timestamp) -> Result<bool, TlsError> {
        files::make_folder(&self.folder.join("tls"))?;
        let (issuer, subject) = match self.load()? {
            Some(found) => found,
            None => self.create(now)?,
        };
        if self.is_current(&subject, now)? {
            return Ok(false);
        }
        let mut params = CertificateParams::new(Vec::new()).map_err(|error| self.failed(error))?;
        for name in &self.names {
            let wrong = |_| TlsError::HostName { name: name.clone() };
            let one = CertificateParams::new(vec![name.clone()]).map_err(wrong)?;
            params.subject_alt_names.extend(one.subject_alt_names);
        }
        params.distinguished_name.push(DnType::CommonName, "trust server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, SERVER_CERTIFICATE_DAYS);
        let key = new_key().map_err(|error| self.failed(error))?;
        let certificate = params.signed_by(&key, &issuer).map_err(|error| self.failed(error))?;
        let paths = self.files();
        // Key first: what a crash leaves between the two is a pair that does not fit, and found
        // out below at the next start.
        let pem = Zeroizing::new(key.serialize_pem());
        files::replace(&paths.key, pem.as_bytes(), 0o600)?;
        files::replace(&paths.certificate, certificate.pem().as_bytes(), 0o644)?;
        Ok(true)
    }

    /// Whether the server's certificate is ours, fits its key, has all names and lasts.
    fn is_current(&self, issuer: &str, now: Timestamp) -> Result<bool, TlsError> {
        let paths = self.files();
        let certificate = files::read_if_present(&paths.certificate, MAX_KEY_FILE_BYTES)?;
        let key = files::read_if_present(&paths.key, MAX_KEY_FILE_BYTES)?;
        let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(false) };
        let key = std::str::from_utf8(&key).ok().and_then(|text| KeyPair::from_pem(text).ok());
        let Some(key) = key else { return Ok(false) };
        let Ok((_, pem)) = parse_x509_pem(&certificate) else { return Ok(false) };
        let Ok(certificate) = pem.parse_x509() else { return Ok(false) };
        let fits = certificate.public_key().subject_public_key.data == key.public_key_raw();
        let ours = common_name(certificate.issuer()).is_some_and(|name| name == issuer);
        let named = match certificate.subject_alternative_name() {
            Ok(Some(names)) => {
                let names: Vec<String> =
                    names.value.general_names.iter().filter_map(name_of).collect();
                self.names.iter().all(|name| names.contains(name))
            }
            _ => false,
        };
        let left = certificate.validity().not_after.timestamp() - now.as_second();
        Ok(fits && ours && named && left > SERVER_CERTIFICATE_RENEWAL_DAYS * DAY)
    }

    fn load(&self) -> Result<Option<(Issuer<'static, KeyPair>, String)>, TlsError> {
        let path = self.certificate();
        let Some(certificate) = files::read_if_present(&path, MAX_KEY_FILE_BYTES)? else {
            return Ok(None);
        };
        if !files::exists(&self.key()) {
            return Err(self.failed("its key is not there"));
        }
        let key = files::read_secret(&self.key(), MAX_KEY_FILE_BYTES)?;
        let text = std::str::from_utf8(&key).map_err(|error| self.failed(error))?;
        let key = KeyPair::from_pem(text).map_err(|error| self.failed(error))?;
        let (_, pem) = parse_x509_pem(&certificate).map_err(|error| self.failed(error))?;
        let parsed = pem.parse_x509().map_err(|error| self.failed(error))?;
        if parsed.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(self.failed("its key is another one's"));
        }
        let name = common_name(parsed.subject());
        let name = name.ok_or_else(|| self.failed("it has no common name"))?.to_owned();
        Ok(Some((Issuer::new(authority_params(&name), key), name)))
    }

    fn create(&self, now: Timestamp) -> Result<(Issuer<'static, KeyPair>, String), TlsError> {
        // Two servers' authorities must not be taken for each other.
        let name = format!("trust server authority {}", uuid::Uuid::new_v4().simple());
        let key = new_key().map_err(|error| self.failed(error))?;
        let mut params = authority_params(&name);
        set_validity(&mut params, now, SERVER_AUTHORITY_DAYS);
        let certificate = params.self_signed(&key).map_err(|error| self.failed(error))?;
        let pem = Zeroizing::new(key.serialize_pem());
        files::replace(&self.key(), pem.as_bytes(), 0o600)?;
        files::replace(&self.certificate(), certificate.pem().as_bytes(), 0o644)?;
        Ok((Issuer::new(params, key), name))
    }

    fn key(&self) -> PathBuf {
        self.folder.join("tls/ca.key")
    }

    fn failed(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TlsError {
        TlsError::Authority { path: self.certificate(), cause: cause.into() }
    }
}

fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // It signs servers, and no other authority.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// From yesterday, for clocks that are behind, to so many days from now.
fn set_validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let day = |offset: i64| {
        let at = now.as_second().saturating_add(offset * DAY);
        let date = Timestamp::from_second(at).unwrap_or(now).to_zoned(TimeZone::UTC).date();
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    params.not_before = day(-1);
    params.not_after = day(days);
}

fn common_name<'a>(name: &'a x509_parser::x509::X509Name<'_>) -> Option<&'a str> {
    name.iter_common_name().next()?.as_str().ok()
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            16 => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tls::Rules;

    fn now() -> Timestamp {
        "2030-06-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_is_good_is_kept_and_what_ends_soon_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), &[]);
        assert!(authority.renew(now()).unwrap());
        let ca = files::read(&authority.certificate(), MAX_KEY_FILE_BYTES).unwrap();
        assert!(!authority.renew(now()).unwrap());
        let days = |days: i64| Timestamp::from_second(now().as_second() + days * DAY).unwrap();
        let late = SERVER_CERTIFICATE_DAYS - SERVER_CERTIFICATE_RENEWAL_DAYS;
        assert!(!authority.renew(days(late - 1)).unwrap());
        assert!(authority.renew(days(late + 1)).unwrap());
        assert_eq!(files::read(&authority.certificate(), MAX_KEY_FILE_BYTES).unwrap(), ca);
        Rules::default().server_config(&authority.files()).unwrap();
    }

    #[test]
    fn another_name_or_a_lost_key_makes_a_new_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), &[]);
        authority.renew(now()).unwrap();
        let hosts = ["registry.example.com".to_owned(), "192.0.2.7".to_owned()];
        let named = Authority::new(folder.path(), &hosts);
        assert!(named.renew(now()).unwrap());
        assert!(!named.renew(now()).unwrap());
        files::remove(&named.files().key).unwrap();
        assert!(named.renew(now()).unwrap());
        let wrong = Authority::new(folder.path(), &["not a name\u{e9}".to_owned()]);
        assert!(matches!(wrong.renew(now()), Err(TlsError::HostName { .. })));
    }

    #[test]
    fn an_authority_without_its_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), &[]);
        authority.renew(now()).unwrap();
        files::remove(&authority.key()).unwrap();
        assert!(matches!(authority.renew(now()), Err(TlsError::Authority { .. })));
    }
}
