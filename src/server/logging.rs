//! The server's log: one line an event, to stderr, as text, logfmt or JSON. Lines cannot be forged:
//! every value that is not plain is quoted, and control characters are spelt out.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::{Clock, SystemClock};

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// What somebody should look into.
    Error,
    /// Also what may become that.
    Warn,
    /// Also what happens, requests among it.
    #[default]
    Info,
    /// Also how.
    Debug,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `time="…" level=info msg="…" name=value`
    #[default]
    Text,
    /// An object a line.
    Json,
    /// An object a line, with logstash's names.
    Logstash,
}

/// How the log is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// How much.
    pub level: LogLevel,
    /// How.
    pub format: LogFormat,
    /// Fields of every line.
    pub fields: BTreeMap<String, String>,
}

/// Begins to log; called once. A later call changes the level alone.
pub fn start(options: &LogOptions) {
    set_level(options.level);
    let format = options.format;
    let fields = options.fields.clone().into_iter().collect();
    let lines = Lines { format, fields, write: Arc::new(to_stderr) };
    // It fails if somebody else logs already: then they have what we would say.
    drop(tracing_subscriber::registry().with(lines).try_init());
}

/// Logs as much as this from now on.
pub fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);

/// Whether events of this level are logged: those of libraries only from warnings on.
fn wanted(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target() == "trust" || metadata.target().starts_with("trust::");
    let configured = match LEVEL.load(Ordering::Relaxed) {
        0 => Level::ERROR,
        1 => Level::WARN,
        2 => Level::INFO,
        _ => Level::DEBUG,
    };
    let most = if ours { configured } else { configured.min(Level::WARN) };
    *metadata.level() <= most
}

fn to_stderr(line: &str) {
    // If the log cannot be written there is nobody left to tell, and requests go on.
    drop(std::io::stderr().lock().write_all(line.as_bytes()));
}

/// Makes lines of events.
struct Lines {
    format: LogFormat,
    fields: Vec<(String, String)>,
    write: Arc<dyn Fn(&str) + Send + Sync>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The level changes while we run.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.is_span() || wanted(metadata)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut facts = Facts::default();
        attributes.record(&mut facts);
        span.extensions_mut().insert(facts);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut facts = Facts::default();
        event.record(&mut facts);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Facts>() {
                facts.fields.extend(of_span.fields.iter().cloned());
            }
        }
        let time = time_stamp();
        let line = line(self.format, &self.fields, &time, *event.metadata().level(), &facts);
        (self.write)(&line);
    }
}

fn time_stamp() -> String {
    static CLOCK: OnceLock<SystemClock> = OnceLock::new();
    let now = CLOCK.get_or_init(SystemClock::default).now();
    format!("{now:.6}")
}

/// The message and the fields of an event or a span.
#[derive(Debug, Default)]
struct Facts {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Facts {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Facts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.put(field, Value::String(text));
    }
}

fn line(
    format: LogFormat,
    common: &[(String, String)],
    time: &str,
    level: Level,
    facts: &Facts,
) -> String {
    let level = match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        _ => "debug",
    };
    let common = common.iter().map(|(name, value)| (name.as_str(), Value::String(value.clone())));
    let fields = facts.fields.iter().map(|(name, value)| (*name, value.clone())).chain(common);
    let names = match format {
        LogFormat::Logstash => ["@timestamp", "level", "message"],
        LogFormat::Text | LogFormat::Json => ["time", "level", "msg"],
    };
    let head = [time, level, &facts.message].map(|text| Value::String(text.to_owned()));
    let head = names.into_iter().zip(head);
    if format == LogFormat::Text {
        let mut line = String::new();
        for (name, value) in head.chain(fields) {
            if !line.is_empty() {
                line.push(' ');
            }
            push_pair(&mut line, name, &value);
        }
        line.push('\n');
        return line;
    }
    let mut object = Map::new();
    if format == LogFormat::Logstash {
        object.insert("@version".to_owned(), "1".into());
    }
    for (name, value) in head.chain(fields) {
        object.entry(name).or_insert(value);
    }
    format!("{}\n", Value::Object(object))
}

fn push_pair(line: &mut String, name: &str, value: &Value) {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@^+:,".contains(&byte);
    line.extend(name.chars().map(|letter| if letter.is_ascii_graphic() { letter } else { '_' }));
    line.push('=');
    if !text.is_empty() && text.bytes().all(plain) {
        line.push_str(&text);
        return;
    }
    line.push('"');
    for letter in text.chars() {
        match letter {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            // Control characters, and what turns the direction of the text around it.
            '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{2066}'..='\u{2069}' => {
                let code = format!("\\u{:04x}", u32::from(letter));
                line.push_str(&code);
            }
            letter => line.push(letter),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn logged(format: LogFormat, what: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&text);
        let write = Arc::new(move |line: &str| copy.lock().unwrap().push_str(line));
        let fields = vec![("service".to_owned(), "registry".to_owned())];
        let subscriber = tracing_subscriber::registry().with(Lines { format, fields, write });
        tracing::subscriber::with_default(subscriber, what);
        text.lock().unwrap().clone()
    }

    #[test]
    fn a_line_cannot_be_forged() {
        let text = logged(LogFormat::Text, || {
            let span = tracing::info_span!(target: "trust", "request", request = "7");
            let _entered = span.enter();
            tracing::warn!(target: "trust", name = "a\nlevel=error \u{202e}\"x", count = 3, "that was\nodd");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.ends_with(
                " level=warning msg=\"that was\\nodd\" \
                 name=\"a\\nlevel=error \\u202e\\\"x\" count=3 request=7 service=registry\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn json_has_the_fields_as_they_are() {
        for (format, message) in [(LogFormat::Json, "msg"), (LogFormat::Logstash, "message")] {
            let text = logged(format, || tracing::info!(target: "trust", count = 3, "hello"));
            let object: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(object[message], "hello");
            assert_eq!((&object["count"], &object["service"]), (&3.into(), &"registry".into()));
        }
    }

    #[test]
    fn libraries_are_heard_when_they_warn() {
        let text = logged(LogFormat::Text, || {
            tracing::info!(target: "hyper", "chatter");
            tracing::warn!(target: "hyper", "trouble");
        });
        assert!(!text.contains("chatter") && text.contains("trouble"), "{text}");
    }
}
