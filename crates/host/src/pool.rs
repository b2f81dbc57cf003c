//! Instances that wait for work: bounded in number, lent to one call at a time, never kept after an error.

use crate::{error::HostError, instance::Instance, module::Module, secrets::Secrets};
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
    /// of memory.
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
    /// Signalled when an instance comes back or is gone; only while somebody waits.
    changed: Condvar,
}

struct State {
    /// The last one back is the first one out: its memory is warm.
    idle: Vec<Instance>,
    /// Instances that exist or are being made, idle or lent.
    live: usize,
    waiting: usize,
    secrets: Arc<Secrets>,
    /// Counts replacements of the secrets. A lent instance remembers under which it was made.
    generation: u64,
    /// Lent instances of an earlier generation.
    outdated: usize,
}

/// An instance on loan. When it is dropped it goes back if the borrower said so, and is gone otherwise.
pub(crate) struct Lent<'p> {
    pool: &'p Pool,
    instance: Option<Instance>,
    generation: u64,
    good: bool,
}

impl Pool {
    /// A pool with one instance, which proves that the secrets are accepted.
    pub(crate) fn new(module: Module, secrets: Secrets, options: PoolOptions) -> Result<Self, HostError> {
        secrets.check()?;
        // The field may have been set without the setter that looks at it.
        let options = options.max_instances(options.max_instances);
        let first = module.instantiate(&secrets)?;
        let state = State {
            idle: vec![first],
            live: 1,
            waiting: 0,
            secrets: Arc::new(secrets),
            generation: 0,
            outdated: 0,
        };
        Ok(Self { module, options, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// The state is changed in single steps that cannot panic, so it is sound whatever a thread died of.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends an instance: an idle one, a new one, or one that comes back while the caller waits.
    #[inline]
    pub(crate) fn lend(&self) -> Result<Lent<'_>, HostError> {
        let mut state = self.state();
        if let Some(instance) = state.idle.pop() {
            return Ok(self.loan(Some(instance), state.generation));
        }
        let started = Instant::now();
        loop {
            if let Some(instance) = state.idle.pop() {
                return Ok(self.loan(Some(instance), state.generation));
            }
            if state.live < self.options.max_instances {
                state.live = state.live.saturating_add(1);
                let (secrets, generation) = (Arc::clone(&state.secrets), state.generation);
                drop(state);
                // From here on the loan is counted; if the instance cannot be made, dropping it counts it out.
                let mut lent = self.loan(None, generation);
                lent.instance = Some(self.module.instantiate(&secrets)?);
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

    /// Puts other secrets in the place of the present ones. When it returns, no call is under way in an instance that
    /// holds the present ones, and none will be. It waits as long as the calls take; the engine's epochs bound that.
    pub(crate) fn replace(&self, secrets: Secrets) -> Result<(), HostError> {
        secrets.check()?;
        // Proves that the module accepts them, before anything is changed.
        drop(self.module.instantiate(&secrets)?);
        let mut state = self.state();
        let mut idle = std::mem::take(&mut state.idle);
        let lent = state.live.saturating_sub(idle.len());
        state.secrets = Arc::new(secrets);
        state.generation = state.generation.wrapping_add(1);
        state.live = lent;
        state.outdated = lent;
        // The old ones make room before anybody may make new ones, and before the wait.
        idle.clear();
        self.changed.notify_all();
        while state.outdated > 0 {
            state.waiting = state.waiting.saturating_add(1);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting = state.waiting.saturating_sub(1);
        }
        Ok(())
    }

    fn loan(&self, instance: Option<Instance>, generation: u64) -> Lent<'_> {
        Lent { pool: self, instance, generation, good: false }
    }
}

impl Lent<'_> {
    /// What is lent.
    ///
    /// # Errors
    /// None in practice: an instance is there from when it was made until the loan ends.
    #[inline]
    pub(crate) fn instance(&mut self) -> Result<&mut Instance, HostError> {
        self.instance.as_mut().ok_or(HostError::InvalidAnswer)
    }

    /// Ends the loan of an instance that worked without an error.
    #[inline]
    pub(crate) fn give_back(mut self) {
        self.good = true;
    }
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        let mut instance = self.instance.take();
        let mut state = self.pool.state();
        let current = self.generation == state.generation;
        if self.good && current {
            state.idle.extend(instance.take());
        } else {
            state.live = state.live.saturating_sub(1);
            if !current {
                state.outdated = state.outdated.saturating_sub(1);
            }
        }
        if state.waiting > 0 {
            self.pool.changed.notify_all();
        }
        // What is left of it is taken apart while nobody has to wait for the lock.
        drop(state);
        drop(instance);
    }
}
