//! What can be done to a repository as a whole.

pub mod root;
