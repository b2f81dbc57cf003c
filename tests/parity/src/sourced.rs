//! The runtimes with verifiers that get their keyring from a source, as they do in production: natively from a folder,
//! through wasmtime and in Node from a URL, in workerd from a KV namespace.

use crate::{
    faces::{Node, PARITY_WORKER, Workerd, snake_case},
    ring_server::RingServer,
    setup::{Facts, Options},
};
use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger::{DirectorySource, Engine, NativeEngine, UrlSource, Verifier};
use claviger_host::{Module, PoolOptions, Verifier as HostedVerifier};
use serde_json::{Value, json};
use std::collections::{HashMap, hash_map::Entry};
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
    let (folder, urls) = (server.folder().to_owned(), server.urls());
    let native = Linked::new("native", move |options, ring| {
        let source = DirectorySource::new(folder.join(ring));
        Ok(Verifier::with_engine(NativeEngine::with(options.native()?)).source(source).build()?)
    })?;
    let module = Module::embedded()?;
    let wasmtime = Linked::new("wasmtime", move |options, ring| {
        let keys = options.hosted_keyring_keys()?;
        let engine = HostedVerifier::with_keyring_keys(&module, keys, PoolOptions::default())?;
        let source = UrlSource::new(&urls.root(ring)).map_err(anyhow::Error::from_boxed)?;
        Ok(Verifier::with_engine(engine).source(source).build()?)
    })?;
    let node = Scripted {
        name: "Node",
        runtime: Node::start()?,
        source: Box::new(move |ring| json!({"url": urls.root(ring)})),
    };
    Ok(vec![Box::new(native), Box::new(wasmtime), Box::new(node)])
}

/// Makes the verifier of a ring.
type Make<E> = Box<dyn Fn(&Options, &str) -> Result<Verifier<E>>>;

/// The crate `claviger` in this process: its verifiers, and the tokio runtime in which they live.
struct Linked<E> {
    name: &'static str,
    runtime: Runtime,
    make: Make<E>,
    verifiers: HashMap<(Options, String), Verifier<E>>,
}

impl<E: Engine> Linked<E> {
    fn new(
        name: &'static str,
        make: impl Fn(&Options, &str) -> Result<Verifier<E>> + 'static,
    ) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { name, runtime, make: Box::new(make), verifiers: HashMap::new() })
    }

    /// The verifier of a ring, made once.
    fn verifier(&mut self, options: &Options, ring: &str) -> Result<Verifier<E>> {
        Ok(match self.verifiers.entry((options.clone(), ring.to_owned())) {
            Entry::Occupied(made) => made.get().clone(),
            Entry::Vacant(place) => place.insert((self.make)(options, ring)?).clone(),
        })
    }
}

impl<E: Engine> Sourced for Linked<E> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn refresh(&mut self, options: &Options, ring: &str) -> Result<bool> {
        let verifier = self.verifier(options, ring)?;
        // What went wrong is seen in the verdicts.
        let _ = self.runtime.block_on(verifier.refresh());
        Ok(verifier.keyring().is_some())
    }

    fn verify(
        &mut self,
        options: &Options,
        ring: &str,
        facts: &Facts,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Value>> {
        let verifier = self.verifier(options, ring)?;
        facts.with_context(|context| {
            let verdicts = keys.iter().map(|key| self.runtime.block_on(verifier.verify(key, context)));
            verdicts.map(|verdict| Ok(serde_json::to_value(verdict)?)).collect()
        })
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
