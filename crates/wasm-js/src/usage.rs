//! Counting the use of keys: counted where they are verified, and given out in batches.

use crate::{RawVerifier, exchange::put};
use claviger_core::UsageRecorder;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
impl RawVerifier {
    /// Counts the use of at most `most_keys` keys from `now` on (Unix seconds).
    pub fn record_usage(&mut self, most_keys: u32, now: f64) {
        self.usage = Some(UsageRecorder::new(most_keys as usize, now as u64));
    }

    /// Leaves what was counted, in batches of at most `most_uses` keys, as a row of little-endian u64: `from`, `until`, `lost` and the number
    /// of uses of each batch, and of each use the key's id, the count, and when it was last.
    pub fn drain_usage(&mut self, now: f64, most_uses: u32) {
        let mut row = Vec::new();
        let mut push = |number: u64| row.extend_from_slice(&number.to_le_bytes());
        let batch = self.usage.as_mut().and_then(|usage| usage.drain(now as u64));
        for batch in batch.into_iter().flat_map(|batch| batch.split(most_uses as usize)) {
            [batch.from, batch.until, batch.lost, batch.uses.len() as u64].into_iter().for_each(&mut push);
            for usage in batch.uses {
                [usage.key_id.as_u64(), usage.count.into(), usage.last_used_at]
                    .into_iter()
                    .for_each(&mut push);
            }
        }
        put(row);
    }
}
