//! What stages do: with variables, folders, ports, and files that are left out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::dockerfile::checks::check::Checker;
use crate::dockerfile::error::nearest;
use crate::dockerfile::expansion::{expand, expand_heredoc, expand_words};
use crate::dockerfile::instruction::{
    Argument, Assignment, Command, Instruction, Mount, MountKind, Source, Stage, Step, Word,
};
use crate::dockerfile::pattern::clean;
use crate::dockerfile::ports;
use crate::oci::{Platform, Reference};

type Variables = BTreeMap<String, String>;

pub(super) fn check(checker: &mut Checker<'_>) {
    let globals = globals(checker, Given::Counts);
    let defaults = globals_by_default(checker);
    let mut done: Vec<State> = Vec::new();
    for stage in &checker.dockerfile.stages {
        let state = from(checker, stage, &globals, &defaults, &done);
        let mut walk = Walk { checker, globals: &globals.values, state };
        stage.steps.iter().for_each(|step| walk.step(step));
        done.push(walk.state);
    }
}

/// Whether values that are given for arguments count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Counts,
    DoesNot,
}

/// The arguments before the first stage.
#[derive(Debug, Default)]
struct Globals {
    values: Variables,
    /// All that are declared or set.
    names: BTreeSet<String>,
    /// Whether all could be expanded.
    is_whole: bool,
}

fn globals_by_default(checker: &Checker<'_>) -> Globals {
    globals(checker, Given::DoesNot)
}

fn globals(checker: &Checker<'_>, given: Given) -> Globals {
    let predefined = checker.known.predefined.iter().cloned();
    let mut globals =
        Globals { values: predefined.collect(), is_whole: true, ..Globals::default() };
    globals.names = globals.values.keys().cloned().collect();
    let escape = checker.dockerfile.directives.escape;
    for step in &checker.dockerfile.arguments {
        let Instruction::Arg(arguments) = &step.instruction else { continue };
        for Argument { name, default } in arguments {
            let value = checker.known.arguments.get(&name.text).cloned();
            let value = value.filter(|_| given == Given::Counts);
            let value = value.or_else(|| {
                let lookup = |name: &str| globals.values.get(name).cloned();
                let expanded = expand(default.as_ref()?, escape, &lookup).ok();
                globals.is_whole &= expanded.is_some();
                expanded
            });
            globals.names.insert(name.text.clone());
            if let Some(value) = value {
                globals.values.insert(name.text.clone(), value);
            }
        }
    }
    globals
}

/// A stage, as far as its steps were walked through.
#[derive(Debug, Clone, Default)]
struct State {
    name: Option<String>,
    variables: Variables,
    /// Arguments that are declared, whether they have a value or not.
    declared: BTreeSet<String>,
    /// Whether all variables are known.
    is_known: bool,
    has_shell: bool,
    has_folder: bool,
    command: Option<Range<usize>>,
    entrypoint: Option<Range<usize>>,
    healthcheck: Option<Range<usize>>,
}

/// Checks a FROM, and says what the stage begins with.
fn from(
    checker: &mut Checker<'_>,
    stage: &Stage,
    globals: &Globals,
    defaults: &Globals,
    done: &[State],
) -> State {
    let image =
        expand_global(checker, &stage.from.image, globals, &stage.from.at).unwrap_or_default();
    if let Some(platform) = &stage.from.platform {
        from_platform(checker, stage, platform, globals);
    }
    let escape = checker.dockerfile.directives.escape;
    let lookup = |name: &str| defaults.values.get(name).cloned();
    if defaults.is_whole
        && stage.from.image.text.contains('$')
        && let Ok(name) = expand(&stage.from.image, escape, &lookup)
        && Reference::parse(&name).is_err()
    {
        let written = &stage.from.image.text;
        let message = format!("without arguments given, {written} is no name of an image");
        checker.find("InvalidDefaultArgInFrom", &stage.from.image.at, message);
    }
    let small = image.to_lowercase();
    let base = done.iter().rev().find(|state| state.name.as_ref() == Some(&small));
    let mut state = match base {
        Some(base) => State { command: None, entrypoint: None, healthcheck: None, ..base.clone() },
        None => of_image(checker, &image),
    };
    state.name.clone_from(&stage.from.name);
    state
}

