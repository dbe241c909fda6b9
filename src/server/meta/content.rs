//! Repositories, their manifests, what these refer to, and tags.

use std::collections::HashSet;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::clock::Timestamp;
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::meta::blobs::{MAX_PLACES, digest, places, repository_name};
use crate::server::meta::trust::{instant, unsigned};
use crate::server::meta::{Dialect, MetaError, Reading, Writing};

/// A repository, as a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepositoryRow {
    /// Its number here.
    pub id: i64,
    /// How many changes of its manifests and tags there were.
    pub seq: u64,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRow {
    /// What it stands for.
    pub digest: Digest,
    /// The repository's `seq` at the time it was set: two settings never have the same.
    pub seq: u64,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// Its digest, as it was asked for when it was pushed.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes, as they were pushed.
    pub bytes: Vec<u8>,
    /// What kind of artifact it is: its own word, else that of its configuration.
    pub artifact_type: Option<String>,
    /// What it is a statement of.
    pub subject: Option<Digest>,
    /// When somebody last relied on its being there.
    pub touched_at: Timestamp,
}

/// A manifest to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewManifest<'a> {
    /// Its digest.
    pub digest: &'a Digest,
    /// Its media type.
    pub media_type: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What kind of artifact it is.
    pub artifact_type: Option<&'a str>,
    /// What it is a statement of.
    pub subject: Option<&'a Digest>,
    /// The manifests it refers to.
    pub manifests: &'a [Digest],
    /// The blobs it refers to, as far as the registry keeps them.
    pub blobs: &'a [Digest],
}

