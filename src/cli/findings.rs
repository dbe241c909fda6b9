//! What was found out about a repository, in words, with what would mend it.

use crate::actions::repo::doctor::{KeyRemark, Remark, StepError};
use crate::actions::repo::renew::{Left, Reason};
use crate::actions::update::RefreshError;
use crate::cli::error::ErrorKind;
use crate::cli::trust_error::any_of;
use crate::client::{NotaryError, TransportError};
use crate::clock::Timestamp;
use crate::codec::timestamp::Rfc3339;
use crate::crypto::KeyId;
use crate::tuf::health::{Finding, Severity, Signers};
use crate::tuf::root_trust::RootTrustError;
use crate::tuf::trusted::UpdateError;
use crate::tuf::{Pin, RoleName};

/// What is said of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What is so.
    pub text: String,
    /// What would mend it.
    pub mend: Option<String>,
}

impl Words {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), mend: None }
    }

    fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

/// The word for a severity, in text and JSON.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Problem => "problem",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// What the exit code says of a problem; of everything less it is [`ErrorKind::Policy`].
pub fn kind(finding: &Finding) -> ErrorKind {
    match finding {
        Finding::Expired { .. } | Finding::RootOutOfDate { .. } => ErrorKind::Expired,
        Finding::Unsigned { .. } | Finding::Unsignable { .. } => ErrorKind::WrongSigner,
        Finding::Vanished { .. } | Finding::Unusable { .. } => ErrorKind::Tampered,
        _ => ErrorKind::Policy,
    }
}

/// The words for a finding about a repository.
pub fn words(gun: &str, finding: &Finding) -> Words {
    match finding {
        Finding::Expired { role, since, signers } => {
            let words = Words::new(format!("{role} expired on {}", day(*since)));
            expiry_mended(words, gun, role, signers)
        }
        Finding::ExpiresSoon { role, expires, signers } => {
            let words = Words::new(format!("{role} expires on {}", day(*expires)));
            expiry_mended(words, gun, role, signers)
        }
        Finding::RootOutOfDate { have, need, since } => {
            let since = since.map(|at| format!(", the last since {}", day(at))).unwrap_or_default();
            Words::new(format!(
                "{have} of {need} root keys needed have a certificate that is in date{since}: \
                 readers refuse the repository"
            ))
            .mend(format!(
                "try `trust repo renew {gun}`; a server of the reference refuses it once it has \
                 such a root: then its operator has to remove the repository's trust data, it is \
                 set up anew with the same root key, and readers remove what they have cached of it"
            ))
        }
        Finding::CertificateExpired { id, since } => {
            Words::new(format!("the certificate of the root key {id} expired on {}", day(*since)))
                .mend(format!("`trust repo renew {gun}`, where the root key is"))
        }
        Finding::CertificateExpiresSoon { id, expires, by_authority } => {
            let day = day(*expires);
            let words = Words::new(format!(
                "the certificate of the root key {id} expires on {day}; after that readers refuse \
                 the root, and a server of the reference every change"
            ));
            if *by_authority {
                words.mend("its authority has to make the next one, for the same key, in time")
            } else {
                let place = "before that day, where the root key is";
                words.mend(format!("`trust repo renew {gun}` {place}"))
            }
        }
        Finding::CertificateNotYetValid { id, begins } => Words::new(format!(
            "the certificate of the root key {id} is valid only from {}",
            day(*begins)
        ))
        .mend("compare the clock of this machine with the right time"),
        Finding::Unsignable { role, keys, need } => {
            let mend = match role.parent() {
                Some(_) => format!("`trust delegation add {gun} {role} CERTIFICATE` adds a key"),
                None => format!("`trust key rotate {gun} {role}`, where the root key is"),
            };
            Words::new(format!("{role} needs {need} keys and has {keys}: nobody can sign it"))
                .mend(mend)
        }
        Finding::TooFewKeysHere { role, signers } => Words::new(format!(
            "{} of {} keys needed to sign {role} are here; it takes others, too: {}",
            signers.here,
            signers.need,
            any_of(&signers.candidates)
        )),
        Finding::Unsigned { role, have, removed, seen, signers } => {
            let words = unsigned(role, *have, removed, signers);
            let (unseen, caution) = if *seen {
                ("", "")
            } else {
                (" --unseen", "; it was never seen valid on this machine: look at it first")
            };
            words.mend(format!(
                "`trust repo witness {gun} {role}{unseen} -p` signs it again, {}{caution}; \
                 `trust delegation rm {gun} {role} -p` removes it, with the key of {}",
                whose(signers),
                parent(role)
            ))
        }
        Finding::Vanished { role, .. } => Words::new(format!(
            "{role} was there before and is no longer listed in the snapshot: either its file was \
             taken away, or whoever signs snapshots lost it"
        ))
        .mend(format!(
            "ask the operator of the trust server; with the key of {}, \
             `trust delegation rm {gun} {role} -p` removes the role, which can then be made anew",
            parent(role)
        )),
        Finding::Unusable { role, cause } => Words::new(format!("{role} cannot be used: {cause}")),
        Finding::NothingSigned { role, signers } => {
            Words::new(format!("{role} has signed nothing yet; {}", whose(signers)))
        }
        Finding::NoPaths { role } => Words::new(format!(
            "{role} may sign nothing: none of its paths lies within its parent's"
        ))
        .mend(format!(
            "`trust delegation add {gun} {role} --paths PATH -p`, with the key of {}",
            parent(role)
        )),
        Finding::OtherTimestamp { version } => Words::new(format!(
            "the server offers another timestamp of version {version} than before; it was not \
             followed"
        ))
        .mend("ask the operator whether its data was restored from a backup"),
        Finding::Noted { note } => Words::new(note.to_string()),
    }
}

