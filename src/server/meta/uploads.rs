//! Uploads: how far each certainly is, to go on from after a restart.

use std::sync::{Arc, PoisonError};

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::clock::Timestamp;
use crate::oci::RepositoryName;
use crate::server::blobs::Progress;
use crate::server::meta::blobs::repository_name;
use crate::server::meta::trust::{instant, unsigned};
use crate::server::meta::{MetaError, MetaStore, Reading, Writing};

/// What the database says of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// Its name.
    pub id: String,
    /// The repository that it is for.
    pub repository: RepositoryName,
    /// How far it certainly is.
    pub progress: Progress,
    /// Whether it has ended, sealed or given up; it is remembered so that it does not begin again.
    pub ended: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last got further.
    pub touched_at: Timestamp,
}

impl Reading {
    /// An upload; `None` if none of its bytes are certain yet.
    pub async fn upload(&mut self, id: &str) -> Result<Option<UploadRow>, MetaError> {
        let query = "SELECT id, repository, size, algorithm, hash_state, state, started_at, \
             touched_at FROM upload WHERE id = $1";
        let row = sqlx::query(query).bind(id).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(upload_row).transpose()
    }

    /// Some uploads that did not get further since an instant, and have not ended.
    pub async fn stale_uploads(
        &mut self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<UploadRow>, MetaError> {
        let query = "SELECT id, repository, size, algorithm, hash_state, state, started_at, \
             touched_at FROM upload WHERE state = 'open' AND touched_at < $1 \
             ORDER BY touched_at LIMIT $2";
        let rows = sqlx::query(query)
            .bind(before.as_microsecond())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(upload_row).collect()
    }
}

impl Writing {
    /// Notes how far an upload certainly is. `false` if it has ended, or another request brought it
    /// further than `before`.
    pub async fn save_upload(
        &mut self,
        id: &str,
        repository: &RepositoryName,
        before: u64,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<bool, MetaError> {
        let change = "INSERT INTO upload (id, repository, size, algorithm, hash_state, state, \
             started_at, touched_at) VALUES ($1, $2, $3, $4, $5, 'open', $6, $6) \
             ON CONFLICT (id) DO UPDATE SET size = excluded.size, \
             algorithm = excluded.algorithm, hash_state = excluded.hash_state, \
             touched_at = excluded.touched_at WHERE upload.state = 'open' AND upload.size = $7";
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let done = sqlx::query(change)
            .bind(id)
            .bind(repository.as_str())
            .bind(number(progress.size))
            .bind(progress.algorithm.as_str())
            .bind(progress.hash_state.clone())
            .bind(now.as_microsecond())
            .bind(number(before))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Notes that an upload has ended. `false` if it had already.
    pub async fn end_upload(
        &mut self,
        id: &str,
        repository: &RepositoryName,
        now: Timestamp,
    ) -> Result<bool, MetaError> {
        let change = "INSERT INTO upload (id, repository, size, algorithm, hash_state, state, \
             started_at, touched_at) VALUES ($1, $2, 0, 'sha256', $3, 'ended', $4, $4) \
             ON CONFLICT (id) DO UPDATE SET size = 0, hash_state = excluded.hash_state, \
             state = 'ended', touched_at = excluded.touched_at WHERE upload.state = 'open'";
        let done = sqlx::query(change)
            .bind(id)
            .bind(repository.as_str())
            .bind(Vec::<u8>::new())
            .bind(now.as_microsecond())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets uploads that ended before an instant: to be longer ago than the lifetime of a name
    /// of an upload (`limits::UPLOAD_NAME_SECONDS`). Tells how many.
    pub async fn forget_uploads(&mut self, before: Timestamp) -> Result<u64, MetaError> {
        let change = "DELETE FROM upload WHERE state = 'ended' AND touched_at < $1";
        let done = sqlx::query(change).bind(before.as_microsecond()).execute(&mut *self.tx).await?;
        Ok(done.rows_affected())
    }
}

impl MetaStore {
    /// The random key of the server for this purpose, made if there is none: the same for all
    /// processes, for ever. It is read once.
    pub async fn secret(&self, name: &'static str) -> Result<Arc<[u8]>, MetaError> {
        let known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let query = "SELECT value FROM secret WHERE name = $1";
        let mut writing = self.write().await?;
        let mut value = vec![0; SECRET_BYTES];
        aws_lc_rs::rand::fill(&mut value).map_err(|_| MetaError::NoRandomness)?;
        sqlx::query("INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(&mut *writing.tx)
            .await?;
        let value: Vec<u8> =
            sqlx::query_scalar(query).bind(name).fetch_one(&mut *writing.tx).await?;
        writing.commit().await?;
        let value: Arc<[u8]> = value.into();
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(name, Arc::clone(&value));
        Ok(value)
    }
}

fn upload_row(row: &AnyRow) -> Result<UploadRow, MetaError> {
    let state: String = row.try_get("state")?;
    Ok(UploadRow {
        id: row.try_get("id")?,
        repository: repository_name(row.try_get("repository")?)?,
        progress: Progress {
            size: unsigned(row.try_get("size")?)?,
            algorithm: row.try_get("algorithm")?,
            hash_state: row.try_get("hash_state")?,
        },
        ended: state != "open",
        started_at: instant(row.try_get("started_at")?)?,
        touched_at: instant(row.try_get("touched_at")?)?,
    })
}

/// Length of a random key, that of HMAC-SHA-256.
const SECRET_BYTES: usize = 32;
