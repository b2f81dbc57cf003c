//! Verifying with a keyring: keys that can be revoked, and a verdict that says how old its knowledge is.

use crate::{
    authenticate,
    claims::Claims,
    context::{CLOCK_SKEW_SECONDS, RequestContext},
    credential::{self, Credential},
    decide::{self, Proven},
    denial::{DenialClass, DenialCode},
    key_id::KeyId,
    keyring::{
        self, Freshness, FreshnessRequirement, Keyring, KeyringError, KeyringKey, NeededPart, PartKind,
        Record, RingIssuer, Root, Source, Unknown,
    },
    mac::MacKey,
    parse::{KeyKind, Parsed},
    prefix::KeyPrefix,
    resolve::{self, Issuer},
    verdict::{Denied, Verdict, Verified},
    verifier_value::Extractors,
    verify_request::RequestProof,
};
use alloc::{sync::Arc, vec::Vec};

/// What is known of the keyring that a verifier uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KeyringInfo {
    /// The id of the keyring.
    pub keyring_id: KeyId,
    /// The id of the keyring key that it was made with.
    pub keyring_key_id: KeyId,
    /// Its epoch.
    pub epoch: u64,
    /// When it was issued, in Unix seconds.
    pub issued_at: u64,
    /// For how many seconds from then on verdicts say `fresh`.
    pub fresh_for: u32,
    /// For how many seconds from then on it is used at all.
    pub valid_for: u32,
}

/// Bytes of a [`KeyringInfo`] at the border of a WebAssembly instance.
pub const KEYRING_INFO_LEN: usize = 40;

impl KeyringInfo {
    /// The form in which it crosses the border of a WebAssembly instance: keyring id, keyring key id, epoch and
    /// issued-at as u64, then `fresh_for` and `valid_for` as u32, all little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; KEYRING_INFO_LEN] {
        let lifetime = u64::from(self.valid_for) << 32 | u64::from(self.fresh_for);
        let (id, key_id) = (self.keyring_id.as_u64(), self.keyring_key_id.as_u64());
        let mut bytes = [0; KEYRING_INFO_LEN];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (slot, number) in words.iter_mut().zip([id, key_id, self.epoch, self.issued_at, lifetime]) {
            *slot = number.to_le_bytes();
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEYRING_INFO_LEN]) -> Self {
        let mut numbers = [0; KEYRING_INFO_LEN / 8];
        for (slot, word) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *slot = u64::from_le_bytes(*word);
        }
        let [id, key_id, epoch, issued_at, lifetime] = numbers;
        Self {
            keyring_id: KeyId::from_u64(id),
            keyring_key_id: KeyId::from_u64(key_id),
            epoch,
            issued_at,
            fresh_for: lifetime as u32,
            valid_for: (lifetime >> 32) as u32,
        }
    }
}

/// What became of a keyring that was given to a verifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replacement {
    /// It is in use.
    Replaced,
    /// It is the one that is in use already. If it came as a bundle, parts are read from that from now on.
    Unchanged,
}

#[derive(Clone)]
pub(crate) struct KeyringVerifier {
    keys: Vec<KeyringKey>,
    pub(crate) keyring_id: Option<KeyId>,
    pub(crate) required: FreshnessRequirement,
    pub(crate) extractors: Extractors,
    pub(crate) stand_in: MacKey,
    keyring: Option<Arc<Keyring>>,
    /// Those before it, the latest first: each decides where a part of the one after it is awaited.
    earlier: Vec<Arc<Keyring>>,
}

/// The most earlier keyrings: more roots than are published while a part is on its way.
const MOST_EARLIER: usize = 4;

/// Why a key is denied by a keyring.
pub(crate) struct Refusal {
    code: DenialCode,
    needed: Option<NeededPart>,
    /// The id of an imported key, which only its proof tells.
    key_id: Option<KeyId>,
}

