//! `trust repo root export GUN -o FILE`

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use crate::actions::keys::KeyActionError;
use crate::actions::repo::root::CeremonyFailure;
use crate::actions::repo::root::export::export;
use crate::actions::repo::root::sign::sign;
use crate::cli::commands::repo::root::{is_stdout, say_tallies};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::clock::Timestamp;
use crate::crypto::{KeyId, PublicKey};
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::StoreError;
use crate::store::files::{PUBLIC_MODE, create_file, read_user_file};
use crate::tuf::Gun;
use crate::tuf::editor::{EditError, RootEdit};

/// Write the next root of a repository to a file, to be signed by several people
///
/// Without a change it renews the root as it is. Nothing is published: `sign` and `merge` follow.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repository, by its full name
    pub gun: String,

    /// How many root keys must sign a root from then on
    #[arg(long, value_name = "N")]
    pub threshold: Option<NonZeroU32>,

    /// Add the root key of this certificate, made by `cert`; may be given again
    #[arg(long, value_name = "FILE")]
    pub add_key: Vec<PathBuf>,

    /// Take this root key away; may be given again
    #[arg(long, value_name = "ID")]
    pub remove_key: Vec<String>,

    /// How many repository keys must sign the targets role from then on
    #[arg(long, value_name = "N")]
    pub targets_threshold: Option<NonZeroU32>,

    /// Add this public key to the targets role; may be given again
    #[arg(long, value_name = "FILE")]
    pub targets_key: Vec<PathBuf>,

    /// Take this key away from the targets role; may be given again
    #[arg(long, value_name = "ID")]
    pub remove_targets_key: Vec<String>,

    /// Sign with the keys that are here, too
    #[arg(long)]
    pub sign: bool,

    /// Write to this new file; - is stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: PathBuf,
}

impl Args {
    /// Writes the ceremony file.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let context = session.context()?;
        let now = context.clock.now();
        let edit = RootEdit {
            add: keys(&self.add_key, now)?,
            remove: ids(&self.remove_key)?,
            threshold: self.threshold,
            add_targets: keys(&self.targets_key, now)?,
            remove_targets: ids(&self.remove_targets_key)?,
            targets_threshold: self.targets_threshold,
        };
        let exported = async { export(&context, &gun, &edit).await.map_err(too_few_keys) };
        let mut ceremony = session.block_on(exported)?;
        if self.sign {
            sign(&context, &mut ceremony, &[])?;
        }
        let bytes = ceremony.encode(now);
        for line in ceremony.summary(now) {
            session.ui.status(format!("  {line}"));
        }
        if is_stdout(&self.output) {
            return Ok(session.ui.data(bytes)?);
        }
        create_file(&self.output, &bytes, PUBLIC_MODE).map_err(|error| match error {
            StoreError::Exists { path } => KeyActionError::OutputExists { path },
            other => other.into(),
        })?;
        let (tallies, _) = ceremony.tallies()?;
        say_tallies(session, &tallies)
    }
}

fn keys(files: &[PathBuf], now: Timestamp) -> Result<Vec<PublicKey>, CliError> {
    let read = |path: &PathBuf| {
        let pem = read_user_file(path, MAX_KEY_FILE_BYTES)?;
        PublicKey::from_pem(&pem, now).map_err(|error| unreadable(path, error.into()))
    };
    files.iter().map(read).collect()
}

fn unreadable(path: &Path, error: CliError) -> CliError {
    error.context(format!("could not parse public key from file: {}", path.display()))
}

fn ids(given: &[String]) -> Result<Vec<KeyId>, CliError> {
    let parse = |id: &String| {
        KeyId::parse(id).map_err(|_| CliError::usage(format!("`{id}` is not a whole key id")))
    };
    given.iter().map(parse).collect()
}

/// Nothing is signed here, so too few keys are fewer than are asked for, wherever they are.
fn too_few_keys(error: CeremonyFailure) -> CliError {
    match error {
        CeremonyFailure::Edit(EditError::NotEnoughKeys { role, have, need, .. }) => {
            EditError::ThresholdTooHigh { role, have, need }.into()
        }
        error => error.into(),
    }
}
