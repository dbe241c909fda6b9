//! Trust files: what was published, version by version, and which version of each role is current.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::server::meta::{Dialect, MetaError, Reading, Writing};
use crate::tuf::{Gun, RoleName};

/// A collection, as a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionRow {
    /// Its number here.
    pub id: i64,
    /// How many changes there were.
    pub seq: u64,
    /// Whether it was deleted, and is only remembered for its versions.
    pub deleted: bool,
}

/// One file of a role, as it was received or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its version.
    pub version: u64,
    /// Of its bytes.
    pub sha256: Sha256Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// All current files of a collection, of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionFiles {
    /// The collection.
    pub row: CollectionRow,
    /// The current file of each role.
    pub files: BTreeMap<RoleName, StoredFile>,
}

impl Reading {
    /// A collection; `None` if there never was one, or it was deleted.
    pub async fn collection(&mut self, gun: &Gun) -> Result<Option<CollectionRow>, MetaError> {
        let query = "SELECT id, seq, deleted_at FROM collection WHERE gun = $1";
        let row = sqlx::query(query).bind(gun.as_str()).fetch_optional(&mut *self.tx).await?;
        let row = row.map(|row| collection_row(&row)).transpose()?;
        Ok(row.filter(|row| !row.deleted && row.seq > 0))
    }

    /// All current files of a collection.
    pub async fn current_files(&mut self, gun: &Gun) -> Result<Option<CollectionFiles>, MetaError> {
        let Some(row) = self.collection(gun).await? else { return Ok(None) };
        let query = "SELECT f.role, f.version, f.sha256, f.bytes, f.created_at FROM current_file c \
             JOIN trust_file f ON f.collection = c.collection AND f.role = c.role \
             AND f.version = c.version WHERE c.collection = $1";
        let rows = sqlx::query(query).bind(row.id).fetch_all(&mut *self.tx).await?;
        let mut files = BTreeMap::new();
        for row in &rows {
            let role = RoleName::parse(row.try_get("role")?);
            let role = role.map_err(|_| MetaError::Corrupt { what: "role" })?;
            files.insert(role, stored_file(row)?);
        }
        Ok(Some(CollectionFiles { row, files }))
    }

    /// The current file of a role.
    pub async fn current_file(
        &mut self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<StoredFile>, MetaError> {
        let query = "SELECT f.version, f.sha256, f.bytes, f.created_at FROM collection n \
             JOIN current_file c ON c.collection = n.id \
             JOIN trust_file f ON f.collection = c.collection AND f.role = c.role \
             AND f.version = c.version \
             WHERE n.gun = $1 AND n.deleted_at IS NULL AND c.role = $2";
        let row = sqlx::query(query)
            .bind(gun.as_str())
            .bind(role.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(stored_file).transpose()
    }

    /// The file of a role that has this hash.
    pub async fn file_by_hash(
        &mut self,
        gun: &Gun,
        role: &RoleName,
        sha256: Sha256Hash,
    ) -> Result<Option<StoredFile>, MetaError> {
        let query = "SELECT f.version, f.sha256, f.bytes, f.created_at FROM collection n \
             JOIN trust_file f ON f.collection = n.id \
             WHERE n.gun = $1 AND n.deleted_at IS NULL AND f.role = $2 AND f.sha256 = $3 \
             AND f.deleted = 0 ORDER BY f.version DESC LIMIT 1";
        let row = sqlx::query(query)
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(sha256.to_hex())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(stored_file).transpose()
    }

    /// The file of a role that has this version.
    pub async fn file_by_version(
        &mut self,
        gun: &Gun,
        role: &RoleName,
        version: u64,
    ) -> Result<Option<StoredFile>, MetaError> {
        let Ok(version) = i64::try_from(version) else { return Ok(None) };
        let query = "SELECT f.version, f.sha256, f.bytes, f.created_at FROM collection n \
             JOIN trust_file f ON f.collection = n.id \
             WHERE n.gun = $1 AND n.deleted_at IS NULL AND f.role = $2 AND f.version = $3 \
             AND f.deleted = 0";
        let row = sqlx::query(query)
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(version)
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(stored_file).transpose()
    }
}

impl Writing {
    /// Locks a collection against other writers until the commit, and makes its row if there is
    /// none. One that was deleted is returned with its row.
    pub async fn lock_collection(&mut self, gun: &Gun) -> Result<CollectionRow, MetaError> {
        self.changes(gun.as_str());
        sqlx::query(
            "INSERT INTO collection (gun, seq) VALUES ($1, 0) ON CONFLICT (gun) DO NOTHING",
        )
        .bind(gun.as_str())
        .execute(&mut *self.tx)
        .await?;
        let query = match self.dialect {
            Dialect::Sqlite => "SELECT id, seq, deleted_at FROM collection WHERE gun = $1",
            Dialect::Postgres => {
                "SELECT id, seq, deleted_at FROM collection WHERE gun = $1 FOR UPDATE"
            }
        };
        let row = sqlx::query(query).bind(gun.as_str()).fetch_one(&mut *self.tx).await?;
        collection_row(&row)
    }
}

pub(super) fn collection_row(row: &AnyRow) -> Result<CollectionRow, MetaError> {
    let deleted: Option<i64> = row.try_get("deleted_at")?;
    let seq = unsigned(row.try_get("seq")?)?;
    Ok(CollectionRow { id: row.try_get("id")?, seq, deleted: deleted.is_some() })
}

pub(super) fn stored_file(row: &AnyRow) -> Result<StoredFile, MetaError> {
    let sha256 = Sha256Hash::from_hex(row.try_get("sha256")?);
    Ok(StoredFile {
        version: unsigned(row.try_get("version")?)?,
        sha256: sha256.map_err(|_| MetaError::Corrupt { what: "hash" })?,
        bytes: row.try_get("bytes")?,
        created_at: instant(row.try_get("created_at")?)?,
    })
}

/// A number that is never below zero.
pub(super) fn unsigned(number: i64) -> Result<u64, MetaError> {
    u64::try_from(number).map_err(|_| MetaError::Corrupt { what: "number" })
}

/// An instant, from microseconds since 1970.
pub(super) fn instant(microseconds: i64) -> Result<Timestamp, MetaError> {
    Timestamp::from_microsecond(microseconds).map_err(|_| MetaError::Corrupt { what: "time" })
}
