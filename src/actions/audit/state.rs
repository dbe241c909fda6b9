//! How collections and images stand: signed by whom, until when, on which server, and what becomes
//! of them when that closes.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream;
use futures_util::stream::StreamExt as _;
use jiff::Span;

use crate::actions::audit::closing::Closing;
use crate::actions::audit::search::FoundImage;
use crate::actions::context::Context;
use crate::actions::image::{digest_of, pull_roles};
use crate::actions::repo::doctor::keys_here;
use crate::actions::update::{RefreshError, Source, Updated, update};
use crate::clock::Timestamp;
use crate::crypto::KeyId;
use crate::oci::{Digest, Reference};
use crate::tuf::health::{Finding, Health, Horizon, examine};
use crate::tuf::trusted::{Expiry, LookupError, TrustedRepository};
use crate::tuf::{Gun, RoleName, Target, TargetName};

/// A collection, and what was asked of it.
#[derive(Debug)]
pub struct Judged {
    /// Its name.
    pub gun: Gun,
    /// The host of its trust server, if that is known.
    pub server: Option<String>,
    /// Whether that is known to close.
    pub closing: Option<&'static Closing>,
    /// How it stands, or why that cannot be told.
    pub state: Result<CollectionState, RefreshError>,
    /// The images that were asked about.
    pub images: Vec<ImageState>,
}

/// How a collection stands whose chain was accepted.
#[derive(Debug)]
pub struct CollectionState {
    /// Every role with a file: until when that is to be believed, and whose keys are here.
    pub roles: Vec<Expiring>,
    /// What has expired, or will soon.
    pub findings: Vec<Finding>,
    /// What becomes of it.
    pub after: After,
    /// Root keys that were believed unseen.
    pub first_contact: Option<Vec<KeyId>>,
}

/// A role and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// The role.
    pub role: RoleName,
    /// Until when its file is to be believed.
    pub expires: Timestamp,
    /// Whether enough of its keys are on this machine to sign it.
    pub keys_here: bool,
}

/// What becomes of a collection when its server closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing is known of its server's end.
    Stays,
    /// The server closes; the root keys are on this machine, so that it can go on elsewhere.
    Movable,
    /// The server closes; what is kept of it can be read until it expires, and only whoever has
    /// its root keys can let it go on.
    Archive,
}

/// How an image stands.
#[derive(Debug)]
pub struct ImageState {
    /// Which of the things that were found it belongs to.
    pub found: usize,
    /// The tag; none if only a digest was asked for that nobody has signed.
    pub tag: Option<String>,
    /// How it stands.
    pub standing: Standing,
}

/// What trust says of an image.
#[derive(Debug)]
pub enum Standing {
    /// It is signed.
    Signed {
        /// The digest that is.
        digest: Digest,
        /// The role that counts.
        role: RoleName,
        /// Who vouches for it besides; none means its owner alone.
        signers: Vec<String>,
    },
    /// Nobody whose word counts has signed it.
    Unsigned,
    /// Another digest is signed for its tag.
    OtherDigest {
        /// The digest that is.
        digest: Digest,
    },
    /// A role that counts cannot be used, so that nothing can be said.
    Unusable(LookupError),
}

/// Asks the trust servers about all that was found, about each collection once.
pub async fn states(context: &Context, images: &[FoundImage], within: Option<Span>) -> Vec<Judged> {
    let here = keys_here(context).unwrap_or_default();
    let mut collections: BTreeMap<Gun, Vec<usize>> = BTreeMap::new();
    for (number, image) in images.iter().enumerate() {
        collections.entry(image.gun.clone()).or_default().push(number);
    }
    let here = &here;
    let of_one = |(gun, numbers): (Gun, Vec<usize>)| async move {
        judge(context, gun, numbers, images, here, within).await
    };
    let asked = stream::iter(collections.into_iter().map(of_one));
    let mut judged: Vec<Judged> = asked.buffer_unordered(MAX_AT_ONCE).collect().await;
    judged.sort_by(|a, b| a.gun.cmp(&b.gun));
    judged
}

async fn judge(
    context: &Context,
    gun: Gun,
    numbers: Vec<usize>,
    images: &[FoundImage],
    here: &BTreeSet<KeyId>,
    within: Option<Span>,
) -> Judged {
    let notary = match context.connections.notary(&gun, "pull") {
        Ok(notary) => notary,
        Err(error) => {
            let (server, closing, images) = (None, None, Vec::new());
            return Judged { gun, server, closing, state: Err(error.into()), images };
        }
    };
    let server = notary.server().to_owned();
    let closing = Closing::of(&server);
    let updated = update(context, &gun, &notary, Source::Server, Expiry::Remembered).await;
    let (state, images) = match updated {
        Err(error) => (Err(error), Vec::new()),
        Ok(Updated { trusted, .. }) => {
            let now = trusted.now();
            let horizon =
                within.map_or_else(|| Horizon::usual(now), |span| Horizon::ahead(now, span));
            let health = examine(&trusted, here, &BTreeMap::new(), horizon);
            let asked =
                numbers.into_iter().filter_map(|number| Some((number, images.get(number)?)));
            let states = asked.flat_map(|(number, image)| {
                image_states(&trusted, number, image.reference.as_ref())
            });
            let states = states.collect();
            let state = CollectionState {
                after: after(closing, &health),
                roles: roles(&health),
                first_contact: trusted.is_first_use().then(|| trusted.root_key_ids()),
                findings: health.findings.into_iter().filter(is_of_time).collect(),
            };
            (Ok(state), states)
        }
    };
    Judged { gun, server: Some(server), closing, state, images }
}

