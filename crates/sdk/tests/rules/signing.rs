//! Signing: whose requests verifiers take that are signed with a signed key, by what is said of its issuing secret.

use crate::{
    company::{Company, code, on_both_stores},
    keys::text,
    ring::{Ring, platform},
};
use chrono::TimeDelta;
use claviger_core::{
    DenialCode, HttpRequest, KeyKind, NonceWindow, RequestContext, RequestSigner, SignaturePolicy,
    SignatureTerms, SignedKeyTerms, Verdict, Verifier,
};
use claviger_sdk::{
    Audience, Generated, Lifetime, NewKey, NewSharedSecret, RevocationReason, Rule, SecretId, Session,
    SharedSecretRecord, Store,
};

const MONTH: Lifetime = Lifetime::days(30);
const DAY: TimeDelta = TimeDelta::days(1);

/// A ring for everyone, published.
async fn published(company: &Company) -> Ring {
    let ring = Ring::new(&company.store, Audience::Everyone).await;
    ring.publish().await;
    ring
}

/// A key of the tenant in the role READONLY that this issuing secret makes.
async fn signed_by(company: &Company, secret: SecretId, name: &str) -> Generated {
    let new = NewKey::for_tenant(company.readonly.id, name, MONTH).signed_by(secret);
    company.as_ada.keys().generate(new).await.unwrap()
}

/// What a verifier says of a request that is signed with a key, now.
fn verdict<'v>(verifier: &'v Verifier, company: &Company, key: &str, nonce: &str) -> Verdict<'v> {
    let now = u64::try_from(company.now().timestamp()).unwrap();
    let request = HttpRequest::new("POST", "https://api.example/flights?page=2", &[]).unwrap();
    let terms = SignatureTerms { nonce: Some(nonce), ..SignatureTerms::at(now) };
    let signed = RequestSigner::from_key(key).unwrap().sign(&request, &terms).unwrap();
    let fields =
        [("signature-input", signed.signature_input.as_bytes()), ("signature", signed.signature.as_bytes())];
    let request = HttpRequest::new("POST", "https://api.example/flights?page=2", &fields).unwrap();
    let context = RequestContext::at(now);
    let pending = verifier.verify_request(&request, &SignaturePolicy::default(), &context);
    pending.check(&mut NonceWindow::default(), now)
}

/// Why a verifier with what is published denies a request that is signed with a key, or `verified`.
fn denial(ring: &Ring, company: &Company, key: &str) -> &'static str {
    let verifier = ring.verifier(company);
    verdict(&verifier, company, key, "n").denial().map_or("verified", DenialCode::as_str)
}

/// The refusal of what can be said of no other secrets than issuing ones.
fn assert_makes_no_keys<T: std::fmt::Debug>(outcome: Result<T, claviger_sdk::Error>) {
    assert_eq!(outcome.unwrap_err().rule(), Some(Rule::IntegrationSecretMakesNoKeys));
}

async fn get(session: &Session, id: SecretId) -> SharedSecretRecord {
    session.shared_secrets().get(id).await.unwrap()
}

