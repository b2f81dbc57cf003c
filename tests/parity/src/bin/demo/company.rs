//! A company whose administrator generates keys of every kind of owner, and ends some of them.

use crate::Presented;
use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_core::{
    IssuingKey, KeyPrefix, KeyringKey, OpaqueUse, SharedSecret, SignedKeyTerms, generate_opaque_key,
};
use claviger_parity::{rings::value_of, setup::Options};
use claviger_sdk::{
    Actor, Audience, Clock, Directory, Generated, GroupId, Lifetime, ManualClock, NewKey, NewKeyGroup,
    NewPersonalKey, NewRing, NewRole, NewServiceAccount, NewSharedSecret, NewTenant, NewUser, PersonId,
    Publication, Publisher, RevocationReason, RoleId, SecretId, Session, Store, TenantId,
    generate_master_key,
};
use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
};
use tokio::runtime::{Builder, Runtime};

/// The name of the ring, and of the folder to which it is published.
pub(crate) const RING: &str = "edge";

/// A store with a company in it, whose keyring is published to a folder.
pub(crate) struct Company {
    runtime: Runtime,
    clock: ManualClock,
    operator: Session,
    administrator: Session,
    pilot: Session,
    user: PersonId,
    role: RoleId,
    group: GroupId,
    /// Makes signed keys.
    pub(crate) secret: SecretId,
    /// What the verifiers hold.
    keyring_key: KeyringKey,
    publisher: Publisher,
    keys: Option<Keys>,
    /// Where rings are published to.
    rings: PathBuf,
    /// The SQLite file and the rings go with it.
    _folder: tempfile::TempDir,
}

/// The keys of the demo, as they were shown once.
struct Keys {
    opaque: Generated,
    signing: Generated,
    signed: Generated,
    on_behalf: Generated,
    of_tenant: Generated,
    of_group: Generated,
    personal: Generated,
    untouched: Generated,
    token: String,
    unknown: String,
}

/// The prefix of all keys.
pub(crate) fn prefix() -> Result<KeyPrefix> {
    Ok(KeyPrefix::new("acme_live")?)
}

/// The text of a key, which is there once.
pub(crate) fn text(generated: &Generated) -> Result<String> {
    Ok(generated.text.as_ref().context("a key is shown when it is generated")?.expose().to_owned())
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the operating system gives no random bytes")?;
    Ok(bytes)
}

