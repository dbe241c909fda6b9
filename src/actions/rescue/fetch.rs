//! Fetching all that a trust server has of one collection.
//!
//! The newest root and timestamp come first, and the roots in between, so that it can be told of
//! everything else as it comes whether it verifies. Then come the files that files name by hash,
//! older versions by number, and what the changefeed knows of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::SemaphorePermit;

use crate::actions::rescue::Pace;
use crate::actions::rescue::index::{Index, Named};
use crate::actions::rescue::keep::{Outcome, in_words};
use crate::actions::rescue::pace::Judging;
use crate::actions::rescue::report::RescueError;
use crate::client::notary::NotFoundBody;
use crate::client::{FileVersion, NotaryClient, NotaryError, TransportError};
use crate::clock::{Clock, Timestamp};
use crate::crypto::Sha256Hash;
use crate::limits::{
    MAX_BUSY_ANSWERS, MAX_DELEGATION_DEPTH, MAX_FEED_RECORDS, MAX_FEED_WORD_BYTES,
    MAX_MISSING_VERSIONS, MAX_NOTED_MISSING, MAX_PAGES, MAX_RESCUE_REST_SECONDS, MAX_RESCUED_BYTES,
    MAX_RESCUED_FILES, MAX_RESCUED_VERSIONS, MAX_ROOT_ROTATIONS, MAX_SIDE_BY_SIDE_BYTES,
    MAX_UNVERIFIED_BYTES, MAX_UNVERIFIED_FILES,
};
use crate::store::files::Unsynced;
use crate::store::rescue::{
    FeedRecord, MissingRecord, Record, RescuedCollection, SourceKind, SourceRecord,
};
use crate::tuf::RoleName;
use crate::tuf::history::{KeptFile, examine};
use crate::tuf::metadata::{Document, Root, Signed, Snapshot, Targets, TimestampFile};
use crate::tuf::rules::Bounds;
use crate::wire::notary::{Change, file_name};

/// What is needed to ask.
pub(super) struct Plan<'a> {
    pub(super) notary: &'a NotaryClient,
    pub(super) pace: &'a Pace,
    pub(super) judging: &'a Judging,
    pub(super) collection: &'a RescuedCollection,
    /// The root that the user has cached.
    pub(super) anchor: Option<Arc<[u8]>>,
    pub(super) bounds: Bounds,
    /// Whether older versions are asked for.
    pub(super) history: bool,
    pub(super) parallel: usize,
    pub(super) place: String,
    pub(super) clock: &'a dyn Clock,
}

/// One collection, on its way.
pub(super) struct Fetch<'a> {
    plan: Plan<'a>,
    begun: Timestamp,
    index: Index,
    known_feed: Vec<FeedRecord>,
    feed: Vec<FeedRecord>,
    /// What was not had in this run, by name.
    missing: BTreeMap<String, MissingRecord>,
    /// What was answered to the first question that came to nothing.
    first_answer: Option<String>,
    remarks: Vec<String>,
    unsynced: Vec<Unsynced>,
    pub(super) new_files: usize,
    unverified: (usize, u64),
    not_kept: usize,
    /// Whether a file was kept that nothing vouched for when it came.
    has_early: bool,
    complete: bool,
    newest_timestamp: Option<Sha256Hash>,
    /// The newest root version that was asked for by its number.
    newest_root: u64,
}

/// What was answered to a question.
enum Answer {
    Had(Vec<u8>),
    /// The server says that there is no such file.
    Absent(String),
    /// There was no answer, or none that makes sense.
    Failed(String),
    /// It is too large to be held beside others.
    Large,
}

/// What is known of one version.
enum Numbered {
    /// It is there already.
    There,
    /// It was asked for before, in this run.
    Missing,
    Asked(Answer),
}

/// What judging the files of a collection came to.
struct Look {
    index: Index,
    unverified: (usize, u64),
    known_feed: Vec<FeedRecord>,
}

