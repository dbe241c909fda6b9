//! Looking a rescue folder over, without asking anybody.

use crate::actions::context::Context;
use crate::actions::rescue::keep::describe;
use crate::actions::rescue::report::{RescueError, Rescued};
use crate::actions::rescue::run::cached_root;
use crate::crypto::Sha256Hash;
use crate::store::rescue::{FileRecord, FolderFinding, Kept, Record, RescueFolder};
use crate::tuf::Gun;
use crate::tuf::history::examine;
use crate::wire::notary::{FileVersion, file_name};

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// What is in the folder that does not belong there.
    pub findings: Vec<FolderFinding>,
    /// Its collections. `complete` says what the record says.
    pub collections: Vec<CheckedCollection>,
}

/// What was found of a collection.
#[derive(Debug)]
pub struct CheckedCollection {
    /// What there is.
    pub report: Rescued,
    /// In what the record and the files do not agree.
    pub disagreements: Vec<String>,
}

/// Checks every collection in a folder, or those named: that each file is what its name says, which
/// signatures are right, and that the record says the same.
pub fn check(
    context: &Context,
    folder: &RescueFolder,
    only: &[Gun],
) -> Result<Checked, RescueError> {
    let (guns, findings) = folder.collections()?;
    let guns = if only.is_empty() { guns } else { only.to_vec() };
    let collections = guns.into_iter().map(|gun| {
        let place = folder.path().display().to_string();
        let mut checked = CheckedCollection {
            report: Rescued::nothing(gun.clone(), place),
            disagreements: Vec::new(),
        };
        if let Err(error) = look(context, folder, &gun, &mut checked) {
            checked.report.error = Some(error);
        }
        checked
    });
    Ok(Checked { findings, collections: collections.collect() })
}

fn look(
    context: &Context,
    folder: &RescueFolder,
    gun: &Gun,
    checked: &mut CheckedCollection,
) -> Result<(), RescueError> {
    let Kept { files, record, findings } = folder.collection(gun)?.read()?;
    let anchor = cached_root(context, gun)?;
    let history = examine(gun, &files, anchor.as_deref());
    checked.report.judged(&files, &history);
    checked.report.findings = findings;
    let Some(record) = record else { return Ok(()) };
    let mut now = record.clone();
    describe(&mut now, &files, &history);
    checked.disagreements = disagreements(&record, &now);
    checked.report.complete = record.is_complete();
    checked.report.changes = record.feed.len();
    checked.report.missing = record.missing;
    let sources = record.sources.into_iter();
    checked.report.remarks = sources.flat_map(|source| source.remarks).collect();
    Ok(())
}

/// What is missing or was added is a finding of its own; that something does not verify any more
/// is not to be overlooked, and neither is that other files are said to be current.
fn disagreements(then: &Record, now: &Record) -> Vec<String> {
    let mut found = Vec::new();
    for file in &now.files {
        let same = |other: &&FileRecord| other.role == file.role && other.sha256 == file.sha256;
        let Some(recorded) = then.files.iter().find(same) else { continue };
        let name = file_name(&file.role, FileVersion::Hash(file.sha256));
        if recorded.verified && !file.verified {
            let why = file.refused.as_deref().unwrap_or_default();
            found.push(format!("{name} is said to verify, and does not: {why}"));
        }
        if (recorded.version, recorded.expires) != (file.version, file.expires) {
            found.push(format!("{name} has another version or expiry than the record says"));
        }
    }
    for (role, recorded) in &then.current {
        let is = now.current.get(role);
        if is != Some(recorded) {
            let is = is.map_or_else(|| "none".to_owned(), Sha256Hash::to_hex);
            found.push(format!("the current {role} is said to be {recorded}, and is {is}"));
        }
    }
    found
}
