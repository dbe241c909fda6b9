//! The layers of images as folders that are kept, each made once.
//!
//! A folder is named by the layer and all below it (the image-spec's chain id): where an entry goes
//! may depend on a link of a lower layer, and a folder that a layer says nothing of looks as it does
//! below. It gets its name when it is whole; after the machine was started anew none is believed,
//! for nothing here waits for the disk.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, mkdirat, openat, renameat_with,
};
use rustix::io::Errno;
use uuid::Uuid;

use crate::oci::archive::{Expansion, Time};
use crate::oci::image_config::chain_ids;
use crate::oci::{Descriptor, Digest};
use crate::store::ImageLayout;
use crate::store::images::layer_archive::read_layer;
use crate::store::roots::unpack::{Style, Unpacker};
use crate::store::roots::{Marks, RootsError, beneath, failed, remove, unpack};

/// Folders of layers. While a value lives, nobody takes them away.
#[derive(Debug)]
pub struct Layers {
    path: PathBuf,
    folder: OwnedFd,
    marks: Marks,
}

impl Layers {
    /// Opens the folder that they are in, and makes it if it is not there. `owners` tells folders
    /// apart whose files have other owners on disk.
    pub fn open(work: &Path, owners: &str, marks: Marks) -> Result<Self, RootsError> {
        let of = |action, error| failed(action, b"layers", error);
        let work_folder = beneath::folder(work).map_err(|error| of("open", error))?;
        let name = format!("layers-{owners}-{}", boot());
        make(&work_folder, name.as_bytes()).map_err(|error| of("create", error))?;
        let folder = beneath::open_folder(work_folder.as_fd(), name.as_bytes());
        let folder = folder.map_err(|error| of("open", error))?;
        let layers = Self { path: work.join(name), folder, marks };
        // Only who is alone here takes away what others left.
        if flock(&layers.folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            layers.sweep(&work_folder, owners)?;
        }
        let held = flock(&layers.folder, FlockOperation::LockShared);
        held.map_err(|error| of("lock", error))?;
        Ok(layers)
    }

    /// The folders of these layers, base first; those that are not there are made.
    pub fn lay_out(
        &self,
        layout: &ImageLayout,
        layers: &[(Descriptor, Digest)],
    ) -> Result<Vec<PathBuf>, RootsError> {
        let diff_ids: Vec<Digest> = layers.iter().map(|(_, diff_id)| diff_id.clone()).collect();
        let mut folders: Vec<PathBuf> = Vec::new();
        let mut below: Vec<OwnedFd> = Vec::new();
        for ((layer, diff_id), chain) in layers.iter().zip(chain_ids(&diff_ids)) {
            let name = chain.hex().to_owned();
            let folder = match beneath::open_folder(self.folder.as_fd(), name.as_bytes()) {
                Ok(folder) => folder,
                Err(Errno::NOENT) => self.make(layout, layer, diff_id, &below, &name)?,
                Err(error) => return Err(failed("open", name.as_bytes(), error)),
            };
            folders.push(self.path.join(name));
            below.insert(0, folder);
        }
        Ok(folders)
    }

    fn make(
        &self,
        layout: &ImageLayout,
        layer: &Descriptor,
        diff_id: &Digest,
        below: &[OwnedFd],
        name: &str,
    ) -> Result<OwnedFd, RootsError> {
        let of = |action, error| failed(action, name.as_bytes(), error);
        let temporary = format!("{UNFINISHED}{}", Uuid::new_v4());
        mkdirat(&self.folder, temporary.as_str(), Mode::RWXU)
            .map_err(|error| of("create", error))?;
        let folder = beneath::open_folder(self.folder.as_fd(), temporary.as_bytes());
        let folder = folder.map_err(|error| of("open", error))?;
        let below: Result<Vec<OwnedFd>, _> = below.iter().map(OwnedFd::try_clone).collect();
        let below = below.map_err(|cause| RootsError::Io {
            action: "open",
            path: name.to_owned(),
            cause,
        })?;
        let unpacked = folder.try_clone().map_err(|cause| RootsError::Io {
            action: "open",
            path: name.to_owned(),
            cause,
        })?;
        let made =
            Unpacker::new(unpacked, below, Style::Layer(self.marks)).and_then(|mut unpacker| {
                let expansion = Expansion::default();
                read_layer::<RootsError>(layout, layer, diff_id, expansion, |entry, content| {
                    unpacker.entry(entry, content)
                })?;
                unpacker.finish()
            });
        if let Err(error) = made {
            // What cannot be removed now is swept by whoever comes next.
            drop(remove::remove(self.folder.as_fd(), temporary.as_bytes()));
            return Err(error);
        }
        let folder_fd = self.folder.as_fd();
        match renameat_with(folder_fd, temporary.as_str(), folder_fd, name, RenameFlags::NOREPLACE)
        {
            Ok(()) => {}
            // Somebody else made the same one meanwhile.
            Err(Errno::EXIST) => remove::remove(folder_fd, temporary.as_bytes())?,
            Err(error) => return Err(of("name", error)),
        }
        beneath::open_folder(folder_fd, name.as_bytes()).map_err(|error| of("open", error))
    }

