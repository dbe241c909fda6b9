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

    fn write(&self, form: Form) -> Vec<u8> {
        let mut out = Vec::new();
        write_value(self, form, &mut out);
        out
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Canonical,
    Wire,
}

fn write_value(value: &Value, form: Form, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_string(text, form, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(item, form, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(name, form, out);
                out.push(b':');
                write_value(member, form, out);
            }
            out.push(b'}');
        }
    }
}

fn write_string(text: &str, form: Form, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(|c| escape(c, form).is_some()) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut chars = tail.chars();
        if let Some(escaped) = chars.next().and_then(|c| escape(c, form)) {
            out.extend_from_slice(escaped.as_bytes());
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
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
                prop::collection::btree_map(name, inner, 0..6).prop_map(Value::Object),
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
