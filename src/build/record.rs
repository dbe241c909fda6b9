//! The record of what an image was made of, as its manifest has it
//! (spec/canonical-image.md §7).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::build::built::Inputs;
use crate::oci::{Digest, DigestError};

/// Why a text is no record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not JSON, or of another shape: another profile may have made it.
    #[error("the record of what the image was made of is not well-formed")]
    Malformed(#[source] serde_json::Error),
    /// A digest that is none.
    #[error("the record of what the image was made of has an invalid digest")]
    Digest(#[source] DigestError),
}

impl Inputs {
    /// The record. The same inputs give the same text.
    pub fn to_json(&self) -> String {
        let text = |digest: &Digest| digest.as_str().to_owned();
        let images = self.images.iter().map(|(name, digest)| (name.clone(), text(digest)));
        let document = Document {
            arguments: self.arguments.clone(),
            dockerfile: self.dockerfile.as_ref().map(text),
            downloads: self.downloads.clone(),
            epoch: self.epoch,
            holes: self.holes.clone(),
            images: images.collect(),
            keeps_modes: self.keeps_modes,
            labels: self.labels.clone(),
            mounted: self.mounted.as_ref().map(text),
            target: self.target.clone(),
        };
        // Texts and whole numbers under names that are texts: this cannot fail.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Reads a record. Members that are not known are refused: whoever rebuilds an image must know
    /// all that it was made of.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        let document: Document = serde_json::from_str(text).map_err(RecordError::Malformed)?;
        let digest = |text: String| Digest::parse(&text).map_err(RecordError::Digest);
        let images = document.images.into_iter().map(|(name, text)| Ok((name, digest(text)?)));
        Ok(Self {
            images: images.collect::<Result<_, _>>()?,
            dockerfile: document.dockerfile.map(digest).transpose()?,
            mounted: document.mounted.map(digest).transpose()?,
            downloads: document.downloads,
            arguments: document.arguments,
            labels: document.labels,
            keeps_modes: document.keeps_modes,
            target: document.target,
            epoch: document.epoch,
            holes: document.holes,
        })
    }
}

/// Members in the order of their names; those that say nothing are not there, but for the time.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    arguments: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dockerfile: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    downloads: BTreeMap<String, String>,
    epoch: i64,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    holes: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    images: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_false")]
    keeps_modes: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mounted: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let digest = Digest::sha256_of(b"");
        let map = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
        let inputs = Inputs {
            dockerfile: Some(digest.clone()),
            mounted: Some(digest.clone()),
            images: [("docker.io/library/debian:12".to_owned(), digest.clone())].into(),
            downloads: map("https://h.example/x", "sha256:00"),
            arguments: map("A", "<1>"),
            labels: map("l", ""),
            keeps_modes: true,
            target: Some("app".to_owned()),
            epoch: 7,
            holes: ["network: RUN make".to_owned()].into(),
        };
        let text = inputs.to_json();
        let expected = format!(
            r#"{{"arguments":{{"A":"<1>"}},"dockerfile":"{digest}","downloads":{{"https://h.example/x":"sha256:00"}},"epoch":7,"holes":["network: RUN make"],"images":{{"docker.io/library/debian:12":"{digest}"}},"keepsModes":true,"labels":{{"l":""}},"mounted":"{digest}","target":"app"}}"#
        );
        assert_eq!(text, expected);
        assert_eq!(Inputs::parse(&text).unwrap(), inputs);
        assert_eq!(Inputs::default().to_json(), r#"{"epoch":0}"#);
        assert_eq!(Inputs::parse(r#"{"epoch":0}"#).unwrap(), Inputs::default());
    }

    #[test]
    fn no_records() {
        for text in ["", "{}", r#"{"epoch":0,"surprise":1}"#, r#"{"epoch":"0"}"#] {
            assert!(matches!(Inputs::parse(text), Err(RecordError::Malformed(_))), "{text}");
        }
        let error = Inputs::parse(r#"{"epoch":0,"dockerfile":"x"}"#).unwrap_err();
        assert!(matches!(error, RecordError::Digest(_)));
    }
}
