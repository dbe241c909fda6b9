//! A repository whose whole chain was accepted.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::crypto::KeyId;
use crate::tuf::delegation::{permits, search_order};
use crate::tuf::metadata::{Root, Snapshot, Target, Targets, TimestampFile};
use crate::tuf::names::{Gun, RoleName, TargetName};
use crate::tuf::rules::MissingDelegation;
use crate::tuf::trusted::errors::{Note, UpdateError};
use crate::tuf::trusted::previous::Previous;
use crate::tuf::trusted::{TrustedSet, Wanted, check_listing};
use crate::tuf::verify::Verified;

/// The trusted state of a repository at one instant: answers questions, and says what to store.
#[derive(Debug)]
pub struct TrustedRepository {
    set: TrustedSet,
    timestamp: Verified<TimestampFile>,
    snapshot: Verified<Snapshot>,
    children: BTreeMap<RoleName, Vec<RoleName>>,
}

/// A target and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The role whose file names it.
    pub role: &'a RoleName,
    /// What it says.
    pub target: &'a Target,
    /// Keys whose signatures over that file are valid.
    pub signers: &'a [KeyId],
    /// Until when that file is to be believed.
    pub expires: Timestamp,
}

/// Why a target is not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No role asked for vouches for it.
    #[error("no valid trust data for {name}")]
    NotFound {
        /// The target.
        name: TargetName,
    },
    /// A role that was asked for exists but cannot be used, so that silence means nothing.
    #[error("cannot tell whether {role} vouches for {name}")]
    RoleUnusable {
        /// The target.
        name: TargetName,
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        #[source]
        cause: Box<UpdateError>,
    },
}

impl TrustedRepository {
    /// Takes a set whose chain is complete; [`TrustedSet::finish`] is the only caller.
    pub(super) fn new(mut set: TrustedSet) -> Result<Self, UpdateError> {
        let timestamp = set.timestamp.take().ok_or(UpdateError::OutOfOrder)?;
        let snapshot = set.snapshot.take().ok_or(UpdateError::OutOfOrder)?;
        let children = set
            .targets
            .iter()
            .map(|(role, file)| {
                let usable = file.body().delegations.roles.iter();
                let usable = usable.map(|child| child.name.clone());
                let usable = usable.filter(|child| set.targets.contains_key(child));
                (role.clone(), usable.collect())
            })
            .collect();
        // All comparisons with what was before have been made.
        set.previous = Previous::default();
        Ok(Self { set, timestamp, snapshot, children })
    }

    /// The repository's name.
    pub fn gun(&self) -> &Gun {
        &self.set.gun
    }

    /// The instant that all expiry was judged by.
    pub fn now(&self) -> Timestamp {
        self.set.now
    }

    /// Whether its root was never seen before.
    pub fn is_first_use(&self) -> bool {
        !self.set.known
    }

    /// The root in force.
    pub fn root(&self) -> &Verified<Root> {
        &self.set.root
    }

    /// The root keys in force, by their id in metadata.
    pub fn root_key_ids(&self) -> Vec<KeyId> {
        let spec = self.root().body().roles.get(RoleName::Root.as_str());
        spec.map(|spec| spec.key_ids.clone()).unwrap_or_default()
    }

    /// The timestamp.
    pub fn timestamp(&self) -> &Verified<TimestampFile> {
        &self.timestamp
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Verified<Snapshot> {
        &self.snapshot
    }

    /// The usable targets files by role, `targets` among them.
    pub fn targets(&self) -> &BTreeMap<RoleName, Verified<Targets>> {
        &self.set.targets
    }

    /// Delegations that exist but cannot be used, and why.
    pub fn unusable(&self) -> &BTreeMap<RoleName, UpdateError> {
        &self.set.unusable
    }

    /// Roles that have expired, when that was to be remembered instead of refused.
    pub fn expired(&self) -> &[(RoleName, Timestamp)] {
        &self.set.expired
    }

    /// What a person should know.
    pub fn notes(&self) -> &[Note] {
        &self.set.notes
    }

    /// Adds something that a person should know.
    pub fn note(&mut self, note: Note) {
        self.set.notes.push(note);
    }

    /// The usable targets roles, breadth first from `targets`, siblings in the document's order.
    pub fn walk(&self) -> Vec<&RoleName> {
        self.children
            .get_key_value(&RoleName::Targets)
            .map(|(top, _)| search_order(top, &[], &self.children))
            .unwrap_or_default()
    }

    /// The prefixes a role may sign under, all its ancestors considered.
    pub fn paths(&self, role: &RoleName) -> &[String] {
        self.set.paths.get(role).map(Vec::as_slice).unwrap_or_default()
    }

    /// The earliest instant at which something of the chain expires, and whose file that is. The
    /// usable delegations count, too.
    pub fn expires_first(&self) -> (RoleName, Timestamp) {
        let base = [
            (RoleName::Root, self.root().body().header.expires.instant()),
            (RoleName::Timestamp, self.timestamp.body().header.expires.instant()),
            (RoleName::Snapshot, self.snapshot.body().header.expires.instant()),
        ];
        let targets = self.set.targets.iter();
        let targets =
            targets.map(|(role, file)| (role.clone(), file.body().header.expires.instant()));
        base.into_iter()
            .chain(targets)
            .min_by_key(|(_, expires)| *expires)
            .unwrap_or((RoleName::Root, Timestamp::MIN))
    }

    /// Looks a target up: for each role of `priority` in turn, breadth first from it, the first
    /// file that names it (notary.md §4.4). The role found may lie below the one asked for.
    ///
    /// A role of `priority` that exists but cannot be used is an error before anything behind it
    /// is looked at: an attacker who withholds it gains nothing. So is any delegation that has
    /// vanished: the server hides something. [`MissingDelegation::FallBack`] passes over both.
    pub fn lookup(
        &self,
        name: &TargetName,
        priority: &[RoleName],
    ) -> Result<Found<'_>, LookupError> {
        for entry in priority {
            let unusable = match self.set.rules.missing_delegation {
                MissingDelegation::Refuse => self.unusable_at(entry).or_else(|| self.vanished()),
                MissingDelegation::FallBack => None,
            };
            if let Some((role, cause)) = unusable {
                return Err(LookupError::RoleUnusable {
                    name: name.clone(),
                    role: role.clone(),
                    cause: Box::new(cause.clone()),
                });
            }
            let Some((entry, _)) = self.children.get_key_value(entry) else { continue };
            let order = search_order(entry, priority, &self.children);
            if let Some(found) = order.into_iter().find_map(|role| self.in_role(role, name)) {
                return Ok(found);
            }
        }
        Err(LookupError::NotFound { name: name.clone() })
    }

