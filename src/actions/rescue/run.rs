//! Rescuing collections into a folder: from a trust server, or from the cache of a client.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use crate::actions::context::{Context, TrustServer, registry_host};
use crate::actions::rescue::Pace;
use crate::actions::rescue::fetch::{Fetch, Plan, patiently};
use crate::actions::rescue::keep::{Outcome, write_down};
use crate::actions::rescue::pace::Judging;
use crate::actions::rescue::report::{RescueError, Rescued};
use crate::limits::{MAX_PAGES, MAX_RESCUED_COLLECTIONS};
use crate::store::TrustDir;
use crate::store::rescue::{RescueFolder, RescuedCollection, SourceKind, SourceRecord};
use crate::tuf::{Gun, RoleName};

/// What is to be rescued, and how.
#[derive(Debug)]
pub struct Request {
    /// The collections.
    pub guns: Vec<Gun>,
    /// The rescue folder; it is made if it is not there.
    pub to: PathBuf,
    /// Whether older versions are asked for as well.
    pub history: bool,
    /// How many times a second each server is asked at most.
    pub rate: u32,
    /// Collections, and files of each, that are asked for at once.
    pub parallel: usize,
}

/// A server, and how fast it is asked.
type Asked = (TrustServer, Arc<Pace>);

/// Rescues collections from their trust servers. One that fails does not keep others from being
/// rescued; `tell` hears of each as it is done.
pub async fn rescue(
    context: &Context,
    request: &Request,
    tell: &dyn Fn(&Rescued),
) -> Result<Vec<Rescued>, RescueError> {
    let folder = RescueFolder::create(&request.to)?;
    let _lock = folder.lock()?;
    let servers = servers(context, request);
    let judging = Judging::new();
    let work = Work { context, request, folder: &folder, judging: &judging };
    let (work, servers) = (&work, &servers);
    let works = request.guns.iter().map(|gun| async move {
        let registry = registry_host(gun);
        let report = if let Some(asked) = servers.get(registry) {
            work.whole(asked, gun).await
        } else {
            let mut report = Rescued::nothing(gun.clone(), registry.to_owned());
            report.error = context.connections.trust_server(registry).err().map(Into::into);
            report
        };
        tell(&report);
        report
    });
    let mut reports: Vec<Rescued> =
        stream::iter(works).buffer_unordered(request.parallel.max(1)).collect().await;
    reports.sort_by(|one, other| one.gun.cmp(&other.gun));
    Ok(reports)
}

/// The servers of registries to which there is a way, by registry.
fn servers<'a>(context: &Context, request: &'a Request) -> BTreeMap<&'a str, Asked> {
    let mut servers: BTreeMap<&str, Asked> = BTreeMap::new();
    for gun in &request.guns {
        let registry = registry_host(gun);
        if servers.contains_key(registry) {
            continue;
        }
        let Ok(server) = context.connections.trust_server(registry) else { continue };
        // Several registries can have one trust server.
        let same = servers.values().find(|(known, _)| known.url() == server.url());
        let pace = same.map(|(_, pace)| Arc::clone(pace));
        let pace = pace.unwrap_or_else(|| Arc::new(Pace::new(request.rate, request.parallel)));
        servers.insert(registry, (server, pace));
    }
    servers
}

struct Work<'a> {
    context: &'a Context,
    request: &'a Request,
    folder: &'a RescueFolder,
    judging: &'a Judging,
}

impl Work<'_> {
    async fn whole(&self, asked: &Asked, gun: &Gun) -> Rescued {
        let mut report = Rescued::nothing(gun.clone(), asked.0.url().to_string());
        let outcome = self.one(asked, gun, &mut report).await;
        report.error = outcome.err().or(report.error);
        report
    }

    async fn one(
        &self,
        (server, pace): &Asked,
        gun: &Gun,
        report: &mut Rescued,
    ) -> Result<(), RescueError> {
        let collection = self.folder.collection(gun)?;
        let anchor = cached_root(self.context, gun)?.map(Arc::from);
        let notary = server.collection(gun, "pull").without_rests();
        let plan = Plan {
            notary: &notary,
            pace,
            judging: self.judging,
            collection: &collection,
            anchor: anchor.clone(),
            bounds: self.context.strictness.rules.bounds,
            history: self.request.history,
            parallel: self.request.parallel,
            place: server.url().to_string(),
            clock: &*self.context.clock,
        };
        let mut fetch = Fetch::new(plan).await?;
        let outcome = fetch.run().await;
        if !fetch.has_anything() {
            return outcome.and_then(|()| Err(fetch.nothing()));
        }
        let error = outcome.err();
        let (outcome, new_files) = fetch.end(error.as_ref())?;
        report.new_files = new_files;
        *report = self.write_apart(collection, anchor, outcome, report).await?;
        report.error = error;
        Ok(())
    }

    /// Judging takes long enough for others to wait.
    async fn write_apart(
        &self,
        collection: RescuedCollection,
        anchor: Option<Arc<[u8]>>,
        outcome: Outcome,
        report: &Rescued,
    ) -> Result<Rescued, RescueError> {
        let gun = report.gun.clone();
        let mut report_of = Rescued::nothing(gun.clone(), report.place.clone());
        report_of.new_files = report.new_files;
        report_of.complete = outcome.source.complete;
        report_of.remarks.clone_from(&outcome.source.remarks);
        let _room = self.judging.room(collection.size()?).await;
        let work = move || write_down(&collection, anchor.as_deref(), outcome, report_of);
        tokio::task::spawn_blocking(work).await.map_err(|_| RescueError::CutOff { gun })?
    }
}

