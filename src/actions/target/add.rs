//! Adding a file to a collection.

use std::path::{Path, PathBuf};

use crate::actions::context::Context;
use crate::actions::stage::stage;
use crate::actions::target::error::TargetError;
use crate::codec::canonical_json::Value;
use crate::crypto::hash::Hasher;
use crate::limits::MAX_CUSTOM_BYTES;
use crate::store::files::{pass_user_file, read_user_file};
use crate::tuf::changelist::Change;
use crate::tuf::editor::check_target;
use crate::tuf::{Gun, RoleName, Target, TargetName};

/// Where a target is to be put, and what is said of it besides its content.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Its name.
    pub name: TargetName,
    /// The roles to sign it; `targets` if there are none.
    pub roles: Vec<RoleName>,
    /// A file of JSON that goes with it.
    pub custom: Option<PathBuf>,
}

/// Stages a file as it is now, whatever its size; returns what it is.
pub fn add(
    context: &Context,
    gun: &Gun,
    placement: &Placement,
    file: &Path,
) -> Result<Target, TargetError> {
    let mut hasher = Hasher::default();
    let length = pass_user_file(file, &mut |bytes| hasher.update(bytes))?;
    let target = Target { length, hashes: hasher.finish(), custom: custom(placement)? };
    put(context, gun, placement, target)
}

/// Stages a target in each of its roles.
pub(super) fn put(
    context: &Context,
    gun: &Gun,
    placement: &Placement,
    target: Target,
) -> Result<Target, TargetError> {
    check_target(&placement.name, &target)?;
    let change = |role: RoleName| Change::AddTarget {
        role,
        name: placement.name.clone(),
        target: target.clone(),
    };
    let changes: Vec<Change> = or_top_level(&placement.roles).into_iter().map(change).collect();
    stage(context, gun, &changes)?;
    Ok(target)
}

/// The custom data, in the one form that every program signs alike (notary.md §1.2).
pub(super) fn custom(placement: &Placement) -> Result<Option<Value>, TargetError> {
    let Some(file) = &placement.custom else { return Ok(None) };
    let text = read_user_file(file, MAX_CUSTOM_BYTES)?;
    let wrong = |cause| TargetError::Custom { file: file.clone(), cause };
    let value = Value::parse(&text).map_err(wrong)?;
    // Read again from its canonical form: `2.0` is 2 from here on.
    Value::parse(&value.to_canonical()).map(Some).map_err(wrong)
}

/// The roles that were named, or `targets`.
pub(super) fn or_top_level(roles: &[RoleName]) -> Vec<RoleName> {
    if roles.is_empty() { vec![RoleName::Targets] } else { roles.to_vec() }
}
