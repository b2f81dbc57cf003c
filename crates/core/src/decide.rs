//! Fourth room: policy. Is a proven key good for this request? Codes in the order of [`DenialCode`].

use crate::{
    claims::Claims,
    context::{CLOCK_SKEW_SECONDS, RequestContext},
    denial::DenialCode,
};

/// What a verifier without a keyring demands of a signed key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatelessPolicy {
    pub(crate) allow_without_lifetime: bool,
}

#[inline]
pub(crate) fn signed_key(
    claims: Claims,
    policy: StatelessPolicy,
    context: &RequestContext,
) -> Result<(), DenialCode> {
    if claims.issued_at() > context.now.saturating_add(CLOCK_SKEW_SECONDS) {
        return Err(DenialCode::NotYetValid);
    }
    match claims.expires_at() {
        Some(expires_at) if context.now >= expires_at => Err(DenialCode::Expired),
        None if !policy.allow_without_lifetime => Err(DenialCode::LifetimeRequired),
        _ => Ok(()),
    }
}
