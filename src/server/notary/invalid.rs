//! Why an update is refused, in the reference's words where users and clients know them
//! (notary.md §3.3).

use crate::clock::Timestamp;
use crate::tuf::metadata::Problem;
use crate::tuf::root_trust::RootTrustError;
use crate::tuf::{MetadataError, RoleName, VerifyError};
use crate::wire::notary::ARCHIVE;

/// Why an update is refused. The text of those with a [`Invalid::name`] is sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A file is no metadata file at all.
    #[error("the {role} file is not signed JSON")]
    Malformed {
        /// Whose file it should be.
        role: RoleName,
    },
    /// Another client was first.
    #[error("a version is not above the one that is stored")]
    Version,
    /// A first publication without a root.
    #[error("no pre-existing root and no root provided in update.")]
    NoRoot,
    /// A root that is not the next one.
    #[error("Root modifications must increment the version. Current {current}, new {offered}")]
    RootVersion {
        /// The version that is stored; 1 if there is none.
        current: u64,
        /// The version that was sent.
        offered: u64,
    },
    /// No root key has a certificate for this repository that is valid now.
    #[error(
        "could not validate the path to a trusted root: unable to retrieve valid leaf certificates"
    )]
    RootCertificates(#[source] RootTrustError),
    /// The keys of the stored root did not sign.
    #[error(
        "could not rotate trust to a new trusted root: failed to validate data with current \
         trusted certificates"
    )]
    RootNotVouchedFor(#[source] VerifyError),
    /// The root's own keys did not sign.
    #[error("could not validate the path to a trusted root: failed to validate integrity of roots")]
    RootSignatures(#[source] VerifyError),
    /// A document is not what it has to be.
    #[error("{role} type metadata invalid: {}", problem(cause))]
    Structure {
        /// Whose document it is.
        role: RoleName,
        /// What is wrong with it.
        #[source]
        cause: MetadataError,
    },
    /// A document has expired.
    #[error("{role} expired at {}", since.strftime("%a %b %-d %H:%M:%S UTC %Y"))]
    Expired {
        /// Whose document it is.
        role: RoleName,
        /// When.
        since: Timestamp,
    },
    /// Too few valid signatures.
    #[error("valid signatures did not meet threshold for {role}")]
    Signatures {
        /// Whose document it is.
        role: RoleName,
        /// What was counted.
        #[source]
        cause: VerifyError,
    },
    /// Nobody delegates to the role.
    #[error("tuf: invalid role {role}. delegation does not exist")]
    NoDelegation {
        /// The role.
        role: RoleName,
    },
    /// A delegation further down than is followed.
    #[error("{role} is nested deeper than delegations are followed")]
    TooDeep {
        /// The role.
        role: RoleName,
    },
    /// More delegations than are followed.
    #[error("there would be more delegations than are followed")]
    TooMany,
    /// There are no targets.
    #[error("targets must be loaded first")]
    NoTargets,
    /// The snapshot names another file.
    #[error("{algorithm} checksum for {role} did not match: expected {expected}")]
    Checksum {
        /// Whose file.
        role: RoleName,
        /// `sha256` or `sha512`.
        algorithm: String,
        /// What the snapshot says, in hex.
        expected: String,
    },
    /// The snapshot says another size.
    #[error("size for {role} did not match: expected {expected}")]
    Length {
        /// Whose file.
        role: RoleName,
        /// What the snapshot says.
        expected: u64,
    },
    /// The snapshot leaves a role out that the update has.
    #[error("the snapshot has no entry for {role}")]
    NotInSnapshot {
        /// The role.
        role: RoleName,
    },
    /// The snapshot lists a delegation of which there is no file.
    #[error("the snapshot lists {role}, of which there is no file")]
    NoSuchFile {
        /// The role.
        role: RoleName,
    },
    /// The snapshot is neither sent nor the server's to make.
    #[error(
        "no snapshot was included in update and server does not hold current snapshot key for \
         repository"
    )]
    NoSnapshot,
    /// The root lists no timestamp key of this server.
    #[error("no  timestamp keys exist on the server")]
    NoTimestampKey,
    /// The collection is an archive: this server has none of the keys that sign its timestamps.
    #[error(
        "{0} - {ARCHIVE}, until its owner publishes a root that lists a key of this server: trust \
         repo adopt"
    )]
    Archive(#[source] Box<Self>),
    /// No version is left to count up to.
    #[error("{role} has the last possible version")]
    Exhausted {
        /// The role.
        role: RoleName,
    },
    /// What is stored is not what was published.
    #[error("the stored {role} file is not what was published")]
    Altered {
        /// Whose file.
        role: RoleName,
    },
}

impl Invalid {
    /// The name of the rule that an update breaks, as clients know it; `None` if that is not the
    /// answer.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Malformed { .. } | Self::Version | Self::Altered { .. } => return None,
            Self::NoRoot | Self::NoTargets | Self::Exhausted { .. } => "ErrValidation",
            Self::RootVersion { .. }
            | Self::RootCertificates(_)
            | Self::RootNotVouchedFor(_)
            | Self::RootSignatures(_)
            | Self::NoTimestampKey => "ErrBadRoot",
            Self::Structure { role, .. }
            | Self::Expired { role, .. }
            | Self::Signatures { role, .. } => match role {
                RoleName::Root => "ErrBadRoot",
                RoleName::Snapshot => "ErrBadSnapshot",
                _ => "ErrBadTargets",
            },
            Self::NoDelegation { .. } | Self::TooDeep { .. } | Self::TooMany => "ErrBadTargets",
            Self::Checksum { .. }
            | Self::Length { .. }
            | Self::NotInSnapshot { .. }
            | Self::NoSuchFile { .. } => "ErrBadSnapshot",
            Self::NoSnapshot => "ErrBadHierarchy",
            Self::Archive(cause) => return cause.name(),
        })
    }
}

/// What is wrong with a document, in the reference's words where it has some.
fn problem(error: &MetadataError) -> String {
    // What somebody sent may be long; the answer may not.
    let short = |text: &str| text.chars().take(64).flat_map(char::escape_debug).collect::<String>();
    let place: Vec<_> = error.path.iter().skip(1).map(|step| short(step)).collect();
    let role = place.first().filter(|step| *step == "roles").and_then(|_| place.get(1));
    match (&error.problem, role) {
        (Problem::Version(_), _) => "version cannot be less than one".to_owned(),
        (Problem::DocumentType { expected, found }, _) => {
            format!("expected type {expected}, not {}", short(found))
        }
        (Problem::Missing, Some(role)) if place.len() == 2 => {
            format!("missing {role} role specification")
        }
        (Problem::NotAChild { child, .. }, _) => {
            format!("delegation role {} invalid", short(child))
        }
        (problem, _) => {
            let mut text = short(&problem.to_string());
            if !place.is_empty() {
                text = format!("`{}`: {text}", short(&place.join(".")));
            }
            text
        }
    }
}
