//! A key that acts: it is verified against the store itself, by the same core that verifies everywhere.

use crate::{
    Actor, Error, LastUse, Store, effective,
    ids::{RecordId, entropy},
    keys, policies,
    publish::contents,
};
use claviger_core::{
    DenialCode, KeyId, KeyKind, KeyringBuilder, KeyringKey, KeyringTerms, RequestContext, Verdict, Verifier,
    parse,
};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Why a presented key is no actor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unauthenticated {
    /// It is not good. Tell strangers nothing but 401: the code is for logs.
    #[error("denied: {0}")]
    Denied(DenialCode),
    /// It could not be found out.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Store {
    /// Makes an actor of a presented key, if it is good now: of an opaque key (personal ones too), which is looked up in
    /// the store. Signed keys and access tokens are no actors.
    ///
    /// `address` is where the request comes from; a key that is bound to networks is denied without it. The key's last
    /// use is recorded, to the minute.
    ///
    /// The actor is for the request that presented the key: each operation looks whether the key is good then, but not
    /// from where it comes, and not whether the secret that was presented is still the key's.
    ///
    /// # Errors
    /// [`Unauthenticated::Denied`] if the key is not good; [`Unauthenticated::Failed`] if that could not be found out.
    pub async fn authenticate(
        &self,
        presented: &str,
        address: Option<IpAddr>,
    ) -> Result<Actor, Unauthenticated> {
        // Of what is no API key, a keyring without keys says what is wrong with it.
        let id = match parse(presented) {
            Ok(key) if matches!(key.kind(), KeyKind::Opaque | KeyKind::OpaqueSigning) => Some(key.id()),
            Ok(key) if key.kind().is_credential() => {
                return Err(Unauthenticated::Denied(DenialCode::UnknownKey));
            }
            _ => None,
        };
        let mut work = self.acting_as(Actor::operator("store")).read().await?;
        let keyring_key = KeyringKey::generate(&Zeroizing::new(entropy()?));
        let mut builder = KeyringBuilder::new(&keyring_key, KeyringTerms::new(KeyId::from_u64(0)), 0);
        let mut parts = Vec::new();
        let mut used_lately = false;
        if let Some(id) = id {
            match keys::load_any(&mut work, id).await {
                Ok(key) => {
                    let minute_ago = work.now.saturating_sub(60);
                    used_lately = matches!(key.last_use, LastUse::At(time) if time.timestamp() > minute_ago);
                    let access = effective::access_of_owner(&mut work, key.owner).await?;
                    let policy = policies::of_key(&key, &access)?;
                    let records = contents::records_of(&mut work, id, 0).await?;
                    parts.push(builder.set_page(0, &[Some(policy)]).map_err(|error| unusable(&error))?);
                    parts.extend(builder.set_bucket(0, &records).map_err(|error| unusable(&error))?);
                }
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let now = work.now.unsigned_abs();
        let root = builder.finish(1, now).map_err(|error| unusable(&error))?;
        let part = |hash: &[u8; 32]| parts.iter().find(|part| part.hash == *hash).map(|part| &part.bytes[..]);
        let bundle = builder.bundle(&root, part).map_err(|error| unusable(&error))?;
        let id = match verify(keyring_key, bundle, presented, now, address)? {
            Ok(id) => id,
            Err(code) => return Err(Unauthenticated::Denied(code)),
        };
        drop(work);
        // It would wait for its turn among the writers, to write nothing.
        if !used_lately {
            self.record_use(id, now).await?;
        }
        let actor = Actor::key(id);
        Ok(match address {
            Some(address) => actor.from_address(address),
            None => actor,
        })
    }

    async fn record_use(&self, id: KeyId, now: u64) -> Result<(), Error> {
        let now = i64::try_from(now).unwrap_or_default();
        let mut work = self.acting_as(Actor::operator("store")).write().await?;
        let update = "UPDATE api_keys SET last_used_at = $1, \
                      use_count = CASE WHEN use_count < 9223372036854775807 THEN use_count + 1 ELSE use_count END \
                      WHERE id = $2 AND last_used_at <= $3";
        work.run(sqlx::query(update).bind(now).bind(id.bytes()).bind(now.saturating_sub(60))).await?;
        work.commit().await
    }
}

fn unusable(error: &dyn std::fmt::Display) -> Error {
    Error::Damaged(format!("its records make no keyring: {error}"))
}

/// What core says of the presented key: its id, or why it is denied.
fn verify(
    keyring_key: KeyringKey,
    bundle: Vec<u8>,
    presented: &str,
    now: u64,
    address: Option<IpAddr>,
) -> Result<Result<KeyId, DenialCode>, Error> {
    let mut verifier = Verifier::with_keyring_keys([keyring_key]).map_err(|error| unusable(&error))?;
    verifier.replace_keyring(bundle, now).map_err(|error| unusable(&error))?;
    let context = RequestContext::at(now);
    let context = match address {
        Some(address) => context.address(address),
        None => context,
    };
    Ok(match verifier.verify_key(presented, &context) {
        Verdict::Verified(verified) => Ok(verified.key_id),
        Verdict::Denied(denied) => Err(denied.code),
    })
}
