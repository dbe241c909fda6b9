//! Parser directives: comments at the top that say how the file is read (images.md §1.1).

use std::collections::BTreeSet;

use crate::dockerfile::error::{Problem, SyntaxError};
use crate::dockerfile::instruction::{Check, Directives, Skipped};
use crate::dockerfile::lines::{Lines, without_end};
use crate::dockerfile::spliced::Spliced;

/// Reads the directives, and leaves the lines behind them.
pub(super) fn read(lines: &mut Lines<'_>) -> Result<Directives, SyntaxError> {
    let mut directives = Directives::default();
    let mut escape = None;
    let mut check = None;
    let mut is_script = false;
    loop {
        let mut after = lines.clone();
        let Some((at, line)) = after.physical()? else { break };
        let line = Spliced::at(without_end(line), at).trimmed();
        // A file may be a script that the frontend's program runs.
        if !is_script && at == 0 && line.text().starts_with("#!") {
            is_script = true;
            *lines = after;
            continue;
        }
        let Some((name, value)) = directive(&line) else { break };
        let place = value.whole();
        let twice = match name.as_str() {
            // Behind a script's first line only these two are looked for.
            "escape" if is_script => break,
            "escape" => {
                let given = match value.text() {
                    "\\" => '\\',
                    "`" => '`',
                    _ => return Err(SyntaxError::new(Problem::Escape, place)),
                };
                escape.replace(given).is_some().then_some("escape")
            }
            "syntax" => {
                let value = first_word(&value).into_word();
                directives.syntax.replace(value).is_some().then_some("syntax")
            }
            "check" => {
                check.replace(self::check(&first_word(&value))?).is_some().then_some("check")
            }
            _ => break,
        };
        if let Some(name) = twice {
            return Err(SyntaxError::new(Problem::DirectiveTwice { name }, line.whole()));
        }
        *lines = after;
    }
    directives.escape = escape.unwrap_or(directives.escape);
    directives.check = check.unwrap_or_default();
    Ok(directives)
}

/// What a comment above an instruction says of the checks of it alone.
pub(super) fn check_of_comment(comment: &str) -> Option<Check> {
    let (name, value) = directive(&Spliced::at(&format!("#{comment}"), 0))?;
    (name == "check").then(|| check(&first_word(&value)).ok()).flatten()
}

/// `# name=value`; the name in small letters.
fn directive(line: &Spliced) -> Option<(String, Spliced)> {
    let comment = line.text().strip_prefix('#')?;
    let (name, value) = comment.split_once('=')?;
    let start = line.text().len() - value.len();
    let (name, value) = (name.trim(), line.part(start..line.text().len()).trimmed());
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_name && !value.is_empty()).then(|| (name.to_ascii_lowercase(), value))
}

fn first_word(value: &Spliced) -> Spliced {
    value.part(0..value.text().find(' ').unwrap_or(value.text().len()))
}

/// `skip=NAME,NAME;error=true`
fn check(value: &Spliced) -> Result<Check, SyntaxError> {
    let mut check = Check::default();
    let mut start = 0;
    for option in value.text().split(';') {
        let place = value.place(start..start + option.len());
        start += option.len() + 1;
        let wrong = || {
            let problem = Problem::CheckOption { option: option.to_owned() };
            SyntaxError::new(problem, place.clone())
        };
        let (key, names) = option.split_once('=').ok_or_else(wrong)?;
        let names = names.trim();
        match key.trim() {
            "skip" if names == ALL => check.skip = Skipped::All,
            "skip" => {
                let listed = list(names);
                match &mut check.skip {
                    Skipped::These(skipped) => skipped.extend(listed),
                    Skipped::All => {}
                }
            }
            "experimental" => check.experimental.extend(list(names)),
            "error" => check.error = boolean(names).ok_or_else(wrong)?,
            _ => return Err(wrong().suggesting(key.trim(), &["skip", "experimental", "error"])),
        }
    }
    Ok(check)
}

