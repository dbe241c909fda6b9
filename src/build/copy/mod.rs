//! `COPY`, `ADD` and the folder of `WORKDIR`, on files that are nowhere unpacked.
//!
//! * what is to be done: [`job`]; `--chmod`: [`mode`]
//!
//! BuildKit is the arbiter of what goes where (images.md §1.5).

mod copier;
pub mod error;
pub mod job;
pub mod mode;
mod sources;

pub use error::CopyError;
pub use job::{Job, Source, copy, make_folder};

#[cfg(test)]
mod tests;
