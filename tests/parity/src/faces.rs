//! The runtimes, each behind [`Face`]. Node and workerd are real processes that use the packed npm tarball.

use crate::setup::{Bytes, Facts, Given, Options, Setup};
use anyhow::{Context, Result, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{Replacement, Verifier as NativeVerifier};
use claviger_host::{HostError, Module, PoolOptions, Verifier as HostedVerifier};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

/// Presented keys, to be verified by one verifier for one request.
pub struct Batch<'b> {
    /// The verifier.
    pub setup: &'b Setup,
    /// The facts of the request.
    pub facts: &'b Facts,
    /// What was presented.
    pub keys: &'b [Vec<u8>],
}

/// A runtime that can verify.
///
/// It keeps one verifier for each configuration. Where a batch's verifier was given further keyrings than before, the
/// one that lives is given them: replacing is what is tested, and not making anew.
pub trait Face {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// The verdict on each key, as the JSON of `claviger-core`.
    ///
    /// # Errors
    /// If the runtime fails, or the verifier does not take its keyrings; a key never makes it.
    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>>;

    /// SHA-256 over the verdicts on all keys, one line each: quicker to compare, and says nothing where it differs.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify).
    fn digest(&mut self, batch: &Batch<'_>) -> Result<String> {
        let lines: Vec<String> = self.verify(batch)?.iter().map(line).collect();
        Ok(claviger::hex(&Sha256::digest(lines.join("\n"))))
    }

    /// Offers one more keyring to a verifier: `replaced`, `unchanged`, or why it is refused.
    ///
    /// # Errors
    /// If the runtime fails.
    fn offer(&mut self, setup: &Setup, keyring: &Given) -> Result<String>;
}

/// All four, started.
///
/// # Errors
/// If one cannot be started; says what is missing.
pub fn all() -> Result<Vec<Box<dyn Face>>> {
    Ok(vec![
        Box::new(Native::default()),
        Box::new(Wasmtime::new()?),
        Box::new(Node::start()?),
        Box::new(Workerd::start(PARITY_WORKER, ("OPTIONS", "{}"), None)?),
    ])
}

/// The verifiers of a face in this process, and how many keyrings each was given.
struct Living<V>(Vec<(Options, Vec<usize>, V)>);

impl<V> Living<V> {
    /// The verifier of a setup, given what it was not given yet.
    fn verifier(
        &mut self,
        setup: &Setup,
        make: impl FnOnce() -> Result<V>,
        mut give: impl FnMut(&mut V, &Given) -> Result<()>,
    ) -> Result<&mut V> {
        // Bytes are the same if they are in the same place: nobody changes them, and the setup keeps them.
        let given: Vec<usize> =
            setup.keyrings.iter().map(|given| Arc::as_ptr(&given.keyring.0) as usize).collect();
        let place =
            self.0.iter().position(|(options, had, _)| *options == setup.options && given.starts_with(had));
        let place = match place {
            Some(place) => place,
            None => {
                self.0.push((setup.options.clone(), Vec::new(), make()?));
                self.0.len() - 1
            }
        };
        let (_, had, verifier) = self.0.get_mut(place).context("no verifier")?;
        for keyring in setup.keyrings.iter().skip(had.len()) {
            give(verifier, keyring)?;
        }
        *had = given;
        Ok(verifier)
    }

    /// Gives up the verifier of a setup, because it took a keyring that its setup does not have.
    fn give_up(&mut self, setup: &Setup) {
        self.0.retain(|(options, _, _)| *options != setup.options);
    }
}

/// A verdict as one line, the same in every language.
fn line(verdict: &Value) -> String {
    const NAMES: [&str; 19] = [
        "verified",
        "code",
        "key_id",
        "kind",
        "prefix",
        "tenant",
        "owner",
        "external_id",
        "role",
        "permissions",
        "read_only",
        "metadata",
        "limits",
        "issued_at",
        "expires_at",
        "freshness",
        "epoch",
        "age",
        "revocation_checked",
    ];
    let field = |name: &&str| match verdict.get(*name) {
        None => Value::Null,
        Some(Value::Array(limits)) if *name == "limits" => limits
            .iter()
            .map(|limit| {
                ["name", "max", "per_seconds"].map(|name| limit.get(name).cloned().unwrap_or_default())
            })
            .map(|fields| Value::from(fields.to_vec()))
            .collect(),
        Some(value) => value.clone(),
    };
    Value::Array(NAMES.iter().map(field).collect()).to_string()
}

