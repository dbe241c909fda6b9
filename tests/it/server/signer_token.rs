//! A master key in a token: Debian's SoftHSM.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use tempfile::TempDir;
use trust::server::Refusal;
use trust::server::signer::{Algorithm, LocalSigner, MasterSource, Signer, SignerError};
use trust::tuf::{Gun, RoleName};

use super::harness::TestServer;

/// Debian's path of the library.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The folder of the token of a test that runs in a process of its own.
const FOLDER: &str = "TRUST_TEST_TOKEN";
const PIN: &str = "123456";
const SO_PIN: &str = "654321";

/// A token with an AES key `master` in it, in a folder.
struct SoftToken {
    folder: PathBuf,
}

impl SoftToken {
    /// The library finds its tokens through the environment, which a test cannot change: so each
    /// test here runs itself again in a process of its own. `None` in the first one, when that is
    /// over and went well.
    fn in_a_process_of_its_own(test: &str) -> Option<Self> {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return Some(Self { folder: folder.into() });
        }
        let folder = TempDir::new().unwrap();
        let token = Self { folder: folder.path().to_owned() };
        fs::create_dir(token.tokens()).unwrap();
        let config = folder.path().join("softhsm2.conf");
        let text =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", token.tokens().display());
        fs::write(&config, text).unwrap();
        fs::write(token.pin_file(), format!("{PIN}\n")).unwrap();
        fs::set_permissions(token.pin_file(), fs::Permissions::from_mode(0o600)).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args([&format!("server::signer_token::{test}"), "--exact", "--nocapture"])
            .env("SOFTHSM2_CONF", config)
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}\n{error}");
        None
    }

    fn tokens(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    fn pin_file(&self) -> PathBuf {
        self.folder.join("pin")
    }

    /// Makes a token with a key.
    fn make(&self, label: &str) -> &Self {
        let library = library();
        let slot = library
            .get_all_slots()
            .unwrap()
            .into_iter()
            .find(|slot| !library.get_token_info(*slot).unwrap().token_initialized())
            .unwrap();
        library.init_token(slot, &AuthPin::from(SO_PIN), label).unwrap();
        let slot = slot_of(&library, label);
        set_pin(&library, slot, PIN);
        let session = library.open_rw_session(slot).unwrap();
        session.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
        let template = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::ValueLen(32.into()),
            Attribute::Label(b"master".to_vec()),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
        session.logout().unwrap();
        self
    }

    fn uri(&self, label: &str, more: &str) -> String {
        let pin = self.pin_file();
        format!(
            "pkcs11:token={label};object=master?module-path={MODULE}&pin-source=file:{}{more}",
            pin.display()
        )
    }

    fn signer(&self, label: &str, more: &str) -> Signer {
        let source = MasterSource::parse(&self.uri(label, more)).unwrap();
        let master = source.load(&|_| None).unwrap();
        Signer::Local(LocalSigner::new(master, Algorithm::Ecdsa))
    }

    /// Pulls the token out, or puts it in again.
    fn set_present(&self, present: bool) {
        let away = self.folder.join("away");
        let (from, to) = if present { (away, self.tokens()) } else { (self.tokens(), away) };
        fs::rename(from, to).unwrap();
        if !present {
            fs::create_dir(self.tokens()).unwrap();
        }
    }
}

fn library() -> Pkcs11 {
    let library = Pkcs11::new(MODULE).unwrap();
    // Another part of this test may have done so.
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).ok();
    library
}

fn slot_of(library: &Pkcs11, label: &str) -> Slot {
    let slots = library.get_slots_with_initialized_token().unwrap();
    let is_it = |slot: &Slot| library.get_token_info(*slot).unwrap().label().trim_end() == label;
    slots.into_iter().find(is_it).unwrap()
}

fn set_pin(library: &Pkcs11, slot: Slot, pin: &str) {
    let session = library.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&AuthPin::from(SO_PIN))).unwrap();
    session.init_pin(&AuthPin::from(pin)).unwrap();
    session.logout().unwrap();
}

fn names() -> (Gun, RoleName) {
    (Gun::parse("localhost/app").unwrap(), RoleName::Timestamp)
}

fn write_pin(path: &Path, pin: &str) {
    fs::write(path, pin).unwrap();
}

#[test]
fn keys_are_sealed_with_aes_gcm() {
    let Some(token) = SoftToken::in_a_process_of_its_own("keys_are_sealed_with_aes_gcm") else {
        return;
    };
    keys_are_sealed(&token, "", 2);
}

