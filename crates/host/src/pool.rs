//! Instances that wait for work: bounded in number, lent to one call at a time, never kept after an error.

use crate::{
    error::HostError,
    instance::Instance,
    keyring::{Keyring, SharedBytes},
    module::Module,
    parts::Parts,
    trust::Trust,
};
use claviger_core::{KeyringInfo, Replacement};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How many instances a verifier may have, and how long a call waits for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PoolOptions {
    /// The most instances at once. By default twice the processors, at most 128: an engine from
    /// [`new_engine`](crate::new_engine) has room for 256, and several verifiers may share it. Each takes about 200 KiB
    /// of memory, and those parts of the keyring that it has needed so far: 64 bytes a key and more.
    pub max_instances: usize,
    /// How long a call waits for an instance before it is denied as `pool_exhausted`. By default one second.
    pub max_wait: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self { max_instances: processors.saturating_mul(2).min(128), max_wait: Duration::from_secs(1) }
    }
}

impl PoolOptions {
    /// At most `max_instances` at once; 0 is taken as 1.
    #[must_use]
    pub fn max_instances(mut self, max_instances: usize) -> Self {
        self.max_instances = max_instances.max(1);
        self
    }

    /// Waits at most `max_wait` for an instance.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }
}

pub(crate) struct Pool {
    module: Module,
    options: PoolOptions,
    state: Mutex<State>,
    /// Held by the one replacement that is under way, until the calls that it waits for have ended.
    replacing: Mutex<()>,
    /// Signalled when an instance comes back or is gone; only while somebody waits.
    changed: Condvar,
}

struct State {
    /// The last one back is the first one out: its memory is warm.
    idle: Vec<Instance>,
    /// Instances that exist or are being made, idle or lent.
    live: usize,
    waiting: usize,
    trust: Arc<Trust>,
    /// The keyring that every instance has from when it is lent next.
    keyring: Option<(Arc<Keyring>, KeyringInfo)>,
    /// The one before, if parts of the present one may still be on their way.
    earlier: Option<Arc<Keyring>>,
    /// Counts replacements. A lent instance remembers after which of them it was lent.
    generation: u64,
    /// The generation that brought the present trust. Instances of an earlier one hold something else.
    trusted_since: u64,
    /// Lent instances of an earlier generation.
    outdated: usize,
}

/// An instance on loan. When that is dropped, the instance goes back if its last call left it good, and is gone
/// otherwise.
pub(crate) struct Lent<'p> {
    pool: &'p Pool,
    instance: Option<Instance>,
    generation: u64,
    good: bool,
}

impl Pool {
    /// A pool with one instance, which proves that what it is to trust is accepted.
    pub(crate) fn new(module: Module, trust: Trust, options: PoolOptions) -> Result<Self, HostError> {
        trust.check()?;
        // The field may have been set without the setter that looks at it.
        let options = options.max_instances(options.max_instances);
        let first = module.instantiate(&trust)?;
        let state = State {
            idle: vec![first],
            live: 1,
            waiting: 0,
            trust: Arc::new(trust),
            keyring: None,
            earlier: None,
            generation: 0,
            trusted_since: 0,
            outdated: 0,
        };
        let (state, replacing) = (Mutex::new(state), Mutex::new(()));
        Ok(Self { module, options, state, replacing, changed: Condvar::new() })
    }

