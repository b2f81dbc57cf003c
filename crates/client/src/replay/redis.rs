//! Nonces in Redis or Valkey, shared by all who use the same server.

use super::ReplayStore;
use crate::hex;
use async_trait::async_trait;
use claviger_core::{ReplayAnswer, ReplayEntry};
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, aio::MultiplexedConnection};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

/// For how much longer than `keep_until` an entry is kept: by so much may the clock of another verifier be behind.
const CLOCK_MARGIN_SECONDS: u64 = 60;
/// The most that is promised, in seconds: a mistaken `keep_until` must not stay for ever.
const MOST_SECONDS: u64 = 86_400;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_PREFIX: &str = "claviger:nonce:";

type OnError = Arc<dyn Fn(&RedisReplayError) + Send + Sync>;

/// Remembers nonces in a Redis (2.6.12 or later) or Valkey server, by `SET <prefix><id in hex> <token> NX EX <seconds>`.
///
/// An entry is kept until 60 seconds after its `keep_until`, so clocks of verifiers may differ by a minute. One whose
/// `keep_until` is over, or more than a day ahead, is [`Unavailable`](ReplayAnswer::Unavailable).
///
/// The server must not forget: `maxmemory-policy` has to be `noeviction`. One that restarts without its data has
/// forgotten, and a replica that takes over may lack the last writes, as replication does not wait for it: the requests
/// of these moments can be repeated.
///
/// # When something goes wrong
/// Whatever fails is `Unavailable`, after at most the [time limit](Self::timeout); the next call connects anew. A connection
/// that breaks is made anew within the call, and the `SET` repeated. If it was in fact done the first time, its token
/// tells so, and the answer is `Fresh`: nothing is burned by that. If the reply is lost for good and the time is over, the
/// nonce may have been stored. A client that repeats the same signed request then gets `Seen`; it has to sign anew, with
/// another nonce.
///
/// # TLS
/// This crate compiles none in. For `rediss://`, depend on the crate `redis` with one of its TLS features, and give its
/// client to [`with_client`](Self::with_client).
///
/// # Example
/// ```no_run
/// use claviger::RedisReplayStore;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), claviger::InvalidRedisUrl> {
/// let store = RedisReplayStore::new("redis://:password@redis.internal:6379/0")?
///     .prefix("acme:nonce:")
///     .timeout(Duration::from_millis(250))
///     .on_error(|error| eprintln!("{error}"));
/// # Ok(())
/// # }
/// ```
pub struct RedisReplayStore {
    client: Client,
    prefix: String,
    timeout: Duration,
    on_error: Option<OnError>,
    /// One connection for all, which takes many commands at once; none before the first and after a failure.
    connection: Mutex<Option<Connection>>,
}

#[derive(Clone)]
struct Connection {
    commands: MultiplexedConnection,
    /// Tells it from those before and after.
    identity: Arc<()>,
}

/// The text is no URL of a Redis server that this crate can connect to. It does not repeat the text: a password may be
/// in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "this is no URL of a Redis server: redis://[user][:password@]host[:port][/database] (TLS is not compiled in)"
)]
pub struct InvalidRedisUrl;

/// Why a store of Redis could not answer. It holds nothing of the URL, of keys or of nonces.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisReplayError {
    /// There was no answer in time.
    #[error("Redis did not answer within {0:?}")]
    Timeout(Duration),
    /// There is no connection, or the server refuses.
    #[error("Redis failed: {kind} {code}")]
    Failed {
        /// The kind of error, as the crate `redis` names it.
        kind: String,
        /// The code of the server's answer, such as `NOAUTH` or `OOM`, if it gave one; otherwise empty.
        code: String,
    },
    /// The operating system gave no random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandomness,
}

impl From<RedisError> for RedisReplayError {
    fn from(error: RedisError) -> Self {
        // No text of the error: it may quote what was sent.
        Self::Failed {
            kind: format!("{:?}", error.kind()),
            code: error.code().unwrap_or_default().to_owned(),
        }
    }
}

impl RedisReplayStore {
    /// A store in the server at this URL, `redis://[user][:password@]host[:port][/database]`. It connects when it is first
    /// asked, and has to be asked in a Tokio runtime.
    ///
    /// # Errors
    /// If it is no such URL.
    pub fn new(url: &str) -> Result<Self, InvalidRedisUrl> {
        Client::open(url).map(Self::with_client).map_err(|_| InvalidRedisUrl)
    }

