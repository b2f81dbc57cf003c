//! Nonces in a real Redis, behind a proxy that goes wrong as networks do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and their helpers do too")]

use ReplayAnswer::{Fresh, Seen, Unavailable};
use claviger::{
    InvalidRedisUrl, RedisReplayError, RedisReplayStore, ReplayAnswer, ReplayEntry, ReplayStore, unix_seconds,
};
use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::Instant,
};

/// The server that `CLAVIGER_TEST_REDIS` names.
fn url() -> String {
    std::env::var("CLAVIGER_TEST_REDIS").unwrap_or_else(|_| {
        panic!(
            "CLAVIGER_TEST_REDIS must name a Redis server: `cargo xtask test` starts one, and `cargo xtask redis` \
             alone"
        )
    })
}

/// Host and port of the server.
fn address() -> String {
    url().rsplit_once('@').unwrap().1.trim_end_matches('/').to_owned()
}

/// The URL of the server on another port of this machine.
fn url_on(port: u16) -> String {
    format!("{}@{}:{port}", url().rsplit_once('@').unwrap().0, Ipv4Addr::LOCALHOST)
}

/// An entry that nobody has seen, in this run or another.
fn new_entry(now: u64) -> ReplayEntry {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).unwrap();
    ReplayEntry::new(b"key", &nonce, now + 300)
}

fn name(prefix: &str, entry: &ReplayEntry) -> String {
    format!("{prefix}{}", claviger::hex(&entry.id))
}

async fn ask<T: redis::FromRedisValue>(command: &redis::Cmd) -> T {
    let client = redis::Client::open(url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    command.query_async(&mut connection).await.unwrap()
}

/// What stands between a store and the server.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    Good,
    /// Nobody listens, and what was connected is cut.
    Down,
    /// Whoever connects is not heard.
    Silent,
    /// The next answer is not handed on, the connection cut instead; from then on all is good.
    LosesAnAnswer,
    /// No answer is handed on.
    Mute,
}

struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, state) = watch::channel(Line::Good);
        tokio::spawn(serve(listener, line.clone(), state));
        Self { port, line }
    }

    async fn set(&self, line: Line) {
        self.line.send_replace(line);
        // Until it is so for those who connect.
        loop {
            let connects = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok();
            if connects == (line != Line::Down) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(listener: TcpListener, line: watch::Sender<Line>, mut state: watch::Receiver<Line>) {
    let port = listener.local_addr().unwrap().port();
    let mut listener = Some(listener);
    loop {
        if *state.borrow() == Line::Down {
            listener = None;
            if state.wait_for(|line| *line != Line::Down).await.is_err() {
                return;
            }
        }
        if listener.is_none() {
            listener = Some(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap());
        }
        let Some(listening) = &listener else { continue };
        tokio::select! {
            Ok((socket, _)) = listening.accept() => {
                tokio::spawn(hand_on(socket, line.clone(), state.clone()));
            }
            changed = state.changed() => if changed.is_err() { return },
        }
    }
}

async fn hand_on(mut client: TcpStream, line: watch::Sender<Line>, state: watch::Receiver<Line>) {
    let mut down = state.clone();
    let mut server = TcpStream::connect(address()).await.unwrap();
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(1..) if *state.borrow() == Line::Silent => {}
                Ok(len @ 1..) => server.write_all(asked.get(..len).unwrap()).await.unwrap(),
                _ => return,
            },
            read = server.read(&mut answered) => {
                let len = read.unwrap_or(0);
                let now = *state.borrow();
                match now {
                    _ if len == 0 => return,
                    Line::LosesAnAnswer => { line.send_replace(Line::Good); return }
                    Line::Mute => continue,
                    _ => {}
                }
                if client.write_all(answered.get(..len).unwrap()).await.is_err() { return }
            }
            () = async { drop(down.wait_for(|line| *line == Line::Down).await) } => return,
        }
    }
}

