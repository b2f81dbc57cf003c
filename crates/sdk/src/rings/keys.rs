//! Keyring keys: what verifiers must hold to read a ring, and how one takes the place of another without a gap.

use super::{Ring, Rings, finish, load, load_active};
use crate::{
    Error, Result, RingId, Rule,
    ids::{RecordId, entropy},
    rows::{RowExt, damaged},
    work::Work,
};
use claviger_core::{KeyId, KeyringKey, SecretText};
use serde_json::json;
use zeroize::Zeroizing;

pub(crate) const PRESENT: i64 = 1;
pub(crate) const NEXT: i64 = 2;
const PREVIOUS: i64 = 3;

/// What a keyring key is sealed as.
pub(crate) const VALUE: &str = "keyring key";

impl Rings<'_> {
    /// The texts of the keyring keys that verifiers must accept now: the present one, and during a rotation the next or
    /// the previous one too. The audit log has it, in writing, before they are shown.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::NotFound`].
    pub async fn reveal_keys(self, id: RingId) -> Result<Vec<SecretText>> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let ring = load(&mut work, id).await?;
        let keys = all(&mut work, id).await?;
        let ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
        work.audit_in(None, "keyring.keys_revealed", id, json!({ "name": ring.name, "keyring_keys": ids }));
        work.commit().await?;
        Ok(keys.iter().map(KeyringKey::to_text).collect())
    }

    /// Begins the rotation of the keyring key: makes the next one, which is not used yet. Give it to every verifier,
    /// beside the present one, before [`use_next_key`](Self::use_next_key). The previous one, if it was kept, is forgotten.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator, and if it was retired; [`Error::NotFound`]; [`Error::Exists`] if
    /// there is a next one already.
    pub async fn prepare_key(self, id: RingId) -> Result<Ring> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let ring = load_active(&mut work, id).await?;
        if let Some(next) = ring.next_keyring_key {
            return Err(Error::Exists {
                record: "keyring",
                field: "next_keyring_key",
                value: next.to_string(),
            });
        }
        forget_previous(&mut work, id).await?;
        let key = generate(&mut work, id, NEXT).await?;
        let details = json!({ "name": ring.name, "keyring_key": key.to_string() });
        work.audit_in(None, "keyring.key_prepared", id, details);
        finish(work, id).await
    }

    /// Makes roots with the next keyring key from now on. The present one becomes the previous one: verifiers accept both
    /// until every root that was made with it is past its `valid_for`.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator, if it was retired, and if no next one was prepared;
    /// [`Error::NotFound`].
    pub async fn use_next_key(self, id: RingId) -> Result<Ring> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let ring = load_active(&mut work, id).await?;
        if ring.next_keyring_key.is_none() {
            return Err(Rule::NoNextKeyringKey.into());
        }
        for (from, to) in [(PRESENT, PREVIOUS), (NEXT, PRESENT)] {
            let update = sqlx::query("UPDATE ring_keys SET standing = $1 WHERE ring = $2 AND standing = $3");
            work.run(update.bind(to).bind(id.bytes()).bind(from)).await?;
        }
        let update =
            sqlx::query("UPDATE rings SET layout = layout + 1, revision = revision + 1 WHERE id = $1");
        work.run(update.bind(id.bytes())).await?;
        work.audit_in(None, "keyring.key_rotated", id, json!({ "name": ring.name }));
        finish(work, id).await
    }
}

/// Makes a keyring key and seals it. Its id is returned.
pub(crate) async fn generate(work: &mut Work, ring: RingId, standing: i64) -> Result<KeyId> {
    let key = KeyringKey::generate(&Zeroizing::new(entropy()?));
    insert(work, ring, &key, standing).await?;
    Ok(key.id())
}

/// Takes a key that another state of the store had made for the ring as the previous one, if it is not known.
pub(crate) async fn remember(work: &mut Work, ring: RingId, key: &KeyringKey) -> Result<()> {
    if all(work, ring).await?.iter().any(|known| known.id() == key.id()) {
        return Ok(());
    }
    forget_previous(work, ring).await?;
    insert(work, ring, key, PREVIOUS).await
}

async fn forget_previous(work: &mut Work, ring: RingId) -> Result<()> {
    let forget = sqlx::query("DELETE FROM ring_keys WHERE ring = $1 AND standing = $2");
    work.run(forget.bind(ring.bytes()).bind(PREVIOUS)).await.map(|_| ())
}

async fn insert(work: &mut Work, ring: RingId, key: &KeyringKey, standing: i64) -> Result<()> {
    let (data_key, sealed) = work.seal(VALUE, key.id(), 1, key.to_text().expose().as_bytes())?;
    let insert = sqlx::query(
        "INSERT INTO ring_keys (id, ring, standing, data_key, sealed, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    );
    let insert = insert.bind(key.id().bytes()).bind(ring.bytes()).bind(standing).bind(data_key.bytes());
    work.run(insert.bind(sealed).bind(work.now)).await.map(|_| ())
}

/// The keyring keys of a ring: the present one first.
pub(crate) async fn all(work: &mut Work, ring: RingId) -> Result<Vec<KeyringKey>> {
    let query = sqlx::query("SELECT id, data_key, sealed FROM ring_keys WHERE ring = $1 ORDER BY standing");
    let mut keys = Vec::new();
    for row in work.all(query.bind(ring.bytes())).await? {
        let text = work.open(row.id("data_key")?, (VALUE, row.id("id")?, 1), &row.blob("sealed")?).await?;
        let text = std::str::from_utf8(&text).map_err(|_| damaged("sealed"))?;
        keys.push(KeyringKey::parse(text).map_err(|_| damaged("sealed"))?);
    }
    Ok(keys)
}
