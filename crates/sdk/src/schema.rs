//! The tables, the same on SQLite and PostgreSQL, and the migrations that make them.
//!
//! Times are Unix seconds; 0 means never and [`NO_END`] means without end, so that both sort. Truth values are 0 and 1.
//! Ids are 8 big-endian bytes. Columns ending in `_folded` hold what is sorted and searched without regard to case.

use crate::{Error, Result, policies, rows::RowExt};
use sqlx::{AnyConnection, AssertSqlSafe, Executor};

/// In place of a time: without end.
pub(crate) const NO_END: i64 = i64::MAX;

/// One script for each version; a store of version n has had the first n.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// Which database it is: the two differ in how they name types and begin transactions, and in nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The script with this dialect's names of types. Texts compare by bytes in both.
    fn script(self, script: &str) -> String {
        let (blob, text, clustered) = match self {
            Self::Sqlite => ("BLOB", "TEXT", "WITHOUT ROWID"),
            Self::Postgres => ("BYTEA", "TEXT COLLATE \"C\"", ""),
        };
        script.replace("{blob}", blob).replace("{text}", text).replace("{clustered}", clustered)
    }

    /// Begins a transaction that writes.
    pub(crate) const fn begin(self) -> &'static str {
        match self {
            // Taken at once: a reading transaction that turns into a writing one can fail half way. The indexes of a large
            // store do not fit into SQLite's cache of 2 MB: a batch of new keys would read and write their pages again
            // and again.
            Self::Sqlite => "PRAGMA cache_size = -131072; BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// Begins a transaction that reads one state of the store.
    pub(crate) const fn begin_reading(self) -> &'static str {
        match self {
            // Whoever reads a million keys touches each page once.
            Self::Sqlite => "PRAGMA cache_size = -16384; BEGIN DEFERRED",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// Brings the store to the newest version, inside a transaction that `connection` has begun.
///
/// # Errors
/// [`Error::NewerSchema`] if the store has a version that this crate does not know.
pub(crate) async fn migrate(connection: &mut AnyConnection, dialect: Dialect) -> Result<()> {
    if dialect == Dialect::Postgres {
        // Two programs that open a new store at once would both make its tables.
        sqlx::query("SELECT pg_advisory_xact_lock(7166182908231971959)").execute(&mut *connection).await?;
    }
    sqlx::query("CREATE TABLE IF NOT EXISTS claviger_schema (version BIGINT NOT NULL)")
        .execute(&mut *connection)
        .await?;
    let found = version(connection).await?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    for (number, script) in (1_i64..).zip(MIGRATIONS).filter(|&(number, _)| number > found) {
        connection.execute(AssertSqlSafe(dialect.script(script))).await?;
        let change = if number == 1 {
            "INSERT INTO claviger_schema (version) VALUES ($1)"
        } else {
            "UPDATE claviger_schema SET version = $1"
        };
        sqlx::query(change).bind(number).execute(&mut *connection).await?;
    }
    if (1..2).contains(&found) {
        policies::give_to_all_keys(connection, dialect).await?;
    }
    Ok(())
}

async fn version(connection: &mut AnyConnection) -> Result<i64> {
    let row = sqlx::query("SELECT version FROM claviger_schema").fetch_optional(connection).await?;
    row.map_or(Ok(0), |row| row.int("version"))
}

/// Whether the store is of the newest version already, without changing anything.
pub(crate) async fn is_current(connection: &mut AnyConnection, dialect: Dialect) -> Result<bool> {
    let tables = match dialect {
        Dialect::Sqlite => "SELECT 1 AS found FROM sqlite_master WHERE name = 'claviger_schema'",
        Dialect::Postgres => "SELECT 1 AS found FROM pg_class WHERE oid = to_regclass('claviger_schema')",
    };
    let made = sqlx::query(tables).fetch_optional(&mut *connection).await?.is_some();
    let found = if made { version(connection).await? } else { 0 };
    if found > MIGRATIONS.len() as i64 {
        return Err(Error::NewerSchema { found, known: MIGRATIONS.len() as i64 });
    }
    Ok(found == MIGRATIONS.len() as i64)
}
