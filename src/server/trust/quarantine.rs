//! Setting tags where they must stand for what is signed (`spec/enforcement.md` §6).
//!
//! Docker pushes a tag first and signs it then, so a tag may be set to what is not signed yet: it
//! is in quarantine until it is signed. Those who push see it; everybody else sees what it was
//! before. If it is not signed in time, it returns to that.

use serde_json::json;

use crate::oci::{Digest, RepositoryName, TagName};
use crate::server::auth::Caller;
use crate::server::meta::{MetaError, MetaStore, Writing};
use crate::server::trust::gate::{Denial, Gate, Subject};
use crate::server::trust::policy::{Mode, Rule};

impl Gate {
    /// Decides about setting a tag, in the transaction that will set it, and notes whether it is in
    /// quarantine. The repository must be there; the tag must not be set yet.
    pub async fn set_tag(
        &self,
        writing: &mut Writing,
        repository: &RepositoryName,
        tag: &TagName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Result<(), Denial>, MetaError> {
        let policy = self.policy();
        let Some(rule) = policy.rule(repository.as_str()).filter(|rule| rule.decides_pushes())
        else {
            return Ok(Ok(()));
        };
        let mut evidence = writing.evidence();
        let state = self.state(&mut evidence, repository, digest).await?;
        let id = state.repository.ok_or(MetaError::Corrupt { what: "order of changes" })?.id;
        let before = evidence.tag(id, tag).await?;
        let mut before_is_signed = false;
        if let Some(before) = &before {
            let subject = Subject::Tag(tag, before);
            let verdict = self.decide(&mut evidence, &policy, rule, repository, subject).await?;
            before_is_signed = verdict.is_ok();
            if before_is_signed && rule.signed_tags_immutable && before != digest {
                return Ok(Err(immutable(repository, tag, before)));
            }
        }
        if rule.push == Mode::Off {
            return Ok(Ok(()));
        }
        let subject = Subject::Tag(tag, digest);
        let verdict = self.decide(&mut evidence, &policy, rule, repository, subject).await?;
        let waiting = evidence.quarantine(id, tag).await?;
        let Err(objection) = verdict else {
            if waiting.is_some() {
                writing.leave_quarantine(id, tag).await?;
            }
            return Ok(Ok(()));
        };
        if rule.push == Mode::Audit {
            self.record(Mode::Audit, repository, subject, &objection, caller);
            return Ok(Ok(()));
        }
        let settled = match waiting {
            // What was pushed in between was never seen by others.
            Some(settled) if !before_is_signed => settled,
            // The same again: what everybody sees does not change.
            None if before.as_ref() == Some(digest) => return Ok(Ok(())),
            _ => before,
        };
        let now = self.clock.now();
        writing.put_in_quarantine(id, tag, settled.as_ref(), now).await?;
        tracing::info!(
            repository = repository.as_str(),
            tag = tag.as_str(),
            reason = objection.reason.as_str(),
            caller = caller.label(),
            "the tag waits in quarantine until it is signed"
        );
        Ok(Ok(()))
    }

    /// Decides about deleting a tag, in the transaction that will delete it.
    pub async fn delete_tag(
        &self,
        writing: &mut Writing,
        repository: &RepositoryName,
        tag: &TagName,
    ) -> Result<Result<(), Denial>, MetaError> {
        let policy = self.policy();
        let Some(rule) = policy.rule(repository.as_str()).filter(|rule| rule.decides_pushes())
        else {
            return Ok(Ok(()));
        };
        let mut evidence = writing.evidence();
        // Any digest will do to find the repository.
        let state = self.state(&mut evidence, repository, &Digest::sha256_of(b"")).await?;
        let Some(there) = state.repository else { return Ok(Ok(())) };
        let Some(now) = evidence.tag(there.id, tag).await? else { return Ok(Ok(())) };
        if rule.signed_tags_immutable {
            let subject = Subject::Tag(tag, &now);
            if self.decide(&mut evidence, &policy, rule, repository, subject).await?.is_ok() {
                return Ok(Err(immutable(repository, tag, &now)));
            }
        }
        writing.leave_quarantine(there.id, tag).await?;
        Ok(Ok(()))
    }

    /// Decides about deleting a manifest, in the transaction that will delete it: where signed tags
    /// are immutable, what they stand for stays, and what that has.
    pub async fn delete_manifest(
        &self,
        writing: &mut Writing,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Result<(), Denial>, MetaError> {
        let policy = self.policy();
        let rule = policy.rule(repository.as_str()).filter(|rule| rule.signed_tags_immutable);
        let Some(rule) = rule else { return Ok(Ok(())) };
        let mut evidence = writing.evidence();
        let subject = Subject::Manifest(digest);
        if self.decide(&mut evidence, &policy, rule, repository, subject).await?.is_err() {
            return Ok(Ok(()));
        }
        let message = format!("{repository}@{digest} is signed, and what is signed is kept here");
        let detail = json!({"reason": IMMUTABLE, "signed_digest": digest.as_str()});
        Ok(Err(Denial::of_change(message, detail)))
    }

    /// Sets tags back that were not signed in time, and returns how many. To be called every minute
    /// or so.
    pub async fn return_tags(&self, meta: &MetaStore) -> Result<usize, MetaError> {
        let now = self.clock.now();
        let mut reading = meta.read().await?;
        let waiting = reading.evidence().quarantined_before(now, MOST_AT_ONCE).await?;
        drop(reading);
        let mut returned = 0;
        for entry in waiting {
            let policy = self.policy();
            let rule = policy.rule(entry.repository.as_str());
            let rule = rule.filter(|rule| rule.push == Mode::Enforce);
            if rule.is_some_and(|rule| now.duration_since(entry.since) < rule.sign_within) {
                continue;
            }
            let mut writing = meta.write().await?;
            if self.settle(&mut writing, rule, &entry.repository, &entry.tag).await? {
                returned += 1;
            }
            writing.commit().await?;
        }
        Ok(returned)
    }

    /// Ends the wait of a tag: it stays where it is signed, or nothing wants it to be; else it
    /// returns to what it was. Tells whether it did.
    async fn settle(
        &self,
        writing: &mut Writing,
        rule: Option<&Rule>,
        repository: &RepositoryName,
        tag: &TagName,
    ) -> Result<bool, MetaError> {
        writing.changes(repository.as_str());
        let policy = self.policy();
        let any = Digest::sha256_of(b"");
        let state = self.state(&mut writing.evidence(), repository, &any).await?;
        let Some(there) = state.repository else { return Ok(false) };
        // Whoever is signing it just now is waited for.
        writing.lock_published(&state.collections).await?;
        let mut evidence = writing.evidence();
        let Some(settled) = evidence.quarantine(there.id, tag).await? else { return Ok(false) };
        let digest = evidence.tag(there.id, tag).await?;
        let is_signed = match (rule, &digest) {
            (Some(rule), Some(digest)) => {
                let subject = Subject::Tag(tag, digest);
                self.decide(&mut evidence, &policy, rule, repository, subject).await?.is_ok()
            }
            _ => true,
        };
        writing.leave_quarantine(there.id, tag).await?;
        let (false, Some(settled)) = (is_signed, settled) else { return Ok(false) };
        let returned = writing.return_tag(there.id, tag, &settled, self.clock.now()).await?;
        tracing::warn!(
            repository = repository.as_str(),
            tag = tag.as_str(),
            from = digest.as_ref().map(Digest::as_str),
            to = settled.as_str(),
            returned,
            "the tag was not signed in time"
        );
        Ok(returned)
    }
}

impl Rule {
    /// Whether it has a say in what tags are set to.
    fn decides_pushes(&self) -> bool {
        self.push != Mode::Off || self.signed_tags_immutable
    }
}

fn immutable(repository: &RepositoryName, tag: &TagName, signed: &Digest) -> Denial {
    let message = format!(
        "{repository}:{tag} is signed for {signed}, and signed tags are immutable here: revoke the \
         signature first"
    );
    let detail = json!({
        "reason": IMMUTABLE, "tag": tag.as_str(), "signed_digest": signed.as_str()
    });
    Denial::of_change(message, detail)
}

/// Why a change is denied.
const IMMUTABLE: &str = "immutable";
/// Most tags looked at in one pass; the next pass looks at the rest.
const MOST_AT_ONCE: i64 = 1000;
