//! `pull`, `push` and `copy` beside the real registry, docker, skopeo, notary-server.

mod content_trust;
// No release build can be killed at a chosen place.
#[cfg(debug_assertions)]
mod crashes;
mod registries;
mod travel;
