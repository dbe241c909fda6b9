//! Where passphrases come from: flags, docker's variables, notary's, the keyring, the terminal.
//!
//! A wrong answer from one source leads to the next, each once (the terminal three times);
//! `spec/command-line.md` describes the order for people.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::actions::keys::backup::BACKUP_ROLE;
use crate::actions::keys::import::UNKNOWN_KEY_ID;
use crate::cli::args::PassphraseArgs;
use crate::cli::prompt;
use crate::cli::prompt::{Console, PromptError};
use crate::cli::settings::Environment;
use crate::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use crate::crypto::{KeyId, Passphrase};
use crate::limits::MAX_PASSPHRASE_ATTEMPTS;
use crate::store::files::{read_descriptor, read_user_file};
use crate::store::keyring::KeyringEnv;
use crate::store::{StoreError, keyring};

/// A place that holds one passphrase.
#[derive(Clone)]
pub enum Origin {
    /// A file; a newline at its end is not part of the passphrase.
    File(PathBuf),
    /// A file descriptor inherited from the caller.
    Descriptor(u32),
    /// A variable of the environment, and its value.
    Variable(&'static str, Passphrase),
}

/// The passphrases that flags and environment offer.
#[derive(Debug, Clone, Default)]
pub struct PassphraseSettings {
    /// In order of preference for the root key.
    root: Vec<Origin>,
    /// In order of preference for all other keys, before notary's variables.
    repository: Vec<Origin>,
    /// Notary's variables, by the role they are for (`delegation` for what has no own one).
    notary: Vec<(&'static str, Origin)>,
    /// In order of preference for backups of keys.
    backup: Vec<Origin>,
}

impl PassphraseSettings {
    /// Collects what flags and environment name; nothing is read yet.
    pub fn resolve(args: &PassphraseArgs, environment: &Environment) -> Self {
        let variable = |name| environment.secret(name).map(|secret| Origin::Variable(name, secret));
        let any = origin(args.passphrase_file.as_ref(), args.passphrase_fd);
        let root = origin(args.root_passphrase_file.as_ref(), args.root_passphrase_fd);
        let repository =
            origin(args.repository_passphrase_file.as_ref(), args.repository_passphrase_fd);
        let dockers = [
            variable("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE"),
            variable("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE"),
        ];
        let [docker_root, docker_repository] = dockers;
        let notary = [
            ("root", variable("NOTARY_ROOT_PASSPHRASE")),
            ("targets", variable("NOTARY_TARGETS_PASSPHRASE")),
            ("snapshot", variable("NOTARY_SNAPSHOT_PASSPHRASE")),
            ("delegation", variable("NOTARY_DELEGATION_PASSPHRASE")),
        ];
        Self {
            root: root.into_iter().chain(any.clone()).chain(docker_root).collect(),
            repository: repository.into_iter().chain(any).chain(docker_repository).collect(),
            notary: notary.into_iter().filter_map(|(role, o)| Some((role, o?))).collect(),
            backup: variable("TRUST_BACKUP_PASSPHRASE").into_iter().collect(),
        }
    }

    /// Puts what a command's own flags name before all else, for backups of keys.
    pub fn prefer_for_backups(&mut self, given: Option<Origin>) {
        self.backup.splice(0..0, given);
    }

    fn for_role(&self, role: &str) -> Vec<Origin> {
        if role == BACKUP_ROLE {
            return self.backup.clone();
        }
        let common = if role == "root" { &self.root } else { &self.repository };
        let notary_role = match role {
            "root" | "targets" | "snapshot" => role,
            _ => "delegation",
        };
        let notary = self.notary.iter().filter(|(of, _)| *of == notary_role).map(|(_, o)| o);
        common.iter().chain(notary).cloned().collect()
    }
}

/// The place that a pair of flags names, if they name one.
pub fn origin(file: Option<&PathBuf>, descriptor: Option<u32>) -> Option<Origin> {
    file.cloned().map(Origin::File).or(descriptor.map(Origin::Descriptor))
}

/// The production source of passphrases.
#[derive(Debug)]
pub struct Passphrases {
    settings: PassphraseSettings,
    console: Arc<dyn Console>,
    keyring: Recall,
    state: Mutex<State>,
}

/// Looks a key's passphrase up in the keyring.
struct Recall(Box<Lookup>);

type Lookup = dyn Fn(&KeyId) -> Option<Passphrase> + Send + Sync;

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recall(..)")
    }
}