impl<'a> Fetch<'a> {
    /// Begins with what is there already.
    pub(super) async fn new(plan: Plan<'a>) -> Result<Self, RescueError> {
        let begun = plan.clock.now();
        let mut fetch = Self {
            plan,
            begun,
            index: Index::default(),
            known_feed: Vec::new(),
            feed: Vec::new(),
            missing: BTreeMap::new(),
            first_answer: None,
            remarks: Vec::new(),
            unsynced: Vec::new(),
            new_files: 0,
            unverified: (0, 0),
            not_kept: 0,
            has_early: false,
            complete: true,
            newest_timestamp: None,
            newest_root: 0,
        };
        fetch.look().await?;
        Ok(fetch)
    }

    /// Judges what is there by now. It can take long enough for others to wait.
    async fn look(&mut self) -> Result<(), RescueError> {
        if !self.plan.collection.exists() {
            return Ok(());
        }
        let _room = self.plan.judging.room(self.plan.collection.size()?).await;
        let (collection, place) = (self.plan.collection.clone(), self.plan.place.clone());
        let anchor = self.plan.anchor.clone();
        let work = move || Look::at(&collection, anchor.as_deref(), &place);
        let gun = || self.plan.collection.gun().clone();
        let look = tokio::task::spawn_blocking(work).await;
        let mut look = look.map_err(|_| RescueError::CutOff { gun: gun() })??;
        look.index.remember_asked(&mut self.index);
        self.index = look.index;
        (self.unverified, self.known_feed) = (look.unverified, look.known_feed);
        Ok(())
    }

    /// Asks for everything. What was had before an error is kept.
    pub(super) async fn run(&mut self) -> Result<(), RescueError> {
        let timestamp = self.newest().await?;
        self.look().await?;
        if let Some(bytes) = timestamp {
            let timestamp = KeptFile { role: RoleName::Timestamp, bytes };
            // Perhaps the newest root is not the newest: old copies of files are about.
            if self.index.signers.take(&timestamp).is_err() && self.roots_above().await? {
                self.look().await?;
            }
        }
        self.named().await?;
        if self.plan.history {
            self.feed().await?;
        }
        self.rest().await?;
        // What came before that which vouches for it names others, once that is known.
        for _ in 0..MAX_DELEGATION_DEPTH {
            if !std::mem::take(&mut self.has_early) {
                break;
            }
            self.look().await?;
            self.rest().await?;
        }
        Ok(())
    }

    /// All but the newest files and what they name.
    async fn rest(&mut self) -> Result<(), RescueError> {
        self.named().await?;
        if self.plan.history {
            self.older().await?;
        }
        self.never_seen().await?;
        self.named().await?;
        self.later_roots().await
    }

    /// Ends: what was kept is made to last, and what there is to be written down is handed over.
    pub(super) fn end(
        mut self,
        error: Option<&RescueError>,
    ) -> Result<(Outcome, usize), RescueError> {
        self.plan.collection.sync(std::mem::take(&mut self.unsynced))?;
        if self.not_kept > 0 {
            self.remark(format!("{} more files that do not verify were not kept", self.not_kept));
        }
        if let Some(error) = error {
            self.remark(in_words(error));
        }
        let source = SourceRecord {
            kind: SourceKind::Server,
            place: self.plan.place,
            begun: self.begun,
            finished: error.is_none().then(|| self.plan.clock.now()),
            complete: self.complete && error.is_none() && self.plan.history,
            remarks: self.remarks,
        };
        let missing = self.missing.into_values().collect();
        Ok((Outcome { source, feed: self.feed, missing }, self.new_files))
    }

    /// Why nothing is there though nothing failed.
    pub(super) fn nothing(&self) -> RescueError {
        let (place, gun) = (self.plan.place.clone(), self.plan.collection.gun().clone());
        RescueError::NoAnswer { place, gun, answer: self.first_answer.clone().unwrap_or_default() }
    }

    /// Whether anything is there.
    pub(super) fn has_anything(&self) -> bool {
        !self.index.is_empty()
    }

