//! A notary server and its signer, taken over: their collections with all versions, the changefeed
//! with its numbers, and the keys, so that the same keys sign on (`spec/takeover.md`).
//!
//! Collections are taken in one after the other, or a few at a time; nothing is kept of one that is
//! done but its line of the report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::clock::Timestamp;
use crate::codec::text::from_hex;
use crate::crypto::{Passphrase, PrivateKey, Sha256Hash};
use crate::limits::{MAX_IMPORTED_COLLECTION_BYTES, MAX_IMPORTED_KEYS};
use crate::server::Server;
use crate::server::import::keys::{Passphrases, PastKeyError};
use crate::server::import::rows::{ChangeRow, FileRow, SealedKeyRow, Table};
use crate::server::import::source::{Files, Source, SourceError};
use crate::server::import::take_in::{ImportError, TakenIn, take_in};
use crate::server::import::{Incoming, PastKey};
use crate::server::meta::MetaError;
use crate::server::meta::feed::{Page, PastChange};
use crate::server::signer::Signer;
use crate::tuf::history::KeptFile;
use crate::tuf::names::NameError;
use crate::tuf::{Gun, RoleName, Root, Signed};

/// What is taken over.
#[derive(Debug)]
pub struct Notary {
    /// The server's tables, and the signer's if they are in the same place.
    pub server: Source,
    /// The signer's tables, if they are elsewhere.
    pub signer: Option<Source>,
}