fn outcome(replacement: Replacement) -> &'static str {
    match replacement {
        Replacement::Replaced => "replaced",
        Replacement::Unchanged => "unchanged",
    }
}

/// `claviger-core`, linked.
pub struct Native(Living<NativeVerifier>);

impl Default for Native {
    fn default() -> Self {
        Self(Living(Vec::new()))
    }
}

impl Native {
    fn verifier(&mut self, setup: &Setup) -> Result<&mut NativeVerifier> {
        let give = |verifier: &mut NativeVerifier, given: &Given| {
            Ok(verifier.replace_keyring(given.keyring.clone(), given.now).map(drop)?)
        };
        self.0.verifier(setup, || setup.options.native(), give)
    }
}

impl Face for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>> {
        let verifier = self.verifier(batch.setup)?;
        batch.facts.with_context(|context| {
            let verdicts = batch.keys.iter().map(|key| verifier.verify_key(key, context));
            verdicts.map(|verdict| Ok(serde_json::to_value(verdict)?)).collect()
        })
    }

    fn offer(&mut self, setup: &Setup, keyring: &Given) -> Result<String> {
        let outcome = match self.verifier(setup)?.replace_keyring(keyring.keyring.clone(), keyring.now) {
            Ok(replacement) => outcome(replacement),
            Err(error) => error.as_str(),
        };
        if outcome == "replaced" {
            self.0.give_up(setup);
        }
        Ok(outcome.to_owned())
    }
}

/// `claviger-host` with its embedded module.
pub struct Wasmtime {
    module: Module,
    verifiers: Living<HostedVerifier>,
}

impl Wasmtime {
    /// Compiles the module.
    ///
    /// # Errors
    /// Those of `Module::embedded`.
    pub fn new() -> Result<Self> {
        Ok(Self { module: Module::embedded()?, verifiers: Living(Vec::new()) })
    }

    fn verifier(&mut self, setup: &Setup) -> Result<&mut HostedVerifier> {
        let (module, options) = (&self.module, &setup.options);
        let make = || {
            Ok(if options.has_keyring() {
                HostedVerifier::with_keyring_keys(
                    module,
                    options.hosted_keyring_keys()?,
                    PoolOptions::default(),
                )?
            } else {
                HostedVerifier::new(module, options.hosted_secrets()?, PoolOptions::default())?
            })
        };
        let give = |verifier: &mut HostedVerifier, given: &Given| {
            Ok(verifier.replace_keyring(given.keyring.clone(), given.now).map(drop)?)
        };
        self.verifiers.verifier(setup, make, give)
    }
}

impl Face for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>> {
        let verifier = self.verifier(batch.setup)?;
        batch.facts.with_context(|context| {
            // A fault of the module is to be seen as such.
            let verdicts = batch.keys.iter().map(|key| verifier.try_verify_key(key, context));
            verdicts.map(|verdict| Ok(serde_json::to_value(verdict?)?)).collect()
        })
    }

    fn offer(&mut self, setup: &Setup, keyring: &Given) -> Result<String> {
        let outcome = match self.verifier(setup)?.replace_keyring(keyring.keyring.clone(), keyring.now) {
            Ok(replacement) => outcome(replacement),
            Err(HostError::Keyring(error)) => error.as_str(),
            Err(error) => return Err(error.into()),
        };
        if outcome == "replaced" {
            self.verifiers.give_up(setup);
        }
        Ok(outcome.to_owned())
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
    sent: Sent,
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
        Ok(Self { _process: Process(child), requests, answers, sent: Sent::default() })
    }

    /// What `verifyKey` and `parseKey` say about each key.
    ///
    /// # Errors
    /// If Node ends.
    pub fn answers(&mut self, batch: &Batch<'_>, parse: bool) -> Result<Vec<Value>> {
        let request = self.sent.request(batch, parse);
        answers(&self.ask(&request)?)
    }

    pub(crate) fn ask(&mut self, request: &Value) -> Result<String> {
        writeln!(self.requests, "{request}")?;
        self.requests.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("node ended; its error is above");
        }
        Ok(line)
    }
}

