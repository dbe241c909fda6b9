//! The errors of trust, as kinds and hints: what [`crate::cli::error`] is for the layers below.

use crate::actions::copy::CopyError;
use crate::actions::delegation::DelegationError;
use crate::actions::image::ImageError;
use crate::actions::initialize::InitializeError;
use crate::actions::inspect::InspectError;
use crate::actions::keys::rotate::RotateError;
use crate::actions::manifest::rm::RemoveError;
use crate::actions::publish::PublishError;
use crate::actions::pull::PullError;
use crate::actions::push::PushError;
use crate::actions::repo::RepoError;
use crate::actions::repo::renew::RenewError;
use crate::actions::repo::root::CeremonyFailure;
use crate::actions::revoke::{Remaining, RevokeError};
use crate::actions::sign::SignError;
use crate::actions::signer::SignerError;
use crate::actions::stage::StageError;
use crate::actions::target::TargetError;
use crate::actions::transfer::{RemoteError, TreeError};
use crate::actions::unlock::UnlockError;
use crate::actions::update::RefreshError;
use crate::actions::verify::VerifyImageError;
use crate::cli::error::classify_image_layout;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::findings;
use crate::cli::outcome::so_far;
use crate::client::RegistryError;
use crate::crypto::KeyId;
use crate::oci::manifest::ManifestError;
use crate::tuf::ceremony::CeremonyError;
use crate::tuf::changelist::ChangeError;
use crate::tuf::editor::EditError;
use crate::tuf::root_trust::RootTrustError;
use crate::tuf::trusted::{LookupError, UpdateError};
use crate::tuf::{Gun, RoleName};

impl From<RefreshError> for CliError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Server(error) => error.into(),
            RefreshError::Connection(error) => error.into(),
            RefreshError::Store(error) => error.into(),
            RefreshError::Folder(error) => error.into(),
            error => {
                let (kind, hint) = classify_refresh(&error);
                hinted(Self::new(kind, error), hint)
            }
        }
    }
}

fn classify_refresh(error: &RefreshError) -> (ErrorKind, Option<&'static str>) {
    match error {
        RefreshError::NoTrustData { set_up_here: true, .. } => (
            ErrorKind::Untrusted,
            Some("it was set up on this machine: `trust repo publish` publishes it"),
        ),
        RefreshError::NoTrustData { .. } => (
            ErrorKind::Untrusted,
            Some(
                "its owner sets it up with the first `trust sign` or `trust repo publish`; \
                 `--server URL` asks another trust server",
            ),
        ),
        RefreshError::Gone { .. } => (
            ErrorKind::Tampered,
            Some("ask the repository's owner; the trust data known so far is kept"),
        ),
        RefreshError::NotCached { .. } => {
            (ErrorKind::Network, Some("ask the trust server once, without `--offline`"))
        }
        RefreshError::TooStale { .. } => {
            (ErrorKind::Expired, Some("ask the trust server once, without `--offline`"))
        }
        RefreshError::BadAnchor { .. } => (
            ErrorKind::Storage,
            Some(
                "trust begins with this file: restore it from a backup, or, if you know the \
                 root key id from elsewhere, remove the repository's folder under `tuf` and \
                 compare the id that is then printed",
            ),
        ),
        RefreshError::Refused { cause, .. } => classify_update(cause),
        RefreshError::MissingRoot { .. } => (
            ErrorKind::Tampered,
            Some(
                "if the repository's owner confirms that this version was never published, \
                 `--root-walk notary` does without it",
            ),
        ),
        RefreshError::Withheld { .. } | RefreshError::TooManyRoots { .. } => {
            (ErrorKind::Tampered, None)
        }
        _ => (ErrorKind::Internal, None),
    }
}

