//! Rings: the keyrings that are published, for whom each is, and how long what it says holds.
//!
//! Their keyring keys stand in `keys`; how they come to verifiers in [`Publisher`](crate::Publisher).

pub(crate) mod keys;

use crate::{
    Created, Error, Result, RingId, Rule, Session, TenantId,
    ids::RecordId,
    rows::{RowExt, damaged},
    validate,
    work::{Work, confirm, unchanged},
};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_core::KeyId;
use serde_json::json;
use sqlx::any::AnyRow;
use std::collections::BTreeSet;

/// For whom a keyring is: whose keys it has.
///
/// Whoever holds its keyring key could pose as any of these keys, so a verifier that a tenant runs gets a keyring of the
/// tenant's own.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[non_exhaustive]
pub enum Audience {
    /// Every tenant, those to come too.
    Everyone,
    /// These.
    Tenants(BTreeSet<TenantId>),
}

impl Audience {
    /// One tenant alone.
    #[must_use]
    pub fn tenant(tenant: TenantId) -> Self {
        Self::Tenants(BTreeSet::from([tenant]))
    }
}

/// A keyring that is published.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Ring {
    /// Its id.
    pub id: RingId,
    /// Its name, unique on the platform.
    pub name: String,
    /// Whose keys it has.
    pub audience: Audience,
    /// For how long after its issue a root is fresh. It is issued anew before half of that is over.
    pub fresh_for: TimeDelta,
    /// For how long after its issue a root is good: a verifier that learns nothing more denies everything then. Within
    /// this time every revocation holds everywhere.
    pub valid_for: TimeDelta,
    /// The id of the keyring key that roots are made with.
    pub keyring_key: KeyId,
    /// The id of the keyring key that comes next, if one was prepared.
    pub next_keyring_key: Option<KeyId>,
    /// The id of the keyring key before, as long as it is kept.
    pub previous_keyring_key: Option<KeyId>,
    /// The epoch of the root that was published last, and when it was issued; none before the first.
    pub published: Option<(u64, DateTime<Utc>)>,
    /// When it was retired, if it was.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Grows with each change.
    pub revision: i64,
}

/// What a new keyring is to be.
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewRing {
    name: String,
    audience: Audience,
    fresh_for: i64,
    valid_for: i64,
}

impl NewRing {
    /// A keyring with a name of 1 to 100 characters: fresh for 60 seconds, valid for a day.
    pub fn new(name: &str, audience: Audience) -> Self {
        Self { name: name.to_owned(), audience, fresh_for: 60, valid_for: 24 * 60 * 60 }
    }

    /// For how long a root is fresh: one second at least, and at most as long as it is valid. Whole seconds.
    pub fn fresh_for(self, time: TimeDelta) -> Self {
        Self { fresh_for: time.num_seconds(), ..self }
    }

    /// For how long a root is valid: at most a year. Whole seconds.
    pub fn valid_for(self, time: TimeDelta) -> Self {
        Self { valid_for: time.num_seconds(), ..self }
    }
}

/// What is to change of a keyring.
#[derive(Clone, Default, Debug)]
#[must_use]
pub struct RingEdit {
    name: Option<String>,
    audience: Option<Audience>,
    fresh_for: Option<i64>,
    valid_for: Option<i64>,
}

impl RingEdit {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another name.
    pub fn name(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// Other tenants. The whole keyring is published anew then.
    pub fn audience(self, audience: Audience) -> Self {
        Self { audience: Some(audience), ..self }
    }

    /// Another time for which roots are fresh, from the next one on.
    pub const fn fresh_for(mut self, time: TimeDelta) -> Self {
        self.fresh_for = Some(time.num_seconds());
        self
    }

    /// Another time for which roots are valid, from the next one on. Those that are out keep theirs.
    pub const fn valid_for(mut self, time: TimeDelta) -> Self {
        self.valid_for = Some(time.num_seconds());
        self
    }
}

/// Rings: see [`Session::rings`]. All of it is the platform operator's.
#[derive(Clone, Copy)]
pub struct Rings<'s>(pub(crate) &'s Session);

