//! The one place where errors become words for people and an exit code.
//!
//! Layers below say what happened, as typed facts; this file adds the kind (which decides the exit
//! code alone) and the hints (which may name flags and commands).

use std::error::Error;
use std::fmt;
use std::io;

use crate::actions::context::ConnectionError;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::backup::BackupError;
use crate::actions::login::LoginError;
use crate::cli::exit_code;
use crate::cli::prompt::PromptError;
use crate::client::notary::NotFoundBody;
use crate::client::{NotaryError, RegistryError, TransportError};
use crate::crypto::sealed::SealedError;
use crate::crypto::secret::PassphraseError;
use crate::crypto::{KeyError, KeyFileError};
use crate::oci::manifest::ManifestError;
use crate::oci::reference::ReferenceError;
use crate::server::auth::accounts::AccountsError;
use crate::server::auth::password_hash::PasswordHashError;
use crate::server::config::ConfigError as ServerConfigError;
use crate::server::files::FileError;
use crate::server::meta::MetaError;
use crate::server::start::StartError;
use crate::server::tls::TlsError;
use crate::server::upkeep::UpkeepError;
use crate::store::ImageLayoutError;
use crate::store::StoreError;
use crate::store::client_config::ConfigError;
use crate::tuf::NameError;
use crate::wire::notary::ARCHIVE;

/// What went wrong, as far as the exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// [`exit_code::INTERNAL`]
    Internal,
    /// [`exit_code::USAGE`]
    Usage,
    /// [`exit_code::UNTRUSTED`]
    Untrusted,
    /// [`exit_code::WRONG_SIGNER`]
    WrongSigner,
    /// [`exit_code::MOVED`]
    Moved,
    /// [`exit_code::EXPIRED`]
    Expired,
    /// [`exit_code::TAMPERED`]
    Tampered,
    /// [`exit_code::NOT_FOUND`]
    NotFound,
    /// [`exit_code::AUTHENTICATION`]
    Authentication,
    /// [`exit_code::NETWORK`]
    Network,
    /// [`exit_code::KEY`]
    Key,
    /// [`exit_code::POLICY`]
    Policy,
    /// [`exit_code::BUSY`]
    Busy,
    /// [`exit_code::STORAGE`]
    Storage,
    /// [`exit_code::FAILED`]
    Failed,
    /// [`exit_code::INTERRUPTED`]
    Interrupted,
    /// [`exit_code::OUTPUT_CLOSED`]; nothing is said.
    OutputClosed,
    /// [`exit_code::NOT_RUN`]
    NotRun,
    /// [`exit_code::NOT_EXECUTABLE`]
    NotExecutable,
    /// [`exit_code::NO_PROGRAM`]
    NoProgram,
    /// The exit code of a command of an image, which said itself what there was to say.
    Command(u8),
}

impl ErrorKind {
    /// The exit code of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => exit_code::INTERNAL,
            Self::Usage => exit_code::USAGE,
            Self::Untrusted => exit_code::UNTRUSTED,
            Self::WrongSigner => exit_code::WRONG_SIGNER,
            Self::Moved => exit_code::MOVED,
            Self::Expired => exit_code::EXPIRED,
            Self::Tampered => exit_code::TAMPERED,
            Self::NotFound => exit_code::NOT_FOUND,
            Self::Authentication => exit_code::AUTHENTICATION,
            Self::Network => exit_code::NETWORK,
            Self::Key => exit_code::KEY,
            Self::Policy => exit_code::POLICY,
            Self::Busy => exit_code::BUSY,
            Self::Storage => exit_code::STORAGE,
            Self::Failed => exit_code::FAILED,
            Self::Interrupted => exit_code::INTERRUPTED,
            Self::OutputClosed => exit_code::OUTPUT_CLOSED,
            Self::NotRun => exit_code::NOT_RUN,
            Self::NotExecutable => exit_code::NOT_EXECUTABLE,
            Self::NoProgram => exit_code::NO_PROGRAM,
            Self::Command(code) => code,
        }
    }

    /// Whether this is a "no" about an image or its trust data, not a failure to find out.
    pub fn is_verdict(self) -> bool {
        let is_commands = matches!(self, Self::Command(_));
        !is_commands && (exit_code::UNTRUSTED..=exit_code::TAMPERED).contains(&self.exit_code())
    }
}

