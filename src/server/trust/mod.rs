//! What is served to whom: one decision, for every way to reach content (`spec/enforcement.md`;
//! server.md §4).
//!
//! Reading order: [`policy`] (what must be signed, by whom), [`verdict`] (what trust says of a
//! collection and of one thing), [`gate`] (who gets what), [`quarantine`] (what tags are set to),
//! [`answer`] (the verdict for machines), `cache` (what is remembered).

pub mod answer;
mod cache;
pub mod gate;
pub mod policy;
pub mod quarantine;
pub mod verdict;

pub use gate::{Denial, Gate, Served, Subject};
pub use policy::{Mode, Policy, PolicyConfig, PolicyError, RootsConfig, RuleConfig, Serve};
pub use verdict::{Admission, Objection, Reason};