impl Company {
    /// A new company, an hour ago.
    pub(crate) fn found() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store.db");
        let clock = ManualClock::at(Utc::now() - TimeDelta::hours(1));
        let location = path.to_str().context("the temporary folder has no readable name")?;
        let founded = found(location, clock.clone());
        let (store, operator, administrator, pilot, tenant, user, role, group, secret) =
            runtime.block_on(founded)?;
        let rings = folder.path().join("rings");
        fs::create_dir(&rings)?;
        let (publisher, keyring_key) = runtime.block_on(make_ring(&store, tenant, rings.join(RING)))?;
        Ok(Self {
            runtime,
            clock,
            operator,
            administrator,
            pilot,
            user,
            role,
            group,
            secret,
            keyring_key,
            publisher,
            keys: None,
            rings,
            _folder: folder,
        })
    }

    /// The administrator at work.
    pub(crate) fn administrator(&self) -> &Session {
        &self.administrator
    }

    /// The platform operator at work.
    pub(crate) fn operator(&self) -> &Session {
        &self.operator
    }

    /// Does something with the store.
    pub(crate) fn run<T>(&self, work: impl Future<Output = claviger_sdk::Result<T>>) -> Result<T> {
        Ok(self.runtime.block_on(work)?)
    }

    /// Moves the store's clock to a time.
    pub(crate) fn set_clock(&self, time: DateTime<Utc>) {
        self.clock.advance(time - self.clock.now());
    }

    /// What the verifiers are told.
    pub(crate) fn options(&self) -> Options {
        Options::with_keyring_keys(&[&self.keyring_key])
    }

    /// Generates the keys and publishes them. Returns the epoch.
    pub(crate) fn generate_and_publish(&mut self) -> Result<u64> {
        self.set_clock(Utc::now());
        self.keys = Some(self.runtime.block_on(self.generate())?);
        self.publish()
    }

    /// What changed since, if anything, is published.
    pub(crate) fn publish(&mut self) -> Result<u64> {
        self.set_clock(Utc::now());
        Ok(self.runtime.block_on(self.publisher.publish())?.epoch)
    }

    /// The folder with the folder of the ring.
    pub(crate) fn rings(&self) -> &Path {
        &self.rings
    }

    /// A key of each kind.
    async fn generate(&self) -> Result<Keys> {
        let administrator = &self.administrator;
        let account = NewServiceAccount::new("flight_sync", "Contrails Ltd", "it@contrails.example");
        let account = administrator.service_accounts().create(account).await?;
        administrator.people().grant_role(account.id, self.role).await?;
        let month = Lifetime::days(30);
        let of_account =
            |name| NewKey::for_service_account(account.id, name, month).limit("requests", 100, 60);
        let keys = administrator.keys();
        let signing = keys.generate(of_account("signs requests").for_signing().as_api_client()).await?;
        let token = self.token(&signing).await?;
        let on_behalf = NewKey::on_behalf_of(self.user, self.role, "laptop", month);
        Ok(Keys {
            opaque: keys.generate(of_account("nightly import")).await?,
            signed: keys.generate(of_account("edge").signed_by(self.secret)).await?,
            on_behalf: keys.generate(on_behalf).await?,
            of_tenant: keys.generate(NewKey::for_tenant(self.role, "status page", month)).await?,
            of_group: keys.generate(of_account("partner").in_group(self.group)).await?,
            personal: self.pilot.personal_keys().generate(NewPersonalKey::new(month)).await?,
            untouched: keys.generate(of_account("billing")).await?,
            unknown: generate_opaque_key(&prefix()?, OpaqueUse::Bearer, &random()?).1.expose().to_owned(),
            signing,
            token,
        })
    }

    /// An access token of the client.
    async fn token(&self, client: &Generated) -> Result<String> {
        let secret = self.operator.shared_secrets().reveal(self.secret).await?;
        let issuer = IssuingKey::new(prefix()?, &SharedSecret::parse(secret.expose())?)?;
        let hour = SignedKeyTerms::expiring(u64::try_from(self.clock.now().timestamp())?, 60);
        let token = issuer.generate_access_token(client.key.id, &value_of(&text(client)?)?, hour)?;
        Ok(token.expose().to_owned())
    }

    /// The administrator learns that a key leaked, and ends it. Returns how verifiers learn of it.
    pub(crate) fn end_the_leaked(&self) -> Result<Publication> {
        let leaked = &self.keys.as_ref().context("no keys yet")?.opaque.key;
        self.set_clock(Utc::now());
        let ended = self.run(self.administrator.keys().expire_now(
            leaked.id,
            RevocationReason::Compromised,
            &leaked.name,
        ))?;
        ended.publications.rings().first().cloned().context("the key is in no ring")
    }

    /// The text of the key that leaked.
    pub(crate) fn leaked(&self) -> Result<String> {
        text(&self.keys.as_ref().context("no keys yet")?.opaque)
    }

    /// The administrator expires more keys at once, takes a role, switches a group off, and deactivates and deletes keys.
    pub(crate) fn end_some(&self) -> Result<()> {
        let keys = self.keys.as_ref().context("no keys yet")?;
        self.run(async {
            let administrator = &self.administrator;
            for leaked in [&keys.signing.key, &keys.signed.key] {
                administrator
                    .keys()
                    .expire_now(leaked.id, RevocationReason::Compromised, &leaked.name)
                    .await?;
            }
            administrator.people().take_role(self.user, self.role).await?;
            administrator.keys().deactivate(keys.of_tenant.key.id).await?;
            administrator.key_groups().switch_off(self.group).await?;
            administrator.personal_keys().delete(self.user, &self.user.to_string()).await?;
            Ok(())
        })
    }

    fn rows(&self, expected: [&'static str; 10]) -> Vec<Presented> {
        let Some(keys) = &self.keys else { return Vec::new() };
        let of = |generated: &Generated| text(generated).unwrap_or_default();
        let rows = [
            ("opaque key of a service account", of(&keys.opaque)),
            ("the same for signing too", of(&keys.signing)),
            ("access token of that client", keys.token.clone()),
            ("signed key", of(&keys.signed)),
            ("on behalf of a user in a role", of(&keys.on_behalf)),
            ("of the tenant in a role", of(&keys.of_tenant)),
            ("key of a group", of(&keys.of_group)),
            ("personal key", of(&keys.personal)),
            ("key that nobody touches", of(&keys.untouched)),
            ("key that was never issued", keys.unknown.clone()),
        ];
        rows.into_iter()
            .zip(expected)
            .map(|((what, key), expected)| Presented::new(what, key, expected))
            .collect()
    }

    pub(crate) fn before(&self) -> Vec<Presented> {
        let good = "verified";
        self.rows([good, good, good, good, good, good, good, good, good, "unknown_key"])
    }

    pub(crate) fn after(&self) -> Vec<Presented> {
        let (revoked, off) = ("revoked", "disabled");
        let unknown = "unknown_key";
        self.rows([revoked, revoked, revoked, revoked, revoked, off, off, unknown, "verified", unknown])
    }
}

