//! Secrets, keys and strategies that the tests share.

use claviger_core::{IssuingKey, KeyPrefix, MAX_MINUTES, Purpose, SharedSecret, SignedKeyTerms};
use proptest::prelude::*;

/// The start of a minute, so that what is cut to the minute stays as it is.
pub(crate) const NOW: u64 = 1_790_000_040;
/// 2020-01-01T00:00:00Z, before which no key can be issued.
pub(crate) const FIRST: u64 = 1_577_836_800;

pub(crate) fn prefix(text: &str) -> KeyPrefix {
    text.parse().unwrap()
}

/// An issuing key for `acme_live`; another seed is another secret.
pub(crate) fn issuer(version: u8, seed: u8) -> IssuingKey {
    issuer_for("acme_live", version, seed)
}

pub(crate) fn issuer_for(name: &str, version: u8, seed: u8) -> IssuingKey {
    IssuingKey::new(prefix(name), &SharedSecret::generate(Purpose::Issuing, version, &[seed; 40])).unwrap()
}

pub(crate) fn generate(issuer: &IssuingKey, terms: SignedKeyTerms) -> String {
    issuer.generate(&[9; 8], terms).unwrap().expose().to_owned()
}

/// A key for an hour from [`NOW`] on.
pub(crate) fn hour(issuer: &IssuingKey) -> String {
    generate(issuer, SignedKeyTerms::expiring(NOW, 60))
}

pub(crate) fn prefixes() -> impl Strategy<Value = KeyPrefix> {
    "[a-z][a-z0-9]{0,10}(_[a-z0-9]{1,9}){0,2}".prop_filter_map("reserved", |text| KeyPrefix::new(&text).ok())
}

pub(crate) fn entropy() -> impl Strategy<Value = [u8; 40]> {
    proptest::collection::vec(any::<u8>(), 40).prop_map(|bytes| bytes.try_into().unwrap())
}

/// What a signed key can say, and whether it has a lifetime.
pub(crate) fn terms() -> impl Strategy<Value = SignedKeyTerms> {
    let minutes = (0..=MAX_MINUTES, 0..60_u64, 0..=MAX_MINUTES, any::<bool>());
    minutes.prop_map(|(issued, seconds, lifetime, read_only)| {
        let issued_at = FIRST + u64::from(issued) * 60 + seconds;
        let terms = match lifetime {
            0 => SignedKeyTerms::without_lifetime(issued_at),
            minutes => SignedKeyTerms::expiring(issued_at, minutes),
        };
        if read_only { terms.read_only() } else { terms }
    })
}
