//! Garbage collection beside pushes that go on (server.md §5.4).
//!
//! Nothing is removed because it was once seen to be garbage: each step is a transaction that looks
//! again, and whoever relies on something says so in a transaction of their own. A blob is first
//! condemned; until it is marked as being deleted, which is some time later, anybody who asks for it
//! makes it live again. Only then its content is removed, and its row last. A process that ends in
//! between leaves a state from which the next one goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::limits::{
    GC_BATCH_ROWS, GC_DELAY_SECONDS, GC_GRACE_SECONDS, GC_INTERVAL_SECONDS, GC_PAGE_ROWS,
    UPLOAD_LIFETIME_SECONDS,
};
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::Server;
use crate::server::blobs::BlobStore;
use crate::server::meta::attempts::retried;
use crate::server::meta::blobs::{BlobRow, BlobState};
use crate::server::meta::upkeep::{Hosts, ManifestNode};
use crate::server::meta::{Job, Leadership, MetaError, Reading};
use crate::server::upkeep::{Storage, UpkeepError, before, retention, uploads};

/// What is garbage, and how often it is collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long nobody must have relied on something before it is garbage.
    pub grace: Duration,
    /// How long a blob is condemned before it is removed: longer than any request that has seen it
    /// live. Nothing if nobody else uses the storage.
    pub delay: Duration,
    /// How long an upload is kept that gets no further.
    pub upload_lifetime: Duration,
    /// How long a manifest is kept that no tag, index, subject or signature needs; `None` for ever.
    /// Rules of retention go before it.
    pub untagged: Option<Duration>,
    /// Under which hosts the collections of the repositories are signed.
    pub hosts: Hosts,
    /// What is kept of each repository.
    pub retention: Vec<retention::Rule>,
    /// How long is waited between two runs.
    pub interval: Duration,
}

/// Whether something is done, or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is done.
    Real,
    /// It is told what would be done.
    Dry,
}

/// Something that was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A tag, by retention.
    Tag {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        tag: TagName,
        /// What it stood for.
        digest: Digest,
    },
    /// A manifest.
    Manifest {
        /// The repository.
        repository: RepositoryName,
        /// The manifest.
        digest: Digest,
        /// Its length, in bytes.
        size: u64,
    },
    /// A blob that is to be removed by a later run, unless somebody relies on it.
    Condemned {
        /// The blob.
        digest: Digest,
        /// Its length, in bytes.
        size: u64,
    },
    /// A blob.
    Blob {
        /// The blob.
        digest: Digest,
        /// Its length, in bytes.
        size: u64,
    },
    /// What is left of an upload.
    Upload {
        /// Its name.
        id: String,
        /// Its length, in bytes.
        size: u64,
    },
    /// Content that the database does not know.
    Orphan {
        /// Its name among the content.
        object: String,
        /// Its length, in bytes.
        size: u64,
    },
}

/// How much was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tags.
    pub tags: u64,
    /// Manifests.
    pub manifests: u64,
    /// Blobs that the next runs remove.
    pub condemned: u64,
    /// Blobs.
    pub blobs: u64,
    /// Uploads.
    pub uploads: u64,
    /// Content that nothing knew.
    pub orphans: u64,
    /// Bytes of all that was removed.
    pub bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(GC_GRACE_SECONDS),
            delay: Duration::from_secs(GC_DELAY_SECONDS),
            upload_lifetime: Duration::from_secs(UPLOAD_LIFETIME_SECONDS),
            untagged: None,
            hosts: Hosts::default(),
            retention: Vec::new(),
            interval: Duration::from_secs(GC_INTERVAL_SECONDS),
        }
    }
}

