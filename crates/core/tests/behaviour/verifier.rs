//! Which verdict follows from what: every code, rotation, and the order of checks.

use crate::fixtures::{NOW, generate, hour, issuer, issuer_for, prefix};
use claviger_core::{
    CLOCK_SKEW_SECONDS, DenialCode, Freshness, IssuingKey, KeyId, KeyKind, OpaqueUse, Part, Problem, Purpose,
    RequestContext, SharedSecret, SignedKeyTerms, Verdict, Verifier, VerifierError, WrongPurpose,
    generate_opaque_key, parse,
};

fn at(now: u64) -> RequestContext<'static> {
    RequestContext::at(now)
}

/// The code, and whether the id was read.
fn denial(verdict: &Verdict) -> (DenialCode, bool) {
    match verdict {
        Verdict::Denied(denied) => (denied.code, denied.key_id.is_some()),
        Verdict::Verified(verified) => panic!("{verified:?}"),
    }
}

/// `text` with the character at `place` replaced.
fn with(text: &str, place: usize, character: char) -> String {
    text.chars().enumerate().map(|(index, old)| if index == place { character } else { old }).collect()
}

#[test]
fn a_verdict_says_who_it_is_and_that_revocation_was_not_checked() {
    let issuer = issuer(7, 1);
    let verifier = Verifier::new([issuer.clone()]).unwrap();
    let key = generate(&issuer, SignedKeyTerms::expiring(NOW + 59, 2).read_only());
    let verdict = verifier.verify_key(&key, &at(NOW));
    let verified = verdict.verified().unwrap();
    assert_eq!(verified.key_id, KeyId::from_entropy([9; 8]));
    assert_eq!(verified.kind, KeyKind::Signed);
    assert_eq!(verified.prefix, prefix("acme_live"));
    assert!(verified.read_only);
    assert_eq!((verified.issued_at, verified.expires_at), (Some(NOW), Some(NOW + 120)));
    assert_eq!(verified.freshness, Freshness::Stateless);
    assert!(!verified.freshness.revocation_checked());
    assert_eq!(verdict.clone().into_result().unwrap(), *verified);

    let denied =
        verifier.verify_key(hour(&issuer_for("acme_live", 7, 2)), &at(NOW)).into_result().unwrap_err();
    assert_eq!(denied.code, DenialCode::BadSecret);
    assert!(denied.to_string().starts_with("bad_secret: "), "{denied}");
}

#[test]
fn every_code_that_a_key_can_cause() {
    let issuer = issuer(1, 1);
    let verifier = Verifier::new([issuer.clone()]).unwrap();
    let key = hour(&issuer);
    let (_, opaque) = generate_opaque_key(&prefix("acme_live"), OpaqueUse::Bearer, &[1; 40]);
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &[1; 40]).to_text();
    let deny = |presented: &str, now| denial(&verifier.verify_key(presented, &at(now)));

    assert_eq!(deny("", NOW), (DenialCode::Missing, false));
    assert_eq!(deny("hunter2", NOW), (DenialCode::Malformed, false));
    assert_eq!(
        deny(secret.expose(), NOW),
        (DenialCode::Malformed, false),
        "Claviger's own secrets open nothing"
    );
    assert_eq!(deny(&with(&key, key.len() - 8, '-'), NOW), (DenialCode::Malformed, false));
    assert_eq!(deny(&key.replace("live", "l1ve"), NOW), (DenialCode::BadChecksum, false));
    assert_eq!(deny(&hour(&issuer_for("acme_test", 1, 1)), NOW), (DenialCode::WrongPrefix, true));
    assert_eq!(deny(&hour(&issuer_for("acme_live", 2, 1)), NOW), (DenialCode::UnknownKey, true));
    assert_eq!(deny(opaque.expose(), NOW), (DenialCode::UnknownKey, true));
    assert_eq!(deny(&hour(&issuer_for("acme_live", 1, 2)), NOW), (DenialCode::BadSecret, true));
    assert_eq!(deny(&key, NOW - CLOCK_SKEW_SECONDS - 1), (DenialCode::NotYetValid, true));
    assert_eq!(deny(&key, NOW + 3600), (DenialCode::Expired, true));
    let forever = generate(&issuer, SignedKeyTerms::without_lifetime(NOW));
    assert_eq!(deny(&forever, NOW), (DenialCode::LifetimeRequired, true));

    // One second before, each of the last three is still good.
    for now in [NOW - CLOCK_SKEW_SECONDS, NOW, NOW + 3599] {
        assert!(verifier.verify_key(&key, &at(now)).is_verified(), "{now}");
    }
    let lenient = verifier.clone().allow_keys_without_lifetime(true);
    for now in [NOW - CLOCK_SKEW_SECONDS, NOW, u64::MAX] {
        assert!(lenient.verify_key(&forever, &at(now)).is_verified(), "{now}");
    }
    let strict = lenient.allow_keys_without_lifetime(false);
    assert_eq!(denial(&strict.verify_key(&forever, &at(NOW))).0, DenialCode::LifetimeRequired);
}

