//! Signing again what has expired or is about to, with the keys that are here; root certificates
//! that end are replaced, too (notary.md §1.3, §1.11, §4.10).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Span;

use crate::actions::context::Context;
use crate::actions::publish::{PublishError, Published, publish};
use crate::actions::repo::doctor::keys_here;
use crate::actions::unlock::{UnlockError, unlock};
use crate::actions::update::{RefreshError, Source, update};
use crate::crypto::certificate::Certificate;
use crate::crypto::{KeyError, KeyId, PublicKey};
use crate::store::StoreError;
use crate::tuf::editor::Draft;
use crate::tuf::health::{Due, Horizon, Signers, examine};
use crate::tuf::root_trust::root_certificates;
use crate::tuf::trusted::{Expiry, TrustedRepository};
use crate::tuf::{Gun, RoleName};

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// How far ahead to look; notary's six months if not given.
    pub within: Option<Span>,
    /// Only these roles; all if none is named.
    pub roles: Vec<RoleName>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What was due and what came of it.
#[derive(Debug, Default)]
pub struct Renewal {
    /// What was, or would be, signed again here.
    pub renewed: Vec<Due>,
    /// What is due and cannot be signed here.
    pub left: Vec<Left>,
    /// Root keys whose certificate was replaced: the old id in the root and the new one.
    pub certificates: Vec<(KeyId, KeyId)>,
    /// What was published; nothing if there was nothing to do, or only to be said what.
    pub published: Option<Published>,
}

/// Something that is due and was not renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What is due.
    pub due: Due,
    /// Why it was left.
    pub reason: Reason,
}

/// Why something due was not renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too few of its keys are here.
    Keys,
    /// The server signs it, with every change and when it has expired.
    Server,
    /// A certificate comes from an authority, which has to make the next one.
    Authority,
}

/// Why nothing was renewed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// A role that is not there, or that cannot be used.
    #[error("there is no {role} in {gun} to be renewed")]
    NoSuchRole {
        /// The repository.
        gun: Gun,
        /// The role.
        role: RoleName,
    },
    /// Something is due, and nothing of it can be signed here.
    #[error("nothing of {gun} that is due can be signed with the keys that are here")]
    NoKeys {
        /// The repository.
        gun: Gun,
        /// What is due.
        left: Vec<Left>,
    },
    /// A certificate cannot be made.
    #[error("cannot make a root certificate for {gun}")]
    Certificate {
        /// The repository.
        gun: Gun,
        /// Why.
        #[source]
        cause: KeyError,
    },
    /// The change.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// What is published now could not be learned.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// A key cannot be opened, or is not to be used.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The keys.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs again what is due. With nothing due nothing is published.
pub async fn renew(context: &Context, gun: &Gun, request: &Request) -> Result<Renewal, RenewError> {
    let mut renewal = Renewal::default();
    if request.dry_run {
        let notary = context.connections.notary(gun, "pull").map_err(RefreshError::from)?;
        let updated = update(context, gun, &notary, Source::Server, Expiry::Remembered).await?;
        plan(context, &updated.trusted, request, &mut renewal)?;
        return Ok(renewal);
    }
    let mut made = BTreeMap::new();
    let published = publish(context, gun, None, |draft, trusted| {
        let Some(trusted) = trusted else { return Ok(()) };
        renewal = Renewal::default();
        plan(context, trusted, request, &mut renewal)?;
        for due in &renewal.renewed {
            draft.touch(&due.role);
        }
        let certificates = renewal.renewed.iter().flat_map(|due| due.certificates.clone());
        let certificates: Vec<KeyId> = certificates.collect();
        renewal.certificates = replace(context, gun, draft, &certificates, &mut made)?;
        wake_the_server(context, draft, &renewal)?;
        Ok::<_, RenewError>(())
    })
    .await;
    let published = match published {
        // Nothing that is due was ours, and nothing else was changed.
        Err(RenewError::Publish(PublishError::ExpiredAbove { .. }))
            if renewal.renewed.is_empty() && !renewal.left.is_empty() =>
        {
            return Err(RenewError::NoKeys { gun: gun.clone(), left: renewal.left });
        }
        other => other?,
    };
    if renewal.renewed.is_empty() && published.publication.is_none() {
        let ours = renewal.left.iter().any(|left| left.reason != Reason::Server);
        if ours {
            return Err(RenewError::NoKeys { gun: gun.clone(), left: renewal.left });
        }
    }
    renewal.published = Some(published);
    Ok(renewal)
}

