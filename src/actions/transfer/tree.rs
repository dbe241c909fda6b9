//! An image as a whole: all its manifests, and the blobs that they name.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::limits::{MAX_IMAGE_CONFIG_BYTES, MAX_IMAGE_MANIFESTS, MAX_INDEX_DEPTH};
use crate::oci::image_config::ImageConfigError;
use crate::oci::manifest::is_manifest;
use crate::oci::media_type::{DOCKER_CONFIG, OCI_CONFIG, is_foreign_layer};
use crate::oci::{Descriptor, Digest, ImageConfig, Manifest, ManifestError};
use crate::store::{ImageLayout, ImageLayoutError};

/// The manifests of an image, those that others name before those that name them, and its blobs.
#[derive(Debug, Clone, Default)]
pub struct ImageTree {
    /// Each manifest and index, with its bytes; the image's own is the last.
    pub manifests: Vec<Node>,
    /// Each blob once, in the order of the manifests.
    pub blobs: Vec<Descriptor>,
}

/// One manifest or index.
#[derive(Debug, Clone)]
pub struct Node {
    /// What names it.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Bytes,
    /// What it says.
    pub manifest: Manifest,
}

/// Why something is no image that can be moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A manifest that is none.
    #[error("{digest} is not a usable manifest")]
    Manifest {
        /// Its digest.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        cause: ManifestError,
    },
    /// A manifest of another length than the one that names it says.
    #[error("the manifest {digest} has {actual} bytes, but {expected} are said")]
    Size {
        /// Its digest.
        digest: Digest,
        /// Said, in bytes.
        expected: u64,
        /// Found, in bytes.
        actual: u64,
    },
    /// Indexes in indexes, deeper than anybody makes them.
    #[error("{digest} nests indexes more than {MAX_INDEX_DEPTH} deep")]
    TooDeep {
        /// The index that is too deep.
        digest: Digest,
    },
    /// More manifests than are followed.
    #[error("the image has more than {MAX_IMAGE_MANIFESTS} manifests")]
    TooMany,
    /// A configuration that is none.
    #[error("{digest} is not a usable image configuration")]
    Config {
        /// Its digest.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        cause: ImageConfigError,
    },
    /// A configuration larger than any.
    #[error(
        "the image configuration {digest} has {size} bytes, more than {MAX_IMAGE_CONFIG_BYTES}"
    )]
    ConfigTooLarge {
        /// Its digest.
        digest: Digest,
        /// What names it says, in bytes.
        size: u64,
    },
    /// A configuration for another number of layers than there are.
    #[error("{digest} has {layers} layers, but its configuration is for {diff_ids}")]
    Layers {
        /// The manifest.
        digest: Digest,
        /// Layers of the manifest.
        layers: usize,
        /// Layers of the configuration.
        diff_ids: usize,
    },
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
}

impl Node {
    /// Reads a manifest that `descriptor` names; its digest was checked.
    pub fn read(descriptor: &Descriptor, bytes: Bytes) -> Result<Self, TreeError> {
        let digest = &descriptor.digest;
        if descriptor.size != bytes.len() as u64 {
            let (expected, actual) = (descriptor.size, bytes.len() as u64);
            return Err(TreeError::Size { digest: digest.clone(), expected, actual });
        }
        let manifest = Manifest::parse(&descriptor.media_type, &bytes)
            .map_err(|cause| TreeError::Manifest { digest: digest.clone(), cause })?;
        Ok(Self { descriptor: descriptor.clone(), bytes, manifest })
    }

    /// The manifests that an index lists.
    pub fn children(&self) -> &[Descriptor] {
        match &self.manifest {
            Manifest::Index(index) => &index.manifests,
            Manifest::Image(_) => &[],
        }
    }

    /// The image's configuration, if it is an image's: artifacts have others.
    pub fn image_config(&self) -> Option<&Descriptor> {
        match &self.manifest {
            Manifest::Image(image)
                if matches!(image.config.media_type.as_str(), DOCKER_CONFIG | OCI_CONFIG) =>
            {
                Some(&image.config)
            }
            _ => None,
        }
    }

    /// Refuses a configuration that is not one for this image; returns it.
    pub fn check_config(&self, bytes: &[u8]) -> Result<Option<ImageConfig>, TreeError> {
        let (Some(config), Manifest::Image(image)) = (self.image_config(), &self.manifest) else {
            return Ok(None);
        };
        let digest = config.digest.clone();
        let parsed =
            ImageConfig::parse(bytes).map_err(|cause| TreeError::Config { digest, cause })?;
        let (layers, diff_ids) = (image.layers.len(), parsed.diff_ids.len());
        // Artifacts in an image's clothes have a configuration without layers.
        if layers != diff_ids && !(diff_ids == 0 && parsed.raw.is_empty()) {
            let digest = self.descriptor.digest.clone();
            return Err(TreeError::Layers { digest, layers, diff_ids });
        }
        Ok(Some(parsed))
    }
}

