//! Which keys of a root count: those whose certificate is made for the repository
//! (notary.md §1.11, §4.3).

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::{KeyError, KeyId, KeyType, PublicKey};
use crate::tuf::metadata::Root;
use crate::tuf::names::{Gun, RoleName};
use crate::tuf::pinning::Pin;
use crate::tuf::verify::RoleKeys;

/// Why no key of a root counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootTrustError {
    /// No root key has a certificate that is made for this repository.
    #[error("no root key has a usable certificate for `{gun}`")]
    NoCertificate {
        /// The repository.
        gun: Gun,
        /// What was wrong with the first key looked at.
        #[source]
        cause: Option<KeyError>,
    },
    /// The certificates were right once.
    #[error("the root certificate for `{gun}` is not valid at this time")]
    OutOfDate {
        /// The repository.
        gun: Gun,
        /// Which bound was missed.
        #[source]
        cause: KeyError,
    },
    /// Pinning leaves no key.
    #[error("no root key of `{gun}` is one that is pinned")]
    NotPinned {
        /// The repository.
        gun: Gun,
    },
    /// First use is forbidden and nothing pins the repository.
    #[error("`{gun}` is not pinned, and trust on first use is forbidden")]
    FirstUseForbidden {
        /// The repository.
        gun: Gun,
    },
}

/// Whether the dates of certificates matter: they do for a root that is to be believed now, not
/// for one that only vouches for its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// Certificates must be valid at this instant.
    ValidAt(Timestamp),
    /// Certificates may have expired.
    Ignored,
}

/// Returns the root role with those keys only that have a certificate for this repository: the
/// leaf's common name covers it, its algorithms are not broken, its dates are right, and so are
/// those of the authorities listed with it (notary forgets one that has expired, and with it the
/// key, whose id is that of the whole bundle).
pub fn certified_keys(root: &Root, gun: &Gun, dates: Dates) -> Result<RoleKeys, RootTrustError> {
    let mut role = root
        .role_keys(&RoleName::Root)
        .ok_or_else(|| RootTrustError::NoCertificate { gun: gun.clone(), cause: None })?;
    let mut unusable = None;
    let mut out_of_date = None;
    role.keys.retain(|_, key| match bundle(key, gun) {
        Ok(bundle) => match dates {
            Dates::Ignored => true,
            Dates::ValidAt(now) => match bundle.iter().try_for_each(|one| one.check_dates(now)) {
                Ok(()) => true,
                Err(error) => {
                    out_of_date.get_or_insert(error);
                    false
                }
            },
        },
        Err(error) => {
            if unusable.is_none() {
                unusable = error;
            }
            false
        }
    });
    if !role.keys.is_empty() {
        return Ok(role);
    }
    Err(match out_of_date {
        Some(cause) => RootTrustError::OutOfDate { gun: gun.clone(), cause },
        None => RootTrustError::NoCertificate { gun: gun.clone(), cause: unusable },
    })
}

/// The certificates of the root role that are made for this repository, by the id that the root
/// gives their keys, whatever their dates; of one that is listed with its authorities, whichever
/// of them ends first, for the key ends with it.
pub fn root_certificates(root: &Root, gun: &Gun) -> BTreeMap<KeyId, Certificate> {
    let keys = root.role_keys(&RoleName::Root).map(|role| role.keys).unwrap_or_default();
    let ends_first = |key: &PublicKey| {
        bundle(key, gun).ok()?.into_iter().min_by_key(|certificate| certificate.not_after)
    };
    keys.into_iter().filter_map(|(id, key)| Some((id, ends_first(&key)?))).collect()
}

/// Leaves only the keys that pinning admits.
pub fn pinned_keys(
    mut role: RoleKeys,
    gun: &Gun,
    pin: &Pin,
    known: bool,
    now: Timestamp,
) -> Result<RoleKeys, RootTrustError> {
    if matches!(pin, Pin::Forbidden) && !known {
        return Err(RootTrustError::FirstUseForbidden { gun: gun.clone() });
    }
    role.keys.retain(|id, key| pin.admits(id, key, known, now));
    if role.keys.is_empty() {
        return Err(RootTrustError::NotPinned { gun: gun.clone() });
    }
    Ok(role)
}

/// The leaf, if it is made for the repository, and the authorities listed with it.
fn bundle(key: &PublicKey, gun: &Gun) -> Result<Vec<Certificate>, Option<KeyError>> {
    if !matches!(key.key_type(), KeyType::EcdsaX509 | KeyType::RsaX509) {
        return Err(None);
    }
    let (leaf, mut bundle) =
        Certificate::parse_bundle(key.public()).and_then(Certificate::split_leaf)?;
    if !leaf.covers(gun.as_str()) {
        return Err(None);
    }
    leaf.check_algorithms()?;
    bundle.insert(0, leaf);
    Ok(bundle)
}
