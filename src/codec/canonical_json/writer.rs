//! Writing: the canonical and the wire form.

use crate::codec::canonical_json::Value;

impl Value {
    /// Writes the signed form: sorted members, no white space, `"` and `\` escaped and nothing else.
    ///
    /// Control characters stay raw, so the result is not always legal JSON (notary.md §1.2).
    pub fn to_canonical(&self) -> Vec<u8> {
        self.write(Form::Canonical)
    }

    /// Writes the stored and sent form: canonical with `<`, `>`, `&`, U+2028 and U+2029 as `\u….`
    /// escapes (notary.md §1.1).
    pub fn to_wire(&self) -> Vec<u8> {
        self.write(Form::Wire)
    }

    /// Appends the wire form to bytes.
    pub fn write_wire(&self, out: &mut Vec<u8>) {
        out.reserve_exact(self.length(Form::Wire));
        write_value(self, Form::Wire, out);
    }

    /// Tells how long the canonical form is, if these bytes begin with it: what it is compared
    /// with is not copied.
    pub fn canonical_length_in(&self, bytes: &[u8]) -> Option<usize> {
        let mut compared = Compared { rest: Some(bytes) };
        write_value(self, Form::Canonical, &mut compared);
        bytes.len().checked_sub(compared.rest?.len())
    }

    fn write(&self, form: Form) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length(form));
        write_value(self, form, &mut out);
        out
    }

    /// The bytes that writing takes. A document can be megabytes: growing by doubling would cost
    /// as much again.
    fn length(&self, form: Form) -> usize {
        let mut counted = Counted(0);
        write_value(self, form, &mut counted);
        counted.0
    }
}

/// What a document is written to.
trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts what would be written.
struct Counted(usize);

impl Sink for Counted {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

/// Compares what would be written with what there is; `None` from the first difference on.
struct Compared<'a> {
    rest: Option<&'a [u8]>,
}

impl Sink for Compared<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.rest = self.rest.and_then(|rest| rest.strip_prefix(bytes));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Canonical,
    Wire,
}

fn write_value(value: &Value, form: Form, out: &mut impl Sink) {
    match value {
        Value::Null => out.put(b"null"),
        Value::Bool(true) => out.put(b"true"),
        Value::Bool(false) => out.put(b"false"),
        Value::Int(number) | Value::Whole(number) => out.put(number.to_string().as_bytes()),
        Value::String(text) => write_string(text, form, out),
        Value::Array(items) => {
            out.put(b"[");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.put(b",");
                }
                write_value(item, form, out);
            }
            out.put(b"]");
        }
        Value::Object(members) => {
            out.put(b"{");
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.put(b",");
                }
                write_string(name, form, out);
                out.put(b":");
                write_value(member, form, out);
            }
            out.put(b"}");
        }
    }
}

fn write_string(text: &str, form: Form, out: &mut impl Sink) {
    out.put(b"\"");
    let mut rest = text;
    while let Some(at) = rest.find(|c| escape(c, form).is_some()) {
        let (plain, tail) = rest.split_at(at);
        out.put(plain.as_bytes());
        let mut chars = tail.chars();
        if let Some(escaped) = chars.next().and_then(|c| escape(c, form)) {
            out.put(escaped.as_bytes());
        }
        rest = chars.as_str();
    }
    out.put(rest.as_bytes());
    out.put(b"\"");
}

fn escape(c: char, form: Form) -> Option<&'static str> {
    match (c, form) {
        ('"', _) => Some("\\\""),
        ('\\', _) => Some("\\\\"),
        ('<', Form::Wire) => Some("\\u003c"),
        ('>', Form::Wire) => Some("\\u003e"),
        ('&', Form::Wire) => Some("\\u0026"),
        ('\u{2028}', Form::Wire) => Some("\\u2028"),
        ('\u{2029}', Form::Wire) => Some("\\u2029"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("a<b>&\u{2028}\u{2029}", "\"a<b>&\u{2028}\u{2029}\"", "\"a\\u003cb\\u003e\\u0026\\u2028\\u2029\""; "five characters")]
    #[test_case("q\"b\\", "\"q\\\"b\\\\\"", "\"q\\\"b\\\\\""; "quote and backslash")]
    #[test_case("\n\u{0}\u{7f}é💚", "\"\n\u{0}\u{7f}é💚\"", "\"\n\u{0}\u{7f}é💚\""; "others are literal")]
    fn the_two_forms_of_a_string(text: &str, canonical: &str, wire: &str) {
        let value = Value::from(text);
        assert_eq!(String::from_utf8(value.to_canonical()).unwrap(), canonical);
        assert_eq!(String::from_utf8(value.to_wire()).unwrap(), wire);
    }

    #[test]
    fn members_are_sorted_by_utf8_bytes_not_utf16() {
        let value = Value::object([("\u{ff5e}", 1.into()), ("😀", 2.into()), ("a", Value::Null)]);
        let text = "{\"a\":null,\"\u{ff5e}\":1,\"😀\":2}";
        assert_eq!(String::from_utf8(value.to_canonical()).unwrap(), text);
    }

    const ANY_TEXT: &str = "(\\PC|[<>&\"\\\\\u{2028}\u{2029}]){0,12}";
    const ASCII_TEXT: &str = "[ -~]{0,12}";
    const ASCII_NAME: &str = "[#-Z^-~]{0,12}";

    fn values(name: &'static str, text: &'static str) -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            text.prop_map(Value::String),
        ];
        leaf.prop_recursive(5, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(name, inner, 0..6).prop_map(Value::object),
            ]
        })
    }

    fn to_serde(value: &Value) -> serde_json::Value {
        serde_json::from_slice(&value.to_wire()).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in values(ANY_TEXT, ANY_TEXT)) {
            prop_assert_eq!(&Value::parse(&value.to_wire()).unwrap(), &value);
            prop_assert_eq!(&Value::parse(&value.to_canonical()).unwrap(), &value);
        }

        #[test]
        fn the_canonical_form_is_found_only_where_it_stands(
            value in values(ANY_TEXT, ANY_TEXT), tail in "[a-z ]{0,3}", at in any::<prop::sample::Index>(),
        ) {
            let canonical = value.to_canonical();
            let mut bytes = [&canonical, tail.as_bytes()].concat();
            prop_assert_eq!(value.canonical_length_in(&bytes), Some(canonical.len()));
            let at = at.index(canonical.len());
            prop_assert_eq!(value.canonical_length_in(&bytes[..at]), None);
            bytes[at] ^= 1;
            prop_assert_eq!(value.canonical_length_in(&bytes), None);
        }

        /// Where the two mean to agree: the other normalises text and sorts names with quotes and escapes on,
        /// notary does neither.
        #[test]
        fn canonical_agrees_with_another_implementation(value in values(ASCII_NAME, ASCII_TEXT)) {
            use serde::Serialize as _;
            let mut theirs = Vec::new();
            let mut serializer = serde_json::Serializer::with_formatter(
                &mut theirs,
                olpc_cjson::CanonicalFormatter::new(),
            );
            to_serde(&value).serialize(&mut serializer).unwrap();
            prop_assert_eq!(value.to_canonical(), theirs);
        }
    }
}
