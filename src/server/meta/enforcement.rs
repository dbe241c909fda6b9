//! What enforcement asks: what is stored of a collection, what a repository has, and which tags are
//! in quarantine.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::clock::Timestamp;
use crate::limits::{MAX_INDEX_DEPTH, MAX_PARENTS};
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::meta::store::Asked;
use crate::server::meta::trust::{instant, unsigned};
use crate::server::meta::{Dialect, MetaError, Reading, Writing};
use crate::tuf::{Gun, RoleName};

/// A snapshot, or a transaction in the making, that is asked.
#[derive(Debug)]
pub struct Evidence<'a> {
    connection: &'a mut AnyConnection,
    /// Whether all that is asked is of one instant, and was committed.
    is_snapshot: bool,
}

/// The state of everything that a verdict on one thing depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The repository; `None` if it is not there.
    pub repository: Option<RepositoryMark>,
    /// Size in bytes of the manifest that was asked about; `None` if the repository has none.
    pub size: Option<u64>,
    /// The collections, in the order of the names asked for.
    pub collections: Vec<CollectionMark>,
}

/// The state of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RepositoryMark {
    /// Its number.
    pub id: i64,
    /// How many changes there were.
    pub seq: i64,
}

/// The state of a collection: whatever is published gives another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CollectionMark {
    /// Which of the names asked for it has.
    pub name: usize,
    /// Its number.
    pub id: i64,
    /// How many changes there were.
    pub seq: i64,
    /// Version of its timestamp; 0 if it has none.
    pub timestamp: i64,
}

/// All that is stored of a collection and matters to whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustFiles {
    /// The current file of each role.
    pub current: BTreeMap<RoleName, Vec<u8>>,
    /// Version of the current root.
    pub root_version: u64,
    /// The highest version of each role that was ever stored, and the current one.
    pub versions: Vec<(RoleName, u64, Option<u64>)>,
}

/// That a role vouches for content, or did until lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// The role.
    pub role: RoleName,
    /// The target's name.
    pub name: String,
    /// The content.
    pub digest: Digest,
    /// Whether it does no longer.
    pub ended: bool,
}

/// A tag in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its repository.
    pub repository: RepositoryName,
    /// Its name.
    pub tag: TagName,
    /// Since when it waits.
    pub since: Timestamp,
}

/// As what a manifest has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartKind {
    /// An index has a manifest.
    Manifest,
    /// A manifest has a configuration or a layer.
    Blob,
}

impl Reading {
    /// Asks as enforcement does.
    pub fn evidence(&mut self) -> Evidence<'_> {
        let is_snapshot = matches!(self.tx, Asked::Snapshot(_));
        Evidence { connection: &mut self.tx, is_snapshot }
    }
}

impl Writing {
    /// Asks as enforcement does, of what is being written.
    pub fn evidence(&mut self) -> Evidence<'_> {
        Evidence { connection: &mut self.tx, is_snapshot: false }
    }
}

