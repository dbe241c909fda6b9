//! What of a repository is about to expire, cannot be signed, or no longer verifies, and what is to
//! be signed again: from an accepted chain, a time, and which private keys are at hand.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Span;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::crypto::KeyId;
use crate::limits::NEAR_EXPIRY_MONTHS;
use crate::tuf::names::RoleName;
use crate::tuf::root_trust::root_certificates;
use crate::tuf::trusted::{Note, TrustedRepository, UpdateError};
use crate::tuf::verify::{RoleKeys, VerifyError};

/// Until when something must last not to be about to expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    now: Timestamp,
    until: Timestamp,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Note,
    /// Somebody should act before it becomes a problem.
    Warning,
    /// Readers or owners are refused now.
    Problem,
}

/// How many keys a role needs and how many are at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    /// Different keys of the role at hand.
    pub here: u32,
    /// The threshold.
    pub need: u32,
    /// Canonical ids of all keys that may sign it.
    pub candidates: Vec<KeyId>,
}

/// Something a person should know about a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Metadata has expired: readers refuse it.
    Expired {
        /// Whose.
        role: RoleName,
        /// When.
        since: Timestamp,
        /// Who can sign it again.
        signers: Signers,
    },
    /// Metadata is about to expire.
    ExpiresSoon {
        /// Whose.
        role: RoleName,
        /// When.
        expires: Timestamp,
        /// Who can sign it again.
        signers: Signers,
    },
    /// So few root keys have a certificate that is in date that the root counts no more: readers
    /// refuse it, and the reference's server every update (notary.md §3.4).
    RootOutOfDate {
        /// Root keys whose certificate is in date.
        have: u32,
        /// The root's threshold.
        need: u32,
        /// When the last of those needed expired, if it was that.
        since: Option<Timestamp>,
    },
    /// The certificate of a root key has expired; there are enough others.
    CertificateExpired {
        /// The key, by its id in the root.
        id: KeyId,
        /// When.
        since: Timestamp,
    },
    /// The certificate of a root key is about to expire.
    CertificateExpiresSoon {
        /// The key, by its id in the root.
        id: KeyId,
        /// When.
        expires: Timestamp,
        /// An authority made it, which has to make the next one.
        by_authority: bool,
    },
    /// The certificate of a root key is not valid yet.
    CertificateNotYetValid {
        /// The key, by its id in the root.
        id: KeyId,
        /// From when on it will be.
        begins: Timestamp,
    },
    /// A role has fewer keys than its threshold: nobody can ever sign it.
    Unsignable {
        /// The role.
        role: RoleName,
        /// Keys it has.
        keys: u32,
        /// The threshold.
        need: u32,
    },
    /// Some, but too few keys of a role are at hand.
    TooFewKeysHere {
        /// The role.
        role: RoleName,
        /// Who can sign it.
        signers: Signers,
    },
    /// What a delegation signed last lacks signatures of those who may sign it now.
    Unsigned {
        /// The delegation.
        role: RoleName,
        /// Valid signatures by different keys.
        have: u32,
        /// Ids in metadata of those who signed it and may no longer.
        removed: Vec<KeyId>,
        /// Whether this very file was accepted on this machine before.
        seen: bool,
        /// Who can sign it again.
        signers: Signers,
    },
    /// A delegation that was published is no longer listed in the snapshot.
    Vanished {
        /// The delegation.
        role: RoleName,
        /// Who can sign it again.
        signers: Signers,
    },
    /// A delegation that cannot be used for another reason.
    Unusable {
        /// The delegation.
        role: RoleName,
        /// Why.
        cause: UpdateError,
    },
    /// A delegation that has signed nothing yet.
    NothingSigned {
        /// The delegation.
        role: RoleName,
        /// Who can sign it.
        signers: Signers,
    },
    /// A delegation whose paths admit no name at all.
    NoPaths {
        /// The delegation.
        role: RoleName,
    },
    /// The server offers another timestamp of a version that was seen before.
    OtherTimestamp {
        /// The version of both.
        version: u64,
    },
    /// Something was accepted because the settings allow it, or judged by another clock.
    Noted {
        /// What.
        note: Note,
    },
}

/// A key of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKey {
    /// Its id in metadata.
    pub id: KeyId,
    /// The id by which the private half is kept, if the key can be read.
    pub canonical: Option<KeyId>,
    /// Until when the certificate of a root key is valid.
    pub certificate_until: Option<Timestamp>,
    /// Whether the private half is at hand.
    pub here: bool,
}

