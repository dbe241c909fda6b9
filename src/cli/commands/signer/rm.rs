//! `trust signer rm NAME REPOSITORY…`

use crate::actions::signer::SignerError;
use crate::actions::signer::rm::{Removed, remove};
use crate::cli::error::CliError;
use crate::cli::outcome::{say_published, so_far};
use crate::cli::prompt;
use crate::cli::run::Session;
use crate::oci::Reference;
use crate::tuf::RoleName;

/// Take the right to sign away
///
/// Removes the signer's delegation and keys. What is released is signed again if a key for that
/// is here.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the signer
    pub name: String,

    /// Repositories
    #[arg(required = true, value_name = "REPOSITORY")]
    pub repositories: Vec<String>,

    /// Do not ask, even if nothing released can be pulled afterwards
    #[arg(long, short = 'f')]
    pub force: bool,
}

impl Args {
    /// Removes the signer from each repository; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let ui = session.ui;
        let mut failed = Vec::new();
        let mut kind = None;
        for repository in &self.repositories {
            ui.line(format!("Removing signer \"{}\" from {repository}...", self.name))?;
            match self.remove_from(session, repository) {
                Ok(Some(removed)) => {
                    say_published(session, repository, &removed.published);
                    if removed.resigned {
                        ui.status(format!("What is released of {repository} was signed again"));
                    }
                    if let Some(progress) = removed.published.waits(&RoleName::Targets) {
                        let (name, so_far) = (&self.name, so_far(progress));
                        ui.line(format!(
                            "Proposed to remove {name} from {repository}: {so_far}\n"
                        ))?;
                        continue;
                    }
                    ui.line(format!("Successfully removed {} from {repository}\n", self.name))?;
                }
                Ok(None) => ui.status(format!("Nothing was changed in {repository}.")),
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
            Some(kind) => {
                let words = format!("error removing signer from: {}", failed.join(", "));
                Err(CliError::new(kind, words))
            }
        }
    }

    /// Nothing if the person declined.
    fn remove_from(
        &self,
        session: &Session,
        repository: &str,
    ) -> Result<Option<Removed>, CliError> {
        let reference = Reference::parse(repository)?;
        let context = session.context()?;
        let removal = async |force| remove(&context, &reference, &self.name, force).await;
        let removed = session.block_on(async {
            match removal(self.force).await {
                Err(SignerError::LastSigner { .. }) if session.settings.prompts => Ok(None),
                other => other.map(Some),
            }
        })?;
        if removed.is_some() {
            return Ok(removed);
        }
        let question = format!(
            "The signer \"{}\" signed the last released version of {repository}. Removing this \
             signer will make {repository} unpullable. Are you sure you want to continue?",
            self.name
        );
        match prompt::confirm(session.console().as_ref(), &question) {
            Ok(true) => session.block_on(removal(true)).map(Some),
            Ok(false) => Ok(None),
            Err(prompt::PromptError::Unconfirmed) => {
                let (name, repository) = (self.name.clone(), repository.to_owned());
                Err(SignerError::LastSigner { name, repository }.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
