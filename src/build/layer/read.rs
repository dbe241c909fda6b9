//! A layer of the layout on top of files.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::build::content::{Bytes, Content, Files, hash_of};
use crate::build::held::Held;
use crate::build::layer::index::{Indexed, LayerIndex, is_held};
use crate::crypto::hash::{ExpectedContent, Sha256Hash};
use crate::oci::archive::{ArchiveReader, Entry, Expander, Expansion};
use crate::oci::{Descriptor, Digest};
use crate::store::ImageLayout;
use crate::store::images::BlobReader;
use crate::store::images::layer_archive::{LayerError, read_layer};
use crate::store::streams::Scratch;

/// Puts a layer on top of files. `work` is the folder that builds keep things in: what is in a layer
/// is remembered there, so that it is unpacked again only when a content is wanted.
pub fn read(
    layout: &ImageLayout,
    layer: &Descriptor,
    diff_id: &Digest,
    files: &mut Files,
    work: &Path,
) -> Result<(), LayerError> {
    let index = if let Some(index) = LayerIndex::load(work, diff_id) {
        index
    } else {
        let index = unpacked(layout, layer, diff_id)?;
        index.save(work, diff_id);
        index
    };
    let source = Arc::new(LayerSource {
        layout: layout.clone(),
        layer: layer.clone(),
        diff_id: diff_id.clone(),
        work: work.to_owned(),
        spool: OnceLock::new(),
        state: Mutex::default(),
    });
    files.begin_layer();
    let mut at = 0_u64;
    for Indexed { entry, sha256, held } in index.entries {
        let begins = at;
        at = at.saturating_add(entry.size);
        let placed = files.apply(&entry);
        let placed = placed.map_err(|error| LayerError::of(layer.digest.as_str(), error))?;
        if let Some(id) = placed.filter(|_| entry.size > 0)
            && let Some(sha256) = sha256
        {
            let source = Arc::clone(&source);
            let size = entry.size;
            files.set_content(
                id,
                match held {
                    Some(held) => Arc::new(Held::new(held)) as Content,
                    None => Arc::new(LayerFile { source, at: begins, size, sha256 }),
                },
            );
        }
    }
    Ok(())
}

/// What is in a layer, all of it read.
fn unpacked(
    layout: &ImageLayout,
    layer: &Descriptor,
    diff_id: &Digest,
) -> Result<LayerIndex, LayerError> {
    let of = |error: io::Error| LayerError::of(layer.digest.as_str(), error);
    let mut index = LayerIndex::default();
    let take = |entry: &Entry, content: &mut dyn Read| {
        let (mut sha256, mut held) = (None, None);
        if is_held(entry) {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(of)?;
            (sha256, held) = (Some(Sha256Hash::of(&bytes)), Some(bytes));
        } else if entry.size > 0 {
            sha256 = Some(hash_of(content).map_err(of)?.0);
        }
        index.add(entry.clone(), sha256, held);
        Ok::<(), LayerError>(())
    };
    read_layer(layout, layer, diff_id, Expansion::default(), take)?;
    Ok(index)
}

/// A layer that contents are read from.
///
/// They are mostly wanted in the order in which the layer has them: then it is unpacked as far as
/// that takes, and nothing is kept. If they are not, it is unpacked as a whole into a hidden file,
/// which is gone with the last of them.
#[derive(Debug)]
struct LayerSource {
    layout: ImageLayout,
    layer: Descriptor,
    diff_id: Digest,
    work: PathBuf,
    spool: OnceLock<Scratch>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often it was begun to be unpacked.
    begun: usize,
    /// Where somebody stopped reading.
    passage: Option<Passage>,
}

/// A layer that is read from its beginning on.
#[derive(Debug)]
struct Passage {
    archive: ArchiveReader<Expander<BlobReader>>,
    /// Where the next content begins among all contents, in bytes.
    next: u64,
}

impl LayerSource {
    /// Begins to read the content that is at this place.
    fn open(&self, file: &LayerFile) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spool) = self.spool.get() {
            return Ok(Box::new(spool.part(file.at, file.size)));
        }
        let passage = state.passage.take().filter(|passage| passage.next <= file.at);
        let mut passage = match passage {
            Some(passage) => passage,
            None if state.begun < PASSAGES => {
                state.begun += 1;
                Passage { archive: self.archive()?, next: 0 }
            }
            None => {
                let spool = self.spooled()?;
                return Ok(Box::new(spool.part(file.at, file.size)));
            }
        };
        drop(state);
        passage.go_to(file)?;
        let expected = ExpectedContent::new(file.size, file.sha256);
        Ok(Box::new(PassageReader { source: self, passage: Some(passage), expected }))
    }

    fn archive(&self) -> io::Result<ArchiveReader<Expander<BlobReader>>> {
        let blob = self.layout.open_blob(&self.layer).map_err(io::Error::other)?;
        Ok(ArchiveReader::new(Expander::new(blob, Expansion::default())?))
    }

    /// The contents of all files, one after the other in the order of the entries.
    fn spooled(&self) -> io::Result<&Scratch> {
        let mut scratch = Scratch::begin(&self.work).map_err(io::Error::other)?;
        let take = |entry: &Entry, content: &mut dyn Read| {
            if entry.size > 0 {
                let written = io::copy(content, &mut scratch);
                written.map_err(|error| LayerError::of(self.layer.digest.as_str(), error))?;
            }
            Ok::<(), LayerError>(())
        };
        read_layer(&self.layout, &self.layer, &self.diff_id, Expansion::default(), take)
            .map_err(io::Error::other)?;
        Ok(self.spool.get_or_init(|| scratch))
    }
}

impl Passage {
    /// Goes on to a content.
    fn go_to(&mut self, file: &LayerFile) -> io::Result<()> {
        while let Some(entry) = self.archive.next_entry()? {
            let begins = self.next;
            self.next = begins.saturating_add(entry.size);
            if begins == file.at && entry.size > 0 {
                return if entry.size == file.size { Ok(()) } else { Err(no_more()) };
            }
        }
        Err(no_more())
    }
}

/// Reads one content, which must be what it is known to be.
struct PassageReader<'a> {
    source: &'a LayerSource,
    /// Given back at the end.
    passage: Option<Passage>,
    expected: ExpectedContent,
}

impl Read for PassageReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(passage) = &mut self.passage else { return Ok(0) };
        let count = passage.archive.read(buffer)?;
        if !self.expected.takes(buffer.get(..count).unwrap_or_default()) {
            return Err(no_more());
        }
        Ok(count)
    }
}

impl Drop for PassageReader<'_> {
    fn drop(&mut self) {
        let mut state = self.source.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.passage = self.passage.take();
    }
}

/// Somebody changed the layer since it was looked through.
fn no_more() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the layer is not any more what it was")
}

/// The content of a file in a layer.
#[derive(Debug)]
struct LayerFile {
    source: Arc<LayerSource>,
    /// Where it is among the contents of the layer, in bytes.
    at: u64,
    size: u64,
    sha256: Sha256Hash,
}

impl Bytes for LayerFile {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        self.source.open(self)
    }

    fn sha256(&self) -> io::Result<Sha256Hash> {
        Ok(self.sha256)
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        Some(self.sha256)
    }
}

/// How often a layer is unpacked from its beginning before it is unpacked into a file.
const PASSAGES: usize = 2;
