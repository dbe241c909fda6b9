//! `trust image canonicalize IMAGE [NAME[:TAG]]`

use crate::actions::image::canonicalize::{Remade, canonicalize};
use crate::actions::image::find::{find, find_for};
use crate::cli::archives::{CompressionChoice, ExpansionArgs, platform};
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::run::Session;
use crate::oci::ImageName;
use crate::oci::media_type::Compression;

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

    /// Platform of an image for several, such as `linux/arm64`
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// Compression of the layers
    #[arg(long, value_enum, default_value = "gzip")]
    pub compression: CompressionChoice,

    /// How large layers may be.
    #[command(flatten)]
    pub expansion: ExpansionArgs,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Makes the image.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let name = self.name.as_deref().map(ImageName::parse).transpose()?;
        if name.as_ref().and_then(ImageName::reference).is_some_and(|name| name.digest().is_some())
        {
            return Err(CliError::usage("the name of a new image has no digest"));
        }
        let platform = platform(self.platform.as_deref())?;
        let epoch = session.settings.epoch()?;
        let layout = self.layout.open(session)?;
        let image = match platform {
            Some(platform) => find_for(&layout, &self.image, &platform)?,
            None => find(&layout, &self.image)?,
        };
        let (compression, expansion) =
            (Compression::from(self.compression), self.expansion.expansion());
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
