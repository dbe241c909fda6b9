//! The questions of `key rotate`, `key backup` and `key restore`, on a terminal.

use std::process::Command;

use super::world::private_keys;
use crate::harness::Signer;
use crate::harness::signer::TRUST;
use crate::harness::terminal::Terminal;
use crate::peers::user::ROOT_PASSPHRASE;
use crate::peers::{NotaryOptions, NotaryServer};

fn terminal(signer: &Signer, args: &str) -> Terminal {
    let mut command = Command::new("script");
    command.env_clear().envs(signer.settings()).env("TERM", "dumb").env("SHELL", "/bin/sh");
    command.current_dir(signer.user.home());
    Terminal::run(&format!("{TRUST} {args}"), command)
}

#[test]
fn a_root_key_is_rotated_after_a_yes() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let image = signer.push("app", "1");
    signer.user.trust(&["sign", "--quiet", &image]).success();
    let gun = image.strip_suffix(":1").unwrap();
    let rotate = format!("key rotate {gun} root");
    for answer in ["n\n", "\n", "nearly\n"] {
        let mut terminal = terminal(&signer, &rotate);
        terminal.await_text("[y/N] ");
        terminal.press(answer);
        let (code, screen) = terminal.end();
        assert_eq!(code, 0, "{screen}");
        assert!(screen.contains("Nothing was rotated"), "{screen}");
    }
    assert_eq!(private_keys(&signer.user, "root").len(), 1);
    let mut terminal = terminal(&signer, &rotate);
    terminal.await_text("[y/N] ");
    terminal.press("yes\n");
    terminal.await_text("Enter passphrase for root key with ID ");
    terminal.await_text(": ");
    terminal.press(&format!("{ROOT_PASSPHRASE}\n"));
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Successfully rotated root key"), "{screen}");
    assert_eq!(private_keys(&signer.user, "root").len(), 2);
    signer.user.trust(&["verify", &image]).success();
}

#[test]
fn the_passphrase_of_a_backup_is_typed_twice() {
    let signer = Signer::new("https://localhost:1");
    signer.user.trust(&["key", "generate", "bob"]).success();
    let mut backup = terminal(&signer, "key backup -o keys.backup");
    backup.await_text("Enter passphrase for new backup: ");
    backup.press("short\n");
    backup.await_text("too short");
    for question in ["Enter", "Repeat"] {
        backup.await_text(&format!("{question} passphrase for new backup: "));
        backup.press("typed for the backup\n");
    }
    let (code, screen) = backup.end();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("typed for"), "{screen}");

    let mut restore = terminal(&signer, "key restore --check keys.backup");
    restore.await_text("Enter passphrase for backup: ");
    restore.press("not the passphrase\n");
    restore.await_text("Passphrase incorrect. Please retry.");
    restore.await_text("Enter passphrase for backup: ");
    restore.press("typed for the backup\n");
    let (code, screen) = restore.end();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("is whole, and holds 1 key"), "{screen}");

    let mut restore = terminal(&signer, "key restore --check keys.backup");
    for _ in 0..3 {
        restore.await_text("Enter passphrase for backup: ");
        restore.press("not the passphrase\n");
    }
    let (code, screen) = restore.end();
    assert_eq!(code, 11, "{screen}");
    assert!(screen.contains("wrong passphrase for the backup"), "{screen}");
}
