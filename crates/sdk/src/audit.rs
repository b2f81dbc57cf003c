//! The audit log: who did what to which record, when and from where; append-only, each event authenticated together
//! with the one before it, so that a changed, removed or inserted event is noticed.

use crate::{
    Error, Result, Session, TenantId, hex,
    ids::RecordId,
    page::{awaitable, check_limit},
    rows::RowExt,
    seal::{DataKey, Place},
    sql::{Statement, rows_at_once},
    validate,
    work::Work,
};
use chrono::{DateTime, Utc};
use claviger_core::KeyId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::any::AnyRow;

/// What an audit key is sealed as.
pub(crate) const KEY: &str = "audit key";

/// Something that was done. Holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct AuditEvent {
    /// Its number: 1, 2, 3, … over the whole store.
    pub sequence: i64,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// The tenant that it concerns; none if it concerns the platform.
    pub tenant: Option<TenantId>,
    /// Who did it: `operator:<name>`, `user:<person id>` or `key:<key id>`.
    pub actor: String,
    /// From where, as the application said: an address, or empty.
    pub origin: String,
    /// What was done, such as `key.generated`.
    pub action: String,
    /// The id of the record to which it was done.
    pub record: String,
    /// What changed, as a JSON object.
    pub details: String,
}

/// A list of audit events, the newest first: see [`Audit::list`].
#[derive(Debug)]
#[must_use = "a list is read when it is awaited"]
pub struct ListAudit<'s> {
    session: &'s Session,
    record: Option<String>,
    action: Option<String>,
    before: i64,
    limit: u16,
}

awaitable!(ListAudit => Vec<AuditEvent>);

impl ListAudit<'_> {
    /// Only what was done to the record with this id.
    pub fn of_record(self, id: impl ToString) -> Self {
        Self { record: Some(id.to_string()), ..self }
    }

    /// Only what was done so, such as `key.generated`.
    pub fn of_action(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }

    /// Only events before the one with this sequence number: to go on where a list ended.
    pub fn before(self, sequence: i64) -> Self {
        Self { before: sequence, ..self }
    }

    /// At most so many: 1 to 1000, 100 if nothing is said.
    pub fn limit(self, limit: u16) -> Self {
        Self { limit, ..self }
    }

    async fn run(self) -> Result<Vec<AuditEvent>> {
        let mut work = self.session.read().await?;
        work.require("audit:view")?;
        check_limit(self.limit)?;
        let mut query = Statement::new(
            "SELECT sequence, at, tenant, actor, origin, action, record, details FROM audit_events WHERE sequence < ",
        );
        query.bind(self.before);
        if let Some(tenant) = work.tenant_id_if_chosen() {
            query.push(" AND tenant = ").bind(tenant.bytes());
        }
        if let Some(record) = self.record {
            validate::sought("record", &record)?;
            query.push(" AND record = ").bind(record);
        }
        if let Some(action) = self.action {
            validate::sought("action", &action)?;
            query.push(" AND action = ").bind(action);
        }
        query.push(" ORDER BY sequence DESC LIMIT ").bind(i64::from(self.limit));
        let rows = work.all(query.query(work.dialect())?).await?;
        rows.iter().map(read_event).collect()
    }
}

/// What authenticates the log up to an event. Keep it elsewhere: a log that was cut off or replaced as a whole, by
/// somebody who also has the store's keys, is then noticed.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct AuditHead {
    /// The number of the last event; 0 if there is none.
    pub sequence: i64,
    /// Its authenticator, in hexadecimal.
    pub mac: String,
}

/// The audit log: see [`Session::audit`].
#[derive(Clone, Copy)]
pub struct Audit<'s>(pub(crate) &'s Session);

