//! The server's own keys: for timestamps, and for snapshots that are left to it.
//!
//! A key is *pending* from when it is handed out until a root that lists it is published, *active*
//! while the present root lists it, and *retired* after that. There is at most one pending key for
//! a role of a collection.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::clock::Timestamp;
use crate::codec::canonical_json::Value;
use crate::crypto::{KeyId, PublicKey};
use crate::server::meta::{MetaError, Reading, Writing};
use crate::server::signer::ServerKey;
use crate::tuf::{Gun, RoleName};

/// What a key is used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Handed out, and in no published root yet.
    Pending,
    /// Listed by the present root.
    Active,
    /// Not listed any more.
    Retired,
}

/// A key, and what it is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The key.
    pub key: ServerKey,
    /// What it is used for.
    pub state: KeyState,
}

/// The keys that the server has for a collection, by role and by the id in metadata.
pub type ServerKeys = BTreeMap<RoleName, BTreeMap<KeyId, KeyRow>>;

impl Reading {
    /// The keys for a collection.
    pub async fn server_keys(&mut self, gun: &Gun) -> Result<ServerKeys, MetaError> {
        let query = "SELECT role, public, sealed, state FROM server_key WHERE gun = $1";
        let rows = sqlx::query(query).bind(gun.as_str()).fetch_all(&mut *self.tx).await?;
        let mut keys = ServerKeys::new();
        for row in &rows {
            let role = RoleName::parse(row.try_get("role")?);
            let role = role.map_err(|_| MetaError::Corrupt { what: "role" })?;
            let key = key_row(row)?;
            keys.entry(role).or_default().insert(key.key.public.id(), key);
        }
        Ok(keys)
    }
}

impl Writing {
    /// Takes a key as the pending one of a role, if there is none; the pending key is returned,
    /// whichever it is.
    pub async fn take_pending_key(
        &mut self,
        gun: &Gun,
        role: &RoleName,
        key: &ServerKey,
        at: Timestamp,
    ) -> Result<ServerKey, MetaError> {
        self.insert_key(gun, role, key, "pending", at).await?;
        let query = "SELECT public, sealed, state FROM server_key \
             WHERE gun = $1 AND role = $2 AND state = 'pending'";
        let row = sqlx::query(query)
            .bind(gun.as_str())
            .bind(role.as_str())
            .fetch_one(&mut *self.tx)
            .await?;
        Ok(key_row(&row)?.key)
    }

    /// Stores a key that was used elsewhere, as one that is not used now. A key that waits, and is
    /// the only one that does, may be listed by a root to come. One that is there stays as it is.
    pub async fn put_key(
        &mut self,
        gun: &Gun,
        role: &RoleName,
        key: &ServerKey,
        waits: bool,
        at: Timestamp,
    ) -> Result<(), MetaError> {
        let is_put = waits && self.insert_key(gun, role, key, "pending", at).await?;
        if !is_put {
            self.insert_key(gun, role, key, "retired", at).await?;
        }
        Ok(())
    }

    /// Adds a key; tells whether it was added: there may be one in its place.
    async fn insert_key(
        &mut self,
        gun: &Gun,
        role: &RoleName,
        key: &ServerKey,
        state: &str,
        at: Timestamp,
    ) -> Result<bool, MetaError> {
        let done = sqlx::query(
            "INSERT INTO server_key (gun, role, key_id, public, sealed, state, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(gun.as_str())
        .bind(role.as_str())
        .bind(key.public.id().as_str())
        .bind(key.public.to_json().to_canonical())
        .bind(key.sealed.clone())
        .bind(state)
        .bind(at.as_microsecond())
        .execute(&mut *self.tx)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether a key is that of another collection than this one.
    pub async fn has_key_of_another(&mut self, gun: &Gun, key: &KeyId) -> Result<bool, MetaError> {
        let query =
            "SELECT CAST(COUNT(*) AS BIGINT) FROM server_key WHERE key_id = $1 AND gun <> $2";
        let query = sqlx::query_scalar(query).bind(key.as_str()).bind(gun.as_str());
        let count: i64 = query.fetch_one(&mut *self.tx).await?;
        Ok(count > 0)
    }

    /// How many keys were handed out here for collections of which nothing is known. Those that
    /// came with a takeover have a row of their collection: its owner may have staged a root that
    /// lists them years ago, and how many they are was the other server's to bound.
    pub async fn keys_in_waiting(&mut self) -> Result<u64, MetaError> {
        let query = "SELECT CAST(COUNT(*) AS BIGINT) FROM server_key k WHERE k.state = 'pending' \
             AND NOT EXISTS (SELECT 1 FROM collection c WHERE c.gun = k.gun)";
        let count: i64 = sqlx::query_scalar(query).fetch_one(&mut *self.tx).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Forgets keys of those that [`Self::keys_in_waiting`] counts that were handed out before this
    /// instant; tells how many.
    pub async fn forget_keys_in_waiting(&mut self, before: Timestamp) -> Result<u64, MetaError> {
        let query = "DELETE FROM server_key WHERE state = 'pending' AND created_at < $1 \
             AND NOT EXISTS (SELECT 1 FROM collection c WHERE c.gun = server_key.gun)";
        let done = sqlx::query(query).bind(before.as_microsecond()).execute(&mut *self.tx).await?;
        Ok(done.rows_affected())
    }

    /// Makes these keys of a role the active ones, and retires those that were. `false` if one of
    /// them is not there.
    pub async fn settle_keys(
        &mut self,
        gun: &Gun,
        role: &RoleName,
        active: &[KeyId],
    ) -> Result<bool, MetaError> {
        let retire = "UPDATE server_key SET state = 'retired' \
             WHERE gun = $1 AND role = $2 AND state = 'active'";
        sqlx::query(retire).bind(gun.as_str()).bind(role.as_str()).execute(&mut *self.tx).await?;
        for id in active {
            let activate = "UPDATE server_key SET state = 'active' \
                 WHERE gun = $1 AND role = $2 AND key_id = $3";
            let done = sqlx::query(activate)
                .bind(gun.as_str())
                .bind(role.as_str())
                .bind(id.as_str())
                .execute(&mut *self.tx)
                .await?;
            if done.rows_affected() != 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn key_row(row: &AnyRow) -> Result<KeyRow, MetaError> {
    let public: Vec<u8> = row.try_get("public")?;
    let public = Value::parse(&public).ok().and_then(|value| PublicKey::from_json(&value).ok());
    let state: String = row.try_get("state")?;
    Ok(KeyRow {
        key: ServerKey {
            public: public.ok_or(MetaError::Corrupt { what: "key" })?,
            sealed: row.try_get("sealed")?,
        },
        state: match state.as_str() {
            "pending" => KeyState::Pending,
            "active" => KeyState::Active,
            "retired" => KeyState::Retired,
            _ => return Err(MetaError::Corrupt { what: "state of a key" }),
        },
    })
}
