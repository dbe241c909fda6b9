//! `COPY`, `ADD` and the folder of `WORKDIR`, on files that are nowhere unpacked.
//!
//! BuildKit is the arbiter of what goes where (images.md §1.5).

pub mod error;
pub mod job;

pub use error::CopyError;
pub use job::{Job, Source, copy, make_folder};
