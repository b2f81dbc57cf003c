//! Files of signed requests (RFC 9421) with what is to become of each, and the runtimes that say what does.
//!
//! ```text
//! { "key_base64": one key for any keyid, "now": Unix seconds, "cases": [{
//!     "name", "expect": "accept" | "reject" | "policy" (left open by the RFC), "why",
//!     "request": { "method", "target_uri", "request_target"?, "fields": [[name, value], …], "body"? },
//!     "signature_input", "signature" }, …] }
//! ```
//!
//! Texts are UTF-8 on the wire. Without a body nothing is known of the content.

use crate::faces::{Node, Workerd};
use anyhow::{Context, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{Content, DenialCode, HttpRequest, SignaturePolicy, SigningKey, verify_signature};
use claviger_host::{Module, PoolOptions, SignatureKeys, SignatureVerifier};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// A file of cases.
#[derive(Deserialize)]
pub struct CaseFile {
    /// The key, in base64.
    pub key_base64: String,
    /// The clock, in Unix seconds.
    pub now: u64,
    /// The cases.
    pub cases: Vec<Case>,
}

/// What is to become of a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// The signature holds.
    Accept,
    /// It does not.
    Reject,
    /// The RFC leaves it open.
    Policy,
}

/// A signed request.
#[derive(Deserialize)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What is to become of it.
    pub expect: Expected,
    /// The rule, and its section.
    #[serde(default)]
    pub why: String,
    /// The request without its signature.
    pub request: CaseRequest,
    /// The lines of `Signature-Input`: a text, several, or none.
    #[serde(default)]
    pub signature_input: Lines,
    /// The lines of `Signature`.
    #[serde(default)]
    pub signature: Lines,
}

/// The request of a case.
#[derive(Deserialize)]
pub struct CaseRequest {
    /// The method.
    pub method: String,
    /// The whole URI.
    pub target_uri: String,
    /// The request target, where it is not path and query.
    pub request_target: Option<String>,
    /// The lines of the fields.
    #[serde(default)]
    pub fields: Vec<(String, String)>,
    /// The content.
    pub body: Option<String>,
}

/// One line of a field, several, or none.
#[derive(Default, Deserialize)]
#[serde(untagged)]
pub enum Lines {
    /// None.
    #[default]
    None,
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Lines {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let (one, several) = match self {
            Self::None => (None, &[][..]),
            Self::One(line) => (Some(line.as_str()), &[][..]),
            Self::Several(lines) => (None, &lines[..]),
        };
        one.into_iter().chain(several.iter().map(String::as_str))
    }
}

impl CaseFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or has not the form.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no file of cases", path.display()))
    }

    fn key(&self) -> Result<Vec<u8>> {
        BASE64_STANDARD.decode(&self.key_base64).context("key_base64 is no base64")
    }
}

impl Case {
    /// Every line of the fields, the signature's last.
    fn fields(&self) -> Vec<(&str, &str)> {
        let given = self.request.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let input = self.signature_input.iter().map(|line| ("Signature-Input", line));
        given.chain(input).chain(self.signature.iter().map(|line| ("Signature", line))).collect()
    }

    /// What a verifier says of the request.
    fn with<T>(&self, verify: impl FnOnce(&HttpRequest<'_>) -> T) -> Option<T> {
        let fields = self.fields();
        let fields: Vec<(&str, &[u8])> =
            fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let request = HttpRequest::new(&self.request.method, &self.request.target_uri, &fields).ok()?;
        let content =
            self.request.body.as_deref().map_or(Content::NotRead, |body| Content::Bytes(body.as_bytes()));
        let request = request.content(content);
        Some(verify(&match &self.request.request_target {
            None => request,
            Some(target) => request.request_target(target),
        }))
    }
}

/// What became of a case: nothing if it was accepted.
pub type Outcome = Result<(), String>;

/// A runtime that says what becomes of cases.
pub trait SignatureFace {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// What becomes of each case of a file, held against nothing but the RFC, or with `default_policy` against that as
    /// well.
    ///
    /// # Errors
    /// If the runtime fails; a case never makes it.
    fn outcomes(&mut self, file: &CaseFile, default_policy: bool) -> Result<Vec<Outcome>>;
}

fn policy(default_policy: bool) -> SignaturePolicy<'static> {
    if default_policy { SignaturePolicy::default() } else { SignaturePolicy::PERMISSIVE }
}

