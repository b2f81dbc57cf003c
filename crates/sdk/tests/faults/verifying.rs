//! What verifiers make of every root that could ever be seen.

use crate::{random::Random, recorder::Recorder, world::Key};
use claviger_core::{KeyringKey, KeyringReader, Replacement, RequestContext, Verifier};
use claviger_sdk::StoredRoot;
use std::collections::BTreeSet;

/// By how many seconds a verifier takes its clock to be behind.
const CLOCK_SKEW: u64 = 300;

/// A text that was ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) key: Key,
    /// The epoch from which on it must be denied; none if no publication was acknowledged that began later.
    pub(crate) from: Option<u64>,
}

impl Ended {
    pub(crate) const fn new(key: Key, from: Option<u64>) -> Self {
        Self { key, from }
    }
}

/// A verifier with a root, and with any parts that were ever put.
pub(crate) struct Reading<'r> {
    pub(crate) verifier: Verifier,
    recorder: &'r Recorder,
}

impl<'r> Reading<'r> {
    pub(crate) fn new(recorder: &'r Recorder, keys: &[KeyringKey]) -> Self {
        // The present one and one more.
        let keys = keys.iter().take(2).cloned();
        Self { verifier: Verifier::with_keyring_keys(keys).unwrap(), recorder }
    }

    /// The owner that its policy names, or why it is denied.
    pub(crate) fn verdict(&self, text: &str, now: u64) -> Result<String, &'static str> {
        let context = RequestContext::at(now);
        loop {
            match self.verifier.verify_key(text, &context).into_result() {
                Ok(verified) => return Ok(verified.policy.unwrap().owner().to_owned()),
                Err(denied) => match denied.needed {
                    None => return Err(denied.code.as_str()),
                    Some(needed) => {
                        let part = self.recorder.archived(&needed.hash);
                        self.verifier.insert_part(needed.part, needed.index, &part).unwrap();
                    }
                },
            }
        }
    }
}

/// What a verifier that lives long has denied for good.
struct LongLived<'r> {
    reading: Reading<'r>,
    verified: BTreeSet<usize>,
    denied: BTreeSet<usize>,
}

impl<'r> LongLived<'r> {
    fn new(recorder: &'r Recorder, keys: &[KeyringKey]) -> Self {
        Self { reading: Reading::new(recorder, keys), verified: BTreeSet::new(), denied: BTreeSet::new() }
    }

    /// Gives it a root, and asks for every text that was ended.
    fn take(&mut self, root: &StoredRoot, reader: &KeyringReader, ended: &[Ended], now: u64) {
        let before = self.reading.verifier.keyring().map_or(0, |info| info.epoch);
        let replaced = self.reading.verifier.replace_keyring(root.bytes.clone(), now);
        let of_the_future = reader.issued_at() > now + CLOCK_SKEW;
        let takes = reader.epoch() > before && !of_the_future;
        assert_eq!(matches!(replaced, Ok(Replacement::Replaced)), takes, "{replaced:?}");
        let Some(epoch) = self.reading.verifier.keyring().map(|info| info.epoch) else { return };
        for (number, ended) in ended.iter().enumerate() {
            match self.reading.verdict(&ended.key.text, now) {
                Ok(_) => {
                    let key = &ended.key;
                    assert!(!self.denied.contains(&number), "{key:?} verifies again in epoch {epoch}");
                    let over = ended.from.is_some_and(|from| epoch >= from);
                    assert!(!over, "{ended:?} verifies in epoch {epoch}");
                    self.verified.insert(number);
                }
                Err("revoked") => drop(self.denied.insert(number)),
                // The root may be older than the text.
                Err("unknown_key" | "bad_secret" | "wrong_prefix" | "disabled") => {
                    if self.verified.contains(&number) {
                        self.denied.insert(number);
                    }
                }
                // It is not the time of the root, or of the text, whatever is said of the key.
                Err("keyring_expired" | "not_yet_valid" | "expired") => {}
                Err(other) => panic!("{:?} is denied as {other}", ended.key),
            }
        }
    }
}

/// Checks every root that could ever be seen: epochs grow, parts were there first, and what is denied once stays denied;
/// by a verifier that sees them in order, and by one that is given them in any order. In the last one what was ended is
/// denied, and what is good verifies, as whose it is.
pub(crate) async fn check(
    recorder: &Recorder,
    keys: &[KeyringKey],
    seed: u64,
    ended: &[Ended],
    good: &[Key],
) {
    let wrongs = recorder.wrongs();
    assert!(wrongs.is_empty(), "{wrongs:?}");
    let history = recorder.history().await;
    let readers: Vec<KeyringReader> =
        history.iter().map(|root| KeyringReader::open(&root.bytes, keys).unwrap()).collect();
    let epochs: Vec<u64> = readers.iter().map(KeyringReader::epoch).collect();
    assert!(epochs.is_sorted_by(|before, after| before < after), "epochs grow: {epochs:?}");
    let now = readers.last().unwrap().issued_at();

    let mut in_order: Vec<usize> = (0..history.len()).collect();
    let mut long_lived = LongLived::new(recorder, keys);
    for &place in &in_order {
        long_lived.take(&history[place], &readers[place], ended, readers[place].issued_at());
    }
    let last = Reading { verifier: long_lived.reading.verifier.clone(), recorder };
    for ended in ended {
        assert!(last.verdict(&ended.key.text, now).is_err(), "{:?} verifies at the end", ended.key);
    }
    for key in good {
        let verdict = last.verdict(&key.text, now);
        assert_eq!(verdict.as_ref(), Ok(&key.owner), "{key:?} is good at the end");
    }
    Random::new(seed).shuffle(&mut in_order);
    let mut long_lived = LongLived::new(recorder, keys);
    for place in in_order {
        long_lived.take(&history[place], &readers[place], ended, now);
    }
}