fn list(names: &str) -> BTreeSet<String> {
    names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// A truth value as Go's `strconv.ParseBool` reads it.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Every check.
pub(super) const ALL: &str = "all";

impl Default for Directives {
    fn default() -> Self {
        Self { syntax: None, escape: '\\', check: Check::default() }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::dockerfile::instruction::Word;

    fn directives(text: &str) -> Result<(Directives, Option<usize>), SyntaxError> {
        let mut lines = Lines::of(text);
        let directives = read(&mut lines)?;
        Ok((directives, lines.physical()?.map(|(at, _)| at)))
    }

    #[test_case("# escape=`\nx", '`', 11; "plain")]
    #[test_case("  #\tESCAPE \t= ` \r\nx", '`', 18; "blanks and letters")]
    #[test_case("#syntax=a\n# escape=`\nx", '`', 21; "after another")]
    #[test_case("# why\n# escape=`\nx", '\\', 0; "after a comment")]
    #[test_case("\n# escape=`\nx", '\\', 0; "after an empty line")]
    #[test_case("# other=x\n# escape=`\nx", '\\', 0; "after an unknown one")]
    #[test_case("# escape=\n", '\\', 0; "without a value")]
    #[test_case("# my-escape=`\n", '\\', 0; "no name")]
    #[test_case("#!/usr/bin/x\n# escape=`\nx", '\\', 13; "in a script")]
    fn escapes(text: &str, expected: char, rest: usize) {
        let (directives, at) = directives(text).unwrap();
        assert_eq!((directives.escape, at), (expected, Some(rest)));
    }

    #[test]
    fn syntax_and_check_are_one_word() {
        let text = "#!x\n# syntax=docker/dockerfile:1 a\n# check=skip=A,B;error=TRUE c\n";
        let (directives, at) = directives(text).unwrap();
        let syntax = Word { text: "docker/dockerfile:1".to_owned(), at: 13..32 };
        assert_eq!(directives.syntax, Some(syntax));
        let skipped = ["A".to_owned(), "B".to_owned()].into();
        assert_eq!(directives.check.skip, Skipped::These(skipped));
        assert!(directives.check.error && directives.check.experimental.is_empty());
        assert_eq!(at, None);
    }

    #[test]
    fn checks_may_be_all() {
        let (directives, _) = directives("# check=skip=all;experimental=all").unwrap();
        assert_eq!(directives.check.skip, Skipped::All);
        assert!(directives.check.experimental.contains(ALL));
    }

    #[test_case("# escape=x", Problem::Escape, 9..10; "strange escape")]
    #[test_case("# escape=`\n# Escape=`", Problem::DirectiveTwice { name: "escape" }, 11..21; "escape twice")]
    #[test_case("# syntax=a\n# syntax=a", Problem::DirectiveTwice { name: "syntax" }, 11..21; "syntax twice")]
    #[test_case("# check=skip", Problem::CheckOption { option: "skip".to_owned() }, 8..12; "no value")]
    #[test_case("# check=skip=A;error=x", Problem::CheckOption { option: "error=x".to_owned() }, 15..22; "no truth value")]
    #[test_case("# check=skips=A", Problem::CheckOption { option: "skips=A".to_owned() }, 8..15; "misspelt")]
    fn refused(text: &str, problem: Problem, at: std::ops::Range<usize>) {
        let error = directives(text).unwrap_err();
        assert_eq!((error.problem, error.at), (problem, at));
    }

    #[test]
    fn a_comment_may_have_a_check_of_its_own() {
        let check = check_of_comment("check=skip=A because").unwrap();
        assert_eq!(check.skip, Skipped::These(["A".to_owned()].into()));
        assert_eq!(check_of_comment("checked=skip=A"), None);
        assert_eq!(check_of_comment("check=what=A"), None);
    }
}