fn classify_update(error: &UpdateError) -> (ErrorKind, Option<&'static str>) {
    match error {
        UpdateError::Expired { .. } | UpdateError::Root(RootTrustError::OutOfDate { .. }) => (
            ErrorKind::Expired,
            Some(
                "whoever has its keys makes it valid again with `trust repo renew`; \
                 `trust repo doctor` tells which keys",
            ),
        ),
        UpdateError::Root(RootTrustError::NotPinned { .. }) => (
            ErrorKind::Policy,
            Some(
                "if the repository's owner confirms its new root key, pin that; `trust repo pin` \
                 lists what is pinned",
            ),
        ),
        UpdateError::Root(RootTrustError::FirstUseForbidden { .. }) => (
            ErrorKind::Policy,
            Some("`trust repo pin GUN --key ID` pins a root key that its owner told you"),
        ),
        UpdateError::OutOfOrder => (ErrorKind::Internal, None),
        _ => {
            (ErrorKind::Tampered, Some("nothing of it was kept; what was trusted before still is"))
        }
    }
}

impl From<LookupError> for CliError {
    fn from(error: LookupError) -> Self {
        let (kind, hint) = match &error {
            LookupError::RoleUnusable { cause, .. } => classify_role(cause),
            _ => (ErrorKind::Untrusted, None),
        };
        hinted(Self::new(kind, error), hint)
    }
}

fn classify_role(cause: &UpdateError) -> (ErrorKind, Option<&'static str>) {
    match cause {
        UpdateError::Signatures(_) => (
            ErrorKind::WrongSigner,
            Some(
                "its signers, or how many must sign, changed since it was signed: they have to \
                 sign again",
            ),
        ),
        other => classify_update(other),
    }
}

impl From<ImageError> for CliError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Connection(error) => error.into(),
            ImageError::Registry(error) => error.into(),
            ImageError::Manifest { cause: ManifestError::Schema1, .. } => {
                Self::new(ErrorKind::Usage, error)
                    .hint("push the image again with a tool of this decade")
            }
            ImageError::Manifest { .. } => Self::new(ErrorKind::Network, error),
            ImageError::NoPlatform { .. } => Self::new(ErrorKind::NotFound, error),
        }
    }
}

impl From<RemoveError> for CliError {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::Connection(error) => error.into(),
            RemoveError::Registry(error) => error.into(),
            RemoveError::OtherTags { .. } => Self::new(ErrorKind::Policy, error).hint(
                "`--force` deletes them all; `--untag` deletes the tag alone, where the registry can",
            ),
            RemoveError::TooManyTags { .. } => {
                Self::new(ErrorKind::Policy, error).hint("`--force` deletes without looking")
            }
            RemoveError::NoTag { .. } => Self::new(ErrorKind::Usage, error),
            RemoveError::OtherDigest { .. } => Self::new(ErrorKind::Moved, error),
        }
    }
}

impl From<VerifyImageError> for CliError {
    fn from(error: VerifyImageError) -> Self {
        match error {
            VerifyImageError::Refresh(error) => error.into(),
            VerifyImageError::RoleUnusable(error) => error.into(),
            VerifyImageError::Image(error) => error.into(),
            VerifyImageError::Name(error) => error.into(),
            VerifyImageError::NotSigned { ref waits, .. } if !waits.is_empty() => {
                let hints: Vec<String> = waits
                    .iter()
                    .map(|waits| format!("it is proposed for {}: {}", waits.role, so_far(waits)))
                    .collect();
                hints.into_iter().fold(Self::new(ErrorKind::Untrusted, error), Self::hint)
            }
            VerifyImageError::NotSigned { ref only_in, .. } if !only_in.is_empty() => {
                let roles: Vec<&str> = only_in.iter().map(RoleName::as_str).collect();
                let roles = roles.join(", ");
                Self::new(ErrorKind::Untrusted, error).hint(format!(
                    "only {roles} names it, and only `targets/releases` and `targets` count"
                ))
            }
            VerifyImageError::WrongSigner { ref cause, .. } => {
                let kind = match cause.as_ref().map(classify_update) {
                    Some((ErrorKind::Expired, _)) => ErrorKind::Expired,
                    _ => ErrorKind::WrongSigner,
                };
                Self::new(kind, error)
            }
            VerifyImageError::Moved { .. } => Self::new(ErrorKind::Moved, error)
                .hint("somebody pushed other content under this name; do not deploy the tag"),
            VerifyImageError::PlatformNeedsRegistry => Self::new(ErrorKind::Usage, error),
            VerifyImageError::MissingChild { .. } => Self::new(ErrorKind::NotFound, error),
            VerifyImageError::WrongSize { .. } | VerifyImageError::OtherDigest { .. } => {
                Self::new(ErrorKind::Moved, error)
            }
            error => Self::new(ErrorKind::Untrusted, error),
        }
    }
}

