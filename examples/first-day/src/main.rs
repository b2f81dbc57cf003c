//! A company's first day with Claviger, in a SQLite file that is the argument (by default a temporary one).

use chrono::{DateTime, TimeDelta, Utc};
use claviger_sdk::{
    Actor, Audience, BatchId, Clock, Directory, KeyId, KeyUse, Lifetime, ManualClock, NewKey, NewKeyGroup,
    NewPersonalKey, NewRing, NewRole, NewServiceAccount, NewSharedSecret, NewTenant, NewUser, PersonId,
    Publisher, RevocationReason, RoleId, SecretText, Session, Store, TenantId, Unauthenticated, UsageReport,
    generate_master_key,
};
use std::{env, error::Error, path::Path};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let folder = tempfile::tempdir()?;
    let file = env::args().nth(1).unwrap_or_else(|| folder.path().join("first-day.db").display().to_string());
    let master_key = generate_master_key()?;

    // The story moves this clock, so that a day is over in a second. Otherwise it is Store::open(&file, &master_key).
    let clock = ManualClock::at(Utc::now());
    let store = Store::open_with_clock(&file, &master_key, clock.clone()).await?;
    println!("The store is {file}.");
    println!("Master key {} opens it; its text goes into a vault.", master_key.id());

    let day = Day { store, clock };
    let company = day.found_the_company().await?;
    let ada = day.store.acting_as(Actor::user(company.ada).from_address([192, 0, 2, 7].into()));
    let ben = day.store.acting_as(Actor::user(company.ben).from_address([192, 0, 2, 8].into()));

    let nightly = day.connect_an_integration(&ada, &company).await?;
    let weekend = day.give_out_keys(&ada, &company).await?;
    day.publish(folder.path()).await?;
    day.help_oneself(&ben, &company).await?;
    day.share_a_secret(&ada).await?;
    day.rotate(&ada, nightly).await?;
    day.end_the_leaked(&ada, &weekend).await?;
    day.review(&ada).await?;
    day.look_back(&ada, &company).await
}

struct Company {
    tenant: TenantId,
    ada: PersonId,
    ben: PersonId,
    planner: RoleId,
    readonly: RoleId,
}

struct Day {
    store: Store,
    clock: ManualClock,
}

impl Day {
    fn hour(&self, what: &str) {
        self.clock.advance(TimeDelta::hours(1));
        println!("\n{what}");
    }

    fn platform(&self) -> Session {
        self.store.acting_as(Actor::operator("platform"))
    }

    /// The platform operator makes the tenant and its first administrator; she makes everybody else.
    async fn found_the_company(&self) -> Result<Company> {
        self.hour("A company is founded");
        let platform = self.platform();
        for (permission, description) in [
            ("flights:view", "see the schedule"),
            ("flights:modify", "change the schedule"),
            ("crew:view", "see who flies"),
        ] {
            platform.permissions().define(permission, description).await?;
        }
        let tenant = platform.tenants().create(NewTenant::new("Northwind", "nw_live".parse()?)).await?;
        println!("  {} is tenant {}", tenant.name, tenant.id);

        let operator = platform.in_tenant(tenant.id);
        let ada = operator.users().create(NewUser::new("Ada Pine", "ada@northwind.example")).await?;
        let admin = operator.roles().named("ADMIN").await?;
        operator.people().grant_role(ada.id, admin.id).await?;
        println!("  {} is its first administrator", ada.name);

        let as_ada = self.store.acting_as(Actor::user(ada.id));
        let planner = NewRole::new("PLANNER", ["flights:*", "crew:view", "api_keys:modify"]);
        let planner = as_ada.roles().define(planner.description("plans the schedule")).await?;
        let ben = as_ada.users().create(NewUser::new("Ben Oak", "ben@northwind.example")).await?;
        as_ada.people().grant_role(ben.id, planner.id).await?;
        println!("  {} is a {}", ben.name, planner.name);

        let readonly = as_ada.roles().named("READONLY").await?;
        Ok(Company {
            tenant: tenant.id,
            ada: ada.id,
            ben: ben.id,
            planner: planner.id,
            readonly: readonly.id,
        })
    }

