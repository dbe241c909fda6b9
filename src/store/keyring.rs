//! What the operating system's keyring remembers, as service `trust`: passphrases of keys (user = key
//! id), and registry logins (user = `registry` and the host).
//!
//! Most machines that sign have no keyring service, and some have one that never answers. Neither
//! may hold up a signature: looking up what is remembered then finds nothing, at once where no
//! service can exist, else after a bounded wait.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::crypto::{KeyId, Passphrase};
use crate::store::StoreError;
use crate::store::credential_helper::HelperLogin;
use crate::store::credentials::{Credential, config_key, credential_of, helper_login};
use crate::store::files::exists;

/// What of the user's session tells whether there can be a keyring service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringEnv {
    /// The value of `DBUS_SESSION_BUS_ADDRESS`.
    pub bus_address: Option<String>,
    /// The value of `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// How long the service may take; it may be asking the person to unlock the keyring.
    pub wait: Duration,
}

impl KeyringEnv {
    /// How long the service may take where nothing else is said.
    pub const WAIT: Duration = Duration::from_secs(15);

    /// Whether there can be a service: a session bus on Unix, always on macOS and Windows.
    pub fn may_have_service(&self) -> bool {
        if cfg!(any(target_os = "macos", target_os = "windows")) {
            return true;
        }
        if self.bus_address.as_ref().is_some_and(|address| !address.is_empty()) {
            return true;
        }
        let user = rustix::process::getuid().as_raw();
        let default = PathBuf::from(format!("/run/user/{user}"));
        exists(&self.runtime_dir.as_ref().unwrap_or(&default).join("bus"))
    }
}

/// Remembers the passphrase of a key.
pub fn remember(env: &KeyringEnv, id: &KeyId, passphrase: &Passphrase) -> Result<(), StoreError> {
    if !env.may_have_service() {
        return Err(StoreError::KeyringAbsent);
    }
    let (id, passphrase) = (id.clone(), passphrase.clone());
    within(env.wait, move || remember_in(&SystemKeyring, &id, &passphrase))?
}

/// Returns the passphrase remembered for a key; `None` when nothing is remembered, or there is no
/// keyring service, or it does not answer.
///
/// A service that did not answer once is not asked again by this process.
pub fn recall(env: &KeyringEnv, id: &KeyId) -> Result<Option<Passphrase>, StoreError> {
    recall_of(env, id.as_str().to_owned())
}

fn recall_of(env: &KeyringEnv, user: String) -> Result<Option<Passphrase>, StoreError> {
    if !env.may_have_service() || SERVICE_HANGS.load(Ordering::Relaxed) {
        return Ok(None);
    }
    match within(env.wait, move || recall_from(&SystemKeyring, &user)) {
        Err(StoreError::KeyringTimeout { .. }) => {
            SERVICE_HANGS.store(true, Ordering::Relaxed);
            Ok(None)
        }
        result => result?,
    }
}

/// Forgets the passphrase of a key; returns whether something was there.
pub fn forget(env: &KeyringEnv, id: &KeyId) -> Result<bool, StoreError> {
    if !env.may_have_service() {
        return Ok(false);
    }
    let user = id.as_str().to_owned();
    within(env.wait, move || forget_in(&SystemKeyring, &user))?
}

/// Keeps the login of a registry host.
pub fn remember_login(env: &KeyringEnv, host: &str, login: &Credential) -> Result<(), StoreError> {
    if !env.may_have_service() {
        return Err(StoreError::KeyringAbsent);
    }
    let login = helper_login(&config_key(host), login);
    let text = serde_json::to_string(&login)
        .map_err(|_| StoreError::Keyring { cause: "the login is not text".into() })?;
    let (user, secret) = (user_of(host), Passphrase::new(text));
    within(env.wait, move || SystemKeyring.set(&user, secret.expose()).map_err(failure))?
}

/// Returns the login kept for a registry host; `None` as for [`recall`].
pub fn recall_login(env: &KeyringEnv, host: &str) -> Result<Option<Credential>, StoreError> {
    let Some(text) = recall_of(env, user_of(host))? else { return Ok(None) };
    // The parser's message may quote the secret.
    let login: HelperLogin = serde_json::from_str(text.expose())
        .map_err(|_| StoreError::Keyring { cause: "what it keeps is no login".into() })?;
    Ok(Some(credential_of(&login)))
}

/// Forgets the login of a registry host; returns whether something was there.
pub fn forget_login(env: &KeyringEnv, host: &str) -> Result<bool, StoreError> {
    if !env.may_have_service() {
        return Ok(false);
    }
    let user = user_of(host);
    within(env.wait, move || forget_in(&SystemKeyring, &user))?
}

fn user_of(host: &str) -> String {
    format!("registry {}", config_key(host))
}

/// Where passphrases are kept: the system's keyring, or a map in tests.
trait Keyring {
    fn set(&self, user: &str, secret: &str) -> keyring::Result<()>;
    fn get(&self, user: &str) -> keyring::Result<String>;
    fn delete(&self, user: &str) -> keyring::Result<()>;
}

struct SystemKeyring;

impl Keyring for SystemKeyring {
    fn set(&self, user: &str, secret: &str) -> keyring::Result<()> {
        keyring::Entry::new(SERVICE, user)?.set_password(secret)
    }

    fn get(&self, user: &str) -> keyring::Result<String> {
        keyring::Entry::new(SERVICE, user)?.get_password()
    }

    fn delete(&self, user: &str) -> keyring::Result<()> {
        keyring::Entry::new(SERVICE, user)?.delete_credential()
    }
}

fn remember_in(
    keyring: &impl Keyring,
    id: &KeyId,
    passphrase: &Passphrase,
) -> Result<(), StoreError> {
    keyring.set(id.as_str(), passphrase.expose()).map_err(failure)
}

