//! Where content trust is still used, and how the images stand (`spec/audit.md`).
//!
//! * `search` reads folders and the machine, and asks nobody
//! * [`states`] asks trust servers about the collections of what was found
//! * [`Rule`] numbers what can be found; [`Closing`] says which servers go, and when
//!
//! Nothing is changed but the cache of trust data, as by every command that reads it.

mod assignments;
mod closing;
mod kind;
mod lines;
mod machine;
mod named;
mod policies;
mod rules;
mod search;
mod state;
mod tree;

pub use closing::{CLOSINGS, Closing};
pub use kind::FileKind;
pub use lines::{NOTARY_VERBS, Switch};
pub use machine::Machine;
pub use rules::{Finding, Place, Rule, Severity, What};
pub use search::{Found, FoundImage, Request, search};
pub use state::{After, CollectionState, Expiring, ImageState, Judged, Standing, states};
