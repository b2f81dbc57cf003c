/** Batches of what was counted of the use of keys (`usage.rs` in the core). */
import { idOfHalves } from "./verdict.js";

/** How a key was used. */
export interface KeyUsage {
  /** The public id of the key: 11 characters. */
  keyId: string;
  /** How often; it stays at its maximum, 2^32 - 1, when it gets there. */
  count: number;
  /** When last, in Unix seconds. */
  lastUsedAt: number;
}

/**
 * What was seen of the use of keys, and the time of which that is everything.
 *
 * The report of the admin side takes it as it is, and the same batch twice if its arrival was not confirmed.
 */
export interface UsageBatch {
  /** The beginning of the time of which everything was told when this batch is taken, in Unix seconds. */
  from: number;
  /** The end of that time, exclusive. If it equals `from`, the batch tells uses and covers no time. */
  until: number;
  /** The keys that were used, each once: at most 10,000. */
  uses: KeyUsage[];
  /** How many uses were not counted, because there was no room for another key. */
  lost: number;
}

/** The most uses in a batch. */
export const MOST_USES = 10_000;

/** Reads the row of u64 that the core gives, a copy of its own. */
export function readBatches(row: Uint8Array): UsageBatch[] {
  const halves = new Uint32Array(row.buffer);
  const batches: UsageBatch[] = [];
  let at = 0;
  const low = (): number => halves[2 * at] as number;
  const high = (): number => halves[2 * at + 1] as number;
  // Times and counts stay far below 2^53.
  const next = (): number => {
    const number = low() + high() * 0x1_0000_0000;
    at += 1;
    return number;
  };
  while (2 * at < halves.length) {
    const batch: UsageBatch = { from: next(), until: next(), lost: next(), uses: [] };
    for (let left = next(); left > 0; left -= 1) {
      const keyId = idOfHalves(low(), high());
      at += 1;
      batch.uses.push({ keyId, count: next(), lastUsedAt: next() });
    }
    batches.push(batch);
  }
  return batches;
}
