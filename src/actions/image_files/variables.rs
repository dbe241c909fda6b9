//! Variables in the names of images: only what the file itself says of them counts.
//!
//! A value that stands in one piece somewhere in the file keeps its place there if it is the whole
//! name, so that a digest can be put to it; a name put together of several pieces has none.

use crate::actions::image_files::Unresolved;
use crate::actions::image_files::traced::{Letter, Traced, text_of};
use crate::limits::{MAX_EXPANSION_DEPTH, MAX_IMAGE_TEXT_CHARS};

/// How a kind of file writes what is not literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A Dockerfile: quotes, and this character takes the meaning of the next away.
    Dockerfile { escape: char },
    /// A compose file: no quotes, and `$$` is a dollar sign.
    Compose,
}

/// What the file says of a variable; none if it gives it no value.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<Result<Traced, Unresolved>>;

/// Returns the word with quotes taken off and variables replaced by their values.
pub(super) fn expand(
    word: &[Letter],
    dialect: Dialect,
    lookup: Lookup<'_>,
) -> Result<Traced, Unresolved> {
    expand_at(word, dialect, lookup, MAX_EXPANSION_DEPTH)
}

fn expand_at(
    word: &[Letter],
    dialect: Dialect,
    lookup: Lookup<'_>,
    depth: usize,
) -> Result<Traced, Unresolved> {
    let depth = depth.checked_sub(1).ok_or(Unresolved::TooLong)?;
    let mut expansion = Expansion { dialect, lookup, depth, result: Traced::default(), pieces: 0 };
    let mut literal = false;
    let mut quote = None;
    let mut rest = word;
    while let Some((letter, after)) = rest.split_first() {
        rest = after;
        match (letter.char, quote, dialect) {
            ('$', None | Some('"'), _) => {
                let (after, was_variable) = expansion.dollar(*letter, rest)?;
                rest = after;
                literal |= !was_variable;
                continue;
            }
            (mark @ ('\'' | '"'), None, Dialect::Dockerfile { .. }) => {
                quote = Some(mark);
                continue;
            }
            (mark, Some(open), _) if mark == open => {
                quote = None;
                continue;
            }
            (mark, None | Some('"'), Dialect::Dockerfile { escape }) if mark == escape => {
                let Some((next, after)) = rest.split_first() else { continue };
                let special =
                    quote.is_none() || matches!(next.char, '"' | '$') || next.char == mark;
                if special {
                    rest = after;
                    expansion.push(next.forgotten())?;
                } else {
                    expansion.push(*letter)?;
                }
            }
            _ => expansion.push(*letter)?,
        }
        literal = true;
    }
    if quote.is_some() {
        return Err(Unresolved::Unclosed);
    }
    let Expansion { result, pieces, .. } = expansion;
    let whole = pieces == 0 || (pieces == 1 && !literal);
    Ok(if whole { result } else { result.forgotten() })
}

struct Expansion<'a> {
    dialect: Dialect,
    lookup: Lookup<'a>,
    depth: usize,
    result: Traced,
    /// How many variables there were.
    pieces: usize,
}

