//! What went into a step, as one digest.

use crate::crypto::hash::Sha256Hash;
use crate::oci::Digest;
use crate::oci::digest::Hasher;

/// Collects what goes into a step. Each piece is told apart from the next by its length.
pub struct Key(Hasher);

impl Key {
    /// Begins one for this kind of step.
    pub fn of(kind: &str) -> Self {
        let mut key = Self(Hasher::sha256());
        key.text(RULES);
        key.text(kind);
        key
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds texts, and how many there are.
    pub fn texts<T: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = T>) -> &mut Self {
        let texts: Vec<T> = texts.into_iter().collect();
        self.number(texts.len() as u64);
        for text in &texts {
            self.text(text.as_ref());
        }
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Adds a digest.
    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.text(digest.as_str())
    }

    /// Adds a hash.
    pub fn hash(&mut self, hash: &Sha256Hash) -> &mut Self {
        self.bytes(&hash.0)
    }

    /// The digest of it all.
    pub fn finish(self) -> Digest {
        self.0.finish()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The rules by which steps are carried out. Whatever changes what a step comes to changes this, so
/// that nothing older is taken for it.
const RULES: &str = "canon v1, steps 1";
