//! The ABI as any host sees it: the embedded module in bare wasmtime, without this crate's own side of it.

use crate::{
    fixtures::{NOW, Random, issuing, key, live, prefix},
    raw::{
        INVALID_CONFIGURATION, INVALID_INPUT, INVALID_OPTION, INVALID_PREFIX, INVALID_TIME, MALFORMED,
        NOT_BEGUN, Raw, WRONG_PURPOSE, code, len,
    },
};
use claviger_host::{
    core::{
        Claims, DenialCode, Freshness, IssuingKey, KeyPrefix, OpaqueUse, Purpose, SharedSecret,
        SignedKeyTerms, Verdict, generate_opaque_key, parse,
    },
    wasmtime::{ExternType, Val, ValType},
};

#[test]
fn what_it_generates_is_byte_for_byte_what_the_core_generates() {
    let (mut raw, mut random) = (Raw::new(), Random(4));
    for (purpose, number) in [(Purpose::Issuing, 1), (Purpose::Integration, 2)] {
        for version in [0, 1, 61, 62, 255] {
            let entropy = random.array();
            raw.write(&[&entropy]);
            let status =
                raw.call("generate_shared_secret", &[Val::I32(number), Val::I32(i32::from(version))]);
            let expected = SharedSecret::generate(purpose, version, &entropy).to_text();
            assert_eq!(raw.text(status), expected.expose());
            assert!(raw.input_is_wiped());
        }
    }
    for name in ["a", "acme_live", "a_prefix_with_just_32_characters"] {
        for (usage, number) in [(OpaqueUse::Bearer, 1), (OpaqueUse::BearerAndSigning, 2)] {
            let entropy = random.array();
            raw.write(&[name.as_bytes(), &entropy]);
            let status = raw.call("generate_opaque_key", &[Val::I32(number), len(name)]);
            assert_eq!(raw.text(status), generate_opaque_key(&prefix(name), usage, &entropy).1.expose());
            assert!(raw.input_is_wiped());
        }
        for version in [0, 255] {
            let secret = SharedSecret::generate(Purpose::Issuing, version, &random.array());
            let issuer = IssuingKey::new(prefix(name), &secret).unwrap();
            for (lifetime, flags) in [(0, 0), (1, 1), (60, 0), ((1 << 26) - 1, 1)] {
                let entropy = random.array();
                let text = secret.to_text();
                let text = text.expose();
                raw.write(&[name.as_bytes(), text.as_bytes(), &entropy]);
                let now = Val::I64(NOW.cast_signed());
                let arguments = [len(name), len(text), now, Val::I32(lifetime), Val::I32(flags)];
                let status = raw.call("generate_signed_key", &arguments);
                let terms = match lifetime {
                    0 => SignedKeyTerms::without_lifetime(NOW),
                    minutes => SignedKeyTerms::expiring(NOW, minutes.cast_unsigned()),
                };
                let terms = if flags == 1 { terms.read_only() } else { terms };
                assert_eq!(raw.text(status), issuer.generate(&entropy, terms).unwrap().expose());
                assert!(raw.input_is_wiped());
            }
        }
    }
}

#[test]
fn secrets_are_wiped_whether_a_call_succeeds_or_fails() {
    let mut raw = Raw::new();
    let secret = issuing(1, 1);
    let text = secret.to_text();

    assert_eq!(raw.call("verifier_begin", &[Val::I32(0)]), 0);
    assert_eq!(raw.add_secret("acme_live", text.expose()), 0);
    assert!(raw.input_is_wiped());
    assert_eq!(raw.add_secret("ACME", text.expose()), INVALID_PREFIX);
    assert!(raw.input_is_wiped());

    let calls: [(&str, &[Val]); 4] = [
        ("generate_shared_secret", &[Val::I32(3), Val::I32(0)]),
        ("generate_opaque_key", &[Val::I32(1), Val::I32(-1)]),
        ("generate_signed_key", &[Val::I32(9), Val::I32(76), Val::I64(0), Val::I32(1), Val::I32(0)]),
        ("verifier_add_issuing_secret", &[Val::I32(4096), Val::I32(4096)]),
    ];
    for (name, arguments) in calls {
        raw.write(&[b"acme_live", text.expose().as_bytes(), &[7; 40]]);
        assert!(raw.call(name, arguments) < 0, "{name}");
        assert!(raw.input_is_wiped(), "{name}");
    }

    raw.write(&[&[7; 40]]);
    let status = raw.call("generate_shared_secret", &[Val::I32(1), Val::I32(1)]);
    assert!(raw.text(status).starts_with("cvgis_"));
    raw.write(&[b"a text"]);
    assert_eq!(raw.call("wipe", &[]), 0);
    assert!(raw.input_is_wiped());
    assert!(raw.output(raw.output_capacity).iter().all(|&byte| byte == 0));
}