impl From<RemoteError> for CliError {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Image(ImageError::Registry(
                error @ RegistryError::DigestMismatch { .. },
            )) => Self::new(ErrorKind::Tampered, error),
            RemoteError::Image(error) => error.into(),
            RemoteError::WrongSize { .. } | RemoteError::Moved { .. } => {
                Self::new(ErrorKind::Moved, error)
            }
            RemoteError::Tree { ref cause, .. } => Self::new(kind_of_tree(cause), error),
        }
    }
}

/// What is no usable image is the server's fault, or that of whoever made it; what contradicts
/// itself was tampered with.
fn kind_of_tree(error: &TreeError) -> ErrorKind {
    match error {
        TreeError::Manifest { cause: ManifestError::Schema1, .. } => ErrorKind::Usage,
        TreeError::Size { .. } | TreeError::Layers { .. } => ErrorKind::Tampered,
        TreeError::Layout(error) => classify_image_layout(error).0,
        _ => ErrorKind::Network,
    }
}

impl From<PullError> for CliError {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Verify(error) => or_unverified(error.into()),
            PullError::Refresh(error) => or_unverified(error.into()),
            PullError::NothingSigned { .. } => Self::new(ErrorKind::Untrusted, error),
            PullError::NoTags { .. } | PullError::OtherPlatform { .. } => {
                Self::new(ErrorKind::NotFound, error)
            }
            PullError::Remote(error) => error.into(),
            PullError::Layout(error) => error.into(),
            PullError::Name(error) => error.into(),
            PullError::Reference(error) => error.into(),
        }
    }
}

impl From<PushError> for CliError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::NotHere { .. } => Self::new(ErrorKind::NotFound, error)
                .hint("`trust images` lists those that are here"),
            PushError::NoTags { .. } => Self::new(ErrorKind::NotFound, error),
            PushError::DigestReference => Self::new(ErrorKind::Usage, error),
            PushError::Tree { .. } => {
                Self::new(ErrorKind::Storage, error).hint("pull or load the image again")
            }
            PushError::Incomplete { ref signatures, .. } => {
                let hint = format!(
                    "{}: {}; when the last of them pushes the same image, the tag is moved",
                    signatures.role,
                    so_far(signatures)
                );
                Self::new(ErrorKind::WrongSigner, error).hint(hint)
            }
            PushError::NotSigned { reference, cause } => Self::from(*cause)
                .context(format!("{reference} was not signed: its tag was not moved")),
            PushError::Connection(error) => error.into(),
            PushError::Registry(error @ RegistryError::DigestMismatch { .. }) => {
                Self::new(ErrorKind::Tampered, error)
            }
            PushError::Registry(error) => error.into(),
            PushError::Layout(error) => error.into(),
        }
    }
}

impl From<CopyError> for CliError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Verify(error) => or_unverified(error.into()),
            CopyError::Remote(error) => error.into(),
            CopyError::Push(error) => error.into(),
        }
    }
}

/// Tells the way out, where nobody signed anything. Where somebody may be cheating there is none.
fn or_unverified(error: CliError) -> CliError {
    if error.kind == ErrorKind::Untrusted { error.hint(WITHOUT_TRUST) } else { error }
}

const WITHOUT_TRUST: &str = "`--disable-content-trust` takes it as it is, unverified";

impl From<InspectError> for CliError {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Refresh(error) => error.into(),
            InspectError::Name(error) => error.into(),
        }
    }
}

impl From<UnlockError> for CliError {
    fn from(error: UnlockError) -> Self {
        match error {
            UnlockError::ExampleKey { .. } => Self::new(ErrorKind::Policy, error)
                .hint("`--allow-example-keys` uses it all the same"),
            UnlockError::Store(error) => error.into(),
            UnlockError::Connection(error) => error.into(),
        }
    }
}

