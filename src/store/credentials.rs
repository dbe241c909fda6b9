//! Registry logins, in docker's `config.json` or with the helper programs it names.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::codec::text::{from_base64, to_base64};
use crate::crypto::Passphrase;
use crate::limits::MAX_CONFIG_BYTES;
use crate::store::StoreError;
use crate::store::credential_helper::{CredentialHelper, HelperLogin, TOKEN_USER};
use crate::store::files::{
    PRIVATE_MODE, create_user_folder, read_user_file_if_present, replace_file, resolve,
};

/// The key under which docker keeps the login of Docker Hub.
pub const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Docker's `config.json`: `auths`, `credsStore`, `credHelpers`, `proxies`.
///
/// Members unknown here survive a rewrite, and so does their order.
#[derive(Clone)]
pub struct DockerConfig {
    path: PathBuf,
    members: Map<String, Value>,
    helper_folder: Option<PathBuf>,
}

/// A registry login. `Debug` shows no secret.
#[derive(Clone)]
pub enum Credential {
    /// A user name and a password or access token.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Passphrase,
    },
    /// A token to be exchanged for access tokens (OAuth 2 refresh token).
    IdentityToken {
        /// The user, where it is known.
        username: String,
        /// The token.
        token: Passphrase,
    },
}

impl DockerConfig {
    /// Reads `config.json` of a folder such as `~/.docker`; a missing or empty file is empty.
    pub fn load(config_dir: &Path) -> Result<Self, StoreError> {
        let path = config_dir.join("config.json");
        let members = read_members(&path)?;
        Ok(Self { path, members, helper_folder: None })
    }

    /// Reads a file in podman's form (`auth.json`), which is not written here. Logins for a part of
    /// a registry (`host/team`) are left out: they are none for the rest.
    pub(crate) fn load_auth_file(path: &Path) -> Result<Self, StoreError> {
        let mut members = read_members(path)?;
        if let Some(auths) = members.get_mut("auths").and_then(Value::as_object_mut) {
            auths.retain(|name, _| is_whole_registry(name));
        }
        Ok(Self::of_members(path.to_owned(), members))
    }

    /// Takes what a file of this path would hold.
    pub(crate) fn of_members(path: PathBuf, members: Map<String, Value>) -> Self {
        Self { path, members, helper_folder: None }
    }

    /// Looks for helper programs in this folder only, not on the search path.
    #[must_use]
    pub fn with_helper_folder(mut self, folder: PathBuf) -> Self {
        self.helper_folder = Some(folder);
        self
    }

    /// Returns the login for a registry host: from the host's helper, else the common store, and
    /// if that has none from `auths`.
    pub fn get(&self, host: &str) -> Result<Option<Credential>, StoreError> {
        let key = config_key(host);
        if let Some(helper) = self.helper(&key)?
            && let Some(login) = helper.get(&key)?
        {
            return Ok(Some(credential_of(&login)));
        }
        match self.entry(&key) {
            Some((name, entry)) => self.parse_entry(name, entry),
            None => Ok(None),
        }
    }

    /// Keeps a login, with the host's helper if one is configured, else in the file itself.
    pub fn set(&mut self, host: &str, credential: &Credential) -> Result<(), StoreError> {
        let key = config_key(host);
        self.members = read_members(&self.path)?;
        let entry = match self.helper(&key)? {
            Some(helper) => {
                helper.store(&helper_login(&key, credential))?;
                // Docker lists the host here, without a secret.
                Map::new()
            }
            None => file_entry(credential),
        };
        self.auths_mut()?.insert(key, Value::Object(entry));
        self.save()
    }

    /// Forgets a login everywhere, and notes that it is kept elsewhere: an entry without a secret,
    /// as docker itself leaves for a login that a helper keeps.
    pub fn set_aside(&mut self, host: &str) -> Result<(), StoreError> {
        self.erase(host)?;
        self.auths_mut()?.insert(config_key(host), Value::Object(Map::new()));
        self.save()
    }

    /// Whether there is an entry without a secret for a registry host.
    pub fn is_set_aside(&self, host: &str) -> bool {
        let entry = self.entry(&config_key(host)).and_then(|(_, entry)| entry.as_object());
        entry.is_some_and(Map::is_empty)
    }