/// Why nothing more is taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeoverError {
    /// The old tables.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A passphrase is missing or wrong; nothing was taken over.
    #[error(transparent)]
    Passphrase(#[from] PastKeyError),
    /// Another signer has this server's keys, and takes none.
    #[error("the keys cannot be taken over: a notary-signer has this server's keys")]
    SignerElsewhere,
    /// The changefeed has a number that no server came to.
    #[error("the changefeed has a change {id}, which no server can have counted to")]
    ChangeNumber {
        /// The number.
        id: i64,
    },
    /// This server's database, or its master key.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The thread that opens keys ended early.
    #[error("the opening of keys ended early")]
    Keys(#[source] tokio::task::JoinError),
}

/// Why a collection is not taken over. Nothing of it was changed here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Its name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A row is not what was stored.
    #[error("the row of {role} version {version} has another hash than its file")]
    Hash {
        /// The role.
        role: String,
        /// The version.
        version: i64,
    },
    /// Two rows of the same version.
    #[error("there are two different rows of {role} version {version}")]
    Twice {
        /// The role.
        role: String,
        /// The version.
        version: i64,
    },
    /// A line of the feed is not what notary writes.
    #[error("change {id} of the feed is not what notary writes")]
    Change {
        /// Its number.
        id: i64,
    },
    /// Its roots alone are more than is held at once.
    #[error("the roots alone have more than {limit} bytes")]
    Roots {
        /// How many bytes they may have.
        limit: u64,
    },
    /// It has more keys than a collection can come to, or longer ones.
    #[error("there are more than {limit} keys, or keys that are too long")]
    Keys {
        /// How many there may be.
        limit: usize,
    },
    /// A key.
    #[error(transparent)]
    Key(#[from] PastKeyError),
    /// What was judged here.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// What became of one name.
#[derive(Debug)]
pub struct TakenOver {
    /// The name, as it was there.
    pub gun: String,
    /// What was taken in, or why nothing was.
    pub outcome: Result<TakenIn, Refused>,
    /// Old files that stayed behind, for there are too many bytes.
    pub too_many: u64,
}

impl TakenOver {
    fn refused(gun: String, why: Refused) -> Self {
        Self { gun, outcome: Err(why), too_many: 0 }
    }
}

impl Notary {
    /// Takes everything over; `told` hears what became of each name, in any order. `variables`
    /// finds the signer's passphrases in the environment. What is here already stays, and may be
    /// brought again.
    pub async fn take_over(
        mut self,
        server: &Arc<Server>,
        variables: &(dyn Fn(&str) -> Option<Passphrase> + Sync),
        told: &mut (dyn FnMut(TakenOver) + Send),
    ) -> Result<(), TakeoverError> {
        self.server.require(Table::Files)?;
        if self.signer.is_some() || self.server.has(Table::Keys) {
            self.signer_source().require(Table::Keys)?;
            if !matches!(server.signer, Signer::Local(_)) {
                return Err(TakeoverError::SignerElsewhere);
            }
        }
        let samples = self.signer_source().key_of_each_alias().await?;
        let passphrases = Arc::new(Passphrases::find(&samples, variables)?);
        for (_, opened) in open(&passphrases, samples).await? {
            opened?;
        }
        let owners = self.owners().await?;
        let keeps_numbers = self.keeps_numbers(server).await?;
        if keeps_numbers {
            let last = self.server.last_change().await?;
            if !(0..=MAX_CHANGE_NUMBER).contains(&last) {
                return Err(TakeoverError::ChangeNumber { id: last });
            }
            let mut writing = server.meta.write().await?;
            writing.reserve_changes(last).await?;
            writing.commit().await?;
        }
        let mut run = Run { notary: self, server, passphrases, owners, keeps_numbers, told };
        run.collections().await?;
        run.waiting_keys().await?;
        let Self { server: tables, signer } = run.notary;
        tables.close().await;
        if let Some(signer) = signer {
            signer.close().await;
        }
        Ok(())
    }

    fn signer_source(&mut self) -> &mut Source {
        self.signer.as_mut().unwrap_or(&mut self.server)
    }

    /// Whose the keys of the oldest tables are, by their ids, for their rows do not say it: of the
    /// collection that listed them first. Anybody may list a key of others in a root of their own.
    async fn owners(&mut self) -> Result<BTreeMap<String, String>, TakeoverError> {
        let mut owners = BTreeMap::new();
        if !self.signer_source().has_keys_of_nobody().await? {
            return Ok(owners);
        }
        let mut last = i64::MIN;
        loop {
            let roots = self.server.roots_after(last, ROOTS_AT_ONCE).await?;
            let Some(end) = roots.last() else { return Ok(owners) };
            last = end.id;
            for root in roots {
                let mut ids: Vec<String> = listed_by(&root.data).into_keys().collect();
                ids.retain(|id| !owners.contains_key(id));
                for key in self.signer_source().keys_with_ids(&ids).await? {
                    if key.gun.is_empty() {
                        owners.insert(key.key_id, root.gun.clone());
                    }
                }
            }
        }
    }

    /// Whether the changes can keep their numbers: all that are here are of there.
    async fn keeps_numbers(&mut self, server: &Server) -> Result<bool, TakeoverError> {
        let mut after = 0;
        loop {
            let mut reading = server.meta.glance().await?;
            let page = reading.changes(None, Page::After(after), CHANGES_AT_ONCE).await;
            let page = page?;
            drop(reading);
            let Some(last) = page.last() else { return Ok(true) };
            let numbers: Vec<i64> = page.iter().map(|ours| ours.id).collect();
            let theirs = self.server.changes_numbered(&numbers).await?;
            let theirs: BTreeMap<i64, &ChangeRow> =
                theirs.iter().map(|row| (row.id, row)).collect();
            let same = page.iter().all(|ours| {
                theirs.get(&ours.id).is_some_and(|row| {
                    row.gun == ours.gun
                        && u64::try_from(row.version).is_ok_and(|version| version == ours.version)
                        && row.sha256 == ours.sha256
                        && row.category == ours.category
                })
            });
            if !same {
                return Ok(false);
            }
            after = last.id;
        }
    }
}

/// One run.
struct Run<'a> {
    notary: Notary,
    server: &'a Arc<Server>,
    passphrases: Arc<Passphrases>,
    owners: BTreeMap<String, String>,
    keeps_numbers: bool,
    told: &'a mut (dyn FnMut(TakenOver) + Send),
}

/// A key of the old server, opened, or why it is not.
type Opened = (SealedKeyRow, Result<PrivateKey, PastKeyError>);

impl Run<'_> {
    /// All names that have files or changes.
    async fn collections(&mut self) -> Result<(), TakeoverError> {
        let mut last = String::new();
        loop {
            let guns = self.notary.server.guns_after(&last, NAMES_AT_ONCE).await?;
            let Some(end) = guns.last() else { return Ok(()) };
            last.clone_from(end);
            self.page(guns).await?;
        }
    }

    /// Names for which a key was handed out, and that nobody has published yet.
    async fn waiting_keys(&mut self) -> Result<(), TakeoverError> {
        let mut last = String::new();
        loop {
            let signer = self.notary.signer_source();
            let guns = signer.guns_with_waiting_keys_after(&last, NAMES_AT_ONCE).await?;
            let Some(end) = guns.last() else { return Ok(()) };
            last.clone_from(end);
            let known = self.notary.server.known_guns(&guns).await?;
            let unknown = guns.into_iter().filter(|gun| !known.contains(gun) && !gun.is_empty());
            self.page(unknown.collect()).await?;
        }
    }

    /// Some names, a few at a time.
    async fn page(&mut self, guns: Vec<String>) -> Result<(), TakeoverError> {
        let too_many_keys = self.notary.signer_source().guns_with_too_many_keys(&guns).await?;
        let (hoarders, guns): (Vec<_>, Vec<_>) =
            guns.into_iter().partition(|gun| too_many_keys.contains(gun));
        for gun in hoarders {
            self.note(TakenOver::refused(gun, Refused::Keys { limit: MAX_IMPORTED_KEYS }))?;
        }
        let mut keys = self.keys_of(&guns).await?;
        let mut running = FuturesUnordered::new();
        let mut held = 0_u64;
        for gun in guns {
            let Some(files) = self.notary.server.files(&gun).await? else {
                let limit = MAX_IMPORTED_COLLECTION_BYTES;
                self.note(TakenOver::refused(gun, Refused::Roots { limit }))?;
                continue;
            };
            // Of large ones fewer at a time.
            let bytes = files.bytes;
            while (running.len() >= COLLECTIONS_AT_ONCE
                || held.saturating_add(bytes) > MAX_IMPORTED_COLLECTION_BYTES)
                && let Some((done, bytes)) = running.next().await
            {
                held = held.saturating_sub(bytes);
                self.note(done)?;
            }
            held = held.saturating_add(bytes);
            let changes = self.notary.server.changes(&gun).await?;
            let too_many = files.left_out;
            let mut keys = keys.remove(&gun).unwrap_or_default();
            let listed = listed(&files);
            keys.extend(self.old_keys(&gun, &listed).await?);
            let incoming = self.incoming(&gun, files, changes, keys, &listed);
            let server = Arc::clone(self.server);
            running.push(async move {
                let outcome = match incoming {
                    Ok(incoming) => {
                        Box::pin(take_in(&server, incoming, ACTOR)).await.map_err(Refused::from)
                    }
                    Err(refused) => Err(refused),
                };
                (TakenOver { gun, outcome, too_many }, bytes)
            });
        }
        while let Some((done, _)) = running.next().await {
            self.note(done)?;
        }
        Ok(())
    }

    fn note(&mut self, done: TakenOver) -> Result<(), TakeoverError> {
        match done.outcome {
            // What stops one collection stops all.
            Err(Refused::Import(
                error @ (ImportError::Meta(_) | ImportError::Signer(_) | ImportError::Check(_)),
            )) => Err(error.into()),
            outcome => {
                (self.told)(TakenOver { outcome, ..done });
                Ok(())
            }
        }
    }

    /// The keys of these collections, opened.
    async fn keys_of(
        &mut self,
        guns: &[String],
    ) -> Result<BTreeMap<String, Vec<Opened>>, TakeoverError> {
        let mut rows = self.notary.signer_source().keys_of(guns).await?;
        rows.retain(|row| role(row).is_some());
        let mut by_gun: BTreeMap<String, Vec<Opened>> = BTreeMap::new();
        for opened in open(&self.passphrases, rows).await? {
            by_gun.entry(opened.0.gun.clone()).or_default().push(opened);
        }
        Ok(by_gun)
    }

    /// Keys of the oldest tables, which say no collection: those that its root lists.
    async fn old_keys(
        &mut self,
        gun: &str,
        listed: &BTreeMap<String, RoleName>,
    ) -> Result<Vec<Opened>, TakeoverError> {
        let is_its = |id: &&String| self.owners.get(*id).is_some_and(|owner| owner == gun);
        let ids: Vec<String> = listed.keys().filter(is_its).cloned().collect();
        let mut rows = self.notary.signer_source().keys_with_ids(&ids).await?;
        rows.retain(|row| row.gun.is_empty());
        for row in &mut rows {
            if let Some(role) = listed.get(&row.key_id) {
                role.as_str().clone_into(&mut row.role);
            }
        }
        open(&self.passphrases, rows).await
    }

    /// A collection as it is judged here.
    fn incoming(
        &self,
        gun: &str,
        files: Files,
        changes: Vec<ChangeRow>,
        keys: Vec<Opened>,
        listed: &BTreeMap<String, RoleName>,
    ) -> Result<Incoming, Refused> {
        let is_gone = files.rows.is_empty();
        let at_least = files.rows.iter().filter(|row| row.role == "timestamp");
        let at_least = at_least.filter_map(|row| u64::try_from(row.version).ok()).max();
        let gun = Gun::parse(gun)?;
        let files = kept_files(files.rows)?;
        let feed = past_changes(changes, self.keeps_numbers)?;
        let keys = past_keys(keys, listed, is_gone)?;
        let since = feed.iter().rposition(|change| change.is_deletion).map_or(0, |at| at + 1);
        let told = feed.iter().skip(since).map(|change| change.version).max();
        let at_least = at_least.max(told).filter(|_| !is_gone).unwrap_or_default();
        Ok(Incoming { gun, files, at_least, feed, keys })
    }
}

