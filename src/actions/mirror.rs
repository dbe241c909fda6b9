//! `trust mirror`: one server kept in step with another (`spec/carry-on.md` §5).
//!
//! What changed is told by the changefeed, fetched as a rescue does, and brought as an import is: so
//! the second server verifies all of it again, and every step may be repeated. A collection under
//! another name cannot be brought, for root certificates name it: it is set up anew, with the keys
//! that are here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::actions::context::{ConnectionError, Context};
use crate::actions::initialize::Plan;
use crate::actions::publish::{PublishError, publish};
use crate::actions::repo::doctor::keys_here;
use crate::actions::repo::import::{BringError, bring};
use crate::actions::rescue::run::{Request as RescueRequest, rescue};
use crate::actions::rescue::{Pace, RescueError, Rescued, patiently};
use crate::actions::update::{RefreshError, Source, refresh};
use crate::client::NotaryError;
use crate::crypto::KeyId;
use crate::limits::{MAX_PAGES, MAX_RESCUED_COLLECTIONS};
use crate::store::StoreError;
use crate::store::mirror::{LastChange, MirrorFolder, MirrorFolderError, MirrorState};
use crate::store::rescue::{RescueFolder, RescueFolderError};
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::{Draft, EditError};
use crate::tuf::metadata::Targets;
use crate::tuf::{Gun, NameError, Pin, RoleName};
use crate::wire::import::Imported;
use crate::wire::notary::Change;

/// What is to be kept in step.
#[derive(Debug)]
pub struct Request {
    /// The collections; none for all, by the global changefeed.
    pub guns: Vec<Gun>,
    /// The URLs of the two servers, as they were typed: the folder is for these.
    pub servers: (String, String),
    /// The folder of the mirror.
    pub folder: PathBuf,
    /// Beginnings of names that are another on the second server.
    pub renames: Vec<Rename>,
    /// Whether what was deleted there is deleted here.
    pub delete: bool,
    /// How many times a second the first server is asked at most.
    pub rate: u32,
    /// Collections, and files of each, that are asked for at once.
    pub parallel: usize,
}

impl Request {
    fn pace(&self) -> Pace {
        Pace::new(self.rate, self.parallel)
    }
}

/// A beginning of names, and what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Whole segments.
    pub old: String,
    /// The same.
    pub new: String,
}

impl Rename {
    /// The new name, if this is about it.
    pub fn apply(&self, gun: &Gun) -> Option<Result<Gun, NameError>> {
        let rest = gun.as_str().strip_prefix(&self.old)?;
        let whole = rest.is_empty() || rest.starts_with('/');
        whole.then(|| Gun::parse(&format!("{}{rest}", self.new)))
    }
}

/// What became of a collection.
#[derive(Debug)]
pub struct Mirrored {
    /// Its name on the first server.
    pub gun: Gun,
    /// Its name on the second.
    pub to: Gun,
    /// What was done.
    pub step: Result<Step, MirrorError>,
}

/// What was done with a collection.
#[derive(Debug)]
pub enum Step {
    /// Nothing: there is nothing new.
    Same,
    /// It was brought as it is.
    Brought(Imported),
    /// It was signed anew under its new name.
    Signed(Recreated),
    /// It is deleted on the first server, and now, or not, on the second.
    Deleted {
        /// Whether it is on the second.
        removed: bool,
    },
    /// It is deleted on the first server, and was to be on the second, which signs for it itself by
    /// now: there it is no copy any more, and stays.
    Kept,
}

/// What a run came to.
#[derive(Debug)]
pub struct Round {
    /// What was done, collection by collection.
    pub done: Vec<Mirrored>,
    /// Whether the first server's changefeed is not the one that was followed before, so that all
    /// of it was looked at again.
    pub is_other_feed: bool,
}

/// A collection that was signed anew.
#[derive(Debug, Default)]
pub struct Recreated {
    /// Whether anything was published.
    pub published: bool,
    /// Whether it is new.
    pub is_new: bool,
    /// Roles whose targets could not be signed, and who can: canonical ids.
    pub left: Vec<(RoleName, Vec<KeyId>)>,
}

