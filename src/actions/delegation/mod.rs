//! Delegations of any name and depth: who may sign which targets (notary.md §1.5, §4.8). Signers
//! are those that docker knows: `actions/signer`.

pub mod add;
pub mod error;
pub mod ls;
pub mod outlook;
pub mod purge;
pub mod rm;

pub use error::{DelegationError, delegation_name};
