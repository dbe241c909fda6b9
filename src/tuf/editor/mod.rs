//! New metadata from old and changes: what to publish next. Pure: keys and time are handed in.

mod delegations;
mod draft;
mod errors;
#[cfg(test)]
mod round_trips;
mod signing;
#[cfg(test)]
mod tests;

pub use draft::{Draft, NewRepository, Outcome, check_target};
pub use errors::EditError;
pub use signing::{Need, Publication, PublishedRole};