impl Evidence<'_> {
    /// Whether all that is asked is of one instant, and was committed: only then it may be
    /// remembered for others.
    pub fn is_snapshot(&self) -> bool {
        self.is_snapshot
    }

    /// The state of a repository and of collections, and whether the repository has a manifest.
    /// One question, for it is asked with every request.
    pub async fn state(
        &mut self,
        repository: &RepositoryName,
        manifest: &Digest,
        names: &[Option<Gun>],
    ) -> Result<State, MetaError> {
        // Something is asked for even if there are no names: no collection has the empty one.
        let places: Vec<String> =
            (0..names.len().max(1)).map(|at| format!("${}", at + 3)).collect();
        let query = format!(
            "SELECT r.id, r.seq, CAST(LENGTH(m.bytes) AS BIGINT) AS size, c.gun, \
             c.id AS collection, c.seq AS published, t.version FROM (SELECT 1 AS one) o \
             LEFT JOIN repository r ON r.name = $1 \
             LEFT JOIN manifest m ON m.repository = r.id AND m.digest = $2 \
             LEFT JOIN collection c ON c.gun IN ({}) AND c.deleted_at IS NULL AND c.seq > 0 \
             LEFT JOIN current_file t ON t.collection = c.id AND t.role = 'timestamp'",
            places.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(query))
            .bind(repository.as_str().to_owned())
            .bind(manifest.as_str().to_owned());
        for at in 0..names.len().max(1) {
            let name = names.get(at).and_then(Option::as_ref).map_or("", Gun::as_str);
            query = query.bind(name.to_owned());
        }
        let mut state = State::default();
        for row in query.fetch_all(&mut *self.connection).await? {
            let id: Option<i64> = row.try_get("id")?;
            let seq: Option<i64> = row.try_get("seq")?;
            state.repository = id.zip(seq).map(|(id, seq)| RepositoryMark { id, seq });
            state.size = row.try_get::<Option<i64>, _>("size")?.map(unsigned).transpose()?;
            let Some(id) = row.try_get::<Option<i64>, _>("collection")? else { continue };
            let gun: String = row.try_get("gun")?;
            let is_it = |name: &Option<Gun>| name.as_ref().is_some_and(|name| name.as_str() == gun);
            let name = names.iter().position(is_it).ok_or(MetaError::Corrupt { what: "GUN" })?;
            let seq = row.try_get("published")?;
            let timestamp = row.try_get::<Option<i64>, _>("version")?.unwrap_or_default();
            state.collections.push(CollectionMark { name, id, seq, timestamp });
        }
        state.collections.sort_unstable_by_key(|collection| collection.name);
        Ok(state)
    }

    /// The current files of a collection, and the highest version of each role that was ever
    /// stored.
    pub async fn trust_files(&mut self, collection: i64) -> Result<TrustFiles, MetaError> {
        let query = "SELECT c.role, c.version, f.bytes FROM current_file c \
             JOIN trust_file f ON f.collection = c.collection AND f.role = c.role \
             AND f.version = c.version WHERE c.collection = $1";
        let rows = sqlx::query(query).bind(collection).fetch_all(&mut *self.connection).await?;
        let mut files = TrustFiles::default();
        let mut current = BTreeMap::new();
        for row in &rows {
            let role = role(row.try_get("role")?)?;
            let version = unsigned(row.try_get("version")?)?;
            if role == RoleName::Root {
                files.root_version = version;
            }
            current.insert(role.clone(), version);
            files.current.insert(role, row.try_get("bytes")?);
        }
        let query = "SELECT role, CAST(MAX(version) AS BIGINT) AS highest FROM trust_file \
             WHERE collection = $1 GROUP BY role";
        let rows = sqlx::query(query).bind(collection).fetch_all(&mut *self.connection).await?;
        for row in &rows {
            let role = role(row.try_get("role")?)?;
            let highest = unsigned(row.try_get("highest")?)?;
            let now = current.get(&role).copied();
            files.versions.push((role, highest, now));
        }
        Ok(files)
    }

    /// A version of a collection's root.
    pub async fn root(
        &mut self,
        collection: i64,
        version: u64,
    ) -> Result<Option<Vec<u8>>, MetaError> {
        let Ok(version) = i64::try_from(version) else { return Ok(None) };
        let query = "SELECT bytes FROM trust_file WHERE collection = $1 AND role = 'root' \
             AND version = $2 AND deleted = 0";
        let bytes = sqlx::query_scalar(query).bind(collection).bind(version);
        Ok(bytes.fetch_optional(&mut *self.connection).await?)
    }

    /// Of everything for which other content was signed since an instant: who vouched for it then,
    /// and who still does. No more than [`MAX_PARENTS`] rows are looked at.
    pub async fn replaced_since(
        &mut self,
        collection: i64,
        since: Timestamp,
    ) -> Result<Vec<Voucher>, MetaError> {
        // Replaced is what the same role stopped naming as it named other content for that name.
        let query = "SELECT o.role, o.name, o.digest, o.until_seq FROM signed_target o \
             WHERE o.collection = $1 AND (o.until_seq IS NULL OR o.until_at >= $2) AND EXISTS \
             (SELECT 1 FROM signed_target p JOIN signed_target n ON n.collection = p.collection \
             AND n.role = p.role AND n.name = p.name AND n.since_seq = p.until_seq \
             WHERE p.collection = o.collection AND p.name = o.name AND p.digest = o.digest \
             AND p.until_at >= $2) LIMIT $3";
        let rows = sqlx::query(query)
            .bind(collection)
            .bind(since.as_microsecond())
            .bind(i64::try_from(MAX_PARENTS).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.connection)
            .await?;
        let voucher = |row: &sqlx::any::AnyRow| {
            let ended: Option<i64> = row.try_get("until_seq")?;
            Ok(Voucher {
                role: role(row.try_get("role")?)?,
                name: row.try_get("name")?,
                digest: digest(row.try_get("digest")?)?,
                ended: ended.is_some(),
            })
        };
        rows.iter().map(voucher).collect()
    }

    /// Whether one of the manifests that have something, directly or through indexes, is one of
    /// which `counts` says yes. No more than [`MAX_PARENTS`] are looked at.
    pub async fn is_part(
        &mut self,
        repository: i64,
        part: &Digest,
        kind: PartKind,
        counts: impl Fn(&Digest) -> bool + Send,
    ) -> Result<bool, MetaError> {
        let query = "WITH RECURSIVE above (digest, depth) AS ( \
             SELECT parent, 1 FROM manifest_ref WHERE repository = $1 AND child = $2 AND kind = $3 \
             UNION SELECT r.parent, above.depth + 1 FROM above JOIN manifest_ref r \
             ON r.child = above.digest WHERE r.repository = $1 AND r.kind = 'manifest' \
             AND above.depth <= $4) SELECT digest FROM above";
        let depth = i64::try_from(MAX_INDEX_DEPTH).unwrap_or(i64::MAX);
        let mut rows = sqlx::query_scalar::<_, String>(query)
            .bind(repository)
            .bind(part.as_str().to_owned())
            .bind(kind.as_str())
            .bind(depth)
            .fetch(&mut *self.connection);
        let mut seen = 0_usize;
        while let Some(parent) = rows.try_next().await? {
            let parent = digest(&parent)?;
            if counts(&parent) {
                return Ok(true);
            }
            seen += 1;
            if seen >= MAX_PARENTS {
                break;
            }
        }
        Ok(false)
    }

    /// Size in bytes of a manifest; `None` if the repository does not have it.
    pub async fn manifest_size(
        &mut self,
        repository: i64,
        digest: &Digest,
    ) -> Result<Option<u64>, MetaError> {
        let query = "SELECT CAST(LENGTH(bytes) AS BIGINT) FROM manifest \
             WHERE repository = $1 AND digest = $2";
        let size: Option<i64> = sqlx::query_scalar(query)
            .bind(repository)
            .bind(digest.as_str().to_owned())
            .fetch_optional(&mut *self.connection)
            .await?;
        size.map(unsigned).transpose()
    }

    /// What a tag stands for.
    pub async fn tag(
        &mut self,
        repository: i64,
        tag: &TagName,
    ) -> Result<Option<Digest>, MetaError> {
        let query = "SELECT digest FROM tag WHERE repository = $1 AND name = $2";
        let found: Option<String> = sqlx::query_scalar(query)
            .bind(repository)
            .bind(tag.as_str().to_owned())
            .fetch_optional(&mut *self.connection)
            .await?;
        found.as_deref().map(digest).transpose()
    }

    /// Whether some role of a collection names a digest for a tag, whoever that convinces.
    pub async fn names(
        &mut self,
        gun: &Gun,
        tag: &TagName,
        digest: &Digest,
    ) -> Result<bool, MetaError> {
        let query = "SELECT s.name FROM collection c JOIN signed_target s ON s.collection = c.id \
             WHERE c.gun = $1 AND c.deleted_at IS NULL AND s.name = $2 AND s.digest = $3 \
             AND s.until_seq IS NULL LIMIT 1";
        let row = sqlx::query(query)
            .bind(gun.as_str().to_owned())
            .bind(tag.as_str().to_owned())
            .bind(digest.as_str().to_owned())
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.is_some())
    }

    /// Whether a tag is in quarantine: what everybody else still gets, if anything.
    pub async fn quarantine(
        &mut self,
        repository: i64,
        tag: &TagName,
    ) -> Result<Option<Option<Digest>>, MetaError> {
        let query = "SELECT settled FROM quarantine WHERE repository = $1 AND tag = $2";
        let row = sqlx::query(query)
            .bind(repository)
            .bind(tag.as_str().to_owned())
            .fetch_optional(&mut *self.connection)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let settled: Option<String> = row.try_get("settled")?;
        Ok(Some(settled.as_deref().map(digest).transpose()?))
    }

    /// The tags that have waited since before an instant and could return to what they were, the
    /// oldest first.
    pub async fn quarantined_before(
        &mut self,
        before: Timestamp,
        most: i64,
    ) -> Result<Vec<Quarantined>, MetaError> {
        let query = "SELECT r.name, q.tag, q.since FROM quarantine q \
             JOIN repository r ON r.id = q.repository \
             WHERE q.since <= $1 AND q.settled IS NOT NULL ORDER BY q.since, q.repository, q.tag LIMIT $2";
        let rows = sqlx::query(query)
            .bind(before.as_microsecond())
            .bind(most)
            .fetch_all(&mut *self.connection)
            .await?;
        let quarantined = |row: &sqlx::any::AnyRow| {
            let name = RepositoryName::parse(row.try_get("name")?);
            let tag = TagName::parse(row.try_get("tag")?);
            Ok(Quarantined {
                repository: name.map_err(|_| MetaError::Corrupt { what: "repository" })?,
                tag: tag.map_err(|_| MetaError::Corrupt { what: "tag" })?,
                since: instant(row.try_get("since")?)?,
            })
        };
        rows.iter().map(quarantined).collect()
    }
}

