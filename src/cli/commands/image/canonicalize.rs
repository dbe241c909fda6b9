//! `trust image canonicalize IMAGE [NAME[:TAG]]`

use crate::actions::image::canonicalize::{Remade, canonicalize};
use crate::cli::archives::{RemakingArgs, new_name};
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Make an image anew in its canonical form
///
/// The new image has the same files and the same configuration, and a digest that depends on
/// nothing else. Prints its id.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image: a name, an id or a digest
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// Name of the new image
    #[arg(value_name = "NAME[:TAG]")]
    pub name: Option<String>,

    /// Which image, and how the new one is packed.
    #[command(flatten)]
    pub remaking: RemakingArgs,
}

impl Args {
    /// Makes the image.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let name = self.name.as_deref().map(new_name).transpose()?;
        let epoch = session.settings.epoch()?;
        let (layout, image) = self.remaking.find(session, &self.image)?;
        let (compression, expansion) = self.remaking.packing();
        let outcome = canonicalize(&layout, &image, name.as_ref(), epoch, compression, expansion)?;
        for (number, layer) in outcome.layers.iter().enumerate() {
            session.ui.status(format!("Layer {}: {}", number + 1, what_became_of(layer)));
        }
        if outcome.config_changed {
            session.ui.status("Configuration: members that say nothing were left out");
        }
        session.ui.status(format!("Digest: {}", outcome.made.descriptor.digest));
        Ok(session.ui.line(outcome.made.id.as_str())?)
    }
}

fn what_became_of(layer: &Remade) -> String {
    let (before, after) = (&layer.before, &layer.after);
    if before.descriptor.digest == after.descriptor.digest {
        return "canonical already".to_owned();
    }
    if before.diff_id == after.diff_id {
        return "the same archive, compressed anew".to_owned();
    }
    match (layer.entries_before, layer.entries_after) {
        (before, after) if before == after => format!("made anew, {after} entries"),
        (before, after) => format!("made anew, {after} entries instead of {before}"),
    }
}
