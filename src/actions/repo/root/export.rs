//! Beginning a root ceremony: the next root, to be signed.

use crate::actions::context::Context;
use crate::actions::repo::root::CeremonyFailure;
use crate::actions::update::{Source, Updated, update};
use crate::tuf::Gun;
use crate::tuf::RoleName;
use crate::tuf::ceremony::Ceremony;
use crate::tuf::editor::{Draft, RootEdit};
use crate::tuf::trusted::Expiry;

/// Drafts the next root of a repository as it is published now, and, if the keys of `targets`
/// change, its next `targets` file. Nothing is published.
pub async fn export(
    context: &Context,
    gun: &Gun,
    edit: &RootEdit,
) -> Result<Ceremony, CeremonyFailure> {
    let notary = context.connections.notary(gun, "pull")?;
    let Updated { trusted, .. } =
        update(context, gun, &notary, Source::Server, Expiry::Remembered).await?;
    let now = context.clock.now();
    let mut draft = Draft::from_trusted(&trusted);
    draft.edit_root(gun, edit, now)?;
    let root = draft.next_root(now)?;
    let next = draft.next_targets(now)?;
    let before = trusted.targets().get(&RoleName::Targets).cloned();
    let targets = before.zip(next);
    Ok(Ceremony::new(gun.clone(), trusted.root().clone(), root, targets)?)
}
