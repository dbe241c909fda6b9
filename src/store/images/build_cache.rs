//! Steps of builds that were done: which layer each made, by what went into it.
//!
//! One file of the layout lists them. The layers themselves are content like any other; whoever
//! removes content leaves alone what is listed here. A list that cannot be read is an empty one:
//! all it costs is work done again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_BUILD_CACHE_BYTES, MAX_BUILD_STEPS_KEPT};
use crate::oci::{Descriptor, Digest};
use crate::store::files::PUBLIC_MODE;
use crate::store::images::error::ImageLayoutError;
use crate::store::images::layer_archive::StoredLayer;
use crate::store::images::layout::{ImageLayout, Locked};
use crate::store::images::lease::Lease;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecord {
    /// The layer it made, if it changed any file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<RecordedLayer>,
    /// The step's text.
    pub text: String,
    /// When, in seconds since 1970.
    pub made: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedLayer {
    media_type: String,
    digest: String,
    size: u64,
    diff_id: String,
}

/// Steps that were done, by the digest of what went into them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildSteps {
    steps: BTreeMap<Digest, StepRecord>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    steps: BTreeMap<String, StepRecord>,
}

impl StepRecord {
    /// What a step made.
    pub fn new(layer: Option<&StoredLayer>, text: String, made: i64) -> Self {
        let layer = layer.map(|layer| RecordedLayer {
            media_type: layer.descriptor.media_type.clone(),
            digest: layer.descriptor.digest.to_string(),
            size: layer.descriptor.size,
            diff_id: layer.diff_id.to_string(),
        });
        Self { layer, text, made }
    }

    /// The layer it made, if it made one.
    pub fn layer(&self) -> Option<StoredLayer> {
        let layer = self.layer.as_ref()?;
        let digest = Digest::parse(&layer.digest).ok()?;
        Some(StoredLayer {
            diff_id: Digest::parse(&layer.diff_id).ok()?,
            descriptor: Descriptor::new(layer.media_type.clone(), digest, layer.size),
        })
    }

    fn is_sound(&self) -> bool {
        self.layer.is_none() || self.layer().is_some()
    }
}

impl BuildSteps {
    /// The step that these inputs came to.
    pub fn get(&self, inputs: &Digest) -> Option<&StepRecord> {
        self.steps.get(inputs)
    }

    /// All steps, by their inputs.
    pub fn iter(&self) -> impl Iterator<Item = (&Digest, &StepRecord)> {
        self.steps.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Adds steps; of more than are kept, the oldest go.
    pub fn add(&mut self, steps: impl IntoIterator<Item = (Digest, StepRecord)>) {
        self.steps.extend(steps);
        let surplus = self.steps.len().saturating_sub(MAX_BUILD_STEPS_KEPT);
        let mut by_age: Vec<(i64, Digest)> =
            self.steps.iter().map(|(inputs, step)| (step.made, inputs.clone())).collect();
        by_age.sort();
        for (_, inputs) in by_age.into_iter().take(surplus) {
            self.steps.remove(&inputs);
        }
    }

    /// Keeps those alone that `wanted` says.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Digest, &StepRecord) -> bool) {
        self.steps.retain(|inputs, step| wanted(inputs, step));
    }

    /// The digests of their layers.
    pub fn layers(&self) -> BTreeSet<Digest> {
        let layers = self.steps.values().filter_map(StepRecord::layer);
        layers.map(|layer| layer.descriptor.digest).collect()
    }

    /// Reads a list; `None` if it cannot be read.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(bytes).ok()?;
        if document.version != VERSION {
            return None;
        }
        let steps = document.steps.into_iter().filter(|(_, step)| step.is_sound());
        let steps = steps.filter_map(|(inputs, step)| Some((Digest::parse(&inputs).ok()?, step)));
        Some(Self { steps: steps.collect() })
    }

    /// Writes the list.
    pub fn to_bytes(&self) -> Vec<u8> {
        let steps = self.steps.iter().map(|(inputs, step)| (inputs.to_string(), step.clone()));
        let document = Document { version: VERSION, steps: steps.collect() };
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

impl ImageLayout {
    /// The steps of builds whose outcome was kept.
    pub fn build_steps(&self) -> Result<BuildSteps, ImageLayoutError> {
        let path = self.base.path().join(FILE);
        let contents = self.base.read(&path, MAX_BUILD_CACHE_BYTES)?;
        Ok(contents.and_then(|file| BuildSteps::parse(&file.bytes)).unwrap_or_default())
    }
}

impl Locked<'_> {
    /// Replaces the list of steps.
    pub fn write_build_steps(&self, steps: &BuildSteps) -> Result<(), ImageLayoutError> {
        let base = &self.layout().base;
        Ok(base.write(&base.path().join(FILE), &steps.to_bytes(), PUBLIC_MODE)?)
    }
}

