//! A text read as a Dockerfile (images.md §1.1–1.3, §1.5).

use std::ops::Range;
use std::time::Duration;

use crate::dockerfile::directives;
use crate::dockerfile::duration::nanoseconds;
use crate::dockerfile::error::{Problem, SyntaxError};
use crate::dockerfile::expansion::is_literal;
use crate::dockerfile::flags::{Flags, Kind};
use crate::dockerfile::instruction::{
    Add, Argument, Assignment, Command, Copy, Dockerfile, From, Healthcheck, Heredoc, Instruction,
    Network, Run, Security, Source, Stage, Step, Trigger, Word,
};
use crate::dockerfile::lines::Lines;
use crate::dockerfile::mounts;
use crate::dockerfile::spliced::Spliced;
use crate::dockerfile::words::{self, Announced, Parts};

/// Reads a Dockerfile.
pub fn parse(text: &str) -> Result<Dockerfile, SyntaxError> {
    parse_noting(text, |_| {})
}

/// What an instruction is made of, for who cares about how it is written.
#[derive(Debug)]
pub(super) struct Note<'a> {
    pub(super) parts: Parts,
    /// The comments before it.
    pub(super) comments: Vec<&'a str>,
    /// An empty line inside of it, if there is one.
    pub(super) empty: Option<Range<usize>>,
}

/// Reads a Dockerfile, and tells of every instruction how it is written.
pub(super) fn parse_noting<'a>(
    text: &'a str,
    mut note: impl FnMut(Note<'a>),
) -> Result<Dockerfile, SyntaxError> {
    let mut lines = Lines::of(text);
    let directives = directives::read(&mut lines)?;
    let mut dockerfile = Dockerfile { directives, arguments: Vec::new(), stages: Vec::new() };
    let escape = dockerfile.directives.escape;
    let mut is_empty = true;
    while let Some(line) = lines.instruction(escape)? {
        is_empty = false;
        let parts = Parts::of(&line.text, escape);
        let read = Reader { lines: &mut lines, escape }.read(&line.text, &parts)?;
        note(Note { parts, comments: line.comments, empty: line.empty });
        match (read, dockerfile.stages.last_mut()) {
            (Read::From(from), _) => {
                dockerfile.stages.push(Stage { from, steps: Vec::new() });
            }
            (Read::Step(step), Some(stage)) => stage.steps.push(step),
            (Read::Step(step), None) if matches!(step.instruction, Instruction::Arg(_)) => {
                dockerfile.arguments.push(step);
            }
            (Read::Step(step), None) => {
                let problem = Problem::BeforeFrom { instruction: step.instruction.name() };
                return Err(SyntaxError::new(problem, step.at));
            }
        }
    }
    if dockerfile.stages.is_empty() {
        let problem = if is_empty { Problem::NoInstructions } else { Problem::NoStage };
        return Err(SyntaxError::new(problem, 0..0));
    }
    Ok(dockerfile)
}

/// Reads a trigger of an image: one instruction, here-documents included. Places are those in the
/// trigger's text.
pub fn parse_trigger(text: &str, escape: char) -> Result<Step, SyntaxError> {
    let mut lines = Lines::of(text);
    let line = lines.instruction(escape)?;
    let line = line.ok_or_else(|| SyntaxError::new(Problem::NoInstructions, 0..0))?;
    let parts = Parts::of(&line.text, escape);
    let read = Reader { lines: &mut lines, escape }.read(&line.text, &parts)?;
    if let Some(more) = lines.instruction(escape)? {
        return Err(SyntaxError::new(Problem::SeveralInstructions, more.text.whole()));
    }
    match read {
        Read::Step(step) => Ok(step),
        Read::From(from) => {
            Err(SyntaxError::new(Problem::Trigger { instruction: "FROM" }, from.at))
        }
    }
}

enum Read {
    From(From),
    Step(Step),
}

/// Reads one instruction.
struct Reader<'a, 'b> {
    /// What comes after it: its here-documents first.
    lines: &'a mut Lines<'b>,
    escape: char,
}

/// A here-document with its content.
#[derive(Debug, Clone)]
struct Document<'a> {
    announced: Announced,
    content: &'a str,
    at: Range<usize>,
}

