//! A temporary server that speaks S3, for tests: SeaweedFS, as a package of Python's brings it.

use crate::{
    guard::{self, Guarded, free_ports},
    python,
    server::{Recipe, Server},
    step::{note, target_dir},
};
use anyhow::{Result, bail};
use std::{
    env, fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

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
    let server = Server::start(&Recipe {
        name: "SeaweedFS",
        prefix: "claviger-s3-",
        patience: Duration::from_secs(60),
        command,
        answers,
    })?;
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

fn command(directory: &Path) -> Result<(Command, u16)> {
    fs::write(directory.join("s3.json"), CREDENTIALS)?;
    let ports: [u16; PORTS.len()] = free_ports()?;
    let mut command = Command::new(program());
    command.args(ARGUMENTS);
    command.args(PORTS.iter().zip(ports).map(|(name, port)| format!("-{name}={port}")));
    // It would take them for credentials of its own.
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let [.., port] = ports;
    Ok((command, port))
}

fn answers(port: u16) -> Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    Ok(line == *b"HTTP/1.1 200")
}