fn of_image(checker: &Checker<'_>, image: &str) -> State {
    let variables = match image {
        "scratch" => Some(Vec::new()),
        image => (checker.known.environment)(image),
    };
    let is_known = variables.is_some();
    let mut variables: Variables = variables.unwrap_or_default().into_iter().collect();
    // An image that has none gets one.
    variables.entry("PATH".to_owned()).or_default();
    State { variables, is_known, ..State::default() }
}

fn from_platform(checker: &mut Checker<'_>, stage: &Stage, platform: &Word, globals: &Globals) {
    let looked_up = RefCell::new(Vec::new());
    let lookup = |name: &str| {
        looked_up.borrow_mut().push(name.to_owned());
        globals.values.get(name).cloned()
    };
    let escape = checker.dockerfile.directives.escape;
    let Ok(value) = expand(platform, escape, &lookup) else { return };
    let mut names = looked_up.into_inner();
    names.sort();
    names.dedup();
    expand_global(checker, platform, globals, &stage.from.at);
    match names.as_slice() {
        [name] if name == "TARGETPLATFORM" && globals.values.get(name) == Some(&value) => {
            let message = format!("{} is the platform of FROM anyway", platform.text);
            checker.find_in("RedundantTargetPlatform", &stage.from.at, &platform.at, message);
        }
        [] => {
            let Ok(parsed) = Platform::parse(&value) else { return };
            let name = stage.from.name.as_deref().unwrap_or_default();
            if !name.contains(&parsed.os) && !name.contains(&parsed.architecture) {
                let message = format!("the stage is for {value} whatever is built for");
                let rule = "FromPlatformFlagConstDisallowed";
                checker.find_in(rule, &stage.from.at, &platform.at, message);
            }
        }
        _ => {}
    }
}

/// Expands a word of FROM.
fn expand_global(
    checker: &mut Checker<'_>,
    word: &Word,
    globals: &Globals,
    instruction: &Range<usize>,
) -> Option<String> {
    let missing = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        let value = globals.values.get(name).cloned();
        if !globals.names.contains(name) {
            missing.borrow_mut().insert(name.to_owned());
        }
        value
    };
    let value = expand(word, checker.dockerfile.directives.escape, &lookup).ok();
    for name in missing.into_inner() {
        let mut message = format!("the argument {name} is not declared before the first FROM");
        if let Some(nearest) = nearest_name(&name, globals.names.iter().map(String::as_str)) {
            message = format!("{message}: perhaps {nearest} is meant");
        }
        checker.find_in("UndefinedArgInFrom", instruction, &word.at, message);
    }
    value
}

/// Names of variables are other ones in other letters.
fn nearest_name<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let found = nearest(name, names.iter().copied())?;
    names.iter().find(|name| name.eq_ignore_ascii_case(&found)).map(|name| (*name).to_owned())
}

/// Goes through the steps of a stage.
struct Walk<'w, 'a> {
    checker: &'w mut Checker<'a>,
    globals: &'w Variables,
    state: State,
}

impl Walk<'_, '_> {
    fn step(&mut self, step: &Step) {
        match &step.instruction {
            Instruction::Arg(arguments) => {
                for argument in arguments {
                    self.argument(argument, step);
                }
            }
            Instruction::Env(assignments) => self.environment(assignments, step),
            Instruction::Label(assignments) => {
                for assignment in assignments {
                    self.expand(&assignment.name, step);
                    self.expand(&assignment.value, step);
                }
            }
            Instruction::Add(add) => {
                let words = [&add.chown, &add.chmod, &add.checksum];
                for word in words.into_iter().flatten() {
                    self.expand(word, step);
                }
                self.sources(&add.sources, Some("ADD"), step);
                self.expand(&add.destination, step);
            }
            Instruction::Copy(copy) => {
                let words = [&copy.chown, &copy.chmod];
                for word in words.into_iter().flatten() {
                    self.expand(word, step);
                }
                let of_context = copy.from.is_none().then_some("COPY");
                self.sources(&copy.sources, of_context, step);
                self.expand(&copy.destination, step);
            }
            Instruction::Run(run) => {
                for word in run.mounts.iter().flat_map(words_of_mount) {
                    self.expand(word, step);
                }
            }
            Instruction::User(word) | Instruction::Stopsignal(word) => {
                drop(self.expand(word, step));
            }
            Instruction::Volume(words) => {
                for word in words {
                    self.expand(word, step);
                }
            }
            Instruction::Workdir(word) => self.folder(word, step),
            Instruction::Expose(words) => {
                for word in words {
                    self.port(word, step);
                }
            }
            Instruction::Shell(_) => self.state.has_shell = true,
            Instruction::Cmd(command) => {
                let before = self.state.command.replace(step.at.clone());
                self.once(before, step);
                self.line(command, step);
            }
            Instruction::Entrypoint(command) => {
                let before = self.state.entrypoint.replace(step.at.clone());
                self.once(before, step);
                self.line(command, step);
            }
            Instruction::Healthcheck(_) => {
                let before = self.state.healthcheck.replace(step.at.clone());
                self.once(before, step);
            }
            Instruction::Maintainer(_) | Instruction::Onbuild(_) => {}
        }
    }

