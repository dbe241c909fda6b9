//! Building an image from a Dockerfile, and what goes with it.
//!
//! * where a context is: [`place`]; what it holds: [`opened`]
//! * images, downloads and repositories: [`outside`], and which they must be: [`lock`]
//! * the build itself, for one platform or several: [`run`]
//! * mistakes that builders let pass: [`check`]
//! * where the outcome goes: [`output`]
//! * the same again, to compare: [`verify`], [`rebuild`]
//! * what builds keep: [`prune`], and hand on: [`cache`]

pub mod cache;
pub mod check;
pub mod lock;
pub mod opened;
pub mod output;
pub mod outside;
pub mod place;
pub mod prune;
pub mod rebuild;
pub mod run;
pub mod verify;