impl Lease {
    /// Keeps these steps for later builds, once all that was written lasts.
    pub fn keep_steps(
        &self,
        steps: impl IntoIterator<Item = (Digest, StepRecord)>,
    ) -> Result<(), ImageLayoutError> {
        let mut steps = steps.into_iter().peekable();
        if steps.peek().is_none() {
            return Ok(());
        }
        self.sync()?;
        let locked = self.layout().lock()?;
        let mut kept = self.layout().build_steps()?;
        kept.add(steps);
        locked.write_build_steps(&kept)
    }

    /// Whether the layer of a step that was kept is there, and stays. It is not read: it was whole,
    /// and on the disk, before the step was listed.
    pub fn has_kept(&self, layer: &Descriptor) -> Result<bool, ImageLayoutError> {
        self.protect([&layer.digest])?;
        Ok(self.layout().has_blob(layer))
    }
}

/// Where the list is.
const FILE: &str = ".trust-build-steps.json";
/// Which form it has, and what the inputs are a digest of: another number is another list.
const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use crate::oci::media_type::OCI_LAYER_GZIP;

    use super::*;

    fn layout() -> (tempfile::TempDir, ImageLayout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = ImageLayout::new(folder.path().join("images"));
        (folder, layout)
    }

    fn layer(lease: &Lease, bytes: &[u8]) -> StoredLayer {
        let digest = lease.put(bytes).unwrap();
        let descriptor = Descriptor::new(OCI_LAYER_GZIP, digest, bytes.len() as u64);
        StoredLayer { diff_id: Digest::sha256_of(bytes), descriptor }
    }

    #[test]
    fn a_step_is_found_by_its_inputs_and_its_layer_stays() {
        let (_folder, layout) = layout();
        let lease = layout.lease().unwrap();
        let layer = layer(&lease, b"layer");
        let inputs = Digest::sha256_of(b"inputs");
        let step = StepRecord::new(Some(&layer), "COPY . .".to_owned(), 7);
        lease.keep_steps([(inputs.clone(), step)]).unwrap();
        lease.tidy().unwrap();
        layout.lock().unwrap().remove_unused(0).unwrap();

        let steps = layout.build_steps().unwrap();
        let found = steps.get(&inputs).unwrap().layer().unwrap();
        assert_eq!(found.descriptor, layer.descriptor);
        assert!(layout.lease().unwrap().has_kept(&found.descriptor).unwrap());
    }

    #[test]
    fn what_no_step_lists_any_more_goes() {
        let (_folder, layout) = layout();
        let lease = layout.lease().unwrap();
        let layer = layer(&lease, b"layer");
        let step = StepRecord::new(Some(&layer), String::new(), 7);
        lease.keep_steps([(Digest::sha256_of(b"inputs"), step)]).unwrap();
        drop(lease);
        let locked = layout.lock().unwrap();
        locked.write_build_steps(&BuildSteps::default()).unwrap();
        locked.remove_unused(0).unwrap();
        assert!(!layout.has_blob(&layer.descriptor));
    }

    #[test]
    fn a_damaged_list_is_an_empty_one() {
        for damage in ["", "{", r#"{"version":2,"steps":{}}"#, r#"{"version":1,"steps":{"x":1}}"#] {
            assert_eq!(BuildSteps::parse(damage.as_bytes()), None, "{damage}");
        }
        let unsound = r#"{"version":1,"steps":{"sha256:00":{"text":"","made":1}}}"#;
        assert_eq!(BuildSteps::parse(unsound.as_bytes()), Some(BuildSteps::default()));
    }

    #[test]
    fn of_too_many_the_oldest_go() {
        let mut steps = BuildSteps::default();
        let step = |made: i64| {
            let inputs = Digest::sha256_of(&made.to_be_bytes());
            (inputs, StepRecord::new(None, String::new(), made))
        };
        steps.add((0..=i64::try_from(MAX_BUILD_STEPS_KEPT).unwrap()).map(step));
        assert_eq!(steps.len(), MAX_BUILD_STEPS_KEPT);
        assert!(steps.get(&step(0).0).is_none() && steps.get(&step(1).0).is_some());
    }
}
