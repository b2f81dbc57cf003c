//! Signed requests (RFC 9421) between core and libraries that others wrote, in both directions: PyPI and npm
//! `http-message-signatures`, and the crate `httpsig`.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{
    Content, HttpRequest, RequestSigner, SignaturePolicy, SignatureTerms, SigningKey, verify_signature,
};
use httpsig::prelude::{
    AlgorithmName, HttpSignatureBase, HttpSignatureHeaders, HttpSignatureParams, SharedKey,
    message_component::{HttpMessageComponent, HttpMessageComponentId},
};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

const KEY: [u8; 32] = *b"a key of both sides, 32 bytes...";
const KEYID: &str = "partner-1";

/// A request to be signed.
struct Kind {
    name: &'static str,
    method: &'static str,
    url: &'static str,
    fields: &'static [(&'static str, &'static str)],
    body: Option<&'static str>,
    /// What is covered: each identifier, and the value that it must have.
    covered: &'static [(&'static str, &'static str)],
    /// Whether the crate `httpsig` knows all the identifiers.
    for_crate: bool,
}

/// Signed with the default components of a request without content, and with more.
const KINDS: [Kind; 6] = [
    Kind {
        name: "GET",
        method: "GET",
        url: "https://api.example/flights",
        fields: &[],
        body: None,
        covered: &[
            (r#""@method""#, "GET"),
            (r#""@authority""#, "api.example"),
            (r#""@path""#, "/flights"),
            (r#""@query""#, "?"),
        ],
        for_crate: true,
    },
    Kind {
        name: "GET with a query",
        method: "GET",
        url: "https://API.Example:8443/a%2Fb/c?page=2&name=J%C3%BCrgen+M&empty=",
        fields: &[("Date", "Tue, 20 Apr 2021 02:07:55 GMT")],
        body: None,
        covered: &[
            (r#""@query-param";name="name""#, "J%C3%BCrgen%20M"),
            (r#""@query-param";name="empty""#, ""),
            (r#""@method""#, "GET"),
            (r#""@authority""#, "api.example:8443"),
            (r#""@path""#, "/a%2Fb/c"),
            (r#""@query""#, "?page=2&name=J%C3%BCrgen+M&empty="),
            (r#""date""#, "Tue, 20 Apr 2021 02:07:55 GMT"),
        ],
        for_crate: true,
    },
    Kind {
        name: "POST with content",
        method: "POST",
        url: "https://example.com/foo?param=Value&Pet=dog",
        fields: &[
            ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("Content-Type", "application/json"),
            ("Content-Digest", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
        ],
        body: Some(r#"{"hello": "world"}"#),
        covered: &[
            (r#""@method""#, "POST"),
            (r#""@authority""#, "example.com"),
            (r#""@path""#, "/foo"),
            (r#""@query""#, "?param=Value&Pet=dog"),
            (r#""date""#, "Tue, 20 Apr 2021 02:07:55 GMT"),
            (r#""content-type""#, "application/json"),
            (r#""content-digest""#, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
        ],
        for_crate: true,
    },
    Kind {
        name: "PUT with every derived component",
        method: "PUT",
        url: "https://example.com/a?b=c",
        fields: &[],
        body: None,
        covered: &[
            (r#""@target-uri""#, "https://example.com/a?b=c"),
            (r#""@scheme""#, "https"),
            (r#""@request-target""#, "/a?b=c"),
            (r#""@query-param";name="b""#, "c"),
            (r#""@query""#, "?b=c"),
            (r#""@path""#, "/a"),
            (r#""@authority""#, "example.com"),
            (r#""@method""#, "PUT"),
        ],
        for_crate: true,
    },
    Kind {
        name: "DELETE with fields of several lines, and empty",
        method: "DELETE",
        url: "http://127.0.0.1:8080/",
        fields: &[("X-List", "  a,b "), ("X-Empty", ""), ("X-List", "c")],
        body: None,
        covered: &[
            (r#""x-list""#, "a,b, c"),
            (r#""x-empty""#, ""),
            (r#""@method""#, "DELETE"),
            (r#""@authority""#, "127.0.0.1:8080"),
            (r#""@path""#, "/"),
            (r#""@query""#, "?"),
        ],
        for_crate: true,
    },
    Kind {
        name: "GET with parameters of fields",
        method: "GET",
        url: "https://example.com/",
        fields: &[("Priority", "u=1,   i"), ("X-Test", "a, b"), ("X-Test", "c")],
        body: None,
        covered: &[
            (r#""priority";sf"#, "u=1, i"),
            (r#""priority";key="u""#, "1"),
            (r#""x-test";bs"#, ":YSwgYg==:, :Yw==:"),
            (r#""@method""#, "GET"),
            (r#""@authority""#, "example.com"),
            (r#""@path""#, "/"),
            (r#""@query""#, "?"),
        ],
        for_crate: false,
    },
];

impl Kind {
    fn components(&self) -> Vec<&'static str> {
        self.covered.iter().map(|&(identifier, _)| identifier).collect()
    }

    /// The covered lines of its signature base.
    fn lines(&self) -> String {
        self.covered.iter().map(|(identifier, value)| format!("{identifier}: {value}\n")).collect()
    }

    /// The request as it is.
    fn message(&self) -> Message {
        Message {
            method: self.method.to_owned(),
            url: self.url.to_owned(),
            fields: self.fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: self.body.map(str::to_owned),
        }
    }
}

/// A request on its way.
#[derive(Clone)]
struct Message {
    method: String,
    url: String,
    fields: Vec<(String, String)>,
    body: Option<String>,
}

impl Message {
    fn signed_with(mut self, signature_input: &str, signature: &str) -> Self {
        for (name, value) in [("Signature-Input", signature_input), ("Signature", signature)] {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn with<T>(&self, use_it: impl FnOnce(&HttpRequest<'_>) -> Result<T>) -> Result<T> {
        let fields: Vec<(&str, &[u8])> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let content = self.body.as_ref().map_or(Content::Bytes(b""), |body| Content::Bytes(body.as_bytes()));
        use_it(&HttpRequest::new(&self.method, &self.url, &fields)?.content(content))
    }

    /// Whether core takes it, under both policies.
    fn verified_by_core(&self, now: u64) -> Result<bool> {
        let key = |keyid: Option<&str>| (keyid == Some(KEYID)).then(|| SigningKey::from_bytes(&KEY));
        self.with(|request| {
            let [permissive, usual] = [SignaturePolicy::PERMISSIVE, SignaturePolicy::default()]
                .map(|policy| verify_signature(request, &policy, now, key).map(|_| ()));
            ensure!(permissive.is_ok() == usual.is_ok(), "permissive {permissive:?}, default {usual:?}");
            Ok(permissive.is_ok())
        })
    }

    /// The same with one thing changed that the signature covers: every change there is, named.
    fn changed(&self, kind: &Kind) -> Vec<(&'static str, Self)> {
        let edit = |name, change: &dyn Fn(&mut Self)| {
            let mut changed = self.clone();
            change(&mut changed);
            (name, changed)
        };
        let field = |message: &mut Self, name: &str, change: &dyn Fn(&str) -> String| {
            for (_, value) in message.fields.iter_mut().filter(|(present, _)| present == name) {
                *value = change(value);
            }
        };
        let input = |what, change: &dyn Fn(&str) -> String| {
            edit(what, &|message| field(message, "Signature-Input", change))
        };
        let mut all = vec![
            edit("method", &|message| message.method = "PATCH".to_owned()),
            edit("host", &|message| message.url = message.url.replacen("://", "://x.", 1)),
            edit("path", &|message| {
                let authority = message.url.find("://").map_or(0, |place| place + 3);
                let path = message.url.get(authority..).and_then(|rest| rest.find('/')).unwrap_or(0);
                message.url.insert_str(authority + path, "/x");
            }),
            edit("query", &|message| {
                message.url.push_str(if message.url.contains('?') { "&x" } else { "?x" })
            }),
            input("time", &|text| {
                let time = text.split("created=").nth(1).and_then(|rest| rest.get(..10)).unwrap_or_default();
                let earlier = time.parse::<u64>().unwrap_or_default() - 1;
                text.replace(&format!("created={time}"), &format!("created={earlier}"))
            }),
            input("nonce", &|text| text.replacen("nonce=\"n", "nonce=\"m", 1)),
            input("component less", &|text| text.replacen(r#" "@query""#, "", 1)),
            edit("signature", &|message| {
                field(message, "Signature", &|text| {
                    let (label, rest) = text.split_once(':').unwrap_or_default();
                    let (first, rest) = rest.split_at(1);
                    format!("{label}:{}{rest}", if first == "A" { "B" } else { "A" })
                });
            }),
        ];
        if let Some(&(name, _)) = kind.fields.first() {
            all.push(edit("field", &|message| field(message, name, &|_| "u=7".to_owned())));
            let behind = kind.fields.len();
            all.push(edit("field more", &|message| {
                message.fields.insert(behind, (name.to_owned(), "u=7".to_owned()));
            }));
            all.push(edit("field less", &|message| message.fields.retain(|(present, _)| present != name)));
        }
        all
    }
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// The request of this kind, signed by core.
fn signed_by_core(kind: &Kind, terms: &SignatureTerms<'_>) -> Result<Message> {
    let (message, components) = (kind.message(), kind.components());
    let terms = SignatureTerms { components: &components, ..*terms };
    let signer = RequestSigner::new(SigningKey::from_bytes(&KEY), KEYID);
    let signed = message.with(|request| Ok(signer.sign(request, &terms)?))?;
    assert!(signed.signature_base.starts_with(&kind.lines()), "{}: {}", kind.name, signed.signature_base);
    Ok(message.signed_with(&signed.signature_input, &signed.signature))
}

/// Ways in which core signs.
fn terms(created: u64) -> [SignatureTerms<'static>; 2] {
    let plain = SignatureTerms { nonce: Some("n-1"), ..SignatureTerms::at(created) };
    let full = SignatureTerms {
        expires: Some(created + 300),
        tag: Some("a tag"),
        algorithm: !plain.algorithm,
        label: "sig-1",
        ..plain
    };
    [plain, full]
}

fn top() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no top folder")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(name)
}

/// Python with the package, as `cargo xtask test` installs it.
fn python() -> Result<Command> {
    let target = top()?.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let venv = target.join("python-interop");
    let program = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let made = fs::read(venv.join("requirements.txt")).ok();
    ensure!(
        made == Some(fs::read(script("requirements.txt"))?) && program.is_file(),
        "{} is not there, or of other requirements; cargo xtask test makes it, with python3 and its venv",
        venv.display()
    );
    let mut python = Command::new(program);
    python.arg("-B").arg(script("signatures.py"));
    Ok(python)
}

/// Node with the package, as `cargo xtask test` installs it.
fn node() -> Result<Command> {
    let package = top()?.join("js/node_modules/http-message-signatures/package.json");
    ensure!(
        package.is_file(),
        "{} is not there; cargo xtask test installs it, with Node and npm",
        package.display()
    );
    let mut node = Command::new("node");
    node.arg(script("signatures.mjs"));
    Ok(node)
}

/// What a script answers to these jobs.
fn answers(command: &mut Command, jobs: &[Value]) -> Result<Vec<Value>> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    child.stdin.take().context("no stdin")?.write_all(serde_json::to_string(jobs)?.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    ensure!(answers.len() == jobs.len(), "{} answers to {} jobs", answers.len(), jobs.len());
    Ok(answers)
}

fn job(task: &str, message: &Message) -> Value {
    json!({
        "do": task,
        "method": message.method,
        "url": message.url,
        "fields": message.fields,
        "body": message.body,
        "key": BASE64_STANDARD.encode(KEY),
    })
}

/// Core signs every kind of request and theirs verifies; theirs refuses what was changed, and core too.
fn core_signs(mut theirs: impl FnMut() -> Result<Command>) -> Result<()> {
    let time = now()?;
    let (mut jobs, mut expected) = (Vec::new(), Vec::new());
    for kind in &KINDS {
        for terms in terms(time) {
            let message = signed_by_core(kind, &terms)?;
            assert!(message.verified_by_core(time)?, "{}", kind.name);
            jobs.push(job("verify", &message));
            expected.push((format!("{} with label {}", kind.name, terms.label), true));
            for (what, changed) in message.changed(kind) {
                assert!(!changed.verified_by_core(time)?, "{}: {what} changed", kind.name);
                jobs.push(job("verify", &changed));
                expected.push((format!("{}: {what} changed", kind.name), false));
            }
        }
    }
    for ((name, expected), answer) in expected.iter().zip(answers(&mut theirs()?, &jobs)?) {
        assert_eq!(answer.get("verified"), Some(&json!(expected)), "{name}: {answer}");
    }
    Ok(())
}

/// Theirs signs every kind of request and core verifies; core refuses what was changed, and theirs too.
fn theirs_signs(mut theirs: impl FnMut() -> Result<Command>) -> Result<()> {
    let time = now()?;
    let mut jobs = Vec::new();
    for kind in &KINDS {
        let mut job = job("sign", &kind.message());
        let wanted = job.as_object_mut().context("no job")?;
        for (name, value) in [
            ("components", json!(kind.components())),
            ("keyid", json!(KEYID)),
            ("created", json!(time)),
            ("nonce", json!("n-2")),
        ] {
            wanted.insert(name.to_owned(), value);
        }
        jobs.push(job);
    }
    let (mut changed, mut names) = (Vec::new(), Vec::new());
    for (kind, answer) in KINDS.iter().zip(answers(&mut theirs()?, &jobs)?) {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).context("not signed");
        let message = kind.message().signed_with(text("signature_input")?, text("signature")?);
        assert!(message.verified_by_core(time)?, "{}: {answer}", kind.name);
        for (what, message) in message.changed(kind) {
            assert!(!message.verified_by_core(time)?, "{}: {what} changed", kind.name);
            changed.push(job("verify", &message));
            names.push(format!("{}: {what} changed", kind.name));
        }
    }
    for (name, answer) in names.iter().zip(answers(&mut theirs()?, &changed)?) {
        assert_eq!(answer.get("verified"), Some(&json!(false)), "{name}: {answer}");
    }
    Ok(())
}

#[test]
fn python_verifies_what_core_signs() -> Result<()> {
    core_signs(python)
}

#[test]
fn core_verifies_what_python_signs() -> Result<()> {
    theirs_signs(python)
}

#[test]
fn node_verifies_what_core_signs() -> Result<()> {
    core_signs(node)
}

#[test]
fn core_verifies_what_node_signs() -> Result<()> {
    theirs_signs(node)
}

/// The npm package and the crate leave the content to their users.
#[test]
fn python_and_core_refuse_other_content() -> Result<()> {
    let time = now()?;
    let kind = KINDS.iter().find(|kind| kind.body.is_some()).context("no content")?;
    for terms in terms(time) {
        let mut message = signed_by_core(kind, &terms)?;
        message.body = Some("{\"hello\": \"World\"}".to_owned());
        assert!(!message.verified_by_core(time)?);
        let said = answers(&mut python()?, &[job("verify", &message)])?;
        assert_eq!(said.first().and_then(|answer| answer.get("verified")), Some(&json!(false)), "{said:?}");
    }
    Ok(())
}

/// What the crate makes of the values of a kind: it takes them as they are, and leaves deriving them to its user.
fn lines_for_crate(kind: &Kind) -> Result<Vec<HttpMessageComponent>> {
    let line = |(identifier, value): &(&str, &str)| {
        Ok(HttpMessageComponent::try_from(format!("{identifier}: {value}").as_str())?)
    };
    kind.covered.iter().map(line).collect()
}

#[test]
fn httpsig_verifies_what_core_signs() -> Result<()> {
    let time = now()?;
    let key = SharedKey::from_base64(&AlgorithmName::HmacSha256, &BASE64_STANDARD.encode(KEY))?;
    let [terms, _] = terms(time);
    for kind in KINDS.iter().filter(|kind| kind.for_crate) {
        let message = signed_by_core(kind, &terms)?;
        let [.., (_, input), (_, signature)] = message.fields.as_slice() else { anyhow::bail!("not signed") };
        let verify = |signature: &str, input: &str, lines: &[HttpMessageComponent]| -> Result<()> {
            let headers = HttpSignatureHeaders::try_parse(signature, input)?;
            let (_, headers) = headers.first().context("no signature")?;
            let base = HttpSignatureBase::try_new(lines, headers.signature_params())?;
            Ok(base.verify_signature_headers(&key, headers)?)
        };
        let lines = lines_for_crate(kind)?;
        verify(signature, input, &lines).with_context(|| kind.name)?;
        let later = input.replace(&time.to_string(), &(time + 1).to_string());
        assert!(verify(signature, &later, &lines).is_err(), "{}: time changed", kind.name);
        let mut changed = lines;
        let line = changed.first_mut().context("nothing covered")?;
        *line = HttpMessageComponent::try_from(format!("{}: other", line.id).as_str())?;
        assert!(verify(signature, input, &changed).is_err(), "{}: value changed", kind.name);
    }
    Ok(())
}

#[test]
fn core_verifies_what_httpsig_signs() -> Result<()> {
    let time = now()?;
    let key = SharedKey::from_base64(&AlgorithmName::HmacSha256, &BASE64_STANDARD.encode(KEY))?;
    for kind in KINDS.iter().filter(|kind| kind.for_crate) {
        let identifiers: Vec<HttpMessageComponentId> = kind
            .covered
            .iter()
            .map(|&(identifier, _)| HttpMessageComponentId::try_from(identifier))
            .collect::<Result<_, _>>()?;
        let mut parameters = HttpSignatureParams::try_new(&identifiers)?;
        parameters
            .set_created(time)
            .set_expires(time + 300)
            .set_nonce("n-3")
            .set_tag("a tag")
            .set_keyid(KEYID);
        parameters.set_alg(&AlgorithmName::HmacSha256);
        let base = HttpSignatureBase::try_new(&lines_for_crate(kind)?, &parameters)?;
        let headers = base.build_signature_headers(&key, Some("theirs"))?;
        let message = kind
            .message()
            .signed_with(&headers.signature_input_header_value(), &headers.signature_header_value());
        assert!(message.verified_by_core(time)?, "{}", kind.name);
        for (what, changed) in message.changed(kind) {
            assert!(!changed.verified_by_core(time)?, "{}: {what} changed", kind.name);
        }
    }
    Ok(())
}
