//! stub
use crate::oci::Digest;
/// A normalised image reference, by docker's rules: `alpine` is `docker.io/library/alpine`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
    /** as typed, for messages */
    familiar: String,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    #[error("invalid reference format")]
    Format, /* typed variants: Uppercase (docker: "invalid reference format: repository name (…) must be lowercase"), Tag, Digest(DigestError), TooLong, Empty … name the text */
}
impl Reference {
    pub fn parse(_text: &str) -> Result<Self, ReferenceError> {
        unimplemented!()
    }
    /// `docker.io`, `localhost:5000`
    pub fn domain(&self) -> &str {
        &self.domain
    }
    /// `library/alpine`
    pub fn path(&self) -> &str {
        &self.path
    }
    /// `docker.io/library/alpine`: docker's GUN.
    pub fn name(&self) -> String {
        unimplemented!()
    }
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }
    /// Docker's short form without docker.io/library, with tag and digest: what messages print.
    pub fn familiar(&self) -> String {
        self.familiar.clone()
    }
    pub fn familiar_name(&self) -> String {
        unimplemented!()
    }
    pub fn with_tag(&self, _tag: &str) -> Result<Self, ReferenceError> {
        unimplemented!()
    }
    /// 127.0.0.0/8, ::1, localhost with or without port.
    pub fn is_loopback(&self) -> bool {
        unimplemented!()
    }
}
