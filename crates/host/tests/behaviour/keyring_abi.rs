//! The part of the ABI that is about keyrings, as any host sees it.

use crate::{
    fixtures::{NOW, Random, issuing},
    raw::{
        INVALID_CONFIGURATION, INVALID_INPUT, INVALID_OPTION, KEYRING, MALFORMED, NOT_BEGUN, Raw,
        WRONG_PURPOSE, code, len,
    },
    rings::{FRESH_FOR, Ring, VALID_FOR, good, keyring_key, opaque},
};
use claviger_host::{
    core::{
        ContextRecord, DenialCode, Freshness, KeyId, KeyringError, KeyringKey, NeededPart, PartKind,
        RequestContext, Verdict, parse,
    },
    wasmtime::Val,
};

fn long(number: u64) -> Val {
    Val::I64(number.cast_signed())
}

impl Raw {
    /// Commits one keyring key.
    fn trust_keyring_key(&mut self, key: &KeyringKey) {
        assert_eq!(self.call("verifier_begin", &[Val::I32(0)]), 0);
        assert_eq!(self.add_keyring_key(key.to_text().expose()), 0);
        assert_eq!(self.call("verifier_commit", &[]), 0);
    }

    fn add_keyring_key(&mut self, text: &str) -> i32 {
        self.write(&[text.as_bytes()]);
        let status = self.call("verifier_add_keyring_key", &[len(text)]);
        assert!(self.input_is_wiped());
        status
    }

    /// Gives it the head of a bundle.
    fn replace_by_head(&mut self, bundle: &[u8]) -> i32 {
        self.write(&[&bundle[..24]]);
        let head = self.call("bundle_head_len", &[long(bundle.len() as u64)]);
        let head = usize::try_from(head).expect("a bundle");
        assert!(head < bundle.len());
        let head = self.write_part(&bundle[..head]);
        self.call("keyring_replace", &[head, long(bundle.len() as u64), long(NOW)])
    }

    fn replace_by_root(&mut self, root: &[u8]) -> i32 {
        let root = self.write_part(root);
        self.call("keyring_replace", &[root, long(0), long(NOW)])
    }

    fn insert(&mut self, kind: i32, index: i32, part: &[u8]) -> i32 {
        let part = self.write_part(part);
        self.call("keyring_insert", &[Val::I32(kind), Val::I32(index), part])
    }

    /// What a status says of a keyring.
    fn keyring_error(&self, status: i32) -> KeyringError {
        let number = u8::try_from(KEYRING - status).unwrap();
        let (details, _) = self.output(16).as_chunks::<8>();
        KeyringError::from_number(number, [0, 1].map(|place| u64::from_le_bytes(details[place]))).unwrap()
    }

    fn verify_in_context(&mut self, key: &str, context: &RequestContext<'_>) -> i32 {
        let record = ContextRecord::write(context, "");
        self.write(&[key.as_bytes(), &record]);
        let context_len = Val::I32(i32::try_from(record.len()).unwrap());
        self.call("verify_key_in_context", &[len(key), context_len])
    }

