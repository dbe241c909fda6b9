//! New metadata from old and changes: what to publish next. Pure: keys and time are handed in.

mod delegations;
mod draft;
mod errors;
mod proposing;
mod root_edit;
#[cfg(test)]
mod round_trips;
mod signing;
#[cfg(test)]
mod tests;

pub use draft::{Draft, NewRepository, Outcome, check_target};
pub use errors::EditError;
pub use root_edit::RootEdit;
pub use signing::{Need, Publication, PublishedRole};
