//! Which image a service of a swarm is given.

use crate::actions::context::Context;
use crate::actions::docker::known::Known;
use crate::actions::docker::run::{Choice, RunRefusal, run};

/// Asks trust about the image that was named; nothing for the whole id of an image, which the
/// machines of a swarm never look for elsewhere.
pub async fn service(context: &Context, image: &str) -> Result<Option<Known>, RunRefusal> {
    Ok(match run(context, image).await? {
        Choice::Known(known) => Some(*known),
        Choice::Id => None,
    })
}
