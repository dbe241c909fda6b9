//! Names that are none: told at once, before anybody is asked.

use test_case::test_case;

use crate::harness::Victim;

#[test_case(""; "nothing")]
#[test_case("localhost:1/App:1"; "a capital letter")]
#[test_case("localhost:1/app:"; "no tag behind the colon")]
#[test_case("localhost:1/app:-1"; "a tag that begins with a dash")]
#[test_case("localhost:1/app:a b"; "a blank")]
#[test_case("localhost:1/app:a\nb"; "a new line")]
#[test_case("localhost:1/a//b:1"; "an empty segment")]
#[test_case("localhost:1/../b:1"; "a parent folder")]
#[test_case("https://localhost:1/app:1"; "an address")]
#[test_case("localhost:1/app@sha256:00"; "a digest too short")]
#[test_case("localhost:1/app@sha256:"; "a digest of nothing")]
#[test_case("localhost:1/app@md5:d41d8cd98f00b204e9800998ecf8427e"; "a digest of another kind")]
#[test_case("localhost:1/app@sha256:zzb0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; "a digest of no digits")]
#[test_case("localhost:1/app@sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"; "a digest in capitals")]
fn a_name_that_is_none_is_a_usage_error(name: &str) {
    let victim = Victim::new();
    for command in ["verify", "sign", "inspect", "revoke"] {
        let finished = victim.user().trust(&["--no-prompt", command, "--", name]);
        let finished = finished.expect_code(2);
        assert!(finished.stderr.starts_with("error: "), "{}", finished.stderr);
        // Docker's `inspect` prints a list whatever happens.
        let nothing = if command == "inspect" { "[]\n" } else { "" };
        assert_eq!(finished.stdout, nothing);
    }
    assert!(victim.server().log().is_empty(), "somebody was asked: {victim:?}");
    assert!(victim.trust_files().is_empty());
}

#[test]
fn a_tag_too_long_is_a_usage_error() {
    let victim = Victim::new();
    let image = format!("localhost:1/app:{}", "a".repeat(129));
    victim.user().trust(&["verify", &image]).expect_code(2);
}

#[test]
fn a_tag_that_nobody_signed_is_untrusted() {
    let victim = Victim::primed();
    let image = format!("{}:other", victim.repository.gun());
    let finished = victim.user().trust(&["verify", "--no-registry", &image]).expect_code(3);
    assert!(finished.stderr.contains("no valid trust data for other"), "{}", finished.stderr);
}

#[test]
fn a_digest_that_nobody_signed_is_untrusted() {
    let victim = Victim::primed();
    let digest = crate::peers::image::digest(b"something else");
    let image = format!("{}@{digest}", victim.repository.gun());
    victim.user().trust(&["verify", "--no-registry", &image]).expect_code(3);
}

#[test]
fn a_digest_that_is_not_the_tags_is_not_trusted() {
    let victim = Victim::primed();
    let digest = crate::peers::image::digest(b"something else");
    let image = format!("{}@{digest}", victim.image());
    victim.user().trust(&["verify", "--no-registry", &image]).expect_code(5);
}

#[test]
fn a_repository_that_nobody_signed_is_untrusted() {
    let victim = Victim::new();
    let finished = victim.verify_by_program().expect_code(3);
    assert!(finished.stderr.contains("does not have trust data for"), "{}", finished.stderr);
    assert!(victim.trust_files().is_empty());
}
