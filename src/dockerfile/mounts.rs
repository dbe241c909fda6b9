//! `--mount` and `--device` of `RUN` (images.md §1.5).

use std::ops::Range;

use crate::dockerfile::directives::boolean;
use crate::dockerfile::error::{Problem, SyntaxError};
use crate::dockerfile::instruction::{Mount, MountKind, Sharing, Word};
use crate::dockerfile::spliced::Spliced;

/// Reads the value of `--mount`.
pub(super) fn mount(value: &Spliced) -> Result<Mount, SyntaxError> {
    let mut options = Options::default();
    for field in fields(value)? {
        options.add(&field)?;
    }
    options.mount(value.whole())
}

/// Checks the value of `--device`: a name, and perhaps `required`.
pub(super) fn device(value: &Spliced) -> Result<Word, SyntaxError> {
    let mut is_named = false;
    for field in fields(value)? {
        let at = field.whole();
        let (key, value) = match field.text().split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.text(), None),
        };
        let wrong = |problem| Err(SyntaxError::new(problem, at.clone()));
        match (key.to_ascii_lowercase().as_str(), value) {
            ("required", None) => {}
            ("required", Some(value)) if boolean(value).is_some() => {}
            ("required", Some(value)) => {
                return wrong(Problem::Value { what: "truth value", value: value.to_owned() });
            }
            // A name may have the sign in it.
            _ if !is_named => is_named = true,
            _ => {
                let value = field.text().to_owned();
                return wrong(Problem::Value { what: "option of a device", value });
            }
        }
    }
    if is_named {
        Ok(value.clone().into_word())
    } else {
        Err(SyntaxError::new(Problem::Empty { what: "the name of a device" }, value.whole()))
    }
}

/// What the options of a mount say, whatever its type is.
#[derive(Debug, Default)]
struct Options {
    kind: Option<(&'static str, Range<usize>)>,
    from: Option<Word>,
    source: Option<Word>,
    target: Option<Word>,
    read_only: Option<bool>,
    id: Option<Word>,
    sharing: Option<(Sharing, Range<usize>)>,
    required: Option<(bool, Range<usize>)>,
    size: Option<Word>,
    mode: Option<Word>,
    uid: Option<Word>,
    gid: Option<Word>,
    env: Option<Word>,
}

impl Options {
    fn add(&mut self, field: &Spliced) -> Result<(), SyntaxError> {
        let at = field.whole();
        let (key, value) = match field.cut('=') {
            Some((key, value)) => (key.text().to_ascii_lowercase(), Some(value.into_word())),
            None => (field.text().to_ascii_lowercase(), None),
        };
        let Some(key) = KEYS.iter().find(|known| **known == key) else {
            let error = SyntaxError::new(Problem::UnknownMountOption { key: key.clone() }, at);
            return Err(error.suggesting(&key, KEYS));
        };
        let Some(value) = value else {
            match *key {
                "readonly" | "ro" => self.read_only = Some(true),
                "readwrite" | "rw" => self.read_only = Some(false),
                "required" => self.required = Some((true, at)),
                key => {
                    return Err(SyntaxError::new(Problem::MountOptionWithoutValue { key }, at));
                }
            }
            return Ok(());
        };
        match *key {
            "type" => self.kind = Some((one_of(&value, "type of mount", &TYPES)?, at)),
            "from" => {
                let dollar = value.text.find('$');
                if dollar.is_some_and(|dollar| dollar + 1 != value.text.len()) {
                    let problem = Problem::NotExpanded { what: "the source of a mount" };
                    return Err(SyntaxError::new(problem, value.at));
                }
                self.from = Some(value).filter(|value| !value.text.is_empty());
            }
            "source" | "src" => self.source = Some(value),
            "target" | "dst" | "destination" => self.target = Some(value),
            "readonly" | "ro" => self.read_only = Some(truth(&value)?),
            "readwrite" | "rw" => self.read_only = Some(!truth(&value)?),
            "required" => self.required = Some((truth(&value)?, at)),
            "size" => self.size = Some(number(value, "size", |text| bytes(text).is_some())?),
            "id" => self.id = Some(value),
            "sharing" => {
                let sharing = match one_of(&value, "sharing of a cache", &SHARING)? {
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => Sharing::Shared,
                };
                self.sharing = Some((sharing, at));
            }
            "mode" => self.mode = Some(number(value, "mode", is_octal)?),
            "uid" => self.uid = Some(number(value, "user id", is_id)?),
            "gid" => self.gid = Some(number(value, "group id", is_id)?),
            _ => self.env = Some(value),
        }
        Ok(())
    }

