//! Image layouts for tests: written by hand, as any program might write them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::peers::image;

/// An OCI image layout that a test writes file by file.
#[derive(Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Begins a layout in a folder, which is made.
    pub(crate) fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let layout = Self::at(folder);
        layout.write_index(&json!({"schemaVersion": 2, "manifests": []}));
        layout
    }

    /// A layout that is there already.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Adds content; returns its descriptor.
    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = image::digest(bytes);
        fs::write(self.path_of(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Where content of a digest is.
    pub(crate) fn path_of(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs").join(digest.replace(':', "/"))
    }

    /// Adds an image: its layers are archives as they are, `config` has what the configuration
    /// has beside `rootfs`; returns the manifest's descriptor.
    pub(crate) fn image(&self, layers: &[&[u8]], config: &Value) -> Value {
        let diff_ids: Vec<String> = layers.iter().map(|layer| image::digest(layer)).collect();
        let mut whole = json!({"architecture": "amd64", "os": "linux"});
        let members = whole.as_object_mut().unwrap();
        members.extend(config.as_object().unwrap().clone());
        members.insert("rootfs".into(), json!({"type": "layers", "diff_ids": diff_ids}));
        let config = self.blob(CONFIG, whole.to_string().as_bytes());
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(LAYER, layer)).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
            "layers": layers});
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    /// Adds an index of manifests, each with the platform of its configuration.
    pub(crate) fn index(&self, manifests: &[Value]) -> Value {
        let manifests: Vec<Value> = manifests.iter().map(|one| self.with_platform(one)).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        self.blob(INDEX, index.to_string().as_bytes())
    }

    /// Appends an entry for an image: `name` is written as it is, nothing if it is empty.
    pub(crate) fn add(&self, name: &str, image: &Value) {
        let mut entry = image.clone();
        if !name.is_empty() {
            entry["annotations"] = json!({REF_NAME: name});
        }
        let mut index = self.read_index();
        index["manifests"].as_array_mut().unwrap().push(entry);
        self.write_index(&index);
    }

    /// The index of the layout.
    pub(crate) fn read_index(&self) -> Value {
        read_json(&self.folder.join("index.json"))
    }

    /// Replaces the index of the layout.
    pub(crate) fn write_index(&self, index: &Value) {
        fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
    }

    /// What the entries are called, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let index = self.read_index();
        let entries = index["manifests"].as_array().unwrap().iter();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry["annotations"][REF_NAME].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// The digests of all content, sorted; every one is checked.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder.join("blobs/sha256")).unwrap() {
            let path = entry.unwrap().path();
            let digest = format!("sha256:{}", path.file_name().unwrap().to_str().unwrap());
            assert_eq!(image::digest(&fs::read(&path).unwrap()), digest, "content is damaged");
            found.push(digest);
        }
        found.sort();
        found
    }

    /// A manifest, an index or a configuration.
    pub(crate) fn json(&self, digest: &str) -> Value {
        read_json(&self.path_of(digest))
    }

    /// The digest of a manifest's configuration: the id of its image.
    pub(crate) fn id(&self, manifest: &Value) -> String {
        let manifest = self.json(manifest["digest"].as_str().unwrap());
        manifest["config"]["digest"].as_str().unwrap().to_owned()
    }

    /// Asserts that everything that the entries reach is there, and whole.
    pub(crate) fn assert_whole(&self) {
        let mut pending: Vec<Value> = self.read_index()["manifests"].as_array().unwrap().clone();
        while let Some(descriptor) = pending.pop() {
            let digest = descriptor["digest"].as_str().unwrap();
            let bytes = fs::read(self.path_of(digest))
                .unwrap_or_else(|error| panic!("{digest} is gone: {error}"));
            assert_eq!(image::digest(&bytes), digest, "content is damaged");
            let media_type = descriptor["mediaType"].as_str().unwrap();
            if !media_type.contains("manifest") && !media_type.contains("index") {
                continue;
            }
            let manifest: Value = serde_json::from_slice(&bytes).unwrap();
            for list in ["manifests", "layers"] {
                pending.extend(manifest[list].as_array().cloned().unwrap_or_default());
            }
            pending.extend(manifest.get("config").cloned());
        }
    }

    fn with_platform(&self, manifest: &Value) -> Value {
        let config = self.json(&self.id(manifest));
        let mut manifest = manifest.clone();
        manifest["platform"] = json!({"architecture": config["architecture"], "os": config["os"]});
        manifest
    }
}

/// An archive of files: names and contents.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, contents.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
