//! How a keyring enters an instance: its head at once, and each part when a verdict needs it.

use crate::{
    engine::LOAD_TICKS,
    error::HostError,
    instance::Instance,
    keyring::{Keyring, LONGEST_PART, SharedBytes},
    parts::Parts,
};
use claviger_core::{
    BUNDLE_PREAMBLE_LEN, DenialCode, KEYRING_INFO_LEN, KeyringError, KeyringInfo, MAX_ROOT_LEN, NeededPart,
    PartKind, Replacement, Verdict,
};
use std::sync::Arc;
use wasmtime::WasmParams;

/// More parts than one verdict can need: an override, and the policy pages of an issuing secret and of the override.
const MOST_PARTS: usize = 8;
/// Errors of keyrings are this and the 255 statuses below it.
const KEYRING_STATUS: i32 = -1024;

/// A keyring that an instance took, and what is known of it.
pub(crate) type Taken = (Arc<Keyring>, KeyringInfo);

impl Instance {
    /// Offers a keyring beside the present one, which stays if there is an error: what became of it, and what was taken
    /// if something was. A bundle of the present keyring is taken too: parts of the one before may be damaged.
    pub(crate) fn offer_keyring(
        &mut self,
        bytes: SharedBytes,
        now: u64,
    ) -> Result<(Replacement, Option<Taken>), HostError> {
        let all = (*bytes).as_ref();
        let keyring = match self.bundle_head_len(all) {
            Ok(head_len) => Keyring::bundle(bytes, head_len, now),
            // The module tells a root from anything else, unless it is longer than any.
            Err(HostError::Keyring(KeyringError::NotAKeyring)) if all.len() <= MAX_ROOT_LEN => {
                Keyring::root(bytes, now)
            }
            Err(HostError::Keyring(KeyringError::NotAKeyring)) => {
                return Err(HostError::Keyring(KeyringError::Oversized));
            }
            Err(error) => return Err(error),
        };
        let keyring = Arc::new(keyring);
        let replacement = self.enter(&keyring)?;
        if replacement == Replacement::Unchanged && keyring.bundle_len == 0 {
            return Ok((replacement, None));
        }
        self.keyring = Some(Arc::clone(&keyring));
        let info = self.keyring_info()?;
        Ok((replacement, Some((keyring, info))))
    }

    /// Takes a keyring that another instance of the same configuration has taken. What it was told to wait for it may
    /// still wait for: the keyring may have the same part.
    pub(crate) fn take_keyring(&mut self, keyring: &Arc<Keyring>) -> Result<(), HostError> {
        self.enter(keyring)?;
        self.keyring = Some(Arc::clone(keyring));
        self.last = Arc::downgrade(keyring);
        Ok(())
    }

    /// Takes a keyring that came after `earlier`; false if it cannot, and another instance has to take its place.
    pub(crate) fn take_keyring_after(
        &mut self,
        earlier: Option<&Arc<Keyring>>,
        keyring: &Arc<Keyring>,
    ) -> Result<bool, HostError> {
        if let Some(earlier) = earlier.filter(|earlier| !self.last.ptr_eq(&Arc::downgrade(earlier))) {
            // It has missed keyrings: what it has from before them must not decide any more.
            if !self.awaited.is_empty() {
                return Ok(false);
            }
            self.take_keyring(earlier)?;
        }
        self.take_keyring(keyring)?;
        Ok(true)
    }

    /// Keeps nothing of the keyring outside the instance; it has to take the present one before it is used again.
    #[must_use]
    pub(crate) fn forget_keyring(&mut self) -> Option<Arc<Keyring>> {
        self.keyring.take()
    }

    /// Whether it has this keyring.
    #[inline]
    pub(crate) fn has_keyring(&self, keyring: &Arc<Keyring>) -> bool {
        self.keyring.as_ref().is_some_and(|present| Arc::ptr_eq(present, keyring))
    }

    fn bundle_head_len(&mut self, bundle: &[u8]) -> Result<usize, HostError> {
        self.write(0, bundle.get(..BUNDLE_PREAMBLE_LEN).unwrap_or(bundle))?;
        let head_len = self.call_keyring("claviger_bundle_head_len", bundle.len() as u64)?;
        Ok(head_len as usize)
    }

    fn enter(&mut self, keyring: &Keyring) -> Result<Replacement, HostError> {
        let head = keyring.head().ok_or(HostError::Keyring(KeyringError::Truncated))?;
        let len = self.write_part(head)?;
        match self.call_keyring("claviger_keyring_replace", (len, keyring.bundle_len, keyring.now))? {
            0 => Ok(Replacement::Replaced),
            1 => Ok(Replacement::Unchanged),
            _ => Err(HostError::InvalidAnswer),
        }
    }

    fn keyring_info(&mut self) -> Result<KeyringInfo, HostError> {
        self.call_keyring("claviger_keyring_info", ())?;
        Ok(KeyringInfo::from_bytes(self.output::<KEYRING_INFO_LEN>(0)?))
    }

    /// Inserts a part, which the module checks.
    pub(crate) fn insert_part(&mut self, part: PartKind, index: u32, bytes: &[u8]) -> Result<(), HostError> {
        // What is longer than any part has the wrong hash, cut off or not.
        let len = self.write_part(bytes.get(..LONGEST_PART).unwrap_or(bytes))?;
        let kind = u32::from(part.number());
        self.call_keyring("claviger_keyring_insert", (kind, index, len)).map(|_| ())
    }

