//! Documents as bytes: one way to write each (spec/canonical-image.md §5).

use serde_json::Value;

use crate::oci::canonical::CanonicalError;

/// The document, without spaces, the members of every object sorted by the bytes of their names,
/// nothing escaped but what must be. Numbers must be whole.
pub fn json_bytes(document: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut sorted = document.clone();
    sorted.sort_all_objects();
    check(&sorted)?;
    // Its writer escapes quotes, backslashes and control characters, and nothing else.
    Ok(sorted.to_string().into_bytes())
}

fn check(value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) if !(number.is_i64() || number.is_u64()) => {
            Err(CanonicalError::Number { number: number.to_string() })
        }
        Value::Array(list) => list.iter().try_for_each(check),
        Value::Object(members) => members.values().try_for_each(check),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_to_write() {
        let document: Value = serde_json::from_str(
            "{\"b\" : [1, {\"z\":null,\"é\":true,\"Z\":-2}], \"a\": \"<&>\u{2028}\u{7f}\\u00e9\\/\\\"\\\\\\n\\u0001\"}",
        )
        .unwrap();
        let expected = "{\"a\":\"<&>\u{2028}\u{7f}é/\\\"\\\\\\n\\u0001\",\"b\":[1,{\"Z\":-2,\"z\":null,\"é\":true}]}";
        assert_eq!(String::from_utf8(json_bytes(&document).unwrap()).unwrap(), expected);
    }

    #[test]
    fn numbers_are_whole() {
        for text in ["1.0", "1e3", "[{\"a\":0.5}]", "18446744073709551616"] {
            let document: Value = serde_json::from_str(text).unwrap();
            let error = json_bytes(&document).unwrap_err();
            assert!(matches!(error, CanonicalError::Number { .. }), "{text}");
        }
        let most: Value = serde_json::from_str("18446744073709551615").unwrap();
        assert!(json_bytes(&most).is_ok());
    }
}