impl Summary {
    fn count(&mut self, item: &Item) {
        let (count, size) = match item {
            Item::Tag { .. } => (&mut self.tags, 0),
            Item::Manifest { size, .. } => (&mut self.manifests, *size),
            Item::Condemned { .. } => (&mut self.condemned, 0),
            Item::Blob { size, .. } => (&mut self.blobs, *size),
            Item::Upload { size, .. } => (&mut self.uploads, *size),
            Item::Orphan { size, .. } => (&mut self.orphans, *size),
        };
        *count += 1;
        self.bytes = self.bytes.saturating_add(size);
    }

    /// Whether there was nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Collects garbage again and again, for as long as the future is asked to go on. To be started
/// once per process; of several on one database, one at a time does it.
pub async fn run_forever(server: Arc<Server>, options: Options) {
    let storage = Storage::of(&server);
    drop(server);
    loop {
        tokio::time::sleep(options.interval).await;
        match collect(&storage, &options, Mode::Real, &mut |_| ()).await {
            Ok(done) if done.is_empty() => tracing::debug!("garbage collection found nothing"),
            Ok(done) => tracing::info!(
                tags = done.tags,
                manifests = done.manifests,
                condemned = done.condemned,
                blobs = done.blobs,
                uploads = done.uploads,
                orphans = done.orphans,
                bytes = done.bytes,
                "garbage collected"
            ),
            Err(UpkeepError::Elsewhere) => {
                tracing::debug!("another replica collects garbage");
            }
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, "garbage collection stopped");
            }
        }
        if let Err(error) = storage.meta.tend().await {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "the database is not tidied");
        }
    }
}

/// Collects garbage once, and tells of everything that it removes; in [`Mode::Dry`] of everything
/// that it would remove now.
pub async fn collect(
    storage: &Storage,
    options: &Options,
    mode: Mode,
    tell: &mut (dyn FnMut(Item) + Send),
) -> Result<Summary, UpkeepError> {
    let Some(mut leadership) = storage.meta.lead(Job::Collection).await? else {
        return Err(UpkeepError::Elsewhere);
    };
    let mut summary = Summary::default();
    let mut tell = |item: Item| {
        summary.count(&item);
        tell(item);
    };
    let mut run = Run { storage, options, mode, gone: Gone::default() };
    let outcome = run.all(&mut leadership, &mut tell).await;
    leadership.release().await;
    outcome.map(|()| summary)
}

/// One run.
struct Run<'a> {
    storage: &'a Storage,
    options: &'a Options,
    mode: Mode,
    gone: Gone,
}

/// What a dry run has removed in its mind.
#[derive(Debug, Default)]
struct Gone {
    manifests: HashSet<(i64, Digest)>,
    /// To which blobs these referred.
    blobs: BTreeSet<Digest>,
}

type Tell<'a> = &'a mut (dyn FnMut(Item) + Send);

