//! Manifests and indexes (spec/canonical-image.md §6).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::oci::canonical::{CanonicalError, json_bytes};
use crate::oci::manifest::{OCI_INDEX, OCI_MANIFEST};
use crate::oci::media_type::{Compression, OCI_CONFIG, is_foreign_layer};
use crate::oci::{Descriptor, Platform};

/// The manifest of an image: its configuration, its layers, base first, what is noted of it, and
/// what it is a statement of, if it is one.
pub fn manifest_bytes(
    config: &Descriptor,
    layers: &[Descriptor],
    annotations: &BTreeMap<String, String>,
    subject: Option<&Descriptor>,
) -> Result<Vec<u8>, CanonicalError> {
    let config = Descriptor::new(OCI_CONFIG, config.digest.clone(), config.size);
    let layers: Vec<Descriptor> = layers.iter().map(layer_descriptor).collect();
    let mut manifest = document(OCI_MANIFEST, annotations, subject);
    manifest.insert("config".to_owned(), json!(config));
    manifest.insert("layers".to_owned(), json!(layers));
    json_bytes(&Value::Object(manifest))
}

/// The index of manifests for several platforms, each descriptor with its own; sorted by platform.
pub fn index_bytes(
    manifests: &[Descriptor],
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<u8>, CanonicalError> {
    let described = manifests.iter().map(|manifest| Descriptor {
        platform: manifest.platform.clone(),
        ..Descriptor::new(OCI_MANIFEST, manifest.digest.clone(), manifest.size)
    });
    let mut described: Vec<Descriptor> = described.collect();
    described.sort_by_cached_key(|manifest| {
        (manifest.platform.as_ref().map(Platform::to_string), manifest.digest.clone())
    });
    let mut index = document(OCI_INDEX, annotations, None);
    index.insert("manifests".to_owned(), json!(described));
    json_bytes(&Value::Object(index))
}

/// What a manifest says of a layer: OCI's media type, also of a layer of docker's, digest and size,
/// and where else to get it if registries need not have it.
pub fn layer_descriptor(layer: &Descriptor) -> Descriptor {
    let is_foreign = is_foreign_layer(&layer.media_type);
    let media_type = match Compression::of_layer(&layer.media_type) {
        Some(compression) if is_foreign => {
            compression.oci_layer().replace("layer.v1", "layer.nondistributable.v1")
        }
        Some(compression) => compression.oci_layer().to_owned(),
        None => layer.media_type.clone(),
    };
    let urls = if is_foreign { layer.urls.clone() } else { Vec::new() };
    Descriptor { urls, ..Descriptor::new(media_type, layer.digest.clone(), layer.size) }
}

fn document(
    media_type: &str,
    annotations: &BTreeMap<String, String>,
    subject: Option<&Descriptor>,
) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("schemaVersion".to_owned(), json!(2));
    document.insert("mediaType".to_owned(), json!(media_type));
    if !annotations.is_empty() {
        document.insert("annotations".to_owned(), json!(annotations));
    }
    if let Some(subject) = subject {
        let Descriptor { media_type, digest, size, .. } = subject.clone();
        document.insert("subject".to_owned(), json!(Descriptor::new(media_type, digest, size)));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::media_type::DOCKER_LAYER_GZIP;
    use crate::oci::{Digest, Manifest};

    #[test]
    fn written_in_one_way_and_read() {
        let digest = Digest::sha256_of(b"x");
        let mut config = Descriptor::new("docker's", digest.clone(), 3);
        config.annotations.insert("k".to_owned(), "v".to_owned());
        let layer = Descriptor {
            platform: config.platform.clone(),
            ..Descriptor::new(DOCKER_LAYER_GZIP, digest.clone(), 4)
        };
        let notes = [("b".to_owned(), "<".to_owned()), ("a".to_owned(), String::new())].into();
        let bytes = manifest_bytes(&config, &[layer], &notes, None).unwrap();
        let expected = format!(
            "{{\"annotations\":{{\"a\":\"\",\"b\":\"<\"}},\"config\":{{\"digest\":\"{digest}\",\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":3}},\"layers\":[{{\"digest\":\"{digest}\",\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":4}}],\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"schemaVersion\":2}}"
        );
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        assert!(matches!(Manifest::parse(OCI_MANIFEST, &bytes), Ok(Manifest::Image(_))));
    }

    #[test]
    fn an_index_is_sorted() {
        let of = |platform: &str| Descriptor {
            platform: Some(Platform::parse(platform).unwrap()),
            ..Descriptor::new(OCI_MANIFEST, Digest::sha256_of(platform.as_bytes()), 1)
        };
        let (arm, amd) = (of("linux/arm64"), of("linux/amd64"));
        let one = index_bytes(&[arm.clone(), amd.clone()], &BTreeMap::new()).unwrap();
        assert_eq!(one, index_bytes(&[amd, arm], &BTreeMap::new()).unwrap());
        let text = std::str::from_utf8(&one).unwrap();
        assert!(text.starts_with("{\"manifests\":[{\"digest\":"), "{text}");
        assert!(
            text.contains("\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"},\"size\":1}")
        );
        assert!(matches!(Manifest::parse(OCI_INDEX, &one), Ok(Manifest::Index(_))));
    }

    #[test]
    fn foreign_layers_stay_foreign() {
        let media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let urls = vec!["https://h.example/".to_owned()];
        let layer = Descriptor { urls, ..Descriptor::new(media_type, Digest::sha256_of(b""), 1) };
        let described = layer_descriptor(&layer);
        let expected = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
        assert_eq!(described.media_type, expected);
        assert_eq!(described.urls.len(), 1);
    }
}
