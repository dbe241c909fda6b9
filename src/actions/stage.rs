//! Changes that wait to be published: put behind those that wait already, and published together.
//!
//! They are notary's own files (notary.md §2.6): what one program staged the other publishes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::actions::context::Context;
use crate::actions::delegation::purge::spare_unsignable;
use crate::actions::initialize::{Keeper, Plan};
use crate::actions::publish::{Facts, PublishError, Published, hold, publish_held};
use crate::client::{FileVersion, NotaryError};
use crate::crypto::Sha256Hash;
use crate::limits::MAX_TARGETS_BYTES;
use crate::store::StoreError;
use crate::tuf::changelist::{Change, ChangeError, DelegationScope};
use crate::tuf::editor::{Draft, EditError};
use crate::tuf::metadata::{Signed, Targets};
use crate::tuf::trusted::TrustedRepository;
use crate::tuf::{Gun, RoleName};

/// How long to wait for another process that changes the same repository.
const LOCK_WAIT: Duration = Duration::from_mins(1);

/// A change that waits to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The name of its file.
    pub file: String,
    /// What is to be changed.
    pub change: Change,
}

/// Why changes were not staged, or staged ones not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// A staged change cannot be read. All of them are still there.
    #[error("the staged change #{number} of {gun} (`{file}`) cannot be read")]
    Unreadable {
        /// The repository.
        gun: Gun,
        /// Its place in the order of application, from 0.
        number: usize,
        /// The name of its file.
        file: String,
        /// What is wrong with it.
        #[source]
        cause: ChangeError,
    },
    /// A staged change cannot be made. All of them are still there, and nothing was published.
    #[error("the staged change #{number} of {gun} (`{file}`) cannot be applied")]
    Refused {
        /// The repository.
        gun: Gun,
        /// Its place in the order of application, from 0.
        number: usize,
        /// The name of its file.
        file: String,
        /// Why not.
        #[source]
        cause: EditError,
    },
    /// A role is to be signed again whose last content does not verify any more, and it is not
    /// known on this machine that it ever did.
    #[error("what {role} of {gun} held last was never seen valid on this machine")]
    NeverValid {
        /// The repository.
        gun: Gun,
        /// The place of the change, from 0.
        number: usize,
        /// The name of its file.
        file: String,
        /// The role.
        role: RoleName,
    },
    /// The changes were published, but their files are still there.
    #[error("the staged changes of {gun} were published, but cannot be removed")]
    NotCleared {
        /// The repository.
        gun: Gun,
        /// What is wrong with the disk.
        #[source]
        cause: StoreError,
    },
    /// Nothing was published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The files or the lock.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts changes behind those that wait already: all of them, or, if the disk refuses one, none as
