//! What a build needs from elsewhere: images by way of trust, downloads, repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::actions::build::lock::{Lock, LockError};
use crate::actions::context::{ConnectionError, Context};
use crate::actions::image::find::{Catalog, FindError, LocalImage};
use crate::actions::pull::{self, PullError, pull};
use crate::actions::resolve::{Demand, resolve};
use crate::actions::transfer::{Platforms, Progress};
use crate::actions::verify::{Verdict, VerifyImageError};
use crate::build::content::{Bytes, Content};
use crate::build::context::{ContextError, KnownFiles, Reading, from_folder, without};
use crate::build::outside::{Base, Checkout, Download, Event, Outside, OutsideError, Pinned};
use crate::client::download::{DownloadError, Plain, Taker, download};
use crate::client::error::Cause;
use crate::client::git::{self, GitAddress, GitAddressError, GitError, GitSettings};
use crate::crypto::hash::Sha256Hash;
use crate::oci::digest::Hasher;
use crate::oci::media_type::is_foreign_layer;
use crate::oci::{Digest, ImageName, Platform, Reference};
use crate::store::files::{Base as Folder, TemporaryFolder};
use crate::store::streams::{Scratch, is_real_folder};
use crate::store::{ImageLayout, ImageLayoutError, Lease, StoreError};

/// Somebody who watches a build. Called from any thread.
pub trait Watcher: Send + Sync + fmt::Debug {
    /// Something happens in it.
    fn report(&self, event: Event<'_>);

    /// An image is trusted, or believed for the first time.
    fn trusted(&self, reference: &Reference, verdict: &Verdict);

    /// Who shows how far an image is that is fetched.
    fn transfer(&self) -> Arc<dyn Progress>;

    /// What the step at hand wrote and nobody was shown for good: to be said if it failed.
    fn unsaid(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Whatever a build is given from elsewhere.
#[derive(Debug)]
pub struct Sources<'a> {
    /// Connections, trust data, the clock.
    pub context: &'a Context,
    /// Where images are.
    pub layout: &'a ImageLayout,
    /// What keeps them there.
    pub lease: &'a Lease,
    /// Runs what waits for the network.
    pub runtime: Handle,
    /// Whether only signed images are taken, and who must have signed them.
    pub trusted: Option<&'a [String]>,
    /// Whether registries are asked even for what is here.
    pub refreshes: bool,
    /// The lock file.
    pub lock: Option<&'a Lock>,
    /// What must be what it was, in a build that is repeated.
    pub recorded: Option<&'a Recorded>,
    /// Images of other layouts that the build may name.
    pub given: BTreeMap<String, PathBuf>,
    /// What git has to know.
    pub git: GitSettings,
    /// Where temporary folders are made.
    pub temporary_dir: PathBuf,
    /// The time that all gets, in seconds since 1970.
    pub epoch: i64,
    /// Who watches.
    pub watcher: Arc<dyn Watcher>,
    /// Set when the build is to stop.
    pub stop: Arc<AtomicBool>,
    /// What was found already: two builds of one command get the same.
    pub memory: &'a Memory,
}

/// What was brought in during a command, and the folders that it is in.
#[derive(Debug, Default)]
pub struct Memory {
    images: Mutex<BTreeMap<(String, String), Base>>,
    folders: Mutex<Vec<TemporaryFolder>>,
}

/// What a build that is repeated was made of.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Images: the digests of their manifests for the platform.
    pub images: BTreeMap<String, Digest>,
    /// Downloads and repositories: checksum or commit.
    pub downloads: BTreeMap<String, String>,
    /// Those among them that nothing pinned then: the record says so, and must say so again.
    pub unpinned: BTreeSet<String>,
}

/// What something is brought in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// A context, which the record of an image says nothing of.
    Context,
    /// An instruction.
    Instruction,
}

