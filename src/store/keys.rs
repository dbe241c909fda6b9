//! Private keys, in the folder that docker and notary use.
//!
//! Every `*.key` below `<base>/private` is a key, whose id is its file's name; role and repository
//! stand in its PEM headers (spec: notary.md §2.2).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::codec::pem::PemError;
use crate::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use crate::crypto::{KeyBlock, KeyFileError, KeyHeaders, KeyId, Passphrase, PrivateKey};
use crate::limits::{MAX_KEY_FILE_BYTES, MAX_UNLOCK_ATTEMPTS};
use crate::store::StoreError;
use crate::store::files::{Base, PRIVATE_MODE, is_open_to_others};
use crate::store::key_migration::{KeyFileName, is_key_file, migrate};

/// What is known of a key without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The canonical id: the name of its file.
    pub id: KeyId,
    /// The role as its file names it, "" if it names none. Docker's signer keys bear the bare
    /// signer's name.
    pub role: String,
    /// The repository of a targets, snapshot or timestamp key.
    pub gun: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// Whether a passphrase is needed to use it.
    pub encrypted: bool,
    /// Whether others than the owner may read or write the file.
    pub mode_too_open: bool,
}

/// All keys of a store.
#[derive(Debug, Default)]
pub struct KeyList {
    /// Root keys first, then by repository, role and id: notary's order.
    pub keys: Vec<KeyInfo>,
    /// Files ending in `.key` that are no keys, and why.
    pub unusable: Vec<(PathBuf, String)>,
}

/// The private keys of a trust directory, `<base>/private`.
#[derive(Debug, Clone)]
pub struct KeyStore {
    base: Base,
    folder: PathBuf,
}

impl KeyStore {
    /// Opens the store, migrates old layouts and sweeps up after crashed processes, as far as the
    /// disk lets it.
    pub(crate) fn open(base: Base) -> Result<Self, StoreError> {
        let folder = base.path().join("private");
        migrate(&base, &folder)?;
        // Half a key, or one whose owner believes that it is removed, is not left lying about.
        base.sweep(&folder);
        Ok(Self { base, folder })
    }

    /// Lists all keys. A file that is no key is reported, and stops nothing.
    pub fn list(&self) -> Result<KeyList, StoreError> {
        let mut keys = BTreeMap::new();
        let mut unusable = Vec::new();
        for path in self.files()? {
            match self.open_file(&path) {
                Ok(Some(stored)) => {
                    let depth = path.components().count();
                    // Half a migration leaves a key twice: the file in the new place counts.
                    keys.entry(stored.info.id.clone())
                        .and_modify(|known: &mut (usize, KeyInfo)| {
                            if depth < known.0 {
                                *known = (depth, stored.info.clone());
                            }
                        })
                        .or_insert((depth, stored.info));
                }
                Ok(None) => {}
                Err(error) => unusable.push((path, reason(&error))),
            }
        }
        let mut keys: Vec<KeyInfo> = keys.into_values().map(|(_, info)| info).collect();
        keys.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        Ok(KeyList { keys, unusable })
    }

