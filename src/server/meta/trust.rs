//! Trust files: what was published, version by version, and which version of each role is current.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::server::meta::{Dialect, MetaError, Reading, Writing};
use crate::tuf::{Gun, RoleName, TargetName};

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

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

/// All that matters to a change of a collection, of one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectionState {
    /// The collection's row, deleted or not; `None` if nobody ever published.
    pub row: Option<CollectionRow>,
    /// The current file of each role; none if the collection was deleted.
    pub files: BTreeMap<RoleName, StoredFile>,
    /// The last file of each role that had one since the collection was made, and has no current
    /// one.
    pub former: BTreeMap<RoleName, StoredFile>,
    /// The highest versions of each role, whether it is there now or not.
    pub versions: BTreeMap<RoleName, HighestVersion>,
}

/// How far a role's versions have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HighestVersion {
    /// Since the collection was made, or made again after a deletion; 0 for none.
    pub live: u64,
    /// Ever.
    pub ever: u64,
}

/// A file to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// The file.
    pub file: StoredFile,
    /// From when on it is not to be believed.
    pub expires: Timestamp,
    /// Whether this server made it, and is to make the next one.
    pub made_here: bool,
}

/// A target that a role signs, or does not sign any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedTarget {
    /// Its name: for docker a tag.
    pub name: TargetName,
    /// `sha256:` and hex, or `sha512:` if there is no SHA-256.
    pub digest: String,
    /// Size in bytes.
    pub length: u64,
}

/// What a publication changes in the targets that a role signs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetChanges {
    /// Signed from now on.
    pub added: Vec<SignedTarget>,
    /// Not signed any more.
    pub removed: Vec<SignedTarget>,
}

impl Reading {
    /// A collection; `None` if there never was one, or it was deleted.
    pub async fn collection(&mut self, gun: &Gun) -> Result<Option<CollectionRow>, MetaError> {
        let query = "SELECT id, seq, deleted_at FROM collection WHERE gun = $1";
        let row = sqlx::query(query).bind(gun.as_str()).fetch_optional(&mut *self.tx).await?;
        let row = row.map(|row| collection_row(&row)).transpose()?;
        Ok(row.filter(|row| !row.deleted && row.seq > 0))
    }

    /// All that matters to a change of a collection.
    pub async fn collection_state(&mut self, gun: &Gun) -> Result<CollectionState, MetaError> {
        let query = "SELECT id, seq, deleted_at FROM collection WHERE gun = $1";
        let row = sqlx::query(query).bind(gun.as_str()).fetch_optional(&mut *self.tx).await?;
        let Some(row) = row.map(|row| collection_row(&row)).transpose()? else {
            return Ok(CollectionState::default());
        };
        let query = "SELECT role, live, ever FROM role_version WHERE collection = $1";
        let rows = sqlx::query(query).bind(row.id).fetch_all(&mut *self.tx).await?;
        let mut versions = BTreeMap::new();
        for row in &rows {
            let highest = HighestVersion {
                live: unsigned(row.try_get("live")?)?,
                ever: unsigned(row.try_get("ever")?)?,
            };
            versions.insert(role_name(row)?, highest);
        }
        let files = self.files_of(row.id).await?;
        let is_former = |(role, highest): (&RoleName, &HighestVersion)| {
            highest.live > 0 && !files.contains_key(role)
        };
        let former = if versions.iter().any(is_former) {
            self.former_files_of(row.id).await?
        } else {
            BTreeMap::new()
        };
        Ok(CollectionState { row: Some(row), files, former, versions })
    }

    async fn former_files_of(
        &mut self,
        collection: i64,
    ) -> Result<BTreeMap<RoleName, StoredFile>, MetaError> {
        let query = "SELECT f.role, f.version, f.sha256, f.bytes, f.created_at FROM role_version v \
             JOIN trust_file f ON f.collection = v.collection AND f.role = v.role \
             AND f.version = v.live WHERE v.collection = $1 AND NOT EXISTS \
             (SELECT 1 FROM current_file c WHERE c.collection = v.collection AND c.role = v.role)";
        let rows = sqlx::query(query).bind(collection).fetch_all(&mut *self.tx).await?;
        rows.iter().map(|row| Ok((role_name(row)?, stored_file(row)?))).collect()
    }