    fn mount(mut self, at: Range<usize>) -> Result<Mount, SyntaxError> {
        let kind = self.kind.as_ref().map_or("bind", |(kind, _)| *kind);
        self.check(kind)?;
        let required = self.required.is_some_and(|(required, _)| required);
        let (mode, uid, gid) = (self.mode.take(), self.uid.take(), self.gid.take());
        let what = match kind {
            "cache" => MountKind::Cache {
                id: given(self.id),
                from: self.from,
                source: given(self.source),
                sharing: self.sharing.map(|(sharing, _)| sharing),
                mode,
                uid,
                gid,
            },
            "tmpfs" => MountKind::Tmpfs { size: self.size },
            "secret" => {
                let (id, source) = (given(self.id), given(self.source));
                if id.is_some() && source.is_some() {
                    return Err(SyntaxError::new(Problem::SecretNamedTwice, at));
                }
                let id = id.or(source);
                if id.is_none() && self.target.as_ref().is_none_or(|word| word.text.is_empty()) {
                    return Err(SyntaxError::new(Problem::SecretWithoutName, at));
                }
                MountKind::Secret { id, env: self.env, required, mode, uid, gid }
            }
            "ssh" => MountKind::Ssh { id: given(self.id), required, mode, uid, gid },
            _ => MountKind::Bind { from: self.from, source: given(self.source) },
        };
        let (target, read_only) = (given(self.target), self.read_only);
        Ok(Mount { kind: what, target, read_only, at })
    }

    /// Checks that a mount of this type has no options of others.
    fn check(&self, kind: &'static str) -> Result<(), SyntaxError> {
        let place = |word: &Option<Word>| word.as_ref().map(|word| word.at.clone());
        let has_owner = matches!(kind, "cache" | "secret" | "ssh");
        let options = [
            ("mode", place(&self.mode), has_owner),
            ("uid", place(&self.uid), has_owner),
            ("gid", place(&self.gid), has_owner),
            ("size", place(&self.size), kind == "tmpfs"),
            ("required", self.required.as_ref().map(|(_, at)| at.clone()), {
                matches!(kind, "secret" | "ssh")
            }),
            ("sharing", self.sharing.as_ref().map(|(_, at)| at.clone()), kind == "cache"),
            ("from", place(&self.from), kind != "secret"),
            ("source", place(&self.source), kind != "ssh"),
        ];
        for (key, at, is_known) in options {
            if let Some(at) = at
                && !is_known
            {
                return Err(SyntaxError::new(Problem::MountOption { kind, key }, at));
            }
        }
        Ok(())
    }
}

fn given(word: Option<Word>) -> Option<Word> {
    word.filter(|word| !word.text.is_empty())
}

fn one_of(
    value: &Word,
    what: &'static str,
    words: &[&'static str],
) -> Result<&'static str, SyntaxError> {
    let small = value.text.to_ascii_lowercase();
    words.iter().find(|word| **word == small).copied().ok_or_else(|| {
        let problem = match value.text.find('$') {
            Some(_) => Problem::NotExpanded { what: "the type and sharing of a mount" },
            None => Problem::Value { what, value: value.text.clone() },
        };
        SyntaxError::new(problem, value.at.clone()).suggesting(&value.text, words)
    })
}

fn truth(value: &Word) -> Result<bool, SyntaxError> {
    boolean(&value.text).ok_or_else(|| {
        let problem = Problem::Value { what: "truth value", value: value.text.clone() };
        SyntaxError::new(problem, value.at.clone())
    })
}

/// Checks a number, if it is one already.
fn number(
    value: Word,
    what: &'static str,
    is_one: impl Fn(&str) -> bool,
) -> Result<Word, SyntaxError> {
    if value.text.contains('$') || is_one(&value.text) {
        return Ok(value);
    }
    Err(SyntaxError::new(Problem::Value { what, value: value.text }, value.at))
}

fn is_octal(text: &str) -> bool {
    u32::from_str_radix(text, 8).is_ok() && !text.starts_with('+')
}

fn is_id(text: &str) -> bool {
    text.parse::<u32>().is_ok() && !text.starts_with('+')
}

/// A size such as `10m` or `1.5 GiB`, in bytes; units are powers of 1024.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.rfind(|char: char| char.is_ascii_digit() || matches!(char, '.' | ' '))?;
    let (number, unit) = text.split_at_checked(digits + 1)?;
    let number: f64 = number.strip_suffix(' ').unwrap_or(number).parse().ok()?;
    let unit = unit.to_ascii_lowercase();
    let (prefix, rest) = match unit.chars().next() {
        None => (None, ""),
        Some('b') => (None, unit.get(1..)?),
        Some(prefix) => (Some(prefix), unit.get(prefix.len_utf8()..)?),
    };
    let power = match (prefix, rest) {
        (None, "") => 0,
        (Some(prefix), "" | "b" | "ib") => 1 + "kmgtp".find(prefix)?,
        _ => return None,
    };
    let factor = 1_u64 << (10 * power);
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "it is not negative, and what is too large becomes the largest"
    )]
    Some((number * factor as f64) as u64)
}