impl From<InitializeError> for CliError {
    fn from(error: InitializeError) -> Self {
        match error {
            InitializeError::Key(error) => error.into(),
            InitializeError::Passphrase(error) => error.into(),
            InitializeError::Name(error) => error.into(),
            InitializeError::Unlock(error) => error.into(),
            InitializeError::Store(error) => error.into(),
            InitializeError::Server(error) => error.into(),
            InitializeError::Edit(error) => error.into(),
            InitializeError::ServerKey { .. } => Self::new(ErrorKind::Network, error),
            InitializeError::NoKey { .. } => Self::new(ErrorKind::Storage, error),
        }
    }
}

impl From<EditError> for CliError {
    fn from(error: EditError) -> Self {
        match &error {
            EditError::NotEnoughKeys { candidates, role, .. } => {
                let is_root = *role == RoleName::Root;
                let hint = format!("it can be signed with {}", any_of(candidates));
                by_ceremony(is_root, Self::new(ErrorKind::Key, error).hint(hint))
            }
            EditError::Key { .. } => Self::new(ErrorKind::Key, error),
            EditError::UnknownRole { .. } => Self::new(ErrorKind::NotFound, error).hint(
                "`trust delegation ls` lists the delegations, `trust delegation add` makes one",
            ),
            EditError::NoSuchKey { .. } => Self::new(ErrorKind::NotFound, error),
            EditError::NotPermitted { .. } => Self::new(ErrorKind::Policy, error),
            EditError::Custom { .. } | EditError::Target { .. } | EditError::Path { .. } => {
                Self::new(ErrorKind::Usage, error)
            }
            EditError::ThresholdTooHigh { .. } => Self::new(ErrorKind::Usage, error),
            EditError::CompanionTaken { .. } => Self::new(ErrorKind::Policy, error)
                .hint("a threshold above 1 needs this role: give its signer another name"),
            EditError::NotARootKey { .. } => Self::new(ErrorKind::Key, error)
                .hint("`trust repo root cert` makes one for the root key that is here"),
            EditError::Unwritable { .. } => Self::new(ErrorKind::Storage, error)
                .hint("what another program put there cannot be signed again by anyone"),
            EditError::UnusableRole { .. } => Self::new(ErrorKind::WrongSigner, error)
                .hint("one of its signers has to sign again first"),
            _ => Self::new(ErrorKind::Tampered, error),
        }
    }
}

impl From<PublishError> for CliError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refresh(error) => error.into(),
            PublishError::Initialize(error) => error.into(),
            PublishError::Edit(error) => error.into(),
            PublishError::Connection(error) => error.into(),
            PublishError::Server(error) => error.into(),
            PublishError::Unlock(error) => error.into(),
            PublishError::Store(error) => error.into(),
            PublishError::ExpiredAbove { ref candidates, ref role, .. } => {
                let is_root = *role == RoleName::Root;
                let hint = format!("it can be signed with {}", any_of(candidates));
                by_ceremony(is_root, Self::new(ErrorKind::Expired, error).hint(hint))
            }
            PublishError::BadUnpublished { ref gun, .. } => {
                let hint = format!(
                    "`trust repo delete {gun}` removes it (keys stay), so that the repository can be set up again"
                );
                Self::new(ErrorKind::Storage, error).hint(hint)
            }
            PublishError::RootOutOfDate { .. } => Self::new(ErrorKind::Expired, error)
                .hint(
                    "a server of the reference takes no change of any kind once the root it has \
                     stored has no valid certificate: its operator has to remove the repository's \
                     trust data there",
                )
                .hint(
                    "then sign anew with the same root key, and readers remove what they have \
                     cached of the repository",
                ),
            PublishError::TooBusy { .. } => Self::new(ErrorKind::Busy, error),
        }
    }
}

impl From<RotateError> for CliError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Unfinished { gun, role, cause } => {
                let words = format!("the rotation of the {role} key of {gun} is not finished");
                Self::from(*cause).context(words).hint(
                    "the same command again finishes or resumes it, with the same new key; \
                     `--abandon` undoes it if it was not published",
                )
            }
            RotateError::Publish(error) => error.into(),
            RotateError::Refresh(error) => error.into(),
            RotateError::Server(error) => error.into(),
            RotateError::Connection(error) => error.into(),
            RotateError::KeyFile { path, cause } => {
                let words = format!("the key in {} cannot be used", path.display());
                Self::from(cause).context(words)
            }
            RotateError::Key(error) => error.into(),
            RotateError::Unlock(error) => error.into(),
            RotateError::Passphrase(error) => error.into(),
            RotateError::Store(error) => error.into(),
            error => {
                let (kind, hint) = classify_rotate(&error);
                hinted(Self::new(kind, error), hint)
            }
        }
    }
}

