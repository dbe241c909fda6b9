//! `trust demo`, which is the first thing that anybody sees.

use std::fs;

use crate::peers::User;

#[test]
fn the_story_is_told_to_its_end_and_nothing_is_left() {
    let mut user = User::new();
    let folder = tempfile::tempdir().unwrap();
    user.set("TMPDIR", &folder.path().display().to_string());
    let told = user.trust(&["demo"]).success();
    for words in [
        "Successfully signed localhost:",
        "DENIED",
        "refused, with exit code",
        "Successfully rotated targets key",
        "What to try next",
    ] {
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
    assert!(!user.home().join(".docker/trust").exists());
}
