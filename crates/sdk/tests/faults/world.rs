//! A store with keys, and a ring of it whose every root is kept.

use crate::{
    place::Place,
    recorder::Recorder,
    verifying::{Ended, check},
};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_core::KeyringKey;
use claviger_sdk::{
    Actor, Audience, Clock, Destination, Generated, KeyId, Lifetime, ManualClock, MasterKey, NewKey, NewRing,
    NewServiceAccount, NewSharedSecret, NewTenant, Publications, Publisher, RevocationReason, RingId,
    Session, Store, SystemClock, TenantId, generate_master_key,
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which database a store is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Database {
    Sqlite,
    Postgresql,
}

impl Database {
    pub(crate) async fn place(self) -> Place {
        match self {
            Self::Sqlite => Place::sqlite().await,
            Self::Postgresql => Place::postgresql().await,
        }
    }
}

/// A key, as its holder has it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) name: String,
    pub(crate) text: String,
    /// The owner that its policy must name.
    pub(crate) owner: String,
}

impl Key {
    pub(crate) fn of(generated: Generated, owner: &impl ToString) -> Self {
        let Generated { key, text, .. } = generated;
        let text = text.expect("it was made just now").expose().to_owned();
        Self { id: key.id, name: key.name, text, owner: owner.to_string() }
    }
}

pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) master_key: MasterKey,
    pub(crate) clock: ManualClock,
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) ring: RingId,
    pub(crate) keyring_keys: Vec<KeyringKey>,
    pub(crate) destination: Recorder,
    made: AtomicUsize,
}

pub(crate) const RING: &str = "edge";

impl World {
    pub(crate) async fn new(database: Database) -> Self {
        // 2026-11-22 00:00:00 UTC.
        Self::at(database, DateTime::from_timestamp(1_795_305_600, 0).unwrap()).await
    }

    /// One whose clock starts with that of the system.
    pub(crate) async fn with_the_time(database: Database) -> Self {
        Self::at(database, SystemClock.now()).await
    }

    /// Puts its clock to that of the system.
    pub(crate) fn read_the_time(&self) {
        self.advance(SystemClock.now() - self.clock.now());
    }

    async fn at(database: Database, now: DateTime<Utc>) -> Self {
        let place = database.place().await;
        let master_key = generate_master_key().unwrap();
        let clock = ManualClock::at(now);
        let store = Store::open_with_clock(&place.location, &master_key, clock.clone()).await.unwrap();
        let platform = platform(&store);
        let new = NewTenant::new("Northwind", "nw_live".parse().unwrap());
        let tenant = platform.tenants().create(new).await.unwrap().id;
        let ring = platform.rings().create(NewRing::new(RING, Audience::Everyone)).await.unwrap().id;
        let mut world = Self {
            place,
            master_key,
            clock,
            store,
            tenant,
            ring,
            keyring_keys: Vec::new(),
            destination: Recorder::new(),
            made: AtomicUsize::new(0),
        };
        world.learn_keyring_keys().await;
        world
    }

    /// The keyring keys that a verifier must have now.
    pub(crate) async fn learn_keyring_keys(&mut self) {
        let texts = platform(&self.store).rings().reveal_keys(self.ring).await.unwrap();
        self.keyring_keys = texts.iter().map(|text| KeyringKey::parse(text.expose()).unwrap()).collect();
    }

    /// Another handle, as another process has it.
    pub(crate) async fn another_store(&self) -> Store {
        self.store_at(&self.place.location).await
    }

    pub(crate) async fn store_at(&self, location: &str) -> Store {
        Store::open_with_clock(location, &self.master_key, self.clock.clone()).await.unwrap()
    }

    /// The operator in the tenant.
    pub(crate) fn operator(&self) -> Session {
        platform(&self.store).in_tenant(self.tenant)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::new(&self.store, self.ring, self.destination.clone())
    }

    pub(crate) fn publisher_over(&self, store: &Store, destination: impl Destination) -> Publisher {
        Publisher::new(store, self.ring, destination)
    }

    pub(crate) fn advance(&self, step: TimeDelta) {
        self.clock.advance(step);
    }

    pub(crate) fn set_clock(&self, seconds: u64) {
        self.advance(TimeDelta::seconds(seconds.cast_signed() - self.now().cast_signed()));
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.clock.now().timestamp()).unwrap()
    }

    pub(crate) fn unused_name(&self, what: &str) -> String {
        format!("{what}_{}", self.made.fetch_add(1, Ordering::SeqCst))
    }

    /// New keys, each with an owner of its own: so each has a policy of its own, which must not be mixed up.
    pub(crate) async fn keys(&self, number: usize) -> Vec<Key> {
        let operator = self.operator();
        let mut keys = Vec::new();
        for _ in 0..number {
            let account = self.unused_name("account");
            let account = NewServiceAccount::new(&account, "Contrails Ltd", "it@contrails.example");
            let account = operator.service_accounts().create(account).await.unwrap().id;
            let new = NewKey::for_service_account(account, &self.unused_name("key"), Lifetime::UNLIMITED);
            keys.push(Key::of(operator.keys().generate(new).await.unwrap(), &account));
        }
        keys
    }

    /// New signed keys, good for ninety days.
    pub(crate) async fn signed_keys(&self, number: usize) -> Vec<Key> {
        let operator = self.operator();
        let secret = NewSharedSecret::issuing(&self.unused_name("issuing"));
        let secret = operator.shared_secrets().create(secret).await.unwrap().id;
        let account =
            NewServiceAccount::new(&self.unused_name("account"), "Contrails", "it@contrails.example");
        let account = operator.service_accounts().create(account).await.unwrap().id;
        let mut keys = Vec::new();
        for _ in 0..number {
            let new = NewKey::for_service_account(account, &self.unused_name("signed"), Lifetime::days(90));
            let generated = operator.keys().generate(new.signed_by(secret)).await.unwrap();
            keys.push(Key::of(generated, &account));
        }
        keys
    }

    /// Checks every root that was ever put, given what was ended and which keys are good at the end.
    pub(crate) async fn check(&self, seed: u64, ended: &[Ended], good: &[Key]) {
        check(&self.destination, &self.keyring_keys, seed, ended, good).await;
    }
}

pub(crate) fn platform(store: &Store) -> Session {
    store.acting_as(Actor::operator("platform"))
}

/// Ends the text of a key in one of the ways there are. With a new text if the key goes on.
pub(crate) async fn end(operator: &Session, key: &Key, way: usize) -> (Publications, Option<Key>) {
    let keys = operator.keys();
    match way % 3 {
        0 => {
            let ended = keys.expire_now(key.id, RevocationReason::Compromised, &key.name).await.unwrap();
            (ended.publications, None)
        }
        1 => (keys.delete(key.id, &key.name).await.unwrap(), None),
        _ => {
            let generated = keys.regenerate(key.id, &key.name).await.unwrap();
            (generated.publications.clone(), Some(Key::of(generated, &key.owner)))
        }
    }
}
