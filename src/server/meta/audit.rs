//! The audit: who changed what, each entry bound to the one before it by a hash, so that none can
//! be taken out or changed without all that follow.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::server::meta::trust::instant;
use crate::server::meta::{MetaError, Reading, Writing};

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// Who: a user's name, `(anonymous)` or `(server)`.
    pub actor: String,
    /// What, such as `trust.publish`.
    pub action: String,
    /// To what: a GUN, a repository.
    pub subject: String,
    /// What else is to be known, in the words of the action.
    pub detail: String,
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number: one more than that of the event before.
    pub id: i64,
    /// What happened.
    pub event: AuditEvent,
    /// SHA-256, in hex, of the hash of the event before and this event ([`AuditRow::hash_after`]).
    pub hash: String,
}

impl AuditRow {
    /// The hash that an event has after another: SHA-256 of the hex digits of the hash before
    /// (none for the first event) and the event as a JSON array of its number, its time in
    /// microseconds since 1970, actor, action, subject and detail.
    pub fn hash_after(before: &str, id: i64, event: &AuditEvent) -> String {
        let AuditEvent { at, actor, action, subject, detail } = event;
        let row = serde_json::json!([id, at.as_microsecond(), actor, action, subject, detail]);
        Sha256Hash::of(format!("{before}{row}").as_bytes()).to_hex()
    }
}

impl Writing {
    /// Adds an event. Whoever adds one holds the audit until the commit: do it last, after the
    /// feed.
    pub async fn add_audit(&mut self, event: &AuditEvent) -> Result<(), MetaError> {
        let id = self.next_number("audit").await?;
        let before: Option<String> = sqlx::query_scalar("SELECT hash FROM audit WHERE id = $1")
            .bind(id.saturating_sub(1))
            .fetch_optional(&mut *self.tx)
            .await?;
        let hash = AuditRow::hash_after(before.as_deref().unwrap_or_default(), id, event);
        sqlx::query(
            "INSERT INTO audit (id, at, actor, action, subject, detail, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id)
        .bind(event.at.as_microsecond())
        .bind(event.actor.as_str())
        .bind(event.action.as_str())
        .bind(event.subject.as_str())
        .bind(event.detail.as_str())
        .bind(hash)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

impl Reading {
    /// The events after the one of this number (0 for all), oldest first, at most `count`.
    pub async fn audit(&mut self, after: i64, count: u32) -> Result<Vec<AuditRow>, MetaError> {
        let query = "SELECT id, at, actor, action, subject, detail, hash FROM audit \
             WHERE id > $1 ORDER BY id LIMIT $2";
        let rows =
            sqlx::query(query).bind(after).bind(i64::from(count)).fetch_all(&mut *self.tx).await?;
        rows.iter().map(audit_row).collect()
    }
}

fn audit_row(row: &AnyRow) -> Result<AuditRow, MetaError> {
    Ok(AuditRow {
        id: row.try_get("id")?,
        event: AuditEvent {
            at: instant(row.try_get("at")?)?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            detail: row.try_get("detail")?,
        },
        hash: row.try_get("hash")?,
    })
}