/// Opens keys of the roles that a server signs, on some threads: each takes milliseconds.
async fn open(
    passphrases: &Arc<Passphrases>,
    mut rows: Vec<SealedKeyRow>,
) -> Result<Vec<Opened>, TakeoverError> {
    let each = rows.len().div_ceil(KEY_THREADS).max(1);
    let mut threads = Vec::new();
    while !rows.is_empty() {
        let part = rows.split_off(rows.len().saturating_sub(each));
        let passphrases = Arc::clone(passphrases);
        threads.push(tokio::task::spawn_blocking(move || {
            let open = |row: SealedKeyRow| {
                let opened = passphrases.open(&row);
                (row, opened)
            };
            part.into_iter().map(open).collect::<Vec<_>>()
        }));
    }
    let mut opened = Vec::new();
    for thread in threads.into_iter().rev() {
        opened.extend(thread.await.map_err(TakeoverError::Keys)?);
    }
    Ok(opened)
}

/// The files of a collection, each once.
fn kept_files(rows: Vec<FileRow>) -> Result<Vec<(KeptFile, Option<Timestamp>)>, Refused> {
    let mut seen: BTreeMap<(String, i64), Sha256Hash> = BTreeMap::new();
    let mut files = Vec::new();
    for row in rows {
        let FileRow { role, version, data, sha256, created_at, .. } = row;
        let hash = Sha256Hash::of(&data);
        if sha256.is_some_and(|sha256| sha256 != hash.to_hex()) {
            return Err(Refused::Hash { role, version });
        }
        match seen.get(&(role.clone(), version)) {
            Some(before) if *before == hash => continue,
            Some(_) => return Err(Refused::Twice { role, version }),
            None => {}
        }
        let name = RoleName::parse(&role)?;
        seen.insert((role, version), hash);
        files.push((KeptFile { role: name, bytes: data }, created_at));
    }
    Ok(files)
}