    /// Forgets a login everywhere; returns whether there was one.
    pub fn erase(&mut self, host: &str) -> Result<bool, StoreError> {
        let key = config_key(host);
        self.members = read_members(&self.path)?;
        let mut existed = false;
        if let Some(helper) = self.helper(&key)?
            && helper.get(&key)?.is_some()
        {
            helper.erase(&key)?;
            existed = true;
        }
        let names: Vec<String> = self.entry_names(&key);
        if names.is_empty() {
            return Ok(existed);
        }
        let auths = self.auths_mut()?;
        for name in names {
            let entry = auths.shift_remove(&name);
            existed |= entry.is_some_and(|entry| entry.as_object().is_some_and(|e| !e.is_empty()));
        }
        self.save()?;
        Ok(existed)
    }

    /// Whether logins of this host are kept by a helper program rather than in the file.
    pub fn uses_helper(&self, host: &str) -> bool {
        self.helper_name(&config_key(host)).is_some()
    }

    fn helper(&self, key: &str) -> Result<Option<CredentialHelper>, StoreError> {
        self.helper_name(key)
            .map(|name| CredentialHelper::new(name, self.helper_folder.clone()))
            .transpose()
    }

    /// The helper of the host; where none is named for it, the common store. "" means the file.
    fn helper_name(&self, key: &str) -> Option<&str> {
        let own = self.members.get("credHelpers").and_then(Value::as_object).and_then(|helpers| {
            let name = helpers.get(key).or_else(|| helpers.get(hostname(key)));
            name.or_else(|| helpers.iter().find(|(k, _)| config_key(k) == key).map(|(_, n)| n))
        });
        let name = own.or_else(|| self.members.get("credsStore")).and_then(Value::as_str);
        name.filter(|name| !name.is_empty())
    }

    /// The entry of `auths` for a key: this very name, else one that names the same host.
    fn entry(&self, key: &str) -> Option<(&String, &Value)> {
        let auths = self.members.get("auths")?.as_object()?;
        let exact = auths.get_key_value(key);
        exact.or_else(|| auths.iter().find(|(name, _)| is_same_host(name, key)))
    }

    fn entry_names(&self, key: &str) -> Vec<String> {
        let auths = self.members.get("auths").and_then(Value::as_object);
        let names = auths.into_iter().flat_map(Map::keys);
        names.filter(|name| *name == key || is_same_host(name, key)).cloned().collect()
    }

    fn parse_entry(&self, name: &str, entry: &Value) -> Result<Option<Credential>, StoreError> {
        let text = |member| entry.get(member).and_then(Value::as_str).unwrap_or_default();
        let (mut username, mut password) =
            (text("username").to_owned(), text("password").to_owned());
        if !text("auth").is_empty() {
            let problem = |problem| self.problem(format!("auths.\"{name}\".auth"), problem);
            let bytes = from_base64(text("auth")).map_err(|_| problem("is not base64"))?;
            let bytes = Zeroizing::new(bytes);
            let decoded = std::str::from_utf8(&bytes).map_err(|_| problem("is not text"))?;
            let (user, secret) =
                decoded.split_once(':').ok_or_else(|| problem("is not `user:password`"))?;
            user.clone_into(&mut username);
            secret.trim_matches('\0').clone_into(&mut password);
        }
        let token = text("identitytoken");
        if !token.is_empty() {
            let token = Passphrase::new(token.to_owned());
            return Ok(Some(Credential::IdentityToken { username, token }));
        }
        if username.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credential::Basic { username, password: Passphrase::new(password) }))
    }

    fn auths_mut(&mut self) -> Result<&mut Map<String, Value>, StoreError> {
        let problem = self.problem("auths".to_owned(), "is not an object");
        let auths = self.members.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        if auths.is_null() {
            *auths = Value::Object(Map::new());
        }
        auths.as_object_mut().ok_or(problem)
    }

    /// Writes the file in docker's form, in one step, for the owner alone; through a link, if it
    /// is one.
    fn save(&self) -> Result<(), StoreError> {
        let mut text = Zeroizing::new(Vec::new());
        let formatter = PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut *text, formatter);
        self.members
            .serialize(&mut serializer)
            .map_err(|cause| StoreError::Config { path: self.path.clone(), cause })?;
        if let Some(folder) = self.path.parent() {
            create_user_folder(folder)?;
        }
        replace_file(&resolve(&self.path), &text, PRIVATE_MODE)
    }

    fn problem(&self, member: String, problem: &'static str) -> StoreError {
        StoreError::ConfigMember { path: self.path.clone(), member, problem }
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, username) = match self {
            Self::Basic { username, .. } => ("Basic", username),
            Self::IdentityToken { username, .. } => ("IdentityToken", username),
        };
        f.debug_struct(kind).field("username", username).finish_non_exhaustive()
    }
}

