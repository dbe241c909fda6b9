//! The image that a stage has become.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::build::built::{Built, Inputs};
use crate::build::engine::Stage;
use crate::build::error::BuildError;
use crate::oci::canonical;
use crate::oci::manifest::OCI_MANIFEST;
use crate::oci::media_type::OCI_CONFIG;
use crate::oci::{Descriptor, Digest};
use crate::store::Lease;

/// Stores configuration and manifest of a stage.
pub(super) fn image(
    stage: &Stage,
    inputs: Inputs,
    labels: &[(String, String)],
    lease: &Lease,
    created: &str,
) -> Result<Built, BuildError> {
    let mut image = stage.image.clone();
    for (name, value) in labels {
        image.insert_into("Labels", name, json!(value));
    }
    let diff_ids: Vec<Digest> = stage.layers.iter().map(|layer| layer.diff_id.clone()).collect();
    let config = canonical::config_bytes(&image.document(&diff_ids, created));
    let config = config.map_err(BuildError::anywhere)?;
    let id = lease.put(&config).map_err(BuildError::anywhere)?;
    let described = Descriptor::new(OCI_CONFIG, id.clone(), config.len() as u64);
    let layers: Vec<Descriptor> =
        stage.layers.iter().map(|layer| layer.descriptor.clone()).collect();
    let annotations = BTreeMap::from([
        (canonical::PROFILE_ANNOTATION.to_owned(), canonical::PROFILE.to_owned()),
        (canonical::BUILD_ANNOTATION.to_owned(), inputs.to_json()),
    ]);
    let manifest = canonical::manifest_bytes(&described, &layers, &annotations, None);
    let manifest = manifest.map_err(BuildError::anywhere)?;
    let digest = lease.put(&manifest).map_err(BuildError::anywhere)?;
    let mut descriptor = Descriptor::new(OCI_MANIFEST, digest, manifest.len() as u64);
    descriptor.platform = Some(image.platform.clone());
    Ok(Built { descriptor, id, inputs, steps: BTreeSet::new(), cached: (0, 0) })
}
