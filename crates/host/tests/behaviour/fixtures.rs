//! Secrets, keys, engines and modules that the tests share.

use claviger_host::{
    EMBEDDED_MODULE, Module, Secrets,
    core::{IssuingKey, KeyPrefix, Purpose, RequestContext, SharedSecret, SignedKeyTerms},
    wasmtime::{Config, Engine},
};
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

pub(crate) const NOW: u64 = 1_790_000_000;
pub(crate) const AT_NOW: RequestContext = RequestContext::at(NOW);

pub(crate) fn prefix(text: &str) -> KeyPrefix {
    text.parse().unwrap()
}

pub(crate) fn live() -> KeyPrefix {
    prefix("acme_live")
}

/// An issuing secret; another seed makes another one.
pub(crate) fn issuing(version: u8, seed: u8) -> SharedSecret {
    SharedSecret::generate(Purpose::Issuing, version, &[seed; 40])
}

/// A key for an hour from [`NOW`] on.
pub(crate) fn key(prefix: KeyPrefix, secret: &SharedSecret) -> String {
    key_with(prefix, secret, SignedKeyTerms::expiring(NOW, 60))
}

pub(crate) fn key_with(prefix: KeyPrefix, secret: &SharedSecret, terms: SignedKeyTerms) -> String {
    let issuer = IssuingKey::new(prefix, secret).unwrap();
    issuer.generate(&[9; 8], terms).unwrap().expose().to_owned()
}

pub(crate) fn trusting(secret: SharedSecret) -> Secrets {
    Secrets::new().issuing_secret(live(), secret)
}

/// An engine whose epoch advances only when a test advances it.
pub(crate) fn still_engine() -> Engine {
    let mut config = Config::new();
    config.epoch_interruption(true);
    Engine::new(&config).unwrap()
}

/// The embedded module in a still engine, compiled once.
pub(crate) fn embedded() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| Module::new(&still_engine(), EMBEDDED_MODULE).unwrap())
}

/// SplitMix64: the same numbers in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }
}

/// Tells other threads that this one has ended, however it ended.
pub(crate) struct SetOnDrop<'f>(pub(crate) &'f AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
