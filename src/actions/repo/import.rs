//! `trust repo import`: a rescued collection, brought to a server that takes collections as they
//! are (`spec/carry-on.md` §4).
//!
//! The server verifies everything; what does not verify is not even sent. A collection that does
//! not fit into one request is sent in pieces, each of which makes sense by itself: first what
//! readers need, then what was before.

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::context::{ConnectionError, Context};
use crate::client::{NotaryClient, NotaryError, TransportError};
use crate::limits::{MAX_IMPORT_PARTS, MAX_IMPORT_PIECE_BYTES};
use crate::store::rescue::{FeedRecord, FolderFinding, RescueFolder, RescueFolderError};
use crate::tuf::history::{Fault, Finding, KeptFile, examine};
use crate::tuf::{Gun, RoleName};
use crate::wire::import::{Imported, LeftOut};

/// What became of a collection.
#[derive(Debug)]
pub struct Brought {
    /// What the server did, all pieces together.
    pub imported: Imported,
    /// What is wrong with the folder.
    pub findings: Vec<FolderFinding>,
}

/// Why a collection was not brought. What was sent before, as a piece of its own, is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BringError {
    /// The rescue folder.
    #[error(transparent)]
    Folder(#[from] RescueFolderError),
    /// There is no set of files that verify and name each other.
    #[error("no timestamp, snapshot, targets and root of {gun} verify and belong together")]
    NothingCurrent {
        /// The collection.
        gun: Gun,
        /// What is wrong with the first of the files that do not verify.
        #[source]
        cause: Option<Fault>,
    },
    /// Another kind of server.
    #[error("{server} takes no collections as they are")]
    NotTaken {
        /// Host of the trust server.
        server: String,
    },
    /// What is needed at once does not fit.
    #[error("{server} does not take the current files of {gun} at once")]
    TooLarge {
        /// Host of the trust server.
        server: String,
        /// The collection.
        gun: Gun,
        /// What it says.
        #[source]
        cause: NotaryError,
    },
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server refused or did not answer.
    #[error(transparent)]
    Server(#[from] NotaryError),
}

/// Brings one collection of a rescue folder to the trust server.
pub async fn import(
    context: &Context,
    folder: &RescueFolder,
    gun: &Gun,
) -> Result<Brought, BringError> {
    let kept = folder.collection(gun)?.read()?;
    let feed = kept.record.map(|record| record.feed).unwrap_or_default();
    let notary = context.connections.notary(gun, "*")?;
    let imported = bring(&notary, gun, kept.files, &feed).await?;
    Ok(Brought { imported, findings: kept.findings })
}

/// Brings files of a collection to a server.
pub async fn bring(
    notary: &NotaryClient,
    gun: &Gun,
    files: Vec<KeptFile>,
    feed: &[FeedRecord],
) -> Result<Imported, BringError> {
    let history = examine(gun, &files, None);
    if history.current.is_empty() {
        let cause = history.findings.into_iter().find_map(|finding| finding.refused);
        return Err(BringError::NothingCurrent { gun: gun.clone(), cause });
    }
    let left_out = history.findings.iter().filter_map(|finding| {
        let fault = finding.refused.as_ref()?;
        let (role, problem) = (finding.role.to_string(), fault.to_string());
        Some(LeftOut { role, version: finding.version, problem })
    });
    let mut whole = Imported { left_out: left_out.collect(), ..Imported::default() };
    let feed = page(gun, feed);
    for (number, piece) in
        pieces(files, &history.findings, &history.current).into_iter().enumerate()
    {
        let is_first = number == 0;
        let sent = notary.import(&piece, feed.as_deref().filter(|_| is_first)).await;
        let told = sent.map_err(|error| match error {
            NotaryError::NotFound { server, .. } => BringError::NotTaken { server },
            NotaryError::Transport(TransportError::Status { status: 413, .. }) if is_first => {
                let server = notary.server().to_owned();
                BringError::TooLarge { server, gun: gun.clone(), cause: error }
            }
            error => error.into(),
        })?;
        if is_first || whole.outcome == "unchanged" {
            whole.outcome = told.outcome;
        }
        whole.archive = told.archive;
        whole.stored += told.stored;
        whole.left_out.extend(told.left_out);
    }
    Ok(whole)
}

/// What is sent with one request each.
fn pieces(
    files: Vec<KeptFile>,
    findings: &[Finding],
    current: &BTreeMap<RoleName, usize>,
) -> Vec<Vec<(RoleName, Vec<u8>)>> {
    let current: BTreeSet<usize> = current.values().copied().collect();
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let mut timestamps = Vec::new();
    for (place, (file, finding)) in files.into_iter().zip(findings).enumerate() {
        let file = (file.role, file.bytes);
        if current.contains(&place) {
            first.push(file);
        } else if finding.refused.is_some() {
            // Nobody needs it.
        } else if file.0 == RoleName::Root {
            first.push(file);
        } else if file.0 == RoleName::Timestamp {
            timestamps.push((finding.version, file));
        } else {
            rest.push(file);
        }
    }
    // The feed tells of timestamps: they are small, and the newest are sent along with it.
    timestamps.sort_by_key(|(version, _)| *version);
    let fit = (MAX_IMPORT_PARTS / 2).saturating_sub(first.len());
    let old = timestamps.len().saturating_sub(fit);
    let newest = timestamps.split_off(old);
    first.extend(newest.into_iter().map(|(_, file)| file));
    rest.extend(timestamps.into_iter().map(|(_, file)| file));
    let mut pieces = vec![first];
    let (mut piece, mut bytes) = (Vec::new(), 0_usize);
    for file in rest {
        let length = file.1.len();
        let is_full = piece.len() >= MAX_IMPORT_PARTS / 2
            || bytes.saturating_add(length) > MAX_IMPORT_PIECE_BYTES;
        if is_full && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            bytes = 0;
        }
        bytes = bytes.saturating_add(length);
        piece.push(file);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// The changes of the past as a server would answer with them.
fn page(gun: &Gun, feed: &[FeedRecord]) -> Option<Vec<u8>> {
    let records: Vec<_> = feed
        .iter()
        .map(|line| {
            serde_json::json!({
                "ID": line.id,
                "CreatedAt": line.at,
                "GUN": gun.as_str(),
                "Version": line.version,
                "SHA256": line.sha256,
                "Category": line.category,
            })
        })
        .collect();
    let page = serde_json::json!({"count": records.len(), "records": records});
    (!feed.is_empty()).then(|| page.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::crypto::Sha256Hash;

    use super::*;

    fn finding(role: RoleName, version: u64, length: usize) -> (KeptFile, Finding) {
        let bytes = vec![b'x'; length];
        let finding = Finding {
            role: role.clone(),
            version: Some(version),
            sha256: Sha256Hash::of(&bytes),
            length: u64::try_from(length).unwrap(),
            expires: Some(Timestamp::MAX),
            refused: None,
        };
        (KeptFile { role, bytes }, finding)
    }

    #[test]
    fn the_first_piece_is_what_readers_need_and_the_rest_comes_in_pieces_that_fit() {
        let half = MAX_IMPORT_PIECE_BYTES / 2 + 1;
        let mut all = vec![
            finding(RoleName::Targets, 3, half),
            finding(RoleName::Root, 1, 1),
            finding(RoleName::Targets, 1, half),
            finding(RoleName::Timestamp, 1, 1),
            finding(RoleName::Targets, 2, half),
            finding(RoleName::Snapshot, 1, 1),
        ];
        let mut bad = finding(RoleName::Targets, 9, 1);
        bad.1.refused = Some(Fault::Unknown { role: RoleName::Targets });
        all.push(bad);
        let (files, findings): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let current = BTreeMap::from([(RoleName::Targets, 0)]);
        let pieces = pieces(files, &findings, &current);
        let roles = |piece: &Vec<(RoleName, Vec<u8>)>| {
            piece.iter().map(|(role, _)| role.to_string()).collect::<Vec<_>>()
        };
        let roles: Vec<_> = pieces.iter().map(roles).collect();
        assert_eq!(roles[0], ["targets", "root", "timestamp"]);
        assert_eq!(roles[1..], [vec!["targets"], vec!["targets", "snapshot"]]);
    }
}