/// Says what is due, and what of it can be signed here.
fn plan(
    context: &Context,
    trusted: &TrustedRepository,
    request: &Request,
    renewal: &mut Renewal,
) -> Result<(), RenewError> {
    let now = context.clock.now();
    let horizon = match request.within {
        Some(span) => Horizon::ahead(now, span),
        None => Horizon::usual(now),
    };
    let health = examine(trusted, &keys_here(context)?, &BTreeMap::new(), horizon);
    for role in &request.roles {
        if health.role(role).is_none_or(|state| state.version.is_none()) {
            let (gun, role) = (trusted.gun().clone(), role.clone());
            return Err(RenewError::NoSuchRole { gun, role });
        }
    }
    let foreign = foreign_certificates(trusted);
    for mut due in health.due(&request.roles) {
        let (issued, own) = due.certificates.into_iter().partition(|id| foreign.contains(id));
        due.certificates = issued;
        if !due.certificates.is_empty() {
            renewal.left.push(Left { due: due.clone(), reason: Reason::Authority });
        }
        due.certificates = own;
        if !due.file && due.certificates.is_empty() {
            continue;
        }
        let is_servers = match due.role {
            RoleName::Timestamp => true,
            RoleName::Snapshot => due.signers.here == 0,
            _ => false,
        };
        if is_servers {
            renewal.left.push(Left { due, reason: Reason::Server });
        } else if due.signers.are_enough() {
            renewal.renewed.push(due);
        } else {
            renewal.left.push(Left { due, reason: Reason::Keys });
        }
    }
    Ok(())
}

/// Replaces the certificates of root keys that have ended or are about to, as far as the keys are
/// here and the certificates are of their own making: the next root would be refused for them.
/// Returns the old ids in the root and the new ones.
pub(super) fn replace_root_certificates(
    context: &Context,
    trusted: &TrustedRepository,
    draft: &mut Draft,
    made: &mut BTreeMap<KeyId, PublicKey>,
) -> Result<Vec<(KeyId, KeyId)>, RenewError> {
    let horizon = Horizon::usual(context.clock.now());
    let health = examine(trusted, &keys_here(context)?, &BTreeMap::new(), horizon);
    let foreign = foreign_certificates(trusted);
    let due = health.due(&[RoleName::Root]).into_iter().flat_map(|due| due.certificates);
    let due: Vec<KeyId> = due.filter(|id| !foreign.contains(id)).collect();
    replace(context, trusted.gun(), draft, &due, made)
}

/// What the server should have signed anew and did not, it signs with any change: the top-level
/// role is signed again as it is, if it can be here.
fn wake_the_server(
    context: &Context,
    draft: &mut Draft,
    renewal: &Renewal,
) -> Result<(), RenewError> {
    let is_servers = |left: &Left| left.reason == Reason::Server;
    let Some(keys) = draft.role_keys(&RoleName::Targets) else { return Ok(()) };
    let can_sign = Signers::of(&keys, &keys_here(context)?).are_enough();
    if !draft.is_dirty() && can_sign && renewal.left.iter().any(is_servers) {
        draft.touch(&RoleName::Targets);
    }
    Ok(())
}

/// Puts the private keys of these root keys into new certificates of the same name, as far as they
/// are here. The next root is signed under the old ids and the new ones. A certificate that was
/// `made` before is taken again.
fn replace(
    context: &Context,
    gun: &Gun,
    draft: &mut Draft,
    certificates: &[KeyId],
    made: &mut BTreeMap<KeyId, PublicKey>,
) -> Result<Vec<(KeyId, KeyId)>, RenewError> {
    let mut replaced = Vec::new();
    if certificates.is_empty() {
        return Ok(replaced);
    }
    let store = context.trust_dir.keys()?;
    let old = root_certificates(draft.root(), gun);
    let Some(role) = draft.role_keys(&RoleName::Root) else { return Ok(replaced) };
    let mut keys = Vec::new();
    for (id, key) in role.keys {
        let due = certificates.contains(&id).then(|| old.get(&id)).flatten();
        let (Some(due), Ok(canonical)) = (due, key.canonical_id()) else {
            keys.push(key);
            continue;
        };
        if !made.contains_key(&id) && store.find(&canonical)?.is_some() {
            let private = unlock(context, &store, &canonical, gun)?;
            let now = context.clock.now();
            let pem = Certificate::self_signed(&due.common_name, &private, now)
                .map_err(|cause| RenewError::Certificate { gun: gun.clone(), cause })?;
            made.insert(id.clone(), PublicKey::new(key.key_type().clone(), pem));
        }
        match made.get(&id) {
            Some(new) => {
                replaced.push((id, new.id()));
                keys.push(new.clone());
            }
            None => keys.push(key),
        }
    }
    if !replaced.is_empty() {
        draft.set_base_keys(&RoleName::Root, &keys);
    }
    Ok(replaced)
}

/// Root keys whose certificate an authority made.
fn foreign_certificates(trusted: &TrustedRepository) -> BTreeSet<KeyId> {
    let certificates = root_certificates(trusted.root().body(), trusted.gun()).into_iter();
    certificates
        .filter(|(_, certificate)| !certificate.is_self_issued())
        .map(|(id, _)| id)
        .collect()
}
