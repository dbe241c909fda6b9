//! Ending a root ceremony: the signatures are put together and the root is published.

use crate::actions::context::Context;
use crate::actions::publish::publish_files;
use crate::actions::repo::root::CeremonyFailure;
use crate::actions::update::{Source, Updated, update};
use crate::client::NotaryError;
use crate::tuf::ceremony::Ceremony;
use crate::tuf::editor::Publication;
use crate::tuf::trusted::{Expiry, TrustedRepository};
use crate::tuf::verify::verify;
use crate::tuf::{RoleName, TrustedSet};

/// Puts the signatures of several files of one ceremony together.
pub fn merge(files: Vec<Ceremony>) -> Result<Ceremony, CeremonyFailure> {
    let mut files = files.into_iter();
    let mut all = files.next().ok_or(CeremonyFailure::NoFile)?;
    for other in files {
        all.merge(&other)?;
    }
    Ok(all)
}

/// Publishes a ceremony that enough have signed, if what it follows is still what is published.
pub async fn publish(
    context: &Context,
    ceremony: &Ceremony,
) -> Result<Publication, CeremonyFailure> {
    let now = context.clock.now();
    let files = ceremony.files(now)?;
    let gun = ceremony.gun();
    let notary = context.connections.notary(gun, "push,pull")?;
    let Updated { trusted, .. } =
        update(context, gun, &notary, Source::Server, Expiry::Remembered).await?;
    check_base(ceremony, &trusted)?;
    // As the readers who hold the present root will see it.
    let anchor = [(RoleName::Root, trusted.root().raw().to_vec())].into();
    let pin = context.pinning.rule(gun);
    let set = TrustedSet::resume(gun.clone(), now, Expiry::Enforced, pin, &anchor);
    let accepted = set.and_then(|mut set| {
        files.get(&RoleName::Root).map(|root| set.accept_root(root)).transpose()
    });
    accepted.map_err(|cause| crate::actions::update::RefreshError::Refused {
        gun: gun.clone(),
        cause,
    })?;
    match publish_files(context, gun, &notary, &trusted, ceremony.next(), files).await {
        Ok(publication) => {
            // What was published is learned as everybody learns it.
            update(context, gun, &notary, Source::Server, Expiry::Remembered).await?;
            Ok(publication)
        }
        Err(crate::actions::publish::PublishError::Server(NotaryError::Conflict { .. })) => {
            Err(CeremonyFailure::Overtaken { gun: gun.clone() })
        }
        Err(error) => Err(error.into()),
    }
}

fn check_base(ceremony: &Ceremony, trusted: &TrustedRepository) -> Result<(), CeremonyFailure> {
    let gun = ceremony.gun().clone();
    if trusted.root().raw() != ceremony.current().raw() {
        let based_on = ceremony.current().body().header.version;
        let present = trusted.root().body().header.version;
        if based_on == present {
            return Err(CeremonyFailure::OtherRoot { gun, version: present });
        }
        return Err(CeremonyFailure::Stale { gun, part: "root", based_on, present });
    }
    let Some(targets) = trusted.targets().get(&RoleName::Targets) else { return Ok(()) };
    match ceremony.current_targets() {
        Some(before) if before.raw() != targets.raw() => Err(CeremonyFailure::Stale {
            gun,
            part: "targets",
            based_on: before.body().header.version,
            present: targets.body().header.version,
        }),
        Some(_) => Ok(()),
        // The keys of `targets` stay, so the file does; but better seen here than by readers.
        None => match ceremony.next().role_keys(&RoleName::Targets) {
            Some(keys) => verify(targets.signed().clone(), &keys)
                .map(|_| ())
                .map_err(|cause| CeremonyFailure::Targets { gun, cause }),
            None => Ok(()),
        },
    }
}
