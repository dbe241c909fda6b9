//! What is there of a collection while more is fetched.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::crypto::Sha256Hash;
use crate::tuf::RoleName;
use crate::tuf::history::{History, KeptFile, Signers, Told};
use crate::tuf::metadata::FileMeta;

/// Which files are there, which are named by others and are not, and who signs.
#[derive(Debug, Default)]
pub(super) struct Index {
    there: BTreeSet<(RoleName, Sha256Hash)>,
    versions: BTreeMap<RoleName, BTreeSet<u64>>,
    /// Newest versions of files that verify.
    newest: BTreeMap<RoleName, u64>,
    /// Every role that a file that verifies speaks of.
    roles: BTreeSet<RoleName>,
    wanted: VecDeque<Named>,
    asked: BTreeSet<(RoleName, Sha256Hash)>,
    pub(super) bytes: u64,
    pub(super) signers: Signers,
}

/// A file that another one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) role: RoleName,
    pub(super) sha256: Sha256Hash,
    pub(super) length: u64,
}

impl Index {
    /// Begins with what is there, judged.
    pub(super) fn of(files: &[KeptFile], history: &History) -> Self {
        let mut index = Self { signers: history.signers.clone(), ..Self::default() };
        for (file, finding) in files.iter().zip(&history.findings) {
            index.add(&file.role, finding.sha256, finding.length, finding.version);
            if finding.refused.is_some() {
                continue;
            }
            if let Some(version) = finding.version {
                index.note_newest(&file.role, version);
            }
            // Roots tell of no files, and of the others this is what they told before.
            if let Ok(told) = index.signers.take(file) {
                index.told(told);
            }
        }
        index
    }

    /// Remembers that a file is there.
    pub(super) fn add(
        &mut self,
        role: &RoleName,
        sha256: Sha256Hash,
        length: u64,
        version: Option<u64>,
    ) {
        if self.there.insert((role.clone(), sha256)) {
            self.bytes = self.bytes.saturating_add(length);
        }
        self.versions.entry(role.clone()).or_default().extend(version);
        if !role.is_delegation() {
            self.roles.insert(role.clone());
        }
    }

    /// Remembers the newest version that verifies.
    pub(super) fn note_newest(&mut self, role: &RoleName, version: u64) {
        let newest = self.newest.entry(role.clone()).or_insert(version);
        *newest = version.max(*newest);
    }

    /// Takes what a file that verifies tells of others.
    pub(super) fn told(&mut self, told: Told) {
        self.roles.extend(told.children);
        for (role, meta) in told.names {
            self.want(&role, &meta);
            self.roles.insert(role);
        }
    }

    fn want(&mut self, role: &RoleName, meta: &FileMeta) {
        let Ok(sha256) = meta.sha256() else { return };
        self.want_hash(role, sha256, meta.length);
    }

    /// Puts a file on the list of those to be asked for, once.
    pub(super) fn want_hash(&mut self, role: &RoleName, sha256: Sha256Hash, length: u64) {
        if self.has(role, &sha256) || !self.asked.insert((role.clone(), sha256)) {
            return;
        }
        self.wanted.push_back(Named { role: role.clone(), sha256, length });
    }

    /// Takes a few files off the list.
    pub(super) fn next_wanted(&mut self, most: usize) -> Vec<Named> {
        let mut next = Vec::new();
        while next.len() < most
            && let Some(named) = self.wanted.pop_front()
        {
            if !self.has(&named.role, &named.sha256) {
                next.push(named);
            }
        }
        next
    }

    pub(super) fn has(&self, role: &RoleName, sha256: &Sha256Hash) -> bool {
        self.there.contains(&(role.clone(), *sha256))
    }

    /// Takes over what was asked for by hash before what is there was judged again, so that it is
    /// not asked for once more.
    pub(super) fn remember_asked(&mut self, before: &mut Self) {
        let mut asked = std::mem::take(&mut before.asked);
        for named in &before.wanted {
            asked.remove(&(named.role.clone(), named.sha256));
        }
        self.wanted.retain(|named| !asked.contains(&(named.role.clone(), named.sha256)));
        self.asked.append(&mut asked);
    }

    pub(super) fn has_version(&self, role: &RoleName, version: u64) -> bool {
        self.versions.get(role).is_some_and(|versions| versions.contains(&version))
    }

    pub(super) fn has_any(&self, role: &RoleName) -> bool {
        self.versions.contains_key(role)
    }

    pub(super) fn newest(&self, role: &RoleName) -> Option<u64> {
        self.newest.get(role).copied()
    }

    /// The newest version of a role that is there, whether it verifies or not.
    pub(super) fn newest_there(&self, role: &RoleName) -> Option<u64> {
        self.versions.get(role)?.last().copied()
    }

    pub(super) fn files(&self) -> usize {
        self.there.len()
    }

    /// Every role that is known of, but root.
    pub(super) fn roles(&self) -> Vec<RoleName> {
        self.roles.iter().filter(|role| **role != RoleName::Root).cloned().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.there.is_empty()
    }
}
