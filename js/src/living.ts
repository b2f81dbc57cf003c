/** What makes a verifier with a source live by itself: its two halves, put together. */
import { PartFetcher } from "./fetching.js";
import type { Lifetime } from "./lifetime.js";
import { Refresher } from "./refreshing.js";
import type { Ring } from "./ring.js";
import type { KeyringSource } from "./source.js";
import type { Upkeep } from "./upkeep.js";

export interface Living {
  /** Fetches the parts that verdicts need. */
  readonly fetcher: PartFetcher;
  /** Keeps the keyring up to date. */
  readonly refresher: Refresher;
}

/** Makes both, for the keyring of one verifier. */
export function livingBy(source: KeyringSource, upkeep: Upkeep, ring: Ring, life: Lifetime): Living {
  const { tell, timeoutSeconds } = upkeep;
  const fetcher = new PartFetcher(source, ring, life, timeoutSeconds, tell);
  return { fetcher, refresher: new Refresher(source, ring, fetcher, life, upkeep, tell) };
}
