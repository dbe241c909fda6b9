//! Dockerfiles turned into images, without a daemon.
//!
//! * what is to be built: [`request`]; what came of it: [`built`], and what of that is
//!   noted in the image: [`record`]
//! * where things come from that the build itself cannot reach: [`outside`]
//! * the configuration that comes of it: [`image`]; names with values: [`variables`]
//! * what a step's inputs are, as one digest: [`key`]
//! * files and their bytes: [`content`], [`context`]; what a step changes: [`changes`]
//! * `COPY`, `ADD` and `WORKDIR`: [`copy`], over a [`draft`] of what changes; archives: [`unpack`],
//!   whose contents wait in a [`spool`]; names of users: [`accounts`]; layers: [`layer`]
//! * commands: [`runner`], and who runs them: [`run`]
//!
//! All of it is synchronous; who needs a network blocks on it in [`outside`].

pub mod accounts;
pub mod built;
pub mod changes;
pub mod content;
pub mod context;
pub mod copy;
mod copying;
pub mod draft;
pub mod engine;
pub mod error;
mod finish;
pub mod held;
pub mod image;
pub mod key;
pub mod layer;
pub mod outside;
pub mod record;
pub mod request;
pub mod run;
pub mod runner;
mod running;
pub mod spool;
mod steps;
pub mod unpack;
pub mod variables;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]
mod tests;
