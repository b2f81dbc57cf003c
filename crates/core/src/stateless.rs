//! Verifying with nothing but issuing secrets: no keyring, no network, no state.

use crate::{
    authenticate,
    context::RequestContext,
    credential::{self, Credential},
    decide::{self, StatelessPolicy},
    denial::DenialCode,
    growth::push_wiping,
    issuing_key::IssuingKey,
    key_id::KeyId,
    keyring::Freshness,
    mac::MacKey,
    parse::{KeyKind, Parsed},
    resolve::{self, Issuer},
    verdict::{Denied, Verdict, Verified},
    verifier::VerifierError,
    verifier_value::Extractors,
};
use alloc::vec::Vec;

/// Issuing secrets, and what is demanded of the keys that they prove.
#[derive(Clone, Debug)]
pub(crate) struct Stateless {
    /// Sorted by prefix and version, each pair once.
    issuing: Vec<IssuingKey>,
    stand_in: MacKey,
    /// Extracts the signing secret of a signed key.
    sign: MacKey,
    pub(crate) policy: StatelessPolicy,
}

impl Stateless {
    #[inline]
    pub(crate) fn new(issuing: impl IntoIterator<Item = IssuingKey>) -> Result<Self, VerifierError> {
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
        Ok(Self {
            issuing: sorted,
            stand_in: MacKey::stand_in(),
            sign: Extractors::sign(),
            policy: StatelessPolicy { allow_without_lifetime: false },
        })
    }

    pub(crate) fn issuing(&self) -> &[IssuingKey] {
        &self.issuing
    }

    pub(crate) fn sign(&self) -> &MacKey {
        &self.sign
    }

    pub(crate) fn stand_in(&self) -> &MacKey {
        &self.stand_in
    }

    /// One copy of the whole path, compiled for speed, also for callers that are compiled for size.
    #[inline(never)]
    pub(crate) fn verify(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'static> {
        let denied = |code, key_id| {
            Verdict::Denied(Denied { code, key_id, freshness: Some(Freshness::Stateless), needed: None })
        };
        let parsed = match credential::read(presented) {
            Ok(Credential::Native(parsed)) => parsed,
            Ok(Credential::Foreign(_)) => return denied(DenialCode::Malformed, None),
            Err(code) => return denied(code, None),
        };
        match self.prove_and_decide(&parsed, context) {
            Ok(verified) => Verdict::Verified(verified),
            Err(code) => denied(code, Some(parsed.id())),
        }
    }

    #[inline]
    fn prove_and_decide(
        &self,
        parsed: &Parsed<'_>,
        context: &RequestContext<'_>,
    ) -> Result<Verified<'static>, DenialCode> {
        let issuer = resolve::issuer(parsed, &self.issuing)?;
        // An opaque key or an access token can only be known from a record.
        if parsed.kind() != KeyKind::Signed {
            return Err(DenialCode::UnknownKey);
        }
        let mac = issuer.key.map(IssuingKey::signed_key_mac);
        authenticate::signed_key(parsed, mac, &self.stand_in)?;
        self.decide(parsed.id(), &issuer, context)
    }

    /// What is known of a signed key that is proved.
    #[inline]
    pub(crate) fn decide(
        &self,
        key_id: KeyId,
        issuer: &Issuer<'_, IssuingKey>,
        context: &RequestContext<'_>,
    ) -> Result<Verified<'static>, DenialCode> {
        decide::stateless(issuer.claims, self.policy, context)?;
        if !context.freshness.allows(Freshness::Stateless) {
            return Err(DenialCode::KeyringUnavailable);
        }
        Ok(Verified {
            key_id,
            kind: KeyKind::Signed,
            prefix: *issuer.prefix,
            read_only: issuer.claims.read_only(),
            issued_at: Some(issuer.claims.issued_at()),
            expires_at: issuer.claims.expires_at(),
            policy: None,
            freshness: Freshness::Stateless,
            policy_index: 0,
        })
    }
}