    /// Provides the parts that `verdict` lacks, and asks again.
    #[cold]
    #[inline(never)]
    pub(crate) fn provide_for(
        &mut self,
        mut verdict: Verdict<'static>,
        parts: &Parts,
        ask: &mut dyn FnMut(&mut Self) -> Result<Verdict<'static>, HostError>,
    ) -> Result<Verdict<'static>, HostError> {
        for _ in 0..MOST_PARTS {
            let Verdict::Denied(denied) = &mut verdict else { break };
            let Some(needed) = denied.needed else { break };
            match self.provide(&needed, parts)? {
                Provided::Here => verdict = ask(self)?,
                Provided::Nowhere => break,
                Provided::Invalid => {
                    (denied.code, denied.needed) = (DenialCode::KeyringInvalid, None);
                    break;
                }
            }
        }
        Ok(verdict)
    }

    fn provide(&mut self, needed: &NeededPart, parts: &Parts) -> Result<Provided, HostError> {
        let (kept, keyring) = (parts.get(&needed.hash), self.keyring.clone());
        let bytes = match (&kept, needed.in_bundle) {
            (Some(kept), _) => &kept[..],
            (None, None) => return self.wait_for(needed, parts),
            (None, Some(place)) => match keyring.as_ref().and_then(|keyring| keyring.part(place)) {
                Some(bytes) => bytes,
                None => return Ok(Provided::Invalid),
            },
        };
        match self.insert_part(needed.part, needed.index, bytes) {
            Ok(()) => {}
            Err(HostError::Keyring(_)) => return Ok(Provided::Invalid),
            Err(error) => return Err(error),
        }
        self.evict_parts(parts)?;
        Ok(Provided::Here)
    }

    /// Waits for a part that is on its way to this host: meanwhile the keyring before decides, if there is one.
    fn wait_for(&mut self, needed: &NeededPart, parts: &Parts) -> Result<Provided, HostError> {
        let known = self.awaited.iter().any(|awaited| awaited.hash == needed.hash);
        if known || !parts.is_awaited(&needed.hash) {
            return Ok(Provided::Nowhere);
        }
        self.write(0, &needed.hash)?;
        self.call_keyring("claviger_keyring_await", (u32::from(needed.part.number()), needed.index))?;
        self.awaited.push(*needed);
        Ok(Provided::Here)
    }

    /// Puts in what was awaited and has come, before anything is decided without it; false if some of it came and is
    /// gone. Then another instance has to take its place, which does not wait for it.
    #[cold]
    #[inline(never)]
    pub(crate) fn settle(&mut self, parts: &Parts) -> Result<bool, HostError> {
        let mut whole = true;
        for awaited in std::mem::take(&mut self.awaited) {
            match parts.get(&awaited.hash) {
                // What another keyring has instead, it has another way.
                Some(bytes) => match self.insert_part(awaited.part, awaited.index, &bytes) {
                    Ok(()) => self.evict_parts(parts)?,
                    Err(HostError::Keyring(_)) => {}
                    Err(error) => return Err(error),
                },
                None if parts.is_awaited(&awaited.hash) => self.awaited.push(awaited),
                None => whole = false,
            }
        }
        Ok(whole)
    }

    fn evict_parts(&mut self, parts: &Parts) -> Result<(), HostError> {
        if let Some(limit) = parts.limit() {
            self.call_keyring("claviger_keyring_evict", u32::try_from(limit).unwrap_or(u32::MAX))?;
        }
        Ok(())
    }

    /// Writes into the part buffer, and returns the length.
    pub(crate) fn write_part(&mut self, bytes: &[u8]) -> Result<u32, HostError> {
        let no_room = HostError::NoRoomForPart { len: bytes.len() };
        let Ok(len) = u32::try_from(bytes.len()) else { return Err(no_room) };
        let address = self.call::<u32>("claviger_part_buffer", len)?;
        if address == 0 {
            return Err(no_room);
        }
        let memory = self.memory.data_mut(&mut self.store);
        let slot = memory.get_mut(address as usize..).and_then(|memory| memory.get_mut(..bytes.len()));
        slot.ok_or(HostError::InvalidAnswer)?.copy_from_slice(bytes);
        Ok(len)
    }

    /// Calls a function that returns a status and says of keyrings what is wrong with them.
    fn call_keyring<P: WasmParams>(&mut self, name: &'static str, parameters: P) -> Result<u32, HostError> {
        let result = self.call(name, parameters)?;
        let status = result.cast_signed();
        if status >= 0 {
            return Ok(result);
        }
        let number = KEYRING_STATUS.checked_sub(status).and_then(|number| u8::try_from(number).ok());
        let Some(number) = number else { return Err(HostError::Refused { status }) };
        let details = self.output::<16>(0)?.as_chunks::<8>().0;
        let mut numbers = [0; 2];
        for (slot, detail) in numbers.iter_mut().zip(details) {
            *slot = u64::from_le_bytes(*detail);
        }
        let error = KeyringError::from_number(number, numbers);
        Err(error.map_or(HostError::InvalidAnswer, HostError::Keyring))
    }

    /// Calls a function that is called too seldom to be looked up in advance.
    fn call<P: WasmParams>(&mut self, name: &'static str, parameters: P) -> Result<u32, HostError> {
        let function = self.export::<P>(name)?;
        self.store.set_epoch_deadline(LOAD_TICKS);
        function.call(&mut self.store, parameters).map_err(HostError::Trapped)
    }
}

/// What became of a part that was needed.
enum Provided {
    Here,
    Nowhere,
    /// It is not what the keyring says.
    Invalid,
}
