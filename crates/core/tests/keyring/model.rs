//! The keyring decides as a plain model does, which knows nothing of bytes, masks and hashes.

use crate::world::{FRESH, ISSUED, ModelPolicy, Nature, Random, Request, World};
use claviger_core::{DenialCode, Freshness, KeyKind, Verdict, Verifier};
use proptest::prelude::*;

/// What the model says.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision<'w> {
    Denied(DenialCode),
    Verified {
        kind: KeyKind,
        id: claviger_core::KeyId,
        policy: &'w ModelPolicy,
        read_only: bool,
        expires_at: Option<u64>,
        issued_at: Option<u64>,
    },
}

impl PartialEq for ModelPolicy {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Whether a granted pattern covers a permission, by its documentation: the last `*` stands for one or more segments,
/// any other for one.
fn covers(pattern: &[&str], permission: &[&str]) -> bool {
    match (pattern, permission) {
        ([], []) => true,
        (["*"], [_, ..]) => true,
        ([first, pattern @ ..], [asked, permission @ ..]) => {
            (*first == "*" || first == asked) && covers(pattern, permission)
        }
        _ => false,
    }
}

/// The bits of an address, and whether it is one of IPv4, which mapped ones are.
fn bits(address: &str) -> (bool, String) {
    match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => (true, format!("{:032b}", u32::from(address))),
        std::net::IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => (true, format!("{:032b}", u32::from(address))),
            None => (false, format!("{:0128b}", u128::from(address))),
        },
    }
}

fn within(network: &str, address: &str) -> bool {
    let (first, length) = network.split_once('/').unwrap();
    let length: usize = length.parse().unwrap();
    let (is_ipv4, first) = bits(first);
    // A network that is written as mapped counts the 96 bits before it.
    let length = if is_ipv4 && network.contains(':') { length - 96 } else { length };
    let (address_is_ipv4, address) = bits(address);
    is_ipv4 == address_is_ipv4 && first[..length] == address[..length]
}

pub(crate) fn decide<'w>(world: &'w World, nature: &Nature, request: &Request) -> Decision<'w> {
    let Nature::Proven {
        kind,
        id,
        prefix,
        policy,
        revoked,
        disabled,
        read_only,
        not_before,
        ends,
        issued_at,
    } = nature
    else {
        let Nature::Unproven(code) = nature else { unreachable!() };
        return Decision::Denied(*code);
    };
    let policy = &world.policies[*policy];
    let now = request.now.max(ISSUED);
    let read_only = *read_only || policy.read_only;
    let granted = |permission: &&str| {
        let asked: Vec<&str> = permission.split(':').collect();
        let well_formed = !permission.contains(' ');
        let reads = asked.last() == Some(&"view");
        let pattern = |pattern: &&str| covers(&pattern.split(':').collect::<Vec<_>>(), &asked);
        well_formed && (!read_only || reads) && policy.permissions.iter().any(pattern)
    };
    let allowed = |address: &str| policy.networks.iter().any(|network| within(network, address));
    let expires_at = ends.iter().min().copied();
    let checks = [
        (prefix.is_some_and(|prefix| prefix != policy.prefix), DenialCode::WrongPrefix),
        (*revoked, DenialCode::Revoked),
        (*disabled || policy.off.contains(&true), DenialCode::Disabled),
        (not_before.is_some_and(|time| now < time), DenialCode::NotYetValid),
        (issued_at.is_some_and(|time| time > now + 300), DenialCode::NotYetValid),
        (expires_at.is_some_and(|time| now >= time), DenialCode::Expired),
        (request.tenant.is_some_and(|tenant| tenant != policy.tenant), DenialCode::WrongTenant),
        (!policy.networks.is_empty() && !request.address.is_some_and(allowed), DenialCode::IpNotAllowed),
        (!request.permissions.iter().all(granted), DenialCode::InsufficientPermission),
    ];
    match checks.into_iter().find(|(fails, _)| *fails) {
        Some((_, code)) => Decision::Denied(code),
        None => {
            Decision::Verified { kind: *kind, id: *id, policy, read_only, expires_at, issued_at: *issued_at }
        }
    }
}

/// Fails unless the verdict is what the model says.
pub(crate) fn assert_agrees(verdict: &Verdict<'_>, decision: &Decision<'_>, epoch: u64, request: &Request) {
    let age = request.now.saturating_sub(ISSUED);
    let freshness = if age < u64::from(FRESH) {
        Freshness::Fresh { epoch, age }
    } else {
        Freshness::Stale { epoch, age }
    };
    assert_eq!(verdict.freshness(), Some(freshness));
    match (verdict, decision) {
        (Verdict::Denied(denied), Decision::Denied(code)) => assert_eq!(denied.code, *code),
        (
            Verdict::Verified(verified),
            Decision::Verified { kind, id, policy: model, read_only, expires_at, issued_at },
        ) => {
            assert_eq!((verified.kind, verified.key_id), (*kind, *id));
            assert_eq!((verified.issued_at, verified.expires_at), (*issued_at, *expires_at));
            assert_eq!((verified.read_only, verified.prefix.as_str()), (*read_only, model.prefix));
            let policy = verified.policy.as_ref().unwrap();
            assert_eq!((policy.tenant(), policy.owner()), (model.tenant, model.owner.as_str()));
            assert_eq!(policy.external_id(), model.external_id.as_deref());
            assert_eq!(
                (policy.role(), policy.metadata()),
                (model.role.as_deref(), model.metadata.as_deref())
            );
            assert!(policy.permissions().eq(model.permissions.iter().copied()));
            let limits = policy.limits().map(|limit| (limit.name.to_owned(), limit.max, limit.per_seconds));
            assert!(limits.eq(model.limits.iter().cloned()));
        }
        _ => panic!("{verdict:?} where the model says {decision:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_keyring_decides_as_the_model_does(seed: u64, keys in 1_usize..40) {
        let world = World::new(seed, keys);
        let mut verifier = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
        verifier.replace_keyring(world.build(1).bundle, ISSUED).unwrap();
        let mut random = Random(seed ^ 1);
        for presented in &world.presented {
            for _ in 0..6 {
                let request = Request::random(&mut random);
                let verdict = verifier.verify_key(&presented.text, &request.context());
                let decision = decide(&world, &presented.nature, &request);
                assert_agrees(&verdict, &decision, 1, &request);
            }
        }
    }
}

/// The model is worth little if its worlds lack something.
#[test]
fn the_worlds_have_every_fate() {
    let mut codes = std::collections::BTreeSet::new();
    let mut kinds = std::collections::HashSet::new();
    let mut random = Random(7);
    for seed in 0..40 {
        let world = World::new(seed, 40);
        for presented in &world.presented {
            match decide(&world, &presented.nature, &Request::random(&mut random)) {
                Decision::Denied(code) => drop(codes.insert(code.as_str())),
                Decision::Verified { kind, .. } => drop(kinds.insert(kind)),
            }
        }
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    let all = [
        "bad_checksum",
        "bad_secret",
        "disabled",
        "expired",
        "insufficient_permission",
        "ip_not_allowed",
        "not_yet_valid",
        "revoked",
        "unknown_key",
        "wrong_prefix",
        "wrong_tenant",
    ];
    assert!(codes.iter().eq(&all), "{codes:?}");
}
