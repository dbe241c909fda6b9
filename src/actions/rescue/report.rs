//! What came of a rescue, collection by collection.

use std::collections::BTreeMap;

use crate::actions::context::ConnectionError;
use crate::client::NotaryError;
use crate::clock::Timestamp;
use crate::crypto::{KeyId, Sha256Hash};
use crate::store::StoreError;
use crate::store::rescue::{FolderFinding, MissingRecord, RescueFolderError};
use crate::tuf::history::{Fault, History, KeptFile};
use crate::tuf::metadata::{Root, Signed};
use crate::tuf::{Gun, RoleName};

/// Why a collection is not rescued, or not wholly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RescueError {
    /// The place has nothing of it.
    #[error("{place} has no trust data for {gun}")]
    NoTrustData {
        /// The server or folder.
        place: String,
        /// The collection.
        gun: Gun,
    },
    /// None of the questions was answered as a trust server would.
    #[error("{place} gives nothing of {gun}: {answer}")]
    NoAnswer {
        /// The server.
        place: String,
        /// The collection.
        gun: Gun,
        /// What it said when it was asked first.
        answer: String,
    },
    /// The server refuses, or does not answer.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// The server has not answered for so long that it is not asked any more.
    #[error("{server} no longer answers")]
    GaveUp {
        /// The server.
        server: String,
    },
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The cache to be rescued from.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rescue folder.
    #[error(transparent)]
    Folder(#[from] RescueFolderError),
    /// The server's list of changes cannot be believed.
    #[error("the changefeed of {server} {problem}")]
    Feed {
        /// The server.
        server: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Judging the files was cut off.
    #[error("judging the files of {gun} was cut off")]
    CutOff {
        /// The collection.
        gun: Gun,
    },
}

/// What there is of a collection.
#[derive(Debug)]
pub struct Rescued {
    /// The collection.
    pub gun: Gun,
    /// The server or folder that was asked.
    pub place: String,
    /// Files that were not there before.
    pub new_files: usize,
    /// Files that are there now.
    pub files: usize,
    /// Their size, in bytes.
    pub bytes: u64,
    /// How many of them are what the owners published.
    pub verified: usize,
    /// Those that are not.
    pub refused: Vec<Refusal>,
    /// Files that are right, by role: their versions.
    pub versions: BTreeMap<RoleName, Vec<u64>>,
    /// The newest set of files that belong together, by role. Empty if there is none.
    pub current: Vec<RoleState>,
    /// Number of changes known of the changefeed.
    pub changes: usize,
    /// What was asked for and not had.
    pub missing: Vec<MissingRecord>,
    /// What is not as it should be in the folder.
    pub findings: Vec<FolderFinding>,
    /// Whether all was asked for that there could be, and each question answered.
    pub complete: bool,
    /// What else is to be said.
    pub remarks: Vec<String>,
    /// Why it could not be gone on with.
    pub error: Option<RescueError>,
}

/// A file that is kept and is not what the owners published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whose it is said to be.
    pub role: RoleName,
    /// Its version, if it can be read.
    pub version: Option<u64>,
    /// Hash of its bytes.
    pub sha256: Sha256Hash,
    /// What is wrong with it.
    pub fault: Fault,
}

/// The current file of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleState {
    /// The role.
    pub role: RoleName,
    /// Its version.
    pub version: u64,
    /// Until when it holds, or held.
    pub expires: Option<Timestamp>,
    /// Hash of its bytes.
    pub sha256: Sha256Hash,
    /// Keys of a base role, by the ids that their key files have.
    pub keys: Vec<KeyId>,
    /// How many of them must sign.
    pub threshold: u32,
}

impl Rescued {
    /// Of a collection of which nothing is known yet.
    pub(super) fn nothing(gun: Gun, place: String) -> Self {
        Self {
            gun,
            place,
            new_files: 0,
            files: 0,
            bytes: 0,
            verified: 0,
            refused: Vec::new(),
            versions: BTreeMap::new(),
            current: Vec::new(),
            changes: 0,
            missing: Vec::new(),
            findings: Vec::new(),
            complete: false,
            remarks: Vec::new(),
            error: None,
        }
    }

    /// Takes what judging the files came to.
    pub(super) fn judged(&mut self, files: &[KeptFile], history: &History) {
        self.files = files.len();
        self.bytes = history.findings.iter().map(|finding| finding.length).sum();
        for finding in &history.findings {
            let (role, version, sha256) = (finding.role.clone(), finding.version, finding.sha256);
            match &finding.refused {
                Some(fault) => {
                    self.refused.push(Refusal { role, version, sha256, fault: fault.clone() });
                }
                None => {
                    self.verified += 1;
                    self.versions.entry(role).or_default().extend(version);
                }
            }
        }
        self.versions.values_mut().for_each(|versions| versions.sort_unstable());
        let root = history.current.get(&RoleName::Root).and_then(|place| files.get(*place));
        let root = root.and_then(|file| Signed::<Root>::parse(&RoleName::Root, &file.bytes).ok());
        self.current = history
            .current
            .iter()
            .filter_map(|(role, place)| {
                let finding = history.findings.get(*place)?;
                let keys = root.as_ref().and_then(|root| root.unverified().role_keys(role));
                let threshold = keys.as_ref().map_or(0, |keys| keys.threshold.get());
                let ids = keys.iter().flat_map(|keys| keys.keys.values());
                Some(RoleState {
                    role: role.clone(),
                    version: finding.version?,
                    expires: finding.expires,
                    sha256: finding.sha256,
                    keys: ids.filter_map(|key| key.canonical_id().ok()).collect(),
                    threshold,
                })
            })
            .collect();
    }

    /// Roles whose current files have expired by then.
    pub fn expired(&self, now: Timestamp) -> Vec<&RoleState> {
        self.current.iter().filter(|state| state.expires.is_some_and(|at| at < now)).collect()
    }
}
