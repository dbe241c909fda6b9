//! Every role's file × what can be wrong with it × what is cached × reading and publishing
//! (notary.md §9.1). What must happen follows from rules, which are written down here and nowhere
//! else: see [`expected`].
//!
//! The library is asked in every row, the program in some. Whatever is refused leaves cache and
//! keys as they are, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use test_case::test_matrix;
use trust::actions::publish::{PublishError, publish};
use trust::actions::update::{RefreshError, Source};
use trust::actions::verify::{Request, VerifyImageError, verify};
use trust::cli::CliError;
use trust::client::{NotaryError, TransportError};
use trust::clock::{Clock, SystemClock};
use trust::crypto::{Hashes, KeyHeaders, Passphrase};
use trust::oci::Reference;
use trust::store::TrustDir;
use trust::tuf::trusted::{LookupError, UpdateError};
use trust::tuf::{Gun, RoleName, Target, TargetName, VerifyError};

use crate::harness::disk::{Files, files_under};
use crate::harness::server::Replies;
use crate::harness::victim::{block_on, context_of};
use crate::harness::{Corruption, Key, Reply, Repository, Server};
use crate::peers::User;

const ROLES: [&str; 6] =
    ["root", "timestamp", "snapshot", "targets", "targets/releases", "targets/releases/inner"];

/// What the reader or publisher has from an earlier time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    /// Nothing.
    Nothing,
    /// Every file of the last honest publication.
    Fresh,
    /// All of it but the role's file.
    LacksRole,
    /// All of it, but the role's file is damaged.
    DamagedRole,
}

/// What is done with the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A tag is verified.
    Reading,
    /// A target is added to `targets`, whose keys are there.
    Publishing,
}

/// What is wrong, as the library's error says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    NoTrustData,
    Gone,
    Withheld(String),
    Status(u16),
    Busy,
    Unauthorized,
    DamagedAnchor,
    Malformed(String),
    RolledBack(String),
    NoSignatures(String),
    TooFewSignatures(String),
    NotVouchedFor,
    RootBehind,
    Expired(String),
    OtherHash(String),
    OtherLength(String),
    /// The role that should answer cannot be used; what else there is was accepted.
    Unusable(Box<Self>),
    /// All was accepted, but nobody here can sign again what has expired.
    CannotRenew(String),
}

impl Fault {
    /// The exit code (`spec/exit-codes.md`).
    fn code(&self) -> u8 {
        match self {
            Self::NoTrustData => 3,
            Self::Unusable(cause) if matches!(**cause, Self::TooFewSignatures(_)) => 4,
            Self::Unusable(cause) => cause.code(),
            Self::Expired(_) | Self::CannotRenew(_) => 6,
            Self::Unauthorized => 9,
            Self::Status(_) | Self::Busy => 10,
            Self::DamagedAnchor => 14,
            _ => 7,
        }
    }

    /// Whether the chain itself was accepted, so that the cache may follow it.
    fn is_after_acceptance(&self) -> bool {
        matches!(self, Self::Unusable(_) | Self::CannotRenew(_))
    }
}

/// The rules.
fn expected(role: &str, wrong: Corruption, cache: Cache, mode: Mode) -> Result<(), Fault> {
    let own = || role.to_owned();
    let is_delegation = role.starts_with("targets/");
    // A cached root is the anchor: it is not replaced, whatever is offered.
    if role == "root" && cache == Cache::DamagedRole {
        return Err(Fault::DamagedAnchor);
    }
    let first_use = cache == Cache::Nothing || role == "root" && cache == Cache::LacksRole;
    let is_asked_for = match role {
        // Always: silence must not make old news new.
        "timestamp" => true,
        // Only when it is not there, or another one is named.
        "root" => first_use || wrong.is_published(),
        _ => cache != Cache::Fresh || wrong.is_published(),
    };
    if !is_asked_for {
        return Ok(());
    }
    // A delegation that lacks signatures or has expired stops those only who ask for it.
    let left_out = |fault: Fault| match (role, mode) {
        ("targets/releases", Mode::Reading) => Err(Fault::Unusable(Box::new(fault))),
        _ => Ok(()),
    };
    match wrong {
        Corruption::NotFound if role == "root" => Err(Fault::NoTrustData),
        Corruption::NotFound if role == "timestamp" => Err(Fault::Gone),
        Corruption::NotFound => Err(Fault::Withheld(own())),
        Corruption::ServerError => Err(Fault::Status(500)),
        Corruption::Unavailable => Err(Fault::Busy),
        Corruption::Unauthorized => Err(Fault::Unauthorized),
        // Nothing describes the timestamp.
        Corruption::OtherHash | Corruption::OtherLength if role == "timestamp" => Ok(()),
        // Any root that is signed is taken at first, but the snapshot must name that very one.
        Corruption::OtherHash | Corruption::OtherLength if role == "root" => Err(Fault::RootBehind),
        Corruption::OtherHash => Err(Fault::OtherHash(own())),
        Corruption::OtherLength => Err(Fault::OtherLength(own())),
        Corruption::NotJson
        | Corruption::Empty
        | Corruption::NoSigned
        | Corruption::SignedIsText
        | Corruption::OtherType
        | Corruption::NoKeys
        | Corruption::NoRoles => Err(Fault::Malformed(own())),
        // Only who has seen a newer one can know.
        Corruption::LowerVersion if cache == Cache::Fresh => Err(Fault::RolledBack(own())),
        Corruption::Unsigned | Corruption::ForeignKeys | Corruption::TooFew
            if role == "root" && !first_use =>
        {
            Err(Fault::NotVouchedFor)
        }
        Corruption::Unsigned => Err(Fault::NoSignatures(own())),
        Corruption::ForeignKeys | Corruption::TooFew => {
            let fault = Fault::TooFewSignatures(own());
            if is_delegation { left_out(fault) } else { Err(fault) }
        }
        Corruption::Expired if is_delegation => left_out(Fault::Expired(own())),
        // Owners sign again what has expired, as far as the keys are there; timestamp and
        // snapshot are the server's to sign.
        Corruption::Expired if mode == Mode::Reading => Err(Fault::Expired(own())),
        Corruption::Expired if role == "root" => Err(Fault::CannotRenew(own())),
        Corruption::LowerVersion | Corruption::Expired => Ok(()),
    }
}

