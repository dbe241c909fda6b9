//! Who may sign: one delegation `targets/NAME` a signer, and `targets/releases` for them all
//! (notary.md §5.3).

use std::collections::BTreeSet;

use crate::actions::context::Context;
use crate::actions::image::gun_of;
use crate::actions::initialize::Plan;
use crate::actions::publish::{PublishError, Published, publish};
use crate::actions::sign::has_key;
use crate::actions::update::{RefreshError, Source, Updated, refresh};
use crate::crypto::{KeyId, PublicKey};
use crate::oci::Reference;
use crate::store::StoreError;
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::Draft;
use crate::tuf::trusted::TrustedRepository;
use crate::tuf::{NameError, RoleName};

/// Why signers were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Names look like docker's.
    #[error(
        "signer name \"{name}\" must start with lowercase alphanumeric characters and can include \"-\" or \"_\" after the first character"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// `releases` is where all signers sign.
    #[error("releases is a reserved keyword, use a different signer name")]
    ReservedName,
    /// `releases` is where all signers sign.
    #[error("releases is a reserved keyword and cannot be removed")]
    ReservedRemoval,
    /// There is nobody of that name.
    #[error("no signer {name} for repository {repository}")]
    NoSuchSigner {
        /// The name.
        name: String,
        /// The repository.
        repository: String,
    },
    /// What is released was last signed by this signer alone, and no other key is here to sign it
    /// again.
    #[error(
        "{name} signed the last released version of {repository}; without {name} it cannot be pulled"
    )]
    LastSigner {
        /// The name.
        name: String,
        /// The repository.
        repository: String,
    },
    /// The change.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// What is known could not be brought up to date.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The keys.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What removing a signer came to.
#[derive(Debug)]
pub struct Removed {
    /// What was published.
    pub published: Published,
    /// What is released was signed again, with a key that is here.
    pub resigned: bool,
}

/// A signer of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The name, without `targets/`.
    pub name: String,
    /// Canonical ids of the keys.
    pub keys: Vec<KeyId>,
    /// How many of them are needed.
    pub threshold: u32,
    /// Prefixes of the names it may sign.
    pub paths: Vec<String>,
    /// What is wrong with what it signed last, if that cannot be used.
    pub problem: Option<String>,
}

/// Checks a signer's name: lower case, as docker wants it, and not `releases`.
pub fn check_name(name: &str) -> Result<(), SignerError> {
    if name == "releases" {
        return Err(SignerError::ReservedName);
    }
    let first = name.bytes().next();
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = name.bytes().all(|b| alphanumeric(b) || matches!(b, b'-' | b'_'));
    if first.is_some_and(alphanumeric) && rest && RoleName::delegation(name).is_ok() {
        return Ok(());
    }
    Err(SignerError::BadName { name: name.to_owned() })
}

/// Makes somebody a signer of a repository, or gives a signer more keys; sets the repository up
/// first if it has no trust data.
pub async fn add(
    context: &Context,
    reference: &Reference,
    name: &str,
    keys: &[PublicKey],
) -> Result<Published, SignerError> {
    check_name(name)?;
    let gun = gun_of(reference)?;
    let roles = [RoleName::delegation(name)?, RoleName::releases()];
    let edit = DelegationEdit {
        add_keys: keys.to_vec(),
        add_paths: vec![String::new()],
        ..DelegationEdit::default()
    };
    publish(context, &gun, Some(&Plan::default()), |draft, _| {
        for role in &roles {
            draft
                .edit_delegation(role, true, &edit, context.clock.now())
                .map_err(PublishError::from)?;
        }
        Ok(())
    })
    .await
}

