//! The verifier: takes a presented key through the five rooms, with a keyring or with issuing secrets alone.

use crate::{
    context::RequestContext,
    issuing_key::IssuingKey,
    key_id::KeyId,
    keyring::{self, FreshnessRequirement, Keyring, KeyringError, KeyringKey, NeededPart, PartKind, Source},
    keyring_verifier::{KeyringInfo, KeyringVerifier, Replacement},
    prefix::KeyPrefix,
    stateless::Stateless,
    verdict::Verdict,
    verify_request::RequestProof,
};
use alloc::{sync::Arc, vec::Vec};
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
    fn verify_key(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'_>;
}

impl VerifyKey for Verifier {
    fn verify_key(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'_> {
        Verifier::verify_key(self, presented, context)
    }
}

/// Verifies keys, in one of two ways:
///
/// - [`with_keyring_keys`](Self::with_keyring_keys): with a *keyring*, which knows every key, its rights and whether it
///   was revoked. Verdicts say how old that knowledge is. Without a keyring that it can use, it denies.
/// - [`new`](Self::new): with nothing but *issuing secrets*. It proves signed keys, and their verdicts say that
///   revocation was not checked.
///
/// One never falls back to the other. Building allocates; verifying does not, but for the first time that a part of
/// the keyring is touched. Cloning shares the keyring, so that a clone may be given a newer one and then take the place
/// of the original while that still answers.
#[derive(Clone)]
pub struct Verifier {
    knowledge: Knowledge,
}

#[derive(Clone)]
enum Knowledge {
    Secrets(Stateless),
    Keyring(KeyringVerifier),
}

impl Verifier {
    /// A verifier that holds `issuing` and nothing else.
    ///
    /// Several secrets stand side by side, for several prefixes and for rotation: give it the old and the new version,
    /// issue under the new one, and drop the old one when its last key has expired. The example of the [crate] shows
    /// the whole path.
    ///
    /// # Errors
    /// [`VerifierError::NoSecrets`] if there are none, since it could only deny;
    /// [`VerifierError::DuplicateVersion`] if two have the same prefix and version, since a key names only these.
    #[inline]
    pub fn new(issuing: impl IntoIterator<Item = IssuingKey>) -> Result<Self, VerifierError> {
        Ok(Self { knowledge: Knowledge::Secrets(Stateless::new(issuing)?) })
    }

    /// A verifier that takes a keyring made with one of `keys`: one, or for the rotation of it two.
    ///
    /// Until [`replace_keyring`](Self::replace_keyring) has given it a keyring, every key is denied as
    /// `keyring_unavailable`. The example of [`KeyringBuilder`](crate::KeyringBuilder) shows the whole path.
    ///
    /// # Errors
    /// [`VerifierError::KeyringKeys`] if there is none, or more than two, or two with the same id.
    #[inline]
    pub fn with_keyring_keys(keys: impl IntoIterator<Item = KeyringKey>) -> Result<Self, VerifierError> {
        let keys: Vec<KeyringKey> = keys.into_iter().take(3).collect();
        match &keys[..] {
            [_] => {}
            [one, two] if one.id() != two.id() => {}
            _ => return Err(VerifierError::KeyringKeys),
        }
        Ok(Self { knowledge: Knowledge::Keyring(KeyringVerifier::new(keys)) })
    }

    /// Whether a verifier without keyring accepts keys that never expire (by default not). Only retiring their issuing
    /// secret ends them there. With a keyring it has no effect: such keys can be revoked.
    #[must_use]
    pub fn allow_keys_without_lifetime(mut self, allow: bool) -> Self {
        if let Knowledge::Secrets(stateless) = &mut self.knowledge {
            stateless.policy.allow_without_lifetime = allow;
        }
        self
    }

    /// Takes no keyring but this one. Otherwise the first one decides, and later ones have to have its id.
    #[must_use]
    pub fn keyring_id(mut self, keyring_id: KeyId) -> Self {
        if let Knowledge::Keyring(verifier) = &mut self.knowledge {
            verifier.keyring_id = Some(keyring_id);
        }
        self
    }

