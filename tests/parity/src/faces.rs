//! The runtimes, each behind [`Face`]. Node and workerd are real processes that use the packed npm tarball.

use crate::setup::Options;
use anyhow::{Context, Result, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{RequestContext, Verdict};
use claviger_host::{Module, PoolOptions, Verifier as HostedVerifier};
use serde_json::{Map, Value, json};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Presented keys, to be verified by one configuration at one time.
pub struct Batch<'b> {
    /// The configuration.
    pub options: &'b Options,
    /// Unix seconds.
    pub now: u64,
    /// What was presented.
    pub keys: &'b [Vec<u8>],
}

/// A runtime that can verify.
pub trait Face {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// The verdict on each key, as the JSON of `claviger-core`.
    ///
    /// # Errors
    /// If the runtime fails; a key never makes it.
    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>>;
}

/// All four, started.
///
/// # Errors
/// If one cannot be started; says what is missing.
pub fn all() -> Result<Vec<Box<dyn Face>>> {
    Ok(vec![
        Box::new(Native),
        Box::new(Wasmtime::new()?),
        Box::new(Node::start()?),
        Box::new(Workerd::start(PARITY_WORKER, ("OPTIONS", "{}"))?),
    ])
}

fn to_json(verdicts: impl Iterator<Item = Verdict<'static>>) -> Result<Vec<Value>> {
    verdicts.map(|verdict| Ok(serde_json::to_value(verdict)?)).collect()
}

/// `claviger-core`, linked.
pub struct Native;

impl Face for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>> {
        let (verifier, context) = (batch.options.native()?, RequestContext::at(batch.now));
        to_json(batch.keys.iter().map(|key| verifier.verify_key(key, &context).into_owned()))
    }
}

/// `claviger-host` with its embedded module.
pub struct Wasmtime {
    module: Module,
}

impl Wasmtime {
    /// Compiles the module.
    ///
    /// # Errors
    /// Those of `Module::embedded`.
    pub fn new() -> Result<Self> {
        Ok(Self { module: Module::embedded()? })
    }
}

impl Face for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>> {
        let verifier = HostedVerifier::new(&self.module, batch.options.hosted()?, PoolOptions::default())?;
        let context = RequestContext::at(batch.now);
        to_json(batch.keys.iter().map(|key| verifier.verify_key(key, &context).into_owned()))
    }
}

/// The project in which the npm tarball is installed.
///
/// # Errors
/// If it was not built.
pub fn consumer() -> Result<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no top folder")?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), |dir| top.join(dir));
    let consumer = target.join("npm/consumer");
    ensure!(
        consumer.join("workerd-path").exists(),
        "the npm package is not built; run cargo xtask build (cargo xtask test does it by itself)"
    );
    Ok(consumer)
}

/// A process that is ended with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The npm package in Node.
pub struct Node {
    _process: Process,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Node {
    /// Starts Node.
    ///
    /// # Errors
    /// If the package is not built or Node cannot be started.
    pub fn start() -> Result<Self> {
        let mut command = Command::new("node");
        command.current_dir(consumer()?).arg("node.mjs").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start node; install Node.js 20 or later")?;
        let requests = child.stdin.take().context("no stdin")?;
        let answers = BufReader::new(child.stdout.take().context("no stdout")?);
        Ok(Self { _process: Process(child), requests, answers })
    }

    /// What `verifyKey` and `parseKey` say about each key.
    ///
    /// # Errors
    /// If Node ends.
    pub fn answers(&mut self, batch: &Batch<'_>, parse: bool) -> Result<Vec<Value>> {
        writeln!(self.requests, "{}", request(batch, parse))?;
        self.requests.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("node ended; its error is above");
        }
        answers(&line)
    }
}

impl Face for Node {
    fn name(&self) -> &'static str {
        "Node"
    }

    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>> {
        self.answers(batch, false)?.into_iter().map(verdict).collect()
    }
}

/// The bundled worker of this suite.
pub const PARITY_WORKER: &str = "worker";

