//! `trust repo pin`, and the configuration file it writes.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use trust::crypto::certificate::Certificate;

use crate::harness::{Key, Victim};

fn config_file(victim: &Victim) -> PathBuf {
    victim.user().trust_folder().join("config.json")
}

fn written(victim: &Victim) -> Value {
    serde_json::from_str(&fs::read_to_string(config_file(victim)).unwrap()).unwrap()
}

fn pin(victim: &Victim, args: &[&str]) -> crate::peers::process::Finished {
    victim.user().trust(&[&["repo", "pin"], args].concat())
}

#[test]
fn what_is_current_is_pinned_after_it_was_shown_and_agreed_to() {
    let mut victim = Victim::new();
    victim.publish();
    let gun = victim.repository.gun().to_owned();
    let key = victim.repository.signers("root")[0].id();
    // Nobody is there to say yes.
    let asked = pin(&victim, &[&gun, "--current", "--no-prompt"]).expect_code(2);
    assert!(asked.stderr.contains(key.as_str()) && asked.stderr.contains("for the first time"));
    assert!(!config_file(&victim).exists());
    let done = pin(&victim, &[&gun, "--current", "-y"]).success();
    assert!(done.stderr.contains("known before"), "{done:?}");
    assert_eq!(written(&victim), json!({"trust_pinning": {"certs": {&gun: [key.as_str()]}}}));
    victim.accepts();
    // From now on nothing else is believed, though the cache be gone.
    fs::remove_dir_all(victim.user().trust_folder().join("tuf")).unwrap();
    victim.repository.grant("root", &[Key::certified(&gun)], 1);
    victim.publish();
    let refused = victim.verify_by_program().expect_code(12);
    assert!(refused.stderr.contains("no root key"), "{refused:?}");
    pin(&victim, &[&gun, "--rm"]).success();
    victim.verify_by_program().success();
}

#[test]
fn a_pinned_repository_whose_root_changed_honestly_needs_a_new_pin() {
    let mut victim = Victim::primed();
    let gun = victim.repository.gun().to_owned();
    pin(&victim, &[&gun, "--current", "-y"]).success();
    let old = victim.repository.signers("root")[0].clone();
    let new = Key::certified(&gun);
    victim.repository.grant("root", std::slice::from_ref(&new), 1);
    victim.repository.sign_with("root", &[old, new.clone()]);
    victim.repository.bump(&["root", "snapshot", "timestamp"]);
    victim.publish();
    let before = victim.trust_files();
    victim.verify_by_program().expect_code(12);
    assert_eq!(victim.trust_files(), before);
    pin(&victim, &[&gun, "--key", new.id().as_str()]).success();
    victim.verify_by_program().success();
}

#[test]
fn first_use_can_be_forbidden_and_allowed_again() {
    let mut victim = Victim::new();
    victim.publish();
    pin(&victim, &["--forbid-first-use"]).success();
    let refused = victim.verify_by_program().expect_code(12);
    assert!(refused.stderr.contains("--key ID"), "{refused:?}");
    assert!(!victim.user().trust_folder().join("tuf").exists());
    pin(&victim, &["--allow-first-use"]).success();
    victim.verify_by_program().success();
    assert_eq!(written(&victim), json!({"trust_pinning": {"disable_tofu": false}}));
}

#[test]
fn what_is_pinned_is_listed() {
    let victim = Victim::new();
    let none = pin(&victim, &[]).success();
    assert!(none.stdout.is_empty() && none.stderr.contains("First use is allowed."), "{none:?}");
    let (one, two) = (Key::plain().id(), Key::plain().id());
    let ca = victim.user().home().join("ca.pem");
    let certificate = Certificate::parse_bundle(Key::certified("x").public().public()).unwrap();
    fs::write(&ca, certificate[0].to_pem()).unwrap();
    let added = pin(&victim, &["a.b/App", "--key", one.as_str(), "--key", two.as_str()]).success();
    assert!(added.stderr.contains("there, a.b/App is not pinned"), "{added:?}");
    pin(&victim, &["a.b/*", "--key", one.as_str()]).success();
    // The current folder is not what it was when somebody reads the file.
    pin(&victim, &["c/*", "--ca", "ca.pem"]).success();
    let again = pin(&victim, &["c/*", "--ca", "ca.pem"]).success();
    assert!(again.stderr.contains("nothing to change"), "{again:?}");
    let listed = pin(&victim, &["--json"]).success().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let (one, two) = (one.as_str(), two.as_str());
    assert_eq!(
        listed,
        json!({"file": config_file(&victim), "first_use": "allowed", "pins": [
            {"name": "a.b/*", "keys": [one], "ca": null},
            {"name": "a.b/App", "keys": [one, two], "ca": null},
            {"name": "c/", "keys": null, "ca": ca},
        ]})
    );
    let table = pin(&victim, &[]).success().stdout;
    assert!(table.lines().any(|line| line.starts_with("a.b/*") && line.ends_with(one)), "{table}");
    for name in ["a.b/App", "a.b/*", "c/*", "never/there"] {
        pin(&victim, &[name, "--rm"]).success();
    }
    assert_eq!(written(&victim), json!({"trust_pinning": {"certs": {}, "ca": {}}}));
}

