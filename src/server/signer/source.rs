//! Where a master key is: a file, a variable, or a token (`spec/server-keys.md` §2).

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::codec::text::{from_base64, from_hex, from_percent, to_hex};
use crate::crypto::Passphrase;
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::server::files::{FileError, create_secret, exists, read_secret};
use crate::server::signer::master::random;
use crate::server::signer::token::{Pin, Token, TokenName, TokenOptions, Wrapping};
use crate::server::signer::{MasterKey, SignerError};

/// Where a master key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterSource {
    /// In a file that nobody but its owner can read.
    File(PathBuf),
    /// In the variable of this name.
    Variable(String),
    /// In a token.
    Token(TokenSource),
}

/// Which key in which token, and where its PIN is (RFC 7512).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSource {
    /// The PKCS#11 library.
    pub module: PathBuf,
    /// The token.
    pub token: TokenName,
    /// The label of the key.
    pub key: String,
    /// Where its PIN is.
    pub pin: PinSource,
    /// How keys are wrapped, if that is said.
    pub wrapping: Option<Wrapping>,
}

/// Where the PIN of a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinSource {
    /// In a file that nobody but its owner can read.
    File(PathBuf),
    /// In the variable of this name.
    Variable(String),
}

impl MasterSource {
    /// Reads `PATH`, `file:PATH`, `env:NAME`, or a PKCS#11 URI such as
    /// `pkcs11:token=trust;object=master?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin`.
    pub fn parse(text: &str) -> Result<Self, SignerError> {
        let wrong = |problem| SignerError::Source { text: without_pin(text), problem };
        if let Some(name) = text.strip_prefix("env:") {
            return variable(name).map(Self::Variable).ok_or_else(|| wrong("no variable's name"));
        }
        if let Some(uri) = text.strip_prefix("pkcs11:") {
            return TokenSource::parse(uri).map(Self::Token).map_err(wrong);
        }
        let path = text.strip_prefix("file:").unwrap_or(text);
        if path.is_empty() {
            return Err(wrong("it is empty"));
        }
        Ok(Self::File(path.into()))
    }

    /// Opens the master key. A token is not asked yet; a variable is asked from `variables`.
    pub fn load(
        &self,
        variables: &dyn Fn(&str) -> Option<Passphrase>,
    ) -> Result<MasterKey, SignerError> {
        let value =
            |name: &str| variables(name).ok_or(SignerError::NoVariable { name: name.to_owned() });
        if let Self::Token(source) = self {
            let pin = match &source.pin {
                PinSource::File(path) => Pin::File(path.clone()),
                PinSource::Variable(name) => Pin::Given(value(name)?),
            };
            return Ok(MasterKey::in_token(Token::new(TokenOptions {
                module: source.module.clone(),
                token: source.token.clone(),
                key: source.key.clone(),
                pin,
                wrapping: source.wrapping,
            })));
        }
        match self.bytes(variables)? {
            Some(bytes) => MasterKey::new(&bytes),
            None => Err(SignerError::Missing),
        }
    }

