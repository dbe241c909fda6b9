//! The instructions of a file as they stand, for who looks for something in files that may be newer
//! than this program: nothing is refused because it is not known.

use std::ops::Range;

use crate::dockerfile::directives;
use crate::dockerfile::error::SyntaxError;
use crate::dockerfile::instruction::{Argument, Directives, Word};
use crate::dockerfile::lines::Lines;
use crate::dockerfile::mounts;
use crate::dockerfile::spliced::Spliced;
use crate::dockerfile::words::{self, Parts};

/// Goes through a file, instruction by instruction.
#[derive(Debug)]
pub struct Outline<'a> {
    lines: Lines<'a>,
    directives: Directives,
}

/// An instruction, known or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rough {
    /// Its name, in capital letters.
    pub name: String,
    /// What follows its flags, parted at blanks whatever quotes there are.
    pub words: Vec<Word>,
    /// The same parted outside of quotes, each word cut at its first `=`, as `ARG` reads them.
    pub arguments: Vec<Argument>,
    /// What its flags take files from: `--from`, and `from` of `--mount`.
    pub sources: Vec<Word>,
    /// What `ONBUILD` keeps.
    pub trigger: Option<Box<Self>>,
    /// Where it stands.
    pub at: Range<usize>,
}

impl<'a> Outline<'a> {
    /// Begins at the top: reads the directives.
    pub fn of(text: &'a str) -> Result<Self, SyntaxError> {
        let mut lines = Lines::of(text);
        let directives = directives::read(&mut lines)?;
        Ok(Self { lines, directives })
    }

    /// What the first comments say about how the file is read.
    pub fn directives(&self) -> &Directives {
        &self.directives
    }

    /// The next instruction; its here-documents are passed.
    pub fn instruction(&mut self) -> Result<Option<Rough>, SyntaxError> {
        let escape = self.directives.escape;
        let Some(line) = self.lines.instruction(escape)? else { return Ok(None) };
        let parts = Parts::of(&line.text, escape);
        let mut rough = rough(&parts, escape);
        rough.at = line.text.trimmed().whole();
        let inner;
        let (name, parts) = match &rough.trigger {
            Some(trigger) => {
                inner = Parts::of(&parts.rest, escape);
                (trigger.name.as_str(), &inner)
            }
            None => (rough.name.as_str(), &parts),
        };
        let can_have = matches!(name, "RUN" | "COPY" | "ADD");
        if can_have && !matches!(words::json(&parts.rest, "RUN"), Ok(Some(_)) | Err(_)) {
            for announced in words::heredocs(line.text.text()) {
                self.lines.heredoc(&announced.name, announced.tabs_go, &rough.at)?;
            }
        }
        Ok(Some(rough))
    }
}

fn rough(parts: &Parts, escape: char) -> Rough {
    let name = parts.keyword.text.to_ascii_uppercase();
    let trigger = (name == "ONBUILD" && !parts.rest.is_empty()).then(|| {
        let inner = Parts::of(&parts.rest, escape);
        let is_nested = inner.keyword.text.eq_ignore_ascii_case("ONBUILD");
        // One in another is no trigger of anything.
        let mut trigger = if is_nested { Rough::empty() } else { rough(&inner, escape) };
        trigger.at = parts.rest.whole();
        Box::new(trigger)
    });
    let arguments = if name == "ARG" { words::quoted(&parts.rest, escape) } else { Vec::new() };
    let arguments = arguments.iter().map(|word| match word.cut('=') {
        Some((name, value)) => {
            Argument { name: name.into_word(), default: Some(value.into_word()) }
        }
        None => Argument { name: word.clone().into_word(), default: None },
    });
    Rough {
        arguments: arguments.collect(),
        words: words::list(&parts.rest),
        sources: sources(parts, &name),
        trigger,
        at: parts.keyword.at.clone(),
        name,
    }
}

impl Rough {
    fn empty() -> Self {
        Self {
            name: String::new(),
            words: Vec::new(),
            arguments: Vec::new(),
            sources: Vec::new(),
            trigger: None,
            at: 0..0,
        }
    }
}

fn sources(parts: &Parts, name: &str) -> Vec<Word> {
    let mut sources = Vec::new();
    for flag in &parts.flags {
        let Some((flag, value)) = flag.cut('=') else { continue };
        match (name, flag.text().to_ascii_lowercase().as_str()) {
            ("COPY" | "ADD", "--from") => sources.push(value.into_word()),
            ("RUN", "--mount") => {
                let fields = mounts::fields(&value).unwrap_or_default();
                sources.extend(fields.iter().filter_map(from));
            }
            _ => {}
        }
    }
    sources
}

/// What an option of a mount says of where its files are from.
fn from(field: &Spliced) -> Option<Word> {
    let (key, value) = field.cut('=')?;
    key.text().eq_ignore_ascii_case("from").then(|| value.into_word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_passed() {
        let text = "# escape=`\nWHAT --ever=x y\nCOPY --new --FROM=a b `\n c\nRUN <<E\nFROM x\nE\n\
                    ONBUILD RUN --mount=type=new,from=b <<-F\n\tF\nFROM --x \"q\" AS r s\nARG A=\"1 2\" B\n";
        let mut outline = Outline::of(text).unwrap();
        assert_eq!(outline.directives().escape, '`');
        let mut all = Vec::new();
        while let Some(rough) = outline.instruction().unwrap() {
            all.push(rough);
        }
        let names: Vec<&str> = all.iter().map(|rough| rough.name.as_str()).collect();
        assert_eq!(names, ["WHAT", "COPY", "RUN", "ONBUILD", "FROM", "ARG"]);
        assert_eq!(text.get(all[1].sources[0].at.clone()), Some("a"));
        assert_eq!(all[1].words.len(), 2);
        let trigger = all[3].trigger.as_ref().unwrap();
        assert_eq!((trigger.name.as_str(), trigger.sources[0].text.as_str()), ("RUN", "b"));
        assert_eq!(all[4].words.len(), 4);
        assert_eq!(all[5].arguments[0].default.as_ref().unwrap().text, "\"1 2\"");
        assert_eq!(all[5].arguments[1].default, None);
    }
}