#[test]
fn the_first_check_that_fails_names_the_code() {
    let known = issuer(1, 1);
    let forger = issuer(1, 2);
    let verifier = Verifier::new([known.clone()]).unwrap();
    let deny = |presented: &str, now| denial(&verifier.verify_key(presented, &at(now))).0;

    // Nobody learns from a forged key whether a genuine one would have expired.
    let forged = hour(&forger);
    assert_eq!(deny(&forged, NOW + 86_400), DenialCode::BadSecret);
    assert_eq!(deny(&forged, 0), DenialCode::BadSecret);
    assert_eq!(deny(&generate(&forger, SignedKeyTerms::without_lifetime(NOW)), NOW), DenialCode::BadSecret);
    assert_eq!(deny(&hour(&issuer(2, 2)), NOW + 86_400), DenialCode::UnknownKey);

    let (_, opaque) = generate_opaque_key(&prefix("other"), OpaqueUse::BearerAndSigning, &[1; 40]);
    assert_eq!(deny(opaque.expose(), NOW), DenialCode::WrongPrefix);
    assert_eq!(deny(&hour(&issuer_for("other", 2, 2)), NOW + 86_400), DenialCode::WrongPrefix);

    let mistyped = hour(&issuer_for("other", 2, 2)).replace("other", "ather");
    assert_eq!(deny(&mistyped, NOW), DenialCode::BadChecksum);
    assert_eq!(deny(&mistyped.replace("ather", "Ather"), NOW), DenialCode::Malformed);

    let future = generate(&known, SignedKeyTerms::without_lifetime(NOW + 3600));
    assert_eq!(deny(&future, NOW), DenialCode::NotYetValid);
}

#[test]
fn the_first_problem_of_a_text_is_the_one_that_is_named() {
    let key = hour(&issuer(1, 1));
    let problem = |text: &str| parse(text).map(|_| ()).map_err(|error| (error.part, error.problem));
    let (id, claims, secret) = (10, 22, 35);
    assert_eq!(problem(&key), Ok(()));

    // Each text has the problems of all before it, too.
    let mistyped = with(&key, id, if key.as_bytes()[id] == b'0' { '1' } else { '0' });
    assert_eq!(problem(&mistyped), Err((Part::Checksum, Problem::Mismatch)));
    let flagged = mistyped.replacen(&mistyped[claims..claims + 11], "0H31vi1p0AW", 1);
    assert_eq!(problem(&flagged), Err((Part::Claims, Problem::UnknownFlags)));
    let too_large = (0..11).fold(flagged, |text, place| with(&text, secret + place, 'z'));
    assert_eq!(problem(&too_large), Err((Part::Secret, Problem::Range)));
    let no_digit = with(&too_large, key.len() - 1, '-');
    assert_eq!(problem(&no_digit), Err((Part::Checksum, Problem::Alphabet)));
    let no_prefix = with(&no_digit, 0, 'A');
    assert_eq!(problem(&no_prefix), Err((Part::Prefix, Problem::Prefix)));
    let no_underscore = with(&no_prefix, claims - 1, '0');
    assert_eq!(problem(&no_underscore), Err((Part::Text, Problem::Separator)));
    let no_letter = with(&no_underscore, secret - 1, 'q');
    assert_eq!(problem(&no_letter), Err((Part::Text, Problem::Letter)));
    let too_long = format!("{}{no_letter}", "a".repeat(24));
    assert_eq!(problem(&too_long), Err((Part::Text, Problem::Length)));
}

