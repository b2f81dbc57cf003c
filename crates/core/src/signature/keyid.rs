//! The API key that a signature names (`keyid`): its text up to and including its kind letter. It is public: the secret is
//! what follows.

use crate::{base62, claims::Claims, key_id::KeyId, prefix};

/// The key that a `keyid` names.
#[derive(Clone, Copy)]
pub(crate) enum SigningKeyName<'t> {
    /// `<prefix>_<id>_h`: a random key that may sign.
    Opaque { prefix: &'t [u8], id: KeyId },
    /// `<prefix>_<id>_<claims>_s`: a key that an issuing secret makes of this very text.
    Signed { prefix: &'t [u8], id: KeyId, claims: Claims, text: &'t [u8] },
}

impl<'t> SigningKeyName<'t> {
    /// Reads a `keyid`; `None` if it names no key of ours.
    #[inline]
    pub(crate) fn read(keyid: &'t str) -> Option<Self> {
        let text = keyid.as_bytes();
        let [rest @ .., b'_', letter] = text else { return None };
        let (rest, last) = limb(rest)?;
        match letter {
            b'h' => Some(Self::Opaque { prefix: checked(rest)?, id: key_id(last)? }),
            b's' => {
                let claims = Claims::from_u64(base62::decode_u64(last)?)?;
                let (rest, id) = limb(rest)?;
                Some(Self::Signed { prefix: checked(rest)?, id: key_id(id)?, claims, text })
            }
            _ => None,
        }
    }

    /// The public id.
    #[inline]
    pub(crate) fn id(&self) -> KeyId {
        match self {
            Self::Opaque { id, .. } | Self::Signed { id, .. } => *id,
        }
    }
}

/// What stands before `_` and the last eleven characters, and these.
#[inline]
fn limb(text: &[u8]) -> Option<(&[u8], &[u8; base62::LIMB])> {
    let (rest, last) = text.split_last_chunk()?;
    Some((rest.strip_suffix(b"_")?, last))
}

#[inline]
fn key_id(characters: &[u8; base62::LIMB]) -> Option<KeyId> {
    base62::decode_u64(characters).map(KeyId::from_u64)
}

/// A prefix of keys.
#[inline]
fn checked(prefix: &[u8]) -> Option<&[u8]> {
    (prefix::check(prefix).is_ok() && !prefix::is_reserved(prefix)).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_section_5_and_nothing_else() {
        let id = "0000000000A";
        let name = |keyid: &str| {
            SigningKeyName::read(keyid).map(|name| {
                let kind = match name {
                    SigningKeyName::Opaque { prefix, .. } => ("opaque", prefix.len()),
                    SigningKeyName::Signed { prefix, text, .. } => ("signed", prefix.len() + text.len()),
                };
                (kind, name.id().as_u64())
            })
        };
        assert_eq!(name(&std::format!("acme_live_{id}_h")), Some((("opaque", 9), 10)));
        assert_eq!(name(&std::format!("acme_{id}_00000000000_s")), Some((("signed", 4 + 30), 10)));
        for wrong in [
            "",
            "h",
            "_h",
            "acme_live_0000000000A_k",
            "acme_live_0000000000A_t",
            "acme_live_0000000000A_h ",
            "acme_live_0000000000A_",
            "acme_live_0000000000_h",
            "acme_live0000000000A_h",
            "Acme_0000000000A_h",
            "_0000000000A_h",
            "acme_0000000000A_0000000000_s",
            "cvgws_0000000000A_h",
            "cvgis_0000000000A_03",
            "cvgws_0000000000A_03",
            "cvgab_0000000000A_h",
            "test-shared-secret",
        ] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