    async fn files_of(
        &mut self,
        collection: i64,
    ) -> Result<BTreeMap<RoleName, StoredFile>, MetaError> {
        let query = "SELECT f.role, f.version, f.sha256, f.bytes, f.created_at FROM current_file c \
             JOIN trust_file f ON f.collection = c.collection AND f.role = c.role \
             AND f.version = c.version WHERE c.collection = $1";
        let rows = sqlx::query(query).bind(collection).fetch_all(&mut *self.tx).await?;
        rows.iter().map(|row| Ok((role_name(row)?, stored_file(row)?))).collect()
    }

    /// The current file of a role, when it expires, and whether this server makes the next one.
    pub async fn current_file_and_expiry(
        &mut self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<(StoredFile, Timestamp, bool)>, MetaError> {
        let query = "SELECT f.version, f.sha256, f.bytes, f.created_at, c.expires_at, c.made_here \
             FROM collection n JOIN current_file c ON c.collection = n.id \
             JOIN trust_file f ON f.collection = c.collection AND f.role = c.role \
             AND f.version = c.version \
             WHERE n.gun = $1 AND n.deleted_at IS NULL AND c.role = $2";
        let row = sqlx::query(query)
            .bind(gun.as_str())
            .bind(role.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let made_here: i64 = row.try_get("made_here")?;
        Ok(Some((stored_file(&row)?, instant(row.try_get("expires_at")?)?, made_here == 1)))
    }

    /// Which files are kept of a collection, the current ones and all that were before: their
    /// versions and hashes.
    pub async fn kept_versions(
        &mut self,
        collection: i64,
    ) -> Result<Vec<(RoleName, u64, Sha256Hash)>, MetaError> {
        let query = "SELECT role, version, sha256 FROM trust_file WHERE collection = $1 \
             ORDER BY role, version";
        let rows = sqlx::query(query).bind(collection).fetch_all(&mut *self.tx).await?;
        let read = |row: &AnyRow| {
            let sha256 = Sha256Hash::from_hex(row.try_get("sha256")?);
            let sha256 = sha256.map_err(|_| MetaError::Corrupt { what: "hash" })?;
            Ok((role_name(row)?, unsigned(row.try_get("version")?)?, sha256))
        };
        rows.iter().map(read).collect()
    }

    /// How many bytes all files have that are kept of a collection.
    pub async fn kept_bytes(&mut self, collection: i64) -> Result<u64, MetaError> {
        let query = "SELECT CAST(COALESCE(SUM(LENGTH(bytes)), 0) AS BIGINT) FROM trust_file \
             WHERE collection = $1";
        let sum = sqlx::query_scalar(query).bind(collection).fetch_one(&mut *self.tx).await?;
        unsigned(sum)
    }

    /// All files that are kept of a collection, the current ones and all that were before.
    pub async fn kept_files(
        &mut self,
        collection: i64,
    ) -> Result<Vec<(RoleName, StoredFile)>, MetaError> {
        let query = "SELECT role, version, sha256, bytes, created_at FROM trust_file \
             WHERE collection = $1 ORDER BY role, version";
        let rows = sqlx::query(query).bind(collection).fetch_all(&mut *self.tx).await?;
        rows.iter().map(|row| Ok((role_name(row)?, stored_file(row)?))).collect()
    }

    /// How many collections are archives: nobody makes their timestamps here; and how many of them
    /// have a timestamp that expired before this instant.
    pub async fn count_archives(&mut self, now: Timestamp) -> Result<(u64, u64), MetaError> {
        let query = "SELECT CAST(COUNT(*) AS BIGINT) AS archives, \
             CAST(COALESCE(SUM(CASE WHEN c.expires_at < $1 THEN 1 ELSE 0 END), 0) AS BIGINT) \
             AS expired FROM current_file c JOIN collection n ON n.id = c.collection \
             WHERE c.role = 'timestamp' AND c.made_here = 0 AND n.deleted_at IS NULL";
        let row = sqlx::query(query).bind(now.as_microsecond()).fetch_one(&mut *self.tx).await?;
        Ok((unsigned(row.try_get("archives")?)?, unsigned(row.try_get("expired")?)?))
    }

    /// Collections of which a file that this server makes expires soon: a timestamp before the
    /// first instant, or a snapshot before the second. At most `count`, after the one of this
    /// number; each with its number.
    pub async fn collections_to_renew(
        &mut self,
        timestamps_before: Timestamp,
        snapshots_before: Timestamp,
        after: i64,
        count: u32,
    ) -> Result<Vec<(i64, Gun)>, MetaError> {
        let query = "SELECT DISTINCT n.id, n.gun FROM current_file c \
             JOIN collection n ON n.id = c.collection \
             WHERE c.made_here = 1 AND n.deleted_at IS NULL AND n.id > $3 \
             AND ((c.role = 'timestamp' AND c.expires_at < $1) \
             OR (c.role = 'snapshot' AND c.expires_at < $2)) ORDER BY n.id LIMIT $4";
        let rows = sqlx::query(query)
            .bind(timestamps_before.as_microsecond())
            .bind(snapshots_before.as_microsecond())
            .bind(after)
            .bind(i64::from(count))
            .fetch_all(&mut *self.tx)
            .await?;
        let read = |row: &AnyRow| {
            let gun = Gun::parse(row.try_get("gun")?);
            Ok((row.try_get("id")?, gun.map_err(|_| MetaError::Corrupt { what: "GUN" })?))
        };
        rows.iter().map(read).collect()
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
        self.file(of_role(query, gun, role)).await
    }

    /// The last file of a role that had one since the collection was made, whether it is a current
    /// one or not.
    pub async fn last_file(
        &mut self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<StoredFile>, MetaError> {
        let query = "SELECT f.version, f.sha256, f.bytes, f.created_at FROM collection n \
             JOIN role_version v ON v.collection = n.id \
             JOIN trust_file f ON f.collection = v.collection AND f.role = v.role \
             AND f.version = v.live \
             WHERE n.gun = $1 AND n.deleted_at IS NULL AND v.role = $2";
        self.file(of_role(query, gun, role)).await
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
             ORDER BY f.version DESC LIMIT 1";
        self.file(of_role(query, gun, role).bind(sha256.to_hex())).await
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
             WHERE n.gun = $1 AND n.deleted_at IS NULL AND f.role = $2 AND f.version = $3";
        self.file(of_role(query, gun, role).bind(version)).await
    }

    async fn file(&mut self, query: Query<'_>) -> Result<Option<StoredFile>, MetaError> {
        let row = query.fetch_optional(&mut *self.tx).await?;
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

    /// Whether anything was ever published for a GUN.
    pub async fn holds_collection(&mut self, gun: &Gun) -> Result<bool, MetaError> {
        let query = "SELECT id FROM collection WHERE gun = $1 AND seq > 0";
        let row = sqlx::query(query).bind(gun.as_str()).fetch_optional(&mut *self.tx).await?;
        Ok(row.is_some())
    }

    /// Sets how many changes a collection has seen. It is there from now on, deleted or not before;
    /// or it is not, if a time of deletion is given.
    pub async fn set_seq(
        &mut self,
        collection: i64,
        seq: u64,
        deleted_at: Option<Timestamp>,
    ) -> Result<(), MetaError> {
        sqlx::query("UPDATE collection SET seq = $2, deleted_at = $3 WHERE id = $1")
            .bind(collection)
            .bind(signed(seq))
            .bind(deleted_at.map(Timestamp::as_microsecond))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Stores files, and makes them the current ones of their roles.
    pub async fn store_files(
        &mut self,
        collection: i64,
        files: &BTreeMap<RoleName, NewFile>,
    ) -> Result<(), MetaError> {
        if files.is_empty() {
            return Ok(());
        }
        let stored: Vec<_> = files.iter().map(|(role, new)| (role, &new.file)).collect();
        self.keep_files(collection, &stored).await?;
        let current = format!(
            "INSERT INTO current_file (collection, role, version, expires_at, made_here) \
             VALUES {} ON CONFLICT (collection, role) DO UPDATE SET version = excluded.version, \
             expires_at = excluded.expires_at, made_here = excluded.made_here",
            places(files.len(), 5)
        );
        let mut current = sqlx::query(AssertSqlSafe(current));
        for (role, file) in files {
            current = current
                .bind(collection)
                .bind(role.as_str())
                .bind(signed(file.file.version))
                .bind(file.expires.as_microsecond())
                .bind(i64::from(file.made_here));
        }
        current.execute(&mut *self.tx).await?;
        let highest = format!(
            "INSERT INTO role_version (collection, role, live, ever) VALUES {} \
             ON CONFLICT (collection, role) DO UPDATE SET live = excluded.live, \
             ever = CASE WHEN excluded.ever > role_version.ever \
             THEN excluded.ever ELSE role_version.ever END",
            places(files.len(), 4)
        );
        let mut highest = sqlx::query(AssertSqlSafe(highest));
        for (role, file) in files {
            let version = signed(file.file.version);
            highest = highest.bind(collection).bind(role.as_str()).bind(version).bind(version);
        }
        highest.execute(&mut *self.tx).await?;
        Ok(())
    }

    /// Stores files: they have names by hash and by version, and are current for nobody.
    pub async fn keep_files(
        &mut self,
        collection: i64,
        files: &[(&RoleName, &StoredFile)],
    ) -> Result<(), MetaError> {
        for chunk in files.chunks(ROWS_AT_ONCE) {
            let insert = format!(
                "INSERT INTO trust_file (collection, role, version, sha256, bytes, created_at) \
                 VALUES {}",
                places(chunk.len(), 6)
            );
            let mut insert = sqlx::query(AssertSqlSafe(insert));
            for (role, file) in chunk {
                insert = insert
                    .bind(collection)
                    .bind(role.as_str())
                    .bind(signed(file.version))
                    .bind(file.sha256.to_hex())
                    .bind(file.bytes.as_slice())
                    .bind(file.created_at.as_microsecond());
            }
            insert.execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Makes a file that is stored the current one of its role, whatever was before; `made_here`
    /// says whether this server is to make the next one.
    pub async fn set_current(
        &mut self,
        collection: i64,
        role: &RoleName,
        version: u64,
        expires: Timestamp,
        made_here: bool,
    ) -> Result<(), MetaError> {
        sqlx::query(
            "INSERT INTO current_file (collection, role, version, expires_at, made_here) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (collection, role) DO UPDATE \
             SET version = excluded.version, expires_at = excluded.expires_at, \
             made_here = excluded.made_here",
        )
        .bind(collection)
        .bind(role.as_str())
        .bind(signed(version))
        .bind(expires.as_microsecond())
        .bind(i64::from(made_here))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Notes that a role's versions have come this far; what is noted never goes down.
    pub async fn raise_versions(
        &mut self,
        collection: i64,
        role: &RoleName,
        highest: HighestVersion,
    ) -> Result<(), MetaError> {
        sqlx::query(
            "INSERT INTO role_version (collection, role, live, ever) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (collection, role) DO UPDATE SET \
             live = CASE WHEN excluded.live > role_version.live \
             THEN excluded.live ELSE role_version.live END, \
             ever = CASE WHEN excluded.ever > role_version.ever \
             THEN excluded.ever ELSE role_version.ever END",
        )
        .bind(collection)
        .bind(role.as_str())
        .bind(signed(highest.live))
        .bind(signed(highest.ever))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Lets a role have no current file; its files keep their names by hash and version.
    pub async fn drop_current(
        &mut self,
        collection: i64,
        role: &RoleName,
    ) -> Result<(), MetaError> {
        sqlx::query("DELETE FROM current_file WHERE collection = $1 AND role = $2")
            .bind(collection)
            .bind(role.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Records what a role signs from this change on.
    pub async fn change_targets(
        &mut self,
        collection: i64,
        role: &RoleName,
        changes: &TargetChanges,
        seq: u64,
        at: Timestamp,
    ) -> Result<(), MetaError> {
        for target in &changes.removed {
            sqlx::query(
                "UPDATE signed_target SET until_seq = $1, until_at = $2 WHERE collection = $3 \
                 AND role = $4 AND name = $5 AND digest = $6 AND until_seq IS NULL",
            )
            .bind(signed(seq))
            .bind(at.as_microsecond())
            .bind(collection)
            .bind(role.as_str())
            .bind(target.name.as_str())
            .bind(target.digest.as_str())
            .execute(&mut *self.tx)
            .await?;
        }
        for chunk in changes.added.chunks(ROWS_AT_ONCE) {
            let insert = format!(
                "INSERT INTO signed_target (collection, role, name, digest, length, since_seq) \
                 VALUES {}",
                places(chunk.len(), 6)
            );
            let mut insert = sqlx::query(AssertSqlSafe(insert));
            for target in chunk {
                insert = insert
                    .bind(collection)
                    .bind(role.as_str())
                    .bind(target.name.as_str())
                    .bind(target.digest.as_str())
                    .bind(signed(target.length))
                    .bind(signed(seq));
            }
            insert.execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Records that a role signs nothing any more; without a role, that none does.
    pub async fn end_targets(
        &mut self,
        collection: i64,
        role: Option<&RoleName>,
        seq: u64,
        at: Timestamp,
    ) -> Result<(), MetaError> {
        let of = if role.is_some() { " AND role = $4" } else { "" };
        let query = format!(
            "UPDATE signed_target SET until_seq = $1, until_at = $2 \
             WHERE collection = $3 AND until_seq IS NULL{of}"
        );
        let mut query = sqlx::query(AssertSqlSafe(query))
            .bind(signed(seq))
            .bind(at.as_microsecond())
            .bind(collection);
        if let Some(role) = role {
            query = query.bind(role.as_str());
        }
        query.execute(&mut *self.tx).await?;
        Ok(())
    }

    /// Removes every file of a collection; how far versions came is remembered.
    pub async fn remove_files(&mut self, collection: i64) -> Result<(), MetaError> {
        for statement in [
            "DELETE FROM current_file WHERE collection = $1",
            "DELETE FROM trust_file WHERE collection = $1",
            "UPDATE role_version SET live = 0 WHERE collection = $1",
        ] {
            sqlx::query(statement).bind(collection).execute(&mut *self.tx).await?;
        }
        Ok(())
    }
}

/// `($1, $2), ($3, $4), …`: so many rows of so many columns.
fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places = (1..=columns).map(|column| format!("${}", row * columns + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// Rows of targets that are written with one statement.
const ROWS_AT_ONCE: usize = 500;

fn role_name(row: &AnyRow) -> Result<RoleName, MetaError> {
    RoleName::parse(row.try_get("role")?).map_err(|_| MetaError::Corrupt { what: "role" })
}

/// A number as the database holds it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn collection_row(row: &AnyRow) -> Result<CollectionRow, MetaError> {
    let deleted: Option<i64> = row.try_get("deleted_at")?;
    let seq = unsigned(row.try_get("seq")?)?;
    Ok(CollectionRow { id: row.try_get("id")?, seq, deleted: deleted.is_some() })
}

/// A query about one role of a collection.
fn of_role<'q>(query: &'static str, gun: &'q Gun, role: &'q RoleName) -> Query<'q> {
    sqlx::query(query).bind(gun.as_str()).bind(role.as_str())
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
