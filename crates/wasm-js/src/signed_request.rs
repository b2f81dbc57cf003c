//! Signed requests on the hot path: JavaScript writes a request into a buffer of its own, which grows and stays, calls with
//! numbers, and reads the verdict's record. These are functions and no methods, so that programs that verify no signatures
//! leave their glue behind.

use crate::{
    RawVerifier,
    exchange::take,
    failure::{Failure, answer, status},
};
use claviger_core::{
    Content, ContextRecord, DenialCode, HttpRequest, PendingVerdict, REPLAY_RECORD_LEN, ReplayEntry,
    RequestRecord, SignaturePolicyRecord, Verdict,
};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;

/// The number of content that was not read (see `Content::from_parts`).
const NOT_READ: u8 = 4;
/// Bytes of the input that a name takes: longer than any prefix and id.
const NAME_LEN: usize = 64;

thread_local! {
    static REQUEST: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for a request of `len` bytes, and says where; 0 if there is no memory left. What was there is lost only if there
/// was less room. Room for nothing gives all of it back.
#[wasm_bindgen]
pub fn request_room(len: u32) -> u32 {
    REQUEST.with_borrow_mut(|bytes| {
        let more = (len as usize).saturating_sub(bytes.len());
        if len == 0 || bytes.try_reserve(more).is_err() {
            *bytes = Vec::new();
            return 0;
        }
        bytes.resize((len as usize).max(bytes.len()), 0);
        bytes.as_ptr() as usize as u32
    })
}

/// What `read` says of the first bytes in the buffer.
pub(crate) fn with_bytes<T>(len: usize, read: impl FnOnce(&[u8]) -> T) -> T {
    REQUEST.with_borrow(|bytes| read(bytes.get(..len).unwrap_or_default()))
}

/// Says what `decide` does of the request in the buffer, and of what is behind it; `None` if nothing of that kind is there.
///
/// There are `head_len` bytes with so many `texts` (see `RequestRecord` in `claviger-core`), and `content_len` bytes of content of
/// a kind (see `Content::from_parts`).
pub(crate) fn with_request<T>(
    (head_len, texts): (u32, u32),
    (content_kind, content_len): (u8, u32),
    decide: impl FnOnce(&HttpRequest<'_>, &[u8]) -> T,
) -> Option<T> {
    REQUEST.with_borrow(|bytes| {
        let (head, rest) = bytes.split_at_checked(head_len as usize)?;
        let (content, rest) = rest.split_at_checked(content_len as usize)?;
        let record = RequestRecord::read(head, texts as usize)?;
        let request = record.request(Content::from_parts(content_kind, content)?).ok()?;
        Some(decide(&request, rest))
    })
}

/// Takes the policy of signed requests that is in the buffer of exchanges (see `SignaturePolicyRecord` in `claviger-core`).
#[wasm_bindgen]
pub fn set_signature_policy(verifier: &mut RawVerifier) -> i32 {
    status(take_policy().map(|policy| {
        verifier.signatures = policy;
        0
    }))
}

/// Leaves what `Accept-Signature` says of the policy in the buffer, for a request without content.
#[wasm_bindgen]
pub fn accept_signature() -> i32 {
    answer(take_policy().map(|policy| policy.with(|policy| policy.accept_signature(false))))
}

/// Reads the policy in the buffer.
pub(crate) fn take_policy() -> Result<SignaturePolicyRecord, Failure> {
    let invalid =
        || Failure::new("invalid_options", "options.signatures: the tag or a component is too long");
    SignaturePolicyRecord::read(&take()).ok_or_else(invalid)
}

/// Verifies the request in the buffer in the context whose record is the `context_len` bytes behind it: 0, or a denial code's
/// number. What is no request is malformed.
///
/// Behind the verdict's record and the address of its policy are the 40 bytes of what is to be remembered of the nonce, zeros if
/// nothing is (see `ReplayEntry::write_record` in `claviger-core`); and the key's prefix and id, as a key begins with them, are in
/// the input. A verdict is none before the nonce is known to be fresh, and before content that was not read is.
#[wasm_bindgen]
pub fn verify_request(
    verifier: &mut RawVerifier,
    head_len: u32,
    texts: u32,
    content_kind: u8,
    content_len: u32,
    context_len: u32,
) -> u32 {
    let RawVerifier { verifier, input, output, usage, signatures } = verifier;
    output.replay = [0; REPLAY_RECORD_LEN];
    let decided = with_request((head_len, texts), (content_kind, content_len), |request, rest| {
        let record = rest.get(..context_len as usize).and_then(ContextRecord::read);
        let Some(record) = record else {
            return (Verdict::denied(DenialCode::VerifierFault, None), None, 0);
        };
        let context = record.context();
        let pending: PendingVerdict<'_> =
            signatures.with(|policy| verifier.verify_request(request, policy, &context));
        let (verdict, replay) = pending.into_parts();
        (verdict, replay, context.now)
    });
    let (verdict, replay, now) =
        decided.unwrap_or_else(|| (Verdict::denied(DenialCode::Malformed, None), None, 0));
    if let Some(verified) = verdict.verified() {
        output.replay = ReplayEntry::write_record(replay.as_ref());
        write_name(verified.prefix.as_str(), &verified.key_id.to_string(), input);
    }
    // It is counted when it is decided whole.
    let usage = usage.as_mut().filter(|_| content_kind != NOT_READ);
    output.write(&verdict, usage, now)
}

/// Writes what a key begins with, and zeros behind it.
fn write_name(prefix: &str, id: &str, input: &mut [u8]) {
    let name = prefix.bytes().chain(*b"_").chain(id.bytes());
    for (place, byte) in input.iter_mut().take(NAME_LEN).zip(name.chain(std::iter::repeat(0))) {
        *place = byte;
    }
}