    /// The state is changed in single steps that cannot panic, so it is sound whatever a thread died of.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends an instance: an idle one, a new one, or one that comes back while the caller waits. It has the keyring
    /// that is the present one now.
    #[inline]
    pub(crate) fn lend(&self) -> Result<Lent<'_>, HostError> {
        let mut state = self.state();
        match state.idle.pop() {
            Some(instance) => self.lend_idle(state, instance),
            None => self.lend_another(state),
        }
    }

    #[inline]
    fn lend_idle(&self, state: MutexGuard<'_, State>, instance: Instance) -> Result<Lent<'_>, HostError> {
        let current = state.keyring.as_ref().is_none_or(|(keyring, _)| instance.has_keyring(keyring));
        let mut lent = self.loan(Some(instance), state.generation);
        if current {
            return Ok(lent);
        }
        let goods = state.goods();
        drop(state);
        lent.bring_up_to_date(&goods)?;
        Ok(lent)
    }

    fn lend_another<'p>(&'p self, mut state: MutexGuard<'p, State>) -> Result<Lent<'p>, HostError> {
        let started = Instant::now();
        loop {
            if let Some(instance) = state.idle.pop() {
                return self.lend_idle(state, instance);
            }
            if state.live < self.options.max_instances {
                state.live = state.live.saturating_add(1);
                let (goods, generation) = (state.goods(), state.generation);
                drop(state);
                // From here on the loan is counted; if the instance cannot be made, dropping it counts it out.
                let mut lent = self.loan(None, generation);
                lent.make(&goods)?;
                return Ok(lent);
            }
            let waited = started.elapsed();
            let Some(left) = self.options.max_wait.checked_sub(waited).filter(|left| !left.is_zero()) else {
                return Err(HostError::PoolExhausted { instances: state.live, waited });
            };
            state.waiting = state.waiting.saturating_add(1);
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state.waiting = state.waiting.saturating_sub(1);
        }
    }

    /// Puts something else to trust in the place of the present, and no keyring. When it returns, no call is under way
    /// in an instance that holds the present, and none will be. It waits as long as the calls take; the engine's epochs
    /// bound that.
    pub(crate) fn replace(&self, trust: Trust) -> Result<(), HostError> {
        trust.check()?;
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        // Proves that the module accepts it, before anything is changed.
        drop(self.module.instantiate(&trust)?);
        let mut state = self.state();
        let mut idle = std::mem::take(&mut state.idle);
        let lent = state.live.saturating_sub(idle.len());
        (state.trust, state.keyring, state.earlier) = (Arc::new(trust), None, None);
        state.generation = state.generation.wrapping_add(1);
        state.trusted_since = state.generation;
        state.live = lent;
        state.outdated = lent;
        // The old ones make room before anybody may make new ones, and before the wait.
        idle.clear();
        self.changed.notify_all();
        self.wait_for_outdated(state);
        Ok(())
    }

    /// Puts a keyring in the place of the present one. An instance of its own, at the present keyring, decides whether
    /// it is taken, so that no load keeps a revocation waiting; the others get it when they are lent next. When it
    /// returns, no call is under way with the present one, and none will be, as with [`replace`](Self::replace).
    ///
    /// `taking` is told the keyring that will be in use and the one before, or ends it all.
    pub(crate) fn replace_keyring(
        &self,
        bytes: SharedBytes,
        now: u64,
        taking: impl FnOnce(&Keyring, KeyringInfo, Option<&Keyring>) -> Result<(), HostError>,
    ) -> Result<Replacement, HostError> {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let (trust, present, _) = self.state().goods();
        let mut judge = self.module.instantiate(&trust)?;
        if let Some(present) = &present {
            judge.take_keyring(present)?;
        }
        let (replacement, taken) = judge.offer_keyring(bytes, now)?;
        let Some(taken) = taken else { return Ok(replacement) };
        taking(&taken.0, taken.1, present.as_deref())?;
        let whole = taken.0.bundle_len != 0;
        let mut state = self.state();
        let mut before = state.keyring.replace(taken).map(|(keyring, _)| keyring);
        if replacement == Replacement::Replaced {
            // It may know what is on its way to the present one.
            let earlier = if whole { None } else { before.take() };
            before = std::mem::replace(&mut state.earlier, earlier).or(before);
        }
        state.generation = state.generation.wrapping_add(1);
        state.outdated = state.live.saturating_sub(state.idle.len());
        // What waits to be lent need not keep the old one's bytes until then.
        let forgotten: Vec<_> = state.idle.iter_mut().map(Instance::forget_keyring).collect();
        drop(state);
        // Giving up the bytes is the caller's code, and may take its time: nobody waits for it.
        drop((present, before, forgotten, judge));
        self.wait_for_outdated(self.state());
        Ok(replacement)
    }

    /// What is known of the present keyring.
    pub(crate) fn keyring(&self) -> Option<KeyringInfo> {
        self.state().keyring.as_ref().map(|(_, info)| *info)
    }

    /// What the instances trust.
    pub(crate) fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.state().trust)
    }

    fn wait_for_outdated(&self, mut state: MutexGuard<'_, State>) {
        while state.outdated > 0 {
            state.waiting = state.waiting.saturating_add(1);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting = state.waiting.saturating_sub(1);
        }
    }

    fn loan(&self, instance: Option<Instance>, generation: u64) -> Lent<'_> {
        Lent { pool: self, instance, generation, good: false }
    }
}

