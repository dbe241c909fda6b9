//! Whose signatures count for files of each role, at whatever time.

use std::collections::BTreeMap;

use crate::limits::MAX_KEY_SETS;
use crate::tuf::RoleName;
use crate::tuf::history::{Fault, KeptFile};
use crate::tuf::metadata::{Document, FileMeta, Signed, Snapshot, Targets, TimestampFile};
use crate::tuf::verify::{RoleKeys, Verified, verify};

/// Who may sign each role, by all files of a collection that verify.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    /// For base roles the newest root's first.
    keys: BTreeMap<RoleName, Vec<RoleKeys>>,
}

/// What a file that verifies tells of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Files that it names by hash.
    pub names: Vec<(RoleName, FileMeta)>,
    /// Roles that it delegates to.
    pub children: Vec<RoleName>,
}

impl Signers {
    /// Takes one more file, of any role but root: it verifies if any keys that its role has had
    /// signed it. What it delegates counts from here on.
    pub fn take(&mut self, file: &KeptFile) -> Result<Told, Fault> {
        let (role, bytes) = (&file.role, &file.bytes);
        match role {
            RoleName::Root => Err(Fault::Unknown { role: role.clone() }),
            RoleName::Timestamp => {
                let signed = Signed::<TimestampFile>::parse(role, bytes)?;
                let (verified, _) = self.verified(role, &signed)?;
                let snapshot = verified.body().snapshot.clone();
                Ok(Told { names: vec![(RoleName::Snapshot, snapshot)], children: Vec::new() })
            }
            RoleName::Snapshot => {
                let signed = Signed::<Snapshot>::parse(role, bytes)?;
                let (verified, _) = self.verified(role, &signed)?;
                let names = verified.body().meta.clone().into_iter().collect();
                Ok(Told { names, children: Vec::new() })
            }
            RoleName::Targets | RoleName::Delegation(_) => {
                let signed = Signed::<Targets>::parse(role, bytes)?;
                let (verified, _) = self.verified(role, &signed)?;
                Ok(Told { names: Vec::new(), children: self.learn_from(verified.body()) })
            }
        }
    }

    pub(super) fn learn(&mut self, role: &RoleName, keys: Option<RoleKeys>) {
        let Some(keys) = keys else { return };
        let known = self.keys.entry(role.clone()).or_default();
        if known.len() < MAX_KEY_SETS && !known.contains(&keys) {
            known.push(keys);
        }
    }

    /// Takes what a file that verifies delegates; returns to whom.
    pub(super) fn learn_from(&mut self, targets: &Targets) -> Vec<RoleName> {
        let roles = &targets.delegations.roles;
        for role in roles {
            self.learn(&role.name, targets.role_keys(&role.name));
        }
        roles.iter().map(|role| role.name.clone()).collect()
    }

    /// Verifies a file by whatever keys its role has had, and tells whether these were the first.
    /// The error is that of the first.
    pub(super) fn verified<T: Document + Clone>(
        &self,
        role: &RoleName,
        signed: &Signed<T>,
    ) -> Result<(Verified<T>, bool), Fault> {
        let unknown = || Fault::Unknown { role: role.clone() };
        let mut first = None;
        for (age, keys) in self.keys.get(role).ok_or_else(unknown)?.iter().enumerate() {
            match verify(signed.clone(), keys) {
                Ok(verified) => return Ok((verified, age == 0)),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        Err(first.map_or_else(unknown, Fault::Signatures))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::tuf::metadata::Root;
    use crate::tuf::testing::Repo;

    /// What takes the keys of too many sets is not tried for ever.
    #[test]
    fn sets_of_keys_have_a_bound() {
        let repo = Repo::new();
        let role = RoleName::Timestamp;
        let bytes = repo.files().remove(&role).unwrap();
        let root = Signed::<Root>::parse(&RoleName::Root, &repo.files()[&RoleName::Root]).unwrap();
        let right = root.unverified().role_keys(&role).unwrap();
        let after = |sets: usize| {
            let mut signers = Signers::default();
            for threshold in 2..sets + 2 {
                let threshold = NonZeroU32::new(u32::try_from(threshold).unwrap()).unwrap();
                signers.learn(&role, Some(RoleKeys { threshold, ..right.clone() }));
            }
            signers.learn(&role, Some(right.clone()));
            signers.take(&KeptFile { role: role.clone(), bytes: bytes.clone() })
        };
        after(MAX_KEY_SETS - 1).unwrap();
        assert!(matches!(after(MAX_KEY_SETS), Err(Fault::Signatures(_))));
    }
}
