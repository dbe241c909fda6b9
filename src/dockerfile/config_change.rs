//! Changes of an image's configuration, written as instructions of a Dockerfile: what
//! `docker import --change` takes (images.md §1).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::dockerfile::expansion::{expand, expand_words};
use crate::dockerfile::instruction::{Assignment, Command, Healthcheck, Instruction, Word};
use crate::dockerfile::parse::parse_trigger;
use crate::dockerfile::path::joined;
use crate::dockerfile::ports::ports;
use crate::dockerfile::signal::is_signal;

/// Why an instruction cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}`: {problem}", instruction.escape_debug())]
pub struct ChangeError {
    /// The instruction as given.
    pub instruction: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Applies instructions to the `config` of an image, in their order; its members come out sorted.
pub fn apply(config: &mut Map<String, Value>, changes: &[String]) -> Result<(), ChangeError> {
    let mut command_set = false;
    for text in changes {
        let done =
            parse_trigger(text, ESCAPE).map_err(|error| error.to_string()).and_then(|step| {
                let environment = environment(config);
                let mut change = Change { config, environment, command_set };
                change.apply(&step.instruction)?;
                command_set = change.command_set;
                Ok(())
            });
        done.map_err(|problem| ChangeError { instruction: text.clone(), problem })?;
    }
    config.sort_keys();
    Ok(())
}

/// A configuration that one instruction changes.
struct Change<'a> {
    config: &'a mut Map<String, Value>,
    /// As it was before the instruction.
    environment: BTreeMap<String, String>,
    /// Whether one of the changes was a CMD.
    command_set: bool,
}

impl Change<'_> {
    fn apply(&mut self, instruction: &Instruction) -> Result<(), String> {
        match instruction {
            Instruction::Cmd(command) => {
                self.command_set = true;
                self.config.insert("Cmd".into(), line(command));
            }
            Instruction::Entrypoint(command) => {
                self.config.insert("Entrypoint".into(), line(command));
                if !self.command_set {
                    self.config.remove("Cmd");
                }
            }
            Instruction::Env(assignments) => {
                for (name, value) in self.pairs(assignments)? {
                    set_variable(self.config, &name, &value);
                }
            }
            Instruction::Label(assignments) => {
                for (name, value) in self.pairs(assignments)? {
                    insert_into(self.config, "Labels", name, json!(value));
                }
            }
            Instruction::Expose(words) => {
                for word in words {
                    let lookup = |name: &str| self.environment.get(name).cloned();
                    let words = expand_words(word, ESCAPE, &lookup);
                    for word in words.map_err(|error| error.to_string())? {
                        for port in ports(&word)? {
                            insert_into(self.config, "ExposedPorts", port, json!({}));
                        }
                    }
                }
            }
            Instruction::Volume(words) => {
                for word in words {
                    let volume = self.expand(word)?;
                    if volume.is_empty() {
                        return Err("a volume needs a path".to_owned());
                    }
                    insert_into(self.config, "Volumes", volume, json!({}));
                }
            }
            Instruction::User(word) => self.set("User", word)?,
            Instruction::Stopsignal(word) => {
                if !is_signal(&self.expand(word)?) {
                    return Err("there is no such signal".to_owned());
                }
                self.set("StopSignal", word)?;
            }
            Instruction::Workdir(word) => {
                let before = self.config.get("WorkingDir").and_then(Value::as_str);
                let folder = joined(before.unwrap_or_default(), &self.expand(word)?);
                self.config.insert("WorkingDir".into(), json!(folder));
            }
            Instruction::Onbuild(trigger) => {
                let triggers = self.config.entry("OnBuild").or_insert_with(|| json!([]));
                if let Some(triggers) = triggers.as_array_mut() {
                    triggers.push(json!(trigger.text.trim_end()));
                }
            }
            Instruction::Healthcheck(check) => {
                self.config.insert("Healthcheck".into(), health_check(check));
            }
            Instruction::Add(_)
            | Instruction::Arg(_)
            | Instruction::Copy(_)
            | Instruction::Maintainer(_)
            | Instruction::Run(_)
            | Instruction::Shell(_) => {
                return Err("only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, \
                            STOPSIGNAL, USER, VOLUME and WORKDIR can be changed"
                    .to_owned());
            }
        }
        Ok(())
    }

    fn expand(&self, word: &Word) -> Result<String, String> {
        let lookup = |name: &str| self.environment.get(name).cloned();
        expand(word, ESCAPE, &lookup).map_err(|error| error.to_string())
    }

    fn set(&mut self, member: &str, word: &Word) -> Result<(), String> {
        let text = self.expand(word)?;
        self.config.insert(member.to_owned(), json!(text));
        Ok(())
    }

    fn pairs(&self, assignments: &[Assignment]) -> Result<Vec<(String, String)>, String> {
        let pair = |one: &Assignment| Ok((self.expand(&one.name)?, self.expand(&one.value)?));
        assignments.iter().map(pair).collect()
    }
}

/// A command as the configuration has it.
fn line(command: &Command) -> Value {
    match command {
        Command::Exec(line) => json!(line),
        Command::Shell(text) => json!(["/bin/sh", "-c", text]),
    }
}

