//! All rows of all tables, out of one database and into another of either kind
//! (`spec/server-keys.md` §6).

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::codec::text::{from_base64, to_base64};
use crate::server::meta::{Dialect, MetaError, Reading, Writing, schema};

/// A table of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Whether a new database has rows in it.
    pub is_seeded: bool,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub kind: ColumnKind,
    /// Whether the database numbers its rows by it.
    pub is_identity: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A number of 64 bits.
    Integer,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// The tables of the schema that outlive a restart, in an order in which they can be filled.
pub fn tables() -> Vec<Table> {
    let mut tables = schema::tables();
    tables.retain(|table| !TRANSIENT.contains(&table.name.as_str()));
    tables
}

/// The version of the schema.
pub fn schema_version() -> i64 {
    schema::version()
}

impl Reading {
    /// Passes all rows of a table on, each as a line of JSON: an array of its columns, bytes in
    /// base64. `take` gets some hundred KiB at a time, and the number of rows in it.
    pub async fn dump<E: From<MetaError>>(
        &mut self,
        table: &Table,
        mut take: impl AsyncFnMut(Vec<u8>, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let query = format!("SELECT {} FROM {}", names.join(", "), table.name);
        let mut rows = sqlx::query(AssertSqlSafe(query)).fetch(&mut *self.tx);
        let (mut lines, mut count) = (Vec::new(), 0);
        while let Some(row) = rows.next().await {
            let row = row.map_err(MetaError::from)?;
            let line = table.columns.iter().map(|column| value(&row, column));
            let line = Value::Array(line.collect::<Result<_, MetaError>>()?);
            lines.extend(line.to_string().into_bytes());
            lines.push(b'\n');
            count += 1;
            if lines.len() >= PART_BYTES {
                take(std::mem::take(&mut lines), std::mem::take(&mut count)).await?;
            }
        }
        if lines.is_empty() { Ok(()) } else { take(lines, count).await }
    }

    /// Lets this snapshot take as long as it does; a dump is no request that somebody waits for.
    pub async fn take_your_time(&mut self, dialect: Dialect) -> Result<(), MetaError> {
        if dialect == Dialect::Postgres {
            for setting in ["statement_timeout", "idle_in_transaction_session_timeout"] {
                let query = format!("SET LOCAL {setting} = 0");
                sqlx::query(AssertSqlSafe(query)).execute(&mut *self.tx).await?;
            }
        }
        Ok(())
    }

    /// Whether nothing was ever stored here.
    pub async fn is_empty(&mut self) -> Result<bool, MetaError> {
        for table in schema::tables().iter().filter(|table| !table.is_seeded) {
            let query = format!("SELECT EXISTS (SELECT 1 FROM {})", table.name);
            let query = format!("SELECT CASE WHEN ({query}) THEN 1 ELSE 0 END");
            let found: i64 =
                sqlx::query_scalar(AssertSqlSafe(format!("SELECT CAST(({query}) AS BIGINT)")))
                    .fetch_one(&mut *self.tx)
                    .await?;
            if found != 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Writing {
    /// Lets this transaction take as long as it does.
    pub async fn take_your_time(&mut self) -> Result<(), MetaError> {
        if self.dialect == Dialect::Postgres {
            let query = "SET LOCAL idle_in_transaction_session_timeout = 0";
            sqlx::query(query).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Empties the tables that a new database has rows in, before they are filled.
    pub async fn clear_seeds(&mut self) -> Result<(), MetaError> {
        for table in tables().iter().filter(|table| table.is_seeded) {
            let query = format!("DELETE FROM {}", table.name);
            sqlx::query(AssertSqlSafe(query)).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Stores rows that [`Reading::dump`] wrote.
    pub async fn fill(&mut self, table: &Table, lines: &[u8]) -> Result<(), MetaError> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let places: Vec<String> = (1..=names.len()).map(|number| format!("${number}")).collect();
        let query = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.name,
            names.join(", "),
            places.join(", ")
        );
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut insert = sqlx::query(AssertSqlSafe(query.clone()));
            for (value, column) in parse_row(table, line)?.iter().zip(&table.columns) {
                insert = match (column.kind, value) {
                    (ColumnKind::Integer, value) => insert.bind(value.as_i64()),
                    (ColumnKind::Text, value) => insert.bind(value.as_str().map(str::to_owned)),
                    (ColumnKind::Bytes, value) => {
                        let bytes = value.as_str().map(from_base64).transpose();
                        insert.bind(bytes.map_err(|_| WRONG_ROW)?)
                    }
                };
            }
            insert.execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Goes on with numbering rows where those that were stored end.
    pub async fn go_on_numbering(&mut self) -> Result<(), MetaError> {
        if self.dialect != Dialect::Postgres {
            return Ok(());
        }
        for table in schema::tables() {
            for column in table.columns.iter().filter(|column| column.is_identity) {
                let (table, column) = (&table.name, &column.name);
                let query = format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), \
                     COALESCE(MAX({column}), 1), MAX({column}) IS NOT NULL) FROM {table}"
                );
                sqlx::query(AssertSqlSafe(query)).fetch_one(&mut *self.tx).await?;
            }
        }
        Ok(())
    }
}

/// Takes a row apart: one value for each column, of its kind or null.
pub fn parse_row(table: &Table, line: &[u8]) -> Result<Vec<Value>, MetaError> {
    let values: Vec<Value> = serde_json::from_slice(line).map_err(|_| WRONG_ROW)?;
    let fits = |(value, column): (&Value, &Column)| match column.kind {
        _ if value.is_null() => true,
        ColumnKind::Integer => value.is_i64(),
        ColumnKind::Text | ColumnKind::Bytes => value.is_string(),
    };
    if values.len() == table.columns.len() && values.iter().zip(&table.columns).all(fits) {
        Ok(values)
    } else {
        Err(WRONG_ROW)
    }
}

fn value(row: &AnyRow, column: &Column) -> Result<Value, MetaError> {
    let name = column.name.as_str();
    Ok(match column.kind {
        ColumnKind::Integer => {
            row.try_get::<Option<i64>, _>(name)?.map_or(Value::Null, Value::from)
        }
        ColumnKind::Text => {
            row.try_get::<Option<String>, _>(name)?.map_or(Value::Null, Value::from)
        }
        ColumnKind::Bytes => {
            let bytes = row.try_get::<Option<Vec<u8>>, _>(name)?;
            bytes.map_or(Value::Null, |bytes| Value::from(to_base64(&bytes)))
        }
    })
}

impl Table {
    /// Reads a statement of the schema; `None` if it makes no table.
    pub(super) fn parse(statement: &str) -> Option<Self> {
        let rest = statement.trim().strip_prefix("CREATE TABLE ")?;
        let (name, columns) = rest.split_once('(')?;
        let columns = columns.trim_end().strip_suffix(')')?;
        let mut depth = 0_u32;
        let columns = columns.split(|letter| {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == ',' && depth == 0
        });
        let columns = columns.filter_map(Column::parse).collect();
        Some(Self { name: name.trim().to_owned(), columns, is_seeded: false })
    }
}

impl Column {
    /// Reads a column of a table; `None` if it is a rule of the table instead.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().split_once(char::is_whitespace)?;
        let kind = rest.split_whitespace().next().unwrap_or_default();
        let is_identity = kind == "{ID}";
        let kind = match kind {
            "{ID}" | "BIGINT" | "INTEGER" => ColumnKind::Integer,
            "{NAME}" | "TEXT" => ColumnKind::Text,
            "{BYTES}" => ColumnKind::Bytes,
            _ => return None,
        };
        Some(Self { name: name.to_owned(), kind, is_identity })
    }
}

/// The names of the tables that rows were put into by the schema itself.
pub(super) fn seeded<'a>(statements: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let inserts = statements.filter_map(|text| text.trim().strip_prefix("INSERT INTO "));
    inserts.filter_map(|rest| rest.split_whitespace().next()).collect()
}

const WRONG_ROW: MetaError = MetaError::Corrupt { what: "row" };
/// What belongs to a running server: uploads that are not finished have their bytes elsewhere.
const TRANSIENT: [&str; 1] = ["upload"];
/// About how many bytes are passed on at a time.
const PART_BYTES: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_understood() {
        let tables = schema::tables();
        let table = |name: &str| tables.iter().find(|table| table.name == name).unwrap();
        let key = table("server_key");
        let columns: Vec<(&str, ColumnKind)> =
            key.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
        assert_eq!(columns[0], ("gun", ColumnKind::Text));
        assert_eq!(columns[4], ("sealed", ColumnKind::Bytes));
        assert!(table("counter").is_seeded && !key.is_seeded);
        assert!(table("collection").columns[0].is_identity);
        assert!(tables.iter().all(|table| !table.columns.is_empty()));
    }
}