/// How a command failed: the kind, the cause, and what the person can do about it.
#[derive(Debug)]
pub struct CliError {
    /// Decides the exit code.
    pub kind: ErrorKind,
    /// What happened, with its causes behind `source()`.
    pub source: Box<dyn Error + Send + Sync>,
    /// Advice, one sentence each.
    pub hints: Vec<String>,
}

impl CliError {
    /// Wraps an error of a lower layer.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new() }
    }

    /// A mistake in what was typed.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message.into())
    }

    /// The person pressed Ctrl-C.
    pub fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, "interrupted")
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts `message` above the error, which becomes its cause; kind and hints stay.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let source = Box::new(Context { message: message.into(), cause: self.source });
        Self { kind: self.kind, source, hints: self.hints }
    }

    /// Whether it is no use to go on with the next image.
    pub fn ends_everything(&self) -> bool {
        matches!(self.kind, ErrorKind::Interrupted | ErrorKind::OutputClosed)
    }

    /// What lies behind the error, outermost first, without repetitions.
    pub fn causes(&self) -> Vec<String> {
        let mut said = self.source.to_string();
        let mut causes = Vec::new();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let words = error.to_string();
            if words != said {
                causes.push(words.clone());
                said = words;
            }
            cause = error.source();
        }
        causes
    }

    /// The whole text for stderr: `error:`, `caused by:` lines, a blank line, `hint:` lines.
    pub fn render(&self) -> String {
        let mut lines = vec![format!("error: {}", self.source)];
        lines.extend(self.causes().iter().map(|cause| format!("caused by: {cause}")));
        if !self.hints.is_empty() {
            lines.push(String::new());
        }
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines.join("\n") + "\n"
    }

    pub(super) fn of<E: Error + Send + Sync + 'static>(
        source: E,
        (kind, hint): Classified,
    ) -> Self {
        let error = Self::new(kind, source);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// A sentence above a cause.
#[derive(Debug)]
struct Context {
    message: String,
    cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Context {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref())
    }
}

// From here on: one `From` and one classification for each error type of the layers below.
// An action's error type is added here, in the same form.

pub(super) type Classified = (ErrorKind, Option<&'static str>);

macro_rules! classified_by {
    ($($error:ty => $classify:path,)*) => {
        $(impl From<$error> for $crate::cli::error::CliError {
            fn from(error: $error) -> Self {
                let class = $classify(&error);
                Self::of(error, class)
            }
        })*
    };
}

pub(super) use classified_by;

classified_by! {
    StoreError => classify_store,
    ImageLayoutError => classify_image_layout,
    KeyFileError => classify_key_file,
    KeyError => classify_key,
    PassphraseError => classify_passphrase,
    ReferenceError => classify_reference,
    NameError => classify_name,
    NotaryError => classify_notary,
    RegistryError => classify_registry,
    TransportError => classify_transport,
    ConnectionError => classify_connection,
    KeyActionError => classify_key_action,
    BackupError => classify_backup,
    LoginError => classify_login,
    ConfigError => classify_config,
    PromptError => classify_prompt,
    UpkeepError => classify_upkeep,
    AccountsError => classify_accounts,
}

impl From<PasswordHashError> for CliError {
    /// A new password could not be hashed.
    fn from(error: PasswordHashError) -> Self {
        Self::new(ErrorKind::Internal, error)
    }
}

impl From<ServerConfigError> for CliError {
    fn from(error: ServerConfigError) -> Self {
        let (kind, hint) = classify_server_config(&error);
        let error = Self::new(kind, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        let class = classify_server_file(&error);
        Self::of(error, class)
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        let (kind, hint) = match error {
            StartError::Config(error) => return error.into(),
            StartError::Files(ref error) | StartError::Tls(TlsError::Files(ref error)) => {
                classify_server_file(error)
            }
            StartError::Tls(TlsError::CipherSuite { .. } | TlsError::HostName { .. }) => {
                (ErrorKind::Usage, None)
            }
            StartError::Tls(_) | StartError::MasterKey { .. } | StartError::Signer(_) => {
                (ErrorKind::Key, None)
            }
            StartError::Auth(_) => (ErrorKind::Usage, None),
            StartError::Meta(ref error) => classify_server_database(error),
            StartError::Listen { ref cause, .. } => match cause.kind() {
                io::ErrorKind::AddrInUse => {
                    (ErrorKind::Busy, Some("`--listen` takes another address"))
                }
                _ => (ErrorKind::Network, None),
            },
            _ => (ErrorKind::Internal, None),
        };
        Self::of(error, (kind, hint))
    }
}

impl From<io::Error> for CliError {
    /// An error of writing our own output.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(ErrorKind::OutputClosed, error),
            _ => Self::new(ErrorKind::Storage, error).context("cannot write the output"),
        }
    }
}

