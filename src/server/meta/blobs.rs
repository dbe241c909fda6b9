//! Blobs: what is stored of them, and which repositories have them.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::clock::Timestamp;
use crate::oci::{Digest, RepositoryName};
use crate::server::meta::trust::{instant, unsigned};
use crate::server::meta::{Dialect, MetaError, Reading, Writing};

/// What the database says of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// Its digest.
    pub digest: Digest,
    /// Its length, in bytes.
    pub size: u64,
    /// Under which name its content is stored.
    pub object: String,
    /// Whether it is there to stay.
    pub state: BlobState,
    /// When somebody last relied on its being there.
    pub touched_at: Timestamp,
}

/// Whether a blob is there to stay (server.md §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    /// It is.
    Live,
    /// Nothing refers to it; it is removed unless somebody relies on it first.
    Condemned,
    /// It is being removed: as if it were not there.
    Deleting,
    /// What is stored is not what it should be; pushing it again repairs it.
    Corrupt,
}

/// What became of content that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The blob is this content now. If there was other content before, nothing refers to that any
    /// more.
    New {
        /// The content before.
        replaced: Option<String>,
    },
    /// There was content already; nothing refers to the new one.
    Known,
}

impl BlobState {
    /// How it is written in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Condemned => "condemned",
            Self::Deleting => "deleting",
            Self::Corrupt => "corrupt",
        }
    }

    fn parse(text: &str) -> Result<Self, MetaError> {
        [Self::Live, Self::Condemned, Self::Deleting, Self::Corrupt]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(MetaError::Corrupt { what: "state of a blob" })
    }

    /// Whether it may be relied on, which makes it live.
    pub const fn is_there(self) -> bool {
        matches!(self, Self::Live | Self::Condemned)
    }
}