    /// Why a role cannot be used, if it or one of the roles that delegate to it cannot.
    /// Every target that counts when these roles are asked in this order: of each name the first
    /// role's, by the order in which [`Self::lookup`] searches (notary.md §4.4).
    pub fn list(&self, priority: &[RoleName]) -> BTreeMap<&TargetName, Found<'_>> {
        let mut listed = BTreeMap::new();
        for entry in priority {
            let Some((entry, _)) = self.children.get_key_value(entry) else { continue };
            for role in search_order(entry, priority, &self.children) {
                let Some(file) = self.set.targets.get(role) else { continue };
                for name in file.body().targets.keys() {
                    if listed.contains_key(name) {
                        continue;
                    }
                    if let Some(found) = self.in_role(role, name) {
                        listed.insert(name, found);
                    }
                }
            }
        }
        listed
    }

    fn unusable_at(&self, role: &RoleName) -> Option<(&RoleName, &UpdateError)> {
        let here = self.set.unusable.get_key_value(role);
        here.or_else(|| self.unusable_at(&role.parent()?))
    }

    /// A delegation that was there before and that the snapshot no longer lists.
    fn vanished(&self) -> Option<(&RoleName, &UpdateError)> {
        let mut unusable = self.set.unusable.iter();
        unusable.find(|(_, cause)| matches!(cause, UpdateError::Vanished { .. }))
    }

    /// What one role's file says of a target, if the role may sign it.
    pub fn in_role(&self, role: &RoleName, name: &TargetName) -> Option<Found<'_>> {
        let (role, file) = self.set.targets.get_key_value(role)?;
        if !permits(self.paths(role), name) {
            return None;
        }
        let target = file.body().targets.get(name)?;
        Some(Found {
            role,
            target,
            signers: file.signers(),
            expires: file.body().header.expires.instant(),
        })
    }

    /// Every role that vouches for a target, in the order of [`Self::walk`].
    pub fn all(&self, name: &TargetName) -> Vec<Found<'_>> {
        self.walk().into_iter().filter_map(|role| self.in_role(role, name)).collect()
    }

    /// Every usable file of the chain, as received: what to store.
    ///
    /// Of a chain from which a delegation has vanished that must not be the snapshot and what names
    /// it, if nothing but the snapshot before tells of that delegation: the next update would not
    /// know that something is missing. The targets files are stored all the same, for whoever
    /// withholds one role must not make us forget how new the others were.
    pub fn files(&self) -> BTreeMap<RoleName, Vec<u8>> {
        let root = (RoleName::Root, self.root().raw().to_vec());
        let targets = self.set.targets.iter();
        let targets = targets.map(|(role, file)| (role.clone(), file.raw().to_vec()));
        let mut files: BTreeMap<_, _> = std::iter::once(root).chain(targets).collect();
        if !self.set.missed_by_listing {
            files.insert(RoleName::Timestamp, self.timestamp.raw().to_vec());
            files.insert(RoleName::Snapshot, self.snapshot.raw().to_vec());
        }
        files
    }

    /// Checks that a file is the very one that the snapshot lists for a role.
    pub fn check_listed(&self, role: &RoleName, raw: &[u8]) -> Result<(), UpdateError> {
        let meta = self.snapshot.body().meta.get(role).ok_or(UpdateError::OutOfOrder)?;
        check_listing(role, meta, raw)
    }

    /// What the snapshot says of a role's file that is not usable or no longer delegated to, so
    /// that its last version can be read.
    pub fn listed(&self, role: &RoleName) -> Option<Wanted> {
        let meta = self.snapshot.body().meta.get(role)?;
        Some(Wanted { role: role.clone(), sha256: meta.sha256().ok()?, length: meta.length })
    }
}
