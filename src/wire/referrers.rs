//! Lists of the manifests that refer to one: image indexes (OCI distribution 1.1).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::limits::{MAX_INDEX_ENTRIES, MAX_MANIFEST_BYTES};
use crate::oci::Digest;
use crate::oci::manifest::OCI_INDEX;

/// A manifest that refers to another, as lists describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's length, in bytes.
    pub size: u64,
    /// What kind of thing it is; `None` if the list does not say.
    pub artifact_type: Option<String>,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Referrer {
    /// What a list says of a manifest with this media type, digest and these bytes, and the digest
    /// of what it refers to; `None` if it refers to nothing.
    ///
    /// A manifest without a type of its own has that of its configuration (OCI image-spec 1.1,
    /// "Guidelines for Artifact Usage").
    pub fn of_manifest(media_type: &str, digest: &Digest, bytes: &[u8]) -> Option<(Digest, Self)> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Document {
            subject: Option<Subject>,
            artifact_type: Option<String>,
            config: Option<Config>,
            annotations: Option<BTreeMap<String, String>>,
        }
        #[derive(Deserialize)]
        struct Subject {
            digest: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Config {
            media_type: Option<String>,
        }
        let document: Document = serde_json::from_slice(bytes).ok()?;
        let subject = Digest::parse(&document.subject?.digest).ok()?;
        let own = document.artifact_type.filter(|text| !text.is_empty());
        let of_config = document.config.and_then(|config| config.media_type);
        let referrer = Self {
            media_type: media_type.to_owned(),
            digest: digest.clone(),
            size: bytes.len() as u64,
            artifact_type: own.or(of_config).filter(|text| !text.is_empty()),
            annotations: document.annotations.unwrap_or_default(),
        };
        Some((subject, referrer))
    }
}

/// A list of referrers: the entries understood, and what is needed to write it again.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferrersList {
    document: Map<String, Value>,
}

/// Why bytes are not a list of referrers, or would be none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferrersError {
    /// Not a JSON object of the form of an image index.
    #[error("the list of referrers is not an image index")]
    NotAnIndex,
    /// More entries, or more bytes, than an index may have.
    #[error("the list of referrers is full")]
    Full,
}

impl ReferrersList {
    /// An empty list.
    pub fn empty() -> Self {
        let mut document = Map::new();
        document.insert("schemaVersion".to_owned(), json!(2));
        document.insert("mediaType".to_owned(), json!(OCI_INDEX));
        document.insert(MANIFESTS.to_owned(), json!([]));
        Self { document }
    }

    /// Reads a list. Members and entries unknown here are kept.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReferrersError> {
        let Ok(Value::Object(mut document)) = serde_json::from_slice(bytes) else {
            return Err(ReferrersError::NotAnIndex);
        };
        if document.get("schemaVersion") != Some(&json!(2)) {
            return Err(ReferrersError::NotAnIndex);
        }
        if document.get("mediaType").is_some_and(|media_type| *media_type != json!(OCI_INDEX)) {
            return Err(ReferrersError::NotAnIndex);
        }
        // Go writes an empty list as `null`.
        let manifests = document.entry(MANIFESTS).or_insert(Value::Null);
        if manifests.is_null() {
            *manifests = json!([]);
        }
        if manifests.is_array() { Ok(Self { document }) } else { Err(ReferrersError::NotAnIndex) }
    }

    /// The entries that describe a manifest, and how many do not.
    pub fn entries(&self) -> (Vec<Referrer>, usize) {
        let entries = self.manifests();
        let understood: Vec<Referrer> = entries.iter().filter_map(referrer).collect();
        let left_out = entries.len() - understood.len();
        (understood, left_out)
    }

    /// Whether a manifest is on the list, described just as [`Self::put`] would.
    pub fn has(&self, referrer: &Referrer) -> bool {
        let wanted = entry_of(referrer);
        self.manifests().contains(&wanted)
    }

    /// Whether a manifest is on the list.
    pub fn names(&self, digest: &Digest) -> bool {
        self.manifests().iter().any(|entry| is_of(entry, digest))
    }

    /// Puts a manifest on the list, in the place of an entry with its digest if there is one.
    pub fn put(&mut self, referrer: &Referrer) -> Result<(), ReferrersError> {
        let entry = entry_of(referrer);
        let entries = self.manifests_mut()?;
        let place = entries.iter().position(|known| is_of(known, &referrer.digest));
        let count = entries.len();
        match place.and_then(|place| entries.get_mut(place)) {
            Some(known) => *known = entry,
            None if count >= MAX_INDEX_ENTRIES => return Err(ReferrersError::Full),
            None => entries.push(entry),
        }
        Ok(())
    }

    /// Takes a manifest off the list; whether it was there.
    pub fn remove(&mut self, digest: &Digest) -> Result<bool, ReferrersError> {
        let entries = self.manifests_mut()?;
        let before = entries.len();
        entries.retain(|entry| !is_of(entry, digest));
        Ok(entries.len() < before)
    }

    /// The list as an image index.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ReferrersError> {
        let bytes = serde_json::to_vec(&self.document).map_err(|_| ReferrersError::NotAnIndex)?;
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ReferrersError::Full);
        }
        Ok(bytes)
    }

    fn manifests(&self) -> &[Value] {
        self.document.get(MANIFESTS).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn manifests_mut(&mut self) -> Result<&mut Vec<Value>, ReferrersError> {
        let manifests = self.document.get_mut(MANIFESTS).and_then(Value::as_array_mut);
        manifests.ok_or(ReferrersError::NotAnIndex)
    }
}

