//! A temporary Redis server for tests.

use crate::{
    guard::{self, Guarded, free_ports},
    server::{Recipe, Server},
    system,
};
use anyhow::Result;
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

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
    let server = Server::start(&Recipe {
        name: "Redis",
        prefix: "claviger-redis-",
        patience: Duration::from_secs(30),
        command,
        answers,
    })?;
    guard::stand(&format!("redis://:{PASSWORD}@{}:{}", Ipv4Addr::LOCALHOST, server.port))
}

fn command(_: &Path) -> Result<(Command, u16)> {
    let [port] = free_ports()?;
    let mut command = Command::new(PROGRAM);
    command.args(ARGUMENTS).args(["--port", &port.to_string()]);
    Ok((command, port))
}

fn answers(port: u16) -> Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "AUTH {PASSWORD}\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    Ok(answer == *b"+OK\r\n")
}
