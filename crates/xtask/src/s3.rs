//! A temporary server that speaks S3, for tests: SeaweedFS, as a package of Python's brings it.

use crate::{
    guard::{self, Guarded, free_ports},
    python,
    step::{note, target_dir},
};
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Where tests look for the URL of a server.
pub(crate) const URL_VARIABLE: &str = "CLAVIGER_TEST_S3";

/// The package, of one version, with the hash of its file for each platform.
const REQUIREMENTS: &str = "crates/xtask/s3-requirements.txt";
const FOLDER: &str = "seaweedfs-4.48";

/// Whom the server knows; the tests of the SDK know it too.
const CREDENTIALS: &str = r#"{"identities": [{"name": "tests", "actions": ["Admin", "Read", "Write", "List"],
    "credentials": [{"accessKey": "claviger", "secretKey": "for-tests-only"}]}]}"#;

/// All on loopback, nothing reported to anybody, sockets in its own directory.
const ARGUMENTS: &[&str] = &[
    "server",
    "-dir=.",
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-master.telemetry=false",
    "-master.volumeSizeLimitMB=64",
    "-filer",
    "-filer.localSocket=filer.sock",
    "-s3",
    "-s3.config=s3.json",
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.localSocket=s3.sock",
];

/// A port for each of these; the last one is what clients connect to.
const PORTS: [&str; 8] = [
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port.grpc",
    "s3.port",
];

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a server without any object; returns when it answers. A bucket comes into being with its first object.
pub(crate) fn start() -> Result<Guarded> {
    install()?;
    Guarded::start("s3", "S3 server (SeaweedFS)")
}

/// Prints the URL of a temporary server and keeps it until standard input ends.
pub(crate) fn serve() -> Result<()> {
    start()?.serve(URL_VARIABLE, "-p claviger-sdk")
}

/// What the guard does.
pub(crate) fn guard() -> Result<()> {
    let server = Server::start()?;
    guard::stand(&format!("http://{}:{}", Ipv4Addr::LOCALHOST, server.port))
}

fn program() -> PathBuf {
    target_dir().join(FOLDER).join("bin").join(format!("weed{}", env::consts::EXE_SUFFIX))
}

fn install() -> Result<()> {
    if program().is_file() {
        return Ok(());
    }
    let folder = target_dir().join(FOLDER);
    note(&format!("installing SeaweedFS into {}", folder.display()));
    python::install_into(&folder, REQUIREMENTS)?;
    if !program().is_file() {
        bail!("{} is still missing after installing {REQUIREMENTS}", program().display());
    }
    Ok(())
}

struct Server {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl Server {
    fn start() -> Result<Self> {
        let mut last = None;
        // Another program may take a port between its choice and its use.
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
            .prefix("claviger-s3-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        fs::write(directory.path().join("s3.json"), CREDENTIALS)?;
        let log = directory.path().join("log");
        let file = fs::File::create(&log)?;
        let ports: [u16; PORTS.len()] = free_ports()?;
        let mut command = Command::new(program());
        command.current_dir(directory.path()).args(ARGUMENTS);
        command.args(PORTS.iter().zip(ports).map(|(name, port)| format!("-{name}={port}")));
        // It would take them for credentials of its own.
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let process = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let [.., port] = ports;
        let mut server = Self { process, port, _directory: directory };
        server.wait().with_context(|| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            format!("SeaweedFS does not start; its log:\n{log}")
        })?;
        Ok(server)
    }

    /// Waits until it answers.
    fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.answers().is_ok_and(|answers| answers) {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("it has ended: {status}");
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("it does not answer on port {} after {PATIENCE:?}", self.port)
    }

    fn answers(&self) -> Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut line = [0; 12];
        stream.read_exact(&mut line)?;
        Ok(line == *b"HTTP/1.1 200")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody needs the data any more, so nothing is shut down well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