on_both_stores! {
    async fn a_signed_key_signs_from_when_it_is_allowed_until_it_is_forbidden(company: Company) {
        let (secret, secrets) = (company.issuing_secret().await, company.as_ada.shared_secrets());
        let key = signed_by(&company, secret, "edge").await;
        let ring = published(&company).await;
        for _ in 0..2 {
            assert_eq!(denial(&ring, &company, text(&key)), "unknown_key");
            assert_eq!(ring.denial(&company, text(&key)), "verified", "presented, it is good");
            assert!(secrets.allow_signing(secret).await.unwrap().may_sign);
            assert_eq!(denial(&ring, &company, text(&key)), "unknown_key", "until it is published");
            let allowed = ring.publish().await;
            assert_eq!((allowed.whole, allowed.parts), (false, 1), "a root, and no part else");
            assert_eq!(denial(&ring, &company, text(&key)), "verified");
            assert_eq!(ring.denial(&company, text(&key)), "verified");
            assert!(!secrets.forbid_signing(secret).await.unwrap().may_sign);
            let forbidden = ring.publish().await;
            assert_eq!((forbidden.whole, forbidden.parts), (false, 1));
        }
        assert_eq!(denial(&ring, &company, text(&key)), "unknown_key");
        assert_eq!(ring.denial(&company, text(&key)), "verified");
    }

    async fn the_verdict_of_a_signed_request_is_that_of_its_key(company: Company) {
        let secret = NewSharedSecret::issuing("edge").for_signing();
        let secret = company.as_ada.shared_secrets().create(secret).await.unwrap();
        assert!(secret.may_sign && get(&company.as_ada, secret.id).await.may_sign);
        let key = signed_by(&company, secret.id, "edge").await;
        let ring = published(&company).await;
        let verifier = ring.verifier(&company);
        let verified = verdict(&verifier, &company, text(&key), "n").into_result().unwrap();
        let policy = verified.policy.unwrap();
        assert_eq!((verified.kind, verified.key_id), (KeyKind::Signed, key.key.id));
        assert_eq!((policy.role(), policy.tenant()), (Some("READONLY"), &*company.tenant.id.to_string()));
        company.as_ada.keys().deactivate(key.key.id).await.unwrap();
        ring.publish().await;
        assert_eq!(denial(&ring, &company, text(&key)), "disabled");
        company.as_ada.keys().expire_now(key.key.id, RevocationReason::Compromised, "edge").await.unwrap();
        ring.publish().await;
        assert_eq!(denial(&ring, &company, text(&key)), "revoked");
    }

    async fn it_is_said_of_one_secret_and_of_no_other(company: Company) {
        let secrets = company.as_ada.shared_secrets();
        let may = secrets.create(NewSharedSecret::issuing("may").for_signing()).await.unwrap().id;
        let may_not = secrets.create(NewSharedSecret::issuing("may not")).await.unwrap();
        assert!(!may_not.may_sign, "unless it is said");
        secrets.create(NewSharedSecret::integration("webhooks")).await.unwrap();
        let keys = [signed_by(&company, may, "a").await, signed_by(&company, may_not.id, "b").await];
        let ring = published(&company).await;
        assert_eq!(denial(&ring, &company, text(&keys[0])), "verified");
        assert_eq!(denial(&ring, &company, text(&keys[1])), "unknown_key");
        let listed = secrets.list().await.unwrap();
        let listed: Vec<_> = listed.iter().map(|secret| (secret.name.as_str(), secret.may_sign)).collect();
        assert_eq!(listed, [("may", true), ("may not", false), ("webhooks", false)]);
        secrets.allow_signing(may_not.id).await.unwrap();
        secrets.forbid_signing(may).await.unwrap();
        ring.publish().await;
        assert_eq!(denial(&ring, &company, text(&keys[0])), "unknown_key");
        assert_eq!(denial(&ring, &company, text(&keys[1])), "verified");
    }

    async fn it_holds_for_every_version_and_for_keys_that_were_made_elsewhere(company: Company) {
        let (secret, secrets) = (company.issuing_secret().await, company.operator.shared_secrets());
        let old = signed_by(&company, secret, "old").await;
        secrets.allow_signing(secret).await.unwrap();
        assert!(secrets.rotate(secret, DAY).await.unwrap().may_sign);
        let new = signed_by(&company, secret, "new").await;
        let now = u64::try_from(company.now().timestamp()).unwrap();
        let issuer = company.issuing_key(secret).await;
        let elsewhere = issuer.generate(&[1; 8], SignedKeyTerms::expiring(now, 60)).unwrap();
        let ring = published(&company).await;
        for key in [text(&old), text(&new), elsewhere.expose()] {
            assert_eq!(denial(&ring, &company, key), "verified");
        }
        secrets.forbid_signing(secret).await.unwrap();
        ring.publish().await;
        for key in [text(&old), text(&new), elsewhere.expose()] {
            assert_eq!(denial(&ring, &company, key), "unknown_key");
        }
        secrets.allow_signing(secret).await.unwrap();
        company.advance(DAY);
        ring.publish().await;
        assert_eq!(denial(&ring, &company, text(&old)), "unknown_key", "the overlap is over");
        assert_eq!(denial(&ring, &company, text(&new)), "verified");
    }

    async fn a_secret_that_makes_no_keys_is_refused(company: Company) {
        let secrets = company.as_ada.shared_secrets();
        let new = NewSharedSecret::integration("webhooks");
        assert_makes_no_keys(secrets.create(new.clone().for_signing()).await);
        let id = secrets.create(new).await.unwrap().id;
        let before = platform(&company.store).audit().head().await.unwrap();
        assert_makes_no_keys(secrets.allow_signing(id).await);
        assert_makes_no_keys(secrets.forbid_signing(id).await);
        assert!(!get(&company.as_ada, id).await.may_sign);
        assert_eq!(platform(&company.store).audit().head().await.unwrap(), before);
    }

    async fn who_may_create_secrets_says_so(company: Company) {
        let id = company.issuing_secret().await;
        let (_, as_modifier) = company.user("A", &["shared_secrets:modify"]).await;
        let (_, as_revealer) = company.user("B", &["shared_secrets:reveal"]).await;
        let (_, as_nobody) = company.user("C", &["api_keys:modify_all"]).await;
        for session in [as_revealer, as_nobody] {
            assert_eq!(code(session.shared_secrets().allow_signing(id).await), "permission_needed");
            assert_eq!(code(session.shared_secrets().forbid_signing(id).await), "permission_needed");
        }
        let others = company.other_tenant().await;
        assert_eq!(code(others.shared_secrets().allow_signing(id).await), "not_found");
        assert_eq!(code(others.shared_secrets().forbid_signing(id).await), "not_found");
        assert!(!get(&company.operator, id).await.may_sign);
        assert!(as_modifier.shared_secrets().allow_signing(id).await.unwrap().may_sign);
        assert!(!as_modifier.shared_secrets().forbid_signing(id).await.unwrap().may_sign);
    }

    async fn where_keys_are_off_or_locked_it_can_be_forbidden_and_not_allowed(company: Company) {
        let (id, secrets) = (company.issuing_secret().await, company.operator.shared_secrets());
        secrets.allow_signing(id).await.unwrap();
        company.as_ada.tenants().lock_keys().await.unwrap();
        assert!(!secrets.forbid_signing(id).await.unwrap().may_sign);
        assert_eq!(code(secrets.allow_signing(id).await), "keys_locked");
        company.as_ada.tenants().unlock_keys().await.unwrap();
        secrets.allow_signing(id).await.unwrap();
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert!(!secrets.forbid_signing(id).await.unwrap().may_sign);
        assert_eq!(code(secrets.allow_signing(id).await), "tenant_off");
        company.operator.tenants().switch_on(company.tenant.id).await.unwrap();
        secrets.retire(id, "issuing").await.unwrap();
        assert_eq!(code(secrets.allow_signing(id).await), "secret_retired");
        assert_eq!(code(secrets.forbid_signing(id).await), "secret_retired");
    }

    async fn it_is_in_the_log_and_due_for_publication_if_it_changes_something(company: Company) {
        let (id, secrets) = (company.issuing_secret().await, company.as_ada.shared_secrets());
        let created = company.last_event("shared_secret.created").await.unwrap();
        assert!(created.details.contains("\"may_sign\":false"), "{}", created.details);
        let ring = published(&company).await;
        let due = async || ring.publisher.publish_if_due().await.unwrap().is_some();
        for (may_sign, action) in [(true, "signing_allowed"), (false, "signing_forbidden")] {
            let say = async || match may_sign {
                true => secrets.allow_signing(id).await.unwrap(),
                false => secrets.forbid_signing(id).await.unwrap(),
            };
            let before = get(&company.as_ada, id).await;
            let after = say().await;
            assert_eq!((after.may_sign, after.revision), (may_sign, before.revision + 1));
            assert_eq!(get(&company.as_ada, id).await, after);
            let event = company.last_event(&format!("shared_secret.{action}")).await.unwrap();
            assert_eq!((event.record, event.actor), (id.to_string(), format!("user:{}", company.ada.id)));
            assert!(due().await && !due().await);
            let head = platform(&company.store).audit().head().await.unwrap();
            assert_eq!(say().await, after, "said again");
            assert_eq!(platform(&company.store).audit().head().await.unwrap(), head);
            assert!(!due().await);
        }
    }

    async fn a_repeated_creation_says_the_same_of_signing(company: Company) {
        let once = company.as_ada.with_idempotency_key("monday");
        let new = || NewSharedSecret::issuing("edge").for_signing();
        let created = once.shared_secrets().create(new()).await.unwrap();
        let again = once.shared_secrets().create(new()).await.unwrap();
        assert!(again.replayed() && again.may_sign && again.id == created.id);
        let other = once.shared_secrets().create(NewSharedSecret::issuing("edge")).await;
        assert_eq!(code(other), "idempotency_key_reused");
    }

    async fn it_stays_in_the_store_that_is_sealed_anew_and_in_its_copies(company: Company) {
        let (secret, secrets) = (company.issuing_secret().await, company.operator.shared_secrets());
        secrets.allow_signing(secret).await.unwrap();
        let key = signed_by(&company, secret, "edge").await;
        let new = claviger_sdk::generate_master_key().unwrap();
        company.operator.master_keys().reseal(&new, |_, _| ()).await.unwrap();
        let copy = company.place.copy().await;
        for location in [&company.place.location, &copy.location] {
            let store = Store::open_with_clock(location, &new, company.clock.clone()).await.unwrap();
            let operator = platform(&store).in_tenant(company.tenant.id);
            assert!(get(&operator, secret).await.may_sign);
            let ring = Ring::new(&store, Audience::Everyone).await;
            ring.publish().await;
            assert_eq!(denial(&ring, &company, text(&key)), "verified");
        }
    }
}
