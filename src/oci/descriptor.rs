//! Descriptors: what one piece of content says of another (OCI image-spec, "Content Descriptors").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::oci::manifest::ManifestError;
use crate::oci::{Digest, Platform};

/// What a manifest says of one blob or manifest it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The content's media type.
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's length, in bytes.
    pub size: u64,
    /// Which platform the content is for, if it says so.
    pub platform: Option<Platform>,
    /// Where else the content may be had: foreign layers have some.
    pub urls: Vec<String>,
    /// Whatever its makers noted.
    pub annotations: BTreeMap<String, String>,
    /// What kind of artifact the content is, if it says so.
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// A descriptor that says no more than it must.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }
}

/// Writes the members in the order of the specification.
impl Serialize for Descriptor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawDescriptor {
            media_type: Some(self.media_type.clone()),
            digest: self.digest.to_string(),
            size: i64::try_from(self.size).map_err(serde::ser::Error::custom)?,
            urls: Some(self.urls.clone()).filter(|urls| !urls.is_empty()),
            annotations: Some(self.annotations.clone()).filter(|notes| !notes.is_empty()),
            artifact_type: self.artifact_type.clone(),
            platform: self.platform.as_ref().map(|platform| RawPlatform {
                architecture: platform.architecture.clone(),
                os: platform.os.clone(),
                variant: platform.variant.clone(),
            }),
        }
        .serialize(serializer)
    }
}

/// A descriptor as JSON has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawDescriptor {
    media_type: Option<String>,
    digest: String,
    size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    urls: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<RawPlatform>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RawPlatform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl RawDescriptor {
    pub(super) fn check(self) -> Result<Descriptor, ManifestError> {
        let media_type = self.media_type.ok_or(ManifestError::Missing { field: "mediaType" })?;
        let digest = Digest::parse(&self.digest).map_err(ManifestError::Digest)?;
        let Ok(size) = u64::try_from(self.size) else {
            return Err(ManifestError::NegativeSize { digest, size: self.size });
        };
        let platform = self
            .platform
            .map(|raw| Platform::new(&raw.os, &raw.architecture, raw.variant.as_deref()));
        Ok(Descriptor {
            media_type,
            digest,
            size,
            platform,
            urls: self.urls.unwrap_or_default(),
            annotations: self.annotations.unwrap_or_default(),
            artifact_type: self.artifact_type.filter(|text| !text.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_the_specification_has_it() {
        let mut descriptor = Descriptor::new("a/b", Digest::sha256_of(b""), 7);
        let bare = format!(r#"{{"mediaType":"a/b","digest":"{}","size":7}}"#, descriptor.digest);
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), bare);
        descriptor.platform = Some(Platform::new("linux", "arm", Some("v6")));
        descriptor.urls.push("https://host.example/x".to_owned());
        descriptor.annotations.insert("k".to_owned(), "v".to_owned());
        descriptor.artifact_type = Some("c/d".to_owned());
        let text = serde_json::to_string(&descriptor).unwrap();
        let read: RawDescriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(read.check().unwrap(), descriptor);
    }
}
