//! A backup that is restored, after much was ended since it was made: nothing of that verifies again, and what was good
//! before and after still does.

use crate::{
    random::Random,
    verifying::{Ended, Reading},
    world::{Database, Key, RING, World, platform},
};
use chrono::TimeDelta;
use claviger_core::{IssuingKey, SharedSecret, SignedKeyTerms};
use claviger_sdk::{
    Destination, GroupId, Lifetime, NewKey, NewKeyGroup, NewServiceAccount, NewSharedSecret, NewTenant,
    PersonId, RevocationReason, SecretId, Session, TenantId,
};

const OTHER_TENANT: &str = "Southwind";
const TENANT_WITHOUT_KEYS: &str = "Eastwind";

/// What is done between the backup and its restoration, each with the key that it ends.
enum Deed {
    Revoke(Key),
    Delete(Key),
    Regenerate(Key),
    /// The overlap is over when the backup is restored.
    Rotate(Key),
    Deactivate(Key),
    SwitchGroupOff(Key, GroupId),
    SwitchPersonOff(Key, PersonId),
    SwitchTenantOff(Key, TenantId, &'static str),
    RotateSecret(Key, SecretId),
    RetireSecret(Key, SecretId, String),
    GenerateMore,
    RotateKeyringKey,
}

struct Restoring {
    world: World,
    random: Random,
    /// Whether all that is done is done in one second.
    stands_still: bool,
    good: Vec<Key>,
    dead: Vec<Key>,
    /// Good until it is restored: what the backup does not know, and signed keys of a secret beside which there is another
    /// one, because it may have been rotated.
    good_until_then: Vec<Key>,
}

impl Restoring {
    async fn account(&self, operator: &Session) -> PersonId {
        let new =
            NewServiceAccount::new(&self.world.unused_name("account"), "Contrails", "it@contrails.example");
        operator.service_accounts().create(new).await.unwrap().id
    }

    /// A key of this account, changed as the caller wants it.
    async fn key(&self, operator: &Session, account: PersonId, change: impl Fn(NewKey) -> NewKey) -> Key {
        let new = NewKey::for_service_account(account, &self.world.unused_name("key"), Lifetime::days(90));
        Key::of(operator.keys().generate(change(new)).await.unwrap(), &account)
    }

    async fn secret(&self, operator: &Session) -> (SecretId, String) {
        let name = self.world.unused_name("issuing");
        (operator.shared_secrets().create(NewSharedSecret::issuing(&name)).await.unwrap().id, name)
    }

    async fn tenant(&self, name: &str, prefix: &str) -> (TenantId, Session) {
        let platform = platform(&self.world.store);
        let tenant =
            platform.tenants().create(NewTenant::new(name, prefix.parse().unwrap())).await.unwrap().id;
        (tenant, platform.in_tenant(tenant))
    }

    /// A key that was made elsewhere, of which the store knows nothing but the issuing secret.
    async fn made_elsewhere(&self, operator: &Session, owner: TenantId, prefix: &str) -> Key {
        let (secret, name) = self.secret(operator).await;
        let secret = operator.shared_secrets().reveal(secret).await.unwrap();
        let secret = SharedSecret::parse(secret.expose()).unwrap();
        let issuing = IssuingKey::new(prefix.parse().unwrap(), &secret).unwrap();
        let terms = SignedKeyTerms::expiring(self.world.now(), 60 * 24 * 30);
        let text = issuing.generate(&[7; 8], terms).unwrap().expose().to_owned();
        let id = claviger_core::parse(&text).unwrap().id();
        Key { id, name, text, owner: owner.to_string() }
    }

    /// What will be done, with keys that are good until then.
    async fn deeds(&mut self) -> Vec<Deed> {
        let operator = self.world.operator();
        let account = self.account(&operator).await;
        let any = async || self.key(&operator, account, |new| new).await;
        let mut deeds = vec![
            Deed::Revoke(any().await),
            Deed::Delete(any().await),
            Deed::Regenerate(any().await),
            Deed::Rotate(any().await),
            Deed::Deactivate(any().await),
        ];
        let group = operator.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        deeds
            .push(Deed::SwitchGroupOff(self.key(&operator, account, |new| new.in_group(group)).await, group));
        let person = self.account(&operator).await;
        deeds.push(Deed::SwitchPersonOff(self.key(&operator, person, |new| new).await, person));

        let secrets =
            [self.secret(&operator).await, self.secret(&operator).await, self.secret(&operator).await];
        let signed =
            async |place: usize| self.key(&operator, account, |new| new.signed_by(secrets[place].0)).await;
        deeds.push(Deed::Revoke(signed(0).await));
        deeds.push(Deed::Delete(signed(0).await));
        deeds.push(Deed::RotateSecret(signed(1).await, secrets[1].0));
        deeds.push(Deed::RetireSecret(signed(2).await, secrets[2].0, secrets[2].1.clone()));
        let good = [any().await, any().await];
        let signed = signed(0).await;

        let (other, as_other) = self.tenant(OTHER_TENANT, "sw_live").await;
        let theirs = self.account(&as_other).await;
        let theirs = self.key(&as_other, theirs, |new| new).await;
        deeds.push(Deed::SwitchTenantOff(theirs, other, OTHER_TENANT));
        let (without, as_without) = self.tenant(TENANT_WITHOUT_KEYS, "ew_live").await;
        let made = self.made_elsewhere(&as_without, without, "ew_live").await;
        deeds.push(Deed::SwitchTenantOff(made, without, TENANT_WITHOUT_KEYS));
        self.good.extend(good);
        self.good_until_then.push(signed);
        deeds.push(Deed::GenerateMore);
        if self.stands_still {
            // An overlap ends with time.
            deeds.retain(|deed| !matches!(deed, Deed::Rotate(_)));
        }
        if self.random.one_in(2) {
            deeds.push(Deed::RotateKeyringKey);
        }
        self.random.shuffle(&mut deeds);
        deeds
    }

