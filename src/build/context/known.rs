//! Contents that need not be read again to know what they are.
//!
//! For each file of a folder it is kept which state of it had which SHA-256: device, inode, length,
//! and the times of its last change of content and of anything else, to the nanosecond. A file that
//! is in the same state has the same content; but for one changed again within the same tick of the
//! clock. So what was changed within the last two seconds before it was looked at is neither kept
//! nor believed, as git does with its index.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::crypto::hash::Sha256Hash;
use crate::limits::{MAX_KNOWN_FILES, RACY_SECONDS};
use crate::store::files::{Base, PRIVATE_MODE, resolve};
use crate::store::folders::Identity;

/// What is known of the contents of files in one folder.
#[derive(Debug, Default)]
pub struct KnownFiles {
    /// Where it is kept; nowhere without it.
    place: Option<(Base, PathBuf)>,
    /// When it was loaded, in seconds since 1970.
    now: i64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was kept, until somebody finds the file again.
    before: HashMap<Identity, Sha256Hash>,
    /// What is true of files that are there now.
    present: HashMap<Identity, Sha256Hash>,
    /// Whether there is something new.
    learned: bool,
}

impl KnownFiles {
    /// What earlier builds learned of this folder; nothing if that cannot be read. `work` is the
    /// folder that builds keep things in, `now` the time in seconds since 1970.
    pub fn load(work: &Path, folder: &Path, now: i64) -> Self {
        let name = Sha256Hash::of(resolve(folder).as_os_str().as_bytes()).to_hex();
        let base = Base::new(work.to_owned());
        let path = work.join(FOLDER).join(name);
        let kept = base.read(&path, MAX_BYTES).ok().flatten();
        let before = kept.and_then(|kept| decode(&kept.bytes)).unwrap_or_default();
        let state = Mutex::new(State { before, ..State::default() });
        Self { place: Some((base, path)), now, state }
    }

