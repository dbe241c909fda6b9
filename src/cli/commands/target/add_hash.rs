//! `trust target add-hash GUN NAME SIZE`

use crate::actions::target::add_hash::{Content, add_hash};
use crate::cli::commands::target::add::PlacementArgs;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::StageArgs;
use crate::tuf::{Gun, TargetName};

/// Add something to a collection by its hashes and size
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Name of the target
    pub name: String,

    /// Its size in bytes
    pub size: u64,

    /// Its SHA-256, 64 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,

    /// Its SHA-512, 128 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub sha512: Option<String>,

    /// What else is said of it
    #[command(flatten)]
    pub placement: PlacementArgs,

    /// Publish at once, or not
    #[command(flatten)]
    pub stage: StageArgs,
}

impl Args {
    /// Stages, and publishes on demand.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let placement = self.placement.of(TargetName::parse(&self.name)?)?;
        let context = session.context()?;
        let content = Content { length: self.size, sha256: self.sha256, sha512: self.sha512 };
        let target = add_hash(&context, &gun, &placement, &content)?;
        let name = &placement.name;
        let hashes: Vec<&str> = target.hashes.iter().map(|(algorithm, _)| algorithm).collect();
        let hashes = hashes.join(", ");
        let line = format!(
            "Addition of target \"{name}\" by {hashes} hash to repository \"{gun}\" staged for next publish."
        );
        self.stage.finish(session, &context, &gun, &[line])
    }
}
