//! Checks everything that is stored: content against its digests, the database against itself, trust
//! data against its signatures. What it finds wrong it tells; what can safely be put right, it can.

use std::collections::{BTreeMap, HashSet};

use futures_util::StreamExt;
use futures_util::pin_mut;

use crate::codec::text::to_hex;
use crate::crypto::Sha256Hash;
use crate::limits::GC_PAGE_ROWS;
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::blobs::{BlobError, BlobStore};
use crate::server::meta::audit::AuditRow;
use crate::server::meta::blobs::{BlobRow, BlobState};
use crate::server::meta::upkeep::CheckedCollection;
use crate::server::registry::manifests;
use crate::server::upkeep::{Storage, UpkeepError};
use crate::tuf::trusted::Expiry;
use crate::tuf::{Gun, Pin, RoleName, Signed, Targets, TrustedSet};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something is left over; nobody sees it.
    Note,
    /// Something may become a problem.
    Warning,
    /// Something that was stored cannot be served, or would be served wrongly.
    Error,
}

/// Something that is not as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The database file is damaged.
    #[error("the database: {line}")]
    Database {
        /// What it says of itself.
        line: String,
    },
    /// Content is gone.
    #[error("blob {digest}: its content is missing")]
    BlobMissing {
        /// The blob.
        digest: Digest,
    },
    /// Content is not what it should be.
    #[error("blob {digest}: its content is damaged")]
    BlobDamaged {
        /// The blob.
        digest: Digest,
    },
    /// Content that was found to be damaged before, and not pushed again since.
    #[error("blob {digest}: in quarantine")]
    BlobQuarantined {
        /// The blob.
        digest: Digest,
    },
    /// A repository claims a blob that is not there.
    #[error("{repository}: has a link to blob {digest}, which does not exist")]
    DanglingLink {
        /// The repository.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// A manifest has other bytes than its digest says.
    #[error("{repository}@{digest}: the manifest is damaged")]
    ManifestDamaged {
        /// The repository.
        repository: RepositoryName,
        /// The manifest.
        digest: Digest,
    },
    /// A manifest refers to something that garbage collection would not know to be needed.
    #[error("{repository}@{digest}: what it refers to is not noted: {child}")]
    UnnotedReference {
        /// The repository.
        repository: RepositoryName,
        /// The manifest.
        digest: Digest,
        /// What it refers to.
        child: Digest,
    },
    /// A manifest refers to something that the repository does not have.
    #[error("{repository}@{digest}: refers to {child}, which the repository does not have")]
    MissingReference {
        /// The repository.
        repository: RepositoryName,
        /// The manifest.
        digest: Digest,
        /// What it refers to.
        child: Digest,
    },
    /// A tag stands for a manifest that is not there.
    #[error("{repository}:{tag}: stands for {digest}, which the repository does not have")]
    DanglingTag {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        tag: TagName,
        /// The manifest.
        digest: Digest,
    },
    /// An upload has fewer bytes than are noted.
    #[error("upload {id}: has {found} bytes, and {noted} are noted")]
    UploadShort {
        /// Its name.
        id: String,
        /// What is there.
        found: u64,
        /// What is noted.
        noted: u64,
    },
    /// Content that the database does not know.
    #[error("content {object}: nothing refers to it")]
    Orphan {
        /// Its name among the content.
        object: String,
    },
    /// The name of a collection is not one.
    #[error("collection {id}: its name is not one")]
    CollectionName {
        /// Its number.
        id: i64,
    },
    /// A trust file has other bytes than its hash says, or says another version.
    #[error("{gun}: version {version} of {role} is damaged")]
    FileDamaged {
        /// The collection.
        gun: String,
        /// The role.
        role: String,
        /// The version.
        version: i64,
    },
    /// The current trust file of a role is not there.
    #[error("{gun}: the current version of {role} is missing")]
    FileMissing {
        /// The collection.
        gun: String,
        /// The role.
        role: String,
    },
    /// The current files do not make a chain that readers accept.
    #[error("{gun}: readers do not accept what is published: {reason}")]
    Chain {
        /// The collection.
        gun: String,
        /// The rule that is broken.
        reason: String,
    },
    /// What the database says is signed is not what is signed.
    #[error("{gun}: the index of what {role} signs is wrong")]
    SignedTargets {
        /// The collection.
        gun: String,
        /// The role.
        role: String,
    },
    /// The feed has a gap, or goes back.
    #[error("the feed is out of order at number {id}")]
    Feed {
        /// The number of the row, or of the one that is missing.
        id: i64,
    },
    /// The audit was changed.
    #[error("the audit is broken at number {id}: a row was changed, added or removed")]
    Audit {
        /// The number of the row, or of the one that is missing.
        id: i64,
    },
}