    /// A service account is what an integration acts as. Its keys can do what it can, always as it is now.
    async fn connect_an_integration(&self, ada: &Session, company: &Company) -> Result<KeyId> {
        self.hour("Ada connects Contrails Ltd, who read the schedule every night");
        let account = NewServiceAccount::new("flight_sync", "Contrails Ltd", "it@contrails.example");
        let account = ada.service_accounts().create(account).await?;
        ada.people().grant_permission(account.id, "flights:view").await?;
        let group = ada.key_groups().create(NewKeyGroup::new("integrations")).await?;

        let nightly = NewKey::for_service_account(account.id, "nightly import", Lifetime::days(90))
            .description("reads the schedule of the next day")
            .in_group(group.id)
            .network("198.51.100.0/24".parse()?)
            .notify(company.ada)
            .notify_days_before([30, 7, 1]);
        let nightly = ada.keys().generate(nightly).await?;
        println!("  {}: {}, shown once", nightly.key.name, masked(nightly.text.as_ref()));
        for network in &nightly.key.networks {
            println!("  it can be used from {network} alone, for 90 days");
        }

        let client = NewKey::for_service_account(account.id, "booking client", Lifetime::days(365));
        ada.keys().generate(client.in_group(group.id).as_api_client()).await?;
        for client in ada.api_clients().list().await? {
            println!("  {} is an API client with the client id {}", client.name, client.client_id);
        }
        Ok(nightly.key.id)
    }

    /// A key can also belong to a user, in one of his roles, or to the tenant, in a role.
    async fn give_out_keys(&self, ada: &Session, company: &Company) -> Result<SecretText> {
        self.hour("Ada gives out keys");
        let weekend = NewKey::on_behalf_of(company.ben, company.planner, "weekend script", Lifetime::days(3));
        let weekend = ada.keys().generate(weekend).await?;
        println!("  {}: Ben's, in the role {}", weekend.key.name, weekend.key.role_name);

        let display = NewKey::for_tenant(company.readonly, "departure display", Lifetime::UNLIMITED);
        let display = ada.keys().generate(display.limit("requests", 60, 60)).await?;
        println!("  {}: Northwind's, in the role {}", display.key.name, display.key.role_name);
        Ok(weekend.text.ok_or("shown to whoever asked first")?)
    }

    /// A personal key needs no administrator, and no administrator can read it.
    async fn help_oneself(&self, ben: &Session, company: &Company) -> Result {
        self.hour("Ben helps himself");
        let laptop = NewKey::on_my_behalf(company.planner, "laptop", Lifetime::days(30));
        let laptop = ben.keys().generate(laptop).await?;
        println!("  {}: his own, in the role {}", laptop.key.name, laptop.key.role_name);
        let personal = ben.personal_keys().generate(NewPersonalKey::new(Lifetime::days(30))).await?;
        println!("  {} is his personal key, with all that he can do", personal.key.id);
        let refused = NewKey::for_tenant(company.readonly, "too much", Lifetime::days(1));
        if let Err(refusal) = ben.keys().generate(refused).await {
            println!("  a key of the company is not his to make: {refusal}");
        }
        Ok(())
    }

    /// What both sides must know can be seen again; that it was seen is in the audit log first.
    async fn share_a_secret(&self, ada: &Session) -> Result {
        self.hour("Ada shares a secret, with which webhooks are signed");
        let webhooks = ada.shared_secrets().create(NewSharedSecret::integration("webhooks")).await?;
        let text = ada.shared_secrets().reveal(webhooks.id).await?;
        println!("  {}: {}", webhooks.name, masked(Some(&text)));
        Ok(())
    }

