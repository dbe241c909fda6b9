//! Publishing what is staged.

use crate::actions::context::Context;
use crate::actions::publish::Published;
use crate::actions::repo::error::RepoError;
use crate::actions::stage::publish_staged;
use crate::tuf::Gun;

/// Publishes what is staged. A collection that the server does not know is set up: from what
/// [`crate::actions::repo::init`] or notary left on this machine, else anew, with snapshots that the
/// owner signs (notary.md §4.5).
pub async fn publish(context: &Context, gun: &Gun) -> Result<Published, RepoError> {
    Ok(publish_staged(context, gun).await?)
}
