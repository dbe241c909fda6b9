//! Fetching all that a trust server has of one collection.
//!
//! The newest root and timestamp come first, and the roots in between, so that it can be told of
//! everything else as it comes whether it verifies. Then come the files that files name by hash,
//! older versions by number, and what the changefeed knows of.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use crate::actions::rescue::Pace;
use crate::actions::rescue::index::{Index, Named};
use crate::actions::rescue::keep::{Outcome, in_words};
use crate::actions::rescue::report::RescueError;
use crate::client::notary::NotFoundBody;
use crate::client::{FileVersion, NotaryClient, NotaryError, TransportError};
use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::limits::{
    MAX_BUSY_ANSWERS, MAX_FEED_RECORDS, MAX_MISSING_VERSIONS, MAX_PAGES, MAX_RESCUE_REST_SECONDS,
    MAX_RESCUED_BYTES, MAX_RESCUED_VERSIONS, MAX_ROOT_ROTATIONS, MAX_UNVERIFIED_BYTES,
    MAX_UNVERIFIED_FILES,
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
    pub(super) collection: &'a RescuedCollection,
    /// The root that the user has cached.
    pub(super) anchor: Option<&'a [u8]>,
    pub(super) bounds: Bounds,
    /// Whether older versions are asked for.
    pub(super) history: bool,
    pub(super) parallel: usize,
    pub(super) place: String,
    pub(super) now: Timestamp,
}

/// One collection, on its way.
pub(super) struct Fetch<'a> {
    plan: Plan<'a>,
    index: Index,
    known_feed: Vec<FeedRecord>,
    feed: Vec<FeedRecord>,
    missing: Vec<MissingRecord>,
    remarks: Vec<String>,
    unsynced: Vec<Unsynced>,
    pub(super) new_files: usize,
    unverified: (usize, u64),
    not_kept: usize,
    complete: bool,
    newest_timestamp: Option<Sha256Hash>,
}

/// What was answered to a question.
enum Answer {
    Had(Vec<u8>),
    /// The server says that there is no such file.
    Absent(String),
    /// There was no answer, or none that makes sense.
    Failed(String),
}

impl<'a> Fetch<'a> {
    /// Begins with what is there already.
    pub(super) fn new(plan: Plan<'a>) -> Result<Self, RescueError> {
        let mut fetch = Self {
            plan,
            index: Index::default(),
            known_feed: Vec::new(),
            feed: Vec::new(),
            missing: Vec::new(),
            remarks: Vec::new(),
            unsynced: Vec::new(),
            new_files: 0,
            unverified: (0, 0),
            not_kept: 0,
            complete: true,
            newest_timestamp: None,
        };
        fetch.look()?;
        Ok(fetch)
    }

    /// Judges what is there by now.
    fn look(&mut self) -> Result<(), RescueError> {
        if !self.plan.collection.exists() {
            return Ok(());
        }
        let kept = self.plan.collection.read()?;
        let history = examine(self.plan.collection.gun(), &kept.files, self.plan.anchor);
        self.index = Index::of(&kept.files, &history);
        let refused = history.findings.iter().filter(|finding| finding.refused.is_some());
        self.unverified =
            refused.fold((0, 0), |(files, bytes), finding| (files + 1, bytes + finding.length));
        if let Some(record) = kept.record {
            self.known_feed = record.feed;
        }
        Ok(())
    }

    /// Asks for everything. What was had before an error is kept.
    pub(super) async fn run(&mut self) -> Result<(), RescueError> {
        self.newest().await?;
        self.look()?;
        self.named().await?;
        if self.plan.history {
            self.feed().await?;
            self.older().await?;
        }
        self.never_seen().await?;
        self.named().await
    }

    /// Ends: what was kept is made to last, and what there is to be written down is handed over.
    pub(super) fn end(
        mut self,
        error: Option<&RescueError>,
    ) -> Result<(Outcome, usize), RescueError> {
        self.plan.collection.sync(std::mem::take(&mut self.unsynced))?;
        if self.not_kept > 0 {
            self.remarks
                .push(format!("{} more files that do not verify were not kept", self.not_kept));
        }
        if let Some(error) = error {
            self.remarks.push(in_words(error));
        }
        let source = SourceRecord {
            kind: SourceKind::Server,
            place: self.plan.place,
            begun: self.plan.now,
            finished: error.is_none().then_some(self.plan.now),
            complete: self.complete && error.is_none() && self.plan.history,
            remarks: self.remarks,
        };
        Ok((Outcome { source, feed: self.feed, missing: self.missing }, self.new_files))
    }

    /// Why nothing is there though nothing failed.
    pub(super) fn nothing(&self) -> RescueError {
        let (place, gun) = (self.plan.place.clone(), self.plan.collection.gun().clone());
        let first = self.missing.first().map(|missing| missing.answer.clone());
        RescueError::NoAnswer { place, gun, answer: first.unwrap_or_default() }
    }

    /// Whether anything is there.
    pub(super) fn has_anything(&self) -> bool {
        !self.index.is_empty()
    }