/// Why something could not be brought in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// An image is not trusted, or that cannot be told.
    #[error(transparent)]
    Verify(#[from] VerifyImageError),
    /// An image cannot be had from its registry.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// An image that is here cannot be used.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An image is another than the one that was used before.
    #[error("{name} is {actual} now, but the image was made with {expected}")]
    OtherImage {
        /// The image.
        name: String,
        /// What was recorded.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// Something is needed that was not needed before.
    #[error("the image was made without {what}")]
    NotRecorded {
        /// An image, a URL or a repository.
        what: String,
    },
    /// An image here is for something else.
    #[error("{name} is for {actual}, not for {wanted}")]
    OtherPlatform {
        /// The image.
        name: String,
        /// What is wanted.
        wanted: Platform,
        /// What it is for.
        actual: Platform,
    },
    /// An image of a layout that nobody signed.
    #[error("{name} is an image of a folder, which nobody signed")]
    Unsigned {
        /// The image.
        name: String,
    },
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A download.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// What came is not what was demanded.
    #[error("{url} gives {actual}, not {expected}")]
    OtherContent {
        /// The address.
        url: String,
        /// What was demanded.
        expected: String,
        /// What came.
        actual: String,
    },
    /// A checksum that is none.
    #[error("`{}` is not a checksum: it is `sha256:` and 64 digits", text.escape_debug())]
    Checksum {
        /// What was given.
        text: String,
    },
    /// The address of a repository.
    #[error(transparent)]
    Address(#[from] GitAddressError),
    /// An address that is no repository's.
    #[error("`{}` is not the address of a repository", url.escape_debug())]
    NotGit {
        /// The address.
        url: String,
    },
    /// A repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A repository has no such folder.
    #[error("{repository} has no folder `{}` at {commit}", folder.escape_debug())]
    NoFolder {
        /// The repository.
        repository: String,
        /// The folder.
        folder: String,
        /// The commit.
        commit: String,
    },
    /// The files of a repository.
    #[error(transparent)]
    Files(#[from] ContextError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Outside for Sources<'_> {
    fn image(&self, name: &Reference, platform: &Platform) -> Result<Base, OutsideError> {
        let key = (name.to_string(), platform.to_string());
        let known = self.memory.images.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = known.get(&key) {
            return Ok(base.clone());
        }
        drop(known);
        let base = self.find_image(name, platform)?;
        let mut known = self.memory.images.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, base.clone());
        Ok(base)
    }

    fn is_repository(&self, source: &str) -> bool {
        GitAddress::parse(source).is_some()
    }

    fn download(&self, url: &str, checksum: Option<&str>) -> Result<Download, OutsideError> {
        Ok(self.fetch(url, checksum, For::Instruction)?)
    }

    fn clone(
        &self,
        url: &str,
        checksum: Option<&str>,
        keep_git_dir: bool,
    ) -> Result<Checkout, OutsideError> {
        let address = match GitAddress::parse(url) {
            Some(address) => address.map_err(SourceError::from)?,
            None => return Err(SourceError::NotGit { url: url.to_owned() }.into()),
        };
        Ok(self.check_out(url, &address, checksum, keep_git_dir, For::Instruction)?)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn report(&self, event: Event<'_>) {
        self.watcher.report(event);
    }
}

impl Sources<'_> {
    fn find_image(&self, name: &Reference, platform: &Platform) -> Result<Base, SourceError> {
        if let Some(folder) = self.given.get(&name.to_string()) {
            return self.given_image(name, folder, platform);
        }
        let whole = ImageName::of_reference(name.clone());
        let name = whole.reference().unwrap_or(name);
        if let Some(recorded) = self.recorded {
            return self.recorded_image(name, recorded, platform);
        }
        let locked = match (self.lock, name.digest()) {
            (Some(lock), None) => lock.image(name)?,
            _ => None,
        };
        let asked = match &locked {
            Some(digest) => name.with_digest(digest.clone()),
            None => name.clone(),
        };
        // What a lock file lacks is in it from now on.
        let mut pinned = match (self.lock, name.digest()) {
            (_, Some(_)) => Pinned::ByName,
            (Some(_), _) => Pinned::ByLock,
            _ => Pinned::Unpinned,
        };
        // What is signed, if that counts: the registry's word for a tag is not asked then.
        let asked = match self.trusted {
            Some(signers) => {
                let demand = Demand::now(signers);
                let verdict = self.runtime.block_on(resolve(self.context, &asked, &demand))?;
                self.watcher.trusted(&asked, &verdict);
                if pinned == Pinned::Unpinned {
                    pinned = Pinned::BySignature;
                }
                name.with_digest(verdict.digest)
            }
            None => asked,
        };
        let image = self.here_or_pulled(name, &asked, platform)?;
        let named = asked.digest().cloned().unwrap_or_else(|| named_digest(name, &image));
        if let (Some(lock), None) = (self.lock, name.digest()) {
            lock.note_image(name, &named);
        }
        self.base(image, &named, pinned)
    }

    /// Takes an image that is here, unless it is to be asked for anew; else fetches it.
    fn here_or_pulled(
        &self,
        name: &Reference,
        asked: &Reference,
        platform: &Platform,
    ) -> Result<LocalImage, SourceError> {
        let is_fixed = asked.digest().is_some();
        if !self.refreshes || is_fixed {
            match self.here(asked, platform) {
                Ok(Some(image)) => return Ok(image),
                Ok(None) => {}
                // What is here and cannot be used is fetched again.
                Err(error) => tracing::debug!("{}: {error}", asked.familiar()),
            }
        }
        let request = pull::Request {
            reference: if is_fixed { asked.clone() } else { name.clone() },
            // What is repeated is vouched for by the record, whatever tags mean now.
            trusted: self.trusted.filter(|_| self.recorded.is_none()).map(<[String]>::to_vec),
            platforms: Platforms::One(platform.clone()),
        };
        let progress = self.watcher.transfer();
        let work = Box::pin(pull(self.context, self.layout, &request, &progress));
        self.runtime.block_on(work)?;
        match self.here(&request.reference, platform)? {
            Some(image) => Ok(image),
            None => Err(FindError::NotFound { typed: request.reference.familiar() }.into()),
        }
    }

    /// The image of this name, or digest, in the layout, if it is there for the platform.
    fn here(
        &self,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Option<LocalImage>, SourceError> {
        let catalog = Catalog::read(self.layout)?;
        let found = match catalog.resolve(&reference.to_string()) {
            Ok(found) => found,
            Err(FindError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let image = match catalog.load(&found, Some(platform)) {
            Ok(image) => image,
            Err(FindError::NoPlatform { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !platform.matches(&image.config.platform) {
            return Ok(None);
        }
        let all: BTreeSet<Digest> = [&image.descriptor.digest, &image.id]
            .into_iter()
            .chain(image.manifest.layers.iter().map(|layer| &layer.digest))
            .cloned()
            .collect();
        self.lease.protect(&all)?;
        let is_whole = image.manifest.layers.iter().all(|layer| self.layout.has_blob(layer));
        Ok(is_whole.then_some(image))
    }

    /// An image that must be the one that was used before.
    fn recorded_image(
        &self,
        name: &Reference,
        recorded: &Recorded,
        platform: &Platform,
    ) -> Result<Base, SourceError> {
        let Some(expected) = recorded.images.get(&name.to_string()) else {
            return Err(SourceError::NotRecorded { what: name.familiar() });
        };
        let exactly = name.with_digest(expected.clone());
        let image = self.here_or_pulled(name, &exactly, platform)?;
        let original = image.descriptor.original();
        let actual = original.map_or_else(|| image.descriptor.digest.clone(), |own| own.digest);
        if actual != *expected {
            let (name, expected) = (name.familiar(), expected.clone());
            return Err(SourceError::OtherImage { name, expected, actual });
        }
        let was_pinned = !recorded.unpinned.contains(&name.to_string());
        let pinned = if was_pinned { Pinned::ByLock } else { Pinned::Unpinned };
        self.base(image, expected, pinned)
    }

    /// An image of another layout that the person named: it is in ours when this returns.
    fn given_image(
        &self,
        name: &Reference,
        folder: &std::path::Path,
        platform: &Platform,
    ) -> Result<Base, SourceError> {
        if self.trusted.is_some() {
            return Err(SourceError::Unsigned { name: folder.display().to_string() });
        }
        let other = ImageLayout::new(folder.to_owned());
        let catalog = Catalog::read(&other)?;
        let digest = name.digest().map(ToString::to_string).unwrap_or_default();
        let image = catalog.load(&catalog.resolve(&digest)?, Some(platform))?;
        if !platform.matches(&image.config.platform) {
            return Err(SourceError::OtherPlatform {
                name: folder.display().to_string(),
                wanted: platform.clone(),
                actual: image.config.platform,
            });
        }
        let config = &image.manifest.config;
        let bare = crate::oci::Descriptor::new(
            image.descriptor.media_type.clone(),
            image.descriptor.digest.clone(),
            image.descriptor.size,
        );
        for content in image.manifest.layers.iter().chain([config, &bare]) {
            if self.lease.has(content)? {
                continue;
            }
            let mut blob = other.open_blob(content)?;
            let mut writer = self.lease.writer()?.hashed_like(&content.digest);
            io::copy(&mut blob, &mut writer)
                .map_err(|error| crate::store::images::blobs::of_reading(folder, error))?;
            writer.finish(Some(content))?;
        }
        let named = image.descriptor.digest.clone();
        self.base(image, &named, Pinned::ByName)
    }

    /// What a stage begins from; `named` is the digest that it was found by.
    fn base(&self, image: LocalImage, named: &Digest, pinned: Pinned) -> Result<Base, SourceError> {
        let LocalImage { descriptor, manifest, config, .. } = image;
        let content = || std::iter::once(&manifest.config).chain(&manifest.layers);
        // What is there once it is listed stays until the build is done.
        self.lease.protect(
            [named, &descriptor.digest].into_iter().chain(content().map(|of| &of.digest)),
        )?;
        for content in content().filter(|content| !is_foreign_layer(&content.media_type)) {
            if !self.layout.has_blob(content) {
                let digest = content.digest.clone();
                return Err(ImageLayoutError::Missing { digest }.into());
            }
        }
        Ok(Base { descriptor, manifest, config, pinned })
    }

    /// Downloads a file.
    pub fn fetch(
        &self,
        url: &str,
        checksum: Option<&str>,
        what_for: For,
    ) -> Result<Download, SourceError> {
        let recorded = self.recorded.filter(|_| what_for == For::Instruction);
        let demanded = match (checksum, recorded, self.lock) {
            (Some(text), _, _) => Some(
                Digest::parse(text)
                    .ok()
                    .filter(|digest| digest.sha256().is_some())
                    .ok_or_else(|| SourceError::Checksum { text: text.to_owned() })?,
            ),
            (None, Some(recorded), _) => match recorded.downloads.get(url) {
                Some(text) => Some(
                    Digest::parse(text)
                        .map_err(|_| SourceError::Checksum { text: text.clone() })?,
                ),
                None => return Err(SourceError::NotRecorded { what: url.to_owned() }),
            },
            (None, None, Some(lock)) => lock.download(url)?,
            (None, None, None) => None,
        };
        let plain = if demanded.is_some() { Plain::Checked } else { Plain::Refused };
        let http = self.context.connections.web();
        let mut taker =
            Spooling { scratch: self.lease.scratch()?, hasher: Hasher::sha256(), size: 0 };
        let work = Box::pin(download(&http, url, plain, &mut taker));
        let size = self.runtime.block_on(work)?;
        let digest = taker.hasher.finish();
        if let Some(expected) = &demanded
            && *expected != digest
        {
            let (expected, actual) = (expected.to_string(), digest.to_string());
            return Err(SourceError::OtherContent { url: url.to_owned(), expected, actual });
        }
        if let (Some(lock), None) = (self.lock, checksum) {
            lock.note_download(url, &digest);
        }
        let sha256 = digest.sha256().unwrap_or(Sha256Hash([0; 32]));
        let content: Content = Arc::new(Spooled { scratch: taker.scratch, size, sha256 });
        let is_fixed = demanded.is_some() || self.lock.is_some();
        let pinned = is_fixed && !is_unpinned(recorded, url);
        Ok(Download { content, size, checksum: digest.to_string(), pinned })
    }

    /// The files of a commit. `url` is what the lock file and the record call it.
    pub fn check_out(
        &self,
        url: &str,
        address: &GitAddress,
        checksum: Option<&str>,
        keep_git_dir: bool,
        what_for: For,
    ) -> Result<Checkout, SourceError> {
        let recorded = self.recorded.filter(|_| what_for == For::Instruction);
        let mut address = address.clone();
        let says_itself = checksum.is_some() || address.is_pinned();
        let mut pinned = says_itself || self.lock.is_some();
        let demanded = match (recorded, self.lock) {
            (Some(recorded), _) => match recorded.downloads.get(url) {
                Some(commit) => Some(commit.clone()),
                None => return Err(SourceError::NotRecorded { what: url.to_owned() }),
            },
            (None, Some(lock)) if !says_itself => lock.repository(url)?,
            _ => None,
        };
        if let Some(commit) = &demanded {
            // The branch may have moved on: the commit itself is fetched.
            address.reference = Some(commit.clone());
            pinned = !is_unpinned(recorded, url);
        }
        let folder = TemporaryFolder::create(&self.temporary_dir)?;
        let fetching = git::fetch(&address, checksum, folder.path(), &self.git);
        let commit = self.runtime.block_on(fetching)?;
        if let (Some(lock), false) = (self.lock, says_itself) {
            lock.note_repository(url, &commit);
        }
        let top = folder_in(&folder, &address, &commit)?;
        let how = Reading {
            keeps_modes: false,
            epoch: self.epoch,
            known: Arc::new(KnownFiles::default()),
        };
        let mut files = from_folder(&top, &(), &how)?;
        let keeps_git_dir = address.keeps_git_dir.unwrap_or(keep_git_dir);
        if !keeps_git_dir {
            files = without(&files, &GitFolder)?;
        }
        self.memory.folders.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
        Ok(Checkout { files, keeps_git_dir, commit, pinned })
    }
}

impl Memory {
    /// Keeps a folder as long as the command runs.
    pub fn keep(&self, folder: TemporaryFolder) {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
    }
}

/// The folder of a checkout that is meant; no link of the repository leads out of it.
fn folder_in(
    folder: &TemporaryFolder,
    address: &GitAddress,
    commit: &str,
) -> Result<PathBuf, SourceError> {
    let tree = Folder::new(git::tree_in(folder.path()));
    let missing = |wanted: &str| SourceError::NoFolder {
        repository: address.shown(),
        folder: wanted.to_owned(),
        commit: commit.to_owned(),
    };
    let Some(wanted) = &address.folder else { return Ok(tree.path().to_owned()) };
    let mut path = tree.path().to_owned();
    for name in wanted.split('/') {
        path = Folder::new(path).join([name])?;
        if !is_real_folder(&path) {
            return Err(missing(wanted));
        }
    }
    Ok(path)
}

/// What `.git` is to a repository's files.
struct GitFolder;

impl crate::build::context::Exclusion for GitFolder {
    fn excludes(&self, path: &[u8]) -> bool {
        path.split(|byte| *byte == b'/').any(|name| name == b".git")
    }

    fn may_skip(&self, folder: &[u8]) -> bool {
        self.excludes(folder)
    }
}

/// Whether nothing pinned what a URL gives when the image was made first.
fn is_unpinned(recorded: Option<&Recorded>, url: &str) -> bool {
    recorded.is_some_and(|recorded| recorded.unpinned.contains(url))
}

/// The digest that a name without one stands for: of the index, if the image was pulled from one.
fn named_digest(name: &Reference, image: &LocalImage) -> Digest {
    let source = image.entry.source().filter(|source| source.name() == name.name());
    let digest = source.and_then(|source| source.digest().cloned());
    digest.unwrap_or_else(|| image.entry.descriptor.digest.clone())
}

/// A download on its way.
struct Spooling {
    scratch: Scratch,
    hasher: Hasher,
    size: u64,
}

impl Taker for Spooling {
    fn take(&mut self, piece: bytes::Bytes) -> BoxFuture<'_, Result<(), Cause>> {
        self.hasher.update(&piece);
        self.size = self.size.saturating_add(piece.len() as u64);
        let written = self.scratch.write_all(&piece).map_err(Cause::from);
        Box::pin(std::future::ready(written))
    }
}

/// What was downloaded, in a hidden file.
#[derive(Debug)]
struct Spooled {
    scratch: Scratch,
    size: u64,
    sha256: Sha256Hash,
}

impl Bytes for Spooled {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.scratch.part(0, self.size)))
    }

    fn sha256(&self) -> io::Result<Sha256Hash> {
        Ok(self.sha256)
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        Some(self.sha256)
    }
}
