//! What an administrator writes.