/// Whether the role's file itself is good enough to be cached where the chain is accepted.
fn is_kept(wrong: Corruption, mode: Mode) -> bool {
    match wrong {
        Corruption::ForeignKeys | Corruption::TooFew => false,
        Corruption::Expired => mode == Mode::Publishing,
        _ => true,
    }
}

/// The program is asked, too: it takes longer.
fn is_for_the_program(role: &str, cache: Cache, mode: Mode) -> bool {
    match mode {
        Mode::Reading => matches!(cache, Cache::Nothing | Cache::Fresh),
        // `trust revoke` looks at every role that may have signed the tag.
        Mode::Publishing => cache == Cache::LacksRole && !role.starts_with("targets/"),
    }
}

#[test_matrix(
    ["root", "timestamp", "snapshot", "targets", "targets/releases", "targets/releases/inner"],
    [
        Corruption::NotFound, Corruption::ServerError, Corruption::Unavailable,
        Corruption::Unauthorized, Corruption::OtherHash, Corruption::OtherLength,
        Corruption::NotJson, Corruption::Empty, Corruption::NoSigned, Corruption::SignedIsText,
        Corruption::OtherType, Corruption::LowerVersion, Corruption::Unsigned,
        Corruption::ForeignKeys, Corruption::TooFew, Corruption::Expired
    ]
)]
#[test_matrix(["root"], [Corruption::NoKeys, Corruption::NoRoles])]
fn the_table(role: &str, wrong: Corruption) {
    let mut world = World::new(role, wrong);
    for cache in [Cache::Nothing, Cache::Fresh, Cache::LacksRole, Cache::DamagedRole] {
        for mode in [Mode::Reading, Mode::Publishing] {
            world.row(cache, mode);
        }
    }
}

/// A repository, what is wrong with one file of it, and the server that hands it out.
struct World {
    role: &'static str,
    wrong: Corruption,
    gun: String,
    server: Server,
    /// What was published before anything was wrong.
    honest: BTreeMap<String, Vec<u8>>,
    /// Private keys of `targets`, by the path of their files.
    keys: BTreeMap<PathBuf, Vec<u8>>,
}

impl World {
    fn new(role: &str, wrong: Corruption) -> Self {
        let role = ROLES.into_iter().find(|known| *known == role).unwrap();
        let replies = Replies::default();
        let script = replies.clone();
        let server = Server::start(move |request| script.reply(request));
        let gun = format!("{}/app", server.host_port());
        let mut repository = repository(&gun);
        repository.publish();
        let honest = ROLES.into_iter().map(|role| (role.to_owned(), repository.raw(role)));
        let honest = honest.collect();
        if wrong.is_published() {
            match role {
                "timestamp" => repository.bump(&["timestamp"]),
                "snapshot" => repository.bump(&["snapshot", "timestamp"]),
                below => repository.bump(&[below, "snapshot", "timestamp"]),
            }
            wrong.apply(&mut repository, role);
            repository.publish();
        }
        for (name, bytes) in repository.files() {
            replies.set(name, Reply::file(bytes.clone()));
        }
        let reply = wrong.reply(repository.raw(role));
        replies.set(&format!("{role}.json"), reply.clone());
        replies.set(&repository.file_name(role), reply);
        replies.set("", Reply::status(200, ""));
        let keys = stored(&repository.signers("targets"), &gun);
        Self { role, wrong, gun, server, honest, keys }
    }

