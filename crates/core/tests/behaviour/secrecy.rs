//! What is printed holds nothing of a secret.

use crate::fixtures::{NOW, hour, issuer_for, prefix};
use claviger_core::{
    IssuingKey, KeyId, KeyPrefix, OpaqueUse, Purpose, SharedSecret, SharedSecretError, SignedKeyTerms,
    Verifier, generate_opaque_key, parse,
};

/// Entropy with the same id and another secret.
fn entropy(secret: u8) -> [u8; 40] {
    core::array::from_fn(|index| if index < 8 { 7 } else { secret })
}

/// What `show` prints must not depend on the secret, whose characters cannot then be in it.
fn assert_independent_of_the_secret(show: impl Fn(&[u8; 40]) -> String) {
    let shown = show(&entropy(1));
    for secret in [0, 2, 0xfe, 0xff] {
        assert_eq!(shown, show(&entropy(secret)));
    }
    // It shows what it is about all the same.
    assert!(shown.contains("redacted"), "{shown}");
}

#[test]
fn debug_shows_no_secret() {
    let shared = |entropy: &[u8; 40]| SharedSecret::generate(Purpose::Issuing, 1, entropy);
    let issuing = |entropy: &[u8; 40]| IssuingKey::new(prefix("acme_live"), &shared(entropy)).unwrap();
    let opaque = |entropy: &[u8; 40]| generate_opaque_key(&prefix("acme_live"), OpaqueUse::Bearer, entropy).1;
    let signed =
        |entropy: &[u8; 40]| issuing(entropy).generate(&[9; 8], SignedKeyTerms::expiring(NOW, 1)).unwrap();

    assert_independent_of_the_secret(|entropy| format!("{:?}", shared(entropy)));
    assert_independent_of_the_secret(|entropy| format!("{:?}", shared(entropy).to_text()));
    assert_independent_of_the_secret(|entropy| format!("{:?}", opaque(entropy)));
    assert_independent_of_the_secret(|entropy| format!("{:?}", signed(entropy)));
    assert_independent_of_the_secret(|entropy| format!("{:?}", issuing(entropy)));
    assert_independent_of_the_secret(|entropy| format!("{:#?}", Verifier::new([issuing(entropy)]).unwrap()));
    assert_independent_of_the_secret(|entropy| {
        format!("{:?}", parse(shared(entropy).to_text().expose()).unwrap())
    });
    assert_independent_of_the_secret(|entropy| format!("{:?}", parse(opaque(entropy).expose()).unwrap()));
    assert_independent_of_the_secret(|entropy| format!("{:?}", parse(signed(entropy).expose()).unwrap()));
}

#[test]
fn errors_hold_nothing_of_what_was_presented() {
    const MARK: &str = "Qz7XvKw9";
    /// Not the prefix that some messages have as their example.
    const SHOP: &str = "our_shop_prod";
    let texts = [
        hour(&issuer_for(SHOP, 1, 1)),
        generate_opaque_key(&prefix(SHOP), OpaqueUse::Bearer, &[1; 40]).1.expose().to_owned(),
        SharedSecret::generate(Purpose::Issuing, 1, &[1; 40]).to_text().expose().to_owned(),
        SharedSecret::generate(Purpose::Integration, 1, &[1; 40]).to_text().expose().to_owned(),
    ];
    let mut errors = 0;
    for text in &texts {
        for place in 0..=text.len() {
            let (before, after) = text.split_at(place);
            let overwritten = format!("{before}{MARK}{}", after.get(MARK.len()..).unwrap_or_default());
            for marked in [overwritten, format!("{before}{MARK}{after}"), format!("{before}{MARK}")] {
                let shown = [
                    parse(&marked).map(|_| ()).map_err(|error| format!("{error} {error:?}")),
                    SharedSecret::parse(&marked).map(|_| ()).map_err(|error| format!("{error} {error:?}")),
                    KeyPrefix::new(&marked).map(|_| ()).map_err(|error| format!("{error} {error:?}")),
                    marked.parse::<KeyId>().map(|_| ()).map_err(|error| format!("{error} {error:?}")),
                ];
                for shown in shown.into_iter().filter_map(Result::err) {
                    errors += 1;
                    assert!(!shown.contains(MARK), "{shown}");
                    for place in 0..marked.len().saturating_sub(7) {
                        assert!(!shown.contains(&marked[place..place + 8]), "{shown}");
                    }
                }
            }
        }
    }
    assert!(errors > 3_000, "{errors} errors");

    // A text that is well-formed, but of another kind, is named by its kind alone.
    let error = SharedSecret::parse(&texts[0]).unwrap_err();
    assert!(matches!(error, SharedSecretError::OtherKind(_)), "{error:?}");
    assert!(!error.to_string().contains(&texts[0][14..25]), "{error}");
    let denied = Verifier::new([issuer_for(SHOP, 1, 2)]).unwrap();
    let denied =
        denied.verify_key(&texts[0], &claviger_core::RequestContext::at(NOW)).into_result().unwrap_err();
    let secret = &texts[0][39..83];
    assert!(!format!("{denied} {denied:?}").contains(&secret[..8]));
}