/// Takes a signer away: the delegation, and its keys from `targets/releases`, which is signed again
/// if a key for that is here. If nobody is left, `targets/releases` goes, too. `force` goes on
/// though nothing released could be pulled afterwards.
pub async fn remove(
    context: &Context,
    reference: &Reference,
    name: &str,
    force: bool,
) -> Result<Removed, SignerError> {
    if name == "releases" {
        return Err(SignerError::ReservedRemoval);
    }
    check_name(name)?;
    let gun = gun_of(reference)?;
    let store = context.trust_dir.keys()?;
    let role = RoleName::delegation(name)?;
    let mut resigned = false;
    let published = publish(context, &gun, None, |draft, trusted| {
        resigned = false;
        let Some(keys) = draft.role_keys(&role) else {
            let repository = reference.familiar_name();
            return Err(SignerError::NoSuchSigner { name: name.to_owned(), repository });
        };
        let ids: BTreeSet<KeyId> = keys.keys.into_keys().collect();
        draft.remove_delegation(&role).map_err(PublishError::from)?;
        let orphaned = take_from_releases(draft, trusted, &ids, context)?;
        if orphaned {
            if draft.exists(&RoleName::releases()) && has_key(draft, &RoleName::releases(), &store)?
            {
                draft.touch(&RoleName::releases());
                resigned = true;
            } else if !force {
                let repository = reference.familiar_name();
                return Err(SignerError::LastSigner { name: name.to_owned(), repository });
            }
        }
        Ok(())
    })
    .await?;
    Ok(Removed { published, resigned })
}

/// Takes keys from `targets/releases`, unless another signer has the same key; tells whether what
/// is released now lacks signatures.
fn take_from_releases(
    draft: &mut Draft,
    trusted: Option<&TrustedRepository>,
    ids: &BTreeSet<KeyId>,
    context: &Context,
) -> Result<bool, SignerError> {
    let releases = RoleName::releases();
    let Some(before) = draft.role_keys(&releases) else { return Ok(false) };
    let others: BTreeSet<KeyId> = draft
        .targets(&RoleName::Targets)
        .iter()
        .flat_map(|file| &file.delegations.roles)
        .filter(|child| child.name != releases)
        .flat_map(|child| child.key_ids.iter().cloned())
        .collect();
    let gone: Vec<KeyId> = ids.difference(&others).cloned().collect();
    if before.keys.keys().all(|id| gone.contains(id)) {
        draft.remove_delegation(&releases).map_err(PublishError::from)?;
    } else {
        let edit = DelegationEdit { remove_keys: gone.clone(), ..DelegationEdit::default() };
        draft
            .edit_delegation(&releases, false, &edit, context.clock.now())
            .map_err(PublishError::from)?;
    }
    let signed = trusted.and_then(|trusted| trusted.targets().get(&releases));
    Ok(signed.is_some_and(|file| {
        let left = file.signers().iter().filter(|id| !gone.contains(id)).count();
        let has_tags = !file.body().targets.is_empty();
        has_tags && u32::try_from(left).unwrap_or(u32::MAX) < before.threshold.get()
    }))
}

/// The signers of a repository.
pub async fn list(
    context: &Context,
    reference: &Reference,
    source: Source,
) -> Result<Vec<Signer>, SignerError> {
    let gun = gun_of(reference)?;
    let Updated { trusted, .. } = refresh(context, &gun, source).await?;
    let mut signers = Vec::new();
    for parent in trusted.targets().values() {
        for child in &parent.body().delegations.roles {
            if child.name == RoleName::releases() {
                continue;
            }
            let keys = &parent.body().delegations.keys;
            let keys = child.key_ids.iter().filter_map(|id| keys.get(id));
            let name = child.name.as_str();
            signers.push(Signer {
                name: name.strip_prefix("targets/").unwrap_or(name).to_owned(),
                keys: keys.filter_map(|key| key.canonical_id().ok()).collect(),
                threshold: child.threshold.get(),
                paths: child.paths.clone(),
                problem: trusted.unusable().get(&child.name).map(ToString::to_string),
            });
        }
    }
    signers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(signers)
}