fn environment(config: &Map<String, Value>) -> BTreeMap<String, String> {
    let variables = config.get("Env").and_then(Value::as_array).into_iter().flatten();
    let pair = |variable: &Value| {
        let (name, value) = variable.as_str()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    variables.filter_map(pair).collect()
}

fn set_variable(config: &mut Map<String, Value>, name: &str, value: &str) {
    let variables = config.entry("Env").or_insert_with(|| json!([]));
    let Some(variables) = variables.as_array_mut() else { return };
    let is_it = |variable: &Value| {
        variable.as_str().and_then(|text| text.split_once('=')).is_some_and(|(n, _)| n == name)
    };
    let new = json!(format!("{name}={value}"));
    match variables.iter_mut().find(|variable| is_it(variable)) {
        Some(variable) => *variable = new,
        None => variables.push(new),
    }
}

fn insert_into(config: &mut Map<String, Value>, member: &str, key: String, value: Value) {
    let map = config.entry(member).or_insert_with(|| json!({}));
    if let Some(map) = map.as_object_mut() {
        map.insert(key, value);
        map.sort_keys();
    }
}

fn health_check(check: &Healthcheck) -> Value {
    let Healthcheck::Test { command, interval, timeout, start_period, start_interval, retries } =
        check
    else {
        return json!({"Test": ["NONE"]});
    };
    let mut members = Map::new();
    let times = [
        ("Interval", interval),
        ("Timeout", timeout),
        ("StartPeriod", start_period),
        ("StartInterval", start_interval),
    ];
    for (member, time) in times {
        if let Some(nanoseconds) = time.as_ref().map(Duration::as_nanos) {
            members
                .insert(member.to_owned(), json!(u64::try_from(nanoseconds).unwrap_or(u64::MAX)));
        }
    }
    if let Some(retries) = retries {
        members.insert("Retries".to_owned(), json!(retries));
    }
    let test = match command {
        Command::Exec(line) => json!([vec!["CMD".to_owned()], line.clone()].concat()),
        Command::Shell(text) => json!(["CMD-SHELL", text]),
    };
    members.insert("Test".to_owned(), test);
    members.sort_keys();
    Value::Object(members)
}

/// Instructions on a command line have no directives.
const ESCAPE: char = '\\';

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn changed(changes: &[&str]) -> Result<Value, ChangeError> {
        let mut config = Map::new();
        let changes: Vec<String> = changes.iter().map(|text| (*text).to_owned()).collect();
        apply(&mut config, &changes)?;
        Ok(Value::Object(config))
    }

    #[test_case(&["CMD [\"a\", \"b c\"]"], r#"{"Cmd":["a","b c"]}"#)]
    #[test_case(&["cmd echo $HOME"], r#"{"Cmd":["/bin/sh","-c","echo $HOME"]}"#)]
    #[test_case(&["CMD x", "ENTRYPOINT [\"y\"]"], r#"{"Cmd":["/bin/sh","-c","x"],"Entrypoint":["y"]}"#)]
    #[test_case(&["ENV A=1 B='x y' C=\"$A\"", "ENV A=2 D=$A", "ENV E some words"],
        r#"{"Env":["A=2","B=x y","C=","D=1","E=some words"]}"#)]
    #[test_case(&["ENV P=/a", "ENV P=$P:/b Q=${X:-none} R=${P:+set} S=\\$P"],
        r#"{"Env":["P=/a:/b","Q=none","R=set","S=$P"]}"#)]
    #[test_case(&["EXPOSE 80 53/udp 9000-9001"],
        r#"{"ExposedPorts":{"53/udp":{},"80/tcp":{},"9000/tcp":{},"9001/tcp":{}}}"#)]
    #[test_case(&["LABEL b=1 a=\"x y\"", "LABEL b=2"], r#"{"Labels":{"a":"x y","b":"2"}}"#)]
    #[test_case(&["WORKDIR /a", "WORKDIR b/../c", "USER me:us"], r#"{"User":"me:us","WorkingDir":"/a/c"}"#)]
    #[test_case(&["VOLUME /x /y", "VOLUME [\"/z z\"]"], r#"{"Volumes":{"/x":{},"/y":{},"/z z":{}}}"#)]
    #[test_case(&["STOPSIGNAL SIGTERM"], r#"{"StopSignal":"SIGTERM"}"#)]
    #[test_case(&["ONBUILD RUN x  y", "ONBUILD COPY . /"], r#"{"OnBuild":["RUN x  y","COPY . /"]}"#)]
    #[test_case(&["HEALTHCHECK --interval=1m30s --retries=3 CMD curl x"],
        r#"{"Healthcheck":{"Interval":90000000000,"Retries":3,"Test":["CMD-SHELL","curl x"]}}"#)]
    #[test_case(&["HEALTHCHECK NONE"], r#"{"Healthcheck":{"Test":["NONE"]}}"#)]
    fn taken(changes: &[&str], expected: &str) {
        assert_eq!(changed(changes).unwrap().to_string(), expected);
    }

    #[test_case("RUN x")]
    #[test_case("FROM x")]
    #[test_case("ENV")]
    #[test_case("ENV A")]
    #[test_case("ENV A=1 B")]
    #[test_case("ENV =1")]
    #[test_case("LABEL a='x")]
    #[test_case("ENV A=${")]
    #[test_case("CMD [1]")]
    #[test_case("EXPOSE x")]
    #[test_case("EXPOSE 80/icmp")]
    #[test_case("EXPOSE 9-8")]
    #[test_case("STOPSIGNAL SIGNOTHING")]
    #[test_case("ONBUILD ONBUILD RUN x")]
    #[test_case("HEALTHCHECK curl")]
    #[test_case("HEALTHCHECK --interval=1 CMD x")]
    #[test_case("HEALTHCHECK --interval=1us CMD x")]
    fn refused(change: &str) {
        assert_eq!(changed(&[change]).unwrap_err().instruction, change);
    }
}