fn past_changes(rows: Vec<ChangeRow>, keeps_numbers: bool) -> Result<Vec<PastChange>, Refused> {
    let mut changes = Vec::new();
    for row in rows {
        let ChangeRow { id, created_at, version, sha256, category, .. } = row;
        let is_deletion = match category.as_str() {
            "deletion" => true,
            "update" => false,
            _ => return Err(Refused::Change { id }),
        };
        let version = u64::try_from(version).map_err(|_| Refused::Change { id })?;
        let is_hash = sha256.len() == 64 && from_hex(&sha256).is_ok();
        // The tables of notary's first years had no hashes.
        if !is_deletion && !is_hash {
            if sha256.is_empty() {
                continue;
            }
            return Err(Refused::Change { id });
        }
        changes.push(PastChange {
            id: keeps_numbers.then_some(id),
            at: created_at.unwrap_or_default(),
            version: if is_deletion { 0 } else { version },
            sha256: if is_deletion { String::new() } else { sha256 },
            is_deletion,
        });
    }
    Ok(changes)
}

/// The keys that matter: those that signed, those that a root lists, and of those that wait the
/// one that notary-signer would have handed out next, which is the first by its id. Of a collection
/// that is gone, none that signed.
fn past_keys(
    keys: Vec<Opened>,
    listed: &BTreeMap<String, RoleName>,
    is_gone: bool,
) -> Result<Vec<PastKey>, Refused> {
    let mut past = Vec::new();
    let mut waiting: BTreeSet<RoleName> = BTreeSet::new();
    for (row, opened) in keys {
        let Some(role) = role(&row) else { continue };
        let is_listed = listed.contains_key(&row.key_id);
        let matters = match (row.was_used, is_gone) {
            (true, true) => false,
            (true, false) => true,
            (false, _) => is_listed || waiting.insert(role.clone()),
        };
        if matters {
            past.push(PastKey { role, key: opened?, was_used: row.was_used });
        }
    }
    Ok(past)
}