/// The npm package in workerd, on loopback.
pub struct Workerd {
    _process: Process,
    _config: tempfile::TempDir,
    port: u64,
}

impl Workerd {
    /// Starts workerd on a free port with the bundled worker in `folder` of the consumer project, which gets `binding`
    /// (name and value) as a Worker gets a secret.
    ///
    /// # Errors
    /// If the package is not built or workerd cannot be started.
    pub fn start(folder: &str, binding: (&str, &str)) -> Result<Self> {
        let consumer = consumer()?;
        let binary = fs::read_to_string(consumer.join("workerd-path"))?;
        let config = tempfile::tempdir()?;
        for file in ["worker.js", "claviger.wasm"] {
            fs::copy(consumer.join(folder).join(file), config.path().join(file))?;
        }
        fs::write(config.path().join("config.capnp"), worker_config(binding)?)?;
        let mut command = Command::new(binary);
        command.current_dir(config.path()).args(["serve", "config.capnp", "--control-fd=1"]);
        let mut child = Process(command.stdout(Stdio::piped()).spawn().context("cannot start workerd")?);
        // workerd says on the control descriptor when it listens, and on which port.
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let event: Value =
            serde_json::from_str(&line).context("workerd did not start; its error is above")?;
        let port = event.get("port").and_then(Value::as_u64).context("workerd names no port")?;
        Ok(Self { _process: child, _config: config, port })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Sends one request as a client does, and returns the HTTP status and the body.
    ///
    /// # Errors
    /// If workerd does not answer.
    pub fn get(&self, header: Option<(&str, &str)>) -> Result<(u16, String)> {
        let mut request = ureq::get(self.url()).config().http_status_as_error(false).build();
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut response = request.call()?;
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }

    /// Presents one key to the worker of this suite, and returns the HTTP status and the verdict.
    ///
    /// # Errors
    /// If workerd does not answer.
    pub fn present(&self, key: Option<&str>) -> Result<(u16, Value)> {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let (status, body) = self.get(bearer.as_deref().map(|bearer| ("authorization", bearer)))?;
        Ok((status, snake_case(serde_json::from_str(&body)?)))
    }

    /// What `verifyKey` and `parseKey` say about each key.
    ///
    /// # Errors
    /// If workerd does not answer.
    pub fn answers(&self, batch: &Batch<'_>, parse: bool) -> Result<Vec<Value>> {
        let mut response = ureq::post(self.url()).send(request(batch, parse).to_string())?;
        let body = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        answers(&body)
    }
}

impl Face for Workerd {
    fn name(&self) -> &'static str {
        "workerd"
    }

    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>> {
        self.answers(batch, false)?.into_iter().map(verdict).collect()
    }
}

fn worker_config((name, value): (&str, &str)) -> Result<String> {
    // A Cap'n Proto text escapes what JSON does.
    let value = serde_json::to_string(value)?;
    Ok(format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "claviger.wasm", wasm = embed "claviger.wasm"),
  ],
  bindings = [(name = "{name}", text = {value})],
  compatibilityDate = "2026-01-01",
);
"#
    ))
}

fn request(batch: &Batch<'_>, parse: bool) -> Value {
    let keys: Vec<String> = batch.keys.iter().map(|key| BASE64_STANDARD.encode(key)).collect();
    json!({"options": batch.options, "now": batch.now, "keys": keys, "parse": parse})
}

fn answers(json: &str) -> Result<Vec<Value>> {
    let answers: Vec<Value> = serde_json::from_str(json)?;
    Ok(answers.into_iter().map(snake_case).collect())
}

fn verdict(answer: Value) -> Result<Value> {
    answer.get("verdict").cloned().context("an answer without a verdict")
}

/// JavaScript's names as Rust and HTTP have them: `keyId` → `key_id`.
fn snake_case(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let rename = |(name, value): (String, Value)| {
        let mut snake = String::new();
        for character in name.chars() {
            if character.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(character.to_ascii_lowercase());
        }
        (snake, snake_case(value))
    };
    Value::Object(object.into_iter().map(rename).collect::<Map<_, _>>())
}
