/** The keyring of a verifier, as what keeps it up to date sees it. */
import type { KeyringInfo } from "./verifier.js";
import type { NeededPart } from "./verdict.js";

/** What is done to the keyring. Everything is done at once: nothing waits. */
export interface Ring {
  /** What is known of it; `undefined` if there is none. */
  readonly info: KeyringInfo | undefined;
  /** How often it was replaced. */
  readonly replacements: number;
  /** Replaces it (Unix seconds `now`). Of a root alone, parts that were here and have changed are awaited. */
  replace(keyring: Uint8Array, now: number): "replaced" | "unchanged";
  /** Inserts a part, if it has the hash that the keyring names, and gives up what has no room. */
  insert(part: NeededPart, bytes: Uint8Array): void;
  /** Lets the keyring before decide until this part is here. */
  await(part: NeededPart): void;
  /** The parts that are awaited. */
  awaited(): NeededPart[];
  /** Takes no keyring below this epoch, and decides nothing by one. */
  raiseMinEpoch(epoch: number): void;
}