/// What a key signs; `None` if no server signs that.
fn role(row: &SealedKeyRow) -> Option<RoleName> {
    match row.role.as_str() {
        "timestamp" => Some(RoleName::Timestamp),
        "snapshot" => Some(RoleName::Snapshot),
        _ => None,
    }
}

/// The keys of timestamps and snapshots that the newest root lists, unverified.
fn listed(files: &Files) -> BTreeMap<String, RoleName> {
    let roots = files.rows.iter().filter(|row| row.role == "root");
    roots.max_by_key(|row| row.version).map(|root| listed_by(&root.data)).unwrap_or_default()
}

/// The keys of timestamps and snapshots that a root lists, unverified.
fn listed_by(root: &[u8]) -> BTreeMap<String, RoleName> {
    let Ok(root) = Signed::<Root>::parse(&RoleName::Root, root) else { return BTreeMap::new() };
    let mut listed = BTreeMap::new();
    for role in [RoleName::Timestamp, RoleName::Snapshot] {
        if let Some(spec) = root.unverified().roles.get(role.as_str()) {
            listed.extend(spec.key_ids.iter().map(|id| (id.as_str().to_owned(), role.clone())));
        }
    }
    listed
}

impl From<MetaError> for TakeoverError {
    fn from(error: MetaError) -> Self {
        Self::Import(error.into())
    }
}

/// Who does it, for the audit.
const ACTOR: &str = "(takeover)";
/// Names that are asked for at a time, and whose keys are held meanwhile.
const NAMES_AT_ONCE: usize = 100;
/// Roots that are looked at at a time.
const ROOTS_AT_ONCE: usize = 16;
/// Collections that are judged and written at the same time.
const COLLECTIONS_AT_ONCE: usize = 4;
/// Threads that open keys at the same time.
const KEY_THREADS: usize = 4;
/// The largest number of a change that is carried on from; what a JSON reader still tells apart.
const MAX_CHANGE_NUMBER: i64 = 1 << 53;
/// Changes that are compared at a time.
const CHANGES_AT_ONCE: u32 = 1000;
