//! Signed requests: proved by what the verifier knows of API keys, or by keys of the host's own.

use crate::{
    state::{State, write_verdict},
    status::Status,
};
use claviger_core::{
    Content, ContextRecord, DenialCode, HttpRequest, PendingVerdict, REPLAY_RECORD_LEN, ReplayEntry,
    RequestRecord, SharedSecret, SharedSecretError, SignatureKeys, SignaturePolicyRecord, SigningKey,
    Verdict, VerifiedSignature,
};

/// As many as there may be issuing secrets.
const MAX_SIGNATURE_KEYS: usize = 1024;
/// Where the replay entry stands in the output: behind the verdict, the address of its policy, and zeros to fill up.
const REPLAY_ENTRY: usize = 136;

/// How `claviger_signature_key_add` is told what is added.
const NAMED: u32 = 0;
const ANY_NAME: u32 = 1;
const INTEGRATION_SECRET: u32 = 2;

/// Keys that are no API keys, and how many were added.
#[derive(Default)]
pub(crate) struct OwnKeys {
    keys: SignatureKeys,
    added: usize,
}

/// The lengths of what stands in the part buffer one behind the other, and how it is to be read.
pub(crate) struct Shape {
    pub(crate) policy_len: u32,
    pub(crate) head_len: u32,
    pub(crate) texts: u32,
    pub(crate) content_kind: u32,
    pub(crate) content_len: u32,
}

/// What stands there.
struct Given<'p> {
    policy: SignaturePolicyRecord,
    head: &'p [u8],
    texts: usize,
    content: Content<'p>,
    rest: &'p [u8],
}

impl<'p> Given<'p> {
    /// `None` if what the host says of it is wrong: the request itself was not looked at.
    fn read(part: &'p [u8], shape: &Shape) -> Option<Self> {
        let (policy, rest) = part.split_at_checked(shape.policy_len as usize)?;
        let (head, rest) = rest.split_at_checked(shape.head_len as usize)?;
        let (content, rest) = rest.split_at_checked(shape.content_len as usize)?;
        Some(Self {
            policy: SignaturePolicyRecord::read(policy)?,
            head,
            texts: shape.texts as usize,
            content: Content::from_parts(u8::try_from(shape.content_kind).ok()?, content)?,
            rest,
        })
    }

    /// What is made of the request; `None` if it is none.
    fn with_request<T>(&self, use_it: impl FnOnce(&HttpRequest<'_>) -> T) -> Option<T> {
        let record = RequestRecord::read(self.head, self.texts)?;
        let request = record.request(self.content).ok()?;
        Some(use_it(&request))
    }
}

impl State {
    #[inline(never)]
    pub(crate) fn verify_request(&mut self, shape: &Shape, context_len: u32) -> u32 {
        let denied = |code| PendingVerdict::from_parts(Verdict::denied(code, None), None);
        let given = Given::read(&self.part, shape).and_then(|given| {
            let context = given.rest.get(..context_len as usize).and_then(ContextRecord::read)?;
            Some((given, context))
        });
        let pending = match (&self.verifier, given) {
            (None, _) => denied(DenialCode::NotConfigured),
            (_, None) => denied(DenialCode::VerifierFault),
            (Some(verifier), Some((given, context))) => {
                let pending = given.with_request(|request| {
                    given.policy.with(|policy| verifier.verify_request(request, policy, &context.context()))
                });
                pending.unwrap_or_else(|| denied(DenialCode::Malformed))
            }
        };
        let (verdict, replay) = pending.into_parts();
        let code = write_verdict(&mut self.output, &verdict);
        let entry: [u8; REPLAY_RECORD_LEN] = ReplayEntry::write_record(replay.as_ref());
        let place = self.output.iter_mut().skip(REPLAY_ENTRY - 4);
        for (slot, byte) in place.zip([0; 4].into_iter().chain(entry)) {
            *slot = byte;
        }
        code
    }

    #[inline(never)]
    pub(crate) fn verify_signature(&mut self, shape: &Shape, now: u64) -> u32 {
        let outcome = match (&self.own_keys, Given::read(&self.part, shape)) {
            (None, _) => Err(DenialCode::NotConfigured),
            (_, None) => Err(DenialCode::VerifierFault),
            (Some(own), Some(given)) => given
                .with_request(|request| given.policy.with(|policy| own.keys.verify(request, policy, now)))
                .unwrap_or(Err(DenialCode::Malformed)),
        };
        self.write(&VerifiedSignature::write_record(&outcome));
        outcome.err().map_or(0, |code| code.number().into())
    }

    #[inline(never)]
    pub(crate) fn add_own_key(&mut self, keyid_len: u32, key_len: u32, kind: u32) -> Result<Status, Status> {
        let mut own = self.own_keys.take().unwrap_or_default();
        let added = self.put_own_key(&mut own, keyid_len, key_len, kind);
        own.added = own.added.saturating_add(usize::from(added.is_ok()));
        self.own_keys = Some(own).filter(|own| own.added > 0);
        added
    }

    fn put_own_key(
        &self,
        own: &mut OwnKeys,
        keyid_len: u32,
        key_len: u32,
        kind: u32,
    ) -> Result<Status, Status> {
        let keyid = self.text(0, keyid_len)?;
        let bytes = self.bytes(keyid_len, key_len)?;
        if own.added >= MAX_SIGNATURE_KEYS {
            return Err(Status::INVALID_CONFIGURATION);
        }
        // What needs a name has one, and nothing else has. Anybody could sign with an empty key.
        if bytes.is_empty() || (kind != NAMED && keyid_len != 0) {
            return Err(Status::INVALID_INPUT);
        }
        match kind {
            NAMED => own.keys.add(keyid, SigningKey::from_bytes(bytes)),
            ANY_NAME => own.keys.set_any(SigningKey::from_bytes(bytes)),
            INTEGRATION_SECRET => {
                let secret = SharedSecret::parse(self.text(0, key_len)?).map_err(|error| match error {
                    SharedSecretError::Malformed(error) => Status::malformed(error),
                    _ => Status::WRONG_PURPOSE,
                })?;
                own.keys.add_integration_secret(&secret).map_err(|_| Status::WRONG_PURPOSE)?;
            }
            _ => return Err(Status::INVALID_OPTION),
        }
        Ok(Status::OK)
    }
}
