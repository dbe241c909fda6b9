//! The trust cache: a repository's metadata as it was received.
//!
//! `<base>/tuf/<gun>/metadata/` holds one file a role, in docker's layout. A commit writes the new
//! files to `.trust-pending/` beside it, renames that folder to `.trust-commit/` — from here on the
//! new state is the state — and moves each file to its place. Whoever finds a `.trust-commit/`
//! finishes it; whoever finds a `.trust-pending/` throws it away; a reader who may not write reads
//! through it. A single file needs no `.trust-commit/`: its own rename is the commit.
//!
//! The power may go as well, and what was not synced is then lost or not, in any order. Hence:
//!
//! 1. Before the commit all it stands on is synced: the files, `.trust-pending/`, the repository's
//!    folder and what holds new folders.
//! 2. Before the first file is moved, by whomever, the repository's folder is: were the commit
//!    lost, some moves might not be.
//! 3. Before `.trust-commit/` is removed, all folders of `metadata/` are.
//! 4. The removal is not synced. Should `.trust-commit/` come back, it holds what it held or less
//!    and is finished again, which changes nothing, for no later commit can have happened: that
//!    would have begun with step 1, which makes the removal last.
//!
//! Other programs write to `metadata/` and know nothing of all this. So the commit says what lay in
//! each place when it was made; what lies there else by the time somebody finishes it is newer and
//! stays.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::limits::{
    MAX_CONFIGURED_BYTES, MAX_REMOVALS_BYTES, MAX_REPLACED_BYTES, MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES,
};
use crate::store::StoreError;
use crate::store::files::{Base, FileLock, LockKind, PRIVATE_MODE, Unsynced, exists};
use crate::tuf::{Gun, RoleName};

/// The cached metadata of one repository, `<base>/tuf/<gun>/metadata`.
///
/// Nothing is verified here: bytes go in and come out as they were.
#[derive(Debug, Clone)]
pub struct MetadataCache {
    base: Base,
    /// `<base>/tuf/<gun>`
    folder: PathBuf,
    gun: String,
}

impl MetadataCache {
    /// Names the cache of a repository; `folder` is `<base>/tuf/<gun>`.
    pub(crate) fn new(base: Base, folder: PathBuf, gun: &Gun) -> Self {
        Self { base, folder, gun: gun.as_str().to_owned() }
    }

    /// Whether a change of the cache was begun and not ended: by a process that is at it, or by one
    /// that crashed. The next [`Self::read`] finishes or undoes the latter.
    pub fn is_being_changed(&self) -> bool {
        self.is_unfinished()
    }

    /// Returns all cached roles; finishes or undoes an interrupted commit first.
    ///
    /// Creates nothing. Files that are no role's are ignored; so is a file beyond its role's limit
    /// (as if it were missing: the server has a better one), except an oversized root, which is an
    /// error, for a root must never be forgotten by accident.
    pub fn read(&self) -> Result<BTreeMap<RoleName, Vec<u8>>, StoreError> {
        loop {
            let lock = self.lock_if_present(LockKind::Shared)?;
            if lock.is_some() && self.is_unfinished() {
                drop(lock);
                // If it is not writable, the commit, if it came to that, is read through.
                drop(self.finish());
                let _lock = self.lock_if_present(LockKind::Shared)?;
                return self.read_through();
            }
            let roles = self.read_through()?;
            // The very first commit may have begun meanwhile.
            if lock.is_some() || self.lock_if_present(LockKind::Shared)?.is_none() {
                return Ok(roles);
            }
        }
    }

    /// Replaces and removes files so that a crash leaves all of the old or all of the new.
    ///
    /// A role in both `put` and `remove` is put. Changes that change nothing write nothing. When
    /// the disk is full or read-only the old state stays, and the error says so
    /// ([`StoreError::is_unwritable`]).
    pub fn commit(
        &self,
        put: &BTreeMap<RoleName, Vec<u8>>,
        remove: &[RoleName],
    ) -> Result<(), StoreError> {
        if !self.is_unfinished() && self.changes(put, remove)?.is_empty() {
            return Ok(());
        }
        // Not to wait for the disk to make them and then again for what they hold.
        let made = self.base.make_folder(&self.folder)?;
        let _lock = self.lock()?;
        self.recover()?;
        self.write_changes(&self.changes(put, remove)?, made)
    }

