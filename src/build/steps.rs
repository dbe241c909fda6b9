//! Steps, one by one: those that change the configuration alone are done here.

use std::time::Duration;

use serde_json::{Value, json};

use crate::build::engine::{Builder, Place, Stage};
use crate::build::error::{BuildError, Problem};
use crate::dockerfile::{
    self, Argument, Assignment, Command, Healthcheck, Instruction, Step, Word,
};

impl Builder<'_> {
    /// Carries out a step.
    pub(super) fn step(
        &mut self,
        stage: &mut Stage,
        step: &Step,
        place: Place<'_>,
    ) -> Result<(), BuildError> {
        match &step.instruction {
            Instruction::Add(add) => self.add(stage, add, place),
            Instruction::Arg(arguments) => self.argument(stage, arguments),
            Instruction::Cmd(command) => {
                let line = command_line(stage, command);
                stage.image.set("Cmd", json!(line));
                stage.image.set("ArgsEscaped", json!(true));
                stage.has_command = true;
                self.note(stage, &format!("CMD {}", quoted(&line)));
                Ok(())
            }
            Instruction::Copy(copy) => self.copy(stage, copy, place),
            Instruction::Entrypoint(command) => {
                let line = command_line(stage, command);
                stage.image.set("Entrypoint", json!(line));
                if !stage.has_command {
                    stage.image.remove("Cmd");
                }
                self.note(stage, &format!("ENTRYPOINT {}", quoted(&line)));
                Ok(())
            }
            Instruction::Env(assignments) => self.environment(stage, assignments),
            Instruction::Expose(ports) => self.expose(stage, ports),
            Instruction::Healthcheck(check) => {
                let value = health(check);
                let text = format!("HEALTHCHECK {value}");
                stage.image.set("Healthcheck", value);
                self.note(stage, &text);
                Ok(())
            }
            Instruction::Label(assignments) => {
                let pairs = self.pairs(stage, assignments)?;
                for (name, value) in &pairs {
                    stage.image.insert_into("Labels", name, json!(value));
                }
                self.note(stage, &assigned("LABEL", &pairs));
                Ok(())
            }
            Instruction::Maintainer(name) => {
                stage.image.set_author(name);
                self.note(stage, &format!("MAINTAINER {name}"));
                Ok(())
            }
            Instruction::Onbuild(trigger) => {
                stage.add_trigger(&trigger.text);
                Ok(())
            }
            Instruction::Run(run) => self.run(stage, run, place),
            Instruction::Shell(shell) => {
                stage.image.set("Shell", json!(shell));
                self.note(stage, &format!("SHELL [{}]", shell.join(" ")));
                Ok(())
            }
            Instruction::Stopsignal(signal) => {
                let text = self.expand(stage, signal)?;
                if !dockerfile::is_signal(&text) {
                    return Err(BuildError::at(&signal.at, Problem::Signal { signal: text }));
                }
                stage.image.set("StopSignal", json!(text));
                self.note(stage, &format!("STOPSIGNAL {text}"));
                Ok(())
            }
            Instruction::User(user) => {
                let user = self.expand(stage, user)?;
                stage.image.set("User", json!(user));
                self.note(stage, &format!("USER {user}"));
                Ok(())
            }
            Instruction::Volume(volumes) => {
                let paths = self.expand_all(stage, volumes)?;
                for (path, word) in paths.iter().zip(volumes) {
                    if path.is_empty() {
                        return Err(BuildError::at(&word.at, Problem::EmptyVolume));
                    }
                    stage.image.insert_into("Volumes", path, json!({}));
                }
                self.note(stage, &format!("VOLUME [{}]", paths.join(" ")));
                Ok(())
            }
            Instruction::Workdir(folder) => self.workdir(stage, folder, place),
        }
    }

    /// Adds a step that made no layer to the history.
    pub(super) fn note(&self, stage: &mut Stage, text: &str) {
        stage.record(text, None, &self.created);
    }

    /// `ARG`: what is given goes before the default, and that before what is said above the stages.
    fn argument(&mut self, stage: &mut Stage, arguments: &[Argument]) -> Result<(), BuildError> {
        let mut shown = Vec::new();
        for argument in arguments {
            let name = &argument.name.text;
            let given = self.request.settings.arguments.get(name);
            let value = match (given, &argument.default) {
                (Some(given), _) => {
                    self.inputs.arguments.insert(name.clone(), given.clone());
                    Some(given.clone())
                }
                (None, Some(default)) => Some(self.expand(stage, default)?),
                (None, None) => self.global(name).map(str::to_owned),
            };
            if let Some(value) = &value {
                stage.variables.set(name, value);
            }
            if !stage.arguments.contains(name) {
                stage.arguments.push(name.clone());
            }
            shown.push(match value {
                Some(value) => format!("{name}={value}"),
                None => name.clone(),
            });
        }
        self.note(stage, &format!("ARG {}", shown.join(" ")));
        Ok(())
    }

    /// `ENV`: all words are expanded with the values from before the instruction.
    fn environment(
        &mut self,
        stage: &mut Stage,
        assignments: &[Assignment],
    ) -> Result<(), BuildError> {
        let pairs = self.pairs(stage, assignments)?;
        for (name, value) in &pairs {
            stage.variables.set(name, value);
            stage.image.set_variable(name, value);
        }
        self.note(stage, &assigned("ENV", &pairs));
        Ok(())
    }

    fn pairs(
        &self,
        stage: &Stage,
        assignments: &[Assignment],
    ) -> Result<Vec<(String, String)>, BuildError> {
        let pair = |one: &Assignment| {
            Ok((self.expand(stage, &one.name)?, self.expand(stage, &one.value)?))
        };
        assignments.iter().map(pair).collect()
    }

    fn expose(&mut self, stage: &mut Stage, words: &[Word]) -> Result<(), BuildError> {
        let mut exposed = Vec::new();
        let escape = self.dockerfile.directives.escape;
        for word in words {
            let lookup = |name: &str| stage.variables.get(name).map(str::to_owned);
            let ports = dockerfile::expand_words(word, escape, &lookup)
                .map_err(|error| BuildError::at(&word.at, error))?;
            for port in ports {
                let found = dockerfile::ports(&port)
                    .map_err(|problem| BuildError::at(&word.at, Problem::Port { port, problem }))?;
                exposed.extend(found);
            }
        }
        for port in &exposed {
            stage.image.insert_into("ExposedPorts", port, json!({}));
        }
        self.note(stage, &format!("EXPOSE [{}]", exposed.join(" ")));
        Ok(())
    }
}

