//! JSON as it was served, laid out in lines: no number, name or order is changed.

/// Puts each member on a line of its own, as Go's `json.Indent` does; `unit` is the indentation of
/// one level. The text must be valid JSON. Control characters, which JSON allows from U+007F on,
/// are written as JSON escapes: they mean the same and steer no terminal.
pub fn indent(json: &str, unit: &str) -> String {
    let mut text = String::with_capacity(json.len().saturating_mul(2));
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    // An empty object or array stays on one line.
    let mut just_opened = false;
    for character in json.chars() {
        if in_string {
            push_safely(&mut text, character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        if just_opened && !matches!(character, '}' | ']') {
            depth += 1;
            new_line(&mut text, unit, depth);
        }
        match character {
            '}' | ']' if !just_opened => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, unit, depth);
                text.push(character);
            }
            ',' => {
                text.push(',');
                new_line(&mut text, unit, depth);
            }
            ':' => text.push_str(": "),
            other => text.push(other),
        }
        in_string = character == '"';
        just_opened = matches!(character, '{' | '[');
    }
    text
}

fn new_line(text: &mut String, unit: &str, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n(unit, depth));
}

fn push_safely(text: &mut String, character: char) {
    if character.is_control() {
        let escaped = format!("\\u{:04x}", u32::from(character));
        text.push_str(&escaped);
    } else {
        text.push(character);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn as_go_lays_it_out() {
        let json = r#"{"a":[1,{"b": "x\"]}"} , [] ],"c":{ },"d":1.50,"e":"\u003c"}"#;
        let expected = "{\n\t\"a\": [\n\t\t1,\n\t\t{\n\t\t\t\"b\": \"x\\\"]}\"\n\t\t},\n\t\t[]\n\t],\n\t\"c\": {},\n\t\"d\": 1.50,\n\t\"e\": \"\\u003c\"\n}";
        assert_eq!(indent(json, "\t"), expected);
        assert_eq!(indent(" 7 ", "\t"), "7");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let json = "[\"\u{9b}2J\u{7f}\"]";
        assert_eq!(indent(json, ""), "[\n\"\\u009b2J\\u007f\"\n]");
        assert_eq!(
            serde_json::from_str::<Value>(&indent(json, "")).unwrap(),
            serde_json::from_str::<Value>(json).unwrap()
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_meaning_stays(value in any_json()) {
            let shown = indent(&value.to_string(), "  ");
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }
    }
}
