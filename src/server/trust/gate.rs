//! The one decision: what is served to whom. Every way to reach content asks here, inside the
//! snapshot that answers it (`spec/enforcement.md` §3).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::limits::MAX_ROOT_ROTATIONS;
use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::Refusal;
use crate::server::auth::{Action, Caller};
use crate::server::meta::enforcement::{CollectionMark, Evidence, PartKind, RepositoryMark, State};
use crate::server::meta::{MetaError, Reading};
use crate::server::trust::cache::{Cache, PartKey, StandingKey};
use crate::server::trust::policy::{Mode, Policy, Rule, Serve};
use crate::server::trust::verdict::{Admission, Objection, Reason, Standing, is_pinned};
use crate::tuf::Gun;

/// What somebody wants to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A tag, and the manifest it stands for now.
    Tag(&'a TagName, &'a Digest),
    /// A manifest by its digest.
    Manifest(&'a Digest),
    /// A blob, from its own repository or mounted into another.
    Blob(&'a Digest),
}

/// Why content is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// For people.
    pub message: String,
    /// For machines: `reason`, `gun`, `tag`, `registry_digest`, `signed_digest`, `expires`.
    pub detail: Value,
    /// A change that cannot be made as things are, rather than something that is not served.
    is_conflict: bool,
    /// What a pusher is told who only asks whether it is there already: it is not, for them.
    absent: Option<&'static str>,
}

/// What a tag answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The manifest.
    pub digest: Digest,
    /// Until when that holds if nothing is published, pushed, or configured anew.
    pub until: Timestamp,
}

/// The decision.
#[derive(Debug)]
pub struct Gate {
    policy: RwLock<Arc<Policy>>,
    hosts: Vec<String>,
    pub(super) clock: Arc<dyn Clock>,
    cache: Cache,
    counts: [[AtomicU64; Reason::ALL.len()]; 2],
}

/// What is served under a tag to those who do not push.
#[derive(Debug)]
pub(super) struct Look {
    /// What is served; `None` if nothing is.
    pub(super) serves: Option<Digest>,
    /// What trust says of the manifest that the tag stands for.
    pub(super) verdict: Result<Admission, Objection>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(Policy::default(), Vec::new())
    }
}