    /// Makes what a command wrote the folder of a layer, under the layer's chain id. `gone` is not
    /// part of the layer and goes, innermost last; `dated` gets the time.
    pub fn adopt(
        &self,
        parent: &OwnedFd,
        folder: &[u8],
        chain: &str,
        (gone, dated): (&[&[u8]], &[&[u8]]),
        epoch: i64,
    ) -> Result<(), RootsError> {
        let of = |error| failed("adopt", folder, error);
        let top = beneath::open_folder(parent.as_fd(), folder).map_err(of)?;
        let split = |path: &'_ [u8]| -> Result<(OwnedFd, Vec<u8>), RootsError> {
            let cut = path.iter().rposition(|byte| *byte == b'/');
            let (above, name) = match cut {
                Some(cut) => (path.get(..cut), path.get(cut + 1..)),
                None => (Some(&b""[..]), Some(path)),
            };
            let above = beneath::open_folder(top.as_fd(), above.unwrap_or_default());
            Ok((above.map_err(of)?, name.unwrap_or_default().to_vec()))
        };
        for path in gone.iter().rev() {
            let (above, name) = split(path)?;
            remove::remove(above.as_fd(), &name)?;
        }
        let time = Time { seconds: epoch, nanoseconds: 0 };
        for path in dated.iter().rev() {
            let (above, name) = split(path)?;
            let name = if name.is_empty() { b".".to_vec() } else { name };
            unpack::set_time(&above, &name, time).map_err(of)?;
        }
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(parent, folder, &self.folder, chain, flags) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(of(error)),
        }
    }

    /// Makes one folder of all layers: nothing needs to be mounted to use it.
    pub fn flatten(
        layout: &ImageLayout,
        layers: &[(Descriptor, Digest)],
        folder: OwnedFd,
    ) -> Result<(), RootsError> {
        let mut unpacker = Unpacker::new(folder, Vec::new(), Style::Flat)?;
        for (layer, diff_id) in layers {
            unpacker.begin_layer();
            let expansion = Expansion::default();
            read_layer::<RootsError>(layout, layer, diff_id, expansion, |entry, content| {
                unpacker.entry(entry, content)
            })?;
        }
        unpacker.finish()
    }

    /// Takes away what was never finished, and the folders of earlier starts of the machine.
    fn sweep(&self, work: &OwnedFd, owners: &str) -> Result<(), RootsError> {
        let of = |error| failed("sweep", b"layers", error);
        for name in remove::names(self.folder.as_fd()).map_err(of)? {
            if name.starts_with(b".") {
                remove::remove(self.folder.as_fd(), &name)?;
            }
        }
        let (ours, prefix) = (format!("layers-{owners}-{}", boot()), format!("layers-{owners}-"));
        for name in remove::names(work.as_fd()).map_err(of)? {
            if name.starts_with(prefix.as_bytes()) && name != ours.as_bytes() {
                remove_unused(work, &name);
            }
        }
        Ok(())
    }
}

/// Removes a folder that nobody holds a lock on; what cannot be removed stays.
pub fn remove_unused(parent: &OwnedFd, name: &[u8]) {
    if let Ok(folder) = beneath::open_folder(parent.as_fd(), name)
        && flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
    {
        drop(remove::remove(parent.as_fd(), name));
    }
}

/// Makes a folder of ours, if it is not there.
pub fn make(parent: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Which start of the machine this is, in a few letters.
fn boot() -> String {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut bytes = [0; 36];
    let id = openat(CWD, "/proc/sys/kernel/random/boot_id", flags, Mode::empty())
        .and_then(|file| rustix::io::read(&file, &mut bytes[..]));
    let length = id.unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
    text.chars().filter(char::is_ascii_hexdigit).take(12).collect()
}

const UNFINISHED: &str = ".new-";