impl<'b> Reader<'_, 'b> {
    fn read(mut self, line: &Spliced, parts: &Parts) -> Result<Read, SyntaxError> {
        let name = name_of(&parts.keyword)?;
        let documents = self.documents(name, parts, line)?;
        let trimmed = line.trimmed();
        let (at, text) = (trimmed.whole(), trimmed.text().to_owned());
        if name == "FROM" {
            return from(parts, text, at).map(Read::From);
        }
        let instruction = if name == "ONBUILD" {
            Flags::read(&parts.flags, name, &[])?;
            if parts.rest.is_empty() {
                return Err(SyntaxError::new(Problem::NoArgument { instruction: name }, at));
            }
            let step = self.trigger(&parts.rest, &documents)?;
            Instruction::Onbuild(Trigger { text: trigger_text(line, &documents), step })
        } else {
            self.instruction(name, parts, &documents, &at)?
        };
        Ok(Read::Step(Step { instruction, text, at }))
    }

    /// Reads the here-documents that an instruction announces, if it can have some.
    fn documents(
        &mut self,
        name: &str,
        parts: &Parts,
        line: &Spliced,
    ) -> Result<Vec<Document<'b>>, SyntaxError> {
        let inner;
        let (name, parts) = if name == "ONBUILD" {
            inner = Parts::of(&parts.rest, self.escape);
            (inner.keyword.text.to_ascii_uppercase(), &inner)
        } else {
            (name.to_owned(), parts)
        };
        let can_have = match name.as_str() {
            "RUN" => words::json(&parts.rest, "RUN")?.is_none(),
            "COPY" => words::json(&parts.rest, "COPY")?.is_none(),
            "ADD" => words::json(&parts.rest, "ADD")?.is_none(),
            _ => false,
        };
        if !can_have {
            return Ok(Vec::new());
        }
        let place = line.trimmed().whole();
        let read = |announced: Announced| {
            let at = self.lines.heredoc(&announced.name, announced.tabs_go, &place)?;
            Ok(Document { content: self.lines.piece(at.clone()), announced, at })
        };
        words::heredocs(line.text()).into_iter().map(read).collect()
    }

    /// What ONBUILD keeps.
    fn trigger(
        &self,
        text: &Spliced,
        documents: &[Document<'_>],
    ) -> Result<Box<Step>, SyntaxError> {
        let parts = Parts::of(text, self.escape);
        let name = name_of(&parts.keyword)?;
        if matches!(name, "ONBUILD" | "FROM" | "MAINTAINER") {
            let problem = Problem::Trigger { instruction: name };
            return Err(SyntaxError::new(problem, parts.keyword.at));
        }
        let at = text.whole();
        let instruction = self.instruction(name, &parts, documents, &at)?;
        Ok(Box::new(Step { instruction, text: text.text().to_owned(), at }))
    }

    fn instruction(
        &self,
        name: &'static str,
        parts: &Parts,
        documents: &[Document<'_>],
        at: &Range<usize>,
    ) -> Result<Instruction, SyntaxError> {
        let no_flags = || Flags::read(&parts.flags, name, &[]);
        let wrong = |problem| SyntaxError::new(problem, at.clone());
        let one = || {
            let problem = Problem::NotOneArgument { instruction: name };
            if parts.rest.is_empty() { Err(wrong(problem)) } else { Ok(parts.rest.clone()) }
        };
        let none = || wrong(Problem::NoArgument { instruction: name });
        Ok(match name {
            "ADD" => Instruction::Add(Self::add(parts, documents, at)?),
            "ARG" => {
                let words = words::quoted(&parts.rest, self.escape);
                let arguments: Vec<_> = words.iter().map(argument).collect::<Result<_, _>>()?;
                if arguments.is_empty() {
                    return Err(none());
                }
                Instruction::Arg(arguments)
            }
            "CMD" => {
                no_flags()?;
                Instruction::Cmd(command(&parts.rest, name)?)
            }
            "COPY" => Instruction::Copy(self.copy(parts, documents, at)?),
            "ENTRYPOINT" => {
                no_flags()?;
                Instruction::Entrypoint(command(&parts.rest, name)?)
            }
            "ENV" | "LABEL" => {
                no_flags()?;
                let assignments = self.assignments(name, &parts.rest, at)?;
                match name {
                    "ENV" => Instruction::Env(assignments),
                    _ => Instruction::Label(assignments),
                }
            }
            "EXPOSE" => {
                let mut ports = words::list(&parts.rest);
                if ports.is_empty() {
                    return Err(none());
                }
                no_flags()?;
                ports.sort_by(|one, other| one.text.cmp(&other.text));
                Instruction::Expose(ports)
            }
            "HEALTHCHECK" => Instruction::Healthcheck(healthcheck(parts, at)?),
            "MAINTAINER" => {
                let maintainer = one()?;
                no_flags()?;
                Instruction::Maintainer(maintainer.text().to_owned())
            }
            "RUN" => Instruction::Run(run(parts, documents)?),
            "SHELL" => {
                no_flags()?;
                match command(&parts.rest, name)? {
                    Command::Shell(text) if !text.is_empty() => {
                        return Err(wrong(Problem::NotJson { instruction: name }));
                    }
                    Command::Exec(shell) if !shell.is_empty() => Instruction::Shell(shell),
                    Command::Shell(_) | Command::Exec(_) => return Err(none()),
                }
            }
            // Its flags are passed over.
            "STOPSIGNAL" => Instruction::Stopsignal(one()?.into_word()),
            "USER" => {
                no_flags()?;
                Instruction::User(one()?.into_word())
            }
            "VOLUME" => {
                no_flags()?;
                Instruction::Volume(volumes(parts, at)?)
            }
            "WORKDIR" => {
                no_flags()?;
                Instruction::Workdir(one()?.into_word())
            }
            // FROM and ONBUILD are read elsewhere, and ONBUILD takes neither.
            _ => return Err(wrong(Problem::Trigger { instruction: name })),
        })
    }

    fn add(
        parts: &Parts,
        documents: &[Document<'_>],
        at: &Range<usize>,
    ) -> Result<Add, SyntaxError> {
        let (sources, destination) = sources("ADD", parts, documents, at)?;
        let flags = Flags::read(
            &parts.flags,
            "ADD",
            &[
                ("chown", Kind::Text),
                ("chmod", Kind::Text),
                ("link", Kind::Boolean),
                ("keep-git-dir", Kind::Boolean),
                ("checksum", Kind::Text),
                ("unpack", Kind::Boolean),
                ("exclude", Kind::List),
            ],
        )?;
        Ok(Add {
            sources,
            destination,
            chown: flags.text("chown"),
            chmod: flags.text("chmod"),
            link: flags.boolean("link").unwrap_or_default(),
            exclude: flags.list("exclude").into_iter().map(Spliced::into_word).collect(),
            checksum: flags.text("checksum"),
            keep_git_dir: flags.boolean("keep-git-dir"),
            unpack: flags.boolean("unpack"),
        })
    }

    fn copy(
        &self,
        parts: &Parts,
        documents: &[Document<'_>],
        at: &Range<usize>,
    ) -> Result<Copy, SyntaxError> {
        let (sources, destination) = sources("COPY", parts, documents, at)?;
        let flags = Flags::read(
            &parts.flags,
            "COPY",
            &[
                ("chown", Kind::Text),
                ("from", Kind::Text),
                ("chmod", Kind::Text),
                ("link", Kind::Boolean),
                ("exclude", Kind::List),
                ("parents", Kind::Boolean),
            ],
        )?;
        let from = flags.text("from");
        if let Some(from) = from.as_ref().filter(|from| !is_literal(&from.text, self.escape)) {
            let problem = Problem::NotExpanded { what: "--from" };
            return Err(SyntaxError::new(problem, from.at.clone()));
        }
        Ok(Copy {
            from,
            sources,
            destination,
            chown: flags.text("chown"),
            chmod: flags.text("chmod"),
            link: flags.boolean("link").unwrap_or_default(),
            parents: flags.boolean("parents").unwrap_or_default(),
            exclude: flags.list("exclude").into_iter().map(Spliced::into_word).collect(),
        })
    }

    /// `name=value` words, or the old form of one name and all the rest.
    fn assignments(
        &self,
        name: &'static str,
        rest: &Spliced,
        at: &Range<usize>,
    ) -> Result<Vec<Assignment>, SyntaxError> {
        let words = words::quoted(rest, self.escape);
        let Some(first) = words.first() else {
            return Err(SyntaxError::new(Problem::NoArgument { instruction: name }, at.clone()));
        };
        if !first.text().contains('=') {
            let Some((name, value)) = words::name_and_rest(rest) else {
                let problem = Problem::NoValue { instruction: name };
                return Err(SyntaxError::new(problem, first.whole()));
            };
            return Ok(vec![Assignment { name, value }]);
        }
        let assignment = |word: &Spliced| {
            let Some((key, value)) = word.cut('=') else {
                let word_text = word.text().to_owned();
                let problem = Problem::NotAssignment { instruction: name, word: word_text };
                return Err(SyntaxError::new(problem, word.whole()));
            };
            if key.is_empty() {
                return Err(SyntaxError::new(Problem::NoName { instruction: name }, word.whole()));
            }
            Ok(Assignment { name: key.into_word(), value: value.into_word() })
        };
        words.iter().map(assignment).collect()
    }
}

/// The name of an instruction, in capital letters.
fn name_of(keyword: &Word) -> Result<&'static str, SyntaxError> {
    let upper = keyword.text.to_ascii_uppercase();
    NAMES.iter().find(|name| **name == upper).copied().ok_or_else(|| {
        let problem = Problem::UnknownInstruction { name: keyword.text.clone() };
        SyntaxError::new(problem, keyword.at.clone()).suggesting(&keyword.text, NAMES)
    })
}

fn from(parts: &Parts, text: String, at: Range<usize>) -> Result<From, SyntaxError> {
    let mut words = words::list(&parts.rest);
    let name = match words.as_slice() {
        [_] => None,
        [_, between, name] if between.text.eq_ignore_ascii_case("as") => {
            let small = name.text.to_lowercase();
            if !is_stage_name(&small) {
                let problem = Problem::StageName { name: name.text.clone() };
                return Err(SyntaxError::new(problem, name.at.clone()));
            }
            Some(small)
        }
        _ => return Err(SyntaxError::new(Problem::From, at)),
    };
    let flags = Flags::read(&parts.flags, "FROM", &[("platform", Kind::Text)])?;
    let image = words.swap_remove(0);
    Ok(From { platform: flags.text("platform"), image, name, text, at })
}

fn is_stage_name(name: &str) -> bool {
    let is_part = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(is_part)
}

/// `NAME` or `NAME=value`.
fn argument(word: &Spliced) -> Result<Argument, SyntaxError> {
    let Some((name, value)) = word.cut('=') else {
        return Ok(Argument { name: word.clone().into_word(), default: None });
    };
    if name.is_empty() {
        return Err(SyntaxError::new(Problem::NoName { instruction: "ARG" }, word.whole()));
    }
    Ok(Argument { name: name.into_word(), default: Some(value.into_word()) })
}

fn command(rest: &Spliced, instruction: &'static str) -> Result<Command, SyntaxError> {
    Ok(match words::json(rest, instruction)? {
        Some(words) => Command::Exec(words.into_iter().map(|word| word.text).collect()),
        None => Command::Shell(rest.text().to_owned()),
    })
}

fn volumes(parts: &Parts, at: &Range<usize>) -> Result<Vec<Word>, SyntaxError> {
    let words = match words::json(&parts.rest, "VOLUME")? {
        Some(words) => words,
        None => words::list(&parts.rest),
    };
    if words.is_empty() {
        let problem = Problem::NoArgument { instruction: "VOLUME" };
        return Err(SyntaxError::new(problem, at.clone()));
    }
    let trimmed = |word: Word| {
        let text = word.text.trim();
        if text.is_empty() {
            return Err(SyntaxError::new(Problem::Empty { what: "a volume" }, word.at));
        }
        Ok(Word { text: text.to_owned(), at: word.at })
    };
    words.into_iter().map(trimmed).collect()
}

fn run(parts: &Parts, documents: &[Document<'_>]) -> Result<Run, SyntaxError> {
    let flags = Flags::read(
        &parts.flags,
        "RUN",
        &[
            ("mount", Kind::List),
            ("device", Kind::List),
            ("network", Kind::Text),
            ("security", Kind::Text),
        ],
    )?;
    let network = match flags.given("network") {
        None => None,
        Some(word) => Some(one_of(
            &word,
            "network",
            &[("default", Network::Default), ("none", Network::None), ("host", Network::Host)],
        )?),
    };
    let security = match flags.given("security") {
        None => Security::Sandbox,
        Some(word) => one_of(
            &word,
            "security",
            &[("sandbox", Security::Sandbox), ("insecure", Security::Insecure)],
        )?,
    };
    Ok(Run {
        command: command(&parts.rest, "RUN")?,
        heredocs: documents.iter().map(heredoc).collect(),
        mounts: flags.list("mount").iter().map(mounts::mount).collect::<Result<_, _>>()?,
        network,
        security,
        devices: flags.list("device").iter().map(mounts::device).collect::<Result<_, _>>()?,
    })
}

fn one_of<T: std::marker::Copy>(
    word: &Word,
    what: &'static str,
    values: &[(&str, T)],
) -> Result<T, SyntaxError> {
    let found = values.iter().find(|(name, _)| *name == word.text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let problem = Problem::Value { what, value: word.text.clone() };
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        SyntaxError::new(problem, word.at.clone()).suggesting(&word.text, &names)
    })
}

fn healthcheck(parts: &Parts, at: &Range<usize>) -> Result<Healthcheck, SyntaxError> {
    let wrong = |problem| SyntaxError::new(problem, at.clone());
    let rest = &parts.rest;
    let end = rest.text().find(char::is_whitespace).unwrap_or(rest.text().len());
    let kind = rest.part(0..end);
    let test = rest.part(end..rest.text().len()).trimmed();
    match kind.text().to_ascii_uppercase().as_str() {
        "" => return Err(wrong(Problem::NoArgument { instruction: "HEALTHCHECK" })),
        "NONE" if test.is_empty() => return Ok(Healthcheck::None),
        "NONE" => return Err(SyntaxError::new(Problem::HealthcheckNone, test.whole())),
        _ => {}
    }
    let flags = Flags::read(
        &parts.flags,
        "HEALTHCHECK",
        &[
            ("interval", Kind::Text),
            ("timeout", Kind::Text),
            ("start-period", Kind::Text),
            ("start-interval", Kind::Text),
            ("retries", Kind::Text),
        ],
    )?;
    if !kind.text().eq_ignore_ascii_case("CMD") {
        let problem = Problem::HealthcheckKind { word: kind.text().to_owned() };
        return Err(SyntaxError::new(problem, kind.whole()));
    }
    let command = command(&test, "HEALTHCHECK")?;
    match &command {
        Command::Exec(words) if words.is_empty() => return Err(wrong(Problem::HealthcheckCommand)),
        Command::Shell(text) if text.is_empty() => return Err(wrong(Problem::HealthcheckCommand)),
        Command::Exec(_) | Command::Shell(_) => {}
    }
    Ok(Healthcheck::Test {
        command,
        interval: duration(flags.text("interval"))?,
        timeout: duration(flags.text("timeout"))?,
        start_period: duration(flags.text("start-period"))?,
        start_interval: duration(flags.text("start-interval"))?,
        retries: retries(flags.text("retries"))?,
    })
}

/// A millisecond at least; nothing for none at all, which is what no flag says too.
fn duration(word: Option<Word>) -> Result<Option<Duration>, SyntaxError> {
    let Some(word) = word else { return Ok(None) };
    let nanoseconds = nanoseconds(&word.text).and_then(|length| u64::try_from(length).ok());
    match nanoseconds {
        Some(0) => Ok(None),
        Some(length) if length >= SHORTEST_NANOSECONDS => Ok(Some(Duration::from_nanos(length))),
        _ => {
            let what = "length of time of a millisecond at least, such as 1m30s";
            Err(SyntaxError::new(Problem::Value { what, value: word.text }, word.at))
        }
    }
}

fn retries(word: Option<Word>) -> Result<Option<u32>, SyntaxError> {
    let Some(word) = word else { return Ok(None) };
    match word.text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok()) {
        Some(0) => Ok(None),
        Some(number) => Ok(Some(number)),
        None => {
            let problem = Problem::Value { what: "number of retries", value: word.text };
            Err(SyntaxError::new(problem, word.at))
        }
    }
}

/// What `ADD` and `COPY` take, and where they put it.
fn sources(
    name: &'static str,
    parts: &Parts,
    documents: &[Document<'_>],
    at: &Range<usize>,
) -> Result<(Vec<Source>, Word), SyntaxError> {
    let (mut words, is_json) = match words::json(&parts.rest, name)? {
        Some(words) => (words, true),
        None => (words::list(&parts.rest), false),
    };
    let destination = words.pop().filter(|_| !words.is_empty());
    let destination = destination.ok_or_else(|| {
        SyntaxError::new(Problem::NoDestination { instruction: name }, at.clone())
    })?;
    if words::heredoc(&destination.text).is_some() {
        let problem = Problem::HeredocAsDestination { instruction: name };
        return Err(SyntaxError::new(problem, destination.at));
    }
    let source = |word: Word| {
        let Some(announced) = words::heredoc(&word.text) else { return Ok(Source::Path(word)) };
        if is_json {
            return Err(SyntaxError::new(Problem::HeredocInJson, word.at));
        }
        // Of several with one name the last has the content.
        let is_it = |document: &&Document<'_>| document.announced.name == announced.name;
        Ok(match documents.iter().rev().find(is_it) {
            Some(document) => Source::Heredoc(heredoc(&Document {
                announced,
                content: document.content,
                at: document.at.clone(),
            })),
            None => Source::Path(word),
        })
    };
    Ok((words.into_iter().map(source).collect::<Result<_, _>>()?, destination))
}

fn heredoc(document: &Document<'_>) -> Heredoc {
    let announced = &document.announced;
    let content = if announced.tabs_go {
        let lines = document.content.split_inclusive('\n');
        lines.map(|line| line.trim_start_matches('\t')).collect()
    } else {
        document.content.to_owned()
    };
    Heredoc {
        name: announced.name.clone(),
        content,
        expand: announced.expand,
        descriptor: announced.descriptor,
        at: document.at.clone(),
    }
}

/// What an image keeps of a trigger: what follows ONBUILD, and the here-documents as they stand.
fn trigger_text(line: &Spliced, documents: &[Document<'_>]) -> String {
    let is_blank = |char| matches!(char, ' ' | '\t' | '\n' | '\u{c}' | '\r');
    let text = line.text().trim_start_matches(is_blank);
    let after = text.split_at_checked("ONBUILD".len()).map_or("", |(_, after)| after);
    let mut text = after.trim_start_matches(is_blank).to_owned();
    for document in documents {
        text.push('\n');
        text.push_str(document.content);
        text.push_str(&document.announced.name);
    }
    text
}

/// The shortest time that makes sense between two checks. Docker's bound.
const SHORTEST_NANOSECONDS: u64 = 1_000_000;

/// The names of all instructions.
pub(super) const NAMES: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    /// The one step of a stage that begins from nothing, and how much stands before it.
    const FROM: &str = "FROM scratch\n";

    fn step(text: &str) -> Step {
        let mut dockerfile = parse(&format!("{FROM}{text}")).unwrap();
        let mut steps = dockerfile.stages.remove(0).steps;
        assert_eq!(steps.len(), 1, "{steps:?}");
        steps.remove(0)
    }

    fn error(text: &str) -> (Problem, String) {
        let whole = format!("{FROM}{text}");
        let error = parse(&whole).unwrap_err();
        (error.problem, whole.get(error.at).unwrap().to_owned())
    }

    fn texts(words: &[Word]) -> Vec<&str> {
        words.iter().map(|word| word.text.as_str()).collect()
    }

    /// Every word stands where it says, unless something was taken off it.
    fn stands(whole: &str, word: &Word) {
        assert_eq!(whole.get(word.at.clone()), Some(word.text.as_str()));
    }

    #[test]
    fn stages_and_arguments() {
        let text = "# syntax=docker/dockerfile:1\n# escape=`\nARG A=1 B\n\
                    from --platform=$P a:$A as Build-1.x\nRUN x\n# why\nFROM build-1.x\nUSER `\n me";
        let dockerfile = parse(text).unwrap();
        assert_eq!(dockerfile.directives.escape, '`');
        stands(text, dockerfile.directives.syntax.as_ref().unwrap());
        let [arguments] = dockerfile.arguments.as_slice() else { panic!() };
        let Instruction::Arg(arguments) = &arguments.instruction else { panic!() };
        assert_eq!(arguments[0].name.text, "A");
        assert_eq!(arguments[0].default.as_ref().unwrap().text, "1");
        assert_eq!((arguments[1].name.text.as_str(), &arguments[1].default), ("B", &None));
        let [first, second] = dockerfile.stages.as_slice() else { panic!() };
        assert_eq!(first.from.name.as_deref(), Some("build-1.x"));
        assert_eq!(first.from.text, "from --platform=$P a:$A as Build-1.x");
        assert_eq!(text.get(first.from.at.clone()), Some(first.from.text.as_str()));
        stands(text, first.from.platform.as_ref().unwrap());
        stands(text, &first.from.image);
        assert_eq!((second.from.image.text.as_str(), &second.from.name), ("build-1.x", &None));
        let Instruction::User(user) = &second.steps[0].instruction else { panic!() };
        assert_eq!(user.text, "me");
        stands(text, user);
        assert_eq!(second.steps[0].text, "USER  me");
        assert_eq!(text.get(second.steps[0].at.clone()), Some("USER `\n me"));
    }

    #[test]
    fn copies() {
        let text = "COPY --from=x --chown=a:b --chmod=0755 --link --parents=TRUE --exclude=*.o \
                    --exclude=\"b c\" a ./b \\\n /c/";
        let step = step(text);
        let Instruction::Copy(copy) = step.instruction else { panic!() };
        let whole = format!("{FROM}{text}");
        for word in [&copy.from, &copy.chown, &copy.chmod] {
            stands(&whole, word.as_ref().unwrap());
        }
        assert!(copy.link && copy.parents);
        assert_eq!(texts(&copy.exclude), ["*.o", "b c"]);
        copy.exclude.iter().for_each(|word| stands(&whole, word));
        let [Source::Path(one), Source::Path(other)] = copy.sources.as_slice() else { panic!() };
        assert_eq!((one.text.as_str(), other.text.as_str()), ("a", "./b"));
        assert_eq!(copy.destination.text, "/c/");
        stands(&whole, &copy.destination);
    }

    #[test]
    fn words_of_json_have_places() {
        let text = "ADD --checksum=sha256:x --unpack=false --keep-git-dir [\"a b\", \"/\\u0063\"]";
        let Instruction::Add(add) = step(text).instruction else { panic!() };
        let whole = format!("{FROM}{text}");
        let [Source::Path(source)] = add.sources.as_slice() else { panic!() };
        stands(&whole, source);
        assert_eq!(add.destination.text, "/c");
        assert_eq!(whole.get(add.destination.at), Some("/\\u0063"));
        assert_eq!((add.unpack, add.keep_git_dir), (Some(false), Some(true)));
        assert!(!add.link);
    }

    #[test_case("CMD", Command::Shell(String::new()); "nothing")]
    #[test_case("CMD []", Command::Exec(vec![]); "nothing in json")]
    #[test_case("CMD  echo  $X \\\n  'a' ", Command::Shell("echo  $X   'a'".to_owned()); "a line")]
    #[test_case("cmd [ \"a\" ]", Command::Exec(vec!["a".to_owned()]); "json")]
    #[test_case("CMD [ -f x ]", Command::Shell("[ -f x ]".to_owned()); "a test is no json")]
    #[test_case("CMD -- --a", Command::Shell("--a".to_owned()); "what begins like a flag")]
    fn commands(text: &str, expected: Command) {
        let command = match step(text).instruction {
            Instruction::Cmd(command) => command,
            other => panic!("{other:?}"),
        };
        let is_exec = matches!(expected, Command::Exec(_));
        assert_eq!((command,), (expected,));
        let Instruction::Entrypoint(entrypoint) =
            step(&text.to_uppercase().replacen("CMD", "ENTRYPOINT", 1)).instruction
        else {
            panic!()
        };
        assert_eq!(matches!(entrypoint, Command::Exec(_)), is_exec);
    }

    #[test_case("ENV a=b  c=\"d e\" f='g h' i=j\\ k l=", &[("a", "b"), ("c", "\"d e\""), ("f", "'g h'"), ("i", "j\\ k"), ("l", "")]; "several")]
    #[test_case("ENV a b=c  d", &[("a", "b=c  d")]; "the old form")]
    #[test_case("ENV \"a b\"=c", &[("\"a b\"", "c")]; "a quoted name")]
    #[test_case("ENV a=b=c", &[("a", "b=c")]; "two signs")]
    #[test_case("LABEL a.b/c=x \\\n# no\n d=y", &[("a.b/c", "x"), ("d", "y")]; "labels")]
    fn assignments(text: &str, expected: &[(&str, &str)]) {
        let (Instruction::Env(all) | Instruction::Label(all)) = step(text).instruction else {
            panic!()
        };
        let all: Vec<_> =
            all.iter().map(|a| (a.name.text.as_str(), a.value.text.as_str())).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_one_word_whatever_it_has() {
        let text = "WORKDIR  /a b/${X:-c d} ";
        let Instruction::Workdir(word) = step(text).instruction else { panic!() };
        assert_eq!(word.text, "/a b/${X:-c d}");
        stands(&format!("{FROM}{text}"), &word);
        let Instruction::Maintainer(text) = step("MAINTAINER \"a\" <b>").instruction else {
            panic!()
        };
        assert_eq!(text, "\"a\" <b>");
        let Instruction::Stopsignal(word) = step("STOPSIGNAL --x SIGTERM").instruction else {
            panic!()
        };
        assert_eq!(word.text, "SIGTERM");
    }

    #[test]
    fn lists() {
        let Instruction::Expose(ports) = step("EXPOSE 9/udp  80\t${X}").instruction else {
            panic!()
        };
        assert_eq!(texts(&ports), ["${X}", "80", "9/udp"]);
        let Instruction::Volume(volumes) = step("VOLUME [\" /a \",\"/b\"]").instruction else {
            panic!()
        };
        assert_eq!(texts(&volumes), ["/a", "/b"]);
        let Instruction::Volume(volumes) = step("VOLUME /a [\"/b\"]").instruction else { panic!() };
        assert_eq!(texts(&volumes), ["/a", "[\"/b\"]"]);
        let Instruction::Shell(shell) = step("SHELL [\"a\", \"-c\"]").instruction else { panic!() };
        assert_eq!(shell, ["a", "-c"]);
    }

    #[test]
    fn health_checks() {
        let text =
            "HEALTHCHECK --interval=1m30s --timeout=0s --start-period=2ms --retries=3 cmd a b";
        let expected = Healthcheck::Test {
            command: Command::Shell("a b".to_owned()),
            interval: Some(Duration::from_secs(90)),
            timeout: None,
            start_period: Some(Duration::from_millis(2)),
            start_interval: None,
            retries: Some(3),
        };
        assert_eq!(step(text).instruction, Instruction::Healthcheck(expected));
        let none = Instruction::Healthcheck(Healthcheck::None);
        assert_eq!(step("HEALTHCHECK none").instruction, none);
        let Instruction::Healthcheck(Healthcheck::Test { command, .. }) =
            step("HEALTHCHECK CMD\t[\"a\"]").instruction
        else {
            panic!()
        };
        assert_eq!(command, Command::Exec(vec!["a".to_owned()]));
    }

    #[test]
    fn commands_of_a_build() {
        let text = "RUN --mount=type=cache,target=/c --network=none --security=insecure \
                    --device=gpu,required --mount=target=/b [\"a\"]";
        let Instruction::Run(run) = step(text).instruction else { panic!() };
        assert_eq!(run.command, Command::Exec(vec!["a".to_owned()]));
        assert_eq!((run.network, run.security), (Some(Network::None), Security::Insecure));
        assert_eq!((run.mounts.len(), texts(&run.devices)), (2, vec!["gpu,required"]));
    }

    #[test]
    fn here_documents_of_copies() {
        let text = "COPY <<A <<-\"B\" c /d/\n$x\nA \nA\n\t\tb\n\tB\n";
        let Instruction::Copy(copy) = step(text).instruction else { panic!() };
        let [Source::Heredoc(a), Source::Heredoc(b), Source::Path(c)] = copy.sources.as_slice()
        else {
            panic!()
        };
        assert_eq!((a.name.as_str(), a.content.as_str(), a.expand), ("A", "$x\nA \n", true));
        assert_eq!((b.name.as_str(), b.content.as_str(), b.expand), ("B", "b\n", false));
        assert_eq!(c.text, "c");
        let whole = format!("{FROM}{text}");
        assert_eq!(whole.get(a.at.clone()), Some("$x\nA \n"));
    }

    #[test]
    fn here_documents_of_commands() {
        let step = step("RUN 3<<A cat <<-B \\\n# c\n && x\nFROM y\r\nA\n\tb\nB");
        let Instruction::Run(run) = step.instruction else { panic!() };
        assert_eq!(run.command, Command::Shell("3<<A cat <<-B  && x".to_owned()));
        let [a, b] = run.heredocs.as_slice() else { panic!() };
        assert_eq!((a.content.as_str(), a.descriptor), ("FROM y\r\n", Some(3)));
        assert_eq!((b.content.as_str(), b.descriptor), ("b\n", None));
        assert_eq!(step.text, "RUN 3<<A cat <<-B  && x");
    }

    #[test]
    fn json_announces_nothing() {
        let mut dockerfile = parse("FROM a\nRUN [\"cat\", \"<<EOF\"]\nUSER x").unwrap();
        assert_eq!(dockerfile.stages.remove(0).steps.len(), 2);
    }

    #[test]
    fn triggers_are_kept_and_read() {
        let text = "onbuild  run  a \\\n  b  ";
        let Instruction::Onbuild(trigger) = step(text).instruction else { panic!() };
        assert_eq!(trigger.text, "run  a   b  ");
        let Instruction::Run(run) = &trigger.step.instruction else { panic!() };
        assert_eq!(run.command, Command::Shell("a   b".to_owned()));
        assert_eq!(trigger.step.text, "run  a   b");
        let text = "ONBUILD COPY <<-E /x\n\ta\n\tE\n";
        let Instruction::Onbuild(trigger) = step(text).instruction else { panic!() };
        assert_eq!(trigger.text, "COPY <<-E /x\n\ta\nE");
        let again = parse_trigger(&trigger.text, '\\').unwrap();
        let Instruction::Copy(copy) = again.instruction else { panic!() };
        let [Source::Heredoc(document)] = copy.sources.as_slice() else { panic!() };
        assert_eq!(document.content, "a\n");
        assert_eq!(trigger.text.get(document.at.clone()), Some("\ta\n"));
    }

    #[test_case("FROM x", Problem::Trigger { instruction: "FROM" })]
    #[test_case("USER a\nUSER b", Problem::SeveralInstructions)]
    #[test_case("# x", Problem::NoInstructions)]
    #[test_case("WHAT x", Problem::UnknownInstruction { name: "WHAT".to_owned() })]
    fn what_is_no_trigger(text: &str, problem: Problem) {
        assert_eq!((parse_trigger(text, '\\').unwrap_err().problem,), (problem,));
    }

    #[test_case("", Problem::NoInstructions)]
    #[test_case("# x\n\n", Problem::NoInstructions; "comments")]
    #[test_case("ARG X=1", Problem::NoStage)]
    #[test_case("ARG X\nRUN x\nFROM y", Problem::BeforeFrom { instruction: "RUN" })]
    fn what_is_no_file(text: &str, problem: Problem) {
        assert_eq!((parse(text).unwrap_err().problem,), (problem,));
    }

    #[test_case("RNU x", Problem::UnknownInstruction { name: "RNU".to_owned() }, "RNU"; "misspelt")]
    #[test_case("FROM", Problem::From, "FROM"; "from nothing")]
    #[test_case("FROM a b", Problem::From, "FROM a b"; "from two")]
    #[test_case("FROM a IS b", Problem::From, "FROM a IS b"; "from as something else")]
    #[test_case("FROM a AS 1b", Problem::StageName { name: "1b".to_owned() }, "1b"; "name that begins with a digit")]
    #[test_case("FROM a AS b/c", Problem::StageName { name: "b/c".to_owned() }, "b/c"; "name with a slash")]
    #[test_case("FROM --platfrom=x a", Problem::UnknownFlag { instruction: "FROM", flag: "platfrom".to_owned() }, "--platfrom=x"; "flag of from")]
    #[test_case("COPY --FROM=a b c", Problem::UnknownFlag { instruction: "COPY", flag: "FROM".to_owned() }, "--FROM=a"; "capital flag")]
    #[test_case("COPY --link --link a b", Problem::FlagTwice { flag: "link" }, "--link"; "flag twice")]
    #[test_case("COPY --from a b", Problem::FlagWithoutValue { flag: "from" }, "--from"; "flag without a value")]
    #[test_case("COPY --link= a b", Problem::FlagWithoutValue { flag: "link" }, ""; "truth without a value")]
    #[test_case("COPY --link=yes a b", Problem::FlagNotBoolean { flag: "link", value: "yes".to_owned() }, "yes"; "no truth value")]
    #[test_case("COPY --from=$X a b", Problem::NotExpanded { what: "--from" }, "$X"; "variable in from")]
    #[test_case("COPY --checksum=x a b", Problem::UnknownFlag { instruction: "COPY", flag: "checksum".to_owned() }, "--checksum=x"; "flag of add")]
    #[test_case("CMD --x y", Problem::UnknownFlag { instruction: "CMD", flag: "x".to_owned() }, "--x"; "flag of a command")]
    #[test_case("COPY a", Problem::NoDestination { instruction: "COPY" }, "COPY a"; "no destination")]
    #[test_case("ADD [\"a\"]", Problem::NoDestination { instruction: "ADD" }, "ADD [\"a\"]"; "no destination in json")]
    #[test_case("COPY a <<E\nE", Problem::HeredocAsDestination { instruction: "COPY" }, "<<E"; "into a here-document")]
    #[test_case("COPY [\"<<E\", \"/a\"]", Problem::HeredocInJson, "<<E"; "here-document in json")]
    #[test_case("RUN <<E\nx", Problem::HeredocWithoutEnd { name: "E".to_owned() }, "RUN <<E"; "no end")]
    #[test_case("RUN [1]", Problem::NotStrings { instruction: "RUN" }, "1"; "numbers")]
    #[test_case("ONBUILD CMD [1]", Problem::NotStrings { instruction: "CMD" }, "1"; "numbers in a trigger")]
    #[test_case("RUN --network=x y", Problem::Value { what: "network", value: "x".to_owned() }, "x"; "network")]
    #[test_case("RUN --network= y", Problem::Value { what: "network", value: String::new() }, ""; "empty network")]
    #[test_case("RUN --security=x y", Problem::Value { what: "security", value: "x".to_owned() }, "x"; "security")]
    #[test_case("RUN --mount=type=bnid y", Problem::Value { what: "type of mount", value: "bnid".to_owned() }, "bnid"; "mount")]
    #[test_case("ENV", Problem::NoArgument { instruction: "ENV" }, "ENV"; "env of nothing")]
    #[test_case("ENV A", Problem::NoValue { instruction: "ENV" }, "A"; "env without a value")]
    #[test_case("ENV A=1 B", Problem::NotAssignment { instruction: "ENV", word: "B".to_owned() }, "B"; "env and a word")]
    #[test_case("LABEL =x", Problem::NoName { instruction: "LABEL" }, "=x"; "label without a name")]
    #[test_case("ARG", Problem::NoArgument { instruction: "ARG" }, "ARG"; "argument of nothing")]
    #[test_case("ARG =x", Problem::NoName { instruction: "ARG" }, "=x"; "argument without a name")]
    #[test_case("USER", Problem::NotOneArgument { instruction: "USER" }, "USER"; "nobody")]
    #[test_case("WORKDIR  ", Problem::NotOneArgument { instruction: "WORKDIR" }, "WORKDIR"; "nowhere")]
    #[test_case("EXPOSE", Problem::NoArgument { instruction: "EXPOSE" }, "EXPOSE"; "no port")]
    #[test_case("VOLUME []", Problem::NoArgument { instruction: "VOLUME" }, "VOLUME []"; "no volume")]
    #[test_case("VOLUME [\" \"]", Problem::Empty { what: "a volume" }, " "; "an empty volume")]
    #[test_case("SHELL a", Problem::NotJson { instruction: "SHELL" }, "SHELL a"; "a shell that is a line")]
    #[test_case("SHELL []", Problem::NoArgument { instruction: "SHELL" }, "SHELL []"; "no shell")]
    #[test_case("HEALTHCHECK", Problem::NoArgument { instruction: "HEALTHCHECK" }, "HEALTHCHECK"; "no check")]
    #[test_case("HEALTHCHECK NONE x", Problem::HealthcheckNone, "x"; "none and more")]
    #[test_case("HEALTHCHECK CMD", Problem::HealthcheckCommand, "HEALTHCHECK CMD"; "no command")]
    #[test_case("HEALTHCHECK curl x", Problem::HealthcheckKind { word: "curl".to_owned() }, "curl"; "neither")]
    #[test_case("HEALTHCHECK --retries=-1 CMD x", Problem::Value { what: "number of retries", value: "-1".to_owned() }, "-1"; "fewer than none")]
    #[test_case("ONBUILD", Problem::NoArgument { instruction: "ONBUILD" }, "ONBUILD"; "no trigger")]
    #[test_case("ONBUILD ONBUILD RUN x", Problem::Trigger { instruction: "ONBUILD" }, "ONBUILD"; "twice")]
    #[test_case("ONBUILD from x", Problem::Trigger { instruction: "FROM" }, "from"; "a stage as trigger")]
    #[test_case("ONBUILD MAINTAINER x", Problem::Trigger { instruction: "MAINTAINER" }, "MAINTAINER"; "somebody as trigger")]
    #[test_case("ONBUILD RNU x", Problem::UnknownInstruction { name: "RNU".to_owned() }, "RNU"; "misspelt trigger")]
    fn refused(text: &str, problem: Problem, at: &str) {
        assert_eq!(error(text), (problem, at.to_owned()));
    }

    #[test_case("--interval=1us"; "too short")]
    #[test_case("--timeout=-1s"; "negative")]
    #[test_case("--start-period=1"; "no unit")]
    fn times_of_health_checks(flag: &str) {
        let (problem, _) = error(&format!("HEALTHCHECK {flag} CMD x"));
        assert!(matches!(problem, Problem::Value { .. }), "{problem}");
    }

    #[test]
    fn what_may_have_been_meant_is_said() {
        let suggestion = |text: &str| parse(&format!("{FROM}{text}")).unwrap_err().suggestion;
        assert_eq!(suggestion("CPOY a b").as_deref(), Some("COPY"));
        assert_eq!(suggestion("cpoy a b").as_deref(), Some("copy"));
        assert_eq!(suggestion("COPY --form=a b c").as_deref(), Some("from"));
        assert_eq!(suggestion("RUN --network=hots x").as_deref(), Some("host"));
        assert_eq!(suggestion("SOMETHING x"), None);
    }

    #[test]
    fn large_files_are_read_in_time() {
        let many = "a ".repeat(100_000) + "/b";
        let lines = many.replace(' ', " \\\n");
        let Instruction::Copy(copy) = step(&format!("COPY \\\n{lines}")).instruction else {
            panic!()
        };
        assert_eq!(copy.sources.len(), 100_000);
        let open = format!("{FROM}RUN x{}", "\\\n".repeat(200_000));
        assert_eq!(parse(&open).unwrap().stages[0].steps.len(), 1);
        let comments = format!("{FROM}RUN x \\\n{}", "# y\n".repeat(200_000));
        assert_eq!(parse(&comments).unwrap().stages[0].steps[0].text, "RUN x");
        let document = format!("{FROM}RUN <<E\n{}E", "line\n".repeat(200_000));
        assert_eq!(parse(&document).unwrap().stages[0].steps.len(), 1);
        let announced = format!("{FROM}RUN {}", "<<E \\\n".repeat(100_000));
        assert!(matches!(
            parse(&announced).unwrap_err().problem,
            Problem::HeredocWithoutEnd { .. }
        ));
        let flags = format!("{FROM}COPY {} a b", "--exclude=x \\\n".repeat(20_000));
        let Instruction::Copy(copy) = &parse(&flags).unwrap().stages[0].steps[0].instruction else {
            panic!()
        };
        assert_eq!(copy.exclude.len(), 20_000);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            drop(parse(&text));
        }

        /// Whatever the file is, places are in it, and at letters' boundaries.
        #[test]
        fn places_are_in_the_file(
            lines in proptest::collection::vec(proptest::sample::select(LINES), 0..10),
            ends in proptest::sample::select(&["\n", "\r\n", " \\\n"][..]),
        ) {
            let text = format!("FROM ä\n{}", lines.join(ends));
            match parse(&text) {
                Err(error) => prop_assert!(text.get(error.at.clone()).is_some(), "{:?}", error),
                Ok(dockerfile) => for step in dockerfile.stages.iter().flat_map(|stage| &stage.steps) {
                    prop_assert!(text.get(step.at.clone()).is_some());
                    if let Instruction::Copy(copy) = &step.instruction {
                        prop_assert!(text.get(copy.destination.at.clone()).is_some());
                    }
                }
            }
        }
    }

    const LINES: &[&str] = &[
        "# größe",
        "FROM x AS ä",
        "COPY --from=\"größe\" ä ö",
        "COPY [\"ä\", \"\\u00e4\"]",
        "RUN --mount=type=cache,\\\"target=ä\\\" <<Ä cat",
        "Ä",
        "ENV ä=\"ö ü\" x",
        "ENV ä=ö",
        "\u{a0}LABEL x='ä' \\",
        "ONBUILD ADD ä ö",
        "HEALTHCHECK --interval=ä CMD x",
        "EXPOSE ä",
        "VOLUME [\"ä\", \" \"]",
        "",
    ];
}