#[test]
fn the_parts_of_a_text_are_those_that_the_core_reads() {
    let mut raw = Raw::new();
    let secret = SharedSecret::generate(Purpose::Issuing, 255, &[1; 40]);
    let integration = SharedSecret::generate(Purpose::Integration, 0, &[2; 40]);
    let signed = |name, terms| {
        let issuer = IssuingKey::new(prefix(name), &secret).unwrap();
        issuer.generate(&[0xfe; 8], terms).unwrap()
    };
    let texts = [
        generate_opaque_key(&prefix("a"), OpaqueUse::Bearer, &[3; 40]).1,
        generate_opaque_key(&live(), OpaqueUse::BearerAndSigning, &[4; 40]).1,
        signed("acme_live", SignedKeyTerms::expiring(NOW, 60)),
        signed("a_prefix_with_just_32_characters", SignedKeyTerms::without_lifetime(NOW).read_only()),
        secret.to_text(),
        integration.to_text(),
    ];
    for text in &texts {
        let text = text.expose();
        raw.write(&[text.as_bytes()]);
        assert_eq!(raw.call("parse_key", &[len(text)]), 32, "{text}");

        let parsed = parse(text).unwrap();
        let expires_at = parsed.claims().and_then(Claims::expires_at);
        let flags = u8::from(parsed.version().is_some())
            + 2 * u8::from(parsed.claims().is_some())
            + 4 * u8::from(parsed.claims().is_some_and(Claims::read_only))
            + 8 * u8::from(expires_at.is_some());
        let mut expected = vec![
            parsed.kind().number(),
            u8::try_from(parsed.prefix().len()).unwrap(),
            parsed.version().unwrap_or(0),
            flags,
            0,
            0,
            0,
            0,
        ];
        expected.extend(parsed.id().as_u64().to_le_bytes());
        expected.extend(parsed.claims().map_or(0, Claims::issued_at).to_le_bytes());
        expected.extend(expires_at.unwrap_or(0).to_le_bytes());
        assert_eq!(raw.output(32), expected, "{text}");
    }
    // A text of no format: the status is the core's error as a number.
    let good = texts[2].expose();
    for bad in
        [String::new(), "short".into(), good.replace("_s", "_q"), good.replace('0', "1"), good.to_uppercase()]
    {
        raw.write(&[bad.as_bytes()]);
        let error = parse(&bad).unwrap_err();
        let status = MALFORMED - i32::from(error.number());
        assert_eq!(raw.call("parse_key", &[len(&bad)]), status, "{bad}: {error}");
    }
}

