//! The exit codes: what a script learns without reading our words.
//!
//! `spec/exit-codes.md` is the page for people; a test holds both to the same list.

/// Everything asked for was done.
pub const SUCCESS: u8 = 0;
/// A fault of this program.
pub const INTERNAL: u8 = 1;
/// The command line is wrong: a flag, reference, tag, digest or name.
pub const USAGE: u8 = 2;
/// Not trusted: no valid signature, or no trust data for this repository or tag.
pub const UNTRUSTED: u8 = 3;
/// Signed, but not by whom was demanded, or by too few.
pub const WRONG_SIGNER: u8 = 4;
/// What the registry serves is not what is signed.
pub const MOVED: u8 = 5;
/// The trust data is expired or stale.
pub const EXPIRED: u8 = 6;
/// The trust data was rolled back or tampered with.
pub const TAMPERED: u8 = 7;
/// An image, tag, key or signer is not there.
pub const NOT_FOUND: u8 = 8;
/// A server wants a login, or another one.
pub const AUTHENTICATION: u8 = 9;
/// A server cannot be reached, or fails.
pub const NETWORK: u8 = 10;
/// A key is unusable or its passphrase is missing or wrong.
pub const KEY: u8 = 11;
/// Refused by a rule: pinning, an example key, the configuration.
pub const POLICY: u8 = 12;
/// Another process holds the lock, or somebody published first.
pub const BUSY: u8 = 13;
/// Local files: read-only, full, unreadable or corrupt.
pub const STORAGE: u8 = 14;
/// A command that an image is made with failed.
pub const FAILED: u8 = 15;
/// `trust run`: the command was not run.
pub const NOT_RUN: u8 = 125;
/// `trust run`: the command is there, but cannot be run.
pub const NOT_EXECUTABLE: u8 = 126;
/// `trust run`: the image has no such command.
pub const NO_PROGRAM: u8 = 127;
/// Stopped by the person (128 + SIGINT).
pub const INTERRUPTED: u8 = 130;
/// Whoever reads our output went away before the end (128 + SIGPIPE).
pub const OUTPUT_CLOSED: u8 = 141;

/// Every code with the name `spec/exit-codes.md` gives it, ascending.
pub const ALL: &[(u8, &str)] = &[
    (SUCCESS, "success"),
    (INTERNAL, "internal"),
    (USAGE, "usage"),
    (UNTRUSTED, "untrusted"),
    (WRONG_SIGNER, "wrong signer"),
    (MOVED, "moved"),
    (EXPIRED, "expired"),
    (TAMPERED, "tampered"),
    (NOT_FOUND, "not found"),
    (AUTHENTICATION, "authentication"),
    (NETWORK, "network"),
    (KEY, "key"),
    (POLICY, "policy"),
    (BUSY, "busy"),
    (STORAGE, "storage"),
    (FAILED, "failed"),
    (NOT_RUN, "not run"),
    (NOT_EXECUTABLE, "not executable"),
    (NO_PROGRAM, "no program"),
    (INTERRUPTED, "interrupted"),
    (OUTPUT_CLOSED, "output closed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_people_lists_the_same_codes() {
        let page = include_str!("../../spec/exit-codes.md");
        let mut listed = Vec::new();
        for line in page.lines() {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let (Some(code), Some(name)) = (cells.next(), cells.next()) else { continue };
            if let Ok(code) = code.parse::<u8>() {
                listed.push((code, name));
            }
        }
        assert_eq!(listed, ALL);
    }

    #[test]
    fn no_two_outcomes_share_a_code() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
