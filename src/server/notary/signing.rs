//! Making timestamps and snapshots with the server's keys.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::clock::Timestamp;
use crate::codec::timestamp::Rfc3339;
use crate::crypto::Sha256Hash;
use crate::limits::{MAX_CLOCK_SKEW_SECONDS, SNAPSHOT_LIFETIME_DAYS, TIMESTAMP_LIFETIME_DAYS};
use crate::server::Server;
use crate::server::meta::keys::ServerKeys;
use crate::server::meta::trust::{NewFile, StoredFile};
use crate::server::notary::validate::held;
use crate::server::signer::SignerError;
use crate::tuf::metadata::{Document, FileMeta, Header, MetadataError, encode_envelope};
use crate::tuf::verify::verify;
use crate::tuf::{Gun, RoleName, Root, Signed, Snapshot, TimestampFile, VerifyError};

/// Why the server did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The signer failed.
    #[error("one of the server's keys cannot be used")]
    Signer(#[source] SignerError),
    /// The clock is behind what was signed last.
    #[error("the clock says {now}, and something was signed at {last} already")]
    ClockBehind {
        /// What the clock says.
        now: Timestamp,
        /// When the server signed last.
        last: Timestamp,
    },
    /// The server has too few of the keys that the root lists.
    #[error("the server has too few keys for {role}")]
    NoKey {
        /// The role.
        role: RoleName,
    },
    /// What was made does not verify.
    #[error("the signer's signature on {role} does not verify")]
    Useless {
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        #[source]
        cause: VerifyError,
    },
    /// What was made cannot be read.
    #[error("the {role} file that was made cannot be read")]
    Unreadable {
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        #[source]
        cause: MetadataError,
    },
}

/// For what something is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// The server, whose signer signs.
    pub server: &'a Server,
    /// The collection.
    pub gun: &'a Gun,
    /// Its root, which lists the keys.
    pub root: &'a Root,
    /// The server's keys for it.
    pub keys: &'a ServerKeys,
    /// When.
    pub at: Timestamp,
}

/// The time that is signed: now, or a little later if something was signed already at a later time
/// by a clock that differs a little. What is signed never seems older than what was signed before.
pub fn signing_time(now: Timestamp, last: Option<Timestamp>) -> Result<Timestamp, SigningError> {
    let Some(last) = last.filter(|last| *last > now) else { return Ok(now) };
    let ahead = last.duration_since(now);
    if ahead > SignedDuration::from_secs(MAX_CLOCK_SKEW_SECONDS) {
        return Err(SigningError::ClockBehind { now, last });
    }
    Ok(last)
}

impl Signing<'_> {
    /// Makes a snapshot with these entries. It lasts no shorter than the one before, which expires
    /// at `before`.
    pub async fn snapshot(
        self,
        version: u64,
        meta: BTreeMap<RoleName, FileMeta>,
        before: Option<Timestamp>,
    ) -> Result<NewFile, SigningError> {
        let expires = self.expiry(SNAPSHOT_LIFETIME_DAYS, before);
        let header = Header { version, expires };
        self.sign(&RoleName::Snapshot, &Snapshot { header, meta }).await
    }

    /// Makes a timestamp of this snapshot. It lasts no shorter than the one before, which expires
    /// at `before`.
    pub async fn timestamp(
        self,
        version: u64,
        snapshot: FileMeta,
        before: Option<Timestamp>,
    ) -> Result<NewFile, SigningError> {
        let expires = self.expiry(TIMESTAMP_LIFETIME_DAYS, before);
        let header = Header { version, expires };
        let file = TimestampFile { header, snapshot, others: BTreeMap::new() };
        self.sign(&RoleName::Timestamp, &file).await
    }

    fn expiry(self, days: i64, before: Option<Timestamp>) -> Rfc3339 {
        let end = self.at.as_second().saturating_add(days.saturating_mul(86_400));
        let end = Timestamp::from_second(end).unwrap_or(Timestamp::MAX);
        Rfc3339::utc(before.map_or(end, |before| end.max(before)))
    }

    async fn sign<T: Document>(
        self,
        role: &RoleName,
        document: &T,
    ) -> Result<NewFile, SigningError> {
        let no_key = || SigningError::NoKey { role: role.clone() };
        let role_keys = self.root.role_keys(role).ok_or_else(no_key)?;
        let held = held(self.root, role, self.keys).ok_or_else(no_key)?;
        let own = self.keys.get(role).ok_or_else(no_key)?;
        let body = document.to_json();
        let message = body.to_canonical();
        let mut signatures = Vec::new();
        let needed = usize::try_from(role_keys.threshold.get()).unwrap_or(usize::MAX);
        for id in held.into_iter().take(needed) {
            let key = own.get(id).ok_or_else(no_key)?;
            let signing = self.server.signer.sign(self.gun, role, &key.key, &message).await;
            signatures.push(signing.map_err(SigningError::Signer)?);
        }
        let bytes = encode_envelope(&body, &signatures);
        // Whatever the signer answers: what readers would refuse is not stored.
        let signed = Signed::<T>::parse(role, &bytes)
            .map_err(|cause| SigningError::Unreadable { role: role.clone(), cause })?;
        let verified = verify(signed, &role_keys)
            .map_err(|cause| SigningError::Useless { role: role.clone(), cause })?;
        let Header { version, expires } = verified.body().header();
        let file = StoredFile {
            version: *version,
            sha256: Sha256Hash::of(&bytes),
            bytes,
            created_at: self.at,
        };
        Ok(NewFile { file, expires: expires.instant(), made_here: true })
    }
}
