//! Changes of an image's configuration, written as instructions of a Dockerfile: what
//! `docker import --change` takes (images.md §1).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Why an instruction cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}`: {problem}", instruction.escape_debug())]
pub struct ChangeError {
    /// The instruction as given.
    pub instruction: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Applies instructions to the `config` of an image, in their order; its members come out sorted.
pub fn apply(config: &mut Map<String, Value>, changes: &[String]) -> Result<(), ChangeError> {
    let mut command_set = false;
    for change in changes {
        let text = change.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let done = instruction(config, &word.to_ascii_lowercase(), rest.trim(), &mut command_set);
        done.map_err(|problem| ChangeError { instruction: change.clone(), problem })?;
    }
    config.sort_keys();
    Ok(())
}

type Problem = &'static str;

fn instruction(
    config: &mut Map<String, Value>,
    name: &str,
    rest: &str,
    command_set: &mut bool,
) -> Result<(), Problem> {
    if rest.is_empty() && name != "cmd" && name != "entrypoint" {
        return Err("it needs something after it");
    }
    let environment = environment(config);
    match name {
        "cmd" => {
            *command_set = true;
            config.insert("Cmd".into(), command(rest)?);
        }
        "entrypoint" => {
            config.insert("Entrypoint".into(), command(rest)?);
            if !*command_set {
                config.remove("Cmd");
            }
        }
        "env" => {
            for (key, value) in pairs(rest, &environment)? {
                set_variable(config, &key, &value);
            }
        }
        "label" => {
            for (key, value) in pairs(rest, &environment)? {
                insert_into(config, "Labels", key, json!(value));
            }
        }
        "expose" => {
            for word in words(rest, &environment)? {
                for port in ports(&word)? {
                    insert_into(config, "ExposedPorts", port, json!({}));
                }
            }
        }
        "volume" => {
            let volumes = match list(rest) {
                Some(volumes) => volumes?,
                None => words(rest, &environment)?,
            };
            for volume in volumes {
                if volume.trim().is_empty() {
                    return Err("a volume needs a path");
                }
                insert_into(config, "Volumes", volume, json!({}));
            }
        }
        "user" => set_text(config, "User", &word(rest, &environment)?),
        "stopsignal" => set_text(config, "StopSignal", &signal(&word(rest, &environment)?)?),
        "workdir" => {
            let before = config.get("WorkingDir").and_then(Value::as_str).unwrap_or_default();
            let folder = joined(before, &word(rest, &environment)?);
            set_text(config, "WorkingDir", &folder);
        }
        "onbuild" => {
            let trigger = rest.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            if matches!(trigger.as_str(), "onbuild" | "from" | "maintainer") {
                return Err("this cannot wait for a later build");
            }
            let triggers = config.entry("OnBuild").or_insert_with(|| json!([]));
            if let Some(triggers) = triggers.as_array_mut() {
                triggers.push(json!(rest));
            }
        }
        "healthcheck" => {
            config.insert("Healthcheck".into(), health_check(rest)?);
        }
        _ => {
            return Err(
                "only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR can be changed",
            );
        }
    }
    Ok(())
}

/// A command: a list in JSON, else a line for the shell.
fn command(text: &str) -> Result<Value, Problem> {
    match list(text) {
        Some(list) => Ok(json!(list?)),
        None if text.is_empty() => Ok(json!([])),
        None => Ok(json!(["/bin/sh", "-c", text])),
    }
}

/// A list of texts in JSON, if it is JSON at all.
fn list(text: &str) -> Option<Result<Vec<String>, Problem>> {
    let list: Vec<Value> = serde_json::from_str(text).ok()?;
    let texts = list.into_iter().map(|value| match value {
        Value::String(text) => Ok(text),
        _ => Err("a list may have texts only"),
    });
    Some(texts.collect())
}

/// `name=value` words, or the old form of one name and the rest of the line.
fn pairs(
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, Problem> {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if !first.contains('=') {
        if rest.trim().is_empty() {
            return Err("a name needs a value");
        }
        return Ok(vec![(first.to_owned(), word(rest.trim(), environment)?)]);
    }
    let words = words(text, environment)?;
    let pairs = words.into_iter().map(|word| match word.split_once('=') {
        Some(("", _)) => Err("a name is empty"),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("every word must be name=value"),
    });
    pairs.collect()
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

fn set_text(config: &mut Map<String, Value>, member: &str, text: &str) {
    config.insert(member.to_owned(), json!(text));
}

/// `80`, `80/udp`, `8000-8010/tcp`; what is before a colon is for running, and not kept.
fn ports(text: &str) -> Result<Vec<String>, Problem> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err("a port's protocol is tcp, udp or sctp");
    }
    let range = range.rsplit(':').next().unwrap_or_default();
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    match (from.parse::<u16>(), to.parse::<u16>()) {
        (Ok(from), Ok(to)) if from <= to => {
            Ok((from..=to).map(|port| format!("{port}/{protocol}")).collect())
        }
        _ => Err("a port is a number up to 65535, or two of them with `-` between"),
    }
}

fn signal(text: &str) -> Result<String, Problem> {
    let is_number = text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let base = name.split(['+', '-']).next().unwrap_or_default();
    if is_number || SIGNALS.contains(&base) {
        return Ok(text.to_owned());
    }
    Err("there is no such signal")
}

/// A folder, seen from another one.
fn joined(before: &str, folder: &str) -> String {
    let whole =
        if folder.starts_with('/') { folder.to_owned() } else { format!("{before}/{folder}") };
    let mut names: Vec<&str> = Vec::new();
    for name in whole.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

fn health_check(text: &str) -> Result<Value, Problem> {
    let mut check = Map::new();
    let mut rest = text;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').ok_or("a flag needs `=` and a value")?;
        let (member, value) = match name {
            "interval" => ("Interval", duration(value)?),
            "timeout" => ("Timeout", duration(value)?),
            "start-period" => ("StartPeriod", duration(value)?),
            "start-interval" => ("StartInterval", duration(value)?),
            "retries" => match value.parse::<u32>() {
                Ok(retries) => ("Retries", json!(retries)),
                Err(_) => return Err("the number of retries is no number"),
            },
            _ => return Err("there is no such flag"),
        };
        check.insert(member.to_owned(), value);
        rest = after.trim_start();
    }
    let (kind, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let test = match (kind.to_ascii_uppercase().as_str(), rest.trim()) {
        ("NONE", "") if check.is_empty() => json!(["NONE"]),
        ("NONE", _) => return Err("NONE stands alone"),
        ("CMD", "") => return Err("CMD needs a command"),
        ("CMD", command) => match list(command) {
            Some(list) => json!([vec!["CMD".to_owned()], list?].concat()),
            None => json!(["CMD-SHELL", command]),
        },
        _ => return Err("it is CMD and a command, or NONE"),
    };
    check.insert("Test".to_owned(), test);
    check.sort_keys();
    Ok(Value::Object(check))
}

/// Go's durations, such as `1m30s`, as nanoseconds; zero, or a millisecond at least.
fn duration(text: &str) -> Result<Value, Problem> {
    const WRONG: Problem = "a time is written like 90s or 1m30s, and is a millisecond at least";
    let mut nanoseconds: f64 = 0.0;
    let mut rest = text;
    if rest == "0" {
        return Ok(json!(0));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(WRONG)?;
        let (number, after) = rest.split_at_checked(digits).ok_or(WRONG)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end).ok_or(WRONG)?;
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            _ => return Err(WRONG),
        };
        nanoseconds += number.parse::<f64>().map_err(|_| WRONG)? * scale;
        rest = after;
    }
    if text.is_empty() || !(1e6..9e18).contains(&nanoseconds) {
        return Err(WRONG);
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is between a million and 2^63")]
    let nanoseconds = nanoseconds as i64;
    Ok(json!(nanoseconds))
}

/// One word of all the text: quotes and escapes taken away, variables replaced.
fn word(text: &str, environment: &BTreeMap<String, String>) -> Result<String, Problem> {
    let mut lexer = Lexer { rest: text, environment };
    let mut whole = String::new();
    while !lexer.rest.is_empty() {
        whole.push_str(&lexer.word(false)?.unwrap_or_default());
        if let Some(character) = lexer.next_if(char::is_whitespace) {
            whole.push(character);
        }
    }
    Ok(whole)
}

/// The words of a text.
fn words(text: &str, environment: &BTreeMap<String, String>) -> Result<Vec<String>, Problem> {
    let mut lexer = Lexer { rest: text, environment };
    let mut words = Vec::new();
    while let Some(word) = lexer.word(true)? {
        words.push(word);
    }
    Ok(words)
}

/// Reads words as a shell does, as far as Dockerfiles go.
struct Lexer<'a> {
    rest: &'a str,
    environment: &'a BTreeMap<String, String>,
}

