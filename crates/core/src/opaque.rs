//! Making opaque keys: a random id and a random secret, which only a keyring or a store can prove.

use crate::{key_id::KeyId, prefix::KeyPrefix, shared_secret::split_entropy, text::SecretText};
use zeroize::Zeroize;

/// What an opaque key may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OpaqueUse {
    /// The key itself is presented. What verifiers keep of it cannot be used to pose as its holder.
    Bearer,
    /// The key may also sign requests without being sent. Verifiers then hold what signs.
    BearerAndSigning,
}

/// Makes an opaque key from 40 random bytes of the operating system, used once: 8 for the id, 32 for the secret.
///
/// ```
/// use claviger_core::{KeyPrefix, OpaqueUse, generate_opaque_key};
///
/// let (id, key) = generate_opaque_key(&KeyPrefix::new("acme_live")?, OpaqueUse::Bearer, &[7; 40]);
/// assert!(key.expose().starts_with(&format!("acme_live_{id}_k")));
/// # Ok::<(), claviger_core::PrefixError>(())
/// ```
#[must_use]
#[inline]
pub fn generate_opaque_key(prefix: &KeyPrefix, usage: OpaqueUse, entropy: &[u8; 40]) -> (KeyId, SecretText) {
    let (id, mut secret) = split_entropy(entropy);
    let mut text = SecretText::empty();
    text.push(prefix.as_bytes());
    text.push(b"_");
    text.push(&id.to_characters());
    text.push(match usage {
        OpaqueUse::Bearer => b"_k",
        OpaqueUse::BearerAndSigning => b"_h",
    });
    let text = text.seal(&secret);
    secret.zeroize();
    (id, text)
}
