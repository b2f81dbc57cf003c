//! The verifier: takes a presented key through the five rooms.

use crate::{
    authenticate,
    context::RequestContext,
    credential,
    decide::{self, StatelessPolicy},
    denial::DenialCode,
    growth::push_wiping,
    issuing_key::IssuingKey,
    mac::MacKey,
    parse::Parsed,
    prefix::KeyPrefix,
    resolve::{self, Resolved},
    verdict::Verdict,
};
use alloc::vec::Vec;
use core::fmt;

/// Anything that can say what a presented key is worth: this crate's [`Verifier`], or a host that runs the same core
/// as a WebAssembly module.
///
/// ```
/// use claviger_core::{RequestContext, VerifyKey};
///
/// fn may_enter(verifier: &dyn VerifyKey, presented: &[u8], now: u64) -> bool {
///     verifier.verify_key(presented, &RequestContext::at(now)).is_verified()
/// }
/// ```
pub trait VerifyKey {
    /// What this verifier says about a presented key: any bytes, of any length.
    fn verify_key(&self, presented: &[u8], context: &RequestContext) -> Verdict;
}

impl VerifyKey for Verifier {
    fn verify_key(&self, presented: &[u8], context: &RequestContext) -> Verdict {
        Verifier::verify_key(self, presented, context)
    }
}

/// Verifies signed keys with nothing but issuing secrets: no keyring, no network, no state.
///
/// Several secrets stand side by side, for several prefixes and for rotation: give it the old and the new version,
/// issue under the new one, and drop the old one when its last key has expired. Building allocates; verifying does
/// not. The example of the [crate] shows the whole path.
#[derive(Clone)]
pub struct Verifier {
    /// Sorted by prefix and version, each pair once.
    issuing: Vec<IssuingKey>,
    stand_in: MacKey,
    policy: StatelessPolicy,
}

impl Verifier {
    /// A verifier that holds `issuing`.
    ///
    /// # Errors
    /// [`VerifierError::NoSecrets`] if there are none, since it could only deny;
    /// [`VerifierError::DuplicateVersion`] if two have the same prefix and version, since a key names only these.
    pub fn new(issuing: impl IntoIterator<Item = IssuingKey>) -> Result<Self, VerifierError> {
        let mut sorted: Vec<IssuingKey> = Vec::new();
        for key in issuing {
            let place = sorted.binary_search_by_key(&(key.prefix(), key.version()), |other| {
                (other.prefix(), other.version())
            });
            match place {
                Err(place) => {
                    push_wiping(&mut sorted, key);
                    if let Some(moved) = sorted.get_mut(place..) {
                        moved.rotate_right(1);
                    }
                }
                Ok(_) => {
                    return Err(VerifierError::DuplicateVersion {
                        prefix: *key.prefix(),
                        version: key.version(),
                    });
                }
            }
        }
        if sorted.is_empty() {
            return Err(VerifierError::NoSecrets);
        }
        // The stand-in proves nothing, whatever its key: `known` is false beside it.
        let stand_in = MacKey::new(&[0; 32]);
        Ok(Self { issuing: sorted, stand_in, policy: StatelessPolicy { allow_without_lifetime: false } })
    }

    /// Whether to accept keys that never expire (by default not). Only retiring their issuing secret ends them.
    #[must_use]
    pub fn allow_keys_without_lifetime(mut self, allow: bool) -> Self {
        self.policy.allow_without_lifetime = allow;
        self
    }

    /// What this verifier says about a presented key: text or any bytes, of any length.
    #[inline]
    pub fn verify_key(&self, presented: impl AsRef<[u8]>, context: &RequestContext) -> Verdict {
        self.verify_bytes(presented.as_ref(), context)
    }

    /// One copy of the whole path, compiled for speed, also for callers that are compiled for size.
    #[inline(never)]
    fn verify_bytes(&self, presented: &[u8], context: &RequestContext) -> Verdict {
        let parsed = match credential::read(presented) {
            Ok(parsed) => parsed,
            Err(code) => return Verdict::denied(code, None),
        };
        match self.prove_and_decide(&parsed, context) {
            Ok(resolved) => Verdict::signed_key(&parsed, &resolved),
            Err(code) => Verdict::denied(code, Some(parsed.id())),
        }
    }

    #[inline]
    fn prove_and_decide(
        &self,
        parsed: &Parsed<'_>,
        context: &RequestContext,
    ) -> Result<Resolved<'_>, DenialCode> {
        let resolved = resolve::signed_key(parsed, &self.issuing, &self.stand_in)?;
        authenticate::signed_key(parsed, &resolved)?;
        decide::signed_key(resolved.claims, self.policy, context)?;
        Ok(resolved)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Verifier")
            .field("issuing", &self.issuing)
            .field("policy", &self.policy)
            .finish()
    }
}

/// Why a verifier cannot be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum VerifierError {
    /// There is no issuing secret.
    NoSecrets,
    /// Two issuing secrets have the same prefix and version.
    DuplicateVersion {
        /// The prefix.
        prefix: KeyPrefix,
        /// The version.
        version: u8,
    },
}

impl fmt::Display for VerifierError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecrets => formatter.write_str("a verifier needs at least one issuing secret"),
            Self::DuplicateVersion { prefix, version } => write!(
                formatter,
                "two issuing secrets have version {version} for prefix {prefix}; give each a version of its own"
            ),
        }
    }
}

impl core::error::Error for VerifierError {}
