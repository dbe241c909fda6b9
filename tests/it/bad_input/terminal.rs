//! Questions on a terminal, and none without one.

use std::process::Command;

use crate::harness::Signer;
use crate::harness::server::{Server, not_found};
use crate::harness::signer::TRUST;
use crate::harness::terminal::Terminal;
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{NotaryOptions, NotaryServer, User};

/// A terminal in which `trust` runs; behind it stands what it left of the terminal's settings.
fn terminal(signer: &Signer, args: &str) -> Terminal {
    let line = format!("trap : INT; {TRUST} {args}; code=$?; stty -a; exit $code");
    let mut command = Command::new("script");
    command.env_clear().envs(signer.settings()).env("TERM", "dumb").env("SHELL", "/bin/sh");
    Terminal::run(&line, command)
}

#[track_caller]
fn assert_echo_is_back(screen: &str) {
    let words: Vec<&str> = screen.split_whitespace().collect();
    for setting in ["echo", "icanon", "isig"] {
        assert!(words.contains(&setting), "{setting} is off:\n{screen}");
    }
}

#[test]
fn the_first_signature_asks_as_docker_does() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let image = signer.push("app", "1");
    let mut terminal = terminal(&signer, &format!("sign {image}"));
    terminal.await_text("This creates a root key");
    for (kind, passphrase) in [("root", "typed for root"), ("repository", "typed for repository")] {
        terminal.await_text(&format!("Enter passphrase for new {kind} key with ID "));
        terminal.await_text(": ");
        terminal.press(&format!("{passphrase}\n"));
        terminal.await_text(&format!("Repeat passphrase for new {kind} key with ID "));
        terminal.await_text(": ");
        terminal.press(&format!("{passphrase}\n"));
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("typed for"), "a passphrase is on the screen:\n{screen}");
    assert_echo_is_back(&screen);
    signer.user.trust(&["verify", &image]).success();
}

#[test]
fn three_wrong_passphrases_are_enough() {
    let (signer, image) = signed_once();
    let before = signer.key_files();
    let mut terminal = terminal(&signer, &format!("sign {image}"));
    for _ in 0..3 {
        terminal.await_text("Enter passphrase for repository key with ID ");
        terminal.await_text(": ");
        terminal.press("not the passphrase\n");
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, 11, "{screen}");
    assert!(!screen.contains("not the passphrase"), "{screen}");
    assert_echo_is_back(&screen);
    assert_eq!(signer.key_files(), before);
}

#[test]
fn the_third_try_may_be_right() {
    let (signer, image) = signed_once();
    let mut terminal = terminal(&signer, &format!("sign {image}"));
    for answer in ["wrong", "wrong again", REPOSITORY_PASSPHRASE] {
        terminal.await_text("Enter passphrase for repository key with ID ");
        terminal.await_text(": ");
        terminal.press(&format!("{answer}\n"));
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    signer.user.trust(&["verify", &image]).success();
}

#[test]
fn ctrl_c_at_a_question_leaves_the_terminal_and_the_keys_as_they_were() {
    let (signer, image) = signed_once();
    let before = signer.key_files();
    let mut terminal = terminal(&signer, &format!("sign {image}"));
    terminal.await_text("Enter passphrase for repository key with ID ");
    terminal.press("half a passph\x03");
    let (code, screen) = terminal.end();
    assert_eq!(code, 130, "{screen}");
    assert!(!screen.contains("half a passph"), "{screen}");
    assert_echo_is_back(&screen);
    assert_eq!(signer.key_files(), before);
}

#[test]
fn ctrl_c_at_the_first_question_makes_no_key() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let image = signer.push("app", "1");
    let mut terminal = terminal(&signer, &format!("sign {image}"));
    terminal.await_text("Enter passphrase for new root key with ID ");
    terminal.press("\x03");
    let (code, screen) = terminal.end();
    assert_eq!(code, 130, "{screen}");
    assert_echo_is_back(&screen);
    assert!(signer.trust_files().is_empty());
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let (mut signer, image) = signed_once();
    for kind in ["ROOT", "REPOSITORY"] {
        signer.user.unset(&format!("DOCKER_CONTENT_TRUST_{kind}_PASSPHRASE"));
    }
    for role in ["ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"] {
        signer.user.unset(&format!("NOTARY_{role}_PASSPHRASE"));
    }
    let before = signer.key_files();
    let finished = signer.user.trust(&["sign", &image]).expect_code(11);
    assert!(finished.stderr.contains("no terminal"), "{}", finished.stderr);
    assert_eq!(signer.key_files(), before);
}

