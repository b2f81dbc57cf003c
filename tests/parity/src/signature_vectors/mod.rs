//! The cases of `tests/vectors/signatures.json`: what RFC 9421 says of signed requests, under `hmac-sha256`.
//!
//! No line of the core makes this file. Each case writes down the signature base that the RFC gives, or that a careless
//! verifier would build, and HMAC-SHA-256 over that text is its signature. So a case that is to be refused is refused for
//! the reason that it names, and not because of a wrong signature; where the signature is what is wrong, it says so.
//! How core answers belongs to the tests.

mod carriage;
mod content;
mod derived;
mod fields;
mod parameters;
mod query_parameters;
mod tampering;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The key of RFC 9421, appendix B.1.5, and the clock of all cases.
const KEY_ID: &str = "test-shared-secret";
const KEY: &str = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
const NOW: u64 = 1_618_884_473;

/// What follows the list of components where a case is not about that.
const TERMS: &str = r#";created=1618884473;keyid="test-shared-secret""#;

/// The file's content.
#[derive(Serialize, Deserialize)]
pub struct File {
    /// What the file is, for people.
    pub about: String,
    /// The identifier of the key.
    pub key_id: String,
    /// The key's bytes, in base64.
    pub key_base64: String,
    /// The verifier's clock, in Unix seconds.
    pub now: u64,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One signed request, and what the RFC says of it.
#[derive(Serialize, Deserialize)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// What must be said.
    pub expect: Expect,
    /// The section, of RFC 9421 unless another is named, and the rule where the name does not tell it.
    pub why: String,
    /// The request without its signature.
    pub request: Request,
    /// What was signed.
    pub signature_base: String,
    /// The field `Signature-Input`, behind those of the request.
    pub signature_input: String,
    /// The field `Signature`, behind that.
    pub signature: String,
}

/// What a verifier without demands of its own says.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// The signature is right.
    Accept,
    /// It is not, or must not be looked at.
    Reject,
    /// The RFC leaves it to the application, or says nothing.
    Policy,
}

/// A request as its recipient sees it.
#[derive(Serialize, Deserialize, Default, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target URI (RFC 9110, section 7.1).
    pub target_uri: String,
    /// The lines of its fields: name and value, in UTF-8.
    pub fields: Vec<(String, String)>,
    /// The content, in UTF-8; without it, it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The request target as it was sent (RFC 9112, section 3.2); without it, it is of origin form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_target: Option<String>,
}

/// A case that is being written.
struct Draft {
    name: String,
    expect: Expect,
    why: &'static str,
    request: Request,
    /// What is signed.
    base: String,
    /// What is sent as `Signature-Input`, instead of the last line of the base under the label `s`.
    input: Option<String>,
    /// What is sent as `Signature`, `{}` being the right signature in base64.
    value: String,
}

fn draft(expect: Expect, why: &'static str, name: impl Into<String>) -> Draft {
    let request = Request {
        method: "GET".to_owned(),
        target_uri: "https://example.com/".to_owned(),
        ..Request::default()
    };
    let (base, value) = (String::new(), "s=:{}:".to_owned());
    Draft { name: name.into(), expect, why, request, base, input: None, value }
}

fn accept(why: &'static str, name: impl Into<String>) -> Draft {
    draft(Expect::Accept, why, name)
}

fn reject(why: &'static str, name: impl Into<String>) -> Draft {
    draft(Expect::Reject, why, name)
}

fn policy(why: &'static str, name: impl Into<String>) -> Draft {
    draft(Expect::Policy, why, name)
}

impl Draft {
    /// Another method than GET.
    fn method(mut self, method: &str) -> Self {
        self.request.method = method.to_owned();
        self
    }

    /// Another target URI than `https://example.com/`.
    fn to(mut self, uri: &str) -> Self {
        self.request.target_uri = uri.to_owned();
        self
    }

    fn request_target(mut self, target: &str) -> Self {
        self.request.request_target = Some(target.to_owned());
        self
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        self.request.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, body: &str) -> Self {
        self.request.body = Some(body.to_owned());
        self
    }

    /// The signature base, its last line without the name `"@signature-params"`, and without [`TERMS`] if it ends with
    /// the list of components.
    fn base(self, text: &str) -> Self {
        let terms = if text.ends_with(')') { TERMS } else { "" };
        self.base_without_terms(&format!("{text}{terms}"))
    }

    /// The signature base, its last line without the name `"@signature-params"`.
    fn base_without_terms(mut self, text: &str) -> Self {
        let (lines, last) = text
            .rsplit_once('\n')
            .map_or((String::new(), text), |(lines, last)| (format!("{lines}\n"), last));
        self.base = format!("{lines}\"@signature-params\": {last}");
        self
    }

    /// What is sent as `Signature-Input`.
    fn sent(mut self, input: &str) -> Self {
        self.input = Some(input.to_owned());
        self
    }

    /// What is sent as `Signature`, with `{}` for the right one in base64.
    fn signature(mut self, value: &str) -> Self {
        value.clone_into(&mut self.value);
        self
    }

    /// The right signature.
    fn tag(&self) -> Result<Vec<u8>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(KEY)?)?;
        mac.update(self.base.as_bytes());
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn finish(self) -> Result<Case> {
        let tag = BASE64_STANDARD.encode(self.tag()?);
        let last = || self.base.rsplit_once("\"@signature-params\": ").map(|(_, last)| format!("s={last}"));
        let signature_input = self.input.clone().or_else(last).with_context(|| self.name.clone())?;
        let with_tag = |text: &str| text.replace("{}", &tag);
        let mut request = self.request;
        for (name, value) in &mut request.fields {
            if name.eq_ignore_ascii_case("signature") {
                *value = with_tag(value);
            }
        }
        Ok(Case {
            signature: with_tag(&self.value),
            name: self.name,
            expect: self.expect,
            why: self.why.to_owned(),
            request,
            signature_base: self.base,
            signature_input,
        })
    }
}

/// Where the file is.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/signatures.json")
}

/// Reads the file.
///
/// # Errors
/// If it is missing or broken.
pub fn read() -> Result<File> {
    let text = fs::read_to_string(path())
        .context("tests/vectors/signatures.json is missing; run cargo xtask vectors")?;
    Ok(serde_json::from_str(&text)?)
}

/// Makes the file's content.
///
/// # Errors
/// If two cases have one name, or one has no signature base.
pub fn generate() -> Result<File> {
    let mut drafts = derived::cases();
    for more in [
        query_parameters::cases(),
        fields::cases(),
        parameters::cases(),
        carriage::cases()?,
        tampering::cases(),
        content::cases(),
    ] {
        drafts.extend(more);
    }
    let cases: Vec<Case> = drafts.into_iter().map(Draft::finish).collect::<Result<_>>()?;
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    ensure!(names.len() == cases.len(), "two cases of one name");
    Ok(File {
        about: "Signed requests by RFC 9421, with one shared key and one clock. fields is a list of [name, value] lines \
                in order; Signature-Input and Signature follow as two lines more. expect is accept, reject or policy: \
                the RFC leaves it to the application. signature_base is what was signed, right or not. Written by cargo \
                xtask vectors, without the core; the key is the RFC's test data."
            .to_owned(),
        key_id: KEY_ID.to_owned(),
        key_base64: KEY.to_owned(),
        now: NOW,
        cases,
    })
}
