//! Building an image again from what it says that it was made of.

use std::sync::Arc;

use serde_json::Value;

use crate::actions::build::outside::Recorded;
use crate::actions::build::run::Request;
use crate::actions::context::Context;
use crate::actions::image::find::{FindError, LocalImage, find_for};
use crate::actions::pull::{self, PullError, pull};
use crate::actions::transfer::{Platforms, Progress};
use crate::actions::verify::Verdict;
use crate::build::built::Inputs;
use crate::build::record::RecordError;
use crate::oci::canonical::{BUILD_ANNOTATION, PROFILE, PROFILE_ANNOTATION};
use crate::oci::media_type::Compression;
use crate::oci::{Digest, Platform, Reference};
use crate::store::ImageLayout;

/// An image that is to be built again.
#[derive(Debug)]
pub struct Original {
    /// The image.
    pub image: LocalImage,
    /// What it was made of.
    pub inputs: Inputs,
    /// Why it is trusted, if it had to be.
    pub verdict: Option<Verdict>,
}

/// Why an image cannot be built again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// It cannot be had.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// It cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// It does not say what it was made of.
    #[error("{image} does not say what it was made of")]
    NoRecord {
        /// The image.
        image: String,
    },
    /// It was made by other rules.
    #[error("{image} was made by the profile `{profile}`, and this program makes `{PROFILE}`")]
    OtherProfile {
        /// The image.
        image: String,
        /// Its profile.
        profile: String,
    },
    /// What it says cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The Dockerfile is another.
    #[error("the Dockerfile is {actual}, but the image was made with {expected}")]
    OtherDockerfile {
        /// What was recorded.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
}

/// Finds an image, with content trust the one that is signed, and reads what it was made of.
pub async fn original(
    context: &Context,
    layout: &ImageLayout,
    reference: &Reference,
    platform: &Platform,
    trusted: Option<&[String]>,
    progress: &Arc<dyn Progress>,
) -> Result<Original, RebuildError> {
    let here = find_for(layout, &reference.to_string(), platform);
    let mut verdict = None;
    // Without trust, what is here will do.
    let image = if let (Ok(image), None) = (here, trusted) {
        image
    } else {
        let request = pull::Request {
            reference: reference.clone(),
            trusted: trusted.map(<[String]>::to_vec),
            platforms: Platforms::One(platform.clone()),
        };
        let pulled = Box::pin(pull(context, layout, &request, progress)).await?;
        verdict = pulled.verdict;
        find_for(layout, &pulled.name.to_string(), platform)?
    };
    let inputs = inputs_of(&image, &reference.familiar())?;
    Ok(Original { image, inputs, verdict })
}

fn inputs_of(image: &LocalImage, name: &str) -> Result<Inputs, RebuildError> {
    let manifest: Value = serde_json::from_slice(&image.manifest_bytes).unwrap_or_default();
    let note = |key: &str| {
        let notes = manifest.get("annotations")?;
        notes.get(key)?.as_str().map(str::to_owned)
    };
    match note(PROFILE_ANNOTATION) {
        Some(profile) if profile != PROFILE => {
            return Err(RebuildError::OtherProfile { image: name.to_owned(), profile });
        }
        _ => {}
    }
    let record = note(BUILD_ANNOTATION);
    let record = record.ok_or_else(|| RebuildError::NoRecord { image: name.to_owned() })?;
    Ok(Inputs::parse(&record)?)
}

impl Original {
    /// Makes a request of what was recorded; what a person typed besides stays.
    pub fn fill(&self, request: &mut Request) {
        let inputs = &self.inputs;
        request.settings.arguments.clone_from(&inputs.arguments);
        request.settings.labels = inputs.labels.clone().into_iter().collect();
        request.settings.target.clone_from(&inputs.target);
        request.settings.epoch = inputs.epoch;
        request.settings.keeps_modes = inputs.keeps_modes;
        request.platforms = vec![self.image.config.platform.clone()];
        request.lock = None;
        let own = self.image.manifest.layers.last();
        let compression = own.and_then(|layer| Compression::of_layer(&layer.media_type));
        if let Some(compression) = compression {
            request.settings.compression = compression;
        }
        let unpinned = inputs.holes.iter().filter_map(|hole| hole.strip_prefix("unpinned: "));
        request.recorded = Some(Recorded {
            images: inputs.images.clone(),
            downloads: inputs.downloads.clone(),
            unpinned: unpinned.map(str::to_owned).collect(),
        });
    }

    /// Refuses another Dockerfile than the one that was recorded.
    pub fn check_dockerfile(&self, text: &str) -> Result<(), RebuildError> {
        let actual = Digest::sha256_of(text.as_bytes());
        match &self.inputs.dockerfile {
            Some(expected) if *expected != actual => {
                Err(RebuildError::OtherDockerfile { expected: expected.clone(), actual })
            }
            _ => Ok(()),
        }
    }
}
