//! What is staged and not published yet.

use crate::actions::context::Context;
use crate::store::StoreError;
use crate::tuf::Gun;
use crate::tuf::changelist::{Change, ChangeError};

/// A change that waits, or a file that should be one.
#[derive(Debug)]
pub struct Pending {
    /// The name of its file.
    pub file: String,
    /// What it is to change.
    pub change: Result<Change, ChangeError>,
}

/// The changes in the order in which they will be applied; nobody is asked.
pub fn status(context: &Context, gun: &Gun) -> Result<Vec<Pending>, StoreError> {
    let files = context.trust_dir.changelist(gun).read()?;
    Ok(files.into_iter().map(|(file, raw)| Pending { file, change: Change::parse(&raw) }).collect())
}
