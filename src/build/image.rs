//! The configuration of an image while it is built (OCI image-spec, "Image Configuration"; docker's
//! members beyond it).

use serde_json::{Map, Value, json};

use crate::oci::{Digest, ImageConfig, Platform};

/// A configuration, and its history.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// What it runs on.
    pub platform: Platform,
    /// Members beside `config` that are kept of a base: `author`, `os.version`, `os.features`.
    document: Map<String, Value>,
    /// The member `config`.
    config: Map<String, Value>,
    /// What was done, oldest first; of a base as it was.
    history: Vec<Value>,
}

/// Whether a step made a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layered {
    /// It did.
    Yes,
    /// It did not.
    No,
}

/// The path that programs are looked up in where an image says none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The shell of images that say none.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];
/// Members of a base's `config` that its images inherit. What else there is belongs to the
/// container that docker made the base in.
const INHERITED: [&str; 13] = [
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "ArgsEscaped",
    "Healthcheck",
    "Shell",
    "OnBuild",
];
/// Members beside `config` that are inherited.
const INHERITED_BESIDE: [&str; 3] = ["author", "os.version", "os.features"];

impl Image {
    /// Nothing yet: what `FROM scratch` begins from.
    pub fn scratch(platform: Platform) -> Self {
        let mut image =
            Self { platform, document: Map::new(), config: Map::new(), history: Vec::new() };
        image.set("WorkingDir", json!("/"));
        image.set_variable("PATH", DEFAULT_PATH);
        image
    }

    /// What `FROM` an image begins from.
    pub fn of_base(base: &ImageConfig) -> Self {
        let inherited = |from: &Map<String, Value>, names: &[&str]| {
            let members = names.iter().filter_map(|name| {
                let value = from.get(*name)?;
                (!is_nothing(value)).then(|| ((*name).to_owned(), value.clone()))
            });
            members.collect::<Map<_, _>>()
        };
        let config = base.raw.get("config").and_then(Value::as_object);
        let config = config.map(|config| inherited(config, &INHERITED));
        let history = base.raw.get("history").and_then(Value::as_array);
        let mut image = Self {
            platform: base.platform.clone(),
            document: inherited(&base.raw, &INHERITED_BESIDE),
            config: config.unwrap_or_default(),
            history: history.cloned().unwrap_or_default(),
        };
        if image.variable("PATH").is_none() {
            image.set_variable("PATH", DEFAULT_PATH);
        }
        image
    }

    /// The same for a stage that begins from this one: triggers are not handed on.
    #[must_use]
    pub fn inherited(&self) -> Self {
        let mut image = self.clone();
        image.config.shift_remove("OnBuild");
        image
    }

    /// A text of `config`; empty if there is none.
    pub fn text(&self, member: &str) -> &str {
        self.config.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list of texts of `config`; empty if there is none.
    pub fn list(&self, member: &str) -> Vec<String> {
        let list = self.config.get(member).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Sets a member of `config`; what says nothing is taken away instead.
    pub fn set(&mut self, member: &str, value: Value) {
        if is_nothing(&value) {
            self.config.shift_remove(member);
        } else {
            self.config.insert(member.to_owned(), value);
        }
    }

    /// Takes a member of `config` away.
    pub fn remove(&mut self, member: &str) {
        self.config.shift_remove(member);
    }

    /// Adds to a map of `config`.
    pub fn insert_into(&mut self, member: &str, name: &str, value: Value) {
        let map = self.config.entry(member).or_insert_with(|| json!({}));
        if let Some(map) = map.as_object_mut() {
            map.insert(name.to_owned(), value);
        }
    }

    /// Adds to a list of `config`.
    pub fn push_to(&mut self, member: &str, value: &str) {
        let list = self.config.entry(member).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!(value));
        }
    }

    /// Who made it.
    pub fn set_author(&mut self, author: &str) {
        self.document.insert("author".to_owned(), json!(author));
    }

    /// The environment, in its order.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variables = self.list("Env").into_iter();
        let pair = |variable: String| match variable.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (variable, String::new()),
        };
        variables.map(pair).collect()
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment().into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// Sets a variable: in its place, or as the last one.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        let mut variables = self.list("Env");
        let new = format!("{name}={value}");
        let same = |variable: &&mut String| {
            variable.split_once('=').map_or(variable.as_str(), |(found, _)| found) == name
        };
        match variables.iter_mut().find(same) {
            Some(variable) => *variable = new,
            None => variables.push(new),
        }
        self.set("Env", json!(variables));
    }

    /// The command line of a text for the shell.
    pub fn with_shell(&self, text: &str) -> Vec<String> {
        let mut shell = self.list("Shell");
        if shell.is_empty() {
            shell = DEFAULT_SHELL.map(str::to_owned).to_vec();
        }
        shell.push(text.to_owned());
        shell
    }

    /// Takes the triggers for builds that begin from this image.
    pub fn take_triggers(&mut self) -> Vec<String> {
        let triggers = self.list("OnBuild");
        self.config.shift_remove("OnBuild");
        triggers
    }

    /// Adds a step to the history.
    pub fn record(&mut self, text: &str, layered: Layered, created: &str) {
        let mut step = Map::new();
        step.insert("created".to_owned(), json!(created));
        step.insert("created_by".to_owned(), json!(text));
        if layered == Layered::No {
            step.insert("empty_layer".to_owned(), json!(true));
        }
        self.history.push(Value::Object(step));
    }

    /// The whole document.
    pub fn document(&self, diff_ids: &[Digest], created: &str) -> Map<String, Value> {
        let Platform { os, architecture, variant } = &self.platform;
        let mut document = self.document.clone();
        document.insert("created".to_owned(), json!(created));
        document.insert("architecture".to_owned(), json!(architecture));
        if let Some(variant) = variant {
            document.insert("variant".to_owned(), json!(variant));
        }
        document.insert("os".to_owned(), json!(os));
        document.insert("config".to_owned(), Value::Object(self.config.clone()));
        let diff_ids: Vec<&str> = diff_ids.iter().map(Digest::as_str).collect();
        document.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": diff_ids}));
        document.insert("history".to_owned(), json!(self.history));
        document
    }
}

/// Whether a value says nothing, and so is left out, as Go's programs do.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(_) => false,
    }
}