    #[track_caller]
    fn row(&mut self, cache: Cache, mode: Mode) {
        let expected = expected(self.role, self.wrong, cache, mode);
        let row = format!("{} {:?} {cache:?} {mode:?}", self.role, self.wrong);
        let person = self.person(cache);
        let before = files_under(&person.trust_folder());
        let asked = self.server.log().len();
        let outcome = match mode {
            Mode::Reading => self.read(&person),
            Mode::Publishing => self.publish(&person),
        };
        let outcome = outcome.map_err(|(fault, code)| {
            assert_eq!(code, fault.code(), "{row}: {fault:?}");
            fault
        });
        assert_eq!(outcome, expected, "{row}");
        let sent =
            self.server.log()[asked..].iter().filter(|line| line.starts_with("POST")).count();
        let sends = usize::from(mode == Mode::Publishing && expected.is_ok());
        assert_eq!(sent, sends, "{row}: publications");
        self.check_disk(&row, &person, &before, &expected, mode);
        if is_for_the_program(self.role, cache, mode) {
            self.ask_the_program(&row, cache, mode, &expected);
        }
    }

    fn check_disk(
        &self,
        row: &str,
        person: &User,
        before: &Files,
        expected: &Result<(), Fault>,
        mode: Mode,
    ) {
        let after = files_under(&person.trust_folder());
        let keys = |files: &Files| -> Files {
            let keys = files.iter().filter(|(path, _)| path.starts_with("private"));
            keys.map(|(path, file)| (path.clone(), file.clone())).collect()
        };
        assert_eq!(keys(&after), keys(before), "{row}: keys");
        match expected {
            Err(fault) if !fault.is_after_acceptance() => assert_eq!(after, *before, "{row}"),
            _ if is_kept(self.wrong, mode) => {}
            _ => {
                let file = self.cached(Path::new(""), self.role);
                assert_eq!(after.get(&file), before.get(&file), "{row}: what is wrong was kept");
            }
        }
    }

    fn ask_the_program(&self, row: &str, cache: Cache, mode: Mode, expected: &Result<(), Fault>) {
        let person = self.person(cache);
        let before = files_under(&person.trust_folder());
        let finished = match mode {
            Mode::Reading => person.trust(&["verify", "--no-registry", &format!("{}:1", self.gun)]),
            Mode::Publishing => person.trust(&["revoke", &format!("{}:2", self.gun)]),
        };
        let code = expected.as_ref().map_or_else(Fault::code, |()| 0);
        assert_eq!(finished.code, i32::from(code), "{row}: {finished:?}");
        if code != 0 {
            assert_eq!(finished.stdout, "", "{row}");
            assert!(finished.stderr.contains("error: "), "{row}: {}", finished.stderr);
        }
        self.check_disk(row, &person, &before, expected, mode);
        let refused = expected.as_ref().err().is_some_and(|fault| !fault.is_after_acceptance());
        if refused && mode == Mode::Reading && cache == Cache::Fresh {
            let finished = person.trust(&["inspect", &format!("{}:1", self.gun)]);
            assert_eq!(finished.code, i32::from(code), "{row}: {finished:?}");
            assert_eq!(finished.stdout, "[]\n", "{row}: docker prints a list whatever happens");
            self.check_disk(row, &person, &before, expected, mode);
        }
    }

    /// Somebody with the keys of `targets` and this cache.
    fn person(&self, cache: Cache) -> User {
        let mut person = User::new();
        person.set("DOCKER_CONTENT_TRUST_SERVER", &self.server.url());
        for (path, file) in &self.keys {
            let path = person.trust_folder().join(path);
            write(&path, file);
        }
        if cache == Cache::Nothing {
            return person;
        }
        for (role, file) in &self.honest {
            let path = self.cached(&person.trust_folder(), role);
            match cache {
                Cache::LacksRole if *role == self.role => {}
                Cache::DamagedRole if *role == self.role => write(&path, b"{\"signed\":{}}"),
                _ => write(&path, file),
            }
        }
        person
    }

    fn cached(&self, folder: &Path, role: &str) -> PathBuf {
        folder.join("tuf").join(&self.gun).join("metadata").join(format!("{role}.json"))
    }

