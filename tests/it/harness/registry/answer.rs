//! What a registry answers.

use std::fmt::Write as _;

use serde_json::json;

/// An answer on its way out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// All headers but Content-Length.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, or what it would be if this were no HEAD.
    pub(crate) body: Vec<u8>,
    /// What Content-Length says, if not the truth.
    pub(crate) announced: Option<usize>,
    /// After how many bytes of the body the connection ends.
    pub(crate) cut: Option<usize>,
}

impl Answer {
    /// A status and a body.
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// A status and an error in the registry's JSON.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let words = code.to_lowercase().replace('_', " ");
        let body = json!({"errors": [{"code": code, "message": words, "detail": null}]});
        Self::new(status, body.to_string()).with("Content-Type", "application/json")
    }

    /// Sets a header, in place of one that was there.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The bytes on the wire, as far as they are sent.
    pub(super) fn to_wire(&self, head_only: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\nDate: {NOW}\r\n", self.status);
        for (name, value) in &self.headers {
            head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
        }
        // 204 has no body, and says nothing of its length (RFC 9110 §8.6).
        if self.status != 204 {
            let length = self.announced.unwrap_or(self.body.len());
            write!(head, "Content-Length: {length}\r\n").unwrap();
        }
        head.push_str("\r\n");
        let end = self.cut.unwrap_or(self.body.len()).min(self.body.len());
        let body = if head_only || self.status == 204 { &[][..] } else { &self.body[..end] };
        [head.as_bytes(), body].concat()
    }

    /// Whether the connection ends with it.
    pub(super) fn ends_connection(&self) -> bool {
        self.cut.is_some() || self.announced.is_some_and(|length| length != self.body.len())
    }
}

/// What time it is at the registry; its clock stands still, so that dates in a script do not pass.
const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
