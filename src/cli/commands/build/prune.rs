//! `trust build prune`

use crate::actions::build::prune::{PruneError, prune};
use crate::build::run::Sandbox;
use crate::cli::build_runner;
use crate::cli::build_work::work_folder;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::human;
use crate::cli::layout::LayoutArgs;
use crate::cli::prompt::{self, PromptError};
use crate::cli::run::Session;
use crate::clock::{Clock, SystemClock};
use crate::store::client_config::parse_duration;

/// Remove what builds keep to be faster the next time
///
/// Steps that were done, and what was unpacked for them. Images stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove only steps that were done longer ago, such as 72h
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,

    /// Do not ask
    #[arg(long, short = 'f')]
    pub force: bool,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Asks, removes, and tells how much room that made.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let before = match &self.older_than {
            None => None,
            Some(text) => {
                let wrong = |problem: String| {
                    CliError::usage(format!("`--older-than {text}`: a duration {problem}"))
                };
                let age = parse_duration(text).map_err(|problem| wrong(problem.to_string()))?;
                let before = SystemClock.now().checked_sub(age);
                Some(before.map_err(|error| wrong(error.to_string()))?)
            }
        };
        let layout = self.layout.open(session)?;
        let work = work_folder(session, &layout);
        if !self.force {
            let question = "WARNING! This will remove what builds keep.\n\
                            Are you sure you want to continue?";
            prompt::confirm(session.console().as_ref(), question).map_err(|error| match error {
                PromptError::Unconfirmed => CliError::new(ErrorKind::Usage, error)
                    .hint("`--force` answers the question beforehand"),
                error => error.into(),
            })?;
        }
        let sandbox = Sandbox::new(build_runner::options(layout.folder(), &work)?);
        let pruned = prune(&layout, &work, before, || sandbox.forget())?;
        session.ui.status(format!("Removed {} steps", pruned.steps));
        let reclaimed = human::size(pruned.reclaimed);
        Ok(session.ui.line(format!("Total reclaimed space: {reclaimed}"))?)
    }
}

impl From<PruneError> for CliError {
    fn from(error: PruneError) -> Self {
        match error {
            PruneError::Layout(cause) => cause.into(),
            PruneError::Store(cause) => cause.into(),
            error @ PruneError::OfOthers { .. } => Self::new(ErrorKind::Storage, error)
                .hint("root, or whoever ran the builds, can remove what is left"),
        }
    }
}