impl Rings<'_> {
    /// Creates a keyring with a keyring key. Nothing is published yet: a [`Publisher`](crate::Publisher) does that.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::Invalid`]; [`Error::NotFound`] for a tenant that there is
    /// not; [`Error::Exists`] if the name is taken.
    pub async fn create(self, new: NewRing) -> Result<Created<Ring>> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        validate::name("name", &new.name)?;
        check_times(new.fresh_for, new.valid_for)?;
        let request = ("keyring", &new);
        if let Some(id) = work.replayed(&request).await? {
            return Ok(Created::new(load(&mut work, id.parse()?).await?, true));
        }
        let id = RingId::random()?;
        let insert = sqlx::query(
            "INSERT INTO rings (id, name, everyone, fresh_for, valid_for, layout, published_epoch, published_at, \
             retired_at, created_at, revision) VALUES ($1, $2, 0, $3, $4, 1, 0, 0, 0, $5, 1)",
        );
        let insert = insert.bind(id.bytes()).bind(new.name.clone()).bind(new.fresh_for).bind(new.valid_for);
        work.run_unique(insert.bind(work.now), "keyring", "name", &new.name).await?;
        set_audience(&mut work, id, &new.audience).await?;
        let key = keys::generate(&mut work, id, keys::PRESENT).await?;
        work.remember(&request, id).await?;
        let details = json!({ "name": new.name, "audience": new.audience, "fresh_for": new.fresh_for,
                              "valid_for": new.valid_for, "keyring_key": key.to_string() });
        work.audit_in(None, "keyring.created", id, details);
        Ok(Created::new(finish(work, id).await?, false))
    }

    /// The keyrings, by name, retired ones too.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator.
    pub async fn list(self) -> Result<Vec<Ring>> {
        let mut work = self.0.read().await?;
        work.require_operator()?;
        let rows = work.all(sqlx::query("SELECT * FROM rings ORDER BY name")).await?;
        let mut rings = Vec::with_capacity(rows.len());
        for row in &rows {
            rings.push(read(&mut work, row).await?);
        }
        Ok(rings)
    }

    /// One keyring.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::NotFound`].
    pub async fn get(self, id: RingId) -> Result<Ring> {
        let mut work = self.0.read().await?;
        work.require_operator()?;
        load(&mut work, id).await
    }

    /// Changes a keyring that is still at `revision`.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`Error::Changed`] if it is not at `revision` any more; [`Error::Refused`] if it was
    /// retired.
    pub async fn edit(self, id: RingId, revision: i64, edit: RingEdit) -> Result<Ring> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let ring = load_active(&mut work, id).await?;
        unchanged("keyring", id, revision, ring.revision)?;
        let name = edit.name.unwrap_or(ring.name);
        validate::name("name", &name)?;
        let fresh_for = edit.fresh_for.unwrap_or(ring.fresh_for.num_seconds());
        let valid_for = edit.valid_for.unwrap_or(ring.valid_for.num_seconds());
        check_times(fresh_for, valid_for)?;
        let audience = edit.audience.filter(|audience| *audience != ring.audience);
        let update = "UPDATE rings SET name = $1, fresh_for = $2, valid_for = $3, layout = layout + $4, \
                      revision = revision + 1 WHERE id = $5";
        let update = sqlx::query(update).bind(name.clone()).bind(fresh_for).bind(valid_for);
        let update = update.bind(i64::from(audience.is_some())).bind(id.bytes());
        work.run_unique(update, "keyring", "name", &name).await?;
        if let Some(audience) = &audience {
            note_former(&mut work, id, &ring.audience, audience).await?;
            set_audience(&mut work, id, audience).await?;
        }
        let details =
            json!({ "name": name, "audience": audience, "fresh_for": fresh_for, "valid_for": valid_for });
        work.audit_in(None, "keyring.edited", id, details);
        finish(work, id).await
    }

    /// Retires a keyring: it is not published any more, so its verifiers deny everything when `valid_for` is over.
    /// `confirmation` repeats its name. Returns it, with the latest time at which a verifier may still go by it.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator, and if it was retired before; [`Error::NotFound`];
    /// [`Error::ConfirmationNeeded`].
    pub async fn retire(self, id: RingId, confirmation: &str) -> Result<(Ring, Option<DateTime<Utc>>)> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let ring = load_active(&mut work, id).await?;
        confirm(confirmation, &ring.name)?;
        let update = "UPDATE rings SET retired_at = $1, revision = revision + 1 WHERE id = $2";
        work.run(sqlx::query(update).bind(work.now).bind(id.bytes())).await?;
        let valid_until = valid_until(&mut work, id).await?;
        work.audit_in(None, "keyring.retired", id, json!({ "name": ring.name }));
        Ok((finish(work, id).await?, valid_until))
    }
}

fn check_times(fresh_for: i64, valid_for: i64) -> Result<()> {
    if !(1..=366 * 86_400).contains(&valid_for) {
        return Err(Error::invalid("valid_for", "expected one second to a year"));
    }
    if !(1..=valid_for).contains(&fresh_for) {
        return Err(Error::invalid("fresh_for", "expected one second to valid_for"));
    }
    Ok(())
}

