//! Copies of stores: what a backup is, and what a clone is.

use crate::place::Place;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

impl Place {
    /// Another place, with all that is in this one at one time. In PostgreSQL foreign keys are not copied: nothing that is
    /// tested of copies depends on them.
    pub(crate) async fn copy(&self) -> Self {
        let mut connection = self.connection().await;
        if !self.location.starts_with("postgres") {
            let copy = Self::sqlite().await;
            let copied = format!("VACUUM INTO '{}'", copy.location);
            connection.execute(AssertSqlSafe(copied)).await.unwrap();
            connection.close().await.unwrap();
            return copy;
        }
        let copy = Self::postgresql().await;
        let (_, schema) = copy.location.rsplit_once("%3D").unwrap();
        let mut copying = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
        let tables = "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()";
        for row in copying.fetch_all(tables).await.unwrap() {
            let table: String = row.get("name");
            for copied in [
                format!("CREATE TABLE {schema}.{table} (LIKE {table} INCLUDING ALL)"),
                format!("INSERT INTO {schema}.{table} SELECT * FROM {table}"),
            ] {
                copying.execute(AssertSqlSafe(copied)).await.unwrap();
            }
        }
        copying.commit().await.unwrap();
        connection.close().await.unwrap();
        copy
    }
}
