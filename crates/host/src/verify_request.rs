//! Signed requests: how they enter an instance, and what it says about them.

use crate::{
    error::HostError, instance::Instance, parts::Parts, signed_request::SignedRequest, verifier::Verifier,
};
use claviger_core::{
    DenialCode, HttpRequest, PendingVerdict, REPLAY_RECORD_LEN, ReplayEntry, RequestContext,
    SIGNATURE_RECORD_LEN, SignaturePolicy, Verdict, VerifiedSignature,
};

/// Where the replay entry stands in the output.
const REPLAY_ENTRY: usize = 136;
/// The shortest record of a signature: without keyid and tag.
const SHORTEST_SIGNATURE: usize = 64;

impl Verifier {
    /// What the module says about a signed request: what core's
    /// [`verify_request`](claviger_core::Verifier::verify_request) says.
    ///
    /// If there is no verdict, the request is denied with the code of the error: `pool_exhausted` or `verifier_fault`. A
    /// request of more than 1 MiB beside its content is `malformed`. Content of more than 64 KiB is hashed outside the module.
    ///
    /// ```
    /// use claviger_host::core::{HttpRequest, NonceWindow, RequestContext, SignaturePolicy};
    /// use claviger_host::Verifier;
    ///
    /// fn enter(verifier: &Verifier, request: &HttpRequest<'_>, window: &mut NonceWindow, now: u64) -> bool {
    ///     let pending = verifier.verify_request(request, &SignaturePolicy::default(), &RequestContext::at(now));
    ///     pending.check(window, now).is_verified()
    /// }
    /// ```
    pub fn verify_request(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        context: &RequestContext<'_>,
    ) -> PendingVerdict<'static> {
        let pending = self.try_verify_request(request, policy, context);
        pending.unwrap_or_else(|error| denied(error.denial_code()))
    }

    /// The same, or why the module says nothing.
    ///
    /// # Errors
    /// As of [`try_verify_key`](Self::try_verify_key).
    pub fn try_verify_request(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        context: &RequestContext<'_>,
    ) -> Result<PendingVerdict<'static>, HostError> {
        let Some(signed) = SignedRequest::write(request, policy, Some(context)) else {
            return Ok(denied(DenialCode::Malformed));
        };
        let ask = || self.lend()?.call(|instance| instance.verify_request(&signed, &self.parts));
        match ask() {
            Err(error) if error.was_interrupted() => ask(),
            pending => pending,
        }
    }
}

fn denied(code: DenialCode) -> PendingVerdict<'static> {
    PendingVerdict::from_parts(Verdict::denied(code, None), None)
}

impl Instance {
    /// What the module says about a signed request, when it has the parts of the keyring that it needs and can get.
    pub(crate) fn verify_request(
        &mut self,
        signed: &SignedRequest,
        parts: &Parts,
    ) -> Result<PendingVerdict<'static>, HostError> {
        let (verdict, mut replay) = self.ask_request(signed)?;
        let verdict = self.provide_for(verdict, parts, &mut |instance| {
            let (verdict, entry) = instance.ask_request(signed)?;
            replay = entry;
            Ok(verdict)
        })?;
        Ok(PendingVerdict::from_parts(verdict, replay))
    }

    fn ask_request(
        &mut self,
        signed: &SignedRequest,
    ) -> Result<(Verdict<'static>, Option<ReplayEntry>), HostError> {
        self.write_part(&signed.bytes)?;
        let code = self.call_verify_request((
            signed.policy_len,
            signed.head_len,
            signed.texts,
            signed.content_kind,
            signed.content_len,
            signed.context_len,
        ))?;
        let replay = ReplayEntry::read_record(self.output::<REPLAY_RECORD_LEN>(REPLAY_ENTRY)?);
        let verdict = self.verdict_of(code)?;
        // Of a request that is denied there is nothing to remember.
        if replay.is_some() && !verdict.is_verified() {
            return Err(HostError::InvalidAnswer);
        }
        Ok((verdict, replay))
    }

    /// What the module says about the signature of a request by the keys that it was given.
    pub(crate) fn verify_signature(
        &mut self,
        signed: &SignedRequest,
        now: u64,
    ) -> Result<Result<VerifiedSignature, DenialCode>, HostError> {
        self.write_part(&signed.bytes)?;
        let code = self.call_briefly(
            "claviger_verify_signature",
            (signed.policy_len, signed.head_len, signed.texts, signed.content_kind, signed.content_len, now),
        )?;
        let record = self.output::<SIGNATURE_RECORD_LEN>(0)?;
        let [denied, _, k0, k1, t0, t1, ..] = *record;
        let texts = [[k0, k1], [t0, t1]].map(|len| usize::from(u16::from_le_bytes(len)));
        // Of a denial nothing but its code is written.
        let texts = if denied == 0 { texts.iter().sum() } else { 0 };
        let record =
            record.get(..SHORTEST_SIGNATURE.saturating_add(texts)).ok_or(HostError::InvalidAnswer)?;
        let outcome = VerifiedSignature::from_record(record).ok_or(HostError::InvalidAnswer)?;
        let said = outcome.as_ref().err().map_or(0, |code| code.number());
        if u32::from(said) == code { Ok(outcome) } else { Err(HostError::InvalidAnswer) }
    }
}
