//! The store: opening it, its keys, and the transactions that everything else runs in.

use crate::{
    Actor, Clock, Error, Result, RingId, Session, SystemClock,
    audit::AuditKey,
    ids::{RecordId, entropy},
    publish::{Target, Targets},
    rows::RowExt,
    schema::{self, Dialect},
    seal::DataKey,
};
use chrono::{DateTime, Utc};
use claviger_core::{KeyId, MasterKey};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction, any::AnyPoolOptions};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, futures::Notified};

/// How long a connection may take.
const TIME_TO_CONNECT: Duration = Duration::from_secs(30);

/// Makes a new master key from random bytes of the operating system.
///
/// Keep its text where no copy of the store is: whoever has both can read the store, and without it every key must be
/// issued anew (unless there is a [recovery key](crate::MasterKeys::add_recovery_key)).
///
/// # Errors
/// [`Error::Entropy`].
pub fn generate_master_key() -> Result<MasterKey> {
    let entropy = zeroize::Zeroizing::new(entropy()?);
    Ok(MasterKey::generate(&entropy))
}

/// Where an operator's records are: a SQLite file or a PostgreSQL database. Cheap to clone.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use claviger_sdk::{Actor, NewTenant, Store, generate_master_key};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("company.db");
/// # let path = path.to_str().ok_or("path")?;
/// let master_key = generate_master_key()?;
/// let store = Store::open(path, &master_key).await?; // or postgres://user@host/database
///
/// let operator = store.acting_as(Actor::operator("platform"));
/// let tenant = operator.tenants().create(NewTenant::new("Northwind", "nw_live".parse()?)).await?;
/// assert_eq!(operator.tenants().list().await?, [tenant.into_record()]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// How many rows are written before they are moved from SQLite's log into its file.
const ROWS_IN_LOG: u64 = 1_000;

struct Inner {
    pool: AnyPool,
    dialect: Dialect,
    id: KeyId,
    clock: Arc<dyn Clock>,
    keys: RwLock<Keys>,
    /// One writer at a time: the database would make the others wait with a connection each.
    writer: Arc<Mutex<()>>,
    location: Location,
    /// Told of each change that keyrings say.
    changed: Notify,
    targets: RwLock<Targets>,
    /// Who publishes a ring, within this program.
    turns: RwLock<HashMap<RingId, Arc<Mutex<()>>>>,
    /// How many rows were written since what is written was last moved from SQLite's log into its file.
    in_log: AtomicU64,
}

/// Where the database is.
pub(crate) enum Location {
    /// The path of a SQLite file.
    File(String),
    /// The URL of a PostgreSQL database.
    Server(String),
}

/// What was unwrapped with the master key.
struct Keys {
    master_key: MasterKey,
    data_keys: HashMap<KeyId, Arc<DataKey>>,
    audit_keys: HashMap<KeyId, Arc<AuditKey>>,
}

impl Store {
    /// Opens a store, and makes it if there is none.
    ///
    /// `location` is the path of a SQLite file, or a URL that starts with `postgres://`. A new store is sealed under
    /// `master_key` from the first write on.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] if the store is sealed under another one, [`Error::NewerSchema`] if a later version of
    /// this crate wrote it, [`Error::Database`] if it cannot be reached.
    pub async fn open(location: &str, master_key: &MasterKey) -> Result<Self> {
        Self::open_or_make(location, master_key, SystemClock, true).await
    }

