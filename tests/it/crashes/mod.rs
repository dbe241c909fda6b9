//! The process is gone in the middle of it: the old or the new state is whole, the next run
//! succeeds, and no key is lost that signed something published.

mod local;
mod requests;
mod world;
mod writes;
