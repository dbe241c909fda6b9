//! `trust signer add --key FILE NAME REPOSITORY…`

use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::actions::signer::add::{Request, add};
use crate::actions::signer::check_name;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::outcome::{say_published, so_far};
use crate::cli::run::Session;
use crate::crypto::PublicKey;
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::oci::Reference;
use crate::store::files::read_user_file;
use crate::tuf::RoleName;

/// Make somebody a signer of repositories
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Public key or certificate of the signer (PEM); may be given again
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,

    /// How many of the signer's keys must sign what the signer signs
    #[arg(long, value_name = "N")]
    pub threshold: Option<NonZeroU32>,

    /// How many signers must sign a tag before it can be pulled
    #[arg(long, value_name = "N")]
    pub releases_threshold: Option<NonZeroU32>,

    /// Raise the threshold even if nothing released can be pulled until others have signed it
    #[arg(long, short = 'f')]
    pub force: bool,

    /// Name of the signer
    pub name: String,

    /// Repositories
    #[arg(required = true, value_name = "REPOSITORY")]
    pub repositories: Vec<String>,
}

impl Args {
    /// Adds the signer to each repository; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        check_name(&self.name)?;
        let sets_threshold = self.threshold.is_some() || self.releases_threshold.is_some();
        if self.keys.is_empty() && !sets_threshold {
            let words = "path to a public key must be provided using the `--key` flag";
            return Err(CliError::usage(words));
        }
        let context = session.context()?;
        let mut keys = Vec::new();
        for path in &self.keys {
            let pem = read_user_file(path, MAX_KEY_FILE_BYTES).map_err(|error| {
                let words = format!("unable to read public key from file: {}", path.display());
                CliError::from(error).context(words)
            })?;
            let key = PublicKey::from_pem(&pem, context.clock.now()).map_err(|error| {
                let words = format!("could not parse public key from file: {}", path.display());
                CliError::from(error).context(words)
            })?;
            keys.push(key);
        }
        let request = Request {
            name: self.name.clone(),
            keys,
            threshold: self.threshold,
            releases_threshold: self.releases_threshold,
            force: self.force,
        };
        let mut failed = Vec::new();
        let mut kind = None;
        for repository in &self.repositories {
            let (name, ui) = (&self.name, session.ui);
            ui.line(format!("Adding signer \"{name}\" to {repository}..."))?;
            let added = Reference::parse(repository)
                .map_err(CliError::from)
                .and_then(|reference| session.block_on(add(&context, &reference, &request)));
            match added {
                Ok(published) => {
                    if published.initialized.is_some() {
                        ui.line(format!("Initializing signed repository for {repository}..."))?;
                        ui.line(format!("Successfully initialized \"{repository}\""))?;
                    }
                    say_published(session, repository, &published);
                    if let Some(progress) = published.waits(&RoleName::Targets) {
                        let so_far = so_far(progress);
                        ui.line(format!("Proposed signer: {name} to {repository}: {so_far}\n"))?;
                        continue;
                    }
                    ui.line(format!("Successfully added signer: {name} to {repository}\n"))?;
                }
                Err(error) if error.ends_everything() => return Err(error),
                Err(error) => {
                    ui.error(&error);
                    kind.get_or_insert(error.kind);
                    failed.push(repository.as_str());
                }
            }
        }
        match kind {
            None => Ok(()),
            Some(kind) => Err(failure(kind, &failed)),
        }
    }
}

fn failure(kind: ErrorKind, failed: &[&str]) -> CliError {
    CliError::new(kind, format!("failed to add signer to: {}", failed.join(", ")))
}
