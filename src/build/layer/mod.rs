//! Layers: what a step changes as an archive in the layout, and what archives come to.
//!
//! * changes written as a layer: [`write()`]; the files after a step: [`apply()`]
//! * layers that are there, on top of each other: [`read()`]

pub mod apply;
mod index;
pub mod read;
pub mod write;

pub use apply::apply;
pub use read::read;
pub use write::{Format, WriteError, write};

#[cfg(test)]
mod tests;
