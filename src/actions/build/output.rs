//! Where the outcome of a build goes, besides the layout.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crate::actions::image::find::{Catalog, FindError, LocalImage};
use crate::actions::image::flatten::{FlattenError, collect};
use crate::actions::image::save::{Format, SaveError, plan_of};
use crate::oci::archive::{ArchiveError, ArchiveWriter, Entry, EntryPath, Expansion, Kind};
use crate::oci::{self, Descriptor, Digest, ImageName};
use crate::store::export::ExportFolder;
use crate::store::streams::UserFile;
use crate::store::{ImageLayout, ImageLayoutError, Lease, StoreError};

/// Where the outcome goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The layout, under the image's names.
    Image,
    /// An archive of images, OCI's.
    Oci(Destination),
    /// An archive of images that docker loads.
    Docker(Destination),
    /// An archive of the image's files.
    Tar(Destination),
    /// A folder for the image's files.
    Local(PathBuf),
    /// Another OCI layout.
    Layout(PathBuf),
}

/// Where an archive goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// What was built: an image, or an index of several.
#[derive(Debug, Clone)]
pub struct Product<'a> {
    /// Its layout.
    pub layout: &'a ImageLayout,
    /// What keeps it there.
    pub lease: &'a Lease,
    /// Manifest or index.
    pub root: &'a Descriptor,
    /// The manifests for each platform.
    pub images: Vec<&'a Descriptor>,
    /// Its names.
    pub names: &'a [ImageName],
}

/// Why an outcome did not get where it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The archive of images.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The image's files.
    #[error(transparent)]
    Files(#[from] FlattenError),
    /// What was built cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A path that no archive can have.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The output.
    #[error("the archive cannot be written")]
    Write(#[source] io::Error),
    /// Docker's archive has one platform of an image.
    #[error("an archive for docker cannot have an image for several platforms")]
    SeveralPlatforms,
}

impl Product<'_> {
    /// Puts it where it should go; `stdout` is the standard output. Returns files that could not be
    /// put there.
    pub fn put(
        &self,
        output: &Output,
        stdout: &mut dyn Write,
    ) -> Result<Vec<EntryPath>, OutputError> {
        match output {
            Output::Image => Ok(Vec::new()),
            Output::Docker(_) if self.images.len() > 1 => Err(OutputError::SeveralPlatforms),
            Output::Docker(destination) => self.archive(Format::Docker, destination, stdout),
            Output::Oci(destination) => self.archive(Format::Oci, destination, stdout),
            Output::Tar(destination) => {
                to(destination, stdout, |out| {
                    let mut archive = ArchiveWriter::new(out);
                    self.files(|entry, content| {
                        archive.append(entry, content).map_err(OutputError::Write)
                    })?;
                    archive.finish().map_err(OutputError::Write)?;
                    Ok(())
                })?;
                Ok(Vec::new())
            }
            Output::Local(folder) => {
                let mut export = ExportFolder::open(folder)?;
                self.files(|entry, content| Ok(export.put(entry, content)?))?;
                Ok(export.finish()?)
            }
            Output::Layout(folder) => {
                self.copy_to(&ImageLayout::new(std::path::absolute(folder).map_err(|cause| {
                    StoreError::Io { action: "open", path: folder.clone(), cause }
                })?))?;
                Ok(Vec::new())
            }
        }
    }

    fn archive(
        &self,
        format: Format,
        destination: &Destination,
        stdout: &mut dyn Write,
    ) -> Result<Vec<EntryPath>, OutputError> {
        let plan = plan_of(self.layout, self.root, self.names, format)?;
        to(destination, stdout, |out| Ok(plan.write(out).map(drop)?))?;
        Ok(Vec::new())
    }

    /// Goes through the files of the image; of several platforms each has a folder of its own.
    fn files(
        &self,
        mut take: impl FnMut(&Entry, &mut dyn io::Read) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        for descriptor in &self.images {
            let image = self.image(descriptor)?;
            let above = match self.images.len() {
                0 | 1 => EntryPath::default(),
                _ => {
                    let name = image.config.platform.to_string().replace('/', "_");
                    let path = EntryPath::parse(name.as_bytes())?;
                    take(&Entry::new(path.clone(), Kind::Folder), &mut io::empty())?;
                    path
                }
            };
            let mut contents = self.lease.scratch()?;
            let tree = collect(self.layout, &image, &mut contents, Expansion::default())?;
            for (entry, file) in tree.entries() {
                if entry.path.is_top() {
                    continue;
                }
                let start = tree.get(file).and_then(|inode| inode.content).unwrap_or_default();
                let length = if entry.kind == Kind::File { entry.size } else { 0 };
                let kind = match entry.kind {
                    Kind::Hardlink(target) => Kind::Hardlink(above.join(&target)),
                    kind => kind,
                };
                let entry = Entry { path: above.join(&entry.path), kind, ..entry };
                take(&entry, &mut contents.part(start, length))?;
            }
        }
        Ok(())
    }

    fn image(&self, descriptor: &Descriptor) -> Result<LocalImage, FindError> {
        let entry = oci::Entry { descriptor: descriptor.clone() };
        Catalog::read(self.layout)?.load_entry(&entry, None)
    }

    fn copy_to(&self, other: &ImageLayout) -> Result<(), OutputError> {
        let lease = other.lease()?;
        let all = self.layout.reachable([self.root])?;
        let digests: BTreeSet<Digest> = all.iter().map(|(digest, _)| digest.clone()).collect();
        lease.protect(&digests)?;
        for (digest, size) in all {
            let content = Descriptor::new("", digest, size);
            if lease.has(&content)? {
                continue;
            }
            let mut blob = self.layout.open_blob(&content)?;
            let mut writer = lease.writer()?.hashed_like(&content.digest);
            io::copy(&mut blob, &mut writer).map_err(|error| {
                crate::store::images::blobs::of_reading(self.layout.folder(), error)
            })?;
            writer.finish(Some(&content))?;
        }
        lease.commit(|index| {
            for name in self.names {
                index.set(name, self.root, None);
            }
            if self.names.is_empty() {
                index.add(self.root, None);
            }
            Ok::<_, ImageLayoutError>(())
        })?;
        Ok(())
    }
}

/// Writes to a file, which appears when it is whole, or to the standard output.
fn to(
    destination: &Destination,
    stdout: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> Result<(), OutputError>,
) -> Result<(), OutputError> {
    match destination {
        Destination::File(path) => {
            let mut out = BufWriter::with_capacity(BUFFER, UserFile::begin(path)?);
            write(&mut out)?;
            let file = out.into_inner().map_err(|error| OutputError::Write(error.into_error()))?;
            Ok(file.finish()?)
        }
        Destination::Stdout => {
            let mut out = BufWriter::with_capacity(BUFFER, stdout);
            write(&mut out)?;
            out.flush().map_err(OutputError::Write)
        }
    }
}

const BUFFER: usize = 256 << 10;
