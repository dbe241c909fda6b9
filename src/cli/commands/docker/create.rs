//! `trust docker create`

use std::ffi::OsString;

/// Make a container of what is signed: `docker create` as it was with content trust
///
/// Takes the words of `docker create`. Trust says which digest the tag has, and docker is handed
/// the digest.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The words of `docker create`
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}
