//! Signed requests: who signed, proved by what a verifier knows of API keys, and whether he may.

use crate::{
    authenticate,
    context::RequestContext,
    decide,
    denial::{DenialClass, DenialCode},
    issuing_key::{self, IssuingKey},
    keyring::{Freshness, Keyring},
    keyring_verifier::{self, KeyringVerifier, Moment, Refusal, Request},
    mac::MacKey,
    parse::KeyKind,
    prefix::KeyPrefix,
    replay::ReplayEntry,
    resolve::{self, Issuer},
    signature::{
        Candidate, HttpRequest, PendingVerdict, SignatureFields, SignaturePolicy, SigningKey, SigningKeyName,
    },
    stateless::Stateless,
    verdict::{Denied, Verdict, Verified},
    verifier::Verifier,
};
use alloc::vec::Vec;
use core::{borrow::Borrow, cell::Cell};

/// A signature of a request, ready to be proved.
pub(crate) struct RequestProof<'r> {
    pub(crate) name: SigningKeyName<'r>,
    base: &'r [u8],
    tag: &'r [u8],
    /// What is demanded of the signature once it is proved.
    check: &'r dyn Fn() -> Result<(), DenialCode>,
}

impl Verifier {
    /// What this verifier says about a signed request (RFC 9421 with HMAC-SHA256): the API key that its signature names is
    /// proved by it without being sent.
    ///
    /// Opaque keys that were generated for signing are known by a keyring; signed keys sign where their issuing secret's entry
    /// in the keyring, or [`IssuingKey::for_signing`], allows it. A request with signatures of several keys of ours is
    /// malformed; others, of algorithms that are not ours or with another tag than the policy's, are passed over.
    ///
    /// The verdict waits for one answer, whether the request was made before: [`PendingVerdict`].
    ///
    /// ```
    /// use claviger_core::{HttpRequest, NonceWindow, RequestContext, SignaturePolicy, Verdict, Verifier};
    ///
    /// fn enter(verifier: &Verifier, request: &HttpRequest<'_>, window: &mut NonceWindow, now: u64) -> bool {
    ///     let pending = verifier.verify_request(request, &SignaturePolicy::default(), &RequestContext::at(now));
    ///     pending.check(window, now).is_verified()
    /// }
    /// ```
    ///
    /// Denial codes, in the order of the checks: `missing` without a signature; `malformed` if the two fields, or what they
    /// cover, have not their form or are beyond the limits ([`MAX_SIGNATURE_FIELD_LEN`](crate::MAX_SIGNATURE_FIELD_LEN),
    /// [`MAX_COMPONENTS`](crate::MAX_COMPONENTS) and others); `component_missing` if what is covered is not in the request;
    /// `unknown_key`, `bad_signature`; then, of a proven signature, `signature_expired`, `signature_from_future`,
    /// `component_missing` if it lacks what the policy demands, `digest_mismatch`; then those of a key
    /// ([`verify_key`](Self::verify_key)) from policy on, and last `replayed`.
    #[inline]
    pub fn verify_request(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        context: &RequestContext<'_>,
    ) -> PendingVerdict<'_> {
        let denied = |code| PendingVerdict::new(Verdict::denied(code, None), None);
        let fields = match SignatureFields::read(request) {
            Ok(fields) => fields,
            Err(code) => return denied(code),
        };
        let labelled = match fields.labelled() {
            Ok(labelled) => labelled,
            Err(code) => return denied(code),
        };
        let mut candidates = Vec::new();
        for signature in labelled.signatures() {
            let candidate = match Candidate::of(signature, policy) {
                Ok(Some(candidate)) => candidate,
                Ok(None) => continue,
                Err(code) => return denied(code),
            };
            if candidate.name().is_some() {
                candidates.push(candidate);
            }
        }
        let keyids = candidates.iter().map(|candidate| &candidate.parameters.keyid);
        if keyids.clone().zip(keyids.skip(1)).any(|(one, next)| one != next) {
            return denied(DenialCode::Malformed);
        }
        let mut first = None;
        for candidate in &candidates {
            let Some(name) = candidate.name() else { continue };
            let pending = self.verify_candidate(candidate, name, request, policy, context);
            // What decides the matter: a key that is proved, or a verifier that cannot tell.
            if pending.code().is_none_or(|code| code.class() != DenialClass::Unproven) {
                return pending;
            }
            first = first.or(Some(pending));
        }
        first.unwrap_or_else(|| denied(DenialCode::UnknownKey))
    }

    #[inline]
    fn verify_candidate(
        &self,
        candidate: &Candidate<'_>,
        name: SigningKeyName<'_>,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        context: &RequestContext<'_>,
    ) -> PendingVerdict<'_> {
        let base = match candidate.signature.base(request) {
            Ok(base) => base,
            Err(code) => return PendingVerdict::new(Verdict::denied(code, Some(name.id())), None),
        };
        let replay: Cell<Option<ReplayEntry>> = Cell::new(None);
        let check = || {
            replay.set(candidate.check(request, policy, context.now)?);
            Ok(())
        };
        let proof = RequestProof { name, base: &base, tag: candidate.value(), check: &check };
        let verdict = self.verify_proof(&proof, context);
        PendingVerdict::new(verdict, replay.get())
    }
}

