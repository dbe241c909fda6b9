//! The changefeed (notary.md §3.7).

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

use ::http::StatusCode;
use serde_json::json;

use crate::codec::timestamp::Rfc3339;
use crate::limits::{MAX_CHANGES, USUAL_CHANGES};
use crate::server::auth::{Action, Caller};
use crate::server::http::{Exchange, Response, bytes};
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

/// Answers with a page of changes, of one collection or of all that the caller may pull from. A page
/// is empty only if there is nothing more to see.
pub async fn changes(
    server: &Server,
    gun: Option<&Gun>,
    question: Question,
    caller: &Caller,
) -> Result<Response, Refusal> {
    let mut reading = server.meta.glance().await?;
    let (mut page, mut count) = (question.page, question.count);
    let mut changes = loop {
        let mut changes = reading.changes(gun, page, count).await?;
        let next = match page {
            Page::After(_) => changes.last().map(|change| Page::After(change.id)),
            Page::Before(_) | Page::Newest => changes.first().map(|change| Page::Before(change.id)),
        };
        // Whoever asks for one collection was let in to it.
        changes.retain(|change| gun.is_some() || caller.may(Action::Pull, &change.gun));
        match next {
            Some(next) if changes.is_empty() => (page, count) = (next, MAX_CHANGES),
            _ => break changes,
        }
    };
    let wanted = usize::try_from(question.count).unwrap_or(usize::MAX);
    match page {
        Page::After(_) => changes.truncate(wanted),
        Page::Before(_) | Page::Newest => {
            changes.drain(..changes.len().saturating_sub(wanted));
        }
    }
    drop(reading);
    let records: Vec<_> = changes.iter().map(record).collect();
    let count = records.len();
    // Go writes an empty list as nothing.
    let records = if records.is_empty() { serde_json::Value::Null } else { records.into() };
    let page = json!({"count": count, "records": records});
    Ok(bytes(StatusCode::OK, "text/plain; charset=utf-8", page.to_string()))
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
fn number<T: FromStr<Err = ParseIntError> + Default>(
    exchange: &Exchange,
    name: &str,
) -> Result<T, Refusal> {
    let text = exchange.parameter(name).unwrap_or_default();
    if text.is_empty() {
        return Ok(T::default());
    }
    text.parse().map_err(|error: ParseIntError| {
        let problem = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        let text: String = text.chars().take(64).collect();
        let detail =
            format!("invalid {name} parameter: strconv.ParseInt: parsing {text:?}: {problem}");
        Refusal::notary(ErrorCode::InvalidParameters, "The parameters provided are not valid.")
            .with_detail(json!(detail))
    })
}
