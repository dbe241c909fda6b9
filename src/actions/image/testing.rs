//! Small image layouts for the tests of the actions on local images.

use serde_json::{Value, json};

use crate::oci::manifest::{OCI_INDEX, OCI_MANIFEST};
use crate::oci::media_type::{OCI_CONFIG, OCI_LAYER};
use crate::oci::{Descriptor, Digest, ImageName, Platform, Reference};
use crate::store::{ImageLayout, ImageLayoutError};

/// A layout that is gone with the value.
#[derive(Debug)]
pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(crate) layout: ImageLayout,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = ImageLayout::new(folder.path().join("images"));
        Self { _folder: folder, layout }
    }

    /// Adds content.
    pub(crate) fn put(&self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let digest = self.layout.lease().unwrap().put(bytes).unwrap();
        Descriptor::new(media_type, digest, bytes.len() as u64)
    }

    /// Adds an image with these layers, one a text, for a platform; returns its manifest.
    pub(crate) fn image(&self, layers: &[&str], platform: &str) -> Descriptor {
        self.image_with(layers, platform, &json!({}))
    }

    /// As [`World::image`], with members that go into the configuration's place.
    pub(crate) fn image_with(
        &self,
        layers: &[&str],
        platform: &str,
        members: &Value,
    ) -> Descriptor {
        let platform = Platform::parse(platform).unwrap();
        let diff_ids: Vec<String> =
            layers.iter().map(|text| Digest::sha256_of(text.as_bytes()).to_string()).collect();
        let mut config = json!({"os": platform.os, "architecture": platform.architecture,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let config = self.put(OCI_CONFIG, config.to_string().as_bytes());
        let layers: Vec<Descriptor> =
            layers.iter().map(|text| self.put(OCI_LAYER, text.as_bytes())).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": config, "layers": layers});
        let mut manifest = self.put(OCI_MANIFEST, manifest.to_string().as_bytes());
        manifest.platform = Some(platform);
        manifest
    }

    /// Adds an index of these manifests; returns it.
    pub(crate) fn index(&self, manifests: &[Descriptor]) -> Descriptor {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
        self.put(OCI_INDEX, index.to_string().as_bytes())
    }

    /// Gives an image a name.
    pub(crate) fn name(&self, name: &str, image: &Descriptor) {
        self.name_from(name, image, None);
    }

    /// As [`World::name`]; it was pulled as `source`.
    pub(crate) fn name_from(&self, name: &str, image: &Descriptor, source: Option<&str>) {
        let name = ImageName::parse(name).unwrap();
        let source = source.map(|text| Reference::parse(text).unwrap());
        let locked = self.layout.lock().unwrap();
        let named = locked.change(|index| {
            index.set(&name, image, source.as_ref());
            Ok::<_, ImageLayoutError>(())
        });
        named.unwrap();
    }

    /// Gives an image a name as others write them, letter by letter.
    pub(crate) fn bare(&self, name: &str, image: &Descriptor) {
        let locked = self.layout.lock().unwrap();
        let named = locked.change(|index| {
            index.set(&ImageName::Bare(name.to_owned()), image, None);
            Ok::<_, ImageLayoutError>(())
        });
        named.unwrap();
    }

    /// The id of an image.
    pub(crate) fn id(&self, manifest: &Descriptor) -> Digest {
        let bytes = self.layout.manifest(manifest).unwrap();
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        Digest::parse(manifest["config"]["digest"].as_str().unwrap()).unwrap()
    }
}
