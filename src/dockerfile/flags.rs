//! The flags of an instruction (images.md §1.1).

use std::collections::BTreeMap;

use crate::dockerfile::error::{Problem, SyntaxError};
use crate::dockerfile::instruction::Word;
use crate::dockerfile::spliced::Spliced;

/// What a flag can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, `true` or `false`.
    Boolean,
    /// A text, once.
    Text,
    /// Texts.
    List,
}

/// The flags that an instruction has.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags {
    /// What each is given, as often as it is there.
    given: BTreeMap<&'static str, Vec<Option<Spliced>>>,
}

impl Flags {
    /// Reads flags, of which the instruction knows these.
    pub(super) fn read(
        flags: &[Spliced],
        instruction: &'static str,
        known: &[(&'static str, Kind)],
    ) -> Result<Self, SyntaxError> {
        let mut read = Self::default();
        for flag in flags {
            let at = flag.whole();
            let (name, value) = match flag.cut('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag.clone(), None),
            };
            let name = name.text().strip_prefix("--").unwrap_or_default();
            let Some((name, kind)) = known.iter().find(|(known, _)| *known == name) else {
                let problem = Problem::UnknownFlag { instruction, flag: name.to_owned() };
                let names: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
                return Err(SyntaxError::new(problem, at).suggesting(name, &names));
            };
            if read.given.contains_key(name) && *kind != Kind::List {
                return Err(SyntaxError::new(Problem::FlagTwice { flag: name }, at));
            }
            match (&value, kind) {
                (None, Kind::Text | Kind::List) => {
                    return Err(SyntaxError::new(Problem::FlagWithoutValue { flag: name }, at));
                }
                (Some(value), Kind::Boolean) => {
                    truth(value, name)?;
                }
                (None, Kind::Boolean) | (Some(_), Kind::Text | Kind::List) => {}
            }
            read.given.entry(name).or_default().push(value);
        }
        Ok(read)
    }

    /// A text, if it is there.
    pub(super) fn given(&self, name: &str) -> Option<Word> {
        let given = self.given.get(name)?.first()?;
        Some(given.clone()?.into_word())
    }

    /// A text, if it is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<Word> {
        self.given(name).filter(|word| !word.text.is_empty())
    }

    /// All texts.
    pub(super) fn list(&self, name: &str) -> Vec<Spliced> {
        let given = self.given.get(name).map(Vec::as_slice).unwrap_or_default();
        given.iter().flatten().cloned().collect()
    }

    /// A truth value, if it is there.
    pub(super) fn boolean(&self, name: &'static str) -> Option<bool> {
        let given = self.given.get(name)?.first()?;
        given.as_ref().map_or(Some(true), |value| truth(value, name).ok())
    }
}

fn truth(value: &Spliced, flag: &'static str) -> Result<bool, SyntaxError> {
    match value.text().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        "" => Err(SyntaxError::new(Problem::FlagWithoutValue { flag }, value.whole())),
        _ => {
            let value_text = value.text().to_owned();
            let problem = Problem::FlagNotBoolean { flag, value: value_text };
            Err(SyntaxError::new(problem, value.whole()))
        }
    }
}