    fn needed(&self) -> NeededPart {
        match self.record() {
            Verdict::Denied(denied) => denied.needed.expect("a part is needed"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_verdict_names_the_parts_that_it_needs_until_it_has_them() {
    let mut raw = Raw::new();
    let published = Ring::at(5).published();
    raw.trust_keyring_key(&keyring_key());
    assert_eq!(raw.verify(&good()), code(DenialCode::KeyringUnavailable));
    assert_eq!(raw.replace_by_head(&published.bundle), 0);
    assert_eq!(raw.replace_by_head(&published.bundle), 1, "it is the present one");

    let mut kinds = Vec::new();
    while raw.verify(&good()) == code(DenialCode::KeyringUnavailable) {
        let needed = raw.needed();
        let (offset, len) = needed.in_bundle.unwrap();
        let part = &published.bundle[usize::try_from(offset).unwrap()..][..len as usize];
        let kind = i32::from(needed.part.number());
        assert_eq!(raw.insert(kind, needed.index.cast_signed(), part), 0);
        kinds.push(needed.part);
    }
    assert_eq!(kinds, [PartKind::Chunk, PartKind::Page]);
    let verdict = raw.record();
    let verified = verdict.verified().unwrap();
    assert_eq!(verified.policy.as_ref().unwrap().tenant(), "tenant-7");
    assert_eq!(verified.freshness, Freshness::Fresh { epoch: 5, age: 0 });

    // The parts that did not change are still there.
    assert_eq!(raw.replace_by_root(&Ring::at(6).published().root), 0);
    assert_eq!(raw.verify(&good()), 0);
    let revoked = Ring { revoked: true, ..Ring::at(7) }.published();
    assert_eq!(raw.replace_by_root(&revoked.root), 0);
    assert_eq!(raw.verify(&good()), code(DenialCode::KeyringUnavailable), "the bucket of the key changed");
    assert_eq!(raw.needed().in_bundle, None);
    let (_, _, chunk) = revoked.parts.iter().find(|part| (part.0, part.1) == (PartKind::Chunk, 0)).unwrap();
    assert_eq!(raw.insert(1, 0, chunk), 0);
    assert_eq!(raw.verify(&good()), code(DenialCode::Revoked));

    assert_eq!(raw.call("keyring_info", &[]), 40);
    let id = keyring_key().id().as_u64();
    let expected: Vec<u8> = [7, id, 7, NOW, u64::from(VALID_FOR) << 32 | u64::from(FRESH_FOR)]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    assert_eq!(raw.output(40), expected);

    // A new configuration has no keyring.
    raw.trust_keyring_key(&keyring_key());
    let status = raw.call("keyring_info", &[]);
    assert_eq!(raw.keyring_error(status), KeyringError::NoKeyring);
    assert_eq!(raw.verify(&good()), code(DenialCode::KeyringUnavailable));
}

#[test]
fn a_context_is_read_behind_the_key() {
    let mut raw = Raw::new();
    let context = RequestContext::at(NOW).permissions(&["flights:view"]);
    assert_eq!(raw.verify_in_context(&good(), &context), code(DenialCode::NotConfigured));
    let published = Ring::at(1).published();
    raw.trust_keyring_key(&keyring_key());
    assert_eq!(raw.replace_by_root(&published.root), 0);
    for (kind, index, part) in &published.parts {
        assert_eq!(raw.insert(kind.number().into(), index.cast_signed(), part), 0);
    }
    assert_eq!(raw.verify_in_context(&good(), &context), 0);
    assert!(raw.record().is_verified());
    let status = raw.verify_in_context(&good(), &context.tenant("tenant-8"));
    assert_eq!(status, code(DenialCode::WrongTenant));
    let status = raw.verify_in_context(&good(), &context.permissions(&["crews:edit"]));
    assert_eq!(status, code(DenialCode::InsufficientPermission));

    // What is no context is a fault, however good the key is.
    let key_len = len(&good());
    raw.verify_in_context(&good(), &context);
    for context_len in [0, 1, 31, 32, 45, 47, 4096 - 76, 4096, -1, i32::MIN] {
        let status = raw.call("verify_key_in_context", &[key_len, Val::I32(context_len)]);
        assert_eq!(status, code(DenialCode::VerifierFault), "{context_len}");
        assert_eq!(raw.record(), Verdict::denied(DenialCode::VerifierFault, None));
    }
    let status = raw.call("verify_key_in_context", &[key_len, Val::I32(46)]);
    assert_eq!(status, 0);
}

#[test]
fn every_documented_error_of_keyrings_has_its_status() {
    let mut raw = Raw::new();
    let text = keyring_key().to_text();
    let text = text.expose();
    let other = KeyringKey::generate(&[0x62; 40]).to_text();
    let third = KeyringKey::generate(&[0x63; 40]).to_text();

    assert_eq!(raw.add_keyring_key(text), NOT_BEGUN);
    assert_eq!(raw.call("verifier_keyring_id", &[long(1)]), NOT_BEGUN);
    let require = |flags| [Val::I32(flags), long(0), long(0)];
    assert_eq!(raw.call("verifier_require", &require(0)), NOT_BEGUN);
    for flags in [4, 7, -1, i32::MIN] {
        assert_eq!(raw.call("verifier_require", &require(flags)), INVALID_OPTION);
    }
    let begin = |raw: &mut Raw| assert_eq!(raw.call("verifier_begin", &[Val::I32(0)]), 0);
    begin(&mut raw);
    assert_eq!(raw.add_keyring_key(issuing(1, 1).to_text().expose()), WRONG_PURPOSE);
    assert_eq!(raw.add_keyring_key(&good()), WRONG_PURPOSE);
    let cut = text.split_at(text.len() - 1).0;
    let error = parse(cut).unwrap_err();
    assert_eq!(raw.add_keyring_key(cut), MALFORMED - i32::from(error.number()));
    assert_eq!(raw.call("verifier_add_keyring_key", &[Val::I32(4097)]), INVALID_INPUT);
    assert_eq!(raw.call("verifier_commit", &[]), INVALID_CONFIGURATION, "no key was added");
    begin(&mut raw);
    assert_eq!(raw.add_keyring_key(text), 0);
    assert_eq!(raw.add_keyring_key(text), 0);
    assert_eq!(raw.call("verifier_commit", &[]), INVALID_CONFIGURATION, "two keys of one id");
    begin(&mut raw);
    assert_eq!(raw.add_keyring_key(text), 0);
    assert_eq!(raw.add_secret("acme_live", issuing(1, 1).to_text().expose()), 0);
    assert_eq!(raw.call("verifier_commit", &[]), INVALID_CONFIGURATION, "a key and a secret");

    // Without a verifier, and with one that takes no keyring.
    let published = Ring::at(5).published();
    for trusts_secret in [false, true] {
        if trusts_secret {
            raw.trust(&issuing(1, 1));
        }
        for status in [
            raw.replace_by_root(&published.root),
            raw.replace_by_head(&published.bundle),
            raw.insert(1, 0, b""),
            raw.call("keyring_info", &[]),
        ] {
            assert_eq!(status, KEYRING - i32::from(KeyringError::NoKeyring.number()));
        }
    }

    begin(&mut raw);
    assert_eq!(raw.add_keyring_key(text), 0);
    assert_eq!(raw.add_keyring_key(other.expose()), 0);
    assert_eq!(raw.add_keyring_key(third.expose()), INVALID_CONFIGURATION, "a third key");
    assert_eq!(raw.call("verifier_keyring_id", &[long(7)]), 0);
    assert_eq!(raw.call("verifier_require", &[Val::I32(3), long(3), long(10)]), 0);
    assert_eq!(raw.call("verifier_commit", &[]), 0);

    let status = raw.replace_by_root(&Ring::at(2).published().root);
    assert_eq!(raw.keyring_error(status), KeyringError::OlderEpoch { least: 3, offered: 2 });
    let elsewhere = Ring { keyring_id: KeyId::from_u64(u64::MAX), ..Ring::at(5) };
    let status = raw.replace_by_root(&elsewhere.published().root);
    let (expected, found) = (KeyId::from_u64(7), KeyId::from_u64(u64::MAX));
    assert_eq!(raw.keyring_error(status), KeyringError::WrongKeyring { expected, found });
    let status = raw.replace_by_root(&published.bundle);
    assert_eq!(raw.keyring_error(status), KeyringError::NotAKeyring, "a whole bundle is no root");
    let status = raw.replace_by_root(b"");
    assert_eq!(raw.keyring_error(status), KeyringError::NotAKeyring);
    assert_eq!(raw.replace_by_root(&published.root), 0);
    let status = raw.replace_by_root(&Ring { revoked: true, ..Ring::at(5) }.published().root);
    assert_eq!(raw.keyring_error(status), KeyringError::SameEpochOtherContent { epoch: 5 });

    let status = raw.insert(1, 3, b"something else");
    let part = PartKind::Chunk;
    assert_eq!(raw.keyring_error(status), KeyringError::WrongHash { part, index: 3 });
    let status = raw.insert(2, -1, b"something else");
    let part = PartKind::Page;
    assert_eq!(raw.keyring_error(status), KeyringError::NoSuchPart { part, index: u32::MAX });
    for kind in [0, 3, 256, 257, -1] {
        assert_eq!(raw.insert(kind, 0, b""), INVALID_OPTION);
    }
    raw.write_part(b"four");
    assert_eq!(raw.call("keyring_insert", &[Val::I32(1), Val::I32(0), Val::I32(5)]), INVALID_INPUT);
    assert_eq!(raw.call("keyring_replace", &[Val::I32(-1), long(0), long(NOW)]), INVALID_INPUT);
    for beyond in [(64 << 20) + 1, i32::MAX, i32::MIN, -1] {
        assert_eq!(raw.call("part_buffer", &[Val::I32(beyond)]), 0);
    }
    raw.write_part(&vec![0; 64 << 20]);

    // Both demands of the configuration: fresh, and at most ten seconds old.
    for (kind, index, part) in &published.parts {
        assert_eq!(raw.insert(kind.number().into(), index.cast_signed(), part), 0);
    }
    assert_eq!(raw.verify_in_context(&good(), &RequestContext::at(NOW + 10)), 0);
    let status = raw.verify_in_context(&good(), &RequestContext::at(NOW + 11));
    assert_eq!(status, code(DenialCode::KeyringStale));
}

#[test]
fn a_bundle_that_is_none_is_named_by_its_first_bytes() {
    let mut raw = Raw::new();
    let bundle = Ring::at(5).bundle();
    let mut head_len = |preamble: &[u8], bundle_len: u64| {
        raw.write(&[preamble]);
        let status = raw.call("bundle_head_len", &[long(bundle_len)]);
        if status >= 0 { Ok(status) } else { Err(raw.keyring_error(status)) }
    };
    let whole = bundle.len() as u64;
    assert_eq!(head_len(&bundle[..24], whole), head_len(&bundle[..48], whole));
    assert!(head_len(&bundle[..24], whole).is_ok());
    assert_eq!(head_len(&bundle[..24], whole - 1), Err(KeyringError::Truncated));
    assert_eq!(head_len(&bundle[..24], whole + 1), Err(KeyringError::Oversized));
    // What stands behind a bundle that is shorter is not a part of it.
    assert_eq!(head_len(&bundle[..24], 5), Err(KeyringError::Truncated));
    assert_eq!(head_len(&bundle[..24], 3), Err(KeyringError::NotAKeyring));
    assert_eq!(head_len(b"CVGB\x02\x00", whole), Err(KeyringError::UnsupportedVersion { version: 2 }));
}

#[test]
fn no_keyring_and_no_part_makes_it_trap() {
    let (mut raw, mut random) = (Raw::new(), Random(6));
    let published = Ring::at(1).published();
    raw.trust_keyring_key(&keyring_key());
    assert_eq!(raw.replace_by_root(&published.root), 0);
    let other = Ring { revoked: true, ..Ring::at(2) }.published();
    let mut taken = 0;
    for round in 0..20_000_u64 {
        let from = [&published.bundle, &other.bundle, &published.root, &other.root];
        let from = match random.next() % 8 {
            part @ 0..4 => from[part as usize].clone(),
            part => published.parts[part as usize % published.parts.len()].2.clone(),
        };
        let mut bytes = from.clone();
        for _ in 0..random.next() % 3 {
            // Most of what decides how the rest is read stands at the beginning.
            let most = if random.next() % 2 == 0 { bytes.len() } else { bytes.len().min(120) };
            bytes[random.next() as usize % most] = random.next() as u8;
        }
        if random.next() % 4 == 0 {
            bytes.truncate(random.next() as usize % bytes.len());
        }
        let number = |random: &mut Random| match random.next() % 3 {
            0 => random.next(),
            1 => random.next() % 5,
            _ => from.len() as u64,
        };
        let part = raw.write_part(&bytes);
        let (first, second) = (number(&mut random), number(&mut random));
        let status = match round % 4 {
            0 => raw.call("keyring_replace", &[part, long(first), long(NOW)]),
            1 => raw.call("keyring_insert", &[Val::I32((first % 4) as i32), Val::I32(second as i32), part]),
            2 => {
                raw.write(&[&bytes[..bytes.len().min(24)]]);
                raw.call("bundle_head_len", &[long(first)])
            }
            _ => {
                let arguments = [Val::I32(first as i32), Val::I32(second as i32)];
                raw.write(&[&bytes[..bytes.len().min(4096)]]);
                raw.call("verify_key_in_context", &arguments)
            }
        };
        taken += usize::from(status == 0);
        assert_ne!(raw.verify(&opaque(0xee).1), 0);
    }
    println!("{taken} calls did something");
    // After all that it still takes a keyring and verifies by it.
    let last = Ring::at(3).published();
    assert_eq!(raw.replace_by_root(&last.root), 0);
    for (kind, index, part) in &last.parts {
        assert_eq!(raw.insert(kind.number().into(), index.cast_signed(), part), 0);
    }
    assert_eq!(raw.verify(&good()), 0);
}
