//! A ring's turn: whoever has it is the only publisher of the ring over this store, in whatever process. It ends with
//! its holder, also when that is killed.

use crate::{Error, Result, RingId, ids::RecordId, store::Location};
use sqlx::{AnyConnection, Connection};
use std::fs::File;

/// The right to publish a ring, until it is dropped.
pub(crate) enum Turn {
    /// The lock of a file beside the database.
    File { _file: File },
    /// An advisory lock, which ends with the connection.
    Connection { _connection: AnyConnection },
}

/// Waits for the turn.
pub(crate) async fn take(location: &Location, ring: RingId) -> Result<Turn> {
    match location {
        Location::File(path) => {
            let path = path.clone();
            let locked = tokio::task::spawn_blocking(move || {
                // By whatever name the database was opened, it is the same lock.
                let path = std::fs::canonicalize(&path).unwrap_or_else(|_| path.into());
                let path = format!("{}-{ring}.lock", path.display());
                let file = File::options().create(true).append(true).open(&path);
                file.and_then(|file| file.lock().map(|()| file)).map_err(|error| format!("{path}: {error}"))
            });
            let file = locked.await.map_err(|error| Error::Database(error.into()))?;
            Ok(Turn::File { _file: file.map_err(|error| Error::Database(error.into()))? })
        }
        Location::Server(url) => {
            let mut connection = AnyConnection::connect(url).await?;
            // Both halves of the ring's id, so that it meets no other lock of this kind.
            let number = i64::from_be_bytes(ring.key_id().as_u64().to_be_bytes());
            sqlx::query("SELECT pg_advisory_lock($1)").bind(number).execute(&mut connection).await?;
            Ok(Turn::Connection { _connection: connection })
        }
    }
}
