//! What the tests of rules share: a fresh store on either database, with a company in it.

use chrono::{DateTime, TimeDelta, Utc};
use claviger_sdk::{
    Actor, BatchId, Error, Generated, KeyUse, Lifetime, ManualClock, MasterKey, NewKey, NewServiceAccount,
    NewTenant, NewUser, Person, Role, Session, Store, Tenant, UsageOutcome, UsageReport, VerifierId,
    generate_master_key,
};

pub(crate) use crate::place::Place;
use crate::ring::Watch;

/// A store with a tenant, its first administrator, and a clock that stands still.
pub(crate) struct Company {
    pub(crate) place: Place,
    pub(crate) master_key: MasterKey,
    pub(crate) clock: ManualClock,
    pub(crate) store: Store,
    /// The platform operator, in the tenant.
    pub(crate) operator: Session,
    pub(crate) tenant: Tenant,
    pub(crate) admin: Role,
    pub(crate) readonly: Role,
    pub(crate) ada: Person,
    /// The administrator, with the role ADMIN.
    pub(crate) as_ada: Session,
}

/// What every company starts at: 2026-11-22 00:00:00 UTC.
pub(crate) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_305_600, 0).unwrap()
}

impl Company {
    pub(crate) async fn in_place(place: Place) -> Self {
        let (master_key, clock) = (generate_master_key().unwrap(), ManualClock::at(start()));
        let store = Store::open_with_clock(&place.location, &master_key, clock.clone()).await.unwrap();
        let platform = store.acting_as(Actor::operator("platform"));
        for (name, description) in [
            ("flights:view", "see flights"),
            ("flights:modify", "change flights"),
            ("flights:modify_all", "change everybody's flights"),
            ("crew:view", "see crews"),
            ("crew:modify", "change crews"),
        ] {
            platform.permissions().define(name, description).await.unwrap();
        }
        let new =
            NewTenant::new("Northwind", "nw_live".parse().unwrap()).key_prefix("nw_test".parse().unwrap());
        let tenant = platform.tenants().create(new).await.unwrap().into_record();
        let operator = platform.in_tenant(tenant.id);
        let admin = operator.roles().named("ADMIN").await.unwrap();
        let readonly = operator.roles().named("READONLY").await.unwrap();
        let ada = operator.users().create(NewUser::new("Ada Pine", "ada@northwind.example")).await.unwrap();
        operator.people().grant_role(ada.id, admin.id).await.unwrap();
        let as_ada = store.acting_as(Actor::user(ada.id));
        let ada = ada.into_record();
        Self { place, master_key, clock, store, operator, tenant, admin, readonly, ada, as_ada }
    }

    /// A user with these permissions.
    pub(crate) async fn user(&self, name: &str, permissions: &[&str]) -> (Person, Session) {
        let email = format!("{}@northwind.example", name.to_lowercase());
        let person = self.operator.users().create(NewUser::new(name, &email)).await.unwrap().into_record();
        for permission in permissions {
            self.operator.people().grant_permission(person.id, permission).await.unwrap();
        }
        let session = self.store.acting_as(Actor::user(person.id));
        (person, session)
    }

    /// A service account with these permissions.
    pub(crate) async fn service_account(&self, name: &str, permissions: &[&str]) -> Person {
        let new = NewServiceAccount::new(name, "Contrails Ltd", "it@contrails.example");
        let account = self.operator.service_accounts().create(new).await.unwrap().into_record();
        for permission in permissions {
            self.operator.people().grant_permission(account.id, permission).await.unwrap();
        }
        account
    }

    /// A key for 90 days of a new service account that may see flights.
    pub(crate) async fn key(&self, name: &str) -> Generated {
        let account = self.service_account(&name.replace(' ', "_"), &["flights:view"]).await;
        let new = NewKey::for_service_account(account.id, name, Lifetime::days(90));
        self.as_ada.keys().generate(new).await.unwrap()
    }

    /// What comes of a report in a new batch: these uses are all that the verifier has ever seen until then.
    pub(crate) async fn reported(
        &self,
        verifier: VerifierId,
        until: DateTime<Utc>,
        uses: &[KeyUse],
    ) -> Result<UsageOutcome, Error> {
        let report = UsageReport::new(BatchId::random().unwrap(), DateTime::UNIX_EPOCH, until);
        self.operator.usage().report(verifier, &report.uses(uses.iter().copied())).await
    }

    pub(crate) fn advance(&self, step: TimeDelta) {
        self.clock.advance(step);
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        use claviger_sdk::Clock;
        self.clock.now()
    }
}

/// The code of the error that an operation must give.
pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    outcome.expect_err("the operation must be refused").code()
}

/// Runs each test on SQLite and on PostgreSQL: `async fn what_holds(company: Company) { … }`. While it runs, all that it
/// changes is watched, if it does not say `unwatched;`.
macro_rules! on_both_stores {
    (unwatched; $($tests:tt)*) => {
        $crate::company::on_both_stores! { @ run_unwatched $($tests)* }
    };
    (@ $run:ident $($(#[$attribute:meta])* async fn $name:ident($company:ident: Company) $body:block)*) => {$(
        $(#[$attribute])*
        async fn $name($company: $crate::company::Company) $body

        mod $name {
            use $crate::company::{$run, Place};

            #[tokio::test]
            async fn sqlite() {
                $run(Place::sqlite().await, super::$name).await;
            }

            #[tokio::test]
            async fn postgresql() {
                $run(Place::postgresql().await, super::$name).await;
            }
        }
    )*};
    ($($tests:tt)*) => {
        $crate::company::on_both_stores! { @ run $($tests)* }
    };
}
pub(crate) use on_both_stores;

pub(crate) async fn run(place: Place, test: impl AsyncFnOnce(Company)) {
    let company = Company::in_place(place).await;
    let watch = Watch::begin(&company).await;
    test(company).await;
    watch.check().await;
}

pub(crate) async fn run_unwatched(place: Place, test: impl AsyncFnOnce(Company)) {
    test(Company::in_place(place).await).await;
}
