//! Passphrases kept by the operating system: a real keyring, on a message bus of its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::peers::process::run;
use crate::peers::{Registry, RegistryAuth, RegistryOptions, image};

/// Waits until the keyring answers on the bus, then lets `trust` use it; what is begun is ended.
const STORY: &str = r#"
printf keyring | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
keyring=$!
trap 'kill $keyring; wait $keyring' EXIT
for _ in $(seq 200); do
    "$TRUST" --no-prompt key remember "$1" --passphrase-file "$HOME/passphrase" && break
    sleep 0.05
done
"$TRUST" --no-prompt key inspect --unlock "$1" >/dev/null; echo "remembered: $?"
"$TRUST" --no-prompt key inspect --unlock "$2" >/dev/null; echo "another key: $?"
"$TRUST" --no-prompt key forget "$1"; echo "forget: $?"
"$TRUST" --no-prompt key inspect --unlock "$1" >/dev/null; echo "forgotten: $?"
"#;

#[test]
fn the_keyring_opens_a_key_from_remember_to_forget() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("passphrase"), "correct horse\n").unwrap();
    let first = generate(home.path(), "alice");
    let second = generate(home.path(), "bob");

    let mut session = program("dbus-run-session", home.path());
    session.args(["--", "bash", "-c", STORY, "story", &first, &second]);
    let told = run(&session, b"", Duration::from_mins(1));
    for line in ["remembered: 0", "another key: 11", "forget: 0", "forgotten: 11"] {
        assert!(told.stdout.lines().any(|told| told == line), "{line}: {told:?}");
    }
    assert!(!told.stdout.contains("correct horse") && !told.stderr.contains("correct horse"));
}

/// A login that is kept in the keyring, and nowhere else.
const LOGIN_STORY: &str = r#"
printf keyring | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
keyring=$!
trap 'kill $keyring; wait $keyring' EXIT
for _ in $(seq 200); do
    printf secret | "$TRUST" login --keyring -u me --password-stdin "$1" >/dev/null && break
    sleep 0.05
done
"$TRUST" tags ls "$1/app" >/dev/null; echo "with it: $?"
"$TRUST" --no-prompt login "$1" >/dev/null; echo "again: $?"
"$TRUST" logout "$1" >/dev/null; echo "logout: $?"
"$TRUST" tags ls "$1/app" >/dev/null; echo "without: $?"
"#;

#[test]
fn the_keyring_keeps_a_login_that_dockers_file_does_not_have() {
    let auth = RegistryAuth::Htpasswd { user: "me", password: "secret" };
    let registry = Registry::start(&RegistryOptions { auth, ..RegistryOptions::default() });
    image::push_image(&registry, "app", "1", b"content");
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".docker/config.json");
    std::fs::create_dir(home.path().join(".docker")).unwrap();
    let old = format!(r#"{{"auths":{{"{}":{{"auth":"bWU6b2xk"}}}}}}"#, registry.host_port());
    std::fs::write(&config, old).unwrap();
    let mut session = program("dbus-run-session", home.path());
    session.args(["--", "bash", "-c", LOGIN_STORY, "story", &registry.host_port()]);
    let told = run(&session, b"", Duration::from_mins(1));
    for line in ["with it: 0", "again: 0", "logout: 0", "without: 9"] {
        assert!(told.stdout.lines().any(|told| told == line), "{line}: {told:?}");
    }
    let left = std::fs::read_to_string(config).unwrap();
    assert!(!left.contains("bWU6") && !left.contains("localhost"), "{left}");
}

/// Makes a key and returns its id.
fn generate(home: &Path, name: &str) -> String {
    let mut command = program(env!("CARGO_BIN_EXE_trust"), home);
    command.env("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "correct horse");
    run(command.args(["key", "generate", name]), b"", Duration::from_mins(1)).success();
    let mut list = program(env!("CARGO_BIN_EXE_trust"), home);
    let listed = run(list.args(["key", "ls", "--json"]), b"", Duration::from_mins(1)).success();
    let keys: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let keys = keys.as_array().unwrap();
    let key = keys.iter().find(|key| key["role"] == name).unwrap();
    key["id"].as_str().unwrap().to_owned()
}

fn program(name: &str, home: &Path) -> Command {
    let mut command = Command::new(name);
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home).current_dir(home);
    command.env("TRUST", env!("CARGO_BIN_EXE_trust"));
    command
}
