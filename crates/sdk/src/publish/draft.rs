//! A draft: the next root of a ring, from what its destination has and what changed in the store since.
//!
//! 1. The root that is there is read, and then the store: so whatever takes its place knows at least as much.
//! 2. Many changes, or a whole keyring, are read from one state of the store without holding up its writers, and their
//!    parts are put as they are made. What changes meanwhile is in the change feed, so it comes next.
//! 3. The last few changes are read in a writing transaction, which notes that a root of this epoch may come to be: from
//!    then on every operation that ends a key counts with it.
//! 4. The root's digest is noted; parts, then the root are put.
//!
//! A publisher that is killed anywhere in between leaves parts that nothing names, or a root that the store knows as its
//! own.

use super::{
    PublishError, Target,
    contents::{self, KeyRow, Opener, Wanted},
    parts::{Building, Counter, Parts},
};
use crate::{
    Actor, Error, PartHash, Ring, RingId, Store, StoredRoot,
    changes::{self, Changes},
    destination::{NO_PART, NewRoot, RootVersion},
    ids::RecordId,
    policies::{self, Identity, KnownRoles, Slots},
    rings,
    rows::{RowExt, damaged},
    shared_secrets,
    sql::{Statement, rows_at_once},
    work::Work,
};
use chrono::TimeDelta;
use claviger_core::{
    KeyId, KeyPrefix, KeyRecord, KeyringBuilder, KeyringError, KeyringKey, KeyringPart, KeyringReader,
    KeyringSecret, KeyringTerms, POLICIES_PER_PAGE, Policy, Purpose, SharedSecret,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
};

/// At most so many buckets are read while other writers of the store wait.
const FEW_BUCKETS: usize = 64;
/// After so many rounds of reading what changed meanwhile, the rest is read while writers wait.
const ROUNDS: usize = 3;
/// At most so many policies are read while other writers of the store wait.
const FEW_POLICIES: usize = 1024;
/// So many pages are read at once.
const PAGES_AT_ONCE: u32 = 4;
/// About so many keys are read at once.
const KEYS_AT_ONCE: u64 = 8192;
/// The largest epoch: 2^53 - 1, the largest number that JavaScript holds exactly.
const MAX_EPOCH: u64 = (1 << 53) - 1;
/// The most records that a bucket should have.
const MOST_RECORDS: usize = 4096;
/// The most shared secrets that a keyring has room for.
const MOST_SECRETS: usize = 4096;

type Outcome<T> = Result<T, PublishError>;

/// The next root of a ring, on its way.
pub(super) struct Draft<'p> {
    store: &'p Store,
    target: &'p Arc<Target>,
    ring: Ring,
    previous: Previous,
    /// The last writing transaction that the parts know of.
    since: i64,
    /// How many indices of policies the pages know of.
    slots: u32,
    /// When it was last looked at the clock, in Unix seconds.
    read_at: i64,
    layout: i64,
    /// Whether no part is from before.
    whole: bool,
}

/// A builder that pages and chunks are given to side by side.
#[derive(Clone)]
struct Shared(Arc<Mutex<KeyringBuilder>>);

