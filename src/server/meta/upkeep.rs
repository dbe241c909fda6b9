//! What garbage collection, retention and checks ask of the database, and change in it.

use std::collections::{BTreeMap, HashSet};

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::clock::Timestamp;
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::meta::blobs::{
    BlobRow, BlobState, MAX_PLACES, blob_row, digest, places, repository_name,
};
use crate::server::meta::content::TagRow;
use crate::server::meta::trust::{instant, unsigned};
use crate::server::meta::{Dialect, MetaError, Reading, Writing};

/// A manifest, without its bytes, and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestNode {
    /// Its digest.
    pub digest: Digest,
    /// Its length, in bytes.
    pub size: u64,
    /// What it is a statement of.
    pub subject: Option<Digest>,
    /// When somebody last relied on its being there.
    pub touched_at: Timestamp,
}

/// A row of `repository_blob`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobLink {
    /// The repository's number.
    pub repository: i64,
    /// Its name.
    pub name: RepositoryName,
    /// The blob.
    pub digest: Digest,
}

/// Which collections speak of a repository: those named `HOST/NAME` for one of these hosts; for any
/// host at all if there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(pub Vec<String>);

impl Hosts {
    fn speak_of(&self, repository: &RepositoryName, gun: &str) -> bool {
        let Some(host) = gun.strip_suffix(repository.as_str()) else { return false };
        match host.strip_suffix('/') {
            Some(host) => self.0.is_empty() || self.0.iter().any(|known| known == host),
            // A collection that is named as the repository, without a host.
            None => host.is_empty(),
        }
    }
}

impl Reading {
    /// Some repositories, in the order of their numbers, after this number.
    pub async fn repositories_from(
        &mut self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, RepositoryName)>, MetaError> {
        let query = "SELECT id, name FROM repository WHERE id > $1 ORDER BY id LIMIT $2";
        let rows =
            sqlx::query(query).bind(after).bind(number(limit)).fetch_all(&mut *self.tx).await?;
        rows.iter()
            .map(|row| Ok((row.try_get("id")?, repository_name(row.try_get("name")?)?)))
            .collect()
    }

    /// All tags of a repository.
    pub async fn all_tags(
        &mut self,
        repository: i64,
    ) -> Result<BTreeMap<TagName, TagRow>, MetaError> {
        let query = "SELECT name, digest, seq, updated_at FROM tag WHERE repository = $1";
        let rows = sqlx::query(query).bind(repository).fetch_all(&mut *self.tx).await?;
        let mut tags = BTreeMap::new();
        for row in &rows {
            let name = TagName::parse(row.try_get("name")?);
            let name = name.map_err(|_| MetaError::Corrupt { what: "name of a tag" })?;
            let tag = TagRow {
                digest: digest(row.try_get("digest")?)?,
                seq: unsigned(row.try_get("seq")?)?,
                updated_at: instant(row.try_get("updated_at")?)?,
            };
            tags.insert(name, tag);
        }
        Ok(tags)
    }

    /// All manifests of a repository, in the order of their digests.
    pub async fn manifest_nodes(
        &mut self,
        repository: i64,
    ) -> Result<Vec<ManifestNode>, MetaError> {
        let query = "SELECT digest, CAST(LENGTH(bytes) AS BIGINT) AS size, subject, touched_at \
             FROM manifest WHERE repository = $1 ORDER BY digest";
        let rows = sqlx::query(query).bind(repository).fetch_all(&mut *self.tx).await?;
        let node = |row: &sqlx::any::AnyRow| {
            let subject: Option<String> = row.try_get("subject")?;
            Ok(ManifestNode {
                digest: digest(row.try_get("digest")?)?,
                size: unsigned(row.try_get("size")?)?,
                subject: subject.as_deref().map(digest).transpose()?,
                touched_at: instant(row.try_get("touched_at")?)?,
            })
        };
        rows.iter().map(node).collect()
    }

    /// The tags of a repository that are in quarantine.
    pub async fn quarantined_tags(
        &mut self,
        repository: i64,
    ) -> Result<HashSet<String>, MetaError> {
        let query = "SELECT tag FROM quarantine WHERE repository = $1";
        let rows = sqlx::query(query).bind(repository).fetch_all(&mut *self.tx).await?;
        rows.iter().map(|row| Ok(row.try_get("tag")?)).collect()
    }

