//! Verifying: the signatures of a request, each against its key and then against the policy.

use super::{
    fields::{ALGORITHM, Signature, SignatureFields, SignatureParameters},
    key::SigningKey,
    keyid::SigningKeyName,
    policy::SignaturePolicy,
    request::HttpRequest,
};
use crate::{content_digest::ContentDigest, denial::DenialCode, replay::ReplayEntry, signature::component};
use alloc::{borrow::Cow, string::String};

/// A signature that was proved by a key of one's own.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct VerifiedSignature {
    /// The key that it names.
    pub keyid: Option<String>,
    /// When it was made, in Unix seconds.
    pub created: Option<i64>,
    /// Until when it may be used, in Unix seconds.
    pub expires: Option<i64>,
    /// What its signer says that it is for.
    pub tag: Option<String>,
    /// What is to be remembered of its nonce, if it has one. Without that the request may be made again.
    pub replay: Option<ReplayEntry>,
}

/// Verifies the signature of a request with keys of one's own: `key` gives the key that a `keyid` names, or none.
///
/// This is for keys that are not API keys: a partner's integration secret, or a key that was agreed elsewhere. API keys
/// are verified by [`Verifier::verify_request`](crate::Verifier::verify_request). `now` is in Unix seconds. Of several
/// signatures the first that holds decides.
///
/// ```
/// use claviger_core::{HttpRequest, RequestSigner, SignaturePolicy, SignatureTerms, SigningKey, verify_signature};
///
/// let now = 1_790_000_000;
/// let signer = RequestSigner::new(SigningKey::from_bytes(&[7; 32]), "partner-1");
/// let request = HttpRequest::new("GET", "https://api.example/flights", &[])?;
/// let signed = signer.sign(&request, &SignatureTerms::at(now))?;
///
/// let fields = [
///     ("Signature-Input", signed.signature_input.as_bytes()),
///     ("Signature", signed.signature.as_bytes()),
/// ];
/// let request = HttpRequest::new("GET", "https://api.example/flights", &fields)?;
/// let keys = |keyid: Option<&str>| (keyid == Some("partner-1")).then(|| SigningKey::from_bytes(&[7; 32]));
/// let verified = verify_signature(&request, &SignaturePolicy::default(), now, keys)?;
/// assert_eq!(verified.keyid.as_deref(), Some("partner-1"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// A [`DenialCode`]: `missing` without a signature, `unknown_key` if there is no key for it, and those of
/// [`Verifier::verify_request`](crate::Verifier::verify_request).
#[inline]
pub fn verify_signature(
    request: &HttpRequest<'_>,
    policy: &SignaturePolicy<'_>,
    now: u64,
    mut key: impl FnMut(Option<&str>) -> Option<SigningKey>,
) -> Result<VerifiedSignature, DenialCode> {
    verify_dyn(request, policy, now, &mut key)
}

#[inline]
fn verify_dyn(
    request: &HttpRequest<'_>,
    policy: &SignaturePolicy<'_>,
    now: u64,
    key: &mut dyn FnMut(Option<&str>) -> Option<SigningKey>,
) -> Result<VerifiedSignature, DenialCode> {
    let fields = SignatureFields::read(request)?;
    let mut first = None;
    let labelled = fields.labelled()?;
    for signature in labelled.signatures() {
        let verified = Candidate::of(signature, policy).and_then(|candidate| {
            let candidate = candidate.ok_or(DenialCode::UnknownKey)?;
            let base = signature.base(request)?;
            let found = key(candidate.parameters.keyid.as_deref());
            let proves = match &found {
                Some(found) => found.proves(&base, candidate.value()),
                None => SigningKey::stand_in().proves(&base, candidate.value()),
            };
            match (found.is_some(), proves) {
                (true, true) => {}
                (true, false) => return Err(DenialCode::BadSignature),
                (false, _) => return Err(DenialCode::UnknownKey),
            }
            let replay = candidate.check(request, policy, now)?;
            let SignatureParameters { keyid, created, expires, tag, .. } = candidate.parameters;
            let (keyid, tag) = (keyid.map(Cow::into_owned), tag.map(Cow::into_owned));
            Ok(VerifiedSignature { keyid, created, expires, tag, replay })
        });
        match verified {
            Ok(verified) => return Ok(verified),
            Err(code) => first = first.or(Some(code)),
        }
    }
    Err(first.unwrap_or(DenialCode::Malformed))
}

