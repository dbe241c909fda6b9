//! `trust image rm IMAGE…`, and `trust rmi`

use crate::actions::image::rm::{Change, Options, remove};
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::outcome::InTurn;
use crate::cli::run::Session;
use crate::cli::ui::printable;

/// Remove images
///
/// A name is taken away; with its last name an image goes, and every layer that no other image
/// has. An image that others are based on stays, without a name, unless forced.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: names, ids or digests
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Remove what has several names, and what others are based on
    #[arg(long, short = 'f')]
    pub force: bool,

    /// Keep images without a name that a removed one was based on
    #[arg(long)]
    pub no_prune: bool,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Removes each image; goes on after one that cannot be removed.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let options = Options { force: self.force, keep_parents: self.no_prune };
        let outcomes = remove(&self.layout.open(session)?, &self.images, options)?;
        // Errors say of which image they are.
        let mut turns = InTurn::new(session, 1);
        for (image, outcome) in self.images.iter().zip(outcomes) {
            turns.take(image, || Ok(session.ui.data(lines(&outcome?, ("Untagged", "Deleted")))?));
        }
        turns.finish()
    }
}

/// What was done, a line each; docker has two ways to write the two words.
pub(super) fn lines(changes: &[Change], (untagged, deleted): (&str, &str)) -> String {
    let line = |change: &Change| match change {
        Change::Untagged(name) => format!("{untagged}: {}\n", printable(name)),
        Change::Deleted(digest) => format!("{deleted}: {digest}\n"),
    };
    changes.iter().map(line).collect()
}
