//! The one function that counts signatures, and the only maker of [`Verified`].

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::crypto::{KeyId, PublicKey, Signature};
use crate::limits::MAX_SIGNATURES_PER_KEY;
use crate::tuf::metadata::{Document, Root, Signed};
use crate::tuf::names::RoleName;

/// Who may sign a role: at least `threshold` different keys of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKeys {
    /// The role they sign.
    pub role: RoleName,
    /// Keys by the id that metadata gives them.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// Zero is not expressible.
    pub threshold: NonZeroU32,
}

impl RoleKeys {
    /// How many different keys there are, however often and in whatever form each is listed: that
    /// many signatures the role can have at most.
    pub fn different(&self) -> usize {
        let keys = self.keys.values().filter(|key| key.bare().is_ok());
        keys.map(PublicKey::fingerprint).collect::<BTreeSet<_>>().len()
    }
}

/// Why a document's signatures do not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No signature at all.
    #[error("the {role} metadata has no signatures")]
    NoSignatures {
        /// The role whose document it is.
        role: RoleName,
    },
    /// Fewer valid signatures by different keys than needed.
    #[error("the {role} metadata has {have} of {need} valid signatures it needs")]
    ThresholdNotMet {
        /// The role whose document it is.
        role: RoleName,
        /// Valid signatures by different keys.
        have: u32,
        /// The threshold.
        need: u32,
    },
    /// A key stands under an id that is not its own.
    #[error("the key listed as {listed} for {role} has the id {computed}")]
    KeyIdMismatch {
        /// The role whose keys were looked at.
        role: RoleName,
        /// The id that metadata gives it.
        listed: KeyId,
        /// The id its content has.
        computed: KeyId,
    },
}

/// A document whose signatures were counted and suffice.
///
/// It says nothing about its age, its version or its place in a chain: [`crate::tuf::TrustedSet`]
/// does. Only this module can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    signed: Signed<T>,
    signers: Vec<KeyId>,
}

impl<T: Document> Verified<T> {
    /// The document.
    pub fn body(&self) -> &T {
        self.signed.unverified()
    }

    /// The document, shared.
    pub fn shared(&self) -> Arc<T> {
        self.signed.shared()
    }

    /// The file's bytes as received.
    pub fn raw(&self) -> &[u8] {
        self.signed.raw()
    }

    /// The file as parsed, signatures included.
    pub fn signed(&self) -> &Signed<T> {
        &self.signed
    }

    /// Ids, as the role lists them, of the different keys whose signatures are valid.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }

    /// Tells whether these keys would accept the document, too.
    pub(super) fn is_signed_by(&self, keys: &RoleKeys) -> bool {
        count(&self.signed, keys).is_ok()
    }
}

/// Verifies a document against the keys of its role: at least the threshold of different keys must
/// have made a valid signature over the bytes as received.
///
/// Invalid signatures beside enough valid ones do no harm, nor do those of strangers.
pub fn verify<T: Document>(signed: Signed<T>, keys: &RoleKeys) -> Result<Verified<T>, VerifyError> {
    let signers = count(&signed, keys)?;
    Ok(Verified { signed, signers })
}

/// Verifies a root that follows another: the keys of the trusted one and its own must both have
/// signed it (TUF 1.0 §5.3.4; notary.md §4.3).
pub fn verify_successor(
    signed: Signed<Root>,
    trusted_keys: &RoleKeys,
    own_keys: &RoleKeys,
) -> Result<Verified<Root>, VerifyError> {
    count(&signed, trusted_keys)?;
    verify(signed, own_keys)
}

fn count<T: Document>(signed: &Signed<T>, keys: &RoleKeys) -> Result<Vec<KeyId>, VerifyError> {
    if signed.signatures().is_empty() {
        return Err(VerifyError::NoSignatures { role: keys.role.clone() });
    }
    let signers = valid_signers(signed.signatures(), signed.message(), keys)?;
    let have = u32::try_from(signers.len()).unwrap_or(u32::MAX);
    let need = keys.threshold.get();
    if have < need {
        return Err(VerifyError::ThresholdNotMet { role: keys.role.clone(), have, need });
    }
    Ok(signers)
}

/// Returns the ids, as the role lists them, of the different keys that made a valid signature over
/// a message, however few they are. What falls short of the threshold is worth nothing but to be
/// completed ([`crate::tuf::proposal`]).
pub fn valid_signers(
    signatures: &[Signature],
    message: &[u8],
    keys: &RoleKeys,
) -> Result<Vec<KeyId>, VerifyError> {
    let mut signers = Vec::new();
    let mut counted_ids = BTreeSet::new();
    let mut tried: BTreeMap<&KeyId, usize> = BTreeMap::new();
    // The same key can stand under two ids (bare and in a certificate, in two certificates, in two
    // encodings): it is the key behind them that counts, once.
    let mut counted_keys = BTreeSet::new();
    for signature in signatures {
        let Some(key) = keys.keys.get(&signature.key_id) else { continue };
        if counted_ids.contains(&signature.key_id) {
            continue;
        }
        let computed = key.id();
        if computed != signature.key_id {
            return Err(VerifyError::KeyIdMismatch {
                role: keys.role.clone(),
                listed: signature.key_id.clone(),
                computed,
            });
        }
        // Whoever has no key at all can still list a thousand signatures by one that counts, and
        // each costs a pass over the document.
        let tries = tried.entry(&signature.key_id).or_default();
        *tries += 1;
        if *tries > MAX_SIGNATURES_PER_KEY {
            continue;
        }
        if key.verify(&signature.method, message, &signature.bytes).is_err() {
            continue;
        }
        counted_ids.insert(signature.key_id.clone());
        if counted_keys.insert(key.fingerprint()) {
            signers.push(signature.key_id.clone());
        }
    }
    Ok(signers)
}