    /// The root and the timestamp that the server has now, and all roots before; returns that
    /// timestamp.
    async fn newest(&mut self) -> Result<Option<Vec<u8>>, RescueError> {
        let root = self.current(&RoleName::Root).await?;
        let timestamp = self.current(&RoleName::Timestamp).await?;
        if root.is_none() && timestamp.is_none() && self.missing.values().all(|one| one.absent) {
            let (place, gun) = (self.plan.place.clone(), self.plan.collection.gun().clone());
            return Err(RescueError::NoTrustData { place, gun });
        }
        self.newest_timestamp = timestamp.as_deref().map(Sha256Hash::of);
        let cached = self.plan.anchor.as_deref().map(<[u8]>::to_vec);
        let newest = [&root, &cached]
            .into_iter()
            .flatten()
            .filter_map(|raw| version_of(&RoleName::Root, raw))
            .max();
        let newest = newest.unwrap_or(1);
        let timestamp_there = timestamp.clone();
        for file in
            [(RoleName::Root, root), (RoleName::Root, cached), (RoleName::Timestamp, timestamp)]
        {
            if let (role, Some(bytes)) = file {
                self.put(&role, &bytes)?;
            }
        }
        self.roots(1, newest).await?;
        Ok(timestamp_there)
    }

    /// Roots of versions above the newest, one after the other; returns whether there is any.
    async fn roots_above(&mut self) -> Result<bool, RescueError> {
        let before = self.newest_root;
        let limit = self.limit(&RoleName::Root);
        for _ in 0..MAX_ROOT_ROTATIONS {
            let next = self.newest_root.saturating_add(1);
            match self.ask(&RoleName::Root, FileVersion::Number(next), limit).await? {
                Answer::Had(bytes) if version_of(&RoleName::Root, &bytes) == Some(next) => {
                    self.put(&RoleName::Root, &bytes)?;
                    self.newest_root = next;
                }
                _ => break,
            }
        }
        Ok(self.newest_root > before)
    }

    /// All roots from one version to another, from the newest down; a number is only what a server
    /// says, and may be any.
    async fn roots(&mut self, oldest: u64, newest: u64) -> Result<(), RescueError> {
        self.newest_root = newest;
        let first = newest.saturating_sub(MAX_ROOT_ROTATIONS.saturating_sub(1)).max(oldest);
        if first > oldest {
            self.remark(format!("only the last {MAX_ROOT_ROTATIONS} roots were asked for"));
            self.complete = false;
        }
        self.by_number(&RoleName::Root, (first..=newest).rev().collect()).await
    }

    /// Roots up to one that is newer than the server says that the newest is: a snapshot named it.
    async fn later_roots(&mut self) -> Result<(), RescueError> {
        match self.index.newest_there(&RoleName::Root) {
            Some(newest) if newest > self.newest_root => {
                self.roots(self.newest_root.saturating_add(1), newest).await
            }
            _ => Ok(()),
        }
    }

    /// The file that the server says is the present one.
    async fn current(&mut self, role: &RoleName) -> Result<Option<Vec<u8>>, RescueError> {
        let limit = self.limit(role);
        match self.ask(role, FileVersion::Current, limit).await? {
            Answer::Had(bytes) => Ok(Some(bytes)),
            Answer::Absent(answer) => {
                self.note_missing(file_name(role, FileVersion::Current), answer, true);
                Ok(None)
            }
            Answer::Large => Ok(None),
            Answer::Failed(answer) => {
                self.note_missing(file_name(role, FileVersion::Current), answer, false);
                // A server that cannot sign a new one still has the old ones.
                let newest = self.newest_number(role).await?;
                Ok(newest)
            }
        }
    }