    /// The key itself; `None` if a token has it.
    pub fn bytes(
        &self,
        variables: &dyn Fn(&str) -> Option<Passphrase>,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, SignerError> {
        let (place, key) = match self {
            Self::Token(_) => return Ok(None),
            Self::File(path) => {
                let bytes = read_secret(path, MAX_KEY_FILE_BYTES)?;
                let raw = bytes.as_slice().try_into().ok().map(Zeroizing::new);
                let text = || std::str::from_utf8(&bytes).ok().and_then(key_of_text);
                (path.display().to_string(), raw.or_else(text))
            }
            Self::Variable(name) => {
                let value = variables(name)
                    .ok_or_else(|| SignerError::NoVariable { name: name.clone() })?;
                (format!("the variable {name}"), key_of_text(value.expose()))
            }
        };
        key.map(Some).ok_or(SignerError::NotAKey { place })
    }

    /// Makes the key if it is to be in a file that is not there; tells whether it did.
    pub fn create_if_missing(&self) -> Result<bool, SignerError> {
        let Self::File(path) = self else { return Ok(false) };
        if exists(path) {
            return Ok(false);
        }
        let mut key = Zeroizing::new([0; 32]);
        random(&mut key[..])?;
        match write_key(path, &key) {
            Ok(()) => Ok(true),
            // Another process was faster: its key is the key.
            Err(SignerError::File(FileError::Io { cause, .. }))
                if cause.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Writes a key into a new file, in hexadecimal.
pub fn write_key(path: &Path, key: &[u8; 32]) -> Result<(), SignerError> {
    let mut text = Zeroizing::new(to_hex(key));
    text.push('\n');
    Ok(create_secret(path, text.as_bytes())?)
}

fn key_of_text(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let text = text.trim_end_matches(['\n', '\r']);
    let bytes = match text.len() {
        64 => from_hex(&Zeroizing::new(text.to_ascii_lowercase())).ok(),
        43 => from_base64(&Zeroizing::new(format!("{text}="))).ok(),
        _ => from_base64(text).ok(),
    };
    let bytes = Zeroizing::new(bytes?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

impl TokenSource {
    fn parse(uri: &str) -> Result<Self, &'static str> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let (mut token, mut key, mut module, mut pin, mut wrapping) =
            (None, None, None, None, None);
        for (name, value) in attributes(path, ';')? {
            match name {
                "token" => token = Some(TokenName::Label(value)),
                "serial" => token = Some(TokenName::Serial(value)),
                "slot-id" => {
                    let number = value.parse().map_err(|_| "`slot-id` is no number")?;
                    token = Some(TokenName::Slot(number));
                }
                "object" => key = Some(value),
                "type" if value == "secret-key" => {}
                _ => return Err("it has an attribute that is not known"),
            }
        }
        for (name, value) in attributes(query, '&')? {
            match name {
                "module-path" => module = Some(PathBuf::from(value)),
                "pin-source" => pin = Some(value),
                "pin-value" => return Err("a PIN does not belong into it: use `pin-source`"),
                "x-wrap" => {
                    wrapping = Some(match value.as_str() {
                        "aes-gcm" => Wrapping::Gcm,
                        "aes-cbc" => Wrapping::Cbc,
                        _ => return Err("`x-wrap` is neither `aes-gcm` nor `aes-cbc`"),
                    });
                }
                _ => return Err("it has an attribute that is not known"),
            }
        }
        let pin = pin.ok_or("`pin-source` is missing")?;
        let pin = if let Some(name) = pin.strip_prefix("env:") {
            PinSource::Variable(variable(name).ok_or("no variable's name")?)
        } else {
            let path = pin.strip_prefix("file:").unwrap_or(&pin);
            PinSource::File(path.strip_prefix("//").unwrap_or(path).into())
        };
        Ok(Self {
            module: module.ok_or("`module-path` is missing")?,
            token: token.ok_or("`token`, `serial` or `slot-id` is missing")?,
            key: key.ok_or("`object`, the label of the key, is missing")?,
            pin,
            wrapping,
        })
    }
}

fn attributes(text: &str, separator: char) -> Result<Vec<(&str, String)>, &'static str> {
    let parts = text.split(separator).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').ok_or("an attribute has no value")?;
            let value = from_percent(value).map_err(|_| "an attribute is malformed")?;
            Ok((name, value))
        })
        .collect()
}

fn variable(name: &str) -> Option<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_name)).then(|| name.to_owned())
}

