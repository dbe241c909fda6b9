//! The error body that registries and notary servers share: `{"errors":[{code,message,detail}]}`.

use serde::Deserialize;
use serde_json::Value;

/// One error of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiError {
    /// A name such as `MANIFEST_UNKNOWN`.
    #[serde(default)]
    pub code: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// Anything.
    #[serde(default)]
    pub detail: Value,
}

impl ApiError {
    /// Reads the errors of a body; a body of another shape has none.
    pub fn parse_all(body: &[u8]) -> Vec<Self> {
        #[derive(Deserialize)]
        struct Body {
            errors: Vec<ApiError>,
        }
        let mut errors = serde_json::from_slice::<Body>(body).map_or_else(|_| vec![], |b| b.errors);
        errors.truncate(MAX_ERRORS);
        errors
    }

    /// Code and message, made safe to print.
    pub fn summary(&self) -> String {
        let (code, message) = (self.code.trim(), self.message.trim());
        match (code.is_empty(), message.is_empty()) {
            (false, false) => printable(&format!("{code}: {message}")),
            (_, false) => printable(message),
            _ => printable(code),
        }
    }
}

/// Summarises an error body in one line; empty if there is nothing to say.
///
/// Besides the shared form it knows OAuth's (`error`, `error_description`), the bare
/// `{"message":…}` or `{"details":…}` of token servers, and short plain text.
pub fn summarise(content_type: &str, body: &[u8]) -> String {
    let errors = ApiError::parse_all(body);
    if !errors.is_empty() {
        let lines: Vec<String> = errors.iter().map(ApiError::summary).collect();
        return printable(&lines.join("; "));
    }
    if is_html(content_type, body) {
        return "an HTML page".to_owned();
    }
    if let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(body) {
        return ["error_description", "message", "details", "error"]
            .into_iter()
            .find_map(|name| members.get(name).and_then(Value::as_str))
            .map_or_else(String::new, printable);
    }
    match std::str::from_utf8(body) {
        Ok(text) => printable(text.lines().next().unwrap_or_default().trim()),
        Err(_) => String::new(),
    }
}

/// Whether an answer is a web page: what captive portals, proxies and wrong addresses send.
pub fn is_html(content_type: &str, body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let begins = |tag: &[u8]| start.get(..tag.len()).is_some_and(|s| s.eq_ignore_ascii_case(tag));
    content_type.to_ascii_lowercase().starts_with("text/html")
        || begins(b"<!doctype html")
        || begins(b"<html")
}

/// Cuts a foreign text to a length fit for a terminal line and escapes what could steer one.
pub fn printable(text: &str) -> String {
    let mut safe = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_MESSAGE_CHARS {
            safe.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Characters that reorder or hide what stands beside them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Most errors looked at in one answer.
const MAX_ERRORS: usize = 8;
/// Most characters of a foreign message shown.
const MAX_MESSAGE_CHARS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_form() {
        let body =
            br#"{"errors":[{"code":"DENIED","message":"no","detail":{"a":1}},{"code":"X"}]}"#;
        assert_eq!(ApiError::parse_all(body).len(), 2);
        assert_eq!(summarise("application/json", body), "DENIED: no; X");
    }

    #[test]
    fn other_forms() {
        assert_eq!(
            summarise("", br#"{"error":"invalid","error_description":"bad one"}"#),
            "bad one"
        );
        assert_eq!(
            summarise("", br#"{"details":"incorrect username or password"}"#),
            "incorrect username or password"
        );
        assert_eq!(summarise("text/plain", b"404 page not found\n"), "404 page not found");
        assert_eq!(summarise("text/html; charset=utf-8", b"hello"), "an HTML page");
        assert_eq!(summarise("", b" <!DOCTYPE HTML><p>"), "an HTML page");
        assert_eq!(summarise("", b"\xff\xfe"), "");
    }

    #[test]
    fn terminal_escapes_are_defused() {
        let shown = summarise("", b"\x1b[2Jowned \xe2\x80\xaetxt");
        assert_eq!(shown, "\\u{1b}[2Jowned \\u{202e}txt");
        assert_eq!(printable(&"x".repeat(600)).chars().count(), 501);
    }
}