fn unsigned(role: &RoleName, have: u32, removed: &[KeyId], signers: &Signers) -> Words {
    let ids: Vec<&str> = removed.iter().map(KeyId::as_str).collect();
    let why = match ids.as_slice() {
        [] => String::new(),
        [one] => format!(": it was signed by the key {one}, which may no longer sign it"),
        more => {
            format!(": it was signed by the keys {}, which may no longer sign it", more.join(", "))
        }
    };
    Words::new(format!(
        "{role} has {have} of {} valid signatures it needs{why}; readers leave it out",
        signers.need
    ))
}

fn expiry_mended(words: Words, gun: &str, role: &RoleName, signers: &Signers) -> Words {
    match role {
        RoleName::Timestamp => words.mend(
            "the server signs it: one that is up makes a new one when asked; with `--offline`, ask \
             the server once",
        ),
        RoleName::Snapshot if signers.here == 0 => words.mend(format!(
            "the server signs it with every change: `trust repo renew {gun}`; if its owner has the \
             key, that is {}",
            any_of(&signers.candidates)
        )),
        _ => words.mend(format!("`trust repo renew {gun} --role {role}`, {}", whose(signers))),
    }
}

/// Whether the keys are here, and which would do.
fn whose(signers: &Signers) -> String {
    let keys = any_of(&signers.candidates);
    match (signers.are_enough(), signers.here, signers.need) {
        (true, _, 1) => "whose key is here".to_owned(),
        (true, _, _) => "whose keys are here".to_owned(),
        (false, 0, 1) => format!("where {keys} is"),
        (false, 0, need) => format!("where {need} of its keys are: {keys}"),
        (false, here, need) => format!("with {need} keys, of which {here} are here: {keys}"),
    }
}

fn parent(role: &RoleName) -> RoleName {
    role.parent().unwrap_or(RoleName::Root)
}

/// The words for a remark about a repository.
pub fn remark(gun: &str, remark: &Remark) -> Words {
    match remark {
        Remark::Staged { count, unreadable } if unreadable.is_empty() => {
            let changes = if *count == 1 { "change is" } else { "changes are" };
            Words::new(format!("{count} {changes} staged and not published")).mend(format!(
                "`trust repo status {gun}` lists them, `trust repo publish {gun}` publishes"
            ))
        }
        Remark::Staged { unreadable, .. } => {
            Words::new(format!("staged changes cannot be read: {}", unreadable.join(", ")))
                .mend(format!("`trust repo reset {gun} --all` throws all staged changes away"))
        }
        Remark::Locked => Words::new("another process is changing the repository just now"),
        Remark::Interrupted => Words::new(
            "a change of the cache was begun and not ended; whoever reads it next finishes it or \
             undoes it",
        ),
        Remark::ClockSkew { ahead } => {
            let (minutes, direction) =
                (ahead.abs() / 60, if *ahead > 0 { "ahead of" } else { "behind" });
            Words::new(format!(
                "the server's clock is {minutes} minutes {direction} this machine's"
            ))
            .mend("set the one that is wrong: expiry is judged by it")
        }
        Remark::TimestampRefused(error) => Words::new(format!(
            "the server does not hand out the present timestamp: {error}"
        ))
        .mend(format!(
            "if a snapshot has expired that its owner signs: `trust repo renew {gun}`, where \
                     that key is; else the server's log tells"
        )),
        Remark::Archive => Words::new(
            "the server has it as an archive, from another server: its timestamp is not renewed, \
             and it takes no changes",
        )
        .mend(format!("whoever has the root key: `trust repo adopt {gun}`")),
        Remark::Pinned(pin) => Words::new(match pin {
            Pin::KeyIds(ids) => {
                let ids: Vec<&str> = ids.iter().map(KeyId::as_str).collect();
                format!("pinned to the root keys {}", ids.join(", "))
            }
            Pin::Authorities(roots) => {
                let names: Vec<&str> = roots.iter().map(|root| root.common_name.as_str()).collect();
                format!("pinned to the authorities {}", names.join(", "))
            }
            _ => "a root is believed only if it is known already".to_owned(),
        }),
        Remark::NotCached(error) => {
            Words::new(format!("the trust data could not be cached: {error}"))
        }
        Remark::Unreadable(error) => Words::new(error.to_string()),
    }
}