impl Face for Node {
    fn name(&self) -> &'static str {
        "Node"
    }

    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>> {
        self.answers(batch, false)?.into_iter().map(verdict).collect()
    }

    fn digest(&mut self, batch: &Batch<'_>) -> Result<String> {
        let request = self.sent.digest(batch);
        Ok(serde_json::from_str(&self.ask(&request)?)?)
    }

    fn offer(&mut self, setup: &Setup, keyring: &Given) -> Result<String> {
        let request = self.sent.offer(setup, keyring);
        Ok(serde_json::from_str(&self.ask(&request)?)?)
    }
}

/// The bundled worker of this suite.
pub const PARITY_WORKER: &str = "worker";

/// The npm package in workerd, on loopback.
pub struct Workerd {
    process: Process,
    _config: tempfile::TempDir,
    port: u64,
    sent: Sent,
}

impl Workerd {
    /// Starts workerd on a free port with the bundled worker in `folder` of the consumer project, which gets `binding`
    /// (name and value) as a Worker gets a secret, and, if there is a server of rings on a port, a KV namespace `RINGS` with
    /// what that has. It may fetch from this machine.
    ///
    /// # Errors
    /// If the package is not built or workerd cannot be started.
    pub fn start(folder: &str, binding: (&str, &str), rings: Option<u16>) -> Result<Self> {
        Ok(Self::start_with(folder, binding, rings, &[])?.0)
    }

    /// The same with an inspector, as debuggers use it, and the port of that. The worker can collect its garbage by `gc`.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_inspected(folder: &str, binding: (&str, &str)) -> Result<(Self, u64)> {
        let (worker, inspector) = Self::start_with(folder, binding, None, &["--inspector-addr=127.0.0.1:0"])?;
        Ok((worker, inspector.context("workerd names no inspector")?))
    }

    fn start_with(
        folder: &str,
        binding: (&str, &str),
        rings: Option<u16>,
        arguments: &[&str],
    ) -> Result<(Self, Option<u64>)> {
        let consumer = consumer()?;
        let binary = fs::read_to_string(consumer.join("workerd-path"))?;
        let config = tempfile::tempdir()?;
        for file in ["worker.js", "claviger.wasm"] {
            fs::copy(consumer.join(folder).join(file), config.path().join(file))?;
        }
        let mut text = worker_config(binding, rings)?;
        if !arguments.is_empty() {
            text = text.replacen("services =", "v8Flags = [\"--expose-gc\"],\n  services =", 1);
        }
        fs::write(config.path().join("config.capnp"), text)?;
        let mut command = Command::new(binary);
        command.current_dir(config.path()).args(["serve", "config.capnp", "--control-fd=1"]).args(arguments);
        let mut process = Process(command.stdout(Stdio::piped()).spawn().context("cannot start workerd")?);
        // workerd says on the control descriptor when it listens, and on which port.
        let mut events = BufReader::new(process.0.stdout.take().context("no stdout")?);
        let mut inspector = None;
        loop {
            let mut line = String::new();
            events.read_line(&mut line)?;
            let event: Value =
                serde_json::from_str(&line).context("workerd did not start; its error is above")?;
            let port = event.get("port").and_then(Value::as_u64).context("workerd names no port")?;
            if event.get("event").and_then(Value::as_str) == Some("listen-inspector") {
                inspector = Some(port);
                continue;
            }
            return Ok((Self { process, _config: config, port, sent: Sent::default() }, inspector));
        }
    }

    /// The id of its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.0.id()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Sends one request as a client does, and returns the HTTP status and the body.
    ///
    /// # Errors
    /// If workerd does not answer.
    pub fn get(&self, path: &str, header: Option<(&str, &str)>) -> Result<(u16, String)> {
        let mut request = ureq::get(self.url(path)).config().http_status_as_error(false).build();
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut response = request.call()?;
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }

    /// Presents one key to the worker of this suite, whose binding has options by names, and returns the HTTP status and
    /// the verdict of the verifier with those of `name`.
    ///
    /// # Errors
    /// If workerd does not answer.
    pub fn present(&self, name: &str, key: Option<&str>) -> Result<(u16, Value)> {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let (status, body) = self.get(name, bearer.as_deref().map(|bearer| ("authorization", bearer)))?;
        Ok((status, snake_case(serde_json::from_str(&body)?)))
    }

    /// What `verifyKey` and `parseKey` say about each key.
    ///
    /// # Errors
    /// If workerd does not answer.
    pub fn answers(&mut self, batch: &Batch<'_>, parse: bool) -> Result<Vec<Value>> {
        let request = self.sent.request(batch, parse);
        answers(&self.ask(&request)?)
    }

    /// Posts a request to the worker, and returns the body of the answer.
    ///
    /// # Errors
    /// If workerd does not answer, or not well.
    pub fn ask(&self, request: &Value) -> Result<String> {
        let mut response = ureq::post(self.url("")).send(request.to_string())?;
        Ok(response.body_mut().with_config().limit(1 << 30).read_to_string()?)
    }
}