impl KeyringVerifier {
    /// One copy of the path, for the present keyring and for earlier ones.
    #[inline(never)]
    pub(crate) fn verify_signed_with<'k>(
        &self,
        keyring: &'k Keyring,
        proof: &RequestProof<'_>,
        context: &RequestContext<'_>,
    ) -> Verdict<'k> {
        let moment = Moment::of(&keyring.root, context);
        let request = Request { context, now: moment.now, freshness: moment.freshness };
        let verified = self
            .decides_at(&keyring.root, &moment, context)
            .map_err(Refusal::from)
            .and_then(|()| self.prove_request(keyring, proof, &request));
        match verified {
            Ok(verified) => Verdict::Verified(verified),
            Err(refusal) => refusal.into_verdict(Some(proof.name.id()), moment.freshness),
        }
    }

    #[inline]
    fn prove_request<'k>(
        &self,
        keyring: &'k Keyring,
        proof: &RequestProof<'_>,
        request: &Request<'_>,
    ) -> Result<Verified<'k>, Refusal> {
        let id = proof.name.id();
        let (prefix, kind, (proven, policy_index)) = match proof.name {
            SigningKeyName::Opaque { prefix, .. } => {
                let records = keyring.records(KeyKind::OpaqueSigning.number(), id)?;
                let record = authenticate::signature(proof.base, proof.tag, records)?;
                (proof.check)()?;
                keyring.mark_used(id);
                let proven = keyring_verifier::proven(keyring, record)?;
                (prefix, KeyKind::OpaqueSigning, (proven, record.policy))
            }
            SigningKeyName::Signed { prefix, claims, text, .. } => {
                let issuer = resolve::named(prefix, Some(claims), &keyring.issuing)?;
                prove_by_issuer(&issuer, text, proof, &self.extractors.sign, &self.stand_in)?;
                (proof.check)()?;
                (prefix, KeyKind::Signed, keyring_verifier::signed_key(keyring, &issuer, id)?)
            }
        };
        decide::with_keyring(&proven, Some(prefix), request.now, request.context)?;
        Ok(keyring_verifier::verified(
            id,
            kind,
            KeyPrefix::from_checked(prefix),
            proven,
            policy_index,
            request,
        ))
    }
}

impl Stateless {
    #[inline]
    pub(crate) fn verify_signed(
        &self,
        proof: &RequestProof<'_>,
        context: &RequestContext<'_>,
    ) -> Verdict<'static> {
        match self.prove_request(proof, context) {
            Ok(verified) => Verdict::Verified(verified),
            Err(code) => Verdict::Denied(Denied {
                code,
                key_id: Some(proof.name.id()),
                freshness: Some(Freshness::Stateless),
                needed: None,
            }),
        }
    }

    #[inline]
    fn prove_request(
        &self,
        proof: &RequestProof<'_>,
        context: &RequestContext<'_>,
    ) -> Result<Verified<'static>, DenialCode> {
        let SigningKeyName::Signed { prefix, claims, text, id } = proof.name else {
            return Err(DenialCode::UnknownKey);
        };
        let issuer = resolve::named(prefix, Some(claims), self.issuing())?;
        prove_by_issuer(&issuer, text, proof, self.sign(), self.stand_in())?;
        (proof.check)()?;
        self.decide(id, &issuer, context)
    }
}

/// Proves the signature of a signed key by the issuing secret that makes it, if its keys may sign.
#[inline]
fn prove_by_issuer<T: Borrow<IssuingKey>>(
    issuer: &Issuer<'_, T>,
    text: &[u8],
    proof: &RequestProof<'_>,
    sign: &MacKey,
    stand_in: &MacKey,
) -> Result<(), DenialCode> {
    let signing = issuer.key.map(Borrow::borrow).filter(|key| key.may_sign());
    // One that is not there, or may not sign, costs what another does.
    let mac = signing.map_or(stand_in, IssuingKey::signed_key_mac);
    let key = SigningKey::of_value(issuing_key::signing_value(mac, text, sign));
    match (key.proves(proof.base, proof.tag), signing.is_some()) {
        (true, true) => Ok(()),
        (false, true) => Err(DenialCode::BadSignature),
        (_, false) => Err(DenialCode::UnknownKey),
    }
}
