//! Content by its digest: verified as it is written, and whenever it is read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::limits::{MAX_IMAGE_MANIFESTS, MAX_INDEX_DEPTH, MAX_MANIFEST_BYTES};
use crate::oci::digest::Hasher;
use crate::oci::manifest::is_manifest;
use crate::oci::{Descriptor, Digest, Manifest};
use crate::store::files::PUBLIC_MODE;
use crate::store::images::error::ImageLayoutError;
use crate::store::images::layout::{BLOBS, ImageLayout, Locked};
use crate::store::images::lease::Lease;
use crate::store::streams::{self, Spool};

/// Content that is being written. Dropped before it is finished, it is gone.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    lease: &'a Lease,
    spool: Spool,
    hasher: Hasher,
}

/// Content that is being read. Its last read fails if it is not what its digest says.
#[derive(Debug)]
pub struct BlobReader {
    file: File,
    expected: Descriptor,
    read: u64,
    hasher: Option<Hasher>,
}

impl<'a> BlobWriter<'a> {
    pub(super) fn begin(lease: &'a Lease) -> Result<Self, ImageLayoutError> {
        let spool = Spool::begin(&lease.layout().incoming(), PUBLIC_MODE)?;
        Ok(Self { lease, spool, hasher: Hasher::sha256() })
    }

    /// As [`Lease::writer`], for content whose digest is of another algorithm than SHA-256.
    #[must_use]
    pub fn hashed_like(mut self, digest: &Digest) -> Self {
        self.hasher = Hasher::like(digest);
        self
    }

    /// How many bytes it has.
    pub fn written(&self) -> u64 {
        self.spool.written()
    }

    /// Takes the next piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), ImageLayoutError> {
        self.hasher.update(piece);
        Ok(self.spool.write(piece)?)
    }

    /// Throws away what was written, to begin anew.
    pub fn rewind(&mut self, digest: &Digest) -> Result<(), ImageLayoutError> {
        self.hasher = Hasher::like(digest);
        Ok(self.spool.rewind()?)
    }

    /// Makes it content of the layout; refuses it if it is not what was expected. Returns its
    /// digest and size in bytes.
    pub fn finish(self, expected: Option<&Descriptor>) -> Result<(Digest, u64), ImageLayoutError> {
        let size = self.spool.written();
        let digest = self.hasher.finish();
        if let Some(expected) = expected {
            if expected.size != size {
                return Err(ImageLayoutError::WrongSize {
                    digest: expected.digest.clone(),
                    expected: expected.size,
                    actual: size,
                });
            }
            if expected.digest != digest {
                let expected = expected.digest.clone();
                return Err(ImageLayoutError::Mismatch { expected, actual: digest });
            }
        }
        self.lease.protect([&digest])?;
        let path = self.lease.layout().blob_path(&digest);
        if let Some(folder) = path.parent() {
            streams::create_public_folder(folder)?;
        }
        self.lease.wrote(self.spool.name(&path)?)?;
        Ok((digest, size))
    }
}

impl io::Write for BlobWriter<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        Self::write(self, piece).map(|()| piece.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read = self.read.saturating_add(count as u64);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..count).unwrap_or_default());
        }
        let Descriptor { digest, size, .. } = &self.expected;
        if self.read > *size || (count == 0 && !buffer.is_empty() && self.read != *size) {
            let (digest, expected, actual) = (digest.clone(), *size, self.read);
            let error = ImageLayoutError::WrongSize { digest, expected, actual };
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        // With the last byte already, for not everybody reads on to the end.
        if self.read == *size
            && let Some(actual) = self.hasher.take().map(Hasher::finish)
            && actual != *digest
        {
            let error = ImageLayoutError::Damaged { digest: digest.clone(), actual };
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(count)
    }
}

impl ImageLayout {
    /// Whether there is content of this digest and size; it is not read.
    pub fn has_blob(&self, content: &Descriptor) -> bool {
        let found = streams::size_and_age(&self.blob_path(&content.digest));
        found.is_some_and(|(size, _)| size == content.size)
    }

