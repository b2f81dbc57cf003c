//! A Rust program that verifies keys in the WebAssembly module, through wasmtime: isolated, and from many threads.

use claviger_host::core::{IssuingKey, KeyPrefix, Purpose, RequestContext, SharedSecret, SignedKeyTerms};
use claviger_host::{Module, PoolOptions, Secrets, Verifier};
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (issuing_secret, presented) = issue(now)?;

    let prefix = KeyPrefix::new("acme_live")?;
    let secret = SharedSecret::parse(&issuing_secret)?;
    let secrets = Secrets::new().issuing_secret(prefix, secret);
    let verifier = Verifier::new(&Module::embedded()?, secrets, PoolOptions::default())?;
    let verdict = verifier.verify_key(&presented, &RequestContext::at(now));
    println!("{verdict:?}");
    Ok(())
}

/// The secret in `ISSUING_SECRET`, or a new one, and a key that is good for an hour.
fn issue(now: u64) -> Result<(String, String), Box<dyn std::error::Error>> {
    let secret = match std::env::var("ISSUING_SECRET") {
        Ok(text) => SharedSecret::parse(&text)?,
        Err(_) => SharedSecret::generate(Purpose::Issuing, 1, &random()?),
    };
    let issuer = IssuingKey::new(KeyPrefix::new("acme_live")?, &secret)?;
    let key = issuer.generate(&random()?, SignedKeyTerms::expiring(now, 60))?;
    Ok((secret.to_text().expose().to_owned(), key.expose().to_owned()))
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