    fn find(&mut self, rule: &'static str, step: &Step, at: &Range<usize>, message: String) {
        self.checker.find_in(rule, &step.at, at, message);
    }

    /// Expands with what was set before this step, and finds what was not.
    fn expanding<T>(
        &mut self,
        at: &Range<usize>,
        step: &Step,
        expand: impl FnOnce(&dyn Fn(&str) -> Option<String>) -> Option<T>,
    ) -> Option<T> {
        let missing = RefCell::new(BTreeSet::new());
        let expanded = expand(&|name: &str| {
            let value = self.state.variables.get(name).cloned();
            if value.is_none() && !self.state.declared.contains(name) {
                missing.borrow_mut().insert(name.to_owned());
            }
            value
        });
        if self.state.is_known {
            for name in missing.into_inner() {
                let mut message = format!("the variable {name} is not defined");
                // A text with a thousand variables would be compared with a thousand others.
                let names = self.state.variables.keys().take(MOST_COMPARED).map(String::as_str);
                if let Some(nearest) = nearest_name(&name, names) {
                    message = format!("{message}: perhaps {nearest} is meant");
                }
                self.find("UndefinedVar", step, at, message);
            }
        }
        expanded
    }

    fn expand(&mut self, word: &Word, step: &Step) -> Option<String> {
        let escape = self.checker.dockerfile.directives.escape;
        self.expanding(&word.at, step, |lookup| expand(word, escape, lookup).ok())
    }

    fn argument(&mut self, Argument { name, default }: &Argument, step: &Step) {
        self.secret("ARG", &name.text, &name.at, step);
        let given = self.checker.known.arguments.get(&name.text).cloned();
        let value = match (given, default) {
            (Some(given), _) => Some(given),
            (None, Some(default)) => self.expand(default, step),
            (None, None) => self.globals.get(&name.text).cloned(),
        };
        self.state.declared.insert(name.text.clone());
        if let Some(value) = value {
            self.state.variables.insert(name.text.clone(), value);
        }
    }

    fn environment(&mut self, assignments: &[Assignment], step: &Step) {
        let mut set = Vec::new();
        for Assignment { name, value } in assignments {
            let (key, value) = (self.expand(name, step), self.expand(value, step));
            let key = key.unwrap_or_else(|| name.text.clone());
            self.secret("ENV", &key, &name.at, step);
            set.push((key, value.unwrap_or_default()));
        }
        self.state.variables.extend(set);
    }

    /// Names that are made of such words are often those of secrets.
    fn secret(&mut self, instruction: &str, name: &str, at: &Range<usize>, step: &Step) {
        let small = name.to_ascii_lowercase();
        let has = |words: &[&str]| small.split('_').any(|part| words.contains(&part));
        if has(SECRETS) && !has(NOT_SECRETS) {
            let message =
                format!("{instruction} {name} looks like a secret, and the image keeps it");
            self.find("SecretsUsedInArgOrEnv", step, at, message);
        }
    }

