//! What collections say, remembered as long as nothing that it depends on has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::limits::{MAX_REMEMBERED_PARTS, MAX_REMEMBERED_TARGETS};
use crate::oci::Digest;
use crate::server::meta::enforcement::{CollectionMark, PartKind, RepositoryMark};
use crate::server::trust::verdict::Standing;

/// What a standing depends on, besides the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StandingKey {
    /// The policy.
    pub(super) policy: Sha256Hash,
    /// The rule of it.
    pub(super) rule: usize,
    /// The collection, as published last.
    pub(super) collection: CollectionMark,
}

/// What being part of something signed depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PartKey {
    /// What is signed.
    pub(super) standing: StandingKey,
    /// The repository, as changed last.
    pub(super) repository: RepositoryMark,
    /// As what.
    pub(super) kind: PartKind,
    /// The part.
    pub(super) digest: Digest,
}

/// Standings and parts, a bounded number of each.
#[derive(Debug, Default)]
pub(super) struct Cache {
    standings: Mutex<Generations<StandingKey, Arc<Standing>>>,
    parts: Mutex<Generations<PartKey, bool>>,
}

/// Two generations: what is asked for again goes into the younger, and when that is full the older
/// is forgotten.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    weight: usize,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), weight: 0 }
    }
}

impl<K: Eq + std::hash::Hash + Clone, V: Clone> Generations<K, V> {
    fn get(&mut self, key: &K, most: usize, weight: impl Fn(&V) -> usize) -> Option<V> {
        if let Some(found) = self.young.get(key) {
            return Some(found.clone());
        }
        let found = self.old.remove(key)?;
        self.insert(key.clone(), found.clone(), most, weight);
        Some(found)
    }

    fn insert(&mut self, key: K, value: V, most: usize, weight: impl Fn(&V) -> usize) {
        let added = weight(&value);
        if self.weight + added > most / 2 && !self.young.is_empty() {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += added;
        self.young.insert(key, value);
    }
}

impl Cache {
    /// A standing, if it is remembered and can still be said.
    pub(super) fn standing(&self, key: &StandingKey, now: Timestamp) -> Option<Arc<Standing>> {
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let found = standings.get(key, MAX_REMEMBERED_TARGETS, |standing| standing.weight())?;
        (now <= found.valid_until).then_some(found)
    }

    /// Remembers a standing.
    pub(super) fn remember(&self, key: StandingKey, standing: &Arc<Standing>) {
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = |standing: &Arc<Standing>| standing.weight();
        standings.insert(key, Arc::clone(standing), MAX_REMEMBERED_TARGETS, weight);
    }

    /// Whether something is part of what is signed, if that is remembered.
    pub(super) fn part(&self, key: &PartKey) -> Option<bool> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.get(key, MAX_REMEMBERED_PARTS, |_| 1)
    }

    /// Remembers whether it is.
    pub(super) fn remember_part(&self, key: PartKey, is_part: bool) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(key, is_part, MAX_REMEMBERED_PARTS, |_| 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_again_stays_and_the_rest_is_bounded() {
        let mut cache = Generations::default();
        for number in 0..1000 {
            cache.insert(number, number, 10, |_| 1);
            assert_eq!(cache.get(&0, 10, |_| 1), Some(0));
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        assert_eq!(cache.get(&500, 10, |_| 1), None);
    }

    #[test]
    fn one_that_is_too_heavy_is_alone() {
        let mut cache = Generations::default();
        cache.insert(1, 100, 10, |weight| *weight);
        cache.insert(2, 100, 10, |weight| *weight);
        cache.insert(3, 100, 10, |weight| *weight);
        assert!(cache.young.len() + cache.old.len() <= 2);
    }
}