#[test]
fn what_cannot_be_pinned_is_refused_and_nothing_written() {
    let victim = Victim::new();
    let id = Key::plain().id();
    for args in [
        &["app"][..],
        &["app", "--key", "12"],
        &["app", "--key", id.as_str(), "--current"],
        &["app/*", "--current"],
        &["--key", id.as_str()],
        &["a//b", "--key", id.as_str()],
        &["app", "--forbid-first-use"],
    ] {
        pin(&victim, args).expect_code(2);
    }
    fs::write(victim.user().home().join("empty.pem"), "").unwrap();
    pin(&victim, &["app", "--ca", "empty.pem"]).expect_code(14);
    pin(&victim, &["app", "--ca", "none.pem"]).expect_code(8);
    assert!(!config_file(&victim).exists());
    // Docker's own file is not for this.
    let dockers = victim.user().docker_config().join("config.json");
    let named = dockers.display().to_string();
    pin(&victim, &["app", "--key", id.as_str(), "-c", &named]).expect_code(8);
    fs::write(&dockers, "{}").unwrap();
    pin(&victim, &["app", "--key", id.as_str(), "-c", &named]).expect_code(2);
    assert_eq!(fs::read_to_string(&dockers).unwrap(), "{}");
}

#[test]
fn a_file_that_cannot_be_read_stops_everything() {
    let victim = Victim::primed();
    fs::write(config_file(&victim), "{\"trust_pinning\": {\"certs\": 5}}").unwrap();
    let stopped = victim.verify_by_program().expect_code(14);
    assert!(stopped.stderr.contains("line 1 column 29: `trust_pinning.certs`"), "{stopped:?}");
    fs::write(config_file(&victim), "{\n\"trust_pinning\"").unwrap();
    let stopped = victim.verify_by_program().expect_code(14);
    assert!(stopped.stderr.contains("at line 2 column 15"), "{stopped:?}");
    let named = victim.user().trust(&["-c", "nowhere.json", "key", "ls"]).expect_code(8);
    assert!(named.stderr.contains("nowhere.json"), "{named:?}");
    fs::write(victim.user().home().join("c.yml"), "trust_dir: x\n").unwrap();
    let yaml = victim.user().trust(&["-c", "c.yml", "key", "ls"]).expect_code(14);
    assert!(yaml.stderr.contains("is not JSON, and no other format is read"), "{yaml:?}");
}

#[test]
fn a_misspelt_member_is_told() {
    let victim = Victim::primed();
    fs::write(config_file(&victim), r#"{"trust_pining": {}, "logging": {}, "x": 1}"#).unwrap();
    let told = victim.verify_by_program().success().stderr;
    assert!(told.contains("warning: ") && told.contains("`trust_pinning` is meant"), "{told}");
    assert_eq!(told.matches("does nothing").count(), 1, "{told}");
    fs::write(config_file(&victim), r#"{"trust": {"max_stalenes": "1h"}}"#).unwrap();
    let refused = victim.verify_by_program().expect_code(14);
    assert!(refused.stderr.contains("`max_staleness` is meant"), "{refused:?}");
}

#[test]
fn two_who_pin_at_once_both_do() {
    let victim = Victim::new();
    let id = Key::plain().id();
    let user = victim.user();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let id = &id;
            scope.spawn(move || {
                let name = format!("app{number}");
                user.trust(&["repo", "pin", &name, "--key", id.as_str()]).success();
            });
        }
    });
    let written = written(&victim);
    assert_eq!(written["trust_pinning"]["certs"].as_object().unwrap().len(), 8, "{written}");
}
