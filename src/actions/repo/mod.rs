//! Whole collections.

pub mod pin;