fn classify_rotate(error: &RotateError) -> (ErrorKind, Option<&'static str>) {
    match error {
        RotateError::NotRotatable { delegation: true, .. } => (
            ErrorKind::Usage,
            Some(
                "`trust delegation add` and `trust delegation rm` change the keys of a \
                 delegation, `trust signer` those of a signer",
            ),
        ),
        RotateError::NotRotatable { .. } => {
            (ErrorKind::Usage, Some("root, targets, snapshot and timestamp have keys to rotate"))
        }
        RotateError::OnlyTheServers { .. } => {
            (ErrorKind::Usage, Some("`--server-managed` has the server make a new one"))
        }
        RotateError::TooFewKeys { .. } => {
            (ErrorKind::Policy, Some("`--key FILE`, given once for each, names the new keys"))
        }
        RotateError::ServerKey { .. } => (ErrorKind::Network, None),
        RotateError::OtherPending { .. } => (
            ErrorKind::Busy,
            Some("rotate that key, with the same flags, to resume it; `--abandon` undoes it"),
        ),
        RotateError::NewKeyGone { .. } => {
            (ErrorKind::Key, Some("import the key from a backup, or `--abandon` the rotation"))
        }
        RotateError::NoneUnderWay { .. } => (ErrorKind::NotFound, None),
        RotateError::BadChain { .. } => (ErrorKind::Tampered, None),
        RotateError::SeveralKeys { .. }
        | RotateError::OtherPurpose { .. }
        | RotateError::NotForRoot { .. } => (ErrorKind::Key, None),
        _ => (ErrorKind::Usage, None),
    }
}

impl From<RenewError> for CliError {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Publish(error) => error.into(),
            RenewError::Refresh(error) => error.into(),
            RenewError::Unlock(error) => error.into(),
            RenewError::Store(error) => error.into(),
            RenewError::Certificate { .. } => Self::new(ErrorKind::Key, error),
            RenewError::NoSuchRole { .. } => Self::new(ErrorKind::NotFound, error).hint(
                "`trust repo doctor` lists the roles, and what mends those that do not verify",
            ),
            RenewError::NoKeys { ref left, .. } => {
                let hints: Vec<String> = left.iter().map(findings::left).collect();
                hints.into_iter().fold(Self::new(ErrorKind::Key, error), Self::hint)
            }
        }
    }
}

impl From<CeremonyError> for CliError {
    fn from(error: CeremonyError) -> Self {
        match &error {
            CeremonyError::Incomplete { missing, .. } => {
                let hint = format!("`trust repo root sign` with {}", any_of(missing));
                Self::new(ErrorKind::WrongSigner, error).hint(hint)
            }
            CeremonyError::Different { .. } | CeremonyError::Format(_) => {
                Self::new(ErrorKind::Usage, error)
            }
            CeremonyError::Expired { .. } => Self::new(ErrorKind::Expired, error),
            CeremonyError::Key(_) => Self::new(ErrorKind::Key, error),
            _ => Self::new(ErrorKind::Tampered, error)
                .hint("nothing of it was used; ask for the file again"),
        }
    }
}

impl From<CeremonyFailure> for CliError {
    fn from(error: CeremonyFailure) -> Self {
        match error {
            CeremonyFailure::Ceremony(error) => error.into(),
            CeremonyFailure::Refresh(error) => error.into(),
            CeremonyFailure::Edit(error) => error.into(),
            CeremonyFailure::Connection(error) => error.into(),
            CeremonyFailure::Server(error) => error.into(),
            CeremonyFailure::Unlock(error) => error.into(),
            CeremonyFailure::KeyAction(error) => error.into(),
            CeremonyFailure::Key(error) => error.into(),
            CeremonyFailure::Store(error) => error.into(),
            CeremonyFailure::Publish(error) => error.into(),
            CeremonyFailure::Stale { .. } | CeremonyFailure::Overtaken { .. } => {
                Self::new(ErrorKind::Busy, error)
                    .hint("begin a new ceremony: `trust repo root export`")
            }
            CeremonyFailure::NoKeyHere { ref candidates }
            | CeremonyFailure::UselessKey { ref candidates, .. } => {
                let hint = format!("it can be signed with {}", any_of(candidates));
                Self::new(ErrorKind::Key, error).hint(format!("it can be signed with {hint}"))
            }
            CeremonyFailure::NoFile => Self::new(ErrorKind::Usage, error),
            CeremonyFailure::OtherRoot { .. } | CeremonyFailure::Targets { .. } => {
                Self::new(ErrorKind::Tampered, error)
            }
        }
    }
}

