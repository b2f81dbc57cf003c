//! Anything may be presented: it is denied, unless it is a key to its last character.

use crate::fixtures::{NOW, entropy, hour, issuer, prefixes, terms};
use claviger_core::{
    Claims, DenialCode, IssuingKey, KeyId, KeyKind, OpaqueUse, Purpose, RequestContext, SharedSecret,
    Verifier, generate_opaque_key, parse,
};
use proptest::prelude::*;

fn trusting(issuer: IssuingKey) -> Verifier {
    Verifier::new([issuer]).unwrap().allow_keys_without_lifetime(true)
}

proptest! {
    #[test]
    fn any_bytes_are_denied(bytes in proptest::collection::vec(any::<u8>(), 0..=65_536), now: u64) {
        let verifier = trusting(issuer(1, 1));
        let verdict = verifier.verify_key(&bytes, &RequestContext::at(now));
        let expected = if bytes.is_empty() { DenialCode::Missing } else { DenialCode::Malformed };
        prop_assert_eq!(verdict.denial(), Some(expected));
    }

    #[test]
    fn any_text_of_the_length_of_a_key_is_denied(text in "[0-9A-Za-z_]{53,108}", now: u64) {
        let verifier = trusting(issuer(1, 1));
        let verdict = verifier.verify_key(&text, &RequestContext::at(now));
        prop_assert_eq!(verdict.denial(), Some(DenialCode::Malformed));
    }

    #[test]
    fn every_signed_key_verifies_parses_and_survives_no_change(
        prefix in prefixes(), version: u8, entropy in entropy(), id: [u8; 8], terms in terms(),
        place: prop::sample::Index, other: u8,
    ) {
        let secret = SharedSecret::generate(Purpose::Issuing, version, &entropy);
        let issuer = IssuingKey::new(prefix, &secret).unwrap();
        let key = issuer.generate(&id, terms).unwrap();
        let claims = terms.claims(version).unwrap();

        let parsed = parse(key.expose()).unwrap();
        prop_assert_eq!((parsed.kind(), parsed.prefix()), (KeyKind::Signed, prefix.as_str()));
        prop_assert_eq!((parsed.id(), parsed.version()), (KeyId::from_entropy(id), None));
        prop_assert_eq!(parsed.claims(), Some(claims));

        let (verifier, now) = (trusting(issuer), RequestContext::at(claims.issued_at()));
        let verdict = verifier.verify_key(key.expose(), &now);
        prop_assert_eq!(verdict.verified().map(|verified| verified.key_id), Some(parsed.id()));

        let mut bytes = key.expose().as_bytes().to_vec();
        let slot = place.get(&bytes).to_owned();
        prop_assume!(slot != other);
        let place = place.index(bytes.len());
        bytes[place] = other;
        let code = verifier.verify_key(&bytes, &now).denial();
        prop_assert!(matches!(code, Some(DenialCode::Malformed | DenialCode::BadChecksum)), "{code:?}");
    }

    #[test]
    fn every_opaque_key_parses_to_its_parts(prefix in prefixes(), entropy in entropy(), signing: bool) {
        let (usage, kind) = match signing {
            false => (OpaqueUse::Bearer, KeyKind::Opaque),
            true => (OpaqueUse::BearerAndSigning, KeyKind::OpaqueSigning),
        };
        let (id, key) = generate_opaque_key(&prefix, usage, &entropy);
        let parsed = parse(key.expose()).unwrap();
        prop_assert_eq!((parsed.kind(), parsed.prefix(), parsed.id()), (kind, prefix.as_str(), id));
        prop_assert_eq!(id.as_u64().to_be_bytes(), &entropy[..8]);
        prop_assert_eq!((parsed.claims(), parsed.version()), (None::<Claims>, None));
    }

    #[test]
    fn every_shared_secret_reads_back(version: u8, entropy in entropy(), issuing: bool) {
        let (purpose, kind) = match issuing {
            true => (Purpose::Issuing, KeyKind::IssuingSecret),
            false => (Purpose::Integration, KeyKind::IntegrationSecret),
        };
        let secret = SharedSecret::generate(purpose, version, &entropy);
        let text = secret.to_text();
        let parsed = parse(text.expose()).unwrap();
        prop_assert_eq!((parsed.kind(), parsed.id(), parsed.version()), (kind, secret.id(), Some(version)));
        let read = SharedSecret::parse(text.expose()).unwrap();
        prop_assert_eq!((read.purpose(), read.id(), read.version()), (purpose, secret.id(), version));
        let again = read.to_text();
        prop_assert_eq!(again.expose(), text.expose());
    }
}

#[test]
fn no_byte_of_a_key_can_be_another() {
    let issuer = issuer(1, 1);
    let (key, verifier, now) = (hour(&issuer), trusting(issuer), RequestContext::at(NOW));
    let mut bytes = key.into_bytes();
    for place in 0..bytes.len() {
        let right = bytes[place];
        for byte in (0..=u8::MAX).filter(|&byte| byte != right) {
            bytes[place] = byte;
            assert!(!verifier.verify_key(&bytes, &now).is_verified(), "{}", bytes.escape_ascii());
        }
        bytes[place] = right;
    }
    assert!(verifier.verify_key(&bytes, &now).is_verified());
}
