//! Images on this machine: one file per thing a user can do with them; and what an image is in the
//! two worlds, [`signed`].

pub mod diff;
pub mod find;
pub mod flatten;
pub mod import;
pub mod layer_archive;
pub mod load;
pub mod save;
pub mod signed;
#[cfg(test)]
pub(crate) mod testing;

pub use find::{FindError, LocalImage};
pub use signed::{
    ImageError, Served, digest_of, fetch, fetch_from, gun_of, narrow, pull_roles, target_of,
};
