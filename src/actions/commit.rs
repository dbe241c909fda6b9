//! Making an image of what a command changed, which [`crate::actions::run`] kept.

use serde_json::{Value, json};

use crate::actions::image::find::{FindError, find};
use crate::actions::image::import::{Made, made};
use crate::actions::run::put;
use crate::dockerfile::config_change::{self, ChangeError};
use crate::oci::canonical::{self, CanonicalError};
use crate::oci::{Descriptor, ImageName};
use crate::store::{ImageLayout, ImageLayoutError};

/// What the image is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// A note in the image's history.
    pub message: String,
    /// Who made it.
    pub author: String,
    /// Instructions for its configuration.
    pub changes: Vec<String>,
    /// When it was made, in seconds since 1970.
    pub epoch: i64,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Nothing was kept under this name.
    #[error(transparent)]
    Find(#[from] FindError),
    /// An instruction.
    #[error("the configuration cannot be changed so")]
    Change(#[from] ChangeError),
    /// What comes of it is no image.
    #[error("this cannot be an image")]
    Canonical(#[from] CanonicalError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
}

/// Makes the image of what was kept, and gives it a name if there is one.
pub fn commit(
    layout: &ImageLayout,
    kept: &ImageName,
    name: Option<&ImageName>,
    options: &Options,
) -> Result<Made, CommitError> {
    let image = find(layout, &kept.to_string())?;
    let created = canonical::created(options.epoch)?;
    let mut document = image.config.raw.clone();
    document.insert("created".to_owned(), json!(created));
    if !options.author.is_empty() {
        document.insert("author".to_owned(), json!(options.author));
    }
    let config = document.entry("config").or_insert_with(|| json!({}));
    if let Value::Object(config) = config {
        config_change::apply(config, &options.changes)?;
    }
    // The last step of the history is the command.
    let history = document.get_mut("history").and_then(Value::as_array_mut);
    if let Some(Value::Object(step)) = history.and_then(|history| history.last_mut()) {
        step.insert("created".to_owned(), json!(created));
        if !options.message.is_empty() {
            step.insert("comment".to_owned(), json!(options.message));
        }
        if !options.author.is_empty() {
            step.insert("author".to_owned(), json!(options.author));
        }
    }
    made(layout, name, |lease| {
        let layers: Vec<Descriptor> = image.manifest.layers.clone();
        lease.protect(layers.iter().map(|layer| &layer.digest))?;
        put(lease, &document, &layers, &image.config.platform)
    })
}
