//! Who may sign: one delegation `targets/NAME` a signer, and `targets/releases` for them all
//! (notary.md §5.3).

pub mod add;
pub mod error;
pub mod ls;
pub mod rm;

pub use error::{SignerError, check_name};
