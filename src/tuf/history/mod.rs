//! Everything that is kept of a collection, judged as a whole: which of many files, of all roles
//! and versions, are what the collection's owners published (`spec/rescue.md` §4).
//!
//! Unlike [`crate::tuf::trusted`], which asks what may be believed now, this asks what was ever
//! right: age does not matter, and every root that led to the newest one counts for the files of
//! its time.

mod chain;
mod signers;
#[cfg(test)]
mod tests;

pub use signers::{Signers, Told};

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::tuf::metadata::{
    Document, FileMeta, Header, MetadataError, Signed, Snapshot, Targets, TimestampFile,
};
use crate::tuf::trusted::{UpdateError, check_listing};
use crate::tuf::verify::{Verified, VerifyError};
use crate::tuf::{Gun, RoleName};

use chain::{Chain, KeptRoots};

/// A file as it was kept: whose it is said to be, and its bytes as they were received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// The role it was asked for as, or kept as.
    pub role: RoleName,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What is to be said of one file.
#[derive(Debug)]
pub struct Finding {
    /// The role it was kept as.
    pub role: RoleName,
    /// Its version, if it can be read.
    pub version: Option<u64>,
    /// Hash of its bytes.
    pub sha256: Sha256Hash,
    /// Number of its bytes.
    pub length: u64,
    /// When it expires or expired, if it can be read.
    pub expires: Option<Timestamp>,
    /// Why it is not what the owners published; `None` if it is.
    pub refused: Option<Fault>,
}

/// Why a file is not what the owners published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] MetadataError),
    /// Signatures are missing.
    #[error(transparent)]
    Signatures(#[from] VerifyError),
    /// No file that verifies says who signs this role.
    #[error("nothing that verifies says who signs {role}")]
    Unknown {
        /// The role.
        role: RoleName,
    },
    /// The chain of roots does not lead to it.
    #[error("root {version} does not follow from the ones before")]
    Root {
        /// Its version.
        version: u64,
        /// What is wrong.
        #[source]
        cause: UpdateError,
    },
    /// It is signed as it should be, but was published as the file of another role only.
    #[error("the file is that of {of}, not of {role}")]
    OtherRole {
        /// The role it was kept as.
        role: RoleName,
        /// The role it was published as.
        of: RoleName,
    },
    /// Another file of the role has the same version, and is the one that is referred to.
    #[error("there is another {role} with version {version}")]
    Twin {
        /// The role.
        role: RoleName,
        /// The version.
        version: u64,
    },
}

impl Fault {
    /// Whether readers leave a delegation with this fault out and go on, so that a server that has
    /// it must serve it (notary.md §4.2).
    fn leaves_only_the_role_out(&self) -> bool {
        matches!(self, Self::Signatures(VerifyError::ThresholdNotMet { .. }))
    }
}

/// A collection's files, judged.
#[derive(Debug)]
pub struct History {
    /// What is to be said of each file, in the order in which they were given.
    pub findings: Vec<Finding>,
    /// The newest set of files that belong together, as places in [`Self::findings`]: the newest
    /// root, and timestamp, snapshot, targets and delegations that name each other by hash and of
    /// which the first three are signed by keys of that root. Empty if there is no such set.
    ///
    /// A delegation may be among them that lacks signatures: readers leave its targets out, but
    /// fail if they cannot have the file.
    pub current: BTreeMap<RoleName, usize>,
    /// Who may sign each role, by all files that verify: for files that come later.
    pub signers: Signers,
}

/// Judges all that is kept of a collection. The chain of roots begins with `anchor` if one is
/// given (the bytes of a root that is trusted for other reasons, such as one out of a user's
/// cache), and with the oldest root that is valid by its own keys otherwise. The order of the files
/// does not matter.
///
/// The sizes of the files are the caller's to bound.
pub fn examine(gun: &Gun, files: &[KeptFile], anchor: Option<&[u8]>) -> History {
    let roots = KeptRoots::read(files);
    let chains = match anchor {
        Some(raw) => vec![Chain::anchored(gun, &roots, raw)],
        None => Chain::from_oldest(gun, &roots),
    };
    let judged = chains.iter().map(|chain| judge(files, &roots, chain));
    // A collection that was deleted and made anew has two first roots: the one that is in use is
    // the one whose timestamp was renewed last.
    judged.max_by_key(worth).unwrap_or_else(|| judge(files, &roots, &Chain::default()))
}

/// Until when what a history came to is good.
fn worth(history: &History) -> Option<Timestamp> {
    let timestamp = history.current.get(&RoleName::Timestamp)?;
    history.findings.get(*timestamp)?.expires
}