impl Lexer<'_> {
    fn next_if(&mut self, fits: impl Fn(char) -> bool) -> Option<char> {
        let mut characters = self.rest.chars();
        let first = characters.next().filter(|character| fits(*character))?;
        self.rest = characters.as_str();
        Some(first)
    }

    fn word(&mut self, skip_blanks: bool) -> Result<Option<String>, Problem> {
        while skip_blanks && self.next_if(char::is_whitespace).is_some() {}
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut word = String::new();
        while let Some(character) = self.next_if(|character| !character.is_whitespace()) {
            match character {
                '\'' => loop {
                    match self.next_if(|_| true).ok_or("a quote is not closed")? {
                        '\'' => break,
                        other => word.push(other),
                    }
                },
                '"' => loop {
                    match self.next_if(|_| true).ok_or("a quote is not closed")? {
                        '"' => break,
                        '\\' => match self.next_if(|c| matches!(c, '"' | '$' | '\\')) {
                            Some(escaped) => word.push(escaped),
                            None => word.push('\\'),
                        },
                        '$' => word.push_str(&self.variable()?),
                        other => word.push(other),
                    }
                },
                '\\' => word.extend(self.next_if(|_| true)),
                '$' => word.push_str(&self.variable()?),
                other => word.push(other),
            }
        }
        Ok(Some(word))
    }

    /// What stands for a variable, after its `$`.
    fn variable(&mut self) -> Result<String, Problem> {
        let value = |name: &str| self.environment.get(name).cloned().unwrap_or_default();
        let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if let Some(inner) = self.rest.strip_prefix('{') {
            let (inner, rest) = inner.split_once('}').ok_or("`${` is not closed")?;
            self.rest = rest;
            let end = inner.find(|character| !is_name(character)).unwrap_or(inner.len());
            let (name, modifier) = inner.split_at_checked(end).ok_or("`${` is not closed")?;
            let found = value(name);
            return match (modifier.split_at_checked(2), found.is_empty()) {
                _ if name.is_empty() => Err("`${}` needs a name"),
                _ if modifier.is_empty() => Ok(found),
                (Some((":-", _)), false) | (Some((":+", _)), true) => Ok(found),
                (Some((":-" | ":+", other)), _) => Ok(other.to_owned()),
                _ => Err("a variable can be `${x}`, `${x:-word}` or `${x:+word}`"),
            };
        }
        let end = self.rest.find(|character| !is_name(character)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).ok_or("`$` needs a name")?;
        let found = if name.is_empty() { "$".to_owned() } else { value(name) };
        self.rest = rest;
        Ok(found)
    }
}

/// The names of signals on Linux, without `SIG`.
const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

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