fn classify_accounts(error: &AccountsError) -> Classified {
    match error {
        AccountsError::Version { .. } => {
            (ErrorKind::Usage, Some("a newer version of this program wrote it"))
        }
        AccountsError::Write(_) => (ErrorKind::Internal, None),
        _ => (ErrorKind::Usage, None),
    }
}

fn classify_server_config(error: &ServerConfigError) -> (ErrorKind, Option<String>) {
    match error {
        ServerConfigError::Files(error) => {
            let (kind, hint) = classify_server_file(error);
            (kind, hint.map(str::to_owned))
        }
        ServerConfigError::Unknown { nearest: Some(nearest), .. } => {
            (ErrorKind::Usage, Some(format!("did you mean `{nearest}`?")))
        }
        ServerConfigError::Unknown { known, .. } if !known.is_empty() => {
            (ErrorKind::Usage, Some(format!("the keys there are {}", known.join(", "))))
        }
        ServerConfigError::PlainHttp { .. } => (
            ErrorKind::Usage,
            Some(
                "set `http.tls`, or `trust.ownauthority: true` for certificates of the server's \
                 own, or `trust.plainhttp: true` if something in front of it has TLS"
                    .to_owned(),
            ),
        ),
        ServerConfigError::NoFolder => {
            (ErrorKind::Usage, Some("`--data` names a folder".to_owned()))
        }
        _ => (ErrorKind::Usage, None),
    }
}

