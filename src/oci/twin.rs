//! The OCI twin of an image in docker's dialect: the same configuration and layers, under OCI's
//! media types.
//!
//! Programs that read image layouts follow OCI's manifests alone. So a layout has an image of
//! docker's as its twin, which they find, and keeps the original beside it, which is what is signed
//! and what is sent on (`spec/image-layout.md`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::oci::manifest::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::oci::media_type::{
    DOCKER_CONFIG, DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_LAYER_ZSTD, OCI_CONFIG, OCI_LAYER,
    OCI_LAYER_GZIP, OCI_LAYER_ZSTD,
};
use crate::oci::{Descriptor, Digest};

/// Twins of the manifests of one image.
#[derive(Debug, Default)]
pub struct Twins {
    made: BTreeMap<Digest, Descriptor>,
}

impl Twins {
    /// Makes the twin of a manifest or list whose own parts were handed in before; `None` if it is
    /// in OCI's dialect already. Returns what names it, and its bytes.
    pub fn of(&mut self, original: &Descriptor, bytes: &[u8]) -> Option<(Descriptor, Vec<u8>)> {
        let media_type = match original.media_type.as_str() {
            DOCKER_MANIFEST => OCI_MANIFEST,
            DOCKER_LIST => OCI_INDEX,
            _ => return None,
        };
        // It was parsed before.
        let mut document: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        document.insert("mediaType".to_owned(), json!(media_type));
        for part in document.get_mut("layers").and_then(Value::as_array_mut).into_iter().flatten() {
            translate(part);
        }
        document.get_mut("config").map(translate);
        let members = document.get_mut("manifests").and_then(Value::as_array_mut);
        for member in members.into_iter().flatten() {
            self.lead_to_twin(member);
        }
        let bytes = Value::Object(document).to_string().into_bytes();
        let digest = Digest::sha256_of(&bytes);
        let mut twin = Descriptor::new(media_type, digest, bytes.len() as u64);
        twin.platform.clone_from(&original.platform);
        self.made.insert(original.digest.clone(), twin.clone());
        Some((twin, bytes))
    }

    fn lead_to_twin(&self, member: &mut Value) {
        let digest = member.get("digest").and_then(Value::as_str);
        let twin = digest.and_then(|text| Digest::parse(text).ok());
        let twin = twin.and_then(|digest| self.made.get(&digest));
        if let (Some(twin), Some(member)) = (twin, member.as_object_mut()) {
            member.insert("mediaType".to_owned(), json!(twin.media_type));
            member.insert("digest".to_owned(), json!(twin.digest.as_str()));
            member.insert("size".to_owned(), json!(twin.size));
        }
    }
}

fn translate(part: &mut Value) {
    let Some(part) = part.as_object_mut() else { return };
    let Some(media_type) = part.get("mediaType").and_then(Value::as_str) else { return };
    let translated = match media_type {
        DOCKER_CONFIG => OCI_CONFIG,
        DOCKER_LAYER => OCI_LAYER,
        DOCKER_LAYER_GZIP => OCI_LAYER_GZIP,
        DOCKER_LAYER_ZSTD => OCI_LAYER_ZSTD,
        DOCKER_FOREIGN_LAYER => "application/vnd.oci.image.layer.nondistributable.v1.tar",
        DOCKER_FOREIGN_LAYER_GZIP => "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        _ => return,
    };
    part.insert("mediaType".to_owned(), json!(translated));
}

const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";
const DOCKER_FOREIGN_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Manifest;
    use crate::oci::manifest::ImageManifest;

    fn image() -> (Descriptor, Vec<u8>) {
        let digest = Digest::sha256_of(b"x");
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{{"mediaType":"{DOCKER_CONFIG}","digest":"{digest}","size":1}},"layers":[{{"mediaType":"{DOCKER_LAYER_GZIP}","digest":"{digest}","size":1}},{{"mediaType":"{DOCKER_FOREIGN_LAYER_GZIP}","digest":"{digest}","size":1,"urls":["https://h/"]}}]}}"#
        );
        let bytes = text.into_bytes();
        let digest = Digest::sha256_of(&bytes);
        (Descriptor::new(DOCKER_MANIFEST, digest, bytes.len() as u64), bytes)
    }

    #[test]
    fn a_twin_has_the_same_parts_under_other_names() {
        let (original, bytes) = image();
        let (twin, twin_bytes) = Twins::default().of(&original, &bytes).unwrap();
        assert_eq!(twin.digest, Digest::sha256_of(&twin_bytes));
        let Manifest::Image(ImageManifest { config, layers, .. }) =
            Manifest::parse(OCI_MANIFEST, &twin_bytes).unwrap()
        else {
            panic!("an index")
        };
        assert_eq!(config.media_type, OCI_CONFIG);
        assert_eq!(layers[0].media_type, OCI_LAYER_GZIP);
        assert!(layers[1].media_type.contains("nondistributable"));
        assert_eq!(layers[1].urls, ["https://h/"]);
        assert_eq!(Twins::default().of(&twin, &twin_bytes), None);
    }

    #[test]
    fn a_list_leads_to_twins() {
        let (original, bytes) = image();
        let other = Digest::sha256_of(b"other");
        let list = format!(
            r#"{{"schemaVersion":2,"mediaType":"{DOCKER_LIST}","manifests":[{{"mediaType":"{DOCKER_MANIFEST}","digest":"{}","size":{},"platform":{{"os":"linux","architecture":"arm64","os.version":"1"}}}},{{"mediaType":"{OCI_MANIFEST}","digest":"{other}","size":1}}]}}"#,
            original.digest, original.size
        );
        let list_descriptor =
            Descriptor::new(DOCKER_LIST, Digest::sha256_of(list.as_bytes()), list.len() as u64);
        let mut twins = Twins::default();
        let (twin, _) = twins.of(&original, &bytes).unwrap();
        let (_, index) = twins.of(&list_descriptor, list.as_bytes()).unwrap();
        let Manifest::Index(parsed) = Manifest::parse(OCI_INDEX, &index).unwrap() else {
            panic!("an image")
        };
        assert_eq!(parsed.manifests[0].digest, twin.digest);
        assert_eq!(parsed.manifests[1].digest, other);
        assert!(String::from_utf8(index).unwrap().contains(r#""os.version":"1""#));
    }
}
