//! A temporary Redis server for tests.

use crate::{
    guard::{self, Guarded, free_ports},
    system,
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Where tests look for the URL of a server.
pub(crate) const URL_VARIABLE: &str = "CLAVIGER_TEST_REDIS";

const PROGRAM: &str = "redis-server";
const PASSWORD: &str = "for-tests-only";

/// On loopback, in bounded memory, without a file; it forgets nothing before its time.
const ARGUMENTS: &[&str] = &[
    "--bind",
    "127.0.0.1",
    "--daemonize",
    "no",
    "--save",
    "",
    "--appendonly",
    "no",
    "--maxmemory",
    "64mb",
    "--maxmemory-policy",
    "noeviction",
    "--requirepass",
    PASSWORD,
];

const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a server that knows nothing; returns when it answers.
pub(crate) fn start() -> Result<Guarded> {
    system::require("Redis", &[PROGRAM], || system::has(PROGRAM))?;
    Guarded::start("redis", "Redis server")
}

/// Prints the URL of a temporary server and keeps it until standard input ends.
pub(crate) fn serve() -> Result<()> {
    start()?.serve(URL_VARIABLE, "-p claviger --features redis --test redis")
}

/// What the guard does.
pub(crate) fn guard() -> Result<()> {
    let server = Server::start()?;
    guard::stand(&format!("redis://:{PASSWORD}@{}:{}", Ipv4Addr::LOCALHOST, server.port))
}

struct Server {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl Server {
    fn start() -> Result<Self> {
        let mut last = None;
        // Another program may take the port between its choice and its use.
        for _ in 0..3 {
            match Self::start_once() {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("it was not tried")?)
    }

    fn start_once() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("claviger-redis-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let log = directory.path().join("log");
        let file = fs::File::create(&log)?;
        let [port] = free_ports()?;
        let mut command = Command::new(PROGRAM);
        command.current_dir(directory.path()).args(ARGUMENTS).args(["--port", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let process = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { process, port, _directory: directory };
        server.wait().with_context(|| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            format!("Redis does not start; its log:\n{log}")
        })?;
        Ok(server)
    }

    /// Waits until it answers.
    fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait()? {
                bail!("it has ended: {status}");
            }
            if self.answers().is_ok_and(|answers| answers) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("it does not answer on port {} after {PATIENCE:?}", self.port)
    }

    fn answers(&self) -> Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "AUTH {PASSWORD}\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(answer == *b"+OK\r\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody needs the data any more, so nothing is shut down well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
