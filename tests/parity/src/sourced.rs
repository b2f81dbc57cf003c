//! The runtimes with verifiers that get their keyring from a source, as they do in production: natively from a folder,
//! through wasmtime and in Node from a URL, in workerd from a KV namespace.

use crate::{
    faces::{Node, PARITY_WORKER, Workerd, snake_case},
    ring_server::RingServer,
    setup::{Facts, Options},
};
use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger::{DirectorySource, Engine, NativeEngine, UrlSource, Verifier};
use claviger_host::{Module, PoolOptions, Verifier as HostedVerifier};
use serde_json::{Value, json};
use std::{collections::HashMap, path::PathBuf};
use tokio::runtime::{Builder, Runtime};

/// The rings of a server, in a runtime.
pub trait Sourced {
    /// Its name in tables, and where its keyrings come from.
    fn name(&self) -> &'static str;

    /// Asks the source for the newest keyring of this ring, for the verifier with these options. Whether there is one.
    ///
    /// # Errors
    /// If the runtime fails.
    fn refresh(&mut self, options: &Options, ring: &str) -> Result<bool>;

    /// What `verify` says about each key, as the JSON of `claviger-core`.
    ///
    /// # Errors
    /// If the runtime fails.
    fn verify(
        &mut self,
        options: &Options,
        ring: &str,
        facts: &Facts,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Value>>;
}

/// All four, started.
///
/// # Errors
/// If one cannot be started; says what is missing.
pub fn all(server: &RingServer) -> Result<Vec<Box<dyn Sourced>>> {
    let runtime = Workerd::start(PARITY_WORKER, ("OPTIONS", "{}"), Some(server.port()))?;
    let source = Box::new(|ring: &str| json!({"prefix": format!("{ring}/")}));
    let mut faces = libraries(server)?;
    faces.push(Box::new(Scripted { name: "workerd", runtime, source }));
    Ok(faces)
}

/// All but workerd, which is asked over HTTP.
///
/// # Errors
/// If one cannot be started; says what is missing.
pub fn libraries(server: &RingServer) -> Result<Vec<Box<dyn Sourced>>> {
    let at = format!("http://127.0.0.1:{}", server.port());
    let url = server.url("RING");
    Ok(vec![
        Box::new(FromFolder { folder: server.folder().into(), living: Living::new()? }),
        Box::new(FromUrl { server: at, module: Module::embedded()?, living: Living::new()? }),
        Box::new(Scripted {
            name: "Node",
            runtime: Node::start()?,
            source: Box::new(move |ring| json!({"url": url.replace("RING", ring)})),
        }),
    ])
}

/// Verifiers of this process, and the tokio runtime in which they live.
struct Living<E> {
    runtime: Runtime,
    verifiers: HashMap<(Options, String), Verifier<E>>,
}

impl<E: Engine> Living<E> {
    fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, verifiers: HashMap::new() })
    }

    fn verifier(
        &mut self,
        options: &Options,
        ring: &str,
        make: impl FnOnce() -> Result<Verifier<E>>,
    ) -> Result<(&Runtime, Verifier<E>)> {
        let name = (options.clone(), ring.to_owned());
        if !self.verifiers.contains_key(&name) {
            self.verifiers.insert(name.clone(), make()?);
        }
        let verifier = self.verifiers.get(&name).context("no verifier")?;
        Ok((&self.runtime, verifier.clone()))
    }
}

fn refresh<E: Engine>((runtime, verifier): (&Runtime, Verifier<E>)) -> bool {
    // What went wrong is seen in the verdicts.
    let _ = runtime.block_on(verifier.refresh());
    verifier.keyring().is_some()
}

fn verify<E: Engine>(
    (runtime, verifier): (&Runtime, Verifier<E>),
    facts: &Facts,
    keys: &[Vec<u8>],
) -> Result<Vec<Value>> {
    facts.with_context(|context| {
        let verdicts = keys.iter().map(|key| runtime.block_on(verifier.verify(key, context)));
        verdicts.map(|verdict| Ok(serde_json::to_value(verdict)?)).collect()
    })
}

/// The crate `claviger` on a folder.
struct FromFolder {
    folder: PathBuf,
    living: Living<NativeEngine>,
}

impl FromFolder {
    fn verifier(&mut self, options: &Options, ring: &str) -> Result<(&Runtime, Verifier)> {
        let folder = self.folder.join(ring);
        self.living.verifier(options, ring, || {
            let engine = NativeEngine::with(options.native()?);
            Ok(Verifier::with_engine(engine).source(DirectorySource::new(folder)).build()?)
        })
    }
}

impl Sourced for FromFolder {
    fn name(&self) -> &'static str {
        "native"
    }

    fn refresh(&mut self, options: &Options, ring: &str) -> Result<bool> {
        Ok(refresh(self.verifier(options, ring)?))
    }

    fn verify(
        &mut self,
        options: &Options,
        ring: &str,
        facts: &Facts,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Value>> {
        verify(self.verifier(options, ring)?, facts, keys)
    }
}

/// The same on a URL, with the module in wasmtime as its engine.
struct FromUrl {
    server: String,
    module: Module,
    living: Living<HostedVerifier>,
}

impl FromUrl {
    fn verifier(&mut self, options: &Options, ring: &str) -> Result<(&Runtime, Verifier<HostedVerifier>)> {
        let (url, module) = (format!("{}/{ring}/root", self.server), &self.module);
        self.living.verifier(options, ring, || {
            let keys = options.hosted_keyring_keys()?;
            let engine = HostedVerifier::with_keyring_keys(module, keys, PoolOptions::default())?;
            let source = UrlSource::new(&url).map_err(anyhow::Error::from_boxed)?;
            Ok(Verifier::with_engine(engine).source(source).build()?)
        })
    }
}

impl Sourced for FromUrl {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn refresh(&mut self, options: &Options, ring: &str) -> Result<bool> {
        Ok(refresh(self.verifier(options, ring)?))
    }

    fn verify(
        &mut self,
        options: &Options,
        ring: &str,
        facts: &Facts,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Value>> {
        verify(self.verifier(options, ring)?, facts, keys)
    }
}

/// A JavaScript runtime, which is told where its rings are.
struct Scripted<R> {
    name: &'static str,
    runtime: R,
    source: Box<dyn Fn(&str) -> Value>,
}

/// Something that answers requests of the suite.
trait Answers {
    fn ask(&mut self, request: &Value) -> Result<String>;
}

impl Answers for Node {
    fn ask(&mut self, request: &Value) -> Result<String> {
        Self::ask(self, request)
    }
}

impl Answers for Workerd {
    fn ask(&mut self, request: &Value) -> Result<String> {
        Self::ask(self, request)
    }
}

impl<R: Answers> Sourced for Scripted<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn refresh(&mut self, options: &Options, ring: &str) -> Result<bool> {
        let request = json!({"options": options, "source": (self.source)(ring), "refresh": true});
        Ok(serde_json::from_str(&self.runtime.ask(&request)?)?)
    }

    fn verify(
        &mut self,
        options: &Options,
        ring: &str,
        facts: &Facts,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Value>> {
        let keys: Vec<String> = keys.iter().map(|key| BASE64_STANDARD.encode(key)).collect();
        let request =
            json!({"options": options, "source": (self.source)(ring), "facts": facts, "keys": keys});
        let verdicts: Vec<Value> = serde_json::from_str(&self.runtime.ask(&request)?)?;
        Ok(verdicts.into_iter().map(snake_case).collect())
    }
}
