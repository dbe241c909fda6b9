//! `trust key generate NAME`

use std::path::PathBuf;

use clap::ValueEnum;

use crate::actions::keys::generate::{Algorithm, generate};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::ui::printable;

/// Generate and load a signing key pair
///
/// The private key is stored encrypted; NAME.pub is for the owner of a repository, who makes you
/// a signer with it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the signer
    pub name: String,

    /// Write NAME.pub into this folder [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Kind of key; docker and notary know no other than ecdsa and rsa
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value_t)]
    pub algorithm: KeyAlgorithm,
}

/// The kinds of key that can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256
    #[default]
    Ecdsa,
    /// Ed25519
    Ed25519,
    /// RSA of 3072 bits
    Rsa,
}

impl Args {
    /// Makes the pair and says where it is, in docker's words.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let dir = match self.dir {
            Some(dir) => dir,
            None => std::env::current_dir()?,
        };
        crate::actions::keys::names::check_key_name(&self.name)?;
        session.ui.line(format!("Generating key for {}...", self.name))?;
        let algorithm = match self.algorithm {
            KeyAlgorithm::Ecdsa => Algorithm::Ecdsa,
            KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
            KeyAlgorithm::Rsa => Algorithm::Rsa,
        };
        let made = generate(&session.context()?, &self.name, &dir, algorithm)?;
        session.ui.detail(format!("The key's id is {}", made.key.id));
        let file = printable(&made.public_file.to_string_lossy());
        Ok(session.ui.line(format!(
            "Successfully generated and loaded private key. \
             Corresponding public key available: {file}"
        ))?)
    }
}
