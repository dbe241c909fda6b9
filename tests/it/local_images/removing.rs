//! Names and images removed: messages, exit codes, and what is left.

use std::process::Command;

use crate::harness::signer::TRUST;
use crate::harness::terminal::Terminal;
use crate::local_images::world::World;

#[test]
fn the_last_name_takes_the_image_and_the_rest_stays_whole() {
    let world = World::with_images();
    let (base, app) = (world.id("base:1"), world.id("app:1"));
    world.trust(&["tag", "app:1", "h.example/app:2"]).success();
    assert_eq!(world.prints(&["rmi", "app:1"]), "Untagged: app:1\n");
    let printed = world.prints(&["rmi", "h.example/app:2"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[..2], ["Untagged: h.example/app:2", &format!("Deleted: {app}")]);
    assert_eq!(lines.len(), 3, "one layer was its own: {printed}");
    world.layout().assert_whole();
    assert_eq!(world.id("base:1"), base);
    assert_eq!(world.layout().blobs().len(), 6);
    let finished = world.trust(&["rmi", "app:1"]).expect_code(8);
    assert!(finished.stderr.starts_with("error: No such image: app:1\n"), "{}", finished.stderr);
}

#[test]
fn a_base_stays_unless_forced() {
    let world = World::with_images();
    let id = world.id("base:1");
    let finished = world.trust(&["image", "rm", &id]).expect_code(12);
    assert!(finished.stderr.contains("image has dependent child images"), "{}", finished.stderr);
    assert_eq!(world.prints(&["image", "rm", "base:1"]), "Untagged: base:1\n");
    assert_eq!(world.id(&id), id);
    assert_eq!(world.prints(&["image", "rm", "-f", &id]), format!("Deleted: {id}\n"));
    world.layout().assert_whole();
    world.trust(&["image", "layers", "--verify", "app:1"]).success();
}

#[test]
fn several_names_need_force_and_several_arguments_go_on() {
    let world = World::with_images();
    world.trust(&["tag", "other:nope", "x"]).expect_code(8);
    world.trust(&["tag", "h.example:5000/x/other:2", "x"]).success();
    let id = world.id("x");
    let short = &id[7..19];
    let finished = world.trust(&["rmi", "nope", short, "app:1"]).expect_code(8);
    let words = format!(
        "conflict: unable to delete {short} (must be forced) - image is referenced in multiple \
         repositories"
    );
    assert!(finished.stderr.contains("No such image: nope"), "{}", finished.stderr);
    assert!(finished.stderr.contains(&words), "{}", finished.stderr);
    assert!(finished.stdout.starts_with("Untagged: app:1\n"), "{}", finished.stdout);
    let printed = world.prints(&["rmi", "--force", short]);
    assert!(printed.contains("Untagged: x:latest\n") && printed.contains("Deleted: "), "{printed}");
    assert_eq!(world.names(), ["base:1"]);
}

#[test]
fn pruning_asks_and_tells_what_it_made_room_for() {
    let world = World::with_images();
    let refused = world.trust(&["prune"]).expect_code(2);
    assert!(refused.stderr.contains("hint: `--force`"), "{}", refused.stderr);
    world.trust(&["--no-prompt", "image", "prune", "-a"]).expect_code(2);
    assert_eq!(world.prints(&["prune", "-f"]), "Total reclaimed space: 0B\n");
    let app = world.id("app:1");
    world.trust(&["tag", "base:1", "app:1"]).success();
    let printed = world.prints(&["prune", "-f"]);
    let start = format!("Deleted Images:\ndeleted: {app}\ndeleted: sha256:");
    assert!(printed.starts_with(&start), "{printed}");
    let last = printed.lines().last().unwrap();
    assert!(last.starts_with("Total reclaimed space: ") && last.ends_with("kB"), "{printed}");
    world.layout().assert_whole();
    assert_eq!(world.names().len(), 3);
    world.trust(&["prune", "-f", "-a", "--filter", "label=made=base"]).success();
    assert_eq!(world.names(), ["h.example:5000/x/other:2"]);
    world.trust(&["prune", "-af"]).success();
    assert_eq!(world.layout().blobs(), [""; 0]);
    let finished = world.trust(&["prune", "-f", "--filter", "foo=1"]).expect_code(2);
    assert!(finished.stderr.contains("invalid filter 'foo'"), "{}", finished.stderr);
}

#[test]
fn a_question_on_the_terminal_is_answered() {
    let world = World::with_images();
    let folder = world.folder().display().to_string();
    let prune = |answer: &str| {
        let mut command = Command::new("script");
        command.env("HOME", world.user.home()).env("TERM", "dumb").env("SHELL", "/bin/sh");
        let line = format!("{TRUST} prune -a --layout {folder}");
        let mut terminal = Terminal::run(&line, command);
        terminal.await_text("WARNING! This will remove all images, those with a name too.");
        terminal.await_text("Are you sure you want to continue? [y/N] ");
        terminal.press(answer);
        let (code, _) = terminal.end();
        assert_eq!(code, 0);
        world.names().len()
    };
    assert_eq!(prune("n\n"), 3);
    assert_eq!(prune("y\n"), 0);
}

#[test]
fn names_that_cannot_be_given() {
    let world = World::with_images();
    for (name, words) in [
        ("Upper", "is not a valid repository/tag"),
        (
            "a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "refusing to create a tag with a digest reference",
        ),
        ("sha256:1", "refusing to create an ambiguous tag using digest algorithm as name"),
    ] {
        let finished = world.trust(&["tag", "app:1", name]).expect_code(2);
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
    assert_eq!(world.names().len(), 3);
}