    /// Expands sources, and finds those that the context does not have.
    fn sources(&mut self, sources: &[Source], of_context: Option<&str>, step: &Step) {
        for source in sources {
            let word = match source {
                Source::Path(word) => word,
                Source::Heredoc(document) => {
                    let place = &document.at;
                    self.expanding(place, step, |lookup| expand_heredoc(document, lookup).ok());
                    continue;
                }
            };
            let Some(path) = self.expand(word, step) else { continue };
            if let Some(instruction) = of_context {
                self.left_out(&path, instruction, word, step);
            }
        }
    }

    fn left_out(&mut self, path: &str, instruction: &str, word: &Word, step: &Step) {
        let Some(ignore) = self.checker.known.ignore else { return };
        let is_remote = path.contains("://") || path.starts_with("git@");
        // With exceptions a folder that is left out may have something in it that is not.
        if is_remote || ignore.patterns().have_exceptions() {
            return;
        }
        let path = clean(path.as_bytes());
        let out = match path.as_slice() {
            b"." | b"/" => ignore.patterns().match_everything(),
            path => ignore.excludes(path),
        };
        if out {
            let message =
                format!("{instruction} takes {}, which .dockerignore leaves out", word.text);
            self.find("CopyIgnoredFile", step, &word.at, message);
        }
    }

    fn folder(&mut self, word: &Word, step: &Step) {
        let folder = self.expand(word, step);
        let had_folder = std::mem::replace(&mut self.state.has_folder, true);
        if !had_folder && folder.is_some_and(|folder| !folder.starts_with('/')) {
            let message = format!("{} is below a folder that the base decides", word.text);
            self.find("WorkdirRelativePath", step, &word.at, message);
        }
    }

    fn port(&mut self, word: &Word, step: &Step) {
        let escape = self.checker.dockerfile.directives.escape;
        let lookup = |name: &str| self.state.variables.get(name).cloned();
        let words = expand_words(word, escape, &lookup).unwrap_or_default();
        for port in words {
            let Ok(exposed) = ports::parse(&port) else { continue };
            if !exposed.protocol_is_small {
                let message = format!("the protocol of {port} is not in small letters");
                self.find("ExposeProtoCasing", step, &word.at, message);
            }
            if exposed.names_machine {
                let message =
                    format!("{port} names an address or port of the machine, which no image has");
                self.find("ExposeInvalidFormat", step, &word.at, message);
            }
        }
    }

    /// Finds the earlier of two instructions of which the later one counts.
    fn once(&mut self, before: Option<Range<usize>>, step: &Step) {
        if let Some(before) = before {
            let name = step.instruction.name();
            let message = format!("a later {name} of the same stage counts");
            self.find("MultipleInstructionsDisallowed", step, &before, message);
        }
    }

    fn line(&mut self, command: &Command, step: &Step) {
        if matches!(command, Command::Shell(_)) && !self.state.has_shell {
            let name = step.instruction.name();
            let message = format!(
                "{name} is a line for a shell, which keeps signals from the program: a JSON array does not"
            );
            let note = self.checker.note(&step.at);
            let at = note.map_or(step.at.clone(), |note| note.parts.rest.whole());
            self.find("JSONArgsRecommended", step, &at, message);
        }
    }
}

fn words_of_mount(mount: &Mount) -> Vec<&Word> {
    let mut words: Vec<&Word> = mount.target.iter().collect();
    match &mount.kind {
        MountKind::Bind { source, .. } => words.extend(source),
        MountKind::Cache { id, source, mode, uid, gid, .. } => {
            words.extend([id, source, mode, uid, gid].into_iter().flatten());
        }
        MountKind::Tmpfs { size } => words.extend(size),
        MountKind::Secret { id, env, mode, uid, gid, .. } => {
            words.extend([id, env, mode, uid, gid].into_iter().flatten());
        }
        MountKind::Ssh { id, mode, uid, gid, .. } => {
            words.extend([id, mode, uid, gid].into_iter().flatten());
        }
    }
    words
}

/// Parts of names that say that something is secret, or how to prove who one is.
const SECRETS: &[&str] = &[
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "secret",
    "token",
];
/// Parts of names that say that it is not, or not the thing itself.
const NOT_SECRETS: &[&str] = &["public", "file", "version"];
/// Most variables that one which is not defined is compared with.
const MOST_COMPARED: usize = 200;