#[derive(Debug, Default)]
struct State {
    /// Accepted in this process, by role.
    accepted: HashMap<String, Passphrase>,
    /// Read from files and descriptors, which may be pipes: each is read once.
    read: HashMap<String, Passphrase>,
    /// How far the search for a key's passphrase has come.
    searches: HashMap<KeyId, Search>,
}

#[derive(Debug, Default)]
struct Search {
    next: usize,
    asked: u32,
    offered: Vec<Passphrase>,
    tried: Vec<String>,
}

impl Passphrases {
    /// Offers what the settings name, then what the keyring remembers, then asks on the console.
    pub fn new(
        settings: PassphraseSettings,
        keyring: KeyringEnv,
        console: Arc<dyn Console>,
    ) -> Self {
        // A keyring out of order is a keyring that remembers nothing.
        let recall = move |id: &KeyId| keyring::recall(&keyring, id).unwrap_or_default();
        Self { settings, console, keyring: Recall(Box::new(recall)), state: Mutex::default() }
    }

    /// Asks for a new passphrase, whatever the settings and the memory of this process hold: to
    /// change one. `origin` goes before the terminal.
    pub fn replacement(
        &self,
        request: &PassphraseRequest,
        origin: Option<&Origin>,
    ) -> Result<Passphrase, PassphraseError> {
        match origin {
            Some(origin) => self.read(origin),
            None => prompt::new_passphrase(self.console.as_ref(), &subject(request))
                .map_err(|error| prompt_error(error, request)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn for_new_key(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        if let Some(origin) = self.settings.for_role(&request.role).first() {
            return self.read(origin);
        }
        if let Some(passphrase) = self.state().accepted.get(&request.role) {
            return Ok(passphrase.clone());
        }
        if request.role == "root" {
            self.console.say(ROOT_WARNING);
        }
        let passphrase = prompt::new_passphrase(self.console.as_ref(), &subject(request))
            .map_err(|error| prompt_error(error, request))?;
        self.accepted(request, &passphrase);
        Ok(passphrase)
    }

    fn for_old_key(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        let mut search = self.state().searches.remove(&request.key_id).unwrap_or_default();
        if request.attempt <= 1 {
            search = Search::default();
        }
        let answer = self.next_answer(request, &mut search);
        self.state().searches.insert(request.key_id.clone(), search);
        answer
    }

    /// The next answer nobody has refused yet.
    fn next_answer(
        &self,
        request: &PassphraseRequest,
        search: &mut Search,
    ) -> Result<Passphrase, PassphraseError> {
        let origins = self.settings.for_role(&request.role);
        while search.next < origins.len() + 2 {
            let place = search.next;
            search.next += 1;
            let (name, answer) = match place.checked_sub(1).map(|index| origins.get(index)) {
                None => (None, self.state().accepted.get(&request.role).cloned()),
                Some(Some(origin)) => (Some(origin.to_string()), Some(self.read(origin)?)),
                // It remembers passphrases of keys, by their ids.
                Some(None) if request.role == BACKUP_ROLE => continue,
                Some(None) => (Some("the keyring".to_owned()), (self.keyring.0)(&request.key_id)),
            };
            let Some(answer) = answer else { continue };
            search.tried.extend(name);
            if !search.offered.iter().any(|old| old.expose() == answer.expose()) {
                search.offered.push(answer.clone());
                return Ok(answer);
            }
        }
        self.ask(request, search)
    }

    fn ask(
        &self,
        request: &PassphraseRequest,
        search: &mut Search,
    ) -> Result<Passphrase, PassphraseError> {
        if search.asked >= MAX_PASSPHRASE_ATTEMPTS {
            return Err(exhausted(request, search));
        }
        if !search.tried.is_empty() || search.asked > 0 {
            let from = search.tried.last().filter(|_| search.asked == 0);
            self.console.say(&match from {
                Some(source) => {
                    format!("The passphrase from {source} is not that of the {}.", subject(request))
                }
                None => "Passphrase incorrect. Please retry.".to_owned(),
            });
        }
        search.asked += 1;
        match prompt::old_passphrase(self.console.as_ref(), &subject(request)) {
            Err(PromptError::NoTerminal) if !search.tried.is_empty() => {
                Err(exhausted(request, search))
            }
            other => other.map_err(|error| prompt_error(error, request)),
        }
    }

    fn read(&self, origin: &Origin) -> Result<Passphrase, PassphraseError> {
        let name = origin.to_string();
        if let Some(passphrase) = self.state().read.get(&name) {
            return Ok(passphrase.clone());
        }
        let bytes = match origin {
            Origin::Variable(_, secret) => return Ok(secret.clone()),
            Origin::File(path) => read_user_file(path, MAX_PASSPHRASE_BYTES),
            Origin::Descriptor(number) => read_descriptor(*number, MAX_PASSPHRASE_BYTES),
        };
        let unreadable = |cause| PassphraseError::Unreadable { source_name: name.clone(), cause };
        let bytes = bytes.map(Zeroizing::new).map_err(|error| {
            unreadable(match error {
                StoreError::Io { cause, .. } => cause,
                other => io::Error::other(other.to_string()),
            })
        })?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|cause| unreadable(io::Error::new(io::ErrorKind::InvalidData, cause)))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is empty")));
        }
        let passphrase = Passphrase::new(text.to_owned());
        self.state().read.insert(name, passphrase.clone());
        Ok(passphrase)
    }
}

impl PassphraseSource for Passphrases {
    fn passphrase(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        if request.new { self.for_new_key(request) } else { self.for_old_key(request) }
    }

