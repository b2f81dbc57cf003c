//! A temporary PostgreSQL server for tests.

use crate::{
    guard::{self, Guarded, free_ports},
    step::{output, succeeds},
    system,
};
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    io::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// Where tests look for the URL of a server.
pub(crate) const URL_VARIABLE: &str = "CLAVIGER_TEST_POSTGRES";

/// Durability is left at its default, for tests of it. A relative socket directory is in the data directory, where
/// neither its length nor its characters matter.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = '.'
max_connections = 200
";

/// Starts a server with an empty cluster; returns when it accepts connections.
pub(crate) fn start() -> Result<Guarded> {
    let present = || programs().is_some() && (!system::is_root() || succeeds(&mut id("-u")));
    system::require("PostgreSQL", &["postgresql"], present)?;
    Guarded::start("postgres", "PostgreSQL server")
}

/// Prints the URL of a temporary server and keeps it until standard input ends.
pub(crate) fn serve() -> Result<()> {
    start()?.serve(URL_VARIABLE, "-p claviger-sdk")
}

/// What the guard does.
pub(crate) fn guard() -> Result<()> {
    let server = Server::create()?;
    let port = server.start()?;
    guard::stand(&format!("postgres://claviger@{}:{port}/postgres", Ipv4Addr::LOCALHOST))
}

struct Server {
    programs: PathBuf,
    owner: Option<Owner>,
    directory: TempDir,
}

impl Server {
    /// Makes a cluster in a new directory.
    fn create() -> Result<Self> {
        let programs = programs().context("PostgreSQL's initdb and pg_ctl are missing")?;
        let directory = tempfile::Builder::new()
            .prefix("claviger-postgres-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let owner = Owner::other_than_root()?;
        if let Some(owner) = &owner {
            owner.take(directory.path())?;
        }
        let server = Self { programs, owner, directory };
        let mut initdb = server.command("initdb");
        initdb.args(["--auth=trust", "--username=claviger", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        run(&mut initdb).with_context(|| {
            let parent = env::temp_dir();
            format!("cannot make a cluster; TMPDIR ({}) must be open to PostgreSQL's user", parent.display())
        })?;
        let mut settings = fs::OpenOptions::new().append(true).open(server.data().join("postgresql.conf"))?;
        settings.write_all(SETTINGS.as_bytes())?;
        Ok(server)
    }

    /// Starts it and returns its port.
    fn start(&self) -> Result<u16> {
        // Another program may take the port between its choice and its use.
        for _ in 0..10 {
            let [port] = free_ports()?;
            if self.start_on(port)? {
                return Ok(port);
            }
        }
        bail!("no free port on {} for PostgreSQL", Ipv4Addr::LOCALHOST)
    }

    /// Returns false if the port is taken.
    fn start_on(&self, port: u16) -> Result<bool> {
        let log = self.directory.path().join(format!("{port}.log"));
        let mut start = self.command("pg_ctl");
        start.args(["start", "--wait", "--options", &format!("-p {port}"), "--log"]).arg(&log);
        let Err(error) = run(&mut start) else { return Ok(true) };
        let log = fs::read_to_string(log).unwrap_or_default();
        if log.contains("could not bind") {
            return Ok(false);
        }
        Err(error.context(format!("PostgreSQL does not start; its log:\n{log}")))
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A program of PostgreSQL, as the owner of the cluster.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.directory.path()).env("PGDATA", self.data()).stdin(Stdio::null());
        if let Some(owner) = &self.owner {
            owner.own(&mut command);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails if the server is not running. Nobody needs the data any more, so nothing is shut down well.
        let _ = run(self.command("pg_ctl").args(["stop", "--wait", "--mode=immediate"]));
    }
}

/// The user `postgres`, because PostgreSQL refuses to run as root.
struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Returns none if this user will do.
    fn other_than_root() -> Result<Option<Self>> {
        if !system::is_root() {
            return Ok(None);
        }
        let number = |which| -> Result<u32> {
            let number = output(&mut id(which)).context("PostgreSQL needs a user named postgres")?;
            Ok(number.trim().parse()?)
        };
        Ok(Some(Self { user: number("-u")?, group: number("-g")? }))
    }

    #[cfg(unix)]
    fn take(&self, path: &Path) -> Result<()> {
        std::os::unix::fs::chown(path, Some(self.user), Some(self.group))
            .with_context(|| format!("cannot give {} to the user postgres", path.display()))
    }

    #[cfg(unix)]
    fn own(&self, command: &mut Command) {
        use std::os::unix::process::CommandExt;
        command.uid(self.user).gid(self.group);
    }

    #[cfg(not(unix))]
    fn take(&self, path: &Path) -> Result<()> {
        bail!("cannot give {} to user {}, group {}", path.display(), self.user, self.group)
    }

    #[cfg(not(unix))]
    fn own(&self, _: &mut Command) {}
}

fn id(which: &str) -> Command {
    let mut id = Command::new("id");
    id.args([which, "postgres"]);
    id
}

/// The directory of PostgreSQL's programs: Debian puts only those for clients into PATH.
fn programs() -> Option<PathBuf> {
    let complete = |directory: &PathBuf| {
        let has = |program| directory.join(format!("{program}{}", env::consts::EXE_SUFFIX)).is_file();
        has("initdb") && has("pg_ctl")
    };
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(directory) = env::split_paths(&path).find(complete) {
        return Some(directory);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let version =
        |entry: fs::DirEntry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path()));
    let directories = versions.filter_map(version).map(|(version, path)| (version, path.join("bin")));
    Some(directories.filter(|(_, directory)| complete(directory)).max()?.1)
}

/// Runs a command to its end; what it prints is for an error only.
fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        bail!("{command:?} failed: {}\n{}", output.status, String::from_utf8_lossy(&text).trim());
    }
    Ok(())
}