/// The state of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleState {
    /// The role.
    pub role: RoleName,
    /// The version of its file; none if it has no usable one.
    pub version: Option<u64>,
    /// When the file expires.
    pub expires: Option<Timestamp>,
    /// Its keys.
    pub keys: Vec<RoleKey>,
    /// Who can sign it.
    pub signers: Signers,
}

/// The last file of a delegation that is not usable now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastFile {
    /// The key ids that its signatures name.
    pub claimed: Vec<KeyId>,
    /// Whether this very file is in the cache, and so was accepted before.
    pub seen: bool,
}

/// What is to be signed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The role.
    pub role: RoleName,
    /// When it, or the certificate that makes it due, expires or expired.
    pub expires: Timestamp,
    /// Whether the file itself is due, not just a certificate in it.
    pub file: bool,
    /// Root keys that need a new certificate, by their ids in the root; only of the root.
    pub certificates: Vec<KeyId>,
    /// Who can sign it.
    pub signers: Signers,
}

/// The state of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Base roles first, then delegations, a parent before its children.
    pub roles: Vec<RoleState>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    horizon: Horizon,
}

impl Horizon {
    /// Notary's rule: six calendar months ahead.
    pub fn usual(now: Timestamp) -> Self {
        Self::ahead(now, Span::new().months(NEAR_EXPIRY_MONTHS))
    }

    /// This far ahead; calendar units are those of UTC. Beyond the end of time is the end of time.
    pub fn ahead(now: Timestamp, span: Span) -> Self {
        let until = now.to_zoned(TimeZone::UTC).checked_add(span);
        Self { now, until: until.map_or(Timestamp::MAX, |until| until.timestamp()) }
    }

    /// The instant that all is judged by.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether it has expired, or will within the horizon.
    pub fn reaches(&self, expires: Timestamp) -> bool {
        expires < self.until || expires < self.now
    }
}

impl Signers {
    /// Who signs a role, and how many of them are at hand.
    pub fn of(keys: &RoleKeys, here: &BTreeSet<KeyId>) -> Self {
        let ids = keys.keys.values().filter_map(|key| key.canonical_id().ok());
        let candidates: BTreeSet<KeyId> = ids.collect();
        let count = candidates.iter().filter(|id| here.contains(*id)).count();
        Self {
            here: u32::try_from(count).unwrap_or(u32::MAX),
            need: keys.threshold.get(),
            candidates: candidates.into_iter().collect(),
        }
    }

    /// Whether enough keys are at hand.
    pub fn are_enough(&self) -> bool {
        self.here >= self.need
    }

    fn can_ever_sign(&self) -> bool {
        u32::try_from(self.candidates.len()).unwrap_or(u32::MAX) >= self.need
    }
}

impl Finding {
    /// How grave it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Expired { .. }
            | Self::RootOutOfDate { .. }
            | Self::Unsignable { .. }
            | Self::Unsigned { .. }
            | Self::Vanished { .. }
            | Self::Unusable { .. } => Severity::Problem,
            Self::ExpiresSoon { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateExpiresSoon { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::OtherTimestamp { .. }
            | Self::Noted { .. } => Severity::Warning,
            Self::TooFewKeysHere { .. } | Self::NothingSigned { .. } | Self::NoPaths { .. } => {
                Severity::Note
            }
        }
    }