impl Writing {
    /// Locks collections against whoever publishes, until the commit.
    pub async fn lock_published(
        &mut self,
        collections: &[CollectionMark],
    ) -> Result<(), MetaError> {
        if self.dialect == Dialect::Sqlite {
            // Nobody else writes.
            return Ok(());
        }
        for collection in collections {
            sqlx::query("SELECT id FROM collection WHERE id = $1 FOR UPDATE")
                .bind(collection.id)
                .fetch_optional(&mut *self.tx)
                .await?;
        }
        Ok(())
    }

    /// Puts a tag into quarantine, with what everybody else gets on.
    pub async fn put_in_quarantine(
        &mut self,
        repository: i64,
        tag: &TagName,
        settled: Option<&Digest>,
        now: Timestamp,
    ) -> Result<(), MetaError> {
        let query = "INSERT INTO quarantine (repository, tag, settled, since) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (repository, tag) DO UPDATE \
             SET settled = $3, since = $4";
        sqlx::query(query)
            .bind(repository)
            .bind(tag.as_str().to_owned())
            .bind(settled.map(|digest| digest.as_str().to_owned()))
            .bind(now.as_microsecond())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Takes a tag out of quarantine.
    pub async fn leave_quarantine(
        &mut self,
        repository: i64,
        tag: &TagName,
    ) -> Result<(), MetaError> {
        sqlx::query("DELETE FROM quarantine WHERE repository = $1 AND tag = $2")
            .bind(repository)
            .bind(tag.as_str().to_owned())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Sets a tag back to what it was, if the repository still has that.
    pub async fn return_tag(
        &mut self,
        repository: i64,
        tag: &TagName,
        settled: &Digest,
        now: Timestamp,
    ) -> Result<bool, MetaError> {
        let query = "UPDATE tag SET digest = $3, seq = seq + 1, updated_at = $4 \
             WHERE repository = $1 AND name = $2 AND EXISTS \
             (SELECT 1 FROM manifest WHERE repository = $1 AND digest = $3)";
        let changed = sqlx::query(query)
            .bind(repository)
            .bind(tag.as_str().to_owned())
            .bind(settled.as_str().to_owned())
            .bind(now.as_microsecond())
            .execute(&mut *self.tx)
            .await?
            .rows_affected();
        sqlx::query("UPDATE repository SET seq = seq + 1 WHERE id = $1")
            .bind(repository)
            .execute(&mut *self.tx)
            .await?;
        Ok(changed > 0)
    }
}

impl PartKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Blob => "blob",
        }
    }
}

fn role(name: &str) -> Result<RoleName, MetaError> {
    RoleName::parse(name).map_err(|_| MetaError::Corrupt { what: "role" })
}

fn digest(text: &str) -> Result<Digest, MetaError> {
    Digest::parse(text).map_err(|_| MetaError::Corrupt { what: "digest" })
}
