//! A master key in a token (PKCS#11 2.40): the token encrypts and decrypts with it, and never gives
//! it away (`spec/server-keys.md` §2.2).
//!
//! A token may be slow, unplugged or locked. Nobody waits for it longer than a bound, it is looked
//! for again each time it is needed, and a PIN that it refused is never tried twice.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as TokenError, RvError};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::crypto::{Passphrase, Sha256Hash};
use crate::limits::{MAX_PASSWORD_BYTES, SIGNER_DEADLINE_SECONDS};
use crate::server::files::read_secret;
use crate::server::signer::SignerError;
use crate::server::signer::master::{MasterKeyId, random};

/// Which key in which token.
#[derive(Debug, Clone)]
pub struct TokenOptions {
    /// The PKCS#11 library.
    pub module: PathBuf,
    /// The token.
    pub token: TokenName,
    /// The label of the key, an AES key of 256 bits that may encrypt and decrypt.
    pub key: String,
    /// Where the user's PIN is.
    pub pin: Pin,
    /// How keys are wrapped; AES-GCM where the token has it if nothing is said.
    pub wrapping: Option<Wrapping>,
}

/// How a token is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenName {
    /// By its label.
    Label(String),
    /// By its serial number.
    Serial(String),
    /// By the number of its slot.
    Slot(u64),
}

/// Where a PIN is.
#[derive(Debug, Clone)]
pub enum Pin {
    /// In a file, which is read each time somebody logs in.
    File(PathBuf),
    /// Here.
    Given(Passphrase),
}

/// How a token wraps a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// `CKM_AES_GCM`.
    Gcm,
    /// `CKM_AES_CBC`, for tokens without GCM. What is wrapped is authenticated by what it opens.
    Cbc,
}

/// A key that a token wrapped.
pub(super) struct Wrapped {
    pub(super) wrapping: Wrapping,
    pub(super) id: MasterKeyId,
    pub(super) bytes: Vec<u8>,
}

/// A master key in a token.
pub struct Token(Arc<tokio::sync::Mutex<State>>);

struct State {
    options: TokenOptions,
    connection: Option<Connection>,
    module: Option<Pkcs11>,
    refused: Option<Zeroizing<Vec<u8>>>,
}

struct Connection {
    session: Session,
    key: ObjectHandle,
    wrapping: Wrapping,
    id: MasterKeyId,
}

impl Token {
    /// A key that is looked for when it is first needed.
    pub fn new(options: TokenOptions) -> Self {
        let state = State { options, connection: None, module: None, refused: None };
        Self(Arc::new(tokio::sync::Mutex::new(state)))
    }

    pub(super) async fn id(&self) -> Result<MasterKeyId, SignerError> {
        self.run(|state| state.connected(|connection| Ok(connection.id))).await
    }

    /// Asks the token for something that only a token that is there can answer.
    pub(super) async fn check(&self) -> Result<(), SignerError> {
        let check = |connection: &Connection| {
            if connection.is_well() { Ok(()) } else { Err(TokenError::InvalidValue) }
        };
        self.run(move |state| state.connected(check)).await
    }

    pub(super) async fn wrap(&self, key: Zeroizing<[u8; 32]>) -> Result<Wrapped, SignerError> {
        let mut iv = [0; 16];
        random(&mut iv)?;
        self.run(move |state| state.connected(|connection| connection.wrap(iv, &key))).await
    }

    pub(super) async fn unwrap_key(
        &self,
        wrapping: Wrapping,
        wrapped_under: MasterKeyId,
        wrapped: Vec<u8>,
    ) -> Result<Zeroizing<[u8; 32]>, SignerError> {
        let key = self
            .run(move |state| {
                let id = state.connected(|connection| Ok(connection.id))?;
                if id != wrapped_under {
                    return Err(SignerError::WrongMaster {
                        sealed_under: wrapped_under.to_string(),
                        master: id.to_string(),
                    });
                }
                match state.connected(|connection| connection.unwrap_key(wrapping, &wrapped)) {
                    Err(SignerError::TokenRefuses(_)) => Err(SignerError::Sealed),
                    done => done,
                }
            })
            .await?;
        key.first_chunk().copied().map(Zeroizing::new).ok_or(SignerError::Sealed)
    }

    /// Runs work with the token on a thread that may be held up by it. One at a time: whoever does
    /// not get their turn in time gives up.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, SignerError> + Send + 'static,
    ) -> Result<T, SignerError> {
        let mut state = timeout(DEADLINE, Arc::clone(&self.0).lock_owned())
            .await
            .map_err(|late| SignerError::Unavailable(late.into()))?;
        let task = tokio::task::spawn_blocking(move || {
            // Libraries of tokens are one for the whole process, whoever calls them.
            let _alone = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut state)
        });
        match timeout(DEADLINE, task).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => Err(SignerError::Unavailable(error.into())),
            Err(late) => Err(SignerError::Unavailable(late.into())),
        }
    }
}

