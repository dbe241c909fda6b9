//! What runs beside the answers: renewal, garbage collection, checks.

pub mod backup;
pub mod renewal;