    /// How fresh the keyring must be for every request, beside what a request demands. A keyring below its
    /// `min_epoch` is not even taken. Without a keyring it has no effect.
    #[must_use]
    pub fn requiring(mut self, freshness: FreshnessRequirement) -> Self {
        if let Knowledge::Keyring(verifier) = &mut self.knowledge {
            verifier.required = freshness;
        }
        self
    }

    /// Demands a keyring of at least this epoch for every request from now on, if less was demanded, and takes none below
    /// it. Without a keyring it has no effect.
    pub fn raise_min_epoch(&mut self, min_epoch: u64) {
        if let Knowledge::Keyring(verifier) = &mut self.knowledge {
            verifier.required.min_epoch = verifier.required.min_epoch.max(min_epoch);
        }
    }

    /// Puts a keyring in the place of the present one: a bundle, whose parts are checked and read when they are
    /// touched, or a root alone, whose parts are [inserted](Self::insert_part). `now` is in Unix seconds.
    ///
    /// Parts that did not change are not read again.
    ///
    /// # Errors
    /// A [`KeyringError`]. The present keyring then stays in use.
    #[inline]
    pub fn replace_keyring(
        &mut self,
        keyring: impl AsRef<[u8]> + Send + Sync + 'static,
        now: u64,
    ) -> Result<Replacement, KeyringError> {
        let verifier = self.with_keyring_mut()?;
        let bytes = keyring.as_ref();
        if !keyring::is_bundle(bytes) {
            return verifier.replace(bytes, Source::Inserted, now);
        }
        let (root, offsets) = Keyring::split_bundle(bytes, bytes.len() as u64)?;
        let root = root.to_vec();
        verifier.replace(&root, Source::Bundle(Arc::new(keyring), offsets), now)
    }

    /// Puts the keyring in the place of the present one whose bundle has `bundle_len` bytes and starts with `head`
    /// (see [`bundle_head_len`](crate::bundle_head_len)). Its parts are [inserted](Self::insert_part) when they are
    /// needed; a verdict says where in the bundle they are.
    ///
    /// # Errors
    /// A [`KeyringError`]. The present keyring then stays in use.
    #[inline]
    pub fn replace_keyring_by_head(
        &mut self,
        head: &[u8],
        bundle_len: u64,
        now: u64,
    ) -> Result<Replacement, KeyringError> {
        let verifier = self.with_keyring_mut()?;
        let (root, offsets) = Keyring::split_bundle(head, bundle_len)?;
        verifier.replace(root, Source::InsertedFrom(offsets), now)
    }

    /// Inserts a part of the keyring that a verdict [needed](crate::Denied::needed).
    ///
    /// # Errors
    /// [`KeyringError::WrongHash`] if it is not what the root says, [`KeyringError::NoSuchPart`],
    /// [`KeyringError::Invalid`] or [`KeyringError::NoKeyring`].
    #[inline]
    pub fn insert_part(&self, part: PartKind, index: u32, bytes: &[u8]) -> Result<(), KeyringError> {
        match &self.knowledge {
            Knowledge::Secrets(_) => Err(KeyringError::NoKeyring),
            Knowledge::Keyring(verifier) => verifier.insert(part, index, bytes),
        }
    }

    /// Says that this part is being fetched, and may not be there yet: a root can be seen before its parts are.
    ///
    /// Until it is [inserted](Self::insert_part), the keyring before the present one decides about the keys that need it,
    /// for as long as that one is valid: its verdicts tell its epoch and age. It decides only where it proves the key;
    /// otherwise the part stays needed. A part that was here before is not awaited any more: what it said stays said.
    ///
    /// Whoever calls this goes on fetching, since a key that was revoked in the part is good until it comes.
    #[inline]
    pub fn await_part(&self, part: &NeededPart) {
        if let Knowledge::Keyring(verifier) = &self.knowledge {
            verifier.await_part(part);
        }
    }