/// What was written, as it may be shown.
fn without_pin(text: &str) -> String {
    text.split_once("pin-value=").map_or_else(|| text.to_owned(), |(start, _)| format!("{start}…"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use test_case::test_case;

    use super::*;
    use crate::server::files::remove;

    fn nothing(_: &str) -> Option<Passphrase> {
        None
    }

    #[test]
    fn every_way_to_write_a_key_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let source = MasterSource::parse(path.to_str().unwrap()).unwrap();
        let key = [0xa5; 32];
        let hex = "a5".repeat(32);
        let base64 = crate::codec::text::to_base64(&key);
        let forms = [
            key.to_vec(),
            hex.clone().into_bytes(),
            format!("{}\n", hex.to_uppercase()).into_bytes(),
            base64.clone().into_bytes(),
            format!("{}\r\n", base64.trim_end_matches('=')).into_bytes(),
        ];
        for form in forms {
            remove(&path).unwrap();
            create_secret(&path, &form).unwrap();
            assert_eq!(*source.bytes(&nothing).unwrap().unwrap(), key);
        }
        for wrong in [&b""[..], &[1; 31], &[1; 33], b"not a key at all", &hex.as_bytes()[..62]] {
            remove(&path).unwrap();
            create_secret(&path, wrong).unwrap();
            assert!(matches!(source.bytes(&nothing), Err(SignerError::NotAKey { .. })));
        }
    }

    #[test]
    fn a_key_is_made_once_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let source = MasterSource::File(path.clone());
        assert!(source.create_if_missing().unwrap());
        let key = source.bytes(&nothing).unwrap().unwrap();
        assert!(!source.create_if_missing().unwrap());
        assert_eq!(source.bytes(&nothing).unwrap().unwrap(), key);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = source.load(&nothing).unwrap_err();
        let text = exposed.to_string();
        assert!(text.ends_with("has mode 640, so that others can read it"), "{text}");
    }

    #[test]
    fn a_variable_holds_a_key_as_text() {
        let source = MasterSource::parse("env:MASTER").unwrap();
        let with = |value: &str| {
            let value = Passphrase::new(value.to_owned());
            source.bytes(&move |name| (name == "MASTER").then(|| value.clone()))
        };
        assert_eq!(*with(&"07".repeat(32)).unwrap().unwrap(), [7; 32]);
        assert!(matches!(with("short"), Err(SignerError::NotAKey { .. })));
        assert!(matches!(source.load(&nothing), Err(SignerError::NoVariable { .. })));
    }

    #[test]
    fn a_token_is_named_by_its_uri() {
        let text = "pkcs11:token=my%20token;object=master;type=secret-key\
                    ?module-path=/lib/p11.so&pin-source=file:/run/pin&x-wrap=aes-cbc";
        let MasterSource::Token(source) = MasterSource::parse(text).unwrap() else { panic!() };
        assert_eq!(source.token, TokenName::Label("my token".to_owned()));
        assert_eq!((source.key.as_str(), source.wrapping), ("master", Some(Wrapping::Cbc)));
        assert_eq!(source.module, Path::new("/lib/p11.so"));
        assert_eq!(source.pin, PinSource::File("/run/pin".into()));
    }

    #[test_case("", "it is empty")]
    #[test_case("env:A-B", "no variable's name")]
    #[test_case(
        "pkcs11:object=a?module-path=/m&pin-source=/p",
        "`token`, `serial` or `slot-id` is missing"
    )]
    #[test_case(
        "pkcs11:token=a?module-path=/m&pin-source=/p",
        "`object`, the label of the key, is missing"
    )]
    #[test_case("pkcs11:token=a;object=b?pin-source=/p", "`module-path` is missing")]
    #[test_case("pkcs11:token=a;object=b?module-path=/m", "`pin-source` is missing")]
    #[test_case("pkcs11:slot-id=x;object=b", "`slot-id` is no number")]
    #[test_case("pkcs11:colour=red", "it has an attribute that is not known")]
    #[test_case("pkcs11:token=%zz", "an attribute is malformed")]
    fn what_names_nothing_is_refused(text: &str, expected: &str) {
        let error = MasterSource::parse(text);
        let Err(SignerError::Source { problem, .. }) = error else { panic!("{error:?}") };
        assert_eq!(problem, expected);
    }

    #[test]
    fn a_pin_is_not_shown() {
        let error = MasterSource::parse("pkcs11:token=a?pin-value=1234").unwrap_err();
        assert!(!error.to_string().contains("1234"), "{error}");
    }
}