/// A signature that may be looked at under a policy.
pub(crate) struct Candidate<'s> {
    pub(crate) signature: Signature<'s>,
    pub(crate) parameters: SignatureParameters<'s>,
    /// Its value; `None` if it has not the length of those of the one algorithm.
    value: Option<[u8; 32]>,
}

impl<'s> Candidate<'s> {
    /// `None` if the signature is of another algorithm, or has another tag: somebody else's.
    #[inline]
    pub(crate) fn of(
        signature: Signature<'s>,
        policy: &SignaturePolicy<'_>,
    ) -> Result<Option<Self>, DenialCode> {
        let parameters = signature.parameters()?;
        let is_ours = parameters.algorithm.as_deref().is_none_or(|algorithm| algorithm == ALGORITHM)
            && policy.tag.is_none_or(|tag| parameters.tag.as_deref() == Some(tag));
        let value = signature.value();
        Ok(is_ours.then_some(Self { signature, parameters, value }))
    }

    /// The API key that it names, if it names one.
    #[inline]
    pub(crate) fn name(&self) -> Option<SigningKeyName<'_>> {
        self.parameters.keyid.as_deref().and_then(SigningKeyName::read)
    }

    /// Its value; nothing, which no key proves, if it has not the length of those of the one algorithm.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.value.as_ref().map_or(&[], |value| value)
    }

    /// What is demanded of a signature that is proved: its times, what it covers, its nonce, and the digest of the content.
    /// Returns what is to be remembered of its nonce.
    #[inline]
    pub(crate) fn check(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        now: u64,
    ) -> Result<Option<ReplayEntry>, DenialCode> {
        let SignatureParameters { created, expires, ref nonce, ref keyid, .. } = self.parameters;
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let last = self.last_second(policy)?;
        if last.is_some_and(|last| last < now) {
            return Err(DenialCode::SignatureExpired);
        }
        if created.is_some_and(|created| created > now.saturating_add(policy.future_skew.into())) {
            return Err(DenialCode::SignatureFromFuture);
        }
        let is_covered = |name: &&str| self.covers(name);
        let digest =
            !policy.require_content_digest || request.content.is_empty() || self.covers("content-digest");
        let nonce = nonce.as_deref().filter(|nonce| !nonce.is_empty());
        if !policy.required_components.iter().all(is_covered)
            || !digest
            || nonce.is_none() && policy.needs_nonce(request.is_idempotent())
            || expires.zip(created).is_some_and(|(expires, created)| expires < created)
        {
            return Err(DenialCode::ComponentMissing);
        }
        if self.signature.touches("content-digest") {
            let field = component::combined("content-digest", request)?;
            ContentDigest::check(&field, request.content)?;
        }
        let keep_until = last.map_or(u64::MAX, |last| u64::try_from(last).unwrap_or(0));
        let entry = |nonce: &str| {
            ReplayEntry::new(keyid.as_deref().unwrap_or_default().as_bytes(), nonce.as_bytes(), keep_until)
        };
        Ok(nonce.map(entry))
    }

    /// The last second in which the signature may be used; `None` if there is none.
    #[inline]
    fn last_second(&self, policy: &SignaturePolicy<'_>) -> Result<Option<i64>, DenialCode> {
        let SignatureParameters { created, expires, .. } = self.parameters;
        if created.is_none() && (policy.require_created || policy.max_age.is_some()) {
            return Err(DenialCode::ComponentMissing);
        }
        let by_age = created.zip(policy.max_age);
        let by_age = by_age.map(|(created, max_age)| created.saturating_add(max_age.into()));
        Ok(by_age.into_iter().chain(expires).min())
    }

    /// Whether a component that is demanded is covered, by itself or as a part of another.
    #[inline]
    fn covers(&self, name: &str) -> bool {
        let covers = |name| self.signature.covers(name);
        covers(name)
            || match name {
                "@scheme" | "@authority" => covers("@target-uri"),
                "@path" | "@query" => covers("@target-uri") || covers("@request-target"),
                _ => false,
            }
    }
}
