//! What fewer people have signed than it needs: several people's publications add up
//! (`spec/thresholds.md`).

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::image::digest_of;
use crate::actions::publish::{Base, Change, PublishError};
use crate::crypto::KeyId;
use crate::tuf::editor::{Draft, Need};
use crate::tuf::proposal::{Pending, Proposals, digest, is_companion_role};
use crate::tuf::trusted::TrustedRepository;
use crate::tuf::verify::RoleKeys;
use crate::tuf::{RoleName, TargetName, Targets};

/// How far the signing of a role's next file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The role.
    pub role: RoleName,
    /// The version that waits.
    pub version: u64,
    /// Different keys of the role that have signed it.
    pub have: usize,
    /// How many are needed.
    pub need: u32,
    /// Who could add the next signature: signers by name, others by key id.
    pub waiting_for: Vec<String>,
    /// Our signature was added just now.
    pub added: bool,
}

/// A proposal as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// How far it is.
    pub progress: Progress,
    /// Who has signed it.
    pub signed_by: Vec<String>,
    /// Targets that it would add or change, with the digest in hex where there is one.
    pub adds: Vec<(String, Option<String>)>,
    /// Targets that it would take away.
    pub removes: Vec<String>,
    /// It would change to whom the role delegates.
    pub changes_delegations: bool,
}

/// Everything that waits for signatures in a repository, and warnings about what only pretends to.
pub fn proposed(trusted: &TrustedRepository) -> (Vec<Proposed>, Vec<String>) {
    let draft = Draft::from_trusted(trusted);
    let delegated = trusted.targets().values().flat_map(|file| &file.body().delegations.roles);
    let roles: BTreeSet<RoleName> = delegated
        .filter(|child| !is_companion_role(child))
        .map(|child| child.name.clone())
        .chain([RoleName::Targets])
        .collect();
    let (mut shown, mut warnings) = (Vec::new(), Vec::new());
    for role in roles {
        let Some(keys) = draft.role_keys(&role).filter(|keys| keys.threshold.get() > 1) else {
            continue;
        };
        let proposals = draft.proposals(&role, &keys, trusted.now());
        warnings.extend(about_ignored(&role, &proposals));
        let mut bases: BTreeMap<_, &Targets> = BTreeMap::new();
        bases.extend(draft.targets(&role).map(|file| (digest(file), file)));
        for pending in &proposals.pending {
            let base = pending.proposal.base.and_then(|base| bases.get(&base).copied());
            shown.push(show(&draft, &keys, pending, base));
            bases.insert(pending.proposal.digest, &pending.body);
        }
    }
    (shown, warnings)
}

fn show(draft: &Draft, keys: &RoleKeys, pending: &Pending, base: Option<&Targets>) -> Proposed {
    let changed = &pending.proposal.changed;
    let hex = |target| digest_of(target).map(|digest| digest.hex().to_owned());
    let delegations = base.map(|base| &base.delegations);
    Proposed {
        progress: progress(draft, keys, pending, false),
        signed_by: names(draft, pending.signers.iter()),
        adds: changed.targets.iter().map(|(name, at)| (name.to_string(), hex(at))).collect(),
        removes: pending.proposal.removed.iter().map(ToString::to_string).collect(),
        changes_delegations: match delegations {
            Some(before) => *before != changed.delegations,
            None => !changed.delegations.roles.is_empty(),
        },
    }
}

fn about_ignored(role: &RoleName, proposals: &Proposals) -> Vec<String> {
    use crate::tuf::proposal::ProposalError::Stale;
    let ignored = proposals.ignored.iter().filter(|(_, error)| *error != Stale);
    ignored
        .map(|(name, error)| format!("a proposal on {role} is ignored, {name}: {error}"))
        .collect()
}

fn progress(draft: &Draft, keys: &RoleKeys, pending: &Pending, added: bool) -> Progress {
    let all = keys.keys.values().filter_map(|key| key.canonical_id().ok());
    let missing: BTreeSet<KeyId> = all.filter(|id| !pending.signers.contains(id)).collect();
    Progress {
        role: keys.role.clone(),
        version: pending.body.header.version,
        have: pending.signers.len(),
        need: keys.threshold.get(),
        waiting_for: names(draft, missing.iter()),
        added,
    }
}