    /// The newest file that can be had by its number: each is one above the one before.
    async fn newest_number(&mut self, role: &RoleName) -> Result<Option<Vec<u8>>, RescueError> {
        let limit = self.limit(role);
        let (mut there, mut step) = (self.index.newest(role).unwrap_or(1), 1_u64);
        let mut absent = None;
        let mut last = None;
        let mut next = there;
        // As many steps as a number has bits, forth and back.
        for _ in 0..2 * u64::BITS {
            match self.ask(role, FileVersion::Number(next), limit).await? {
                Answer::Had(bytes) => (last, there) = (Some(bytes), next),
                Answer::Absent(_) if last.is_some() => absent = Some(next),
                _ => return Ok(last),
            }
            next = match absent {
                None => there.saturating_add(step),
                Some(absent) if there + 1 < absent => there + (absent - there) / 2,
                Some(_) => break,
            };
            step = step.saturating_mul(2);
        }
        Ok(last)
    }

    /// All files that files which verify name by their hash.
    async fn named(&mut self) -> Result<(), RescueError> {
        loop {
            let wanted = self.index.next_wanted(self.plan.parallel.max(1));
            if wanted.is_empty() || !self.has_room() {
                return Ok(());
            }
            let asked = wanted.into_iter().map(|named| async {
                let limit = self.limit(&named.role).min(named.length);
                let version = FileVersion::Hash(named.sha256);
                let answer = self.ask_beside_others(&named.role, version, limit).await;
                (named, answer)
            });
            let answers: Vec<(Named, Result<Answer, RescueError>)> =
                stream::iter(asked).buffered(self.plan.parallel.max(1)).collect().await;
            for (named, answer) in answers {
                let version = FileVersion::Hash(named.sha256);
                let name = file_name(&named.role, version);
                let limit = self.limit(&named.role).min(named.length);
                let (answer, _alone) = self.or_alone(answer?, &named.role, version, limit).await?;
                match answer {
                    Answer::Large => {}
                    Answer::Had(bytes) if Sha256Hash::of(&bytes) == named.sha256 => {
                        self.keep(&named.role, bytes)?;
                    }
                    Answer::Had(bytes) => {
                        let answer = "the server sends something else under this name";
                        self.note_missing(name, answer.to_owned(), false);
                        self.keep(&named.role, bytes)?;
                    }
                    Answer::Absent(answer) => self.note_missing(name, answer, true),
                    Answer::Failed(answer) => self.note_missing(name, answer, false),
                }
            }
        }
    }

    /// Older versions of every role, from the newest down.
    async fn older(&mut self) -> Result<(), RescueError> {
        let mut done = Vec::new();
        // Old files tell of roles that there are no more.
        loop {
            let mut roles = self.index.roles();
            roles.retain(|role| !done.contains(role) && self.index.has_any(role));
            if roles.is_empty() {
                return Ok(());
            }
            for role in roles {
                let newest = self.index.newest(&role).unwrap_or(0);
                let oldest = newest.saturating_sub(MAX_RESCUED_VERSIONS).max(1);
                if oldest > 1 {
                    self.remark(format!(
                        "of {role} only the last {MAX_RESCUED_VERSIONS} versions were asked for"
                    ));
                    self.complete = false;
                }
                self.by_number(&role, (oldest..newest).rev().collect()).await?;
                self.named().await?;
                done.push(role);
            }
        }
    }

    /// Roles that somebody delegates to and of which there is no file.
    async fn never_seen(&mut self) -> Result<(), RescueError> {
        for role in self.index.roles() {
            if self.index.has_any(&role) {
                continue;
            }
            let limit = self.limit(&role);
            let name = file_name(&role, FileVersion::Current);
            if self.missing.contains_key(&name) {
                continue;
            }
            match self.ask(&role, FileVersion::Current, limit).await? {
                Answer::Had(bytes) => drop(self.keep(&role, bytes)?),
                // That one who may sign has not signed yet is nothing that is missing.
                Answer::Absent(_) | Answer::Large => {}
                Answer::Failed(answer) => self.note_missing(name, answer, false),
            }
        }
        Ok(())
    }