    /// Forgets the repository's metadata; keys and staged changes stay.
    pub fn clear(&self) -> Result<(), StoreError> {
        if self.read()?.is_empty() {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.recover()?;
        let roles: Vec<RoleName> = self.placed()?.into_iter().map(|(role, _)| role).collect();
        let nothing = BTreeMap::new();
        self.write_changes(&self.changes(&nothing, &roles)?, Vec::new())
    }

    /// When a server last confirmed what is cached, to the hour; `None` if that is not known, as
    /// after docker or notary filled the cache.
    pub fn last_update(&self) -> Option<Timestamp> {
        let file = self.base.read(&self.folder.join(SEEN), MAX_SEEN_BYTES).ok()??;
        std::str::from_utf8(&file.bytes).ok()?.trim().parse().ok()
    }

    /// Remembers when a server confirmed what is cached; an hour more or less is not written.
    pub fn record_update(&self, now: Timestamp) -> Result<(), StoreError> {
        let known = self.last_update();
        if known.is_some_and(|known| now.duration_since(known) < SEEN_PRECISION) {
            return Ok(());
        }
        self.base.write(&self.folder.join(SEEN), format!("{now}\n").as_bytes(), PRIVATE_MODE)
    }

    /// Leaves out what is as it should be already.
    fn changes<'a>(
        &self,
        put: &'a BTreeMap<RoleName, Vec<u8>>,
        remove: &'a [RoleName],
    ) -> Result<Changes<'a>, StoreError> {
        let mut changes = Changes::default();
        for (role, bytes) in put {
            let there = self.there(role)?;
            if there != There::File(Sha256Hash::of(bytes)) {
                changes.put.push((role, bytes));
                changes.replaced.insert(role, there);
            }
        }
        for role in remove.iter().filter(|role| !put.contains_key(role)) {
            let there = self.there(role)?;
            if there != There::Nothing {
                changes.remove.push(role);
                changes.replaced.insert(role, there);
            }
        }
        Ok(changes)
    }

    /// What lies where a role's file belongs.
    fn there(&self, role: &RoleName) -> Result<There, StoreError> {
        match self.base.read(&self.place(role), limit_of(role)) {
            Ok(Some(file)) => Ok(There::File(Sha256Hash::of(&file.bytes))),
            Ok(None) => Ok(There::Nothing),
            Err(StoreError::TooLarge { .. }) => Ok(There::TooLarge),
            Err(error) => Err(error),
        }
    }

    /// Takes the steps of the module's documentation. The lock is held and nothing is unfinished.
    fn write_changes(
        &self,
        changes: &Changes<'_>,
        unsynced: Vec<Unsynced>,
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return self.base.sync_all(unsynced);
        }
        let staged = self.stage(changes, unsynced);
        if staged.is_err() {
            // What is wrong with the disk is told by the first error.
            drop(self.discard(&self.pending()));
            return staged;
        }
        // A single file is its own commit point.
        if let (&[(role, _)], []) = (changes.put.as_slice(), changes.remove.as_slice()) {
            let place = self.place(role);
            self.base.rename(&self.pending().join(staged_name(role)), &place)?;
            self.sync_folder_of(&place)?;
            return self.discard(&self.pending());
        }
        self.base.rename(&self.pending(), &self.committed())?;
        self.apply()
    }

    /// Writes `.trust-pending/` and the folders of the new files, and syncs it all.
    ///
    /// `.trust-pending/` comes first: as long as it is there, [`MetadataCache::recover`] syncs what
    /// a crashed process did not.
    fn stage(&self, changes: &Changes<'_>, mut unsynced: Vec<Unsynced>) -> Result<(), StoreError> {
        let pending = self.pending();
        unsynced.extend(self.base.make_folder(&pending)?);
        for (role, _) in &changes.put {
            if let Some(folder) = self.place(role).parent() {
                unsynced.extend(self.base.make_folder(folder)?);
            }
        }
        for (role, bytes) in &changes.put {
            unsynced.push(self.base.stage(&pending.join(staged_name(role)), bytes)?);
            if unsynced.len() >= MAX_UNSYNCED {
                self.base.sync_all(std::mem::take(&mut unsynced))?;
            }
        }
        if !changes.remove.is_empty() {
            let names: Vec<&str> = changes.remove.iter().map(|role| role.as_str()).collect();
            let removals = self.base.stage(&pending.join(REMOVALS), names.join("\n").as_bytes())?;
            unsynced.push(removals);
        }
        if changes.put.len() > 1 || !changes.remove.is_empty() {
            let replaced = changes.replaced.iter().map(|(role, there)| format!("{role} {there}"));
            let replaced = replaced.collect::<Vec<_>>().join("\n");
            unsynced.push(self.base.stage(&pending.join(REPLACED), replaced.as_bytes())?);
        }
        unsynced.push(self.base.changed(&pending)?);
        unsynced.push(self.base.changed(&self.folder)?);
        if !self.base.has(&self.place(&RoleName::Root)) {
            // Whoever made the folders above may have crashed before they were synced.
            let above = self.folder.ancestors().skip(1);
            for folder in above.take_while(|folder| folder.starts_with(self.base.path())) {
                unsynced.push(self.base.changed(folder)?);
            }
        }
        self.base.sync_all(unsynced)
    }

    /// Finishes or undoes what a crashed process left. The exclusive lock is held.
    fn recover(&self) -> Result<(), StoreError> {
        if self.base.has_folder(&self.committed()) {
            self.apply()?;
        } else if self.base.has_folder(&self.pending()) {
            // A single file may have been moved and not synced.
            self.base.sync_all(self.metadata_folders()?)?;
        }
        self.discard(&self.pending())
    }

    /// Takes the exclusive lock, which exists, and recovers.
    fn finish(&self) -> Result<(), StoreError> {
        let _lock = self.lock_if_present(LockKind::Exclusive)?;
        self.recover()
    }

    /// Moves the files of the commit to their places; may be repeated after a crash at any point.
    fn apply(&self) -> Result<(), StoreError> {
        self.base.sync(&self.folder)?;
        let commit = self.read_commit()?;
        let mut unsynced = Vec::new();
        for role in &commit.remove {
            self.base.remove(&self.place(role))?;
        }
        for (role, staged) in &commit.put {
            let place = self.place(role);
            if let Some(folder) = place.parent() {
                unsynced.extend(self.base.make_folder(folder)?);
            }
            self.base.rename(staged, &place)?;
        }
        // All folders, for a crashed process may have moved files that are not listed any more.
        unsynced.extend(self.metadata_folders()?);
        for role in commit.remove.iter().chain(commit.put.keys()) {
            // The list does not follow links.
            if let Some(folder) = self.place(role).parent().filter(|folder| exists(folder)) {
                unsynced.push(self.base.changed(folder)?);
            }
        }
        self.base.sync_all(unsynced)?;
        self.discard(&self.committed())
    }

    fn metadata_folders(&self) -> Result<Vec<Unsynced>, StoreError> {
        let folders = self.base.list_folders(&self.folder.join(METADATA))?;
        folders.iter().map(|folder| self.base.changed(folder)).collect()
    }

    /// Removes the folder of a commit and what is left in it, if it is there.
    fn discard(&self, folder: &Path) -> Result<(), StoreError> {
        if !self.base.has_folder(folder) {
            return Ok(());
        }
        for file in self.base.list(folder)? {
            self.base.remove(&file)?;
        }
        self.base.remove_empty(folder)?;
        Ok(())
    }

    /// Reads the files in place, and over them those of an unfinished commit.
    fn read_through(&self) -> Result<BTreeMap<RoleName, Vec<u8>>, StoreError> {
        let mut files: BTreeMap<RoleName, PathBuf> = self.placed()?.into_iter().collect();
        let commit = self.read_commit()?;
        files.retain(|role, _| !commit.remove.contains(role));
        files.extend(commit.put);
        let mut roles = BTreeMap::new();
        for (role, path) in files {
            match self.base.read(&path, limit_of(&role)) {
                Ok(Some(file)) => {
                    roles.insert(role, file.bytes);
                }
                Ok(None) => {}
                Err(StoreError::TooLarge { .. }) if role != RoleName::Root => {}
                Err(error) => return Err(error),
            }
        }
        Ok(roles)
    }

    /// Lists the roles' files that are in place.
    fn placed(&self) -> Result<Vec<(RoleName, PathBuf)>, StoreError> {
        let base_roles =
            [RoleName::Root, RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets];
        let mut found: Vec<(RoleName, PathBuf)> = base_roles
            .into_iter()
            .map(|role| (self.place(&role), role))
            .filter(|(place, _)| self.base.has(place))
            .map(|(place, role)| (role, place))
            .collect();
        let metadata = self.folder.join(METADATA);
        for path in self.base.list(&metadata.join(RoleName::Targets.as_str()))? {
            let Ok(inner) = path.strip_prefix(&metadata) else { continue };
            let Some(name) = inner.to_str().and_then(|text| text.strip_suffix(".json")) else {
                continue;
            };
            if let Ok(role) = RoleName::parse(name) {
                found.push((role, path));
            }
        }
        Ok(found)
    }

    fn read_commit(&self) -> Result<Commit, StoreError> {
        let committed = self.committed();
        let mut commit = Commit::default();
        for path in self.base.list(&committed)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if let Some(role) = role_of_staged(name) {
                commit.put.insert(role, path);
            }
        }
        if let Some(list) = self.base.read(&committed.join(REMOVALS), MAX_REMOVALS_BYTES)? {
            let text = String::from_utf8_lossy(&list.bytes);
            commit.remove.extend(text.lines().filter_map(|name| RoleName::parse(name).ok()));
        }
        let mut replaced = BTreeMap::new();
        if let Some(list) = self.base.read(&committed.join(REPLACED), MAX_REPLACED_BYTES)? {
            let text = String::from_utf8_lossy(&list.bytes).into_owned();
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            replaced.extend(
                lines.filter_map(|(role, there)| {
                    Some((RoleName::parse(role).ok()?, there.to_owned()))
                }),
            );
        }
        for role in commit.remove.iter().chain(commit.put.keys()).cloned().collect::<Vec<_>>() {
            let there = self.there(&role)?;
            // Nothing of anybody's is lost where nothing is.
            if there != There::Nothing && replaced.get(&role) != Some(&there.to_string()) {
                commit.put.remove(&role);
                commit.remove.retain(|other| *other != role);
            }
        }
        Ok(commit)
    }

    fn is_unfinished(&self) -> bool {
        self.base.has_folder(&self.committed()) || self.base.has_folder(&self.pending())
    }

    fn lock(&self) -> Result<FileLock, StoreError> {
        self.base.lock(&self.folder.join(LOCK), LockKind::Exclusive, LOCK_WAIT, &self.gun)
    }

    fn lock_if_present(&self, kind: LockKind) -> Result<Option<FileLock>, StoreError> {
        self.base.lock_existing(&self.folder.join(LOCK), kind, LOCK_WAIT, &self.gun)
    }

    fn sync_folder_of(&self, place: &Path) -> Result<(), StoreError> {
        self.base.sync(place.parent().unwrap_or(&self.folder))
    }

    /// Where a role's file belongs. Every segment of a role's name is a safe file name.
    fn place(&self, role: &RoleName) -> PathBuf {
        self.folder.join(METADATA).join(format!("{role}.json"))
    }

    fn pending(&self) -> PathBuf {
        self.folder.join(".trust-pending")
    }

    fn committed(&self) -> PathBuf {
        self.folder.join(".trust-commit")
    }
}