/// Comma-separated values (RFC 4180) of one line.
pub(super) fn fields(value: &Spliced) -> Result<Vec<Spliced>, SyntaxError> {
    let mut fields = Vec::new();
    let mut field = Spliced::at("", value.origin(0));
    let mut quote = Quote::None;
    let mut chars = value.text().char_indices().peekable();
    while let Some((index, char)) = chars.next() {
        let wrong = || SyntaxError::new(Problem::Fields, value.place(index..index + 1));
        match (char, quote) {
            ('"', Quote::Open) if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                field.push_char('"', value, index);
            }
            ('"', Quote::Open) => quote = Quote::Closed,
            (other, Quote::Open) => field.push_char(other, value, index),
            (',', _) => {
                let next = Spliced::at("", value.origin(index + 1));
                fields.push(std::mem::replace(&mut field, next));
                quote = Quote::None;
            }
            ('"', Quote::None) if field.is_empty() => quote = Quote::Open,
            ('"', _) | (_, Quote::Closed) => return Err(wrong()),
            (other, Quote::None) => field.push_char(other, value, index),
        }
    }
    if quote == Quote::Open {
        return Err(SyntaxError::new(Problem::Fields, value.whole()));
    }
    fields.push(field);
    Ok(fields)
}

/// Where in a field a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Open,
    Closed,
}

