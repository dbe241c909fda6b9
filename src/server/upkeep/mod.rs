//! What runs beside the answers: renewal, garbage collection, checks.