impl Reading {
    /// A blob that a repository has, in whatever state it is.
    pub async fn blob(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<BlobRow>, MetaError> {
        let query = "SELECT b.digest, b.size, b.object, b.state, b.touched_at FROM repository r \
             JOIN repository_blob l ON l.repository = r.id JOIN blob b ON b.digest = l.digest \
             WHERE r.name = $1 AND l.digest = $2";
        let row = sqlx::query(query)
            .bind(repository.as_str())
            .bind(digest.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(blob_row).transpose()
    }

    /// A blob, whichever repositories have it.
    pub async fn stored_blob(&mut self, digest: &Digest) -> Result<Option<BlobRow>, MetaError> {
        stored_blob(&mut self.tx, "", digest).await
    }

    /// Some repositories that have a blob, those first that have had it longest.
    pub async fn repositories_with_blob(
        &mut self,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, MetaError> {
        let query = "SELECT r.name FROM repository_blob l JOIN repository r ON r.id = l.repository \
             WHERE l.digest = $1 ORDER BY l.linked_at, r.id LIMIT $2";
        let rows = sqlx::query(query)
            .bind(digest.as_str())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| repository_name(row.try_get("name")?)).collect()
    }
}

impl Writing {
    /// Notes that somebody relies on a blob; it is live then. `false` if it is not there.
    pub async fn touch_blob(&mut self, digest: &Digest, now: Timestamp) -> Result<bool, MetaError> {
        let change = "UPDATE blob SET touched_at = $1, state = 'live' \
             WHERE digest = $2 AND state IN ('live', 'condemned')";
        let done = sqlx::query(change)
            .bind(now.as_microsecond())
            .bind(digest.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Makes sealed content that of a blob, unless the blob has content that may be relied on; the
    /// blob is live then either way. Whichever content nothing refers to afterwards is for the
    /// caller to remove, after the commit.
    pub async fn claim_blob(
        &mut self,
        digest: &Digest,
        size: u64,
        object: &str,
        now: Timestamp,
    ) -> Result<Claimed, MetaError> {
        if self.touch_blob(digest, now).await? {
            return Ok(Claimed::Known);
        }
        let lock = self.for_update();
        let before = stored_blob(&mut self.tx, lock, digest).await?;
        let change = "INSERT INTO blob (digest, size, object, state, touched_at) \
             VALUES ($1, $2, $3, 'live', $4) ON CONFLICT (digest) DO UPDATE \
             SET size = excluded.size, object = excluded.object, state = 'live', \
             touched_at = excluded.touched_at WHERE blob.state IN ('deleting', 'corrupt')";
        let done = sqlx::query(change)
            .bind(digest.as_str())
            .bind(i64::try_from(size).unwrap_or(i64::MAX))
            .bind(object)
            .bind(now.as_microsecond())
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 {
            // Another writer was faster.
            self.touch_blob(digest, now).await?;
            return Ok(Claimed::Known);
        }
        Ok(Claimed::New { replaced: before.map(|row| row.object) })
    }

    /// Makes a repository have a blob.
    pub async fn link_blob(
        &mut self,
        repository: i64,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<(), MetaError> {
        let change = "INSERT INTO repository_blob (repository, digest, linked_at) \
             VALUES ($1, $2, $3) ON CONFLICT (repository, digest) DO NOTHING";
        sqlx::query(change)
            .bind(repository)
            .bind(digest.as_str())
            .bind(now.as_microsecond())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Makes a repository not have a blob any more. `false` if it had none.
    pub async fn unlink_blob(
        &mut self,
        repository: i64,
        digest: &Digest,
    ) -> Result<bool, MetaError> {
        let change = "DELETE FROM repository_blob WHERE repository = $1 AND digest = $2";
        let done = sqlx::query(change)
            .bind(repository)
            .bind(digest.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Notes that what is stored of a blob is not what it should be, if it is still this content.
    pub async fn mark_corrupt(&mut self, digest: &Digest, object: &str) -> Result<bool, MetaError> {
        let change = "UPDATE blob SET state = 'corrupt' WHERE digest = $1 AND object = $2 \
             AND state IN ('live', 'condemned')";
        let done =
            sqlx::query(change).bind(digest.as_str()).bind(object).execute(&mut *self.tx).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Which of these blobs a repository has, all of which are live afterwards: they are about to
    /// be referred to.
    pub async fn hold_blobs(
        &mut self,
        repository: i64,
        digests: &[&Digest],
        now: Timestamp,
    ) -> Result<Vec<String>, MetaError> {
        let mut held = Vec::with_capacity(digests.len());
        for part in digests.chunks(MAX_PLACES) {
            let places = places(3, part.len());
            let change = format!(
                "UPDATE blob SET touched_at = $1, state = 'live' WHERE digest IN ({places}) \
                 AND state IN ('live', 'condemned') AND EXISTS (SELECT 1 FROM repository_blob l \
                 WHERE l.repository = $2 AND l.digest = blob.digest) RETURNING digest"
            );
            let mut query = sqlx::query(AssertSqlSafe(change));
            query = query.bind(now.as_microsecond()).bind(repository);
            for digest in part {
                query = query.bind(digest.as_str());
            }
            for row in query.fetch_all(&mut *self.tx).await? {
                held.push(row.try_get("digest")?);
            }
        }
        Ok(held)
    }

    /// What is put at the end of a query to lock the rows it finds.
    pub(super) fn for_update(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE",
        }
    }
}

async fn stored_blob(
    connection: &mut AnyConnection,
    lock: &'static str,
    digest: &Digest,
) -> Result<Option<BlobRow>, MetaError> {
    let query =
        format!("SELECT digest, size, object, state, touched_at FROM blob WHERE digest = $1{lock}");
    let row =
        sqlx::query(AssertSqlSafe(query)).bind(digest.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(blob_row).transpose()
}

/// A blob, from a row with all its columns.
pub(super) fn blob_row(row: &AnyRow) -> Result<BlobRow, MetaError> {
    Ok(BlobRow {
        digest: digest(row.try_get("digest")?)?,
        size: unsigned(row.try_get("size")?)?,
        object: row.try_get("object")?,
        state: BlobState::parse(row.try_get("state")?)?,
        touched_at: instant(row.try_get("touched_at")?)?,
    })
}

/// A digest, as it is stored.
pub(super) fn digest(text: &str) -> Result<Digest, MetaError> {
    Digest::parse(text).map_err(|_| MetaError::Corrupt { what: "digest" })
}

/// The name of a repository, as it is stored.
pub(super) fn repository_name(text: &str) -> Result<RepositoryName, MetaError> {
    RepositoryName::parse(text).map_err(|_| MetaError::Corrupt { what: "name of a repository" })
}

/// Placeholders for some values, `$3, $4, $5`, the first of them with this number.
pub(super) fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// Most values of one list in a query.
pub(super) const MAX_PLACES: usize = 200;
