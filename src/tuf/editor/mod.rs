//! New metadata from old and changes: what to publish next. Pure: keys and time are handed in.

mod delegations;
mod draft;
mod errors;
mod proposing;
mod root_edit;
mod signing;
#[cfg(test)]
mod tests;

pub use draft::{Draft, NewRepository, Outcome};
pub use errors::EditError;
pub use root_edit::RootEdit;
pub use signing::{Need, Publication, PublishedRole};
