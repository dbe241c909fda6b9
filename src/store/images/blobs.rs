//! Content by its digest: verified as it is written, and whenever it is read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::limits::{MAX_IMAGE_MANIFESTS, MAX_INDEX_DEPTH, MAX_MANIFEST_BYTES};
use crate::oci::digest::Hasher;
use crate::oci::layout::mentions;
use crate::oci::manifest::is_manifest;
use crate::oci::media_type::{Compression, DOCKER_CONFIG, OCI_CONFIG};
use crate::oci::{Descriptor, Digest, LayoutIndex, Manifest};
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
        self.lease.wrote(&digest, self.spool.name(&path)?)?;
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

    /// The size of content in bytes, if it is there; it is not read.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        streams::size_and_age(&self.blob_path(digest)).map(|(size, _)| size)
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
        // Apart from what was found: one may call a layer what is a manifest to another.
        let mut followed = BTreeSet::new();
        while let Some((descriptor, depth)) = pending.pop() {
            pending.extend(descriptor.original().map(|original| (original, depth)));
            found.insert((descriptor.digest.clone(), descriptor.size));
            let leads_on = is_manifest(&descriptor.media_type) && depth < MAX_INDEX_DEPTH;
            let enough = followed.len() >= MAX_IMAGE_MANIFESTS * 10;
            if !leads_on || enough || !followed.insert(descriptor.digest.clone()) {
                continue;
            }
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

    /// Everything that must stay as long as the index is this: all that its entries lead to, by
    /// whatever way. What cannot be followed strictly is followed by the digests it mentions, so
    /// that nothing is lost of images that others understand and we do not.
    pub fn kept(&self, index: &LayoutIndex) -> Result<BTreeSet<Digest>, ImageLayoutError> {
        self.led_to(index.mentions())
    }

    /// As [`ImageLayout::kept`], for these images alone.
    pub fn kept_by<'a>(
        &self,
        images: impl IntoIterator<Item = &'a Descriptor>,
    ) -> Result<BTreeSet<Digest>, ImageLayoutError> {
        let mut mentioned = Vec::new();
        for image in images {
            let both = [Some(image.clone()), image.original()];
            let both = both.into_iter().flatten();
            mentioned.extend(both.map(|image| (image.digest, image.media_type)));
        }
        self.led_to(mentioned)
    }

    fn led_to(
        &self,
        mut pending: Vec<(Digest, String)>,
    ) -> Result<BTreeSet<Digest>, ImageLayoutError> {
        let mut kept = BTreeSet::new();
        let mut followed = BTreeSet::new();
        while let Some((digest, media_type)) = pending.pop() {
            kept.insert(digest.clone());
            if ends_here(&media_type) || !followed.insert(digest.clone()) {
                continue;
            }
            let bytes = match self.blob(&digest, MAX_MANIFEST_BYTES) {
                Ok(bytes) => bytes,
                // What is not there, no more what it was, or too large, leads nowhere.
                Err(
                    ImageLayoutError::Missing { .. }
                    | ImageLayoutError::Damaged { .. }
                    | ImageLayoutError::TooLarge { .. },
                ) => continue,
                Err(error) => return Err(error),
            };
            if let Ok(document) = serde_json::from_slice(&bytes) {
                mentions(&document, &mut pending);
            }
        }
        Ok(kept)
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
        // Through no link: content that is kept elsewhere is not ours alone.
        Ok(self.layout().base.remove(&path)?)
    }
}

impl Locked<'_> {
    /// Removes content that no image leads to, that nobody is about to use, and that was written
    /// at least so many seconds ago; and what processes left that are gone. Returns how much
    /// content that was, and its bytes.
    pub fn remove_unused(&self, seconds: u64) -> Result<(usize, u64), ImageLayoutError> {
        let mut kept = self.layout().kept(&self.layout().index()?)?;
        kept.extend(self.leased()?);
        kept.extend(self.layout().build_steps()?.layers());
        let (mut count, mut bytes) = (0_usize, 0_u64);
        for (digest, size, age) in self.layout().blobs()? {
            if age >= seconds && !kept.contains(&digest) && self.remove_blob(&digest)? {
                count += 1;
                bytes = bytes.saturating_add(size);
            }
        }
        self.sweep();
        Ok((count, bytes))
    }
}

/// What reading failed with: the content, or the disk.
pub fn of_reading(path: &Path, error: io::Error) -> ImageLayoutError {
    match error.downcast::<ImageLayoutError>() {
        Ok(ours) => ours,
        Err(cause) => crate::store::files::failed("read", path, cause).into(),
    }
}