    /// The same with a client of the caller's, with its certificates.
    #[must_use]
    pub fn with_client(client: Client) -> Self {
        Self {
            client,
            prefix: DEFAULT_PREFIX.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            on_error: None,
            connection: Mutex::new(None),
        }
    }

    /// What precedes each id in the names of keys; `claviger:nonce:` by default. All who share nonces need the same.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// After how long the answer is `Unavailable`, connecting included; a second by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Is called whenever an answer is `Unavailable` because something failed. It has to be quick.
    #[must_use]
    pub fn on_error(mut self, on_error: impl Fn(&RedisReplayError) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(on_error));
        self
    }

    async fn connected(&self) -> Result<Connection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        // The limit of time is that of the whole call.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let commands = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(connection.insert(Connection { commands, identity: Arc::new(()) }).clone())
    }

    /// Lets go of a connection that failed, unless another one has taken its place.
    async fn disconnect(&self, failed: &Connection) {
        let mut connection = self.connection.lock().await;
        if connection.as_ref().is_some_and(|present| Arc::ptr_eq(&present.identity, &failed.identity)) {
            *connection = None;
        }
    }

    /// Sets what is not there; if the connection breaks, once more on another one.
    async fn set(&self, id: &str, seconds: u64, token: &str) -> Result<bool, RedisError> {
        let name = format!("{}{id}", self.prefix);
        let mut set = redis::cmd("SET");
        set.arg(&name).arg(token).arg("NX").arg("EX").arg(seconds);
        match self.send::<Option<String>>(&set).await {
            Err(error) if error.kind() == ErrorKind::Io => {}
            answer => return Ok(answer?.is_some()),
        }
        if self.send::<Option<String>>(&set).await?.is_some() {
            return Ok(true);
        }
        // It may have been this very call that has set it.
        let present: Option<String> = self.send(redis::cmd("GET").arg(&name)).await?;
        Ok(present.as_deref() == Some(token))
    }

    async fn send<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let connection = self.connected().await?;
        // Dropped in the midst of it, when the time is over, it lets go of the connection as well: its answer may never
        // come.
        let mut doubt = Doubt { store: self, connection: Some(connection.clone()) };
        let answer = command.query_async(&mut connection.commands.clone()).await;
        doubt.connection = None;
        if answer.as_ref().is_err_and(|error: &RedisError| error.code().is_none()) {
            self.disconnect(&connection).await;
        }
        answer
    }
}

/// A connection whose answer is awaited.
struct Doubt<'s> {
    store: &'s RedisReplayStore,
    connection: Option<Connection>,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        let Some(doubted) = self.connection.take() else { return };
        // If somebody holds it he is connecting anew, or about to find out by himself.
        if let Ok(mut connection) = self.store.connection.try_lock()
            && connection.as_ref().is_some_and(|present| Arc::ptr_eq(&present.identity, &doubted.identity))
        {
            *connection = None;
        }
    }
}

#[async_trait]
impl ReplayStore for RedisReplayStore {
    async fn check_and_insert(&self, entry: &ReplayEntry, now: u64) -> ReplayAnswer {
        let Some(seconds) = entry.keep_until.checked_sub(now).filter(|&seconds| seconds <= MOST_SECONDS)
        else {
            return ReplayAnswer::Unavailable;
        };
        let mut token = [0; 16];
        let answer = match getrandom::fill(&mut token) {
            Err(_) => Err(RedisReplayError::NoRandomness),
            Ok(()) => {
                let (id, token) = (hex(&entry.id), hex(&token));
                // The second `keep_until` itself is included.
                let seconds = seconds.saturating_add(1).saturating_add(CLOCK_MARGIN_SECONDS);
                match timeout(self.timeout, self.set(&id, seconds, &token)).await {
                    Ok(answer) => answer.map_err(Into::into),
                    Err(_) => Err(RedisReplayError::Timeout(self.timeout)),
                }
            }
        };
        match answer {
            Ok(true) => ReplayAnswer::Fresh,
            Ok(false) => ReplayAnswer::Seen,
            Err(error) => {
                if let Some(on_error) = &self.on_error {
                    on_error(&error);
                }
                ReplayAnswer::Unavailable
            }
        }
    }
}

/// Tells nothing of the URL: a password may be in it.
impl fmt::Debug for RedisReplayStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("RedisReplayStore");
        debug.field("prefix", &self.prefix).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
