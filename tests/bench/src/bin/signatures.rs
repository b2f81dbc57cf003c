//! Measures signed requests natively beside the crate `httpsig`, and prints one JSON line a result.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_bench::rounds::{case, measure};
use claviger_core::{
    HttpRequest, KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey, KeyringTerms, OpaqueUse,
    Policy, PolicyTerms, RequestContext, RequestSigner, SignatureKeys, SignaturePolicy, SignatureTerms,
    SigningKey, Verifier, VerifierValue, generate_opaque_key, parse,
};
use httpsig::prelude::{
    AlgorithmName, HttpSignatureBase, HttpSignatureHeaders, SharedKey,
    message_component::HttpMessageComponent,
};
use std::hint::black_box;

const NOW: u64 = 1_790_000_000;
const URI: &str = "https://api.example.com/v1/flights?from=VIE&to=LIS";
const FIELDS: [(&str, &str); 5] = [
    ("host", "api.example.com"),
    ("user-agent", "acme-client/1.4"),
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("date", "Sun, 20 Sep 2026 14:13:20 GMT"),
];
const COMPONENTS: [&str; 5] = ["@method", "@authority", "@path", "@query", "content-type"];

fn main() -> Result<()> {
    let key = [7; 32];
    let own = SigningKey::from_bytes(&key);
    let plain: Vec<(&str, &[u8])> = FIELDS.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let unsigned = HttpRequest::new("GET", URI, &plain)?;
    let terms = SignatureTerms { components: &COMPONENTS, ..SignatureTerms::at(NOW) };

    let signer = RequestSigner::new(own.clone(), "partner-1");
    let signed = signer.sign(&unsigned, &terms)?;
    let mut fields = plain.clone();
    fields.push(("signature-input", signed.signature_input.as_bytes()));
    fields.push(("signature", signed.signature.as_bytes()));
    let mut keys = SignatureKeys::default();
    keys.add("partner-1", own);

    let (verifier, api_key) = verifier()?;
    let by_key = RequestSigner::from_key(&api_key)?.sign(&unsigned, &terms)?;
    let mut key_fields = plain.clone();
    key_fields.push(("signature-input", by_key.signature_input.as_bytes()));
    key_fields.push(("signature", by_key.signature.as_bytes()));
    let (policy, context) = (SignaturePolicy::default(), RequestContext::at(NOW));

    let theirs = SharedKey::from_base64(&AlgorithmName::HmacSha256, &BASE64_STANDARD.encode(key))?;
    ensure!(verify_by_httpsig(&signed.signature_input, &signed.signature, &theirs).is_some());
    let mut cases = [
        case("crate httpsig, verify, five components", || {
            let verified = verify_by_httpsig(black_box(&signed.signature_input), &signed.signature, &theirs);
            assert!(verified.is_some());
        }),
        case("native verify_signature, five components", || {
            let request = HttpRequest::new("GET", black_box(URI), &fields).map_err(drop);
            assert!(request.is_ok_and(|request| keys.verify(&request, &policy, NOW).is_ok()));
        }),
        case("native verify_request, keyring, five components", || {
            let request = HttpRequest::new("GET", black_box(URI), &key_fields).map_err(drop);
            let verified =
                |request| verifier.verify_request(&request, &policy, &context).accept_replays().is_verified();
            assert!(request.is_ok_and(verified));
        }),
        case("native sign, five components", || {
            assert!(signer.sign(black_box(&unsigned), &terms).is_ok());
        }),
    ];
    measure(&mut cases)
}

/// A verifier whose keyring has one key, and that key.
fn verifier() -> Result<(Verifier, String)> {
    let prefix = KeyPrefix::new("acme_live")?;
    let (id, key) = generate_opaque_key(&prefix, OpaqueUse::BearerAndSigning, &[9; 40]);
    let parsed = parse(key.expose()).map_err(|_| anyhow::anyhow!("not a key"))?;
    let value = VerifierValue::of_key(&parsed).context("no value")?;
    let keyring_key = KeyringKey::generate(&[7; 40]);
    let mut builder = KeyringBuilder::new(&keyring_key, KeyringTerms::new(KeyId::from_u64(1)), 1);
    let policy = Policy::new(&PolicyTerms::new(prefix, "tenant", "owner"))?;
    let mut parts = vec![builder.set_page(0, &[Some(policy)])?];
    let record = KeyRecord::new(id, KeyKind::OpaqueSigning, value, 0);
    parts.extend(builder.set_bucket(builder.bucket_of(id), &[record])?);
    let root = builder.finish(1, NOW)?;
    let part = |hash: &[u8; 32]| parts.iter().find(|part| part.hash == *hash).map(|part| &part.bytes[..]);
    let mut verifier = Verifier::with_keyring_keys([keyring_key])?;
    verifier.replace_keyring(builder.bundle(&root, part)?, NOW)?;
    Ok((verifier, key.expose().to_owned()))
}

/// What a program does with the crate: it reads the two fields, gives a value for each component, and verifies.
fn verify_by_httpsig(input: &str, signature: &str, key: &SharedKey) -> Option<()> {
    let headers = HttpSignatureHeaders::try_parse(signature, input).ok()?;
    let (_, headers) = headers.first()?;
    let uri: http::Uri = URI.parse().ok()?;
    let mut lines = Vec::new();
    for component in &headers.signature_params().covered_components {
        let name = component.name.to_string();
        let values: Vec<String> = match name.trim_matches('"') {
            "@method" => vec!["GET".to_owned()],
            "@authority" => vec![uri.authority()?.to_string()],
            "@path" => vec![uri.path().to_owned()],
            "@query" => vec![format!("?{}", uri.query()?)],
            name => FIELDS
                .iter()
                .filter(|(field, _)| *field == name)
                .map(|(_, value)| (*value).to_owned())
                .collect(),
        };
        lines.push(HttpMessageComponent::try_from((component, values.as_slice())).ok()?);
    }
    let base = HttpSignatureBase::try_new(&lines, headers.signature_params()).ok()?;
    base.verify_signature_headers(key, headers).ok()
}