/// A finding, and what was done about it.
#[derive(Debug)]
pub struct Checked {
    /// What is wrong.
    pub finding: Finding,
    /// Whether it is put right now.
    pub repaired: bool,
}

/// How many there were of what was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Blobs.
    pub blobs: u64,
    /// Manifests.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Trust files, of all versions.
    pub trust_files: u64,
    /// Collections that are archives: nobody makes their timestamps here.
    pub archives: u64,
    /// Archives whose timestamp has expired. That is nothing wrong: they are kept as they are.
    pub expired_archives: u64,
    /// Findings that are errors and still there.
    pub errors: u64,
    /// Other findings that are still there.
    pub others: u64,
    /// Findings that were put right.
    pub repaired: u64,
}

impl Finding {
    /// How grave it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Orphan { .. } => Severity::Note,
            Self::DanglingLink { .. } | Self::UploadShort { .. } | Self::BlobQuarantined { .. } => {
                Severity::Warning
            }
            // Whether that is allowed is the configuration's business.
            Self::MissingReference { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// A word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database { .. } => "database",
            Self::BlobMissing { .. } => "blob-missing",
            Self::BlobDamaged { .. } => "blob-damaged",
            Self::BlobQuarantined { .. } => "blob-quarantined",
            Self::DanglingLink { .. } => "dangling-link",
            Self::ManifestDamaged { .. } => "manifest-damaged",
            Self::UnnotedReference { .. } => "unnoted-reference",
            Self::MissingReference { .. } => "missing-reference",
            Self::DanglingTag { .. } => "dangling-tag",
            Self::UploadShort { .. } => "upload-short",
            Self::Orphan { .. } => "orphan",
            Self::CollectionName { .. } => "collection-name",
            Self::FileDamaged { .. } => "trust-file-damaged",
            Self::FileMissing { .. } => "trust-file-missing",
            Self::Chain { .. } => "trust-chain",
            Self::SignedTargets { .. } => "signed-targets",
            Self::Feed { .. } => "feed",
            Self::Audit { .. } => "audit",
        }
    }
}

/// Checks everything, and tells of each finding; with `repair`, what can safely be put right is:
/// content that is damaged or missing goes into quarantine, where pushing it again repairs it;
/// references are noted again; links and tags that lead nowhere, and uploads that have lost bytes,
/// are dropped.
pub async fn check(
    storage: &Storage,
    repair: bool,
    tell: &mut (dyn FnMut(&Checked) + Send),
) -> Result<Summary, UpkeepError> {
    let mut check = Check { storage, repair, summary: Summary::default(), tell };
    for line in storage.meta.check().await? {
        check.found(Finding::Database { line }, false);
    }
    check.blobs().await?;
    check.links().await?;
    check.repositories().await?;
    check.uploads().await?;
    check.orphans().await?;
    check.collections().await?;
    check.feed().await?;
    check.audit().await?;
    let (archives, expired) =
        storage.meta.glance().await?.count_archives(storage.clock.now()).await?;
    (check.summary.archives, check.summary.expired_archives) = (archives, expired);
    Ok(check.summary)
}

struct Check<'a> {
    storage: &'a Storage,
    repair: bool,
    summary: Summary,
    tell: &'a mut (dyn FnMut(&Checked) + Send),
}