#[tokio::test]
async fn a_nonce_is_fresh_once_and_kept_as_long_as_it_has_to() {
    let now = unix_seconds();
    let entry = new_entry(now);
    let store = RedisReplayStore::new(&url()).unwrap().prefix("test:");
    let other = RedisReplayStore::new(&url()).unwrap().prefix("test:");
    assert_eq!(store.check_and_insert(&entry, now).await, Fresh);
    assert_eq!(store.check_and_insert(&entry, now).await, Seen);
    assert_eq!(other.check_and_insert(&entry, now + 299).await, Seen);
    assert_eq!(store.check_and_insert(&new_entry(now), now).await, Fresh);
    let left: u64 = ask(redis::cmd("TTL").arg(name("test:", &entry))).await;
    assert!((350..=361).contains(&left), "{left} seconds: 300, the last of them, and 60 more");

    // At its last second it is still taken; what cannot be promised is not.
    let last = new_entry(now);
    assert_eq!(store.check_and_insert(&last, now + 300).await, Fresh);
    let left: u64 = ask(redis::cmd("TTL").arg(name("test:", &last))).await;
    assert!((50..=61).contains(&left), "{left}");
    let over = new_entry(now);
    assert_eq!(store.check_and_insert(&over, now + 301).await, Unavailable);
    assert_eq!(store.check_and_insert(&ReplayEntry::new(b"key", b"1", now + 86_401), now).await, Unavailable);
    assert_eq!(store.check_and_insert(&ReplayEntry::new(b"key", b"1", u64::MAX), now).await, Unavailable);
    let there: u64 = ask(redis::cmd("EXISTS").arg(name("test:", &over))).await;
    assert_eq!(there, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_ask_at_once_one_is_told_that_it_is_fresh() {
    let now = unix_seconds();
    let stores: Vec<_> = (0..2).map(|_| Arc::new(RedisReplayStore::new(&url()).unwrap())).collect();
    for _ in 0..64 {
        let entry = new_entry(now);
        let mut asking = JoinSet::new();
        for store in stores.iter().chain(&stores) {
            let store = Arc::clone(store);
            asking.spawn(async move { store.check_and_insert(&entry, now).await });
        }
        let answers = asking.join_all().await;
        assert_eq!(answers.iter().filter(|answer| **answer == Fresh).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| **answer == Seen).count(), 3, "{answers:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable_and_found_again() {
    let (proxy, now) = (Proxy::start().await, unix_seconds());
    let store = RedisReplayStore::new(&url_on(proxy.port)).unwrap();
    assert_eq!(store.check_and_insert(&new_entry(now), now).await, Fresh);
    let entry = new_entry(now);
    proxy.set(Line::Down).await;
    assert_eq!(store.check_and_insert(&entry, now).await, Unavailable);
    assert_eq!(store.check_and_insert(&entry, now).await, Unavailable);
    proxy.set(Line::Good).await;
    assert_eq!(store.check_and_insert(&entry, now).await, Fresh, "it was not burned");
    assert_eq!(store.check_and_insert(&entry, now).await, Seen);
}

#[tokio::test]
async fn a_connection_that_was_cut_meanwhile_costs_nothing() {
    let (proxy, now) = (Proxy::start().await, unix_seconds());
    let store = RedisReplayStore::new(&url_on(proxy.port)).unwrap();
    assert_eq!(store.check_and_insert(&new_entry(now), now).await, Fresh);
    proxy.set(Line::Down).await;
    proxy.set(Line::Good).await;
    assert_eq!(store.check_and_insert(&new_entry(now), now).await, Fresh);
}

#[tokio::test]
async fn an_answer_that_got_lost_with_its_connection_burns_no_nonce() {
    let (proxy, now) = (Proxy::start().await, unix_seconds());
    let store = RedisReplayStore::new(&url_on(proxy.port)).unwrap();
    let (entry, seen) = (new_entry(now), new_entry(now));
    assert_eq!(store.check_and_insert(&seen, now).await, Fresh);
    for (entry, answer) in [(&entry, Fresh), (&entry, Seen), (&seen, Seen)] {
        proxy.line.send_replace(Line::LosesAnAnswer);
        assert_eq!(store.check_and_insert(entry, now).await, answer);
        assert!(*proxy.line.borrow() == Line::Good, "an answer was lost");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable_in_time() {
    let (proxy, now) = (Proxy::start().await, unix_seconds());
    let errors = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&errors);
    let limit = Duration::from_millis(100);
    let store = RedisReplayStore::new(&url_on(proxy.port)).unwrap().timeout(limit);
    let store = Arc::new(store.on_error(move |error| told.lock().unwrap().push(error.clone())));
    assert_eq!(store.check_and_insert(&new_entry(now), now).await, Fresh);
    for line in [Line::Mute, Line::Silent] {
        proxy.set(line).await;
        let mut asking = JoinSet::new();
        for _ in 0..8 {
            let (store, entry) = (Arc::clone(&store), new_entry(now));
            asking.spawn(async move {
                let began = Instant::now();
                (store.check_and_insert(&entry, now).await, began.elapsed())
            });
        }
        for (answer, took) in asking.join_all().await {
            assert_eq!(answer, Unavailable);
            // Far from any other limit of time that there is.
            assert!(took < limit * 20, "{took:?}");
        }
        proxy.set(Line::Good).await;
        assert_eq!(store.check_and_insert(&new_entry(now), now).await, Fresh, "on a new connection");
    }
    let errors = errors.lock().unwrap();
    assert_eq!(*errors, vec![RedisReplayError::Timeout(limit); 16]);
}

#[tokio::test]
async fn a_wrong_password_is_unavailable_and_told_to_nobody() {
    let now = unix_seconds();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&errors);
    let store = RedisReplayStore::new(&format!("redis://:not-the-password@{}", address())).unwrap();
    let shown = format!("{store:?}");
    let store = store.on_error(move |error| told.lock().unwrap().push(format!("{error} {error:?}")));
    assert_eq!(store.check_and_insert(&new_entry(now), now).await, Unavailable);
    let errors = errors.lock().unwrap();
    assert_eq!(errors.len(), 1);
    for text in errors.iter().chain([&shown]) {
        assert!(!text.contains("not-the-password"), "{text}");
    }
    assert!(errors.iter().all(|error| error.contains("Authentication")), "{errors:?}");

    for wrong in
        ["redis://:not-the-password@host:port", "https://:not-the-password@host", "", "rediss://host"]
    {
        let error = RedisReplayStore::new(wrong).unwrap_err();
        assert_eq!(error, InvalidRedisUrl, "{wrong}");
        assert!(!error.to_string().contains("not-the-password"));
    }
}
