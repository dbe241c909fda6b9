//! What was answered a moment ago, kept while nothing has changed.
//!
//! Only where one process owns the database: there, whoever writes says so here. Each entry belongs
//! to some scopes (the name of a repository, a GUN). While a scope is being written to, nothing of it
//! is taken from here or put here; when that is over, all that was put before is worthless. So an
//! answer that begins after a change was acknowledged never shows the state before it.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::SignedDuration;

use crate::clock::Timestamp;
use crate::limits::{HOT_SECONDS, MAX_HOT_BYTES, MAX_HOT_SCOPES};

/// Recent answers of type `T`.
pub struct Hot<T> {
    scopes: Arc<Scopes>,
    shards: Vec<Mutex<Shard<T>>>,
    hasher: RandomState,
}

/// Who is written to, and how often that happened.
#[derive(Debug, Default)]
pub struct Scopes(RwLock<HashMap<String, Arc<Scope>>>);

/// Even: nobody writes. It goes up when the first writer comes and when the last one goes.
#[derive(Debug, Default)]
struct Scope {
    epoch: AtomicU64,
    writers: Mutex<u32>,
}

/// Somebody is writing to a scope, as long as this lives.
#[derive(Debug)]
pub struct Written(Arc<Scope>);

/// The state of some scopes before the database was asked; an answer may be put here if it is the
/// same afterwards.
#[derive(Debug, Clone)]
pub struct Before(Vec<(Arc<Scope>, u64)>);

struct Shard<T> {
    entries: HashMap<String, Entry<T>>,
    bytes: usize,
}

struct Entry<T> {
    before: Before,
    until: Timestamp,
    size: usize,
    value: Arc<T>,
}

impl Scopes {
    /// Says that a scope is about to be written to. To be held until the change is acknowledged, or
    /// given up.
    pub fn write(&self, name: &str) -> Written {
        let scope = self.scope(name);
        let mut writers = lock(&scope.writers);
        if *writers == 0 {
            scope.epoch.fetch_add(1, Ordering::AcqRel);
        }
        *writers += 1;
        drop(writers);
        Written(scope)
    }

    fn scope(&self, name: &str) -> Arc<Scope> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(known) = known {
            return known;
        }
        let mut scopes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if scopes.len() >= MAX_HOT_SCOPES {
            // One that is in use elsewhere must stay the one that its name leads to.
            scopes.retain(|_, scope| Arc::strong_count(scope) > 1);
        }
        Arc::clone(scopes.entry(name.to_owned()).or_default())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let mut writers = lock(&self.0.writers);
        *writers -= 1;
        if *writers == 0 {
            self.0.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Before {
    /// Whether nothing was written since, and nothing is being written.
    fn holds(&self) -> bool {
        let same = |(scope, epoch): &(Arc<Scope>, u64)| {
            epoch % 2 == 0 && scope.epoch.load(Ordering::Acquire) == *epoch
        };
        self.0.iter().all(same)
    }
}

impl<T> Hot<T> {
    /// Keeps answers about these scopes.
    pub fn new(scopes: Arc<Scopes>) -> Self {
        let shard = || Mutex::new(Shard { entries: HashMap::new(), bytes: 0 });
        Self {
            scopes,
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            hasher: RandomState::new(),
        }
    }

    /// To be called before the database is asked.
    pub fn before<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> Before {
        let state = |name: &str| {
            let scope = self.scopes.scope(name);
            let epoch = scope.epoch.load(Ordering::Acquire);
            (scope, epoch)
        };
        Before(scopes.into_iter().map(state).collect())
    }

    /// What was answered, if it would be answered again.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<Arc<T>> {
        let shard = lock(self.shard(key)?);
        let entry = shard.entries.get(key)?;
        (entry.until > now && entry.before.holds()).then(|| Arc::clone(&entry.value))
    }

    /// Keeps an answer of about `size` bytes until an instant, if nothing was written meanwhile.
    pub fn put(&self, key: String, before: Before, until: Timestamp, size: usize, value: T) {
        self.put_shared(key, before, until, size, Arc::new(value));
    }

    /// Keeps an answer, as [`Hot::put`] does, that somebody else has as well.
    pub fn put_shared(
        &self,
        key: String,
        before: Before,
        until: Timestamp,
        size: usize,
        value: Arc<T>,
    ) {
        let Some(shard) = self.shard(&key) else { return };
        if !before.holds() {
            return;
        }
        let size = size.saturating_add(key.len()).saturating_add(OVERHEAD);
        let room = MAX_HOT_BYTES / SHARDS;
        if size > room / 4 {
            return;
        }
        let mut shard = lock(shard);
        if shard.bytes + size > room {
            // What is asked for often is soon here again.
            shard.entries.clear();
            shard.bytes = 0;
        }
        let entry = Entry { before, until, size, value };
        if let Some(replaced) = shard.entries.insert(key, entry) {
            shard.bytes -= replaced.size;
        }
        shard.bytes += size;
    }

    fn shard(&self, key: &str) -> Option<&Mutex<Shard<T>>> {
        let hash = usize::try_from(self.hasher.hash_one(key) & 0xffff).unwrap_or_default();
        self.shards.get(hash % SHARDS)
    }
}

/// Until when an answer that was made now is kept at most: whoever asks again and again is looked at
/// anew after that.
pub fn kept_until(now: Timestamp) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(HOT_SECONDS)).unwrap_or(now)
}