/// Rescues collections from a trust folder of docker or notary, which is only read.
pub fn rescue_cache(
    context: &Context,
    cache: &Path,
    guns: &[Gun],
    to: &Path,
    tell: &dyn Fn(&Rescued),
) -> Result<Vec<Rescued>, RescueError> {
    let folder = RescueFolder::create(to)?;
    let _lock = folder.lock()?;
    let cache = TrustDir::new(cache.to_owned());
    let place = cache.path().display().to_string();
    let mut reports = Vec::new();
    for gun in guns {
        let mut report = match one_cached(context, &cache, &folder, gun) {
            Ok(report) => report,
            Err(error) => {
                let mut report = Rescued::nothing(gun.clone(), place.clone());
                report.error = Some(error);
                report
            }
        };
        report.place.clone_from(&place);
        tell(&report);
        reports.push(report);
    }
    Ok(reports)
}

fn one_cached(
    context: &Context,
    cache: &TrustDir,
    folder: &RescueFolder,
    gun: &Gun,
) -> Result<Rescued, RescueError> {
    let place = cache.path().display().to_string();
    let files = cache.metadata(gun).read()?;
    if files.is_empty() {
        return Err(RescueError::NoTrustData { place, gun: gun.clone() });
    }
    let collection = folder.collection(gun)?;
    let known = if collection.exists() { collection.read()?.files } else { Vec::new() };
    let (mut unsynced, mut new_files) = (Vec::new(), 0);
    for (role, bytes) in &files {
        if known.iter().any(|file| file.role == *role && file.bytes == *bytes) {
            continue;
        }
        unsynced.extend(collection.put(role, bytes)?);
        new_files += 1;
    }
    collection.sync(unsynced)?;
    let now = context.clock.now();
    let source = SourceRecord {
        kind: SourceKind::Cache,
        place: place.clone(),
        begun: now,
        finished: Some(now),
        complete: true,
        remarks: Vec::new(),
    };
    let outcome = Outcome { source, feed: Vec::new(), missing: Vec::new() };
    let mut report = Rescued::nothing(gun.clone(), place);
    (report.new_files, report.complete) = (new_files, true);
    let anchor = cached_root(context, gun)?;
    write_down(&collection, anchor.as_deref(), outcome, report)
}

/// The root that the user trusts already, where all trust in the collection begins.
pub(super) fn cached_root(context: &Context, gun: &Gun) -> Result<Option<Vec<u8>>, RescueError> {
    Ok(context.trust_dir.metadata(gun).read()?.remove(&RoleName::Root))
}

/// Every collection of a trust server, out of its changefeed; those that were deleted and not made
/// anew are left out. `registry` is whose logins are used; it is asked at most `rate` times a
/// second.
pub async fn all_collections(
    context: &Context,
    rate: u32,
    registry: &str,
) -> Result<Vec<Gun>, RescueError> {
    let pace = &Pace::new(rate, 1);
    let server = context.connections.trust_server(registry)?;
    // Whose client asks does not matter.
    let any = Gun::parse("all").map_err(|_| no_name(&server))?;
    let notary = server.collection(&any, "pull").without_rests();
    let mut guns = BTreeSet::new();
    let mut after = "0".to_owned();
    let mut ends = BTreeSet::new();
    for _ in 0..MAX_PAGES {
        let page =
            patiently(pace, &notary, async || notary.all_changes(&after, PAGE).await).await??;
        let Some(last) = page.records.last() else { return Ok(guns.into_iter().collect()) };
        if !ends.insert(last.id.clone()) || guns.len() > MAX_RESCUED_COLLECTIONS {
            break;
        }
        after.clone_from(&last.id);
        for change in page.records {
            let Ok(gun) = Gun::parse(&change.gun) else { continue };
            if change.category == "deletion" {
                guns.remove(&gun);
            } else {
                guns.insert(gun);
            }
        }
    }
    let server = notary.server().to_owned();
    Err(RescueError::Feed { server, problem: "does not come to an end" })
}

fn no_name(server: &TrustServer) -> RescueError {
    RescueError::Feed { server: server.url().to_string(), problem: "cannot be asked for" }
}

/// Changes asked for at once.
const PAGE: i32 = 1000;