impl Check<'_> {
    fn found(&mut self, finding: Finding, repaired: bool) {
        let count = match (repaired, finding.severity()) {
            (true, _) => &mut self.summary.repaired,
            (false, Severity::Error) => &mut self.summary.errors,
            (false, _) => &mut self.summary.others,
        };
        *count += 1;
        (self.tell)(&Checked { finding, repaired });
    }

    async fn blobs(&mut self) -> Result<(), UpkeepError> {
        let mut after = String::new();
        loop {
            let mut reading = self.storage.meta.glance().await?;
            let page = reading.blobs_from(&after, GC_PAGE_ROWS).await?;
            drop(reading);
            let Some(last) = page.last() else { return Ok(()) };
            after = last.digest.as_str().to_owned();
            for blob in page {
                self.blob(blob).await?;
            }
        }
    }

    async fn blob(&mut self, blob: BlobRow) -> Result<(), UpkeepError> {
        self.summary.blobs += 1;
        let finding = match blob.state {
            BlobState::Deleting => return Ok(()),
            BlobState::Corrupt => {
                self.found(Finding::BlobQuarantined { digest: blob.digest }, false);
                return Ok(());
            }
            BlobState::Live | BlobState::Condemned => match self.read(&blob).await {
                Ok(()) => return Ok(()),
                Err(BlobError::Missing) => Finding::BlobMissing { digest: blob.digest.clone() },
                Err(BlobError::Corrupt) => Finding::BlobDamaged { digest: blob.digest.clone() },
                Err(error) => return Err(error.into()),
            },
        };
        // A server that goes on may have removed or replaced it meanwhile.
        let now = self.storage.meta.glance().await?.stored_blob(&blob.digest).await?;
        if now.is_none_or(|now| now.object != blob.object || !now.state.is_there()) {
            return Ok(());
        }
        let mut repaired = false;
        if self.repair {
            let mut writing = self.storage.meta.write().await?;
            repaired = writing.mark_corrupt(&blob.digest, &blob.object).await?;
            writing.commit().await?;
        }
        self.found(finding, repaired);
        Ok(())
    }

    /// Reads content to its end, which checks it.
    async fn read(&self, blob: &BlobRow) -> Result<(), BlobError> {
        let content = self.storage.blobs.open(&blob.object, &blob.digest, blob.size).await?;
        if blob.size == 0 {
            return content.bytes().await.map(drop);
        }
        let pieces = content.stream(0..blob.size);
        pin_mut!(pieces);
        while let Some(piece) = pieces.next().await {
            piece?;
        }
        Ok(())
    }

    async fn links(&mut self) -> Result<(), UpkeepError> {
        let links = self.storage.meta.glance().await?.dangling_links(MAX_LINKS).await?;
        for link in links {
            let mut repaired = false;
            if self.repair {
                let mut writing = self.storage.meta.write().await?;
                writing.changes(link.name.as_str());
                repaired = writing.unlink_blob(link.repository, &link.digest).await?;
                writing.commit().await?;
            }
            let (repository, digest) = (link.name, link.digest);
            self.found(Finding::DanglingLink { repository, digest }, repaired);
        }
        Ok(())
    }

    async fn repositories(&mut self) -> Result<(), UpkeepError> {
        let mut after = 0;
        loop {
            let mut reading = self.storage.meta.glance().await?;
            let page = reading.repositories_from(after, GC_PAGE_ROWS).await?;
            drop(reading);
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (id, name) in page {
                self.repository(id, &name).await?;
            }
        }
    }

    async fn repository(&mut self, id: i64, name: &RepositoryName) -> Result<(), UpkeepError> {
        // One snapshot: a server may go on meanwhile.
        let mut reading = self.storage.meta.read().await?;
        let nodes = reading.manifest_nodes(id).await?;
        let known: HashSet<Digest> = nodes.iter().map(|node| node.digest.clone()).collect();
        let tags = reading.all_tags(id).await?;
        let mut noted: HashSet<(Digest, Digest)> = HashSet::new();
        for kind in ["manifest", "blob"] {
            noted.extend(reading.references(id, kind).await?);
        }
        let mut findings = Vec::new();
        let mut unnoted: Vec<(Digest, (Digest, &'static str))> = Vec::new();
        for node in nodes {
            self.summary.manifests += 1;
            let digest = node.digest;
            let Some((media_type, bytes)) = reading.manifest_bytes(id, &digest).await? else {
                continue;
            };
            let prepared = manifests::prepare(media_type, bytes.into(), Some(digest.clone())).await;
            let Ok(prepared) = prepared else {
                findings.push(Finding::ManifestDamaged { repository: name.clone(), digest });
                continue;
            };
            let children = prepared.children();
            let wanted: Vec<Digest> = children.iter().map(|(child, _)| child.clone()).collect();
            let held = reading.held_blobs(id, &wanted).await?;
            for (child, kind) in children {
                let is_here = known.contains(&child) || held.contains(&child);
                if !is_here {
                    findings.push(Finding::MissingReference {
                        repository: name.clone(),
                        digest: digest.clone(),
                        child,
                    });
                } else if !noted.contains(&(digest.clone(), child.clone())) {
                    let kind = if known.contains(&child) { kind } else { "blob" };
                    unnoted.push((digest.clone(), (child, kind)));
                }
            }
        }
        drop(reading);
        for finding in findings {
            self.found(finding, false);
        }
        for (digest, child) in unnoted {
            let repaired = self.repair;
            if repaired {
                let mut writing = self.storage.meta.write().await?;
                writing.changes(name.as_str());
                writing.note_references(id, &digest, std::slice::from_ref(&child)).await?;
                writing.commit().await?;
            }
            let (repository, child) = (name.clone(), child.0);
            self.found(Finding::UnnotedReference { repository, digest, child }, repaired);
        }
        for (tag, row) in tags {
            self.summary.tags += 1;
            if known.contains(&row.digest) {
                continue;
            }
            let mut repaired = false;
            if self.repair {
                let mut writing = self.storage.meta.write().await?;
                writing.changes(name.as_str());
                if writing.lock_known_repository(name).await?.is_some()
                    && writing.tag(id, &tag).await?.as_ref() == Some(&row)
                {
                    repaired = writing.remove_tag(id, &tag).await?;
                    writing.count_change(id).await?;
                }
                writing.commit().await?;
            }
            let (repository, digest) = (name.clone(), row.digest);
            self.found(Finding::DanglingTag { repository, tag, digest }, repaired);
        }
        Ok(())
    }

    async fn uploads(&mut self) -> Result<(), UpkeepError> {
        let found: BTreeMap<String, u64> = self
            .storage
            .blobs
            .scan_uploads()
            .await?
            .into_iter()
            .map(|upload| (upload.id, upload.size))
            .collect();
        let mut after = String::new();
        loop {
            let page = self.storage.meta.glance().await?.open_uploads(&after, GC_PAGE_ROWS).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for (id, noted) in page {
                let there = found.get(&id).copied().unwrap_or_default();
                if there >= noted {
                    continue;
                }
                // Looked at again where nobody else can be at it.
                let Ok(claim) = self.storage.blobs.claim(&id) else { continue };
                let row = self.storage.meta.glance().await?.upload(&id).await?;
                let Some(row) = row.filter(|row| !row.ended) else { continue };
                let mut repaired = false;
                if self.repair {
                    let mut writing = self.storage.meta.write().await?;
                    writing.changes(row.repository.as_str());
                    let now = self.storage.clock.now();
                    repaired = writing.end_upload(&id, &row.repository, now).await?;
                    writing.commit().await?;
                    claim.remove().await?;
                }
                self.found(Finding::UploadShort { id, found: there, noted }, repaired);
            }
        }
    }

    async fn orphans(&mut self) -> Result<(), UpkeepError> {
        for shard in BlobStore::shards() {
            let found = self.storage.blobs.scan(&shard).await?;
            let names: Vec<(&Digest, &str)> =
                found.iter().map(|object| (&object.digest, object.object.as_str())).collect();
            if names.is_empty() {
                continue;
            }
            let known = self.storage.meta.glance().await?.known_objects(&names).await?;
            for object in found {
                if !known.contains(&object.object) {
                    // Garbage collection removes it when it is old enough to be nobody's.
                    self.found(Finding::Orphan { object: object.object }, false);
                }
            }
        }
        Ok(())
    }

    async fn collections(&mut self) -> Result<(), UpkeepError> {
        let mut after = 0;
        loop {
            let mut reading = self.storage.meta.glance().await?;
            let page = reading.collections_from(after, GC_PAGE_ROWS).await?;
            drop(reading);
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            for collection in page {
                self.collection(&collection).await?;
            }
        }
    }

    async fn collection(&mut self, collection: &CheckedCollection) -> Result<(), UpkeepError> {
        let gun = collection.gun.clone();
        let Ok(name) = Gun::parse(&gun) else {
            self.found(Finding::CollectionName { id: collection.id }, false);
            return Ok(());
        };
        let mut reading = self.storage.meta.read().await?;
        let mut findings = Vec::new();
        for role in reading.missing_files(collection.id).await? {
            findings.push(Finding::FileMissing { gun: gun.clone(), role });
        }
        let mut current: BTreeMap<RoleName, Vec<u8>> = BTreeMap::new();
        let mut damaged = false;
        for file in reading.file_versions(collection.id).await? {
            self.summary.trust_files += 1;
            let bytes = reading
                .file_bytes(collection.id, &file.role, file.version)
                .await?
                .unwrap_or_default();
            let role = RoleName::parse(&file.role).ok();
            let says = version_of(&bytes);
            let is_whole = Sha256Hash::of(&bytes).to_hex() == file.sha256
                && says.is_some_and(|version| i64::try_from(version) == Ok(file.version));
            let Some(role) = role.filter(|_| is_whole) else {
                damaged = true;
                findings.push(Finding::FileDamaged {
                    gun: gun.clone(),
                    role: file.role,
                    version: file.version,
                });
                continue;
            };
            if file.current {
                current.insert(role, bytes);
            }
        }
        let signed = reading.signed_now(collection.id).await?;
        drop(reading);
        if !collection.deleted && collection.seq > 0 && !damaged && findings.is_empty() {
            match chain(&name, &current, self.storage) {
                Ok(()) => findings.extend(index(&gun, &current, &signed)),
                Err(reason) => findings.push(Finding::Chain { gun, reason }),
            }
        }
        for finding in findings {
            self.found(finding, false);
        }
        Ok(())
    }

    async fn feed(&mut self) -> Result<(), UpkeepError> {
        let mut last = 0;
        // The last version of each, and whether it was deleted since.
        let mut versions: BTreeMap<String, (i64, bool)> = BTreeMap::new();
        let mut reading = self.storage.meta.read().await?;
        let reserved = reading.reserved_changes().await?;
        loop {
            let page = reading.feed_from(last, GC_PAGE_ROWS).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                if row.id > reserved && row.id != last.max(reserved) + 1 {
                    self.found(Finding::Feed { id: last.max(reserved) + 1 }, false);
                }
                last = row.id;
                if row.category == "deletion" {
                    if row.id <= reserved {
                        // Other servers begin anew.
                        versions.remove(&row.gun);
                    } else if let Some((_, deleted)) = versions.get_mut(&row.gun) {
                        *deleted = true;
                    }
                    continue;
                }
                let before = versions.insert(row.gun, (row.version, false));
                // What was deleted may be brought back just as it was.
                let goes_on = |(before, deleted): (i64, bool)| {
                    before < row.version || (deleted && before == row.version)
                };
                if before.is_some_and(|before| !goes_on(before)) {
                    self.found(Finding::Feed { id: row.id }, false);
                }
            }
        }
        let last = last.max(reserved);
        if reading.last_number("feed").await? != last {
            self.found(Finding::Feed { id: last + 1 }, false);
        }
        Ok(())
    }

    async fn audit(&mut self) -> Result<(), UpkeepError> {
        let mut last = 0;
        let mut hash = String::new();
        let mut reading = self.storage.meta.read().await?;
        loop {
            let page = reading.audit(last, AUDIT_PAGE).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                if row.id != last + 1 {
                    self.found(Finding::Audit { id: last + 1 }, false);
                } else if AuditRow::hash_after(&hash, row.id, &row.event) != row.hash {
                    self.found(Finding::Audit { id: row.id }, false);
                }
                last = row.id;
                // What follows is judged by what is there: one change is one finding.
                hash = row.hash;
            }
        }
        if reading.last_number("audit").await? != last {
            self.found(Finding::Audit { id: last + 1 }, false);
        }
        Ok(())
    }
}

