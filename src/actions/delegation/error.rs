//! What can be wrong with a delegation, its name first.

use crate::actions::stage::StageError;
use crate::actions::update::RefreshError;
use crate::tuf::{NameError, RoleName};

/// Why delegations were not changed or listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DelegationError {
    /// A role that is nobody's delegation.
    #[error("`{role}` is no delegation: the names of those begin with `targets/`")]
    BaseRole {
        /// The role.
        role: RoleName,
    },
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What is known could not be brought up to date.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The change.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// Returns the role of this name if it can be delegated to.
pub fn delegation_name(name: &str) -> Result<RoleName, DelegationError> {
    let role = RoleName::parse(name)?;
    if role.is_delegation() { Ok(role) } else { Err(DelegationError::BaseRole { role }) }
}
