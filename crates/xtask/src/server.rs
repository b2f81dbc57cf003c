//! A temporary server in a directory of its own: started on free ports, awaited, ended with its owner.

use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How a server is started, and how one knows that it answers.
pub(crate) struct Recipe {
    /// Its name in errors.
    pub(crate) name: &'static str,
    /// The beginning of its directory's name.
    pub(crate) prefix: &'static str,
    /// For how long it may take to answer.
    pub(crate) patience: Duration,
    /// The command that starts it in a directory, and the port on which it will answer.
    pub(crate) command: fn(&Path) -> Result<(Command, u16)>,
    /// Whether it answers on that port.
    pub(crate) answers: fn(u16) -> Result<bool>,
}

/// A running server; dropping it ends the server and removes its directory.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    _directory: TempDir,
}

impl Server {
    /// Starts a server; returns when it answers.
    pub(crate) fn start(recipe: &Recipe) -> Result<Self> {
        let mut last = None;
        // Another program may take a port between its choice and its use.
        for _ in 0..3 {
            match Self::start_once(recipe) {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("it was not tried")?)
    }

    fn start_once(recipe: &Recipe) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(recipe.prefix)
            .tempdir()
            .context("cannot make a temporary directory")?;
        let (mut command, port) = (recipe.command)(directory.path())?;
        let log = directory.path().join("log");
        let file = fs::File::create(&log)?;
        command.current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let process = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { process, port, _directory: directory };
        server.wait(recipe).with_context(|| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            format!("{} does not start; its log:\n{log}", recipe.name)
        })?;
        Ok(server)
    }

    /// Waits until it answers.
    fn wait(&mut self, recipe: &Recipe) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < recipe.patience {
            // First of all: whoever else answers on its port is not it.
            if let Some(status) = self.process.try_wait()? {
                bail!("it has ended: {status}");
            }
            if (recipe.answers)(self.port).is_ok_and(|answers| answers) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("it does not answer on port {} after {:?}", self.port, recipe.patience)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody needs the data any more, so nothing is shut down well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