fn outcome<T>(verified: Option<Result<T, DenialCode>>) -> Outcome {
    match verified {
        Some(Ok(_)) => Ok(()),
        Some(Err(code)) => Err(code.to_string()),
        None => Err(DenialCode::Malformed.to_string()),
    }
}

/// `claviger-core`, linked.
pub struct NativeSignatures;

impl SignatureFace for NativeSignatures {
    fn name(&self) -> &'static str {
        "native"
    }

    fn outcomes(&mut self, file: &CaseFile, default_policy: bool) -> Result<Vec<Outcome>> {
        let key = SigningKey::from_bytes(&file.key()?);
        let verify = |request: &HttpRequest<'_>| {
            verify_signature(request, &policy(default_policy), file.now, |_| Some(key.clone()))
        };
        Ok(file.cases.iter().map(|case| outcome(case.with(verify))).collect())
    }
}

/// `claviger-host` with its embedded module.
pub struct WasmtimeSignatures(Module);

impl WasmtimeSignatures {
    /// Compiles the module.
    ///
    /// # Errors
    /// Those of `Module::embedded`.
    pub fn new() -> Result<Self> {
        Ok(Self(Module::embedded()?))
    }
}

impl SignatureFace for WasmtimeSignatures {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn outcomes(&mut self, file: &CaseFile, default_policy: bool) -> Result<Vec<Outcome>> {
        let key = file.key()?;
        let keys = SignatureKeys::new().any(&key);
        let verifier = SignatureVerifier::new(&self.0, keys, PoolOptions::default())?;
        let verify =
            |request: &HttpRequest<'_>| verifier.try_verify(request, &policy(default_policy), file.now);
        // A fault of the module is to be seen as such.
        file.cases.iter().map(|case| Ok(outcome(case.with(verify).transpose()?))).collect()
    }
}

/// The npm package in a runtime of JavaScript.
pub enum ScriptSignatures {
    /// Node.
    Node(Node),
    /// workerd.
    Workerd(Workerd),
}

impl SignatureFace for ScriptSignatures {
    fn name(&self) -> &'static str {
        match self {
            Self::Node(_) => "Node",
            Self::Workerd(_) => "workerd",
        }
    }

    fn outcomes(&mut self, file: &CaseFile, default_policy: bool) -> Result<Vec<Outcome>> {
        let requests: Vec<Value> = file
            .cases
            .iter()
            .map(|case| {
                let CaseRequest { method, target_uri, request_target, body, .. } = &case.request;
                // Header values are byte strings there.
                let latin1 = |text: &str| text.bytes().map(char::from).collect::<String>();
                let fields: Vec<(&str, String)> =
                    case.fields().into_iter().map(|(name, value)| (name, latin1(value))).collect();
                json!({
                    "method": method, "url": target_uri, "requestTarget": request_target, "headers": fields,
                    "body": body
                })
            })
            .collect();
        let question = json!({
            "signatures": { "key": file.key_base64, "now": file.now, "defaultPolicy": default_policy, "requests": requests }
        });
        let answer = match self {
            Self::Node(node) => node.ask(&question)?,
            Self::Workerd(workerd) => workerd.ask(&question)?,
        };
        let codes: Vec<Option<String>> = serde_json::from_str(&answer)?;
        if codes.len() != file.cases.len() {
            bail!("{} answered {} of {} cases", self.name(), codes.len(), file.cases.len());
        }
        Ok(codes.into_iter().map(|code| code.map_or(Ok(()), Err)).collect())
    }
}