/// Whether content of this media type is known to lead to no other: a layer or a configuration.
fn ends_here(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG) || Compression::of_layer(media_type).is_some()
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
    use crate::oci::media_type::OCI_LAYER;
    use crate::store::StoreError;
    use crate::store::faults::{self, Mode};

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

    fn manifest(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
        let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": config, "layers": layers});
        manifest.to_string().into_bytes()
    }

    #[test]
    fn a_manifest_that_another_image_calls_a_layer_is_followed() {
        let (_dir, layout) = layout();
        let lease = layout.lease().unwrap();
        for (config, media_type) in [(b"one", OCI_CONFIG), (b"two", "application/x")] {
            lease.put(config).unwrap();
            let config = Descriptor { media_type: media_type.to_owned(), ..content(config) };
            let inner = manifest(&config, &[]);
            lease.put(&inner).unwrap();
            let as_layer = Descriptor { media_type: OCI_LAYER.to_owned(), ..content(&inner) };
            let outer = manifest(&as_layer, std::slice::from_ref(&as_layer));
            lease.put(&outer).unwrap();
            let image =
                |bytes: &[u8]| Descriptor { media_type: OCI_MANIFEST.to_owned(), ..content(bytes) };
            let images = [image(&inner), image(&outer)];
            for images in [[&images[0], &images[1]], [&images[1], &images[0]]] {
                assert!(layout.kept_by(images).unwrap().contains(&config.digest));
                let reachable = layout.reachable(images).unwrap();
                assert!(reachable.contains(&(config.digest.clone(), config.size)));
            }
        }
    }

    #[test]
    fn what_only_others_understand_is_kept() {
        let (_dir, layout) = layout();
        let lease = layout.lease().unwrap();
        let inner = lease.put(b"blob").unwrap();
        let theirs = format!(r#"{{"blobs":[{{"mediaType":"x/y","digest":"{inner}","size":4}}]}}"#);
        let theirs = lease.put(theirs.as_bytes()).unwrap();
        let index =
            format!(r#"{{"manifests":[{{"mediaType":"a/b","digest":"{theirs}","size":9}}]}}"#);
        let index = LayoutIndex::parse(index.as_bytes()).unwrap();
        assert_eq!(index.entries().count(), 0);
        assert_eq!(layout.kept(&index).unwrap(), BTreeSet::from([inner, theirs]));
    }

    #[test]
    fn content_that_is_kept_elsewhere_is_not_removed() {
        let (dir, layout) = layout();
        let lease = layout.lease().unwrap();
        let digest = lease.put(b"shared").unwrap();
        let (ours, shared) = (layout.folder().join("blobs/sha256"), dir.path().join("shared"));
        std::fs::rename(&ours, &shared).unwrap();
        std::os::unix::fs::symlink(&shared, &ours).unwrap();
        assert_eq!(layout.blob(&digest, 10).unwrap(), b"shared");
        let error = layout.lock().unwrap().remove_blob(&digest).unwrap_err();
        assert!(matches!(error, ImageLayoutError::Store(StoreError::Escape { .. })), "{error}");
        assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 1);
    }

    #[test]
    fn a_layout_that_was_about_to_be_made_when_its_maker_died_is_made() {
        let mut steps = 0;
        loop {
            let dir = tempfile::tempdir().unwrap();
            let layout = ImageLayout::new(dir.path().join("images"));
            let (_, crashed) = faults::with_fault(steps, Mode::Crash, || layout.lease().map(drop));
            let lease = layout.lease().unwrap();
            lease.put(b"content").unwrap();
            if !crashed {
                break;
            }
            steps += 1;
        }
        assert!(steps > 10, "{steps}");
    }

    #[test]
    fn what_could_not_be_protected_is_told_each_time() {
        let (_dir, layout) = layout();
        let lease = layout.lease().unwrap();
        let [a, b] = [b"a", b"b"].map(|text| Digest::sha256_of(text));
        lease.protect([&a]).unwrap();
        let full = || lease.protect([&b]);
        let (result, hit) = faults::with_fault(0, Mode::FullOnce, full);
        assert!(hit && result.is_err());
        assert_eq!(layout.lock().unwrap().leased().unwrap(), BTreeSet::from([a.clone()]));
        lease.protect([&a, &b]).unwrap();
        assert_eq!(layout.lock().unwrap().leased().unwrap(), BTreeSet::from([a, b]));
    }

    #[test]
    fn the_original_of_a_twin_is_kept_with_it_and_goes_with_it() {
        let (_dir, layout) = layout();
        let lease = layout.lease().unwrap();
        let descriptor = |digest| Descriptor::new(OCI_MANIFEST, digest, 2);
        let original = descriptor(lease.put(b"{}").unwrap());
        let twin = descriptor(lease.put(b"[]").unwrap()).twin_of(&original);
        let name = ImageName::parse("a:1").unwrap();
        let change = |index: &mut LayoutIndex| {
            index.set(&name, &twin, None);
            Ok::<_, ImageLayoutError>(())
        };
        lease.commit(change).unwrap();
        drop(lease);
        let both = BTreeSet::from([original.digest.clone(), twin.digest.clone()]);
        assert_eq!(layout.kept_by([&twin]).unwrap(), both);
        let locked = layout.lock().unwrap();
        assert_eq!(locked.remove_unused(0).unwrap().0, 0);
        assert!(layout.has_blob(&original));
        locked
            .change(|index| {
                index.remove(&name);
                Ok::<_, ImageLayoutError>(())
            })
            .unwrap();
        assert_eq!(locked.remove_unused(0).unwrap().0, 2);
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