/// The version that a file says it has.
fn version_of(bytes: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    value.get("signed")?.get("version")?.as_u64()
}

/// Accepts the current files as a reader would that trusts their root; their age does not matter.
fn chain(
    gun: &Gun,
    current: &BTreeMap<RoleName, Vec<u8>>,
    storage: &Storage,
) -> Result<(), String> {
    let said = |error: crate::tuf::UpdateError| error.to_string();
    let file = |role: &RoleName| current.get(role).ok_or_else(|| format!("{role} is missing"));
    let root = file(&RoleName::Root)?;
    let now = storage.clock.now();
    let mut set = TrustedSet::first_use(gun.clone(), now, Expiry::Remembered, Pin::FirstUse, root)
        .map_err(said)?;
    set.accept_timestamp(file(&RoleName::Timestamp)?).map_err(said)?;
    set.accept_snapshot(file(&RoleName::Snapshot)?).map_err(said)?;
    loop {
        let wanted = set.wanted_targets().map_err(said)?;
        if wanted.is_empty() {
            break;
        }
        for wanted in wanted {
            set.accept_targets(&wanted.role, file(&wanted.role)?).map_err(said)?;
        }
    }
    set.finish().map(drop).map_err(said)
}

/// Where the index of what is signed differs from what the files say.
fn index(
    gun: &str,
    current: &BTreeMap<RoleName, Vec<u8>>,
    signed: &BTreeMap<String, HashSet<(String, String, i64)>>,
) -> Vec<Finding> {
    let mut roles: BTreeMap<String, HashSet<(String, String, i64)>> = BTreeMap::new();
    for (role, bytes) in current.iter().filter(|(role, _)| role.is_targets()) {
        let Ok(file) = Signed::<Targets>::parse(role, bytes) else { continue };
        roles.insert(role.to_string(), targets_of(&file));
    }
    for role in signed.keys() {
        roles.entry(role.clone()).or_default();
    }
    roles
        .into_iter()
        .filter(|(role, targets)| {
            let noted = signed.get(role);
            noted.map_or(!targets.is_empty(), |noted| noted != targets)
        })
        .map(|(role, _)| Finding::SignedTargets { gun: gun.to_owned(), role })
        .collect()
}

/// What a file signs, as the index has it.
fn targets_of(file: &Signed<Targets>) -> HashSet<(String, String, i64)> {
    let targets = file.unverified().targets.iter();
    let target = targets.filter_map(|(name, target)| {
        let digest = ["sha256", "sha512"].into_iter().find_map(|algorithm| {
            Some(format!("{algorithm}:{}", to_hex(target.hashes.get(algorithm)?)))
        })?;
        let length = i64::try_from(target.length).unwrap_or(i64::MAX);
        Some((name.as_str().to_owned(), digest, length))
    });
    target.collect()
}

/// Most links that lead nowhere told in one run.
const MAX_LINKS: usize = 10_000;
/// Rows of the audit looked at at a time.
const AUDIT_PAGE: u32 = 500;
