//! What a tag can name: an image manifest or an index of them.
//!
//! Read strictly enough to follow, never written again: the bytes are the truth.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::limits::{MAX_INDEX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_BYTES};
use crate::oci::descriptor::{Descriptor, RawDescriptor};
use crate::oci::{Digest, DigestError};

/// A manifest or an index, parsed.
#[expect(clippy::large_enum_variant, reason = "one or two are held at a time")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// One image, or an artifact in an image's clothes.
    Image(ImageManifest),
    /// Several manifests, mostly one for each platform.
    Index(Index),
}

/// An image manifest: docker's schema 2 or OCI's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    /// The image's configuration.
    pub config: Descriptor,
    /// The image's layers, base first.
    pub layers: Vec<Descriptor>,
    /// What this is a signature, attestation or other statement of, if it says so.
    pub subject: Option<Box<Descriptor>>,
    /// What kind of artifact this is, if it says so.
    pub artifact_type: Option<String>,
    /// Whatever its makers noted.
    pub annotations: BTreeMap<String, String>,
}

/// An image index: docker's manifest list or OCI's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The manifests in the order given.
    pub manifests: Vec<Descriptor>,
    /// What this is a statement of, if it says so.
    pub subject: Option<Box<Descriptor>>,
    /// What kind of artifact this is, if it says so.
    pub artifact_type: Option<String>,
    /// Whatever its makers noted.
    pub annotations: BTreeMap<String, String>,
}

/// Why bytes are not a manifest we follow.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The format before 2016: its digest covers something else than its bytes.
    #[error("schema 1 manifests are not supported: they are not content-addressed")]
    Schema1,
    /// More bytes than any manifest may have.
    #[error("the manifest has more than {MAX_MANIFEST_BYTES} bytes")]
    TooLarge,
    /// Not JSON, or of another shape.
    #[error("the manifest is not well-formed")]
    Malformed(#[source] serde_json::Error),
    /// A media type that is no manifest's.
    #[error("`{}` is not the media type of a manifest", media_type.escape_debug())]
    UnknownMediaType {
        /// What the header or the body says.
        media_type: String,
    },
    /// The header and the body disagree about what this is.
    #[error("the manifest is served as {header} and says it is {body}")]
    MediaTypeMismatch {
        /// The Content-Type header.
        header: String,
        /// The body's `mediaType`.
        body: String,
    },
    /// Neither header nor body say what this is, or the body must and does not.
    #[error("the manifest has no `{field}`")]
    Missing {
        /// The member that is not there.
        field: &'static str,
    },
    /// Another `schemaVersion` than 1 and 2.
    #[error("the manifest has schema version {version}")]
    SchemaVersion {
        /// The number given.
        version: i64,
    },
    /// Members of both an image and an index: different readers would see different things.
    #[error("the manifest is both an image and an index")]
    Ambiguous,
    /// More layers or manifests than we follow.
    #[error("the manifest has {count} {field}, more than {limit}")]
    TooMany {
        /// `layers` or `manifests`.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// How many we follow.
        limit: usize,
    },
    /// A size below zero.
    #[error("{digest} has the size {size}")]
    NegativeSize {
        /// Whose size it is.
        digest: Digest,
        /// The size given.
        size: i64,
    },
    /// A digest that is none.
    #[error("the manifest refers to something by an invalid digest")]
    Digest(#[source] DigestError),
}

/// Docker's image manifest, version 2 schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI's image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI's image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Manifest {
    /// Everything this refers to by digest: config and layers, or manifests; not the subject.
    pub fn references(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, rest) = match self {
            Self::Image(image) => (Some(&image.config), &image.layers),
            Self::Index(index) => (None, &index.manifests),
        };
        config.into_iter().chain(rest)
    }

    /// What this is a statement of, if it says so.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(image) => image.subject.as_deref(),
            Self::Index(index) => index.subject.as_deref(),
        }
    }
}

/// Whether this is a media type of a manifest or an index that we follow.
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, DOCKER_MANIFEST | DOCKER_LIST | OCI_MANIFEST | OCI_INDEX)
}