/// Signers by the name of their delegation, other holders of keys by key id.
fn names<'a>(draft: &Draft, keys: impl Iterator<Item = &'a KeyId>) -> Vec<String> {
    let mut names = BTreeSet::new();
    for id in keys {
        let owners = draft.all_targets().flat_map(|(_, file)| {
            let children = file.delegations.roles.iter();
            let children = children
                .filter(|child| child.name != RoleName::releases() && !is_companion_role(child));
            children.filter(|child| {
                let keys = child.key_ids.iter().filter_map(|id| file.delegations.keys.get(id));
                keys.filter_map(|key| key.canonical_id().ok()).any(|key| key == *id)
            })
        });
        let name = |role: &RoleName| {
            role.as_str().strip_prefix("targets/").unwrap_or(role.as_str()).to_owned()
        };
        let owners: Vec<String> = owners.map(|child| name(&child.name)).collect();
        if owners.is_empty() {
            names.insert(format!("key {}", id.short(12)));
        }
        names.extend(owners);
    }
    names.into_iter().collect()
}

/// What settling a draft came to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Roles that wait for more signatures.
    pub(super) proposed: Vec<Progress>,
    /// Roles that are not changed before a role above them is.
    pub(super) postponed: Vec<RoleName>,
    /// Roles whose proposal our signatures complete.
    pub(super) completed: Vec<RoleName>,
    /// What only pretends to be a proposal.
    pub(super) warnings: Vec<String>,
}

impl Settled {
    /// Whether nothing waits for the signatures of others.
    pub(super) fn is_all_signed(&self) -> bool {
        self.proposed.is_empty() && self.postponed.is_empty()
    }

    /// Leaves a role as it is published, and remembers it if it was to say something else.
    fn postpone(&mut self, base: &mut Base, role: RoleName, before: &Draft) {
        let wanted = base.draft.shared(&role);
        base.draft.put_back(&role, before);
        let Some(wanted) = wanted else { return };
        let same = match before.targets(&role) {
            Some(stays) => {
                (&wanted.targets, &wanted.delegations) == (&stays.targets, &stays.delegations)
            }
            None => wanted.targets.is_empty() && wanted.delegations.roles.is_empty(),
        };
        if !same {
            self.postponed.push(role);
        }
    }
}