    /// The content of a file that is in this state now, if it is known.
    pub(super) fn find(&self, identity: &Identity) -> Option<Sha256Hash> {
        if !self.is_settled(identity) {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = state.before.remove(identity) {
            state.present.insert(*identity, hash);
        }
        state.present.get(identity).copied()
    }

    /// Takes note of the content that a file in this state has.
    pub(super) fn learn(&self, identity: &Identity, hash: Sha256Hash) {
        if !self.is_settled(identity) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.learned |= state.present.insert(*identity, hash) != Some(hash);
    }

    /// Whether a file in this state was changed so long ago that it would be in another one had it
    /// been changed since.
    pub(super) fn is_settled(&self, identity: &Identity) -> bool {
        let settled = self.now.saturating_sub(RACY_SECONDS);
        identity.modified.0 < settled && identity.changed.0 < settled
    }

    /// Keeps what is known for later builds, as far as that can be done; what is known of files that
    /// are not there any more is forgotten.
    pub fn save(&self) {
        let Some((base, path)) = &self.place else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = !state.before.is_empty();
        if !(state.learned || gone) {
            return;
        }
        // Without it the next build reads more, and comes to the same.
        if let Err(error) = base.write(path, &encode(&state.present), PRIVATE_MODE) {
            tracing::debug!(%error, "contents of the context are not remembered");
        }
        state.learned = false;
    }
}

fn encode(known: &HashMap<Identity, Sha256Hash>) -> Vec<u8> {
    let mut known: Vec<_> = known.iter().take(MAX_KNOWN_FILES).collect();
    known.sort_unstable();
    let mut bytes = MAGIC.to_vec();
    for (identity, hash) in known {
        let Identity { device, inode, size, modified, changed } = identity;
        for number in [*device, *inode, *size] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for (seconds, nanoseconds) in [modified, changed] {
            bytes.extend_from_slice(&seconds.to_le_bytes());
            bytes.extend_from_slice(&nanoseconds.to_le_bytes());
        }
        bytes.extend_from_slice(&hash.0);
    }
    let sum = Sha256Hash::of(&bytes);
    bytes.extend_from_slice(&sum.0);
    bytes
}

/// `None` if it was damaged, or is of another version.
fn decode(bytes: &[u8]) -> Option<HashMap<Identity, Sha256Hash>> {
    let (rest, sum) = bytes.split_last_chunk::<32>()?;
    if Sha256Hash::of(rest).0 != *sum {
        return None;
    }
    let records = rest.strip_prefix(MAGIC)?.chunks_exact(RECORD);
    records.remainder().is_empty().then_some(())?;
    records.map(record).collect()
}

fn record(mut bytes: &[u8]) -> Option<(Identity, Sha256Hash)> {
    let bytes = &mut bytes;
    let [device, inode, size] = [number(bytes)?, number(bytes)?, number(bytes)?];
    let modified = (i64::from_le_bytes(take(bytes)?), u32::from_le_bytes(take(bytes)?));
    let changed = (i64::from_le_bytes(take(bytes)?), u32::from_le_bytes(take(bytes)?));
    Some((Identity { device, inode, size, modified, changed }, Sha256Hash(take(bytes)?)))
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(bytes)?))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// Where it is kept under the builds' folder, a file a context.
const FOLDER: &str = "contexts";
const MAGIC: &[u8] = b"trust known files 1\n";
/// Three numbers, two times and a hash.
const RECORD: usize = 3 * 8 + 2 * 12 + 32;
const MAX_BYTES: u64 = (MAX_KNOWN_FILES * RECORD) as u64 + 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(inode: u64, modified: i64) -> Identity {
        let (modified, changed) = ((modified, 1), (modified, 2));
        Identity { device: 1, inode, size: 3, modified, changed }
    }

    #[test]
    fn what_was_learned_is_known_to_the_next_build() {
        let dir = tempfile::tempdir().unwrap();
        let (hash, folder) = (Sha256Hash::of(b"x"), Path::new("/somewhere"));
        let first = KnownFiles::load(dir.path(), folder, 1000);
        assert_eq!(first.find(&identity(1, 5)), None);
        first.learn(&identity(1, 5), hash);
        first.learn(&identity(2, 5), hash);
        first.save();
        let next = KnownFiles::load(dir.path(), folder, 1000);
        assert_eq!(next.find(&identity(1, 5)), Some(hash));
        assert_eq!(next.find(&identity(1, 6)), None, "in another state");
        assert_eq!(KnownFiles::load(dir.path(), Path::new("/x"), 1000).find(&identity(1, 5)), None);
        next.save();
        let last = KnownFiles::load(dir.path(), folder, 1000);
        assert_eq!(last.find(&identity(2, 5)), None, "nobody found the file again");
        assert_eq!(last.find(&identity(1, 5)), Some(hash));
    }

    #[test]
    fn what_was_changed_just_now_is_neither_kept_nor_believed() {
        let dir = tempfile::tempdir().unwrap();
        let hash = Sha256Hash::of(b"x");
        let known = KnownFiles::load(dir.path(), dir.path(), 1000);
        for modified in [998, 1000, 2000] {
            known.learn(&identity(1, modified), hash);
            assert_eq!(known.find(&identity(1, modified)), None, "{modified}");
        }
        known.learn(&identity(1, 997), hash);
        assert_eq!(known.find(&identity(1, 997)), Some(hash));
        known.save();
        let earlier = KnownFiles::load(dir.path(), dir.path(), 999);
        assert_eq!(earlier.find(&identity(1, 997)), None, "by a clock that was set back");
    }

    #[test]
    fn damage_is_as_if_nothing_was_kept() {
        let mut known = HashMap::new();
        known.insert(identity(7, 7), Sha256Hash::of(b"7"));
        let whole = encode(&known);
        assert_eq!(decode(&whole), Some(known));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&whole[..at]), None, "cut at {at}");
        }
    }
}