    async fn do_it(&mut self, deed: Deed) {
        let operator = self.world.operator();
        let keys = operator.keys();
        let ended = match deed {
            Deed::Revoke(key) => {
                keys.expire_now(key.id, RevocationReason::Compromised, &key.name).await.unwrap();
                key
            }
            Deed::Delete(key) => {
                keys.delete(key.id, &key.name).await.unwrap();
                key
            }
            Deed::Regenerate(key) => {
                let generated = keys.regenerate(key.id, &key.name).await.unwrap();
                self.good_until_then.push(Key::of(generated, &key.owner));
                key
            }
            Deed::Rotate(key) => {
                let generated = keys.rotate(key.id, TimeDelta::seconds(1)).await.unwrap();
                self.good_until_then.push(Key::of(generated, &key.owner));
                self.world.advance(TimeDelta::seconds(1));
                key
            }
            Deed::Deactivate(key) => {
                keys.deactivate(key.id).await.unwrap();
                key
            }
            Deed::SwitchGroupOff(key, group) => {
                operator.key_groups().switch_off(group).await.unwrap();
                key
            }
            Deed::SwitchPersonOff(key, person) => {
                operator.people().deactivate(person).await.unwrap();
                key
            }
            Deed::SwitchTenantOff(key, tenant, name) => {
                platform(&self.world.store).tenants().switch_off(tenant, name).await.unwrap();
                key
            }
            Deed::RotateSecret(key, secret) => {
                operator.shared_secrets().rotate(secret, TimeDelta::zero()).await.unwrap();
                key
            }
            Deed::RetireSecret(key, secret, name) => {
                operator.shared_secrets().retire(secret, &name).await.unwrap();
                key
            }
            Deed::GenerateMore => {
                let account = self.account(&operator).await;
                let secret = self.secret(&operator).await.0;
                self.good_until_then.push(self.key(&operator, account, |new| new).await);
                let key = self.key(&operator, account, |new| new.signed_by(secret)).await;
                keys.expire_now(key.id, RevocationReason::Compromised, &key.name).await.unwrap();
                key
            }
            Deed::RotateKeyringKey => {
                let platform = platform(&self.world.store);
                platform.rings().prepare_key(self.world.ring).await.unwrap();
                self.world.learn_keyring_keys().await;
                platform.rings().use_next_key(self.world.ring).await.unwrap();
                return;
            }
        };
        self.dead.push(ended);
    }

    /// What a verifier says now of each.
    async fn verified(&self, keys: &[&Key]) -> Vec<bool> {
        let mut reading = Reading::new(&self.world.destination, &self.world.keyring_keys);
        let root = self.world.destination.root().await.unwrap().unwrap();
        reading.verifier.replace_keyring(root.bytes, self.world.now()).unwrap();
        keys.iter().map(|key| reading.verdict(&key.text, self.world.now()).is_ok()).collect()
    }
}

impl Deed {
    /// The key that it ends, if that is known before.
    const fn ends(&self) -> Option<&Key> {
        match self {
            Self::Revoke(key)
            | Self::Delete(key)
            | Self::Regenerate(key)
            | Self::Rotate(key)
            | Self::Deactivate(key)
            | Self::SwitchGroupOff(key, _)
            | Self::SwitchPersonOff(key, _)
            | Self::SwitchTenantOff(key, ..)
            | Self::RotateSecret(key, _)
            | Self::RetireSecret(key, ..) => Some(key),
            Self::GenerateMore | Self::RotateKeyringKey => None,
        }
    }
}

pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let (good, dead, good_until_then) = <_>::default();
    let world = World::new(database).await;
    let (random, stands_still) = (Random::new(seed), seed.is_multiple_of(2));
    let mut restoring = Restoring { world, random, stands_still, good, dead, good_until_then };
    let deeds = restoring.deeds().await;
    let number = deeds.len();
    restoring.world.publisher().publish().await.unwrap();
    let to_end: Vec<&Key> = deeds.iter().filter_map(Deed::ends).chain(&restoring.good).collect();
    assert!(!restoring.verified(&to_end).await.contains(&false), "all are good before");
    let backup = restoring.world.place.copy().await;

    for deed in deeds {
        let step = if stands_still { 0 } else { [0, 1, 3_600][restoring.random.below(3)] };
        restoring.world.advance(TimeDelta::seconds(step));
        restoring.do_it(deed).await;
        if restoring.random.one_in(4) {
            restoring.world.publisher().publish().await.unwrap();
        }
    }
    let published = restoring.world.publisher().publish().await.unwrap();
    let Restoring { world, good, dead, good_until_then, .. } = restoring;
    let mut ended: Vec<Ended> = dead.into_iter().map(|key| Ended::new(key, Some(published.epoch))).collect();
    world.check(seed, &ended, &good).await;

    world.advance(TimeDelta::seconds(1));
    let store = world.store_at(&backup.location).await;
    let publisher = world.publisher_over(&store, world.destination.clone());
    let refused = publisher.publish().await.unwrap_err().code();
    // One that does not know the keyring key cannot tell more.
    assert!(["store_behind", "destination_unreadable"].contains(&refused), "{refused}");
    publisher.restore(&platform(&store), RING, &world.keyring_keys).await.unwrap();
    let epoch = publisher.publish().await.unwrap().epoch;
    ended.extend(good_until_then.into_iter().map(|key| Ended::new(key, Some(epoch))));
    world.check(seed, &ended, &good).await;
    assert_eq!(world.publisher().publish().await.unwrap_err().code(), "store_behind");
    number
}
