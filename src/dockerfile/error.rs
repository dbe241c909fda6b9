//! What is wrong with a Dockerfile, and where.

use std::ops::Range;

use crate::limits::MAX_DOCKERFILE_LINE_BYTES;

/// Why a text is no Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SyntaxError {
    /// What is wrong.
    pub problem: Problem,
    /// Where: bytes of the file, the word itself if one word is at fault.
    pub at: Range<usize>,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

/// What can be wrong with a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There are no instructions at all.
    #[error("there are no instructions")]
    NoInstructions,
    /// There is no FROM.
    #[error("there is no FROM")]
    NoStage,
    /// A line is too long.
    #[error("the line has more than {MAX_DOCKERFILE_LINE_BYTES} bytes")]
    LineTooLong,
    /// A parser directive stands there a second time.
    #[error("the directive `{name}` is given twice")]
    DirectiveTwice {
        /// Its name.
        name: &'static str,
    },
    /// The escape character is none.
    #[error("the escape character is a backslash or a backtick")]
    Escape,
    /// What `# check=` says is not understood.
    #[error("`{}` is no option of checks", option.escape_debug())]
    CheckOption {
        /// The option.
        option: String,
    },
    /// A here-document is not ended.
    #[error("the here-document {} has no end", name.escape_debug())]
    HeredocWithoutEnd {
        /// Its name.
        name: String,
    },
    /// Something is copied into a here-document.
    #[error("a here-document cannot be the destination of {instruction}")]
    HeredocAsDestination {
        /// The instruction.
        instruction: &'static str,
    },
    /// A here-document is announced in a JSON array, where none can follow.
    #[error("a JSON array cannot have a here-document")]
    HeredocInJson,
    /// There is no such instruction.
    #[error("there is no instruction {}", name.escape_debug())]
    UnknownInstruction {
        /// What stands there.
        name: String,
    },
    /// An instruction stands before the first FROM.
    #[error("{instruction} stands before the first FROM")]
    BeforeFrom {
        /// The instruction.
        instruction: &'static str,
    },
    /// The instruction has no such flag.
    #[error("{instruction} has no flag --{}", flag.escape_debug())]
    UnknownFlag {
        /// The instruction.
        instruction: &'static str,
        /// The flag, without its dashes.
        flag: String,
    },
    /// A flag stands there twice.
    #[error("the flag --{flag} is given twice")]
    FlagTwice {
        /// The flag, without its dashes.
        flag: &'static str,
    },
    /// A flag lacks its value.
    #[error("the flag --{flag} needs a value")]
    FlagWithoutValue {
        /// The flag, without its dashes.
        flag: &'static str,
    },
    /// A flag is true or false.
    #[error("the flag --{flag} is true or false, not {}", value.escape_debug())]
    FlagNotBoolean {
        /// The flag, without its dashes.
        flag: &'static str,
        /// What it is given.
        value: String,
    },
    /// The value of a flag, or of one of its options, is none of those that it can have.
    #[error("{} is no {what}", value.escape_debug())]
    Value {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
    },
    /// Something has no value.
    #[error("{what} is empty")]
    Empty {
        /// What.
        what: &'static str,
    },
    /// The instruction says nothing.
    #[error("{instruction} needs at least one argument")]
    NoArgument {
        /// The instruction.
        instruction: &'static str,
    },
    /// The instruction must say exactly one thing.
    #[error("{instruction} needs exactly one argument")]
    NotOneArgument {
        /// The instruction.
        instruction: &'static str,
    },
    /// There is only one of source and destination.
    #[error("{instruction} needs at least two arguments, the last of which is the destination")]
    NoDestination {
        /// The instruction.
        instruction: &'static str,
    },
    /// `ENV NAME`
    #[error("{instruction} needs a name and a value")]
    NoValue {
        /// The instruction.
        instruction: &'static str,
    },
    /// A word of `ENV` or `LABEL` that is no assignment.
    #[error("{} has no `=`: every word of {instruction} is name=value", word.escape_debug())]
    NotAssignment {
        /// The instruction.
        instruction: &'static str,
        /// The word.
        word: String,
    },
    /// `=value`
    #[error("a name of {instruction} is empty")]
    NoName {
        /// The instruction.
        instruction: &'static str,
    },
    /// A JSON array of something else than texts.
    #[error("a JSON array of {instruction} can have strings only")]
    NotStrings {
        /// The instruction.
        instruction: &'static str,
    },
    /// An instruction that must be a JSON array.
    #[error("{instruction} must be a JSON array")]
    NotJson {
        /// The instruction.
        instruction: &'static str,
    },
    /// FROM with another number of words.
    #[error("FROM takes an image, and perhaps AS and a name")]
    From,
    /// A stage's name that is none.
    #[error(
        "{} is no name of a stage: it begins with a letter, and has letters, digits, `-`, `_` and `.`",
        name.escape_debug()
    )]
    StageName {
        /// The name.
        name: String,
    },
    /// A trigger that cannot be one.
    #[error("{instruction} cannot be a trigger")]
    Trigger {
        /// The instruction.
        instruction: &'static str,
    },
    /// A trigger's text has several instructions.
    #[error("a trigger is one instruction")]
    SeveralInstructions,
    /// `HEALTHCHECK NONE` and more.
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNone,
    /// `HEALTHCHECK CMD` without a command.
    #[error("HEALTHCHECK CMD needs a command")]
    HealthcheckCommand,
    /// HEALTHCHECK that is neither `NONE` nor `CMD`.
    #[error("HEALTHCHECK is NONE, or CMD and a command, not {}", word.escape_debug())]
    HealthcheckKind {
        /// What it is.
        word: String,
    },
    /// No variables are expanded here, but one is written.
    #[error("variables are not expanded in {what}")]
    NotExpanded {
        /// Where.
        what: &'static str,
    },
    /// Fields that are no comma-separated values (RFC 4180).
    #[error("a quote stands at the wrong place, or is not closed")]
    Fields,
    /// A mount has no such option.
    #[error("a mount has no option {}", key.escape_debug())]
    UnknownMountOption {
        /// The option.
        key: String,
    },
    /// A mount of this type has no such option.
    #[error("a mount of type {kind} has no option {key}")]
    MountOption {
        /// The type.
        kind: &'static str,
        /// The option.
        key: &'static str,
    },
    /// An option of a mount lacks its value.
    #[error("the option {key} of a mount needs a value")]
    MountOptionWithoutValue {
        /// The option.
        key: &'static str,
    },
    /// A secret that is not said.
    #[error("a mount of type secret needs an id or a target")]
    SecretWithoutName,
    /// A secret that is said twice.
    #[error("a mount of type secret has an id or a source, not both")]
    SecretNamedTwice,
}