fn judge(files: &[KeptFile], roots: &KeptRoots, chain: &Chain) -> History {
    let findings: Vec<Finding> = files.iter().map(unjudged).collect();
    let places = files.iter().zip(&findings).enumerate();
    let places = places.map(|(at, (file, finding))| ((&file.role, finding.sha256), at)).collect();
    let mut judge = Judge {
        files,
        places,
        findings,
        timestamps: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        children: BTreeMap::new(),
        by_newest_root: BTreeSet::new(),
        signers: Signers::default(),
    };
    judge.roots(roots, chain);
    judge.base_keys(chain);
    for (place, file) in judge.in_order() {
        judge.file(place, file);
    }
    let current = judge.current(chain);
    judge.refuse_others_files();
    judge.refuse_twins(&current);
    History { findings: judge.findings, current, signers: judge.signers }
}

fn unjudged(file: &KeptFile) -> Finding {
    Finding {
        role: file.role.clone(),
        version: None,
        sha256: Sha256Hash::of(&file.bytes),
        length: u64::try_from(file.bytes.len()).unwrap_or(u64::MAX),
        expires: None,
        refused: None,
    }
}

/// What is known while files are looked at, parents before children. Of targets files only what
/// they delegate is held, for there may be many and large ones.
struct Judge<'a> {
    files: &'a [KeptFile],
    places: BTreeMap<(&'a RoleName, Sha256Hash), usize>,
    findings: Vec<Finding>,
    timestamps: BTreeMap<usize, Arc<TimestampFile>>,
    snapshots: BTreeMap<usize, Arc<Snapshot>>,
    children: BTreeMap<usize, Vec<RoleName>>,
    /// Files of base roles that keys of the newest root signed.
    by_newest_root: BTreeSet<usize>,
    signers: Signers,
}

impl<'a> Judge<'a> {
    fn roots(&mut self, roots: &KeptRoots, chain: &Chain) {
        for (place, read) in roots.iter() {
            let Some(finding) = self.findings.get_mut(place) else { continue };
            match read {
                Ok(signed) => {
                    finding.describe(&signed.unverified().header);
                    finding.refused = chain.fault(place);
                }
                Err(error) => finding.refused = Some(error.clone().into()),
            }
        }
    }

    fn base_keys(&mut self, chain: &Chain) {
        for role in [RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets] {
            for root in chain.newest_first() {
                self.signers.learn(&role, root.body().role_keys(&role));
            }
        }
    }

    /// All files but roots, each before those that it says something of.
    fn in_order(&self) -> Vec<(usize, &'a KeptFile)> {
        let mut order: Vec<_> = self.files.iter().enumerate().collect();
        order.retain(|(_, file)| file.role != RoleName::Root);
        // The order of role names has parents before children.
        order.sort_by_key(|(_, file)| (file.role.depth(), &file.role));
        order
    }

    fn file(&mut self, place: usize, file: &KeptFile) {
        let fault = match file.role {
            RoleName::Root => return,
            RoleName::Timestamp => self.timestamp(place, file),
            RoleName::Snapshot => self.snapshot(place, file),
            RoleName::Targets | RoleName::Delegation(_) => self.targets(place, file),
        };
        if let Some(finding) = self.findings.get_mut(place) {
            finding.refused = fault.err();
        }
    }

    fn timestamp(&mut self, place: usize, file: &KeptFile) -> Result<(), Fault> {
        let verified = self.verified::<TimestampFile>(place, file)?;
        self.timestamps.insert(place, verified.shared());
        Ok(())
    }

    fn snapshot(&mut self, place: usize, file: &KeptFile) -> Result<(), Fault> {
        let verified = self.verified::<Snapshot>(place, file)?;
        self.snapshots.insert(place, verified.shared());
        Ok(())
    }

    fn targets(&mut self, place: usize, file: &KeptFile) -> Result<(), Fault> {
        let verified = self.verified::<Targets>(place, file)?;
        let names = self.signers.learn_from(verified.body());
        self.children.insert(place, names);
        Ok(())
    }

    fn verified<T: Document + Clone>(
        &mut self,
        place: usize,
        file: &KeptFile,
    ) -> Result<Verified<T>, Fault> {
        let signed = Signed::<T>::parse(&file.role, &file.bytes)?;
        if let Some(finding) = self.findings.get_mut(place) {
            finding.describe(signed.unverified().header());
        }
        let (verified, by_newest) = self.signers.verified(&file.role, &signed)?;
        if by_newest {
            self.by_newest_root.insert(place);
        }
        Ok(verified)
    }

    /// The set below the newest timestamp for which all is here.
    fn current(&self, chain: &Chain) -> BTreeMap<RoleName, usize> {
        let mut timestamps: Vec<_> = self.timestamps.iter().collect();
        timestamps.retain(|(place, _)| self.by_newest_root.contains(place));
        timestamps.sort_by_key(|(place, file)| {
            (
                Reverse(file.header.version),
                Reverse(file.header.expires.instant()),
                self.hash(**place),
            )
        });
        let below = |(place, file): (&usize, &Arc<TimestampFile>)| {
            let mut set = self.below(file, chain)?;
            set.insert(RoleName::Timestamp, *place);
            Some(set)
        };
        timestamps.into_iter().find_map(below).unwrap_or_default()
    }