/// A ring of the tenant's keys, a publisher of it that ends keys at once, and the keyring key for the verifiers.
async fn make_ring(store: &Store, tenant: TenantId, folder: PathBuf) -> Result<(Publisher, KeyringKey)> {
    let operator = store.acting_as(Actor::operator("demo"));
    let ring = operator.rings().create(NewRing::new(RING, Audience::tenant(tenant))).await?;
    let publisher = Publisher::new(store, ring.id, Directory::new(folder));
    store.attach(&publisher);
    let keys = operator.rings().reveal_keys(ring.id).await?;
    let key = keys.first().context("a ring has a keyring key")?;
    Ok((publisher, KeyringKey::parse(key.expose())?))
}

type Founded = (Store, Session, Session, Session, TenantId, PersonId, RoleId, GroupId, SecretId);

/// A tenant with an administrator, a user in a role, a group and an issuing secret.
async fn found(location: &str, clock: ManualClock) -> Result<Founded> {
    let store = Store::open_with_clock(location, &generate_master_key()?, clock).await?;
    let operator = store.acting_as(Actor::operator("demo"));
    for permission in ["flights:view", "flights:modify"] {
        operator.permissions().define(permission, "").await?;
    }
    let tenant = operator.tenants().create(NewTenant::new("Acme", prefix()?)).await?.id;
    let operator = operator.in_tenant(tenant);
    let ada = operator.users().create(NewUser::new("Ada Pine", "ada@acme.example")).await?;
    let admin = operator.roles().named("ADMIN").await?;
    operator.people().grant_role(ada.id, admin.id).await?;

    let administrator = store.acting_as(Actor::user(ada.id));
    let role = administrator.roles().define(NewRole::new("dispatcher", ["flights:*"])).await?.id;
    let user = administrator.users().create(NewUser::new("Bo Lund", "bo@acme.example")).await?.id;
    administrator.people().grant_role(user, role).await?;
    let group = administrator.key_groups().create(NewKeyGroup::new("partners")).await?.id;
    let secret = NewSharedSecret::issuing("edge").role(role);
    let secret = administrator.shared_secrets().create(secret).await?.id;
    let pilot = store.acting_as(Actor::user(user));
    Ok((store, operator, administrator, pilot, tenant, user, role, group, secret))
}