impl Manifest {
    /// Reads docker's schema 2 and list, and OCI's manifest and index.
    ///
    /// `media_type` is the Content-Type header, or empty if there is none. OCI bodies need not
    /// repeat it, docker's must; where both speak they must agree.
    pub fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, ManifestError> {
        let header = bare_media_type(media_type);
        if is_schema1(&header) {
            return Err(ManifestError::Schema1);
        }
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge);
        }
        let document: Document = serde_json::from_slice(bytes).map_err(ManifestError::Malformed)?;
        match document.schema_version {
            _ if document.fs_layers.is_some() => return Err(ManifestError::Schema1),
            Some(1) => return Err(ManifestError::Schema1),
            Some(2) => {}
            Some(version) => return Err(ManifestError::SchemaVersion { version }),
            None => return Err(ManifestError::Missing { field: "schemaVersion" }),
        }
        match document.kind(header)? {
            Kind::Image => document.into_image().map(Self::Image),
            Kind::Index => document.into_index().map(Self::Index),
        }
    }
}

/// A Content-Type without its parameters, in lower case.
pub fn bare_media_type(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether this is a media type of the format before 2016.
pub fn is_schema1(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.docker.distribution.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v1+prettyjws"
    )
}

enum Kind {
    Image,
    Index,
}

/// The members of both formats that decide what is followed; a member twice is an error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<i64>,
    media_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    fs_layers: Option<IgnoredAny>,
    subject: Option<RawDescriptor>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Document {
    fn kind(&self, header: String) -> Result<Kind, ManifestError> {
        let body = self.media_type.clone().filter(|text| !text.is_empty());
        let media_type = match (header, body) {
            (header, Some(body)) if !header.is_empty() && header != body => {
                return Err(ManifestError::MediaTypeMismatch { header, body });
            }
            (_, Some(body)) => body,
            (header, None) if matches!(header.as_str(), DOCKER_MANIFEST | DOCKER_LIST) => {
                return Err(ManifestError::Missing { field: "mediaType" });
            }
            (header, None) if !header.is_empty() => header,
            _ => return Err(ManifestError::Missing { field: "mediaType" }),
        };
        match media_type.as_str() {
            DOCKER_MANIFEST | OCI_MANIFEST => Ok(Kind::Image),
            DOCKER_LIST | OCI_INDEX => Ok(Kind::Index),
            text if is_schema1(text) => Err(ManifestError::Schema1),
            _ => Err(ManifestError::UnknownMediaType { media_type }),
        }
    }

    fn into_image(self) -> Result<ImageManifest, ManifestError> {
        if self.manifests.is_some() {
            return Err(ManifestError::Ambiguous);
        }
        let config = self.config.ok_or(ManifestError::Missing { field: "config" })?;
        let layers = self.layers.ok_or(ManifestError::Missing { field: "layers" })?;
        Ok(ImageManifest {
            config: config.check()?,
            layers: check_all("layers", layers, MAX_LAYERS)?,
            subject: self.subject.map(RawDescriptor::check).transpose()?.map(Box::new),
            artifact_type: self.artifact_type.filter(|text| !text.is_empty()),
            annotations: self.annotations.unwrap_or_default(),
        })
    }

    fn into_index(self) -> Result<Index, ManifestError> {
        if self.layers.is_some() || self.config.is_some() {
            return Err(ManifestError::Ambiguous);
        }
        let manifests = self.manifests.ok_or(ManifestError::Missing { field: "manifests" })?;
        Ok(Index {
            manifests: check_all("manifests", manifests, MAX_INDEX_ENTRIES)?,
            subject: self.subject.map(RawDescriptor::check).transpose()?.map(Box::new),
            artifact_type: self.artifact_type.filter(|text| !text.is_empty()),
            annotations: self.annotations.unwrap_or_default(),
        })
    }
}

