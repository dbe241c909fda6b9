//! Keeping what trust servers have when they go away (`spec/rescue.md`): [`run`] fetches it into a
//! rescue folder, [`check`] looks such a folder over, and [`Shelf`] answers from one.

pub mod check;
mod fetch;
mod index;
mod keep;
mod pace;
mod report;
pub mod run;
mod shelf;

pub(in crate::actions) use fetch::patiently;
pub use keep::in_words;
pub use pace::Pace;
pub use report::{Refusal, RescueError, Rescued, RoleState};
pub use shelf::Shelf;