#[test]
fn a_wrong_passphrase_without_a_terminal_is_told_with_its_source() {
    let (mut signer, image) = signed_once();
    signer.user.set("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "a wrong secret");
    signer.user.set("NOTARY_TARGETS_PASSPHRASE", "a wrong secret");
    let finished = signer.user.trust(&["sign", &image]).expect_code(11);
    let words = finished.stderr;
    assert!(words.contains("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE"), "{words}");
    assert!(!words.contains("a wrong secret"), "{words}");
}

#[test]
fn no_secret_is_ever_printed() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let mut signer = Signer::new(&notary.url());
    signer.user.log_in(&signer.registry.host_port(), "somebody", "login secret");
    let image = signer.push("app", "1");
    let key = signer.user.home().join("alice.pub").display().to_string();
    let gun = image.rsplit_once(':').unwrap().0.to_owned();
    let commands: [&[&str]; 9] = [
        &["sign", &image],
        &["sign", "no such image"],
        &["key", "generate", "alice"],
        &["signer", "add", "--key", &key, "alice", &gun],
        &["verify", &image],
        &["inspect", &image],
        &["key", "ls"],
        &["revoke", "--yes", &image],
        &["key", "inspect", "--unlock", &key],
    ];
    for command in commands {
        for volume in ["--debug", "--verbose"] {
            let mut words = vec!["--no-prompt", volume];
            words.extend(command);
            let finished = signer.user.trust(&words);
            let said = format!("{}{}", finished.stdout, finished.stderr);
            for secret in [ROOT_PASSPHRASE, REPOSITORY_PASSPHRASE, "login secret", "PRIVATE KEY"] {
                assert!(!said.contains(secret), "{command:?} says {secret}:\n{said}");
            }
            assert!(!said.contains("c29tZWJvZHk6bG9naW4gc2VjcmV0"), "{command:?}:\n{said}");
        }
    }
}

#[test]
fn ctrl_c_while_a_server_is_silent_ends_at_once() {
    let server = Server::start(|_| crate::harness::Reply::Silence);
    let signer = Signer::new(&server.url());
    let image = format!("{}/app:1", signer.registry.host_port());
    let mut terminal = terminal(&signer, &format!("verify --no-registry {image}"));
    while server.log().is_empty() {
        std::thread::yield_now();
    }
    terminal.press("\x03");
    let (code, screen) = terminal.end();
    assert_eq!(code, 130, "{screen}");
    assert_echo_is_back(&screen);
}

#[test]
fn a_server_without_the_repository_asks_for_no_passphrase() {
    let server = Server::start(|_| not_found());
    let mut user = User::new();
    user.set("DOCKER_CONTENT_TRUST_SERVER", &server.url());
    let image = format!("{}/app:1", server.host_port());
    user.trust(&["revoke", "--yes", &image]).expect_code(3);
}

/// Somebody whose repository is set up, and another image to sign in it.
fn signed_once() -> (Signer, String) {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let mut signer = Signer::new(&notary.url());
    signer.keep(notary);
    signer.user.trust(&["sign", "--quiet", &signer.push("app", "1")]).success();
    let image = signer.push("app", "2");
    (signer, image)
}
