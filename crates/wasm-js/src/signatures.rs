//! Signatures by keys of one's own, and signing: what is made once stays here, and JavaScript has its number.

use crate::{
    exchange::{put, take},
    failure::{Failure, answer, status},
    signed_request::{take_policy, with_request},
};
use claviger_core::{
    Content, DenialCode, HttpRequest, RequestSigner, SharedSecret, SignatureKeys, SignaturePolicyRecord,
    SignatureTerms, SigningKey, VerifiedSignature,
};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

/// Things by number.
struct Slots<T>(Vec<Option<T>>);

impl<T> Slots<T> {
    /// Puts a thing into a free place, and says which.
    fn insert(&mut self, thing: T) -> u32 {
        let free = self.0.iter().position(Option::is_none).unwrap_or_else(|| {
            self.0.push(None);
            self.0.len().saturating_sub(1)
        });
        if let Some(slot) = self.0.get_mut(free) {
            *slot = Some(thing);
        }
        free as u32
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.0.get_mut(number as usize)?.as_mut()
    }

    fn remove(&mut self, number: u32) {
        if let Some(slot) = self.0.get_mut(number as usize) {
            *slot = None;
        }
    }
}

thread_local! {
    static KEYS: RefCell<Slots<(SignatureKeys, SignaturePolicyRecord)>> = const { RefCell::new(Slots(Vec::new())) };
    static SIGNERS: RefCell<Slots<RequestSigner>> = const { RefCell::new(Slots(Vec::new())) };
}

/// Which kind of key is in the buffer.
const INTEGRATION_SECRET: u8 = 1;
const API_KEY: u8 = 2;
/// Of keys to verify with: for every name.
const ANY: u8 = 3;

/// Takes bytes with a name of `name_len` bytes before them.
fn take_named(name_len: u32) -> Result<(String, Zeroizing<Vec<u8>>), Failure> {
    let mut name = Zeroizing::new(take());
    let end = name.len().min(name_len as usize);
    let key = Zeroizing::new(name.split_off(end));
    let name = std::str::from_utf8(&name).map_err(|_| Failure::new("invalid_options", "keyid is no text"))?;
    Ok((name.to_owned(), key))
}

fn secret_error(error: impl ToString) -> Failure {
    Failure::new("invalid_secret", error)
}

fn integration_secret(text: &[u8]) -> Result<SharedSecret, Failure> {
    SharedSecret::parse(std::str::from_utf8(text).unwrap_or_default()).map_err(secret_error)
}

/// Makes an empty set of keys under the policy in the buffer, and says its number.
#[wasm_bindgen]
pub fn new_signature_keys() -> i32 {
    let keys = take_policy().map(|policy| (SignatureKeys::default(), policy));
    status(keys.map(|keys| KEYS.with_borrow_mut(|all| all.insert(keys))))
}

/// Adds the key in the buffer, behind its name of `name_len` bytes: of kind 0 by this name, 1 an integration secret, 3 for every
/// name.
#[wasm_bindgen]
pub fn add_signature_key(keys: u32, kind: u8, name_len: u32) -> i32 {
    status(take_named(name_len).and_then(|(name, key)| {
        KEYS.with_borrow_mut(|all| {
            let Some((keys, _)) = all.get_mut(keys) else { return Ok(0) };
            match kind {
                INTEGRATION_SECRET => {
                    keys.add_integration_secret(&integration_secret(&key)?).map_err(secret_error)?;
                }
                ANY => keys.set_any(SigningKey::from_bytes(&key)),
                _ => keys.add(&name, SigningKey::from_bytes(&key)),
            }
            Ok(0)
        })
    }))
}

/// Verifies the request that is written as for `verify_request`, and leaves the record of what became of it (see
/// `VerifiedSignature::write_record` in `claviger-core`).
#[wasm_bindgen]
pub fn verify_signature(keys: u32, head_len: u32, texts: u32, content_kind: u8, content_len: u32, now: f64) {
    let outcome = KEYS.with_borrow_mut(|all| {
        let (keys, policy) = all.get_mut(keys)?;
        with_request((head_len, texts), (content_kind, content_len), |request, _| {
            policy.with(|policy| keys.verify(request, policy, now as u64))
        })
    });
    put(VerifiedSignature::write_record(&outcome.unwrap_or(Err(DenialCode::Malformed))));
}

/// Forgets a set of keys.
#[wasm_bindgen]
pub fn drop_signature_keys(keys: u32) {
    KEYS.with_borrow_mut(|all| all.remove(keys));
}

/// Makes a signer of the key in the buffer, behind its name of `name_len` bytes, and says its number: of kind 0 with this name,
/// 1 an integration secret, 2 an API key. What it calls itself is left in the buffer.
#[wasm_bindgen]
pub fn new_signer(kind: u8, name_len: u32) -> i32 {
    status(signer(kind, name_len).map(|signer| {
        put(signer.keyid().into());
        SIGNERS.with_borrow_mut(|all| all.insert(signer))
    }))
}

fn signer(kind: u8, name_len: u32) -> Result<RequestSigner, Failure> {
    let (name, key) = take_named(name_len)?;
    match kind {
        INTEGRATION_SECRET => {
            RequestSigner::from_integration_secret(&integration_secret(&key)?).map_err(secret_error)
        }
        API_KEY => {
            RequestSigner::from_key(std::str::from_utf8(&key).unwrap_or_default()).map_err(secret_error)
        }
        _ => Ok(RequestSigner::new(SigningKey::from_bytes(&key), &name)),
    }
}

/// Signs the request that is written as for `verify_request`, without content, by the terms in the buffer of exchanges: texts with
/// a zero byte between them, of which there are so many. It leaves the two fields, in two lines.
///
/// ```text
/// label, created, expires, nonce, tag (each empty if there is none), then the components
/// ```
#[wasm_bindgen]
pub fn sign_request(signer: u32, head_len: u32, texts: u32, terms: u32) -> i32 {
    let text = take();
    let signed = with_request((head_len, texts), (0, 0), |request, _| sign(signer, request, &text, terms));
    let invalid = || Failure::new("invalid_options", claviger_core::InvalidRequest);
    answer(signed.ok_or_else(invalid).flatten())
}

fn sign(signer: u32, request: &HttpRequest<'_>, text: &[u8], count: u32) -> Result<String, Failure> {
    let invalid = |error: &dyn ToString| Failure::new("invalid_options", error.to_string());
    let text = std::str::from_utf8(text).unwrap_or_default();
    let texts: Vec<&str> = text.split('\0').collect();
    let ([label, created, expires, nonce, tag, components @ ..], true) =
        (texts.as_slice(), texts.len() == count as usize)
    else {
        return Err(invalid(&"options: a text holds a zero byte"));
    };
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let time = |text| some(text).and_then(|text| text.parse().ok());
    let terms = SignatureTerms {
        components,
        created: time(created),
        expires: time(expires),
        nonce: some(nonce),
        tag: some(tag),
        algorithm: false,
        label,
    };
    SIGNERS.with_borrow_mut(|all| {
        let signer =
            all.get_mut(signer).ok_or_else(|| Failure::new("disposed", "the signer was disposed of"))?;
        let signed =
            signer.sign(&request.content(Content::NotRead), &terms).map_err(|error| invalid(&error))?;
        Ok(format!("{}\n{}", signed.signature_input, signed.signature))
    })
}

/// Forgets a signer.
#[wasm_bindgen]
pub fn drop_signer(signer: u32) {
    SIGNERS.with_borrow_mut(|all| all.remove(signer));
}