    /// Opens a store that takes the time from `clock`: for tests.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with_clock(location: &str, master_key: &MasterKey, clock: impl Clock) -> Result<Self> {
        Self::open_or_make(location, master_key, clock, true).await
    }

    async fn open_or_make(
        location: &str,
        master_key: &MasterKey,
        clock: impl Clock,
        make: bool,
    ) -> Result<Self> {
        let (pool, dialect) = connect(location).await?;
        let mut connection = pool.acquire().await?;
        if !schema::is_current(&mut connection, dialect).await? {
            let mut transaction = pool.begin_with(dialect.begin()).await?;
            schema::migrate(&mut transaction, dialect).await?;
            initialise(&mut transaction, Some(master_key).filter(|_| make), clock.now().timestamp()).await?;
            transaction.commit().await?;
        }
        let row = sqlx::query("SELECT id FROM store").fetch_optional(&mut *connection).await?;
        let id = row.ok_or_else(|| Error::Damaged("the store has no id".into()))?.id("id")?;
        let keys = Keys::load(&mut connection, id, master_key).await?;
        drop(connection);
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                dialect,
                id,
                clock: Arc::new(clock),
                keys: RwLock::new(keys),
                writer: Arc::default(),
                location: match dialect {
                    Dialect::Sqlite => Location::File(location.to_owned()),
                    Dialect::Postgres => Location::Server(location.to_owned()),
                },
                changed: Notify::new(),
                targets: RwLock::default(),
                turns: RwLock::default(),
                in_log: AtomicU64::new(0),
            }),
        })
    }

    /// Opens a store whose master key was lost, with its recovery key, and puts it under `new_master_key`.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] if it is not the store's recovery key; [`Error::Invalid`] if there is no store there, or
    /// it has no recovery key; otherwise as [`open`](Self::open).
    pub async fn recover(
        location: &str,
        recovery_key: &MasterKey,
        new_master_key: &MasterKey,
    ) -> Result<Self> {
        let store = Self::open_or_make(location, recovery_key, SystemClock, false).await?;
        let query = "SELECT wrapping_key FROM data_key_wraps WHERE is_recovery = 1";
        let row = sqlx::query(query).fetch_optional(&store.inner.pool).await?;
        let row = row.ok_or_else(|| Error::invalid("recovery_key", "the store has none"))?;
        let (expected, given) = (row.id("wrapping_key")?, recovery_key.id());
        if expected != given {
            return Err(Error::WrongMasterKey { expected, given });
        }
        let session = store.acting_as(Actor::operator(&format!("recovery key {}", recovery_key.id())));
        session.master_keys().rotate(new_master_key).await?;
        Ok(store)
    }

    /// A session in which `actor` acts. What he may do is looked up anew in each operation.
    pub fn acting_as(&self, actor: Actor) -> Session {
        Session::new(self.clone(), actor)
    }

    /// The public id of the store.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.inner.id
    }

    /// Waits for what is being done and closes every connection.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    pub(crate) fn location(&self) -> &Location {
        &self.inner.location
    }

    /// Wakes publishers that wait.
    pub(crate) fn tell_publishers(&self) {
        self.inner.changed.notify_waiters();
    }

    /// Ends with the next change, as soon as it is made.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.inner.changed.notified()
    }

    /// The publisher that is attached for a ring.
    pub(crate) fn target(&self, ring: RingId) -> Option<Arc<Target>> {
        let targets = self.inner.targets.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        targets.get(&ring).cloned()
    }

    /// What the publishers of a ring within this program take turns by.
    pub(crate) fn turn(&self, ring: RingId) -> Arc<Mutex<()>> {
        let mut turns = self.inner.turns.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        turns.entry(ring).or_default().clone()
    }

    /// Whether both are handles on what was opened once.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn set_target(&self, ring: RingId, target: Option<Arc<Target>>) {
        let mut targets = self.inner.targets.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        match target {
            Some(target) => drop(targets.insert(ring, target)),
            None => drop(targets.remove(&ring)),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    /// A transaction that reads one state.
    pub(crate) async fn begin_reading(&self) -> Result<Transaction<'static, Any>> {
        self.begin(self.inner.dialect.begin_reading()).await
    }

    /// Begins to the end even if nobody waits for it any more: a connection on which a transaction was begun and given to
    /// nobody would go back to the others in the middle of it.
    async fn begin(&self, statement: &'static str) -> Result<Transaction<'static, Any>> {
        let pool = self.inner.pool.clone();
        let begun = tokio::spawn(async move { pool.begin_with(statement).await }).await;
        Ok(begun.map_err(|error| Error::Database(error.into()))??)
    }

    /// A transaction that writes, when its turn comes.
    pub(crate) async fn begin_writing(&self) -> Result<(OwnedMutexGuard<()>, Transaction<'static, Any>)> {
        let turn = self.inner.writer.clone().lock_owned().await;
        Ok((turn, self.begin(self.inner.dialect.begin()).await?))
    }

    /// Notes that rows were written. From time to time SQLite must move them from its log into its file. It would do so
    /// before it says that a transaction is done, which takes longer than the transaction if that was large; so it is
    /// done beside what comes next.
    pub(crate) fn written(&self, rows: u64) {
        let in_log = self.inner.in_log.fetch_add(rows, Ordering::Relaxed).saturating_add(rows);
        if self.inner.dialect == Dialect::Postgres || in_log < ROWS_IN_LOG {
            return;
        }
        self.inner.in_log.store(0, Ordering::Relaxed);
        let pool = self.inner.pool.clone();
        tokio::spawn(async move {
            // If it fails, they stay in the log: nothing is lost, and a later transaction moves them.
            let _ = pool.execute("PRAGMA wal_checkpoint(PASSIVE)").await;
        });
    }

    /// The data key with this id; another program may have made it since the store was opened.
    pub(crate) async fn data_key(&self, connection: &mut AnyConnection, id: KeyId) -> Result<Arc<DataKey>> {
        if let Some(key) = self.keys(|keys| keys.data_keys.get(&id).cloned()) {
            return Ok(key);
        }
        self.reload(connection).await?;
        self.keys(|keys| keys.data_keys.get(&id).cloned())
            .ok_or_else(|| Error::Damaged(format!("the data key {id} is missing")))
    }

    /// The audit key with this id.
    pub(crate) async fn audit_key(&self, connection: &mut AnyConnection, id: KeyId) -> Result<Arc<AuditKey>> {
        if let Some(key) = self.keys(|keys| keys.audit_keys.get(&id).cloned()) {
            return Ok(key);
        }
        self.reload(connection).await?;
        self.keys(|keys| keys.audit_keys.get(&id).cloned())
            .ok_or_else(|| Error::Damaged(format!("the audit key {id} is missing")))
    }

    pub(crate) fn master_key(&self) -> MasterKey {
        self.keys(|keys| keys.master_key.clone())
    }

    /// From now on the store is opened with this master key.
    pub(crate) fn set_master_key(&self, master_key: &MasterKey) {
        let mut keys = self.inner.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        keys.master_key = master_key.clone();
    }

    async fn reload(&self, connection: &mut AnyConnection) -> Result<()> {
        let loaded = Keys::load(connection, self.inner.id, &self.master_key()).await?;
        let mut keys = self.inner.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The master key stays: it may have been changed while these were read.
        keys.data_keys.extend(loaded.data_keys);
        keys.audit_keys.extend(loaded.audit_keys);
        Ok(())
    }

    fn keys<T>(&self, read: impl FnOnce(&Keys) -> T) -> T {
        read(&self.inner.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("id", &self.inner.id).finish_non_exhaustive()
    }
}

impl Keys {
    async fn load(connection: &mut AnyConnection, store: KeyId, master_key: &MasterKey) -> Result<Self> {
        let rows = sqlx::query("SELECT data_key, wrapping_key, is_recovery, wrapped FROM data_key_wraps")
            .fetch_all(&mut *connection)
            .await?;
        let (mut data_keys, mut expected) = (HashMap::new(), None);
        for row in rows {
            let (id, wrapping_key): (KeyId, KeyId) = (row.id("data_key")?, row.id("wrapping_key")?);
            if !row.flag("is_recovery")? {
                expected = Some(wrapping_key);
            }
            if wrapping_key == master_key.id() {
                let key = DataKey::unwrap(store, id, &row.blob("wrapped")?, master_key);
                let wrong = || Error::WrongMasterKey { expected: wrapping_key, given: master_key.id() };
                data_keys.insert(id, Arc::new(key.ok_or_else(wrong)?));
            }
        }
        if data_keys.is_empty() {
            let expected = expected.ok_or_else(|| Error::Damaged("the store has no data key".into()))?;
            return Err(Error::WrongMasterKey { expected, given: master_key.id() });
        }
        let mut audit_keys = HashMap::new();
        for row in sqlx::query("SELECT id, data_key, sealed FROM audit_keys").fetch_all(connection).await? {
            let (id, data_key): (KeyId, KeyId) = (row.id("id")?, row.id("data_key")?);
            let data_key = data_keys.get(&data_key).ok_or_else(|| {
                Error::Damaged(format!("the data key {data_key} of the audit key {id} is missing"))
            })?;
            audit_keys.insert(id, Arc::new(AuditKey::open(store, id, data_key, &row.blob("sealed")?)?));
        }
        Ok(Self { master_key: master_key.clone(), data_keys, audit_keys })
    }
}

/// Connections to the database; a SQLite file is made if there is none.
async fn connect(location: &str) -> Result<(AnyPool, Dialect)> {
    sqlx::any::install_default_drivers();
    let postgres = ["postgres://", "postgresql://"].iter().any(|scheme| location.starts_with(scheme));
    let options = AnyPoolOptions::new().acquire_timeout(TIME_TO_CONNECT);
    if postgres {
        // A pool tries again until its time is up, and does not say what was wrong.
        let attempt = tokio::time::timeout(TIME_TO_CONNECT, AnyConnection::connect(location)).await;
        let connection = attempt.map_err(|_| sqlx::Error::PoolTimedOut)?;
        connection?.close().await?;
        return Ok((options.max_connections(10).connect(location).await?, Dialect::Postgres));
    }
    if location.is_empty() || location.contains("://") {
        let problem = "expected the path of a SQLite file, or a URL that starts with postgres://";
        return Err(Error::invalid("location", problem));
    }
    let path: String = location.bytes().map(percent_encoded).collect();
    // The log is moved into the file by `Store::written`; its checkpoint is for when a program ends before that.
    let prepare = "PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                   PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 30000; PRAGMA wal_autocheckpoint = 65536;";
    let options = options.max_connections(8).after_connect(move |connection, _| {
        Box::pin(async move { connection.execute(prepare).await.map(|_| ()) })
    });
    Ok((options.connect(&format!("sqlite:{path}?mode=rwc")).await?, Dialect::Sqlite))
}

/// A byte of a path as it stands in a URL (RFC 3986, section 2.1).
fn percent_encoded(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    }
}