/// The words for a remark about key files.
pub fn key_remark(remark: &KeyRemark) -> Words {
    match remark {
        KeyRemark::Unusable { path, reason } => {
            Words::new(format!("{} holds no usable key: {reason}", path.display()))
                .mend("take it from a backup, or away")
        }
        KeyRemark::Mismatch { path, found } => {
            Words::new(format!("{} holds another key than its name says: {found}", path.display()))
                .mend(format!("name it {found}.key"))
        }
        KeyRemark::TooOpen(key) => {
            let path = key.path.display();
            Words::new(format!("others may read or write {path}"))
                .mend(format!("`chmod 600 {path}`"))
        }
        KeyRemark::Orphan(key) => {
            let role = if key.role.is_empty() { "a" } else { key.role.as_str() };
            let of = key.gun.as_ref().map(|gun| format!(" of {gun}")).unwrap_or_default();
            Words::new(format!("nothing known here uses the {role} key {}{of}", key.id))
        }
    }
}

/// The words for a step on the way through a chain.
pub fn step_outcome(outcome: &Result<u64, StepError>) -> String {
    match outcome {
        Ok(version) => format!("version {version} accepted"),
        Err(error) => {
            let mut words = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(next) = cause {
                let more = next.to_string();
                if !words.ends_with(&more) {
                    words = format!("{words}: {more}");
                }
                cause = next.source();
            }
            words
        }
    }
}

/// Why something that is due was left.
pub fn left(left: &Left) -> String {
    let Left { due, reason } = left;
    let (role, expires) = (&due.role, day(due.expires));
    match reason {
        Reason::Server => {
            format!("{role} (until {expires}) is signed by the server, with every change")
        }
        Reason::Authority => format!(
            "the certificate of a root key (until {expires}) comes from an authority, which has to \
             make the next one"
        ),
        Reason::Keys => format!(
            "{role} (until {expires}) is left: {} of {} keys needed are here; it can be signed \
             with {}",
            due.signers.here,
            due.signers.need,
            any_of(&due.signers.candidates)
        ),
    }
}

/// The name that programs know a broken chain by; it never changes.
pub fn broken_id(error: &RefreshError) -> &'static str {
    match error {
        RefreshError::NoTrustData { .. } => "no-trust-data",
        RefreshError::Gone { .. } => "gone",
        RefreshError::Withheld { .. } => "withheld",
        RefreshError::NotCached { .. } => "not-cached",
        RefreshError::BadAnchor { .. } => "cached-root-damaged",
        RefreshError::Refused { cause, .. } => match cause {
            UpdateError::RolledBack { .. } => "rolled-back",
            UpdateError::Root(RootTrustError::NotPinned { .. }) => "not-pinned",
            UpdateError::Root(RootTrustError::FirstUseForbidden { .. }) => "first-use-forbidden",
            UpdateError::RootNotVouchedFor { .. } => "root-not-vouched-for",
            _ => "refused",
        },
        RefreshError::MissingRoot { .. } => "root-missing",
        RefreshError::TooManyRoots { .. } => "too-many-roots",
        RefreshError::Server(NotaryError::Transport(cause)) => match cause {
            TransportError::Unauthorized { .. } | TransportError::Forbidden { .. } => {
                "unauthorized"
            }
            cause if cause.is_offline() => "server-unreachable",
            TransportError::Tls { .. } => "server-not-secure",
            _ => "server-failed",
        },
        RefreshError::Server(_) => "server-failed",
        RefreshError::Connection(_) => "no-server",
        _ => "store-unreadable",
    }
}

/// A day, UTC.
pub fn day(instant: Timestamp) -> String {
    Rfc3339::utc(instant).to_string().chars().take(10).collect()
}