fn recall_from(keyring: &impl Keyring, user: &str) -> Result<Option<Passphrase>, StoreError> {
    match keyring.get(user) {
        Ok(secret) => Ok(Some(Passphrase::new(secret))),
        Err(keyring::Error::NoEntry) => Ok(None),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

fn forget_in(keyring: &impl Keyring, user: &str) -> Result<bool, StoreError> {
    match keyring.delete(user) {
        Ok(()) => Ok(true),
        Err(keyring::Error::NoEntry) => Ok(false),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(failure(error)),
    }
}

/// Whether there is no service, or none that lets us in.
fn is_absence(error: &keyring::Error) -> bool {
    matches!(
        error,
        keyring::Error::NoDefaultStore
            | keyring::Error::PlatformFailure(_)
            | keyring::Error::NoStorageAccess(_)
            | keyring::Error::NotSupportedByStore(_)
    )
}

fn failure(error: keyring::Error) -> StoreError {
    match error {
        keyring::Error::NoDefaultStore | keyring::Error::NotSupportedByStore(_) => {
            StoreError::KeyringAbsent
        }
        keyring::Error::PlatformFailure(cause) | keyring::Error::NoStorageAccess(cause) => {
            StoreError::Keyring { cause }
        }
        // The error itself may hold what was remembered: only its text goes on.
        other => StoreError::Keyring { cause: other.to_string().into() },
    }
}

/// Runs `work` on a thread of its own, which is left behind if it takes too long.
fn within<T: Send + 'static>(
    wait: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more after the wait.
    thread::spawn(move || drop(sender.send(work())));
    receiver.recv_timeout(wait).map_err(|_| StoreError::KeyringTimeout { wait })
}

/// So that a person with ten keys waits once, not ten times.
static SERVICE_HANGS: AtomicBool = AtomicBool::new(false);

const SERVICE: &str = "trust";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct MapKeyring(Mutex<BTreeMap<String, String>>);

    impl Keyring for MapKeyring {
        fn set(&self, user: &str, secret: &str) -> keyring::Result<()> {
            self.0.lock().unwrap().insert(user.to_owned(), secret.to_owned());
            Ok(())
        }

        fn get(&self, user: &str) -> keyring::Result<String> {
            self.0.lock().unwrap().get(user).cloned().ok_or(keyring::Error::NoEntry)
        }

        fn delete(&self, user: &str) -> keyring::Result<()> {
            let removed = self.0.lock().unwrap().remove(user);
            removed.map(drop).ok_or(keyring::Error::NoEntry)
        }
    }

    /// A service that fails every request with the error this makes.
    struct BrokenKeyring(fn() -> keyring::Error);

    impl Keyring for BrokenKeyring {
        fn set(&self, _: &str, _: &str) -> keyring::Result<()> {
            Err(self.0())
        }

        fn get(&self, _: &str) -> keyring::Result<String> {
            Err(self.0())
        }

        fn delete(&self, _: &str) -> keyring::Result<()> {
            Err(self.0())
        }
    }

    fn id() -> KeyId {
        KeyId::parse(&"ab".repeat(32)).unwrap()
    }

    fn secret() -> Passphrase {
        Passphrase::new("secret".to_owned())
    }

    #[test]
    fn what_is_remembered_is_recalled_until_forgotten() {
        let keyring = MapKeyring::default();
        assert!(recall_from(&keyring, id().as_str()).unwrap().is_none());
        remember_in(&keyring, &id(), &secret()).unwrap();
        assert_eq!(recall_from(&keyring, id().as_str()).unwrap().unwrap().expose(), "secret");
        assert!(forget_in(&keyring, id().as_str()).unwrap());
        assert!(!forget_in(&keyring, id().as_str()).unwrap());
    }

    #[test]
    fn without_a_session_nothing_is_recalled_and_nothing_can_be_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let env = KeyringEnv {
            bus_address: None,
            runtime_dir: Some(dir.path().to_owned()),
            wait: Duration::from_mins(1),
        };
        assert!(recall(&env, &id()).unwrap().is_none());
        assert!(!forget(&env, &id()).unwrap());
        let error = remember(&env, &id(), &secret()).unwrap_err();
        assert!(matches!(error, StoreError::KeyringAbsent), "{error:?}");
    }

    #[test]
    fn broken_service_is_no_error_for_recall_and_one_for_remember() {
        for error in [
            || keyring::Error::NoDefaultStore,
            || keyring::Error::PlatformFailure("bus gone".into()),
            || keyring::Error::NoStorageAccess("locked".into()),
        ] as [fn() -> keyring::Error; 3]
        {
            let keyring = BrokenKeyring(error);
            assert!(recall_from(&keyring, id().as_str()).unwrap().is_none());
            let error = remember_in(&keyring, &id(), &secret()).unwrap_err();
            assert!(matches!(error, StoreError::KeyringAbsent | StoreError::Keyring { .. }));
        }
    }

    #[test]
    fn service_that_hangs_is_not_waited_for() {
        let (_hold, gate) = mpsc::channel::<()>();
        let error = within(Duration::from_millis(20), move || gate.recv()).unwrap_err();
        assert!(matches!(error, StoreError::KeyringTimeout { .. }), "{error:?}");
    }

    #[test]
    fn errors_do_not_show_what_was_remembered() {
        let keyring = BrokenKeyring(|| keyring::Error::BadEncoding(b"hunter2".to_vec()));
        let error = recall_from(&keyring, id().as_str()).unwrap_err();
        let bytes = format!("{:?}", b"hunter2");
        let shown = format!("{error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains(&bytes), "{shown}");
    }
}