impl Refusal {
    /// The denial of a key that was presented with this id.
    pub(crate) fn into_verdict<'k>(self, key_id: Option<KeyId>, freshness: Freshness) -> Verdict<'k> {
        let Self { code, needed, key_id: of_proof } = self;
        Verdict::Denied(Denied { code, key_id: of_proof.or(key_id), freshness: Some(freshness), needed })
    }
}

/// How a request and a keyring stand in time.
pub(crate) struct Moment {
    pub(crate) now: u64,
    age: u64,
    pub(crate) freshness: Freshness,
}

impl Moment {
    #[inline]
    pub(crate) fn of(root: &Root, context: &RequestContext<'_>) -> Self {
        // A clock that is behind the keyring's cannot know better than the keyring.
        let now = context.now.max(root.issued_at);
        let age = now.saturating_sub(root.issued_at);
        let freshness = if age < root.fresh_for.into() {
            Freshness::Fresh { epoch: root.epoch, age }
        } else {
            Freshness::Stale { epoch: root.epoch, age }
        };
        Self { now, age, freshness }
    }
}

impl From<DenialCode> for Refusal {
    fn from(code: DenialCode) -> Self {
        Self { code, needed: None, key_id: None }
    }
}

impl From<Unknown> for Refusal {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Needed(part) => {
                Self { code: DenialCode::KeyringUnavailable, needed: Some(part), key_id: None }
            }
            Unknown::Invalid => DenialCode::KeyringInvalid.into(),
            Unknown::Overruled => DenialCode::KeyringUnavailable.into(),
        }
    }
}

