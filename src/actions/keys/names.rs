//! Names of keys and signers, by docker's rule.

use crate::actions::keys::KeyActionError;

/// Checks a name against `^[a-z0-9][a-z0-9_\-]*$` (notary.md §2.4).
pub fn check_key_name(name: &str) -> Result<(), KeyActionError> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut bytes = name.bytes();
    let good = bytes.next().is_some_and(letter)
        && bytes.all(|byte| letter(byte) || matches!(byte, b'_' | b'-'));
    if good { Ok(()) } else { Err(KeyActionError::BadName { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("alice", true)]
    #[test_case("0a-b_c", true)]
    #[test_case("", false)]
    #[test_case("Alice", false)]
    #[test_case("-a", false)]
    #[test_case("_a", false)]
    #[test_case("a/../b", false)]
    #[test_case("a\n", false)]
    #[test_case("é", false)]
    fn a_key_name_is_a_safe_file_name(name: &str, expected: bool) {
        assert_eq!(check_key_name(name).is_ok(), expected);
    }
}