#[test]
fn every_documented_error_has_its_status() {
    let mut raw = Raw::new();
    let [secret, integration] = [Purpose::Issuing, Purpose::Integration]
        .map(|purpose| SharedSecret::generate(purpose, 1, &[1; 40]).to_text().expose().to_owned());
    let opaque = generate_opaque_key(&live(), OpaqueUse::Bearer, &[1; 40]).1.expose().to_owned();

    for options in [2, 3, i32::MIN, -1] {
        assert_eq!(raw.call("verifier_begin", &[Val::I32(options)]), INVALID_OPTION);
    }
    assert_eq!(raw.add_secret("acme_live", &secret), NOT_BEGUN);
    assert_eq!(raw.call("verifier_commit", &[]), NOT_BEGUN);
    assert_eq!(raw.call("verifier_begin", &[Val::I32(1)]), 0);
    assert_eq!(raw.add_secret("", &secret), INVALID_PREFIX);
    assert_eq!(raw.add_secret("cvgis", &secret), INVALID_PREFIX);
    assert_eq!(raw.add_secret("acme_live", &integration), WRONG_PURPOSE);
    assert_eq!(raw.add_secret("acme_live", &opaque), WRONG_PURPOSE);
    let cut = secret.get(..secret.len() - 1).unwrap();
    let error = parse(cut).unwrap_err();
    assert_eq!(raw.add_secret("acme_live", cut), MALFORMED - i32::from(error.number()));
    assert_eq!(raw.call("verifier_commit", &[]), INVALID_CONFIGURATION, "no secret was added");
    assert_eq!(raw.call("verifier_commit", &[]), NOT_BEGUN, "a failed configuration is gone");

    raw.write(&[&[0xff; 100]]);
    assert_eq!(raw.call("parse_key", &[Val::I32(100)]), INVALID_INPUT, "not UTF-8");
    for beyond in [4097, i32::MAX, -1] {
        assert_eq!(raw.call("parse_key", &[Val::I32(beyond)]), INVALID_INPUT);
        let status = raw.call("verifier_add_issuing_secret", &[Val::I32(beyond), Val::I32(beyond)]);
        assert_eq!(status, INVALID_INPUT);
        assert_eq!(raw.call("generate_opaque_key", &[Val::I32(1), Val::I32(beyond)]), INVALID_INPUT);
    }
    // The prefix fits, but the entropy behind it would not.
    raw.write(&[&[b'a'; 32]]);
    assert_eq!(raw.call("generate_opaque_key", &[Val::I32(0), Val::I32(32)]), INVALID_OPTION);
    assert_eq!(raw.call("generate_shared_secret", &[Val::I32(1), Val::I32(256)]), INVALID_OPTION);
    assert_eq!(raw.call("generate_shared_secret", &[Val::I32(0), Val::I32(1)]), INVALID_OPTION);

    let mut signed = |issued_at: u64, lifetime: i32, flags: i32| {
        raw.write(&[b"acme_live", secret.as_bytes(), &[1; 8]]);
        let issued_at = Val::I64(issued_at.cast_signed());
        let arguments = [Val::I32(9), len(&secret), issued_at, Val::I32(lifetime), Val::I32(flags)];
        raw.call("generate_signed_key", &arguments)
    };
    assert!(signed(NOW, 60, 0) > 0);
    assert_eq!(signed(NOW, 60, 2), INVALID_OPTION);
    assert_eq!(signed(0, 60, 0), INVALID_TIME);
    assert_eq!(signed(u64::MAX, 60, 0), INVALID_TIME);
    assert_eq!(signed(NOW, 1 << 26, 0), INVALID_TIME);
    assert_eq!(signed(NOW, -1, 0), INVALID_TIME);
}

#[test]
fn a_verifier_is_there_from_the_first_commit_and_stays_over_failed_ones() {
    let mut raw = Raw::new();
    let (secret, next) = (issuing(1, 1), issuing(1, 2));
    let (good, good_next) = (key(live(), &secret), key(live(), &next));
    assert_eq!(raw.verify(&good), code(DenialCode::NotConfigured));
    assert_eq!(raw.record(), Verdict::denied(DenialCode::NotConfigured, None));
    assert_eq!(raw.call("verify_key", &[Val::I32(-1), Val::I64(0)]), code(DenialCode::NotConfigured));

    assert_eq!(raw.call("verifier_begin", &[Val::I32(0)]), 0);
    assert_eq!(raw.add_secret("acme_live", secret.to_text().expose()), 0);
    assert_eq!(raw.verify(&good), code(DenialCode::NotConfigured), "not committed yet");
    assert_eq!(raw.call("verifier_commit", &[]), 0);
    assert_eq!(raw.verify(&good), 0);
    let verified = raw.record();
    assert!(verified.is_verified());

    // A configuration that is under way, fails or is begun anew changes nothing.
    assert_eq!(raw.call("verifier_begin", &[Val::I32(0)]), 0);
    assert_eq!(raw.verify(&good), 0);
    assert_eq!(raw.call("verifier_commit", &[]), INVALID_CONFIGURATION);
    assert_eq!(raw.verify(&good), 0);
    assert_eq!(raw.call("verifier_begin", &[Val::I32(0)]), 0);
    for same_version in [&secret, &next] {
        assert_eq!(raw.add_secret("acme_live", same_version.to_text().expose()), 0);
    }
    assert_eq!(raw.call("verifier_commit", &[]), INVALID_CONFIGURATION);
    assert_eq!(raw.verify(&good), 0);
    assert_eq!(raw.record(), verified);
    assert_eq!(raw.verify(&good_next), code(DenialCode::BadSecret));

    raw.trust(&next);
    assert_eq!(raw.verify(&good), code(DenialCode::BadSecret));
    assert_eq!(raw.verify(&good_next), 0);
}

