//! Which collections a command is for: those that were named, or all of the trust directory.

use jiff::Span;

use crate::actions::Context;
use crate::cli::error::CliError;
use crate::tuf::Gun;

/// The collections named, as they were typed, or with `all` every one the trust directory knows.
pub fn named_or_all(context: &Context, names: &[String], all: bool) -> Result<Vec<Gun>, CliError> {
    if all {
        return Ok(context.trust_dir.guns()?);
    }
    if names.is_empty() {
        return Err(CliError::usage("name a collection, or give `--all`"));
    }
    names.iter().map(|name| Ok(Gun::parse(name)?)).collect()
}

/// A length of time such as `90d`, `12w`, `6mo` or `1y`, for clap.
pub fn duration(text: &str) -> Result<Span, String> {
    let wrong = || "not a length of time such as `90d`, `12w`, `6mo` or `1y`".to_owned();
    let span: Span = text.parse().map_err(|_| wrong())?;
    if span.is_positive() { Ok(span) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("90d", Span::new().days(90))]
    #[test_case("12w", Span::new().weeks(12))]
    #[test_case("6mo", Span::new().months(6))]
    #[test_case("1y", Span::new().years(1))]
    fn lengths_of_time_are_read(text: &str, expected: Span) {
        assert_eq!(duration(text).unwrap().fieldwise(), expected.fieldwise());
    }

    #[test_case("")]
    #[test_case("0d")]
    #[test_case("-3d"; "the past")]
    #[test_case("soon")]
    #[test_case("90")]
    fn other_words_are_not(text: &str) {
        duration(text).unwrap_err();
    }
}
