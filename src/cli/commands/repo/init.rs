//! `trust repo init GUN`

use std::path::PathBuf;

use crate::actions::initialize::Keeper;
use crate::actions::repo::init::{Request, init};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::StageArgs;
use crate::tuf::Gun;

/// Set a collection up on this machine
///
/// Makes root, targets and snapshot, and the keys that are missing. Nothing is published before
/// `trust repo publish`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Private root key to import and use (PEM); may be given again
    #[arg(long, value_name = "FILE")]
    pub rootkey: Vec<PathBuf>,

    /// Certificate of a root key, made for this collection (PEM); may be given again
    #[arg(long, value_name = "FILE")]
    pub rootcert: Vec<PathBuf>,

    /// Let the trust server sign snapshots, as docker does
    #[arg(long)]
    pub server_managed_snapshot: bool,

    /// Publish at once, or not
    #[command(flatten)]
    pub stage: StageArgs,
}

impl Args {
    /// Sets the collection up, and publishes it on demand.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let context = session.context()?;
        let snapshot = if self.server_managed_snapshot { Keeper::Server } else { Keeper::Owner };
        let request =
            Request { root_keys: self.rootkey, root_certificates: self.rootcert, snapshot };
        let made = session.block_on(init(&context, &gun, &request))?;
        let ui = session.ui;
        let word = if made.root_is_new { "a new root key" } else { "the root key" };
        ui.status(format!("Set up {gun} on this machine under {word}"));
        ui.status(format!("  root key        {}", made.root_key));
        ui.status(format!("  in its root     {}", made.root_certificate));
        ui.status(format!("  repository key  {}", made.targets_key));
        if let Some(key) = &made.snapshot_key {
            ui.status(format!("  snapshot key    {key}"));
        }
        if made.root_is_new {
            ui.warn(
                "keep a copy of the root key off this machine (`trust key backup`): without it \
                 nobody can replace a lost or stolen key",
            );
        }
        let line = format!("`trust repo publish {gun}` publishes it");
        self.stage.finish(session, &context, &gun, &[line])
    }
}