impl Shared {
    fn new(builder: KeyringBuilder) -> Self {
        Self(Arc::new(Mutex::new(builder)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut KeyringBuilder) -> Outcome<T>) -> Outcome<T> {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn into_inner(self) -> Outcome<KeyringBuilder> {
        let alone =
            Arc::into_inner(self.0).ok_or_else(|| PublishError::interrupted("a part is still being made"))?;
        Ok(alone.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the destination has.
#[derive(Default)]
struct Previous {
    version: Option<RootVersion>,
    epoch: u64,
    parts: BTreeSet<PartHash>,
}

/// What is known of the root to come, as long as writers waited.
struct Reserved {
    epoch: u64,
    issued_at: u64,
    sequence: i64,
    records: BTreeMap<u32, Vec<KeyRecord>>,
    policies: PoliciesByPage,
    secrets: Vec<(SharedSecret, Option<Issuing<u32>>)>,
    left_out_secrets: u64,
}

/// A root that was published.
pub(super) struct Done {
    pub(super) epoch: u64,
    pub(super) issued_at: u64,
    pub(super) whole: bool,
    pub(super) left_out_secrets: u64,
    /// The parts that its root names.
    pub(super) named: BTreeSet<PartHash>,
}

/// A writing transaction of the publisher.
async fn writing(store: &Store) -> Outcome<Work> {
    Ok(store.acting_as(Actor::operator("publisher")).write().await?)
}

impl<'p> Draft<'p> {
    /// Starts from what is at the destination. With `anew`, or if no root can be made from the one that is there, the
    /// keyring is made as a whole.
    pub(super) async fn begin(
        store: &'p Store,
        target: &'p Arc<Target>,
        stored: Option<StoredRoot>,
        anew: bool,
    ) -> Outcome<(Self, KeyringBuilder)> {
        let mut work = writing(store).await?;
        let ring = rings::load_active(&mut work, target.ring).await?;
        let keys = rings::keys::all(&mut work, ring.id).await?;
        let key = keys.first().ok_or_else(|| damaged("standing"))?.clone();
        let layout = layout(&mut work, ring.id).await?;
        let mut previous = Previous::default();
        let published = published(&ring);
        if stored.is_none() && published > 0 && !anew {
            return Err(PublishError::Emptied { ring: ring.id, published });
        }
        if let Some(stored) = &stored {
            let reader = open(&ring, &keys, &stored.bytes)?;
            let noted = match noted(&mut work, &ring, &reader, &stored.bytes).await {
                // Nothing that is there can be gone on from, and that is what was asked for.
                Err(PublishError::RolledBack { .. }) if anew => Noted::default(),
                noted => noted?,
            };
            previous.version = Some(stored.version.clone());
            previous.epoch = reader.epoch();
            previous.parts = reader.part_hashes().copied().collect();
            // What changed before the last root that was published may be forgotten already.
            let current = noted.layout == layout && reader.keyring_key_id() == key.id();
            // While a clock was ahead, what was only going to be over was taken for over.
            let put_back = reader.issued_at() > work.now.unsigned_abs();
            if !anew && current && !put_back && previous.epoch >= published {
                let builder =
                    KeyringBuilder::from_previous(&key, &stored.bytes).map_err(PublishError::Unreadable)?;
                let (since, slots, read_at) = (noted.sequence, noted.slots, work.now);
                let draft =
                    Self { store, target, ring, previous, since, slots, read_at, layout, whole: false };
                return Ok((draft, builder));
            }
        }
        let layout = layout.saturating_add(1);
        let update = sqlx::query("UPDATE rings SET layout = $1 WHERE id = $2");
        work.run(update.bind(layout).bind(ring.id.bytes())).await?;
        let forget = sqlx::query("DELETE FROM ring_policies WHERE ring = $1").bind(ring.id.bytes());
        work.run(forget).await?;
        give_slots(&mut work, &ring).await?;
        let (since, slots) = (work.sequence()?, slots(&mut work, ring.id).await?);
        let (keys, read_at) = (count_keys(&mut work, &ring).await?, work.now);
        work.commit().await?;
        let terms = KeyringTerms::new(ring.id.key_id());
        let builder = KeyringBuilder::new(&key, terms, keys);
        let mut draft = Self { store, target, ring, previous, since, slots: 0, read_at, layout, whole: true };
        let (all_slots, all_buckets) = ((0..slots).collect(), (0..builder.buckets()).collect());
        let builder = draft.put_many(builder, &all_slots, &all_buckets, slots).await?;
        Ok((draft, builder))
    }

    /// Puts what changed, then the root.
    pub(super) async fn publish(mut self, mut builder: KeyringBuilder) -> Outcome<Done> {
        let mut rounds = 0;
        let reserved = loop {
            let mut work = writing(self.store).await?;
            self.require_layout(&mut work).await?;
            self.read_at = work.now;
            let changes = self.changes(&mut work).await?;
            let buckets = buckets_of(&builder, &changes);
            // Whoever writes faster than this reads waits in the end.
            let few = buckets.len() <= FEW_BUCKETS && changes.slots.len() <= FEW_POLICIES;
            rounds += 1;
            if few || rounds > ROUNDS {
                let reserved = self.reserve(&mut work, &builder, &changes, &buckets).await?;
                work.commit().await?;
                break reserved;
            }
            give_slots(&mut work, &self.ring).await?;
            let (sequence, slots) = (work.sequence()?, slots(&mut work, self.ring.id).await?);
            work.commit().await?;
            let mut dirty = changes.slots;
            dirty.extend(self.slots..slots);
            builder = self.put_many(builder, &dirty, &buckets, slots).await?;
            self.since = sequence;
        };
        self.finish(builder, reserved).await
    }

    /// Makes sure that what the draft began with still holds: its audience, its keyring key, the indices of its policies.
    async fn require_layout(&self, work: &mut Work) -> Outcome<()> {
        let layout = layout(work, self.ring.id).await?;
        // Nor does what was over by a clock that was put back since.
        if layout == self.layout && work.now >= self.read_at { Ok(()) } else { Err(PublishError::Overtaken) }
    }

    async fn changes(&self, work: &mut Work) -> Outcome<Changes> {
        let mut changes = changes::since(work, &self.ring, self.since).await?;
        // Others get all that they say when their pages are made.
        changes.slots.retain(|&slot| slot < self.slots);
        Ok(changes)
    }

    /// Reads the last few changes and notes that there may be a root that knows them.
    async fn reserve(
        &mut self,
        work: &mut Work,
        builder: &KeyringBuilder,
        changes: &Changes,
        buckets: &BTreeSet<u32>,
    ) -> Outcome<Reserved> {
        let ring = self.ring.id;
        // What holds for the whole ring may have been edited since the draft was begun.
        self.ring = rings::load_active(work, ring).await?;
        let mut rows: BTreeMap<u32, Vec<KeyRow>> = BTreeMap::new();
        for &bucket in buckets {
            let ids = contents::ids(builder.buckets(), bucket..=bucket);
            rows.insert(bucket, contents::rows(work, Wanted::OfRing(&self.ring, ids)).await?);
        }
        let (secrets, left_out_secrets) = secrets(work, &self.ring).await?;
        let without_slot = rows.values().flatten().filter(|row| row.slot.is_none()).map(|row| row.policy);
        let issuing = secrets.iter().filter_map(|(_, issuing)| issuing.map(|issuing| issuing.policy));
        let wanted: BTreeSet<i64> = without_slot.chain(issuing).collect();
        let places = give_slots_to(work, ring, &wanted).await?;
        let slots = slots(work, ring).await?;
        let dirty: BTreeSet<u32> = changes.slots.iter().copied().chain(self.slots..slots).collect();
        let dirty: Vec<u32> = dirty.into_iter().collect();
        let (mut policies, mut known) = (Vec::new(), KnownRoles::new());
        for slots in dirty.chunks(rows_at_once(1)) {
            policies.extend(policies::in_ring(work, ring, Slots::These(slots), &mut known).await?);
        }
        let policies = by_page(policies);
        let mut records = BTreeMap::new();
        for (bucket, rows) in rows {
            let opener = Opener::new(work, &rows).await?;
            let place = |row: &KeyRow| row.slot.or_else(|| places.get(&row.policy).copied());
            let read = rows.iter().filter_map(|row| place(row).map(|slot| opener.record(row, slot)));
            records.insert(bucket, read.collect::<Result<Vec<_>, _>>()?);
        }
        let place = |policy| places.get(&policy).copied().ok_or_else(|| damaged("policy"));
        let secrets = secrets.into_iter().map(|(secret, issuing)| {
            let issuing = issuing.map(|issuing| place(issuing.policy).map(|slot| issuing.with_policy(slot)));
            Ok((secret, issuing.transpose()?))
        });
        let secrets = secrets.collect::<Result<Vec<_>, Error>>()?;
        self.slots = slots;
        let (epoch, issued_at) = self.note(work).await?;
        let sequence = work.sequence()?;
        Ok(Reserved { epoch, issued_at, sequence, records, policies, secrets, left_out_secrets })
    }

    /// Notes that a root may come to be: its epoch and when it is issued.
    async fn note(&self, work: &mut Work) -> Outcome<(u64, u64)> {
        let ring = self.ring.id;
        let query = sqlx::query("SELECT COALESCE(MAX(epoch), 0) AS epoch FROM ring_roots WHERE ring = $1");
        let noted = work.one(query.bind(ring.bytes())).await?.int("epoch")?.unsigned_abs();
        let epoch = noted.max(self.previous.epoch).saturating_add(1).max(work.millis);
        if epoch > MAX_EPOCH {
            return Err(Error::Damaged(format!("the keyring {ring} has had its last epoch")).into());
        }
        let insert = sqlx::query(
            "INSERT INTO ring_roots (ring, epoch, digest, sequence, layout, slots, keyring_key, issued_at, valid_until) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        );
        let valid_until = work.now.saturating_add(self.ring.valid_for.num_seconds());
        let insert =
            insert.bind(ring.bytes()).bind(epoch.cast_signed()).bind(Vec::new()).bind(work.sequence()?);
        let insert = insert.bind(self.layout).bind(i64::from(self.slots)).bind(self.ring.keyring_key.bytes());
        work.run(insert.bind(work.now).bind(valid_until)).await?;
        Ok((epoch, work.now.unsigned_abs()))
    }

    /// Puts parts while others write to the store: the pages of these policies, whose indices are below `slots`, and these
    /// buckets. Both are read side by side.
    async fn put_many(
        &mut self,
        builder: KeyringBuilder,
        dirty: &BTreeSet<u32>,
        buckets: &BTreeSet<u32>,
        slots: u32,
    ) -> Outcome<KeyringBuilder> {
        let pages: BTreeSet<u32> = dirty.iter().map(|slot| slot / POLICIES_PER_PAGE).collect();
        let progress = Counter::new(self.target, pages.len().saturating_add(buckets.len()));
        let builder = Shared::new(builder);
        let (pages, chunks) = tokio::join!(
            self.put_pages(&builder, dirty, &progress),
            self.put_buckets(&builder, buckets, &progress)
        );
        pages.and(chunks)?;
        self.slots = slots;
        builder.into_inner()
    }

    async fn put_pages(&self, builder: &Shared, dirty: &BTreeSet<u32>, progress: &Counter) -> Outcome<()> {
        let mut work = self.store.acting_as(Actor::operator("publisher")).read().await?;
        let (mut parts, mut known) = (Parts::new(self.target), KnownRoles::new());
        let pages: BTreeSet<u32> = dirty.iter().map(|slot| slot / POLICIES_PER_PAGE).collect();
        for pages in runs(&pages, PAGES_AT_ONCE) {
            let first = |page: u32| page.saturating_mul(POLICIES_PER_PAGE);
            let slots = Slots::Range(first(*pages.start()), first(pages.end().saturating_add(1)));
            let mut policies = policies::in_ring(&mut work, self.ring.id, slots, &mut known).await?;
            policies.retain(|(slot, _)| dirty.contains(slot));
            // Each page once: what was put of it may not be there yet.
            for (page, policies) in by_page(policies) {
                parts.put(self.page(builder, page, policies).await?).await?;
                progress.add(1);
            }
        }
        parts.finish().await
    }

    async fn put_buckets(
        &self,
        builder: &Shared,
        buckets: &BTreeSet<u32>,
        progress: &Counter,
    ) -> Outcome<()> {
        let mut work = self.store.acting_as(Actor::operator("publisher")).read().await?;
        let mut parts = Parts::new(self.target);
        // While one batch is read, the one before is masked and hashed.
        let mut building: Option<Building> = None;
        let all = builder.with(|builder| Ok(builder.buckets()))?;
        let at_once = buckets_at_once(count_keys(&mut work, &self.ring).await?, all);
        for batch in runs(buckets, at_once) {
            let ids = contents::ids(all, batch.clone());
            let rows = contents::rows(&mut work, Wanted::OfRing(&self.ring, ids)).await?;
            let opener = Opener::new(&mut work, &rows).await?;
            if let Some(before) = building.take() {
                parts.put_built(before).await?;
            }
            progress.add(batch.end().saturating_sub(*batch.start()).saturating_add(1));
            let builder = builder.clone();
            building = Some(tokio::task::spawn_blocking(move || build(&builder, batch, &rows, &opener)));
        }
        if let Some(before) = building {
            parts.put_built(before).await?;
        }
        parts.finish().await
    }

    /// The page with these policies in the place of those that it had. One that the root has already is changed.
    async fn page(
        &self,
        builder: &Shared,
        page: u32,
        policies: Vec<(u32, Policy<'static>)>,
    ) -> Outcome<KeyringPart> {
        if let Some(hash) = builder.with(|builder| Ok(builder.page_hash(page).copied()))? {
            let previous = self.target.part(hash).await?;
            let changes: Vec<_> = policies.into_iter().map(|(slot, policy)| (slot, Some(policy))).collect();
            return builder.with(|builder| Ok(builder.change_page(page, &previous, &changes)?));
        }
        let mut slots = Vec::new();
        for (slot, policy) in policies {
            let place = (slot % POLICIES_PER_PAGE) as usize;
            slots.resize(place.max(slots.len()), None);
            slots.push(Some(policy));
        }
        builder.with(|builder| Ok(builder.set_page(page, &slots)?))
    }

    /// Makes the root, notes what it is, and puts it.
    async fn finish(self, builder: KeyringBuilder, reserved: Reserved) -> Outcome<Done> {
        let Reserved { epoch, issued_at, records, policies, secrets, .. } = reserved;
        let mut new: Vec<KeyringPart> = Vec::new();
        let builder = Shared::new(builder);
        for (page, policies) in policies {
            new.push(self.page(&builder, page, policies).await?);
        }
        let mut builder = builder.into_inner()?;
        let mut crowded = false;
        for (bucket, records) in records {
            crowded |= is_crowded(records.len(), builder.buckets());
            new.extend(builder.set_bucket(bucket, &records)?);
        }
        let secrets: Vec<KeyringSecret<'_>> = secrets
            .iter()
            .map(|(secret, issuing)| match issuing {
                Some(issuing) => issuing.of(secret),
                None => KeyringSecret::integration(secret),
            })
            .collect();
        builder.set_shared_secrets(&secrets)?;
        let seconds = |time: TimeDelta| u32::try_from(time.num_seconds()).unwrap_or(u32::MAX);
        builder.set_lifetime(seconds(self.ring.fresh_for), seconds(self.ring.valid_for));
        let root = builder.finish(epoch, issued_at)?;
        let hashes: Vec<PartHash> = builder.part_hashes().copied().collect();
        let named: BTreeSet<PartHash> = hashes.iter().copied().filter(|hash| *hash != NO_PART).collect();
        self.note_parts(&named, epoch, &root).await?;

        let mut parts = Parts::new(self.target);
        for part in new {
            // What the root before names is there.
            if self.whole || !self.previous.parts.contains(&part.hash) {
                parts.put(part).await?;
            }
        }
        parts.finish().await?;
        let bytes = root.len() as u64;
        let new_root = NewRoot::new(root, hashes, self.previous.version.clone());
        self.target.call(self.target.destination.put_root(new_root)).await?;
        self.target.count(1, bytes);
        self.note_published(epoch, issued_at, reserved.sequence, crowded).await?;
        let left_out_secrets = reserved.left_out_secrets;
        Ok(Done { epoch, issued_at, whole: self.whole, left_out_secrets, named })
    }

    /// Notes the root before it is put, and the parts that no root names when those that name them are past their time.
    async fn note_parts(&self, named: &BTreeSet<PartHash>, epoch: u64, root: &[u8]) -> Outcome<()> {
        let ring = self.ring.id;
        let mut work = writing(self.store).await?;
        let update = sqlx::query("UPDATE ring_roots SET digest = $1 WHERE ring = $2 AND epoch = $3");
        let digest = Sha256::digest(root).to_vec();
        work.run(update.bind(digest).bind(ring.bytes()).bind(epoch.cast_signed())).await?;
        // If this root is never put, those that it alone names are such parts, too.
        let garbage: Vec<&PartHash> = self.previous.parts.symmetric_difference(named).collect();
        let until = rings::valid_until(&mut work, ring).await?.map_or(work.now, |time| time.timestamp());
        for batch in garbage.chunks(rows_at_once(3)) {
            let mut insert = Statement::new("INSERT INTO ring_garbage (ring, part, delete_after) ");
            insert.rows(batch, |row, hash| {
                row.bind(ring.bytes()).bind(hash.to_vec()).bind(until);
            });
            insert.push(" ON CONFLICT (ring, part) DO UPDATE SET delete_after = excluded.delete_after");
            work.run(insert.query(work.dialect())?).await?;
        }
        Ok(work.commit().await?)
    }

    /// Notes what was published, and forgets what nobody needs any more. Nothing depends on it: a root that is at the
    /// destination is known by its digest.
    async fn note_published(&self, epoch: u64, issued_at: u64, sequence: i64, crowded: bool) -> Outcome<()> {
        let ring = self.ring.id;
        let mut work = writing(self.store).await?;
        let update = sqlx::query(
            "UPDATE rings SET published_epoch = $1, published_at = $2, layout = layout + $3 WHERE id = $4",
        );
        let update = update.bind(epoch.cast_signed()).bind(issued_at.cast_signed()).bind(i64::from(crowded));
        work.run(update.bind(ring.bytes())).await?;
        let old = sqlx::query("DELETE FROM ring_roots WHERE ring = $1 AND epoch < $2 AND valid_until <= $3");
        work.run(old.bind(ring.bytes()).bind(epoch.cast_signed()).bind(work.now)).await?;
        if self.since < sequence {
            changes::forget(&mut work).await?;
        }
        Ok(work.commit().await?)
    }
}

/// What this store has noted of a root that it has made.
#[derive(Default)]
pub(super) struct Noted {
    sequence: i64,
    layout: i64,
    slots: u32,
}

/// What the store has noted of the root at the destination, which `reader` reads.
pub(super) async fn noted(
    work: &mut Work,
    ring: &Ring,
    reader: &KeyringReader,
    root: &[u8],
) -> Outcome<Noted> {
    let query =
        "SELECT sequence, layout, slots FROM ring_roots WHERE ring = $1 AND epoch = $2 AND digest = $3";
    let query = sqlx::query(query).bind(ring.id.bytes()).bind(reader.epoch().cast_signed());
    let row = work.optional(query.bind(Sha256::digest(root).to_vec())).await?;
    let Some(row) = row else {
        let (ring, epoch, published) = (ring.id, reader.epoch(), published(ring));
        // It can be forgotten here, but not newer than what was put in its place.
        return Err(if epoch <= published {
            PublishError::RolledBack { ring, epoch, published }
        } else {
            PublishError::Behind { ring, epoch }
        });
    };
    Ok(Noted { sequence: row.int("sequence")?, layout: row.int("layout")?, slots: row.number("slots")? })
}

/// The number of a ring's layout, which grows when nothing that is there can be gone on from any more.
async fn layout(work: &mut Work, ring: RingId) -> Outcome<i64> {
    let query = sqlx::query("SELECT layout FROM rings WHERE id = $1").bind(ring.bytes());
    Ok(work.one(query).await?.int("layout")?)
}

/// The epoch that was published last; 0 before the first.
fn published(ring: &Ring) -> u64 {
    ring.published.map_or(0, |(epoch, _)| epoch)
}

/// Opens a root that must be of this ring.
pub(super) fn open(ring: &Ring, keys: &[KeyringKey], root: &[u8]) -> Outcome<KeyringReader> {
    let reader = KeyringReader::open(root, keys).map_err(PublishError::Unreadable)?;
    let (expected, found) = (ring.id.key_id(), reader.keyring_id());
    if expected == found {
        Ok(reader)
    } else {
        Err(PublishError::Unreadable(KeyringError::WrongKeyring { expected, found }))
    }
}

/// Makes the chunks of some buckets.
fn build(
    builder: &Shared,
    buckets: RangeInclusive<u32>,
    rows: &[KeyRow],
    opener: &Opener,
) -> Outcome<Vec<KeyringPart>> {
    let mut records: BTreeMap<u32, Vec<KeyRecord>> = buckets.map(|bucket| (bucket, Vec::new())).collect();
    let bucket_of = |id| builder.with(|builder| Ok(builder.bucket_of(id)));
    for row in rows {
        // One that has no index yet is newer than what is being read, and comes next.
        if let (Some(slot), Some(records)) = (row.slot, records.get_mut(&bucket_of(row.id)?)) {
            records.push(opener.record(row, slot)?);
        }
    }
    let mut parts = Vec::new();
    for (bucket, records) in records {
        parts.extend(builder.with(|builder| Ok(builder.set_bucket(bucket, &records)?))?);
    }
    Ok(parts)
}

type PoliciesByPage = BTreeMap<u32, Vec<(u32, Policy<'static>)>>;

fn by_page(policies: Vec<(u32, Policy<'static>)>) -> PoliciesByPage {
    let mut pages = PoliciesByPage::new();
    for (slot, policy) in policies {
        pages.entry(slot / POLICIES_PER_PAGE).or_default().push((slot, policy));
    }
    pages
}

fn buckets_of(builder: &KeyringBuilder, changes: &Changes) -> BTreeSet<u32> {
    let first_id = |&first: &u16| KeyId::from_u64(u64::from(first) << 48);
    changes.keys.iter().map(|first| builder.bucket_of(first_id(first))).collect()
}

/// How many buckets are read at once.
fn buckets_at_once(keys: usize, buckets: u32) -> u32 {
    let at_once = u64::from(buckets).saturating_mul(KEYS_AT_ONCE) / (keys as u64).max(1);
    u32::try_from(at_once).unwrap_or(u32::MAX).max(1)
}

/// Runs of numbers that follow each other, none longer than `longest`, which begin again at each multiple of it.
fn runs(numbers: &BTreeSet<u32>, longest: u32) -> Vec<RangeInclusive<u32>> {
    let mut runs: Vec<RangeInclusive<u32>> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some(run) if run.end().checked_add(1) == Some(number) && !number.is_multiple_of(longest) => {
                *run = *run.start()..=number;
            }
            _ => runs.push(number..=number),
        }
    }
    runs
}

/// Whether a keyring of so many buckets should have more: its chunks have grown far longer than the hashes of all.
fn is_crowded(records: usize, buckets: u32) -> bool {
    records > MOST_RECORDS || records > (buckets as usize).saturating_mul(8).max(64)
}

async fn count_keys(work: &mut Work, ring: &Ring) -> Outcome<usize> {
    let mut query = Statement::new("SELECT COUNT(*) AS count FROM api_keys k WHERE ");
    changes::of_audience(&mut query, "k.tenant", ring);
    let count = work.one(query.query(work.dialect())?).await?.int("count")?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// How many indices of policies there are.
async fn slots(work: &mut Work, ring: RingId) -> Outcome<u32> {
    let query = "SELECT COALESCE(MAX(slot), -1) + 1 AS slots FROM ring_policies WHERE ring = $1";
    Ok(work.one(sqlx::query(query).bind(ring.bytes())).await?.number("slots")?)
}

/// Gives an index to the policy of every key of a ring that has none.
async fn give_slots(work: &mut Work, ring: &Ring) -> Outcome<()> {
    let next = slots(work, ring.id).await?;
    let mut insert = Statement::new("INSERT INTO ring_policies (ring, policy, slot) SELECT ");
    insert.bind(ring.id.bytes()).push(", policy, ").bind(i64::from(next));
    insert.push(" + ROW_NUMBER() OVER (ORDER BY policy) - 1 FROM (SELECT DISTINCT k.policy AS policy FROM api_keys k WHERE ");
    changes::of_audience(&mut insert, "k.tenant", ring);
    insert.push(
        " AND (k.deleted_at = 0 OR k.kind = 3) AND NOT EXISTS (SELECT 1 FROM ring_policies r WHERE r.ring = ",
    );
    insert.bind(ring.id.bytes()).push(" AND r.policy = k.policy)) AS missing");
    work.run(insert.query(work.dialect())?).await?;
    Ok(())
}

/// Gives an index to those of these policies that have none, and returns that of each.
async fn give_slots_to(work: &mut Work, ring: RingId, wanted: &BTreeSet<i64>) -> Outcome<HashMap<i64, u32>> {
    let mut places = HashMap::new();
    let numbers: Vec<i64> = wanted.iter().copied().collect();
    for batch in numbers.chunks(rows_at_once(1)) {
        let mut query = Statement::new("SELECT policy, slot FROM ring_policies WHERE ring = ");
        query.bind(ring.bytes()).push(" AND policy IN (").bind_all(batch.iter().copied()).push(")");
        for row in work.all(query.query(work.dialect())?).await? {
            places.insert(row.int("policy")?, row.number("slot")?);
        }
    }
    let first = slots(work, ring).await?;
    let missing = numbers.into_iter().filter(|number| !places.contains_key(number));
    let given: Vec<(i64, u32)> = missing.zip(first..).collect();
    for batch in given.chunks(rows_at_once(3)) {
        let mut insert = Statement::new("INSERT INTO ring_policies (ring, policy, slot) ");
        insert.rows(batch, |row, (policy, slot)| {
            row.bind(ring.bytes()).bind(*policy).bind(i64::from(*slot));
        });
        work.run(insert.query(work.dialect())?).await?;
    }
    places.extend(given);
    Ok(places)
}

/// The accepted versions of the shared secrets of a ring's tenants; of issuing ones what is said of their keys, the policy
/// by its number in the store.
///
/// A keyring has room for some thousand: the newest that it has no room for are left out, which denies their keys, so
/// that nobody else is held up. Their number is returned, too.
async fn secrets(work: &mut Work, ring: &Ring) -> Outcome<(Vec<(SharedSecret, Option<Issuing<i64>>)>, u64)> {
    let mut query = Statement::new(
        "SELECT v.id AS id, v.version AS version, v.data_key AS data_key, v.sealed AS sealed, s.prefix AS prefix, \
         s.role AS role, s.may_sign AS may_sign, s.tenant AS tenant FROM secret_versions v \
         JOIN shared_secrets s ON s.id = v.secret WHERE v.accepted_until > ",
    );
    query.bind(work.now).push(" AND ");
    changes::of_audience(&mut query, "s.tenant", ring);
    query.push(" ORDER BY v.created_at, v.id");
    let rows = work.all(query.query(work.dialect())?).await?;
    let left_out = rows.len().saturating_sub(MOST_SECRETS) as u64;
    let mut secrets = Vec::new();
    for row in rows.iter().take(MOST_SECRETS) {
        let secret = shared_secrets::open(work, row).await?;
        let issuing = match secret.purpose() {
            Purpose::Integration => None,
            Purpose::Issuing => {
                let prefix = row.text("prefix")?.parse().map_err(|_| damaged("prefix"))?;
                let identity =
                    Identity::of_issuing_secret(row.id("tenant")?, prefix, row.optional_id("role")?);
                let policy = policies::number(work, identity).await?;
                Some(Issuing { prefix, policy, may_sign: row.flag("may_sign")? })
            }
        };
        secrets.push((secret, issuing));
    }
    Ok((secrets, left_out))
}

/// What a keyring says of the keys of an issuing secret, all that is known of them if they have no record there.
#[derive(Clone, Copy)]
struct Issuing<P> {
    prefix: KeyPrefix,
    /// Its number in the store, or its index in the keyring.
    policy: P,
    may_sign: bool,
}

impl<P> Issuing<P> {
    fn with_policy<Q>(self, policy: Q) -> Issuing<Q> {
        Issuing { prefix: self.prefix, policy, may_sign: self.may_sign }
    }
}

impl Issuing<u32> {
    fn of<'s>(&self, secret: &'s SharedSecret) -> KeyringSecret<'s> {
        let said = KeyringSecret::issuing(secret, self.prefix, self.policy);
        if self.may_sign { said.for_signing() } else { said }
    }
}