impl KeyringVerifier {
    #[inline]
    pub(crate) fn new(keys: Vec<KeyringKey>) -> Self {
        Self {
            keys,
            keyring_id: None,
            required: FreshnessRequirement::default(),
            extractors: Extractors::new(),
            stand_in: MacKey::stand_in(),
            keyring: None,
            earlier: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn info(&self) -> Option<KeyringInfo> {
        self.keyring.as_ref().map(|keyring| KeyringInfo {
            keyring_id: keyring.root.keyring_id,
            keyring_key_id: keyring.root.keyring_key_id,
            epoch: keyring.root.epoch,
            issued_at: keyring.root.issued_at,
            fresh_for: keyring.root.fresh_for,
            valid_for: keyring.root.valid_for,
        })
    }

    #[inline]
    pub(crate) fn replace(
        &mut self,
        root: &[u8],
        source: Source,
        now: u64,
    ) -> Result<Replacement, KeyringError> {
        let present = self.keyring.as_deref();
        let pinned = self.keyring_id.or(present.map(|keyring| keyring.root.keyring_id));
        let mut keyring = Keyring::open(root, source, &self.keys, pinned)?;
        let (epoch, issued_at) = (keyring.root.epoch, keyring.root.issued_at);
        if issued_at > now.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(KeyringError::IssuedInFuture { issued_at, now });
        }
        let least = present.map_or(0, |keyring| keyring.root.epoch).max(self.required.min_epoch);
        if epoch < least {
            return Err(KeyringError::OlderEpoch { least, offered: epoch });
        }
        if let Some(present) = present {
            let same = keyring.is_same_as(present);
            if !same && epoch == present.root.epoch {
                return Err(KeyringError::SameEpochOtherContent { epoch });
            }
            keyring.adopt(present);
            if same {
                // Its parts may have been damaged on their first way here, and be whole now.
                if keyring.has_bundle() {
                    self.earlier.clear();
                    self.keyring = Some(Arc::new(keyring));
                }
                return Ok(Replacement::Unchanged);
            }
        }
        self.put(keyring);
        Ok(Replacement::Replaced)
    }

    /// Puts another keyring in the place of the present one, which stays for as long as parts may be on their way.
    #[inline]
    fn put(&mut self, keyring: Keyring) {
        let whole = keyring.has_bundle();
        let Some(present) = self.keyring.replace(Arc::new(keyring)) else { return };
        if whole || present.awaited().next().is_none() {
            // Whatever was asked of the earlier ones, the present one could have said.
            self.earlier.clear();
        }
        if !whole {
            self.earlier.insert(0, present);
            self.earlier.truncate(MOST_EARLIER);
        }
    }

    /// The keyrings from the present one to the earliest.
    fn all(&self) -> impl Iterator<Item = &Keyring> {
        self.keyring.iter().chain(&self.earlier).map(|keyring| &**keyring)
    }

    #[inline]
    pub(crate) fn insert(&self, part: PartKind, index: u32, bytes: &[u8]) -> Result<(), KeyringError> {
        let keyring = self.keyring.as_ref().ok_or(KeyringError::NoKeyring)?;
        let mut taken = keyring.insert(part, index, bytes);
        let mut by = keyring;
        let mut earlier = self.earlier.iter();
        while taken.is_err()
            && let Some(next) = earlier.next()
        {
            if next.insert(part, index, bytes).is_ok() {
                (taken, by) = (Ok(()), next);
            }
        }
        if taken.is_ok() {
            earlier.for_each(|earlier| earlier.follow(by, part, index));
        }
        taken
    }

    #[inline]
    pub(crate) fn await_part(&self, part: &NeededPart) {
        for keyring in self.all() {
            keyring.await_part(part.part, part.index, &part.hash);
        }
    }

    #[inline]
    pub(crate) fn await_changed_parts(&self) {
        if let (Some(keyring), Some(before)) = (&self.keyring, self.earlier.first()) {
            keyring.await_changed(before);
        }
    }

    #[inline]
    pub(crate) fn awaited_parts(&self) -> impl Iterator<Item = NeededPart> {
        self.keyring.iter().flat_map(|keyring| keyring.awaited())
    }

    pub(crate) fn parts_size(&self) -> usize {
        self.keyring.as_ref().map_or(0, |keyring| keyring.held())
    }

    #[inline]
    pub(crate) fn evict(&mut self, limit: usize) {
        let Some(keyring) = &mut self.keyring else { return };
        let too_much = keyring.held() > limit;
        if too_much {
            Arc::make_mut(keyring).evict(limit);
        }
        // What they share with the present one is counted with each.
        let earlier = self.earlier.iter().fold(0, |size: usize, earlier| size.saturating_add(earlier.held()));
        if too_much || earlier > limit {
            let mut next = Arc::clone(keyring);
            for earlier in &mut self.earlier {
                Arc::make_mut(earlier).give_up_all_but_awaited(&next);
                next = Arc::clone(earlier);
            }
        }
    }

    #[inline]
    pub(crate) fn verify(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'_> {
        let Some(keyring) = self.keyring.as_deref() else { return without_keyring(presented) };
        if self.earlier.is_empty() {
            return self.verify_with(keyring, presented, context);
        }
        let verdict = self.verify_with(keyring, presented, context);
        self.or_earlier(keyring, verdict, &|keyring| self.verify_with(keyring, presented, context))
    }

    /// What is known of a request that is signed.
    pub(crate) fn verify_signed(
        &self,
        proof: &RequestProof<'_>,
        context: &RequestContext<'_>,
    ) -> Verdict<'_> {
        let Some(keyring) = self.keyring.as_deref() else {
            return Verdict::denied(DenialCode::KeyringUnavailable, Some(proof.name.id()));
        };
        let verdict = self.verify_signed_with(keyring, proof, context);
        self.or_earlier(keyring, verdict, &|keyring| self.verify_signed_with(keyring, proof, context))
    }