/// What went wrong with a server's database, and what to do.
fn classify_server_database(error: &MetaError) -> Classified {
    match error {
        MetaError::InUse { .. } => (
            ErrorKind::Busy,
            Some("a server that runs has it; stop it first, or let it do the work"),
        ),
        MetaError::Unavailable(_) => (
            ErrorKind::Network,
            Some("the database has to run, and to be reached at the configured address"),
        ),
        MetaError::Login(_) => (
            ErrorKind::Authentication,
            Some("user, password and database are those of the configured address"),
        ),
        MetaError::Address { .. } => {
            (ErrorKind::Usage, Some("an address is postgres://USER:PASSWORD@HOST/DATABASE"))
        }
        MetaError::TooNew { .. } => (
            ErrorKind::Storage,
            Some(
                "it was used by a newer version of this program: run that one, or restore a \
                  backup from before",
            ),
        ),
        MetaError::LogGone { .. } => (
            ErrorKind::Storage,
            Some(
                "put the file that ends in `-wal` back; if it is lost, or the database is a backup, \
                  remove the file that ends in `-lock`, start, and run `trust fsck`",
            ),
        ),
        MetaError::Gone { .. } => (
            ErrorKind::Storage,
            Some(
                "put it back, from a backup if need be; to begin anew, remove the file that ends \
                  in `-lock`",
            ),
        ),
        MetaError::Cut { .. } | MetaError::Unsound { .. } | MetaError::Damaged(_) => {
            (ErrorKind::Storage, Some("restore a backup; nothing was changed"))
        }
        MetaError::NotADatabase { .. } => {
            (ErrorKind::Storage, Some("nothing was changed; `--data` names another folder"))
        }
        MetaError::Missing { .. } => (
            ErrorKind::NotFound,
            Some("`--data` names the folder of the server, and CONFIG its configuration"),
        ),
        MetaError::NetworkFileSystem { .. } => (
            ErrorKind::Storage,
            Some("put the folder on a disk of this machine, or use PostgreSQL"),
        ),
        MetaError::Full(_) => (ErrorKind::Storage, Some("make room on the disk")),
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_upkeep(error: &UpkeepError) -> Classified {
    match error {
        UpkeepError::Meta(error) => classify_server_database(error),
        UpkeepError::Elsewhere => (ErrorKind::Busy, Some("it is enough if one does")),
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_server_file(error: &FileError) -> Classified {
    match error {
        FileError::InUse { .. } => {
            (ErrorKind::Busy, Some("each server has a folder of its own; `--data` names another"))
        }
        FileError::Exposed { .. } => {
            (ErrorKind::Key, Some("take the rights of others away with `chmod 600`"))
        }
        _ => (ErrorKind::Storage, None),
    }
}

pub(super) fn classify_store(error: &StoreError) -> Classified {
    match error {
        StoreError::Locked { .. } => {
            (ErrorKind::Busy, Some("wait for it to finish, then try again"))
        }
        StoreError::Changed { .. } => {
            (ErrorKind::Busy, Some("the same command again works on what it holds now"))
        }
        StoreError::NoSuchKey(_) => (ErrorKind::NotFound, Some("`trust key ls` lists the keys")),
        StoreError::BadKeyFile { cause, .. } => classify_key_file(cause),
        StoreError::Passphrase(cause) => classify_passphrase(cause),
        StoreError::ForeignKey { .. } => (ErrorKind::Key, None),
        StoreError::HostName { .. } => (ErrorKind::Usage, None),
        StoreError::HelperName { .. }
        | StoreError::HelperStart { .. }
        | StoreError::HelperTimeout { .. }
        | StoreError::Helper { .. } => (
            ErrorKind::Authentication,
            Some("docker's config.json names this credential helper (`credsStore`, `credHelpers`)"),
        ),
        StoreError::KeyringAbsent
        | StoreError::KeyringTimeout { .. }
        | StoreError::Keyring { .. } => {
            (ErrorKind::Key, Some("a passphrase can also be given with `--passphrase-file FILE`"))
        }
        StoreError::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
            (ErrorKind::NotFound, None)
        }
        _ => (ErrorKind::Storage, None),
    }
}

pub(super) fn classify_image_layout(error: &ImageLayoutError) -> Classified {
    match error {
        ImageLayoutError::Store(cause) => classify_store(cause),
        ImageLayoutError::NotALayout { .. } => {
            (ErrorKind::Storage, Some("name an empty folder, or one that is an image layout"))
        }
        ImageLayoutError::Missing { .. } => (ErrorKind::NotFound, None),
        ImageLayoutError::Mismatch { .. } => (ErrorKind::Tampered, None),
        ImageLayoutError::Damaged { .. } | ImageLayoutError::WrongSize { .. } => (
            ErrorKind::Storage,
            Some("remove the image with `trust image rm`, and pull or load it again"),
        ),
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_config(error: &ConfigError) -> Classified {
    match error {
        ConfigError::Store(cause) => classify_store(cause),
        ConfigError::Format { .. } => {
            (ErrorKind::Storage, Some("write it as JSON, which notary reads as well"))
        }
        ConfigError::Authority { .. } => (
            ErrorKind::Storage,
            Some("what it should protect is not trusted before it is readable"),
        ),
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_key_file(_: &KeyFileError) -> Classified {
    (ErrorKind::Key, None)
}

fn classify_key(error: &KeyError) -> Classified {
    match error {
        KeyError::BadId(_) => (
            ErrorKind::Usage,
            Some(
                "`trust key ls` lists the keys of this machine, `trust repo doctor` those of a \
                 repository",
            ),
        ),
        _ => (ErrorKind::Key, None),
    }
}

fn classify_passphrase(error: &PassphraseError) -> Classified {
    match error {
        PassphraseError::Cancelled => (ErrorKind::Interrupted, None),
        PassphraseError::NoSource { .. } => (
            ErrorKind::Key,
            Some(
                "give it with `--passphrase-file FILE`, or in \
                  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE (root keys) or \
                  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE (all others)",
            ),
        ),
        _ => (ErrorKind::Key, None),
    }
}

fn classify_reference(_: &ReferenceError) -> Classified {
    (ErrorKind::Usage, None)
}

fn classify_name(_: &NameError) -> Classified {
    (ErrorKind::Usage, None)
}

pub(super) fn classify_notary(error: &NotaryError) -> Classified {
    match error {
        NotaryError::NotFound { seen: NotFoundBody::Notary, .. } => (ErrorKind::Untrusted, None),
        NotaryError::NotFound { .. } => (ErrorKind::Network, Some(SERVER_HINT)),
        NotaryError::Conflict { .. } => (
            ErrorKind::Busy,
            Some("somebody else published in the meantime; the same command again builds on that"),
        ),
        NotaryError::Rejected { message, .. } if message.contains(ARCHIVE) => {
            (ErrorKind::Policy, Some("its owner hands it over with `trust repo adopt`"))
        }
        NotaryError::Rejected { name: Some(name), .. } if name == "ErrBadHierarchy" => (
            ErrorKind::Key,
            Some(
                "snapshots of this repository are signed with a key of its owner: \
                 `trust key import` takes it from a backup",
            ),
        ),
        NotaryError::Rejected { .. } => (ErrorKind::Network, None),
        NotaryError::Transport(cause) if cause.is_offline() => {
            (ErrorKind::Network, Some(SERVER_HINT))
        }
        NotaryError::Transport(cause) => classify_transport(cause),
    }
}

fn classify_registry(error: &RegistryError) -> Classified {
    match error {
        RegistryError::NotFound { .. } => (ErrorKind::NotFound, None),
        RegistryError::DigestMismatch { .. } => (ErrorKind::Moved, None),
        RegistryError::WrongLength { .. } => (ErrorKind::Tampered, None),
        RegistryError::Sink { cause, .. } | RegistryError::Source { cause, .. } => {
            match cause.downcast_ref::<ImageLayoutError>() {
                Some(ImageLayoutError::Missing { .. }) => {
                    (ErrorKind::Storage, Some("pull or load the image again"))
                }
                Some(cause) => classify_image_layout(cause),
                None => match cause.downcast_ref::<RegistryError>() {
                    Some(RegistryError::DigestMismatch { .. }) => (ErrorKind::Tampered, None),
                    Some(cause) => classify_registry(cause),
                    None => (ErrorKind::Network, None),
                },
            }
        }
        RegistryError::Manifest { cause: ManifestError::Schema1, .. } => {
            (ErrorKind::Usage, Some("push the image again with a tool of this decade"))
        }
        RegistryError::DeletionUnsupported { .. } => (
            ErrorKind::Policy,
            Some(
                "docker's registry deletes where its setting `storage.delete.enabled` is true \
                 (REGISTRY_STORAGE_DELETE_ENABLED=true)",
            ),
        ),
        RegistryError::TagDeletionUnsupported { .. } => (
            ErrorKind::Policy,
            Some("without `--untag` the manifest is deleted, and with it all its tags"),
        ),
        RegistryError::ReferrersContended { .. } => {
            (ErrorKind::Busy, Some("the same command again, a little later, may do"))
        }
        RegistryError::Manifest { .. }
        | RegistryError::TooManyTags { .. }
        | RegistryError::TooManyRepositories { .. }
        | RegistryError::TooManyReferrers { .. }
        | RegistryError::NoReferrersList { .. } => (ErrorKind::Network, None),
        RegistryError::Reference(cause) => classify_reference(cause),
        RegistryError::Transport(cause) => classify_transport(cause),
    }
}

fn classify_transport(error: &TransportError) -> Classified {
    match error {
        TransportError::Unauthorized { .. } => {
            (ErrorKind::Authentication, Some("`trust login REGISTRY` keeps a login"))
        }
        TransportError::Forbidden { .. } => {
            (ErrorKind::Authentication, Some("the login is known, but may not do this"))
        }
        TransportError::Token { .. } | TransportError::Credentials { .. } => {
            (ErrorKind::Authentication, None)
        }
        TransportError::Tls { .. } => (
            ErrorKind::Network,
            Some("`--tlscacert FILE` names the authority that signed the server's certificate"),
        ),
        TransportError::TlsSetup(_) => (ErrorKind::Storage, None),
        _ => (ErrorKind::Network, None),
    }
}

pub(super) fn classify_connection(error: &ConnectionError) -> Classified {
    match error {
        ConnectionError::BadServer { .. } => (ErrorKind::Usage, None),
        ConnectionError::BadHost { .. } => (ErrorKind::Usage, Some(SERVER_HINT)),
        ConnectionError::Files(cause) => classify_store(cause),
    }
}

fn classify_login(error: &LoginError) -> Classified {
    match error {
        LoginError::BadServer { .. } => (ErrorKind::Usage, None),
        LoginError::Connection(cause) => classify_connection(cause),
        LoginError::Registry(RegistryError::Transport(TransportError::Unauthorized { .. })) => {
            (ErrorKind::Authentication, Some("the user name or the password is not right"))
        }
        LoginError::Registry(cause) => classify_registry(cause),
        LoginError::Store(
            StoreError::KeyringAbsent
            | StoreError::KeyringTimeout { .. }
            | StoreError::Keyring { .. },
        ) => (
            ErrorKind::Storage,
            Some("without `--keyring` the login is kept where docker keeps it"),
        ),
        LoginError::Store(cause) => classify_store(cause),
    }
}

fn classify_prompt(error: &PromptError) -> Classified {
    match error {
        PromptError::NoTerminal => {
            (ErrorKind::Usage, Some("answer with a flag; `--help` lists them"))
        }
        PromptError::Unconfirmed => {
            (ErrorKind::Usage, Some("`--yes` answers the question beforehand"))
        }
        PromptError::Cancelled => (ErrorKind::Interrupted, None),
        PromptError::TooManyAttempts { .. } => (ErrorKind::Key, None),
        PromptError::Io(_) => (ErrorKind::Storage, None),
    }
}

fn classify_key_action(error: &KeyActionError) -> Classified {
    match error {
        KeyActionError::BadName { .. }
        | KeyActionError::AmbiguousId { .. }
        | KeyActionError::ShortId { .. }
        | KeyActionError::MissingGun { .. }
        | KeyActionError::NeedlessGun { .. } => (ErrorKind::Usage, None),
        KeyActionError::NoSuchKey { .. } | KeyActionError::NeitherKeyNorFile { .. } => {
            (ErrorKind::NotFound, Some("`trust key ls` lists the keys"))
        }
        KeyActionError::PublicFileExists { .. } | KeyActionError::OutputExists { .. } => {
            (ErrorKind::Storage, Some("nothing is overwritten: move the file away first"))
        }
        KeyActionError::Store(cause) => classify_store(cause),
        KeyActionError::KeyFile(cause) => classify_key_file(cause),
        KeyActionError::Key(cause) => classify_key(cause),
        KeyActionError::Passphrase(cause) => classify_passphrase(cause),
        _ => (ErrorKind::Key, None),
    }
}

fn classify_backup(error: &BackupError) -> Classified {
    match error {
        BackupError::NoKeys => (ErrorKind::NotFound, None),
        BackupError::OutputExists { .. } => {
            (ErrorKind::Storage, Some("`--force` overwrites the file"))
        }
        BackupError::NoPassphrase => (
            ErrorKind::Key,
            Some("give it with `--backup-passphrase-file FILE`, or in TRUST_BACKUP_PASSPHRASE"),
        ),
        BackupError::Passphrase(cause) => classify_passphrase(cause),
        BackupError::Lookup(cause) => classify_key_action(cause),
        BackupError::Key(cause) => classify_key(cause),
        BackupError::Store(cause) => classify_store(cause),
        BackupError::Sealed { cause: SealedError::Damaged, .. } => {
            (ErrorKind::Key, Some("nothing of it was restored; take another copy of the backup"))
        }
        _ => (ErrorKind::Key, None),
    }
}

const SERVER_HINT: &str =
    "`--server URL`, or DOCKER_CONTENT_TRUST_SERVER, names the trust server of this repository";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_follows_its_error_and_advice_stands_apart() {
        let cause = io::Error::other("disk full");
        let error =
            CliError::new(ErrorKind::Storage, cause).context("cannot write `x`").hint("make room");
        assert_eq!(
            error.render(),
            "error: cannot write `x`\ncaused by: disk full\n\nhint: make room\n"
        );
    }

    #[test]
    fn a_cause_that_says_the_same_is_said_once() {
        let error = StoreError::Passphrase(PassphraseError::Cancelled);
        let error = CliError::from(error);
        assert_eq!(error.render(), "error: passphrase entry was cancelled\n");
        assert_eq!(error.kind.exit_code(), exit_code::INTERRUPTED);
    }

    #[test]
    fn a_closed_pipe_is_not_a_success() {
        let error = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(error.kind, ErrorKind::OutputClosed);
        assert_ne!(error.kind.exit_code(), exit_code::SUCCESS);
    }

    #[test]
    fn verdicts_are_the_codes_3_to_7() {
        assert!(ErrorKind::Untrusted.is_verdict() && ErrorKind::Tampered.is_verdict());
        assert!(!ErrorKind::Network.is_verdict() && !ErrorKind::NotFound.is_verdict());
    }
}