fn check_all(
    field: &'static str,
    raw: Vec<RawDescriptor>,
    limit: usize,
) -> Result<Vec<Descriptor>, ManifestError> {
    if raw.len() > limit {
        return Err(ManifestError::TooMany { field, count: raw.len(), limit });
    }
    raw.into_iter().map(RawDescriptor::check).collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor(size: i64) -> String {
        format!(r#"{{"mediaType":"a/b","digest":"{DIGEST}","size":{size}}}"#)
    }

    fn image(media_type: &str, size: i64) -> String {
        format!(
            r#"{{"schemaVersion":2{media_type},"config":{},"layers":[{}],"annotations":{{"a":"b"}}}}"#,
            descriptor(7),
            descriptor(size)
        )
    }

    fn parse(media_type: &str, body: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(media_type, body.as_bytes())
    }

    #[test_case("application/vnd.oci.image.manifest.v1+json", "" ; "oci without body media type")]
    #[test_case("application/vnd.oci.image.manifest.v1+json; charset=utf-8", r#","mediaType":"application/vnd.oci.image.manifest.v1+json""# ; "parameters")]
    #[test_case("", r#","mediaType":"application/vnd.oci.image.manifest.v1+json""# ; "no header")]
    #[test_case("application/vnd.docker.distribution.manifest.v2+json", r#","mediaType":"application/vnd.docker.distribution.manifest.v2+json""# ; "docker")]
    fn images(header: &str, member: &str) {
        let Manifest::Image(manifest) = parse(header, &image(member, 5)).unwrap() else {
            panic!("an index")
        };
        assert_eq!(manifest.config.size, 7);
        assert_eq!(manifest.layers.len(), 1);
        assert_eq!(manifest.layers[0].digest.as_str(), DIGEST);
    }

    #[test]
    fn index_with_platforms() {
        let body = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{DIGEST}","size":9,
            "platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}},{}]}}"#,
            descriptor(3)
        );
        let Manifest::Index(index) = parse(OCI_INDEX, &body).unwrap() else { panic!("an image") };
        assert_eq!(index.manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm64");
        assert_eq!(index.manifests[1].platform, None);
    }

    #[test]
    fn header_and_body_must_agree() {
        let member = format!(r#","mediaType":"{OCI_MANIFEST}""#);
        assert!(matches!(
            parse(OCI_INDEX, &image(&member, 5)),
            Err(ManifestError::MediaTypeMismatch { .. })
        ));
        assert!(matches!(parse("", &image("", 5)), Err(ManifestError::Missing { .. })));
        assert!(matches!(
            parse(DOCKER_MANIFEST, &image("", 5)),
            Err(ManifestError::Missing { field: "mediaType" })
        ));
    }

    #[test]
    fn image_and_index_at_once_is_refused() {
        let both = image("", 5).replace(r#""layers""#, r#""manifests":[],"layers""#);
        assert!(matches!(parse(OCI_MANIFEST, &both), Err(ManifestError::Ambiguous)));
        assert!(matches!(parse(OCI_INDEX, &both), Err(ManifestError::Ambiguous)));
    }

    #[test]
    fn members_given_twice_are_refused() {
        let twice = image("", 5).replace(r#""layers""#, r#""layers":[],"layers""#);
        assert!(matches!(parse(OCI_MANIFEST, &twice), Err(ManifestError::Malformed(_))));
    }

    #[test]
    fn schema1_is_refused_however_it_shows() {
        let by_version = r#"{"schemaVersion":1}"#;
        assert!(matches!(parse(OCI_MANIFEST, by_version), Err(ManifestError::Schema1)));
        let by_header = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        assert!(matches!(parse(by_header, "{}"), Err(ManifestError::Schema1)));
        let by_member = image("", 5).replace(r#""layers""#, r#""fsLayers":[],"layers""#);
        assert!(matches!(parse(OCI_MANIFEST, &by_member), Err(ManifestError::Schema1)));
    }

    #[test]
    fn hostile_sizes_counts_and_digests() {
        assert!(matches!(
            parse(OCI_MANIFEST, &image("", -1)),
            Err(ManifestError::NegativeSize { size: -1, .. })
        ));
        let many = vec![descriptor(1); MAX_INDEX_ENTRIES + 1].join(",");
        let body = format!(r#"{{"schemaVersion":2,"manifests":[{many}]}}"#);
        assert!(matches!(parse(OCI_INDEX, &body), Err(ManifestError::TooMany { .. })));
        let body = image("", 5).replace(DIGEST, "sha256:../x");
        assert!(matches!(parse(OCI_MANIFEST, &body), Err(ManifestError::Digest(_))));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(parse(OCI_MANIFEST, &deep), Err(ManifestError::Malformed(_))));
        let body = format!("{}{}", image("", 5), " ".repeat(4 << 20));
        assert!(matches!(parse(OCI_MANIFEST, &body), Err(ManifestError::TooLarge)));
    }

    #[test_case("null")]
    #[test_case("")]
    #[test_case("{}")]
    #[test_case("<html></html>")]
    #[test_case(r#"{"schemaVersion":2}"#)]
    #[test_case(r#"{"schemaVersion":3,"manifests":[]}"#)]
    #[test_case(r#"{"schemaVersion":2,"layers":[]}"#)]
    fn not_manifests(body: &str) {
        assert!(parse(OCI_MANIFEST, body).is_err());
    }
}
