//! Collections as notary has them: any name, any content (notary.md §6).

pub mod adopt;
pub mod delete;
pub mod doctor;
pub mod error;
pub mod export;
pub mod import;
pub mod init;
pub mod ls;
pub mod pin;
pub mod publish;
pub mod renew;
pub mod reset;
pub mod root;
pub mod status;
pub mod witness;

pub use error::RepoError;