    /// The name that programs know it by; it never changes.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::ExpiresSoon { .. } => "expires-soon",
            Self::RootOutOfDate { .. } => "root-certificates-out-of-date",
            Self::CertificateExpired { .. } => "root-certificate-expired",
            Self::CertificateExpiresSoon { .. } => "root-certificate-expires-soon",
            Self::CertificateNotYetValid { .. } => "root-certificate-not-yet-valid",
            Self::Unsignable { .. } => "threshold-out-of-reach",
            Self::TooFewKeysHere { .. } => "too-few-keys-here",
            Self::Unsigned { .. } => "delegation-not-signed",
            Self::Vanished { .. } => "delegation-vanished",
            Self::Unusable { .. } => "delegation-unusable",
            Self::NothingSigned { .. } => "delegation-empty",
            Self::NoPaths { .. } => "delegation-without-paths",
            Self::OtherTimestamp { .. } => "other-timestamp",
            Self::Noted { note: Note::RootOutOfStep { .. } } => "root-out-of-step",
            Self::Noted { note: Note::ClockBehind { .. } } => "clock-behind",
            Self::Noted { .. } => "other-timestamp-followed",
        }
    }

    /// The role it is about.
    pub fn role(&self) -> RoleName {
        match self {
            Self::Expired { role, .. }
            | Self::ExpiresSoon { role, .. }
            | Self::Unsignable { role, .. }
            | Self::TooFewKeysHere { role, .. }
            | Self::Unsigned { role, .. }
            | Self::Vanished { role, .. }
            | Self::Unusable { role, .. }
            | Self::NothingSigned { role, .. }
            | Self::NoPaths { role } => role.clone(),
            Self::RootOutOfDate { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateExpiresSoon { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::Noted { note: Note::RootOutOfStep { .. } } => RoleName::Root,
            Self::OtherTimestamp { .. } | Self::Noted { .. } => RoleName::Timestamp,
        }
    }
}

impl Health {
    /// What has expired or will within the horizon, root first; of the roles of `only`, if any are
    /// named. What the server signs is among it only once it has expired: until then the server
    /// makes it anew unasked.
    pub fn due(&self, only: &[RoleName]) -> Vec<Due> {
        let wanted = |role: &RoleName| only.is_empty() || only.contains(role);
        self.roles
            .iter()
            .filter(|state| wanted(&state.role))
            .filter_map(|s| self.is_due(s))
            .collect()
    }

    fn is_due(&self, state: &RoleState) -> Option<Due> {
        let expires = state.expires?;
        let server_signs = matches!(state.role, RoleName::Snapshot | RoleName::Timestamp)
            && state.signers.here == 0;
        let file =
            if server_signs { expires < self.horizon.now } else { self.horizon.reaches(expires) };
        let certificates = state.keys.iter().filter_map(|key| {
            let until = key.certificate_until.filter(|until| self.horizon.reaches(*until))?;
            Some((until, key.id.clone()))
        });
        let (ends, certificates): (Vec<Timestamp>, Vec<KeyId>) = certificates.unzip();
        if !file && certificates.is_empty() {
            return None;
        }
        Some(Due {
            role: state.role.clone(),
            expires: ends.into_iter().chain(file.then_some(expires)).min().unwrap_or(expires),
            file,
            certificates,
            signers: state.signers.clone(),
        })
    }

    /// The state of a role.
    pub fn role(&self, role: &RoleName) -> Option<&RoleState> {
        self.roles.iter().find(|state| state.role == *role)
    }
}

/// Judges an accepted chain, in which what had expired was remembered. `here` has the canonical
/// ids of the private keys at hand; `last` the unusable files of delegations, as far as they were
/// to be had.
pub fn examine(
    trusted: &TrustedRepository,
    here: &BTreeSet<KeyId>,
    last: &BTreeMap<RoleName, LastFile>,
    horizon: Horizon,
) -> Health {
    let mut health = Health { roles: Vec::new(), findings: Vec::new(), horizon };
    let root = trusted.root().body();
    let files = [
        (RoleName::Root, &root.header),
        (
            RoleName::Targets,
            trusted
                .targets()
                .get(&RoleName::Targets)
                .map_or(&root.header, |file| &file.body().header),
        ),
        (RoleName::Snapshot, &trusted.snapshot().body().header),
        (RoleName::Timestamp, &trusted.timestamp().body().header),
    ];
    for (role, header) in files {
        let Some(keys) = root.role_keys(&role) else { continue };
        let file = Some((header.version, header.expires.instant()));
        health.add(&role, &keys, file, here);
    }
    health.certificates(trusted);
    let roles: Vec<&RoleName> = trusted.walk();
    for parent in roles {
        let Some(file) = trusted.targets().get(parent) else { continue };
        for child in &file.body().delegations.roles {
            let Some(keys) = file.body().role_keys(&child.name) else { continue };
            let own = trusted.targets().get(&child.name).map(|file| &file.body().header);
            let own = own.map(|header| (header.version, header.expires.instant()));
            health.add(&child.name, &keys, own, here);
            let signers = Signers::of(&keys, here);
            match trusted.unusable().get(&child.name) {
                Some(cause) => {
                    let last = last.get(&child.name).cloned().unwrap_or_default();
                    health.findings.push(unusable(&keys, signers, cause, &last));
                }
                None if own.is_none() => {
                    let role = child.name.clone();
                    health.findings.push(Finding::NothingSigned { role, signers });
                }
                None if trusted.paths(&child.name).is_empty() => {
                    health.findings.push(Finding::NoPaths { role: child.name.clone() });
                }
                None => {}
            }
        }
    }
    health.findings.extend(trusted.notes().iter().map(|note| match note {
        Note::SameTimestampVersion { version } => Finding::OtherTimestamp { version: *version },
        note => Finding::Noted { note: note.clone() },
    }));
    health.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    health
}

/// What is about to happen to the root and its certificates, whoever has the keys.
pub fn root_findings(trusted: &TrustedRepository, horizon: Horizon) -> Vec<Finding> {
    let mut health = Health { roles: Vec::new(), findings: Vec::new(), horizon };
    let root = trusted.root().body();
    if let Some(keys) = root.role_keys(&RoleName::Root) {
        let file = Some((root.header.version, root.header.expires.instant()));
        health.add(&RoleName::Root, &keys, file, &BTreeSet::new());
        health.certificates(trusted);
    }
    health.findings
}

impl Health {
    fn add(
        &mut self,
        role: &RoleName,
        keys: &RoleKeys,
        file: Option<(u64, Timestamp)>,
        here: &BTreeSet<KeyId>,
    ) {
        let signers = Signers::of(keys, here);
        let expires = file.map(|(_, expires)| expires);
        if let Some(expires) = expires {
            let (role, signers) = (role.clone(), signers.clone());
            // Who holds no key of these is not the one who renews them before they expire.
            let others = matches!(role, RoleName::Snapshot | RoleName::Timestamp);
            if expires < self.horizon.now {
                self.findings.push(Finding::Expired { role, since: expires, signers });
            } else if self.horizon.reaches(expires) && !(others && signers.here == 0) {
                self.findings.push(Finding::ExpiresSoon { role, expires, signers });
            }
        }
        if !signers.can_ever_sign() {
            let keys = u32::try_from(signers.candidates.len()).unwrap_or(u32::MAX);
            self.findings.push(Finding::Unsignable {
                role: role.clone(),
                keys,
                need: signers.need,
            });
        } else if signers.here > 0 && !signers.are_enough() {
            let signers = signers.clone();
            self.findings.push(Finding::TooFewKeysHere { role: role.clone(), signers });
        }
        let keys = keys.keys.iter().map(|(id, key)| {
            let canonical = key.canonical_id().ok();
            let here = canonical.as_ref().is_some_and(|id| here.contains(id));
            RoleKey { id: id.clone(), canonical, certificate_until: None, here }
        });
        self.roles.push(RoleState {
            role: role.clone(),
            version: file.map(|(version, _)| version),
            expires,
            keys: keys.collect(),
            signers,
        });
    }

    /// A root counts by the certificates of its keys, which can end before it does.
    fn certificates(&mut self, trusted: &TrustedRepository) {
        let certificates = root_certificates(trusted.root().body(), trusted.gun());
        let now = self.horizon.now;
        let mut in_date = BTreeSet::new();
        let mut ended = Vec::new();
        let Some(root) = self.roles.iter_mut().find(|state| state.role == RoleName::Root) else {
            return;
        };
        let need = root.signers.need;
        for key in &mut root.keys {
            let Some(certificate) = certificates.get(&key.id) else { continue };
            let (id, until) = (key.id.clone(), certificate.not_after);
            key.certificate_until = Some(until);
            if until < now {
                ended.push(until);
                self.findings.push(Finding::CertificateExpired { id, since: until });
            } else if certificate.check_dates(now).is_err() {
                let begins = certificate.not_before;
                self.findings.push(Finding::CertificateNotYetValid { id, begins });
            } else {
                in_date.extend(key.canonical.clone());
                if self.horizon.reaches(until) {
                    let (expires, by_authority) = (until, !certificate.is_self_issued());
                    let found = Finding::CertificateExpiresSoon { id, expires, by_authority };
                    self.findings.push(found);
                }
            }
        }
        let have = u32::try_from(in_date.len()).unwrap_or(u32::MAX);
        if have < need {
            let since = ended.into_iter().max();
            self.findings.push(Finding::RootOutOfDate { have, need, since });
        }
    }
}

fn unusable(keys: &RoleKeys, signers: Signers, cause: &UpdateError, last: &LastFile) -> Finding {
    let role = keys.role.clone();
    match cause {
        UpdateError::Expired { since, .. } => Finding::Expired { role, since: *since, signers },
        UpdateError::Vanished { .. } => Finding::Vanished { role, signers },
        UpdateError::Signatures(VerifyError::ThresholdNotMet { have, .. }) => {
            let removed: BTreeSet<&KeyId> =
                last.claimed.iter().filter(|id| !keys.keys.contains_key(*id)).collect();
            let removed = removed.into_iter().cloned().collect();
            Finding::Unsigned { role, have: *have, removed, seen: last.seen, signers }
        }
        other => Finding::Unusable { role, cause: other.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::testing::{Repo, TestKey, days, now, role, threshold};
    use crate::tuf::trusted::Expiry;

    const HALF_YEAR: i64 = 184;

    /// Everything lasts for two years.
    fn repo() -> Repo {
        let mut repo = Repo::new();
        for role in [RoleName::Root, RoleName::Targets, RoleName::Snapshot, RoleName::Timestamp] {
            repo.header(&role).expires = days(730);
        }
        repo
    }

    /// Judged by its owner, who knows it already.
    fn examined(repo: &Repo, here: &[&TestKey], horizon: Horizon) -> Health {
        let root = [(RoleName::Root, repo.files()[&RoleName::Root].clone())].into();
        let trusted = repo.again_at(&root, now(), Expiry::Remembered).unwrap();
        let here = here.iter().map(|key| key.public.canonical_id().unwrap()).collect();
        examine(&trusted, &here, &BTreeMap::new(), horizon)
    }

    fn usual(repo: &Repo) -> Vec<Finding> {
        examined(repo, &[], Horizon::usual(now())).findings
    }

    fn ids(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(Finding::id).collect()
    }

    fn key_of(repo: &Repo, role: &RoleName) -> TestKey {
        repo.signers[role][0].clone()
    }

    #[test]
    fn nothing_is_found_in_what_is_in_order() {
        let mut repo = repo();
        repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
        repo.header(&role("targets/a")).expires = days(730);
        assert_eq!(usual(&repo), []);
    }

    #[test]
    fn what_ends_within_six_months_ends_soon() {
        let mut repo = repo();
        repo.header(&RoleName::Targets).expires = days(HALF_YEAR + 1);
        assert_eq!(usual(&repo), []);
        repo.header(&RoleName::Targets).expires = days(HALF_YEAR - 6);
        assert!(matches!(
            usual(&repo).as_slice(),
            [Finding::ExpiresSoon { role: RoleName::Targets, .. }]
        ));
        let week = Horizon::ahead(now(), Span::new().weeks(1));
        assert_eq!(examined(&repo, &[], week).findings, []);
    }

    #[test]
    fn what_has_expired_is_found_with_those_who_can_renew_it() {
        let mut repo = repo();
        repo.header(&RoleName::Targets).expires = days(-1);
        let key = key_of(&repo, &RoleName::Targets);
        let findings = examined(&repo, &[&key], Horizon::usual(now())).findings;
        let [Finding::Expired { role: RoleName::Targets, signers, .. }] = findings.as_slice()
        else {
            panic!("{findings:?}");
        };
        assert_eq!(*signers, Signers { here: 1, need: 1, candidates: vec![key.id()] });
    }

    #[test]
    fn the_servers_files_are_the_servers_until_they_have_expired() {
        let mut repo = repo();
        repo.header(&RoleName::Snapshot).expires = days(10);
        repo.header(&RoleName::Timestamp).expires = days(10);
        assert_eq!(usual(&repo), []);
        let snapshot = key_of(&repo, &RoleName::Snapshot);
        let ours = examined(&repo, &[&snapshot], Horizon::usual(now()));
        assert_eq!(ids(&ours.findings), ["expires-soon"]);
        assert_eq!(ours.due(&[]).len(), 1);
        repo.header(&RoleName::Timestamp).expires = days(-1);
        assert_eq!(ids(&usual(&repo)), ["expired"]);
    }

    #[test]
    fn a_certificate_that_ends_before_the_root_is_found() {
        let mut repo = repo();
        let began = now() - jiff::SignedDuration::from_hours(24 * 3600);
        let key = TestKey::certified_since(repo.gun.as_str(), began);
        repo.keys(&RoleName::Root, vec![key.clone()], 1);
        let health = examined(&repo, &[&key], Horizon::usual(now()));
        assert_eq!(ids(&health.findings), ["root-certificate-expires-soon"]);
        let due = health.due(&[]);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].file, due[0].certificates.as_slice()), (false, &[key.id()][..]));
        assert!(health.due(&[RoleName::Targets]).is_empty());
    }

    #[test]
    fn a_root_whose_certificates_have_ended_is_a_problem() {
        let mut repo = repo();
        let began = now() - jiff::SignedDuration::from_hours(24 * 3651);
        repo.keys(&RoleName::Root, vec![TestKey::certified_since(repo.gun.as_str(), began)], 1);
        let findings = usual(&repo);
        assert_eq!(ids(&findings), ["root-certificates-out-of-date", "root-certificate-expired"]);
        assert!(matches!(findings[0], Finding::RootOutOfDate { have: 0, need: 1, since: Some(_) }));
    }

    #[test]
    fn one_key_of_two_is_too_few() {
        let mut repo = repo();
        let keys = [TestKey::bare(), TestKey::bare()];
        repo.delegate("targets/a", keys.to_vec(), &[""]);
        let top = repo.targets.get_mut(&RoleName::Targets).unwrap();
        top.delegations.roles[0].threshold = threshold(2);
        repo.header(&role("targets/a")).expires = days(730);
        let health = examined(&repo, &[&keys[0]], Horizon::usual(now()));
        assert_eq!(ids(&health.findings), ["too-few-keys-here"]);
        let state = health.role(&role("targets/a")).unwrap();
        assert_eq!((state.signers.here, state.signers.need), (1, 2));
        assert!(!state.signers.are_enough());
    }

    #[test]
    fn more_signatures_than_keys_are_out_of_reach() {
        let mut repo = repo();
        repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
        let top = repo.targets.get_mut(&RoleName::Targets).unwrap();
        top.delegations.roles[0].threshold = threshold(2);
        let findings = usual(&repo);
        assert_eq!(ids(&findings), ["threshold-out-of-reach", "delegation-not-signed"]);
    }

    #[test]
    fn whoever_signed_and_may_no_longer_is_named() {
        let mut repo = repo();
        repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
        let removed = TestKey::bare();
        repo.signed_by(&role("targets/a"), vec![removed.clone()]);
        let trusted = repo.first().unwrap();
        let last = LastFile { claimed: vec![removed.id()], seen: true };
        let last = [(role("targets/a"), last)].into();
        let health = examine(&trusted, &BTreeSet::new(), &last, Horizon::usual(now()));
        let [Finding::Unsigned { role: found, have: 0, removed: ids, seen: true, .. }] =
            health.findings.as_slice()
        else {
            panic!("{:?}", health.findings);
        };
        assert_eq!((found, ids.as_slice()), (&role("targets/a"), &[removed.id()][..]));
        assert_eq!(health.role(&role("targets/a")).unwrap().version, None);
        assert!(health.due(&[]).is_empty(), "what does not verify is not renewed");
    }

    #[test]
    fn a_delegation_that_vanished_is_told_from_one_that_never_was() {
        let mut repo = repo();
        repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
        repo.header(&role("targets/a")).expires = days(730);
        let cached = repo.cached();
        repo.publish();
        repo.unlisted.insert(role("targets/a"));
        let trusted = repo.again(&cached).unwrap();
        let none = BTreeMap::new();
        let health = examine(&trusted, &BTreeSet::new(), &none, Horizon::usual(now()));
        assert_eq!(ids(&health.findings), ["delegation-vanished"]);
        assert_eq!(ids(&usual(&repo)), ["delegation-empty"]);
    }

    #[test]
    fn a_delegation_without_paths_is_told() {
        let mut repo = repo();
        repo.delegate("targets/a", vec![TestKey::bare()], &[]);
        repo.header(&role("targets/a")).expires = days(730);
        assert_eq!(ids(&usual(&repo)), ["delegation-without-paths"]);
    }

    #[test]
    fn no_horizon_is_beyond_the_end_of_time() {
        let far = Horizon::ahead(now(), Span::new().years(19_000));
        assert!(far.reaches(days(10_000).instant()));
    }
}
