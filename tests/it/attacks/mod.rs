//! What a hostile or broken trust server may try, each attack against the program and the library
//! alike: the exit code, the rule that was broken, and a trust directory that is as it was.

mod arbitrary;
mod delegations;
mod endless_data;
mod freeze;
mod malformed;
mod mix_and_match;
mod pinning;
mod publishing;
mod redirects;
mod rollback;
mod root_rotation;
mod rows;
mod scale;
mod switches;
mod table;
mod threshold;

/// Asserts that something matches a pattern, and shows it if not.
macro_rules! assert_matches {
    ($value:expr, $pattern:pat $(if $guard:expr)? $(,)?) => {{
        let value = $value;
        assert!(matches!(&value, $pattern $(if $guard)?), "unexpected: {value:?}");
    }};
}
pub(crate) use assert_matches;
