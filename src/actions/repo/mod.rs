//! What is done to a whole repository.

pub mod doctor;
pub mod renew;