    /// A verdict, or that of an earlier keyring where a part is on its way.
    #[inline]
    fn or_earlier<'k>(
        &'k self,
        keyring: &'k Keyring,
        verdict: Verdict<'k>,
        verify: &dyn Fn(&'k Keyring) -> Verdict<'k>,
    ) -> Verdict<'k> {
        match &verdict {
            Verdict::Denied(Denied { needed: Some(needed), .. }) => {
                let needed = *needed;
                self.verify_with_earlier(keyring, needed, verdict, verify)
            }
            _ => verdict,
        }
    }

    /// While a part of a keyring is on its way, the keyring before it decides, if it can. What it does not know, or
    /// knows another way, may stand in the part: that is not decided, and `present` stays the verdict.
    #[cold]
    #[inline(never)]
    fn verify_with_earlier<'k>(
        &'k self,
        keyring: &'k Keyring,
        needed: NeededPart,
        present: Verdict<'k>,
        verify: &dyn Fn(&'k Keyring) -> Verdict<'k>,
    ) -> Verdict<'k> {
        let (mut keyring, mut needed) = (keyring, needed);
        for earlier in &self.earlier {
            if !keyring.is_awaited(needed.part, needed.index) {
                break;
            }
            let verdict = verify(earlier);
            match &verdict {
                Verdict::Denied(Denied { needed: Some(part), .. }) => {
                    (keyring, needed) = (earlier, *part);
                    if !keyring.is_awaited(needed.part, needed.index) {
                        return verdict;
                    }
                }
                Verdict::Denied(denied) if denied.code.class() != DenialClass::Policy => break,
                _ => return verdict,
            }
        }
        present
    }

    /// One copy of the whole path, compiled for speed, also for callers that are compiled for size.
    #[inline(never)]
    fn verify_with<'k>(
        &'k self,
        keyring: &'k Keyring,
        presented: &[u8],
        context: &RequestContext<'_>,
    ) -> Verdict<'k> {
        let moment = Moment::of(&keyring.root, context);
        let denied = |refusal: Refusal, key_id| refusal.into_verdict(key_id, moment.freshness);
        let credential = match credential::read(presented) {
            Ok(credential) => credential,
            Err(code) => return denied(code.into(), None),
        };
        let key_id = match &credential {
            Credential::Native(parsed) => Some(parsed.id()),
            Credential::Foreign(_) if keyring.root.import_schemes == 0 => {
                return denied(DenialCode::Malformed.into(), None);
            }
            Credential::Foreign(_) => None,
        };
        if let Err(code) = self.decides_at(&keyring.root, &moment, context) {
            return denied(code.into(), key_id);
        }
        let request = Request { context, now: moment.now, freshness: moment.freshness };
        let verdict = match &credential {
            Credential::Native(parsed) => self.native(keyring, parsed, &request),
            Credential::Foreign(text) => self.imported(keyring, text, &request),
        };
        match verdict {
            Ok(verified) => Verdict::Verified(verified),
            Err(refusal) => denied(refusal, key_id),
        }
    }

    /// Whether the keyring may still decide, and is as fresh as it has to be.
    #[inline]
    pub(crate) fn decides_at(
        &self,
        root: &Root,
        moment: &Moment,
        context: &RequestContext<'_>,
    ) -> Result<(), DenialCode> {
        if moment.age >= root.valid_for.into() {
            return Err(DenialCode::KeyringExpired);
        }
        let freshness = moment.freshness;
        if !(self.required.allows(freshness) && context.freshness.allows(freshness)) {
            return Err(DenialCode::KeyringStale);
        }
        Ok(())
    }

    #[inline]
    fn native<'k>(
        &self,
        keyring: &'k Keyring,
        parsed: &Parsed<'_>,
        request: &Request<'_>,
    ) -> Result<Verified<'k>, Refusal> {
        let (proven, policy_index) = match parsed.kind() {
            KeyKind::Signed => self.signed(keyring, parsed)?,
            KeyKind::AccessToken => self.access_token(keyring, parsed)?,
            _ => self.opaque(keyring, parsed)?,
        };
        let prefix = parsed.prefix_bytes();
        decide::with_keyring(&proven, Some(prefix), request.now, request.context)?;
        Ok(verified(
            parsed.id(),
            parsed.kind(),
            KeyPrefix::from_checked(prefix),
            proven,
            policy_index,
            request,
        ))
    }

    /// A random key: its record proves it.
    #[inline]
    fn opaque<'k>(&self, keyring: &'k Keyring, parsed: &Parsed<'_>) -> Result<(Proven<'k>, u32), Refusal> {
        // The record is on its way from memory while the value is computed.
        let records = keyring.records(parsed.kind().number(), parsed.id())?;
        let extractor = match parsed.kind() {
            KeyKind::OpaqueSigning => &self.extractors.sign,
            _ => &self.extractors.bearer,
        };
        let value = extractor.tag(parsed.secret_characters());
        let record = authenticate::value(value, records)?;
        keyring.mark_used(parsed.id());
        Ok((proven(keyring, record)?, record.policy))
    }

    /// A key that an issuing secret made: that proves it, and an override may say more of it.
    #[inline]
    fn signed<'k>(&self, keyring: &'k Keyring, parsed: &Parsed<'_>) -> Result<(Proven<'k>, u32), Refusal> {
        let issuer = resolve::issuer(parsed, &keyring.issuing)?;
        let mac = issuer.key.map(|issuer| issuer.key.signed_key_mac());
        authenticate::signed_key(parsed, mac, &self.stand_in)?;
        signed_key(keyring, &issuer, parsed.id())
    }

    /// A token of an API client: bound to the client's live record.
    #[inline]
    fn access_token<'k>(
        &self,
        keyring: &'k Keyring,
        parsed: &Parsed<'_>,
    ) -> Result<(Proven<'k>, u32), Refusal> {
        let issuer = resolve::issuer(parsed, &keyring.issuing)?;
        let mac = issuer.key.map(|issuer| issuer.key.access_token_mac());
        let prove = |kind: KeyKind| {
            let records = keyring.records(kind.number(), parsed.id())?;
            Ok::<_, Refusal>(authenticate::access_token(parsed, records, mac, &self.stand_in))
        };
        let record = match prove(KeyKind::Opaque)? {
            // Of a client that signs.
            Err(code) => match prove(KeyKind::OpaqueSigning)? {
                Err(DenialCode::UnknownKey) => return Err(code.into()),
                proven => proven?,
            },
            Ok(record) => record,
        };
        keyring.mark_used(parsed.id());
        let proven = proven(keyring, record)?;
        // A secret is of one tenant, and makes tokens for its clients only.
        let of_issuer = keyring.policy(issuer.key.map_or(0, |issuer| issuer.policy))?;
        if of_issuer.tenant() != proven.policy.tenant() {
            return Err(DenialCode::BadSecret.into());
        }
        if issuer.claims.expires_at().is_none() {
            return Err(DenialCode::LifetimeRequired.into());
        }
        Ok((Proven { claims: Some(issuer.claims), ..proven }, record.policy))
    }

    /// A key that was made elsewhere: known by its digest.
    #[inline(never)]
    fn imported<'k>(
        &self,
        keyring: &'k Keyring,
        text: &[u8],
        request: &Request<'_>,
    ) -> Result<Verified<'k>, Refusal> {
        let mut refusal = Refusal::from(DenialCode::UnknownKey);
        for scheme in keyring.root.import_schemes() {
            let Some(digest) = scheme.digest(text) else { continue };
            let id = keyring::imported_record_id(&keyring.import, &digest);
            let records = keyring.records(KeyKind::Imported.number(), id)?;
            let value = self.extractors.import.tag(digest.as_bytes());
            match authenticate::value(value, records) {
                Ok(record) => {
                    keyring.mark_used(id);
                    let proven = proven(keyring, record)?;
                    // Without a public id and a prefix there is nothing to call it by.
                    let prefix = KeyPrefix::new(proven.policy.prefix()).ok();
                    let (key_id, prefix) =
                        proven.policy.key_id().zip(prefix).ok_or(DenialCode::KeyringInvalid)?;
                    decide::with_keyring(&proven, None, request.now, request.context)
                        .map_err(|code| Refusal { key_id: Some(key_id), ..code.into() })?;
                    return Ok(verified(key_id, KeyKind::Imported, prefix, proven, record.policy, request));
                }
                Err(code) => refusal = code.into(),
            }
        }
        Err(refusal)
    }
}