impl<T> fmt::Debug for Hot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hot(…)")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parts that are locked one by one.
const SHARDS: usize = 16;
/// What an entry takes besides its answer, in bytes, about.
const OVERHEAD: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn hot() -> (Arc<Scopes>, Hot<u32>) {
        let scopes = Arc::new(Scopes::default());
        (Arc::clone(&scopes), Hot::new(scopes))
    }

    #[test]
    fn an_answer_is_kept_for_its_time() {
        let (_, hot) = hot();
        hot.put("k".to_owned(), hot.before(["a"]), at(10), 1, 7);
        assert_eq!(hot.get("k", at(9)).as_deref(), Some(&7));
        assert_eq!(hot.get("k", at(10)), None);
        assert_eq!(hot.get("other", at(9)), None);
    }

    #[test]
    fn whoever_writes_ends_what_was_kept() {
        let (scopes, hot) = hot();
        hot.put("k".to_owned(), hot.before(["a", "b"]), at(10), 1, 7);
        let other = scopes.write("c");
        assert!(hot.get("k", at(0)).is_some());
        drop(other);
        let writing = scopes.write("b");
        assert_eq!(hot.get("k", at(0)), None);
        drop(writing);
        assert_eq!(hot.get("k", at(0)), None);
        hot.put("k".to_owned(), hot.before(["a", "b"]), at(10), 1, 8);
        assert_eq!(hot.get("k", at(0)).as_deref(), Some(&8));
    }

    #[test]
    fn what_was_read_before_or_during_a_change_is_not_kept() {
        let (scopes, hot) = hot();
        let before = hot.before(["a"]);
        let first = scopes.write("a");
        let during = hot.before(["a"]);
        let second = scopes.write("a");
        hot.put("k".to_owned(), during.clone(), at(10), 1, 1);
        drop(first);
        assert_eq!(hot.get("k", at(0)), None);
        drop(second);
        hot.put("k".to_owned(), before, at(10), 1, 2);
        hot.put("k".to_owned(), during, at(10), 1, 3);
        assert_eq!(hot.get("k", at(0)), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (_, hot) = hot();
        hot.put("large".to_owned(), hot.before([]), at(10), MAX_HOT_BYTES, 1);
        assert_eq!(hot.get("large", at(0)), None);
        for number in 0..1000 {
            hot.put(number.to_string(), hot.before([]), at(10), MAX_HOT_BYTES / 200, number);
        }
        let kept: usize = hot.shards.iter().map(|shard| lock(shard).bytes).sum();
        assert!(kept <= MAX_HOT_BYTES && kept > 0);
    }
}
