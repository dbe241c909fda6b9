//! The server's keys, as far as they are sealed here: all of them at once, for a new master key.

use sqlx::Row;

use crate::server::meta::{MetaError, Reading, Writing};
use crate::tuf::{Gun, RoleName};

/// A key of the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Whose it is.
    pub gun: Gun,
    /// What it signs.
    pub role: RoleName,
    /// Its id.
    pub key_id: String,
    /// The private key, sealed.
    pub sealed: Vec<u8>,
}

impl Reading {
    /// All keys that are sealed here.
    pub async fn sealed_keys(&mut self) -> Result<Vec<SealedKey>, MetaError> {
        let query = "SELECT gun, role, key_id, sealed FROM server_key WHERE sealed IS NOT NULL \
             ORDER BY gun, role, key_id";
        let rows = sqlx::query(query).fetch_all(&mut *self.tx).await?;
        let keys = rows.iter().map(|row| {
            let gun = Gun::parse(row.try_get("gun")?);
            let role = RoleName::parse(row.try_get("role")?);
            Ok(SealedKey {
                gun: gun.map_err(|_| MetaError::Corrupt { what: "GUN" })?,
                role: role.map_err(|_| MetaError::Corrupt { what: "role" })?,
                key_id: row.try_get("key_id")?,
                sealed: row.try_get("sealed")?,
            })
        });
        keys.collect()
    }
}

impl Writing {
    /// How many keys are sealed here.
    pub async fn count_sealed_keys(&mut self) -> Result<u64, MetaError> {
        let query = "SELECT CAST(COUNT(*) AS BIGINT) FROM server_key WHERE sealed IS NOT NULL";
        let count: i64 = sqlx::query_scalar(query).fetch_one(&mut *self.tx).await?;
        u64::try_from(count).map_err(|_| MetaError::Corrupt { what: "number" })
    }

    /// Puts a key that was sealed again in the place of itself; tells whether it was still there,
    /// sealed as before.
    pub async fn replace_sealed(
        &mut self,
        before: &SealedKey,
        sealed: &[u8],
    ) -> Result<bool, MetaError> {
        self.changes(before.gun.as_str());
        let query = "UPDATE server_key SET sealed = $1 WHERE gun = $2 AND role = $3 \
             AND key_id = $4 AND sealed = $5";
        let done = sqlx::query(query)
            .bind(sealed)
            .bind(before.gun.as_str())
            .bind(before.role.as_str())
            .bind(before.key_id.as_str())
            .bind(before.sealed.as_slice())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
