//! What is worth a warning in a Dockerfile that can be built: BuildKit's checks, by their names
//! there.
//!
//! * where they begin, and what they are told: [`mod@check`]
//! * how the text is written: `text`; what stages do with variables, paths and ports: `stages`

pub mod check;
mod stages;
mod text;

pub use check::{Finding, Known, check};