    /// For a day the old secret is as good as the new one, so that nothing stands still.
    async fn rotate(&self, ada: &Session, nightly: KeyId) -> Result {
        self.hour("Contrails Ltd want another secret for their key");
        let rotated = ada.keys().rotate(nightly, TimeDelta::days(1)).await?;
        let until = rotated.key.previous_secret_until.ok_or("a rotation has an overlap")?;
        println!("  until {until} the old one is good, too");
        Ok(())
    }

    /// A key that was found somewhere is compared, never used.
    /// Verifiers fetch a keyring from where it is published.
    async fn publish(&self, folder: &Path) -> Result {
        self.hour("The platform publishes the keys");
        let rings = self.platform();
        let ring = rings.rings().create(NewRing::new("edge", Audience::Everyone)).await?;
        let keys = rings.rings().reveal_keys(ring.id).await?;
        println!("  every verifier gets {} text: that of the keyring key {}", keys.len(), ring.keyring_key);
        let publisher = Publisher::new(&self.store, ring.id, Directory::new(folder.join("keyring")));
        self.store.attach(&publisher);
        let published = publisher.publish().await?;
        println!(
            "  {} files, {} bytes; from now on whoever ends a key publishes that",
            published.parts, published.bytes
        );
        Ok(())
    }

    async fn end_the_leaked(&self, ada: &Session, leaked: &SecretText) -> Result {
        self.hour("A key is found in a public repository");
        let found = ada.keys().find_by_text(leaked.expose()).await?;
        let key = found.key.ok_or("it is no personal key")?;
        println!("  it is {:?} ({}), the secret matches: {}", key.name, key.id, found.secret_matches);
        let ended = ada.keys().expire_now(key.id, RevocationReason::Compromised, &key.name).await?;
        if let Some(time) = ended.publications.denied_by().time() {
            let published =
                if ended.publications.all_published() { "published" } else { "not published yet" };
            println!(
                "  it is ended, and that is {published}; every verifier denies it by {}",
                time.format("%F %R")
            );
        }
        if let Err(Unauthenticated::Denied(code)) = self.store.authenticate(leaked.expose(), None).await {
            println!("  from now on whoever presents it is told: {code}");
        }
        Ok(())
    }

    /// What the verifiers have seen, and what somebody should look at.
    async fn review(&self, ada: &Session) -> Result {
        self.hour("Ada reviews the keys");
        let display = ada.keys().list().starting_with("departure").await?;
        let display = display.records.first().ok_or("the display has a key")?;
        let platform = self.platform();
        let edge = platform.usage().register_verifier("edge").await?;
        let seen = KeyUse { key: display.id, last_used_at: self.clock.now(), count: 40 };
        // It was there from the beginning on, and this is all that it has seen.
        let report =
            UsageReport::new(BatchId::random()?, DateTime::UNIX_EPOCH, self.clock.now()).uses([seen]);
        platform.usage().report(edge.id, &report).await?;

        let report =
            ada.reviews().report().unused_since(self.clock.now() - TimeDelta::days(30)).limit(100).await?;
        for key in &report.never_used {
            println!("  {:?} was never used", key.name);
        }
        let review =
            ada.reviews().record(display.id, "hangs in the hall", Some(TimeDelta::days(180))).await?;
        println!("  {:?} is in order: {}; again in half a year", display.name, review.note);
        Ok(())
    }

    /// Who did what, and that nobody has changed it since.
    async fn look_back(&self, ada: &Session, company: &Company) -> Result {
        self.hour("The day in the audit log, the last first");
        for event in ada.audit().list().limit(8).await? {
            let who = if event.actor == format!("user:{}", company.ada) { "Ada" } else { &event.actor };
            println!("  {:>3} {who}: {}", event.sequence, event.action);
        }
        let events = self.platform().in_tenant(company.tenant).audit().list().limit(1000).await?.len();
        let head = self.platform().audit().verify(None).await?;
        println!("  {} events, {events} of them Northwind's, are as they were written", head.sequence);
        Ok(())
    }
}

/// The part of a secret that may be seen.
fn masked(text: Option<&SecretText>) -> String {
    text.map_or_else(String::new, |text| text.expose().chars().take(21).chain(['…']).collect())
}