    fn read(&self, person: &User) -> Result<(), (Fault, u8)> {
        let request = Request {
            reference: Reference::parse(&format!("{}:1", self.gun)).unwrap(),
            no_registry: true,
            source: Source::Server,
            signers: Vec::new(),
            platform: None,
            children: false,
        };
        let context = context_of(person, &self.server);
        let verdict = block_on(verify(&context, &request, &mut Vec::new()));
        verdict.map(drop).map_err(|error| {
            let fault = match &error {
                VerifyImageError::Refresh(error) => of_refresh(error),
                VerifyImageError::RoleUnusable(LookupError::RoleUnusable { cause, .. }) => {
                    Fault::Unusable(Box::new(of_update(cause)))
                }
                other => panic!("{other:?}"),
            };
            (fault, CliError::from(error).kind.exit_code())
        })
    }

    fn publish(&self, person: &User) -> Result<(), (Fault, u8)> {
        let context = context_of(person, &self.server);
        let gun = Gun::parse(&self.gun).unwrap();
        let (name, content) = (TargetName::parse("new").unwrap(), b"new");
        let target = Target { length: 3, hashes: Hashes::of(content), custom: None };
        let outcome = block_on(publish(&context, &gun, None, |draft, _| {
            let now = SystemClock.now();
            let edited = draft.add_target(&RoleName::Targets, &name, target.clone(), now);
            edited.map(drop).map_err(PublishError::from)
        }));
        outcome.map(|published| assert!(published.publication.is_some())).map_err(|error| {
            let fault = match &error {
                PublishError::Refresh(error) => of_refresh(error),
                PublishError::ExpiredAbove { role, .. } => Fault::CannotRenew(role.to_string()),
                other => panic!("{other:?}"),
            };
            (fault, CliError::from(error).kind.exit_code())
        })
    }
}

/// Version 3 of everything, two keys a role, both needed; the tag `1` is signed in each targets
/// role, the tag `2` in `targets` alone.
fn repository(gun: &str) -> Repository {
    let mut repository = Repository::new(gun);
    repository.grant("root", &[Key::certified(gun), Key::certified(gun)], 2);
    for role in ["timestamp", "snapshot", "targets"] {
        repository.grant(role, &[Key::plain(), Key::plain()], 2);
    }
    for role in ["targets/releases", "targets/releases/inner"] {
        repository.delegate(role, &[Key::plain(), Key::plain()], 2, &[""]);
        repository.add_target(role, "1", b"content");
    }
    repository.add_target("targets", "2", b"content");
    for role in ROLES {
        repository.set_version(role, 3);
    }
    repository
}

/// The files of private keys, stored in the clear.
fn stored(keys: &[std::rc::Rc<Key>], gun: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let store = TrustDir::new(folder.path().to_owned()).keys().unwrap();
    let headers =
        KeyHeaders { role: Some("targets".to_owned()), gun: Some(gun.to_owned()), path: None };
    for key in keys {
        let key = trust::crypto::PrivateKey::from_pkcs8(&key.pkcs8()).unwrap();
        store.add(&key, &headers, &Passphrase::new(String::new())).unwrap();
    }
    let files = files_under(folder.path()).into_keys();
    files.map(|path| (path.clone(), fs::read(folder.path().join(path)).unwrap())).collect()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path, owner_only).unwrap();
}

fn of_refresh(error: &RefreshError) -> Fault {
    match error {
        RefreshError::NoTrustData { .. } => Fault::NoTrustData,
        RefreshError::Gone { .. } => Fault::Gone,
        RefreshError::Withheld { role, .. } => Fault::Withheld(role.to_string()),
        RefreshError::BadAnchor { .. } => Fault::DamagedAnchor,
        RefreshError::Refused { cause, .. } => of_update(cause),
        RefreshError::Server(NotaryError::Transport(error)) => match error {
            TransportError::Status { status, .. } => Fault::Status(*status),
            TransportError::Busy { .. } => Fault::Busy,
            TransportError::Unauthorized { .. } => Fault::Unauthorized,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn of_update(error: &UpdateError) -> Fault {
    match error {
        UpdateError::Metadata { role, .. } => Fault::Malformed(role.to_string()),
        UpdateError::RolledBack { role, .. } => Fault::RolledBack(role.to_string()),
        UpdateError::Expired { role, .. } => Fault::Expired(role.to_string()),
        UpdateError::Checksum { role, .. } => Fault::OtherHash(role.to_string()),
        UpdateError::Length { role, .. } => Fault::OtherLength(role.to_string()),
        UpdateError::RootNotVouchedFor { .. } => Fault::NotVouchedFor,
        UpdateError::RootBehind { .. } => Fault::RootBehind,
        UpdateError::Signatures(VerifyError::NoSignatures { role }) => {
            Fault::NoSignatures(role.to_string())
        }
        UpdateError::Signatures(VerifyError::ThresholdNotMet { role, .. }) => {
            Fault::TooFewSignatures(role.to_string())
        }
        other => panic!("{other:?}"),
    }
}
