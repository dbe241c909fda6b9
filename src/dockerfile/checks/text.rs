//! How a file is written: letters, names, empty lines, comments.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::dockerfile::checks::check::Checker;
use crate::dockerfile::instruction::{Assignment, Instruction, Step, Word};
use crate::dockerfile::parse::Note;
use crate::dockerfile::words;

pub(super) fn check(checker: &mut Checker<'_>) {
    for note in checker.notes() {
        if let Some(at) = &note.empty {
            let message = "an empty line inside of an instruction".to_owned();
            checker.find("NoEmptyContinuation", at, message);
        }
    }
    casing(checker);
    stage_names(checker);
    let arguments = checker.dockerfile.arguments.iter();
    let steps = checker.dockerfile.stages.iter().flat_map(|stage| &stage.steps);
    for step in arguments.chain(steps) {
        instruction(checker, step);
    }
}

/// Instructions are in capital letters, or all in small ones; the larger part is right.
fn casing(checker: &mut Checker<'_>) {
    let stages = checker.dockerfile.stages.iter();
    let places = stages.flat_map(|stage| {
        std::iter::once(&stage.from.at).chain(stage.steps.iter().map(|step| &step.at))
    });
    let keywords: Vec<&Word> =
        places.filter_map(|at| checker.note(at)).map(|note| &note.parts.keyword).collect();
    let small = keywords.iter().filter(|word| is_small(word)).count();
    let capital = keywords.iter().filter(|word| is_capital(word)).count();
    let (is_right, majority): (fn(&Word) -> bool, _) =
        if small > capital { (is_small, "small") } else { (is_capital, "capital") };
    for word in keywords.into_iter().filter(|word| !is_right(word)) {
        let message = format!("{} is not in {majority} letters, as most are", word.text);
        checker.find("ConsistentInstructionCasing", &word.at, message);
    }
}

fn is_small(word: &Word) -> bool {
    word.text == word.text.to_lowercase()
}

fn is_capital(word: &Word) -> bool {
    word.text == word.text.to_uppercase()
}

fn stage_names(checker: &mut Checker<'_>) {
    let mut names = BTreeSet::new();
    for stage in &checker.dockerfile.stages {
        let Some(name) = &stage.from.name else { continue };
        let Some(note) = checker.note(&stage.from.at) else { continue };
        let words = words::list(&note.parts.rest);
        let [_, between, written] = words.as_slice() else { continue };
        let keyword = &note.parts.keyword;
        let fits = match (is_small(keyword), is_capital(keyword)) {
            (true, _) => is_small(between),
            (_, true) => is_capital(between),
            // That is a finding of its own.
            (false, false) => true,
        };
        if !fits {
            let (between_text, keyword) = (&between.text, &keyword.text);
            let message = format!("{between_text} is not in the letters of {keyword}");
            checker.find_in("FromAsCasing", &stage.from.at, &between.at, message);
        }
        if !is_small(written) {
            let message = format!("the stage {} is not named in small letters", written.text);
            checker.find_in("StageNameCasing", &stage.from.at, &written.at, message);
        }
        if matches!(name.as_str(), "scratch" | "context") {
            let message = format!("{name} has a meaning, and is no good name of a stage");
            checker.find("ReservedStageName", &written.at, message);
        }
        if !names.insert(name.clone()) {
            let message = format!("a stage before this one is named {name} too");
            checker.find("DuplicateStageName", &written.at, message);
        }
        description(checker, note, &[name], &written.at);
    }
}

fn instruction(checker: &mut Checker<'_>, step: &Step) {
    let Some(note) = checker.note(&step.at) else { return };
    match &step.instruction {
        Instruction::Maintainer(_) => {
            let message = "MAINTAINER is deprecated in favour of a label".to_owned();
            let at = &note.parts.keyword.at;
            checker.find_in("MaintainerDeprecated", &step.at, at, message);
        }
        Instruction::Arg(arguments) => {
            let names: Vec<&str> = arguments.iter().map(|one| one.name.text.as_str()).collect();
            if let Some(first) = arguments.first() {
                description(checker, note, &names, &first.name.at);
            }
        }
        Instruction::Env(assignments) | Instruction::Label(assignments) => {
            for assignment in assignments.iter().filter(|one| is_legacy(checker.text, one)) {
                let name = step.instruction.name();
                let message = format!("`{name} name value` is the old form of `{name} name=value`");
                let at = &assignment.name.at;
                checker.find_in("LegacyKeyValueFormat", &step.at, at, message);
            }
        }
        _ => {}
    }
}

fn is_legacy(text: &str, assignment: &Assignment) -> bool {
    let between = text.get(assignment.name.at.end..assignment.value.at.start);
    !between.unwrap_or_default().contains('=')
}

/// A comment right above a stage or argument is taken for its description.
fn description(
    checker: &mut Checker<'_>,
    note: &Note<'_>,
    names: &[impl AsRef<str>],
    at: &Range<usize>,
) {
    let Some(comment) = note.comments.last() else { return };
    let first = comment.split(' ').next().unwrap_or_default();
    if names.iter().any(|name| name.as_ref() == first) {
        return;
    }
    let example = match names {
        [name] => name.as_ref(),
        _ => "name",
    };
    let message = format!("the comment above does not describe it, as `# {example} ...` would");
    checker.find_in("InvalidDefinitionDescription", &note.parts.keyword.at, at, message);
}