/// What a commit really has to change.
#[derive(Debug, Default)]
struct Changes<'a> {
    put: Vec<(&'a RoleName, &'a Vec<u8>)>,
    remove: Vec<&'a RoleName>,
    /// What lies in the places of all these.
    replaced: BTreeMap<&'a RoleName, There>,
}

/// What lies in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum There {
    Nothing,
    TooLarge,
    File(Sha256Hash),
}

impl fmt::Display for There {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::TooLarge => f.write_str("too-large"),
            Self::File(hash) => hash.fmt(f),
        }
    }
}

impl Changes<'_> {
    fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }
}

/// What is left to do of a commit that passed its commit point.
#[derive(Debug, Default)]
struct Commit {
    put: BTreeMap<RoleName, PathBuf>,
    remove: Vec<RoleName>,
}

/// The name of a role's file in the flat folder of a commit; no role has a `+` in its name.
fn staged_name(role: &RoleName) -> String {
    format!("{}.json", role.as_str().replace('/', "+"))
}

fn role_of_staged(name: &str) -> Option<RoleName> {
    RoleName::parse(&name.strip_suffix(".json")?.replace('+', "/")).ok()
}

fn limit_of(role: &RoleName) -> u64 {
    match role {
        RoleName::Root | RoleName::Timestamp => MAX_CONFIGURED_BYTES,
        RoleName::Snapshot => MAX_SNAPSHOT_BYTES,
        RoleName::Targets | RoleName::Delegation(_) => MAX_TARGETS_BYTES,
    }
}

