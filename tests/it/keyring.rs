//! Passphrases kept by the operating system: a real keyring, on a message bus of its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::peers::process::run;

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
