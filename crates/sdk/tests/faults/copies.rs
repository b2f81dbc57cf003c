//! Copies of a store: what a backup is, and what a clone is.

use crate::world::{Database, World};
use claviger_sdk::Store;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

/// A copy of a store as it was at one time.
pub(crate) struct Copy {
    location: String,
    _folder: tempfile::TempDir,
}

impl Copy {
    pub(crate) async fn of(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = match world.database {
            Database::Sqlite => copy_file(world, &folder).await,
            Database::Postgresql => copy_schema(world).await,
        };
        Self { location, _folder: folder }
    }

    pub(crate) async fn open(&self, world: &World) -> Store {
        world.store_at(&self.location).await
    }
}

async fn copy_file(world: &World, folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("copy.db").to_str().unwrap().to_owned();
    let mut connection = world.place.connection().await;
    connection.execute(AssertSqlSafe(format!("VACUUM INTO '{path}'"))).await.unwrap();
    connection.close().await.unwrap();
    path
}

/// Every table, in another schema. Foreign keys are not copied: nothing that is tested here depends on them.
async fn copy_schema(world: &World) -> String {
    let mut connection = world.place.connection().await;
    let mut copying = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let from: String = copying.fetch_one("SELECT current_schema()::text AS name").await.unwrap().get("name");
    let to = format!("{from}_{}", world.unused_name("copy"));
    copying.execute(AssertSqlSafe(format!("CREATE SCHEMA {to}"))).await.unwrap();
    let tables = "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()";
    for row in copying.fetch_all(tables).await.unwrap() {
        let table: String = row.get("name");
        let create = format!("CREATE TABLE {to}.{table} (LIKE {from}.{table} INCLUDING ALL)");
        copying.execute(AssertSqlSafe(create)).await.unwrap();
        let fill = format!("INSERT INTO {to}.{table} SELECT * FROM {from}.{table}");
        copying.execute(AssertSqlSafe(fill)).await.unwrap();
    }
    copying.commit().await.unwrap();
    connection.close().await.unwrap();
    world.place.location.replace(&from, &to)
}
