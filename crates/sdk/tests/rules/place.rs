//! Where tests make stores: a SQLite file in a folder of its own, or a schema of its own in a PostgreSQL server.

use sqlx::{AssertSqlSafe, Connection, Executor};
use std::sync::Arc;

/// Where a store is made. What it needs stays as long as this or a clone does.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) location: String,
    folder: Option<Arc<tempfile::TempDir>>,
}

impl Place {
    /// A SQLite file in a folder of its own.
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("store.db").to_str().unwrap().to_owned();
        Self { location, folder: Some(Arc::new(folder)) }
    }

    /// A schema of its own in the PostgreSQL server that `CLAVIGER_TEST_POSTGRES` names.
    pub(crate) async fn postgresql() -> Self {
        let url = std::env::var("CLAVIGER_TEST_POSTGRES").expect(
            "CLAVIGER_TEST_POSTGRES must name a PostgreSQL server: `cargo xtask test` starts one, and `cargo xtask \
             postgres` keeps one running",
        );
        sqlx::any::install_default_drivers();
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        let mut name = [0; 8];
        getrandom::fill(&mut name).unwrap();
        let schema = format!("t{:016x}", u64::from_be_bytes(name));
        connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        connection.close().await.unwrap();
        Self { location: format!("{url}?options=-c%20search_path%3D{schema}"), folder: None }
    }

    /// A connection that knows nothing of the store.
    pub(crate) async fn connection(&self) -> sqlx::AnyConnection {
        sqlx::any::install_default_drivers();
        let url =
            if self.folder.is_some() { format!("sqlite:{}", self.location) } else { self.location.clone() };
        sqlx::AnyConnection::connect(&url).await.unwrap()
    }
}
