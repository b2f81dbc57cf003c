//! Fourth room: policy. Is a proven key good for this request? Codes in the order of [`DenialCode`].

use crate::{
    claims::Claims,
    context::{CLOCK_SKEW_SECONDS, RequestContext},
    denial::DenialCode,
    keyring::{DISABLED, Policy, READ_ONLY, REVOKED, Record, UNREADABLE},
    permission,
};

/// What a verifier without a keyring demands of a signed key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatelessPolicy {
    pub(crate) allow_without_lifetime: bool,
}

/// A proven signed key, without a keyring: what can only be known from one is not so.
#[inline]
pub(crate) fn stateless(
    claims: Claims,
    policy: StatelessPolicy,
    context: &RequestContext<'_>,
) -> Result<(), DenialCode> {
    claims_hold(claims, context.now)?;
    if claims.expires_at().is_none() && !policy.allow_without_lifetime {
        return Err(DenialCode::LifetimeRequired);
    }
    if context.tenant.is_some() {
        return Err(DenialCode::WrongTenant);
    }
    if !context.permissions.is_empty() {
        return Err(DenialCode::InsufficientPermission);
    }
    Ok(())
}

#[inline]
fn claims_hold(claims: Claims, now: u64) -> Result<(), DenialCode> {
    if claims.issued_at() > now.saturating_add(CLOCK_SKEW_SECONDS) {
        return Err(DenialCode::NotYetValid);
    }
    if claims.expires_at().is_some_and(|expires_at| now >= expires_at) {
        return Err(DenialCode::Expired);
    }
    Ok(())
}

/// What is known of a proven key from a keyring.
pub(crate) struct Proven<'k> {
    /// Its own record, or the override of a signed key.
    pub(crate) record: Option<&'k Record>,
    pub(crate) claims: Option<Claims>,
    pub(crate) policy: Policy<'k>,
    /// Whether something beside record and policy is switched off: the issuing secret's policy.
    pub(crate) off: bool,
    /// Whether something beside record, claims and policy leaves only the read-only part of its rights.
    pub(crate) read_only: bool,
}

impl<'k> Proven<'k> {
    /// A key that is proved by this record.
    #[inline]
    pub(crate) fn of(record: Option<&'k Record>, policy: Policy<'k>) -> Self {
        Self { record, claims: None, policy, off: false, read_only: false }
    }
}

impl Proven<'_> {
    #[inline]
    fn has(&self, flag: u8) -> bool {
        self.record.is_some_and(|record| record.flags & flag != 0)
    }

    /// Whether only the read-only part of its rights may be used.
    #[inline]
    pub(crate) fn read_only(&self) -> bool {
        self.read_only
            || self.has(READ_ONLY)
            || self.claims.is_some_and(Claims::read_only)
            || self.policy.read_only()
    }

    /// When it stops being good: the earlier of what record and claims say.
    #[inline]
    pub(crate) fn expires_at(&self) -> Option<u64> {
        let record = self.record.map(|record| u64::from(record.expires_at)).filter(|&time| time != 0);
        let claims = self.claims.and_then(Claims::expires_at);
        record.into_iter().chain(claims).min()
    }
}

/// A proven key, with a keyring: presented with `prefix` (an imported one with none), at a time `now` that is not
/// before the keyring's issue.
#[inline]
pub(crate) fn with_keyring(
    proven: &Proven<'_>,
    prefix: Option<&[u8]>,
    now: u64,
    context: &RequestContext<'_>,
) -> Result<(), DenialCode> {
    let policy = &proven.policy;
    if proven.has(UNREADABLE) {
        return Err(DenialCode::KeyringInvalid);
    }
    if prefix.is_some_and(|prefix| !policy.has_prefix(prefix)) {
        return Err(DenialCode::WrongPrefix);
    }
    if proven.has(REVOKED) {
        return Err(DenialCode::Revoked);
    }
    if proven.has(DISABLED) || proven.off || policy.is_off() {
        return Err(DenialCode::Disabled);
    }
    if proven.record.is_some_and(|record| now < u64::from(record.not_before)) {
        return Err(DenialCode::NotYetValid);
    }
    if let Some(claims) = proven.claims {
        claims_hold(claims, now)?;
    }
    if proven.expires_at().is_some_and(|expires_at| now >= expires_at) {
        return Err(DenialCode::Expired);
    }
    if context.tenant.is_some_and(|tenant| tenant != policy.tenant()) {
        return Err(DenialCode::WrongTenant);
    }
    if !policy.allows_address(context.address) {
        return Err(DenialCode::IpNotAllowed);
    }
    let read_only = proven.read_only();
    let granted = |permission: &&str| {
        let permission = permission.as_bytes();
        permission::check(permission, false).is_ok()
            && (!read_only || permission::only_reads(permission))
            && policy.grants(permission)
    };
    if !context.permissions.iter().all(granted) {
        return Err(DenialCode::InsufficientPermission);
    }
    Ok(())
}
