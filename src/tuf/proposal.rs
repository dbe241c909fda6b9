//! Proposals: files that fewer people have signed than their role needs, and where they wait
//! (`spec/thresholds.md`).
//!
//! A proposal says how the next file of a role differs from the one it is built on, until when it
//! holds, and who has signed it. Its name carries the SHA-256 of the file's canonical body, so the
//! body can be computed by everybody and nobody has to be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::codec::canonical_json::Value;
use crate::crypto::{Hashes, KeyId, Sha256Hash, Signature};
use crate::limits::{MAX_PROPOSALS, MAX_SIGNATURES, MIN_PROPOSAL_DAYS, TARGETS_LIFETIME_DAYS};
use crate::tuf::metadata::{
    DelegationRole, Document, MetadataError, Target, Targets, read_signature, write_signature,
};
use crate::tuf::names::{RoleName, TargetName};
use crate::tuf::verify::{RoleKeys, VerifyError, valid_signers};

/// The last segment of a companion's name.
const COMPANION: &str = "proposals";
/// The only names a companion may sign: no tag begins with a dot.
pub const COMPANION_PATH: &str = ".trust/proposals/";

/// Returns the role in whose file the proposals on a role are: `…/proposals` beside a delegation,
/// below `targets` for `targets` itself. None for roles that have no proposals.
pub fn companion_of(role: &RoleName) -> Option<RoleName> {
    if !role.is_targets() || is_companion(role) {
        return None;
    }
    let parent = role.parent().unwrap_or(RoleName::Targets);
    RoleName::parse(&format!("{parent}/{COMPANION}")).ok()
}

/// Tells whether a role has the name of a companion.
fn is_companion(role: &RoleName) -> bool {
    role.is_delegation() && role.segments().last() == Some(COMPANION)
}

/// Tells whether a delegation is a companion: by its name and by all it may sign. Docker lets a
/// signer bear the name.
pub fn is_companion_role(child: &DelegationRole) -> bool {
    is_companion(&child.name) && are_companion_paths(&child.paths)
}

/// Tells whether these are the paths of a companion, not of somebody who happens to bear its name.
pub fn are_companion_paths(paths: &[String]) -> bool {
    !paths.is_empty() && paths.iter().all(|path| path.starts_with(COMPANION_PATH))
}

/// What is proposed, as written: nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The role whose next file this is.
    pub role: RoleName,
    /// SHA-256 of the canonical body of the proposed file.
    pub digest: Sha256Hash,
    /// The same of the file that it is built on; none if it is built on nothing.
    pub base: Option<Sha256Hash>,
    /// Version, expiry and all delegations of the proposed file; of its targets those that the base
    /// lacks or has otherwise.
    pub changed: Targets,
    /// Targets of the base that the proposed file lacks.
    pub removed: Vec<TargetName>,
    /// What it was signed with so far.
    pub signatures: Vec<Signature>,
}

/// A proposal that can be completed: its body was computed and is the one that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// As written.
    pub proposal: Proposal,
    /// Its name in the companion.
    pub name: TargetName,
    /// The whole proposed file.
    pub body: Arc<Targets>,
    /// Canonical ids of the different keys of the role that have signed it.
    pub signers: BTreeSet<KeyId>,
}

/// The proposals on one role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposals {
    /// Those that lead on from the role's file, each after the one it is built on.
    pub pending: Vec<Pending>,
    /// Those that do not, and why.
    pub ignored: Vec<(TargetName, ProposalError)>,
}