/// The command line that a command is in a stage.
fn command_line(stage: &Stage, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(line) => line.clone(),
        Command::Shell(text) => stage.image.with_shell(text),
    }
}

fn quoted(line: &[String]) -> String {
    let words: Vec<String> = line.iter().map(|word| json!(word).to_string()).collect();
    format!("[{}]", words.join(" "))
}

fn assigned(name: &str, pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{name} {}", pairs.join(" "))
}

/// `Healthcheck` of a configuration: durations in nanoseconds, what is not said left out.
fn health(check: &Healthcheck) -> Value {
    let (command, times, retries) = match check {
        Healthcheck::None => return json!({"Test": ["NONE"]}),
        Healthcheck::Test { command, interval, timeout, start_period, start_interval, retries } => {
            let times = [
                ("Interval", interval),
                ("Timeout", timeout),
                ("StartPeriod", start_period),
                ("StartInterval", start_interval),
            ];
            (command, times, retries)
        }
    };
    let test = match command {
        Command::Exec(line) => {
            let line = line.iter().map(String::as_str);
            std::iter::once("CMD").chain(line).collect::<Vec<_>>()
        }
        Command::Shell(text) => vec!["CMD-SHELL", text.as_str()],
    };
    let mut value = json!({"Test": test});
    if let Some(members) = value.as_object_mut() {
        for (name, time) in times {
            let time = time.map(|time| Duration::as_nanos(&time)).filter(|time| *time > 0);
            if let Some(time) = time.and_then(|time| u64::try_from(time).ok()) {
                members.insert(name.to_owned(), json!(time));
            }
        }
        if let Some(retries) = retries.filter(|retries| *retries > 0) {
            members.insert("Retries".to_owned(), json!(retries));
        }
    }
    value
}
