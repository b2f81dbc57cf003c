//! A wasmtime engine as this host wants it: pooled instances, and epochs that end a call which takes too long.

use crate::error::HostError;
use std::{thread, time::Duration};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often the epoch of an engine from [`new_engine`] advances.
pub const TICK: Duration = Duration::from_millis(50);
/// How many epochs a call may see begin before it is interrupted. A verification takes less than a thousandth of one.
pub const CALL_TICKS: u64 = 2;

/// How many epochs the call may see begin in which an instance takes a keyring or a part of one: those have megabytes.
pub(crate) const LOAD_TICKS: u64 = 20;

/// The most memory that an instance may have, in bytes: several times that of a keyring of a million keys. It is there
/// when it is used, and not before.
pub(crate) const MEMORY_LIMIT: usize = 512 << 20;
/// The bytes of a used instance that are cleared for the next one and not given back to the system: more than a new
/// one has.
const RESIDENT: usize = 256 << 10;
/// The most instances that exist at once in an engine from [`new_engine`].
const INSTANCE_LIMIT: u32 = 256;

/// An engine with pooled instances and a thread that advances its epoch every [`TICK`], until the engine is gone.
///
/// Programs that have an engine already give theirs to [`Module::new`](crate::Module::new). It must have been
/// configured with `Config::epoch_interruption(true)`, and they advance its epoch.
///
/// # Errors
/// [`HostError::Engine`] if wasmtime cannot set it up, for example where address space is limited: the pool
/// reserves (but does not use) 4 GiB of it for each of 256 instances.
pub fn new_engine() -> Result<Engine, HostError> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(INSTANCE_LIMIT)
        .total_memories(INSTANCE_LIMIT)
        .total_tables(INSTANCE_LIMIT)
        .max_memory_size(MEMORY_LIMIT)
        .linear_memory_keep_resident(RESIDENT);
    let mut config = Config::new();
    config.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config).map_err(HostError::Engine)?;

    let ticking = engine.weak();
    let ticker = move || {
        while let Some(engine) = ticking.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    let thread = thread::Builder::new().name("claviger-epoch".into()).spawn(ticker);
    thread.map_err(|error| HostError::Engine(error.into()))?;
    Ok(engine)
}
