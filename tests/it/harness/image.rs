//! Images made byte by byte, sound or not: for a registry's shelf, or for a folder.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::registry::ScriptedRegistry;
use crate::peers::image::digest;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub(crate) const DOCKER_FOREIGN_LAYER: &str =
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// Bytes, and what they are said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    /// The media type.
    pub(crate) media_type: String,
    /// The content.
    pub(crate) bytes: Vec<u8>,
    /// The digest of what is inside, where this is a layer.
    diff_id: String,
}

impl Blob {
    /// Bytes of this media type.
    pub(crate) fn new(media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.to_owned(), diff_id: digest(&bytes), bytes }
    }

    /// JSON of this media type.
    pub(crate) fn json(media_type: &str, value: &Value) -> Self {
        Self::new(media_type, value.to_string())
    }

    /// A gzip layer of this archive.
    pub(crate) fn gzip_layer(archive: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(archive).unwrap();
        let bytes = encoder.finish().unwrap();
        Self { diff_id: digest(archive), ..Self::new(OCI_LAYER_GZIP, bytes) }
    }

    /// A zstd layer of this archive.
    pub(crate) fn zstd_layer(archive: &[u8]) -> Self {
        let bytes = zstd::encode_all(archive, 3).unwrap();
        Self { diff_id: digest(archive), ..Self::new(OCI_LAYER_ZSTD, bytes) }
    }

    /// A layer of one file of so many bytes that do not compress; `seed` makes it another one.
    pub(crate) fn layer_of(size: usize, seed: u64) -> Self {
        Self::gzip_layer(&archive(&[File::plain(&format!("file-{seed}"), noise(size, seed))]))
    }

    /// The same bytes under another media type.
    pub(crate) fn called(self, media_type: &str) -> Self {
        Self { media_type: media_type.to_owned(), ..self }
    }

    /// The same blob, whose content is said to have this digest.
    pub(crate) fn with_diff_id(self, diff_id: &str) -> Self {
        Self { diff_id: diff_id.to_owned(), ..self }
    }

    /// `sha256:` and so on.
    pub(crate) fn digest(&self) -> String {
        digest(&self.bytes)
    }

    /// How others refer to it.
    pub(crate) fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.media_type, "digest": self.digest(), "size": self.bytes.len(),
        })
    }
}

/// An image of one platform.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// The layers, base first.
    pub(crate) layers: Vec<Blob>,
    /// The configuration.
    pub(crate) config: Blob,
    /// The manifest over them.
    pub(crate) manifest: Blob,
}

impl Image {
    /// An image of these layers.
    pub(crate) fn of(layers: Vec<Blob>) -> Self {
        Self::on("amd64", layers)
    }

    /// An image of these layers for a kind of machine.
    pub(crate) fn on(architecture: &str, layers: Vec<Blob>) -> Self {
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let steps = layers.iter().map(|_| json!({"created_by": "a test"}));
        let config = json!({
            "architecture": architecture, "os": "linux", "created": "2020-02-02T00:00:00Z",
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": steps.collect::<Vec<_>>(),
        });
        Self::of_parts(Blob::json(OCI_CONFIG, &config), layers)
    }

    /// An image of one layer of so many bytes; `seed` makes it another one.
    pub(crate) fn of_size(size: usize, seed: u64) -> Self {
        Self::of(vec![Blob::layer_of(size, seed)])
    }

    /// An image of so many small layers.
    pub(crate) fn of_small_layers(count: u64, seed: u64) -> Self {
        Self::of((0..count).map(|number| Blob::layer_of(1000, seed + number)).collect())
    }

    /// An image of any configuration.
    pub(crate) fn of_parts(config: Blob, layers: Vec<Blob>) -> Self {
        let descriptors: Vec<Value> = layers.iter().map(Blob::descriptor).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": config.descriptor(), "layers": descriptors,
        });
        Self { layers, config, manifest: Blob::json(OCI_MANIFEST, &manifest) }
    }

    /// The same image, whose manifest says something else.
    pub(crate) fn with_manifest(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut value = serde_json::from_slice(&self.manifest.bytes).unwrap();
        change(&mut value);
        let manifest = Blob::json(&self.manifest.media_type, &value);
        Self { manifest, ..self }
    }

    /// The manifest's digest.
    pub(crate) fn digest(&self) -> String {
        self.manifest.digest()
    }

    /// Config and layers.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        std::iter::once(&self.config).chain(&self.layers)
    }

    /// Puts everything of it on a registry's shelf.
    pub(crate) fn serve(&self, registry: &ScriptedRegistry, repository: &str, tag: &str) {
        for blob in self.blobs() {
            registry.contents().put_blob(repository, &blob.bytes);
        }
        let Blob { media_type, bytes, .. } = &self.manifest;
        registry.contents().put_manifest(repository, tag, media_type, bytes);
    }

    /// An entry of an index for it.
    pub(crate) fn index_entry(&self, architecture: &str) -> Value {
        let mut entry = self.manifest.descriptor();
        entry["platform"] = json!({"architecture": architecture, "os": "linux"});
        entry
    }
}

/// An index of these entries.
pub(crate) fn index_of(entries: &[Value]) -> Blob {
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    Blob::json(OCI_INDEX, &index)
}

/// Writes an image into an image layout as others write them, under its full name.
pub(crate) fn write_into_layout(folder: &Path, name: &str, image: &Image) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    for blob in image.blobs().chain([&image.manifest]) {
        let hex = blob.digest().replace("sha256:", "");
        fs::write(blobs.join(hex), &blob.bytes).unwrap();
    }
    let mut index = read_index(folder);
    let mut entry = image.manifest.descriptor();
    entry["annotations"] = json!({REF_NAME: name});
    index["manifests"].as_array_mut().unwrap().push(entry);
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
}

/// Returns what a layout has under a full name.
pub(crate) fn digest_in_layout(folder: &Path, name: &str) -> Option<String> {
    let index = read_index(folder);
    let mut entries = index["manifests"].as_array().unwrap().iter();
    let entry = entries.find(|entry| entry["annotations"][REF_NAME] == name)?;
    Some(entry["digest"].as_str().unwrap().to_owned())
}

fn read_index(folder: &Path) -> Value {
    match fs::read(folder.join("index.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
    }
}

/// Something in an archive.
#[derive(Debug, Clone)]
pub(crate) struct File {
    name: String,
    kind: tar::EntryType,
    link: String,
    content: Vec<u8>,
}

impl File {
    /// A plain file.
    pub(crate) fn plain(name: &str, content: impl Into<Vec<u8>>) -> Self {
        let (kind, link) = (tar::EntryType::Regular, String::new());
        Self { name: name.to_owned(), kind, link, content: content.into() }
    }

    /// A link of either kind.
    pub(crate) fn link(kind: tar::EntryType, name: &str, target: &str) -> Self {
        Self { kind, link: target.to_owned(), ..Self::plain(name, "") }
    }
}

/// Returns an archive of these, whatever their names are.
pub(crate) fn archive(files: &[File]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in files {
        let mut header = tar::Header::new_ustar();
        // The library refuses the names that we are here for.
        let fields = header.as_ustar_mut().unwrap();
        fields.name[..file.name.len()].copy_from_slice(file.name.as_bytes());
        fields.linkname[..file.link.len()].copy_from_slice(file.link.as_bytes());
        header.set_entry_type(file.kind);
        header.set_size(file.content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&file.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Bytes that do not compress, the same for the same seed (Marsaglia's xorshift).
pub(crate) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// The annotation that names what an index refers to.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