impl From<SignError> for CliError {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Image(error) => error.into(),
            SignError::Name(error) => error.into(),
            SignError::Publish(error) => error.into(),
            SignError::Store(error) => error.into(),
            SignError::Unexpected { .. } => Self::new(ErrorKind::Moved, error),
            SignError::NoTags { .. } => Self::new(ErrorKind::NotFound, error),
            SignError::NoSigningKey { ref candidates, .. } => {
                let hints: Vec<String> = candidates
                    .iter()
                    .map(|(role, keys)| {
                        let holders = signers_with(candidates, role, keys);
                        format!("{role} can be signed with {}{holders}", any_of(keys))
                    })
                    .collect();
                hints.into_iter().fold(Self::new(ErrorKind::Key, error), Self::hint)
            }
            SignError::SignerName { .. } => Self::new(ErrorKind::Usage, error)
                .hint("`--signer NAME` names the signer to set up"),
            error => Self::new(ErrorKind::Usage, error),
        }
    }
}

impl From<RevokeError> for CliError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Publish(error) => error.into(),
            RevokeError::Store(error) => error.into(),
            RevokeError::Name(error) => error.into(),
            RevokeError::DigestReference => Self::new(ErrorKind::Usage, error),
            RevokeError::NoKeys { ref remaining, .. } => {
                let hints: Vec<String> = remaining.iter().map(still_there).collect();
                hints.into_iter().fold(Self::new(ErrorKind::Key, error), Self::hint)
            }
            error => Self::new(ErrorKind::Untrusted, error),
        }
    }
}

/// Where a signature still is, and who could take it away.
pub fn still_there(remaining: &Remaining) -> String {
    let Remaining { tag, role, trusted, candidates } = remaining;
    let consequence = if *trusted { "and is trusted by it" } else { "which alone trusts nothing" };
    format!(
        "{tag} is still in {role}, {consequence}; it can be taken out with {}",
        any_of(candidates)
    )
}

impl From<SignerError> for CliError {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::Publish(error) => error.into(),
            SignerError::Refresh(error) => error.into(),
            SignerError::Store(error) => error.into(),
            SignerError::Name(error) => error.into(),
            SignerError::ReleasesTooFew { .. } => Self::new(ErrorKind::Policy, error)
                .hint("`--force` does it all the same; enough signers have to sign anew then"),
            SignerError::NoSuchSigner { .. } => Self::new(ErrorKind::NotFound, error),
            SignerError::LastSigner { .. } => Self::new(ErrorKind::Policy, error)
                .hint("`--force` removes the signer all the same; somebody else has to sign then"),
            error => Self::new(ErrorKind::Usage, error),
        }
    }
}

impl From<RepoError> for CliError {
    fn from(error: RepoError) -> Self {
        match error {
            RepoError::Key(error) => error.into(),
            RepoError::Initialize(error) => error.into(),
            RepoError::Stage(error) => error.into(),
            RepoError::Publish(error) => error.into(),
            RepoError::Connection(error) => error.into(),
            RepoError::Server(error) => error.into(),
            RepoError::Store(error) => error.into(),
            RepoError::NotARootKey { .. }
            | RepoError::Certificate { .. }
            | RepoError::OtherKey { .. } => Self::new(ErrorKind::Key, error),
            RepoError::NoSuchChange { ref gun, .. } => {
                let hint = format!("`trust repo status {gun}` lists them");
                Self::new(ErrorKind::NotFound, error).hint(hint)
            }
            RepoError::OnThisMachine { ref gun } => {
                let hint = format!(
                    "`trust repo publish {gun}` publishes it; `trust repo delete {gun}` removes it"
                );
                Self::new(ErrorKind::Usage, error).hint(hint)
            }
            RepoError::OnServer { .. } => Self::new(ErrorKind::Usage, error)
                .hint("whoever has its keys can add to it; it cannot be set up again"),
            error => Self::new(ErrorKind::Usage, error),
        }
    }
}

