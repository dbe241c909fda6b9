//! Plugins of docker's daemon, which are in registries as images are.

use crate::actions::context::Context;
use crate::actions::docker::known::{DEFAULT_TAG, Known, known};
use crate::actions::initialize::Plan;
use crate::actions::sign::{Request, SignError, Signed, pushed_contents, sign_contents_under};
use crate::actions::verify::VerifyImageError;
use crate::oci::Reference;
use crate::oci::reference::ReferenceError;

/// Asks trust about the plugin that was named; without tag and digest, about `latest`.
pub async fn plugin(context: &Context, reference: &Reference) -> Result<Known, VerifyImageError> {
    known(context, reference).await
}

/// The same plugin under its tag, as trust knows it today: what is installed remembers the digest
/// it came with.
pub fn newest(reference: &Reference) -> Result<Reference, ReferenceError> {
    let tag = reference.tag().unwrap_or(DEFAULT_TAG);
    reference.without_digest().with_tag(tag)
}

/// Signs what the registry has for a plugin that was pushed just now: docker does not tell which
/// digest that is. A repository without trust data is set up as for images.
pub async fn sign_pushed(context: &Context, reference: &Reference) -> Result<Signed, SignError> {
    let request = Request {
        reference: reference.clone(),
        all_tags: false,
        platform: None,
        signer: None,
        expected: None,
    };
    let contents = pushed_contents(context, &request);
    Box::pin(sign_contents_under(context, reference, &Plan::default(), contents, None)).await
}
