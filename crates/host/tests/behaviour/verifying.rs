//! Verdicts of the hosted verifier: those of the native one, on anything that can be presented.

use crate::fixtures::{AT_NOW, NOW, Random, embedded, issuing, key, key_with, live, prefix, trusting};
use claviger_host::{
    HostError, PoolOptions, Secrets, Verifier,
    core::{
        DenialCode, IssuingKey, OpaqueUse, Purpose, RequestContext, SharedSecret, SignedKeyTerms,
        Verifier as NativeVerifier, VerifyKey, generate_opaque_key,
    },
};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

fn new_error(secrets: Secrets) -> HostError {
    Verifier::new(embedded(), secrets, PoolOptions::default()).expect_err("the secrets must be refused")
}

#[test]
fn hosted_and_native_verifiers_are_interchangeable() {
    let (old, new) = (issuing(1, 1), issuing(2, 2));
    let issuers = [(live(), &old), (live(), &new), (prefix("a"), &new)];
    let keys = issuers.map(|(prefix, secret)| IssuingKey::new(prefix, secret).unwrap());
    let native = NativeVerifier::new(keys).unwrap();
    let secrets = issuers
        .iter()
        .fold(Secrets::new(), |all, &(prefix, secret)| all.issuing_secret(prefix, secret.clone()));
    let hosted = Verifier::new(embedded(), secrets.clone(), PoolOptions::default()).unwrap();
    let lenient_native = native.clone().allow_keys_without_lifetime(true);
    let lenient_hosted =
        Verifier::new(embedded(), secrets.allow_keys_without_lifetime(true), PoolOptions::default()).unwrap();

    let unlimited = SignedKeyTerms::without_lifetime(NOW);
    let good = key(live(), &old);
    let presented = [
        good.clone(),
        key(live(), &new),
        key(prefix("a"), &new),
        key(prefix("b"), &new),
        key(live(), &issuing(3, 3)),
        key(live(), &issuing(2, 3)),
        key_with(live(), &new, SignedKeyTerms::expiring(NOW, 1).read_only()),
        key_with(live(), &new, unlimited),
        key_with(live(), &new, SignedKeyTerms::expiring(NOW + 3600, 60)),
        generate_opaque_key(&live(), OpaqueUse::Bearer, &[1; 40]).1.expose().to_owned(),
        old.to_text().expose().to_owned(),
        good.replace("live", "Live"),
        good.replace("live", "liv3"),
        String::new(),
    ];
    let mut codes = Vec::new();
    let pairs: [(&dyn VerifyKey, &dyn VerifyKey); 2] =
        [(&native, &hosted), (&lenient_native, &lenient_hosted)];
    for (native, hosted) in pairs {
        for key in &presented {
            for now in [0, NOW, NOW + 61, NOW + 86_400, u64::MAX] {
                let context = RequestContext::at(now);
                let verdict = hosted.verify_key(key.as_bytes(), &context);
                assert_eq!(verdict, native.verify_key(key.as_bytes(), &context), "{key} at {now}");
                codes.push(verdict.denial());
            }
        }
    }
    // Every verdict that a key can cause without a keyring is among them.
    let key_can_cause = [
        DenialCode::Missing,
        DenialCode::Malformed,
        DenialCode::BadChecksum,
        DenialCode::UnknownKey,
        DenialCode::BadSecret,
        DenialCode::NotYetValid,
        DenialCode::Expired,
        DenialCode::LifetimeRequired,
    ];
    for code in key_can_cause {
        assert!(codes.contains(&Some(code)), "{code}");
    }
    assert!(codes.contains(&None));
}

#[test]
fn anything_can_be_presented_and_is_denied_without_an_error() {
    let secret = issuing(1, 1);
    let good = key(live(), &secret);
    let verifier = Verifier::new(embedded(), trusting(secret), PoolOptions::default()).unwrap();
    let mut random = Random(3);
    for len in [0, 1, 53, 91, 108, 109, 512, 513, 1024, 4095, 4096, 4097, 65_536, 1 << 20] {
        let code = if len == 0 { DenialCode::Missing } else { DenialCode::Malformed };
        for bytes in [vec![b'0'; len], vec![0; len], vec![0xff; len], random.bytes(len)] {
            let verdict = verifier.try_verify_key(&bytes, &AT_NOW).unwrap();
            assert_eq!(verdict.denial(), Some(code), "{len} bytes: {}", bytes.escape_ascii());
        }
        // What came before in the same instance leaves nothing behind.
        assert!(verifier.try_verify_key(&good, &AT_NOW).unwrap().is_verified());
    }
    for _ in 0..2_000 {
        let len = random.next() as usize % 256;
        let bytes = random.bytes(len);
        assert!(!verifier.try_verify_key(bytes, &AT_NOW).unwrap().is_verified());
    }
    // A good key that goes on behind the end of the input buffer is no good key.
    let long = format!("{good}{}", "0".repeat(65_536));
    assert_eq!(verifier.try_verify_key(long, &AT_NOW).unwrap().denial(), Some(DenialCode::Malformed));
}

#[test]
fn secrets_that_are_no_configuration_are_refused() {
    assert!(matches!(new_error(Secrets::new()), HostError::NoSecrets));

    let twice = trusting(issuing(4, 1)).issuing_secret(prefix("other"), issuing(4, 1));
    assert!(Verifier::new(embedded(), twice.clone(), PoolOptions::default()).is_ok());
    match new_error(twice.issuing_secret(live(), issuing(4, 2))) {
        HostError::DuplicateVersion { prefix, version: 4 } => assert_eq!(prefix, live()),
        other => panic!("{other:?}"),
    }

    let integration = SharedSecret::generate(Purpose::Integration, 1, &[1; 40]);
    match new_error(trusting(issuing(1, 1)).issuing_secret(prefix("other"), integration)) {
        HostError::WrongPurpose { prefix: named } => assert_eq!(named, prefix("other")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_and_debug_show_no_secret() {
    let show = |seed| {
        let secrets = Secrets::new()
            .issuing_secret(live(), SharedSecret::generate(Purpose::Issuing, 1, &entropy(seed)))
            .issuing_secret(live(), SharedSecret::generate(Purpose::Issuing, 1, &entropy(seed)));
        let shown = format!("{secrets:?}");
        let error = new_error(secrets);
        format!("{shown} {error} {error:?}")
    };
    // With the same id and another secret the texts are the same, so they hold nothing of the secret.
    assert_eq!(show(1), show(2));

    fn entropy(secret: u8) -> [u8; 40] {
        std::array::from_fn(|i| if i < 8 { 7 } else { secret })
    }
}

#[test]
fn many_threads_share_one_verifier_with_fewer_instances() {
    const fn shared_between_threads<T: Send + Sync>() {}
    const { shared_between_threads::<Verifier>() };

    let secret = issuing(1, 1);
    let (good, forged) = (key(live(), &secret), key(live(), &issuing(1, 2)));
    // Nobody waits this long; a lost wake-up shows as an error.
    let options = PoolOptions::default().max_instances(2).max_wait(Duration::from_secs(60));
    let verifier = Verifier::new(embedded(), trusting(secret), options).unwrap();
    let verdicts = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    assert!(verifier.try_verify_key(&good, &AT_NOW).unwrap().is_verified());
                    let denied = verifier.try_verify_key(&forged, &AT_NOW).unwrap();
                    assert_eq!(denied.denial(), Some(DenialCode::BadSecret));
                    verdicts.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(verdicts.into_inner(), 8_000);
}
