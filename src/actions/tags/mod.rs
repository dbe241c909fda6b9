//! The tags of a repository in its registry.

pub mod ls;
