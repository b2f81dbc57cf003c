//! One unit of work: a transaction with the actor who is behind it, what he may do, and the audit events that are
//! written with it, all or nothing.

use crate::{
    Access, Actor, Error, PersonId, Result, Rule, Session, Store, TenantId,
    actor::Who,
    audit::{self, AuditEvent, AuditKey},
    changes::{self, Changed},
    effective,
    ids::RecordId,
    rows::{RowExt, time},
    schema::Dialect,
    seal::{DataKey, Place},
    validate,
};
use claviger_core::{KeyId, KeyPrefix};
use sha2::{Digest, Sha256};
use sqlx::{
    Any, AnyConnection, Transaction,
    any::{AnyArguments, AnyRow},
    query::Query,
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::OwnedMutexGuard;
use zeroize::Zeroizing;

type Sql<'q> = Query<'q, Any, AnyArguments>;

/// How long a creation can be replayed, in seconds.
const IDEMPOTENCY_WINDOW: i64 = 24 * 60 * 60;

/// A transaction in the name of an actor.
pub(crate) struct Work {
    transaction: Transaction<'static, Any>,
    pub(crate) store: Store,
    /// Unix seconds.
    pub(crate) now: i64,
    /// Unix milliseconds.
    pub(crate) millis: u64,
    pub(crate) caller: Caller,
    tenant: Option<Tenancy>,
    idempotency_key: Option<String>,
    writing: Option<Writing>,
    /// How many rows.
    written: u64,
}

/// What only writing work has.
struct Writing {
    audit_end: (i64, Vec<u8>),
    audit_key: Arc<AuditKey>,
    data_key: Arc<DataKey>,
    events: Vec<AuditEvent>,
    /// The number of this transaction among all that write.
    sequence: i64,
    changes: BTreeSet<(TenantId, i64, Vec<u8>)>,
    _turn: OwnedMutexGuard<()>,
}

/// The actor, as the store knows him.
pub(crate) struct Caller {
    actor: Actor,
    pub(crate) access: Access,
    /// The user whom he is or for whom the key acts.
    pub(crate) user: Option<PersonId>,
}

/// The tenant in which the work is done.
#[derive(Clone)]
pub(crate) struct Tenancy {
    pub(crate) id: TenantId,
    pub(crate) prefixes: Vec<KeyPrefix>,
    pub(crate) switched_on: bool,
    pub(crate) locked: bool,
}

impl Work {
    pub(crate) async fn begin(session: &Session, writes: bool) -> Result<Self> {
        let store = session.store.clone();
        let (turn, mut transaction) = if writes {
            let (turn, transaction) = store.begin_writing().await?;
            (Some(turn), transaction)
        } else {
            (None, store.begin_reading().await?)
        };
        let writing = match turn {
            None => None,
            Some(turn) => Some(Writing::begin(&store, &mut transaction, turn).await?),
        };
        let time = store.now();
        let (now, millis) = (time.timestamp(), u64::try_from(time.timestamp_millis()).unwrap_or_default());
        let caller = Caller { actor: session.actor.clone(), access: Access::default(), user: None };
        let idempotency_key = session.idempotency_key.clone();
        let mut work = Self {
            transaction,
            store,
            now,
            millis,
            caller,
            tenant: None,
            idempotency_key,
            writing,
            written: 0,
        };
        work.introduce(session.tenant).await?;
        Ok(work)
    }

    /// Finds out who the actor is, what he may do, and in which tenant.
    async fn introduce(&mut self, chosen: Option<TenantId>) -> Result<()> {
        let own = match self.caller.actor.who.clone() {
            Who::Operator(name) => {
                validate::sought("operator", &name)?;
                self.caller.access = Access::everything();
                chosen
            }
            Who::User(id) => {
                let query =
                    sqlx::query("SELECT tenant, is_service_account, active FROM people WHERE id = $1");
                let row = self.optional(query.bind(id.bytes())).await?;
                let row = row.ok_or_else(|| Error::not_found("user", id))?;
                if row.flag("is_service_account")? {
                    return Err(Rule::ServiceAccountIsNoActor.into());
                }
                if !row.flag("active")? {
                    return Err(Rule::ActorInactive.into());
                }
                self.caller.access = effective::access_of_person(self, id).await?;
                self.caller.user = Some(id);
                Some(row.id("tenant")?)
            }
            Who::Key(id) => {
                let key = effective::acting_key(self, id).await?;
                self.caller.access = key.access;
                self.caller.user = key.user;
                Some(key.tenant)
            }
        };
        if let Some(chosen) = chosen.filter(|&chosen| own != Some(chosen)) {
            return Err(Error::not_found("tenant", chosen));
        }
        if let Some(id) = own {
            self.tenant = Some(self.load_tenant(id).await?);
        }
        Ok(())
    }

    async fn load_tenant(&mut self, id: TenantId) -> Result<Tenancy> {
        let query = sqlx::query("SELECT prefixes, switched_on, locked FROM tenants WHERE id = $1");
        let row = self.optional(query.bind(id.bytes())).await?;
        let row = row.ok_or_else(|| Error::not_found("tenant", id))?;
        Ok(Tenancy {
            id,
            prefixes: crate::tenants::read_prefixes(&row.text("prefixes")?)?,
            switched_on: row.flag("switched_on")?,
            locked: row.flag("locked")?,
        })
    }

    /// The tenant in which the work is done.
    pub(crate) fn tenant(&self) -> Result<Tenancy> {
        self.tenant.clone().ok_or_else(|| {
            Error::invalid("tenant", "the operator must say which: session.in_tenant(id) comes before this")
        })
    }

    pub(crate) fn tenant_id_if_chosen(&self) -> Option<TenantId> {
        self.tenant.as_ref().map(|tenant| tenant.id)
    }

    /// Makes sure that the actor has a permission.
    pub(crate) fn require(&self, permission: &'static str) -> Result<()> {
        if self.caller.access.allows(permission) {
            Ok(())
        } else {
            Err(Error::PermissionNeeded { permission })
        }
    }

    pub(crate) fn may(&self, permission: &str) -> bool {
        self.caller.access.allows(permission)
    }

    pub(crate) fn is_operator(&self) -> bool {
        matches!(self.caller.actor.who, Who::Operator(_))
    }

    pub(crate) fn require_operator(&self) -> Result<()> {
        if self.is_operator() { Ok(()) } else { Err(Rule::OperatorOnly.into()) }
    }

    /// Makes sure that the actor may grant: a user or the operator.
    pub(crate) fn require_grantor(&self) -> Result<()> {
        self.require_no_key(Rule::KeysNeverGrant)?;
        self.require("people:grant")
    }

    pub(crate) fn require_no_key(&self, rule: Rule) -> Result<()> {
        if matches!(self.caller.actor.who, Who::Key(_)) { Err(rule.into()) } else { Ok(()) }
    }

    /// The user who acts himself.
    pub(crate) fn require_user(&self) -> Result<PersonId> {
        match self.caller.actor.who {
            Who::User(id) => Ok(id),
            _ => Err(Rule::UserOnly.into()),
        }
    }

    pub(crate) fn actor_label(&self) -> String {
        self.caller.actor.label()
    }

    /// Notes what is done; it is written with the rest.
    pub(crate) fn audit(&mut self, action: &str, record: impl ToString, details: serde_json::Value) {
        let tenant = self.tenant_id_if_chosen();
        self.audit_in(tenant, action, record, details);
    }

    pub(crate) fn audit_in(
        &mut self,
        tenant: Option<TenantId>,
        action: &str,
        record: impl ToString,
        details: serde_json::Value,
    ) {
        let event = AuditEvent {
            sequence: 0,
            at: time(self.now).unwrap_or_default(),
            tenant,
            actor: self.actor_label(),
            origin: self.caller.actor.origin.clone(),
            action: action.to_owned(),
            record: record.to_string(),
            details: details.to_string(),
        };
        if let Some(writing) = &mut self.writing {
            writing.events.push(event);
        }
    }

    /// Notes that something changes which keyrings say, in the tenant in which the work is done.
    pub(crate) fn changed(&mut self, what: Changed) {
        if let Some(tenant) = self.tenant_id_if_chosen() {
            self.changed_in(tenant, what);
        }
    }

    /// Notes that something changes in a tenant which keyrings say.
    pub(crate) fn changed_in(&mut self, tenant: TenantId, what: Changed) {
        if let Some(writing) = &mut self.writing {
            let (kind, id) = what.entry();
            writing.changes.insert((tenant, kind, id));
        }
    }

    /// The number of this transaction among all that write.
    pub(crate) fn sequence(&self) -> Result<i64> {
        self.writing().map(|writing| writing.sequence)
    }

    /// Writes everything, or nothing if it fails.
    pub(crate) async fn commit(self) -> Result<()> {
        self.commit_and(|_| ()).await
    }

    /// Writes everything, and does something with the store before the next writer has his turn; or nothing if it fails.
    pub(crate) async fn commit_and(mut self, then: impl FnOnce(&Store)) -> Result<()> {
        let Some(mut writing) = self.writing.take() else { return Ok(self.transaction.commit().await?) };
        if !writing.events.is_empty() {
            let events = std::mem::take(&mut writing.events);
            let end = audit::append(&mut self, &writing.audit_key, writing.audit_end.clone(), events).await?;
            let update = sqlx::query("UPDATE store SET audit_sequence = $1, audit_mac = $2");
            self.run(update.bind(end.0).bind(end.1)).await?;
        }
        if !writing.changes.is_empty() {
            changes::write(&mut self, writing.sequence, &writing.changes).await?;
        }
        self.transaction.commit().await?;
        self.store.written(self.written);
        then(&self.store);
        if !writing.changes.is_empty() {
            self.store.tell_publishers();
        }
        Ok(())
    }

    /// The records that were made under this idempotency key, if the request is a repeated one.
    pub(crate) async fn replayed(&mut self, request: &impl serde::Serialize) -> Result<Option<String>> {
        let Some(key) = self.idempotency_key.clone() else { return Ok(None) };
        if !(1..=255).contains(&key.chars().count()) || key.chars().any(char::is_control) {
            let problem = "expected 1 to 255 characters, none of them a control character";
            return Err(Error::invalid("idempotency key", problem));
        }
        let old = sqlx::query("DELETE FROM idempotency_keys WHERE used_at <= $1");
        self.run(old.bind(self.now.saturating_sub(IDEMPOTENCY_WINDOW))).await?;
        let query = "SELECT request, records FROM idempotency_keys WHERE scope = $1 AND idempotency_key = $2";
        let row = self.optional(sqlx::query(query).bind(self.scope()).bind(key.clone())).await?;
        let Some(row) = row else { return Ok(None) };
        if row.blob("request")? != digest(request)? {
            return Err(Error::IdempotencyKeyReused { key });
        }
        row.text("records").map(Some)
    }

    /// Notes which records were made under this idempotency key.
    pub(crate) async fn remember(
        &mut self,
        request: &impl serde::Serialize,
        records: impl ToString,
    ) -> Result<()> {
        let Some(key) = self.idempotency_key.clone() else { return Ok(()) };
        let insert = sqlx::query(
            "INSERT INTO idempotency_keys (scope, idempotency_key, request, records, used_at) \
             VALUES ($1, $2, $3, $4, $5)",
        );
        let insert = insert.bind(self.scope()).bind(key).bind(digest(request)?).bind(records.to_string());
        self.run(insert.bind(self.now)).await?;
        Ok(())
    }

    /// Whose idempotency keys these are: an actor's, in a tenant.
    fn scope(&self) -> String {
        let tenant = self.tenant_id_if_chosen().map_or_else(String::new, |id| id.to_string());
        format!("{tenant} {}", self.actor_label())
    }

    /// Seals a value for its place. The data key's id goes beside it.
    pub(crate) fn seal(
        &self,
        kind: &str,
        id: KeyId,
        generation: i64,
        value: &[u8],
    ) -> Result<(KeyId, Vec<u8>)> {
        let place = Place { store: self.store.id(), kind, id, generation };
        let key = &self.writing()?.data_key;
        Ok((key.id, key.seal(&place, value)?))
    }

    /// Opens what [`seal`](Self::seal) has sealed.
    pub(crate) async fn open(
        &mut self,
        data_key: KeyId,
        (kind, id, generation): (&str, KeyId, i64),
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let store = self.store.clone();
        let key = store.data_key(&mut self.transaction, data_key).await?;
        key.open(&Place { store: store.id(), kind, id, generation }, sealed)
    }

    pub(crate) async fn audit_key(&mut self, id: KeyId) -> Result<Arc<AuditKey>> {
        let store = self.store.clone();
        store.audit_key(&mut self.transaction, id).await
    }

    pub(crate) async fn data_key(&mut self, id: KeyId) -> Result<Arc<DataKey>> {
        let store = self.store.clone();
        store.data_key(&mut self.transaction, id).await
    }

    fn writing(&self) -> Result<&Writing> {
        self.writing.as_ref().ok_or_else(|| Error::invalid("transaction", "this one only reads"))
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.store.dialect()
    }

    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    /// The one row of a query.
    pub(crate) async fn one(&mut self, query: Sql<'_>) -> Result<AnyRow> {
        Ok(query.fetch_one(&mut *self.transaction).await?)
    }

    pub(crate) async fn optional(&mut self, query: Sql<'_>) -> Result<Option<AnyRow>> {
        Ok(query.fetch_optional(&mut *self.transaction).await?)
    }

    pub(crate) async fn all(&mut self, query: Sql<'_>) -> Result<Vec<AnyRow>> {
        Ok(query.fetch_all(&mut *self.transaction).await?)
    }

    /// Runs a change and returns how many rows it touched.
    pub(crate) async fn run(&mut self, query: Sql<'_>) -> Result<u64> {
        let rows = query.execute(&mut *self.transaction).await?.rows_affected();
        self.written = self.written.saturating_add(rows);
        Ok(rows)
    }

    /// Runs an insertion or change; a value that must be unique and is not becomes [`Error::Exists`].
    pub(crate) async fn run_unique(
        &mut self,
        query: Sql<'_>,
        record: &'static str,
        field: &'static str,
        value: &str,
    ) -> Result<u64> {
        match query.execute(&mut *self.transaction).await {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(Error::Exists { record, field, value: value.to_owned() })
            }
            outcome => Ok(outcome?.rows_affected()),
        }
    }
}