impl SyntaxError {
    pub(super) fn new(problem: Problem, at: Range<usize>) -> Self {
        Self { problem, at, suggestion: None }
    }

    /// Adds the one of these words that is most like what was written, if one is.
    pub(super) fn suggesting(self, written: &str, words: &[&str]) -> Self {
        Self { suggestion: nearest(written, words.iter().copied()), ..self }
    }
}

/// The word that is most like another one, if any is at most two letters from it, in the same case
/// as that. None if one is the same: then it was not misspelt.
pub(super) fn nearest<'a>(
    written: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    // More would never be near; and the distance takes the product of both lengths.
    if written.len() > LONGEST_MISSPELT {
        return None;
    }
    let small = written.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for word in words {
        // Each letter more or less is a step.
        if word.len().abs_diff(written.len()) > NEAR * char::MAX.len_utf8() {
            continue;
        }
        let distance = strsim::levenshtein(&small, &word.to_lowercase());
        if distance == 0 {
            return None;
        }
        if distance <= NEAR && best.is_none_or(|(before, _)| distance < before) {
            best = Some((distance, word));
        }
    }
    let (_, word) = best?;
    let is_upper = written.to_uppercase() == written;
    Some(if small == written {
        word.to_lowercase()
    } else if is_upper {
        word.to_uppercase()
    } else {
        word.to_owned()
    })
}

/// The line and the column of a byte of a text, both from 1; columns count characters.
pub fn place(text: &str, at: usize) -> (usize, usize) {
    let mut start = at.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Most letters that a misspelt word is from the one that was meant.
const NEAR: usize = 2;
/// Longest word that may be a misspelt one, in bytes.
const LONGEST_MISSPELT: usize = 64;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("FORM", Some("FROM"))]
    #[test_case("form", Some("from"))]
    #[test_case("CPOY", Some("COPY"))]
    #[test_case("Rnu", Some("RUN"))]
    #[test_case("LABLE", Some("LABEL"))]
    #[test_case("WORKINGDIR", None)]
    #[test_case("FROM", None)]
    fn misspelt_words(written: &str, expected: Option<&str>) {
        let words = ["FROM", "COPY", "RUN", "LABEL", "WORKDIR"];
        assert_eq!(nearest(written, words).as_deref(), expected);
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "FROM a\nRUN größe x\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, 5), (1, 6));
        assert_eq!(place(text, 7), (2, 1));
        assert_eq!(place(text, text.find('x').unwrap()), (2, 11));
        assert_eq!(place(text, 1000), (3, 1));
        assert_eq!(place(text, 14), (2, 7), "inside a letter");
    }
}
