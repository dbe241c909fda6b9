//! `pull`, `push` and `copy` beside the real registry, docker, skopeo, notary-server.

mod content_trust;
mod registries;