    /// [Awaits](Self::await_part) every part that was here when the keyring was replaced, and has changed: so keys that
    /// are in use go on being verified while what is new of them is fetched.
    #[inline]
    pub fn await_changed_parts(&self) {
        if let Knowledge::Keyring(verifier) = &self.knowledge {
            verifier.await_changed_parts();
        }
    }

    /// The parts of the present keyring that are [awaited](Self::await_part).
    #[must_use]
    #[inline]
    pub fn awaited_parts(&self) -> Vec<NeededPart> {
        match &self.knowledge {
            Knowledge::Secrets(_) => Vec::new(),
            Knowledge::Keyring(verifier) => verifier.awaited_parts().collect(),
        }
    }

    /// How many bytes of memory the parts of the keyring take that are here.
    #[must_use]
    pub fn parts_size(&self) -> usize {
        match &self.knowledge {
            Knowledge::Secrets(_) => 0,
            Knowledge::Keyring(verifier) => verifier.parts_size(),
        }
    }

    /// Gives parts of the keyring up until those that are left take less than `limit` bytes of memory, but for the last
    /// eight that came. They are needed again when somebody asks for a key in them.
    ///
    /// Parts that nobody has proved a key with go first, so that made-up keys never drive out what real requests use: of
    /// the others, which go when there is need and have not been used for longest, seven eighths of the limit are for.
    /// With a keyring in memory as a whole it has the parts read again, so there a limit only costs time.
    #[inline]
    pub fn evict_parts(&mut self, limit: usize) {
        if let Knowledge::Keyring(verifier) = &mut self.knowledge {
            verifier.evict(limit);
        }
    }

    /// The keyring that is in use.
    #[must_use]
    #[inline]
    pub fn keyring(&self) -> Option<KeyringInfo> {
        match &self.knowledge {
            Knowledge::Secrets(_) => None,
            Knowledge::Keyring(verifier) => verifier.info(),
        }
    }

    fn with_keyring_mut(&mut self) -> Result<&mut KeyringVerifier, KeyringError> {
        match &mut self.knowledge {
            Knowledge::Secrets(_) => Err(KeyringError::NoKeyring),
            Knowledge::Keyring(verifier) => Ok(verifier),
        }
    }

    /// What this verifier says about a presented key: text or any bytes, of any length.
    #[inline]
    pub fn verify_key(&self, presented: impl AsRef<[u8]>, context: &RequestContext<'_>) -> Verdict<'_> {
        self.verify_bytes(presented.as_ref(), context)
    }

    /// What it says about a signature.
    pub(crate) fn verify_proof(&self, proof: &RequestProof<'_>, context: &RequestContext<'_>) -> Verdict<'_> {
        match &self.knowledge {
            Knowledge::Secrets(stateless) => stateless.verify_signed(proof, context),
            Knowledge::Keyring(verifier) => verifier.verify_signed(proof, context),
        }
    }

    #[inline]
    fn verify_bytes(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'_> {
        match &self.knowledge {
            Knowledge::Secrets(stateless) => stateless.verify(presented, context),
            Knowledge::Keyring(verifier) => verifier.verify(presented, context),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.knowledge {
            Knowledge::Secrets(stateless) => formatter.debug_tuple("Verifier").field(stateless).finish(),
            Knowledge::Keyring(verifier) => {
                formatter.debug_tuple("Verifier").field(&verifier.info()).finish()
            }
        }
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
    /// There is no keyring key, or more than two, or two with the same id.
    KeyringKeys,
}

impl fmt::Display for VerifierError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecrets => formatter.write_str("a verifier needs at least one issuing secret"),
            Self::DuplicateVersion { prefix, version } => write!(
                formatter,
                "two issuing secrets have version {version} for prefix {prefix}; give each a version of its own"
            ),
            Self::KeyringKeys => formatter
                .write_str("a verifier takes one keyring key, or during its rotation two with different ids"),
        }
    }
}

impl core::error::Error for VerifierError {}
