//! Judging what is there of a collection, and writing it down.

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::rescue::report::{RescueError, Rescued};
use crate::crypto::Sha256Hash;
use crate::limits::{MAX_FEED_RECORDS, MAX_NOTED_MISSING};
use crate::store::rescue::{
    FeedRecord, FileRecord, FolderFinding, Kept, MissingRecord, Record, RescuedCollection,
    SourceRecord,
};
use crate::tuf::history::{History, KeptFile, examine};
use crate::wire::notary::FileVersion;

/// What one go at a collection came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) source: SourceRecord,
    pub(super) feed: Vec<FeedRecord>,
    pub(super) missing: Vec<MissingRecord>,
}

/// Judges all that is there by now, writes the record, and says what there is. `report` has the
/// rest of what is to be said.
pub(super) fn write_down(
    collection: &RescuedCollection,
    anchor: Option<&[u8]>,
    outcome: Outcome,
    mut report: Rescued,
) -> Result<Rescued, RescueError> {
    let Kept { files, record, findings } = collection.read()?;
    let history = examine(collection.gun(), &files, anchor);
    let mut record = record.unwrap_or_else(|| Record::new(collection.gun().clone()));
    describe(&mut record, &files, &history);
    let same = |one: &&mut SourceRecord| {
        (one.kind, &one.place) == (outcome.source.kind, &outcome.source.place)
    };
    match record.sources.iter_mut().find(same) {
        Some(known) => {
            let begun = if known.finished.is_none() { known.begun } else { outcome.source.begun };
            *known = SourceRecord { begun, ..outcome.source };
        }
        None => record.sources.push(outcome.source),
    }
    merge_feed(&mut record.feed, outcome.feed);
    merge_missing(&mut record, outcome.missing);
    collection.write_record(&record)?;
    report.judged(&files, &history);
    report.changes = record.feed.len();
    report.missing = record.missing;
    report.findings = findings.into_iter().filter(|finding| !will_be_recorded(finding)).collect();
    Ok(report)
}

/// Sets what the record says of files to what is there.
pub(super) fn describe(record: &mut Record, files: &[KeptFile], history: &History) {
    let described = history.findings.iter().map(|finding| FileRecord {
        role: finding.role.clone(),
        version: finding.version,
        sha256: finding.sha256,
        length: finding.length,
        expires: finding.expires,
        verified: finding.refused.is_none(),
        refused: finding.refused.as_ref().map(|fault| in_words(fault)),
    });
    record.files = described.collect();
    record.files.sort_by_cached_key(|file| (file.role.clone(), file.version, file.sha256));
    let hash = |place: &usize| files.get(*place).map(|file| Sha256Hash::of(&file.bytes));
    let current = history.current.iter();
    record.current =
        current.filter_map(|(role, place)| Some((role.clone(), hash(place)?))).collect();
}

/// An error and its causes in one sentence.
pub fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = inner.source();
    }
    words
}

fn will_be_recorded(finding: &FolderFinding) -> bool {
    matches!(finding, FolderFinding::Unrecorded { .. } | FolderFinding::NoRecord)
}

/// What was known stays, and what is new comes after it.
fn merge_feed(known: &mut Vec<FeedRecord>, new: Vec<FeedRecord>) {
    // Two servers number their changes each in its own way.
    let what = |record: &FeedRecord| {
        (record.id.clone(), record.version, record.sha256.clone(), record.category.clone())
    };
    let mut there: BTreeSet<_> = known.iter().map(what).collect();
    for record in new {
        if known.len() < MAX_FEED_RECORDS && there.insert(what(&record)) {
            known.push(record);
        }
    }
}

/// What has come since is not missing, and the latest answer counts.
fn merge_missing(record: &mut Record, new: Vec<MissingRecord>) {
    let mut missing: BTreeMap<String, MissingRecord> = BTreeMap::new();
    // What is current is asked for anew each time.
    let lasting = |one: &MissingRecord| {
        matches!(
            FileVersion::parse_name(&one.name),
            Some((_, FileVersion::Number(_) | FileVersion::Hash(_)))
        )
    };
    let known: Vec<MissingRecord> = record.missing.drain(..).filter(lasting).collect();
    for one in known.into_iter().chain(new) {
        missing.insert(one.name.clone(), one);
    }
    let there = |name: &str| match FileVersion::parse_name(name) {
        Some((role, FileVersion::Hash(sha256))) => {
            record.files.iter().any(|file| file.role == role && file.sha256 == sha256)
        }
        Some((role, FileVersion::Number(version))) => {
            record.files.iter().any(|file| file.role == role && file.version == Some(version))
        }
        _ => false,
    };
    missing.retain(|name, _| !there(name));
    record.missing = missing.into_values().take(MAX_NOTED_MISSING).collect();
}
