//! How secrets lie in a store: XChaCha20-Poly1305 with a random nonce under a data key, which the master key wraps.
//!
//! The associated data of every value binds the store, the kind of record, its id and the generation of its value, so a
//! sealed value opens nowhere but where it was put.

use crate::{
    Error, Result,
    ids::{RecordId, entropy},
};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use claviger_core::{KeyId, MasterKey};
use zeroize::Zeroizing;

const NONCE: usize = 24;

/// What a value is sealed for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) store: KeyId,
    /// What kind of value it is, such as `key`.
    pub(crate) kind: &'a str,
    pub(crate) id: KeyId,
    pub(crate) generation: i64,
}

impl Place<'_> {
    /// `"claviger/seal/v1" ‖ store ‖ id ‖ generation (u64 big-endian each) ‖ kind`.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = b"claviger/seal/v1".to_vec();
        data.extend(self.store.as_u64().to_be_bytes());
        data.extend(self.id.as_u64().to_be_bytes());
        data.extend(self.generation.to_be_bytes());
        data.extend(self.kind.as_bytes());
        data
    }
}

/// A key that seals: the nonce, then the ciphertext with its tag.
pub(crate) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// What a master key wraps data keys with.
    pub(crate) fn of_master_key(key: &MasterKey) -> Self {
        Self::new(&key.subkey("wrap"))
    }

    pub(crate) fn seal(&self, place: &Place<'_>, value: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = entropy()?;
        let payload = Payload { msg: value, aad: &place.associated_data() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::invalid("value", "too long to be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The value, or `None` if it was not sealed under this key for this place.
    pub(crate) fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: &place.associated_data() };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

/// A data key: what the values of a store are sealed under.
pub(crate) struct DataKey {
    pub(crate) id: KeyId,
    bytes: Zeroizing<[u8; 32]>,
    sealer: Sealer,
}

impl DataKey {
    fn new(id: KeyId, bytes: Zeroizing<[u8; 32]>) -> Self {
        let sealer = Sealer::new(&bytes);
        Self { id, bytes, sealer }
    }

    pub(crate) fn generate() -> Result<Self> {
        Ok(Self::new(KeyId::random()?, Zeroizing::new(entropy()?)))
    }

    fn wrapping_place(store: KeyId, id: KeyId) -> Place<'static> {
        Place { store, kind: "data key", id, generation: 0 }
    }

    /// The key itself, sealed under a master key.
    pub(crate) fn wrap(&self, store: KeyId, master_key: &MasterKey) -> Result<Vec<u8>> {
        Sealer::of_master_key(master_key).seal(&Self::wrapping_place(store, self.id), self.bytes.as_slice())
    }

    /// Reads what [`wrap`](Self::wrap) wrote; `None` if another master key did.
    pub(crate) fn unwrap(store: KeyId, id: KeyId, wrapped: &[u8], master_key: &MasterKey) -> Option<Self> {
        let bytes = Sealer::of_master_key(master_key).open(&Self::wrapping_place(store, id), wrapped)?;
        Some(Self::new(id, Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    pub(crate) fn seal(&self, place: &Place<'_>, value: &[u8]) -> Result<Vec<u8>> {
        self.sealer.seal(place, value)
    }

    pub(crate) fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.sealer
            .open(place, sealed)
            .ok_or_else(|| Error::Damaged(format!("the sealed {} of {} does not open", place.kind, place.id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_where_it_was_put() {
        let (key, other) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
        let id = KeyId::from_u64;
        let place = Place { store: id(1), kind: "key", id: id(2), generation: 3 };
        let sealed = key.seal(&place, b"value").unwrap();
        assert_eq!(key.open(&place, &sealed).unwrap().as_slice(), b"value");
        assert_ne!(key.seal(&place, b"value").unwrap(), sealed, "the nonce is random");
        for wrong in [
            Place { store: id(9), ..place },
            Place { kind: "shared secret", ..place },
            Place { id: id(9), ..place },
            Place { generation: 4, ..place },
        ] {
            assert_eq!(key.open(&wrong, &sealed).unwrap_err().code(), "damaged");
        }
        assert!(other.open(&place, &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(&place, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(&place, &sealed[..length]).is_err());
        }
    }

    #[test]
    fn a_data_key_is_wrapped_by_one_master_key() {
        let (master, other) = (MasterKey::generate(&[1; 40]), MasterKey::generate(&[2; 40]));
        let key = DataKey::generate().unwrap();
        let store = KeyId::from_u64(1);
        let wrapped = key.wrap(store, &master).unwrap();
        let place = Place { store, kind: "key", id: store, generation: 0 };
        let again = DataKey::unwrap(store, key.id, &wrapped, &master).unwrap();
        assert!(again.open(&place, &key.seal(&place, b"value").unwrap()).is_ok());
        assert!(DataKey::unwrap(store, key.id, &wrapped, &other).is_none());
        assert!(DataKey::unwrap(KeyId::from_u64(2), key.id, &wrapped, &master).is_none());
    }
}