/// What an instance must have: what it trusts, the keyring, and if it is new the one before.
type Goods = (Arc<Trust>, Option<Arc<Keyring>>, Option<Arc<Keyring>>);

impl State {
    /// What an instance must have.
    fn goods(&self) -> Goods {
        let keyring = self.keyring.as_ref().map(|(keyring, _)| Arc::clone(keyring));
        (Arc::clone(&self.trust), keyring, self.earlier.clone())
    }
}

impl Lent<'_> {
    /// Makes a new instance on this loan.
    fn make(&mut self, (trust, keyring, earlier): &Goods) -> Result<(), HostError> {
        let mut instance = self.pool.module.instantiate(trust)?;
        for keyring in earlier.iter().chain(keyring) {
            instance.take_keyring(keyring)?;
        }
        self.instance = Some(instance);
        Ok(())
    }

    /// Gives the instance the present keyring; if it does not take it, another one has its place.
    #[cold]
    fn bring_up_to_date(&mut self, goods: &Goods) -> Result<(), HostError> {
        let (_, keyring, earlier) = goods;
        let taken = self
            .instance
            .as_mut()
            .zip(keyring.as_ref())
            .map(|(instance, keyring)| instance.take_keyring_after(earlier.as_ref(), keyring));
        if let Some(Ok(true)) = taken {
            return Ok(());
        }
        // It makes room in the engine before the other one is made.
        self.instance = None;
        self.make(goods)
    }

    /// Puts in what the instance waited for and has come; if some of it is gone, another one has its place.
    #[inline]
    pub(crate) fn settle(&mut self, parts: &Parts) -> Result<(), HostError> {
        match &mut self.instance {
            Some(instance) if !instance.awaited.is_empty() => {
                if instance.settle(parts)? {
                    return Ok(());
                }
                self.instance = None;
                let goods = self.pool.state().goods();
                self.make(&goods)
            }
            _ => Ok(()),
        }
    }

    /// Calls what is lent. After an error it is kept only if that spares it.
    #[inline]
    pub(crate) fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Instance) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        self.good = false;
        // An instance is there from when it was made until the loan ends.
        let result = self.instance.as_mut().ok_or(HostError::InvalidAnswer).and_then(call);
        self.good = result.as_ref().err().is_none_or(HostError::spares_instance);
        result
    }
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        let mut instance = self.instance.take();
        let mut state = self.pool.state();
        if self.good && self.generation >= state.trusted_since {
            state.idle.extend(instance.take());
        } else {
            state.live = state.live.saturating_sub(1);
        }
        if self.generation != state.generation {
            state.outdated = state.outdated.saturating_sub(1);
        }
        if state.waiting > 0 {
            self.pool.changed.notify_all();
        }
        // What is left of it is taken apart while nobody has to wait for the lock.
        drop(state);
        drop(instance);
    }
}