const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARING: [&str; 3] = ["shared", "private", "locked"];
const KEYS: &[&str] = &[
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn read(text: &str) -> Result<Mount, SyntaxError> {
        mount(&Spliced::at(text, 10))
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the members of a mount have it")]
    fn word(text: &str, at: usize) -> Option<Word> {
        Some(Word { text: text.to_owned(), at: at..at + text.len() })
    }

    #[test]
    fn a_bind_is_what_nothing_else_is() {
        let mount = read("target=/x,source=a,from=b,ro").unwrap();
        let kind = MountKind::Bind { from: word("b", 34), source: word("a", 27) };
        let target = word("/x", 17);
        assert_eq!(mount, Mount { kind, target, read_only: Some(true), at: 10..38 });
        let kind = MountKind::Bind { from: None, source: None };
        let mount = Mount { kind, target: None, read_only: Some(false), at: 10..22 };
        assert_eq!(read("TYPE=BIND,rw"), Ok(mount));
    }

    #[test]
    fn every_type_has_its_options() {
        let mount = read("type=cache,dst=/c,id=i,sharing=locked,uid=$U,gid=7,mode=0700").unwrap();
        let MountKind::Cache { id, sharing, mode, uid, gid, .. } = mount.kind else { panic!() };
        assert_eq!((id, sharing), (word("i", 31), Some(Sharing::Locked)));
        assert_eq!(uid, word("$U", 52));
        assert_eq!((gid, mode), (word("7", 59), word("0700", 66)));
        let mount = read("size=10m,type=tmpfs,destination=/t").unwrap();
        assert_eq!(mount.kind, MountKind::Tmpfs { size: word("10m", 15) });
        let mount = read("type=secret,src=s,env=E,required").unwrap();
        let MountKind::Secret { id, env, required, .. } = mount.kind else { panic!() };
        assert_eq!((id, env, required), (word("s", 26), word("E", 32), true));
        let mount = read("type=ssh,required=0").unwrap();
        assert!(matches!(mount.kind, MountKind::Ssh { id: None, required: false, .. }));
    }

    #[test]
    fn fields_may_be_quoted() {
        let mount = read("\"source=a,\"\"b\",target=/x").unwrap();
        let MountKind::Bind { source: Some(source), .. } = mount.kind else { panic!() };
        assert_eq!((source.text.as_str(), source.at), ("a,\"b", 18..23));
    }

    #[test_case("type=volume", Problem::Value { what: "type of mount", value: "volume".to_owned() }; "unknown type")]
    #[test_case("type=$T", Problem::NotExpanded { what: "the type and sharing of a mount" }; "variable type")]
    #[test_case("from=$X", Problem::NotExpanded { what: "the source of a mount" }; "variable source")]
    #[test_case("what=x", Problem::UnknownMountOption { key: "what".to_owned() }; "unknown option")]
    #[test_case("target", Problem::MountOptionWithoutValue { key: "target" }; "no value")]
    #[test_case("ro=maybe", Problem::Value { what: "truth value", value: "maybe".to_owned() }; "no truth value")]
    #[test_case("size=1m", Problem::MountOption { kind: "bind", key: "size" }; "size of a bind")]
    #[test_case("mode=0755,type=tmpfs", Problem::MountOption { kind: "tmpfs", key: "mode" }; "mode of a tmpfs")]
    #[test_case("type=cache,required", Problem::MountOption { kind: "cache", key: "required" }; "required cache")]
    #[test_case("type=secret,id=a,from=b", Problem::MountOption { kind: "secret", key: "from" }; "source of a secret")]
    #[test_case("type=secret,id=a,sharing=shared", Problem::MountOption { kind: "secret", key: "sharing" }; "shared secret")]
    #[test_case("type=secret", Problem::SecretWithoutName; "nameless secret")]
    #[test_case("type=secret,id=a,source=b", Problem::SecretNamedTwice; "secret of two names")]
    #[test_case("type=cache,sharing=all", Problem::Value { what: "sharing of a cache", value: "all".to_owned() }; "sharing")]
    #[test_case("type=cache,mode=9", Problem::Value { what: "mode", value: "9".to_owned() }; "mode")]
    #[test_case("type=cache,uid=-1", Problem::Value { what: "user id", value: "-1".to_owned() }; "user")]
    #[test_case("type=tmpfs,size=x", Problem::Value { what: "size", value: "x".to_owned() }; "size")]
    #[test_case("a\"b", Problem::Fields; "quote inside")]
    #[test_case("\"a", Problem::Fields; "quote not closed")]
    #[test_case("\"a\"b", Problem::Fields; "more behind a quote")]
    #[test_case("", Problem::UnknownMountOption { key: String::new() }; "nothing")]
    fn refused(text: &str, problem: Problem) {
        assert_eq!((read(text).unwrap_err().problem,), (problem,));
    }

    #[test]
    fn suggestions_are_words_of_the_same_kind() {
        assert_eq!(read("type=secrets").unwrap_err().suggestion.as_deref(), Some("secret"));
        assert_eq!(read("tagret=/x").unwrap_err().suggestion.as_deref(), Some("target"));
        assert_eq!(read("tagret=/x").unwrap_err().at, 10..19);
    }

    #[test_case("vendor.com/gpu=all", true)]
    #[test_case("gpu,required", true)]
    #[test_case("name=gpu,required=true", true)]
    #[test_case("required", false)]
    #[test_case("gpu,other", false)]
    #[test_case("gpu,required=x", false)]
    fn devices(text: &str, expected: bool) {
        assert_eq!(device(&Spliced::at(text, 0)).is_ok(), expected);
    }

    #[test_case("10", Some(10))]
    #[test_case("10b", Some(10))]
    #[test_case("1k", Some(1024))]
    #[test_case("1.5M", Some(1_572_864))]
    #[test_case("2 GiB", Some(2 << 30))]
    #[test_case("2gb", Some(2 << 30))]
    #[test_case("1p", Some(1 << 50))]
    #[test_case("-1", None)]
    #[test_case("1x", None)]
    #[test_case("1kbb", None)]
    #[test_case("k", None)]
    #[test_case("", None)]
    fn sizes(text: &str, expected: Option<u64>) {
        assert_eq!(bytes(text), expected);
    }
}