#[test]
fn keys_are_sealed_with_aes_cbc() {
    let Some(token) = SoftToken::in_a_process_of_its_own("keys_are_sealed_with_aes_cbc") else {
        return;
    };
    keys_are_sealed(&token, "&x-wrap=aes-cbc", 3);
}

fn keys_are_sealed(token: &SoftToken, more: &str, format: u8) {
    token.make("one").make("two");
    let (gun, role) = names();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let signer = token.signer("one", more);
        signer.check().await.unwrap();
        let key = signer.create(&gun, &role).await.unwrap();
        assert_eq!(key.sealed.as_ref().unwrap()[0], format);
        signer.sign(&gun, &role, &key, b"message").await.unwrap();
        // A process that starts later opens it, however it would wrap new ones.
        token.signer("one", "").sign(&gun, &role, &key, b"message").await.unwrap();
        let other = token.signer("two", more).sign(&gun, &role, &key, b"message").await;
        assert!(matches!(other, Err(SignerError::WrongMaster { .. })), "{other:?}");
        // Every part of what is sealed counts.
        for at in (17..key.sealed.as_ref().unwrap().len()).step_by(7) {
            let mut changed = key.clone();
            changed.sealed.as_mut().unwrap()[at] ^= 1;
            let refused = signer.sign(&gun, &role, &changed, b"message").await;
            assert!(matches!(refused, Err(SignerError::Sealed)), "{at}: {refused:?}");
        }
        signer.sign(&gun, &role, &key, b"message").await.unwrap();
    });
}

#[test]
fn a_token_that_is_pulled_out_stops_publishing_alone() {
    let test = "a_token_that_is_pulled_out_stops_publishing_alone";
    let Some(token) = SoftToken::in_a_process_of_its_own(test) else { return };
    token.make("one");
    let (gun, role) = names();
    let server = TestServer::with(|server| server.signer = token.signer("one", ""));
    let runtime = &server.runtime;
    let signer = &server.server.signer;
    let key = runtime.block_on(signer.create(&gun, &role)).unwrap();
    for _ in 0..2 {
        token.set_present(false);
        // The second one was started without the token.
        for signer in [signer, &token.signer("one", "")] {
            runtime.block_on(async {
                for error in [
                    signer.sign(&gun, &role, &key, b"m").await.err(),
                    signer.create(&gun, &role).await.err(),
                    signer.check().await.err(),
                ] {
                    let error = error.unwrap();
                    assert!(matches!(error, SignerError::Unavailable(_)), "{error:?}");
                    assert_eq!(Refusal::from(error).status.as_u16(), 503);
                }
            });
        }
        assert_eq!(server.get("/v2/").status, 200);
        fs::remove_dir(token.tokens()).unwrap();
        token.set_present(true);
        runtime.block_on(async {
            signer.sign(&gun, &role, &key, b"m").await.unwrap();
            signer.check().await.unwrap();
        });
    }
}

#[test]
fn a_refused_pin_is_not_tried_again() {
    let Some(token) = SoftToken::in_a_process_of_its_own("a_refused_pin_is_not_tried_again") else {
        return;
    };
    token.make("one");
    let (gun, role) = names();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    write_pin(&token.pin_file(), "999999");
    let signer = token.signer("one", "");
    let refused = || runtime.block_on(signer.create(&gun, &role)).unwrap_err();
    assert!(matches!(refused(), SignerError::PinRefused));
    // Now it would be the right one: whoever tried it again would get in.
    let library = library();
    set_pin(&library, slot_of(&library, "one"), "999999");
    for _ in 0..3 {
        assert!(matches!(refused(), SignerError::PinRefused));
        assert_eq!(Refusal::from(refused()).status.as_u16(), 503);
    }
    set_pin(&library, slot_of(&library, "one"), "777777");
    write_pin(&token.pin_file(), "777777\n");
    let key = runtime.block_on(signer.create(&gun, &role)).unwrap();
    runtime.block_on(signer.sign(&gun, &role, &key, b"m")).unwrap();
}

#[test]
fn a_token_without_the_key_says_so() {
    let Some(token) = SoftToken::in_a_process_of_its_own("a_token_without_the_key_says_so") else {
        return;
    };
    token.make("one");
    let uri = token.uri("one", "").replace("object=master", "object=other");
    let master = MasterSource::parse(&uri).unwrap().load(&|_| None).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(master.check()).unwrap_err();
    assert_eq!(error.to_string(), "the token has no AES key of this label");
    let exposed = fs::Permissions::from_mode(0o644);
    fs::set_permissions(token.pin_file(), exposed).unwrap();
    let error = runtime.block_on(token.signer("one", "").check()).unwrap_err();
    assert!(error.to_string().ends_with("so that others can read it"), "{error}");
}