impl Expansion<'_> {
    fn push(&mut self, letter: Letter) -> Result<(), Unresolved> {
        if self.result.letters.len() >= MAX_IMAGE_TEXT_CHARS {
            return Err(Unresolved::TooLong);
        }
        self.result.letters.push(letter);
        Ok(())
    }

    fn append(&mut self, value: &Traced) -> Result<(), Unresolved> {
        value.letters.iter().try_for_each(|letter| self.push(*letter))
    }

    /// What follows a dollar sign; returns what is left, and whether it was a variable.
    fn dollar<'a>(
        &mut self,
        dollar: Letter,
        rest: &'a [Letter],
    ) -> Result<(&'a [Letter], bool), Unresolved> {
        let next = rest.first().map(|letter| letter.char);
        if next == Some('$') && self.dialect == Dialect::Compose {
            self.push(dollar.forgotten())?;
            return Ok((rest.get(1..).unwrap_or_default(), false));
        }
        if next == Some('{') {
            let (inside, after) = braces(rest)?;
            self.pieces += 1;
            self.in_braces(inside)?;
            return Ok((after, true));
        }
        let length = name_length(rest);
        if length == 0 {
            if self.dialect == Dialect::Compose {
                return Err(Unresolved::BadExpansion { text: "$".to_owned() });
            }
            self.push(dollar)?;
            return Ok((rest, false));
        }
        let (name, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        self.pieces += 1;
        let name = text_of(name);
        let value = (self.lookup)(&name).ok_or(Unresolved::NoDefault { variable: name })??;
        self.append(&value)?;
        Ok((after, true))
    }

    /// `NAME`, `NAME:-word` and the like, without the braces.
    fn in_braces(&mut self, inside: &[Letter]) -> Result<(), Unresolved> {
        let bad = || Unresolved::BadExpansion { text: format!("${{{}}}", text_of(inside)) };
        let length = name_length(inside);
        let (name, rest) = inside.split_at_checked(length).ok_or_else(bad)?;
        if name.is_empty() {
            return Err(bad());
        }
        let variable = text_of(name);
        let value = (self.lookup)(&variable).transpose()?;
        let (empty_counts, rest) = match rest.split_first() {
            Some((colon, after)) if colon.char == ':' => (false, after),
            _ => (true, rest),
        };
        let value = value.filter(|value| empty_counts || !value.letters.is_empty());
        let operator = rest.first().map(|letter| letter.char);
        let word = rest.get(1..).unwrap_or_default();
        match (operator, value) {
            (None, _) if !empty_counts => Err(bad()),
            (None | Some('?'), None) => Err(Unresolved::NoDefault { variable }),
            (Some('+'), None) => Ok(()),
            (None | Some('-' | '?'), Some(value)) => self.append(&value),
            (Some('-'), None) | (Some('+'), Some(_)) => {
                let value = expand_at(word, self.dialect, self.lookup, self.depth)?;
                self.append(&value)
            }
            (Some(_), _) => Err(bad()),
        }
    }
}