    fn accepted(&self, request: &PassphraseRequest, passphrase: &Passphrase) {
        self.state().accepted.insert(request.role.clone(), passphrase.clone());
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Descriptor(number) => write!(f, "the file descriptor {number}"),
            Self::Variable(name, _) => f.write_str(name),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key as docker's prompts name it (notary.md §2.5).
fn subject(request: &PassphraseRequest) -> String {
    let alias = match request.role.as_str() {
        "targets" | "snapshot" => "repository",
        "" => "signer",
        other => other,
    };
    if request.role == BACKUP_ROLE {
        return "backup".to_owned();
    }
    let id = request.key_id.short(PROMPT_ID_CHARS);
    match &request.gun {
        _ if request.key_id.as_str() == UNKNOWN_KEY_ID => format!("{alias} key {IN_THE_FILE}"),
        Some(gun) => format!("{alias} key with ID {id} ({gun})"),
        None => format!("{alias} key with ID {id}"),
    }
}

/// The key's id as errors show it.
fn shown_id(request: &PassphraseRequest) -> String {
    if request.key_id.as_str() == UNKNOWN_KEY_ID {
        return IN_THE_FILE.to_owned();
    }
    request.key_id.short(PROMPT_ID_CHARS).to_owned()
}

fn exhausted(request: &PassphraseRequest, search: &Search) -> PassphraseError {
    let role = request.role.clone();
    let key_id = shown_id(request);
    if search.tried.is_empty() {
        return PassphraseError::TooManyAttempts { role, key_id, attempts: search.asked };
    }
    let mut names = search.tried.clone();
    if search.asked >= MAX_PASSPHRASE_ATTEMPTS {
        names.push("the terminal".to_owned());
    }
    PassphraseError::Wrong { role, key_id, source_name: names.join(", ") }
}

fn prompt_error(error: PromptError, request: &PassphraseRequest) -> PassphraseError {
    let role = request.role.clone();
    let key_id = shown_id(request);
    match error {
        PromptError::NoTerminal | PromptError::Unconfirmed => {
            PassphraseError::NoSource { role, key_id }
        }
        PromptError::Cancelled => PassphraseError::Cancelled,
        PromptError::TooManyAttempts { attempts } => {
            PassphraseError::TooManyAttempts { role, key_id, attempts }
        }
        PromptError::Io(cause) => {
            PassphraseError::Unreadable { source_name: "the terminal".to_owned(), cause }
        }
    }
}

/// In place of the id of a key that is being loaded, which nobody knows yet.
const IN_THE_FILE: &str = "in the file";
/// Characters of a key id in prompts, as docker has them.
const PROMPT_ID_CHARS: usize = 7;
/// Largest passphrase file read, in bytes: far more than anybody types, far less than a mistake.
const MAX_PASSPHRASE_BYTES: u64 = 4096;
/// Said before the passphrase of a new root key is typed.
const ROOT_WARNING: &str = "\
This creates a root key: the key that every repository you own is founded on.
Choose a long passphrase that you use nowhere else, and keep a backup of both the
passphrase and the key file in a safe place, off this machine. Neither can be
recovered, and without them a lost or stolen repository key cannot be replaced.";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::cli::prompt::{NoConsole, Script};
    use crate::store::files::create_file;

    const ID: &str = "585ad6ab67991e363967f527ee6e27535ff1725758105b098fb6ce5d0ca5b65a";

    fn request(role: &str, new: bool, attempt: u32) -> PassphraseRequest {
        let key_id = KeyId::parse(ID).unwrap();
        PassphraseRequest { role: role.to_owned(), key_id, gun: None, new, attempt }
    }

    fn source(
        args: &PassphraseArgs,
        variables: &[(&str, &str)],
        console: Arc<dyn Console>,
    ) -> Passphrases {
        let settings = PassphraseSettings::resolve(args, &Environment::of(variables));
        let state = Mutex::default();
        Passphrases { settings, console, keyring: Recall(Box::new(|_| None)), state }
    }

    /// Refuses every answer until there is an error.
    fn all_answers(source: &Passphrases, role: &str) -> (Vec<String>, PassphraseError) {
        let mut answers = Vec::new();
        for attempt in 1.. {
            match source.passphrase(&request(role, false, attempt)) {
                Ok(answer) => answers.push(answer.expose().to_owned()),
                Err(error) => return (answers, error),
            }
        }
        unreachable!("a source gives up")
    }

    const VARIABLES: &[(&str, &str)] = &[
        ("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "docker root"),
        ("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "docker repository"),
        ("NOTARY_ROOT_PASSPHRASE", "notary root"),
        ("NOTARY_TARGETS_PASSPHRASE", "notary targets"),
        ("NOTARY_SNAPSHOT_PASSPHRASE", "notary snapshot"),
        ("NOTARY_DELEGATION_PASSPHRASE", "notary delegation"),
    ];

    #[test_case("root", &["docker root", "notary root"])]
    #[test_case("targets", &["docker repository", "notary targets"])]
    #[test_case("snapshot", &["docker repository", "notary snapshot"])]
    #[test_case("targets/releases", &["docker repository", "notary delegation"])]
    #[test_case("alice", &["docker repository", "notary delegation"])]
    fn each_variable_is_tried_once_and_named(role: &str, expected: &[&str]) {
        let source = source(&PassphraseArgs::default(), VARIABLES, Arc::new(NoConsole));
        let (answers, error) = all_answers(&source, role);
        assert_eq!(answers, expected);
        let words = error.to_string();
        assert!(words.contains("DOCKER_CONTENT_TRUST_"), "{words}");
        assert!(words.contains(", NOTARY_"), "{words}");
        assert!(!words.contains("docker r"), "no passphrase is shown: {words}");
    }

    #[test]
    fn files_go_before_variables_the_special_before_the_general() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            create_file(&path, text.as_bytes(), 0o600).unwrap();
            Some(path)
        };
        let args = PassphraseArgs {
            passphrase_file: file("all", "from all\r\n"),
            root_passphrase_file: file("root", " from root \n"),
            ..PassphraseArgs::default()
        };
        let source = source(&args, VARIABLES, Arc::new(NoConsole));
        let (answers, _) = all_answers(&source, "root");
        assert_eq!(answers, [" from root ", "from all", "docker root", "notary root"]);
        let (answers, _) = all_answers(&source, "alice");
        assert_eq!(answers, ["from all", "docker repository", "notary delegation"]);
        assert_eq!(source.passphrase(&request("root", true, 1)).unwrap().expose(), " from root ");
    }

    #[test]
    fn the_terminal_is_last_and_asked_three_times() {
        let script = Arc::new(Script::new(&["a", "b", "c", "d"]));
        let variables = [("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "wrong")];
        let source = source(&PassphraseArgs::default(), &variables, script.clone());
        let (answers, error) = all_answers(&source, "targets");
        assert_eq!(answers, ["wrong", "a", "b", "c"]);
        assert!(error.to_string().ends_with("REPOSITORY_PASSPHRASE, the terminal"), "{error}");
        let shown = script.shown();
        assert_eq!(shown[1], "Enter passphrase for repository key with ID 585ad6a: ");
        assert_eq!(shown[2], "Passphrase incorrect. Please retry.");
    }

    #[test]
    fn without_any_source_the_person_is_told() {
        let source = source(&PassphraseArgs::default(), &[], Arc::new(NoConsole));
        let error = source.passphrase(&request("root", false, 1)).unwrap_err();
        assert!(matches!(error, PassphraseError::NoSource { .. }));
    }

    #[test]
    fn an_accepted_passphrase_opens_the_next_key_of_the_role() {
        let script = Arc::new(Script::new(&["typed once"]));
        let source = source(&PassphraseArgs::default(), &[], script);
        let first = request("alice", false, 1);
        let answer = source.passphrase(&first).unwrap();
        source.accepted(&first, &answer);
        let second = source.passphrase(&request("alice", false, 1)).unwrap();
        assert_eq!(second.expose(), "typed once");
        let other_role = source.passphrase(&request("bob", false, 1));
        assert!(matches!(other_role, Err(PassphraseError::Cancelled)));
    }

    #[test]
    fn the_same_answer_is_not_tried_twice() {
        let variables =
            [("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "same"), ("NOTARY_ROOT_PASSPHRASE", "same")];
        let source = source(&PassphraseArgs::default(), &variables, Arc::new(NoConsole));
        assert_eq!(all_answers(&source, "root").0, ["same"]);
    }

    #[test]
    fn the_keyring_is_asked_before_the_terminal() {
        let mut source = source(&PassphraseArgs::default(), &[], Arc::new(Script::new(&["typed"])));
        source.keyring = Recall(Box::new(|_| Some(Passphrase::new("kept".to_owned()))));
        assert_eq!(all_answers(&source, "root").0, ["kept", "typed"]);
    }

    #[test]
    fn an_empty_or_unreadable_file_is_an_error_not_an_empty_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        create_file(&empty, b"\n", 0o600).unwrap();
        for path in [empty, dir.path().join("missing")] {
            let args = PassphraseArgs { passphrase_file: Some(path), ..PassphraseArgs::default() };
            let source = source(&args, &[], Arc::new(NoConsole));
            for new in [true, false] {
                let error = source.passphrase(&request("root", new, 1)).unwrap_err();
                assert!(matches!(error, PassphraseError::Unreadable { .. }));
            }
        }
    }

    #[test]
    fn a_changed_passphrase_is_never_taken_from_the_environment() {
        let script = Arc::new(Script::new(&["a new passphrase", "a new passphrase"]));
        let source = source(&PassphraseArgs::default(), VARIABLES, script);
        let new = source.replacement(&request("root", true, 1), None).unwrap();
        assert_eq!(new.expose(), "a new passphrase");
    }

    #[test]
    fn debugging_shows_no_passphrase() {
        let source = source(&PassphraseArgs::default(), VARIABLES, Arc::new(NoConsole));
        source.accepted(&request("root", false, 1), &Passphrase::new("s3cret".to_owned()));
        let shown = format!("{source:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("docker root"), "{shown}");
    }
}