/// far as the disk lets those be removed that were written.
pub fn stage(context: &Context, gun: &Gun, changes: &[Change]) -> Result<(), StageError> {
    let _lock = context.trust_dir.lock(gun, LOCK_WAIT)?;
    let list = context.trust_dir.changelist(gun);
    let mut written = Vec::with_capacity(changes.len());
    for change in changes {
        match list.append(context.clock.now(), &change.encode()) {
            Ok(name) => written.push(name),
            Err(error) => {
                // What is wrong with the disk is told by the first error.
                drop(list.remove(&written));
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// The changes that wait, in the order in which they will be applied.
pub fn staged(context: &Context, gun: &Gun) -> Result<Vec<Staged>, StageError> {
    let files = context.trust_dir.changelist(gun).read()?;
    let read = |(number, (file, raw)): (usize, (String, Vec<u8>))| match Change::parse(&raw) {
        Ok(change) => Ok(Staged { file, change }),
        Err(cause) => Err(StageError::Unreadable { gun: gun.clone(), number, file, cause }),
    };
    files.into_iter().enumerate().map(read).collect()
}

/// Publishes every change that waits, in order and in one go, and removes exactly their files
/// after the server accepted them. A repository that the server does not know is set up.
///
/// After a crash between the two the files are still there, and publishing them again changes
/// nothing: a target is what it is to be, a delegation has the keys and paths it is to have, and
/// roles that were to be signed again are signed once more.
pub async fn publish_staged(context: &Context, gun: &Gun) -> Result<Published, StageError> {
    publish_staged_with(context, gun, &[]).await
}

/// Publishes as [`publish_staged`] does; of the roles `unseen` what the server serves is vouched
/// for if that is staged, though it does not verify any more and was never seen valid here.
pub async fn publish_staged_with(
    context: &Context,
    gun: &Gun,
    unseen: &[RoleName],
) -> Result<Published, StageError> {
    let lock = hold(context, gun).await?;
    let changes = staged(context, gun)?;
    let plan = Plan { snapshot: Keeper::Owner, ..Plan::default() };
    let facts = lapsed(context, gun, &changes, unseen);
    let published =
        publish_held(context, gun, &lock, Some(&plan), facts, |draft, trusted, lapsed| {
            for (number, Staged { file, change }) in changes.iter().enumerate() {
                let file = file.clone();
                if let Change::Witness { role } = change
                    && !take_up(draft, trusted, role, lapsed)
                {
                    let (gun, role) = (gun.clone(), role.clone());
                    return Err(StageError::NeverValid { gun, number, file, role });
                }
                spare_unsignable(context, draft, change)?;
                draft.apply(change, context.clock.now()).map_err(|cause| StageError::Refused {
                    gun: gun.clone(),
                    number,
                    file,
                    cause,
                })?;
            }
            if let Some(trusted) = trusted {
                draft.settle(trusted, &witnessed(&changes));
            }
            Ok(())
        })
        .await?;
    // What waits for a role above is to be published when that is there.
    let done = changes.into_iter().filter(|staged| !waits(&staged.change, &published.postponed));
    let files: Vec<String> = done.map(|staged| staged.file).collect();
    match context.trust_dir.changelist(gun).remove(&files) {
        Ok(()) => Ok(published),
        Err(cause) => Err(StageError::NotCleared { gun: gun.clone(), cause }),
    }
}

/// Whether a change goes into a role that could not be changed yet, or is what has to come first.
fn waits(change: &Change, postponed: &[RoleName]) -> bool {
    match change {
        Change::AddTarget { role, .. }
        | Change::RemoveTarget { role, .. }
        | Change::Witness { role } => postponed.contains(role),
        Change::ChangeDelegation { role: DelegationScope::One(role), .. } => {
            let below = format!("{role}/");
            postponed.iter().any(|other| other == role || other.as_str().starts_with(&below))
        }
        _ => false,
    }
}

/// The roles that are to be signed again as they are.
fn witnessed(changes: &[Staged]) -> Vec<&RoleName> {
    let changes = changes.iter().map(|staged| &staged.change);
    changes
        .filter_map(|change| match change {
            Change::Witness { role } => Some(role),
            _ => None,
        })
        .collect()
}

impl Facts for BTreeMap<RoleName, Vec<u8>> {}

/// What the roles to be witnessed held when they last verified here, or, of those in `unseen`,
/// what the server serves.
async fn lapsed(
    context: &Context,
    gun: &Gun,
    changes: &[Staged],
    unseen: &[RoleName],
) -> Result<BTreeMap<RoleName, Vec<u8>>, StageError> {
    let mut witnessed = witnessed(changes);
    witnessed.retain(|role| role.is_delegation());
    if witnessed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut files = context.trust_dir.metadata(gun).read()?;
    files.retain(|role, _| witnessed.contains(&role));
    let unseen: Vec<&RoleName> = unseen.iter().filter(|role| witnessed.contains(role)).collect();
    if !unseen.is_empty() {
        let notary = context.connections.notary(gun, "pull").map_err(PublishError::from)?;
        for role in unseen {
            match notary.file(role, FileVersion::Current, MAX_TARGETS_BYTES).await {
                Ok(raw) => drop(files.insert(role.clone(), raw)),
                Err(NotaryError::NotFound { .. }) => {}
                Err(error) => return Err(PublishError::from(error).into()),
            }
        }
    }
    Ok(files)
}

/// Takes up again what a role held that does not verify any more, and says whether nothing stands
/// in the way of signing it. The snapshot must name the very file: what anybody else may have put
/// in its place is not vouched for.
fn take_up(
    draft: &mut Draft,
    trusted: Option<&TrustedRepository>,
    role: &RoleName,
    lapsed: &BTreeMap<RoleName, Vec<u8>>,
) -> bool {
    let Some(trusted) = trusted.filter(|trusted| trusted.unusable().contains_key(role)) else {
        return true;
    };
    if draft.targets(role).is_some() || !draft.exists(role) {
        return true;
    }
    let file = trusted.listed(role).and_then(|listed| {
        let raw = lapsed.get(role).filter(|raw| Sha256Hash::of(raw) == listed.sha256)?;
        Signed::<Targets>::parse(role, raw).ok()
    });
    match file {
        Some(file) => {
            draft.take_up(role, file.unverified().clone());
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::actions::context::{Connections, Strictness};
    use crate::clock::{FixedClock, Timestamp};
    use crate::crypto::Passphrase;
    use crate::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
    use crate::store::TrustDir;
    use crate::store::faults::{self, Mode};
    use crate::store::keyring::KeyringEnv;
    use crate::tuf::{Pinning, TargetName};

    struct Nobody;

    impl PassphraseSource for Nobody {
        fn passphrase(&self, _: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
            Err(PassphraseError::Cancelled)
        }
    }

    fn context(dir: &Path) -> Context {
        Context {
            trust_dir: TrustDir::new(dir.to_owned()),
            clock: Arc::new(FixedClock(Timestamp::UNIX_EPOCH)),
            passphrases: Arc::new(Nobody),
            connections: Connections::default(),
            pinning: Pinning::default(),
            strictness: Strictness::default(),
            example_keys_allowed: false,
            keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
        }
    }

    fn gun() -> Gun {
        Gun::parse("example.com/app").unwrap()
    }

    fn removals(names: &[&str]) -> Vec<Change> {
        let removal = |name: &&str| Change::RemoveTarget {
            role: RoleName::Targets,
            name: TargetName::parse(name).unwrap(),
        };
        names.iter().map(removal).collect()
    }

    fn waiting(context: &Context) -> Vec<Change> {
        let staged = staged(context, &gun()).unwrap();
        staged.into_iter().map(|staged| staged.change).collect()
    }

    #[test]
    fn changes_wait_in_the_order_in_which_they_were_staged() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        stage(&context, &gun(), &removals(&["b", "a"])).unwrap();
        stage(&context, &gun(), &removals(&["c"])).unwrap();
        assert_eq!(waiting(&context), removals(&["b", "a", "c"]));
    }

    #[test]
    fn all_changes_are_staged_or_none_when_the_disk_is_full_for_a_moment() {
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let context = context(dir.path());
            stage(&context, &gun(), &removals(&["before"])).unwrap();
            let work = || stage(&context, &gun(), &removals(&["a", "b", "c"]));
            let (outcome, hit) = faults::with_fault(step, Mode::FullOnce, work);
            let expected: &[&str] =
                if outcome.is_ok() { &["before", "a", "b", "c"] } else { &["before"] };
            assert_eq!(waiting(&context), removals(expected), "step {step}: {outcome:?}");
            if !hit {
                break;
            }
        }
    }

    #[test]
    fn a_crash_leaves_whole_changes_the_first_ones_first() {
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let context = context(dir.path());
            let work = || stage(&context, &gun(), &removals(&["a", "b"]));
            let (_, crashed) = faults::with_fault(step, Mode::Crash, work);
            let left = waiting(&context);
            assert!(removals(&["a", "b"]).starts_with(&left), "step {step}: {left:?}");
            if !crashed {
                assert_eq!(left.len(), 2);
                break;
            }
        }
    }

    #[test]
    fn a_change_that_cannot_be_read_is_named_by_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        stage(&context, &gun(), &removals(&["a"])).unwrap();
        let list = context.trust_dir.changelist(&gun());
        let broken = list.append(context.clock.now(), b"{").unwrap();
        let error = staged(&context, &gun()).unwrap_err();
        let StageError::Unreadable { number, file, cause, .. } = error else { panic!("{error}") };
        assert_eq!((number, file), (1, broken));
        assert!(matches!(cause, ChangeError::Malformed(_)), "{cause:?}");
    }
}
