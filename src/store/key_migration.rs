//! Key files of notary before 0.6: where they were, and how they come to where they are now.
//!
//! `private/root_keys/<id>[_<role>].key` and `private/tuf_keys/<gun>/<id>[_<role>].key` become
//! `private/<id>.key` with `role` and `gun` headers (spec: notary.md §2.2, Migration). The key in
//! the file stays encrypted as it was. The new file is safely on disk before the old one goes, so
//! a crash leaves the key at one of the places or at both.

use std::path::{Component, Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::{KeyHeaders, KeyId};
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::StoreError;
use crate::store::files::{Base, PRIVATE_MODE};
use crate::store::keys::first_block;
use crate::tuf::Gun;

/// What the place of a key file says, in the old layouts and the new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyFileName {
    /// The canonical id of the key.
    pub(crate) id: KeyId,
    /// The role, where the name tells.
    role: Option<String>,
    /// The repository, where the folders tell.
    gun: Option<String>,
}

impl KeyFileName {
    /// Reads the path of a key file below the `private` folder; `None` if it does not name a key.
    pub(crate) fn parse(private: &Path, path: &Path) -> Option<Self> {
        let inner = path.strip_prefix(private).ok()?;
        let stem = inner.file_name()?.to_str()?.strip_suffix(".key")?;
        let (id, role) = match stem.split_once('_') {
            Some((id, role)) => (id, Some(role.to_owned())),
            None => (stem, None),
        };
        let id = KeyId::parse(id).ok()?;
        let folders: Option<Vec<&str>> = inner
            .parent()?
            .components()
            .map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        let (role, gun) = match folders?.as_slice() {
            [ROOT_KEYS, ..] => (role.or_else(|| Some("root".to_owned())), None),
            [TUF_KEYS, gun @ ..] => (role, Gun::parse(&gun.join("/")).ok()),
            _ => (role, None),
        };
        Some(Self { id, role, gun: gun.map(|gun| gun.to_string()) })
    }

    /// Adds what the place says to what the headers say; the headers know better.
    pub(crate) fn complete(&self, headers: KeyHeaders) -> KeyHeaders {
        KeyHeaders {
            role: headers.role.or_else(|| self.role.clone()),
            gun: headers.gun.or_else(|| self.gun.clone()),
            path: headers.path,
        }
    }
}

/// Moves the keys of old layouts to their new places.
///
/// Where the disk cannot be written to, all stays as it is: keys are found in the old places too.
pub(crate) fn migrate(base: &Base, private: &Path) -> Result<(), StoreError> {
    match move_all(base, private) {
        Err(StoreError::Io { .. }) => Ok(()),
        result => result,
    }
}

fn move_all(base: &Base, private: &Path) -> Result<(), StoreError> {
    for old in [ROOT_KEYS, TUF_KEYS].map(|name| private.join(name)) {
        if !base.has_folder(&old) {
            continue;
        }
        for file in base.list(&old)? {
            move_key(base, private, &file)?;
        }
        remove_empty_folders(base, &old)?;
    }
    let certificates = private.join(CERTIFICATES);
    if base.has_folder(&certificates) {
        for file in base.list(&certificates)? {
            if file.extension().is_some_and(|extension| extension == "crt") {
                base.remove(&file)?;
            }
        }
        remove_empty_folders(base, &certificates)?;
    }
    Ok(())
}

