//! The functions that docker adds to those of Go templates.

use gtmpl_ng::{Func, FuncError, Value};

use crate::cli::template::value::to_json;

/// For rows.
pub(super) const ROWS: &[(&str, Func)] = &[
    ("json", json),
    ("join", join),
    ("split", split),
    ("lower", |args| Ok(Value::from(text("lower", args, 0, 1)?.to_lowercase()))),
    ("upper", |args| Ok(Value::from(by_letter(text("upper", args, 0, 1)?, |_| true)))),
    ("title", |args| Ok(Value::from(by_letter(text("title", args, 0, 1)?, begins_word)))),
    ("pad", pad),
    ("truncate", truncate),
    ("index", index),
];

/// For the line of headings, which stay as they are (but `pad` and `split` do what they do).
pub(super) const HEADINGS: &[(&str, Func)] = &[
    ("json", heading),
    ("join", heading),
    ("split", split),
    ("lower", heading),
    ("upper", heading),
    ("title", heading),
    ("pad", pad),
    ("truncate", heading),
    ("len", heading),
];

/// Most spaces `pad` puts on one side: more than any screen is wide.
const MAX_PADDING: usize = 10_000;

fn wrong(words: impl Into<String>) -> FuncError {
    FuncError::Generic(words.into())
}

fn count(name: &str, args: &[Value], wanted: usize) -> Result<(), FuncError> {
    let given = args.len();
    if given == wanted {
        return Ok(());
    }
    Err(wrong(format!("{name} takes {wanted} arguments, not {given}")))
}

fn text<'a>(name: &str, args: &'a [Value], at: usize, of: usize) -> Result<&'a str, FuncError> {
    count(name, args, of)?;
    match args.get(at) {
        Some(Value::String(text)) => Ok(text),
        // What is absent prints like this, too.
        Some(Value::NoValue) => Ok(""),
        other => {
            let found = other.map(ToString::to_string).unwrap_or_default();
            Err(wrong(format!("{name} takes text, not {found}")))
        }
    }
}

fn number(name: &str, args: &[Value], at: usize) -> Result<usize, FuncError> {
    let found = args.get(at);
    let number = match found {
        Some(Value::Number(number)) => number.as_i64(),
        _ => None,
    };
    number.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| {
        let found = found.map(ToString::to_string).unwrap_or_default();
        wrong(format!("{name} takes a number from 0 up, not {found}"))
    })
}

fn json(args: &[Value]) -> Result<Value, FuncError> {
    count("json", args, 1)?;
    let json = to_json(args.first().unwrap_or(&Value::Nil));
    serde_json::to_string(&json).map(Value::from).map_err(|error| wrong(error.to_string()))
}

fn join(args: &[Value]) -> Result<Value, FuncError> {
    let separator = text("join", args, 1, 2)?;
    match args.first() {
        Some(Value::Array(parts)) => {
            let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            Ok(Value::from(parts.join(separator)))
        }
        Some(Value::NoValue) => Ok(Value::from("")),
        other => {
            let found = other.map(ToString::to_string).unwrap_or_default();
            Err(wrong(format!("join takes a list, not {found}")))
        }
    }
}

fn split(args: &[Value]) -> Result<Value, FuncError> {
    let (whole, separator) = (text("split", args, 0, 2)?, text("split", args, 1, 2)?);
    let parts: Vec<Value> = if separator.is_empty() {
        whole.chars().map(|letter| Value::from(letter.to_string())).collect()
    } else {
        whole.split(separator).map(Value::from).collect()
    };
    Ok(Value::Array(parts))
}

fn pad(args: &[Value]) -> Result<Value, FuncError> {
    let inner = text("pad", args, 0, 3)?;
    let (before, after) = (number("pad", args, 1)?, number("pad", args, 2)?);
    if inner.is_empty() {
        return Ok(Value::from(""));
    }
    if before.max(after) > MAX_PADDING {
        return Err(wrong(format!("pad adds at most {MAX_PADDING} spaces")));
    }
    Ok(Value::from(format!("{}{inner}{}", " ".repeat(before), " ".repeat(after))))
}

/// As Go has it for maps of texts: what is not there is empty.
fn index(args: &[Value]) -> Result<Value, FuncError> {
    let (first, keys) = args.split_first().ok_or_else(|| wrong("index takes a list or a map"))?;
    let mut found = first.clone();
    for (at, key) in (1..).zip(keys) {
        found = match (&found, key) {
            (Value::Map(members), Value::String(name)) => {
                members.get(name).cloned().unwrap_or_else(|| Value::from(""))
            }
            (Value::Array(parts), Value::Number(_)) => {
                let place = number("index", args, at)?;
                let part = parts.get(place).cloned();
                part.ok_or_else(|| wrong(format!("there is no element {place}")))?
            }
            // A map that is absent has nothing, too.
            (Value::NoValue | Value::Nil, _) => Value::from(""),
            _ => return Err(wrong(format!("there is no {key} in {found}"))),
        };
    }
    Ok(found)
}

/// Docker counts bytes; a character that would be cut in two is left out.
fn truncate(args: &[Value]) -> Result<Value, FuncError> {
    let (whole, length) = (text("truncate", args, 0, 2)?, number("truncate", args, 1)?);
    let end = whole.floor_char_boundary(length);
    Ok(Value::from(whole.get(..end).unwrap_or_default()))
}

#[expect(clippy::unnecessary_wraps, reason = "functions of templates can fail")]
fn heading(args: &[Value]) -> Result<Value, FuncError> {
    match args.first() {
        Some(Value::Array(parts)) => Ok(parts.first().cloned().unwrap_or(Value::Nil)),
        other => Ok(other.cloned().unwrap_or(Value::Nil)),
    }
}

/// Makes letters upper-case as Go does: one letter stays one letter.
fn by_letter(text: &str, wanted: impl Fn(Option<char>) -> bool) -> String {
    let mut changed = String::with_capacity(text.len());
    let mut before = None;
    for letter in text.chars() {
        let mut upper = letter.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(upper), None) if wanted(before) => changed.push(upper),
            _ => changed.push(letter),
        }
        before = Some(letter);
    }
    changed
}

/// Whether a letter behind this one begins a word.
fn begins_word(before: Option<char>) -> bool {
    before.is_none_or(|before| match before {
        '_' => false,
        before if before.is_ascii() => !before.is_ascii_alphanumeric(),
        before => before.is_whitespace(),
    })
}
