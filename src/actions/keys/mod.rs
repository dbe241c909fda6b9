//! What a user does with private keys, one file per verb; none of them prints.

pub mod backup;
pub mod error;
pub mod export;
pub mod generate;
pub mod import;
pub mod inspect;
pub mod load;
pub mod lookup;
pub mod names;
pub mod passwd;
pub mod remember;
pub mod restore;
pub mod rm;
pub mod rotate;

pub use error::KeyActionError;