/// What an entry of the list describes; `None` if it is no descriptor.
fn referrer(entry: &Value) -> Option<Referrer> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        media_type: String,
        digest: String,
        size: u64,
        artifact_type: Option<String>,
        annotations: Option<BTreeMap<String, String>>,
    }
    let entry = Entry::deserialize(entry.as_object()?).ok()?;
    Some(Referrer {
        media_type: entry.media_type,
        digest: Digest::parse(&entry.digest).ok()?,
        size: entry.size,
        artifact_type: entry.artifact_type.filter(|text| !text.is_empty()),
        annotations: entry.annotations.unwrap_or_default(),
    })
}

fn entry_of(referrer: &Referrer) -> Value {
    let mut entry = Map::new();
    entry.insert("mediaType".to_owned(), json!(referrer.media_type));
    entry.insert("digest".to_owned(), json!(referrer.digest.as_str()));
    entry.insert("size".to_owned(), json!(referrer.size));
    if let Some(artifact_type) = referrer.artifact_type.as_ref().filter(|text| !text.is_empty()) {
        entry.insert("artifactType".to_owned(), json!(artifact_type));
    }
    if !referrer.annotations.is_empty() {
        entry.insert("annotations".to_owned(), json!(referrer.annotations));
    }
    Value::Object(entry)
}

fn is_of(entry: &Value, digest: &Digest) -> bool {
    entry.get("digest").and_then(Value::as_str) == Some(digest.as_str())
}

const MANIFESTS: &str = "manifests";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::oci::manifest::OCI_MANIFEST;

    fn a_referrer(content: &str) -> Referrer {
        Referrer {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::sha256_of(content.as_bytes()),
            size: 5,
            artifact_type: Some("text/x".to_owned()),
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        }
    }

    #[test]
    fn what_others_wrote_is_kept() {
        let text = format!(
            r#"{{"schemaVersion":2,"annotations":{{"x":"y"}},"manifests":[{{"odd":1}},{{"mediaType":"m","digest":"{}","size":1,"new":[2]}}]}}"#,
            Digest::sha256_of(b"old")
        );
        let mut list = ReferrersList::parse(text.as_bytes()).unwrap();
        list.put(&a_referrer("mine")).unwrap();
        let mut changed = a_referrer("mine");
        changed.size = 6;
        list.put(&changed).unwrap();
        assert!(list.has(&changed) && !list.has(&a_referrer("mine")));
        let (entries, left_out) = list.entries();
        assert_eq!((entries.len(), left_out), (2, 1));
        assert!(list.remove(&changed.digest).unwrap());
        assert!(!list.remove(&changed.digest).unwrap());
        assert_eq!(list.to_bytes().unwrap(), text.into_bytes());
    }

    #[test]
    fn what_a_manifest_refers_to() {
        let (subject, digest) = (Digest::sha256_of(b"subject"), Digest::sha256_of(b"x"));
        let of = |members: &str| {
            let text = format!(r#"{{"subject":{{"digest":"{subject}"}}{members}}}"#);
            Referrer::of_manifest(OCI_MANIFEST, &digest, text.as_bytes())
        };
        let (found, referrer) = of(r#","artifactType":"a/b","annotations":{"x":"y"}"#).unwrap();
        assert_eq!((found, referrer.artifact_type.as_deref()), (subject.clone(), Some("a/b")));
        assert_eq!(referrer.annotations["x"], "y");
        let (_, referrer) = of(r#","artifactType":"","config":{"mediaType":"c/d"}"#).unwrap();
        assert_eq!(referrer.artifact_type.as_deref(), Some("c/d"));
        for none in ["{}", "[]", "<", r#"{"subject":null}"#, r#"{"subject":{"digest":"../x"}}"#] {
            assert!(Referrer::of_manifest("m", &digest, none.as_bytes()).is_none(), "{none}");
        }
    }

    #[test]
    fn a_list_ends_somewhere() {
        let mut list = ReferrersList::empty();
        for number in 0..MAX_INDEX_ENTRIES {
            list.put(&a_referrer(&number.to_string())).unwrap();
        }
        list.put(&a_referrer("0")).unwrap();
        assert!(matches!(list.put(&a_referrer("one more")), Err(ReferrersError::Full)));
        let mut large = a_referrer("0");
        large.annotations.insert("a".to_owned(), "x".repeat(4 << 20));
        list.put(&large).unwrap();
        assert!(matches!(list.to_bytes(), Err(ReferrersError::Full)));
    }

    #[test_case("" ; "nothing")]
    #[test_case("[]" ; "array")]
    #[test_case("<html>" ; "web page")]
    #[test_case("{}" ; "no version")]
    #[test_case(r#"{"schemaVersion":1,"manifests":[]}"# ; "schema 1")]
    #[test_case(r#"{"schemaVersion":2,"manifests":{}}"# ; "no list")]
    #[test_case(r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"# ; "an image")]
    fn no_lists(text: &str) {
        assert!(matches!(ReferrersList::parse(text.as_bytes()), Err(ReferrersError::NotAnIndex)));
    }

    #[test]
    fn empty_lists() {
        let bytes = ReferrersList::empty().to_bytes().unwrap();
        assert_eq!(ReferrersList::parse(&bytes).unwrap(), ReferrersList::empty());
        let null = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":null}}"#);
        assert_eq!(ReferrersList::parse(null.as_bytes()).unwrap(), ReferrersList::empty());
    }
}