/// Returns the key under which docker keeps the login of a registry: the host, but for Docker Hub.
pub fn config_key(host: &str) -> String {
    match hostname(host) {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB_KEY.to_owned(),
        hostname => hostname.to_owned(),
    }
}

fn is_same_host(name: &str, key: &str) -> bool {
    config_key(name) == config_key(key)
}

/// Whether a key names a registry, not a part of one: it has no path, or that of an old API.
fn is_whole_registry(name: &str) -> bool {
    let bare = name.strip_prefix("http://").or_else(|| name.strip_prefix("https://"));
    match bare.unwrap_or(name).split_once('/') {
        None => true,
        Some((_, path)) => matches!(path, "" | "v1" | "v1/" | "v2" | "v2/"),
    }
}

/// Cuts scheme and path off a key, as docker does.
fn hostname(name: &str) -> &str {
    let name =
        name.strip_prefix("http://").or_else(|| name.strip_prefix("https://")).unwrap_or(name);
    name.split_once('/').map_or(name, |(host, _)| host)
}

pub(crate) fn credential_of(login: &HelperLogin) -> Credential {
    let secret = Passphrase::new(login.secret.clone());
    if login.username == TOKEN_USER {
        return Credential::IdentityToken { username: String::new(), token: secret };
    }
    Credential::Basic { username: login.username.clone(), password: secret }
}

pub(crate) fn helper_login(key: &str, credential: &Credential) -> HelperLogin {
    let (username, secret) = match credential {
        Credential::Basic { username, password } => (username.as_str(), password),
        Credential::IdentityToken { token, .. } => (TOKEN_USER, token),
    };
    HelperLogin {
        server: key.to_owned(),
        username: username.to_owned(),
        secret: secret.expose().to_owned(),
    }
}

fn file_entry(credential: &Credential) -> Map<String, Value> {
    let (username, password, token) = match credential {
        Credential::Basic { username, password } => (username, password.expose(), None),
        Credential::IdentityToken { username, token } => (username, "", Some(token.expose())),
    };
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let mut entry = Map::new();
    entry.insert("auth".to_owned(), Value::String(to_base64(pair.as_bytes())));
    if let Some(token) = token {
        entry.insert("identitytoken".to_owned(), Value::String(token.to_owned()));
    }
    entry
}

fn read_members(path: &Path) -> Result<Map<String, Value>, StoreError> {
    let Some(bytes) = read_user_file_if_present(path, MAX_CONFIG_BYTES)? else {
        return Ok(Map::new());
    };
    let bytes = Zeroizing::new(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes)
        .map_err(|cause| StoreError::Config { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::files::{create_file, mode, read_user_file};

    fn config(dir: &Path, text: &str) -> DockerConfig {
        replace_file(&dir.join("config.json"), text.as_bytes(), 0o600).unwrap();
        DockerConfig::load(dir).unwrap().with_helper_folder(dir.to_owned())
    }

    fn basic(username: &str, password: &str) -> Credential {
        let password = Passphrase::new(password.to_owned());
        Credential::Basic { username: username.to_owned(), password }
    }

    fn show(credential: Option<Credential>) -> String {
        match credential {
            None => "none".to_owned(),
            Some(Credential::Basic { username, password }) => {
                format!("basic {username} {}", password.expose())
            }
            Some(Credential::IdentityToken { username, token }) => {
                format!("token {username} {}", token.expose())
            }
        }
    }

    /// A helper that keeps logins as files in its folder.
    fn install_helper(dir: &Path, name: &str, body: &str) {
        let path = dir.join(format!("docker-credential-{name}"));
        create_file(&path, format!("#!/bin/sh\n{body}\n").as_bytes(), 0o700).unwrap();
    }

    const FILE_HELPER: &str = r#"cd "$(dirname "$0")" || exit 2
input=$(cat)
case "$1" in
  store) printf %s "$input" > kept ;;
  get) if [ -f kept ]; then cat kept; else
    echo "credentials not found in native keychain"; exit 1; fi ;;
  erase) rm -f kept ;;
