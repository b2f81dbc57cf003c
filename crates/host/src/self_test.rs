//! A module is tried out before it is relied on: it must decide as the core of this host does.

use crate::{
    error::HostError, instance::Instance, keyring_keys::KeyringKeys, module::Module, parts::Parts,
    secrets::Secrets, signed_request::SignedRequest, trust::Trust,
};
use claviger_core::{
    Content, ContentDigest, HttpRequest, IssuingKey, KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder,
    KeyringKey, KeyringTerms, OpaqueUse, Policy, PolicyTerms, Purpose, RequestContext, RequestSigner,
    SharedSecret, SignaturePolicy, SignatureTerms, SignedKeyTerms, Verifier as NativeVerifier, VerifierValue,
    generate_opaque_key, parse,
};
use std::{error::Error, sync::Arc};

const NOW: u64 = 1_790_000_000;

/// Keys with their contexts, decided by the module and by the core of this host.
pub(crate) fn self_test(module: &Module) -> Result<(), HostError> {
    with_secrets(module)?;
    with_keyring(module)
}

/// What this test builds can be built, or something is wrong with this host.
fn failed(_: impl Into<Box<dyn Error>>) -> HostError {
    HostError::SelfTestFailed
}

/// A good key, a forged key and an expired key.
fn with_secrets(module: &Module) -> Result<(), HostError> {
    let prefix = KeyPrefix::new("self_test").map_err(failed)?;
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &[1; 40]);
    let other = SharedSecret::generate(Purpose::Issuing, 1, &[2; 40]);
    let issuer = IssuingKey::new(prefix, &secret).map_err(failed)?;
    let forger = IssuingKey::new(prefix, &other).map_err(failed)?;
    let terms = SignedKeyTerms::expiring(NOW, 1);
    let good = issuer.generate(&[3; 8], terms).map_err(failed)?;
    let forged = forger.generate(&[3; 8], terms).map_err(failed)?;

    let native = NativeVerifier::new([issuer]).map_err(failed)?;
    let secrets = Secrets::new().issuing_secret(prefix, secret);
    let mut hosted = module.instantiate(&Trust::Secrets(secrets))?;
    for (key, now) in [(&good, NOW), (&forged, NOW), (&good, NOW.saturating_add(120))] {
        compare(&mut hosted, &native, key.expose(), &RequestContext::at(now))?;
    }
    Ok(())
}

/// A good key, without a context and for its own and another tenant, and one that the keyring does not know. And requests
/// that a key has signed.
fn with_keyring(module: &Module) -> Result<(), HostError> {
    let prefix = KeyPrefix::new("self_test").map_err(failed)?;
    let (id, good) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &[4; 40]);
    let (_, unknown) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &[5; 40]);
    let (signing_id, signing) = generate_opaque_key(&prefix, OpaqueUse::BearerAndSigning, &[7; 40]);
    let record = |id, kind, key: &str| {
        let value = VerifierValue::of_key(&parse(key).map_err(failed)?).ok_or(HostError::SelfTestFailed)?;
        Ok::<_, HostError>(KeyRecord::new(id, kind, value, 0))
    };
    let records = [
        record(id, KeyKind::Opaque, good.expose())?,
        record(signing_id, KeyKind::OpaqueSigning, signing.expose())?,
    ];
    let keyring_key = KeyringKey::generate(&[6; 40]);
    let bundle = || -> Result<Vec<u8>, Box<dyn Error>> {
        let mut builder = KeyringBuilder::new(&keyring_key, KeyringTerms::new(KeyId::from_u64(1)), 1);
        let policy = Policy::new(&PolicyTerms::new(prefix, "tenant", "owner"))?;
        let page = builder.set_page(0, &[Some(policy)])?;
        let mut parts = vec![page];
        for bucket in 0..builder.buckets() {
            let here = records.iter().filter(|record| builder.bucket_of(record.id) == bucket);
            let here: Vec<_> = here.cloned().collect();
            parts.extend(builder.set_bucket(bucket, &here)?);
        }
        let root = builder.finish(1, NOW)?;
        let part = |hash: &[u8; 32]| parts.iter().find(|part| part.hash == *hash).map(|part| &part.bytes[..]);
        Ok(builder.bundle(&root, part)?)
    };
    let bundle: Arc<[u8]> = bundle().map_err(failed)?.into();

    let mut native = NativeVerifier::with_keyring_keys([keyring_key.clone()]).map_err(failed)?;
    native.replace_keyring(Arc::clone(&bundle), NOW).map_err(failed)?;
    let mut hosted = module.instantiate(&Trust::KeyringKeys(KeyringKeys::from(keyring_key)))?;
    hosted.offer_keyring(Arc::new(bundle), NOW)?;
    let at_now = RequestContext::at(NOW);
    for context in [at_now, at_now.tenant("tenant"), at_now.tenant("another")] {
        compare(&mut hosted, &native, good.expose(), &context)?;
        compare(&mut hosted, &native, unknown.expose(), &context)?;
    }
    let signer = RequestSigner::from_key(signing.expose()).map_err(failed)?;
    compare_signed(&mut hosted, &native, &signer)
}

/// A signed request as it was made, later than it may be, and with another content.
fn compare_signed(
    hosted: &mut Instance,
    native: &NativeVerifier,
    signer: &RequestSigner,
) -> Result<(), HostError> {
    const URI: &str = "https://self.test/?a=1";
    let digest = ContentDigest::sha256(b"{}");
    let digest = ("Content-Digest", digest.as_bytes());
    let components = ["@method", "@target-uri", "content-digest"];
    let terms = SignatureTerms { components: &components, nonce: Some("nonce"), ..SignatureTerms::at(NOW) };
    let fields = [digest];
    let request = HttpRequest::new("POST", URI, &fields).map_err(failed)?;
    let signed = signer.sign(&request, &terms).map_err(failed)?;
    let fields = [
        digest,
        ("Signature-Input", signed.signature_input.as_bytes()),
        ("Signature", signed.signature.as_bytes()),
    ];
    let request = HttpRequest::new("POST", URI, &fields).map_err(failed)?;
    let policy = SignaturePolicy::default();
    for (content, now) in [("{}", NOW), ("{}", NOW.saturating_add(3600)), ("[]", NOW)] {
        let (request, context) =
            (request.content(Content::Bytes(content.as_bytes())), RequestContext::at(now));
        let bytes = SignedRequest::write(&request, &policy, Some(&context));
        let bytes = bytes.ok_or(HostError::SelfTestFailed)?;
        let pending = hosted.verify_request(&bytes, &Parts::default())?;
        if pending != native.verify_request(&request, &policy, &context) {
            return Err(HostError::SelfTestFailed);
        }
    }
    Ok(())
}

fn compare(
    hosted: &mut Instance,
    native: &NativeVerifier,
    key: &str,
    context: &RequestContext<'_>,
) -> Result<(), HostError> {
    let verdict = hosted.verify_key(key.as_bytes(), context, &Parts::default())?;
    if verdict == native.verify_key(key, context) { Ok(()) } else { Err(HostError::SelfTestFailed) }
}
