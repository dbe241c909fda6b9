//! Images on this machine: one file per thing a user can do with them; and what an image is in the
//! two worlds, [`signed`].

pub mod canonicalize;
pub mod diff;
pub mod entries;
pub mod filter;
pub mod find;
pub mod flatten;
pub mod history;
pub mod import;
pub mod inspect;
pub mod inventory;
pub mod layers;
pub mod load;
pub mod ls;
pub mod prune;
pub mod rm;
pub mod save;
pub mod signed;
pub mod tag;
#[cfg(test)]
pub(crate) mod testing;

pub use find::{FindError, LocalImage};
pub use signed::{
    ImageError, Served, digest_of, fetch, fetch_from, gun_of, narrow, pull_roles, target_of,
};