/// Of a text that is no key, that is said also without a keyring.
#[cold]
#[inline(never)]
fn without_keyring(presented: &[u8]) -> Verdict<'static> {
    let (code, key_id) = match credential::read(presented) {
        Ok(Credential::Native(parsed)) => (DenialCode::KeyringUnavailable, Some(parsed.id())),
        Ok(Credential::Foreign(_)) => (DenialCode::KeyringUnavailable, None),
        Err(code) => (code, None),
    };
    Verdict::denied(code, key_id)
}

/// One request, at a time that is not before the keyring's issue.
pub(crate) struct Request<'r> {
    pub(crate) context: &'r RequestContext<'r>,
    pub(crate) now: u64,
    pub(crate) freshness: Freshness,
}

/// What is known of a signed key that is proved.
#[inline]
pub(crate) fn signed_key<'k>(
    keyring: &'k Keyring,
    issuer: &Issuer<'k, RingIssuer>,
    id: KeyId,
) -> Result<(Proven<'k>, u32), Refusal> {
    let claims = Some(issuer.claims);
    let (secret, issuer_policy) = issuer
        .key
        .map_or((None, 0), |issuer| (Some(issuer.key.secret_id().as_u64().to_le_bytes()), issuer.policy));
    // Only now, so that a key that nobody issued never makes anybody fetch a part. An override is for the key that
    // this secret made, whoever else chose the same id.
    let records = keyring.records(KeyKind::Signed.number(), id)?;
    keyring.mark_used(id);
    let own = |record: &&Record| Some(record.iv) == secret && record.version == issuer.claims.version();
    let policy = keyring.policy(issuer_policy);
    let Some(record) = records.iter().find(own) else {
        return Ok((Proven { claims, ..Proven::of(None, policy?) }, issuer_policy));
    };
    let selected = policy.and_then(|policy| {
        let selected = keyring.policy(record.policy)?;
        if selected.tenant() == policy.tenant() { Ok((policy, selected)) } else { Err(Unknown::Invalid) }
    });
    let (policy, selected) = selected.map_err(|unknown| revoked_or(unknown, record))?;
    // Another policy, never more: what is off or read only for the secret is so for its keys.
    let (off, read_only) = (policy.is_off(), policy.read_only());
    Ok((Proven { claims, off, read_only, ..Proven::of(Some(record), selected) }, record.policy))
}