impl Face for Workerd {
    fn name(&self) -> &'static str {
        "workerd"
    }

    fn verify(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>> {
        self.answers(batch, false)?.into_iter().map(verdict).collect()
    }

    fn digest(&mut self, batch: &Batch<'_>) -> Result<String> {
        let request = self.sent.digest(batch);
        Ok(serde_json::from_str(&self.ask(&request)?)?)
    }

    fn offer(&mut self, setup: &Setup, keyring: &Given) -> Result<String> {
        let request = self.sent.offer(setup, keyring);
        Ok(serde_json::from_str(&self.ask(&request)?)?)
    }
}

fn worker_config((name, value): (&str, &str), rings: Option<u16>) -> Result<String> {
    // A Cap'n Proto text escapes what JSON does.
    let value = serde_json::to_string(value)?;
    let (service, namespace) = match rings {
        None => (String::new(), ""),
        Some(port) => (
            format!(r#"(name = "rings", external = (address = "127.0.0.1:{port}", http = ())),"#),
            r#"(name = "RINGS", kvNamespace = "rings"),"#,
        ),
    };
    Ok(format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["local"])),
    {service}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "claviger.wasm", wasm = embed "claviger.wasm"),
  ],
  bindings = [(name = "{name}", text = {value}), {namespace}],
  compatibilityDate = "2026-01-01",
);
"#
    ))
}

/// The keyrings that a JavaScript face has: each is sent once, and kept so that its place stays its name.
#[derive(Default)]
struct Sent(Vec<Bytes>);

impl Sent {
    /// A keyring by its name, with its bytes if they were not sent yet.
    fn keyring(&mut self, given: &Given) -> Value {
        let known = self.0.iter().position(|bytes| Arc::ptr_eq(&bytes.0, &given.keyring.0));
        let name = known.unwrap_or(self.0.len());
        if known.is_some() {
            return json!({"name": name, "now": given.now});
        }
        self.0.push(given.keyring.clone());
        json!({"name": name, "now": given.now, "bytes": BASE64_STANDARD.encode(&given.keyring)})
    }

    fn keyrings(&mut self, setup: &Setup) -> Vec<Value> {
        setup.keyrings.iter().map(|given| self.keyring(given)).collect()
    }

    fn request(&mut self, batch: &Batch<'_>, parse: bool) -> Value {
        let keys: Vec<String> = batch.keys.iter().map(|key| BASE64_STANDARD.encode(key)).collect();
        let keyrings = self.keyrings(batch.setup);
        json!({"options": batch.setup.options, "keyrings": keyrings, "facts": batch.facts, "keys": keys, "parse": parse})
    }

    fn digest(&mut self, batch: &Batch<'_>) -> Value {
        let mut request = self.request(batch, false);
        if let Value::Object(fields) = &mut request {
            fields.insert("digest".to_owned(), true.into());
        }
        request
    }

    fn offer(&mut self, setup: &Setup, keyring: &Given) -> Value {
        let keyrings = self.keyrings(setup);
        json!({"options": setup.options, "keyrings": keyrings, "offer": self.keyring(keyring)})
    }
}

fn answers(json: &str) -> Result<Vec<Value>> {
    let answers: Vec<Value> = serde_json::from_str(json)?;
    Ok(answers.into_iter().map(snake_case).collect())
}

fn verdict(answer: Value) -> Result<Value> {
    answer.get("verdict").cloned().context("an answer without a verdict")
}

/// JavaScript's names as Rust and HTTP have them: `keyId` → `key_id`.
pub(crate) fn snake_case(value: Value) -> Value {
    let object = match value {
        Value::Object(object) => object,
        Value::Array(items) => return items.into_iter().map(snake_case).collect(),
        other => return other,
    };
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