    fn below(&self, timestamp: &TimestampFile, chain: &Chain) -> Option<BTreeMap<RoleName, usize>> {
        let snapshot_at = self.named(&RoleName::Snapshot, &timestamp.snapshot)?;
        let snapshot = self.snapshots.get(&snapshot_at)?;
        let root = snapshot.meta.get(&RoleName::Root)?;
        if !chain.holds(root) || !self.by_newest_root.contains(&snapshot_at) {
            return None;
        }
        let root_at = chain.newest_place(root)?;
        let mut set =
            BTreeMap::from([(RoleName::Snapshot, snapshot_at), (RoleName::Root, root_at)]);
        let mut queue = vec![RoleName::Targets];
        while let Some(role) = queue.pop() {
            // As readers do: what the snapshot does not list is not asked for.
            let Some(meta) = snapshot.meta.get(&role) else { continue };
            let place = self.named(&role, meta)?;
            match self.findings.get(place)?.refused.as_ref() {
                None if role.is_delegation() || self.by_newest_root.contains(&place) => {
                    queue.extend(self.children.get(&place).into_iter().flatten().cloned());
                }
                Some(fault) if role.is_delegation() && fault.leaves_only_the_role_out() => {}
                _ => return None,
            }
            set.insert(role, place);
        }
        Some(set)
    }

    /// The file that another one means.
    fn named(&self, role: &RoleName, meta: &FileMeta) -> Option<usize> {
        let sha256 = meta.sha256().ok()?;
        let place = *self.places.get(&(role, sha256))?;
        check_listing(role, meta, &self.files.get(place)?.bytes).ok()?;
        Some(place)
    }

    fn hash(&self, place: usize) -> Option<Sha256Hash> {
        self.findings.get(place).map(|finding| finding.sha256)
    }

    /// Files by role and hash that files that verify name, and the newest version of those.
    fn names(&self) -> BTreeMap<(&RoleName, Sha256Hash), u64> {
        let by_timestamps = self
            .timestamps
            .values()
            .map(|file| (&RoleName::Snapshot, &file.snapshot, file.header.version));
        let by_snapshots = self.snapshots.values().flat_map(|file| {
            file.meta.iter().map(|(role, meta)| (role, meta, file.header.version))
        });
        let mut names = BTreeMap::new();
        for (role, meta, version) in by_timestamps.chain(by_snapshots) {
            let Ok(sha256) = meta.sha256() else { continue };
            let newest = names.entry((role, sha256)).or_insert(version);
            *newest = version.max(*newest);
        }
        names
    }

    /// A file does not say whose it is, and several roles can have the same keys.
    fn refuse_others_files(&mut self) {
        let names = self.names();
        let mut of: BTreeMap<Sha256Hash, &RoleName> = BTreeMap::new();
        for (role, sha256) in names.keys() {
            of.entry(*sha256).or_insert(role);
        }
        let mut faults = Vec::new();
        for (place, finding) in self.findings.iter().enumerate() {
            let is_named = names.contains_key(&(&finding.role, finding.sha256));
            if finding.refused.is_none()
                && !is_named
                && let Some(of) = of.get(&finding.sha256)
            {
                let (role, of) = (finding.role.clone(), (*of).clone());
                faults.push((place, Fault::OtherRole { role, of }));
            }
        }
        self.refuse(faults);
    }

    /// Of several files of a role and version one is right: that of the current set, else the one
    /// that was referred to last, else the one that is good for longest.
    fn refuse_twins(&mut self, current: &BTreeMap<RoleName, usize>) {
        let names = self.names();
        let mut versions: BTreeMap<(&RoleName, u64), Vec<usize>> = BTreeMap::new();
        for (place, finding) in self.findings.iter().enumerate() {
            if let (None, Some(version)) = (&finding.refused, finding.version) {
                versions.entry((&finding.role, version)).or_default().push(place);
            }
        }
        let rank = |place: &usize| {
            let finding = self.findings.get(*place)?;
            let named = names.get(&(&finding.role, finding.sha256));
            let is_current = current.get(&finding.role) == Some(place);
            Some((is_current, named, finding.expires, Reverse(finding.sha256)))
        };
        let mut faults = Vec::new();
        for ((role, version), places) in versions {
            let right = places.iter().max_by_key(|place| rank(place)).and_then(|at| self.hash(*at));
            let twins = places.into_iter().filter(|place| self.hash(*place) != right);
            let fault = || Fault::Twin { role: role.clone(), version };
            faults.extend(twins.map(|place| (place, fault())));
        }
        self.refuse(faults);
    }

    fn refuse(&mut self, faults: Vec<(usize, Fault)>) {
        for (place, fault) in faults {
            if let Some(finding) = self.findings.get_mut(place) {
                finding.refused = Some(fault);
            }
        }
    }
}

impl Finding {
    fn describe(&mut self, header: &Header) {
        self.version = Some(header.version);
        self.expires = Some(header.expires.instant());
    }
}
