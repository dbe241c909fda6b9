//! The list of the images in an archive that `docker save` writes: its `manifest.json`.

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_ARCHIVE_LIST_BYTES, MAX_IMAGE_MANIFESTS, MAX_LAYERS};

/// One image of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedImage {
    /// Where its configuration is in the archive.
    pub config: String,
    /// Its names, `name:tag` each; `None` if it has none.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// Where its layers are in the archive, base first.
    #[serde(default)]
    pub layers: Option<Vec<String>>,
}

/// Why bytes are no list of images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// More bytes than any list has.
    #[error("it has more than {MAX_ARCHIVE_LIST_BYTES} bytes")]
    TooLarge,
    /// Not JSON, or of another shape.
    #[error("it is not well-formed")]
    Malformed(#[source] serde_json::Error),
    /// More images or layers than are followed.
    #[error("it lists {count} {what}, more than {limit}")]
    TooMany {
        /// `images` or `layers`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are followed.
        limit: usize,
    },
}

impl ListedImage {
    /// Reads `manifest.json`.
    pub fn parse_list(bytes: &[u8]) -> Result<Vec<Self>, ListError> {
        if bytes.len() as u64 > MAX_ARCHIVE_LIST_BYTES {
            return Err(ListError::TooLarge);
        }
        let images: Vec<Self> = serde_json::from_slice(bytes).map_err(ListError::Malformed)?;
        let bounded = |what, count, limit| {
            if count > limit { Err(ListError::TooMany { what, count, limit }) } else { Ok(()) }
        };
        bounded("images", images.len(), MAX_IMAGE_MANIFESTS)?;
        for image in &images {
            bounded("layers", image.layers().len(), MAX_LAYERS)?;
        }
        Ok(images)
    }

    /// Where its layers are in the archive, base first.
    pub fn layers(&self) -> &[String] {
        self.layers.as_deref().unwrap_or_default()
    }

    /// Its names.
    pub fn repo_tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_docker_writes_it() {
        let text = r#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["x/layer.tar"]},
            {"Config":"d.json","RepoTags":null,"Layers":null,"LayerSources":{}}]"#;
        let list = ListedImage::parse_list(text.as_bytes()).unwrap();
        assert_eq!((list[0].repo_tags(), list[0].layers().len()), (&["a:1".to_owned()][..], 1));
        assert!(list[1].repo_tags().is_empty() && list[1].layers().is_empty());
    }

    #[test]
    fn what_is_no_list() {
        let parse = |text: &str| ListedImage::parse_list(text.as_bytes()).unwrap_err();
        assert!(matches!(parse("{}"), ListError::Malformed(_)));
        assert!(matches!(parse(r#"[{"Layers":[]}]"#), ListError::Malformed(_)));
        let layers = vec![r#""x""#; MAX_LAYERS + 1].join(",");
        let error = parse(&format!(r#"[{{"Config":"c","Layers":[{layers}]}}]"#));
        assert!(matches!(error, ListError::TooMany { what: "layers", .. }));
        let images = vec![r#"{"Config":"c"}"#; MAX_IMAGE_MANIFESTS + 1].join(",");
        assert!(matches!(parse(&format!("[{images}]")), ListError::TooMany { what: "images", .. }));
        let large = " ".repeat(usize::try_from(MAX_ARCHIVE_LIST_BYTES).unwrap() + 1);
        assert!(matches!(parse(&large), ListError::TooLarge));
    }
}