#[test]
fn secrets_of_several_versions_and_prefixes_stand_side_by_side() {
    let trusted = [
        issuer_for("acme_live", 2, 1),
        issuer_for("acme_live", 0, 2),
        issuer_for("acme_live", 255, 3),
        issuer_for("acme_test", 2, 4),
        issuer_for("acme", 2, 5),
        issuer_for("acme_live_2", 2, 6),
    ];
    // In whatever order they are given.
    for turn in 0..trusted.len() {
        let mut turned = trusted.clone();
        turned.rotate_left(turn);
        let verifier = Verifier::new(turned).unwrap();
        for issuer in &trusted {
            let verdict = verifier.verify_key(hour(issuer), &at(NOW));
            assert_eq!(verdict.verified().map(|verified| verified.prefix), Some(*issuer.prefix()));
        }
        // The secret of one does not make keys of another.
        for (name, version, seed) in
            [("acme_live", 2, 4), ("acme_live", 0, 1), ("acme_test", 2, 1), ("acme", 2, 6)]
        {
            let verdict = verifier.verify_key(hour(&issuer_for(name, version, seed)), &at(NOW));
            assert_eq!(verdict.denial(), Some(DenialCode::BadSecret), "{name} {version} {seed}");
        }
        let unknown = verifier.verify_key(hour(&issuer_for("acme_live", 1, 1)), &at(NOW));
        assert_eq!(unknown.denial(), Some(DenialCode::UnknownKey));
        for name in
            ["a", "acme_liv", "acme_live_", "acme_live_3", "zzz"].iter().filter_map(|name| name.parse().ok())
        {
            let secret = SharedSecret::generate(Purpose::Issuing, 2, &[1; 40]);
            let other = IssuingKey::new(name, &secret).unwrap();
            let verdict = verifier.verify_key(hour(&other), &at(NOW));
            assert_eq!(verdict.denial(), Some(DenialCode::WrongPrefix), "{name}");
        }
    }
}

#[test]
fn a_rotation_from_the_old_secret_to_the_new_one() {
    let (old, new) = (issuer(1, 1), issuer(2, 2));
    let verdicts = |trusted: &[&IssuingKey]| {
        let verifier = Verifier::new(trusted.iter().map(|&issuer| issuer.clone())).unwrap();
        [&old, &new].map(|issuer| verifier.verify_key(hour(issuer), &at(NOW)).denial())
    };
    assert_eq!(verdicts(&[&old]), [None, Some(DenialCode::UnknownKey)]);
    assert_eq!(verdicts(&[&old, &new]), [None, None]);
    assert_eq!(verdicts(&[&new]), [Some(DenialCode::UnknownKey), None]);
}

#[test]
fn what_is_no_configuration_is_refused() {
    assert_eq!(Verifier::new([]).unwrap_err(), VerifierError::NoSecrets);
    let duplicate = VerifierError::DuplicateVersion { prefix: prefix("acme_live"), version: 3 };
    for third in [issuer(3, 1), issuer(3, 9)] {
        let twice = [issuer(3, 1), issuer_for("other", 3, 1), third];
        assert_eq!(Verifier::new(twice).unwrap_err(), duplicate);
    }
    assert!(duplicate.to_string().contains("version 3 for prefix acme_live"), "{duplicate}");

    let integration = SharedSecret::generate(Purpose::Integration, 1, &[1; 40]);
    let refused: WrongPurpose = IssuingKey::new(prefix("acme_live"), &integration).unwrap_err();
    assert_eq!(refused.expected, Purpose::Issuing);
}