impl Writing {
    async fn begin(
        store: &Store,
        transaction: &mut Transaction<'static, Any>,
        turn: OwnedMutexGuard<()>,
    ) -> Result<Self> {
        // Changing this row first makes every other writer wait, whatever the database: what is read from here on
        // stays true until the end of the transaction.
        let begin = "UPDATE store SET sequence = sequence + 1 \
                     RETURNING sequence, audit_sequence, audit_mac, data_key, audit_key";
        let row = sqlx::query(begin).fetch_one(&mut **transaction).await?;
        let data_key = store.data_key(transaction, row.id("data_key")?).await?;
        let audit_key = store.audit_key(transaction, row.id("audit_key")?).await?;
        let audit_end = (row.int("audit_sequence")?, row.blob("audit_mac")?);
        let sequence = row.int("sequence")?;
        let (events, changes) = (Vec::new(), BTreeSet::new());
        Ok(Self { audit_end, audit_key, data_key, events, sequence, changes, _turn: turn })
    }
}

fn digest(request: &impl serde::Serialize) -> Result<Vec<u8>> {
    let request =
        serde_json::to_vec(request).map_err(|error| Error::invalid("request", error.to_string()))?;
    Ok(Sha256::digest(request).to_vec())
}

/// Makes sure that a confirmation repeats `expected`.
pub(crate) fn confirm(given: &str, expected: &str) -> Result<()> {
    if given == expected { Ok(()) } else { Err(Error::ConfirmationNeeded { expected: expected.to_owned() }) }
}

/// Makes sure that a record is still at the revision that the caller has seen.
pub(crate) fn unchanged(record: &'static str, id: impl ToString, seen: i64, current: i64) -> Result<()> {
    if seen == current { Ok(()) } else { Err(Error::Changed { record, id: id.to_string(), seen, current }) }
}
