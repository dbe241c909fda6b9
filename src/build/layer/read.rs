//! A layer of the layout on top of files.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::build::content::{Bytes, Content, Files, hash_of};
use crate::build::held::Held;
use crate::build::layer::index::{Indexed, LayerIndex, is_held};
use crate::crypto::hash::Sha256Hash;
use crate::oci::archive::{Entry, Expansion};
use crate::oci::{Descriptor, Digest};
use crate::store::ImageLayout;
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
    let index = match LayerIndex::load(work, diff_id) {
        Some(index) => index,
        None => {
            let index = unpacked(layout, layer, diff_id)?;
            index.save(work, diff_id);
            index
        }
    };
    let source = Arc::new(LayerSource {
        layout: layout.clone(),
        layer: layer.clone(),
        diff_id: diff_id.clone(),
        work: work.to_owned(),
        spool: OnceLock::new(),
        spooling: Mutex::new(()),
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

/// A layer that contents are read from. It is unpacked into a hidden file when somebody wants one,
/// and that is gone with the last of them.
#[derive(Debug)]
struct LayerSource {
    layout: ImageLayout,
    layer: Descriptor,
    diff_id: Digest,
    work: PathBuf,
    spool: OnceLock<Scratch>,
    spooling: Mutex<()>,
}

impl LayerSource {
    /// The contents of all files, one after the other in the order of the entries.
    fn spool(&self) -> io::Result<&Scratch> {
        let _one = self.spooling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spool) = self.spool.get() {
            return Ok(spool);
        }
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
        Ok(Box::new(self.source.spool()?.part(self.at, self.size)))
    }

    fn sha256(&self) -> io::Result<Sha256Hash> {
        Ok(self.sha256)
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        Some(self.sha256)
    }
}