/// Splits what begins with a brace behind the one that closes it.
fn braces(rest: &[Letter]) -> Result<(&[Letter], &[Letter]), Unresolved> {
    let mut depth = 0_usize;
    for (index, letter) in rest.iter().enumerate() {
        match letter.char {
            '{' => depth += 1,
            '}' if depth <= 1 => {
                let inside = rest.get(1..index).unwrap_or_default();
                return Ok((inside, rest.get(index + 1..).unwrap_or_default()));
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err(Unresolved::Unclosed)
}

/// How many letters at the beginning are the name of a variable.
fn name_length(letters: &[Letter]) -> usize {
    let word = |letter: &&Letter| letter.char.is_ascii_alphanumeric() || letter.char == '_';
    match letters.first() {
        Some(first) if first.char.is_ascii_digit() => 1,
        _ => letters.iter().take_while(word).count(),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const DOCKERFILE: Dialect = Dialect::Dockerfile { escape: '\\' };

    fn expanded(text: &str, dialect: Dialect) -> Result<Traced, Unresolved> {
        let lookup = |name: &str| match name {
            "SET" => Some(Ok(Traced::at("value", 100))),
            "EMPTY" => Some(Ok(Traced::default())),
            "BAD" => Some(Err(Unresolved::Unclosed)),
            _ => None,
        };
        expand(&Traced::at(text, 0).letters, dialect, &lookup)
    }

    #[test_case("alpine:3.20", "alpine:3.20", Some(0..11); "literal")]
    #[test_case("\"alpine\"", "alpine", Some(1..7); "quoted")]
    #[test_case("'$SET'", "$SET", Some(1..5); "single quotes")]
    #[test_case("al\"pi\"ne", "alpine", None; "quotes inside")]
    #[test_case("al\\pine", "alpine", None; "escaped")]
    #[test_case("$SET", "value", Some(100..105); "variable")]
    #[test_case("\"${SET}\"", "value", Some(100..105); "variable in braces and quotes")]
    #[test_case("${SET:-other}", "value", Some(100..105); "default not needed")]
    #[test_case("${NOT:-alpine}", "alpine", Some(7..13); "default")]
    #[test_case("${NOT-alpine}", "alpine", Some(6..12); "default without colon")]
    #[test_case("${NOT:-${SET}}", "value", Some(100..105); "variable as default")]
    #[test_case("${EMPTY-x}a", "a", None; "empty value counts")]
    #[test_case("${EMPTY:-x}", "x", Some(9..10); "empty value does not count")]
    #[test_case("${SET:+yes}", "yes", Some(7..10); "alternative")]
    #[test_case("a${NOT:+yes}", "a", None; "no alternative")]
    #[test_case("alpine:$SET", "alpine:value", None; "partly variable")]
    #[test_case("alpine${EMPTY}", "alpine", None; "partly variable, though empty")]
    #[test_case("$SET$SET", "valuevalue", None; "two variables")]
    #[test_case("a$", "a$", Some(0..2); "dollar alone")]
    fn in_a_dockerfile(text: &str, expected: &str, span: Option<std::ops::Range<usize>>) {
        let traced = expanded(text, DOCKERFILE).unwrap();
        assert_eq!((traced.text().as_str(), traced.span()), (expected, span));
    }

    #[test_case("'alpine'", "'alpine'", Some(0..8); "quotes are literal")]
    #[test_case("a$$b", "a$b", None; "dollar")]
    #[test_case("${NOT:-alpine:3.20}", "alpine:3.20", Some(7..18); "default")]
    #[test_case("registry/${NOT:-app}:1", "registry/app:1", None; "partly variable")]
    fn in_a_compose_file(text: &str, expected: &str, span: Option<std::ops::Range<usize>>) {
        let traced = expanded(text, Dialect::Compose).unwrap();
        assert_eq!((traced.text().as_str(), traced.span()), (expected, span));
    }

    #[test_case("$NOT", "NOT")]
    #[test_case("a:${NOT}", "NOT")]
    #[test_case("${NOT:?say it}", "NOT")]
    #[test_case("${SET:+$NOT}", "NOT")]
    fn a_variable_without_value_is_named(text: &str, name: &str) {
        let expected = Unresolved::NoDefault { variable: name.to_owned() };
        assert_eq!(expanded(text, DOCKERFILE), Err(expected.clone()));
        assert_eq!(expanded(text, Dialect::Compose), Err(expected));
    }

    #[test_case("${}")]
    #[test_case("${:-x}")]
    #[test_case("${SET%:*}")]
    #[test_case("${SET/a/b}")]
    #[test_case("${SET:}")]
    fn what_is_not_understood_is_refused(text: &str) {
        let bad = Err(Unresolved::BadExpansion { text: text.to_owned() });
        assert_eq!(expanded(text, DOCKERFILE), bad);
    }

    #[test_case("${SET")]
    #[test_case("\"x")]
    #[test_case("$BAD")]
    fn what_is_not_closed_is_refused(text: &str) {
        assert_eq!(expanded(text, DOCKERFILE), Err(Unresolved::Unclosed));
    }

    #[test]
    fn expansion_is_bounded() {
        let deep = format!("{}x{}", "${N:-".repeat(100), "}".repeat(100));
        assert_eq!(expanded(&deep, DOCKERFILE), Err(Unresolved::TooLong));
        let fits = format!("{}x{}", "${N:-".repeat(10), "}".repeat(10));
        assert_eq!(expanded(&fits, DOCKERFILE).unwrap().text(), "x");
        let long = "x".repeat(MAX_IMAGE_TEXT_CHARS + 1);
        assert_eq!(expanded(&long, DOCKERFILE), Err(Unresolved::TooLong));
        assert!(expanded(long.get(1..).unwrap(), DOCKERFILE).is_ok());
    }
}
