//! Signatures of keys that are no API keys, proved in pooled instances.

use crate::{
    error::HostError,
    module::Module,
    pool::{Pool, PoolOptions},
    signature_keys::SignatureKeys,
    signed_request::SignedRequest,
    trust::Trust,
};
use claviger_core::{DenialCode, HttpRequest, SignaturePolicy, VerifiedSignature};

/// Verifies signatures of requests with keys of one's own in pooled instances of a [`Module`]: what core's
/// [`SignatureKeys`](claviger_core::SignatureKeys) do natively. Share it between threads.
///
/// API keys are verified by [`Verifier::verify_request`](crate::Verifier::verify_request).
///
/// ```
/// use claviger_host::core::{HttpRequest, RequestSigner, SignaturePolicy, SignatureTerms, SigningKey};
/// use claviger_host::{Module, PoolOptions, SignatureKeys, SignatureVerifier};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let now = 1_790_000_000;
/// let signer = RequestSigner::new(SigningKey::from_bytes(&[7; 32]), "partner-1");
/// let request = HttpRequest::new("GET", "https://api.example/flights", &[])?;
/// let signed = signer.sign(&request, &SignatureTerms::at(now))?;
/// let fields = [
///     ("Signature-Input", signed.signature_input.as_bytes()),
///     ("Signature", signed.signature.as_bytes()),
/// ];
/// let request = HttpRequest::new("GET", "https://api.example/flights", &fields)?;
///
/// let keys = SignatureKeys::new().key("partner-1", &[7; 32]);
/// let verifier = SignatureVerifier::new(&Module::embedded()?, keys, PoolOptions::default())?;
/// let verified = verifier.verify(&request, &SignaturePolicy::default(), now)?;
/// assert_eq!(verified.keyid.as_deref(), Some("partner-1"));
/// # Ok(())
/// # }
/// ```
pub struct SignatureVerifier {
    pool: Pool,
}

impl SignatureVerifier {
    /// A verifier that knows these keys.
    ///
    /// # Errors
    /// [`HostError::SignatureKeys`] if there is no key or one is not of use, and those of
    /// [`Verifier::new`](crate::Verifier::new) that are not about secrets.
    pub fn new(module: &Module, keys: SignatureKeys, options: PoolOptions) -> Result<Self, HostError> {
        let pool = Pool::new(module.clone(), Trust::SignatureKeys(keys), options)?;
        Ok(Self { pool })
    }

    /// What became of the signature of a request at `now` (Unix seconds): as core's
    /// [`verify_signature`](claviger_core::verify_signature) says.
    ///
    /// # Errors
    /// Its codes, and without an answer that of the error: `pool_exhausted` or `verifier_fault`. A request of more than 1 MiB
    /// beside its content is `malformed`.
    pub fn verify(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        now: u64,
    ) -> Result<VerifiedSignature, DenialCode> {
        self.try_verify(request, policy, now).unwrap_or_else(|error| Err(error.denial_code()))
    }

    /// The same, or why the module says nothing.
    ///
    /// # Errors
    /// As of [`Verifier::try_verify_key`](crate::Verifier::try_verify_key).
    pub fn try_verify(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        now: u64,
    ) -> Result<Result<VerifiedSignature, DenialCode>, HostError> {
        let Some(signed) = SignedRequest::write(request, policy, None) else {
            return Ok(Err(DenialCode::Malformed));
        };
        let ask = || self.pool.lend()?.call(|instance| instance.verify_signature(&signed, now));
        match ask() {
            Err(error) if error.was_interrupted() => ask(),
            outcome => outcome,
        }
    }
}

impl std::fmt::Debug for SignatureVerifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SignatureVerifier").finish_non_exhaustive()
    }
}