impl ImageTree {
    /// Collects what nodes name; children come before those that name them.
    pub fn of(manifests: Vec<Node>) -> Self {
        let mut seen = BTreeSet::new();
        let mut blobs = Vec::new();
        for node in &manifests {
            if let Manifest::Image(image) = &node.manifest {
                for blob in image.layers.iter().chain([&image.config]) {
                    if seen.insert(blob.digest.clone()) {
                        blobs.push(blob.clone());
                    }
                }
            }
        }
        Self { manifests, blobs }
    }

    /// Reads the tree of an image in the layout.
    pub fn load(layout: &ImageLayout, image: &Descriptor) -> Result<Self, TreeError> {
        let mut walk = Walk::new(image.clone());
        while let Some(wanted) = walk.next() {
            let bytes = layout.manifest(&wanted.descriptor)?;
            walk.found(wanted, bytes.into())?;
        }
        Ok(walk.finish())
    }

    /// The image's own manifest or index.
    pub fn root(&self) -> Option<&Node> {
        self.manifests.last()
    }

    /// Whether a blob is one that registries need not keep.
    pub fn is_elsewhere(blob: &Descriptor) -> bool {
        is_foreign_layer(&blob.media_type) && !blob.urls.is_empty()
    }
}

/// Follows an image's manifests, whoever fetches them: each once, within bounds.
#[derive(Debug)]
pub struct Walk {
    pending: Vec<Wanted>,
    seen: BTreeSet<Digest>,
    found: Vec<Node>,
}

/// A manifest to be fetched.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What names it.
    pub descriptor: Descriptor,
    depth: usize,
}

impl Walk {
    /// Begins at an image.
    pub fn new(image: Descriptor) -> Self {
        let seen = BTreeSet::from([image.digest.clone()]);
        Self { pending: vec![Wanted { descriptor: image, depth: 0 }], seen, found: Vec::new() }
    }

    /// The next manifest that is needed.
    #[expect(clippy::should_implement_trait, reason = "what it gives depends on what it is told")]
    pub fn next(&mut self) -> Option<Wanted> {
        self.pending.pop()
    }

    /// Takes a manifest that was needed, and notes what it names.
    pub fn found(&mut self, wanted: Wanted, bytes: Bytes) -> Result<(), TreeError> {
        let node = Node::read(&wanted.descriptor, bytes)?;
        let children = node.children();
        if !children.is_empty() && wanted.depth >= MAX_INDEX_DEPTH {
            return Err(TreeError::TooDeep { digest: wanted.descriptor.digest });
        }
        for child in children {
            // What an index lists besides manifests are blobs, for all we know.
            if is_manifest(&child.media_type) && self.seen.insert(child.digest.clone()) {
                let depth = wanted.depth + 1;
                self.pending.push(Wanted { descriptor: child.clone(), depth });
            }
        }
        if self.seen.len() > MAX_IMAGE_MANIFESTS {
            return Err(TreeError::TooMany);
        }
        self.found.push(node);
        Ok(())
    }

    /// The whole, once nothing more is needed.
    pub fn finish(self) -> ImageTree {
        ImageTree::of(children_first(self.found))
    }
}

/// Orders nodes so that each comes after all that it names; they are found parents first, but a
/// child may be named by several.
fn children_first(nodes: Vec<Node>) -> Vec<Node> {
    let positions: BTreeMap<&Digest, usize> =
        nodes.iter().enumerate().map(|(at, node)| (&node.descriptor.digest, at)).collect();
    let mut order = Vec::new();
    let mut done = BTreeSet::new();
    // Depth is bounded by the walk; each is visited once.
    let mut stack: Vec<(usize, usize)> = if nodes.is_empty() { Vec::new() } else { vec![(0, 0)] };
    while let Some((at, child)) = stack.pop() {
        let Some(node) = nodes.get(at) else { continue };
        match node.children().get(child) {
            Some(descriptor) => {
                stack.push((at, child + 1));
                if let Some(&next) = positions.get(&descriptor.digest)
                    && !done.contains(&next)
                    && !stack.iter().any(|(on_the_way, _)| *on_the_way == next)
                {
                    stack.push((next, 0));
                }
            }
            None => {
                if done.insert(at) {
                    order.push(at);
                }
            }
        }
    }
    let mut slots: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| slots.get_mut(at)?.take()).collect()
}