    /// These versions of a role, in this order, until too many in a row are not to be had.
    async fn by_number(&mut self, role: &RoleName, versions: Vec<u64>) -> Result<(), RescueError> {
        let (mut missing, mut wrong) = (0, 0);
        for batch in versions.chunks(self.plan.parallel.max(1)) {
            if !self.has_room() {
                return Ok(());
            }
            let asked = batch.iter().map(|version| self.numbered(role, *version));
            let answers: Vec<_> =
                stream::iter(asked).buffered(self.plan.parallel.max(1)).collect().await;
            for (version, numbered) in answers {
                let number = FileVersion::Number(version);
                let name = file_name(role, number);
                let answer = match numbered? {
                    Numbered::There => {
                        missing = 0;
                        continue;
                    }
                    Numbered::Missing => None,
                    Numbered::Asked(answer) => Some(answer),
                };
                let limit = self.limit(role);
                let (answer, _alone) = match answer {
                    Some(answer) => {
                        let (answer, alone) = self.or_alone(answer, role, number, limit).await?;
                        (Some(answer), alone)
                    }
                    None => (None, None),
                };
                match answer {
                    None | Some(Answer::Large) => missing += 1,
                    Some(Answer::Had(bytes)) => {
                        missing = 0;
                        let is_it = version_of(role, &bytes) == Some(version);
                        if !is_it {
                            let answer = "the server sends another version under this number";
                            self.note_missing(name, answer.to_owned(), false);
                        }
                        let verifies = self.keep(role, bytes)? && is_it;
                        wrong = if verifies { 0 } else { wrong + 1 };
                    }
                    Some(Answer::Absent(answer)) => {
                        missing += 1;
                        self.note_missing(name, answer, true);
                    }
                    Some(Answer::Failed(answer)) => {
                        missing += 1;
                        self.note_missing(name, answer, false);
                    }
                }
                if missing >= MAX_MISSING_VERSIONS || wrong >= MAX_MISSING_VERSIONS {
                    let what = if missing >= MAX_MISSING_VERSIONS { "missing" } else { "wrong" };
                    self.remark(format!(
                        "{role} was given up at version {version}: {MAX_MISSING_VERSIONS} in a \
                         row are {what}"
                    ));
                    self.complete &= missing >= MAX_MISSING_VERSIONS;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One version, unless it is there already.
    async fn numbered(
        &self,
        role: &RoleName,
        version: u64,
    ) -> (u64, Result<Numbered, RescueError>) {
        if self.index.has_version(role, version) {
            return (version, Ok(Numbered::There));
        }
        let number = FileVersion::Number(version);
        if self.missing.contains_key(&file_name(role, number)) {
            return (version, Ok(Numbered::Missing));
        }
        // What an earlier run did not get is asked for again: the server may have been half down.
        let answer = self.ask_beside_others(role, number, self.limit(role)).await;
        (version, answer.map(Numbered::Asked))
    }

    /// The collection's changes; each names a timestamp.
    async fn feed(&mut self) -> Result<(), RescueError> {
        let known = std::mem::take(&mut self.known_feed);
        for record in &known {
            self.want_change(&record.sha256);
        }
        // From the last change but one on: if that is not followed by the last one any more, the
        // list is another, and begun again.
        let mut last_known = match known.as_slice() {
            [.., before, last] => Some((before, last)),
            _ => None,
        };
        let mut ends = BTreeSet::new();
        let mut after = last_known.map_or_else(|| "0".to_owned(), |(before, _)| before.id.clone());
        for _ in 0..MAX_PAGES {
            let page = match self.page(&after).await {
                Ok(page) => page,
                // Who may have the files may perhaps not have this.
                Err(RescueError::Server(error)) => {
                    let absent = is_absence(&error);
                    self.note_missing("changefeed".to_owned(), in_words(&error), absent);
                    break;
                }
                Err(error) => return Err(error),
            };
            if let Some((_, known)) = last_known.take()
                && !page.first().is_some_and(|first| is_same_change(known, first))
            {
                "0".clone_into(&mut after);
                continue;
            }
            let Some(last) = page.last() else { break };
            let goes_round = !ends.insert(last.id.clone());
            if goes_round || self.feed.len() + page.len() > MAX_FEED_RECORDS {
                self.remark("the changefeed does not come to an end".to_owned());
                self.complete = false;
                break;
            }
            if page.iter().any(has_long_words) {
                self.remark("the changefeed has words that are too long".to_owned());
                self.complete = false;
                break;
            }
            after.clone_from(&last.id);
            let ends_here = last.category == "update"
                && Sha256Hash::from_hex(&last.sha256)
                    .is_ok_and(|sha256| self.is_newest_timestamp(&sha256));
            let gun = self.plan.collection.gun().as_str();
            let own: Vec<_> = page.into_iter().filter(|change| change.gun == gun).collect();
            for change in own {
                self.want_change(&change.sha256);
                self.feed.push(FeedRecord {
                    id: change.id,
                    at: change.created_at,
                    version: change.version,
                    sha256: change.sha256,
                    category: change.category,
                });
            }
            if ends_here {
                break;
            }
        }
        self.named().await
    }

    fn want_change(&mut self, sha256: &str) {
        if let Ok(sha256) = Sha256Hash::from_hex(sha256) {
            let limit = self.plan.bounds.timestamp;
            self.index.want_hash(&RoleName::Timestamp, sha256, limit);
        }
    }

    fn is_newest_timestamp(&self, sha256: &Sha256Hash) -> bool {
        self.newest_timestamp.as_ref() == Some(sha256)
    }

    async fn page(&self, after: &str) -> Result<Vec<Change>, RescueError> {
        let (pace, notary) = (self.plan.pace, self.plan.notary);
        let answer = patiently(pace, notary, async || notary.changefeed(after, PAGE).await).await?;
        Ok(answer?.records)
    }

    /// Keeps a file; returns whether it verifies.
    fn keep(&mut self, role: &RoleName, bytes: Vec<u8>) -> Result<bool, RescueError> {
        if *role == RoleName::Root {
            // Whether it does, only the chain can tell; but not what is none.
            let is_one = version_of(role, &bytes).is_some();
            if is_one {
                self.put(role, &bytes)?;
            } else {
                self.keep_unverified(role, &bytes)?;
            }
            return Ok(is_one);
        }
        let file = KeptFile { role: role.clone(), bytes };
        let Ok(told) = self.index.signers.take(&file) else {
            let (before, _) = self.unverified;
            self.keep_unverified(role, &file.bytes)?;
            self.has_early |= self.unverified.0 > before;
            return Ok(false);
        };
        self.index.told(told);
        self.put(role, &file.bytes)?;
        if let Some(version) = version_of(role, &file.bytes) {
            self.index.note_newest(role, version);
        }
        Ok(true)
    }

    /// A server that lies must not fill the disk.
    fn keep_unverified(&mut self, role: &RoleName, bytes: &[u8]) -> Result<(), RescueError> {
        if self.index.has(role, &Sha256Hash::of(bytes)) {
            return Ok(());
        }
        let (files, size) = self.unverified;
        let size = size.saturating_add(length_of(bytes));
        if files >= MAX_UNVERIFIED_FILES || size > MAX_UNVERIFIED_BYTES {
            self.not_kept += 1;
            self.complete = false;
            return Ok(());
        }
        self.unverified = (files + 1, size);
        self.put(role, bytes)
    }

    fn put(&mut self, role: &RoleName, bytes: &[u8]) -> Result<(), RescueError> {
        let sha256 = Sha256Hash::of(bytes);
        if self.index.has(role, &sha256) {
            return Ok(());
        }
        if !self.plan.collection.can_keep(role) {
            self.remark(format!("{role} has too long a name to be kept"));
            self.complete = false;
            return Ok(());
        }
        if self.index.is_empty() && !self.plan.collection.exists() {
            self.begin()?;
        }
        self.unsynced.extend(self.plan.collection.put(role, bytes)?);
        self.new_files += 1;
        if self.unsynced.len() >= MAX_UNSYNCED {
            self.plan.collection.sync(std::mem::take(&mut self.unsynced))?;
        }
        self.index.add(role, sha256, length_of(bytes), version_of(role, bytes));
        Ok(())
    }

    /// Whoever finds the folder before this is done sees what it is.
    fn begin(&self) -> Result<(), RescueError> {
        let mut record = Record::new(self.plan.collection.gun().clone());
        record.sources.push(SourceRecord {
            kind: SourceKind::Server,
            place: self.plan.place.clone(),
            begun: self.begun,
            finished: None,
            complete: false,
            remarks: Vec::new(),
        });
        Ok(self.plan.collection.write_record(&record)?)
    }

    fn has_room(&mut self) -> bool {
        if self.index.bytes >= MAX_RESCUED_BYTES {
            self.remark(format!("no more than {MAX_RESCUED_BYTES} bytes of a collection are kept"));
        } else if self.index.files() >= MAX_RESCUED_FILES {
            self.remark(format!("no more than {MAX_RESCUED_FILES} files of a collection are kept"));
        } else {
            return true;
        }
        self.complete = false;
        false
    }

    fn remark(&mut self, remark: String) {
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    fn note_missing(&mut self, name: String, answer: String, absent: bool) {
        self.complete &= absent;
        self.first_answer.get_or_insert_with(|| answer.clone());
        if self.missing.len() >= MAX_NOTED_MISSING && !self.missing.contains_key(&name) {
            self.remark("more was asked for and not had than is noted".to_owned());
            return;
        }
        self.missing.insert(name.clone(), MissingRecord { name, answer, absent });
    }

    /// Asks for a file while others are asked for and held. It is not had if it is large.
    async fn ask_beside_others(
        &self,
        role: &RoleName,
        version: FileVersion,
        limit: u64,
    ) -> Result<Answer, RescueError> {
        let small = limit.min(MAX_SIDE_BY_SIDE_BYTES);
        if matches!(version, FileVersion::Hash(_)) && limit > small {
            return Ok(Answer::Large);
        }
        let plan = &self.plan;
        let ask = async || plan.notary.file(role, version, small).await;
        match patiently(plan.pace, plan.notary, ask).await? {
            Err(NotaryError::Transport(TransportError::TooLarge { .. })) if limit > small => {
                Ok(Answer::Large)
            }
            answer => Ok(in_short(answer)),
        }
    }

    /// Asks for a large file, when no other is held.
    async fn or_alone(
        &self,
        answer: Answer,
        role: &RoleName,
        version: FileVersion,
        limit: u64,
    ) -> Result<(Answer, Option<SemaphorePermit<'a>>), RescueError> {
        if !matches!(answer, Answer::Large) {
            return Ok((answer, None));
        }
        let alone = self.plan.pace.alone().await;
        Ok((self.ask(role, version, limit).await?, alone))
    }

    async fn ask(
        &self,
        role: &RoleName,
        version: FileVersion,
        limit: u64,
    ) -> Result<Answer, RescueError> {
        let plan = &self.plan;
        let ask = async || plan.notary.file(role, version, limit).await;
        Ok(in_short(patiently(plan.pace, plan.notary, ask).await?))
    }

    fn limit(&self, role: &RoleName) -> u64 {
        let bounds = &self.plan.bounds;
        match role {
            RoleName::Root => bounds.root,
            RoleName::Timestamp => bounds.timestamp,
            RoleName::Snapshot => bounds.snapshot,
            RoleName::Targets | RoleName::Delegation(_) => bounds.targets,
        }
    }
}

impl Look {
    /// Reads and judges a collection. `place` is the server that is asked now: where the changes
    /// that are known come from others as well, they say nothing of how far its own were read.
    fn at(
        collection: &RescuedCollection,
        anchor: Option<&[u8]>,
        place: &str,
    ) -> Result<Self, RescueError> {
        let kept = collection.read()?;
        let history = examine(collection.gun(), &kept.files, anchor);
        let refused = history.findings.iter().filter(|finding| finding.refused.is_some());
        let unverified =
            refused.fold((0, 0), |(files, bytes), finding| (files + 1, bytes + finding.length));
        let known_feed = kept.record.filter(|record| {
            let mut servers =
                record.sources.iter().filter(|source| source.kind == SourceKind::Server);
            servers.all(|server| server.place == place)
        });
        let known_feed = known_feed.map(|record| record.feed).unwrap_or_default();
        Ok(Self { index: Index::of(&kept.files, &history), unverified, known_feed })
    }
}

fn in_short(answer: Result<Vec<u8>, NotaryError>) -> Answer {
    match answer {
        Ok(bytes) => Answer::Had(bytes),
        Err(error) if is_absence(&error) => Answer::Absent(NOT_THERE.to_owned()),
        Err(error) => Answer::Failed(in_words(&error)),
    }
}

fn is_same_change(known: &FeedRecord, change: &Change) -> bool {
    (&known.id, known.version, &known.sha256) == (&change.id, change.version, &change.sha256)
}

fn has_long_words(change: &Change) -> bool {
    let words = [&change.id, &change.created_at, &change.sha256, &change.category];
    words.iter().any(|word| word.len() > MAX_FEED_WORD_BYTES)
}

/// Asks when it is time, and again when the server is busy. What makes further questions useless is
/// an error.
pub(in crate::actions) async fn patiently<T>(
    pace: &Pace,
    notary: &NotaryClient,
    ask: impl AsyncFn() -> Result<T, NotaryError>,
) -> Result<Result<T, NotaryError>, RescueError> {
    let mut busy = 0;
    loop {
        if pace.is_hopeless() {
            let server = notary.server().to_owned();
            return Err(RescueError::GaveUp { server });
        }
        let answer = {
            let _turn = pace.turn().await;
            ask().await
        };
        let failure = match &answer {
            Err(NotaryError::Transport(failure)) => Some(failure),
            _ => None,
        };
        match failure {
            Some(TransportError::Busy { retry_after, .. }) if busy < MAX_BUSY_ANSWERS => {
                busy += 1;
                let longest = Duration::from_secs(MAX_RESCUE_REST_SECONDS);
                let wait = retry_after.unwrap_or(BUSY_WAIT.saturating_mul(busy));
                let wait = wait.max(LEAST_WAIT.saturating_mul(busy));
                if wait > longest {
                    return answer.map(Ok).map_err(RescueError::Server);
                }
                pace.rest(wait);
            }
            Some(
                TransportError::Unauthorized { .. }
                | TransportError::Forbidden { .. }
                | TransportError::Tls { .. }
                | TransportError::TlsSetup(_)
                | TransportError::Token { .. }
                | TransportError::Credentials { .. },
            ) => {
                pace.remember(true);
                return answer.map(Ok).map_err(RescueError::Server);
            }
            // One that is busy whenever it is asked answers as little as one that is gone.
            failure => {
                let is_silent = |failure: &TransportError| {
                    failure.is_offline() || matches!(failure, TransportError::Busy { .. })
                };
                pace.remember(!failure.is_some_and(is_silent));
                return Ok(answer);
            }
        }
    }
}

fn is_absence(error: &NotaryError) -> bool {
    matches!(error, NotaryError::NotFound { seen: NotFoundBody::Notary, .. })
}

fn version_of(role: &RoleName, bytes: &[u8]) -> Option<u64> {
    fn version<T: Document>(role: &RoleName, bytes: &[u8]) -> Option<u64> {
        Signed::<T>::parse(role, bytes).ok().map(|file| file.unverified().header().version)
    }
    match role {
        RoleName::Root => version::<Root>(role, bytes),
        RoleName::Timestamp => version::<TimestampFile>(role, bytes),
        RoleName::Snapshot => version::<Snapshot>(role, bytes),
        RoleName::Targets | RoleName::Delegation(_) => version::<Targets>(role, bytes),
    }
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

const NOT_THERE: &str = "there is no such file";
/// Changes asked for at once.
const PAGE: i32 = 1000;
/// Rest after the first answer of a busy server that does not say how long; then twice as long, and
/// so on.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// Least rest after the first answer of a busy server, whatever it says; then twice as long, and so
/// on.
const LEAST_WAIT: Duration = Duration::from_millis(50);
/// Files and folders that are waited for at once.
const MAX_UNSYNCED: usize = 256;