impl Gate {
    /// A gate under a policy, for a server with these names: the collection of a repository is
    /// called `HOST/REPOSITORY`.
    pub fn new(policy: Policy, hosts: Vec<String>) -> Self {
        Self {
            policy: RwLock::new(Arc::new(policy)),
            hosts,
            clock: Arc::new(SystemClock),
            cache: Cache::default(),
            counts: Default::default(),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another policy into force; requests that have begun end under the one before.
    pub fn reload(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// How often something was objected to since the start, by mode and reason.
    pub fn counts(&self) -> Vec<(Mode, Reason, u64)> {
        let modes = [Mode::Audit, Mode::Enforce].into_iter().zip(&self.counts);
        let counts = modes.flat_map(|(mode, counts)| {
            let counts = Reason::ALL.into_iter().zip(counts);
            counts.map(move |(reason, count)| (mode, reason, count.load(Ordering::Relaxed)))
        });
        counts.collect()
    }

    /// Decides whether a caller may reach this, by what the snapshot says. `Ok(Err(_))` is a denial;
    /// an error denies as well. A tag is asked for with [`Gate::tag`].
    pub async fn pull(
        &self,
        reading: &mut Reading,
        repository: &RepositoryName,
        subject: Subject<'_>,
        caller: &Caller,
    ) -> Result<Result<(), Denial>, MetaError> {
        Ok(self.pull_until(reading, repository, subject, caller).await?.map(|_| ()))
    }

    /// Decides as [`Gate::pull`] does, and tells until when that holds if nothing is published,
    /// pushed, or configured anew.
    pub async fn pull_until(
        &self,
        reading: &mut Reading,
        repository: &RepositoryName,
        subject: Subject<'_>,
        caller: &Caller,
    ) -> Result<Result<Timestamp, Denial>, MetaError> {
        if let Subject::Tag(tag, digest) = subject {
            let served = self.tag(reading, repository, tag, digest, caller).await?;
            return Ok(served.and_then(|served| {
                if served.digest == *digest {
                    return Ok(served.until);
                }
                // What is served in its place cannot be told this way.
                let message = format!("{repository}:{tag} is not served: something else is");
                let absent = absent(subject, repository, caller);
                Err(Denial { message, detail: json!({}), is_conflict: false, absent })
            }));
        }
        let policy = self.policy();
        let Some(rule) = policy.rule(repository.as_str()).filter(|rule| rule.pull != Mode::Off)
        else {
            return Ok(Ok(Timestamp::MAX));
        };
        if reaches_quarantine(caller, repository) {
            return Ok(Ok(Timestamp::MAX));
        }
        let evidence = &mut reading.evidence();
        let objection = match self.decide(evidence, &policy, rule, repository, subject).await? {
            Ok(admission) => return Ok(Ok(admission.expires)),
            Err(objection) => objection,
        };
        self.record(rule.pull, repository, subject, &objection, Some(caller));
        if rule.pull == Mode::Audit {
            return Ok(Ok(Timestamp::MIN));
        }
        Ok(Err(denial(&objection, repository, subject, caller)))
    }

    /// Decides what a caller gets who asks for a tag that stands for this digest: that or, as the
    /// policy says, what is signed or what the tag stood for before.
    pub async fn tag(
        &self,
        reading: &mut Reading,
        repository: &RepositoryName,
        tag: &TagName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Result<Served, Denial>, MetaError> {
        let served = |digest: &Digest, until| Served { digest: digest.clone(), until };
        let policy = self.policy();
        let Some(rule) = policy.rule(repository.as_str()).filter(|rule| rule.decides_tags()) else {
            return Ok(Ok(served(digest, Timestamp::MAX)));
        };
        if reaches_quarantine(caller, repository) {
            return Ok(Ok(served(digest, Timestamp::MAX)));
        }
        let evidence = &mut reading.evidence();
        let look = self.look(evidence, &policy, rule, repository, tag, digest).await?;
        let subject = Subject::Tag(tag, digest);
        if let Err(objection) = &look.verdict
            && (rule.pull == Mode::Audit || look.serves.is_none())
        {
            let mode = if look.serves.is_none() { Mode::Enforce } else { Mode::Audit };
            self.record(mode, repository, subject, objection, Some(caller));
        }
        Ok(match (look.serves, look.verdict) {
            (_, Ok(admission)) => Ok(served(digest, admission.expires)),
            // Each time it is logged and counted, or decided, anew.
            (Some(instead), Err(_)) => Ok(served(&instead, Timestamp::MIN)),
            (None, Err(objection)) => Err(denial(&objection, repository, subject, caller)),
        })
    }

    /// Of these manifests those that a caller may reach, in their order.
    pub async fn reachable(
        &self,
        reading: &mut Reading,
        repository: &RepositoryName,
        manifests: Vec<Digest>,
        caller: &Caller,
    ) -> Result<Vec<Digest>, MetaError> {
        let policy = self.policy();
        let rule = policy.rule(repository.as_str()).filter(|rule| rule.pull == Mode::Enforce);
        let Some(rule) = rule.filter(|_| !reaches_quarantine(caller, repository)) else {
            return Ok(manifests);
        };
        let mut reachable = Vec::new();
        for digest in manifests {
            let evidence = &mut reading.evidence();
            let subject = Subject::Manifest(&digest);
            if self.decide(evidence, &policy, rule, repository, subject).await?.is_ok() {
                reachable.push(digest);
            }
        }
        Ok(reachable)
    }

    /// Of these tags those that a caller may know of: not the new ones that wait to be signed.
    pub async fn visible_tags(
        &self,
        reading: &mut Reading,
        repository: &RepositoryName,
        tags: Vec<String>,
        caller: &Caller,
    ) -> Result<Vec<String>, MetaError> {
        let policy = self.policy();
        let rule = policy.rule(repository.as_str()).filter(|rule| rule.push == Mode::Enforce);
        let Some(rule) = rule.filter(|_| !reaches_quarantine(caller, repository)) else {
            return Ok(tags);
        };
        let mut evidence = reading.evidence();
        let any = Digest::sha256_of(b"");
        let state = self.state(&mut evidence, repository, &any).await?;
        let Some(there) = state.repository else { return Ok(tags) };
        let waiting = evidence.new_in_quarantine(there.id).await?;
        let mut visible = Vec::with_capacity(tags.len());
        for tag in tags {
            if waiting.contains(&tag) {
                let Ok(name) = TagName::parse(&tag) else { continue };
                let Some(digest) = evidence.tag(there.id, &name).await? else { continue };
                let subject = Subject::Tag(&name, &digest);
                let verdict =
                    self.decide(&mut evidence, &policy, rule, repository, subject).await?;
                if verdict.is_err() {
                    continue;
                }
            }
            visible.push(tag);
        }
        Ok(visible)
    }

    /// Whether signed pushes can be taken: without a name no collection is this server's.
    pub fn has_names(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// What is served under a tag to those who do not push, and what trust says of it.
    pub(super) async fn look(
        &self,
        evidence: &mut Evidence<'_>,
        policy: &Policy,
        rule: &Rule,
        repository: &RepositoryName,
        tag: &TagName,
        digest: &Digest,
    ) -> Result<Look, MetaError> {
        let state = self.state(evidence, repository, digest).await?;
        let subject = Subject::Tag(tag, digest);
        let verdict = self.ask(evidence, policy, rule, repository, &state, subject).await?;
        let Err(objection) = &verdict else {
            return Ok(Look { serves: Some(digest.clone()), verdict });
        };
        let id = state.repository.map(|repository| repository.id);
        let waiting = match id {
            Some(id) if rule.push == Mode::Enforce => evidence.quarantine(id, tag).await?,
            _ => None,
        };
        let serves = match (rule.pull, waiting) {
            // As if it had not been pushed yet.
            (Mode::Off | Mode::Audit, Some(settled)) => settled,
            (Mode::Off | Mode::Audit, None) => Some(digest.clone()),
            (Mode::Enforce, settled) => {
                let settled = settled.flatten();
                self.signed_instead(evidence, policy, rule, repository, tag, objection, settled)
                    .await?
            }
        };
        Ok(Look { serves, verdict })
    }

    /// What is served instead of what is not signed, if anything: what the tag stood for before, if
    /// that is signed; what is signed, if the rule says so.
    #[expect(clippy::too_many_arguments, reason = "the parts of one question")]
    async fn signed_instead(
        &self,
        evidence: &mut Evidence<'_>,
        policy: &Policy,
        rule: &Rule,
        repository: &RepositoryName,
        tag: &TagName,
        objection: &Objection,
        settled: Option<Digest>,
    ) -> Result<Option<Digest>, MetaError> {
        let signed = objection
            .signed_digest
            .clone()
            .filter(|_| rule.serve == Serve::Signed && objection.reason == Reason::WrongDigest);
        for candidate in settled.into_iter().chain(signed) {
            let state = self.state(evidence, repository, &candidate).await?;
            if state.size.is_none() {
                continue;
            }
            let subject = Subject::Tag(tag, &candidate);
            if self.ask(evidence, policy, rule, repository, &state, subject).await?.is_ok() {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// What trust says of something.
    pub(super) async fn decide(
        &self,
        evidence: &mut Evidence<'_>,
        policy: &Policy,
        rule: &Rule,
        repository: &RepositoryName,
        subject: Subject<'_>,
    ) -> Result<Result<Admission, Objection>, MetaError> {
        let state = self.state(evidence, repository, subject.digest()).await?;
        self.ask(evidence, policy, rule, repository, &state, subject).await
    }

    pub(super) async fn state(
        &self,
        evidence: &mut Evidence<'_>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<State, MetaError> {
        evidence.state(repository, digest, &self.guns(repository)).await
    }

    /// A name for all callers who get the same answers about a repository under the policy in force.
    pub fn class(&self, caller: &Caller, repository: &RepositoryName) -> String {
        let quarantine = reaches_quarantine(caller, repository);
        format!("{} {quarantine}", self.policy().version())
    }

    /// The names that the collection of a repository may have; `None` where a name is too long.
    pub fn guns(&self, repository: &RepositoryName) -> Vec<Option<Gun>> {
        self.hosts.iter().map(|host| Gun::parse(&format!("{host}/{repository}")).ok()).collect()
    }

    /// Asks the collections one after the other: the first that admits it decides, else the first
    /// that there is.
    async fn ask(
        &self,
        evidence: &mut Evidence<'_>,
        policy: &Policy,
        rule: &Rule,
        repository: &RepositoryName,
        state: &State,
        subject: Subject<'_>,
    ) -> Result<Result<Admission, Objection>, MetaError> {
        let guns = self.guns(repository);
        let mut first = None;
        for collection in &state.collections {
            let Some(gun) = guns.get(collection.name).cloned().flatten() else { continue };
            let (key, standing) = self.standing(evidence, policy, rule, gun, *collection).await?;
            match self.ask_one(evidence, rule, &key, &standing, state, subject).await? {
                Ok(admission) => return Ok(Ok(admission)),
                Err(objection) => drop(first.get_or_insert(objection)),
            }
        }
        Ok(Err(first.unwrap_or_else(|| {
            let gun = guns.into_iter().flatten().next();
            let message = match &gun {
                Some(gun) => format!("there is no trust data for {gun}"),
                None => "the server knows no name under which it could be signed".to_owned(),
            };
            let registry_digest = Some(subject.digest().clone());
            let tag = subject.tag().map(ToString::to_string);
            let none = Objection::new(Reason::Unsigned, message);
            Objection { gun, tag, registry_digest, ..none }
        })))
    }

    async fn ask_one(
        &self,
        evidence: &mut Evidence<'_>,
        rule: &Rule,
        key: &StandingKey,
        standing: &Standing,
        state: &State,
        subject: Subject<'_>,
    ) -> Result<Result<Admission, Objection>, MetaError> {
        let (digest, kind) = match subject {
            Subject::Tag(tag, digest) => {
                return Ok(standing.tag(tag.as_str(), digest, state.size));
            }
            Subject::Manifest(digest) => (digest, PartKind::Manifest),
            Subject::Blob(digest) => (digest, PartKind::Blob),
        };
        let own = match kind {
            PartKind::Manifest => standing.manifest(digest, state.size),
            PartKind::Blob => Err(standing.object(digest)),
        };
        let Err(objection) = own else { return Ok(own) };
        let Some(repository) = state.repository.filter(|_| standing.says.is_ok()) else {
            return Ok(Err(objection));
        };
        if self.is_part(evidence, key, standing, repository, digest, kind).await? {
            return Ok(Ok(standing.admit(digest, Vec::new())));
        }
        if rule.superseded.is_positive() {
            let replaced = self.superseded(evidence, rule, key.collection.id).await?;
            let is_one = kind == PartKind::Manifest && replaced.contains(digest);
            let replaced = |parent: &Digest| replaced.contains(parent);
            if is_one || evidence.is_part(repository.id, digest, kind, replaced).await? {
                return Ok(Ok(standing.admit(digest, Vec::new())));
            }
        }
        Ok(Err(objection))
    }

    async fn is_part(
        &self,
        evidence: &mut Evidence<'_>,
        standing_key: &StandingKey,
        standing: &Standing,
        repository: RepositoryMark,
        digest: &Digest,
        kind: PartKind,
    ) -> Result<bool, MetaError> {
        let (standing_key, owned) = (*standing_key, digest.clone());
        let key = PartKey { standing: standing_key, repository, kind, digest: owned };
        if let Some(known) = self.cache.part(&key) {
            return Ok(known);
        }
        let signs = |parent: &Digest| standing.signs(parent);
        let is_part = evidence.is_part(repository.id, digest, kind, signs).await?;
        if evidence.is_snapshot() {
            self.cache.remember_part(key, is_part);
        }
        Ok(is_part)
    }

    /// What was signed as the rule wants it, and not so long ago that it may not be had any more.
    async fn superseded(
        &self,
        evidence: &mut Evidence<'_>,
        rule: &Rule,
        collection: i64,
    ) -> Result<BTreeSet<Digest>, MetaError> {
        let since = self.clock.now() - rule.superseded;
        let vouchers = evidence.replaced_since(collection, since).await?;
        let vouched = |role: &_, name: &str, digest: &Digest| {
            let mut vouchers = vouchers.iter();
            vouchers
                .any(|other| other.role == *role && other.name == name && other.digest == *digest)
        };
        let counts = vouchers.iter().filter(|voucher| {
            let signers = rule.signers.iter();
            let signers = signers.filter(|signer| vouched(*signer, &voucher.name, &voucher.digest));
            voucher.ended
                && rule.roles.contains(&voucher.role)
                && signers.count() >= rule.signers_needed
        });
        Ok(counts.map(|voucher| voucher.digest.clone()).collect())
    }

    /// What a collection says, as remembered or asked anew.
    async fn standing(
        &self,
        evidence: &mut Evidence<'_>,
        policy: &Policy,
        rule: &Rule,
        gun: Gun,
        collection: CollectionMark,
    ) -> Result<(StandingKey, Arc<Standing>), MetaError> {
        let key = StandingKey { policy: policy.version(), rule: rule.index, collection };
        let now = self.clock.now();
        if let Some(standing) = self.cache.standing(&key, now) {
            return Ok((key, standing));
        }
        let files = evidence.trust_files(collection.id).await?;
        let roots = roots(evidence, &gun, rule, collection.id, files.root_version, now).await?;
        let rule = rule.clone();
        // Signatures over megabytes.
        let standing =
            tokio::task::spawn_blocking(move || Standing::of(gun, &rule, &files, &roots, now));
        let standing = standing.await.map_err(|_| MetaError::Corrupt { what: "collection" })?;
        let standing = Arc::new(standing);
        if evidence.is_snapshot() {
            self.cache.remember(key, &standing);
        }
        Ok((key, standing))
    }

    pub(super) fn record(
        &self,
        mode: Mode,
        repository: &RepositoryName,
        subject: Subject<'_>,
        objection: &Objection,
        caller: Option<&Caller>,
    ) {
        let at = Reason::ALL.iter().position(|reason| *reason == objection.reason);
        let counts = match mode {
            Mode::Enforce => self.counts.get(1),
            _ => self.counts.first(),
        };
        if let Some(count) = at.and_then(|at| counts?.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let reason = objection.reason.as_str();
        let what = shown(repository, subject);
        let (message, caller) = (&objection.message, caller.map(Caller::label));
        if mode == Mode::Enforce {
            tracing::info!(what, reason, caller, "not served: {message}");
        } else {
            tracing::warn!(what, reason, caller, "would not be served: {message}");
        }
    }
}

/// Roots from the newest that the rule pins to the current one; none if it pins none.
async fn roots(
    evidence: &mut Evidence<'_>,
    gun: &Gun,
    rule: &Rule,
    collection: i64,
    current: u64,
    now: Timestamp,
) -> Result<Vec<Vec<u8>>, MetaError> {
    let mut roots = Vec::new();
    let oldest = current.saturating_sub(MAX_ROOT_ROTATIONS).max(1);
    for version in (oldest..=current).rev() {
        let Some(root) = evidence.root(collection, version).await? else { break };
        let found = is_pinned(gun, rule, &root, now);
        roots.push(root);
        if found {
            roots.reverse();
            return Ok(roots);
        }
    }
    Ok(Vec::new())
}

impl Rule {
    /// Whether it has a say in what tags answer.
    fn decides_tags(&self) -> bool {
        self.pull != Mode::Off || self.push == Mode::Enforce
    }
}

impl<'a> Subject<'a> {
    /// The digest that would be served.
    pub fn digest(self) -> &'a Digest {
        match self {
            Self::Tag(_, digest) | Self::Manifest(digest) | Self::Blob(digest) => digest,
        }
    }

    fn tag(self) -> Option<&'a TagName> {
        match self {
            Self::Tag(tag, _) => Some(tag),
            Self::Manifest(_) | Self::Blob(_) => None,
        }
    }
}

/// Whether somebody may reach what is not signed: they are known, and may push it anyway. On a
/// server that knows nobody, nobody may.
fn reaches_quarantine(caller: &Caller, repository: &RepositoryName) -> bool {
    caller.is_known() && caller.could(Action::Push, repository.as_str())
}

fn shown(repository: &RepositoryName, subject: Subject<'_>) -> String {
    match subject {
        Subject::Tag(tag, _) => format!("{repository}:{tag}"),
        Subject::Manifest(digest) | Subject::Blob(digest) => format!("{repository}@{digest}"),
    }
}

/// Who may push but is not known asks mostly whether something need not be sent: what they cannot
/// get is not there.
fn absent(
    subject: Subject<'_>,
    repository: &RepositoryName,
    caller: &Caller,
) -> Option<&'static str> {
    let is_blob = matches!(subject, Subject::Blob(_));
    let is_asked = !is_blob && caller.may(Action::Push, repository.as_str());
    is_asked.then_some("MANIFEST_UNKNOWN")
}

pub(super) fn denial(
    objection: &Objection,
    repository: &RepositoryName,
    subject: Subject<'_>,
    caller: &Caller,
) -> Denial {
    let message = format!("{} is not served: {}", shown(repository, subject), objection.message);
    let absent = absent(subject, repository, caller);
    Denial { message, detail: objection.detail(), is_conflict: false, absent }
}

impl Denial {
    /// A denial of a change.
    pub(super) fn of_change(message: String, detail: Value) -> Self {
        Self { message, detail, is_conflict: true, absent: None }
    }

    /// The answer to a request of this method. HEAD has no room for reasons, and clients that push
    /// ask by HEAD what they need not send: to one who may push, but whom nobody knows, what they
    /// cannot get is not there (`spec/enforcement.md` §5).
    pub fn into_refusal(self, method: &Method) -> Refusal {
        match self.absent {
            Some(code) if *method == Method::HEAD => {
                Refusal::new(StatusCode::NOT_FOUND, code, self.message)
            }
            _ => self.into(),
        }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let detail = if denial.detail.is_null() { json!({}) } else { denial.detail };
        let status = if denial.is_conflict { StatusCode::CONFLICT } else { StatusCode::FORBIDDEN };
        Self::new(status, "DENIED", denial.message).with_detail(detail)
    }
}
