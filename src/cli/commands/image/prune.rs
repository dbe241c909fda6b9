//! `trust image prune`, and `trust prune`

use crate::actions::image::filter::{Filters, Known};
use crate::actions::image::prune::prune;
use crate::cli::commands::image::rm::lines;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::human;
use crate::cli::layout::LayoutArgs;
use crate::cli::prompt::{self, PromptError};
use crate::cli::run::Session;
use crate::clock::{Clock, SystemClock};

/// Remove images without a name, and content that no image has
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove all images, those with a name too
    #[arg(long, short = 'a')]
    pub all: bool,

    /// Do not ask
    #[arg(long, short = 'f')]
    pub force: bool,

    /// Only images that pass: until=, label=, label!=
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Asks, removes, and tells how much room that made.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let filters = Filters::parse(&self.filter, Known::Pruning, SystemClock.now())?;
        let layout = self.layout.open(session)?;
        if !self.force && !self.confirmed(session)? {
            return Ok(());
        }
        let pruned = prune(&layout, self.all, &filters)?;
        let mut text = String::new();
        if !pruned.changes.is_empty() {
            text =
                format!("Deleted Images:\n{}\n", lines(&pruned.changes, ("untagged", "deleted")));
        }
        if pruned.leftovers > 0 {
            let pieces = pruned.leftovers;
            session.ui.status(format!("Removed {pieces} blobs that no image has"));
        }
        let reclaimed = human::size(pruned.reclaimed);
        Ok(session.ui.line(format!("{text}Total reclaimed space: {reclaimed}"))?)
    }

    fn confirmed(&self, session: &Session) -> Result<bool, CliError> {
        let what =
            if self.all { "all images, those with a name too" } else { "all dangling images" };
        let question = format!(
            "WARNING! This will remove {what}{}.\nAre you sure you want to continue?",
            if self.filter.is_empty() { "" } else { " that the filters let through" },
        );
        prompt::confirm(session.console().as_ref(), &question).map_err(|error| match error {
            PromptError::Unconfirmed => CliError::new(ErrorKind::Usage, error)
                .hint("`--force` answers the question beforehand"),
            error => error.into(),
        })
    }
}