#[inline]
pub(crate) fn proven<'k>(keyring: &'k Keyring, record: &'k Record) -> Result<Proven<'k>, Refusal> {
    let policy = keyring.policy(record.policy).map_err(|unknown| revoked_or(unknown, record))?;
    Ok(Proven::of(Some(record), policy))
}

/// What is revoked is revoked, whether or not its policy can still be had.
fn revoked_or(unknown: Unknown, record: &Record) -> Refusal {
    match unknown {
        Unknown::Invalid if record.flags & keyring::REVOKED != 0 => DenialCode::Revoked.into(),
        unknown => unknown.into(),
    }
}

#[inline]
pub(crate) fn verified<'k>(
    key_id: KeyId,
    kind: KeyKind,
    prefix: KeyPrefix,
    proven: Proven<'k>,
    policy_index: u32,
    request: &Request<'_>,
) -> Verified<'k> {
    Verified {
        key_id,
        kind,
        prefix,
        read_only: proven.read_only(),
        issued_at: proven.claims.map(Claims::issued_at),
        expires_at: proven.expires_at(),
        policy: Some(proven.policy),
        freshness: request.freshness,
        policy_index,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        IssuingKey, KeyRecord, KeyringBuilder, KeyringSecret, KeyringTerms, OpaqueUse, Policy, PolicyTerms,
        Purpose, SharedSecret, SignedKeyTerms, Verifier, VerifierValue, generate_opaque_key,
        mac::tests::compressions, parse,
    };
    use std::{string::String, vec::Vec};

    fn opaque(number: u64, usage: OpaqueUse) -> (KeyId, String) {
        let mut entropy = [number as u8; 40];
        entropy[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let (id, text) = generate_opaque_key(&KeyPrefix::new("acme_live").unwrap(), usage, &entropy);
        (id, text.expose().into())
    }

    /// A keyring of opaque keys, and an issuing secret.
    fn ring(keys: u64, secret: &SharedSecret) -> Verifier {
        signing_ring(keys, secret, OpaqueUse::Bearer, false)
    }

    fn signing_ring(keys: u64, secret: &SharedSecret, usage: OpaqueUse, signs: bool) -> Verifier {
        let prefix = KeyPrefix::new("acme_live").unwrap();
        let key = KeyringKey::generate(&[1; 40]);
        let mut builder = KeyringBuilder::new(&key, KeyringTerms::new(KeyId::from_u64(1)), keys as usize);
        let records: Vec<KeyRecord> = (0..keys)
            .map(|number| {
                let (id, text) = opaque(number, usage);
                let parsed = parse(&text).unwrap();
                KeyRecord::new(id, parsed.kind(), VerifierValue::of_key(&parsed).unwrap(), 0)
            })
            .collect();
        let mut parts = Vec::new();
        for bucket in 0..builder.buckets() {
            let records: Vec<KeyRecord> =
                records.iter().filter(|record| builder.bucket_of(record.id) == bucket).cloned().collect();
            parts.extend(builder.set_bucket(bucket, &records).unwrap());
        }
        let policy = Policy::new(&PolicyTerms::new(prefix, "tenant", "owner")).unwrap();
        parts.push(builder.set_page(0, &[Some(policy)]).unwrap());
        let secret = KeyringSecret::issuing(secret, prefix, 0);
        builder.set_shared_secrets(&[if signs { secret.for_signing() } else { secret }]).unwrap();
        let root = builder.finish(1, 1_790_000_000).unwrap();
        let part = |hash: &[u8; 32]| parts.iter().find(|part| part.hash == *hash).map(|part| &part.bytes[..]);
        let mut verifier = Verifier::with_keyring_keys([key]).unwrap();
        verifier.replace_keyring(builder.bundle(&root, part).unwrap(), 1_790_000_000).unwrap();
        verifier
    }

    /// What is counted is exact, and the same on every machine: two compressions for the value of an opaque key,
    /// two for the secret of a signed one.
    #[test]
    fn an_unknown_key_costs_the_compressions_of_a_known_one_however_many_there_are() {
        let secret = SharedSecret::generate(Purpose::Issuing, 1, &[2; 40]);
        let issuer =
            |secret: &SharedSecret| IssuingKey::new(KeyPrefix::new("acme_live").unwrap(), secret).unwrap();
        let signed = |version| {
            let secret = SharedSecret::generate(Purpose::Issuing, version, &[2; 40]);
            let terms = SignedKeyTerms::expiring(1_790_000_000, 60);
            let key = issuer(&secret).generate(&[9; 8], terms).unwrap();
            let token = issuer(&secret)
                .generate_access_token(
                    opaque(1, OpaqueUse::Bearer).0,
                    &VerifierValue::from_bytes([7; 32]),
                    terms,
                )
                .unwrap();
            (String::from(key.expose()), String::from(token.expose()))
        };
        for keys in [10, 5000] {
            let verifier = ring(keys, &secret);
            let cost = |text: &str| {
                // Warm: every part that it touches was touched before.
                let _ = verifier.verify_key(text, &RequestContext::at(1_790_000_000));
                let (cost, verdict) =
                    compressions(|| verifier.verify_key(text, &RequestContext::at(1_790_000_000)).denial());
                (verdict, cost)
            };
            let known = opaque(3, OpaqueUse::Bearer).1;
            assert_eq!(cost(&known), (None, 2), "{keys} keys");
            for number in keys..keys + 50 {
                assert_eq!(cost(&opaque(number, OpaqueUse::Bearer).1), (Some(DenialCode::UnknownKey), 2));
            }
            assert_eq!(cost(&opaque(3, OpaqueUse::BearerAndSigning).1), (Some(DenialCode::UnknownKey), 2));
            assert_eq!(cost(&signed(1).0), (None, 2));
            assert_eq!(cost(&signed(2).0), (Some(DenialCode::UnknownKey), 2));
            // A token is tried as one of a bearer client and as one of a client that signs.
            assert_eq!(cost(&signed(1).1), (Some(DenialCode::BadSecret), 6));
            assert_eq!(cost(&signed(2).1), (Some(DenialCode::UnknownKey), 6));
        }
    }

    /// The same for signed requests: whether a key is known, and whether it may sign, does not show in what it costs.
    #[test]
    fn a_signature_of_an_unknown_key_costs_the_compressions_of_one_of_a_known_key() {
        use crate::{HttpRequest, RequestSigner, SignaturePolicy, SignatureTerms};
        let secret = SharedSecret::generate(Purpose::Issuing, 1, &[2; 40]);
        let now = 1_790_000_000;
        let signed = |version, bytes| {
            let secret = SharedSecret::generate(Purpose::Issuing, version, &[bytes; 40]);
            let issuer = IssuingKey::new(KeyPrefix::new("acme_live").unwrap(), &secret).unwrap();
            let key = issuer.generate(&[9; 8], SignedKeyTerms::expiring(now, 60)).unwrap();
            String::from(key.expose())
        };
        for (signs, keys) in [(false, 10), (true, 5000)] {
            let verifier = signing_ring(keys, &secret, OpaqueUse::BearerAndSigning, signs);
            let cost = |text: &str| {
                let signer = RequestSigner::from_key(text).unwrap();
                let request = HttpRequest::new("GET", "https://api.example/", &[]).unwrap();
                let signed = signer.sign(&request, &SignatureTerms::at(now)).unwrap();
                let fields = [
                    ("signature-input", signed.signature_input.as_bytes()),
                    ("signature", signed.signature.as_bytes()),
                ];
                let request = HttpRequest::new("GET", "https://api.example/", &fields).unwrap();
                let context = RequestContext::at(now);
                let ask = || verifier.verify_request(&request, &SignaturePolicy::default(), &context);
                let _ = ask();
                let (cost, pending) = compressions(ask);
                (pending.accept_replays().denial(), cost)
            };
            let (verdict, known) = cost(&opaque(3, OpaqueUse::BearerAndSigning).1);
            assert_eq!(verdict, None, "{keys} keys");
            for number in keys..keys + 50 {
                let unknown = cost(&opaque(number, OpaqueUse::BearerAndSigning).1);
                assert_eq!(unknown, (Some(DenialCode::UnknownKey), known));
            }
            let (verdict, known) = cost(&signed(1, 2));
            assert_eq!(verdict, if signs { None } else { Some(DenialCode::UnknownKey) });
            assert_eq!(cost(&signed(2, 2)), (Some(DenialCode::UnknownKey), known));
            let forged = if signs { DenialCode::BadSignature } else { DenialCode::UnknownKey };
            assert_eq!(cost(&signed(1, 3)), (Some(forged), known));
        }
    }
}
