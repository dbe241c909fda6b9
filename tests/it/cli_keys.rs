//! The key commands as a person meets them: exit code, stdout, stderr, files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// A home of its own, with passphrases in docker's variables.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// With a copy of a captured store.
    fn with_store(store: &str) -> Self {
        let home = Self::new();
        copy(&vectors().join(store), &home.trust_dir());
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn trust_dir(&self) -> PathBuf {
        self.path(".docker/trust")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("trust").unwrap();
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .arg("--no-prompt")
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .env("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "rootpass1")
            .env("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "repopass1")
            .output()
            .unwrap()
    }

    /// stdout of a command that must succeed.
    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn key_ids(&self) -> Vec<String> {
        let listed: serde_json::Value =
            serde_json::from_str(&self.stdout(&["key", "ls", "--json"])).unwrap();
        let keys = listed.as_array().unwrap().iter();
        keys.map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary-vectors")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const ALICE: &str = "56c977d8fea1afac4b78a35c62d52b9c1105aa89c7eec8b1b6f2b6add5d11bb2";
const ROOT: &str = "680c99ee2f24ada1aa051f323854f6189eba78cbbbd0e52075df2c5e58cc4c84";

#[test]
fn the_version_is_on_the_first_line() {
    let home = Home::new();
    let output = home.command(&["--version"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().next(), Some(concat!("trust ", env!("CARGO_PKG_VERSION"))));
    assert!(text.contains("content-trust"), "{text}");
}

#[test]
fn generate_speaks_as_docker_and_writes_both_halves() {
    let home = Home::new();
    let text = home.stdout(&["key", "generate", "alice", "--dir", "."]);
    assert_eq!(
        text,
        "Generating key for alice...\n\
         Successfully generated and loaded private key. \
         Corresponding public key available: ./alice.pub\n"
    );
    let public = fs::read_to_string(home.path("alice.pub")).unwrap();
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\nrole: alice\n\n"), "{public}");
    assert_eq!(mode(&home.path("alice.pub")), 0o600);
    let ids = home.key_ids();
    let [id] = ids.as_slice() else { panic!("one key, not {ids:?}") };
    let file = home.trust_dir().join(format!("private/{id}.key"));
    assert_eq!(mode(&file), 0o600);
    let private = fs::read_to_string(file).unwrap();
    assert!(private.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: alice\n\n"));
    assert!(home.stdout(&["key", "inspect", "alice.pub"]).contains(id));
}

#[test]
fn generate_overwrites_nothing_and_then_makes_no_key() {
    let home = Home::new();
    fs::write(home.path("bob.pub"), "mine").unwrap();
    let output = home.run(&["key", "generate", "bob"]);
    assert_eq!(output.status.code(), Some(14));
    assert!(stderr(&output).contains("public key file already exists: \""));
    assert_eq!(fs::read_to_string(home.path("bob.pub")).unwrap(), "mine");
    assert_eq!(home.key_ids(), Vec::<String>::new());
}

#[test]
fn a_name_that_is_none_is_a_usage_error() {
    let home = Home::new();
    for name in ["Bad", "../x", "a b"] {
        let output = home.run(&["key", "generate", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains("must start with lowercase alphanumeric characters"));
    }
}

#[test]
fn without_passphrase_and_terminal_no_key_is_made() {
    let home = Home::new();
    let output = home.command(&["key", "generate", "alice"]).output().unwrap();
    assert_eq!(output.status.code(), Some(11));
    assert!(stderr(&output).contains("hint: give it with `--passphrase-file FILE`"));
    assert!(!home.path("alice.pub").exists());
}

#[test]
fn a_docker_store_is_listed_as_notary_does() {
    let home = Home::with_store("docker-trust-signed");
    let text = home.stdout(&["--trust-dir", ".docker/trust", "key", "ls"]);
    let folder = home.trust_dir().join("private");
    let mut folder = folder.to_str().unwrap().to_owned();
    if folder.len() > 40 {
        folder = format!("...{}", &folder[folder.len() - 37..]);
    }
    let targets = "7cac86a581920a4c349d60c64aaa5681c391258e92bb2b4761ff8a2e603a5b10";
    let gun = "localhost:15005/survey/gv";
    let id = "KEY ID".to_owned() + &" ".repeat(58);
    let line = "------".to_owned() + &" ".repeat(58);
    assert_eq!(
        text,
        format!(
            "\n\
             ROLE       GUN                          {id}    LOCATION\n\
             ----       ---                          {line}    --------\n\
             root                                    {ROOT}    {folder}\n\
             alice                                   {ALICE}    {folder}\n\
             targets    {gun}    {targets}    {folder}\n\
             \n"
        )
    );
}

#[test]
fn load_refuses_what_others_can_read_and_public_keys() {
    let home = Home::new();
    let file = home.path("alice.pub");
    fs::copy(vectors().join("alice.pub"), &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = home.run(&["key", "load", "alice.pub"]);
    assert_eq!(output.status.code(), Some(11));
    assert!(
        stderr(&output).starts_with(
            "error: refusing to load key from alice.pub: private key file alice.pub must not be \
             readable or writable by others\n"
        ),
        "{}",
        stderr(&output)
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let output = home.run(&["key", "load", "alice.pub"]);
    assert!(stderr(&output).contains("provided file alice.pub is not a supported private key"));
}

#[test]
fn load_opens_an_encrypted_key_without_a_path_header() {
    let home = Home::new();
    let stored = vectors().join(format!("docker-trust-signed/private/{ALICE}.key"));
    fs::copy(stored, home.path("alice.key")).unwrap();
    fs::set_permissions(home.path("alice.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let text = home.stdout(&["key", "load", "alice.key", "--name", "alice"]);
    assert_eq!(
        text,
        "Loading key from \"alice.key\"...\nSuccessfully imported key from alice.key\n"
    );
    assert_eq!(home.key_ids(), [ALICE]);
}

#[test]
fn load_names_the_sources_that_had_the_wrong_passphrase() {
    let home = Home::new();
    let stored = vectors().join(format!("docker-trust-signed/private/{ALICE}.key"));
    fs::copy(stored, home.path("alice.key")).unwrap();
    fs::set_permissions(home.path("alice.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(home.path("wrong"), "not it\n").unwrap();
    let output = home
        .command(&["key", "load", "alice.key", "--passphrase-file", "wrong"])
        .env("NOTARY_DELEGATION_PASSPHRASE", "nor this")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(11));
    let text = stderr(&output);
    assert!(text.contains("wrong passphrase for the alice key in the file, from"), "{text}");
    assert!(text.contains("the file `wrong`, NOTARY_DELEGATION_PASSPHRASE"), "{text}");
    assert!(!text.contains("nor this"), "{text}");
}

#[test]
fn an_export_moves_keys_to_another_home_without_their_passphrases() {
    let here = Home::with_store("docker-trust-signed");
    here.stdout(&["key", "export", "-o", "keys.pem"]);
    assert_eq!(mode(&here.path("keys.pem")), 0o600);
    let again = here.run(&["key", "export", "-o", "keys.pem"]);
    assert_eq!(again.status.code(), Some(14), "nothing is overwritten");

    let there = Home::new();
    fs::copy(here.path("keys.pem"), there.path("keys.pem")).unwrap();
    let output = there.command(&["key", "import", "keys.pem"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(there.key_ids(), here.key_ids());
    let name = format!("private/{ROOT}.key");
    assert_eq!(
        fs::read(there.trust_dir().join(&name)).unwrap(),
        fs::read(here.trust_dir().join(&name)).unwrap()
    );
}

#[test]
fn notarys_export_is_imported() {
    let home = Home::new();
    fs::copy(vectors().join("notary-key-export.pem"), home.path("exp.pem")).unwrap();
    let output = home.run(&["key", "import", "exp.pem"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!home.key_ids().is_empty());
}

#[test]
fn export_picks_by_the_beginning_of_an_id() {
    let home = Home::with_store("docker-trust-signed");
    let text = home.stdout(&["key", "export", "--key", &ALICE[..7], "-o", "-"]);
    assert_eq!(text.matches("-----BEGIN").count(), 1);
    assert!(text.contains(&format!("\npath: {ALICE}\nrole: alice\n\n")), "{text}");
    let output = home.run(&["key", "export", "--key", &ALICE[..6], "-o", "-"]);
    assert_eq!(output.status.code(), Some(2), "six digits are too few");
    let output = home.run(&["key", "export", "--key", "0000000", "-o", "-"]);
    assert_eq!(output.status.code(), Some(8));
}

#[test]
fn passwd_changes_the_passphrase_that_opens_a_key() {
    let home = Home::with_store("docker-trust-signed");
    fs::write(home.path("new"), "another one\n").unwrap();
    home.stdout(&["key", "passwd", ALICE, "--new-passphrase-file", "new"]);
    let output = home.run(&["key", "inspect", ALICE, "--unlock"]);
    assert_eq!(output.status.code(), Some(11), "the old one no longer opens it");
    let text = home.stdout(&["key", "inspect", ALICE, "--unlock", "--passphrase-file", "new"]);
    assert!(text.contains("-----BEGIN PUBLIC KEY-----"), "{text}");
    assert!(text.contains("ecdsa"), "{text}");
}

#[test]
fn rm_asks_or_is_told() {
    let home = Home::with_store("docker-trust-signed");
    let output = home.run(&["key", "rm", ALICE]);
    assert_eq!(output.status.code(), Some(2), "nobody to ask");
    assert!(home.key_ids().contains(&ALICE.to_owned()));
    home.stdout(&["key", "rm", ALICE, "--force"]);
    assert!(!home.key_ids().contains(&ALICE.to_owned()));
}

#[test]
fn a_key_of_a_repository_needs_one() {
    let home = Home::new();
    let generated = home.path("plain.pem");
    // An EC key without headers, as openssl writes it.
    fs::write(&generated, PLAIN_EC).unwrap();
    let output = home.run(&["key", "import", "plain.pem", "-r", "targets"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let output = home.run(&["key", "import", "plain.pem", "-r", "root", "-g", "example.com/a"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    home.stdout(&["key", "import", "plain.pem", "-r", "targets", "-g", "example.com/a"]);
    let listed = home.stdout(&["key", "ls", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["role"], "targets");
    assert_eq!(listed[0]["gun"], "example.com/a");
    assert_eq!(listed[0]["encrypted"], true);
}

#[test]
fn every_command_has_a_manual_page_and_completions() {
    let home = Home::new();
    fs::create_dir(home.path("man")).unwrap();
    home.stdout(&["man", "--dir", "man"]);
    for page in ["trust.1", "trust-key.1", "trust-key-generate.1"] {
        assert!(home.path("man").join(page).exists(), "{page}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(home.stdout(&["completions", shell]).contains("generate"), "{shell}");
    }
}

#[test]
fn logout_forgets_the_login_in_dockers_config() {
    let home = Home::new();
    fs::create_dir_all(home.path(".docker")).unwrap();
    let config = home.path(".docker/config.json");
    fs::write(&config, r#"{"auths":{"localhost:5000":{"auth":"YTpi"}},"other":1}"#).unwrap();
    let text = home.stdout(&["logout", "localhost:5000"]);
    assert_eq!(text, "Removing login credentials for localhost:5000\n");
    let left = fs::read_to_string(config).unwrap();
    assert!(!left.contains("YTpi") && left.contains("other"), "{left}");
}

const PLAIN_EC: &str = include_str!("../data/throw-away-ec-key.pem");