esac"#;

    #[test]
    fn finds_the_login_docker_wrote_under_any_spelling_of_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(
            dir.path(),
            r#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"aHViOnNlY3JldA=="},
                "https://reg.example.com/v2/":{"auth":"dTpw"},
                "localhost:5000":{"auth":"YTpiOmM="},
                "tok.example.com":{"auth":"bWU6","identitytoken":"T0"},
                "empty.example.com":{}
            }}"#,
        );
        for (host, expected) in [
            ("docker.io", "basic hub secret"),
            ("index.docker.io", "basic hub secret"),
            ("registry-1.docker.io", "basic hub secret"),
            ("reg.example.com", "basic u p"),
            ("localhost:5000", "basic a b:c"),
            ("tok.example.com", "token me T0"),
            ("empty.example.com", "none"),
            ("unknown.example.com", "none"),
            ("localhost", "none"),
        ] {
            assert_eq!(show(config.get(host).unwrap()), expected, "{host}");
        }
    }

    #[test]
    fn rewriting_keeps_unknown_members_their_order_and_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(
            dir.path(),
            r#"{"zeta":{"b":1,"a":[1.50,18446744073709551615]},"auths":{"old":{"auth":"dTpw","x":1}},
                "HttpHeaders":{"X":"y"}}"#,
        );
        config.set("docker.io", &basic("hub", "secret")).unwrap();
        let path = dir.path().join("config.json");
        let text = String::from_utf8(read_user_file(&path, 10_000).unwrap()).unwrap();
        let expected = "{\n\t\"zeta\": {\n\t\t\"b\": 1,\n\t\t\"a\": [\n\t\t\t1.5,\n\t\t\t18446744073709551615\n\t\t]\n\t},\n\t\"auths\": {\n\t\t\"old\": {\n\t\t\t\"auth\": \"dTpw\",\n\t\t\t\"x\": 1\n\t\t},\n\t\t\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"aHViOnNlY3JldA==\"\n\t\t}\n\t},\n\t\"HttpHeaders\": {\n\t\t\"X\": \"y\"\n\t}\n}";
        assert_eq!(text, expected);
        assert_eq!(mode(&path).unwrap(), 0o600);
    }

    #[test]
    fn login_survives_in_a_linked_file_and_can_be_erased() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real.json");
        create_file(&real, b"{}", 0o600).unwrap();
        let folder = dir.path().join("docker");
        create_user_folder(&folder).unwrap();
        std::os::unix::fs::symlink(&real, folder.join("config.json")).unwrap();
        let mut config = DockerConfig::load(&folder).unwrap();
        let token = Passphrase::new("T0".to_owned());
        let login = Credential::IdentityToken { username: "me".to_owned(), token };
        config.set("reg.example.com", &login).unwrap();
        let again = DockerConfig::load(&folder).unwrap();
        assert_eq!(show(again.get("reg.example.com").unwrap()), "token me T0");
        assert!(read_user_file(&real, 1000).unwrap().len() > 2);
        assert!(config.erase("reg.example.com").unwrap());
        assert!(!config.erase("reg.example.com").unwrap());
        assert_eq!(
            show(DockerConfig::load(&folder).unwrap().get("reg.example.com").unwrap()),
            "none"
        );
    }

    #[test]
    fn missing_and_empty_files_are_empty_and_reading_creates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("docker");
        let missing = DockerConfig::load(&folder).unwrap();
        assert_eq!(show(missing.get("docker.io").unwrap()), "none");
        assert!(!folder.exists());
        assert_eq!(show(config(dir.path(), " \n").get("docker.io").unwrap()), "none");
    }

    #[test]
    fn broken_files_are_told_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        for text in ["{", "[]", "null", "\"x\"", "{\"auths\":{}} trailing"] {
            replace_file(&path, text.as_bytes(), 0o600).unwrap();
            let error = DockerConfig::load(dir.path()).unwrap_err();
            assert!(matches!(error, StoreError::Config { .. }), "{text}: {error:?}");
        }
        for auth in ["!!", "aGVsbG8=", "/w=="] {
            let config = config(dir.path(), &format!(r#"{{"auths":{{"h":{{"auth":"{auth}"}}}}}}"#));
            let error = config.get("h").unwrap_err();
            assert!(matches!(error, StoreError::ConfigMember { .. }), "{auth}: {error:?}");
        }
        let mut config = config(dir.path(), r#"{"auths":5}"#);
        let error = config.set("h", &basic("u", "p")).unwrap_err();
        assert!(matches!(error, StoreError::ConfigMember { .. }), "{error:?}");
        assert_eq!(read_user_file(&path, 100).unwrap(), br#"{"auths":5}"#);
    }

    #[test]
    fn store_program_keeps_the_secret_out_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        install_helper(dir.path(), "files", FILE_HELPER);
        let mut config = config(dir.path(), r#"{"credsStore":"files"}"#);
        assert!(config.uses_helper("docker.io"));
        assert_eq!(show(config.get("docker.io").unwrap()), "none");
        config.set("docker.io", &basic("hub", "s\"e\\cret")).unwrap();
        assert_eq!(show(config.get("docker.io").unwrap()), "basic hub s\"e\\cret");
        let text = read_user_file(&dir.path().join("config.json"), 10_000).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\"https://index.docker.io/v1/\": {}"), "{text}");
        assert!(!text.contains("auth\""), "{text}");
        assert!(config.erase("docker.io").unwrap());
        assert!(!config.erase("docker.io").unwrap());
    }

    #[test]
    fn host_has_its_own_helper_and_a_token_user_means_a_token() {
        let dir = tempfile::tempdir().unwrap();
        install_helper(dir.path(), "tok", r#"echo '{"Username":"<token>","Secret":"T1"}'"#);
        install_helper(
            dir.path(),
            "all",
            r#"echo '{"ServerURL":"x","Username":"u","Secret":"p"}'"#,
        );
        let config = config(
            dir.path(),
            r#"{"credsStore":"all","credHelpers":{"a.example.com":"tok","docker.io":"tok",
                "plain.example.com":""},"auths":{"plain.example.com":{"auth":"Zjpm"}}}"#,
        );
        assert_eq!(show(config.get("a.example.com").unwrap()), "token  T1");
        assert_eq!(show(config.get("docker.io").unwrap()), "token  T1");
        assert_eq!(show(config.get("b.example.com").unwrap()), "basic u p");
        assert_eq!(show(config.get("plain.example.com").unwrap()), "basic f f");
    }

    #[test]
    fn bad_helpers_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        install_helper(dir.path(), "fails", "echo 'the vault is shut'; exit 3");
        install_helper(dir.path(), "babbles", "echo '{\"Secret\":\"hunter2\"'");
        install_helper(dir.path(), "endless", "yes");
        let get = |name| {
            let helper = CredentialHelper::new(name, Some(dir.path().to_owned())).unwrap();
            helper.get("h").map(|_| ()).unwrap_err()
        };
        let error = get("fails");
        assert!(
            matches!(&error, StoreError::Helper { message, .. } if message == "the vault is shut")
        );
        let error = get("babbles");
        assert!(matches!(error, StoreError::Helper { .. }));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(matches!(get("endless"), StoreError::Helper { .. }));
        assert!(matches!(get("missing"), StoreError::HelperStart { .. }));
        for name in ["", "../evil", "a b", "x/y", "é"] {
            let error = CredentialHelper::new(name, None).unwrap_err();
            assert!(matches!(error, StoreError::HelperName { .. }), "{name}");
        }
    }

    #[test]
    fn silent_helper_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        install_helper(dir.path(), "silent", "exec sleep 1000");
        let helper = CredentialHelper::new("silent", Some(dir.path().to_owned())).unwrap();
        let error = helper.with_wait(Duration::from_millis(50)).get("h").map(|_| ()).unwrap_err();
        assert!(matches!(error, StoreError::HelperTimeout { .. }), "{error:?}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), r#"{"auths":{"h":{"auth":"aHViOnNlY3JldA=="}}}"#);
        let shown = format!("{config:?} {:?}", config.get("h").unwrap());
        assert!(!shown.contains("secret") && !shown.contains("aHVi"), "{shown}");
    }
}