    /// Returns what is known of a key; `None` if no usable file holds it.
    pub fn find(&self, id: &KeyId) -> Result<Option<KeyInfo>, StoreError> {
        match self.open_key(id) {
            Ok(stored) => Ok(Some(stored.info)),
            Err(StoreError::NoSuchKey(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a key encrypted under its canonical id; an empty passphrase stores it in the clear.
    ///
    /// The same key already there is kept as it is, and its info returned. Of the headers, `path`
    /// is dropped, and so is `gun` where notary has none.
    pub fn add(
        &self,
        key: &PrivateKey,
        headers: &KeyHeaders,
        passphrase: &Passphrase,
    ) -> Result<KeyInfo, StoreError> {
        let id = key.id();
        if let Some(known) = self.find(&id)? {
            return Ok(known);
        }
        let path = self.place(&id);
        let block = KeyBlock::encrypt(key, &stored_headers(headers), passphrase)
            .map_err(|cause| StoreError::BadKeyFile { path, cause })?;
        self.create(&id, &block)
    }

    /// Stores a block as it is under `id`, for keys imported in encrypted form; headers as in
    /// [`KeyStore::add`].
    ///
    /// A block that needs no passphrase must hold the key of this id.
    pub fn add_block(&self, id: &KeyId, block: &KeyBlock) -> Result<KeyInfo, StoreError> {
        if let Some(known) = self.find(id)? {
            return Ok(known);
        }
        if !block.is_encrypted() {
            let path = self.place(id);
            let key = block.decrypt(None);
            let key = key.map_err(|cause| StoreError::BadKeyFile { path: path.clone(), cause })?;
            check_id(&key, id, &path)?;
        }
        let mut block = block.clone();
        block.set_headers(&stored_headers(&block.headers()));
        self.create(id, &block)
    }

    /// Returns the block of a key as it is stored.
    pub fn read(&self, id: &KeyId) -> Result<KeyBlock, StoreError> {
        Ok(self.open_key(id)?.block)
    }

    /// Returns the block of a key with the `path` header that lets notary import it again.
    pub fn export(&self, id: &KeyId) -> Result<KeyBlock, StoreError> {
        let StoredKey { info, mut block } = self.open_key(id)?;
        let role = Some(info.role).filter(|role| !role.is_empty());
        block.set_headers(&KeyHeaders { role, gun: info.gun, path: Some(id.to_string()) });
        Ok(block)
    }

    /// Opens a key, asking for its passphrase until it is right or the source gives up, at most
    /// [`MAX_UNLOCK_ATTEMPTS`] times, and checks that it has the id of its file's name.
    pub fn unlock(
        &self,
        id: &KeyId,
        source: &dyn PassphraseSource,
    ) -> Result<PrivateKey, StoreError> {
        self.open_key(id)?.unlock(source)
    }

    /// Encrypts a key anew and replaces its file in one step.
    pub fn change_passphrase(
        &self,
        id: &KeyId,
        old: &dyn PassphraseSource,
        new: &Passphrase,
    ) -> Result<(), StoreError> {
        let stored = self.open_key(id)?;
        let key = stored.unlock(old)?;
        let StoredKey { info, .. } = stored;
        let role = Some(info.role).filter(|role| !role.is_empty());
        let headers = stored_headers(&KeyHeaders { role, gun: info.gun, path: None });
        let block = KeyBlock::encrypt(&key, &headers, new)
            .map_err(|cause| StoreError::BadKeyFile { path: info.path.clone(), cause })?;
        self.base.write(&info.path, &block.to_pem(), PRIVATE_MODE)
    }

    /// Removes every file of a key.
    pub fn remove(&self, id: &KeyId) -> Result<(), StoreError> {
        let mut removed = false;
        for path in self.files_of(id)? {
            removed |= self.base.remove(&path)?;
            self.base.sync(path.parent().unwrap_or(&self.folder))?;
        }
        if removed { Ok(()) } else { Err(StoreError::NoSuchKey(id.to_string())) }
    }

    fn create(&self, id: &KeyId, block: &KeyBlock) -> Result<KeyInfo, StoreError> {
        let path = self.place(id);
        self.base.create(&path, &block.to_pem(), PRIVATE_MODE)?;
        let stored = self.open_file(&path)?;
        stored.map(|stored| stored.info).ok_or_else(|| StoreError::NoSuchKey(id.to_string()))
    }

    /// Opens the file of a key: where it should be, else wherever it is.
    fn open_key(&self, id: &KeyId) -> Result<StoredKey, StoreError> {
        if let Some(stored) = self.open_file(&self.place(id))? {
            return Ok(stored);
        }
        for path in self.files_of(id)? {
            if let Some(stored) = self.open_file(&path)? {
                return Ok(stored);
            }
        }
        Err(StoreError::NoSuchKey(id.to_string()))
    }

    fn open_file(&self, path: &Path) -> Result<Option<StoredKey>, StoreError> {
        let bad = |cause| StoreError::BadKeyFile { path: path.to_owned(), cause };
        let Some(name) = KeyFileName::parse(&self.folder, path) else {
            return Err(StoreError::NoSuchKey(path.display().to_string()));
        };
        let Some(file) = self.base.read(path, MAX_KEY_FILE_BYTES)? else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(file.bytes);
        let block = first_block(&bytes).map_err(bad)?;
        let headers = name.complete(block.headers());
        let info = KeyInfo {
            id: name.id,
            role: headers.role.unwrap_or_default(),
            gun: headers.gun,
            path: path.to_owned(),
            encrypted: block.is_encrypted(),
            mode_too_open: is_open_to_others(file.mode),
        };
        Ok(Some(StoredKey { info, block }))
    }

    fn files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut files = self.base.list(&self.folder)?;
        files.retain(|path| is_key_file(path));
        Ok(files)
    }

    fn files_of(&self, id: &KeyId) -> Result<Vec<PathBuf>, StoreError> {
        let mut files = self.files()?;
        files.retain(|path| {
            KeyFileName::parse(&self.folder, path).is_some_and(|name| name.id == *id)
        });
        Ok(files)
    }

    /// Where the file of a key belongs.
    fn place(&self, id: &KeyId) -> PathBuf {
        self.folder.join(format!("{id}.key"))
    }
}

/// A key file that was read.
struct StoredKey {
    info: KeyInfo,
    block: KeyBlock,
}

impl StoredKey {
    fn unlock(&self, source: &dyn PassphraseSource) -> Result<PrivateKey, StoreError> {
        let KeyInfo { id, role, gun, path, encrypted, .. } = &self.info;
        let bad = |cause| StoreError::BadKeyFile { path: path.clone(), cause };
        if !encrypted {
            let key = self.block.decrypt(None).map_err(bad)?;
            check_id(&key, id, path)?;
            return Ok(key);
        }
        for attempt in 1..=MAX_UNLOCK_ATTEMPTS {
            let request = PassphraseRequest {
                role: role.clone(),
                key_id: id.clone(),
                gun: gun.clone(),
                new: false,
                attempt,
            };
            let passphrase = source.passphrase(&request)?;
            match self.block.decrypt(Some(&passphrase)) {
                Ok(key) => {
                    check_id(&key, id, path)?;
                    source.accepted(&request, &passphrase);
                    return Ok(key);
                }
                Err(KeyFileError::WrongPassphrase) => {}
                Err(cause) => return Err(bad(cause)),
            }
        }
        Err(StoreError::Passphrase(PassphraseError::TooManyAttempts {
            role: role.clone(),
            key_id: id.to_string(),
            attempts: MAX_UNLOCK_ATTEMPTS,
        }))
    }
}

/// Returns the first private key of a file, as notary does.
pub(crate) fn first_block(text: &[u8]) -> Result<KeyBlock, KeyFileError> {
    let blocks = KeyBlock::parse_all(text)?;
    blocks.into_iter().next().ok_or(KeyFileError::Pem(PemError::Missing))
}

fn check_id(key: &PrivateKey, id: &KeyId, path: &Path) -> Result<(), StoreError> {
    let found = key.id();
    if found == *id {
        return Ok(());
    }
    Err(StoreError::ForeignKey { path: path.to_owned(), found: found.to_string() })
}

/// Keeps the repository only for the roles that belong to one (spec: notary.md §2.2).
fn stored_headers(headers: &KeyHeaders) -> KeyHeaders {
    let has_gun = matches!(headers.role.as_deref(), Some("targets" | "snapshot" | "timestamp"));
    KeyHeaders {
        role: headers.role.clone(),
        gun: headers.gun.clone().filter(|_| has_gun),
        path: None,
    }
}

fn sort_key(key: &KeyInfo) -> (bool, Option<&str>, &str, &KeyId) {
    (key.role != "root", key.gun.as_deref(), &key.role, &key.id)
}

fn reason(error: &StoreError) -> String {
    match error {
        StoreError::NoSuchKey(_) => "its name is not a key id".to_owned(),
        StoreError::BadKeyFile { cause, .. } => cause.to_string(),
        StoreError::Io { cause, .. } => cause.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::store::TrustDir;
    use crate::store::faults::{self, Mode};
    use crate::store::files;

    /// Answers with the given passphrases in turn, and notes what it was asked and told.
    #[derive(Default)]
    struct Answers {
        left: RefCell<Vec<&'static str>>,
        asked: RefCell<Vec<PassphraseRequest>>,
        accepted: RefCell<Vec<String>>,
    }

    impl PassphraseSource for Answers {
        fn passphrase(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
            self.asked.borrow_mut().push(request.clone());
            let mut answers = self.left.borrow_mut();
            if answers.is_empty() {
                Err(PassphraseError::Cancelled)
            } else {
                Ok(pass(answers.remove(0)))
            }
        }

        fn accepted(&self, _: &PassphraseRequest, passphrase: &Passphrase) {
            self.accepted.borrow_mut().push(passphrase.expose().to_owned());
        }
    }

    fn answers(answers: &[&'static str]) -> Answers {
        Answers { left: RefCell::new(answers.to_vec()), ..Answers::default() }
    }

    fn pass(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    fn headers(role: &str, gun: &str) -> KeyHeaders {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        KeyHeaders { role: text(role), gun: text(gun), path: None }
    }

    fn store(dir: &Path) -> KeyStore {
        TrustDir::new(dir.to_owned()).keys().unwrap()
    }

    fn vectors(name: &str) -> KeyStore {
        store(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary-vectors").join(name))
    }

    fn id(text: &str) -> KeyId {
        KeyId::parse(text).unwrap()
    }

    fn text_of(info: &KeyInfo) -> String {
        String::from_utf8(files::read_user_file(&info.path, 10_000).unwrap()).unwrap()
    }

    #[test]
    fn reading_creates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir.path().join("trust"));
        let list = store.list().unwrap();
        assert!(list.keys.is_empty() && list.unusable.is_empty());
        let key = id(&"0".repeat(64));
        assert_eq!(store.find(&key).unwrap(), None);
        assert!(matches!(store.read(&key), Err(StoreError::NoSuchKey(_))));
        assert!(matches!(store.remove(&key), Err(StoreError::NoSuchKey(_))));
        assert!(!dir.path().join("trust").exists());
    }

    #[test]
    fn keys_of_notary_are_listed_in_its_order_and_open() {
        let store = vectors("nh-step2");
        let list = store.list().unwrap();
        let shown: Vec<(&str, &str)> =
            list.keys.iter().map(|k| (k.role.as_str(), k.gun.as_deref().unwrap_or(""))).collect();
        let gun = "example.com/vectors/one";
        assert_eq!(
            shown,
            [
                ("root", ""),
                ("delegation", ""),
                ("targets/alpha", ""),
                ("snapshot", gun),
                ("targets", gun)
            ]
        );
        assert!(list.keys.iter().all(|key| key.encrypted));
        for (key, passphrase) in
            list.keys.iter().zip(["rootpass1", "delepass1", "delepass1", "snappass1", "targpass1"])
        {
            assert_eq!(store.unlock(&key.id, &answers(&[passphrase])).unwrap().id(), key.id);
        }
    }

    #[test]
    fn signer_key_of_docker_bears_the_bare_name() {
        let store = vectors("docker-trust-signed");
        let keys = store.list().unwrap().keys;
        let alice = keys.iter().find(|key| key.role == "alice").unwrap();
        assert_eq!(alice.gun, None);
        assert_eq!(store.unlock(&alice.id, &answers(&["repopass1"])).unwrap().id(), alice.id);
    }

    #[test]
    fn added_key_lies_where_notary_looks_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir.path().join("trust"));
        let key = PrivateKey::generate_ecdsa().unwrap();
        let gun = "example.com/app";
        let info = store.add(&key, &headers("targets", gun), &pass("password")).unwrap();
        assert_eq!(info.path, dir.path().join(format!("trust/private/{}.key", key.id())));
        assert_eq!((info.role.as_str(), info.gun.as_deref()), ("targets", Some(gun)));
        assert!(info.encrypted && !info.mode_too_open);
        assert_eq!(files::mode(&info.path).unwrap(), 0o600);
        assert_eq!(files::mode(info.path.parent().unwrap()).unwrap(), 0o700);
        let text = text_of(&info);
        let start =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\ngun: example.com/app\nrole: targets\n\n";
        assert!(text.starts_with(start), "{text}");
        assert_eq!(store.find(&key.id()).unwrap(), Some(info));
    }

    #[test]
    fn repository_is_kept_for_the_roles_that_have_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        for (role, kept) in [
            ("root", false),
            ("targets", true),
            ("snapshot", true),
            ("timestamp", true),
            ("targets/alice", false),
            ("alice", false),
            ("delegation", false),
        ] {
            let key = PrivateKey::generate_ecdsa().unwrap();
            let mut headers = headers(role, "example.com/app");
            headers.path = Some("elsewhere".to_owned());
            let info = store.add(&key, &headers, &pass("password")).unwrap();
            assert_eq!(info.gun.is_some(), kept, "{role}");
            assert_eq!(store.read(&key.id()).unwrap().headers().path, None);
        }
    }

    #[test]
    fn same_key_again_is_kept_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let key = PrivateKey::generate_ecdsa().unwrap();
        let first = store.add(&key, &headers("alice", ""), &pass("password")).unwrap();
        let before = text_of(&first);
        let again = store.add(&key, &headers("bob", ""), &pass("another one")).unwrap();
        assert_eq!(again, first);
        assert_eq!(text_of(&again), before);
    }

    #[test]
    fn wrong_passphrases_are_tried_until_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let key = PrivateKey::generate_ecdsa().unwrap();
        store.add(&key, &headers("root", ""), &pass("password")).unwrap();
        let source = answers(&["wrong", "password"]);
        store.unlock(&key.id(), &source).unwrap();
        let attempts: Vec<u32> = source.asked.borrow().iter().map(|r| r.attempt).collect();
        assert_eq!(attempts, [1, 2]);
        assert!(source.asked.borrow().iter().all(|r| r.role == "root" && !r.new));
        assert_eq!(*source.accepted.borrow(), ["password"]);
        let source = answers(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "password"]);
        let error = store.unlock(&key.id(), &source).unwrap_err();
        let too_many = PassphraseError::TooManyAttempts {
            role: "root".to_owned(),
            key_id: key.id().to_string(),
            attempts: 10,
        };
        assert_eq!(error.to_string(), too_many.to_string());
        assert!(source.accepted.borrow().is_empty());
    }

    #[test]
    fn key_under_a_foreign_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let key = PrivateKey::generate_ecdsa().unwrap();
        let claimed = id(&"a".repeat(64));
        for passphrase in ["password", ""] {
            let block = KeyBlock::encrypt(&key, &headers("root", ""), &pass(passphrase)).unwrap();
            let path = dir.path().join(format!("private/{claimed}.key"));
            store.base.write(&path, &block.to_pem(), PRIVATE_MODE).unwrap();
            let error = store.unlock(&claimed, &answers(&["password"])).unwrap_err();
            assert!(
                matches!(&error, StoreError::ForeignKey { found, .. } if *found == key.id().to_string())
            );
            store.remove(&claimed).unwrap();
        }
        let block = KeyBlock::encrypt(&key, &headers("root", ""), &pass("")).unwrap();
        let error = store.add_block(&claimed, &block).unwrap_err();
        assert!(matches!(error, StoreError::ForeignKey { .. }), "{error:?}");
        assert_eq!(store.find(&claimed).unwrap(), None);
    }

    #[test]
    fn files_that_are_no_keys_are_reported_and_stop_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let key = PrivateKey::generate_ecdsa().unwrap();
        store.add(&key, &headers("root", ""), &pass("password")).unwrap();
        let other = "b".repeat(64);
        let huge = vec![b'-'; usize::try_from(MAX_KEY_FILE_BYTES).unwrap() + 1];
        for (name, bytes) in [
            ("my backup.key", b"x".as_slice()),
            (&format!("{other}.key"), b""),
            (&format!("sub/{}.key", "c".repeat(64)), b"-----BEGIN CERTIFICATE-----\n"),
            (&format!("{}.key", "d".repeat(64)), &huge),
            ("notes.txt", b"not looked at"),
        ] {
            store.base.write(&dir.path().join("private").join(name), bytes, 0o600).unwrap();
        }
        let list = store.list().unwrap();
        assert_eq!(list.keys.len(), 1);
        let names: Vec<_> =
            list.unusable.iter().map(|(path, _)| path.file_name().unwrap()).collect();
        assert_eq!(list.unusable.len(), 4, "{names:?}");
        let error = store.find(&id(&other)).unwrap_err();
        assert!(matches!(error, StoreError::BadKeyFile { .. }), "{error:?}");
    }

    #[test]
    fn world_readable_key_is_pointed_out_and_still_works() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let key = PrivateKey::generate_ecdsa().unwrap();
        let info = store.add(&key, &headers("root", ""), &pass("password")).unwrap();
        let text = text_of(&info);
        store.base.write(&info.path, text.as_bytes(), 0o644).unwrap();
        assert!(store.find(&key.id()).unwrap().unwrap().mode_too_open);
        store.unlock(&key.id(), &answers(&["password"])).unwrap();
    }

    #[test]
    fn changing_the_passphrase_survives_a_crash_at_any_step() {
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let store = store(dir.path());
            let key = PrivateKey::generate_ecdsa().unwrap();
            let gun = "example.com/app";
            store.add(&key, &headers("targets", gun), &pass("old")).unwrap();
            let (result, crashed) = faults::with_fault(step, Mode::Crash, || {
                store.change_passphrase(&key.id(), &answers(&["old"]), &pass("new"))
            });
            assert_eq!(result.is_err(), crashed);
            let opens = |passphrase| store.unlock(&key.id(), &answers(&[passphrase])).is_ok();
            let (old, new) = (opens("old"), opens("new"));
            assert!(old != new, "step {step}: old {old}, new {new}");
            let info = store.find(&key.id()).unwrap().unwrap();
            assert_eq!((info.role.as_str(), info.gun.as_deref()), ("targets", Some(gun)));
            if !crashed {
                assert!(new);
                break;
            }
        }
    }

    #[test]
    fn exported_block_is_what_notary_exports_and_comes_back_verbatim() {
        let source = vectors("nh-step2");
        let key = id("585ad6ab67991e363967f527ee6e27535ff1725758105b098fb6ce5d0ca5b65a");
        let block = source.export(&key).unwrap();
        let exported = include_str!("../../tests/data/notary-vectors/notary-key-export.pem");
        let text = String::from_utf8(block.to_pem().to_vec()).unwrap();
        assert!(exported.contains(&text), "{text}");
        let dir = tempfile::tempdir().unwrap();
        let target = store(dir.path());
        let info = target.add_block(&key, &block).unwrap();
        assert_eq!(text_of(&info), text_of(&source.find(&key).unwrap().unwrap()));
    }

    #[test]
    fn removed_key_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let key = PrivateKey::generate_ecdsa().unwrap();
        store.add(&key, &headers("root", ""), &pass("password")).unwrap();
        store.remove(&key.id()).unwrap();
        assert_eq!(store.find(&key.id()).unwrap(), None);
    }
}
