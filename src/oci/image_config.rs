//! The configuration of an image: read as far as it is followed, never written again.
//!
//! OCI image-spec, "Image Configuration"; docker's members beyond it are kept in [`ImageConfig::raw`].

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::limits::MAX_LAYERS;
use crate::oci::{Digest, DigestError, Platform};

/// An image's configuration, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageConfig {
    /// Which platform the image runs on.
    pub platform: Platform,
    /// When the image was made, if it says so in a form that is a time.
    pub created: Option<Timestamp>,
    /// Who made it; empty if unsaid.
    pub author: String,
    /// Digests of the layers' archives, uncompressed, base first.
    pub diff_ids: Vec<Digest>,
    /// What was done, oldest first.
    pub history: Vec<HistoryEntry>,
    /// The whole document, members in their order.
    pub raw: Map<String, Value>,
}

/// One step of an image's history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryEntry {
    /// When, if it says so in a form that is a time.
    pub created: Option<Timestamp>,
    /// The command.
    pub created_by: String,
    /// Who.
    pub author: String,
    /// A note.
    pub comment: String,
    /// Whether the step made no layer.
    pub empty_layer: bool,
}

/// Why bytes are not an image's configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageConfigError {
    /// Not JSON, or of another shape.
    #[error("the image configuration is not well-formed")]
    Malformed(#[source] serde_json::Error),
    /// A digest of a layer that is none.
    #[error("the image configuration names a layer by an invalid digest")]
    Digest(#[source] DigestError),
    /// More layers than we follow.
    #[error("the image configuration has {count} layers, more than {limit}")]
    TooManyLayers {
        /// How many there are.
        count: usize,
        /// How many we follow.
        limit: usize,
    },
}

impl ImageConfig {
    /// Reads a configuration. Members that are missing count as empty, as docker has it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageConfigError> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(ImageConfigError::Malformed)?;
        let raw = serde_json::from_slice(bytes).map_err(ImageConfigError::Malformed)?;
        let diff_ids = document.rootfs.unwrap_or_default().diff_ids.unwrap_or_default();
        if diff_ids.len() > MAX_LAYERS {
            let (count, limit) = (diff_ids.len(), MAX_LAYERS);
            return Err(ImageConfigError::TooManyLayers { count, limit });
        }
        let diff_ids = diff_ids.iter().map(|text| Digest::parse(text));
        let text = Option::unwrap_or_default;
        let (os, architecture) = (text(document.os), text(document.architecture));
        let history = document.history.unwrap_or_default().into_iter().map(|step| HistoryEntry {
            created: time(step.created.as_deref()),
            created_by: text(step.created_by),
            author: text(step.author),
            comment: text(step.comment),
            empty_layer: step.empty_layer.unwrap_or_default(),
        });
        Ok(Self {
            platform: Platform::new(&os, &architecture, document.variant.as_deref()),
            created: time(document.created.as_deref()),
            author: text(document.author),
            diff_ids: diff_ids.collect::<Result<_, _>>().map_err(ImageConfigError::Digest)?,
            history: history.collect(),
            raw,
        })
    }

    /// The labels, sorted by name.
    pub fn labels(&self) -> std::collections::BTreeMap<&str, &str> {
        let labels = self.raw.get("config").and_then(|config| config.get("Labels"));
        let labels = labels.and_then(Value::as_object).into_iter().flatten();
        labels.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
    }
}

/// The chain ids of layers, base first (OCI image-spec, "Layer `ChainID`").
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::new();
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(below) => Digest::sha256_of(format!("{below} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// The members that are followed. `null` counts as missing: Go writes it for what is empty.
#[derive(Deserialize)]
struct Document {
    created: Option<String>,
    author: Option<String>,
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
    rootfs: Option<RootFs>,
    history: Option<Vec<Step>>,
}

#[derive(Deserialize, Default)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Step {
    created: Option<String>,
    created_by: Option<String>,
    author: Option<String>,
    comment: Option<String>,
    empty_layer: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_and_the_least_there_is() {
        let text = r#"{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05.6Z",
            "config":{"Labels":{"b":"2","a":"1","odd":3}},"rootfs":{"type":"layers","diff_ids":[
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
            "history":[{"created_by":"x"},{"empty_layer":true}],"docker_version":"1"}"#;
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.platform.to_string(), "linux/amd64");
        assert_eq!(config.created.unwrap().to_string(), "2024-01-02T03:04:05.6Z");
        assert_eq!(config.labels().into_iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(config.diff_ids, [Digest::sha256_of(b"")]);
        assert!(!config.history[0].empty_layer && config.history[1].empty_layer);
        assert_eq!(config.raw.get("docker_version").unwrap(), "1");
        let least = ImageConfig::parse(br#"{"rootfs":null,"history":null,"config":null}"#).unwrap();
        assert!(least.diff_ids.is_empty() && least.created.is_none() && least.labels().is_empty());
    }

    #[test]
    fn what_is_no_configuration() {
        let parse = |text: &str| ImageConfig::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(parse("[]"), ImageConfigError::Malformed(_)));
        assert!(matches!(parse(r#"{"os":1}"#), ImageConfigError::Malformed(_)));
        let error = parse(r#"{"rootfs":{"diff_ids":["sha256:../x"]}}"#);
        assert!(matches!(error, ImageConfigError::Digest(_)));
        let many = vec![format!("\"{}\"", Digest::sha256_of(b"")); MAX_LAYERS + 1].join(",");
        let error = parse(&format!(r#"{{"rootfs":{{"diff_ids":[{many}]}}}}"#));
        assert!(matches!(error, ImageConfigError::TooManyLayers { .. }));
    }
}
