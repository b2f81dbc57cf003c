//! A temporary server for tests, and the process that owns it.
//!
//! A second process of this program, the guard, owns the server and its directory. Its standard input is a pipe
//! that the first process holds; the system closes that however the first process ends, and then the guard cleans
//! up: after SIGKILL too.

use crate::step::note;
use anyhow::{Context, Result, bail};
use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
};

/// A running server; dropping it stops the server and removes its directory.
pub(crate) struct Guarded {
    guard: Child,
    url: String,
}

impl Guarded {
    /// Starts the guard of `what`, which `cargo xtask <task> --guard` is; returns when it has printed its URL.
    pub(crate) fn start(task: &str, what: &str) -> Result<Self> {
        note(&format!("starting a temporary {what} on loopback"));
        let this = env::current_exe().context("cannot find the running xtask; start it through cargo")?;
        let mut command = Command::new(this);
        command.args([task, "--guard"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C goes to a whole process group, and the guard has to clean up after it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let guard = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { guard, url: String::new() };
        let stdout = server.guard.stdout.take().context("the guard has no standard output")?;
        BufReader::new(stdout).read_line(&mut server.url)?;
        server.url.truncate(server.url.trim_end().len());
        if server.url.is_empty() {
            bail!("the temporary {what} did not start; the error above says why");
        }
        Ok(server)
    }

    /// What a client connects to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Prints the URL, says how to test against it, and keeps the server until standard input ends.
    /// `tests` are the arguments of `cargo test`.
    pub(crate) fn serve(self, variable: &str, tests: &str) -> Result<()> {
        let url = self.url();
        writeln!(io::stdout(), "{url}")?;
        note("Ctrl-C or the end of standard input stops it; to test against it:");
        eprintln!("{variable}={url} cargo test {tests}");
        wait_for_end_of_input()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Closes the guard's standard input first.
        let _ = self.guard.wait();
    }
}

/// What the guard does once its server runs.
pub(crate) fn stand(url: &str) -> Result<()> {
    // If nobody reads it, the first process has ended, and standard input with it.
    let _ = writeln!(io::stdout(), "{url}");
    wait_for_end_of_input()
}

/// Ports of loopback that nobody listens on now. Another program may take one before it is used.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All at once, so that no port comes twice.
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        let listener = listener.as_ref().map_err(|error| io::Error::from(error.kind()))?;
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn wait_for_end_of_input() -> Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