impl Reading {
    /// A repository; `None` if nothing was ever pushed to it.
    pub async fn repository(
        &mut self,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryRow>, MetaError> {
        let query = "SELECT id, seq FROM repository WHERE name = $1";
        let row = sqlx::query(query).bind(name.as_str()).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(repository_row).transpose()
    }

    /// What a tag stands for.
    pub async fn tag(
        &mut self,
        repository: &RepositoryName,
        tag: &TagName,
    ) -> Result<Option<TagRow>, MetaError> {
        let query = "SELECT t.digest, t.seq, t.updated_at FROM repository r \
             JOIN tag t ON t.repository = r.id WHERE r.name = $1 AND t.name = $2";
        let row = sqlx::query(query)
            .bind(repository.as_str())
            .bind(tag.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(tag_row).transpose()
    }

    /// The manifest that a tag stands for.
    pub async fn tagged_manifest(
        &mut self,
        repository: &RepositoryName,
        tag: &TagName,
    ) -> Result<Option<ManifestRow>, MetaError> {
        let query = "SELECT m.digest, m.media_type, m.bytes, m.artifact_type, m.subject, \
             m.touched_at FROM repository r JOIN tag t ON t.repository = r.id \
             JOIN manifest m ON m.repository = t.repository AND m.digest = t.digest \
             WHERE r.name = $1 AND t.name = $2";
        let row = sqlx::query(query)
            .bind(repository.as_str())
            .bind(tag.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(manifest_row).transpose()
    }

    /// A manifest by its digest.
    pub async fn manifest(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestRow>, MetaError> {
        let query = "SELECT m.digest, m.media_type, m.bytes, m.artifact_type, m.subject, \
             m.touched_at FROM repository r JOIN manifest m ON m.repository = r.id \
             WHERE r.name = $1 AND m.digest = $2";
        let row = sqlx::query(query)
            .bind(repository.as_str())
            .bind(digest.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(manifest_row).transpose()
    }

    /// Some tags of a repository in the order of their bytes, after this one.
    pub async fn tags(
        &mut self,
        repository: i64,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, MetaError> {
        let query = "SELECT name FROM tag WHERE repository = $1 AND name > $2 \
             ORDER BY name LIMIT $3";
        let rows = sqlx::query(query)
            .bind(repository)
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| Ok(row.try_get("name")?)).collect()
    }

    /// Some repositories that have manifests, in the order of their names' bytes, after this one;
    /// of those whose name contains a text.
    pub async fn repositories(
        &mut self,
        after: &str,
        containing: &str,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, MetaError> {
        let query = "SELECT name FROM repository WHERE name > $1 AND name LIKE $2 ESCAPE '!' \
             AND EXISTS (SELECT 1 FROM manifest m WHERE m.repository = repository.id) \
             ORDER BY name LIMIT $3";
        let mut pattern = "%".to_owned();
        for character in containing.chars() {
            if matches!(character, '%' | '_' | '!') {
                pattern.push('!');
            }
            pattern.push(character);
        }
        pattern.push('%');
        let rows = sqlx::query(query)
            .bind(after)
            .bind(pattern)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| repository_name(row.try_get("name")?)).collect()
    }

    /// Some manifests of which this is the subject, in the order of their digests, after this one;
    /// all, or those of one artifact type.
    pub async fn referrers(
        &mut self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Digest>, MetaError> {
        let query = "SELECT m.digest FROM repository r JOIN manifest m ON m.repository = r.id \
             WHERE r.name = $1 AND m.subject = $2 AND m.digest > $3 \
             AND ($4 = '' OR m.artifact_type = $4) ORDER BY m.digest LIMIT $5";
        let rows = sqlx::query(query)
            .bind(repository.as_str())
            .bind(subject.as_str())
            .bind(after)
            .bind(artifact_type.unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| digest(row.try_get("digest")?)).collect()
    }
}

impl Writing {
    /// Locks a repository against other writers until the commit, and makes its row if there is
    /// none.
    pub async fn lock_repository(
        &mut self,
        name: &RepositoryName,
        now: Timestamp,
    ) -> Result<RepositoryRow, MetaError> {
        if let Some(row) = self.lock_known_repository(name).await? {
            return Ok(row);
        }
        let change = "INSERT INTO repository (name, seq, created_at) VALUES ($1, 0, $2) \
             ON CONFLICT (name) DO NOTHING";
        sqlx::query(change)
            .bind(name.as_str())
            .bind(now.as_microsecond())
            .execute(&mut *self.tx)
            .await?;
        let known = self.lock_known_repository(name).await?;
        known.ok_or(MetaError::Corrupt { what: "repository" })
    }

    /// The number of a repository, which is made if it is not there; it is not locked.
    pub async fn ensure_repository(
        &mut self,
        name: &RepositoryName,
        now: Timestamp,
    ) -> Result<i64, MetaError> {
        self.changes(name.as_str());
        let query = "SELECT id FROM repository WHERE name = $1";
        let known: Option<i64> =
            sqlx::query_scalar(query).bind(name.as_str()).fetch_optional(&mut *self.tx).await?;
        match known {
            Some(id) => Ok(id),
            None => Ok(self.lock_repository(name, now).await?.id),
        }
    }

    /// Locks a repository against other writers until the commit; `None` if there is none.
    pub async fn lock_known_repository(
        &mut self,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryRow>, MetaError> {
        self.changes(name.as_str());
        let query = match self.dialect {
            Dialect::Sqlite => "SELECT id, seq FROM repository WHERE name = $1",
            Dialect::Postgres => "SELECT id, seq FROM repository WHERE name = $1 FOR UPDATE",
        };
        let row = sqlx::query(query).bind(name.as_str()).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(repository_row).transpose()
    }

    /// Counts a change of a locked repository's manifests or tags; gives its new `seq`.
    pub async fn count_change(&mut self, repository: i64) -> Result<u64, MetaError> {
        let change = "UPDATE repository SET seq = seq + 1 WHERE id = $1 RETURNING seq";
        unsigned(sqlx::query_scalar(change).bind(repository).fetch_one(&mut *self.tx).await?)
    }

    /// What a tag of a locked repository stands for.
    pub async fn tag(
        &mut self,
        repository: i64,
        tag: &TagName,
    ) -> Result<Option<TagRow>, MetaError> {
        let query = "SELECT digest, seq, updated_at FROM tag WHERE repository = $1 AND name = $2";
        let row = sqlx::query(query)
            .bind(repository)
            .bind(tag.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(tag_row).transpose()
    }

    /// The tags of a locked repository that stand for a manifest.
    pub async fn tags_of(
        &mut self,
        repository: i64,
        digest: &Digest,
    ) -> Result<Vec<TagName>, MetaError> {
        let query = "SELECT name FROM tag WHERE repository = $1 AND digest = $2 ORDER BY name";
        let rows = sqlx::query(query)
            .bind(repository)
            .bind(digest.as_str())
            .fetch_all(&mut *self.tx)
            .await?;
        let name = |row: &AnyRow| {
            let name = TagName::parse(row.try_get("name")?);
            name.map_err(|_| MetaError::Corrupt { what: "name of a tag" })
        };
        rows.iter().map(name).collect()
    }

    /// Makes a tag of a locked repository stand for a manifest that it has.
    pub async fn set_tag(
        &mut self,
        repository: i64,
        tag: &TagName,
        digest: &Digest,
        seq: u64,
        now: Timestamp,
    ) -> Result<(), MetaError> {
        let change = "INSERT INTO tag (repository, name, digest, seq, updated_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (repository, name) DO UPDATE \
             SET digest = excluded.digest, seq = excluded.seq, updated_at = excluded.updated_at";
        sqlx::query(change)
            .bind(repository)
            .bind(tag.as_str())
            .bind(digest.as_str())
            .bind(i64::try_from(seq).unwrap_or(i64::MAX))
            .bind(now.as_microsecond())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Removes a tag of a locked repository; `false` if there was none.
    pub async fn remove_tag(&mut self, repository: i64, tag: &TagName) -> Result<bool, MetaError> {
        let done = sqlx::query("DELETE FROM tag WHERE repository = $1 AND name = $2")
            .bind(repository)
            .bind(tag.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Which of these manifests a locked repository has, all of which are touched: they are about
    /// to be referred to.
    pub async fn hold_manifests(
        &mut self,
        repository: i64,
        digests: &[&Digest],
        now: Timestamp,
    ) -> Result<HashSet<String>, MetaError> {
        let mut held = HashSet::with_capacity(digests.len());
        for part in digests.chunks(MAX_PLACES) {
            let change = format!(
                "UPDATE manifest SET touched_at = $1 WHERE repository = $2 AND digest IN ({}) \
                 RETURNING digest",
                places(3, part.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(change));
            query = query.bind(now.as_microsecond()).bind(repository);
            for digest in part {
                query = query.bind(digest.as_str());
            }
            for row in query.fetch_all(&mut *self.tx).await? {
                held.insert(row.try_get("digest")?);
            }
        }
        Ok(held)
    }

    /// Stores a manifest of a locked repository, with what it refers to. `false` if it was there.
    pub async fn store_manifest(
        &mut self,
        repository: i64,
        manifest: NewManifest<'_>,
        now: Timestamp,
    ) -> Result<bool, MetaError> {
        let known = self.touch_manifest(repository, manifest.digest, now).await?;
        if known {
            return Ok(false);
        }
        let change = "INSERT INTO manifest (repository, digest, media_type, bytes, artifact_type, \
             subject, created_at, touched_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
        sqlx::query(change)
            .bind(repository)
            .bind(manifest.digest.as_str())
            .bind(manifest.media_type)
            .bind(manifest.bytes)
            .bind(manifest.artifact_type)
            .bind(manifest.subject.map(Digest::as_str))
            .bind(now.as_microsecond())
            .execute(&mut *self.tx)
            .await?;
        for (kind, children) in [("manifest", manifest.manifests), ("blob", manifest.blobs)] {
            for part in children.chunks(MAX_PLACES) {
                let rows: Vec<String> =
                    (0..part.len()).map(|at| format!("($1, $2, ${}, $3)", at + 4)).collect();
                let change = format!(
                    "INSERT INTO manifest_ref (repository, parent, child, kind) VALUES {} \
                     ON CONFLICT (repository, parent, child) DO NOTHING",
                    rows.join(", ")
                );
                let mut query = sqlx::query(AssertSqlSafe(change))
                    .bind(repository)
                    .bind(manifest.digest.as_str())
                    .bind(kind);
                for child in part {
                    query = query.bind(child.as_str());
                }
                query.execute(&mut *self.tx).await?;
            }
        }
        Ok(true)
    }

    /// Notes that somebody relies on a manifest; `false` if there is none.
    pub async fn touch_manifest(
        &mut self,
        repository: i64,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<bool, MetaError> {
        let change = "UPDATE manifest SET touched_at = $1 WHERE repository = $2 AND digest = $3";
        let done = sqlx::query(change)
            .bind(now.as_microsecond())
            .bind(repository)
            .bind(digest.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Notes that somebody relies on a manifest; `false` if there is none.
    pub async fn touch_manifest_of(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<bool, MetaError> {
        self.changes(repository.as_str());
        let change = "UPDATE manifest SET touched_at = $1 WHERE digest = $2 \
             AND repository = (SELECT id FROM repository WHERE name = $3)";
        let done = sqlx::query(change)
            .bind(now.as_microsecond())
            .bind(digest.as_str())
            .bind(repository.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes a manifest of a locked repository, with its tags and what it refers to. `false` if
    /// there was none.
    pub async fn remove_manifest(
        &mut self,
        repository: i64,
        digest: &Digest,
    ) -> Result<bool, MetaError> {
        let mut removed = 0;
        for change in [
            "DELETE FROM tag WHERE repository = $1 AND digest = $2",
            "DELETE FROM manifest_ref WHERE repository = $1 AND parent = $2",
            "DELETE FROM manifest WHERE repository = $1 AND digest = $2",
        ] {
            let done = sqlx::query(change)
                .bind(repository)
                .bind(digest.as_str())
                .execute(&mut *self.tx)
                .await?;
            removed = done.rows_affected();
        }
        Ok(removed > 0)
    }

    /// One manifest of a locked repository that refers to this manifest or blob.
    pub async fn parent_of(
        &mut self,
        repository: i64,
        child: &Digest,
    ) -> Result<Option<Digest>, MetaError> {
        parent_of(&mut self.tx, repository, child).await
    }
}

async fn parent_of(
    connection: &mut AnyConnection,
    repository: i64,
    child: &Digest,
) -> Result<Option<Digest>, MetaError> {
    let query = "SELECT parent FROM manifest_ref WHERE repository = $1 AND child = $2 \
         ORDER BY parent LIMIT 1";
    let row =
        sqlx::query(query).bind(repository).bind(child.as_str()).fetch_optional(connection).await?;
    row.map(|row| digest(row.try_get("parent")?)).transpose()
}

fn repository_row(row: &AnyRow) -> Result<RepositoryRow, MetaError> {
    Ok(RepositoryRow { id: row.try_get("id")?, seq: unsigned(row.try_get("seq")?)? })
}

fn tag_row(row: &AnyRow) -> Result<TagRow, MetaError> {
    Ok(TagRow {
        digest: digest(row.try_get("digest")?)?,
        seq: unsigned(row.try_get("seq")?)?,
        updated_at: instant(row.try_get("updated_at")?)?,
    })
}

fn manifest_row(row: &AnyRow) -> Result<ManifestRow, MetaError> {
    let subject: Option<String> = row.try_get("subject")?;
    Ok(ManifestRow {
        digest: digest(row.try_get("digest")?)?,
        media_type: row.try_get("media_type")?,
        bytes: row.try_get("bytes")?,
        artifact_type: row.try_get("artifact_type")?,
        subject: subject.as_deref().map(digest).transpose()?,
        touched_at: instant(row.try_get("touched_at")?)?,
    })
}