    /// Reads content of at most `limit` bytes, verified.
    pub fn blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, ImageLayoutError> {
        let path = self.blob_path(digest);
        let Some((file, size)) = streams::open(&path)? else {
            return Err(ImageLayoutError::Missing { digest: digest.clone() });
        };
        if size > limit {
            return Err(ImageLayoutError::TooLarge { digest: digest.clone(), limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(|cause| crate::store::files::failed("read", &path, cause))?;
        let mut hasher = Hasher::like(digest);
        hasher.update(&bytes);
        let actual = hasher.finish();
        if actual != *digest {
            return Err(ImageLayoutError::Damaged { digest: digest.clone(), actual });
        }
        Ok(bytes)
    }

    /// Opens content for reading; it is verified on the way.
    pub fn open_blob(&self, content: &Descriptor) -> Result<BlobReader, ImageLayoutError> {
        let Some((file, actual)) = streams::open(&self.blob_path(&content.digest))? else {
            return Err(ImageLayoutError::Missing { digest: content.digest.clone() });
        };
        if actual != content.size {
            let (digest, expected) = (content.digest.clone(), content.size);
            return Err(ImageLayoutError::WrongSize { digest, expected, actual });
        }
        let hasher = Some(Hasher::like(&content.digest));
        Ok(BlobReader { file, expected: content.clone(), read: 0, hasher })
    }

    /// As [`ImageLayout::open_blob`], but from this byte on: its digest is not verified.
    pub fn open_blob_at(
        &self,
        content: &Descriptor,
        offset: u64,
    ) -> Result<BlobReader, ImageLayoutError> {
        let mut reader = self.open_blob(content)?;
        if offset > 0 {
            streams::skip(&mut reader.file, &self.blob_path(&content.digest), offset)?;
            (reader.read, reader.hasher) = (offset, None);
        }
        Ok(reader)
    }

    /// Reads content to its end, to know that it is what its digest says.
    pub fn verify_blob(&self, content: &Descriptor) -> Result<(), ImageLayoutError> {
        let path = self.blob_path(&content.digest);
        let mut reader = self.open_blob(content)?;
        match io::copy(&mut reader, &mut io::sink()) {
            Ok(_) => Ok(()),
            Err(error) => Err(of_reading(&path, error)),
        }
    }

    /// The manifest or index of this descriptor.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageLayoutError> {
        self.blob(&descriptor.digest, MAX_MANIFEST_BYTES)
    }

    /// Digest and size of everything that these manifests reach, themselves and the originals of
    /// twins included, as far as it is there.
    pub fn reachable<'a>(
        &self,
        roots: impl IntoIterator<Item = &'a Descriptor>,
    ) -> Result<BTreeSet<(Digest, u64)>, ImageLayoutError> {
        let mut found = BTreeSet::new();
        let mut pending: Vec<(Descriptor, usize)> =
            roots.into_iter().map(|root| (root.clone(), 0)).collect();
        let mut manifests = 0;
        while let Some((descriptor, depth)) = pending.pop() {
            pending.extend(descriptor.original().map(|original| (original, depth)));
            if !found.insert((descriptor.digest.clone(), descriptor.size)) {
                continue;
            }
            let followed = is_manifest(&descriptor.media_type) && depth < MAX_INDEX_DEPTH;
            if !followed || manifests >= MAX_IMAGE_MANIFESTS * 10 {
                continue;
            }
            manifests += 1;
            let bytes = match self.manifest(&descriptor) {
                Ok(bytes) => bytes,
                // What is not there, or no more what it was, reaches nothing.
                Err(ImageLayoutError::Missing { .. } | ImageLayoutError::Damaged { .. }) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Ok(manifest) = Manifest::parse(&descriptor.media_type, &bytes) {
                pending.extend(manifest.references().map(|child| (child.clone(), depth + 1)));
            }
        }
        Ok(found)
    }

    /// The content of all images.
    pub fn referenced(&self) -> Result<BTreeSet<Digest>, ImageLayoutError> {
        let index = self.index()?;
        let reachable = self.reachable(index.entries().map(|entry| &entry.descriptor))?;
        Ok(reachable.into_iter().map(|(digest, _)| digest).collect())
    }

    /// All content there is: digest, size in bytes, and how long ago it was written, in seconds.
    pub fn blobs(&self) -> Result<Vec<(Digest, u64, u64)>, ImageLayoutError> {
        let mut found = Vec::new();
        for path in self.base.list(&self.base.path().join(BLOBS))? {
            let Some(digest) = digest_of(&path) else { continue };
            if let Some((size, age)) = streams::size_and_age(&path) {
                found.push((digest, size, age));
            }
        }
        Ok(found)
    }
}

impl Locked<'_> {
    /// Removes content, unless somebody is about to use it; returns whether it is gone now and was
    /// there before. The caller knows that no image has it, and has read [`Locked::leased`].
    pub fn remove_blob(&self, digest: &Digest) -> Result<bool, ImageLayoutError> {
        let path = self.layout().blob_path(digest);
        Ok(streams::remove(&path)?)
    }
}

/// What reading failed with: the content, or the disk.
pub fn of_reading(path: &Path, error: io::Error) -> ImageLayoutError {
    match error.downcast::<ImageLayoutError>() {
        Ok(ours) => ours,
        Err(cause) => crate::store::files::failed("read", path, cause).into(),
    }
}

fn digest_of(path: &Path) -> Option<Digest> {
    let hex = path.file_name()?.to_str()?;
    let algorithm = path.parent()?.file_name()?.to_str()?;
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests damage files on purpose")]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::oci::ImageName;
    use crate::oci::manifest::OCI_MANIFEST;

    fn layout() -> (tempfile::TempDir, ImageLayout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = ImageLayout::new(dir.path().join("images"));
        (dir, layout)
    }

    fn content(bytes: &[u8]) -> Descriptor {
        Descriptor::new("a/b", Digest::sha256_of(bytes), bytes.len() as u64)
    }

    #[test]
    fn what_is_written_is_what_was_said_or_nothing() {
        let (_dir, layout) = layout();
        assert_eq!(layout.index().unwrap().entries().count(), 0);
        let lease = layout.lease().unwrap();
        let write = |bytes: &[u8], expected: &Descriptor| {
            let mut writer = lease.writer()?;
            writer.write(bytes)?;
            writer.finish(Some(expected))
        };
        let error = write(b"other", &content(b"right")).unwrap_err();
        assert!(matches!(error, ImageLayoutError::Mismatch { .. }), "{error}");
        let error = write(b"long", &content(b"shorter")).unwrap_err();
        assert!(matches!(error, ImageLayoutError::WrongSize { actual: 4, .. }), "{error}");
        assert_eq!(layout.blobs().unwrap().len(), 0);
        write(b"right", &content(b"right")).unwrap();
        assert!(lease.has(&content(b"right")).unwrap());
        assert_eq!(layout.blob(&content(b"right").digest, 5).unwrap(), b"right");
        let error = layout.blob(&content(b"right").digest, 4).unwrap_err();
        assert!(matches!(error, ImageLayoutError::TooLarge { limit: 4, .. }), "{error}");
        assert_eq!(std::fs::read_dir(layout.incoming()).unwrap().count(), 0);
    }

    #[test]
    fn damaged_content_is_noticed() {
        let (_dir, layout) = layout();
        let lease = layout.lease().unwrap();
        lease.put(b"right").unwrap();
        let content = content(b"right");
        let path = layout.blob_path(&content.digest);
        std::fs::write(&path, b"wrong").unwrap();
        let error = layout.blob(&content.digest, 100).unwrap_err();
        assert!(matches!(error, ImageLayoutError::Damaged { .. }), "{error}");
        let mut bytes = Vec::new();
        let error = layout.open_blob(&content).unwrap().read_to_end(&mut bytes).unwrap_err();
        let error = of_reading(&path, error);
        assert!(matches!(error, ImageLayoutError::Damaged { .. }), "{error}");
        assert!(!lease.has(&content).unwrap(), "no image has it, so it is looked at");
        lease.put(b"right").unwrap();
        layout.verify_blob(&content).unwrap();
        std::fs::write(&path, b"longer").unwrap();
        let error = layout.open_blob(&content).unwrap_err();
        assert!(matches!(error, ImageLayoutError::WrongSize { actual: 6, .. }), "{error}");
    }

    #[test]
    fn leases_are_seen_while_they_are_held() {
        let (_dir, layout) = layout();
        let lease = layout.lease().unwrap();
        let digest = lease.put(b"manifest").unwrap();
        assert_eq!(layout.lock().unwrap().leased().unwrap(), BTreeSet::from([digest.clone()]));
        lease
            .commit(|index| {
                let image = Descriptor::new(OCI_MANIFEST, digest.clone(), 8);
                index.set(&ImageName::parse("a:1").unwrap(), &image, None);
                Ok::<_, ImageLayoutError>(())
            })
            .unwrap();
        drop(lease);
        let locked = layout.lock().unwrap();
        assert_eq!(locked.leased().unwrap(), BTreeSet::new());
        assert!(layout.referenced().unwrap().contains(&digest));
        assert!(locked.remove_blob(&digest).unwrap());
        assert!(!locked.remove_blob(&digest).unwrap());
    }

    #[test]
    fn a_folder_with_other_things_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes"), "mine").unwrap();
        let layout = ImageLayout::new(dir.path().to_owned());
        let error = layout.lease().unwrap_err();
        assert!(matches!(error, ImageLayoutError::NotALayout { .. }), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