/// The first rows of a new store, if there is a master key for it; nothing if another program was quicker.
async fn initialise(connection: &mut AnyConnection, master_key: Option<&MasterKey>, now: i64) -> Result<()> {
    if sqlx::query("SELECT id FROM store").fetch_optional(&mut *connection).await?.is_some() {
        return Ok(());
    }
    let master_key = master_key.ok_or_else(|| Error::invalid("location", "there is no store to recover"))?;
    let (store, data_key) = (KeyId::random()?, DataKey::generate()?);
    insert_data_key(connection, store, &data_key, master_key, now).await?;
    let audit_key = insert_audit_key(connection, store, &data_key, now).await?;
    sqlx::query(
        "INSERT INTO store (id, created_at, sequence, audit_sequence, audit_mac, data_key, audit_key) \
         VALUES ($1, $2, 0, 0, $3, $4, $5)",
    )
    .bind(store.bytes())
    .bind(now)
    .bind(Vec::new())
    .bind(data_key.id.bytes())
    .bind(audit_key.bytes())
    .execute(&mut *connection)
    .await?;
    for (name, description) in crate::permissions::BUILT_IN {
        sqlx::query("INSERT INTO permissions (name, description, built_in) VALUES ($1, $2, 1)")
            .bind(name)
            .bind(description)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(crate) async fn insert_data_key(
    connection: &mut AnyConnection,
    store: KeyId,
    data_key: &DataKey,
    master_key: &MasterKey,
    now: i64,
) -> Result<()> {
    sqlx::query("INSERT INTO data_keys (id, created_at) VALUES ($1, $2)")
        .bind(data_key.id.bytes())
        .bind(now)
        .execute(&mut *connection)
        .await?;
    insert_wrap(connection, store, data_key, master_key, false).await
}

pub(crate) async fn insert_wrap(
    connection: &mut AnyConnection,
    store: KeyId,
    data_key: &DataKey,
    wrapping_key: &MasterKey,
    is_recovery: bool,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO data_key_wraps (data_key, wrapping_key, is_recovery, wrapped) VALUES ($1, $2, $3, $4)",
    )
    .bind(data_key.id.bytes())
    .bind(wrapping_key.id().bytes())
    .bind(i64::from(is_recovery))
    .bind(data_key.wrap(store, wrapping_key)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// A new audit key; its id is returned.
pub(crate) async fn insert_audit_key(
    connection: &mut AnyConnection,
    store: KeyId,
    data_key: &DataKey,
    now: i64,
) -> Result<KeyId> {
    let (id, key) = (KeyId::random()?, zeroize::Zeroizing::new(entropy::<32>()?));
    let place = AuditKey::place(store, id);
    sqlx::query("INSERT INTO audit_keys (id, data_key, sealed, created_at) VALUES ($1, $2, $3, $4)")
        .bind(id.bytes())
        .bind(data_key.id.bytes())
        .bind(data_key.seal(&place, key.as_slice())?)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Row;

    #[tokio::test]
    async fn every_connection_to_a_file_is_as_durable_and_strict_as_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, _) = connect(folder.path().join("store.db").to_str().unwrap()).await.unwrap();
        let mut connections = Vec::new();
        for _ in 0..3 {
            let mut connection = pool.acquire().await.unwrap();
            let mode: String = connection.fetch_one("PRAGMA journal_mode").await.unwrap().get(0);
            assert_eq!(mode, "wal");
            for (setting, expected) in
                [("PRAGMA foreign_keys", 1), ("PRAGMA synchronous", 2), ("PRAGMA busy_timeout", 30_000)]
            {
                let value: i64 = connection.fetch_one(setting).await.unwrap().get(0);
                assert_eq!(value, expected, "{setting}");
            }
            connections.push(connection);
        }
    }
}