impl<'s> Audit<'s> {
    /// The events of the actor's tenant (the operator without a tenant sees all), the newest first.
    ///
    /// Awaiting it fails with [`Error::PermissionNeeded`] without `audit:view`.
    pub const fn list(self) -> ListAudit<'s> {
        ListAudit { session: self.0, record: None, action: None, before: i64::MAX, limit: 100 }
    }

    /// The end of the log, to be kept elsewhere.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator.
    pub async fn head(self) -> Result<AuditHead> {
        let mut work = self.0.read().await?;
        work.require_operator()?;
        let row = work.one(sqlx::query("SELECT audit_sequence, audit_mac FROM store")).await?;
        Ok(AuditHead { sequence: row.int("audit_sequence")?, mac: hex::encode(&row.blob("audit_mac")?) })
    }

    /// Checks the whole log: that every event is as it was written, none is missing, and the log still has the event
    /// that `kept` names.
    ///
    /// # Errors
    /// [`Error::Damaged`] names the first event that is wrong or missing; [`Error::Refused`] for anybody but the
    /// operator.
    pub async fn verify(self, kept: Option<&AuditHead>) -> Result<AuditHead> {
        const BATCH: i64 = 1000;
        let mut work = self.0.read().await?;
        work.require_operator()?;
        let (mut sequence, mut mac) = (0_i64, Vec::new());
        // Not from 0: an event in front of the first one is none of ours either.
        let mut after = i64::MIN;
        let wrong = |sequence: i64| {
            Error::Damaged(format!("the audit log is not what was written, from event {sequence} on"))
        };
        loop {
            let batch =
                sqlx::query("SELECT * FROM audit_events WHERE sequence > $1 ORDER BY sequence LIMIT $2");
            let rows = work.all(batch.bind(after).bind(BATCH)).await?;
            for row in &rows {
                let (event, key) = (read_event(row)?, row.id("audit_key")?);
                sequence += 1;
                let key = work.audit_key(key).await?;
                let expected = row.blob("mac")?;
                if event.sequence != sequence || !key.authenticates(&mac, &event, &expected) {
                    return Err(wrong(sequence));
                }
                mac = expected;
                if kept.is_some_and(|kept| kept.sequence == sequence && kept.mac != hex::encode(&mac)) {
                    return Err(wrong(sequence));
                }
            }
            if rows.is_empty() {
                break;
            }
            after = sequence;
        }
        let row = work.one(sqlx::query("SELECT audit_sequence, audit_mac FROM store")).await?;
        let whole = row.int("audit_sequence")? == sequence && row.blob("audit_mac")? == mac;
        if !whole || kept.is_some_and(|kept| kept.sequence > sequence) {
            return Err(wrong(sequence.saturating_add(1)));
        }
        Ok(AuditHead { sequence, mac: hex::encode(&mac) })
    }
}

fn read_event(row: &AnyRow) -> Result<AuditEvent> {
    Ok(AuditEvent {
        sequence: row.int("sequence")?,
        at: row.time("at")?,
        tenant: row.optional_id("tenant")?,
        actor: row.text("actor")?,
        origin: row.text("origin")?,
        action: row.text("action")?,
        record: row.text("record")?,
        details: row.text("details")?,
    })
}

/// What authenticates events: HMAC-SHA256 over the authenticator of the event before and the event.
pub(crate) struct AuditKey {
    pub(crate) id: KeyId,
    mac: Hmac<Sha256>,
}

impl AuditKey {
    pub(crate) fn place(store: KeyId, id: KeyId) -> Place<'static> {
        Place { store, kind: KEY, id, generation: 0 }
    }

    pub(crate) fn open(store: KeyId, id: KeyId, data_key: &DataKey, sealed: &[u8]) -> Result<Self> {
        let key = data_key.open(&Self::place(store, id), sealed)?;
        let mac = Hmac::new_from_slice(&key).map_err(|_| Error::Damaged("the audit key is no key".into()))?;
        Ok(Self { id, mac })
    }

    fn message(&self, previous: &[u8], event: &AuditEvent) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        let tenant = event.tenant.map(RecordId::bytes).unwrap_or_default();
        let (sequence, at) = (event.sequence.to_be_bytes(), event.at.timestamp().to_be_bytes());
        let texts = [&event.actor, &event.origin, &event.action, &event.record, &event.details];
        let fields = [previous, &sequence, &at, &tenant].into_iter().chain(texts.map(|text| text.as_bytes()));
        // Each behind its length, so that no two events make the same message.
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac
    }

    fn authenticate(&self, previous: &[u8], event: &AuditEvent) -> Vec<u8> {
        self.message(previous, event).finalize().into_bytes().to_vec()
    }

    fn authenticates(&self, previous: &[u8], event: &AuditEvent, mac: &[u8]) -> bool {
        self.message(previous, event).verify_slice(mac).is_ok()
    }
}

/// Appends events behind the one with `sequence` and `mac`; returns the new end.
pub(crate) async fn append(
    work: &mut Work,
    key: &AuditKey,
    (mut sequence, mut mac): (i64, Vec<u8>),
    events: Vec<AuditEvent>,
) -> Result<(i64, Vec<u8>)> {
    let mut written = Vec::with_capacity(events.len());
    for event in events {
        sequence += 1;
        let event = AuditEvent { sequence, ..event };
        mac = key.authenticate(&mac, &event);
        written.push((event, mac.clone()));
    }
    for batch in written.chunks(rows_at_once(10)) {
        let mut insert = Statement::new(
            "INSERT INTO audit_events (sequence, at, tenant, actor, origin, action, record, details, audit_key, mac) ",
        );
        insert.rows(batch, |row, (event, mac)| {
            row.bind(event.sequence)
                .bind(event.at.timestamp())
                .bind(event.tenant.map(RecordId::bytes))
                .bind(event.actor.clone())
                .bind(event.origin.clone())
                .bind(event.action.clone())
                .bind(event.record.clone())
                .bind(event.details.clone())
                .bind(key.id.bytes())
                .bind(mac.clone());
        });
        work.run(insert.query(work.dialect())?).await?;
    }
    Ok((sequence, mac))
}