impl State {
    /// Runs work with a session; if the session turns out to be lost, once more with a new one.
    fn connected<T>(
        &mut self,
        mut work: impl FnMut(&Connection) -> Result<T, TokenError>,
    ) -> Result<T, SignerError> {
        let was_connected = self.connection.is_some();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        match work(&connection) {
            Ok(done) => {
                self.connection = Some(connection);
                return Ok(done);
            }
            // The token is well: it is what was asked of it that it does not do.
            Err(error) if connection.is_well() => {
                self.connection = Some(connection);
                return Err(SignerError::TokenRefuses(error.into()));
            }
            Err(error) if !was_connected => return Err(SignerError::Unavailable(error.into())),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the session with the token is lost");
            }
        }
        drop(connection);
        let connection = self.connect()?;
        let done = work(&connection).map_err(|error| {
            if connection.is_well() {
                SignerError::TokenRefuses(error.into())
            } else {
                SignerError::Unavailable(error.into())
            }
        });
        self.connection = Some(connection);
        done
    }

    fn connect(&mut self) -> Result<Connection, SignerError> {
        let module = self.module()?;
        if let Some(slot) = self.find(&module)? {
            return self.log_in(&module, slot);
        }
        // Libraries may look for tokens only once: begin again.
        self.module = None;
        module.finalize().map_err(|error| SignerError::Unavailable(error.into()))?;
        let module = self.module()?;
        let slot = self.find(&module)?;
        let slot = slot.ok_or_else(|| SignerError::Unavailable("no such token".into()))?;
        self.log_in(&module, slot)
    }

    fn module(&mut self) -> Result<Pkcs11, SignerError> {
        let failed = |error: TokenError| SignerError::Unavailable(error.into());
        let module = match self.module.clone() {
            Some(module) => module,
            None => Pkcs11::new(&self.options.module).map_err(failed)?,
        };
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(TokenError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(failed(error)),
        }
        self.module = Some(module.clone());
        Ok(module)
    }

    fn find(&self, module: &Pkcs11) -> Result<Option<Slot>, SignerError> {
        let failed = |error: TokenError| SignerError::Unavailable(error.into());
        for slot in module.get_slots_with_token().map_err(failed)? {
            // A token that cannot say what it is may be one that was pulled out.
            let info = || module.get_token_info(slot).ok();
            let is_wanted = match &self.options.token {
                TokenName::Slot(number) => slot.id() == *number && info().is_some(),
                TokenName::Label(label) => {
                    info().is_some_and(|info| info.label().trim_end() == label)
                }
                TokenName::Serial(serial) => {
                    info().is_some_and(|info| info.serial_number().trim_end() == serial)
                }
            };
            if is_wanted {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    fn log_in(&mut self, module: &Pkcs11, slot: Slot) -> Result<Connection, SignerError> {
        let failed = |error: TokenError| SignerError::Unavailable(error.into());
        let pin = self.options.pin.read()?;
        if self.refused.as_ref() == Some(&pin) {
            return Err(SignerError::PinRefused);
        }
        let info = module.get_token_info(slot).map_err(failed)?;
        if info.user_pin_locked() || info.user_pin_final_try() {
            return Err(SignerError::PinLastTry);
        }
        let text = std::str::from_utf8(&pin).map_err(|_| SignerError::PinRefused)?;
        let session = module.open_ro_session(slot).map_err(failed)?;
        match session.login(UserType::User, Some(&AuthPin::from(text.to_owned()))) {
            Ok(()) | Err(TokenError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(TokenError::Pkcs11(
                RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinExpired
                | RvError::PinLocked,
                _,
            )) => {
                tracing::error!("the token refuses the PIN, which is not tried again");
                self.refused = Some(pin);
                return Err(SignerError::PinRefused);
            }
            Err(error) => return Err(failed(error)),
        }
        self.refused = None;
        let key = self.find_key(&session)?;
        let has = module.get_mechanism_list(slot).map_err(failed)?;
        let gcm = has.contains(&MechanismType::AES_GCM).then_some(Wrapping::Gcm);
        let cbc = has.contains(&MechanismType::AES_CBC).then_some(Wrapping::Cbc);
        let wrapping = match self.options.wrapping {
            None => gcm.or(cbc),
            Some(Wrapping::Gcm) => gcm,
            Some(Wrapping::Cbc) => cbc,
        };
        let what = "mechanism that wraps keys (AES-GCM or AES-CBC)";
        let wrapping = wrapping.ok_or(SignerError::TokenLacks { what })?;
        let id = id_of(&session, key).map_err(failed)?;
        Ok(Connection { session, key, wrapping, id })
    }

    fn find_key(&self, session: &Session) -> Result<ObjectHandle, SignerError> {
        let found = session.find_objects(&[
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.options.key.as_bytes().to_vec()),
        ]);
        match found.map_err(|error| SignerError::Unavailable(error.into()))?.as_slice() {
            [key] => Ok(*key),
            [] => Err(SignerError::TokenLacks { what: "AES key of this label" }),
            _ => Err(SignerError::TokenLacks { what: "unique AES key of this label" }),
        }
    }
}

impl Connection {
    /// Whether the token still has the key, which it shows by using it.
    fn is_well(&self) -> bool {
        id_of(&self.session, self.key).is_ok_and(|id| id == self.id)
    }

    fn wrap(&self, mut iv: [u8; 16], key: &[u8; 32]) -> Result<Wrapped, TokenError> {
        let bytes = match self.wrapping {
            Wrapping::Gcm => {
                let (nonce, _) = iv.split_at_mut(GCM_NONCE_BYTES);
                let parameters = GcmParams::new(&mut *nonce, WRAP_LABEL, GCM_TAG_BITS.into())?;
                let mechanism = Mechanism::AesGcm(parameters);
                let sealed = self.session.encrypt(&mechanism, self.key, key)?;
                drop(mechanism);
                // Some tokens put a nonce of their own in the place of ours.
                [&*nonce, &sealed].concat()
            }
            Wrapping::Cbc => {
                let sealed = self.session.encrypt(&Mechanism::AesCbc(iv), self.key, key)?;
                [&iv[..], &sealed].concat()
            }
        };
        if bytes.len() != self.wrapping.wrapped_bytes() {
            return Err(TokenError::InvalidValue);
        }
        Ok(Wrapped { wrapping: self.wrapping, id: self.id, bytes })
    }

    fn unwrap_key(
        &self,
        wrapping: Wrapping,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let key = match wrapping {
            Wrapping::Gcm => {
                let (nonce, sealed) = wrapped
                    .split_first_chunk::<GCM_NONCE_BYTES>()
                    .ok_or(TokenError::InvalidValue)?;
                let mut nonce = *nonce;
                let parameters = GcmParams::new(&mut nonce, WRAP_LABEL, GCM_TAG_BITS.into())?;
                self.session.decrypt(&Mechanism::AesGcm(parameters), self.key, sealed)?
            }
            Wrapping::Cbc => {
                let (iv, sealed) =
                    wrapped.split_first_chunk::<16>().ok_or(TokenError::InvalidValue)?;
                self.session.decrypt(&Mechanism::AesCbc(*iv), self.key, sealed)?
            }
        };
        Ok(Zeroizing::new(key))
    }
}

impl Wrapping {
    /// How long a wrapped key is, with its nonce: always the same.
    pub(super) fn wrapped_bytes(self) -> usize {
        match self {
            Self::Gcm => GCM_NONCE_BYTES + 32 + 16,
            Self::Cbc => 16 + 32,
        }
    }
}

impl Pin {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        match self {
            Self::Given(pin) => Ok(Zeroizing::new(pin.expose().as_bytes().to_vec())),
            Self::File(path) => {
                let mut pin = read_secret(path, MAX_PASSWORD_BYTES)?;
                while pin.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                    pin.pop();
                }
                Ok(pin)
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What the key makes of one block that nothing else is ever encrypted as.
fn id_of(session: &Session, key: ObjectHandle) -> Result<MasterKeyId, TokenError> {
    let label = Sha256Hash::of(ID_LABEL).0;
    let block = label.get(..16).ok_or(TokenError::InvalidValue)?;
    let made = session.encrypt(&Mechanism::AesCbc([0; 16]), key, block);
    let made = match made {
        Err(TokenError::Pkcs11(RvError::MechanismInvalid, _)) => {
            session.encrypt(&Mechanism::AesEcb, key, block)?
        }
        made => made?,
    };
    made.first_chunk().copied().map(MasterKeyId::new).ok_or(TokenError::InvalidValue)
}

/// Held by whoever calls a module.
static LIBRARIES: Mutex<()> = Mutex::new(());
/// How long a token may take for one answer.
const DEADLINE: Duration = Duration::from_secs(SIGNER_DEADLINE_SECONDS);
/// Bytes of a nonce of AES-GCM.
const GCM_NONCE_BYTES: usize = 12;
/// Bits of a tag of AES-GCM.
const GCM_TAG_BITS: u64 = 128;
/// Authenticated with a wrapped key.
const WRAP_LABEL: &[u8] = b"trust server data key 1";
/// What the block is a hash of that tells master keys apart.
const ID_LABEL: &[u8] = b"trust server master key id 1";
