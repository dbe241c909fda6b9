//! Which digest a tag is trusted to have: what trust alone says, without the registry.

use crate::actions::context::Context;
use crate::actions::update::Source;
use crate::actions::verify;
use crate::actions::verify::{Verdict, VerifyImageError, verify};
use crate::oci::Reference;

/// What counts as trusted.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The server, or a cache that is still fresh.
    pub source: Source,
    /// Signers who must all vouch for the very same content.
    pub signers: Vec<String>,
}

impl Demand {
    /// What the server says now, and these signers.
    pub fn now(signers: &[String]) -> Self {
        Self { source: Source::Server, signers: signers.to_vec() }
    }
}

/// Asks trust which digest an image has. The verdict is the one [`verify()`] gives, and so are the
/// errors; the registry is not asked.
pub async fn resolve(
    context: &Context,
    reference: &Reference,
    demand: &Demand,
) -> Result<Verdict, VerifyImageError> {
    let request = verify::Request {
        reference: reference.clone(),
        no_registry: true,
        source: demand.source,
        signers: demand.signers.clone(),
        platform: None,
        children: false,
    };
    verify(context, &request, &mut Vec::new()).await
}
