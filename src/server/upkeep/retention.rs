//! Retention: which tags of a repository are kept.
//!
//! The first rule whose pattern fits a repository is the repository's. A tag is removed if the rule
//! limits tags at all and nothing of the rule keeps it. Tags that trust data signs are kept, unless
//! the rule says otherwise.

use std::cmp::Reverse;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::limits::GC_BATCH_ROWS;
use crate::oci::{RepositoryName, TagName};
use crate::server::auth::caller::matches;
use crate::server::meta::MetaError;
use crate::server::meta::attempts::retried;
use crate::server::meta::content::TagRow;
use crate::server::meta::upkeep::Hosts;
use crate::server::upkeep::gc::Mode;
use crate::server::upkeep::{Storage, UpkeepError};

/// What is kept of the repositories whose name fits a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Of the repository's name: `*` stands for any text without `/`, `**` for any text.
    pub repositories: String,
    /// Keeps this many tags, those that were set last.
    pub newest: Option<usize>,
    /// Keeps tags that fit one of these patterns.
    pub tags: Vec<String>,
    /// Keeps tags that were set less than this long ago.
    pub younger_than: Option<Duration>,
    /// How long a manifest is kept that no tag, index, subject or signature needs; `None` leaves
    /// that to the option of garbage collection.
    pub untagged: Option<Duration>,
    /// Whether tags that are signed may go as well.
    pub signed: bool,
}

impl Rule {
    /// A rule for these repositories that removes nothing.
    pub fn new(repositories: impl Into<String>) -> Self {
        Self {
            repositories: repositories.into(),
            newest: None,
            tags: Vec::new(),
            younger_than: None,
            untagged: None,
            signed: false,
        }
    }

    /// The rule for a repository.
    pub fn of<'a>(rules: &'a [Self], repository: &RepositoryName) -> Option<&'a Self> {
        rules.iter().find(|rule| matches(&rule.repositories, repository.as_str()))
    }

    /// Whether it removes tags at all.
    pub fn limits_tags(&self) -> bool {
        self.newest.is_some() || !self.tags.is_empty() || self.younger_than.is_some()
    }

    /// The tags, of all those of a repository, that it does not keep; those set last come first.
    fn spares_not(
        &self,
        tags: impl IntoIterator<Item = (TagName, TagRow)>,
        young_since: Timestamp,
    ) -> Vec<(TagName, TagRow)> {
        if !self.limits_tags() {
            return Vec::new();
        }
        let mut tags: Vec<(TagName, TagRow)> = tags.into_iter().collect();
        tags.sort_by_key(|(_, row)| Reverse((row.updated_at, row.seq)));
        let mut doomed = tags.split_off(self.newest.unwrap_or_default().min(tags.len()));
        doomed.retain(|(tag, row)| {
            let is_young = self.younger_than.is_some() && row.updated_at > young_since;
            let is_named = self.tags.iter().any(|pattern| matches(pattern, tag.as_str()));
            !is_young && !is_named
        });
        doomed
    }
}

/// Removes the tags of a repository that a rule does not keep, and tells which.
pub(super) async fn prune(
    storage: &Storage,
    (id, name): (i64, &RepositoryName),
    rule: &Rule,
    hosts: &Hosts,
    mode: Mode,
) -> Result<Vec<(TagName, TagRow)>, UpkeepError> {
    if !rule.limits_tags() {
        return Ok(Vec::new());
    }
    let young_since = storage.ago(rule.younger_than.unwrap_or_default());
    let mut reading = storage.meta.read().await?;
    let tags = reading.all_tags(id).await?;
    let quarantined = reading.quarantined_tags(id).await?;
    let mut doomed = Vec::new();
    for (tag, row) in rule.spares_not(tags, young_since) {
        // What it stands for is not decided yet.
        if quarantined.contains(tag.as_str()) {
            continue;
        }
        if rule.signed || !reading.is_signed(name, &row.digest, hosts, Timestamp::MAX).await? {
            doomed.push((tag, row));
        }
    }
    drop(reading);
    if mode == Mode::Dry {
        return Ok(doomed);
    }
    let mut removed = Vec::new();
    for batch in doomed.chunks(GC_BATCH_ROWS) {
        removed.extend(retried(|| remove(storage, (id, name), batch, rule, hosts)).await?);
    }
    Ok(removed)
}

/// Removes those of some tags that nobody has set meanwhile.
async fn remove(
    storage: &Storage,
    (id, name): (i64, &RepositoryName),
    batch: &[(TagName, TagRow)],
    rule: &Rule,
    hosts: &Hosts,
) -> Result<Vec<(TagName, TagRow)>, MetaError> {
    let mut removed = Vec::new();
    let mut writing = storage.meta.write().await?;
    writing.changes(name.as_str());
    if writing.lock_known_repository(name).await?.is_none() {
        return Ok(removed);
    }
    for (tag, row) in batch {
        if writing.tag(id, tag).await?.as_ref() != Some(row) {
            continue;
        }
        if !rule.signed && writing.is_signed(name, &row.digest, hosts, Timestamp::MAX).await? {
            continue;
        }
        writing.remove_tag(id, tag).await?;
        removed.push((tag.clone(), row.clone()));
    }
    if !removed.is_empty() {
        writing.count_change(id).await?;
        writing.commit().await?;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::oci::Digest;

    fn tags() -> Vec<(TagName, TagRow)> {
        // Set one, two, … hours ago.
        let names = ["v4", "v3", "nightly", "v2", "latest", "v1"];
        let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
        let tags = names.iter().zip(1_i64..).map(|(name, hours)| {
            let updated_at = Timestamp::from_second(1_000_000 - hours * 3600).unwrap();
            let row = TagRow { digest: digest.clone(), seq: 0, updated_at };
            (TagName::parse(name).unwrap(), row)
        });
        tags.collect()
    }

    #[test_case(None, &[], None, ""; "a rule without limits")]
    #[test_case(Some(2), &[], None, "nightly v2 latest v1")]
    #[test_case(Some(0), &["v*"], None, "nightly latest")]
    #[test_case(Some(1), &["latest"], Some(3), "nightly v2 v1"; "whatever keeps it, keeps it")]
    #[test_case(None, &[], Some(5), "latest v1"; "by age alone")]
    #[test_case(Some(10), &[], None, ""; "more than there are")]
    fn what_a_rule_removes(
        newest: Option<usize>,
        patterns: &[&str],
        hours: Option<u64>,
        removed: &str,
    ) {
        let mut rule = Rule::new("**");
        rule.newest = newest;
        rule.tags = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        rule.younger_than = hours.map(|hours| Duration::from_secs(hours * 3600));
        let now = Timestamp::from_second(1_000_000).unwrap();
        let since = crate::server::upkeep::before(now, rule.younger_than.unwrap_or_default());
        let found = rule.spares_not(tags(), since);
        let found: Vec<&str> = found.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(found.join(" "), removed);
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules = [Rule::new("team/*"), Rule::new("**")];
        let of = |name| Rule::of(&rules, &RepositoryName::parse(name).unwrap());
        assert_eq!(of("team/app").map(|rule| rule.repositories.as_str()), Some("team/*"));
        assert_eq!(of("x").map(|rule| rule.repositories.as_str()), Some("**"));
        assert_eq!(Rule::of(&rules[..1], &RepositoryName::parse("x").unwrap()), None);
    }
}