async fn set_audience(work: &mut Work, id: RingId, audience: &Audience) -> Result<()> {
    let everyone = *audience == Audience::Everyone;
    let update = sqlx::query("UPDATE rings SET everyone = $1 WHERE id = $2");
    work.run(update.bind(i64::from(everyone)).bind(id.bytes())).await?;
    work.run(sqlx::query("DELETE FROM ring_tenants WHERE ring = $1").bind(id.bytes())).await?;
    let Audience::Tenants(tenants) = audience else { return Ok(()) };
    if tenants.is_empty() {
        return Err(Error::invalid("audience", "expected one tenant at least"));
    }
    for &tenant in tenants {
        let query = sqlx::query("SELECT 1 AS found FROM tenants WHERE id = $1").bind(tenant.bytes());
        work.optional(query).await?.ok_or_else(|| Error::not_found("tenant", tenant))?;
        let insert = sqlx::query("INSERT INTO ring_tenants (ring, tenant) VALUES ($1, $2)");
        work.run(insert.bind(id.bytes()).bind(tenant.bytes())).await?;
    }
    Ok(())
}

/// Notes the tenants that leave: verifiers go on with their keys until the last root that has them is over.
async fn note_former(work: &mut Work, id: RingId, before: &Audience, after: &Audience) -> Result<()> {
    let Some(until) = valid_until(work, id).await? else { return Ok(()) };
    let before: BTreeSet<TenantId> = match before {
        Audience::Tenants(tenants) => tenants.clone(),
        Audience::Everyone => {
            let rows = work.all(sqlx::query("SELECT id FROM tenants")).await?;
            rows.iter().map(|row| row.id("id")).collect::<Result<_>>()?
        }
    };
    let stays = |tenant: &TenantId| match after {
        Audience::Everyone => true,
        Audience::Tenants(tenants) => tenants.contains(tenant),
    };
    for tenant in before.into_iter().filter(|tenant| !stays(tenant)) {
        let insert = sqlx::query(
            "INSERT INTO ring_former_tenants (ring, tenant, until_at) VALUES ($1, $2, $3) \
             ON CONFLICT (ring, tenant) DO UPDATE SET until_at = excluded.until_at",
        );
        work.run(insert.bind(id.bytes()).bind(tenant.bytes()).bind(until.timestamp())).await?;
    }
    Ok(())
}

/// Until when a verifier may go by a root of a keyring that is out, or may be: none if there is no such root.
pub(crate) async fn valid_until(work: &mut Work, id: RingId) -> Result<Option<DateTime<Utc>>> {
    let query =
        sqlx::query("SELECT COALESCE(MAX(valid_until), 0) AS valid_until FROM ring_roots WHERE ring = $1");
    work.one(query.bind(id.bytes())).await?.optional_time("valid_until")
}

pub(crate) async fn load(work: &mut Work, id: RingId) -> Result<Ring> {
    let row = work.optional(sqlx::query("SELECT * FROM rings WHERE id = $1").bind(id.bytes())).await?;
    read(work, &row.ok_or_else(|| Error::not_found("keyring", id))?).await
}

/// A keyring that was not retired.
pub(crate) async fn load_active(work: &mut Work, id: RingId) -> Result<Ring> {
    let ring = load(work, id).await?;
    if ring.retired_at.is_some() { Err(Rule::RingRetired.into()) } else { Ok(ring) }
}

async fn finish(mut work: Work, id: RingId) -> Result<Ring> {
    let ring = load(&mut work, id).await?;
    work.commit().await?;
    Ok(ring)
}

async fn read(work: &mut Work, row: &AnyRow) -> Result<Ring> {
    let id: RingId = row.id("id")?;
    let audience = if row.flag("everyone")? {
        Audience::Everyone
    } else {
        let query = sqlx::query("SELECT tenant FROM ring_tenants WHERE ring = $1").bind(id.bytes());
        let tenants = work.all(query).await?;
        Audience::Tenants(tenants.iter().map(|row| row.id("tenant")).collect::<Result<_>>()?)
    };
    let (mut present, mut next, mut previous) = (None, None, None);
    let query = sqlx::query("SELECT id, standing FROM ring_keys WHERE ring = $1").bind(id.bytes());
    for row in work.all(query).await? {
        let key = Some(row.id("id")?);
        match row.int("standing")? {
            keys::PRESENT => present = key,
            keys::NEXT => next = key,
            _ => previous = key,
        }
    }
    let published_at = row.optional_time("published_at")?;
    let epoch = row.number("published_epoch")?;
    let seconds = |column| {
        row.int(column).and_then(|seconds| TimeDelta::try_seconds(seconds).ok_or_else(|| damaged(column)))
    };
    Ok(Ring {
        id,
        name: row.text("name")?,
        audience,
        fresh_for: seconds("fresh_for")?,
        valid_for: seconds("valid_for")?,
        keyring_key: present.ok_or_else(|| damaged("standing"))?,
        next_keyring_key: next,
        previous_keyring_key: previous,
        published: published_at.map(|at| (epoch, at)),
        retired_at: row.optional_time("retired_at")?,
        created_at: row.time("created_at")?,
        revision: row.int("revision")?,
    })
}