/// Moves one key; leaves a file that is none where it is.
fn move_key(base: &Base, private: &Path, old: &Path) -> Result<(), StoreError> {
    let Some(name) = KeyFileName::parse(private, old) else { return Ok(()) };
    let text = match base.read(old, MAX_KEY_FILE_BYTES) {
        Ok(Some(file)) => Zeroizing::new(file.bytes),
        Ok(None) | Err(StoreError::TooLarge { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let Ok(mut block) = first_block(&text) else { return Ok(()) };
    block.set_headers(&name.complete(block.headers()));
    let text = block.to_pem();
    let new = private.join(format!("{}.key", name.id));
    match base.create(&new, &text, PRIVATE_MODE) {
        Ok(()) => {}
        // From an earlier, interrupted migration. A different file is not ours to judge.
        Err(StoreError::Exists { .. }) if holds(base, &new, &text) => {}
        Err(StoreError::Exists { .. }) => return Ok(()),
        Err(error) => return Err(error),
    }
    base.remove(old)?;
    Ok(())
}

fn holds(base: &Base, path: &Path, text: &[u8]) -> bool {
    let file = base.read(path, MAX_KEY_FILE_BYTES);
    file.is_ok_and(|file| file.is_some_and(|file| Zeroizing::new(file.bytes).as_slice() == text))
}

/// Whether a file has the extension of key files.
pub(crate) fn is_key_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "key")
}

fn remove_empty_folders(base: &Base, folder: &Path) -> Result<(), StoreError> {
    let folders: Vec<PathBuf> = base.list_folders(folder)?;
    for folder in folders {
        base.remove_empty(&folder)?;
    }
    Ok(())
}

const ROOT_KEYS: &str = "root_keys";
const TUF_KEYS: &str = "tuf_keys";
const CERTIFICATES: &str = "trusted_certificates";

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;
    use crate::crypto::Passphrase;
    use crate::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
    use crate::store::TrustDir;
    use crate::store::faults::{self, Mode};

    // Two throw-away keys as OpenSSL and notary before 0.6 wrote them; passphrase `password`.
    const ROOT_ID: &str = "6dc317cec899b5778d3b71dada0af708b48db6c9f622efacf17d480b83452f0a";
    const ROOT: &str = "-----BEGIN EC PRIVATE KEY-----\n\
Proc-Type: 4,ENCRYPTED\n\
DEK-Info: AES-256-CBC,90757993F90D82DC5E4034E336D59E64\n\
\n\
aHm/6NYY704pMlEFLuz8+1Wcxgp5EhApzw9fTHPcdcinVM0fUouGza8487gdeX3I\n\
+jIK3HqUTEfV4G003I2V/PViOPm9Tb4AsBOgwLOhin77vgpWvJnH2QtwE7Q+Sh2g\n\
Ghd6l9gWuVFfaFy8C6ntu5NctQ/62PGZWdOIKYevny0=\n\
-----END EC PRIVATE KEY-----\n";
    const TARGETS_ID: &str = "eef28a2ab9f6a59bf7c01b8e81fe7ce40fd198e02868169abe12959ffa823d51";
    const TARGETS: &str = "-----BEGIN EC PRIVATE KEY-----\n\
Proc-Type: 4,ENCRYPTED\n\
DEK-Info: AES-256-CBC,1156CAAA9993354A93B5E8F6D7457059\n\
\n\
GfI3by/40K2eQloK8BuYa7hsUwbAZVmnwMOBzqeASn+ONU3Z9Po2WfXInY40g3Gf\n\
ayccNSd85eu16Wbr9DljJjZT2KrzqbFcBnPLO4EU6+91vLOOT1zljbM63ngsdz8J\n\
miRknASzk3z44Ac0fsg4TofO0menQVm8hfLSbpYxriE=\n\
-----END EC PRIVATE KEY-----\n";
    const GUN: &str = "example.com/old/app";

    struct Password(Cell<u32>);

    impl PassphraseSource for Password {
        fn passphrase(&self, _: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
            self.0.set(self.0.get() + 1);
            Ok(Passphrase::new("password".to_owned()))
        }
    }

    fn with_role(text: &str, role: &str) -> String {
        text.replacen("\n\n", &format!("\nrole: {role}\n\n"), 1)
    }

    /// Lays the keys out as notary 0.1 did, with the role in the file's name, or as 0.3 did, with
    /// the role in the headers.
    fn lay_out(dir: &Path, version: &str) {
        let base = Base::new(dir.to_owned());
        let files = if version == "0.1" {
            [
                (format!("root_keys/{ROOT_ID}_root.key"), ROOT.to_owned()),
                (format!("tuf_keys/{GUN}/{TARGETS_ID}_targets.key"), TARGETS.to_owned()),
            ]
        } else {
            [
                (format!("root_keys/{ROOT_ID}.key"), with_role(ROOT, "root")),
                (format!("tuf_keys/{GUN}/{TARGETS_ID}.key"), with_role(TARGETS, "targets")),
            ]
        };
        for (name, text) in files {
            base.write(&dir.join("private").join(name), text.as_bytes(), 0o600).unwrap();
        }
        base.write(&dir.join("private/trusted_certificates/a/b.crt"), b"old", 0o600).unwrap();
    }

    fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let base = Base::new(dir.to_owned());
        let read = |path: PathBuf| {
            let bytes = base.read(&path, 10_000).unwrap().unwrap().bytes;
            (path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned(), bytes)
        };
        base.list(dir).unwrap().into_iter().map(read).collect()
    }

    /// Opens the store and checks that it has both keys, each once, and that they open.
    fn check_keys(dir: &Path) {
        let store = TrustDir::new(dir.to_owned()).keys().unwrap();
        let list = store.list().unwrap();
        let shown: Vec<_> =
            list.keys.iter().map(|k| (k.id.as_str(), k.role.as_str(), k.gun.as_deref())).collect();
        assert_eq!(shown, [(ROOT_ID, "root", None), (TARGETS_ID, "targets", Some(GUN))]);
        assert!(list.unusable.is_empty());
        for key in &list.keys {
            let opened = store.unlock(&key.id, &Password(Cell::new(0))).unwrap();
            assert_eq!(opened.id(), key.id);
        }
    }

    #[test]
    fn old_layouts_become_the_new_one() {
        for version in ["0.1", "0.3"] {
            let dir = tempfile::tempdir().unwrap();
            lay_out(dir.path(), version);
            check_keys(dir.path());
            let after = contents(dir.path());
            let names: Vec<&str> = after.keys().map(String::as_str).collect();
            let expected = [format!("private/{ROOT_ID}.key"), format!("private/{TARGETS_ID}.key")];
            assert_eq!(names, expected);
            let text = std::str::from_utf8(&after[&expected[1]]).unwrap();
            // RFC 1421 §4.6.1.1: Proc-Type comes first.
            let start = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: ";
            assert!(text.starts_with(start), "{text}");
            assert!(text.contains(&format!("\ngun: {GUN}\nrole: targets\n\n")), "{text}");
            let folders = Base::new(dir.path().to_owned());
            assert_eq!(folders.list_folders(&dir.path().join("private")).unwrap().len(), 1);
            // Opening again changes nothing.
            let open = || TrustDir::new(dir.path().to_owned()).keys().map(drop);
            let (_, wrote) = faults::with_fault(0, Mode::Crash, open);
            assert!(!wrote);
            assert_eq!(contents(dir.path()), after);
        }
    }

    #[test]
    fn no_key_is_lost_by_a_crash_at_any_step() {
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            lay_out(dir.path(), "0.1");
            let open = || TrustDir::new(dir.path().to_owned()).keys().map(drop);
            let (_, crashed) = faults::with_fault(step, Mode::Crash, open);
            check_keys(dir.path());
            let left = contents(dir.path()).into_keys().filter(|name| is_key_file(Path::new(name)));
            assert_eq!(left.count(), 2, "step {step}");
            if !crashed {
                break;
            }
        }
    }

    #[test]
    fn keys_on_a_read_only_disk_are_used_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        lay_out(dir.path(), "0.1");
        let before = contents(dir.path());
        let ((), wanted) = faults::with_fault(0, Mode::ReadOnly, || check_keys(dir.path()));
        assert!(wanted);
        assert_eq!(contents(dir.path()), before);
    }

    #[test]
    fn different_file_in_the_new_place_keeps_both() {
        let dir = tempfile::tempdir().unwrap();
        lay_out(dir.path(), "0.1");
        let new = dir.path().join(format!("private/{ROOT_ID}.key"));
        let base = Base::new(dir.path().to_owned());
        base.write(
            &new,
            with_role(ROOT, "root").replace("role: root", "role: other").as_bytes(),
            0o600,
        )
        .unwrap();
        let store = TrustDir::new(dir.path().to_owned()).keys().unwrap();
        let info = store.find(&KeyId::parse(ROOT_ID).unwrap()).unwrap().unwrap();
        assert_eq!((info.path, info.role.as_str()), (new, "other"));
        assert!(base.has(&dir.path().join(format!("private/root_keys/{ROOT_ID}_root.key"))));
        store.remove(&info.id).unwrap();
        assert_eq!(store.find(&info.id).unwrap(), None);
    }

    #[test]
    fn files_that_are_no_keys_stay() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        let stray = dir.path().join("private/root_keys/backup.key");
        base.write(&stray, b"precious", 0o600).unwrap();
        let store = TrustDir::new(dir.path().to_owned()).keys().unwrap();
        assert!(base.has(&stray));
        assert_eq!(store.list().unwrap().unusable.len(), 1);
    }
}