fn is_of_time(finding: &Finding) -> bool {
    matches!(
        finding,
        Finding::Expired { .. }
            | Finding::ExpiresSoon { .. }
            | Finding::RootOutOfDate { .. }
            | Finding::CertificateExpired { .. }
            | Finding::CertificateExpiresSoon { .. }
    )
}

fn roles(health: &Health) -> Vec<Expiring> {
    let roles = health.roles.iter().filter_map(|state| {
        let (role, expires) = (state.role.clone(), state.expires?);
        Some(Expiring { role, expires, keys_here: state.signers.are_enough() })
    });
    roles.collect()
}

fn after(closing: Option<&Closing>, health: &Health) -> After {
    let root = health.role(&RoleName::Root);
    match closing {
        None => After::Stays,
        Some(_) if root.is_some_and(|root| root.signers.are_enough()) => After::Movable,
        Some(_) => After::Archive,
    }
}

/// How the images stand that something found is about: one, or all tags of the collection.
fn image_states(
    trusted: &TrustedRepository,
    found: usize,
    reference: Option<&Reference>,
) -> Vec<ImageState> {
    let state = |tag: Option<&TargetName>, standing| ImageState {
        found,
        tag: tag.map(ToString::to_string),
        standing,
    };
    let Some(reference) = reference else {
        let listed = trusted.list(&pull_roles()).into_keys();
        return listed.map(|tag| state(Some(tag), standing(trusted, tag, None))).collect();
    };
    match (reference.tag(), reference.digest()) {
        (None, Some(digest)) => {
            let names = |target: &Target| digest_of(target).as_ref() == Some(digest);
            let listed = trusted.list(&pull_roles());
            let tag = listed.iter().find(|(_, found)| names(found.target));
            match tag {
                Some((tag, _)) => vec![state(Some(tag), standing(trusted, tag, Some(digest)))],
                None => vec![state(None, Standing::Unsigned)],
            }
        }
        (tag, digest) => match TargetName::parse(tag.unwrap_or("latest")) {
            Ok(tag) => vec![state(Some(&tag), standing(trusted, &tag, digest))],
            Err(_) => vec![state(None, Standing::Unsigned)],
        },
    }
}

fn standing(trusted: &TrustedRepository, tag: &TargetName, asked: Option<&Digest>) -> Standing {
    let found = match trusted.lookup(tag, &pull_roles()) {
        Ok(found) if pull_roles().contains(found.role) => found,
        Err(error @ LookupError::RoleUnusable { .. }) => return Standing::Unusable(error),
        _ => return Standing::Unsigned,
    };
    let Some(digest) = digest_of(found.target) else { return Standing::Unsigned };
    if asked.is_some_and(|asked| *asked != digest) {
        return Standing::OtherDigest { digest };
    }
    let all = trusted.all(tag);
    let others = all.iter().filter(|other| !pull_roles().contains(other.role));
    let others = others.filter(|other| digest_of(other.target).as_ref() == Some(&digest));
    let signers = others.map(|other| {
        let role = other.role.as_str();
        role.strip_prefix("targets/").unwrap_or(role).to_owned()
    });
    Standing::Signed { signers: signers.collect(), role: found.role.clone(), digest }
}

/// How many collections are asked about at once.
const MAX_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::testing::{Repo, TestKey, days, now, role};

    const LONG: i64 = 730;

    fn repo() -> Repo {
        let mut repo = Repo::new();
        for role in [RoleName::Root, RoleName::Targets, RoleName::Snapshot, RoleName::Timestamp] {
            repo.header(&role).expires = days(LONG);
        }
        repo
    }

    fn trusted(repo: &Repo) -> TrustedRepository {
        let root = [(RoleName::Root, repo.files()[&RoleName::Root].clone())].into();
        repo.again_at(&root, now(), Expiry::Remembered).unwrap()
    }

    fn health(repo: &Repo, here: &[&TestKey]) -> Health {
        let here = here.iter().map(|key| key.public.canonical_id().unwrap()).collect();
        examine(&trusted(repo), &here, &BTreeMap::new(), Horizon::usual(now()))
    }

    #[test]
    fn whoever_has_the_root_keys_can_go_on_elsewhere() {
        let repo = repo();
        let root = repo.signers[&RoleName::Root][0].clone();
        let closing = Closing::of("notary.docker.io");
        assert_eq!(after(None, &health(&repo, &[])), After::Stays);
        assert_eq!(after(closing, &health(&repo, &[])), After::Archive);
        assert_eq!(after(closing, &health(&repo, &[&root])), After::Movable);
    }

    #[test]
    fn every_role_has_its_end() {
        let mut repo = repo();
        repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
        repo.header(&role("targets/a")).expires = days(3);
        let health = health(&repo, &[]);
        let roles = roles(&health);
        assert_eq!(roles.len(), 5);
        let first = roles.iter().min_by_key(|role| role.expires).unwrap();
        assert_eq!(first.role, role("targets/a"));
        let findings: Vec<&Finding> = health.findings.iter().filter(|f| is_of_time(f)).collect();
        assert!(matches!(findings.as_slice(), [Finding::ExpiresSoon { .. }]), "{findings:?}");
    }

    #[test]
    fn what_nobody_signed_is_unsigned() {
        let trusted = trusted(&repo());
        let reference = Reference::parse("example.com/app:1").unwrap();
        let states = image_states(&trusted, 0, Some(&reference));
        assert!(matches!(states[0].standing, Standing::Unsigned), "{states:?}");
        let all = image_states(&trusted, 0, None);
        let [ImageState { tag, standing: Standing::Signed { signers, role, .. }, .. }] =
            all.as_slice()
        else {
            panic!("{all:?}")
        };
        assert_eq!((tag.as_deref(), signers.len(), role), (Some("v1"), 0, &RoleName::Targets));
    }
}