impl Change<'_> {
    /// Turns what the keys at hand cannot sign alone into proposals, or completes those of others.
    /// `edit` makes the change once more, on a draft in which the proposals of ours that wait are
    /// accepted already, so that one builds on the other.
    pub(super) fn settle<E: From<PublishError>>(
        &mut self,
        base: &mut Base,
        before: &Draft,
        mut edit: impl FnMut(&mut Change<'_>, &mut Base) -> Result<(), E>,
    ) -> Result<Settled, E> {
        let mut settled = Settled::default();
        let short = self.short_roles(&base.draft)?;
        if short.is_empty() {
            return Ok(settled);
        }
        let now = self.context.clock.now();
        let mut heads: BTreeMap<RoleName, Pending> = BTreeMap::new();
        for (role, keys, here) in &short {
            let proposals = before.proposals(role, keys, now);
            settled.warnings.extend(about_ignored(role, &proposals));
            let matched = best(&base.draft, role, before.targets(role), &proposals).is_some();
            if let Some(head) = proposals.head(here).filter(|_| !matched) {
                heads.insert(role.clone(), head.clone());
            }
        }
        if !heads.is_empty() {
            let mut draft = before.clone();
            for head in heads.values() {
                draft.stand_on(head);
            }
            draft.take_floors(&base.draft);
            base.draft = draft;
            edit(self, base)?;
        }
        for (role, head) in &heads {
            if !base.draft.dirty().contains(role)
                && let Some(keys) = before.role_keys(role)
            {
                base.draft.put_back(role, before);
                settled.proposed.push(progress(before, &keys, head, false));
            }
        }
        self.settle_each(base, before, &heads, &mut settled)?;
        self.prune(base, before, &mut settled)?;
        Ok(settled)
    }

    /// The changed roles of which some keys are here, but too few, with the keys that are.
    fn short_roles(
        &self,
        draft: &Draft,
    ) -> Result<Vec<(RoleName, RoleKeys, BTreeSet<KeyId>)>, PublishError> {
        let mut short = Vec::new();
        for role in draft.dirty().iter().filter(|role| role.is_targets()) {
            let Some(keys) = draft.role_keys(role) else { continue };
            let here = self.keys_here(&keys)?;
            if !here.is_empty() && falls_short(here.len(), &keys) {
                short.push((role.clone(), keys, here));
            }
        }
        Ok(short)
    }

    fn settle_each(
        &mut self,
        base: &mut Base,
        before: &Draft,
        heads: &BTreeMap<RoleName, Pending>,
        settled: &mut Settled,
    ) -> Result<(), PublishError> {
        let dirty: Vec<RoleName> = base.draft.dirty().iter().cloned().collect();
        let mut waiting: Vec<RoleName> = Vec::new();
        // A parent comes before its children.
        for role in dirty.into_iter().filter(RoleName::is_targets) {
            let below_one =
                waiting.iter().any(|above| role.as_str().starts_with(&format!("{above}/")));
            let keys = base.draft.role_keys(&role);
            let here = keys.as_ref().map(|keys| self.keys_here(keys)).transpose()?;
            let (Some(keys), Some(here)) = (keys, here) else {
                // It is to be made by a parent that waits.
                settled.postpone(base, role, before);
                continue;
            };
            if !falls_short(here.len(), &keys) {
                continue;
            }
            if here.is_empty() {
                if below_one {
                    settled.postpone(base, role, before);
                }
                // Otherwise signing says which keys are missing.
                continue;
            }
            let standing = heads.get(&role).map(|head| head.body.as_ref());
            let standing = standing.or_else(|| before.targets(&role));
            let found = best(
                &base.draft,
                &role,
                standing,
                &before.proposals(&role, &keys, self.context.clock.now()),
            );
            if self.settle_one(base, before, (&keys, &here), standing, found, settled)? {
                waiting.push(role);
            }
        }
        Ok(())
    }

    /// Completes, endorses or makes one proposal; tells whether the role still waits.
    fn settle_one(
        &mut self,
        base: &mut Base,
        before: &Draft,
        (keys, here): (&RoleKeys, &BTreeSet<KeyId>),
        standing: Option<&Targets>,
        found: Option<Pending>,
        settled: &mut Settled,
    ) -> Result<bool, PublishError> {
        let now = self.context.clock.now();
        let role = &keys.role;
        let Some(pending) = found else {
            let Some(companion) = self.companion(&base.draft, role)? else { return Ok(false) };
            self.unlock_all(role, here)?;
            base.draft.propose(role, standing, &self.unlocked, now)?;
            let made = base
                .draft
                .targets(&companion)
                .map(|file| Proposals::read(role, before.shared(role).as_ref(), keys, file, now));
            let made = made.and_then(|all| best(&base.draft, role, standing, &all));
            base.draft.put_back(role, before);
            settled.proposed.extend(made.map(|made| progress(before, keys, &made, true)));
            return Ok(true);
        };
        let missing: BTreeSet<KeyId> = here.difference(&pending.signers).cloned().collect();
        if !falls_short(pending.signers.len() + missing.len(), keys) {
            base.draft.cosign(&pending);
            settled.completed.push(role.clone());
            return Ok(false);
        }
        if missing.is_empty() {
            base.draft.put_back(role, before);
            settled.proposed.push(progress(before, keys, &pending, false));
            return Ok(true);
        }
        if self.companion(&base.draft, role)?.is_none() {
            return Ok(false);
        }
        self.unlock_all(role, &missing)?;
        base.draft.endorse(&pending, &self.unlocked, now)?;
        base.draft.put_back(role, before);
        let mut so_far = pending;
        so_far.signers.extend(missing);
        settled.proposed.push(progress(before, keys, &so_far, true));
        Ok(true)
    }

    /// The companion of a role, if proposals can be put there with a key that is here.
    fn companion(&self, draft: &Draft, role: &RoleName) -> Result<Option<RoleName>, PublishError> {
        let Some(companion) = draft.companion(role) else { return Ok(None) };
        let Some(keys) = draft.role_keys(&companion) else { return Ok(None) };
        let here = self.keys_here(&keys)?;
        Ok((!falls_short(here.len(), &keys)).then_some(companion))
    }

    fn unlock_all(&mut self, role: &RoleName, ids: &BTreeSet<KeyId>) -> Result<(), PublishError> {
        let threshold = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let candidates = ids.iter().cloned().collect();
        self.unlock(&Need { role: role.clone(), threshold, candidates, optional: false })
    }

    /// Takes away what will be of no use any more, where the companion can be signed.
    fn prune(
        &self,
        base: &mut Base,
        before: &Draft,
        settled: &mut Settled,
    ) -> Result<(), PublishError> {
        let now = self.context.clock.now();
        let delegated = before.all_targets().flat_map(|(_, file)| &file.delegations.roles);
        let roles: BTreeSet<RoleName> =
            delegated.map(|child| child.name.clone()).chain([RoleName::Targets]).collect();
        for role in roles {
            let Some(companion) = self.companion(&base.draft, &role)? else { continue };
            let completed = base.draft.is_cosigned(&role);
            if !completed && !base.draft.dirty().contains(&companion) {
                continue;
            }
            let Some(keys) = before.role_keys(&role) else { continue };
            let proposals = before.proposals(&role, &keys, now);
            let body = base.draft.next_body(&role).filter(|_| completed);
            let mut gone = match &body {
                Some(body) => proposals.superseded_by(body),
                None => proposals.ignored.iter().map(|(name, _)| name.clone()).collect(),
            };
            // What was just written in the place of something useless is of use.
            let held = |draft: &Draft, name: &TargetName| {
                draft.targets(&companion).and_then(|file| file.targets.get(name).cloned())
            };
            gone.retain(|name| held(&base.draft, name) == held(before, name));
            // The one that is published now goes, too, and nobody has to sign it anew.
            let is_completed = |pending: &Pending| body.as_ref() == Some(pending.body.as_ref());
            let lost = (proposals.pending.iter())
                .filter(|pending| gone.contains(&pending.name) && !is_completed(pending));
            settled.warnings.extend(lost.map(|pending| overtaken(before, &role, pending)));
            base.draft.drop_proposals(&role, &gone)?;
        }
        Ok(())
    }
}