const METADATA: &str = "metadata";
/// When a server last confirmed what is cached.
const SEEN: &str = ".trust-seen";
/// Larger than any instant.
const MAX_SEEN_BYTES: u64 = 64;
/// How exactly that is written: not at every update.
const SEEN_PRECISION: SignedDuration = SignedDuration::from_hours(1);
const LOCK: &str = ".trust-cache-lock";
/// In the folder of a commit: the names of the roles to remove, one a line.
const REMOVALS: &str = "removals";
/// In the folder of a commit: what lay in the place of each of its files, a role and a hash a line.
const REPLACED: &str = "replaced";
/// Each is an open file.
const MAX_UNSYNCED: usize = 128;
/// A commit takes milliseconds; whoever holds the lock longer hangs.
const LOCK_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TrustDir;
    use crate::store::faults::{self, Mode, Step};

    type Roles = BTreeMap<RoleName, Vec<u8>>;

    fn role(name: &str) -> RoleName {
        RoleName::parse(name).unwrap()
    }

    fn roles(entries: &[(&str, &str)]) -> Roles {
        entries.iter().map(|(name, text)| (role(name), text.as_bytes().to_vec())).collect()
    }

    fn cache(directory: &Path) -> MetadataCache {
        TrustDir::new(directory.to_owned()).metadata(&Gun::parse("example.com/app").unwrap())
    }

    fn old_state() -> Roles {
        roles(&[
            ("root", "root 1"),
            ("targets", "targets 1"),
            ("snapshot", "snapshot 1"),
            ("timestamp", "timestamp 1"),
            ("targets/releases", "releases 1"),
            ("targets/alice", "alice 1"),
        ])
    }

    /// Puts three files, one of them new, and removes one.
    fn update() -> (Roles, Vec<RoleName>, Roles) {
        let put = roles(&[
            ("root", "root 1"),
            ("targets", "targets 2"),
            ("targets/bob/deep", "deep 1"),
            ("timestamp", "timestamp 2 which is longer"),
        ]);
        let remove = vec![role("targets/alice"), role("targets/nobody")];
        let mut new = old_state();
        new.remove(&role("targets/alice"));
        new.extend(put.clone());
        (put, remove, new)
    }

    fn snapshot_of(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let base = Base::new(directory.to_owned());
        let files = base.list(directory).unwrap();
        files
            .into_iter()
            .map(|f| (f.clone(), base.read(&f, 1 << 20).unwrap().unwrap().bytes))
            .collect()
    }

    #[test]
    fn what_is_committed_is_read_and_lies_where_docker_looks() {
        let dir = tempfile::tempdir().unwrap();
        cache(dir.path()).commit(&old_state(), &[]).unwrap();
        assert_eq!(cache(dir.path()).read().unwrap(), old_state());
        let metadata = dir.path().join("tuf/example.com/app/metadata");
        let base = Base::new(dir.path().to_owned());
        let file = base.read(&metadata.join("targets/releases.json"), 100).unwrap().unwrap();
        assert_eq!(file.bytes, b"releases 1");
        assert_eq!(file.mode, 0o600);
        assert_eq!(crate::store::files::mode(&metadata.join("targets")).unwrap(), 0o700);
    }

    #[test]
    fn reading_creates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let trust = dir.path().join("trust");
        assert_eq!(cache(&trust).read().unwrap(), Roles::new());
        cache(&trust).clear().unwrap();
        cache(&trust).commit(&Roles::new(), &[RoleName::Root]).unwrap();
        assert!(!trust.exists());
    }

    #[test]
    fn commit_that_changes_nothing_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        cache(dir.path()).commit(&old_state(), &[]).unwrap();
        let (result, wrote) = faults::with_fault(0, Mode::Crash, || {
            cache(dir.path()).commit(&old_state(), &[role("targets/nobody")])
        });
        assert!(result.is_ok());
        assert!(!wrote);
    }

    #[test]
    fn crash_at_any_step_leaves_all_old_or_all_new() {
        let (put, remove, new) = update();
        let mut seen = (0, 0);
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            cache(dir.path()).commit(&old_state(), &[]).unwrap();
            let (result, crashed) =
                faults::with_fault(step, Mode::Crash, || cache(dir.path()).commit(&put, &remove));
            assert_eq!(result.is_err(), crashed, "step {step}");
            // A reader who may not write sees one whole state …
            let (through, _) = faults::with_fault(0, Mode::ReadOnly, || cache(dir.path()).read());
            let through = through.unwrap();
            // … and whoever opens it next brings it about.
            let state = cache(dir.path()).read().unwrap();
            assert_eq!(state, through, "step {step}");
            assert!(state == old_state() || state == new, "step {step}: {state:?}");
            assert!(!cache(dir.path()).is_unfinished(), "step {step}");
            let count = if state == new { &mut seen.1 } else { &mut seen.0 };
            *count += 1;
            cache(dir.path()).commit(&put, &remove).unwrap();
            assert_eq!(cache(dir.path()).read().unwrap(), new);
            if !crashed {
                break;
            }
        }
        assert!(seen.0 > 5 && seen.1 > 5, "{seen:?}");
    }

    #[test]
    fn crash_while_recovering_is_recovered_from() {
        let (put, remove, new) = update();
        for first in 0..40 {
            for second in 0..20 {
                let dir = tempfile::tempdir().unwrap();
                cache(dir.path()).commit(&old_state(), &[]).unwrap();
                let commit = || cache(dir.path()).commit(&put, &remove);
                let (_, first_hit) = faults::with_fault(first, Mode::Crash, commit);
                let read = || cache(dir.path()).read();
                let (_, second_hit) = faults::with_fault(second, Mode::Crash, read);
                let state = cache(dir.path()).read().unwrap();
                assert!(state == old_state() || state == new, "steps {first}, {second}");
                if !first_hit || !second_hit {
                    break;
                }
            }
        }
    }

    /// Where in a trace this is done first; it must be.
    fn first(trace: &[Step], action: &str, path: &Path) -> usize {
        let found = trace.iter().position(|(a, p)| *a == action && p == path);
        found.unwrap_or_else(|| panic!("no {action} of {}: {trace:#?}", path.display()))
    }

    fn last(trace: &[Step], action: &str, path: &Path) -> usize {
        first(trace, action, path);
        trace.iter().rposition(|(a, p)| *a == action && p == path).unwrap()
    }

    /// Where files are moved to their places or removed from them.
    fn moves(trace: &[Step], cache: &MetadataCache) -> Vec<usize> {
        let is_move = |(action, path): &Step| {
            *action == "rename" && path.parent() == Some(&cache.committed())
                || *action == "remove" && path.starts_with(cache.folder.join(METADATA))
        };
        (0..trace.len()).filter(|&i| is_move(&trace[i])).collect()
    }

    #[test]
    fn each_step_of_a_commit_waits_for_what_it_stands_on() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        cache.commit(&old_state(), &[]).unwrap();
        let (put, remove, _) = update();
        let (result, trace) = faults::traced(|| cache.commit(&put, &remove));
        result.unwrap();
        let commit = first(&trace, "rename", &cache.pending());
        let staged: Vec<&PathBuf> = trace
            .iter()
            .filter(|(action, path)| *action == "create" && path.starts_with(cache.pending()))
            .map(|(_, path)| path)
            .collect();
        assert_eq!(staged.len(), 6, "the folder, three files, two lists: {staged:?}");
        for path in staged {
            let is_folder = *path == cache.pending();
            assert!(is_folder || first(&trace, "write", path) < first(&trace, "sync", path));
            assert!(first(&trace, "sync", path) < commit, "{path:?}");
        }
        let lasts = last(&trace, "sync", &cache.folder);
        let moves = moves(&trace, &cache);
        assert_eq!(moves.len(), 4, "{trace:#?}");
        assert!(commit < lasts && moves.iter().all(|&i| lasts < i), "{trace:#?}");
        let removed = first(&trace, "remove", &cache.committed().join(REMOVALS));
        for folder in ["metadata", "metadata/targets", "metadata/targets/bob"] {
            let synced = last(&trace, "sync", &cache.folder.join(folder));
            assert!(moves.iter().all(|&i| i < synced) && synced < removed, "{trace:#?}");
        }
        assert_eq!(last(&trace, "remove", &cache.committed()), trace.len() - 1);
    }

    #[test]
    fn whoever_finishes_a_commit_waits_for_it_to_last_and_syncs_what_others_moved() {
        let (put, remove, new) = update();
        let mut finished = 0;
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let cache = cache(dir.path());
            cache.commit(&old_state(), &[]).unwrap();
            let commit = || cache.commit(&put, &remove);
            let (_, crashed) = faults::with_fault(step, Mode::Crash, commit);
            if !crashed {
                break;
            }
            let was_committed = cache.base.has_folder(&cache.committed());
            let (state, trace) = faults::traced(|| cache.read().unwrap());
            if was_committed {
                assert_eq!(state, new);
                let lasts = first(&trace, "sync", &cache.folder);
                assert!(moves(&trace, &cache).iter().all(|&i| lasts < i), "step {step}");
                let removed = first(&trace, "remove", &cache.committed());
                for folder in ["metadata", "metadata/targets", "metadata/targets/bob"] {
                    let synced = last(&trace, "sync", &cache.folder.join(folder));
                    assert!(synced < removed, "step {step}: {trace:#?}");
                }
                finished += 1;
            }
        }
        assert!(finished > 5, "{finished}");
    }

    #[test]
    fn single_file_waits_for_itself_and_for_the_end_of_the_commit_before() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        cache.commit(&old_state(), &[]).unwrap();
        let put = roles(&[("targets/alice", "alice 2")]);
        let (result, trace) = faults::traced(|| cache.commit(&put, &[]));
        result.unwrap();
        let staged = cache.pending().join("targets+alice.json");
        let renamed = first(&trace, "rename", &staged);
        assert!(first(&trace, "sync", &staged) < renamed);
        assert!(first(&trace, "sync", &cache.folder) < renamed);
        assert!(renamed < first(&trace, "sync", &cache.folder.join("metadata/targets")));
        assert!(!cache.base.has_folder(&cache.committed()));
        // A process that is gone before the last sync leaves it to the next.
        let step = u32::try_from(renamed + 1).unwrap();
        let put = roles(&[("targets/alice", "alice 3")]);
        let (result, _) = faults::with_fault(step, Mode::Crash, || cache.commit(&put, &[]));
        result.unwrap_err();
        let (state, trace) = faults::traced(|| cache.read().unwrap());
        assert_eq!(state[&role("targets/alice")], b"alice 3");
        let synced = first(&trace, "sync", &cache.folder.join("metadata/targets"));
        assert!(synced < first(&trace, "remove", &cache.pending()));
    }

    #[test]
    fn first_commit_syncs_all_folders_above_whoever_made_them() {
        let dir = tempfile::tempdir().unwrap();
        let trust = dir.path().join("new/trust");
        let cache = cache(&trust);
        let crash = || cache.commit(&old_state(), &[]);
        let (result, _) = faults::with_fault(3, Mode::Crash, crash);
        result.unwrap_err();
        assert!(trust.join("tuf").is_dir());
        let (result, trace) = faults::traced(|| cache.commit(&old_state(), &[]));
        result.unwrap();
        let commit = first(&trace, "rename", &cache.pending());
        for folder in [&trust, &trust.join("tuf"), &trust.join("tuf/example.com"), &cache.folder] {
            assert!(first(&trace, "sync", folder) < commit, "{folder:?}");
        }
        let second = MetadataCache { folder: trust.join("tuf/other"), ..cache.clone() };
        let (_, trace) = faults::traced(|| second.commit(&old_state(), &[]));
        for (made, path) in trace.iter().filter(|(action, _)| *action == "create") {
            let is_lock = path.ends_with(LOCK);
            assert!(is_lock || last(&trace, "sync", path.parent().unwrap()) > 0, "{made} {path:?}");
        }
    }

    #[test]
    fn commit_folder_that_comes_back_changes_nothing() {
        let (put, remove, new) = update();
        let all = [("root", "root 1"), ("targets", "targets 2"), ("targets+bob+deep", "deep 1")];
        for names in [&all[..], &all[1..2], &[]] {
            for removals in [None, Some("targets/alice")] {
                let dir = tempfile::tempdir().unwrap();
                let cache = cache(dir.path());
                cache.commit(&old_state(), &[]).unwrap();
                cache.commit(&put, &remove).unwrap();
                cache.base.create_folder(&cache.committed()).unwrap();
                for (name, text) in names {
                    let path = cache.committed().join(format!("{name}.json"));
                    cache.base.write(&path, text.as_bytes(), 0o600).unwrap();
                }
                if let Some(text) = removals {
                    let path = cache.committed().join(REMOVALS);
                    cache.base.write(&path, text.as_bytes(), 0o600).unwrap();
                }
                assert_eq!(cache.read().unwrap(), new, "{names:?}");
                assert!(!cache.is_unfinished());
                cache.commit(&roles(&[("targets/alice", "alice 3")]), &[]).unwrap();
                assert_eq!(cache.read().unwrap()[&role("targets/alice")], b"alice 3");
            }
        }
    }

    #[test]
    fn what_others_wrote_after_a_crash_is_not_overwritten_with_what_is_older() {
        let (put, remove, new) = update();
        let theirs = roles(&[
            ("timestamp", "timestamp 3 of docker's"),
            ("targets", "targets 3 of docker's"),
            ("targets/alice", "alice 3 of docker's"),
        ]);
        let (mut before, mut after) = (0, 0);
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let cache = cache(dir.path());
            cache.commit(&old_state(), &[]).unwrap();
            let (_, crashed) =
                faults::with_fault(step, Mode::Crash, || cache.commit(&put, &remove));
            if !crashed {
                break;
            }
            let was_committed = cache.base.has_folder(&cache.committed());
            for (role, bytes) in &theirs {
                cache.base.write(&cache.place(role), bytes, 0o600).unwrap();
            }
            let mut expected = if was_committed { new.clone() } else { old_state() };
            expected.extend(theirs.clone());
            if !was_committed && exists(&cache.place(&role("targets/bob/deep"))) {
                continue;
            }
            // A reader who may not write sees the same.
            assert_eq!(cache.read_through().unwrap(), expected, "step {step}");
            assert_eq!(cache.read().unwrap(), expected, "step {step}");
            assert!(!cache.is_unfinished());
            *(if was_committed { &mut after } else { &mut before }) += 1;
        }
        assert!(before > 5 && after > 5, "{before}, {after}");
    }

    #[test]
    fn strange_things_in_the_folder_of_a_commit_stop_no_reader() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        cache.commit(&old_state(), &[]).unwrap();
        cache.base.create_folder(&cache.committed().join("folder")).unwrap();
        cache.base.write(&cache.committed().join("notes.txt"), b"mine", 0o600).unwrap();
        assert_eq!(cache.read().unwrap(), old_state());
    }

    #[test]
    fn full_disk_before_the_commit_point_leaves_the_old_state_and_no_litter() {
        let (put, remove, new) = update();
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            cache(dir.path()).commit(&old_state(), &[]).unwrap();
            let commit = || cache(dir.path()).commit(&put, &remove);
            let (result, hit) = faults::with_fault(step, Mode::FullOnce, commit);
            if !hit {
                break;
            }
            let state = cache(dir.path()).read().unwrap();
            match result {
                Ok(()) => assert_eq!(state, new, "step {step}"),
                Err(error) => {
                    assert!(error.is_unwritable(), "step {step}: {error:?}");
                    assert!(state == old_state() || state == new, "step {step}");
                }
            }
            assert!(!cache(dir.path()).is_unfinished(), "step {step}");
        }
    }

    #[test]
    fn read_only_disk_is_an_error_of_its_own_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        cache(dir.path()).commit(&old_state(), &[]).unwrap();
        let before = snapshot_of(dir.path());
        let (put, remove, _) = update();
        let commit = || cache(dir.path()).commit(&put, &remove);
        let (result, _) = faults::with_fault(0, Mode::ReadOnly, commit);
        let error = result.unwrap_err();
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::ReadOnlyFilesystem));
        assert_eq!(snapshot_of(dir.path()), before);
    }

    #[test]
    fn single_changed_file_is_replaced_at_any_step_whole() {
        let put = roles(&[("timestamp", "timestamp 2")]);
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            cache(dir.path()).commit(&old_state(), &[]).unwrap();
            let commit = || cache(dir.path()).commit(&put, &[]);
            let (_, crashed) = faults::with_fault(step, Mode::Crash, commit);
            let bytes = cache(dir.path()).read().unwrap().remove(&RoleName::Timestamp).unwrap();
            assert!(bytes == b"timestamp 1" || bytes == b"timestamp 2", "step {step}");
            if !crashed {
                assert_eq!(bytes, b"timestamp 2");
                break;
            }
        }
    }

    #[test]
    fn foreign_files_are_ignored_and_survive_clearing() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        let metadata = dir.path().join("tuf/example.com/app/metadata");
        for name in ["notes.txt", "targets/UPPER.json", "targets/x.json.bak", "other.json"] {
            base.write(&metadata.join(name), b"mine", 0o600).unwrap();
        }
        cache(dir.path()).commit(&old_state(), &[]).unwrap();
        assert_eq!(cache(dir.path()).read().unwrap(), old_state());
        cache(dir.path()).clear().unwrap();
        assert_eq!(cache(dir.path()).read().unwrap(), Roles::new());
        assert!(base.has(&metadata.join("notes.txt")));
        assert!(base.has(&metadata.join("targets/UPPER.json")));
    }

    #[test]
    fn oversized_file_counts_as_missing_but_an_oversized_root_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        let metadata = dir.path().join("tuf/example.com/app/metadata");
        let large = vec![b' '; usize::try_from(MAX_CONFIGURED_BYTES).unwrap() + 1];
        base.write(&metadata.join("timestamp.json"), &large, 0o600).unwrap();
        assert_eq!(cache(dir.path()).read().unwrap(), Roles::new());
        base.write(&metadata.join("root.json"), &large, 0o600).unwrap();
        let error = cache(dir.path()).read().unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
        cache(dir.path()).commit(&roles(&[("root", "small")]), &[]).unwrap();
        assert_eq!(cache(dir.path()).read().unwrap(), roles(&[("root", "small")]));
    }

    #[test]
    fn link_out_of_the_trust_directory_is_refused() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        base.create_folder(&dir.path().join("tuf/example.com")).unwrap();
        let link = dir.path().join("tuf/example.com/app");
        std::os::unix::fs::symlink(outside.path(), link).unwrap();
        let error = cache(dir.path()).commit(&old_state(), &[]).unwrap_err();
        assert!(matches!(error, StoreError::Escape { .. }), "{error:?}");
        let error = cache(dir.path()).read().unwrap_err();
        assert!(matches!(error, StoreError::Escape { .. }), "{error:?}");
        assert_eq!(snapshot_of(outside.path()), []);
    }

    #[test]
    fn readers_see_whole_states_while_writers_commit() {
        let dir = tempfile::tempdir().unwrap();
        let state = |n: usize| {
            let text = format!("state {n}");
            roles(&[("root", "r"), ("targets", &text), ("snapshot", &text), ("timestamp", &text)])
        };
        cache(dir.path()).commit(&state(0), &[]).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let path = dir.path();
                scope.spawn(move || {
                    for n in 1..15 {
                        cache(path).commit(&state(n * 2 + writer), &[]).unwrap();
                    }
                });
            }
            for _ in 0..60 {
                let seen = cache(dir.path()).read().unwrap();
                let targets = &seen[&RoleName::Targets];
                assert_eq!(targets, &seen[&RoleName::Snapshot]);
                assert_eq!(targets, &seen[&RoleName::Timestamp]);
            }
        });
    }

    #[test]
    fn stores_written_by_notary_and_docker_are_read_as_they_are() {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary-vectors");
        let notary = TrustDir::new(vectors.join("nh-step2"));
        let gun = Gun::parse("example.com/vectors/one").unwrap();
        let names: Vec<String> =
            notary.metadata(&gun).read().unwrap().keys().map(ToString::to_string).collect();
        let base_roles = ["root", "timestamp", "snapshot", "targets"];
        assert_eq!(names, [&base_roles[..], &["targets/alpha", "targets/releases"]].concat());
        let docker = TrustDir::new(vectors.join("docker-trust-signed"));
        let gun = Gun::parse("localhost:15005/survey/gv").unwrap();
        assert!(docker.metadata(&gun).read().unwrap().contains_key(&role("targets/alice")));
    }
}