impl Run<'_> {
    async fn all(
        &mut self,
        leadership: &mut Leadership,
        tell: Tell<'_>,
    ) -> Result<(), UpkeepError> {
        self.contents(tell).await?;
        if !leadership.holds().await {
            return Err(UpkeepError::Elsewhere);
        }
        self.blobs(tell).await?;
        uploads::purge(self.storage, self.options, self.mode, tell).await?;
        self.orphans(tell).await
    }

    /// Tags and manifests, one repository after the other.
    async fn contents(&mut self, tell: Tell<'_>) -> Result<(), UpkeepError> {
        let mut after = 0;
        loop {
            let mut reading = self.storage.meta.glance().await?;
            let page = reading.repositories_from(after, GC_PAGE_ROWS).await?;
            drop(reading);
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (id, name) in page {
                self.repository(id, &name, tell).await?;
            }
        }
    }

    async fn repository(
        &mut self,
        id: i64,
        name: &RepositoryName,
        tell: Tell<'_>,
    ) -> Result<(), UpkeepError> {
        let rule = retention::Rule::of(&self.options.retention, name);
        let mut pruned = HashSet::new();
        if let Some(rule) = rule {
            for (tag, row) in
                retention::prune(self.storage, (id, name), rule, &self.options.hosts, self.mode)
                    .await?
            {
                tell(Item::Tag { repository: name.clone(), tag: tag.clone(), digest: row.digest });
                pruned.insert(tag);
            }
        }
        let kept = rule.and_then(|rule| rule.untagged).or(self.options.untagged);
        let Some(kept) = kept else { return Ok(()) };
        // Never sooner than the grace allows: an index is pushed after what it lists.
        let cutoff = self.storage.ago(kept.max(self.options.grace));
        let garbage = self.garbage(id, name, cutoff, &pruned).await?;
        match self.mode {
            Mode::Dry => {
                let mut reading = self.storage.meta.read().await?;
                for node in garbage {
                    let blobs = reading.references_of(id, &node.digest, "blob").await?;
                    self.gone.blobs.extend(blobs);
                    self.gone.manifests.insert((id, node.digest.clone()));
                    tell(manifest(name, &node));
                }
            }
            Mode::Real => {
                for batch in garbage.chunks(GC_BATCH_ROWS) {
                    let removed =
                        retried(|| self.remove_manifests((id, name), batch, cutoff)).await?;
                    for node in batch.iter().filter(|node| removed.contains(&node.digest)) {
                        tell(manifest(name, node));
                    }
                }
            }
        }
        Ok(())
    }

    /// The manifests of a repository that nobody needs, of one instant: each after those that name
    /// it.
    async fn garbage(
        &self,
        id: i64,
        name: &RepositoryName,
        cutoff: Timestamp,
        pruned: &HashSet<TagName>,
    ) -> Result<Vec<ManifestNode>, UpkeepError> {
        let mut reading = self.storage.meta.read().await?;
        let mut tags = reading.all_tags(id).await?;
        tags.retain(|tag, _| !pruned.contains(tag));
        let mut tagged: HashSet<Digest> = tags.into_values().map(|row| row.digest).collect();
        tagged.extend(reading.settled(id).await?);
        let nodes = reading.manifest_nodes(id).await?;
        let nodes: BTreeMap<Digest, ManifestNode> =
            nodes.into_iter().map(|node| (node.digest.clone(), node)).collect();
        // Whoever is named is kept by whoever names it: an index keeps its children, a subject what
        // is said of it.
        let mut named: HashMap<Digest, Vec<Digest>> = HashMap::new();
        let mut keepers: HashMap<Digest, usize> = HashMap::new();
        for (parent, child) in reading.references(id, "manifest").await? {
            if nodes.contains_key(&parent) {
                *keepers.entry(child.clone()).or_default() += 1;
                named.entry(parent).or_default().push(child);
            }
        }
        for node in nodes.values() {
            if let Some(subject) = &node.subject
                && nodes.contains_key(subject)
            {
                *keepers.entry(node.digest.clone()).or_default() += 1;
                named.entry(subject.clone()).or_default().push(node.digest.clone());
            }
        }
        let is_loose = |digest: &Digest, keepers: &HashMap<Digest, usize>| {
            keepers.get(digest).is_none_or(|count| *count == 0)
                && !tagged.contains(digest)
                && nodes.get(digest).is_some_and(|node| node.touched_at <= cutoff)
        };
        let mut loose: Vec<Digest> =
            nodes.keys().filter(|digest| is_loose(digest, &keepers)).cloned().collect();
        let mut garbage = Vec::new();
        while let Some(digest) = loose.pop() {
            if self.is_signed(&mut reading, name, &digest).await? {
                continue;
            }
            for child in named.get(&digest).into_iter().flatten() {
                if let Some(count) = keepers.get_mut(child) {
                    *count = count.saturating_sub(1);
                }
                if is_loose(child, &keepers) {
                    loose.push(child.clone());
                }
            }
            garbage.extend(nodes.get(&digest).cloned());
        }
        Ok(garbage)
    }

    /// Whether trust data speaks of a manifest, or did a grace ago.
    async fn is_signed(
        &self,
        reading: &mut Reading,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, MetaError> {
        let since = self.storage.ago(self.options.grace);
        reading.is_signed(name, digest, &self.options.hosts, since).await
    }

    /// Removes those that are still garbage, and tells which.
    async fn remove_manifests(
        &self,
        (id, name): (i64, &RepositoryName),
        batch: &[ManifestNode],
        cutoff: Timestamp,
    ) -> Result<HashSet<Digest>, MetaError> {
        let signed_since = self.storage.ago(self.options.grace);
        let mut removed = HashSet::new();
        let mut writing = self.storage.meta.write().await?;
        writing.changes(name.as_str());
        if writing.lock_known_repository(name).await?.is_none() {
            return Ok(removed);
        }
        for node in batch {
            let hosts = &self.options.hosts;
            if writing.is_garbage((id, name), &node.digest, cutoff, hosts, signed_since).await? {
                writing.remove_manifest(id, &node.digest).await?;
                removed.insert(node.digest.clone());
            }
        }
        if !removed.is_empty() {
            writing.count_change(id).await?;
            writing.commit().await?;
        }
        Ok(removed)
    }

    /// Blobs: live to condemned, condemned to deleting, deleting to gone.
    async fn blobs(&mut self, tell: Tell<'_>) -> Result<(), UpkeepError> {
        let idle_since = self.storage.ago(self.options.grace);
        if self.mode == Mode::Dry {
            return self.blobs_in_mind(idle_since, tell).await;
        }
        let mut writing = self.storage.meta.write().await?;
        let revived = writing.revive_blobs().await?;
        writing.commit().await?;
        if revived > 0 {
            tracing::warn!(blobs = revived, "condemned blobs were referred to");
        }
        let (live, condemned) = (BlobState::Live, BlobState::Condemned);
        let offline = self.options.delay.is_zero();
        for blob in self.advance(live, condemned, idle_since).await? {
            if !offline {
                tell(Item::Condemned { digest: blob.digest, size: blob.size });
            }
        }
        self.advance(condemned, BlobState::Deleting, self.storage.ago(self.options.delay)).await?;
        // It cannot be relied on, so there is nothing to wait for.
        self.advance(BlobState::Corrupt, BlobState::Deleting, idle_since).await?;
        self.remove_deleted(tell).await
    }

    /// What [`Self::blobs`] would do.
    async fn blobs_in_mind(
        &self,
        idle_since: Timestamp,
        tell: Tell<'_>,
    ) -> Result<(), UpkeepError> {
        let now = self.storage.clock.now();
        let ready = before(now, self.options.delay);
        let offline = self.options.delay.is_zero();
        let mut reading = self.storage.meta.read().await?;
        let mut found: BTreeMap<Digest, BlobRow> = BTreeMap::new();
        for (state, since) in [
            (BlobState::Live, idle_since),
            (BlobState::Condemned, ready),
            (BlobState::Corrupt, idle_since),
            (BlobState::Deleting, Timestamp::MAX),
        ] {
            let mut after = String::new();
            loop {
                let page = reading.idle_blobs(state, since, &after, GC_PAGE_ROWS).await?;
                let Some(last) = page.last() else { break };
                last.digest.as_str().clone_into(&mut after);
                found.extend(page.into_iter().map(|row| (row.digest.clone(), row)));
            }
        }
        for blob in &self.gone.blobs {
            let holders = reading.holders(blob).await?;
            let is_held = holders.into_iter().any(|holder| !self.gone.manifests.contains(&holder));
            if is_held || reading.is_signed_anywhere(blob).await? {
                continue;
            }
            if let Some(row) = reading.stored_blob(blob).await?
                && row.touched_at <= idle_since
                && matches!(row.state, BlobState::Live | BlobState::Corrupt)
            {
                found.insert(blob.clone(), row);
            }
        }
        for (digest, row) in found {
            let size = row.size;
            if row.state == BlobState::Live && !offline {
                tell(Item::Condemned { digest, size });
            } else {
                tell(Item::Blob { digest, size });
            }
        }
        Ok(())
    }

    /// Brings all blobs into the next state that are ready for it, and tells which.
    async fn advance(
        &self,
        from: BlobState,
        to: BlobState,
        since: Timestamp,
    ) -> Result<Vec<BlobRow>, UpkeepError> {
        let mut advanced = Vec::new();
        let mut after = String::new();
        loop {
            let mut reading = self.storage.meta.glance().await?;
            let page = reading.idle_blobs(from, since, &after, GC_PAGE_ROWS).await?;
            drop(reading);
            let Some(last) = page.last() else { return Ok(advanced) };
            last.digest.as_str().clone_into(&mut after);
            for batch in page.chunks(GC_BATCH_ROWS) {
                let changed = retried(|| self.advance_batch(batch, (from, to), since)).await?;
                advanced.extend(batch.iter().filter(|row| changed.contains(&row.digest)).cloned());
            }
        }
    }

    async fn advance_batch(
        &self,
        batch: &[BlobRow],
        (from, to): (BlobState, BlobState),
        since: Timestamp,
    ) -> Result<Vec<Digest>, MetaError> {
        let digests: Vec<Digest> = batch.iter().map(|row| row.digest.clone()).collect();
        let now = self.storage.clock.now();
        let mut writing = self.storage.meta.write().await?;
        let changed = writing.advance_blobs(&digests, (from, to), since, now).await?;
        if to == BlobState::Deleting {
            for digest in &changed {
                writing.unlink_everywhere(digest).await?;
            }
        }
        writing.commit().await?;
        Ok(changed)
    }

    /// Removes content that is marked as being deleted, and then its row.
    async fn remove_deleted(&self, tell: Tell<'_>) -> Result<(), UpkeepError> {
        let mut after = String::new();
        loop {
            let mut reading = self.storage.meta.glance().await?;
            let page = reading
                .idle_blobs(BlobState::Deleting, Timestamp::MAX, &after, GC_PAGE_ROWS)
                .await?;
            drop(reading);
            let Some(last) = page.last() else { return Ok(()) };
            last.digest.as_str().clone_into(&mut after);
            for batch in page.chunks(GC_BATCH_ROWS) {
                for blob in batch {
                    self.storage.blobs.delete(&blob.object).await?;
                }
                retried(|| self.forget(batch)).await?;
                for blob in batch {
                    tell(Item::Blob { digest: blob.digest.clone(), size: blob.size });
                }
            }
        }
    }

    async fn forget(&self, batch: &[BlobRow]) -> Result<(), MetaError> {
        let mut writing = self.storage.meta.write().await?;
        for blob in batch {
            writing.forget_blob(blob).await?;
        }
        writing.commit().await
    }

    /// Content that no row knows: sealed by a process that ended before its commit.
    async fn orphans(&self, tell: Tell<'_>) -> Result<(), UpkeepError> {
        for shard in BlobStore::shards() {
            let mut found = self.storage.blobs.scan(&shard).await?;
            found.retain(|object| object.age >= self.options.grace);
            if found.is_empty() {
                continue;
            }
            let names: Vec<(&Digest, &str)> =
                found.iter().map(|object| (&object.digest, object.object.as_str())).collect();
            let known = self.storage.meta.glance().await?.known_objects(&names).await?;
            found.retain(|object| !known.contains(&object.object));
            for object in found {
                if self.mode == Mode::Real {
                    self.storage.blobs.delete(&object.object).await?;
                }
                tell(Item::Orphan { object: object.object, size: object.size });
            }
        }
        Ok(())
    }
}

fn manifest(repository: &RepositoryName, node: &ManifestNode) -> Item {
    Item::Manifest { repository: repository.clone(), digest: node.digest.clone(), size: node.size }
}
