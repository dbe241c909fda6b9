//! The changefeed: every publication and deletion, in the order in which they became visible
//! (notary.md §3.7).

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::server::meta::trust::{instant, unsigned};
use crate::server::meta::{MetaError, Reading, Writing};
use crate::tuf::Gun;

/// What happened to a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has a new timestamp, of this version and hash.
    Update(u64, Sha256Hash),
    /// It was deleted.
    Deletion,
}

/// A change in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its number: one more than that of the change before, of any collection; more than that only
    /// among those that were taken over from another server.
    pub id: i64,
    /// The collection.
    pub gun: String,
    /// The timestamp's version; 0 for a deletion.
    pub version: u64,
    /// The timestamp's SHA-256 in hex; empty for a deletion.
    pub sha256: String,
    /// `update` or `deletion`.
    pub category: String,
    /// When.
    pub created_at: Timestamp,
}

/// A line of the changefeed of another server, which a collection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastChange {
    /// Its number in the feed there, if it is to keep it here: whoever read that feed goes on in
    /// this one where they were. The numbers must be reserved before
    /// ([`Writing::reserve_changes`]). A new number otherwise.
    pub id: Option<i64>,
    /// When it happened.
    pub at: Timestamp,
    /// The timestamp's version; 0 for a deletion.
    pub version: u64,
    /// The timestamp's SHA-256 in hex; empty for a deletion.
    pub sha256: String,
    /// Whether the collection was deleted.
    pub is_deletion: bool,
}

/// Which part of the feed; whatever it is, the oldest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The first changes after the one of this number; 0 for the oldest of all.
    After(i64),
    /// The last changes before the one of this number.
    Before(i64),
    /// The newest.
    Newest,
}

impl Writing {
    /// Adds a change. Whoever adds one holds the feed until the commit, so that numbers become
    /// visible in order and no reader passes one by: do it late.
    pub async fn add_change(
        &mut self,
        gun: &Gun,
        change: Change,
        at: Timestamp,
    ) -> Result<(), MetaError> {
        let id = self.next_number("feed").await?;
        let (version, sha256, category) = match change {
            Change::Update(version, sha256) => (version, sha256.to_hex(), "update"),
            Change::Deletion => (0, String::new(), "deletion"),
        };
        if self.put_change(id, gun, version, &sha256, category, at).await? {
            Ok(())
        } else {
            Err(MetaError::Corrupt { what: "number of the feed" })
        }
    }

    /// Adds a change of the past, under the number that it had or, if it has none, the next one. A
    /// change that is there under its number stays; tells whether this one was added.
    pub async fn add_past_change(
        &mut self,
        gun: &Gun,
        change: &PastChange,
    ) -> Result<bool, MetaError> {
        let id = match change.id {
            Some(id) => id,
            None => self.next_number("feed").await?,
        };
        let category = if change.is_deletion { "deletion" } else { "update" };
        let is_new =
            self.put_change(id, gun, change.version, &change.sha256, category, change.at).await?;
        if !is_new && change.id.is_none() {
            return Err(MetaError::Corrupt { what: "number of the feed" });
        }
        Ok(is_new)
    }

    /// Lets numbers of changes up to this one be those of changes of the past: what happens from
    /// now on comes after them.
    pub async fn reserve_changes(&mut self, last: i64) -> Result<(), MetaError> {
        for statement in [
            "UPDATE counter SET value = $1 WHERE name = 'feed' AND value < $1",
            "DELETE FROM counter WHERE name = 'feed taken over' AND value < $1",
            "INSERT INTO counter (name, value) VALUES ('feed taken over', $1) \
             ON CONFLICT (name) DO NOTHING",
        ] {
            sqlx::query(statement).bind(last).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    async fn put_change(
        &mut self,
        id: i64,
        gun: &Gun,
        version: u64,
        sha256: &str,
        category: &str,
        at: Timestamp,
    ) -> Result<bool, MetaError> {
        let insert = "INSERT INTO feed (id, gun, version, sha256, category, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
        let done = sqlx::query(insert)
            .bind(id)
            .bind(gun.as_str())
            .bind(i64::try_from(version).unwrap_or(i64::MAX))
            .bind(sha256)
            .bind(category)
            .bind(at.as_microsecond())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Reading {
    /// The last number of those that are reserved for changes of the past, 0 for none: among them
    /// some may be missing, and versions begin anew after a deletion, as they did elsewhere.
    pub async fn reserved_changes(&mut self) -> Result<i64, MetaError> {
        let query = "SELECT value FROM counter WHERE name = 'feed taken over'";
        let last: Option<i64> = sqlx::query_scalar(query).fetch_optional(&mut *self.tx).await?;
        Ok(last.unwrap_or_default())
    }

    /// A part of the feed, of one collection or of all, oldest first, at most `count` changes.
    pub async fn changes(
        &mut self,
        gun: Option<&Gun>,
        page: Page,
        count: u32,
    ) -> Result<Vec<FeedRow>, MetaError> {
        let (condition, order, from) = match page {
            Page::After(id) => ("id > $1", "ASC", id),
            Page::Before(id) => ("id < $1", "DESC", id),
            Page::Newest => ("id < $1", "DESC", i64::MAX),
        };
        let of = if gun.is_some() { " AND gun = $3" } else { "" };
        let query = format!(
            "SELECT id, gun, version, sha256, category, created_at FROM feed \
             WHERE {condition}{of} ORDER BY id {order} LIMIT $2"
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).bind(from).bind(i64::from(count));
        if let Some(gun) = gun {
            query = query.bind(gun.as_str());
        }
        let rows = query.fetch_all(&mut *self.tx).await?;
        let mut changes = rows.iter().map(feed_row).collect::<Result<Vec<_>, _>>()?;
        if order == "DESC" {
            changes.reverse();
        }
        Ok(changes)
    }
}

fn feed_row(row: &AnyRow) -> Result<FeedRow, MetaError> {
    Ok(FeedRow {
        id: row.try_get("id")?,
        gun: row.try_get("gun")?,
        version: unsigned(row.try_get("version")?)?,
        sha256: row.try_get("sha256")?,
        category: row.try_get("category")?,
        created_at: instant(row.try_get("created_at")?)?,
    })
}
