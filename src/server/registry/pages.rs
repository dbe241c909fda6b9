//! Lists, page by page (OCI distribution 1.1, "Listing Tags").

use ::http::StatusCode;
use ::http::header::LINK;
use serde_json::json;
use url::form_urlencoded::Serializer;

use crate::limits::MAX_PAGE_ENTRIES;
use crate::server::Refusal;
use crate::server::http::{Exchange, Response};
use crate::server::registry::header;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// After which entry it begins; empty for the start.
    pub after: String,
    /// Most entries it has.
    pub entries: usize,
}

impl Page {
    /// Reads `n` and `last` of a query. A page never has more than [`MAX_PAGE_ENTRIES`] entries,
    /// however many are asked for; what is no number is refused.
    pub fn of(exchange: &Exchange, default: usize) -> Result<Self, Refusal> {
        let entries = match exchange.parameter("n") {
            None => default,
            Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().unwrap_or(usize::MAX).min(MAX_PAGE_ENTRIES)
            }
            Some(text) => {
                let message = "the number of entries wanted is not a number";
                let shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "PAGINATION_NUMBER_INVALID",
                    message,
                )
                .with_detail(json!({"n": shown})));
            }
        };
        let mut after = exchange.parameter("last").unwrap_or_default();
        // No name has this byte, which comes before all others and which not every database takes.
        after.truncate(after.find('\0').unwrap_or(after.len()));
        Ok(Self { after, entries })
    }
}

/// Adds the link to the next page: this path, with these parameters.
pub fn link_next(response: &mut Response, path: &str, parameters: &[(&str, &str)]) {
    let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
    let link = format!("<{path}?{query}>; rel=\"next\"");
    response.headers_mut().insert(LINK, header(&link));
}

/// Most characters of a wrong parameter that are sent back.
const MAX_SHOWN_CHARS: usize = 64;