    /// What the tags of a repository that are in quarantine return to, and others still get.
    pub async fn settled(&mut self, repository: i64) -> Result<Vec<Digest>, MetaError> {
        let query = "SELECT settled FROM quarantine WHERE repository = $1 \
             AND settled IS NOT NULL ORDER BY tag";
        let rows = sqlx::query(query).bind(repository).fetch_all(&mut *self.tx).await?;
        rows.iter().map(|row| digest(row.try_get("settled")?)).collect()
    }

    /// What all manifests of a repository refer to, of this kind, `manifest` or `blob`: parents and
    /// children.
    pub async fn references(
        &mut self,
        repository: i64,
        kind: &'static str,
    ) -> Result<Vec<(Digest, Digest)>, MetaError> {
        let query = "SELECT parent, child FROM manifest_ref WHERE repository = $1 AND kind = $2 \
             ORDER BY parent, child";
        let rows = sqlx::query(query).bind(repository).bind(kind).fetch_all(&mut *self.tx).await?;
        rows.iter()
            .map(|row| Ok((digest(row.try_get("parent")?)?, digest(row.try_get("child")?)?)))
            .collect()
    }

    /// What one manifest refers to, of this kind.
    pub async fn references_of(
        &mut self,
        repository: i64,
        parent: &Digest,
        kind: &'static str,
    ) -> Result<Vec<Digest>, MetaError> {
        let query = "SELECT child FROM manifest_ref WHERE repository = $1 AND parent = $2 \
             AND kind = $3 ORDER BY child";
        let rows = sqlx::query(query)
            .bind(repository)
            .bind(parent.as_str())
            .bind(kind)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| digest(row.try_get("child")?)).collect()
    }

    /// The manifests of all repositories that refer to a blob: the repository's number, the digest.
    pub async fn holders(&mut self, blob: &Digest) -> Result<Vec<(i64, Digest)>, MetaError> {
        let query = "SELECT repository, parent FROM manifest_ref WHERE child = $1 \
             AND kind = 'blob'";
        let rows = sqlx::query(query).bind(blob.as_str()).fetch_all(&mut *self.tx).await?;
        rows.iter()
            .map(|row| Ok((row.try_get("repository")?, digest(row.try_get("parent")?)?)))
            .collect()
    }

    /// Whether a collection of a repository signs this digest, or did until after an instant.
    pub async fn is_signed(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        hosts: &Hosts,
        since: Timestamp,
    ) -> Result<bool, MetaError> {
        is_signed(&mut self.tx, repository, digest, hosts, since).await
    }

    /// Whether any collection at all signs this digest now.
    pub async fn is_signed_anywhere(&mut self, digest: &Digest) -> Result<bool, MetaError> {
        let query = "SELECT 1 FROM signed_target WHERE digest = $1 AND until_seq IS NULL LIMIT 1";
        let row = sqlx::query(query).bind(digest.as_str()).fetch_optional(&mut *self.tx).await?;
        Ok(row.is_some())
    }

    /// Some blobs in this state that nobody has relied on since an instant, to which no manifest
    /// refers and that no collection signs, in the order of their digests.
    pub async fn idle_blobs(
        &mut self,
        state: BlobState,
        before: Timestamp,
        after: &str,
        limit: usize,
    ) -> Result<Vec<BlobRow>, MetaError> {
        // What is being removed cannot be referred to any more.
        let free = if state == BlobState::Deleting { "TRUE" } else { UNREFERENCED };
        let query = format!(
            "SELECT digest, size, object, state, touched_at FROM blob WHERE state = $1 \
             AND touched_at <= $2 AND digest > $3 AND {free} ORDER BY digest LIMIT $4"
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(state.as_str())
            .bind(before.as_microsecond())
            .bind(after)
            .bind(number(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(blob_row).collect()
    }

    /// Some blobs, in whatever state, in the order of their digests.
    pub async fn blobs_from(
        &mut self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<BlobRow>, MetaError> {
        let query = "SELECT digest, size, object, state, touched_at FROM blob WHERE digest > $1 \
             ORDER BY digest LIMIT $2";
        let rows =
            sqlx::query(query).bind(after).bind(number(limit)).fetch_all(&mut *self.tx).await?;
        rows.iter().map(blob_row).collect()
    }

    /// Which of these names of content the database knows.
    pub async fn known_objects(
        &mut self,
        objects: &[(&Digest, &str)],
    ) -> Result<HashSet<String>, MetaError> {
        let mut known = HashSet::new();
        for part in objects.chunks(MAX_PLACES) {
            let query =
                format!("SELECT object FROM blob WHERE digest IN ({})", places(1, part.len()));
            let mut query = sqlx::query(AssertSqlSafe(query));
            for (digest, _) in part {
                query = query.bind(digest.as_str());
            }
            for row in query.fetch_all(&mut *self.tx).await? {
                known.insert(row.try_get("object")?);
            }
        }
        known.retain(|known: &String| objects.iter().any(|(_, object)| object == known));
        Ok(known)
    }

    /// Links of repositories to blobs that are not there.
    pub async fn dangling_links(&mut self, limit: usize) -> Result<Vec<BlobLink>, MetaError> {
        let query = "SELECT l.repository, r.name, l.digest FROM repository_blob l \
             JOIN repository r ON r.id = l.repository WHERE NOT EXISTS \
             (SELECT 1 FROM blob b WHERE b.digest = l.digest) \
             ORDER BY l.repository, l.digest LIMIT $1";
        let rows = sqlx::query(query).bind(number(limit)).fetch_all(&mut *self.tx).await?;
        let link = |row: &sqlx::any::AnyRow| {
            Ok(BlobLink {
                repository: row.try_get("repository")?,
                name: repository_name(row.try_get("name")?)?,
                digest: digest(row.try_get("digest")?)?,
            })
        };
        rows.iter().map(link).collect()
    }

    /// The bytes of a manifest, and its media type.
    pub async fn manifest_bytes(
        &mut self,
        repository: i64,
        digest: &Digest,
    ) -> Result<Option<(String, Vec<u8>)>, MetaError> {
        let query = "SELECT media_type, bytes FROM manifest WHERE repository = $1 AND digest = $2";
        let row = sqlx::query(query)
            .bind(repository)
            .bind(digest.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| Ok((row.try_get("media_type")?, row.try_get("bytes")?))).transpose()
    }

    /// Which of these blobs a repository has, and may rely on.
    pub async fn held_blobs(
        &mut self,
        repository: i64,
        digests: &[Digest],
    ) -> Result<HashSet<Digest>, MetaError> {
        let mut held = HashSet::new();
        for part in digests.chunks(MAX_PLACES) {
            let query = format!(
                "SELECT b.digest FROM repository_blob l JOIN blob b ON b.digest = l.digest \
                 WHERE l.repository = $1 AND b.state IN ('live', 'condemned', 'corrupt') \
                 AND b.digest IN ({})",
                places(2, part.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(query)).bind(repository);
            for digest in part {
                query = query.bind(digest.as_str());
            }
            for row in query.fetch_all(&mut *self.tx).await? {
                held.insert(digest(row.try_get("digest")?)?);
            }
        }
        Ok(held)
    }
}

/// A collection, for checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedCollection {
    /// Its number.
    pub id: i64,
    /// Its GUN.
    pub gun: String,
    /// How many changes there were.
    pub seq: i64,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// A version of a role, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    /// The role.
    pub role: String,
    /// The version.
    pub version: i64,
    /// The hash that it should have, in hex.
    pub sha256: String,
    /// Whether it is the current one.
    pub current: bool,
}

/// A row of the feed or of the audit, by what binds it to its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its number.
    pub id: i64,
    /// The GUN.
    pub gun: String,
    /// The version of the timestamp; 0 for a deletion.
    pub version: i64,
    /// `update` or `deletion`.
    pub category: String,
}

impl Reading {
    /// Some collections, in the order of their numbers, after this number.
    pub async fn collections_from(
        &mut self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<CheckedCollection>, MetaError> {
        let query =
            "SELECT id, gun, seq, deleted_at FROM collection WHERE id > $1 ORDER BY id LIMIT $2";
        let rows =
            sqlx::query(query).bind(after).bind(number(limit)).fetch_all(&mut *self.tx).await?;
        let collection = |row: &sqlx::any::AnyRow| {
            let deleted: Option<i64> = row.try_get("deleted_at")?;
            Ok(CheckedCollection {
                id: row.try_get("id")?,
                gun: row.try_get("gun")?,
                seq: row.try_get("seq")?,
                deleted: deleted.is_some(),
            })
        };
        rows.iter().map(collection).collect()
    }

    /// All versions of all roles of a collection.
    pub async fn file_versions(&mut self, collection: i64) -> Result<Vec<FileVersion>, MetaError> {
        let query = "SELECT f.role, f.version, f.sha256, c.version AS current FROM trust_file f \
             LEFT JOIN current_file c ON c.collection = f.collection AND c.role = f.role \
             AND c.version = f.version WHERE f.collection = $1 ORDER BY f.role, f.version";
        let rows = sqlx::query(query).bind(collection).fetch_all(&mut *self.tx).await?;
        let version = |row: &sqlx::any::AnyRow| {
            let current: Option<i64> = row.try_get("current")?;
            Ok(FileVersion {
                role: row.try_get("role")?,
                version: row.try_get("version")?,
                sha256: row.try_get("sha256")?,
                current: current.is_some(),
            })
        };
        rows.iter().map(version).collect()
    }

    /// The roles of a collection of which the current version is not there.
    pub async fn missing_files(&mut self, collection: i64) -> Result<Vec<String>, MetaError> {
        let query = "SELECT c.role FROM current_file c WHERE c.collection = $1 AND NOT EXISTS \
             (SELECT 1 FROM trust_file f WHERE f.collection = c.collection AND f.role = c.role \
             AND f.version = c.version) ORDER BY c.role";
        Ok(sqlx::query_scalar(query).bind(collection).fetch_all(&mut *self.tx).await?)
    }

    /// The bytes of one version of a role.
    pub async fn file_bytes(
        &mut self,
        collection: i64,
        role: &str,
        version: i64,
    ) -> Result<Option<Vec<u8>>, MetaError> {
        let query =
            "SELECT bytes FROM trust_file WHERE collection = $1 AND role = $2 AND version = $3";
        let query = sqlx::query_scalar(query).bind(collection).bind(role).bind(version);
        Ok(query.fetch_optional(&mut *self.tx).await?)
    }

    /// What a collection signs now, by role: name, digest and length of each target.
    pub async fn signed_now(
        &mut self,
        collection: i64,
    ) -> Result<BTreeMap<String, HashSet<(String, String, i64)>>, MetaError> {
        let query = "SELECT role, name, digest, length FROM signed_target WHERE collection = $1 \
             AND until_seq IS NULL";
        let rows = sqlx::query(query).bind(collection).fetch_all(&mut *self.tx).await?;
        let mut signed: BTreeMap<String, HashSet<_>> = BTreeMap::new();
        for row in &rows {
            let target = (row.try_get("name")?, row.try_get("digest")?, row.try_get("length")?);
            signed.entry(row.try_get("role")?).or_default().insert(target);
        }
        Ok(signed)
    }

    /// Some rows of the feed, in the order of their numbers, after this number.
    pub async fn feed_from(&mut self, after: i64, limit: usize) -> Result<Vec<FeedRow>, MetaError> {
        let query =
            "SELECT id, gun, version, category FROM feed WHERE id > $1 ORDER BY id LIMIT $2";
        let rows =
            sqlx::query(query).bind(after).bind(number(limit)).fetch_all(&mut *self.tx).await?;
        let row = |row: &sqlx::any::AnyRow| {
            Ok(FeedRow {
                id: row.try_get("id")?,
                gun: row.try_get("gun")?,
                version: row.try_get("version")?,
                category: row.try_get("category")?,
            })
        };
        rows.iter().map(row).collect()
    }

    /// The last number that was taken of a series.
    pub async fn last_number(&mut self, series: &'static str) -> Result<i64, MetaError> {
        let query = sqlx::query_scalar("SELECT value FROM counter WHERE name = $1").bind(series);
        Ok(query.fetch_one(&mut *self.tx).await?)
    }

    /// Some uploads that have not ended, in the order of their names, after this name.
    pub async fn open_uploads(
        &mut self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, MetaError> {
        let query = "SELECT id, size FROM upload WHERE id > $1 AND state = 'open' \
             ORDER BY id LIMIT $2";
        let rows =
            sqlx::query(query).bind(after).bind(number(limit)).fetch_all(&mut *self.tx).await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, unsigned(row.try_get("size")?)?))).collect()
    }
}

impl Writing {
    /// Notes again what a manifest refers to; what is noted already stays.
    pub async fn note_references(
        &mut self,
        repository: i64,
        parent: &Digest,
        children: &[(Digest, &'static str)],
    ) -> Result<(), MetaError> {
        for (child, kind) in children {
            let change = "INSERT INTO manifest_ref (repository, parent, child, kind) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (repository, parent, child) DO NOTHING";
            sqlx::query(change)
                .bind(repository)
                .bind(parent.as_str())
                .bind(child.as_str())
                .bind(*kind)
                .execute(&mut *self.tx)
                .await?;
        }
        Ok(())
    }

    /// Brings those of some blobs into the next state of which everything still holds that
    /// [`Reading::idle_blobs`] said: in the old state, not relied on, not referred to. Tells which.
    /// Those that another writer is at are left for another time.
    pub async fn advance_blobs(
        &mut self,
        digests: &[Digest],
        (from, to): (BlobState, BlobState),
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Digest>, MetaError> {
        let free = self.free_blobs(digests).await?;
        if free.is_empty() {
            return Ok(free);
        }
        let change = format!(
            "UPDATE blob SET state = $1, touched_at = $2 WHERE state = $3 AND touched_at <= $4 \
             AND digest IN ({}) AND {UNREFERENCED} RETURNING digest",
            places(5, free.len())
        );
        let mut change = sqlx::query(AssertSqlSafe(change))
            .bind(to.as_str())
            .bind(now.as_microsecond())
            .bind(from.as_str())
            .bind(before.as_microsecond());
        for digest in &free {
            change = change.bind(digest.as_str());
        }
        let rows = change.fetch_all(&mut *self.tx).await?;
        let changed = rows.iter().map(|row| digest(row.try_get("digest")?));
        let mut changed: Vec<Digest> = changed.collect::<Result<_, MetaError>>()?;
        changed.sort();
        Ok(changed)
    }

    /// Locks those of some blobs that nobody else has locked. Whoever waits for nobody is in
    /// nobody's way for ever.
    async fn free_blobs(&mut self, digests: &[Digest]) -> Result<Vec<Digest>, MetaError> {
        let digests = digests.get(..digests.len().min(MAX_PLACES)).unwrap_or_default();
        if self.dialect == Dialect::Sqlite || digests.is_empty() {
            return Ok(digests.to_vec());
        }
        let query = format!(
            "SELECT digest FROM blob WHERE digest IN ({}) ORDER BY digest FOR UPDATE SKIP LOCKED",
            places(1, digests.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query));
        for digest in digests {
            query = query.bind(digest.as_str());
        }
        let rows = query.fetch_all(&mut *self.tx).await?;
        rows.iter().map(|row| digest(row.try_get("digest")?)).collect()
    }

    /// Takes a blob from all repositories that have it, and says so to whoever keeps answers.
    pub async fn unlink_everywhere(&mut self, blob: &Digest) -> Result<(), MetaError> {
        let query = "SELECT r.name FROM repository_blob l JOIN repository r ON r.id = l.repository \
             WHERE l.digest = $1";
        let rows = sqlx::query(query).bind(blob.as_str()).fetch_all(&mut *self.tx).await?;
        for row in &rows {
            let name: String = row.try_get("name")?;
            self.changes(&name);
        }
        let change = "DELETE FROM repository_blob WHERE digest = $1";
        sqlx::query(change).bind(blob.as_str()).execute(&mut *self.tx).await?;
        Ok(())
    }

    /// Makes all condemned blobs live that a manifest refers to after all. Tells how many.
    pub async fn revive_blobs(&mut self) -> Result<u64, MetaError> {
        let change = "UPDATE blob SET state = 'live' WHERE state = 'condemned' AND EXISTS \
             (SELECT 1 FROM manifest_ref r WHERE r.child = blob.digest AND r.kind = 'blob')";
        Ok(sqlx::query(change).execute(&mut *self.tx).await?.rows_affected())
    }

    /// Forgets a blob whose content was removed; not if it has other content by now.
    pub async fn forget_blob(&mut self, blob: &BlobRow) -> Result<bool, MetaError> {
        let change = "DELETE FROM blob WHERE digest = $1 AND object = $2 AND state = 'deleting'";
        let done = sqlx::query(change)
            .bind(blob.digest.as_str())
            .bind(blob.object.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether a manifest of a locked repository is needed by nobody: not touched since an instant,
    /// without tag, in no index, its subject not there, not signed.
    pub async fn is_garbage(
        &mut self,
        (repository, name): (i64, &RepositoryName),
        manifest: &Digest,
        before: Timestamp,
        hosts: &Hosts,
        signed_since: Timestamp,
    ) -> Result<bool, MetaError> {
        let query = "SELECT 1 FROM manifest m WHERE m.repository = $1 AND m.digest = $2 \
             AND m.touched_at <= $3 AND NOT EXISTS \
             (SELECT 1 FROM tag t WHERE t.repository = m.repository AND t.digest = m.digest) \
             AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.repository = m.repository \
             AND q.settled = m.digest) \
             AND NOT EXISTS (SELECT 1 FROM manifest_ref r WHERE r.repository = m.repository \
             AND r.child = m.digest AND r.kind = 'manifest') AND NOT EXISTS \
             (SELECT 1 FROM manifest s WHERE s.repository = m.repository AND s.digest = m.subject)";
        let row = sqlx::query(query)
            .bind(repository)
            .bind(manifest.as_str())
            .bind(before.as_microsecond())
            .fetch_optional(&mut *self.tx)
            .await?;
        if row.is_none() {
            return Ok(false);
        }
        Ok(!is_signed(&mut self.tx, name, manifest, hosts, signed_since).await?)
    }

    /// Whether a collection of a repository signs this digest, or did until after an instant.
    pub async fn is_signed(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        hosts: &Hosts,
        since: Timestamp,
    ) -> Result<bool, MetaError> {
        is_signed(&mut self.tx, repository, digest, hosts, since).await
    }
}

async fn is_signed(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    digest: &Digest,
    hosts: &Hosts,
    since: Timestamp,
) -> Result<bool, MetaError> {
    let query = "SELECT DISTINCT c.gun FROM signed_target s JOIN collection c \
         ON c.id = s.collection WHERE s.digest = $1 \
         AND (s.until_seq IS NULL OR s.until_at >= $2)";
    let rows = sqlx::query(query)
        .bind(digest.as_str())
        .bind(since.as_microsecond())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        if hosts.speak_of(repository, row.try_get("gun")?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A number of rows, for a query.
fn number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// That nobody refers to a blob.
const UNREFERENCED: &str = "NOT EXISTS (SELECT 1 FROM manifest_ref r WHERE r.child = blob.digest \
     AND r.kind = 'blob') AND NOT EXISTS (SELECT 1 FROM signed_target s \
     WHERE s.digest = blob.digest AND s.until_seq IS NULL)";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&[], "example.com/team/app", true)]
    #[test_case(&[], "team/app", true; "without a host")]
    #[test_case(&[], "example.com/other/app", false)]
    #[test_case(&[], "example.com/xteam/app", false; "the end of another name")]
    #[test_case(&["example.com"], "example.com/team/app", true; "a host of ours")]
    #[test_case(&["example.com"], "elsewhere.com/team/app", false; "a host of others")]
    fn collections_that_speak_of_a_repository(hosts: &[&str], gun: &str, they_do: bool) {
        let hosts = Hosts(hosts.iter().map(|host| (*host).to_owned()).collect());
        let repository = RepositoryName::parse("team/app").unwrap();
        assert_eq!(hosts.speak_of(&repository, gun), they_do);
    }
}