/// Why a proposal is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposalError {
    /// It is no proposal at all.
    #[error("it is not a proposal: {0}")]
    Malformed(&'static str),
    /// Its description of the file breaks a rule of metadata.
    #[error("its description of the file is none")]
    Metadata(#[source] Box<MetadataError>),
    /// The file it is built on is no longer, or not yet, the role's.
    #[error("it is built on a file that is not the present one")]
    Stale,
    /// Its version does not follow that of its base.
    #[error("it has version {version} where {wanted} comes next")]
    Version {
        /// Proposed.
        version: u64,
        /// One above the base.
        wanted: u64,
    },
    /// It would expire too soon, or has already.
    #[error("it would expire too soon")]
    ExpiresSoon,
    /// It would hold longer than files are made to.
    #[error("it would hold longer than any file should")]
    ExpiresLate,
    /// The file it describes is not the one that it names.
    #[error("what it describes is not what it names")]
    OtherBody,
    /// No key of the role has signed it.
    #[error("nobody of the role has signed it")]
    Unsigned,
    /// A key of the role is not what it says.
    #[error(transparent)]
    Keys(#[from] VerifyError),
    /// There are more than are looked at.
    #[error("there are too many proposals on the role")]
    TooMany,
}

impl Proposal {
    /// Describes how `body`, a role's next file, differs from what it is built on.
    pub fn new(
        role: RoleName,
        base: Option<&Targets>,
        body: &Targets,
        signatures: Vec<Signature>,
    ) -> Self {
        let before = |name: &TargetName| base.and_then(|base| base.targets.get(name));
        let targets = body.targets.iter().filter(|(name, target)| before(name) != Some(target));
        let removed = base.iter().flat_map(|base| base.targets.keys());
        Self {
            role,
            digest: digest(body),
            base: base.map(digest),
            changed: Targets {
                header: body.header.clone(),
                targets: targets.map(|(name, target)| (name.clone(), target.clone())).collect(),
                delegations: body.delegations.clone(),
            },
            removed: removed.filter(|name| !body.targets.contains_key(name)).cloned().collect(),
            signatures,
        }
    }

    /// The name it has in the companion.
    pub fn name(&self) -> Option<TargetName> {
        TargetName::parse(&format!("{COMPANION_PATH}{}/{}", self.role, self.digest)).ok()
    }

    /// Writes it as a target whose hash and length are those of the proposed body.
    pub fn to_target(&self, length: usize) -> Target {
        let base = self.base.map(|base| base.to_hex()).unwrap_or_default();
        let removed = self.removed.iter().map(|name| Value::String(name.to_string()));
        Target {
            length: u64::try_from(length).unwrap_or(u64::MAX),
            hashes: Hashes::from_iter([("sha256", self.digest.0.to_vec())]),
            custom: Some(Value::object([
                ("base", Value::String(base)),
                ("changed", self.changed.to_json()),
                ("format", Value::Int(FORMAT)),
                ("removed", Value::Array(removed.collect())),
                ("signatures", Value::Array(self.signatures.iter().map(write_signature).collect())),
            ])),
        }
    }

    /// Reads what a companion holds under a name.
    pub fn read(name: &TargetName, target: &Target) -> Result<Self, ProposalError> {
        let wrong = ProposalError::Malformed;
        let (role, digest) = role_and_digest(name).ok_or(wrong("its name is not one"))?;
        let custom = target.custom.as_ref().ok_or(wrong("it says nothing"))?;
        if custom.get("format").and_then(Value::as_int) != Some(FORMAT) {
            return Err(wrong("it is of another format"));
        }
        let base = custom.get("base").and_then(Value::as_str).ok_or(wrong("no base"))?;
        let base = (!base.is_empty()).then(|| Sha256Hash::from_hex(base)).transpose();
        let changed = custom.get("changed").ok_or(wrong("no change"))?;
        let changed = Targets::from_json(&role, changed)
            .map_err(|cause| ProposalError::Metadata(Box::new(cause)))?;
        let removed = list(custom, "removed")?.iter().map(|name| {
            let name = name.as_str().and_then(|name| TargetName::parse(name).ok());
            name.ok_or(wrong("what it removes is no name"))
        });
        let removed = removed.collect::<Result<_, _>>()?;
        let signatures = list(custom, "signatures")?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(wrong("too many signatures"));
        }
        let signatures = signatures
            .iter()
            .map(|entry| read_signature(entry).ok_or(wrong("a signature is none")));
        Ok(Self {
            base: base.map_err(|_| wrong("its base is no digest"))?,
            signatures: signatures.collect::<Result<_, _>>()?,
            role,
            digest,
            changed,
            removed,
        })
    }

    /// The proposed file, computed from the one it is built on.
    fn body_on(&self, base: Option<&Targets>) -> Targets {
        let mut targets = base.map(|base| base.targets.clone()).unwrap_or_default();
        for name in &self.removed {
            targets.remove(name);
        }
        let changed = self.changed.targets.iter();
        targets.extend(changed.map(|(name, target)| (name.clone(), target.clone())));
        Targets {
            header: self.changed.header.clone(),
            targets,
            delegations: self.changed.delegations.clone(),
        }
    }
}

impl Proposals {
    /// Reads the proposals on a role out of its companion's file. `current` is the role's file,
    /// none if there is none that can be used; `keys` are its keys.
    pub fn read(
        role: &RoleName,
        current: Option<&Arc<Targets>>,
        keys: &RoleKeys,
        companion: &Targets,
        now: Timestamp,
    ) -> Self {
        let mut found = Self::default();
        let mut waiting = Vec::new();
        for (name, target) in &companion.targets {
            match role_and_digest(name) {
                Some((of, _)) if of != *role => continue,
                _ if waiting.len() >= MAX_PROPOSALS => {
                    found.ignored.push((name.clone(), ProposalError::TooMany));
                    continue;
                }
                _ => {}
            }
            match Proposal::read(name, target) {
                Ok(proposal) => waiting.push((name, proposal)),
                Err(error) => found.ignored.push((name.clone(), error)),
            }
        }
        waiting.sort_by_key(|(_, proposal)| proposal.changed.header.version);
        let mut bodies: BTreeMap<Option<Sha256Hash>, Option<Arc<Targets>>> = BTreeMap::new();
        // Of a role without a file, whatever is proposed is built on nothing.
        bodies.insert(current.map(|file| digest(file)), current.cloned());
        for (name, proposal) in waiting {
            let Some(base) = bodies.get(&proposal.base) else {
                found.ignored.push((name.clone(), ProposalError::Stale));
                continue;
            };
            match check(&proposal, base.as_deref(), keys, now) {
                Ok((body, signers)) => {
                    let body = Arc::new(body);
                    bodies.insert(Some(proposal.digest), Some(Arc::clone(&body)));
                    let name = name.clone();
                    found.pending.push(Pending { proposal, name, body, signers });
                }
                Err(error) => found.ignored.push((name.clone(), error)),
            }
        }
        found
    }

    /// Those built directly on a file; on none, if the role has none.
    pub fn on(&self, base: Option<&Targets>) -> impl Iterator<Item = &Pending> {
        let base = base.map(digest);
        self.pending.iter().filter(move |pending| pending.proposal.base == base)
    }

    /// The furthest that one of these keys has signed: what its holder has asked for so far.
    pub fn head(&self, holder: &BTreeSet<KeyId>) -> Option<&Pending> {
        let mine = self.pending.iter().filter(|pending| !pending.signers.is_disjoint(holder));
        mine.max_by_key(|pending| pending.body.header.version)
    }

    /// Names of all that is no longer of use once the role has this file: what is not built on it.
    pub fn superseded_by(&self, body: &Targets) -> Vec<TargetName> {
        let mut alive = BTreeSet::from([Some(digest(body))]);
        let mut gone = Vec::new();
        for pending in &self.pending {
            if alive.contains(&pending.proposal.base) {
                alive.insert(Some(pending.proposal.digest));
            } else {
                gone.push(pending.name.clone());
            }
        }
        gone.extend(self.ignored.iter().map(|(name, _)| name.clone()));
        gone
    }
}

impl Pending {
    /// Whether it proposes these targets and delegations.
    pub fn has_content_of(&self, wanted: &Targets) -> bool {
        self.body.targets == wanted.targets && self.body.delegations == wanted.delegations
    }
}

/// SHA-256 of a file's canonical body, as it would be signed.
pub fn digest(body: &Targets) -> Sha256Hash {
    Sha256Hash::of(&body.to_json().to_canonical())
}

fn check(
    proposal: &Proposal,
    base: Option<&Targets>,
    keys: &RoleKeys,
    now: Timestamp,
) -> Result<(Targets, BTreeSet<KeyId>), ProposalError> {
    let header = &proposal.changed.header;
    if let Some(base) = base {
        let wanted = base.header.version.saturating_add(1);
        if header.version != wanted {
            return Err(ProposalError::Version { version: header.version, wanted });
        }
    }
    let left = header.expires.instant().as_second().saturating_sub(now.as_second());
    if left < MIN_PROPOSAL_DAYS * SECONDS_A_DAY {
        return Err(ProposalError::ExpiresSoon);
    }
    // A day more than we would give it: clocks differ.
    if left > (TARGETS_LIFETIME_DAYS + 1) * SECONDS_A_DAY {
        return Err(ProposalError::ExpiresLate);
    }
    let body = proposal.body_on(base);
    let message = body.to_json().to_canonical();
    if Sha256Hash::of(&message) != proposal.digest {
        return Err(ProposalError::OtherBody);
    }
    let signers = valid_signers(&proposal.signatures, &message, keys)?;
    let bare = |id: &KeyId| keys.keys.get(id).and_then(|key| key.canonical_id().ok());
    let signers: BTreeSet<KeyId> = signers.iter().filter_map(bare).collect();
    if signers.is_empty() {
        return Err(ProposalError::Unsigned);
    }
    Ok((body, signers))
}

fn role_and_digest(name: &TargetName) -> Option<(RoleName, Sha256Hash)> {
    let (role, digest) = name.as_str().strip_prefix(COMPANION_PATH)?.rsplit_once('/')?;
    let role = RoleName::parse(role).ok().filter(RoleName::is_targets)?;
    Some((role, Sha256Hash::from_hex(digest).ok()?))
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value], ProposalError> {
    let list = value.get(name).and_then(Value::as_array);
    list.ok_or(ProposalError::Malformed("a list is missing"))
}

/// The format of proposals written here, and the only one read.
const FORMAT: i64 = 1;
const SECONDS_A_DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::tuf::testing::{TestKey, days, empty_targets, name, now, role, target, threshold};

    struct World {
        alice: TestKey,
        bob: TestKey,
        keys: RoleKeys,
        current: Arc<Targets>,
        wanted: Targets,
    }

    /// Version 1 of `targets/releases`, and a version 2 that adds one tag and removes another.
    fn world() -> World {
        let (alice, bob) = (TestKey::bare(), TestKey::bare());
        let pairs = [&alice, &bob].map(|key| (key.id(), key.public.clone()));
        let keys =
            RoleKeys { role: RoleName::releases(), keys: pairs.into(), threshold: threshold(2) };
        let mut current = empty_targets();
        current.targets.insert(name("old"), target("old"));
        let mut wanted = empty_targets();
        wanted.header.version = 2;
        wanted.header.expires = days(1000);
        wanted.targets.insert(name("new"), target("new"));
        World { alice, bob, keys, current: Arc::new(current), wanted }
    }

    fn signed(world: &World, key: &TestKey, base: &Targets, body: &Targets) -> Proposal {
        let signature = key.signature(&body.to_json().to_canonical());
        Proposal::new(world.keys.role.clone(), Some(base), body, vec![signature])
    }

    fn companion(proposals: &[Proposal]) -> Targets {
        let mut file = empty_targets();
        for proposal in proposals {
            file.targets.insert(proposal.name().unwrap(), proposal.to_target(1));
        }
        file
    }

    fn read(world: &World, file: &Targets) -> Proposals {
        Proposals::read(&world.keys.role, Some(&world.current), &world.keys, file, now())
    }

    fn sole_error(world: &World, file: &Targets) -> ProposalError {
        let mut found = read(world, file);
        assert!(found.pending.is_empty(), "{found:?}");
        assert_eq!(found.ignored.len(), 1, "{found:?}");
        found.ignored.remove(0).1
    }

    #[test]
    fn a_proposal_is_the_whole_file_for_whoever_has_its_base() {
        let world = world();
        let proposal = signed(&world, &world.alice, &world.current, &world.wanted);
        assert_eq!(proposal.removed, [name("old")]);
        let file = companion(&[proposal]);
        // What is read back from the bytes of the companion is the same.
        let file = Targets::from_json(&role("targets/proposals"), &file.to_json()).unwrap();
        let found = read(&world, &file);
        assert_eq!(found.ignored, []);
        assert_eq!(*found.pending[0].body, world.wanted);
        assert_eq!(found.pending[0].signers, [world.alice.id()].into());
        assert_eq!(found.on(Some(&world.current)).count(), 1);
        assert_eq!(found.on(None).count(), 0);
        assert!(found.head(&[world.bob.id()].into()).is_none());
        assert_eq!(found.head(&[world.alice.id()].into()), found.pending.first());
    }

    #[test]
    fn one_proposal_builds_on_another_and_outlives_its_completion() {
        let world = world();
        let mut third = world.wanted.clone();
        third.header.version = 3;
        third.targets.insert(name("third"), target("third"));
        let mut other = world.wanted.clone();
        other.targets.insert(name("other"), target("other"));
        let first = signed(&world, &world.alice, &world.current, &world.wanted);
        let second = signed(&world, &world.alice, &world.wanted, &third);
        let rival = signed(&world, &world.bob, &world.current, &other);
        let file = companion(&[second.clone(), first.clone(), rival.clone()]);
        let found = read(&world, &file);
        assert_eq!(found.pending.len(), 3, "{found:?}");
        let head = found.head(&[world.alice.id()].into()).unwrap();
        assert_eq!(head.body.header.version, 3);
        let mut gone = found.superseded_by(&world.wanted);
        gone.sort();
        let mut expected = vec![first.name().unwrap(), rival.name().unwrap()];
        expected.sort();
        assert_eq!(gone, expected);
        // Without the first the second leads nowhere.
        assert_eq!(sole_error(&world, &companion(&[second])), ProposalError::Stale);
    }

    #[test_case(3 => ProposalError::Version { version: 3, wanted: 2 }; "a version too many")]
    #[test_case(1 => ProposalError::Version { version: 1, wanted: 2 }; "no new version")]
    fn the_version_must_follow(version: u64) -> ProposalError {
        let mut world = world();
        world.wanted.header.version = version;
        let proposal = signed(&world, &world.alice, &world.current, &world.wanted);
        sole_error(&world, &companion(&[proposal]))
    }

    #[test_case(179 => Some(ProposalError::ExpiresSoon))]
    #[test_case(180 => None)]
    #[test_case(-1 => Some(ProposalError::ExpiresSoon))]
    #[test_case(1096 => None)]
    #[test_case(1097 => Some(ProposalError::ExpiresLate))]
    fn the_proposer_chooses_the_expiry_within_bounds(day: i64) -> Option<ProposalError> {
        let mut world = world();
        world.wanted.header.expires = days(day);
        let file = companion(&[signed(&world, &world.alice, &world.current, &world.wanted)]);
        let found = read(&world, &file);
        found.ignored.into_iter().next().map(|(_, error)| error)
    }

    #[test]
    fn a_file_of_another_role_or_repository_is_not_built_on_this_one() {
        let world = world();
        let mut elsewhere = world.current.as_ref().clone();
        elsewhere.targets.insert(name("elsewhere"), target("elsewhere"));
        let proposal = signed(&world, &world.alice, &elsewhere, &world.wanted);
        assert_eq!(sole_error(&world, &companion(&[proposal])), ProposalError::Stale);
        // Proposals on other roles are not looked at.
        let mut other = signed(&world, &world.alice, &world.current, &world.wanted);
        other.role = role("targets/alice");
        assert_eq!(read(&world, &companion(&[other])), Proposals::default());
    }

    #[test]
    fn what_it_describes_must_be_what_was_signed() {
        let world = world();
        let mut proposal = signed(&world, &world.alice, &world.current, &world.wanted);
        proposal.changed.targets.insert(name("more"), target("more"));
        assert_eq!(sole_error(&world, &companion(&[proposal])), ProposalError::OtherBody);
    }

    #[test]
    fn a_stranger_and_a_wrong_signature_count_for_nothing() {
        let world = world();
        let stranger = signed(&world, &TestKey::bare(), &world.current, &world.wanted);
        assert_eq!(sole_error(&world, &companion(&[stranger])), ProposalError::Unsigned);
        let mut wrong = signed(&world, &world.alice, &world.current, &world.wanted);
        wrong.signatures = vec![world.alice.signature(b"something else")];
        assert_eq!(sole_error(&world, &companion(&[wrong])), ProposalError::Unsigned);
        let mut twice = signed(&world, &world.alice, &world.current, &world.wanted);
        twice.signatures.push(twice.signatures[0].clone());
        assert_eq!(read(&world, &companion(&[twice])).pending[0].signers.len(), 1);
    }

    #[test]
    fn a_key_in_two_certificates_counts_once() {
        let mut world = world();
        let gun = "docker.io/library/alpine";
        let first = TestKey::certified(gun);
        let second = first.recertified(gun);
        let pairs = [&first, &second].map(|key| (key.id(), key.public.clone()));
        world.keys.keys = pairs.into();
        let mut proposal = signed(&world, &first, &world.current, &world.wanted);
        let message = world.wanted.to_json().to_canonical();
        proposal.signatures.push(second.signature(&message));
        assert_eq!(proposal.signatures.len(), 2);
        assert_eq!(read(&world, &companion(&[proposal])).pending[0].signers.len(), 1);
    }

    #[test]
    fn what_is_no_proposal_is_ignored() {
        let world = world();
        let good = signed(&world, &world.alice, &world.current, &world.wanted);
        let at = good.name().unwrap();
        let with = |custom: Option<Value>| {
            let mut file = empty_targets();
            file.targets.insert(at.clone(), Target { custom, ..target("x") });
            sole_error(&world, &file)
        };
        let malformed = |error| matches!(error, ProposalError::Malformed(_));
        assert!(malformed(with(None)));
        for custom in ["1", "[]", "{}", "{\"format\":2}", "{\"format\":1,\"base\":\"zz\"}"] {
            assert!(malformed(with(Some(Value::parse(custom.as_bytes()).unwrap()))), "{custom}");
        }
        let Some(Value::Object(members)) = good.to_target(1).custom else { panic!() };
        for (member, value) in [("changed", "{}"), ("changed", "{\"_type\":\"Root\"}")] {
            let mut members = members.clone();
            members.insert(member, Value::parse(value.as_bytes()).unwrap());
            let error = with(Some(Value::Object(members)));
            assert!(matches!(error, ProposalError::Metadata(_)), "{error:?}");
        }
        for (member, value) in [("removed", "[1]"), ("removed", "[\"\"]"), ("signatures", "[{}]")] {
            let mut members = members.clone();
            members.insert(member, Value::parse(value.as_bytes()).unwrap());
            assert!(malformed(with(Some(Value::Object(members)))), "{member}");
        }
        let mut file = empty_targets();
        file.targets.insert(name(".trust/proposals/elsewhere"), target("x"));
        assert!(malformed(sole_error(&world, &file)));
    }

    #[test]
    fn there_is_a_bound_to_how_many_are_looked_at() {
        let world = world();
        let many: Vec<Proposal> = (0..=MAX_PROPOSALS)
            .map(|number| {
                let mut wanted = world.wanted.clone();
                wanted.targets.insert(name(&number.to_string()), target("x"));
                signed(&world, &world.alice, &world.current, &wanted)
            })
            .collect();
        let found = read(&world, &companion(&many));
        assert_eq!(found.pending.len(), MAX_PROPOSALS);
        assert_eq!(found.ignored.len(), 1);
        assert_eq!(found.ignored[0].1, ProposalError::TooMany);
    }

    #[test_case("targets/releases" => Some("targets/proposals".to_owned()))]
    #[test_case("targets" => Some("targets/proposals".to_owned()))]
    #[test_case("targets/a/b" => Some("targets/a/proposals".to_owned()))]
    #[test_case("targets/proposals" => None)]
    #[test_case("root" => None)]
    fn each_role_has_its_place(of: &str) -> Option<String> {
        companion_of(&role(of)).map(|companion| companion.to_string())
    }
}
