//! The folder of a distribution registry, taken over: its repositories with their blobs, manifests
//! and tags (`spec/takeover.md` §6).
//!
//! The folder is only read. Every blob is hashed on its way; what is damaged is told and passed
//! over. What is here already is not taken in twice, so that a run that was interrupted is begun
//! again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::limits::{MAX_LINK_FILE_BYTES, MAX_MANIFEST_BYTES, MAX_NAME_BYTES};
use crate::oci::manifest::{OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::Server;
use crate::server::blobs::{Adopt, BlobError};
use crate::server::files::{FileError, ForeignFolder};
use crate::server::meta::MetaError;
use crate::server::meta::blobs::Claimed;
use crate::server::registry::manifests::{Prepared, store};

/// The folder of a registry.
#[derive(Debug)]
pub struct RegistryFolder {
    folder: Arc<ForeignFolder>,
    /// Where the repositories and blobs are in it.
    base: &'static str,
}

/// Why a registry's folder is not taken over, or no further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is no registry in it.
    #[error("{} is not the folder of a registry", path.display())]
    NotOne {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// This server's content.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// This server's database.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// A thread that reads ended early.
    #[error("the reading of the folder ended early")]
    Reader(#[source] tokio::task::JoinError),
}

/// Something of a registry that is not taken over. The rest is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotTaken {
    /// A repository has a name that none can have.
    #[error("no repository can have this name")]
    Name,
    /// A file that should name content does not.
    #[error("{path} does not name what it should")]
    Link {
        /// The file.
        path: String,
    },
    /// Something in the folder leads out of it, or cannot be read.
    #[error(transparent)]
    File(FileError),
    /// The disk gives a blob out in part only, or not at all.
    #[error("blob {digest} cannot be read")]
    Unreadable {
        /// Its digest.
        digest: Digest,
        /// Why.
        #[source]
        cause: BlobError,
    },
    /// A blob is named and not there.
    #[error("blob {digest} is missing")]
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// A blob is not what its name says.
    #[error("blob {digest} is damaged: it has another digest")]
    Damaged {
        /// The digest it should have.
        digest: Digest,
    },
    /// A manifest that this registry does not take.
    #[error("manifest {digest} is not taken: {problem}")]
    Manifest {
        /// Its digest.
        digest: Digest,
        /// What is wrong with it, as one who pushes it would be told.
        problem: String,
    },
    /// A tag with a name that none can have.
    #[error("no tag can be called `{tag}`")]
    TagName {
        /// The name.
        tag: String,
    },
    /// A tag of a manifest that is not there.
    #[error("tag {tag} stands for {digest}, which is not there")]
    TagOfNothing {
        /// The tag.
        tag: TagName,
        /// What it stands for.
        digest: Digest,
    },
    /// A tag that stands for something else here.
    #[error("tag {tag} stands for {here} here, and for {there} there")]
    TagDiffers {
        /// The tag.
        tag: TagName,
        /// What it stands for here.
        here: Digest,
        /// What it stands for in the folder.
        there: Digest,
    },
}

/// What is told on the way.
#[derive(Debug)]
pub enum Told<'a> {
    /// Something is not taken, in this repository.
    NotTaken(&'a str, NotTaken),
    /// So much is done.
    Progress(&'a Totals),
}

/// What was taken over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Repositories.
    pub repositories: u64,
    /// Manifests that are new here.
    pub manifests: u64,
    /// Tags that were set.
    pub tags: u64,
    /// Blobs that are new here, by a second name for the file.
    pub linked: u64,
    /// Blobs that are new here, as copies.
    pub copied: u64,
    /// Bytes of the new blobs.
    pub bytes: u64,
    /// Blobs, manifests and tags that were here before.
    pub known: u64,
    /// How much was not taken.
    pub not_taken: u64,
}

impl RegistryFolder {
    /// Opens a folder: what the configuration of a registry calls `rootdirectory`.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let folder = ForeignFolder::open(path)?;
        for base in BASES {
            if !folder.names(&format!("{base}repositories"))?.is_empty()
                || !folder.names(&format!("{base}blobs"))?.is_empty()
            {
                return Ok(Self { folder: Arc::new(folder), base });
            }
        }
        Err(FolderError::NotOne { path: path.to_owned() })
    }

    /// Takes all repositories over, one after the other.
    pub async fn take_over(
        &self,
        server: &Arc<Server>,
        how: Adopt,
        told: &mut (dyn FnMut(Told<'_>) + Send),
    ) -> Result<Totals, FolderError> {
        let mut run = Run { folder: self, server, how, told, totals: Totals::default() };
        let mut folders = vec![String::new()];
        while let Some(name) = folders.pop() {
            let path = format!("{}repositories/{name}", self.base);
            let names = run.names(&name, path).await?;
            if names.iter().any(|name| name == "_manifests" || name == "_layers") {
                run.repository(&name).await?;
            }
            // The last of the stack comes first.
            for below in names.into_iter().rev().filter(|name| !name.starts_with('_')) {
                let below = if name.is_empty() { below } else { format!("{name}/{below}") };
                if below.len() <= MAX_NAME_BYTES {
                    folders.push(below);
                } else {
                    run.not_taken(&below, NotTaken::Name);
                }
            }
        }
        Ok(run.totals)
    }

    async fn names(&self, path: String) -> Result<Vec<String>, FolderError> {
        self.work(move |folder| folder.names(path.trim_end_matches('/'))).await
    }

    async fn read(&self, path: String, limit: u64) -> Result<Option<Vec<u8>>, FolderError> {
        self.work(move |folder| folder.read(&path, limit)).await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ForeignFolder) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FolderError> {
        let folder = Arc::clone(&self.folder);
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        Ok(done.map_err(FolderError::Reader)??)
    }
}

/// What a file that should name content says.
enum Link {
    /// There is none, or what is wrong with it was told.
    Gone,
    /// No digest.
    Wrong,
    /// This one.
    To(Digest),
}

/// One run.
struct Run<'a> {
    folder: &'a RegistryFolder,
    server: &'a Arc<Server>,
    how: Adopt,
    told: &'a mut (dyn FnMut(Told<'_>) + Send),
    totals: Totals,
}