    /// The root and the timestamp that the server has now, and all roots before.
    async fn newest(&mut self) -> Result<(), RescueError> {
        let root = self.current(&RoleName::Root).await?;
        let timestamp = self.current(&RoleName::Timestamp).await?;
        if root.is_none() && timestamp.is_none() && self.missing.iter().all(|one| one.absent) {
            let (place, gun) = (self.plan.place.clone(), self.plan.collection.gun().clone());
            return Err(RescueError::NoTrustData { place, gun });
        }
        self.newest_timestamp = timestamp.as_deref().map(Sha256Hash::of);
        let cached = self.plan.anchor.map(<[u8]>::to_vec);
        let newest = [&root, &cached]
            .into_iter()
            .flatten()
            .filter_map(|raw| version_of(&RoleName::Root, raw))
            .max();
        let newest = newest.unwrap_or(1);
        for file in
            [(RoleName::Root, root), (RoleName::Root, cached), (RoleName::Timestamp, timestamp)]
        {
            if let (role, Some(bytes)) = file {
                self.put(&role, &bytes)?;
            }
        }
        let mut versions: Vec<u64> = (1..=newest).rev().collect();
        let most = usize::try_from(MAX_ROOT_ROTATIONS).unwrap_or(usize::MAX);
        if versions.len() > most {
            versions.truncate(most);
            self.remarks.push(format!("only the last {MAX_ROOT_ROTATIONS} roots were asked for"));
            self.complete = false;
        }
        self.by_number(&RoleName::Root, versions).await
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
                let answer = self.ask(&named.role, FileVersion::Hash(named.sha256), limit).await;
                (named, answer)
            });
            let answers: Vec<(Named, Result<Answer, RescueError>)> =
                stream::iter(asked).buffered(self.plan.parallel.max(1)).collect().await;
            for (named, answer) in answers {
                let name = file_name(&named.role, FileVersion::Hash(named.sha256));
                match answer? {
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
                    self.remarks.push(format!(
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
            // That one who may sign has not signed yet is nothing that is missing.
            if let Answer::Had(bytes) = self.ask(&role, FileVersion::Current, limit).await? {
                self.keep(&role, bytes)?;
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
            for (version, answer) in answers {
                let name = file_name(role, FileVersion::Number(version));
                match answer? {
                    None => missing = 0,
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
                    self.remarks.push(format!(
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

    /// One version; nothing if it is there already.
    async fn numbered(
        &self,
        role: &RoleName,
        version: u64,
    ) -> (u64, Result<Option<Answer>, RescueError>) {
        if self.index.has_version(role, version) {
            return (version, Ok(None));
        }
        // What the server did not have before is asked for again: it may have been half down.
        let answer = self.ask(role, FileVersion::Number(version), self.limit(role)).await;
        (version, answer.map(Some))
    }

    /// The collection's changes; each names a timestamp.
    async fn feed(&mut self) -> Result<(), RescueError> {
        let known = std::mem::take(&mut self.known_feed);
        let mut after = known.last().map_or_else(|| "0".to_owned(), |last| last.id.clone());
        for record in &known {
            self.want_change(&record.sha256);
        }
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
            let Some(last) = page.last() else { break };
            if last.id == after || self.feed.len() + page.len() > MAX_FEED_RECORDS {
                self.remarks.push("the changefeed does not come to an end".to_owned());
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
            // Whether it does, only the chain can tell.
            self.put(role, &bytes)?;
            return Ok(version_of(role, &bytes).is_some());
        }
        let file = KeptFile { role: role.clone(), bytes };
        let Ok(told) = self.index.signers.take(&file) else {
            self.keep_unverified(role, &file.bytes)?;
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
            self.remarks.push(format!("{role} has too long a name to be kept"));
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
            begun: self.plan.now,
            finished: None,
            complete: false,
            remarks: Vec::new(),
        });
        Ok(self.plan.collection.write_record(&record)?)
    }

    fn has_room(&mut self) -> bool {
        if self.index.bytes < MAX_RESCUED_BYTES {
            return true;
        }
        let remark = format!("no more than {MAX_RESCUED_BYTES} bytes of a collection are kept");
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
        self.complete = false;
        false
    }

    fn note_missing(&mut self, name: String, answer: String, absent: bool) {
        self.complete &= absent;
        self.missing.retain(|known| known.name != name);
        self.missing.push(MissingRecord { name, answer, absent });
    }

    async fn ask(
        &self,
        role: &RoleName,
        version: FileVersion,
        limit: u64,
    ) -> Result<Answer, RescueError> {
        let plan = &self.plan;
        let asked = patiently(plan.pace, plan.notary, async || {
            plan.notary.file(role, version, limit).await
        })
        .await?;
        Ok(match asked {
            Ok(bytes) => Answer::Had(bytes),
            Err(error) if is_absence(&error) => Answer::Absent(NOT_THERE.to_owned()),
            Err(error) => Answer::Failed(in_words(&error)),
        })
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
        pace.remember(!failure.is_some_and(TransportError::is_offline));
        match failure {
            Some(TransportError::Busy { retry_after, .. }) if busy < MAX_BUSY_ANSWERS => {
                busy += 1;
                let longest = Duration::from_secs(MAX_RESCUE_REST_SECONDS);
                let wait = retry_after.unwrap_or(BUSY_WAIT.saturating_mul(busy));
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
                return answer.map(Ok).map_err(RescueError::Server);
            }
            _ => return Ok(answer),
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
/// Files and folders that are waited for at once.
const MAX_UNSYNCED: usize = 256;
