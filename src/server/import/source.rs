//! Notary's tables, wherever they are: in its PostgreSQL, read in one snapshot, or out of dumps, in
//! a database that SQLite keeps in a temporary file of its own and that is gone with the process.

use std::collections::BTreeSet;
use std::io::Read;

use futures_util::TryStreamExt as _;
use sqlx::any::{AnyConnectOptions, AnyRow};
use sqlx::{
    AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _,
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::limits::{
    MAX_CONFIGURED_BYTES, MAX_FEED_RECORDS, MAX_IMPORTED_COLLECTION_BYTES, MAX_IMPORTED_KEYS,
    MAX_IMPORTED_KEYS_BYTES,
};
use crate::server::import::rows::{ChangeRow, FileRow, SealedKeyRow, Table};
use crate::server::import::sql_dump::{self, Columns, DumpError, Row};

/// Notary's tables.
#[derive(Debug)]
pub struct Source {
    connection: AnyConnection,
    kind: Kind,
    /// The columns that are there.
    columns: Columns,
}

/// Which database it is, where their languages differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Spooled,
}

/// Why notary's tables cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A dump.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// The address is none of PostgreSQL.
    #[error("the address is none of PostgreSQL")]
    Address,
    /// The database cannot be reached, or refuses.
    #[error("notary's database cannot be read")]
    Database(#[source] sqlx::Error),
    /// What was read of dumps cannot be kept.
    #[error("what was read of the dump cannot be kept in a temporary file")]
    Spool(#[source] sqlx::Error),
    /// It is not notary's.
    #[error("there is no table {table} with the columns that notary's has")]
    NoTable {
        /// The table.
        table: Table,
    },
    /// A value is not what notary stores there.
    #[error("a `{column}` of {table} is not what notary stores")]
    Value {
        /// The table.
        table: Table,
        /// The column.
        column: &'static str,
    },
    /// The thread that reads a dump ended early.
    #[error("the reading of the dump ended early")]
    Reader(#[source] tokio::task::JoinError),
}

/// The files of a collection.
#[derive(Debug)]
pub struct Files {
    /// The rows, in the order in which they were stored.
    pub rows: Vec<FileRow>,
    /// How many old ones were left out, for there are too many bytes.
    pub left_out: u64,
    /// About how much memory they take.
    pub bytes: u64,
}

/// A root of any collection.
#[derive(Debug)]
pub struct RootRow {
    /// The number of its row: the order in which they were stored.
    pub id: i64,
    /// The collection.
    pub gun: String,
    /// The file.
    pub data: Vec<u8>,
}

impl Source {
    /// Connects to a PostgreSQL and begins a snapshot, in which all is read.
    pub async fn postgres(url: &str) -> Result<Self, SourceError> {
        sqlx::any::install_default_drivers();
        let is_postgres = url.starts_with("postgres:") || url.starts_with("postgresql:");
        let options: AnyConnectOptions =
            url.parse().ok().filter(|_| is_postgres).ok_or(SourceError::Address)?;
        let mut connection = options.connect().await.map_err(SourceError::Database)?;
        for statement in [
            "SET client_min_messages = warning",
            "SET statement_timeout = 0",
            "SET idle_in_transaction_session_timeout = 0",
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        ] {
            connection.execute(statement).await.map_err(SourceError::Database)?;
        }
        let mut source = Self { connection, kind: Kind::Postgres, columns: Columns::new() };
        for table in Table::ALL {
            // Unlike the catalogue, this asks for the table that the queries to come will find.
            let query = "SELECT CAST(a.attname AS TEXT) AS name FROM pg_attribute a \
                 WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
            let rows = sqlx::query(query).bind(table.name()).fetch_all(&mut source.connection);
            for row in rows.await.map_err(SourceError::Database)? {
                let name: String = row.try_get("name").map_err(SourceError::Database)?;
                let known = table.columns().iter().find(|(column, _)| *column == name);
                source.columns.extend(known.map(|(column, _)| (table, *column)));
            }
        }
        Ok(source)
    }

    /// Reads a dump to its end into a temporary database.
    pub async fn dump<R: Read + Send + 'static>(dump: R) -> Result<Self, SourceError> {
        sqlx::any::install_default_drivers();
        // A database without a name is in a file that nobody else sees and that nobody must remove.
        let options: AnyConnectOptions =
            "sqlite://?mode=rwc".parse().map_err(SourceError::Spool)?;
        let mut connection = options.connect().await.map_err(SourceError::Spool)?;
        connection.execute(SPOOL).await.map_err(SourceError::Spool)?;
        let mut source = Self { connection, kind: Kind::Spooled, columns: Columns::new() };
        source.columns = source.spool(dump).await?;
        source.connection.execute(INDEXES).await.map_err(SourceError::Spool)?;
        Ok(source)
    }

    async fn spool<R: Read + Send + 'static>(&mut self, dump: R) -> Result<Columns, SourceError> {
        let (sender, mut rows) = mpsc::channel(ROWS_AHEAD);
        let reader = tokio::task::spawn_blocking(move || {
            sql_dump::read(dump, &mut |row| {
                // Whoever does not want the row has an error of its own to tell.
                sender.blocking_send(row).map_err(|_| DumpError::NoTable)
            })
        });
        while let Some(row) = rows.recv().await {
            self.keep(row).await.map_err(SourceError::Spool)?;
        }
        Ok(reader.await.map_err(SourceError::Reader)??)
    }

    async fn keep(&mut self, row: Row) -> Result<(), sqlx::Error> {
        let insert = match row {
            Row::File(row) => sqlx::query(
                "INSERT INTO tuf_files (gun, role, version, data, sha256, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(row.gun)
            .bind(row.role)
            .bind(row.version)
            .bind(row.data)
            .bind(row.sha256)
            .bind(row.created_at.map(Timestamp::as_microsecond)),
            Row::Change(row) => sqlx::query(
                "INSERT INTO changefeed (id, created_at, gun, version, sha256, category) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(row.id)
            .bind(row.created_at.map(Timestamp::as_microsecond))
            .bind(row.gun)
            .bind(row.version)
            .bind(row.sha256)
            .bind(row.category),
            Row::Key(row) => sqlx::query(
                "INSERT INTO private_keys (key_id, algorithm, passphrase_alias, public, private, \
                 gun, role, last_used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(row.key_id)
            .bind(row.algorithm)
            .bind(row.alias)
            .bind(row.public)
            .bind(row.private.to_vec())
            .bind(row.gun)
            .bind(row.role)
            .bind(row.was_used.then_some(1_i64)),
        };
        insert.execute(&mut self.connection).await.map(|_| ())
    }

    /// Whether a table is there.
    pub fn has(&self, table: Table) -> bool {
        self.columns.iter().any(|(of, _)| *of == table)
    }

    /// Refuses if a table is not there, or is not notary's.
    pub fn require(&self, table: Table) -> Result<(), SourceError> {
        let mut needed = table.columns().iter().filter(|(_, is_needed)| *is_needed);
        if needed.all(|(column, _)| self.columns.contains(&(table, *column))) {
            Ok(())
        } else {
            Err(SourceError::NoTable { table })
        }
    }

    /// Names of collections that have files or changes, in the database's order: at most `count`
    /// of those after this one. Nothing is after the last one.
    pub async fn guns_after(
        &mut self,
        after: &str,
        count: usize,
    ) -> Result<Vec<String>, SourceError> {
        let mut queries = Vec::new();
        for table in [Table::Files, Table::Changes] {
            if self.has(table) {
                let is_there = self.not_deleted(table);
                let name = table.name();
                queries.push(format!(
                    "SELECT gun FROM (SELECT DISTINCT CAST(gun AS TEXT) AS gun FROM {name} \
                     WHERE gun > $1{is_there} ORDER BY gun LIMIT $2) AS {name}_guns"
                ));
            }
        }
        let query = format!("{} ORDER BY gun LIMIT $2", queries.join(" UNION "));
        let rows = sqlx::query(AssertSqlSafe(query)).bind(after.to_owned()).bind(number(count));
        let rows = rows.fetch_all(&mut self.connection).await.map_err(|e| self.failed(e))?;
        rows.iter().map(|row| text(row, Table::Files, "gun")).collect()
    }

    /// Names of collections for which keys were handed out that have not signed anything: at most
    /// `count` of those after this one.
    pub async fn guns_with_waiting_keys_after(
        &mut self,
        after: &str,
        count: usize,
    ) -> Result<Vec<String>, SourceError> {
        let has = |column| self.columns.contains(&(Table::Keys, column));
        if !has("gun") || !has("last_used") {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT DISTINCT CAST(gun AS TEXT) AS gun FROM private_keys WHERE gun > $1 \
             AND last_used IS NULL{} ORDER BY gun LIMIT $2",
            self.not_deleted(Table::Keys)
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(after.to_owned()).bind(number(count));
        let rows = rows.fetch_all(&mut self.connection).await.map_err(|e| self.failed(e))?;
        rows.iter().map(|row| text(row, Table::Keys, "gun")).collect()
    }

    /// Which of these collections have files or changes.
    pub async fn known_guns(&mut self, guns: &[String]) -> Result<BTreeSet<String>, SourceError> {
        let mut known = BTreeSet::new();
        for table in [Table::Files, Table::Changes] {
            if !self.has(table) || guns.is_empty() {
                continue;
            }
            let query = format!(
                "SELECT DISTINCT CAST(gun AS TEXT) AS gun FROM {} WHERE gun IN ({}){}",
                table.name(),
                places(guns.len()),
                self.not_deleted(table)
            );
            let mut query = sqlx::query(AssertSqlSafe(query));
            for gun in guns {
                query = query.bind(gun.clone());
            }
            let rows = query.fetch_all(&mut self.connection).await.map_err(|e| self.failed(e))?;
            for row in &rows {
                known.insert(text(row, table, "gun")?);
            }
        }
        Ok(known)
    }

    /// The files of a collection. If they are more than [`MAX_IMPORTED_COLLECTION_BYTES`], the
    /// oldest are left out, but no root; `None` if the roots alone are more.
    pub async fn files(&mut self, gun: &str) -> Result<Option<Files>, SourceError> {
        self.files_within(gun, MAX_IMPORTED_COLLECTION_BYTES).await
    }

    async fn files_within(&mut self, gun: &str, most: u64) -> Result<Option<Files>, SourceError> {
        let is_there = self.not_deleted(Table::Files);
        let query = format!(
            "SELECT CAST(id AS BIGINT) AS id, CAST(role AS TEXT) AS role, \
             CAST(LENGTH(data) AS BIGINT) AS length FROM tuf_files \
             WHERE gun = $1{is_there} ORDER BY id DESC"
        );
        let kind = self.kind;
        let query = sqlx::query(AssertSqlSafe(query)).bind(gun.to_owned());
        let mut sizes = query.fetch(&mut self.connection);
        let (mut from, mut left_out) = (0, 0);
        let (mut roots, mut others) = (0_u64, 0_u64);
        while let Some(row) = sizes.try_next().await.map_err(|e| kind.failed(e))? {
            let length = u64::try_from(integer(&row, Table::Files, "length")?).unwrap_or_default();
            let length = length.saturating_add(ROW_BYTES);
            let more = others.saturating_add(length);
            if text(&row, Table::Files, "role")? == "root" {
                roots = roots.saturating_add(length);
            } else if left_out == 0 && more <= most {
                others = more;
            } else {
                from = from.max(integer(&row, Table::Files, "id")?.saturating_add(1));
                left_out += 1;
            }
        }
        drop(sizes);
        if roots > most {
            return Ok(None);
        }
        let sha256 = self.column(Table::Files, "sha256", "TEXT");
        let query = format!(
            "SELECT CAST(role AS TEXT) AS role, CAST(version AS BIGINT) AS version, data, {sha256}, \
             {} FROM tuf_files WHERE gun = $1 AND (role = 'root' OR id >= $2){is_there} \
             ORDER BY id",
            self.time(Table::Files)
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(gun.to_owned()).bind(from);
        // One after the other: together with what they are read into they would need twice the room.
        let mut found = query.fetch(&mut self.connection);
        let mut rows = Vec::new();
        while let Some(row) = found.try_next().await.map_err(|e| kind.failed(e))? {
            rows.push(FileRow {
                gun: gun.to_owned(),
                role: text(&row, Table::Files, "role")?,
                version: integer(&row, Table::Files, "version")?,
                data: bytes(&row, Table::Files, "data")?,
                sha256: optional_text(&row, Table::Files, "sha256")?,
                created_at: time(&row, Table::Files)?,
            });
        }
        Ok(Some(Files { rows, left_out, bytes: roots.saturating_add(others) }))
    }

    /// The roots of all collections in the order in which they were stored, `count` of those after
    /// this one, but for those that nobody could read.
    pub async fn roots_after(
        &mut self,
        after: i64,
        count: usize,
    ) -> Result<Vec<RootRow>, SourceError> {
        let query = format!(
            "SELECT CAST(id AS BIGINT) AS id, CAST(gun AS TEXT) AS gun, data FROM tuf_files \
             WHERE role = 'root' AND id > $1 AND LENGTH(data) <= {MAX_CONFIGURED_BYTES}{} \
             ORDER BY id LIMIT $2",
            self.not_deleted(Table::Files)
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(after).bind(number(count));
        let rows = rows.fetch_all(&mut self.connection).await.map_err(|e| self.failed(e))?;
        let read = |row: &AnyRow| {
            Ok(RootRow {
                id: integer(row, Table::Files, "id")?,
                gun: text(row, Table::Files, "gun")?,
                data: bytes(row, Table::Files, "data")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The changes of a collection, the oldest first; of more than [`MAX_FEED_RECORDS`], the newest.
    pub async fn changes(&mut self, gun: &str) -> Result<Vec<ChangeRow>, SourceError> {
        let Some(query) = self.changes_query("gun = $1") else { return Ok(Vec::new()) };
        let query = sqlx::query(AssertSqlSafe(query)).bind(gun.to_owned());
        let rows = query.fetch_all(&mut self.connection).await.map_err(|e| self.failed(e))?;
        rows.iter().rev().map(change_row).collect()
    }

    /// The changes that have these numbers, of whatever collection.
    pub async fn changes_numbered(
        &mut self,
        numbers: &[i64],
    ) -> Result<Vec<ChangeRow>, SourceError> {
        let condition = format!("id IN ({})", places(numbers.len()));
        let query = self.changes_query(&condition).filter(|_| !numbers.is_empty());
        let Some(query) = query else { return Ok(Vec::new()) };
        let mut query = sqlx::query(AssertSqlSafe(query));
        for number in numbers {
            query = query.bind(*number);
        }
        let rows = query.fetch_all(&mut self.connection).await.map_err(|e| self.failed(e))?;
        rows.iter().map(change_row).collect()
    }

    /// Asks for changes, the newest first; `None` if nothing was noted there.
    fn changes_query(&self, condition: &str) -> Option<String> {
        self.has(Table::Changes).then(|| {
            format!(
                "SELECT CAST(id AS BIGINT) AS id, {}, CAST(gun AS TEXT) AS gun, \
                 CAST(version AS BIGINT) AS version, {}, {} FROM changefeed WHERE {condition} \
                 ORDER BY id DESC LIMIT {MAX_FEED_RECORDS}",
                self.time(Table::Changes),
                self.column(Table::Changes, "sha256", "TEXT"),
                self.column(Table::Changes, "category", "TEXT"),
            )
        })
    }

    /// The last number of a change; 0 if there is none.
    pub async fn last_change(&mut self) -> Result<i64, SourceError> {
        if !self.has(Table::Changes) {
            return Ok(0);
        }
        let query = "SELECT CAST(COALESCE(MAX(id), 0) AS BIGINT) AS id FROM changefeed";
        let row = sqlx::query(query).fetch_one(&mut self.connection).await;
        integer(&row.map_err(|e| self.failed(e))?, Table::Changes, "id")
    }

    /// How many collections there are.
    pub async fn count(&mut self) -> Result<u64, SourceError> {
        self.require(Table::Files)?;
        let query = format!(
            "SELECT CAST(COUNT(DISTINCT gun) AS BIGINT) AS version FROM tuf_files \
             WHERE 1 = 1{}",
            self.not_deleted(Table::Files)
        );
        let row = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut self.connection).await;
        let count = integer(&row.map_err(|e| self.failed(e))?, Table::Files, "version")?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Those of these collections that have more than [`MAX_IMPORTED_KEYS`] keys, or longer ones
    /// than anybody made.
    pub async fn guns_with_too_many_keys(
        &mut self,
        guns: &[String],
    ) -> Result<BTreeSet<String>, SourceError> {
        if guns.is_empty() || !self.columns.contains(&(Table::Keys, "gun")) {
            return Ok(BTreeSet::new());
        }
        let query = format!(
            "SELECT CAST(gun AS TEXT) AS gun FROM private_keys WHERE gun IN ({}){} GROUP BY gun \
             HAVING COUNT(*) > {MAX_IMPORTED_KEYS} \
             OR SUM(LENGTH(public) + LENGTH(private)) > {MAX_IMPORTED_KEYS_BYTES}",
            places(guns.len()),
            self.not_deleted(Table::Keys)
        );
        let mut query = sqlx::query(AssertSqlSafe(query));
        for gun in guns {
            query = query.bind(gun.clone());
        }
        let rows = query.fetch_all(&mut self.connection).await.map_err(|e| self.failed(e))?;
        rows.iter().map(|row| text(row, Table::Keys, "gun")).collect()
    }

    /// The keys of these collections.
    pub async fn keys_of(&mut self, guns: &[String]) -> Result<Vec<SealedKeyRow>, SourceError> {
        if !self.columns.contains(&(Table::Keys, "gun")) {
            return Ok(Vec::new());
        }
        self.keys_where("gun", guns).await
    }

    /// Whether there are keys whose rows do not say which collection they are of.
    pub async fn has_keys_of_nobody(&mut self) -> Result<bool, SourceError> {
        if !self.has(Table::Keys) {
            return Ok(false);
        }
        let says_gun = self.columns.contains(&(Table::Keys, "gun"));
        let condition = if says_gun { "(gun = '' OR gun IS NULL)" } else { "1 = 1" };
        let query = format!(
            "SELECT key_id FROM private_keys WHERE {condition}{} LIMIT 1",
            self.not_deleted(Table::Keys)
        );
        let row = sqlx::query(AssertSqlSafe(query)).fetch_optional(&mut self.connection).await;
        Ok(row.map_err(|e| self.failed(e))?.is_some())
    }

    /// The keys with these ids.
    pub async fn keys_with_ids(
        &mut self,
        ids: &[String],
    ) -> Result<Vec<SealedKeyRow>, SourceError> {
        let mut keys = Vec::new();
        // A root may list more keys than a query can ask for.
        for some in ids.chunks(IDS_AT_ONCE) {
            keys.extend(self.keys_where("key_id", some).await?);
        }
        Ok(keys)
    }

    async fn keys_where(
        &mut self,
        column: &'static str,
        values: &[String],
    ) -> Result<Vec<SealedKeyRow>, SourceError> {
        if values.is_empty() || !self.has(Table::Keys) {
            return Ok(Vec::new());
        }
        let condition = format!("{column} IN ({})", places(values.len()));
        let query = self.keys_query(&condition, "ORDER BY key_id");
        let mut query = sqlx::query(AssertSqlSafe(query));
        for value in values {
            query = query.bind(value.clone());
        }
        let rows = query.fetch_all(&mut self.connection).await.map_err(|e| self.failed(e))?;
        rows.iter().map(key_row).collect()
    }

    /// One key for each passphrase that keys are sealed under.
    pub async fn key_of_each_alias(&mut self) -> Result<Vec<SealedKeyRow>, SourceError> {
        if !self.has(Table::Keys) {
            return Ok(Vec::new());
        }
        let is_there = self.not_deleted(Table::Keys);
        let condition = format!(
            "key_id IN (SELECT MIN(key_id) FROM private_keys WHERE 1 = 1{is_there} \
             GROUP BY passphrase_alias)"
        );
        let query = self.keys_query(&condition, "ORDER BY passphrase_alias");
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut self.connection).await;
        rows.map_err(|e| self.failed(e))?.iter().map(key_row).collect()
    }

    fn keys_query(&self, condition: &str, order: &str) -> String {
        let was_used = if self.columns.contains(&(Table::Keys, "last_used")) {
            "CASE WHEN last_used IS NULL THEN 0 ELSE 1 END"
        } else {
            // Before it was noted, keys were made when they were needed.
            "1"
        };
        format!(
            "SELECT CAST(key_id AS TEXT) AS key_id, CAST(algorithm AS TEXT) AS algorithm, \
             CAST(passphrase_alias AS TEXT) AS passphrase_alias, public, private, {}, {}, \
             CAST({was_used} AS BIGINT) AS last_used FROM private_keys WHERE {condition}{} {order}",
            self.column(Table::Keys, "gun", "TEXT"),
            self.column(Table::Keys, "role", "TEXT"),
            self.not_deleted(Table::Keys),
        )
    }

    /// Ends the connection.
    pub async fn close(self) {
        // Nothing was changed that could be lost.
        drop(self.connection.close().await);
    }

    /// What is added to a condition for rows that are not marked as deleted.
    fn not_deleted(&self, table: Table) -> &'static str {
        let marks = self.kind == Kind::Postgres && self.columns.contains(&(table, "deleted_at"));
        if marks { " AND deleted_at IS NULL" } else { "" }
    }

    /// A column that may be missing.
    fn column(&self, table: Table, column: &'static str, kind: &str) -> String {
        if self.columns.contains(&(table, column)) {
            format!("CAST({column} AS {kind}) AS {column}")
        } else {
            format!("CAST(NULL AS {kind}) AS {column}")
        }
    }

    /// When a row was made, in microseconds since 1970.
    fn time(&self, table: Table) -> String {
        match self.kind {
            Kind::Postgres if self.columns.contains(&(table, "created_at")) => {
                "CAST(EXTRACT(EPOCH FROM created_at) * 1000000 AS BIGINT) AS created_at".to_owned()
            }
            Kind::Postgres | Kind::Spooled => self.column(table, "created_at", "BIGINT"),
        }
    }

    fn failed(&self, error: sqlx::Error) -> SourceError {
        self.kind.failed(error)
    }
}

impl Kind {
    fn failed(self, error: sqlx::Error) -> SourceError {
        match self {
            Self::Postgres => SourceError::Database(error),
            Self::Spooled => SourceError::Spool(error),
        }
    }
}

fn change_row(row: &AnyRow) -> Result<ChangeRow, SourceError> {
    let table = Table::Changes;
    Ok(ChangeRow {
        id: integer(row, table, "id")?,
        created_at: time(row, table)?,
        gun: text(row, table, "gun")?,
        version: integer(row, table, "version")?,
        sha256: optional_text(row, table, "sha256")?.unwrap_or_default(),
        category: optional_text(row, table, "category")?.unwrap_or_else(|| "update".to_owned()),
    })
}

fn key_row(row: &AnyRow) -> Result<SealedKeyRow, SourceError> {
    let table = Table::Keys;
    Ok(SealedKeyRow {
        key_id: text(row, table, "key_id")?,
        algorithm: text(row, table, "algorithm")?,
        alias: text(row, table, "passphrase_alias")?,
        public: bytes(row, table, "public")?,
        private: Zeroizing::new(bytes(row, table, "private")?),
        gun: optional_text(row, table, "gun")?.unwrap_or_default(),
        role: optional_text(row, table, "role")?.unwrap_or_default(),
        was_used: integer(row, table, "last_used")? != 0,
    })
}

fn text(row: &AnyRow, table: Table, column: &'static str) -> Result<String, SourceError> {
    row.try_get(column).map_err(|_| SourceError::Value { table, column })
}

/// Text of a column that may have none; blanks at its end are the database's.
fn optional_text(
    row: &AnyRow,
    table: Table,
    column: &'static str,
) -> Result<Option<String>, SourceError> {
    let text: Option<String> =
        row.try_get(column).map_err(|_| SourceError::Value { table, column })?;
    Ok(text.map(|text| text.trim_end().to_owned()))
}

fn bytes(row: &AnyRow, table: Table, column: &'static str) -> Result<Vec<u8>, SourceError> {
    row.try_get(column).map_err(|_| SourceError::Value { table, column })
}

fn integer(row: &AnyRow, table: Table, column: &'static str) -> Result<i64, SourceError> {
    row.try_get(column).map_err(|_| SourceError::Value { table, column })
}

fn time(row: &AnyRow, table: Table) -> Result<Option<Timestamp>, SourceError> {
    let wrong = SourceError::Value { table, column: "created_at" };
    let time: Option<i64> = match row.try_get("created_at") {
        Ok(time) => time,
        Err(_) => return Err(wrong),
    };
    time.map(Timestamp::from_microsecond).transpose().map_err(|_| wrong)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `$1, $2, …`.
fn places(count: usize) -> String {
    (1..=count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// What a file takes in memory beside its bytes.
const ROW_BYTES: u64 = 512;
/// Ids that are asked for in one query.
const IDS_AT_ONCE: usize = 500;
/// Rows of a dump that are read ahead of those that are kept.
const ROWS_AHEAD: usize = 4;
/// The temporary database: nothing in it needs to survive anything. 64 MiB of it are kept in
/// memory, the rest is on the disk.
const SPOOL: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
     PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -65536; BEGIN; \
     CREATE TABLE tuf_files (id INTEGER PRIMARY KEY, gun TEXT NOT NULL, role TEXT NOT NULL, \
     version BIGINT NOT NULL, data BLOB NOT NULL, sha256 TEXT, created_at BIGINT); \
     CREATE TABLE changefeed (id BIGINT NOT NULL, created_at BIGINT, gun TEXT NOT NULL, \
     version BIGINT NOT NULL, sha256 TEXT, category TEXT); \
     CREATE TABLE private_keys (key_id TEXT NOT NULL, algorithm TEXT NOT NULL, \
     passphrase_alias TEXT NOT NULL, public BLOB NOT NULL, private BLOB NOT NULL, \
     gun TEXT NOT NULL, role TEXT NOT NULL, last_used BIGINT)";
/// What finds rows in it.
const INDEXES: &str = "CREATE INDEX files_by_gun ON tuf_files (gun, id); \
     CREATE INDEX changes_by_gun ON changefeed (gun, id); \
     CREATE INDEX changes_by_id ON changefeed (id); \
     CREATE INDEX keys_by_gun ON private_keys (gun); \
     CREATE INDEX keys_by_id ON private_keys (key_id)";

#[cfg(test)]
mod tests {
    use super::*;

    async fn source(rows: &str) -> Source {
        let dump = format!(
            "-- PostgreSQL database dump\n\
             COPY tuf_files (gun, role, version, data) FROM stdin;\n{rows}\\.\n\
             -- PostgreSQL database dump complete\n"
        );
        Source::dump(std::io::Cursor::new(dump)).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_held_of_a_collection_is_bounded() {
        let file = |role: &str, version: u64| {
            format!("a/b\t{role}\t{version}\t\\\\x{}\n", "00".repeat(488))
        };
        let rows: String =
            [("targets", 1), ("root", 1), ("targets", 2)].map(|(role, at)| file(role, at)).concat();
        let mut source = source(&rows).await;
        // A thousand bytes each, with what is beside them.
        for (most, roles, left_out) in
            [(2000, "targets root targets", 0), (1999, "root targets", 1), (999, "", 0)]
        {
            let files = source.files_within("a/b", most).await.unwrap();
            let Some(files) = files else {
                assert_eq!(roles, "", "{most}");
                continue;
            };
            let found: Vec<&str> = files.rows.iter().map(|row| row.role.as_str()).collect();
            assert_eq!((found.join(" ").as_str(), files.left_out), (roles, left_out), "{most}");
        }
        assert!(source.files("a/c").await.unwrap().unwrap().rows.is_empty());
    }

    #[tokio::test]
    async fn columns_are_those_that_a_dump_has() {
        let source = source("").await;
        assert!(source.has(Table::Files) && !source.has(Table::Keys));
        assert!(source.require(Table::Files).is_ok());
        assert!(!source.columns.contains(&(Table::Files, "sha256")));
    }
}
