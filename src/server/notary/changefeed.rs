//! The changefeed (notary.md §3.7).

use ::http::StatusCode;
use serde_json::json;

use crate::codec::timestamp::Rfc3339;
use crate::limits::{MAX_CHANGES, USUAL_CHANGES};
use crate::server::http::{Exchange, Response, json as json_answer};
use crate::server::meta::feed::{FeedRow, Page};
use crate::server::{Refusal, Server};
use crate::tuf::Gun;
use crate::wire::notary::ErrorCode;

/// What somebody asks of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    page: Page,
    count: u32,
}

impl Question {
    /// Reads `records` and `change_id`: a hundred changes from the oldest if both are missing, at
    /// most a thousand; backwards if there are less than none; from the newest if the change is
    /// `-1`.
    pub fn of(exchange: &Exchange) -> Result<Self, Refusal> {
        let records: i32 = number(exchange, "records")?;
        let change: i64 = number(exchange, "change_id")?;
        let page = match (change < 0, records < 0) {
            (true, _) => Page::Newest,
            (false, true) if change == 0 => Page::Newest,
            (false, true) => Page::Before(change),
            (false, false) => Page::After(change),
        };
        let count = match records.unsigned_abs() {
            0 => USUAL_CHANGES,
            count => count.min(MAX_CHANGES),
        };
        Ok(Self { page, count })
    }
}

/// Answers with a page of changes, of one collection or of all.
pub async fn changes(
    server: &Server,
    gun: Option<&Gun>,
    question: Question,
) -> Result<Response, Refusal> {
    let mut reading = server.meta.glance().await?;
    let changes = reading.changes(gun, question.page, question.count).await?;
    drop(reading);
    let records: Vec<_> = changes.iter().map(record).collect();
    let count = records.len();
    // Go writes an empty list as nothing.
    let records = if records.is_empty() { serde_json::Value::Null } else { records.into() };
    Ok(json_answer(StatusCode::OK, &json!({"count": count, "records": records})))
}

fn record(change: &FeedRow) -> serde_json::Value {
    json!({
        "ID": change.id.to_string(),
        "CreatedAt": Rfc3339::utc(change.created_at).to_string(),
        "GUN": change.gun,
        "Version": change.version,
        "SHA256": change.sha256,
        "Category": change.category,
    })
}

/// A number of the query; 0 if it is missing or empty.
fn number<T: std::str::FromStr + Default>(exchange: &Exchange, name: &str) -> Result<T, Refusal> {
    let text = exchange.parameter(name).unwrap_or_default();
    if text.is_empty() {
        return Ok(T::default());
    }
    text.parse().map_err(|_| {
        let text: String = text.chars().take(64).flat_map(char::escape_debug).collect();
        let message = format!("invalid {name} parameter: `{text}` is not a number in its range");
        Refusal::notary(ErrorCode::InvalidParameters, message)
    })
}