#[test]
fn a_key_longer_than_the_input_is_denied_by_its_length() {
    let mut raw = Raw::new();
    let secret = issuing(1, 1);
    raw.trust(&secret);
    assert_eq!(raw.verify(&key(live(), &secret)), 0);
    // The good key still stands in the input.
    for beyond in [4097, 65_536, i32::MAX, i32::MIN, -1] {
        let status = raw.call("verify_key", &[Val::I32(beyond), Val::I64(NOW.cast_signed())]);
        assert_eq!(status, code(DenialCode::Malformed), "{beyond}");
        let Verdict::Denied(denied) = raw.record() else { panic!("{beyond}") };
        assert_eq!((denied.code, denied.key_id), (DenialCode::Malformed, None));
        assert_eq!(denied.freshness, Some(Freshness::Stateless));
        let status = raw.call("verify_key_in_context", &[Val::I32(beyond), Val::I32(32)]);
        assert_eq!(status, code(DenialCode::Malformed), "{beyond}");
        assert_eq!(raw.record(), Verdict::denied(DenialCode::Malformed, None));
    }
}

#[test]
fn no_argument_and_no_input_makes_it_trap() {
    let (mut raw, mut random) = (Raw::new(), Random(5));
    let secret = issuing(1, 1);
    let text = secret.to_text();
    let (good, random_name) = (key(live(), &secret), KeyPrefix::new("a").unwrap());
    raw.trust(&secret);
    let functions: Vec<(String, Vec<ValType>)> = {
        let module = raw.instance.module(&raw.store);
        let exports = module.exports().filter_map(|export| match export.ty() {
            ExternType::Func(function) => Some((
                export.name().strip_prefix("claviger_").unwrap().to_owned(),
                function.params().collect(),
            )),
            _ => None,
        });
        exports.collect()
    };
    assert_eq!(functions.len(), 29);

    const EDGES: [i64; 25] = [
        0,
        1,
        2,
        8,
        9,
        32,
        40,
        76,
        91,
        255,
        256,
        512,
        984,
        1023,
        1024,
        1025,
        4095,
        4096,
        4097,
        65_535,
        -1,
        -40,
        -1024,
        i32::MAX as i64,
        i32::MIN as i64,
    ];
    let (mut calls, mut verified) = (0, 0);
    for _ in 0..1_000 {
        for (name, parameters) in &functions {
            let noise = random.bytes(1024);
            match random.next() % 4 {
                0 => raw.write(&[&noise]),
                1 => raw.write(&[b"acme_live", text.expose().as_bytes(), &noise[..40]]),
                2 => raw.write(&[good.as_bytes()]),
                _ => raw.write(&[random_name.as_str().as_bytes(), &noise[..random.next() as usize % 1000]]),
            }
            let mut argument = |kind: &ValType| {
                let number = match random.next() % 4 {
                    0 => random.next().cast_signed(),
                    _ => EDGES[random.next() as usize % EDGES.len()],
                };
                match kind {
                    ValType::I32 => Val::I32(number as i32),
                    _ => Val::I64(if number == 1024 { NOW.cast_signed() } else { number }),
                }
            };
            let arguments: Vec<Val> = parameters.iter().map(&mut argument).collect();
            let status = raw.call(name, &arguments);
            calls += 1;
            if name == "verify_key" && status == 0 {
                verified += 1;
                assert!(raw.record().is_verified());
            }
            if name.starts_with("generate") {
                assert!(status <= 108, "{name}{arguments:?}: {status}");
            }
        }
    }
    println!("{calls} calls, {verified} of them verified");
    // After all that the instance still works.
    raw.trust(&secret);
    assert_eq!(raw.verify(&good), 0);
}
