//! Looking one target up.

use crate::actions::context::Context;
use crate::actions::repo::ls::{Entry, Remarks, priority};
use crate::actions::target::error::TargetError;
use crate::actions::update::{Source, Updated, refresh};
use crate::tuf::{Gun, RoleName, TargetName};

/// A target, and what a person should know of its collection.
#[derive(Debug)]
pub struct Looked {
    /// The target.
    pub entry: Entry,
    /// What is to be told.
    pub remarks: Remarks,
}

/// Finds what the first of these roles says of a name; without any, `targets` and what is below it.
pub async fn lookup(
    context: &Context,
    gun: &Gun,
    name: &TargetName,
    roles: &[RoleName],
    source: Source,
) -> Result<Looked, TargetError> {
    let Updated { trusted, .. } = refresh(context, gun, source).await?;
    let priority = priority(roles);
    let found = trusted.lookup(name, &priority)?;
    let entry = Entry::of(name, &found);
    Ok(Looked { entry, remarks: Remarks::of(&trusted, &priority) })
}