impl Run<'_> {
    fn not_taken(&mut self, repository: &str, problem: NotTaken) {
        self.totals.not_taken += 1;
        (self.told)(Told::NotTaken(repository, problem));
    }

    /// The names in a folder of a repository. One that cannot be read is told, and has none.
    async fn names(&mut self, name: &str, path: String) -> Result<Vec<String>, FolderError> {
        match self.folder.names(path).await {
            Err(FolderError::File(error)) => {
                self.not_taken(name, NotTaken::File(error));
                Ok(Vec::new())
            }
            names => names,
        }
    }

    async fn repository(&mut self, name: &str) -> Result<(), FolderError> {
        let Ok(repository) = RepositoryName::parse(name) else {
            self.not_taken(name, NotTaken::Name);
            return Ok(());
        };
        let base = format!("{}repositories/{name}", self.folder.base);
        self.totals.repositories += 1;
        for digest in self.linked(name, &format!("{base}/_layers")).await? {
            self.blob(&repository, &digest).await?;
        }
        let manifests = self.linked(name, &format!("{base}/_manifests/revisions")).await?;
        let mut tags = self.tags(name, &format!("{base}/_manifests/tags")).await?;
        // What lists others comes after them, and what lists such lists after those.
        let mut left = manifests;
        loop {
            let mut later = Vec::new();
            let before = left.len();
            for digest in left {
                let Some(prepared) = self.manifest(name, &digest).await? else { continue };
                if self.waits(&repository, &prepared).await? {
                    later.push(digest);
                    continue;
                }
                let tags = tags.remove(&digest).unwrap_or_default();
                self.store(&repository, &prepared, tags).await?;
            }
            if later.is_empty() {
                break;
            }
            if later.len() == before {
                for digest in later {
                    let problem = "it refers to manifests that are not there".to_owned();
                    self.not_taken(name, NotTaken::Manifest { digest, problem });
                }
                break;
            }
            left = later;
        }
        for (digest, tags) in tags {
            for tag in tags {
                self.not_taken(name, NotTaken::TagOfNothing { tag, digest: digest.clone() });
            }
        }
        (self.told)(Told::Progress(&self.totals));
        Ok(())
    }

    /// The digests that the files in a folder, `ALGORITHM/HEX/link`, name.
    async fn linked(&mut self, name: &str, path: &str) -> Result<Vec<Digest>, FolderError> {
        let mut digests = Vec::new();
        for algorithm in self.names(name, path.to_owned()).await? {
            for hex in self.names(name, format!("{path}/{algorithm}")).await? {
                let link = format!("{path}/{algorithm}/{hex}/link");
                let expected = Digest::parse(&format!("{algorithm}:{hex}")).ok();
                match self.link(name, &link).await? {
                    // What was deleted has no file any more.
                    Link::Gone => {}
                    Link::To(found) if Some(&found) == expected.as_ref() => digests.push(found),
                    Link::To(_) | Link::Wrong => {
                        self.not_taken(name, NotTaken::Link { path: link });
                    }
                }
            }
        }
        Ok(digests)
    }

    /// What a file names.
    async fn link(&mut self, name: &str, path: &str) -> Result<Link, FolderError> {
        match self.folder.read(path.to_owned(), MAX_LINK_FILE_BYTES).await {
            Ok(None) => Ok(Link::Gone),
            Ok(Some(text)) => {
                let text = std::str::from_utf8(&text).ok();
                let digest = text.and_then(|text| Digest::parse(text.trim_end()).ok());
                Ok(digest.map_or(Link::Wrong, Link::To))
            }
            Err(FolderError::File(error)) => {
                self.not_taken(name, NotTaken::File(error));
                Ok(Link::Gone)
            }
            Err(error) => Err(error),
        }
    }

    /// The tags, by what they stand for.
    async fn tags(
        &mut self,
        name: &str,
        path: &str,
    ) -> Result<BTreeMap<Digest, Vec<TagName>>, FolderError> {
        let mut tags: BTreeMap<Digest, Vec<TagName>> = BTreeMap::new();
        for tag in self.names(name, path.to_owned()).await? {
            let link = format!("{path}/{tag}/current/link");
            match (self.link(name, &link).await?, TagName::parse(&tag)) {
                (Link::Gone, _) => {}
                (_, Err(_)) => self.not_taken(name, NotTaken::TagName { tag }),
                (Link::Wrong, _) => self.not_taken(name, NotTaken::Link { path: link }),
                (Link::To(digest), Ok(tag)) => tags.entry(digest).or_default().push(tag),
            }
        }
        Ok(tags)
    }

    fn data(&self, digest: &Digest) -> String {
        let (algorithm, hex) = (digest.algorithm(), digest.hex());
        let prefix = hex.get(..2).unwrap_or_default();
        format!("{}blobs/{algorithm}/{prefix}/{hex}/data", self.folder.base)
    }

    /// Takes a blob of a repository in.
    async fn blob(&mut self, name: &RepositoryName, digest: &Digest) -> Result<(), FolderError> {
        let mut reading = self.server.meta.read().await?;
        let linked = reading.blob(name, digest).await?;
        let stored = reading.stored_blob(digest).await?.filter(|row| row.state.is_there());
        drop(reading);
        let is_linked = linked.is_some();
        if let Some(row) = stored
            && self.server.blobs.size(&row.object).await.is_ok_and(|size| size == row.size)
        {
            self.totals.known += 1;
            if is_linked {
                return Ok(());
            }
            let now = self.server.clock.now();
            let mut writing = self.server.meta.write().await?;
            let repository = writing.ensure_repository(name, now).await?;
            if writing.touch_blob(digest, now).await? {
                writing.link_blob(repository, digest, now).await?;
                writing.commit().await?;
                return Ok(());
            }
        }
        let path = self.data(digest);
        let file = match self.folder.work(move |folder| folder.open_file(&path)).await {
            Ok(Some(file)) => file,
            Ok(None) => {
                self.not_taken(name.as_str(), NotTaken::Missing { digest: digest.clone() });
                return Ok(());
            }
            Err(FolderError::File(error)) => {
                self.not_taken(name.as_str(), NotTaken::File(error));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let id = uuid::Uuid::new_v4().to_string();
        let adopted = match self.server.blobs.adopt(file, digest, id, self.how).await {
            Ok(adopted) => adopted,
            Err(BlobError::Corrupt) => {
                self.not_taken(name.as_str(), NotTaken::Damaged { digest: digest.clone() });
                return Ok(());
            }
            Err(cause @ BlobError::Source(_)) => {
                let digest = digest.clone();
                self.not_taken(name.as_str(), NotTaken::Unreadable { digest, cause });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let now = self.server.clock.now();
        let mut writing = self.server.meta.write().await?;
        let repository = writing.ensure_repository(name, now).await?;
        let claimed = writing.claim_blob(digest, adopted.size, &adopted.object, now).await?;
        writing.link_blob(repository, digest, now).await?;
        writing.commit().await?;
        let useless = match claimed {
            Claimed::New { replaced } => {
                let count =
                    if adopted.is_copy { &mut self.totals.copied } else { &mut self.totals.linked };
                *count += 1;
                self.totals.bytes = self.totals.bytes.saturating_add(adopted.size);
                replaced
            }
            Claimed::Known => {
                self.totals.known += 1;
                Some(adopted.object)
            }
        };
        if let Some(useless) = useless {
            self.server.blobs.delete(&useless).await?;
        }
        (self.told)(Told::Progress(&self.totals));
        Ok(())
    }

    /// Reads a manifest of a repository as if it was pushed; `None` if it is not taken.
    async fn manifest(
        &mut self,
        name: &str,
        digest: &Digest,
    ) -> Result<Option<Prepared>, FolderError> {
        let read = match self.folder.read(self.data(digest), MAX_MANIFEST_BYTES).await {
            Ok(read) => read,
            Err(FolderError::File(error)) => {
                self.not_taken(name, NotTaken::File(error));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let Some(bytes) = read else {
            self.not_taken(name, NotTaken::Missing { digest: digest.clone() });
            return Ok(None);
        };
        if !digest.matches(&bytes) {
            self.not_taken(name, NotTaken::Damaged { digest: digest.clone() });
            return Ok(None);
        }
        let media_type = media_type(&bytes);
        match Prepared::read(media_type, bytes.into(), Some(digest.clone())) {
            Ok(prepared) => Ok(Some(prepared)),
            Err(refusal) => {
                let digest = digest.clone();
                self.not_taken(name, NotTaken::Manifest { digest, problem: refusal.message });
                Ok(None)
            }
        }
    }

    /// Whether manifests that this one lists are not here yet.
    async fn waits(&self, name: &RepositoryName, prepared: &Prepared) -> Result<bool, FolderError> {
        let mut reading = self.server.meta.glance().await?;
        for (child, kind) in prepared.children() {
            // Some builders keep their cache as an index of blobs.
            if kind == "manifest"
                && reading.manifest(name, &child).await?.is_none()
                && reading.blob(name, &child).await?.is_none()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Stores a manifest and its tags, but for those that are here already.
    async fn store(
        &mut self,
        name: &RepositoryName,
        prepared: &Prepared,
        tags: Vec<TagName>,
    ) -> Result<(), FolderError> {
        let mut reading = self.server.meta.read().await?;
        let is_known = reading.manifest(name, &prepared.digest).await?.is_some();
        let mut new = Vec::new();
        for tag in tags {
            match reading.tag(name, &tag).await? {
                None => new.push(tag),
                Some(row) if row.digest == prepared.digest => self.totals.known += 1,
                Some(row) => {
                    let (here, there) = (row.digest, prepared.digest.clone());
                    self.not_taken(name.as_str(), NotTaken::TagDiffers { tag, here, there });
                }
            }
        }
        drop(reading);
        if is_known {
            self.totals.known += 1;
            if new.is_empty() {
                return Ok(());
            }
        }
        match store(self.server, name, prepared, &new).await {
            Ok(()) => {
                self.totals.manifests += u64::from(!is_known);
                self.totals.tags += new.len() as u64;
            }
            Err(refusal) => {
                let (digest, problem) = (prepared.digest.clone(), refusal.message);
                self.not_taken(name.as_str(), NotTaken::Manifest { digest, problem });
            }
        }
        Ok(())
    }
}

/// The media type of a manifest that does not say it: OCI's need not, and a registry keeps no other
/// word of it. Empty if it says it.
fn media_type(bytes: &[u8]) -> &'static str {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        schema_version: Option<i64>,
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let Ok(document) = serde_json::from_slice::<Document>(bytes) else { return "" };
    match (document.media_type, document.schema_version, document.manifests) {
        (None, Some(2), Some(_)) => OCI_INDEX,
        (None, Some(2), None) => OCI_MANIFEST,
        (None, Some(1), _) => SCHEMA1,
        _ => "",
    }
}

/// Where a registry keeps everything in its folder, if that is not the folder that was named.
const BASES: [&str; 2] = ["docker/registry/v2/", ""];
/// What manifests before 2016 were.
const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