impl From<TargetError> for CliError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Lookup(error) => error.into(),
            TargetError::Edit(error) => error.into(),
            TargetError::Stage(error) => error.into(),
            TargetError::Refresh(error) => error.into(),
            TargetError::Store(error) => error.into(),
            TargetError::Length { .. } | TargetError::Mismatch { .. } => {
                Self::new(ErrorKind::Moved, error)
            }
            TargetError::NoHash { .. } => {
                Self::new(ErrorKind::Usage, error).hint("`--sha256 HEX` and `--sha512 HEX` give it")
            }
            error => Self::new(ErrorKind::Usage, error),
        }
    }
}

impl From<DelegationError> for CliError {
    fn from(error: DelegationError) -> Self {
        match error {
            DelegationError::Name(error) => error.into(),
            DelegationError::Refresh(error) => error.into(),
            DelegationError::Stage(error) => error.into(),
            error => Self::new(ErrorKind::Usage, error),
        }
    }
}

impl From<StageError> for CliError {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Publish(error @ (PublishError::Edit(_) | PublishError::Unlock(_))) => {
                Self::from(error).hint("nothing was published, and all changes are still staged")
            }
            StageError::Publish(error) => error.into(),
            StageError::Store(error) => error.into(),
            StageError::Refused { ref gun, number, ref cause, .. } => {
                let of_cause = Self::from(cause.clone());
                let hint = reset_hint(gun, number);
                let refused = Self { hints: of_cause.hints, ..Self::new(of_cause.kind, error) };
                refused.hint(hint)
            }
            StageError::Unreadable { ref gun, number, ref cause, .. } => {
                let kind = match cause {
                    ChangeError::Malformed(_) => ErrorKind::Storage,
                    _ => ErrorKind::Usage,
                };
                let hint = reset_hint(gun, number);
                Self::new(kind, error).hint(hint)
            }
            StageError::NeverValid { ref gun, number, ref role, .. } => {
                let sign = format!(
                    "its signers were changed since; if you know what it holds, \
                     `trust repo witness {gun} {role} --unseen -p` signs what the server serves"
                );
                let hint = reset_hint(gun, number);
                Self::new(ErrorKind::WrongSigner, error).hint(sign).hint(hint)
            }
            StageError::NotCleared { .. } => Self::new(ErrorKind::Storage, error).hint(
                "publishing them again changes nothing; make the folder writable, and do that",
            ),
        }
    }
}

fn reset_hint(gun: &Gun, number: usize) -> String {
    format!(
        "nothing was published, and all changes are still staged; `trust repo reset {gun} -n {number}` takes this one back"
    )
}

/// Which signers hold keys of a role that is not their own.
fn signers_with(candidates: &[(RoleName, Vec<KeyId>)], role: &RoleName, keys: &[KeyId]) -> String {
    let others =
        candidates.iter().filter(|(other, _)| other != role && *role == RoleName::releases());
    let holders: Vec<&str> = others
        .filter(|(_, held)| held.iter().any(|id| keys.contains(id)))
        .map(|(other, _)| other.as_str().trim_start_matches("targets/"))
        .collect();
    if holders.is_empty() { String::new() } else { format!(" (of {})", holders.join(", ")) }
}

/// A root whose keys are in several hands is signed in a ceremony.
fn by_ceremony(is_root: bool, error: CliError) -> CliError {
    if !is_root {
        return error;
    }
    error.hint("`trust repo root export` begins what several holders of root keys do together")
}

/// Keys as a person can look for them.
pub fn any_of(keys: &[KeyId]) -> String {
    let keys: Vec<&str> = keys.iter().map(KeyId::as_str).collect();
    match keys.as_slice() {
        [] => "no key at all".to_owned(),
        [one] => format!("the key {one}"),
        more => format!("any of the keys {}", more.join(", ")),
    }
}

fn hinted(error: CliError, hint: Option<&'static str>) -> CliError {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