/// What is said of a proposal whose base is no longer the role's file.
fn overtaken(draft: &Draft, role: &RoleName, pending: &Pending) -> String {
    let who = names(draft, pending.signers.iter()).join(", ");
    let changes = pending.proposal.changed.targets.keys().map(|name| format!("+{name}"));
    let removes = pending.proposal.removed.iter().map(|name| format!("-{name}"));
    let what: Vec<String> = changes.chain(removes).take(MAX_NAMES_TOLD).collect();
    format!(
        "what {who} proposed for {role} is overtaken and has to be signed anew: {}",
        what.join(" ")
    )
}

/// The proposal, built on `standing`, of just what the draft has for a role; of several the one
/// that most have signed.
fn best(
    draft: &Draft,
    role: &RoleName,
    standing: Option<&Targets>,
    proposals: &Proposals,
) -> Option<Pending> {
    let wanted = draft.targets(role)?;
    let version = draft.next_version(role)?;
    let same = proposals
        .on(standing)
        .filter(|pending| pending.body.header.version == version && pending.has_content_of(wanted));
    same.max_by_key(|pending| pending.signers.len()).cloned()
}

fn falls_short(have: usize, keys: &RoleKeys) -> bool {
    u32::try_from(have).unwrap_or(u32::MAX) < keys.threshold.get()
}

/// Names told of one proposal: it can be about thousands.
const MAX_NAMES_TOLD: usize = 10;