/// Why a collection, or all, could not be kept in step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The first server.
    #[error(transparent)]
    Rescue(#[from] RescueError),
    /// The second server.
    #[error(transparent)]
    Bring(#[from] BringError),
    /// What is to be signed anew.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// What is to be signed anew, too.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// What is to be signed anew does not verify.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// What is to be signed anew was never seen here.
    #[error("the root of {gun} is not known here, so nothing of it is signed under another name")]
    Unknown {
        /// The collection.
        gun: Gun,
    },
    /// A new name that is none.
    #[error("the new name of {gun} is none")]
    Name {
        /// The old name.
        gun: Gun,
        /// What is wrong with the new one.
        #[source]
        cause: NameError,
    },
    /// The changefeed does not end, or goes round.
    #[error("the changefeed of {server} does not come to an end")]
    Feed {
        /// The server.
        server: String,
    },
    /// The folder.
    #[error(transparent)]
    Folder(#[from] MirrorFolderError),
    /// The rescue folder in it.
    #[error(transparent)]
    Rescued(#[from] RescueFolderError),
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A server refused or did not answer.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// Keys.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Brings the second server into step with the first, once. `from` asks the first server, `to` the
/// second; `tell` hears of each collection as it is done.
pub async fn mirror(
    from: &Context,
    to: &Context,
    request: &Request,
    tell: &dyn Fn(&Mirrored),
) -> Result<Round, MirrorError> {
    let folder = MirrorFolder::new(&request.folder);
    let _lock = folder.lock()?;
    let mut state = folder.state(&request.servers.0, &request.servers.1)?;
    let news = if request.guns.is_empty() {
        all_news(from, request, &state).await?
    } else {
        named_news(from, request).await?
    };
    let retried = state.pending.iter().filter_map(|name| Gun::parse(name).ok());
    let mut guns: BTreeSet<Gun> = news.changed.into_iter().chain(retried).collect();
    guns.retain(|gun| !news.deleted.contains(gun));
    // Another feed may be that of a server where most is missing; it deletes nothing.
    let deletes = request.delete && !news.is_other;
    let work = Work { from, to, request, folder: &folder, deletes };
    let mut done = Vec::new();
    for gun in &news.deleted {
        let mirrored = work.deleted(gun, &mut state).await;
        tell(&mirrored);
        done.push(mirrored);
    }
    let guns: Vec<Gun> = guns.into_iter().collect();
    for some in guns.chunks(AT_A_TIME) {
        for mirrored in work.batch(some, &mut state).await? {
            tell(&mirrored);
            done.push(mirrored);
        }
        folder.write(&state)?;
    }
    // What failed is pending: nothing before this has to be looked at again.
    if let Some((after, last)) = news.until {
        (state.after, state.last) = (after, last);
    }
    folder.write(&state)?;
    Ok(Round { done, is_other_feed: news.is_other })
}

/// What the changefeed tells.
#[derive(Debug, Default)]
struct News {
    changed: BTreeSet<Gun>,
    deleted: BTreeSet<Gun>,
    /// How far a feed of all collections was read.
    until: Option<(String, Option<LastChange>)>,
    /// Whether that is not the feed of before.
    is_other: bool,
}

impl News {
    fn take(&mut self, change: &Change) {
        let Ok(gun) = Gun::parse(&change.gun) else { return };
        if change.category == "deletion" {
            self.changed.remove(&gun);
            self.deleted.insert(gun);
        } else {
            self.deleted.remove(&gun);
            self.changed.insert(gun);
        }
    }
}

/// What changed of any collection since the last run.
async fn all_news(
    from: &Context,
    request: &Request,
    state: &MirrorState,
) -> Result<News, MirrorError> {
    let pace = request.pace();
    let registry = from.connections.host_of_server().unwrap_or_default();
    let server = from.connections.trust_server(&registry)?;
    let any = Gun::parse("all");
    let mut news = News::default();
    let Ok(any) = any else { return Ok(news) };
    // Whose client asks does not matter.
    let notary = server.collection(&any, "pull").without_rests();
    // From the last change but one on: if the last one does not follow any more, the server is
    // another or went back, and nothing that was seen of it says what is new.
    let mut known = state.last.as_ref();
    let mut after = known.map_or_else(|| state.after.clone(), |last| last.before.clone());
    let mut ends = BTreeSet::new();
    for _ in 0..MAX_PAGES {
        let asked = patiently(&pace, &notary, async || notary.all_changes(&after, PAGE).await);
        let mut records = asked.await??.records;
        if let Some(last) = known.take() {
            let is_it = |change: &Change| {
                (&change.id, &change.gun, &change.sha256) == (&state.after, &last.gun, &last.sha256)
            };
            if !records.first().is_some_and(is_it) {
                news.is_other = true;
                "0".clone_into(&mut after);
                continue;
            }
            records.remove(0);
            news.until = Some((state.after.clone(), Some(last.clone())));
            after.clone_from(&state.after);
            if records.is_empty() {
                return Ok(news);
            }
        }
        let Some(last) = records.last() else {
            if news.is_other && news.until.is_none() {
                news.until = Some(("0".to_owned(), None));
            }
            return Ok(news);
        };
        let is_too_much = news.changed.len() + news.deleted.len() > MAX_RESCUED_COLLECTIONS;
        if !ends.insert(last.id.clone()) || is_too_much {
            break;
        }
        let before = match records.as_slice() {
            [.., before, _] => before.id.clone(),
            _ => after.clone(),
        };
        let (gun, sha256) = (last.gun.clone(), last.sha256.clone());
        news.until = Some((last.id.clone(), Some(LastChange { before, gun, sha256 })));
        after.clone_from(&last.id);
        for change in &records {
            news.take(change);
        }
    }
    Err(MirrorError::Feed { server: notary.server().to_owned() })
}

/// Those that were named; one whose last change is its deletion is deleted.
async fn named_news(from: &Context, request: &Request) -> Result<News, MirrorError> {
    let (mut news, pace) = (News::default(), request.pace());
    for gun in &request.guns {
        let notary = from.connections.notary(gun, "pull")?.without_rests();
        let asked = patiently(&pace, &notary, async || notary.changefeed("-1", -1).await).await;
        // Who may have the files may perhaps not have this; and that there is no way to one
        // collection, fetching it will tell, and keeps no other from being fetched.
        let newest = match asked {
            Ok(Ok(page)) => page.records.into_iter().next_back(),
            Ok(Err(_)) | Err(RescueError::Server(_)) => None,
            Err(error) => return Err(error.into()),
        };
        match newest.filter(|change| change.gun == gun.as_str()) {
            Some(change) => news.take(&change),
            None => drop(news.changed.insert(gun.clone())),
        }
    }
    Ok(news)
}

struct Work<'a> {
    from: &'a Context,
    to: &'a Context,
    request: &'a Request,
    folder: &'a MirrorFolder,
    /// Whether what is deleted there is deleted here.
    deletes: bool,
}

impl Work<'_> {
    fn name(&self, gun: &Gun) -> Result<Gun, MirrorError> {
        let renamed = self.request.renames.iter().find_map(|rename| rename.apply(gun));
        let named = renamed.unwrap_or_else(|| Ok(gun.clone()));
        named.map_err(|cause| MirrorError::Name { gun: gun.clone(), cause })
    }

    async fn deleted(&self, gun: &Gun, state: &mut MirrorState) -> Mirrored {
        let name = self.name(gun);
        let to = name.as_ref().unwrap_or(gun).clone();
        let step = match name {
            Ok(to) if self.deletes => self.delete(&to, to == *gun).await,
            Ok(_) => Ok(Step::Deleted { removed: false }),
            Err(error) => Err(error),
        };
        if step.is_ok() {
            state.pending.remove(gun.as_str());
            state.brought.remove(gun.as_str());
        } else {
            state.pending.insert(gun.to_string());
        }
        Mirrored { gun: gun.clone(), to, step }
    }

    /// Deletes a collection on the second server, but for one that was brought as a copy and has
    /// been adopted there since.
    async fn delete(&self, gun: &Gun, is_copy: bool) -> Result<Step, MirrorError> {
        let notary = self.to.connections.notary(gun, "*")?;
        if is_copy {
            let probe = notary.probe().await?;
            if probe.refused.is_none() && !probe.is_archive {
                return Ok(Step::Kept);
            }
        }
        notary.delete().await?;
        Ok(Step::Deleted { removed: true })
    }

    /// Some collections, one step each.
    async fn batch(
        &self,
        guns: &[Gun],
        state: &mut MirrorState,
    ) -> Result<Vec<Mirrored>, MirrorError> {
        let request = RescueRequest {
            guns: guns.to_vec(),
            to: self.folder.rescued(),
            history: true,
            rate: self.request.rate,
            parallel: self.request.parallel,
        };
        let rescued = rescue(self.from, &request, &|_| ()).await?;
        let folder = RescueFolder::open(&self.folder.rescued())?;
        let mut done = Vec::new();
        for report in rescued {
            let gun = report.gun.clone();
            let name = self.name(&gun);
            let to = name.as_ref().unwrap_or(&gun).clone();
            let step = match name {
                Ok(to) => self.step(&folder, report, &to, state).await,
                Err(error) => Err(error),
            };
            if step.is_ok() {
                state.pending.remove(gun.as_str());
            } else {
                state.pending.insert(gun.to_string());
            }
            done.push(Mirrored { gun, to, step });
        }
        Ok(done)
    }

    async fn step(
        &self,
        folder: &RescueFolder,
        report: Rescued,
        to: &Gun,
        state: &mut MirrorState,
    ) -> Result<Step, MirrorError> {
        let gun = report.gun;
        if let Some(error) = report.error {
            return Err(error.into());
        }
        let collection = folder.collection(&gun)?;
        let record = collection.record()?;
        // A root can be rotated on some servers without anything else being signed anew.
        let hash = |role: &RoleName| Some(record.as_ref()?.current.get(role)?.to_hex());
        let newest = hash(&RoleName::Timestamp).zip(hash(&RoleName::Root));
        let newest = newest.map(|(timestamp, root)| format!("{timestamp} {root}"));
        if newest.is_some() && state.brought.get(gun.as_str()) == newest.as_ref() {
            return Ok(Step::Same);
        }
        let (step, is_whole) = if *to == gun {
            let kept = collection.read()?;
            let feed = kept.record.map(|record| record.feed).unwrap_or_default();
            let notary = self.to.connections.notary(&gun, "*")?;
            (Step::Brought(bring(&notary, &gun, kept.files, &feed).await?), true)
        } else {
            let signed = recreate(self.from, self.to, &gun, to).await?;
            let is_whole = signed.left.is_empty();
            (Step::Signed(signed), is_whole)
        };
        if let Some(newest) = newest.filter(|_| is_whole) {
            state.brought.insert(gun.to_string(), newest);
        }
        Ok(step)
    }
}

/// Signs what a collection says now under another name, with the keys that are here: the same
/// targets and delegations. What is the same already is not signed again.
///
/// It is signed only if the collection's root was known before, and all rules of acceptance hold
/// for what its server says now: signatures must not come of the word of whoever answers first.
async fn recreate(
    from: &Context,
    context: &Context,
    gun: &Gun,
    to: &Gun,
) -> Result<Recreated, MirrorError> {
    let is_pinned = matches!(from.pinning.rule(gun), Pin::KeyIds(_) | Pin::Authorities(_));
    if !is_pinned && !from.trust_dir.metadata(gun).read()?.contains_key(&RoleName::Root) {
        return Err(MirrorError::Unknown { gun: gun.clone() });
    }
    let trusted = refresh(from, gun, Source::Server).await?.trusted;
    let verified = trusted.targets().iter();
    let wanted: BTreeMap<RoleName, Targets> =
        verified.map(|(role, file)| (role.clone(), file.body().clone())).collect();
    let here = keys_here(context)?;
    let mut done = Recreated::default();
    let plan = Plan::default();
    let work = publish(context, to, Some(&plan), |draft, trusted| {
        done = Recreated { is_new: trusted.is_none(), ..Recreated::default() };
        for (role, file) in &wanted {
            if let Some(candidates) = foreign(draft, role, &here, trusted.is_none()) {
                done.left.push((role.clone(), candidates));
                continue;
            }
            write(context, draft, role, file)?;
        }
        Ok::<_, MirrorError>(())
    });
    let published = Box::pin(work).await?;
    done.published = published.publication.is_some();
    Ok(done)
}

/// Who can sign a role, if too few of them are here. The top of a new collection is ours.
fn foreign(
    draft: &Draft,
    role: &RoleName,
    here: &BTreeSet<KeyId>,
    is_new: bool,
) -> Option<Vec<KeyId>> {
    if is_new && *role == RoleName::Targets {
        return None;
    }
    let keys = draft.role_keys(role)?;
    let ids = keys.keys.values().filter_map(|key| key.canonical_id().ok());
    let ids: BTreeSet<KeyId> = ids.collect();
    let count = u32::try_from(ids.intersection(here).count()).unwrap_or(u32::MAX);
    (count < keys.threshold.get()).then(|| ids.into_iter().collect())
}

/// Lets a role say what it said under the other name.
fn write(
    context: &Context,
    draft: &mut Draft,
    role: &RoleName,
    file: &Targets,
) -> Result<(), EditError> {
    let now = context.clock.now();
    if !draft.exists(role) {
        return Ok(());
    }
    let before = draft.targets(role).cloned();
    for (name, target) in &file.targets {
        draft.add_target(role, name, target.clone(), now)?;
    }
    let before = before.as_ref();
    let old = before.into_iter().flat_map(|file| file.targets.keys());
    for name in old.filter(|name| !file.targets.contains_key(*name)) {
        draft.remove_target(role, name)?;
    }
    for child in &file.delegations.roles {
        let had = before.and_then(|file| file.role_keys(&child.name));
        let had_paths = before
            .and_then(|file| file.delegations.roles.iter().find(|old| old.name == child.name));
        let Some(keys) = file.role_keys(&child.name) else { continue };
        let gone = had.iter().flat_map(|had| &had.keys);
        let gone = gone.filter(|(id, _)| !keys.keys.contains_key(*id));
        let edit = DelegationEdit {
            threshold: Some(child.threshold),
            add_keys: keys.keys.values().cloned().collect(),
            remove_keys: gone.filter_map(|(_, key)| key.canonical_id().ok()).collect(),
            add_paths: child.paths.clone(),
            remove_paths: had_paths
                .into_iter()
                .flat_map(|old| old.paths.iter().filter(|path| !child.paths.contains(path)))
                .cloned()
                .collect(),
            clear_paths: false,
        };
        draft.edit_delegation(&child.name, true, &edit, now)?;
    }
    let stays = |name: &RoleName| file.delegations.roles.iter().any(|child| child.name == *name);
    let old = before.into_iter().flat_map(|file| &file.delegations.roles);
    for child in old.filter(|child| !stays(&child.name)) {
        draft.remove_delegation(&child.name)?;
    }
    Ok(())
}

/// Collections that are fetched and brought before it is noted how far it is.
const AT_A_TIME: usize = 100;
/// Changes asked for at once.
const PAGE: i32 = 1000;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("old.example.com/app", Some("new.example.com/app"))]
    #[test_case("old.example.com/team/app", Some("new.example.com/team/app"))]
    #[test_case("old.example.com", Some("new.example.com"))]
    #[test_case("old.example.computer/app", None)]
    #[test_case("other/app", None)]
    fn whole_segments_are_renamed(name: &str, expected: Option<&str>) {
        let rename = Rename { old: "old.example.com".into(), new: "new.example.com".into() };
        let renamed = rename.apply(&Gun::parse(name).unwrap());
        assert_eq!(renamed.map(|gun| gun.unwrap().to_string()).as_deref(), expected);
    }
}
